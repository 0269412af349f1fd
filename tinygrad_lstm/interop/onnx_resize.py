"""ONNX' Resize, as a gathering of entries or a product with weights along each axis.

Knows the primitives; no files, no layers. Source: ONNX's documentation, the page Resize.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import primitives as p
from ..engine.functions import moveaxis
from .onnx_elementwise import plain
from .onnx_shapes import wholes


def resize(
    x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, *,
    antialias: int = 0, axes: Any = None, coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    """Return x with more or fewer entries along axes, read between the entries of x."""
    along = [axis % len(x.shape) for axis in (range(len(x.shape)) if axes is None else axes)]
    if sizes is not None and np.size(plain(sizes)):
        counts = wholes(sizes)
        factors = [count / x.shape[axis] for count, axis in zip(counts, along, strict=True)]
    else:
        factors = [float(factor) for factor in plain(scales)]
        counts = [
            math.floor(x.shape[axis] * factor) for axis, factor in zip(along, factors, strict=True)
        ]
    for axis, count, factor in zip(along, counts, factors, strict=True):
        size = x.shape[axis]
        if count == size and factor == 1:
            continue
        places = _places(count, size, factor, coordinate_transformation_mode)
        if mode == "nearest":
            near = np.clip(NEAREST[nearest_mode](places).astype(int), 0, size - 1)
            x = x[(slice(None),) * axis + (near,)]
            continue
        a = cubic_coeff_a if mode == "cubic" else None
        weights = _weights(places, size, a, bool(exclude_outside)).astype(x.dtype)
        x = moveaxis(p.matmul(moveaxis(x, axis, -1), weights), -1, axis)
    return x


NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _places(count: int, size: int, factor: float, how: str) -> np.ndarray:
    """Return where each entry of the result is read from, between the entries of x."""
    at = np.arange(count)
    if how == "align_corners":
        return at * ((size - 1) / (count - 1)) if count > 1 else np.zeros(count)
    if how == "asymmetric":
        return at / factor
    if how == "pytorch_half_pixel" and count == 1:
        return np.zeros(count)
    return (at + 0.5) / factor - 0.5


def _weights(places: np.ndarray, size: int, a: float | None, excluded: bool) -> np.ndarray:
    """Return how much each entry of x, a row, counts for each of the result, a column.

    Linear between two entries, or cubic between four (R. Keys, "Cubic convolution interpolation
    for digital image processing", IEEE Transactions on Acoustics, Speech, and Signal Processing
    29(6), 1981, eq. 4, with his a).
    """
    first = np.floor(places).astype(int)
    weights = np.zeros((size, len(places)))
    for offset in (0, 1) if a is None else (-1, 0, 1, 2):
        away = np.abs(places - first - offset)
        if a is None:
            share = 1.0 - away
        else:
            inner = ((a + 2) * away - (a + 3)) * away**2 + 1
            outer = a * (((away - 5) * away + 8) * away - 4)
            share = np.where(away <= 1, inner, outer)
        entry = first + offset
        if excluded and a is not None:
            share = np.where((entry < 0) | (entry >= size), 0.0, share)
        np.add.at(weights, (np.clip(entry, 0, size - 1), np.arange(len(places))), share)
    return weights / weights.sum(0) if excluded and a is not None else weights
