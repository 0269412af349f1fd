"""Functions composed of primitives, and the names under which NumPy knows them.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError, UsageError
from .arguments import operand, told, whole
from .forms import axes, explained, wholes
from .numerics import Array, floats
from .primitives import (
    TABLE,
    average,
    concatenate,
    exp,
    hadamard,
    logsumexp,
    matmul,
    max,
    maximum,
    minimum,
    negative,
    norm,
    pad,
    reshape,
    stack,
    stop_gradient,
    subtract,
    sum,
    transpose,
)

Axis = int | tuple[int, ...] | None


def square(x: Array) -> Array:
    """Return x ∘ x."""
    x = operand("square", x)
    return hadamard(x, x)


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean along the axes (all if None)."""
    x, axis = _floats_along("mean", x, axis)
    count = _count(x, axis)
    if getattr(x, "dtype", None) == np.float16:  # the sum may have no room, nor the count
        return average(x, axis=axis, keepdims=keepdims)
    return sum(x, axis=axis, keepdims=keepdims) * _reciprocal(count)


def var(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean of the squared distances to the mean along the axes (all if None)."""
    x, axis = _floats_along("var", x, axis)
    return mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims)


def std(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the square root of the variance along the axes (all if None).

    Like that of ``norm``, its gradient is 0 where all entries are equal.
    """
    x, axis = _floats_along("std", x, axis)
    away = x - mean(x, axis, keepdims=True)
    y = norm(away, axis=axis, keepdims=keepdims)
    if _count(x, axis) == 1:  # of one entry: 0 wherever it is, and no kink
        return sum(away, axis=axis, keepdims=keepdims)
    return y * math.sqrt(_reciprocal(_count(x, axis)))


def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the smallest entry along the axes (all if None); ties share the gradient evenly."""
    x, axis = _along("min", x, axis)
    if isinstance(x, np.ndarray | np.generic):  # unsigned integers have no negative
        try:
            return np.min(x, axis=axis, keepdims=keepdims)
        except (ValueError, TypeError) as error:
            raise explained(error, "min", (x,), {"axis": axis, "keepdims": keepdims}) from None
    return negative(max(negative(x), axis=axis, keepdims=keepdims))


def clip(x: Array, a_min: Array = None, a_max: Array = None) -> Array:
    """Return x, but nowhere below ``a_min`` nor above ``a_max``."""
    if a_min is not None:
        x = maximum(x, a_min)
    return x if a_max is None else minimum(x, a_max)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return exp(x) / Σ exp(x) along an axis, at any size of x; 0 where x is -inf."""
    x, axis = _floats_along("softmax", x, axis)
    if getattr(x, "dtype", None) == np.float16 and x.size > 60_000:  # a sum may overflow
        return exp(log_softmax(x, axis))
    e = exp(_below_the_largest(x, axis))
    return e / sum(e, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """Return x - log Σ exp(x) along an axis, at any size of x; -inf where x is -inf."""
    x, axis = _floats_along("log_softmax", x, axis)
    below = _below_the_largest(x, axis)
    return below - logsumexp(below, axis=axis, keepdims=True)


def _below_the_largest(x: Array, axis: Axis) -> Array:
    """Return x - max x along an axis: the difference is exact where it matters, whatever the size.

    The largest entry is a constant here, for neither softmax nor its logarithm depends on it.
    """
    if 0 in x.shape:
        return x
    return subtract(x, stop_gradient(max(x, axis=axis, keepdims=True)))


def outer(a: Array, b: Array) -> Array:
    """Return the (m, n) products of every entry of a with every entry of b, both flattened."""
    a, b = operand("outer", a), operand("outer", b)
    return reshape(a, shape=(-1, 1)) * reshape(b, shape=(1, -1))


def dot(a: Array, b: Array) -> Array:
    """Return NumPy's dot where it is a product of scalars, vectors or matrices."""
    a, b = operand("dot", a), operand("dot", b)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return hadamard(a, b)
    if np.ndim(b) > 2:
        raise ShapeError(
            f"dot: found shapes {np.shape(a)} and {np.shape(b)}; use matmul for batches"
        )
    return matmul(a, b)


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Return x with two axes exchanged."""
    x = _array("swapaxes", x)
    axes = list(range(x.ndim))
    one, other = _checked_axis("swapaxes", x, axis1), _checked_axis("swapaxes", x, axis2)
    axes[one], axes[other] = other, one
    return transpose(x, axes=tuple(axes))


def moveaxis(x: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Return x with some axes moved to other places."""
    x = _array("moveaxis", x)
    taken, put = _checked_axes("moveaxis", x, source), _checked_axes("moveaxis", x, destination)
    if len(taken) != len(put):
        raise ShapeError(f"moveaxis: found {len(taken)} axes to move to {len(put)} places")
    axes = [each for each in range(x.ndim) if each not in taken]
    for place, axis in sorted(zip(put, taken, strict=True)):
        axes.insert(place, axis)
    return transpose(x, axes=tuple(axes))


def expand_dims(x: Array, axis: int) -> Array:
    """Return x with an axis of size 1 put in."""
    return _reshaped_by(np.expand_dims, x, axis)


def squeeze(x: Array, axis: Axis = None) -> Array:
    """Return x without the axes of size 1 (all of them if None)."""
    return _reshaped_by(np.squeeze, x, axis)


def ravel(x: Array) -> Array:
    """Return x as a vector."""
    return reshape(x, shape=(-1,))


def getitem(x: Array, index: Any) -> Array:
    """Return x[index]: a part of x by integers and slices, or the entries that arrays name."""
    x = _array("getitem", x)
    try:
        return x[index]
    except (IndexError, TypeError, ValueError) as error:
        raise explained(error, "getitem", (x,), {"index": index}) from None


def split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Return consecutive pieces of x along an axis: so many equal ones, or cut at the indices.

    Raises
    ------
    ShapeError
        If the axis cannot be cut into so many equal pieces.
    """
    x = _array("split", x)
    axis = _checked_axis("split", x, axis)
    size = x.shape[axis]
    try:
        cuts = list(wholes(indices_or_sections))
    except TypeError as error:
        asked = {"indices_or_sections": indices_or_sections}
        raise explained(error, "split", (x,), asked) from None
    if np.ndim(indices_or_sections) == 0:
        (pieces,) = cuts
        if pieces < 1 or size % pieces:
            raise ShapeError(f"split: axis {axis} of size {size} is not {pieces} equal pieces")
        cuts = [size // pieces * k for k in range(1, pieces)]
    lead = (slice(None),) * axis
    return [x[(*lead, slice(lo, hi))] for lo, hi in zip([0, *cuts], [*cuts, size], strict=True)]


def unstack(x: Array, axis: int = 0) -> list[Array]:
    """Return the slices of x along an axis, without that axis."""
    x = _array("unstack", x)
    axis = _checked_axis("unstack", x, axis)
    lead = (slice(None),) * axis
    return [x[(*lead, k)] for k in range(x.shape[axis])]


# --- arguments ----------------------------------------------------------------------------------


def _array(what: str, x: Any) -> Array:
    """Return an operand that knows its shape."""
    x = operand(what, x)
    return x if hasattr(x, "shape") else np.asarray(x)


def _along(what: str, x: Any, axis: Any) -> tuple[Array, int | tuple[int, ...] | None]:
    """Return an operand, and the axes along which a function of that name reduces it."""
    x = _array(what, x)
    try:
        return x, axes(axis, x)
    except (TypeError, ValueError) as error:
        raise explained(error, what, (x,), {"axis": axis}) from None


def _floats_along(what: str, x: Any, axis: Any) -> tuple[Array, int | tuple[int, ...] | None]:
    """Return an operand, in floats if it is an array of integers, and the axes."""
    x, axis = _along(what, x, axis)
    return (floats(x) if isinstance(x, np.ndarray | np.generic) else x), axis


def _count(x: Array, axis: int | tuple[int, ...] | None) -> int:
    """Return how many entries are reduced to one."""
    several = range(x.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    return math.prod(x.shape[each] for each in several)


def _reciprocal(count: int) -> float:
    return 1.0 / count if count else math.nan  # of no entries, as in NumPy


def _checked_axis(what: str, x: Array, axis: Any) -> int:
    """Return an axis counted from the first one, if x has it."""
    axis = whole(f"{what}: an axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{what}: found axis {axis} for shape {x.shape}, which has {x.ndim} axes")
    return int(axis % x.ndim)


def _checked_axes(what: str, x: Array, axis: Any) -> list[int]:
    """Return one axis, or several different ones, counted from the first one."""
    several = axis if isinstance(axis, tuple | list) else [axis]
    checked = [_checked_axis(what, x, each) for each in several]
    if len(set(checked)) < len(checked):
        raise ShapeError(f"{what}: found an axis twice in {axis}")
    return checked


def _reshaped_by(function: Callable[..., Any], x: Array, axis: Any) -> Array:
    """Return x in the shape that NumPy's function gives it."""
    x = _array(function.__name__, x)
    try:
        shape = function(np.empty(x.shape, bool), axis).shape
    except (ValueError, TypeError, OverflowError) as error:
        kind = UsageError if isinstance(error, TypeError) else ShapeError
        raise kind(
            f"{function.__name__}: shape {x.shape} and axis {told(axis)} do not fit: {error}"
        ) from None
    return reshape(x, shape=shape)


def _numpy_join(join: Callable[..., Array]) -> Callable[..., Array]:
    """Return a join that takes a Tensor for the list of its rows, as NumPy does."""

    def joined(arrays: Any, axis: int = 0) -> Array:
        return join(unstack(arrays) if hasattr(arrays, "ndim") else arrays, axis=axis)

    return joined


def _numpy_pad(x: Array, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Array:
    zeros = constant_values if isinstance(constant_values, int | float) else None
    if not isinstance(mode, str) or mode != "constant" or zeros != 0:
        raise ArgumentError("pad: only zeros can be put around a Tensor; concatenate anything else")
    return pad(x, pad_width=pad_width)


def _numpy_norm(x: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    if ord is not None and not (
        isinstance(ord, int | float) and ord == 2 and (x.ndim == 1 or isinstance(axis, int))
    ):
        raise ArgumentError(
            f"norm: ord={told(ord)} is not provided; leave it out for the Euclidean norm"
        )
    return norm(x, axis=axis, keepdims=keepdims)


# NumPy's function -> ours
NUMPY: dict[Callable[..., Any], Callable[..., Any]] = {
    known: primitive for primitive in TABLE.values() for known in primitive.numpy
} | {
    np.square: square, np.positive: lambda x: x, np.mean: mean, np.var: var, np.std: std,
    np.min: min, np.amax: max, np.amin: min, np.clip: clip, np.outer: outer, np.dot: dot,
    np.swapaxes: swapaxes, np.moveaxis: moveaxis, np.expand_dims: expand_dims,
    np.squeeze: squeeze, np.ravel: ravel, np.split: split, np.pad: _numpy_pad,
    np.linalg.norm: _numpy_norm, np.concatenate: _numpy_join(concatenate),
    np.stack: _numpy_join(stack),
}  # fmt: skip

_LATER = {"numpy.linalg": ".linalg", "numpy.fft": ".fft"}  # rare subjects, loaded when needed


def ours_for(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return our function for one of NumPy's, or None."""
    ours = NUMPY.get(function)
    subject = _LATER.get(getattr(function, "__module__", ""))
    if ours is None and subject is not None:
        NUMPY.update(import_module(subject, __package__).NUMPY)
        ours = NUMPY.get(function)
    return ours


# NumPy's functions whose answers are truth values, shapes or text: they carry no gradient to lose
PLAIN = {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
    np.isfinite, np.isnan, np.isinf, np.signbit, np.logical_and, np.logical_or, np.logical_not,
    np.shape, np.ndim, np.size, np.array_repr, np.array_str, np.array2string,
    np.isclose, np.allclose, np.array_equal, np.iscomplexobj, np.isrealobj, np.result_type,
    np.zeros_like, np.ones_like, np.empty_like, np.argmax, np.argmin, np.argsort,
    np.count_nonzero, np.any, np.all,
}  # fmt: skip
