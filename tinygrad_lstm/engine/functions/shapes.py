"""The same entries in another shape or order of axes, and pieces of an array.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ShapeError, UsageError
from ..arguments import excerpt
from ..forms import complaint, wholes
from ..numerics import Array
from ..primitives import reshape, transpose
from . import checked
from .checked import Axis, at


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Return x with two axes exchanged."""
    x = checked.array("swapaxes", x)
    axes = list(range(x.ndim))
    one, other = (checked.one_axis("swapaxes", x, axis) for axis in (axis1, axis2))
    axes[one], axes[other] = other, one
    return transpose(x, axes=tuple(axes))


def matrix_transpose(x: Array) -> Array:
    """Return x with its last two axes exchanged."""
    x = checked.array("matrix_transpose", x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: found shape {x.shape}, expected at least two axes")
    return swapaxes(x, -1, -2)


def moveaxis(x: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """Return x with some axes moved to other places."""
    x = checked.array("moveaxis", x)
    sources, places = (checked.axes_apart("moveaxis", x, axes) for axes in (source, destination))
    if len(sources) != len(places):
        raise ShapeError(f"moveaxis: found {len(sources)} axes to move to {len(places)} places")
    axes = [k for k in range(x.ndim) if k not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        axes.insert(place, axis)
    return transpose(x, axes=tuple(axes))


def expand_dims(x: Array, axis: int | tuple[int, ...]) -> Array:
    """Return x with axes of size 1 put in."""
    return _reshape_by(np.expand_dims, x, axis)


def squeeze(x: Array, axis: Axis = None) -> Array:
    """Return x without the axes of size 1 (all of them if None)."""
    return _reshape_by(np.squeeze, x, axis)


def _reshape_by(function: Callable[..., Any], x: Array, axis: Any) -> Array:
    """Return x in the shape that NumPy's function gives it."""
    x = checked.array(function.__name__, x)
    try:
        shape = function(np.empty(x.shape, bool), axis).shape
    except (ValueError, TypeError, OverflowError) as error:
        kind = UsageError if isinstance(error, TypeError) else ShapeError
        raise kind(
            f"{function.__name__}: shape {x.shape} and axis {excerpt(axis)} do not fit: {error}"
        ) from None
    return reshape(x, shape=shape)


def ravel(x: Array) -> Array:
    """Return x as a vector."""
    return reshape(checked.array("ravel", x), shape=(-1,))


def getitem(x: Array, index: Any) -> Array:
    """Return x[index]: a part of x by integers and slices, or the entries that arrays name."""
    x = checked.array("getitem", x)
    try:
        return x[index]
    except (IndexError, TypeError, ValueError) as error:
        raise complaint(error, "getitem", (x,), {"index": index}) from None


def split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Return consecutive pieces of x along an axis: so many equal ones, or cut at the indices.

    Raises
    ------
    ShapeError
        If the axis cannot be cut into so many equal pieces.
    """
    x = checked.array("split", x)
    axis = checked.one_axis("split", x, axis)
    size = x.shape[axis]
    try:
        cuts = list(wholes(indices_or_sections))
    except TypeError as error:
        asked = {"indices_or_sections": indices_or_sections}
        raise complaint(error, "split", (x,), asked) from None
    if np.ndim(indices_or_sections) == 0:
        (pieces,) = cuts
        if pieces < 1 or size % pieces:
            raise ShapeError(f"split: axis {axis} of size {size} is not {pieces} equal pieces")
        cuts = [size // pieces * k for k in range(1, pieces)]
    return [x[at(axis, slice(lo, hi))] for lo, hi in zip([0, *cuts], [*cuts, size], strict=True)]


def unstack(x: Array, axis: int = 0) -> list[Array]:
    """Return the slices of x along an axis, without that axis."""
    x = checked.array("unstack", x)
    axis = checked.one_axis("unstack", x, axis)
    return [x[at(axis, k)] for k in range(x.shape[axis])]


NUMPY = {
    "swapaxes": swapaxes, "matrix_transpose": matrix_transpose, "moveaxis": moveaxis,
    "expand_dims": expand_dims, "squeeze": squeeze, "ravel": ravel, "split": split,
    "permute_dims": transpose, "unstack": lambda x, axis=0: tuple(unstack(x, axis)),
    "linalg.matrix_transpose": matrix_transpose,
}  # fmt: skip
