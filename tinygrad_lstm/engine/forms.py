"""The forms in which a primitive's parameters may be given, and the one form that is recorded.

Knows the errors and NumPy. NumPy takes an axis as a whole number of any type, a shape as a number,
a list or an array. A rule, the graph and the fold read one form of an axis, a shape or an index:
Python's own whole numbers in tuples, and arrays that nobody else holds. A form is a function
``(value, x) -> value``, where x is the first operand, as an array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index as as_integer
from typing import Any

import numpy as np

from ..errors import ArgumentError, OutOfRangeError, ShapeError, TinygradError, UsageError
from . import arguments
from .arguments import as_array, excerpt

Form = Callable[[Any, Any], Any]
_ndarray = np.ndarray


# --- axes and shapes ----------------------------------------------------------------------------


def whole(value: Any) -> int:
    """Return a whole number of any type as Python's own."""
    if type(value) is int:
        return value
    if isinstance(value, bool | np.bool) or (isinstance(value, _ndarray) and value.ndim):
        raise TypeError(f"expected a whole number, found {excerpt(value)}")
    return as_integer(value)


def wholes(value: Any) -> tuple[int, ...]:
    """Return one whole number, or a sequence or vector of them, as a tuple."""
    if isinstance(value, _ndarray) and value.ndim == 1 and value.dtype.kind in "iu":
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple([whole(number) for number in value])
    return (whole(value),)


def axis(value: Any, x: Any) -> int:
    """Return one axis."""
    if value is None:
        raise TypeError("axis=None is not provided; ravel what is to be joined")
    return whole(value)


def axes(value: Any, x: Any) -> int | tuple[int, ...] | None:
    """Return the axes to reduce: None for all, one, or a tuple; a number has no axes to name."""
    if value is None:
        return None
    if not isinstance(value, tuple):
        one = whole(value)
        if x.ndim == 0 and one in (0, -1):  # NumPy takes the axis of a number for no axis
            return None
        return _within(one, x.ndim)
    several = tuple([_within(whole(one), x.ndim) for one in value])
    _refuse_repeats(several, x.ndim)
    return several


def along(value: Any, x: Any) -> int | None:
    """Return one axis to go along, or None for all entries as a vector."""
    return None if value is None else _within(whole(value), max(x.ndim, 1))


def order(value: Any, x: Any) -> tuple[int, ...] | None:
    """Return the axes in a new order, or None to reverse them."""
    return None if value is None else wholes(value)


def apart(value: Any, x: Any) -> int | tuple[int, ...] | None:
    """Return the axes of windows: None for all, or axes that differ."""
    if value is None:
        return None
    several = wholes(value)
    _refuse_repeats(tuple([_within(one, x.ndim) for one in several]), x.ndim)
    return several


def _within(one: int, ndim: int) -> int:
    if not -ndim <= one < ndim:
        raise np.exceptions.AxisError(one, ndim)
    return one


def _refuse_repeats(several: tuple[int, ...], ndim: int) -> None:
    if len({one % ndim for one in several}) < len(several):
        raise ValueError("an axis is named twice")


def sizes(value: Any, x: Any) -> tuple[int, ...]:
    """Return a shape."""
    return wholes(value)


def above_0(value: Any, x: Any) -> tuple[int, ...]:
    """Return distances along axes, each at least 1."""
    several = wholes(value)
    if min(several, default=1) < 1:
        raise ValueError(f"expected whole numbers of at least 1, found {excerpt(value)}")
    return several


