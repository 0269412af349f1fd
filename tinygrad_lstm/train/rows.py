"""The rows of a sequence, each of which belongs to a step: how an operation is pulled row by row.

Knows the rules of primitives; not which sequence has which steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Node = Any  # a Tensor


class Step(NamedTuple):
    """A step of one of the loops, which are numbered in the order of recording."""

    loop: int
    step: int


Rows = list[Step | None]  # the step to which each row of a sequence belongs


class Part(NamedTuple):
    ct: Any
    entry: Any  # the operation that takes the part; or the row, as a number

    def add_to(self, whole: np.ndarray) -> None:
        """Add the cotangent to that of the whole."""
        if type(self.entry) is int:
            whole[self.entry] += self.ct
            return
        index, add = self.entry.parameters["index"], self.entry.primitive.add_part
        if add is None:
            whole[index] += self.ct
        else:
            add(whole, index, self.ct)


def at_step(node: Node) -> tuple[list[bool], dict[str, Any]] | None:
    """Return how an operation acts on each row, as `Primitive.steps` says."""
    assert node.primitive is not None
    if not node.ndim:
        return None
    acts: tuple[list[bool], dict[str, Any]] | None = node.primitive.steps(
        [x.shape for x in node.inputs], node.shape, node.parameters or {}
    )
    return acts


def pull_rows(node: Node, ct: Any, rows: Rows, shares: Any) -> None:
    """Pull an operation on a sequence: as a whole, and row by row to what is shared."""
    primitive, inputs, parameters = node.primitive, node.inputs, node.parameters or {}
    assert primitive is not None
    xs = [x._array for x in inputs]
    to_shared = [x in shares.of and x.requires_grad for x in inputs]
    needs = [x.requires_grad and not own for x, own in zip(inputs, to_shared, strict=True)]
    if any(needs):
        cts = primitive.vjp(ct, node._array, xs, needs, parameters)
        for x, x_ct in zip(inputs, cts, strict=True):
            if x_ct is not None:
                shares.sums.add(x, x_ct)
    timed, inner = at_step(node) or ([], {})
    for n, x in enumerate(inputs):
        together = _all_rows(node, ct, xs, timed, n) if to_shared[n] and not inner else None
        if together is not None:
            shares.of[x] += zip(rows, together, strict=True)
            to_shared[n] = False
    if not any(to_shared):
        return
    for row, step in enumerate(rows):
        own = [x[row] if has else x for x, has in zip(xs, timed, strict=True)]
        cts = primitive.vjp(ct[row], node._array[row], own, to_shared, inner)
        for x, has, x_ct in zip(inputs, timed, cts, strict=True):
            if x_ct is not None:
                shares.of[x].append((step, Part(x_ct, row) if has else x_ct))


def _all_rows(
    node: Node, ct: Any, xs: Sequence[np.ndarray], timed: Sequence[bool], port: int
) -> np.ndarray | None:
    """Return what comes back to a shared operand from all rows at once, as if each had a copy.

    None if the rows are no matrices, or the operation does not follow NumPy's broadcasting.
    """
    x, T = xs[port], len(node)
    if node.ndim < 3 or timed[port] or x.ndim > node.ndim - 1 or node.parameters:
        return None
    if any(own.ndim != node.ndim for own, has in zip(xs, timed, strict=True) if has):
        return None
    copies = (T, *(1,) * (node.ndim - 1 - x.ndim), *x.shape)
    operands = [np.broadcast_to(x, copies) if n == port else own for n, own in enumerate(xs)]
    needs = [n == port for n in range(len(xs))]
    back = node.primitive.vjp(ct, node._array, operands, needs, {})[port]
    return back.reshape(T, *x.shape) if back is not None and back.shape == copies else None
