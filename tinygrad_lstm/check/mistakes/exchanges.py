"""One signal's δ used for another's; what is packed side by side read in another order.

Knows graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import reshape, transpose
from ...network.flow import Flow, Node
from .mistake import Change, Mistake
from .scene import Scene
from .surgery import in_order, standing

MADE = (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.JUNCTION, Kind.LINEAR)
SORTED = Change(in_order, frozenset(), edits=())


def exchanged(scene: Scene) -> Iterator[Mistake]:
    """Exchange the δs that come through two functions of one kind of place."""
    alike: dict[tuple[int | None, tuple[int, ...]], list[Node]] = {}
    for node, *_ in scene.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        alike.setdefault((node.loop, np.shape(node.gain)), []).append(node)
    for gains in alike.values():
        for at, one in enumerate(gains):
            scene.tick()
            for other in gains[at + 1 :]:
                names = scene.makes(one), scene.makes(other)
                yield Mistake("exchanged", names[0], f"δ{names[0]} and δ{names[1]} are exchanged",
                              f"δ{names[0]}", f"the other of δ{names[0]} and δ{names[1]}",
                              _moved([one, other], [1, 0])
                              )  # fmt: skip


def products_exchanged(scene: Scene) -> Iterator[Mistake]:
    """Exchange the δs of two products of one signal, or of the two factors of one product."""
    for one, other in _siblings(scene):
        scene.tick()
        if one.outputs == other.outputs or any(len(x.outputs) > 1 for x in (one, other)):
            continue
        names = scene.makes(one), scene.makes(other)
        yield Mistake("exchanged", names[0], f"δ{names[0]} and δ{names[1]} are exchanged",
                      f"δ{names[0]}", f"δ{names[1]}", _moved([one, other], [1, 0]))  # fmt: skip


def _siblings(scene: Scene) -> Iterator[tuple[Node, Node]]:
    """Yield the nodes that make the δs of two signals of one shape and one role."""
    alike: dict[tuple[int, int | None, tuple[int, ...]], list[int]] = {}
    for product in scene.network.nodes:
        if product.kind is not Kind.BILINEAR or len(product.inputs) != 2:
            continue
        out = product.outputs[0]
        shape = np.shape(scene.value(out))
        for wire in product.inputs:
            if scene.leaf(scene.unmapped(product.inputs[1 - product.inputs.index(wire)])):
                key = (scene.source(wire).outputs[0], product.loop, shape)
                alike.setdefault(key, []).append(out)
        pair = [scene.source(scene.unmapped(wire)).outputs[0] for wire in product.inputs]
        if len({np.shape(scene.value(wire)) for wire in pair}) == 1:
            yield from _senders(scene, pair)
    for several in alike.values():
        for at, wire in enumerate(several):
            for other in several[at + 1 :]:
                yield from _senders(scene, [wire, other])


def _senders(scene: Scene, pair: list[int]) -> Iterator[tuple[Node, Node]]:
    one, other = (scene.sender.get(wire) for wire in pair)
    if one is not None and other is not None and (one.loop, one.folded) == (
        other.loop, other.folded
    ):  # fmt: skip
        yield one, other


def _moved(nodes: list[Node], to: list[int]) -> Change:
    """Return how to let nodes of the adjoint network make each other's signals."""

    def made(graph: Flow) -> Flow:
        now = [standing(graph, node) for node in nodes]
        places = {
            id(each): replace(each, outputs=nodes[at].outputs)
            for each, at in zip(now, to, strict=True)
        }
        return in_order(replace(graph, nodes=tuple(places.get(id(x), x) for x in graph.nodes)))

    return Change(made, frozenset(wire for node in nodes for wire in node.outputs))


