"""Convolutions along any number of axes, as products of windows and a kernel.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike. The layout is x (batch, channels, axes…), as in PyTorch and ONNX; "convolution" is
the correlation of neural networks, with the kernel as it is:

    y[b, o, p] = Σ over c, k of x[b, c, stride p + dilation k - padding] kernel[o, c, k]

V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285,
2016, has the sizes that come out.
"""

from __future__ import annotations

import math

from ...errors import ShapeError
from ..arguments import whole
from ..numerics import Array
from ..primitives import matmul, pad, reshape, scatter, transpose
from . import checked
from .arrangements import flip
from .pooling import Padding, Sizes, batch, for_axes, pairs, placement, windows


def convolution(
    x: Array,
    kernel: Array,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Array:
    """Return the convolution of a batch with a kernel, along one axis or several.

    Parameters
    ----------
    x : (B, C, *sizes)
    kernel : (O, C / groups, *widths)
    stride, dilation : int, or one for each axis
    padding : int, or one for each axis, or a pair (before, after) for each axis; "same", "valid"
        The number of zeros around x; with "same" the sizes of y are size / stride, rounded up.
    groups : int
        The channels of x and y are cut into so many groups, and each group of y sees its own
        group of x alone.

    Returns
    -------
    y : (B, O, *sizes of y)
        A size is ⌊(size + before + after - dilation (width - 1) - 1) / stride⌋ + 1.

    Raises
    ------
    ShapeError, ArgumentError, UsageError
        If the shapes do not fit each other; if the kernel is wider than x with its padding.
    """
    return _convolution("convolution", x, kernel, stride, padding, dilation, groups)


def _convolution(
    who: str, x: Array, kernel: Array, stride: Sizes, padding: Padding, dilation: Sizes, groups: int
) -> Array:
    """Return a convolution; messages begin with ``who``."""
    x, kernel = batch(who, x), checked.array(f"{who}: the kernel", kernel)
    groups = whole(f"{who}: groups", groups, least=1)
    if len(kernel.shape) != len(x.shape) or kernel.shape[1] * groups != x.shape[1]:
        channels = f"(O, {x.shape[1]} / {groups} groups, {len(x.shape) - 2} widths)"
        raise ShapeError(
            f"{who}: found a kernel of shape {kernel.shape} for x of shape {x.shape}; "
            f"expected {channels}"
        )
    B, (O, C, *widths) = x.shape[0], kernel.shape
    if O % groups:
        raise ShapeError(f"{who}: found {O} channels out of {groups} groups; O must be a multiple")
    x = windows(x, placement(who, x, tuple(widths), stride, padding, dilation))
    n = len(widths)
    sizes = x.shape[2 : 2 + n]
    x = transpose(x, axes=(0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n)))
    row, points = C * math.prod(widths), math.prod(sizes)
    if groups == 1:  # (O, row) @ (B, row, points)
        y = matmul(reshape(kernel, shape=(O, row)), reshape(x, shape=(B, row, points)))
    else:  # (groups, O / groups, row) @ (B, groups, row, points)
        kernel = reshape(kernel, shape=(groups, O // groups, row))
        y = matmul(kernel, reshape(x, shape=(B, groups, row, points)))
    return reshape(y, shape=(B, O, *sizes))


def conv1d(
    x: Array, w: Array, b: Array | None = None, stride: Sizes = 1, padding: Padding = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Return the `convolution` of x (..., C, T) with w (O, C / groups, width), plus b (O,)."""
    return convolved("conv1d", 1, x, w, b, stride, padding, dilation, groups)


def conv2d(
    x: Array, w: Array, b: Array | None = None, stride: Sizes = 1, padding: Padding = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Return the `convolution` of x (..., C, H, W) with w (O, C / groups, *widths), plus b (O,)."""
    return convolved("conv2d", 2, x, w, b, stride, padding, dilation, groups)


def convolved(
    who: str, n: int, x: Array, w: Array, b: Array | None, stride: Sizes, padding: Padding,
    dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    """Return the convolution along the last n axes, with a bias: of a batch, or of one sample.

    Parameters
    ----------
    x : (..., C, *sizes)
    w : (O, C / groups, *widths)
    b : (O,), optional

    Returns
    -------
    y : (..., O, *sizes of y)
    """
    x, w = checked.array(f"{who}: x", x), checked.array(f"{who}: w", w)
    if len(w.shape) != n + 2 or len(x.shape) < n + 1:
        raise ShapeError(
            f"{who}: found x of shape {x.shape} and w of shape {w.shape}, expected (..., C, "
            f"{n} sizes) and (O, C / groups, {n} widths)"
        )
    lead = x.shape[: -n - 1]
    if len(lead) != 1:
        x = reshape(x, shape=(math.prod(lead), *x.shape[-n - 1 :]))
    y = _convolution(who, x, w, stride, padding, dilation, groups)
    if b is not None:
        b = checked.array(f"{who}: b", b)
        if b.shape != w.shape[:1]:
            raise ShapeError(f"{who}: found b of shape {b.shape}, expected {w.shape[:1]}")
        y = y + reshape(b, shape=(b.shape[0], *(1,) * n))
    return y if len(lead) == 1 else reshape(y, shape=(*lead, *y.shape[1:]))


def transposed_convolution(
    x: Array,
    kernel: Array,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    output_padding: Sizes = 0,
) -> Array:
    """Return the transpose of `convolution`, as a map from its y to its x.

    Parameters
    ----------
    x : (B, C, *sizes)
    kernel : (C, O / groups, *widths)
    stride, padding, dilation, groups : as in `convolution`
    output_padding : int, or one for each axis
        By how much y is longer at its end, where ``stride`` leaves that open.

    Returns
    -------
    y : (B, O, *sizes of y)
        A size is stride (size - 1) - before - after + dilation (width - 1) + 1 + output_padding.

    Raises
    ------
    ShapeError, ArgumentError, UsageError
        As `convolution`.
    """
    who = "transposed_convolution"
    x, kernel = batch(who, x), checked.array(f"{who}: the kernel", kernel)
    groups = whole(f"{who}: groups", groups, least=1)
    n = len(x.shape) - 2
    if len(kernel.shape) != n + 2 or kernel.shape[0] != x.shape[1] or x.shape[1] % groups:
        raise ShapeError(
            f"{who}: found a kernel of shape {kernel.shape} for x of shape {x.shape} in {groups} "
            f"groups; expected ({x.shape[1]}, O / groups, {n} widths)"
        )
    strides, dilations = (
        for_axes(f"{who}: {name}", value, n, least=1)
        for name, value in (("stride", stride), ("dilation", dilation))
    )
    longer = for_axes(f"{who}: output_padding", output_padding, n, least=0)
    pads = pairs(who, padding, n)
    (B, C, *sizes), (_, O, *widths) = x.shape, kernel.shape
    spread = [step * (size - 1) + 1 for step, size in zip(strides, sizes, strict=True)]
    if spread != sizes:
        places = (slice(None), slice(None), *(slice(None, None, step) for step in strides))
        x = scatter(x, index=places, shape=(B, C, *spread))
    around = [(0, 0), (0, 0)]
    for (before, after), width, step, more in zip(pads, widths, dilations, longer, strict=True):
        reach = step * (width - 1)
        around.append((reach - before, reach - after + more))
    x = _surround(x, around)
    kernel = flip(kernel, tuple(range(2, 2 + n)))
    kernel = reshape(kernel, shape=(groups, C // groups, O, *widths))
    kernel = transpose(kernel, axes=(0, 2, 1, *range(3, 3 + n)))
    kernel = reshape(kernel, shape=(groups * O, C // groups, *widths))
    return convolution(x, kernel, 1, 0, dilation, groups)


def _surround(x: Array, around: list[tuple[int, int]]) -> Array:
    """Return x with zeros around it, or without the entries that a negative width takes away."""
    if any(width > 0 for pair in around for width in pair):
        positive = [
            (before if before > 0 else 0, after if after > 0 else 0) for before, after in around
        ]
        x = pad(x, pad_width=tuple(positive))
    if any(width < 0 for pair in around for width in pair):
        ends = [
            slice(-before if before < 0 else None, after if after < 0 else None)
            for before, after in around
        ]
        x = x[tuple(ends)]
    return x