def keepdims(value: Any, x: Any) -> bool:
    """Return whether axes are kept."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool | int | np.integer) and value in (0, 1):
        return bool(value)
    raise TypeError(f"keepdims must be True or False, found {excerpt(value)}")


def widths(value: Any, x: Any) -> tuple[tuple[int, int], ...]:
    """Return the number of entries put before and after each axis."""
    if isinstance(value, dict):
        pairs = [(0, 0)] * x.ndim
        for axis, width in value.items():
            pairs[_within(whole(axis), x.ndim)] = width
        value = [np.broadcast_to(as_array("pad_width", pair), 2) for pair in pairs]
    array = as_array("pad_width", value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"pad_width must hold whole numbers, found {excerpt(value)}")
    pairs = np.broadcast_to(array, (x.ndim, 2)).tolist()
    if any(width < 0 for pair in pairs for width in pair):
        raise ValueError("pad_width must not be negative")
    return tuple([(before, after) for before, after in pairs])


def float_type(value: Any, x: Any) -> np.dtype:
    """Return a floating point type."""
    return arguments.float_type("astype", value)


# --- indices ------------------------------------------------------------------------------------

BASIC = frozenset([int, slice, type(None), type(Ellipsis), np.int64])  # name no entry twice
BOUNDS = frozenset([int, type(None)])  # cannot be changed


def is_basic(index: Any) -> bool:
    """Return whether an index names no entry twice, and cannot be changed."""
    parts = index if type(index) is tuple else (index,)
    if not BASIC.issuperset(map(type, parts)):
        return False
    for part in parts:
        if type(part) is slice and not (
            type(part.start) in BOUNDS and type(part.stop) in BOUNDS and type(part.step) in BOUNDS
        ):
            return False
    return True


def entries(value: Any, x: Any) -> Any:
    """Return an index of any kind that nobody can change from outside."""
    if type(value) is tuple:
        return tuple([_index(part) for part in value])
    return _index(value)


def part(value: Any, x: Any) -> Any:
    """Return an index of whole numbers, slices, ``...`` and ``None``."""
    settled = entries(value, x)
    if not is_basic(settled):
        raise TypeError(
            "arrays of indices may name an entry twice; use gather to read them and scatter_add to "
            "write them"
        )
    return settled


def _index(value: Any) -> Any:
    kind = type(value)
    if kind is slice:
        return slice(*[bound if type(bound) in BOUNDS else _bound(bound)
                       for bound in (value.start, value.stop, value.step)])  # fmt: skip
    if kind in BASIC:
        return value
    if isinstance(value, np.integer):
        return int(value)
    if hasattr(value, "__interpret__"):
        raise TypeError("a Tensor cannot be an index; use an array of integers")
    if isinstance(value, list | tuple | range) and not len(value):
        return np.empty(0, int)
    array = as_array("an index", value)
    if array.dtype.kind not in "iub":
        raise TypeError(f"found an index of type {array.dtype}, expected integers or booleans")
    return array


def _bound(value: Any) -> int:
    try:
        return whole(value)
    except TypeError:
        raise TypeError(
            f"the bounds of a slice must be whole numbers, found {excerpt(value)}"
        ) from None


# --- anything else ------------------------------------------------------------------------------


def frozen(value: Any, x: Any = None) -> Any:
    """Return a parameter of any kind that nobody can change from outside."""
    if isinstance(value, dict):
        return {name: frozen(entry) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(frozen, value))
    if type(value) is slice:
        return slice(frozen(value.start), frozen(value.stop), frozen(value.step))
    return value.copy() if isinstance(value, _ndarray) else value


# --- what NumPy does not take -------------------------------------------------------------------


def complaint(
    error: Exception, name: str, operands: Sequence[Any], parameters: dict[str, Any] | None
) -> Exception:
    """Return an error that names the operation, the signals, their shapes, and NumPy's reason."""
    if isinstance(error, TinygradError):
        return error
    described = " and ".join(map(_description, operands))
    options = "".join(f", {option}={_text(value)}" for option, value in (parameters or {}).items())
    kind: type[TinygradError] = UsageError if isinstance(error, TypeError) else ShapeError
    if isinstance(error, IndexError):
        return OutOfRangeError(f"{name}: found {described}{options}: {error}")
    if isinstance(error, np.linalg.LinAlgError) and "dimension" not in f"{error}":
        remedy = _REMEDIES.get(f"{error}", "")
        return ArgumentError(f"{name}: found {described}{options}: {error}{remedy}")
    return kind(f"{name}: shapes {described}{options} do not fit: {error}")


# what to do, by NumPy's complaint about the numbers in a matrix
_REMEDIES = {
    "Singular matrix": "; expected one that has an inverse (pinv and lstsq take any)",
    "Matrix is not positive definite": "; expected one whose eigenvalues are all positive",
}


def _description(operand: Any) -> str:
    if hasattr(operand, "label"):
        return f"{operand.shape} ({operand.label()})"
    return f"{getattr(operand, 'shape', ())}"


def _text(value: Any) -> str:
    return str(value) if isinstance(value, _ndarray) else excerpt(value)


REDUCING: dict[str, Form] = {"axis": axes, "keepdims": keepdims}
JOINING: dict[str, Form] = {"axis": axis}