def read_elsewhere(scene: Scene) -> Iterator[Mistake]:
    """Make a weight's gradient of another signal's δ."""
    count = len(scene.network.wires)
    alike: dict[tuple[int | None, bool, tuple[int, ...]], list[Node]] = {}

    def key(wire: int) -> tuple[int | None, bool, tuple[int, ...]]:
        sender = scene.sender[wire]
        return sender.loop, sender.folded, np.shape(scene.value(wire))

    for node in scene.everywhere.nodes:
        if (
            node.kind in MADE
            and node.outputs[0] < count
            and scene.leaf(node.outputs[0]) is None
            and scene.reader[node.outputs[0]].kind is not Kind.JUNCTION  # no share of a fork
        ):
            alike.setdefault(key(node.outputs[0]), []).append(node)
    for node in scene.nodes:
        if node.kind not in (Kind.MATRIX, Kind.GAIN, Kind.HOLD, Kind.BROADCAST) or not node.inputs:
            continue
        root = scene.root(node.inputs[0])
        if scene.leaf(node.outputs[0]) is None or root >= count or root not in scene.sender:
            continue
        if scene.leaf(root) is not None:
            continue  # it is on the way to the weight already
        where, right = scene.makes(node), _signal(scene, root)
        for other in alike.get(key(root), ()):
            wire = other.outputs[0]
            if wire != root:
                name = _signal(scene, wire)
                yield Mistake("another's δ", where, f"the gradient of {where} is made of δ{name}, "
                              f"not of δ{right}", f"δ{right}", f"δ{name}",
                              Change.of([scene.changed(node, inputs=(wire,)), SORTED]))  # fmt: skip


def _signal(scene: Scene, wire: int) -> str:
    return scene.makes(scene.sender[wire])


def turned(scene: Scene) -> Iterator[Mistake]:
    """Transpose a leaf's gradient, or give it or take from it an axis of length 1."""
    for node, maker in scene.leaves():
        where, shape = scene.makes(node), np.shape(scene.value(node.inputs[0]))
        kin = scene.whole(where)
        if len(shape) == 2:
            made = Node(Kind.LINEAR, primitive=transpose)
            yield Mistake("gradient transposed", where, f"the gradient of {where} is transposed",
                          f"δ{where}", f"(δ{where})ᵀ", scene.behind(maker, made),
                          (kin,))  # fmt: skip
        ways = {"less": tuple(size for size in shape if size > 1)}
        ways |= {"row": (1, *shape), "column": (*shape, 1)} if len(shape) == 1 else {}
        for way, other in ways.items():
            if other != shape:
                made = Node(Kind.LINEAR, primitive=reshape, parameters={"shape": other})
                yield Mistake("axis of length 1", where, f"the gradient of {where} has the right "
                              f"numbers in the shape {other}, where {shape} belongs", str(shape),
                              "", scene.behind(maker, made), (f"{kin} {way}",))  # fmt: skip


def orders(scene: Scene) -> Iterator[Mistake]:
    """Read what is packed side by side in another order, as other libraries pack it."""
    packed: dict[tuple[int, ...], list[list[Node]]] = {}  # by the widths of the parts
    for parts in scene.sight.parts.values():
        wires = [scene.sight.at.get(name, (-1, 0)) for name, _ in parts]
        if all(step is None and wire in scene.sender for wire, step in wires):
            nodes = [scene.sender[wire] for wire, _ in wires]
            packed.setdefault(tuple(width for _, width in parts), []).append(nodes)
    for widths, wholes in packed.items():
        if len(widths) > 4 or len(set(widths)) > 1:
            continue
        names = [scene.makes(node).rpartition(".")[2] for node in wholes[0]]
        for order in list(permutations(range(len(widths))))[1:]:
            taken = ", ".join(names[order.index(at)] for at in range(len(names)))
            members = tuple(
                Mistake("order of what is packed", scene.makes(nodes[0]), "what is packed in the "
                        f"order {', '.join(names)} is given in the order {taken}",
                        ", ".join(names), f"the part that stands there in the order {taken}",
                        _moved(nodes, list(order)))
                for nodes in wholes
            )  # fmt: skip
            yield replace(
                members[0], change=Change.of(each.change for each in members), members=members
            )


def sent_on(scene: Scene) -> Iterator[Mistake]:
    """Send on what came to a function, as if it had been through its slope."""
    for node, *_ in scene.ways(Kind.MATRIX, through=Kind.BILINEAR):
        slope = scene.sender.get(scene.root(node.inputs[0]))
        if scene.leaf(node.outputs[0]) is None and slope is not None and slope.kind is Kind.GAIN:
            where = scene.makes(node)
            yield Mistake("derivative not sent on", where, f"δ{where} is made of what comes to the "
                          f"function, without its derivative {slope.label}", str(slope.label), "1",
                          scene.changed(node, inputs=slope.inputs))  # fmt: skip
