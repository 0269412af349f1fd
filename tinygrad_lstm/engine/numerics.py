"""Functions of arrays that keep their digits at any size, and numbers of an array's own type.

Knows NumPy alone: what a primitive of the table computes, where a plain formula would not do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

add: Callable[..., Any] = np.add.reduce  # whose own hints know no axis that may be None
Array = Any  # an ndarray, a Tensor or a Symbol: what a rule of a primitive runs on


def typed(number: float) -> Callable[[Array], Array]:
    """Return a function that gives a number in the type of the array beside it.

    NumPy takes it so in half the time that it takes Python's number in.
    """
    of_type = {np.dtype(kind): np.array(number, kind) for kind in "efdgFDG?"}
    for shared in of_type.values():
        shared.flags.writeable = False

    def beside(x: Array) -> Array:
        try:
            return of_type[x.dtype]
        except KeyError:  # of integers, or in another machine's order of bytes
            return of_type.get(x.dtype.newbyteorder("="), number)
        except AttributeError:
            return number  # x is a Symbol or a plain number

    return beside


zero, half, one, nan = typed(0), typed(0.5), typed(1), typed(np.nan)


_LONG = {"e": 8, "f": 1024}  # of how many numbers of a type the sum is added up in float64


def total(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the sum along the axes, in the type of x; one of many narrow numbers keeps its digits.

    NumPy adds float32 and float16 one after the other along any axis but the last, and then a sum
    of 2048 ones in float16 grows no more. A short sum along the first axis is NumPy's own: it is
    what a backward pass does most.
    """
    size = getattr(x, "size", 0)
    if size > 8 and size > (most := _LONG.get(x.dtype.char, size)) and (axis != 0 or len(x) > most):
        if axis == 0 and x.dtype.char == "f":
            x = _by_rows(x)
        return add(x, axis=axis, dtype=float, keepdims=keepdims).astype(x.dtype)
    return add(x, axis=axis, keepdims=keepdims)


def _by_rows(x: Array, count: int = 32) -> Array:
    """Return the sums of so many rows of x each, in its own type, which takes a third of the time.

    So few terms keep the digits, as in the sums that NumPy takes along the last axis.
    """
    rest = len(x) % count
    sums = np.add.reduce(x[rest:].reshape(-1, count, *x.shape[1:]), axis=1)
    return np.concatenate([x[:rest], sums]) if rest else sums


