"""Windows of a batch, and what pooling makes of each: the largest entry, or the mean.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike. The layout is x (batch, channels, axes…), as in PyTorch and ONNX. The window at p
holds the entries stride p + dilation k - padding of x, for k below the width of the window.
"""

from __future__ import annotations

import builtins
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError, ShapeError, UsageError
from ..arguments import MOST, excerpt, flag, one_of
from ..numerics import Array
from ..primitives import max, pad, sliding_windows, sum, where
from . import checked

Sizes = int | tuple[int, ...]
Padding = int | tuple[int, ...] | tuple[tuple[int, int], ...] | str


def max_pool(
    x: Array,
    width: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil: bool = False,
) -> Array:
    """Return the largest entry of each window; the padding takes no part.

    Entries of a window that are equal share the gradient evenly.

    Parameters
    ----------
    x : (B, C, *sizes)
    width : int, or one for each axis
        Of the windows.
    stride : int, or one for each axis
        As wide as a window, if None.
    padding, dilation : as in `convolution`
    ceil : bool
        Whether a last window may reach beyond the padding.

    Returns
    -------
    y : (B, C, *sizes of y)

    Raises
    ------
    ShapeError, ArgumentError, UsageError
        If a window is wider than x with its padding.
    """
    x = batch("max_pool", x)
    n = len(x.shape) - 2
    place = placement("max_pool", x, width, stride, padding, dilation, ceil)
    return max(windows(x, place, fill=-np.inf), axis=tuple(range(-n, 0)))


def average_pool(
    x: Array,
    width: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil: bool = False,
    count_padding: bool = False,
) -> Array:
    """Return the mean of each window.

    Parameters
    ----------
    x, width, stride, padding, dilation, ceil : as in `max_pool`
    count_padding : bool
        Whether the zeros of the padding count as entries.

    Returns
    -------
    y : (B, C, *sizes of y)

    Raises
    ------
    ShapeError, ArgumentError, UsageError
        As `max_pool`.
    """
    who = "average_pool"
    x, counted = batch(who, x), flag(f"{who}: count_padding", count_padding)
    n = len(x.shape) - 2
    padding = in_numbers(who, padding, x, width, stride, dilation)
    place = placement(who, x, width, stride, padding, dilation, ceil)
    counts = np.ones((1, 1, *x.shape[2:]), getattr(x, "dtype", float))
    pads = pairs(who, padding, n)
    counts = np.pad(counts, ((0, 0), (0, 0), *pads), constant_values=counted)
    beyond = [(0, more - after) for (_, after), (_, more) in zip(pads, place.pads, strict=True)]
    own = tuple(range(-n, 0))
    count = sum(windows(counts, place._replace(pads=tuple(beyond))), axis=own)
    return sum(windows(x, place), axis=own) / count


class Windows(NamedTuple):
    """How windows stand on a batch: one entry of each tuple for each axis after the channels."""

    widths: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilations: tuple[int, ...]


def placement(
    who: str,
    x: Array,
    width: Sizes,
    stride: Sizes | None = None,
    padding: Padding = 0,
    dilation: Sizes = 1,
    ceil: bool = False,
) -> Windows:
    """Return how windows stand on a batch, from arguments as `max_pool` has them.

    Raises
    ------
    ShapeError, ArgumentError, UsageError
        As `max_pool`; the message begins with ``who``.
    """
    sizes = x.shape[2:]
    n = len(sizes)
    widths = for_axes(f"{who}: the width of a window", width, n, least=1)
    strides = widths if stride is None else for_axes(f"{who}: stride", stride, n, least=1)
    dilations = for_axes(f"{who}: dilation", dilation, n, least=1)
    pads = list(pairs(who, in_numbers(who, padding, x, width, stride, dilation), n))
    ceil = flag(f"{who}: ceil", ceil)
    reaches = [step * (extent - 1) + 1 for step, extent in zip(dilations, widths, strict=True)]
    for axis, (size, reach, (before, after)) in enumerate(zip(sizes, reaches, pads, strict=True)):
        room = before + size + after - reach
        if room < 0:
            raise ShapeError(
                f"{who}: found a window that spans {reach} entries for x of shape {x.shape} with "
                f"padding {(before, after)} along axis {axis + 2}; expected at most "
                f"{before + size + after}"
            )
        more = -room % strides[axis] if ceil else 0
        if room + more < before + size:  # the last window begins in x, or in the padding before
            pads[axis] = (before, after + more)
    return Windows(widths, strides, tuple(pads), dilations)


