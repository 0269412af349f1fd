"""Sums over the steps, the batch and other axes, with a mistake.

Knows graphs. The gradient of a signal that is the same at every step, or for every row of a
batch, is the sum over the steps or the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import sum as total
from ...network.flow import Node
from .changes import Change
from .mistake import Mistake
from .networks import Networks

MISSING = "sum over the batch missing"


def step_sums(nets: Networks) -> Iterator[Mistake]:
    """Take one step, all but one, their average or no sum where the sum over the steps belongs."""
    for node in nets.nodes:
        if node.kind is not Kind.HOLD or not node.transposed:
            continue
        where, count = nets.makes(node), nets.steps(node)
        one, missing = np.eye(count), "sum over steps missing"
        yield from _shares(nets, node, "Σ over the steps", [
            (missing, "has only the share of the first step", "", one[0]),
            (missing, "has only the share of the last step", "", one[-1]),
            (missing, "leaves out the first step", "", 1 - one[0]),
            (missing, "leaves out the last step", "", 1 - one[-1]),
            ("average over steps", "is averaged over the steps", f"1/{count} of it",
             np.full(count, 1 / count)),
        ][: None if count > 1 else 1])  # fmt: skip
        yield Mistake(kind="sum over steps missing", where=where, says=f"the gradient of {where} "
                      "has one entry for each step, not the sum over the steps", right="Σ over "
                      "the steps", change=separate_steps(nets, node),
                      groups=(nets.whole(where),))  # fmt: skip
        if np.shape(nets.value(node.outputs[0])) == (count,):
            summed = Node(Kind.LINEAR, primitive=total, parameters={"axis": -1})
            yield Mistake(kind="sum over the wrong axis", where=where, says="the gradient of "
                          f"{where} sums over the entries at each step, where the sum over the "
                          "steps belongs at each entry", right="Σ over the steps", wrong="Σ over "
                          "the entries",
                          change=Change.all([Change.before(node, summed),
                                             separate_steps(nets, node)]),
                          groups=(nets.whole(where),))  # fmt: skip


def separate_steps(nets: Networks, node: Node) -> Change:
    """Return how to keep the steps' shares apart, instead of adding them up."""
    return Change.to(node, kind=Kind.COLLECT, transposed=False)


def _shares(
    nets: Networks, node: Node, right: str, shares: Sequence[tuple[str, str, str, np.ndarray]]
) -> Iterator[Mistake]:
    """Yield the mistakes that weigh the summands of a gradient.

    ``shares`` has the kind of each, what its sentence says, its ``wrong``, and the weights.
    """
    leaf = nets.leaf(nets.unmapped(node.outputs[0]))
    where = nets.makes(node) if leaf is None or leaf.kind is Kind.CONSTANT else leaf.name
    for kind, share, wrong, weights in shares:
        yield Mistake(kind=kind, where=where, says=f"the gradient of {where} {share}", right=right,
                      wrong=wrong, change=Change.weigh(node, 0, weights),
                      groups=(f"{nets.whole(where)} {share}",
                              *nets.everywhere_alike(node, share)))  # fmt: skip


def batch_sums(nets: Networks) -> Iterator[Mistake]:
    """Take one row of a batch, one position, or the average, where the sum over all belongs."""
    for node, shape, (batch, *others) in _summing(nets):
        last = {axis: np.eye(shape[axis])[-1] for axis in (batch, *others)}
        for axis in last:
            count, is_batch = shape[axis], axis == batch
            entry = "row of the batch" if is_batch else f"position along axis {axis}"
            every = "the batch" if is_batch else f"axis {axis}"
            sums = [
                ("average over the batch", f"is averaged over {every}, not summed",
                 f"1/{count} of it", np.full(count, 1 / count)),
                (MISSING, f"counts only the first {entry}", f"only the first {entry}",
                 np.eye(count)[0]),
                (MISSING, f"counts only the last {entry}", f"only the last {entry}", last[axis]),
            ][: None if count > 1 else 1]  # fmt: skip
            yield from _shares(nets, node, f"Σ over {every}", [
                (kind, share, wrong, _along(nets, node, shape, {axis: row}))
                for kind, share, wrong, row in sums
            ])  # fmt: skip
        if others:
            entry = "only the last position of the last row of the batch"
            yield from _shares(nets, node, "Σ over the batch and the positions", [
                (MISSING, f"counts {entry}", entry, _along(nets, node, shape, last))
            ])  # fmt: skip


