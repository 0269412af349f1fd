"""Attention: means of values, weighted by how well keys fit queries.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ShapeError, UsageError
from ..arguments import as_array, flag
from ..numerics import Array
from ..primitives import matmul, where
from . import checked
from .reductions import softmax
from .shapes import matrix_transpose


def attention(q: Array, k: Array, v: Array, mask: Any = None, causal: bool = False) -> Array:
    """Return softmax(q kᵀ / √d) v, where each query sees the keys that the mask allows.

    A. Vaswani et al., "Attention is all you need", NeurIPS 2017, eq. 1.

    Parameters
    ----------
    q : (..., T, d)
        The queries.
    k : (..., S, d)
        The keys.
    v : (..., S, D)
        The values.
    mask : (..., T, S), or what broadcasts to that, optional
        Truth values: whether a query sees a key. Or numbers, which are added to q kᵀ / √d.
    causal : bool
        Whether the query of step t sees the keys of steps 0 to t alone.

    Returns
    -------
    y : (..., T, D)
        0 for a query that sees no key.

    Raises
    ------
    ShapeError, UsageError
        If the shapes do not fit; the message names them.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> x = np.eye(3)
    >>> tg.attention(10 * x, 10 * x, x, causal=True)[0]
    array([1., 0., 0.])
    """
    q, k, v = (checked.array("attention", x) for x in (q, k, v))
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attention: found queries {q.shape}, keys {k.shape} and values {v.shape}; expected "
            "(..., T, d), (..., S, d) and (..., S, D)"
        )
    weights = attention_weights(scores(q, k), mask, causal)
    return matmul(weights, v)


def scores(q: Array, k: Array) -> Array:
    """Return q kᵀ / √d: how well keys fit queries."""
    return matmul(q, matrix_transpose(k)) * (1.0 / math.sqrt(q.shape[-1]))


def attention_weights(s: Array, mask: Any = None, causal: bool = False) -> Array:
    """Return softmax(s) over the keys that each query sees; 0 where a query sees none.

    Parameters
    ----------
    s : (..., T, S)
    mask, causal : as of `attention`
    """
    T, S = s.shape[-2:]
    if hasattr(mask, "__interpret__") and mask.dtype.kind == "b":
        mask = mask.numpy()
    elif mask is not None and not hasattr(mask, "__interpret__"):
        mask = as_array("attention: the mask", mask)
        if mask.dtype.kind not in "bfiu":
            raise UsageError(
                f"attention: found a mask of type {mask.dtype}, expected truth values or numbers"
            )
    if mask is not None:
        try:
            fits = np.broadcast_shapes(mask.shape, s.shape) == s.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"attention: found a mask of shape {mask.shape} for scores {s.shape}")
    sees: Any = None
    if mask is not None and mask.dtype.kind == "b":
        sees = mask
    elif isinstance(mask, np.ndarray) and (mask == -np.inf).any():
        sees = mask != -np.inf
        s = s + np.where(sees, mask, 0.0)
    elif mask is not None:
        s = s + mask
    if flag("attention: causal", causal):
        before = np.tri(T, S, dtype=bool)
        sees = before if sees is None else sees & before
    if sees is None or sees.all():
        return softmax(s)
    blind = ~sees.any(axis=-1, keepdims=True)
    if not blind.any():
        return softmax(where(sees, s, -np.inf))
    return where(blind, 0.0, softmax(where(sees | blind, s, -np.inf)))
