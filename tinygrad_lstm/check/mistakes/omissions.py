"""What is left out on the way back: a path, a signal taken for a constant, a linear map.

Knows graphs. What is left out of a sum at a fork is in `forks`, a factor in `products` and
`slopes`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...engine.kind import Kind
from ...network.flow import Node
from ...network.parameters import at_step
from .mistake import Mistake
from .scene import Scene


def left_out(scene: Scene) -> Iterator[Mistake]:
    """Send nothing back through a function, a product or a reduction, or through a linear map."""
    for node in scene.nodes:
        if node.kind not in (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN) or not node.outputs:
            continue
        reader, passed = scene.reader.get(node.outputs[0]), scene.user.get(node.outputs[0])
        if reader is None or passed is None or reader.kind is Kind.JUNCTION:
            continue  # a branch of a fork
        where = scene.makes(node)
        says = f"what comes back through {passed.name} is left out of δ{where}"
        if scene.leaf(node.outputs[0]) is not None:
            says = f"the gradient of {where} is left out: it is 0"
        yield Mistake("path left out", where, says, str(node.label), "0",
                      scene.changed(node, gain=np.zeros_like(node.gain)))  # fmt: skip


def maps_left_out(scene: Scene) -> Iterator[Mistake]:
    """Leave out a linear map that keeps the shape, as the transpose of a square matrix does."""
    for node, passed, _ in scene.ways(Kind.LINEAR, through=Kind.LINEAR):
        shapes = [np.shape(scene.value(w)) for w in (node.outputs[0], passed.outputs[0])]
        if shapes[0] == shapes[1] and passed.primitive is not None and _moves(scene, passed):
            where, name = scene.makes(node), passed.primitive.name
            change = scene.changed(node, kind=Kind.JUNCTION, signs=(1,), primitive=None)
            yield Mistake("map left out", where, f"{name} is left out on the way to δ{where}",
                          name, "1", change)  # fmt: skip


def _moves(scene: Scene, node: Node) -> bool:
    """Return whether a linear map that keeps the shape changes an entry at a step."""
    assert node.primitive is not None
    numbers = np.arange(np.prod(node.shapes[0])).reshape(node.shapes[0])
    maps = (
        node.primitive.forward(numbers, **at_step(node.parameters, step))
        for step in range(scene.steps(node) or 1)
    )
    return not all(np.array_equal(mapped, numbers) for mapped in maps)


def constants(scene: Scene) -> Iterator[Mistake]:
    """Take for a constant what is computed from several entries and meets them again.

    As the mean and the deviation of a layer that normalises.
    """
    met: dict[str, tuple[str, str]] = {}  # of a result: the statistic in it, and what it met
    places: list[tuple[Node, str, str]] = []
    for node in scene.nodes:
        if node.kind is not Kind.BROADCAST or not node.transposed or scene.leaf(node.outputs[0]):
            continue
        name, user = scene.source(node.outputs[0]).name, scene.user[node.inputs[0]]
        others = [wire for wire in user.inputs if wire != node.inputs[0]]
        if scene.source(node.outputs[0]).kind is Kind.CONSTANT or len(others) != 1:
            continue
        partner = scene.source(others[0]).name
        met[scene.source(user.outputs[0]).name] = (name, partner)
        places.append((node, name, partner))
    for node, name, partner in places:
        of, seen = partner, {partner}
        while of in met and met[of][1] not in seen:
            of = met[of][1]
            seen.add(of)
        change = scene.weighted(node, 0, scene.at_every_step(node, 0.0))
        yield Mistake("branch forgotten", name, f"{name} is taken for a constant: what comes back "
                      f"through {name} is left out", f"δ{name}", "0", change, (of,),
                      kind="taken for a constant")  # fmt: skip
