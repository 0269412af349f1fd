"""The δ of one signal used for another signal; packed parts in another order.

Knows graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...engine.primitives import reshape, transpose
from ...network.flow import Flow, Node
from .changes import Change, in_order, node_in_place_of
from .mistake import Mistake
from .networks import Networks

SENDERS = (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.JUNCTION, Kind.LINEAR)
SORTED = Change(in_order, frozenset(), edits=())


def exchanged_slopes(nets: Networks) -> Iterator[Mistake]:
    """Exchange the δs behind two functions of the same shape in the same loop."""
    alike: dict[tuple[int | None, tuple[int, ...]], list[Node]] = {}
    for node, *_ in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        alike.setdefault((node.loop, np.shape(node.gain)), []).append(node)
    for gains in alike.values():
        for at, one in enumerate(Interruptible(gains)):
            for other in gains[at + 1 :]:
                wrong = f"the other of δ{nets.makes(one)} and δ{nets.makes(other)}"
                yield _exchange(nets, one, other, wrong)


def _exchange(nets: Networks, one: Node, other: Node, wrong: str) -> Mistake:
    names = nets.makes(one), nets.makes(other)
    return replace(exchange(nets, one, other, names), wrong=wrong)


def exchange(
    nets: Networks, one: Node, other: Node, names: tuple[str, str], groups: tuple[str, ...] = ()
) -> Mistake:
    """Return the mistake that exchanges what two nodes make."""
    return Mistake(kind="exchanged", where=names[0], says=f"δ{names[0]} and δ{names[1]} are "
                   "exchanged", right=f"δ{names[0]}", wrong=f"δ{names[1]}", groups=groups,
                   change=permutation([one, other], [1, 0]))  # fmt: skip


def exchanged_products(nets: Networks) -> Iterator[Mistake]:
    """Exchange the δs of two products of one signal, or of the two factors of one product."""
    for one, other in Interruptible(_siblings(nets)):
        if one.outputs != other.outputs and len(one.outputs) == len(other.outputs) == 1:
            yield _exchange(nets, one, other, f"δ{nets.makes(other)}")


def _siblings(nets: Networks) -> Iterator[tuple[Node, Node]]:
    """Yield the nodes that make the δs of two signals of one shape and one role."""
    alike: dict[tuple[int, int | None, tuple[int, ...]], list[int]] = {}
    for product in nets.network.nodes:
        if product.kind is not Kind.BILINEAR or len(product.inputs) != 2:
            continue
        out = product.outputs[0]
        shape = np.shape(nets.value(out))
        for wire in product.inputs:
            if nets.leaf(nets.unmapped(product.inputs[1 - product.inputs.index(wire)])):
                key = (nets.source(wire).outputs[0], product.loop, shape)
                alike.setdefault(key, []).append(out)
        pair = [nets.source(nets.unmapped(wire)).outputs[0] for wire in product.inputs]
        if len({np.shape(nets.value(wire)) for wire in pair}) == 1:
            yield from _senders(nets, pair)
    for several in alike.values():
        for at, wire in enumerate(several):
            for other in several[at + 1 :]:
                yield from _senders(nets, [wire, other])


def _senders(nets: Networks, pair: list[int]) -> Iterator[tuple[Node, Node]]:
    one, other = (nets.sender.get(wire) for wire in pair)
    if one is not None and other is not None and (one.loop, one.folded) == (
        other.loop, other.folded
    ):  # fmt: skip
        yield one, other


def permutation(nodes: list[Node], to: list[int]) -> Change:
    """Return how to let nodes of the adjoint network make each other's signals."""

    def apply(graph: Flow) -> Flow:
        now = [node_in_place_of(graph, node) for node in nodes]
        places = {
            id(node): node.copy(outputs=nodes[at].outputs) for node, at in zip(now, to, strict=True)
        }
        return in_order(replace(graph, nodes=tuple(places.get(id(x), x) for x in graph.nodes)))

    sources = {
        wire: own
        for node, at in zip(nodes, to, strict=True)
        for wire, own in zip(nodes[at].outputs, node.outputs, strict=True)
    }
    return Change(apply, frozenset(sources), sources=sources)


def wrong_gradient_deltas(nets: Networks) -> Iterator[Mistake]:
    """Compute the gradient of a weight from δ of another signal."""
    alike = _deltas_alike(nets)
    for node in nets.nodes:
        if node.kind not in (Kind.MATRIX, Kind.GAIN, Kind.HOLD, Kind.BROADCAST) or not node.inputs:
            continue
        if nets.leaf(node.outputs[0]) is not None:
            where = nets.makes(node)
            yield from _of_other_deltas(nets, node, alike, f"the gradient of {where}")


def wrong_deltas(nets: Networks) -> Iterator[Mistake]:
    """Compute δ of a factor from δ of another signal, which is computed before."""
    alike = _deltas_alike(nets)
    for node in nets.nodes:
        passed = nets.user.get(node.outputs[0]) if node.kind in (Kind.GAIN, Kind.MATRIX) else None
        is_way = passed is not None and passed.kind is Kind.BILINEAR
        if is_way and nets.leaf(node.outputs[0]) is None:
            what = f"δ{nets.makes(node)}"
            before = nets.position[node.outputs[0]]
            yield from _of_other_deltas(nets, node, alike, what, before)


