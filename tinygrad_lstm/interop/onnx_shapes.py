"""ONNX' operators that move entries, and those that compute shapes, as functions of primitives.

Knows the primitives; no files, no layers. Operands are Tensors, or arrays: of shapes, of indices.
Source: ONNX's documentation, the page Operators, from operator set 13 on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ..engine import primitives as p
from ..engine.functions import arrangements, paddings
from ..engine.tensor import Tensor
from .onnx_elementwise import cast, plain


def wholes(x: Any) -> list[int]:
    """Return the whole numbers in an array."""
    return [int(number) for number in np.ravel(plain(x))]


def transpose(x: Any, *, perm: Any = None) -> Any:
    """Return x with its axes in another order, the reverse one if none is given."""
    return p.transpose(x, axes=tuple(perm)) if perm is not None else p.transpose(x)


def reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    """Return x in a shape; a 0 stands for the size that x has there, -1 for what is left."""
    sizes = wholes(shape)
    if not allowzero:
        sizes = [x.shape[n] if size == 0 else size for n, size in enumerate(sizes)]
    if -1 in sizes:
        at, rest = sizes.index(-1), math.prod(size for size in sizes if size != -1)
        sizes[at] = math.prod(x.shape) // (rest or 1)
    return p.reshape(x, shape=tuple(sizes))


def squeeze(x: Any, axes: Any = None) -> Any:
    """Return x without axes of one entry."""
    if axes is None:
        return p.reshape(x, shape=tuple(size for size in x.shape if size != 1))
    dropped = {axis % len(x.shape) for axis in wholes(axes)}
    return p.reshape(x, shape=tuple(size for n, size in enumerate(x.shape) if n not in dropped))


def unsqueeze(x: Any, axes: Any) -> Any:
    """Return x with new axes of one entry."""
    axes = wholes(axes)
    ndim = len(x.shape) + len(axes)
    new, sizes = {axis % ndim for axis in axes}, iter(x.shape)
    return p.reshape(x, shape=tuple(1 if n in new else next(sizes) for n in range(ndim)))


def flatten(x: Any, *, axis: int = 1) -> Any:
    """Return x as a matrix, whose rows go through the axes before one."""
    axis = axis + len(x.shape) if axis < 0 else axis
    return p.reshape(x, shape=(math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def concat(*xs: Any, axis: int) -> Any:
    """Return operands one after the other along an axis."""
    return p.concatenate(list(xs), axis=axis)


def split(
    x: Any, sizes: Any = None, *, axis: int = 0, num_outputs: int | None = None, parts: int
) -> tuple[Any, ...]:
    """Return the parts of x along an axis, of given sizes or of about the same size."""
    axis, count = axis % len(x.shape), num_outputs or parts
    whole = x.shape[axis]
    if sizes is None:
        size = -(-whole // count)
        ends = [min(size * n, whole) for n in range(count + 1)]
    else:
        ends = [0, *np.cumsum(wholes(sizes))]
    before = (slice(None),) * axis
    return tuple([
        x[(*before, slice(int(start), int(end)))] for start, end in pairwise(ends)
    ])  # fmt: skip


def cut(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """Return the entries from starts to ends along axes, by steps."""
    starts, ends = wholes(starts), wholes(ends)
    axes = range(len(starts)) if axes is None else wholes(axes)
    steps = [1] * len(starts) if steps is None else wholes(steps)
    index = [slice(None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        start, end = (at + size if at < 0 else at for at in (start, end))
        if step > 0:
            first, last = (min(max(at, 0), size) for at in (start, end))
        else:
            first, last = (max(min(at, size - 1), least) for at, least in ((start, 0), (end, -1)))
        index[axis] = slice(first, None if last < 0 else last, step)
    return x[tuple(index)]


def gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    """Return the parts of x along an axis that indices name."""
    indices = int(indices) if np.ndim(indices) == 0 else np.asarray(indices)
    return x[(slice(None),) * (axis % len(x.shape)) + (indices,)]


def gather_elements(x: Any, indices: Any, *, axis: int = 0) -> Any:
    """Return the entries of x that indices name along an axis."""
    return p.gather(x, index=_along(indices, axis % len(x.shape)))


def gather_nd(x: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    """Return the parts of x at the places in the last axis of indices."""
    return p.gather(x, index=_places(np.asarray(indices), batch_dims))


def scatter_elements(
    x: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none"
) -> Any:
    """Return x with other entries at the places that indices name along an axis."""
    return _replace(x, _along(indices, axis % len(x.shape)), updates, reduction)


def scatter_nd(x: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    """Return x with other parts at the places in the last axis of indices."""
    return _replace(x, _places(np.asarray(indices), 0), updates, reduction)


def _along(indices: Any, axis: int) -> tuple[Any, ...]:
    """Return an index of all axes, of which indices are one."""
    index = list(np.ix_(*map(range, indices.shape)))
    index[axis] = np.asarray(indices)
    return tuple(np.broadcast_arrays(*index))


def _places(indices: np.ndarray, batch_dims: int) -> tuple[Any, ...]:
    """Return an index of the first axes, from places in the last axis of indices."""
    rows = np.ix_(*map(range, indices.shape[:batch_dims]))
    more = (1,) * (indices.ndim - 1 - batch_dims)
    batch = [row.reshape(row.shape + more) for row in rows]
    return tuple(np.broadcast_arrays(*batch, *np.moveaxis(indices, -1, 0)))


def _replace(x: Any, index: tuple[Any, ...], updates: Any, reduction: str) -> Any:
    """Return x with updates at a place, or with updates added there."""
    if not isinstance(x, Tensor) and not isinstance(updates, Tensor):
        y = np.array(x)
        if reduction == "add":
            np.add.at(y, index, updates)
        else:
            y[index] = updates
        return y
    moved = p.scatter_add(updates, index=index, shape=tuple(x.shape))
    if reduction == "add":
        return x + moved
    is_replaced = np.zeros(x.shape, bool)
    is_replaced[index] = True
    return p.where(is_replaced, moved, x)


def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant") -> Any:
    """Return x with entries around it; a negative number takes entries away."""
    ndim, pads = len(x.shape), wholes(pads)
    several = range(ndim) if axes is None else wholes(axes)
    around = [(0, 0)] * ndim
    for n, axis in enumerate(several):
        around[axis] = (pads[n], pads[n + len(pads) // 2])
    if any(width < 0 for pair in around for width in pair):
        x = x[tuple([slice(max(-lo, 0), min(hi, 0) or None) for lo, hi in around])]
    widths = [(max(lo, 0), max(hi, 0)) for lo, hi in around]
    if mode != "constant":
        return paddings.pad(x, widths, mode=mode)
    filling = 0 if value is None else plain(value).item()
    if not isinstance(x, Tensor):
        return np.pad(x, widths, constant_values=filling)
    return paddings.pad(x, widths, constant_values=filling)


def expand(x: Any, shape: Any) -> Any:
    """Return x, repeated along axes of one entry."""
    return p.broadcast_to(x, shape=np.broadcast_shapes(x.shape, tuple(wholes(shape))))


def tile(x: Any, repeats: Any) -> Any:
    """Return copies of x side by side along each axis."""
    return arrangements.tile(x, tuple(wholes(repeats)))


def triangle(x: Any, k: Any = None, *, upper: int = 1) -> Any:
    """Return x with zeros below its diagonal k, or above."""
    rows, columns = np.ogrid[: x.shape[-2], : x.shape[-1]]
    offset = 0 if k is None else int(k)
    is_inside = columns - rows >= offset if upper else columns - rows <= offset
    return p.where(np.broadcast_to(is_inside, x.shape), x, np.zeros((), x.dtype))


def depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Return x with blocks of channels spread over rows and columns."""
    B, C, H, W = x.shape
    size, left = blocksize, C // blocksize**2
    if mode == "DCR":
        x = p.transpose(p.reshape(x, shape=(B, size, size, left, H, W)), axes=(0, 3, 4, 1, 5, 2))
    else:
        x = p.transpose(p.reshape(x, shape=(B, left, size, size, H, W)), axes=(0, 1, 4, 2, 5, 3))
    return p.reshape(x, shape=(B, left, H * size, W * size))


