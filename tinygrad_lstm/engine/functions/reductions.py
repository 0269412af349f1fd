"""What is reduced along axes: means, spreads, the smallest entry, products, softmax.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ..arguments import flag, number
from ..forms import complaint
from ..kinds import reduced_shape
from ..numerics import Array
from ..primitives import (
    average,
    concatenate,
    exp,
    hadamard,
    logsumexp,
    max,
    negative,
    norm,
    reshape,
    stop_gradient,
    subtract,
    sum,
    transpose,
)
from . import checked
from .checked import Axis


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean along the axes (all if None)."""
    x, axis = checked.floats_along("mean", x, axis)
    count = checked.count(x, axis)
    if getattr(x, "dtype", None) == np.float16:  # the sum may have no room, nor the count
        return average(x, axis=axis, keepdims=keepdims)
    return sum(x, axis=axis, keepdims=keepdims) * _reciprocal(count)


def var(
    x: Array, axis: Axis = None, keepdims: bool = False, ddof: float = 0, correction: Any = None
) -> Array:
    """Return the mean of the squared distances to the mean along the axes (all if None).

    The sum of the squares is divided by the number of entries less ``ddof``.
    """
    x, axis = checked.floats_along("var", x, axis)
    away = x - mean(x, axis, keepdims=True)
    y = mean(hadamard(away, away), axis, keepdims)
    count, less = checked.count(x, axis), _less("var", ddof, correction)
    return y * (count * _reciprocal(count - less)) if less else y


def std(
    x: Array, axis: Axis = None, keepdims: bool = False, ddof: float = 0, correction: Any = None
) -> Array:
    """Return the square root of the variance along the axes (all if None).

    Like that of ``norm``, its gradient is 0 where all entries are equal.
    """
    x, axis = checked.floats_along("std", x, axis)
    away = x - mean(x, axis, keepdims=True)
    y = norm(away, axis=axis, keepdims=keepdims)
    count, less = checked.count(x, axis), _less("std", ddof, correction)
    if count == 1 and not less:  # of one entry: 0 wherever it is, and no kink
        return sum(away, axis=axis, keepdims=keepdims)
    if count <= less:  # there is none, and no slope
        return sum(away * math.nan, axis=axis, keepdims=keepdims) + math.nan
    return y * math.sqrt(1.0 / (count - less))


def _less(who: str, ddof: Any, correction: Any) -> float:
    """Return by how much the number of entries is lessened."""
    if correction is not None and ddof != 0:
        raise ArgumentError(f"{who}: found ddof and correction, which mean the same; give one")
    return number(f"{who}: ddof", ddof if correction is None else correction)


def _reciprocal(count: float) -> float:
    return 1.0 / count if count > 0 else math.nan  # of no entries, as in NumPy


def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the smallest entry along the axes (all if None); ties share the gradient evenly."""
    x, axis = checked.along("min", x, axis)
    if checked.is_plain(x):  # unsigned integers have no negative
        try:
            return np.min(x, axis=axis, keepdims=keepdims)
        except (ValueError, TypeError) as error:
            raise complaint(error, "min", (x,), {"axis": axis, "keepdims": keepdims}) from None
    return negative(max(negative(x), axis=axis, keepdims=keepdims))


def prod(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the product along the axes (all if None), by halves: an entry may be 0."""
    x, axis = checked.along("prod", x, axis)
    keepdims = flag("prod: keepdims", keepdims)
    if checked.is_plain(x):
        return np.prod(x, axis=axis, keepdims=keepdims)
    axes = checked.several(x, axis)
    rest = [k for k in range(x.ndim) if k not in axes]
    left = tuple([x.shape[k] for k in rest])
    shape = reduced_shape(x.shape, axis) if keepdims else left
    size = checked.count(x, axis)
    if size == 0:
        return reshape(sum(x, axis=axis, keepdims=keepdims) + 1.0, shape=shape)
    if len(axes) > 1 or (axes and axes[0] != x.ndim - 1):
        x = transpose(x, axes=(*rest, *axes))
    y = reshape(x, shape=(*left, size))
    while size > 1:
        half, odd = divmod(size, 2)
        pairs = hadamard(y[..., :half], y[..., half : 2 * half])
        y = concatenate([pairs, y[..., -1:]], axis=-1) if odd else pairs
        size = half + odd
    return reshape(y, shape=shape)


def ptp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the largest less the smallest entry along the axes (all if None)."""
    x, axis = checked.along("ptp", x, axis)
    return max(x, axis=axis, keepdims=keepdims) - min(x, axis, keepdims)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return exp(x) / Σ exp(x) along an axis, at any size of x; 0 where x is -inf."""
    x, axis = checked.floats_along("softmax", x, axis)
    if getattr(x, "dtype", None) == np.float16 and x.size > 60_000:  # a sum may overflow
        return exp(log_softmax(x, axis))
    e = exp(_below_the_largest(x, axis))
    return e / sum(e, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """Return x - log Σ exp(x) along an axis, at any size of x; -inf where x is -inf."""
    x, axis = checked.floats_along("log_softmax", x, axis)
    below = _below_the_largest(x, axis)
    return below - logsumexp(below, axis=axis, keepdims=True)


def _below_the_largest(x: Array, axis: Axis) -> Array:
    """Return x - max x along an axis: the difference is exact where it matters, whatever the size.

    The largest entry is a constant here, for neither softmax nor its logarithm depends on it.
    """
    if 0 in x.shape:
        return x
    return subtract(x, stop_gradient(max(x, axis=axis, keepdims=True)))


def weighted_mean(
    x: Array, axis: Axis = None, weights: Any = None, keepdims: bool = False
) -> Array:
    """Return Σ w x / Σ w along the axes (all if None); weights for one axis may be a vector."""
    x, axis = checked.floats_along("average", x, axis)
    if weights is None:
        return mean(x, axis, keepdims)
    w = checked.array("average", weights)
    if w.shape != x.shape:
        if not isinstance(axis, int) or w.shape != (x.shape[axis],):
            raise ShapeError(
                f"average: found weights of shape {w.shape} for {x.shape}; expected the same "
                "shape, or a vector as long as one axis"
            )
        w = reshape(w, shape=tuple([n if k == axis % x.ndim else 1 for k, n in enumerate(x.shape)]))
        w = w + np.zeros(x.shape)
    whole = sum(w, axis=axis, keepdims=keepdims)
    return sum(hadamard(x, w), axis=axis, keepdims=keepdims) / whole


NUMPY = {
    "mean": mean, "var": var, "std": std, "min": min, "amax": max, "amin": min, "prod": prod,
    "ptp": ptp, "average": weighted_mean,
}  # fmt: skip