Key = tuple[int | None, bool, tuple[int, ...]]


def _key(nets: Networks, wire: int) -> Key:
    sender = nets.sender[wire]
    return sender.loop, sender.folded, np.shape(nets.value(wire))


def _deltas_alike(nets: Networks) -> dict[Key, list[Node]]:
    """Return the nodes that make δ of a signal, by the loop and the shape of the signal."""
    count = len(nets.network.wires)
    alike: dict[Key, list[Node]] = {}
    for node in nets.everywhere.nodes:
        if (
            node.kind in SENDERS
            and node.outputs[0] < count
            and nets.leaf(node.outputs[0]) is None
            and nets.reader[node.outputs[0]].kind is not Kind.JUNCTION  # no share of a fork
        ):
            alike.setdefault(_key(nets, node.outputs[0]), []).append(node)
    return alike


def _of_other_deltas(
    nets: Networks,
    node: Node,
    alike: Mapping[Key, list[Node]],
    what: str,
    before: float = np.inf,
) -> Iterator[Mistake]:
    """Yield the nodes' δs in place of the δ that a node takes: those made before a position."""
    root = nets.root(node.inputs[0])
    if root >= len(nets.network.wires) or root not in nets.sender or nets.leaf(root) is not None:
        return  # of a leaf: this δ is on the way to the weight already
    where, right = nets.makes(node), _signal(nets, root)
    for other in alike.get(_key(nets, root), ()):
        wire = other.outputs[0]
        if wire != root and nets.position[wire] < before:
            name = _signal(nets, wire)
            yield Mistake(kind="another's δ", where=where, says=f"{what} is "
                          f"computed from δ{name}, not from δ{right}", right=f"δ{right}",
                          wrong=f"δ{name}", groups=(f"δ{name} for δ{right}",),
                          change=Change.all([Change.to(node,
                          inputs=(wire,)), SORTED]))  # fmt: skip


def _signal(nets: Networks, wire: int) -> str:
    return nets.makes(nets.sender[wire])


def wrong_layouts(nets: Networks) -> Iterator[Mistake]:
    """Transpose the gradient of a leaf, or add or remove an axis of length 1."""
    for node, maker in nets.leaves():
        where, shape = nets.makes(node), np.shape(nets.value(node.inputs[0]))
        whole = nets.whole(where)
        if len(shape) == 2:
            fresh = Node(Kind.LINEAR, primitive=transpose)
            yield Mistake(kind="gradient transposed", where=where, says=f"the gradient of {where} "
                          "is transposed", right=f"δ{where}", wrong=f"(δ{where})ᵀ",
                          change=Change.behind(maker, fresh),
                          groups=(whole, "all"))  # fmt: skip
        ways = {"less": tuple(size for size in shape if size > 1)}
        ways |= {"row": (1, *shape), "column": (*shape, 1)} if len(shape) == 1 else {}
        for way, other in ways.items():
            if other != shape:
                fresh = Node(Kind.LINEAR, primitive=reshape, parameters={"shape": other})
                yield Mistake(kind="axis of length 1", where=where, says="the gradient of "
                              f"{where} has the right numbers in the shape {other}, where {shape} "
                              "belongs", right=str(shape), change=Change.behind(maker, fresh),
                              groups=(f"{whole} {way}", f"all {way}"))  # fmt: skip


def packing_orders(nets: Networks) -> Iterator[Mistake]:
    """Put packed parts in another order, as other libraries pack them."""
    packed: dict[tuple[int, ...], list[list[Node]]] = {}  # by the widths of the parts
    for parts in nets.view.parts.values():
        wires = [nets.view.at.get(name, (-1, 0)) for name, _ in parts]
        if all(step is None and wire in nets.sender for wire, step in wires):
            nodes = [nets.sender[wire] for wire, _ in wires]
            packed.setdefault(tuple(width for _, width in parts), []).append(nodes)
    for widths, wholes in packed.items():
        if len(widths) > 4 or len(set(widths)) > 1:
            continue
        names = [nets.makes(node).rpartition(".")[2] for node in wholes[0]]
        for order in list(permutations(range(len(widths))))[1:]:
            wrong = ", ".join(names[order.index(at)] for at in range(len(names)))
            members = tuple(
                Mistake(kind="order of what is packed", where=nets.makes(nodes[0]), says="the "
                        f"packed parts stand in the order {wrong}, where the order "
                        f"{', '.join(names)} belongs", right=", ".join(names), wrong="the part "
                        f"at that place in the order {wrong}",
                        change=permutation(nodes, list(order)))
                for nodes in wholes
            )  # fmt: skip
            yield replace(
                members[0], change=Change.all(member.change for member in members), members=members
            )


def skipped_slopes(nets: Networks) -> Iterator[Mistake]:
    """Send δ past a function without the function's slope."""
    for node, *_ in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        slope = nets.sender.get(nets.root(node.inputs[0]))
        if nets.leaf(node.outputs[0]) is None and slope is not None and slope.kind is Kind.GAIN:
            where = nets.makes(node)
            yield Mistake(kind="derivative not sent on", where=where, says=f"δ{where} is computed "
                          f"from δ of the function's output: the derivative {slope.label} is left "
                          "out", right=str(slope.label), wrong="1",
                          change=Change.to(node, inputs=slope.inputs))  # fmt: skip
