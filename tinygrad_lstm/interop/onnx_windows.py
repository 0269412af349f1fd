"""ONNX' convolutions, pooling and normalizations, as functions made of the engine's.

Knows the engine; no files, no layers. x is (batch, channels, axes…). Source: ONNX's documentation,
the page Operators, from operator set 13 on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import primitives as p
from ..engine.functions import convolutions as conv
from ..engine.functions import mean, square
from ..engine.functions import normalizations as norm
from ..engine.functions import pooling as pool
from .onnx_elementwise import plain

Pairs = tuple[tuple[int, int], ...]


def convolution(
    x: Any, kernel: Any, bias: Any = None, *, auto_pad: str = "NOTSET", dilations: Any = None,
    group: int = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """Return the convolution of x with a kernel, and a bias for each channel."""
    widths = kernel.shape[2:]
    steps, spaces = strides or [1] * len(widths), dilations or [1] * len(widths)
    around = _padding(x.shape[2:], widths, steps, spaces, auto_pad, pads)
    y = conv.convolution(x, kernel, tuple(steps), around, tuple(spaces), group)
    return _add_bias(y, bias)


def transposed_convolution(
    x: Any, kernel: Any, bias: Any = None, *, auto_pad: str = "NOTSET", dilations: Any = None,
    group: int = 1, kernel_shape: Any = None, output_padding: Any = None, output_shape: Any = None,
    pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """Return the transpose of a convolution, and a bias for each channel."""
    widths = kernel.shape[2:]
    n = len(widths)
    steps, spaces = strides or [1] * n, dilations or [1] * n
    longer = list(output_padding or [0] * n)
    around: Pairs = _pairs(pads or [0] * (2 * n))
    if auto_pad in ("SAME_UPPER", "SAME_LOWER") and not output_shape:
        output_shape = [size * step for size, step in zip(x.shape[2:], steps, strict=True)]
    if output_shape:
        pairs = []
        for axis, wanted in enumerate(output_shape[-n:]):
            reach = spaces[axis] * (widths[axis] - 1) + 1
            total = steps[axis] * (x.shape[axis + 2] - 1) + longer[axis] + reach - wanted
            longer[axis] += max(-total, 0)
            total = max(total, 0)
            half = total // 2
            pairs.append((half, total - half) if auto_pad != "SAME_LOWER" else (total - half, half))
        around = tuple(pairs)
    elif auto_pad == "VALID":
        around = ((0, 0),) * n
    y = conv.transposed_convolution(
        x, kernel, tuple(steps), around, tuple(spaces), group, tuple(longer)
    )
    return _add_bias(y, bias)


def max_pool(
    x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Any = None, pads: Any = None, storage_order: int = 0, strides: Any = None,
) -> Any:  # fmt: skip
    """Return the largest entry of each window."""
    place = _pooling(x, kernel_shape, auto_pad, dilations, pads, strides)
    return pool.max_pool(x, *place, bool(ceil_mode))


def average_pool(
    x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0,
    count_include_pad: int = 0, dilations: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """Return the mean of each window."""
    place = _pooling(x, kernel_shape, auto_pad, dilations, pads, strides)
    return pool.average_pool(x, *place, bool(ceil_mode), bool(count_include_pad))


def norm_pool(
    x: Any, *, kernel_shape: Any, auto_pad: str = "NOTSET", ceil_mode: int = 0, p: int = 2,
    dilations: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    """Return the p-norm of each window."""
    place = _pooling(x, kernel_shape, auto_pad, dilations, pads, strides)
    stand = pool.placement("LpPool", x, *place, bool(ceil_mode))
    own = tuple(range(2 - len(x.shape), 0))
    return _norm(pool.windows(x, stand), own, p, keepdims=False)


def _norm(x: Any, axis: Any, order: int, keepdims: bool = True) -> Any:
    """Return (Σ |x|^order)^(1/order) along axes."""
    if order == 2:
        return p.norm(x, axis=axis, keepdims=keepdims)
    total = p.sum(p.abs(x) ** float(order), axis=axis, keepdims=keepdims)
    return total if order == 1 else total ** (1.0 / order)


def _pooling(
    x: Any, widths: Any, auto_pad: str, dilations: Any, pads: Any, strides: Any
) -> tuple[Any, Any, Any, Any]:
    """Return the widths, strides, padding and dilations of windows."""
    steps, spaces = strides or [1] * len(widths), dilations or [1] * len(widths)
    around = _padding(x.shape[2:], widths, steps, spaces, auto_pad, pads)
    return tuple(widths), tuple(steps), around, tuple(spaces)


def _padding(
    sizes: Any, widths: Any, strides: Any, dilations: Any, auto_pad: str, pads: Any
) -> Pairs:
    """Return how many entries stand before and after x along each axis."""
    if auto_pad == "VALID":
        return ((0, 0),) * len(widths)
    if auto_pad in ("", "NOTSET"):
        return _pairs(pads or [0] * (2 * len(widths)))
    pairs = []
    for size, width, step, space in zip(sizes, widths, strides, dilations, strict=True):
        total = max((-(-size // step) - 1) * step + space * (width - 1) + 1 - size, 0)
        half = total // 2
        pairs.append((half, total - half) if auto_pad == "SAME_UPPER" else (total - half, half))
    return tuple(pairs)


def _pairs(pads: Any) -> Pairs:
    """Return pairs of numbers from those before all axes, and those after."""
    half = len(pads) // 2
    return tuple(zip(pads[:half], pads[half:], strict=True))


def _add_bias(y: Any, bias: Any) -> Any:
    return y if bias is None else y + norm.along_axis(bias, 1, len(y.shape))


def _of_each_channel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator that reduces all axes after the channels."""
    return lambda x: function(x, axis=tuple(range(2, len(x.shape))), keepdims=True)


