"""ONNX' operators without a state, as functions made of primitives: from inputs to outputs.

Knows the primitives; no files, no layers. Operands are Tensors, or arrays, of which shapes are
computed. Source: ONNX's documentation, the page Operators, from operator set 13 on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import primitives as p
from ..engine.functions import log_softmax, softmax
from ..engine.tensor import Tensor


def _identity(x: Any) -> Any:
    return x


def _divide(a: Any, b: Any) -> Any:
    whole = [np.asarray(x).dtype.kind in "iu" for x in (a, b) if not isinstance(x, Tensor)]
    if len(whole) == 2 and all(whole):
        return a // b  # of shapes, which are not negative
    return p.divide(a, b)


def _gemm(
    a: Any, b: Any, c: Any = None, *,
    alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0,
) -> Any:  # fmt: skip
    y = p.matmul(a.T if transA else a, b.T if transB else b)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)


def _transpose(x: Any, *, perm: Any = None) -> Any:
    return p.transpose(x, axes=tuple(perm)) if perm is not None else p.transpose(x)


def _reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    sizes = [int(size) for size in shape]
    if not allowzero:
        sizes = [x.shape[n] if size == 0 else size for n, size in enumerate(sizes)]
    if -1 in sizes:
        at, rest = sizes.index(-1), int(np.prod([size for size in sizes if size != -1]))
        sizes[at] = int(np.prod(x.shape)) // (rest or 1)
    return p.reshape(x, shape=tuple(sizes))


def _squeeze(x: Any, axes: Any = None) -> Any:
    if axes is None:
        return p.reshape(x, shape=tuple(size for size in x.shape if size != 1))
    dropped = {int(axis) % len(x.shape) for axis in axes}
    return p.reshape(x, shape=tuple(size for n, size in enumerate(x.shape) if n not in dropped))


def _unsqueeze(x: Any, axes: Any) -> Any:
    ndim = len(x.shape) + len(axes)
    new, sizes = {int(axis) % ndim for axis in axes}, iter(x.shape)
    return p.reshape(x, shape=tuple(1 if n in new else next(sizes) for n in range(ndim)))


def _concat(*xs: Any, axis: int) -> Any:
    return p.concatenate(list(xs), axis=axis)


def _slice(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index = [slice(None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        last = None if step < 0 and end < -x.shape[axis] else int(end)  # before the first
        index[axis] = slice(int(start), last, int(step))
    return x[tuple(index)]


def _gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    indices = int(indices) if np.ndim(indices) == 0 else np.asarray(indices)
    return x[(slice(None),) * (axis % len(x.shape)) + (indices,)]


def _shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:
    return np.array(x.shape[start:end], np.int64)


def _constant_of_shape(shape: Any, *, value: Any = None) -> Any:
    value = np.zeros(1, np.float32) if value is None else value
    return np.full([int(size) for size in shape], value[0], value.dtype)


def _expand(x: Any, shape: Any) -> Any:
    sizes = tuple(int(size) for size in shape)
    return p.broadcast_to(x, shape=np.broadcast_shapes(x.shape, sizes))


def _softmax(x: Any, *, axis: int = -1) -> Any:
    return softmax(x, axis)


def _log_softmax(x: Any, *, axis: int = -1) -> Any:
    return log_softmax(x, axis)


def _flatten(x: Any, *, axis: int = 1) -> Any:
    axis = axis + len(x.shape) if axis < 0 else axis
    rows = int(np.prod(x.shape[:axis]))
    return p.reshape(x, shape=(rows, int(np.prod(x.shape)) // max(rows, 1)))


def _dropout(x: Any, ratio: Any = None, training: Any = None, *, seed: int = 0) -> Any:
    return x  # as in use: where it is asked to train, the reader refuses it


OPERATORS: dict[str, Callable[..., Any]] = {
    "Identity": _identity, "Dropout": _dropout,
    "Tanh": p.tanh, "Sigmoid": p.sigmoid, "Relu": p.relu, "Softplus": p.softplus, "Exp": p.exp,
    "Log": p.log, "Sqrt": p.sqrt, "Abs": p.abs, "Neg": p.negative, "Sin": p.sin, "Cos": p.cos,
    "Add": p.add, "Sub": p.subtract, "Mul": p.hadamard, "Div": _divide, "MatMul": p.matmul,
    "Gemm": _gemm, "Softmax": _softmax, "LogSoftmax": _log_softmax,
    "Transpose": _transpose, "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze, "Concat": _concat, "Slice": _slice, "Gather": _gather,
    "Expand": _expand, "Shape": _shape, "ConstantOfShape": _constant_of_shape,
}  # fmt: skip


def attributes(operator: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the attributes that are covered of an operator."""
    code = getattr(operator, "__code__", None)
    if code is None:
        return frozenset()
    first = code.co_argcount
    return frozenset(code.co_varnames[first : first + code.co_kwonlyargcount])