def in_numbers(
    who: str, padding: Padding, x: Array, width: Sizes, stride: Sizes | None, dilation: Sizes
) -> Padding:
    """Return padding as numbers: "valid" is none, "same" gives size / stride windows, rounded up.

    Of an odd number of entries, there is one more after x than before.
    """
    if not isinstance(padding, str):
        return padding
    if one_of(f"{who}: padding", padding, ("same", "valid")) == "valid":
        return 0
    n = len(x.shape) - 2
    widths = for_axes(f"{who}: the width of a window", width, n, least=1)
    strides = widths if stride is None else for_axes(f"{who}: stride", stride, n, least=1)
    dilations = for_axes(f"{who}: dilation", dilation, n, least=1)
    lacking = [
        builtins.max((-(-size // stride) - 1) * stride + dilation * (width - 1) + 1 - size, 0)
        for size, width, stride, dilation in zip(
            x.shape[2:], widths, strides, dilations, strict=True
        )
    ]
    return tuple([(count // 2, count - count // 2) for count in lacking])


def windows(x: Array, place: Windows, fill: float = 0.0) -> Array:
    """Return the windows of a batch.

    Parameters
    ----------
    x : (B, C, *sizes)
    place : as `placement` returns
    fill : float
        What the padding holds.

    Returns
    -------
    y : (B, C, *counts, *widths)
    """
    widths, strides, pads, dilations = place
    sizes = x.shape[2:]
    if any(map(any, pads)):
        around = ((0, 0), (0, 0), *pads)
        x = pad(x, pad_width=around)
        if fill:
            x = where(np.pad(np.ones((1, 1, *sizes), bool), around), x, fill)
    more = {}
    if any(step > 1 for step in (*strides, *dilations)):
        more = {"stride": strides, "dilation": dilations}
    axes = tuple(range(2, 2 + len(sizes)))
    return sliding_windows(x, window_shape=widths, axis=axes, **more)


def batch(who: str, x: Any) -> Array:
    """Return what is (B, C, *sizes)."""
    x = checked.array(who, x)
    if len(x.shape) < 3:
        raise ShapeError(
            f"{who}: found x of shape {x.shape}, expected (batch, channels, one size or more)"
        )
    return x


def for_axes(who: str, value: Any, n: int, least: int) -> tuple[int, ...]:
    """Return a whole number for each axis."""
    sizes = checked.wholes(who, value)
    sizes = sizes * n if len(sizes) == 1 else sizes
    if len(sizes) != n or any(not least <= size < MOST for size in sizes):
        raise ArgumentError(
            f"{who} must be {n} whole numbers of at least {least}, or one, found {excerpt(value)}"
        )
    return sizes


def pairs(who: str, value: Any, n: int) -> tuple[tuple[int, int], ...]:
    """Return how many entries are put before and after x along each axis."""
    who = f"{who}: padding"
    given = value if isinstance(value, tuple | list) else [value] * n
    if len(given) == 1:
        given = list(given) * n
    if len(given) != n:
        raise ArgumentError(f"{who} must be for {n} axes, found {excerpt(value)}")
    counted = [checked.wholes(who, pair) for pair in given]
    if any(
        len(pair) > 2 or not pair or not 0 <= min(pair) <= builtins.max(pair) < MOST
        for pair in counted
    ):
        raise UsageError(f"{who} must hold numbers or pairs of at least 0, found {excerpt(value)}")
    return tuple([(pair[0], pair[-1]) for pair in counted])
