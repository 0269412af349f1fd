"""A Jacobian for all samples of a batch at once, where each sample has its own outputs.

Knows the tape and the rules of its primitives; no layer. The gradient of the sum over the samples
of one output is a sum over the samples too. The walk is that of ``backward``, but an operation that
reads a parameter is pulled as if each sample had a copy of the parameter. That no sample leads to
the outputs of another one is not known beforehand, so the result is held to one backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.cotangent import Sums
from ..engine.tensor import Tensor

Array = np.ndarray
ROUNDING = 1e4  # of sums in another order, in units of the last digit


def samples(out: Tensor) -> int:
    """Return the number of samples: the length along the axis before the last; 1 if there is none.

    >>> samples(Tensor(np.zeros((5, 20, 3))))
    20
    """
    return out.shape[-2] if out.ndim > 1 else 1


def by_samples(
    params: Sequence[Tensor], out: Tensor, gradient: Callable[[Array], Array]
) -> Array | None:
    """Return the derivative of recorded outputs by the parameters, for all samples at once.

    Parameters
    ----------
    params : sequence of leaves, P entries together
    out : Tensor of shape (..., B, m)
    gradient : (cotangent of out) -> (P,)
        A backward pass, by which the result is checked.

    Returns
    -------
    (entries of out, P), or None
        None if the samples are not independent, or an operation on a parameter has another form
        than a row for each sample.
    """
    *lead, count, last = out.shape
    size = sum(x.size for x in params)
    jacobian = np.empty((*lead, count, last, size))
    for place in np.ndindex(*lead, last):
        at = (*place[:-1], slice(None), place[-1])
        ct = np.zeros(out.shape, out.dtype)
        ct[at] = 1.0
        rows = _rows(params, out, ct, count)
        if rows is None:
            return None
        jacobian[at] = rows
    flat = jacobian.reshape(out.size, size)
    weights = np.random.default_rng(0).normal(size=out.shape).astype(out.dtype)
    flat_weights = weights.ravel().astype(float)
    difference = np.abs(flat_weights @ flat - gradient(weights))
    bound = ROUNDING * np.finfo(out.dtype).eps * (np.abs(flat_weights) @ np.abs(flat))
    return flat if (difference <= bound).all() else None  # nan is refused too


def _rows(params: Sequence[Tensor], out: Tensor, ct: Array, count: int) -> Array | None:
    """Return what flows back from each sample's own part of a cotangent: (B, P)."""
    rows = {x: np.zeros((count, x.size)) for x in params}
    sums = Sums()
    sums.add(out, ct)
    while sums.turns:
        node = sums.waiting.pop(sums.turns.pop())
        node_ct = sums.total.pop(node)
        if rows.keys().isdisjoint(node.inputs):
            node.primitive.pull(node, node_ct, sums)
            continue
        needs = [x.requires_grad and x not in rows for x in node.inputs]
        if any(needs):
            arrays = [x._array for x in node.inputs]
            cts = node.primitive.vjp(node_ct, node._array, arrays, needs, node.parameters)
            for x, x_ct in zip(node.inputs, cts, strict=True):
                if x_ct is not None:
                    sums.add(x, x_ct)
        if not _add_rows(rows, node, node_ct, count):
            return None
    if not rows.keys().isdisjoint(sums.rest()):  # a parameter was read by its parts
        return None
    return np.concatenate([rows[x] for x in params], axis=1)


def _add_rows(rows: dict[Tensor, Array], node: Any, ct: Array, count: int) -> bool:
    """Add the rows of an operation that reads parameters; return False if it has no rows."""
    if node.parameters or ct.ndim < 2 or any(x in rows and x.ndim > 2 for x in node.inputs):
        return False
    lead = ct.shape[:-2]
    for port, x in enumerate(node.inputs):
        if x not in rows:
            continue
        arrays = [ct, node._array, *(y._array for y in node.inputs)]
        spread = [_spread(array, count, len(lead)) for array in arrays]
        spread[2 + port] = np.broadcast_to(np.atleast_2d(x._array), (count, *_matrix(x.shape)))
        if any(array is None for array in spread):
            return False
        needs = [n == port for n in range(len(node.inputs))]
        for place in np.ndindex(lead):
            own_ct, y, *xs = (_at(array, place) for array in spread)
            x_ct = node.primitive.vjp(own_ct, y, xs, needs, node.parameters)[port]
            if x_ct.shape != (count, *_matrix(x.shape)):
                return False
            rows[x] += x_ct.reshape(count, -1)
    return True


def _matrix(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (2 - len(shape)) + shape


def _spread(array: Array, count: int, lead: int) -> Array | None:
    """Return an array (..., B, n) as (B, ..., 1, n); None if it has no such axis."""
    whole = array.reshape((1,) * (lead + 2 - array.ndim) + array.shape)
    if whole.shape[-2] == count:
        return np.moveaxis(whole, -2, 0)[..., None, :]
    return whole[None] if whole.shape[-2] == 1 else None


def _at(array: Array | None, place: tuple[int, ...]) -> Array:
    """Return the matrices at a place of the leading axes; along those of length 1 the first."""
    assert array is not None
    if array.ndim == 3:  # a parameter has no leading axes
        return array
    inner = [k if n > 1 else 0 for k, n in zip(place, array.shape[1:-2], strict=True)]
    at: Any = (slice(None), *inner)
    matrices: Array = array[at]
    return matrices
