"""An omission on the way back: a path, a linear map, a signal treated as a constant.

Knows graphs. An omission from a sum at a fork is in `forks`, of a factor in `products` and
`slopes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...network.flow import Node
from ...network.parameters import at_step
from .changes import Change
from .mistake import Mistake
from .networks import Networks


def omitted_paths(nets: Networks) -> Iterator[Mistake]:
    """Send nothing back through a function, a product or a reduction, or through a linear map."""
    for node in nets.nodes:
        if node.kind not in (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN) or not node.outputs:
            continue
        reader, passed = nets.reader.get(node.outputs[0]), nets.user.get(node.outputs[0])
        if reader is None or passed is None or reader.kind is Kind.JUNCTION:
            continue  # a branch of a fork
        where = nets.makes(node)
        says = f"δ{where} lacks the part that flows back through {passed.name}"
        if nets.leaf(node.outputs[0]) is not None:
            says = f"the gradient of {where} is 0: it is left out"
        yield Mistake(kind="path left out", where=where, says=says, right=str(node.label),
                      wrong="0", change=Change.to(node, gain=np.zeros_like(node.gain)))  # fmt: skip


def omitted_maps(nets: Networks) -> Iterator[Mistake]:
    """Leave out a linear map that keeps the shape, as the transpose of a square matrix does."""
    for node, passed, _ in nets.ways(Kind.LINEAR, through=Kind.LINEAR):
        shapes = [np.shape(nets.value(w)) for w in (node.outputs[0], passed.outputs[0])]
        if shapes[0] == shapes[1] and passed.primitive is not None and _moves(nets, passed):
            where, name = nets.makes(node), passed.primitive.name
            change = Change.to(node, kind=Kind.JUNCTION, signs=(1,), primitive=None)
            yield Mistake(kind="map left out", where=where, says=f"{name} is left out on the way "
                          f"to δ{where}", right=name, wrong="1", change=change)  # fmt: skip


def _moves(nets: Networks, node: Node) -> bool:
    """Return whether a linear map that keeps the shape changes an entry at a step."""
    numbers = np.arange(np.prod(node.shapes[0])).reshape(node.shapes[0])
    maps = (
        node.operation.forward(numbers, **at_step(node.parameters, step))
        for step in range(nets.steps(node) or 1)
    )
    return not all(np.array_equal(results, numbers) for results in maps)


def false_constants(nets: Networks) -> Iterator[Mistake]:
    """Treat a statistic as a constant: a number computed from entries that it meets again.

    Examples are the mean and the deviation of a layer that normalises.
    """
    results: dict[str, tuple[str, str]] = {}  # of a result: its statistic, and the partner of that
    places: list[tuple[Node, str, str]] = []
    for node in nets.nodes:
        if node.kind is not Kind.BROADCAST or not node.transposed or nets.leaf(node.outputs[0]):
            continue
        name, user = nets.source(node.outputs[0]).name, nets.user[node.inputs[0]]
        others = [wire for wire in user.inputs if wire != node.inputs[0]]
        if nets.source(node.outputs[0]).kind is Kind.CONSTANT or len(others) != 1:
            continue
        partner = nets.source(others[0]).name
        results[nets.source(user.outputs[0]).name] = (name, partner)
        places.append((node, name, partner))
    for node, name, partner in places:
        of, partners = partner, {partner}
        while of in results and results[of][1] not in partners:
            of = results[of][1]
            partners.add(of)
        change = Change.weigh(node, 0, nets.at_every_step(node, 0.0))
        origin = nets.source(node.outputs[0])
        alike = nets.everywhere_alike(node, origin.primitive.name if origin.primitive else "")
        yield Mistake(kind="branch forgotten", where=name, says=f"{name} is taken for a constant: "
                      f"nothing flows back through {name}", right=f"δ{name}", wrong="0",
                      change=change, groups=(of, *alike, "statistics"),
                      ranked_as="taken for a constant")  # fmt: skip


def ignored_masks(nets: Networks) -> Iterator[Mistake]:
    """Forget, on the way back, which steps of a sequence count: no entry is passed over.

    A mask and its complement choose between what a step computes and what the step before has left.
    """
    masks: dict[tuple[int | None, bytes], list[Node]] = {}
    for node in nets.everywhere.nodes:
        gain = node.gain if node.kind is Kind.GAIN and node.folded else None
        if gain is not None and np.all((gain == 0) | (gain == 1)) and not np.all(gain == 0):
            masks.setdefault((node.loop, _bits(gain)), []).append(node)
    for (loop, _), nodes in masks.items():
        gain = np.asarray(nodes[0].gain)
        others = masks.get((loop, _bits(1 - gain)), [])
        if np.mean(gain) >= 0.5 and others:
            changes = [Change.to(node, gain=np.ones_like(node.gain)) for node in nodes]
            changes += [Change.to(node, gain=np.zeros_like(node.gain)) for node in others]
            right = str(nodes[0].label)
            yield Mistake(kind="factor missing", where=nets.makes(nodes[0]), says=f"{right} is "
                          "taken as 1 everywhere on the way back, and 1 minus it as 0: no step is "
                          "passed over", right=right, wrong="1", groups=(f"masks, loop {loop}",),
                          change=Change.all(changes))  # fmt: skip


def _bits(gain: Any) -> bytes:
    return np.asarray(gain, bool).tobytes()
