"""Clipping: gradients made shorter before a step.

Knows the ``.grad`` of parameters; no rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite
from typing import Any

import numpy as np

from ..engine.arguments import excerpt
from ..engine.arguments import number as checked_number
from ..engine.gradients import checked_gradient
from ..engine.tensor import Tensor
from ..errors import ArgumentError, GradientError
from .options import parameters


def clip_grad_norm_(params: Iterable[Tensor], max_norm: float, norm_type: float = 2.0) -> float:
    """Scale the gradients so that their common norm is at most max_norm.

    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks",
    ICML 2013, alg. 1. A gradient that is too long is replaced: the array itself is left alone.

    Parameters
    ----------
    params : iterable of Tensors
        Those without a gradient are left out.
    max_norm : float, at least 0
        Infinity clips nothing, and returns the norm.
    norm_type : float above 0
        The p of the norm (Σ |g|ᵖ)^(1/p), over all entries of all gradients; may be infinite.

    Returns
    -------
    norm : float
        As it was before.

    Raises
    ------
    ArgumentError, UsageError
        If a norm is out of range or no number, or params is not a list of parameters.
    GradientError
        If the norm is infinite or not a number; no gradient has changed.

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad.round(5)
    array([0.6, 0.8])
    """
    is_open = isinstance(max_norm, float) and max_norm == inf
    most = inf if is_open else checked_number("clip_grad_norm_: max_norm", max_norm, 0.0)
    order = _order(norm_type)
    leaves, gradients = _gradients("clip_grad_norm_", params)
    with np.errstate(all="ignore"):  # what is not finite is an error of its own
        norm = _norm(gradients, order)
    if not isfinite(norm):
        raise GradientError(
            f"clip_grad_norm_: the norm of the gradients is {norm}, so none has changed; look in "
            "the network for the log of 0, a division by 0, or numbers that overflow"
        )
    if most < norm + 1e-6:
        scale = most / (norm + 1e-6)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = np.asarray(scale * _wide(gradient)).astype(gradient.dtype, copy=False)
    return norm


def clip_grad_value_(params: Iterable[Tensor], clip_value: float) -> None:
    """Limit every entry of the gradients to [-clip_value, clip_value].

    Parameters
    ----------
    params : iterable of Tensors
    clip_value : float, at least 0

    Raises
    ------
    ArgumentError, UsageError
        If clip_value is below 0 or no number, or params is not a list of parameters.

    Examples
    --------
    >>> p = Tensor([1.0, 1.0], requires_grad=True)
    >>> p.grad = np.array([3.0, -0.5])
    >>> clip_grad_value_([p], 1.0)
    >>> p.grad
    array([ 1. , -0.5])
    """
    most = checked_number("clip_grad_value_: clip_value", clip_value, 0.0)
    leaves, gradients = _gradients("clip_grad_value_", params)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = np.asarray(gradient.clip(-most, most))


def _gradients(who: str, params: Any) -> tuple[list[Tensor], list[np.ndarray]]:
    """Return the parameters that have gradients, and the gradients."""
    leaves = [x for x in parameters(who, params) if x._grad is not None]
    return leaves, [checked_gradient(x) for x in leaves]


def _wide(gradient: np.ndarray) -> np.ndarray:
    """Return a gradient in float32 if its type has less room."""
    return gradient.astype(np.float32) if gradient.dtype == np.float16 else gradient


def _norm(gradients: list[np.ndarray], order: float) -> float:
    """Return the norm of all entries, which has room even if the squares have not."""
    if order == 2.0:
        total = 0.0
        for gradient in gradients:
            flat = _wide(gradient).ravel()
            total += float(flat.dot(flat))
        if isfinite(total) and total > 1e-30:
            return float(np.sqrt(total))
    largest = max((float(np.max(np.abs(g), initial=0.0)) for g in gradients), default=0.0)
    if order == np.inf or not largest or not isfinite(largest):
        return largest
    parts = (np.abs(g.astype(np.float64) / largest) ** order for g in gradients)
    return largest * float(sum(part.sum() for part in parts) ** (1 / order))


def _order(value: Any) -> float:
    if isinstance(value, float) and value == np.inf:
        return value
    order = checked_number("clip_grad_norm_: norm_type", value, 0.0)
    if not order:
        raise ArgumentError(f"clip_grad_norm_: norm_type must be above 0, found {excerpt(value)}")
    return order
