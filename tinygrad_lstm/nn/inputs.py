"""Checks of the arguments of layers and losses: sizes, inputs, lengths, targets.

Knows Tensors and places; no layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.arguments import as_array, flag, whole
from ..engine.place import Place
from ..engine.tensor import Tensor, constant
from ..engine.whole_numbers import hold, stays
from ..errors import ArgumentError, DTypeError, ShapeError, UsageError
from .init import MOST


def size(who: str, value: Any, least: int = 1) -> int:
    """Return a size if it is a whole number, and large enough."""
    return whole(who, value, least, MOST)


def bias_of(shape: int | tuple[int, ...], has_bias: Any, who: str, dtype: Any) -> Any:
    """Return a bias of zeros, or None if a layer is to have none."""
    if not flag(f"{who}: bias", has_bias):
        return None
    return Tensor(np.zeros(shape), requires_grad=True, dtype=dtype)


def input_tensor(
    place: Place, x: Any, W: Tensor, ranks: tuple[int, ...] = (), axes: str = "(..., in)"
) -> Tensor:
    """Return an input as a Tensor if it fits the weights W (in, out) of the layer at a place."""
    if isinstance(x, Tensor):
        tensor = x
    else:
        dtype = None if isinstance(x, np.ndarray | np.generic) else W.dtype
        tensor = Tensor(x, name="x", dtype=dtype)
    data, weights, who = tensor._array, W._array, place.path
    shape, features = data.shape, len(weights)
    if not shape or (ranks and len(shape) not in ranks):
        raise ShapeError(f"{who()}: input has shape {shape}, expected {axes}")
    if shape[-1] != features:
        raise ShapeError(
            f"{who()}: input has {shape[-1]} features, weights take {features} "
            f"(shapes {shape} and {W.shape})"
        )
    if 0 in shape:
        raise ShapeError(
            f"{who()}: input has shape {shape}: nothing to compute on, expected {axes}"
        )
    if data.dtype != weights.dtype:
        raise DTypeError(
            f"{who()}: input is {data.dtype}, the layer {W.dtype}; convert the data with "
            f".astype({str(W.dtype)!r}) or make the layer with dtype={str(data.dtype)!r}"
        )
    return tensor


def input_along(place: Place, x: Any, own: np.dtype, axis: int, features: int, axes: str) -> Tensor:
    """Return an input as a Tensor if it has so many features along an axis, and a layer's type.

    Parameters
    ----------
    place : Place
        Of the layer.
    x : (...), with ``features`` entries along ``axis``
    own : float type
        Of the layer.
    axes : str
        How the axes are called in messages, such as ``(..., in, T)``.
    """
    dtype = None if isinstance(x, np.ndarray | np.generic) else own
    tensor = x if isinstance(x, Tensor) else Tensor(x, name="x", dtype=dtype)
    shape, who = tensor.shape, place.path
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{who()}: input has shape {shape}, expected {axes}")
    if shape[axis] != features:
        raise ShapeError(
            f"{who()}: input of shape {shape} has {shape[axis]} features, the layer takes "
            f"{features}; expected {axes}"
        )
    if 0 in shape:
        raise ShapeError(
            f"{who()}: input has shape {shape}: nothing to compute on, expected {axes}"
        )
    if tensor.dtype != own:
        raise DTypeError(
            f"{who()}: input is {tensor.dtype}, the layer {own}; convert the data with "
            f".astype({str(own)!r}) or make the layer with dtype={str(tensor.dtype)!r}"
        )
    return tensor


def sequence_lengths(who: str, lengths: Any, T: int, batch: tuple[int, ...]) -> np.ndarray:
    """Return the lengths of the sequences of a batch, each from 1 to T.

    Returns
    -------
    lengths : (B,) of integers
        As they are, if they stay an argument of what is recorded.

    Raises
    ------
    UsageError, ShapeError, ArgumentError
        If there is no batch, if they are no whole numbers, one for each sequence, or out of range.
    """
    if not batch:
        raise UsageError(
            f"{who}: lengths are for a batch of sequences, and the input is one; leave them out"
        )
    given = lengths._array if isinstance(lengths, Tensor) else lengths
    array = given if stays(given) else as_array(f"{who}: lengths", given)
    if array.dtype.kind not in "iu":
        raise UsageError(f"{who}: lengths are of type {array.dtype}, expected whole numbers")
    if array.shape != batch:
        raise ShapeError(
            f"{who}: lengths have shape {array.shape}, expected {batch}: one for each sequence"
        )
    if not hold((array >= 1) & (array <= T)):
        outside = array[(array < 1) | (array > T)]
        raise ArgumentError(f"{who}: found length {outside[0]}, expected 1 to {T} steps")
    return array


def numbers(values: Any, dtype: Any, name: str) -> Tensor:
    """Return truth values, or numbers, as a constant, or as the argument that they are made of."""
    if stays(values):
        argument: Tensor = values.tensor(dtype, name)
        return argument
    return constant(values, name)


def prediction(y: Any) -> Tensor:
    """Return the first argument of a loss as a Tensor."""
    return y if isinstance(y, Tensor) else Tensor(y, name="y")


def target_tensor(y: Tensor, target: Any) -> Tensor:
    """Return the target as a Tensor of y's shape."""
    if isinstance(target, Tensor):
        t = target
    else:
        array = target if type(target) is np.ndarray else as_array("the target", target)
        t = Tensor(
            array.astype(y.dtype) if array.dtype.kind in "iub" else array,
            dtype=None if isinstance(target, np.ndarray | np.generic) else y.dtype,
            name="target",
        )
    if t._array.shape != y._array.shape:
        raise ShapeError(
            f"{y.label()} has shape {y.shape}, its target {t.shape}; they must be equal "
            "(nothing is broadcast in a loss)"
        )
    return t
