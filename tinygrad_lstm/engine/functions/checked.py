"""Checks of the arguments of composites: operands with a shape, and axes of this shape.

Knows the forms of arguments, and lists that hold Tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ...errors import DTypeError, ShapeError, UsageError
from .. import forms, numerics
from ..arguments import excerpt, operand, tensor_in, whole
from ..forms import complaint
from ..numerics import Array
from ..primitives import stack

Axis = int | tuple[int, ...] | None
MOST_AXES = 64  # of an array of NumPy


def array(who: str, x: Any, depth: int = 0) -> Array:
    """Return an operand that knows its shape; a list that holds Tensors is joined to one."""
    if isinstance(x, list | tuple) and tensor_in(x) is not None:
        if depth == MOST_AXES:
            raise ShapeError(f"{who}: found a list in more than {MOST_AXES} lists, or in itself")
        return stack([array(who, entry, depth + 1) for entry in x])
    x = operand(who, x)
    return x if hasattr(x, "shape") else np.asarray(x)


def is_plain(x: Any) -> bool:
    """Return whether an operand is NumPy's, so that NumPy's own function serves."""
    return isinstance(x, np.ndarray | np.generic)


def along(who: str, x: Any, axis: Any) -> tuple[Array, int | tuple[int, ...] | None]:
    """Return an operand, and the axes along which a function of that name reduces it."""
    x = array(who, x)
    try:
        return x, forms.axes(axis, x)
    except (TypeError, ValueError) as error:
        raise complaint(error, who, (x,), {"axis": axis}) from None


def floats_along(who: str, x: Any, axis: Any) -> tuple[Array, int | tuple[int, ...] | None]:
    """Return an operand, in floats if it is an array of integers, and the axes."""
    x, axis = along(who, x, axis)
    return (numerics.floats(x) if is_plain(x) else x), axis


def count(x: Array, axis: int | tuple[int, ...] | None) -> int:
    """Return how many entries are reduced to one."""
    return math.prod(x.shape[k] for k in several(x, axis))


def several(x: Array, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the axes that are reduced, counted from the first one."""
    if axis is None:
        return tuple(range(x.ndim))
    return tuple([k % x.ndim for k in (axis if isinstance(axis, tuple) else (axis,))])


def one_axis(who: str, x: Array, axis: Any) -> int:
    """Return an axis counted from the first one, if x has it."""
    axis = whole(f"{who}: an axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{who}: found axis {axis} for shape {x.shape}, which has {x.ndim} axes")
    return int(axis % x.ndim)


def axes_apart(who: str, x: Array, axis: Any) -> list[int]:
    """Return one axis, or several different ones, counted from the first one."""
    axes = axis if isinstance(axis, tuple | list) else [axis]
    counted = [one_axis(who, x, k) for k in axes]
    if len(set(counted)) < len(counted):
        raise ShapeError(f"{who}: found an axis twice in {axis}")
    return counted


def vector_or_axis(who: str, x: Any, axis: Any) -> tuple[Array, int]:
    """Return an operand and the axis to go along: all entries as a vector if it is None."""
    x = array(who, x)
    if axis is None or x.ndim == 0:  # NumPy takes a number for a vector of one entry
        x = x.reshape((-1,))
    return x, 0 if axis is None else one_axis(who, x, axis)


def wholes(who: str, value: Any) -> tuple[int, ...]:
    """Return one whole number, or a list of them, as a tuple."""
    try:
        return forms.wholes(value)
    except Exception:  # of the value's own __index__, which may raise anything
        raise UsageError(
            f"{who} must be a whole number or a list of whole numbers, found {excerpt(value)}"
        ) from None


def complex_results(name: str, remedy: str) -> Callable[..., NoReturn]:
    """Return the refusal of one of NumPy's functions whose results are complex."""

    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise DTypeError(f"{name} gives complex numbers, and a Tensor holds real ones; {remedy}")

    return refuse


def at(axis: int, index: Any) -> tuple[Any, ...]:
    """Return the index that takes a part along an axis."""
    return (*(slice(None),) * axis, index)
