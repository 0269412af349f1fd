"""Windows along the axes of an array, and the sum of windows where they overlap.

Knows NumPy alone; no primitive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import forms
from .numerics import Array


def sliding_windows(
    x: Array, *, window_shape: Any, axis: Any = None, stride: Any = 1, dilation: Any = 1
) -> Array:
    """Return the windows of a shape along the axes; the windows' own axes come last.

    A window begins at every ``stride``-th entry, and takes every ``dilation``-th one from there.
    """
    if stride == 1 and dilation == 1:
        return sliding_window_view(x, window_shape, axis)
    sizes, axes, strides, dilations = _geometry(x.ndim, window_shape, axis, stride, dilation)
    spans = tuple([(size - 1) * apart + 1 for size, apart in zip(sizes, dilations)])
    steps = dict(zip(axes, strides))
    starts = [slice(None, None, steps.get(along)) for along in range(x.ndim)]
    entries = [slice(None, None, apart) for apart in dilations]
    return sliding_window_view(x, spans, axes)[(*starts, *entries)]


def overlap_add(
    x: Array,
    *,
    window_shape: Any,
    axis: Any = None,
    stride: Any = 1,
    dilation: Any = 1,
    shape: tuple[int, ...],
) -> Array:
    """Add windows back to where sliding_windows took them from."""
    whole = np.zeros(shape, x.dtype)
    windows = dict(window_shape=window_shape, axis=axis, stride=stride, dilation=dilation)
    refuse_misfit(x, sliding_windows(whole, **windows).shape)
    sizes, axes, strides, dilations = _geometry(whole.ndim, **windows)
    for offset in np.ndindex(*sizes):
        place = [slice(None)] * len(shape)
        for along, begin, step, apart in zip(axes, offset, strides, dilations):
            start = begin * apart
            place[along] = slice(start, start + step * (x.shape[along] - 1) + 1, step)
        whole[tuple(place)] += x[(..., *offset)]
    return whole


def _geometry(
    ndim: int, window_shape: Any, axis: Any, stride: Any, dilation: Any
) -> tuple[tuple[int, ...], ...]:
    """Return the sizes of windows, their axes, strides and dilations: one for each axis."""
    sizes = forms.wholes(window_shape)
    axes = range(ndim) if axis is None else forms.wholes(axis)
    strides, dilations = (
        distances * len(sizes) if len(distances) == 1 else distances
        for distances in (forms.above_0(stride, None), forms.above_0(dilation, None))
    )
    if not len(axes) == len(sizes) == len(strides) == len(dilations):
        raise ValueError("window_shape, axis, stride and dilation differ in length")
    return sizes, tuple([along % ndim for along in axes]), strides, dilations


def refuse_misfit(x: Array, place: tuple[int, ...]) -> None:
    """Refuse to spread x over a place of another shape: its transpose would have to sum."""
    if x.shape != place:
        raise ValueError(f"the place has shape {place}; broadcast_to it first")
