"""ONNX' operators that reduce axes, and products of matrices, as functions made of primitives.

Knows the primitives; no files, no layers. Operands are Tensors, or arrays of whole numbers.
Source: ONNX's documentation, the page Operators, from operator set 13 on, where axes are an
attribute, or from operator set 18 on an input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import functions
from ..engine import primitives as p
from ..engine.functions import attentions, contractions
from ..engine.tensor import Tensor
from .onnx_elementwise import plain
from .onnx_shapes import wholes


def _reduction(function: Callable[..., Any], before: Any = None, after: Any = None) -> Any:
    """Return an operator that reduces axes by a function, with what is done before and after."""

    def reduce(
        x: Any, given: Any = None, *, axes: Any = None, keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Any:  # fmt: skip
        along = wholes(axes if given is None else given) if axes or given is not None else []
        if not along and not noop_with_empty_axes:
            along = list(range(len(x.shape)))
        x = x if before is None else before(x)
        kind = x.dtype
        y = function(x, axis=tuple(along), keepdims=bool(keepdims))
        y = y if after is None else after(y)
        return y if isinstance(y, Tensor) else np.asarray(y).astype(kind)

    return reduce


def _choice(pick: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator that says where the largest or the smallest entry is."""

    def choose(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        values = plain(x)
        if select_last_index:
            at = values.shape[axis] - 1 - pick(np.flip(values, axis), axis=axis)
        else:
            at = pick(values, axis=axis)
        return np.expand_dims(at, axis) if keepdims else np.asarray(at)

    return choose


def largest(
    x: Any, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1
) -> tuple[Any, Any]:
    """Return the k largest or smallest entries along an axis, and where they are."""
    values, (count,) = plain(x), wholes(k)
    axis = axis % values.ndim
    keys = -values if largest else values
    order = np.argsort(keys, axis=axis, kind="stable").take(np.arange(count), axis=axis)
    index = list(np.ix_(*map(range, order.shape)))
    index[axis] = order
    return p.gather(x, index=tuple(np.broadcast_arrays(*index))), order


def cumsum(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
    """Return the sums of the entries up to each, along an axis."""
    (axis,) = wholes(axis)
    axis %= len(x.shape)
    before = (slice(None),) * axis
    back = (*before, slice(None, None, -1))
    x = x[back] if reverse else x
    if exclusive:
        around = [(int(n == axis), 0) for n in range(len(x.shape))]
        x = p.pad(x[(*before, slice(None, -1))], pad_width=tuple(around))
    y = p.cumsum(x, axis=axis)
    return y[back] if reverse else y


def softmax(x: Any, *, axis: int = -1) -> Any:
    """Return exp(x) / Σ exp(x) along an axis."""
    return functions.softmax(x, axis)


def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """Return x - log Σ exp(x) along an axis."""
    return functions.log_softmax(x, axis)


def hardmax(x: Any, *, axis: int = -1) -> Any:
    """Return 1 at the first of the largest entries along an axis, else 0."""
    values = plain(x)
    at = np.expand_dims(values.argmax(axis), axis)
    y = np.zeros(values.shape, values.dtype)
    np.put_along_axis(y, at, 1, axis)
    return y


def gemm(
    a: Any, b: Any, c: Any = None, *,
    alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0,
) -> Any:  # fmt: skip
    """Return alpha a b + beta c, of a and b or their transposes."""
    y = p.matmul(a.T if transA else a, b.T if transB else b)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (c if beta == 1 else c * beta)


def einsum(*xs: Any, equation: str) -> Any:
    """Return sums of products, by an equation of letters."""
    return contractions.einsum(equation, *xs)


def attention(
    q: Any, k: Any, v: Any, mask: Any = None, *,
    is_causal: int = 0, kv_num_heads: int | None = None, q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0, scale: float | None = None, softcap: float = 0.0,
    softmax_precision: int | None = None,
) -> Any:  # fmt: skip
    """Return means of v, weighted by how well k fits q, (B, heads, T, d) or (B, T, heads d)."""
    is_flat = len(q.shape) == 3
    if is_flat:
        heads = (q_num_heads, kv_num_heads, kv_num_heads)
        q, k, v = (_by_heads(x, count) for x, count in zip((q, k, v), heads, strict=True))
    if k.shape[1] != q.shape[1]:  # several heads of q share one of k and v
        shared = np.repeat(np.arange(k.shape[1]), q.shape[1] // k.shape[1])
        k, v = k[:, shared], v[:, shared]
    factor = 1.0 / np.sqrt(q.shape[-1]) if scale is None else scale
    scores = p.matmul(q, functions.matrix_transpose(k)) * float(factor)
    y = p.matmul(attentions.attention_weights(scores, mask, bool(is_causal)), v)
    if is_flat:
        B, count, T, width = y.shape
        y = p.reshape(p.transpose(y, axes=(0, 2, 1, 3)), shape=(B, T, count * width))
    return y


def _by_heads(x: Any, count: int | None) -> Any:
    """Return (B, heads, T, d) from (B, T, heads d)."""
    B, T, width = x.shape
    count = count or 1
    return p.transpose(p.reshape(x, shape=(B, T, count, width // count)), axes=(0, 2, 1, 3))


def determinant(x: Any) -> Any:
    """Return the determinants of the matrices in the last two axes."""
    from ..engine import linalg  # seldom asked for

    return linalg.det(x)


def likelihood_loss(
    x: Any, labels: Any, weights: Any = None, *,
    ignore_index: int | None = None, reduction: str = "mean",
) -> Any:  # fmt: skip
    """Return -w x at the label of each entry of the batch, from logarithms x (B, C, ...)."""
    labels = np.asarray(plain(labels))
    is_kept = np.ones(labels.shape, bool) if ignore_index is None else labels != ignore_index
    index = list(np.ix_(*map(range, labels.shape)))
    index.insert(1, np.where(is_kept, labels, 0))
    losses = p.where(is_kept, -p.gather(x, index=tuple(np.broadcast_arrays(*index))), 0.0)
    shares = is_kept.astype(x.dtype)
    if weights is not None:
        shares = p.where(is_kept, p.gather(weights, index=(index[1],)), 0.0)
        losses = losses * shares
    if reduction == "none":
        return losses
    return p.sum(losses) / p.sum(shares) if reduction == "mean" else p.sum(losses)


def softmax_loss(
    x: Any, labels: Any, weights: Any = None, *,
    ignore_index: int | None = None, reduction: str = "mean",
) -> tuple[Any, Any]:  # fmt: skip
    """Return the loss of logarithms of softmax(x), and the logarithms."""
    below = functions.log_softmax(x, 1)
    loss = likelihood_loss(below, labels, weights, ignore_index=ignore_index, reduction=reduction)
    return loss, below


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": _reduction(p.sum), "ReduceMean": _reduction(functions.mean),
    "ReduceMax": _reduction(p.max), "ReduceMin": _reduction(functions.min),
    "ReduceProd": _reduction(functions.prod), "ReduceL1": _reduction(p.sum, p.abs),
    "ReduceL2": _reduction(p.norm), "ReduceLogSum": _reduction(p.sum, after=p.log),
    "ReduceLogSumExp": _reduction(p.logsumexp),
    "ReduceSumSquare": _reduction(p.sum, functions.square),
    "ArgMax": _choice(np.argmax), "ArgMin": _choice(np.argmin), "TopK": largest,
    "CumSum": cumsum, "Softmax": softmax, "LogSoftmax": log_softmax, "Hardmax": hardmax,
    "MatMul": p.matmul, "Gemm": gemm, "Einsum": einsum, "Det": determinant,
    "Attention": attention,
    "NegativeLogLikelihoodLoss": likelihood_loss, "SoftmaxCrossEntropyLoss": softmax_loss,
}  # fmt: skip