def average(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the mean along the axes, in the type of x, where neither sum nor count need fit."""
    x = np.asarray(x)
    y = add(x, axis=axis, dtype=np.result_type(x, float), keepdims=keepdims)
    count = x.size // y.size if y.size else 0
    return np.asarray(y * (1 / count if count else np.nan)).astype(x.dtype)


def add_at(whole: Array, index: Any, part: Array) -> None:
    """Add a part to a whole at a place that may name an entry often, in place."""
    wide = whole.dtype.char == "e" or (
        whole.dtype.char == "f" and part.size > max(_LONG["f"], whole.size // 4)
    )
    sums = whole.astype(float) if wide else whole
    np.add.at(sums, index, part)
    if wide:
        whole[...] = sums


def floats(x: Array) -> Array:
    """Return an array, in float64 if it is one of integers or truth values, which wrap around."""
    x = np.asarray(x)
    return x.astype(float) if x.dtype.kind in "biu" else x


def _is_narrow(x: Array) -> bool:
    return bool(x.dtype.kind == "f" and x.dtype.itemsize < 8)


def mask(x: Array, share: Array) -> Array:
    """Return x ∘ share, but 0 where the share is 0, whatever x is there: inf and nan too."""
    y = np.where(share, x, zero(x))
    return y if np.result_type(share).kind == "b" else y * share


def ratio(a: Array, b: Array) -> Array:
    """Return a / b, but 0 where b is 0: the direction of a vector of no length."""
    b_is_zero = b == 0
    return np.where(b_is_zero, zero(b), a / np.where(b_is_zero, one(b), b))


# by type: 1, and a number whose exponential is finite, and to which to add 1 changes nothing
_ENDS = {
    np.dtype(kind): (np.array(1, kind), np.array(10 if kind == "e" else 80, kind))
    for kind in "efdgFDG"
}
_MANY = 3000  # entries for which to catch an overflow takes less time than to rule it out


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)), which keeps its digits on both sides."""
    try:
        unit, most = _ENDS[x.dtype]
    except (AttributeError, KeyError):  # of no float type, or in another machine's order of bytes
        x = floats(x)
        unit, most = _ENDS[x.dtype.newbyteorder("=")]
    if x.size > _MANY:
        try:
            with np.errstate(over="raise"):
                y = np.exp(x)
        except FloatingPointError:
            y = np.exp(np.minimum(x, most))
    else:
        y = np.exp(np.minimum(x, most))
    y /= y + unit
    return y


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)), which is x for large x."""
    if not isinstance(x, np.ndarray) or x.dtype.kind in "biu":
        x = floats(x)
    rises = x.real > 0
    return np.where(rises, x, 0) + np.log1p(np.exp(np.where(rises, -x, x)))


def logsumexp(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return log Σ exp(x), which neither overflows nor loses the digits of what is near 0."""
    x = floats(x)
    if _is_narrow(x):  # float16 has no room for a sum of 65520 ones
        return logsumexp(x.astype(float), axis=axis, keepdims=keepdims).astype(x.dtype)
    if x.size == 0:  # a sum of nothing is 0
        with np.errstate(divide="ignore"):
            return np.log(np.sum(x, axis=axis, keepdims=keepdims))
    largest = np.max(x.real, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, zero(largest))
    below, is_largest = x - largest, x.real == largest
    count = np.sum(is_largest, axis=axis, keepdims=True, dtype=largest.dtype)
    with np.errstate(all="ignore"):  # beside an infinite entry
        terms = np.where(is_largest, np.expm1(below), np.exp(below))
        rest = np.sum(terms, axis=axis, keepdims=True)
        y = np.where(count > 0, np.log(count) + np.log1p(rest / count), np.log(rest)) + largest
    return y if keepdims else y.reshape(np.sum(largest, axis=axis).shape)


def norm(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the Euclidean norm, sqrt(Σ x²), of entries of any size."""
    x = floats(x)
    if _is_narrow(x):  # the squares have room in float64
        return norm(x.astype(float), axis=axis, keepdims=keepdims).astype(x.dtype)
    with np.errstate(over="ignore", under="ignore"):
        y = np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    numbers = np.finfo(y.dtype)
    if np.all(np.isfinite(y) & (y.real > np.sqrt(numbers.tiny) / numbers.eps)):
        return y
    largest = np.max(np.abs(x.real), axis=axis, keepdims=True, initial=0)
    unit = np.ldexp(one(largest), np.frexp(np.where(np.isfinite(largest), largest, 0))[1] - 1)
    with np.errstate(over="ignore", under="ignore"):  # beside an infinite entry, or a much larger
        y = np.sqrt(np.sum((x / unit) ** 2, axis=axis, keepdims=keepdims))
    return y * unit.reshape(y.shape)


def erf(x: Array) -> Array:
    """Return the error function, 2/√π ∫₀ˣ exp(-t²) dt."""
    return _by_entry(math.erf, x)


def erfc(x: Array) -> Array:
    """Return 1 - erf(x), which keeps its digits where erf is near 1."""
    return _by_entry(math.erfc, x)


def _by_entry(function: Callable[[float], float], x: Array) -> Array:
    """Return one of Python's own functions of every entry, in the type of x."""
    x = floats(x)
    return np.fromiter(map(function, x.ravel().tolist()), x.dtype, x.size).reshape(x.shape)


def leaky_relu(x: Array, slope: Array) -> Array:
    """Return x where it is positive, else slope ∘ x."""
    return np.where(x > 0, x, slope * np.minimum(x, 0))


def finite(x: Array, nan: Array, above: Array, below: Array) -> Array:
    """Return x with other numbers for nan, inf and -inf."""
    return np.where(np.isfinite(x), x, np.where(x > 0, above, np.where(x < 0, below, nan)))
