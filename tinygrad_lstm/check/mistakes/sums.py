"""Sums over the steps and the batch, made wrongly.

Knows graphs. What is the same at every step, or for every one of a batch, has the sum of their
shares for its gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import sum as total
from ...network.flow import Node
from .mistake import Change, Mistake
from .scene import Scene


def over_steps(scene: Scene) -> Iterator[Mistake]:
    """Take only a step, all but one, their average or no sum where a sum over the steps belongs."""
    for node in scene.nodes:
        if node.kind is not Kind.HOLD or not node.transposed:
            continue
        where, count = scene.makes(node), scene.steps(node)
        one = np.eye(count)
        shares = [
            ("sum over steps missing", "has only the first step's share", one[0]),
            ("sum over steps missing", "has only the last step's share", one[-1]),
            ("sum over steps missing", "leaves out the first step", 1 - one[0]),
            ("sum over steps missing", "leaves out the last step", 1 - one[-1]),
            ("average over steps", "is averaged over the steps", np.full(count, 1 / count)),
        ]
        for what, said, keep in shares[: None if count > 1 else 1]:
            kin = (f"{scene.whole(where)} {said}", f"all {said}")
            taken = f"1/{count} of it" if what.startswith("average") else ""
            yield Mistake(what, where, f"the gradient of {where} {said}", "Σ over the steps",
                          taken, scene.weighted(node, 0, keep), kin)  # fmt: skip
        yield Mistake("sum over steps missing", where, f"the gradient of {where} is one for each "
                      "step, not their sum", "Σ over the steps", "", kept_apart(scene, node),
                      (scene.whole(where),))  # fmt: skip
        if np.shape(scene.value(node.outputs[0])) == (count,):
            summed = Node(Kind.LINEAR, primitive=total, parameters={"axis": -1})
            yield Mistake("sum over the wrong axis", where, f"the gradient of {where} has for each "
                          "step the sum over the entries, where it should have for each entry the "
                          "sum over the steps", "Σ over the steps", "Σ over the entries",
                          Change.of([scene.before(node, summed), kept_apart(scene, node)]),
                          (scene.whole(where),))  # fmt: skip


def kept_apart(scene: Scene, node: Node) -> Change:
    """Return how to keep the steps' shares apart, instead of adding them up."""
    return scene.changed(node, kind=Kind.COLLECT, transposed=False)


def over_batch(scene: Scene) -> Iterator[Mistake]:
    """Take one of a batch or their average where a sum over the batch belongs."""
    for node, count, rank in _summing(scene):
        if not count:
            continue  # a batch of none has no first, no last and no average
        where = scene.makes(node)
        one = np.eye(count)
        shares = [
            ("average over the batch", "is averaged over the batch, not summed",
             np.full(count, 1 / count)),
            ("sum over the batch missing", "is that of the first of the batch alone", one[0]),
            ("sum over the batch missing", "is that of the last of the batch alone", one[-1]),
        ]  # fmt: skip
        for what, said, keep in shares[: None if count > 1 else 1]:
            taken = (
                f"1/{count} of it"
                if what.startswith("average")
                else said.removeprefix("is that of ")
            )
            gain = scene.at_every_step(node, keep.reshape(-1, *(1,) * (rank - 1)))
            kin = (f"{scene.whole(where)} {said}", f"all {said}")
            yield Mistake(what, where, f"the gradient of {where} {said}", "Σ over the batch", taken,
                          scene.weighted(node, 0, gain), kin)  # fmt: skip


def _summing(scene: Scene) -> Iterator[tuple[Node, int, int]]:
    """Yield what sums over a batch on the way to a leaf; how large it is, how many axes come."""
    for node, count, rank in _adding(scene):
        if count:  # else there is nothing to add up
            yield node, count, rank


def _adding(scene: Scene) -> Iterator[tuple[Node, int, int]]:
    for node in scene.nodes:
        if node.kind is Kind.BROADCAST and node.transposed:
            shape = tuple(node.parameters["shape"])
            if len(shape) > len(node.shapes[0]) or (node.shapes[0] and node.shapes[0][0] == 1):
                yield node, shape[0], len(shape)
        elif node.kind is Kind.MATRIX and scene.leaf(node.outputs[0]) is not None:
            product = scene.user[node.outputs[0]]
            shape = np.shape(scene.value(product.outputs[0]))[node.folded :]
            if node.port == 1 and len(node.shapes[0]) > 1 and shape:
                yield node, shape[0], len(shape)


def not_at_all(scene: Scene) -> Iterator[Mistake]:
    """Multiply δ by a layer's output or input entry by entry, where a product of matrices belongs.

    Neither the batch nor the steps are summed over; mostly the shape shows it.
    """
    for node, product, port in scene.ways(Kind.MATRIX, through=Kind.BILINEAR):
        if scene.leaf(node.outputs[0]) is None:
            continue
        right, where = str(node.label), scene.makes(node)
        partner = right.removesuffix("ᵀ"), scene.value(product.inputs[1 - port])
        for name, value in [*scene.made_of(product), partner]:
            changes = [scene.changed(node, kind=Kind.GAIN, gain=value)]
            summed = scene.reader.get(node.outputs[0])
            if summed is not None and summed.kind is Kind.HOLD:
                changes.append(kept_apart(scene, summed))
            yield Mistake("entry by entry", where, f"the gradient of {where} is δ ∘ {name}, entry "
                          f"by entry and not summed, where {right} δ belongs", f"{right} δ",
                          f"δ ∘ {name}", Change.of(changes))  # fmt: skip


def over_other_axes(scene: Scene) -> Iterator[Mistake]:
    """Sum over other axes than those that belong summed over, over all, or over none."""
    for node in scene.nodes:
        if node.kind is not Kind.BROADCAST or not node.transposed:
            continue
        where, kin = scene.makes(node), scene.whole(scene.makes(node))
        whole = tuple(node.parameters["shape"])
        part = (1,) * (len(whole) - len(node.shapes[0])) + node.shapes[0]
        right = [axis for axis, size in enumerate(part) if size != whole[axis]]
        over: dict[str, tuple[str, Any]] = {"all axes: it is one number": ("all entries", None)}
        if len(whole) == 2 and len(right) == 1:
            other = 1 - right[0]
            over[f"axis {other}, not over axis {right[0]}"] = (f"axis {other}", other)
        for said, (taken, axis) in over.items():
            how = {"axis": axis, "keepdims": False}
            change = scene.changed(node, kind=Kind.LINEAR, primitive=total, parameters=how,
                                   transposed=False)  # fmt: skip
            yield Mistake("sum over the wrong axis", where, f"the gradient of {where} is summed "
                          f"over {said}", f"Σ over {right}", f"Σ over {taken}", change,
                          (f"{kin} {said}",))  # fmt: skip
        change = scene.changed(node, kind=Kind.GAIN, gain=scene.at_every_step(node, 1.0))
        yield Mistake("sum over the batch missing", where, f"the gradient of {where} is not summed "
                      "over the batch", "Σ over the batch", "δ", change,
                      (f"{kin} apart",))  # fmt: skip
