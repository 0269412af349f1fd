"""What is put around an array: numbers, ramps, its own entries, or what becomes of them.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError, UsageError
from .. import numerics
from ..arguments import as_array, excerpt, one_of
from ..forms import complaint, widths
from ..numerics import Array
from ..primitives import broadcast_to, concatenate, gather, max
from ..primitives import pad as pad_by_zeros
from . import checked
from .arrangements import median
from .checked import at
from .reductions import mean, min

ENTRIES = ("edge", "reflect", "symmetric", "wrap")  # modes that repeat entries of the array
STATISTICS: dict[str, Callable[..., Array]] = {
    "mean": mean, "minimum": min, "maximum": max, "median": median,
}  # fmt: skip
MODES = ("constant", "empty", *ENTRIES, "linear_ramp", *STATISTICS)


def pad(
    array: Array, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0,
    end_values: Any = 0, stat_length: Any = None, reflect_type: str = "even",
) -> Array:  # fmt: skip
    """Return an array with something put around it, as NumPy's ``pad`` does.

    Parameters
    ----------
    array : (...)
    pad_width : int, (before, after), one pair for each axis, or pairs by axis in a dictionary
        How many entries are put before and after.
    mode : str
        ``constant`` (zeros or ``constant_values``), ``empty`` (zeros), ``edge``, ``reflect``,
        ``symmetric``, ``wrap``, ``linear_ramp`` (down to ``end_values``), ``mean``, ``minimum``,
        ``maximum`` or ``median`` (of the ``stat_length`` entries next to the edge; of all if None).

    Raises
    ------
    ArgumentError, UsageError
        If another mode is asked for; the message names the modes that there are.
    ShapeError
        If the widths, values or lengths do not fit, or there are no entries to repeat.
    """
    x = checked.array("pad", array)
    mode = one_of("pad: mode", mode, MODES)
    one_of("pad: reflect_type", reflect_type, ("even",))
    if checked.is_plain(x) and mode in ("linear_ramp", *STATISTICS):  # of integers, no integer
        x = numerics.floats(x)
    if mode == "constant" or mode == "empty":
        y = pad_by_zeros(x, pad_width=pad_width)
        values = _pairs("constant_values", constant_values, x.ndim)
        if mode == "empty" or not np.any(values):
            return y
        return y + np.pad(np.zeros(x.shape, x.dtype), pad_width, constant_values=values)
    try:
        around = widths(pad_width, x)
    except (ValueError, TypeError) as error:
        raise complaint(error, "pad", (x,), {"pad_width": pad_width}) from None
    ends = _pairs("end_values", end_values, x.ndim)
    lengths = _pairs("stat_length", stat_length, x.ndim) if mode in STATISTICS else ends
    for axis, (size, width) in enumerate(zip(x.shape, around, strict=True)):
        if not any(width):
            continue
        if not size:
            raise ShapeError(f"pad: axis {axis} of shape {x.shape} has no entries to repeat")
        if mode in ENTRIES:
            x = gather(x, index=at(axis, np.pad(np.arange(size), width, mode=mode)))
        elif mode == "linear_ramp":
            x = _with_ramps(x, axis, width, ends[axis])
        else:
            x = _with_statistics(x, axis, width, lengths[axis], STATISTICS[mode])
    return x


def _pairs(option: str, value: Any, ndim: int) -> list[Any]:
    """Return what holds before and after each axis."""
    if value is None and option == "stat_length":
        return [(None, None)] * ndim
    array = as_array(f"pad: {option}", value)
    if array.dtype.kind not in ("iu" if option == "stat_length" else "iufb"):
        raise UsageError(f"pad: {option} must be numbers, found {excerpt(value)}")
    if option == "stat_length" and (array < 1).any():
        raise ArgumentError(f"pad: stat_length must be at least 1, found {excerpt(value)}")
    try:
        pairs: list[Any] = np.broadcast_to(array, (ndim, 2)).tolist()
    except ValueError:
        raise ShapeError(
            f"pad: {option} has shape {array.shape}, expected a number, a pair, or a pair for each "
            f"of {ndim} axes"
        ) from None
    return pairs


def _with_ramps(x: Array, axis: int, width: Iterable[int], ends: Iterable[float]) -> Array:
    """Return x with ramps from its edges to the end values."""
    parts, rest = [x], (1,) * (x.ndim - axis - 1)
    for first, count, end in zip((True, False), width, ends, strict=True):
        if count:
            edge = x[at(axis, slice(None, 1) if first else slice(-1, None))]
            way = np.arange(count, dtype=x.dtype) / x.dtype.type(count)  # 0 at the far end
            way = (way if first else way[::-1]).reshape((count, *rest))
            ramp = edge * way + (1 - way) * end
            parts = [ramp, *parts] if first else [*parts, ramp]
    return concatenate(parts, axis=axis)


def _with_statistics(
    x: Array, axis: int, width: Iterable[int], lengths: Iterable[Any], of: Callable[..., Array]
) -> Array:
    """Return x with the mean, median, largest or smallest of the entries at its edges."""
    parts = [x]
    for first, count, length in zip((True, False), width, lengths, strict=True):
        if count:
            length = x.shape[axis] if length is None else builtins.min(length, x.shape[axis])
            near = slice(None, length) if first else slice(x.shape[axis] - length, None)
            y = of(x[at(axis, near)], axis=axis, keepdims=True)
            y = broadcast_to(y, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))
            parts = [y, *parts] if first else [*parts, y]
    return concatenate(parts, axis=axis)


NUMPY = {"pad": pad}