def global_norm(x: Any, *, p: int = 2) -> Any:
    """Return the p-norm of each channel."""
    return _norm(x, tuple(range(2, len(x.shape))), p)


# --- normalizations -----------------------------------------------------------------------------


def batch_norm(
    x: Any, scale: Any, shift: Any, mean: Any, variance: Any, *,
    epsilon: float = 1e-5, momentum: float = 0.9, training_mode: int = 0,
) -> Any:  # fmt: skip
    """Return x less the mean, over the spread, of each channel, as they were measured before."""
    return norm.batch_norm(x, plain(mean), plain(variance), scale, shift, eps=epsilon)


def layer_norm(
    x: Any, scale: Any, shift: Any = None, *,
    axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1,
) -> tuple[Any, ...]:  # fmt: skip
    """Return x less its mean, over its spread, from an axis on; the mean; and 1 / the spread."""
    axes = tuple(range(axis % len(x.shape), len(x.shape)))
    center = mean(x, axes, keepdims=True)
    spread = p.sqrt(mean(square(x - center), axes, keepdims=True) + epsilon)
    return norm.layer_norm(x, scale, shift, axes, epsilon), center, 1.0 / spread


def rms_norm(
    x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    """Return x over the root of its mean square, from an axis on."""
    axes = tuple(range(axis % len(x.shape), len(x.shape)))
    return norm.rms_norm(x, scale, axes, epsilon)


def group_norm(
    x: Any, scale: Any, shift: Any, *, epsilon: float = 1e-5, num_groups: int, stash_type: int = 1
) -> Any:
    """Return x standardized in groups of channels; scale and shift are for channels, or groups."""
    C = x.shape[1]
    if scale.shape[0] != C:  # operator set 18 to 20
        at = np.repeat(np.arange(num_groups), C // num_groups)
        scale, shift = scale[at], shift[at]
    return norm.group_norm(x, num_groups, scale, shift, epsilon)


def instance_norm(x: Any, scale: Any, shift: Any, *, epsilon: float = 1e-5) -> Any:
    """Return each channel of each entry of the batch, standardized."""
    return norm.group_norm(x, x.shape[1], scale, shift, epsilon)


def mean_variance_norm(x: Any, *, axes: Any = (0, 2, 3)) -> Any:
    """Return x less its mean, over its spread, along axes."""
    along = tuple(axes)
    away = x - mean(x, along, keepdims=True)
    return away / (p.sqrt(mean(square(away), along, keepdims=True)) + 1e-9)


def unit_norm(x: Any, *, axis: int = -1, p: int = 2) -> Any:
    """Return x over its p-norm along an axis."""
    return x / _norm(x, axis, p)


def local_response_norm(
    x: Any, *, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int
) -> Any:
    """Return x over a power of the squares in channels nearby.

    A. Krizhevsky, I. Sutskever and G. E. Hinton, "ImageNet classification with deep convolutional
    neural networks", NeurIPS 2012, section 3.3.
    """
    ndim = len(x.shape)
    before = (size - 1) // 2
    around = [(0, 0)] * ndim
    around[1] = (before, size - 1 - before)
    squares = p.pad(square(x), pad_width=tuple(around))
    total = p.sum(p.sliding_windows(squares, window_shape=size, axis=1), axis=-1)
    return x / (bias + (alpha / size) * total) ** beta


def dropout(x: Any, ratio: Any = None, training: Any = None, *, seed: int = 0) -> Any:
    """Return x, as in use: where a file asks to train, the reader refuses it."""
    return x


WINDOWS: dict[str, Callable[..., Any]] = {
    "Conv": convolution, "ConvTranspose": transposed_convolution, "MaxPool": max_pool,
    "AveragePool": average_pool, "LpPool": norm_pool, "GlobalAveragePool": _of_each_channel(mean),
    "GlobalMaxPool": _of_each_channel(p.max), "GlobalLpPool": global_norm,
    "BatchNormalization": batch_norm, "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm, "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm, "MeanVarianceNormalization": mean_variance_norm,
    "LpNormalization": unit_norm, "LRN": local_response_norm, "Dropout": dropout,
}  # fmt: skip
