"""The same entries in other places: repeated, turned, rolled, sorted, taken.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError, UsageError
from ..arguments import as_array, excerpt, flag, one_of, whole
from ..forms import complaint
from ..numerics import Array
from ..primitives import broadcast_to, concatenate, gather, reshape
from . import checked
from .checked import Axis, at
from .reductions import mean
from .shapes import moveaxis, split, swapaxes

# --- repeated -----------------------------------------------------------------------------------


def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    """Return each entry several times in a row, along an axis (of all entries as a vector if None).

    ``repeats`` is a number, or one for each entry along the axis.
    """
    a, axis = checked.vector_or_axis("repeat", a, axis)
    counts, size = as_array("repeat: repeats", repeats), a.shape[axis]
    if counts.dtype.kind not in "iu" or np.any(counts < 0):
        raise UsageError(f"repeat: repeats must be whole numbers, found {excerpt(repeats)}")
    if counts.size != 1:
        if counts.shape != (size,):
            raise ShapeError(f"repeat: found {counts.size} repeats for an axis of {size} entries")
        return gather(a, index=at(axis, np.repeat(np.arange(size), counts)))
    count = counts.item()
    before, after = a.shape[:axis], a.shape[axis + 1 :]
    a = reshape(a, shape=(*before, size, 1, *after))
    a = broadcast_to(a, shape=(*before, size, count, *after))
    return reshape(a, shape=(*before, size * count, *after))


def tile(A: Array, reps: Any) -> Array:
    """Return copies of an array side by side along each axis; one number is for the last axis."""
    x, counts = checked.array("tile", A), list(checked.wholes("tile: reps", reps))
    if any(count < 0 for count in counts):
        raise ArgumentError(f"tile: reps must not be negative, found {excerpt(reps)}")
    ndim = max(x.ndim, len(counts))
    shape, counts = (1,) * (ndim - x.ndim) + tuple(x.shape), [1] * (ndim - len(counts)) + counts
    if set(counts) <= {1}:
        return reshape(x, shape=shape)
    x = reshape(x, shape=tuple([n for size in shape for n in (1, size)]))
    pairs = [n for pair in zip(counts, shape, strict=True) for n in pair]
    x = broadcast_to(x, shape=tuple(pairs))
    return reshape(x, shape=tuple([m * n for m, n in zip(counts, shape, strict=True)]))


# --- turned and rolled --------------------------------------------------------------------------


def flip(m: Array, axis: Axis = None) -> Array:
    """Return the entries in reverse order along the axes (all if None)."""
    x, axis = checked.along("flip", m, axis)
    axes = checked.several(x, axis)
    return x[tuple([slice(None, None, -1 if k in axes else None) for k in range(x.ndim)])]


def fliplr(m: Array) -> Array:
    """Return the entries in reverse order along the second axis."""
    return flip(m, 1)


def flipud(m: Array) -> Array:
    """Return the entries in reverse order along the first axis."""
    return flip(m, 0)


def roll(a: Array, shift: Any, axis: Axis = None) -> Array:
    """Return the entries moved along the axes; entries that leave at the end enter at the start."""
    x, shifts = checked.array("roll", a), checked.wholes("roll: shift", shift)
    if axis is None:
        return reshape(roll(reshape(x, shape=(-1,)), sum(shifts), 0), shape=x.shape)
    axes = [checked.one_axis("roll", x, number) for number in checked.wholes("roll: axis", axis)]
    if len(axes) != len(shifts) and 1 not in (len(axes), len(shifts)):
        raise ArgumentError(f"roll: found {len(shifts)} shifts for {len(axes)} axes")
    for along, by in np.broadcast(axes, shifts):
        by = int(by) % x.shape[along] if x.shape[along] else 0
        if by:
            ends = x[at(along, slice(-by, None))], x[at(along, slice(None, -by))]
            x = concatenate(ends, axis=int(along))
    return x


def rot90(m: Array, k: int = 1, axes: Sequence[int] = (0, 1)) -> Array:
    """Return matrices turned k times by 90°, from the first of the axes towards the second."""
    x, k = checked.array("rot90", m), whole("rot90: k", k) % 4
    pair = checked.axes_apart("rot90", x, checked.wholes("rot90: axes", axes))
    if len(pair) != 2:
        raise ArgumentError(f"rot90: found {len(pair)} axes, expected 2")
    one, other = pair
    if k == 2:
        return flip(x, (one, other))
    if k == 1:
        return swapaxes(flip(x, other), one, other)
    return flip(swapaxes(x, one, other), other) if k else x


def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    """Return x with an axis moved to stand before another."""
    x = checked.array("rollaxis", a)
    axis, start = checked.one_axis("rollaxis", x, axis), whole("rollaxis: start", start)
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        raise ShapeError(f"rollaxis: found start {start} for shape {x.shape}")
    return moveaxis(x, axis, start - (axis < start))


# --- sorted and taken ---------------------------------------------------------------------------


def sort(a: Array, axis: int | None = -1, kind: Any = None, stable: Any = None) -> Array:
    """Return the entries along an axis (all as a vector if None) from the smallest to the largest.

    The order is that of the values now; a graph of what was recorded keeps it.
    """
    return _by_order("sort", np.argsort, a, axis, kind="stable")


def partition(a: Array, kth: Any, axis: int | None = -1) -> Array:
    """Return the entries with the kth smallest in its place, smaller ones before it."""
    return _by_order(
        "partition", np.argpartition, a, axis, kth=checked.wholes("partition: kth", kth)
    )


def _by_order(who: str, order: Callable[..., Any], a: Array, axis: Any, **more: Any) -> Array:
    x, axis = checked.vector_or_axis(who, a, axis)
    try:
        places = order(x, axis=axis, **more)
    except (ValueError, TypeError) as error:
        raise complaint(error, who, (x,), more) from None
    return take_along_axis(x, places, axis)


def take_along_axis(arr: Array, indices: Any, axis: int | None = -1) -> Array:
    """Return the entries along an axis that an array of indices names, each for its own row."""
    x, axis = checked.vector_or_axis("take_along_axis", arr, axis)
    places = as_array("take_along_axis: indices", indices)
    if places.ndim != x.ndim:
        raise ShapeError(f"take_along_axis: indices of shape {places.shape} for {x.shape}")
    grid = [np.arange(n).reshape(-1, *(1,) * (x.ndim - 1 - k)) for k, n in enumerate(x.shape)]
    return gather(x, index=(*grid[:axis], places, *grid[axis + 1 :]))


def take(a: Array, indices: Any, axis: int | None = None, mode: str = "raise") -> Array:
    """Return the entries along an axis (of all as a vector if None) that indices name."""
    x, axis = checked.vector_or_axis("take", a, axis)
    places, size = as_array("take: indices", indices), x.shape[axis]
    if one_of("take: mode", mode, ("raise", "wrap", "clip")) == "wrap":
        places = places % size
    elif mode == "clip":
        places = np.clip(places, 0, size - 1)
    return gather(x, index=at(axis, places))


def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """Return the array without the entries along an axis that an index names."""
    x, axis = checked.vector_or_axis("delete", arr, axis)
    unwanted = obj if isinstance(obj, slice) else as_array("delete: the indices", obj)
    if not isinstance(unwanted, slice) and not unwanted.size:
        return x  # an empty list is an array of floats
    try:
        left = np.delete(np.arange(x.shape[axis]), unwanted)
    except (IndexError, ValueError, TypeError) as error:
        raise complaint(error, "delete", (x,), {"obj": obj}) from None
    return gather(x, index=at(axis, left))


def median(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the middle entry along the axes (all if None), or the mean of the two middle ones."""
    x, axis = checked.floats_along("median", a, axis)
    keepdims = flag("median: keepdims", keepdims)
    axes = checked.several(x, axis)
    shape = tuple([1 if k in axes else n for k, n in enumerate(x.shape)])
    left = tuple([n for k, n in enumerate(x.shape) if k not in axes])
    rows = moveaxis(x, axes, tuple(range(x.ndim - len(axes), x.ndim))) if axes else x
    size = checked.count(x, axes)
    ordered = sort(reshape(rows, shape=(*left, size)), -1)
    middle = mean(ordered[..., (size - 1) // 2 : size // 2 + 1], -1)
    return reshape(middle, shape=shape) if keepdims else middle


# --- split by NumPy's other names ---------------------------------------------------------------


def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Return consecutive pieces along an axis, as equal as can be, or cut at the indices."""
    x = checked.array("array_split", ary)
    axis = checked.one_axis("array_split", x, axis)
    if as_array("array_split: the pieces", indices_or_sections).ndim == 0:
        count = whole("array_split: the number of pieces", indices_or_sections, 1, 2**31)
        sizes = np.full(count, x.shape[axis] // count)
        sizes[: x.shape[axis] % count] += 1
        indices_or_sections = np.cumsum(sizes)[:-1]
    return split(x, indices_or_sections, axis)


def _split_along(axis: int) -> Callable[..., list[Array]]:
    def split_along(ary: Array, indices_or_sections: Any) -> list[Array]:
        x = checked.array("split", ary)
        return split(x, indices_or_sections, 0 if axis == 1 and x.ndim == 1 else axis)

    return split_along


NUMPY = {
    "repeat": repeat, "tile": tile, "flip": flip, "fliplr": fliplr, "flipud": flipud, "roll": roll,
    "rot90": rot90, "rollaxis": rollaxis, "sort": sort, "partition": partition, "take": take,
    "take_along_axis": take_along_axis, "delete": delete, "median": median,
    "array_split": array_split, "vsplit": _split_along(0), "hsplit": _split_along(1),
    "dsplit": _split_along(2),
}  # fmt: skip
