"""Diagonals and triangles of matrices.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ..arguments import whole
from ..numerics import Array
from ..primitives import gather, mask, reshape, scatter_add, sum
from . import checked
from .shapes import moveaxis

LARGEST = 2**31  # number of a diagonal off the middle; its matrix fills no memory beyond


def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the diagonals of the matrices along two axes; their entries are the last axis."""
    a = checked.array("diagonal", a)
    offset = whole("diagonal: the offset", offset)
    a = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = _places(offset, *a.shape[-2:])
    return gather(a, index=(..., rows, columns))


def _places(offset: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and the columns of the entries on a diagonal."""
    offset = max(-height, min(offset, width))
    start = np.arange(max(min(height + min(offset, 0), width - max(offset, 0)), 0))
    return start - min(offset, 0), start + max(offset, 0)


def diag(v: Array, k: int = 0) -> Array:
    """Return the diagonal of a matrix, or a matrix with a vector on its diagonal."""
    v = checked.array("diag", v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(f"diag: found shape {v.shape}, expected a vector or a matrix")
    k = whole("diag: k", k, -LARGEST, LARGEST)
    size = v.shape[0] + abs(k)
    return scatter_add(v, index=_places(k, size, size), shape=(size, size))


def diagflat(v: Array, k: int = 0) -> Array:
    """Return a matrix with all entries on its diagonal."""
    return diag(reshape(checked.array("diagflat", v), shape=(-1,)), k)


def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the sums of the diagonals of the matrices along two axes."""
    return sum(diagonal(a, offset, axis1, axis2), axis=-1)


def tril(m: Array, k: int = 0) -> Array:
    """Return matrices with zeros above the k-th diagonal."""
    return _mask("tril", m, np.tri, k)


def triu(m: Array, k: int = 0) -> Array:
    """Return matrices with zeros below the k-th diagonal."""
    return _mask("triu", m, lambda n, m, k: 1.0 - np.tri(n, m, k - 1), k)


def _mask(who: str, m: Array, ones: Any, k: Any) -> Array:
    m = checked.array(who, m)
    if m.ndim == 0:
        raise ShapeError(f"{who}: found a number, expected a matrix or a batch of matrices")
    height, width = m.shape[-2:] if m.ndim > 1 else (m.shape[0],) * 2
    k = max(-height, min(whole(f"{who}: k", k), width + 1))  # beyond, nothing changes
    return mask(m, ones(height, width, k))


NUMPY = {
    "diagonal": diagonal, "diag": diag, "diagflat": diagflat, "trace": trace, "tril": tril,
    "triu": triu, "linalg.diagonal": lambda x, offset=0: diagonal(x, offset, -2, -1),
    "linalg.trace": lambda x, offset=0: trace(x, offset, -2, -1),
}  # fmt: skip