def space_to_depth(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Return x with blocks of rows and columns as channels."""
    B, C, H, W = x.shape
    size = blocksize
    x = p.reshape(x, shape=(B, C, H // size, size, W // size, size))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return p.reshape(p.transpose(x, axes=order), shape=(B, C * size * size, H // size, W // size))


def reverse_sequence(x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    """Return x with the first entries of each sequence in the reverse order."""
    T, ends = x.shape[time_axis], np.asarray(lengths)
    steps = np.arange(T)[:, None]
    order = np.where(steps < ends, ends - 1 - steps, steps)  # (T, B)
    rows = np.arange(len(ends))[None, :]
    return x[(order, rows)] if time_axis == 0 else x[(rows.T, order.T)]


# --- arrays of shapes and indices ---------------------------------------------------------------


def shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:
    """Return the shape of x, or a part of it."""
    return np.array(x.shape[start:end], np.int64)


def full(shape: Any, *, value: Any = None) -> Any:
    """Return an array that holds one number everywhere."""
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(wholes(shape), value[0], value.dtype)


def one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    """Return one value at each index along a new axis, and another one elsewhere."""
    (count,) = wholes(depth)
    at = np.asarray(plain(indices)).astype(np.int64)
    axis = axis % (at.ndim + 1)
    chosen = np.expand_dims(np.where(at < 0, at + count, at), axis)
    places = np.arange(count).reshape((count,) + (1,) * (at.ndim - axis))
    return p.where(chosen == places, values[1], values[0])


def spread(start: Any, limit: Any, delta: Any) -> Any:
    """Return the numbers from a start to a limit, by steps."""
    first, last, step = (plain(number)[()] for number in (start, limit, delta))
    return np.arange(first, last, step, dtype=start.dtype)


def eye(x: Any, *, dtype: Any = None, k: int = 0) -> Any:
    """Return ones on a diagonal, of the shape of x."""
    rows, columns = x.shape
    ones = np.eye(rows, columns, k).astype(x.dtype)
    return ones if dtype is None else cast(ones, to=dtype)


def nonzero(x: Any) -> Any:
    """Return the places where x is not 0, (axes, how many)."""
    return np.array(np.nonzero(plain(x)), np.int64)


SHAPES: dict[str, Callable[..., Any]] = {
    "Transpose": transpose, "Reshape": reshape, "Flatten": flatten, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Concat": concat, "Split": split, "Slice": cut, "Gather": gather,
    "GatherElements": gather_elements, "GatherND": gather_nd,
    "ScatterElements": scatter_elements, "ScatterND": scatter_nd, "Pad": pad, "Expand": expand,
    "Tile": tile, "Trilu": triangle, "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth, "ReverseSequence": reverse_sequence, "Shape": shape,
    "Size": lambda x: np.array(math.prod(x.shape), np.int64), "ConstantOfShape": full,
    "OneHot": one_hot, "Range": spread, "EyeLike": eye, "NonZero": nonzero,
}  # fmt: skip