def _along(
    nets: Networks, node: Node, shape: tuple[int, ...], rows: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Return the weights of all entries, from the weights along some axes."""
    weights = np.ones((1,) * len(shape))
    for axis, row in rows.items():
        weights = weights * row.reshape([-1 if at == axis else 1 for at in range(len(shape))])
    return np.asarray(nets.at_every_step(node, weights))


def _summing(nets: Networks) -> Iterator[tuple[Node, tuple[int, ...], list[int]]]:
    """Yield the nodes that sum over a batch, the shape of what they sum, and the axes.

    The batch is the first of the axes: the first axis of all, or the last one of columns. The
    others are those of positions.
    """
    for node in nets.nodes:
        shape, axes = tuple[int, ...](), [0]
        if node.kind is Kind.BROADCAST and node.transposed:
            whole, part = tuple(node.parameters["shape"]), node.shapes[0]
            if len(whole) == len(part) == 2 and part[1] == 1 < whole[1]:
                shape, axes = whole, [1 if part[0] > 1 or whole[0] == 1 else 0]
            elif len(whole) > len(part) or part[:1] == (1,):
                padded = (1,) * (len(whole) - len(part)) + part
                spread = [at for at, size in enumerate(padded) if size == 1 < whole[at] and at]
                shape, axes = whole, [0, *spread]
        elif node.kind is Kind.MATRIX and nets.leaf(nets.unmapped(node.outputs[0])) is not None:
            shape = np.shape(nets.value(nets.user[node.outputs[0]].outputs[0]))[node.folded :]
            sizes = len(node.shapes[0]), len(node.shapes[1])
            if node.port == 1 and sizes[0] > 1 and sizes[1] == 2:
                axes = list(range(max(1, len(shape) - 1)))
            elif node.port == 0 and sizes[0] == 2 <= sizes[1]:
                axes = [*range(len(shape) - 2), len(shape) - 1]
            else:
                continue
        if shape and shape[axes[0]]:
            yield node, shape, axes


def elementwise_products(nets: Networks) -> Iterator[Mistake]:
    """Multiply δ entry by entry with a layer's output or input, where a matrix product belongs.

    Neither the batch nor the steps are summed over; mostly the shape shows the mistake.
    """
    for node, product, port in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        if nets.leaf(node.outputs[0]) is None:
            continue
        right, where = str(node.label), nets.makes(node)
        partner = right.removesuffix("ᵀ"), nets.value(product.inputs[1 - port])
        for name, value in [*nets.made_of(product), partner]:
            changes = [Change.to(node, kind=Kind.GAIN, gain=value)]
            summed = nets.reader.get(node.outputs[0])
            if summed is not None and summed.kind is Kind.HOLD:
                changes.append(separate_steps(nets, summed))
            yield Mistake(kind="entry by entry", where=where, says=f"the gradient of {where} is "
                          f"the entrywise product δ ∘ {name}, where the matrix product {right} δ "
                          "belongs", right=f"{right} δ", wrong=f"δ ∘ {name}",
                          change=Change.all(changes))  # fmt: skip


def axis_sums(nets: Networks) -> Iterator[Mistake]:
    """Sum over other axes than the right ones, over all axes, or over none."""
    for node in nets.nodes:
        if node.kind is not Kind.BROADCAST or not node.transposed:
            continue
        where, whole_name = nets.makes(node), nets.whole(nets.makes(node))
        whole = tuple(node.parameters["shape"])
        part = (1,) * (len(whole) - len(node.shapes[0])) + node.shapes[0]
        right = [axis for axis, size in enumerate(part) if size != whole[axis]]
        over: dict[str, tuple[str, Any]] = {"all axes: it is one number": ("all entries", None)}
        if len(whole) == 2 and len(right) == 1:
            other = 1 - right[0]
            over[f"axis {other}, not over axis {right[0]}"] = (f"axis {other}", other)
        for axes, (wrong, axis) in over.items():
            how = {"axis": axis, "keepdims": False}
            change = Change.to(node, kind=Kind.LINEAR, primitive=total, parameters=how,
                                   transposed=False)  # fmt: skip
            yield Mistake(kind="sum over the wrong axis", where=where, says="the gradient of "
                          f"{where} is summed over {axes}", right=f"Σ over {right}", wrong="Σ "
                          f"over {wrong}", change=change,
                          groups=(f"{whole_name} {axes}",))  # fmt: skip
        change = Change.to(node, kind=Kind.GAIN, gain=nets.at_every_step(node, 1.0))
        yield Mistake(kind="sum over the batch missing", where=where, says="the gradient of "
                      f"{where} is not summed over the batch", right="Σ over the batch", wrong="δ",
                      change=change, groups=(f"{whole_name} apart",))  # fmt: skip
