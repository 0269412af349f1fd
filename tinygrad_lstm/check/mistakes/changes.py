"""Changes of an adjoint network: another gain, a node before or behind one, fewer summands.

Knows nodes and wires. A node is identified by the wires that it makes, so that several changes of
one network can follow each other; where one change has removed what another is to change, a
KeyError is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...network.flow import DELAYS, Flow, Node, Wire, reachable

# (a node as it stands, the first free wire) -> the nodes in its place
Edit = Callable[[Node, int], list[Node]]


@dataclass(frozen=True)
class Change:
    """A change of an adjoint network.

    Attributes
    ----------
    apply : (adjoint network) -> the changed one
    at : frozenset of int
        The wires on which the change shows at once.
    is_none : bool
        Whether it changes nothing, because the substitute equals what belongs in its place.
    edits : tuple of (Node, Edit), or None
        The same as edits of single nodes, whose order does not matter; None if it is more.
    sources : mapping of a wire to a wire, or None
        The wires on which another wire's signal comes, and of which, if the change does no more
        than that.
    alone : Change, or None
        The same change of a network in which nothing else is changed, as an edit.
    """

    apply: Callable[[Flow], Flow]
    at: frozenset[int]
    is_none: bool = False
    edits: tuple[tuple[Node, Edit], ...] | None = None
    sources: Mapping[int, int] | None = None
    alone: Change | None = None

    def __call__(self, graph: Flow) -> Flow:
        return self.apply(graph)

    @classmethod
    def by(cls, node: Node, edit: Edit, is_none: bool = False) -> Change:
        """Return an edit of one node as a change."""
        return cls(
            lambda graph: edit_node(graph, node, edit),
            frozenset(node.outputs), is_none, ((node, edit),),
        )  # fmt: skip

    @classmethod
    def to(cls, node: Node, **fields: Any) -> Change:
        """Return how to give a node other fields: a gain, inputs, signs."""
        return cls.by(node, lambda now, wire: [now.copy(**fields)])

    @classmethod
    def select(cls, node: Node, arms: Sequence[int]) -> Change:
        """Return how to leave a junction only some of its summands."""

        def edit(now: Node, wire: int) -> list[Node]:
            _check_ports(now, node)
            inputs, signs = ([ports[at] for at in arms] for ports in (now.inputs, now.signs))
            return [now.copy(inputs=tuple(inputs), signs=tuple(signs))]

        return cls.by(node, edit)

    @classmethod
    def weigh(cls, node: Node, port: int, gain: Any) -> Change:
        """Return how to put a gain before a port of a node.

        The gain is a number, or an array of the port's shape; inside of a loop of T steps (T, ...).
        """
        is_none = bool(np.all(np.asarray(gain) == 1))
        return cls.by(node, _put_before(node, port, Node(Kind.GAIN, gain=gain)), is_none)

    @classmethod
    def put(cls, node: Node, port: int, fresh: Node) -> Change:
        """Return how to put another node before a port of one."""
        return cls.by(node, _put_before(node, port, fresh))

    @classmethod
    def before(cls, node: Node, fresh: Node) -> Change:
        """Return how to put another node before the only port of one."""
        return cls.put(node, 0, fresh)

    @classmethod
    def behind(cls, node: Node, fresh: Node) -> Change:
        """Return how to put another node behind one, outside of the loop if it is not folded."""

        def edit(now: Node, wire: int) -> list[Node]:
            after = fresh.copy(inputs=(wire,), outputs=now.outputs, name=now.name)
            return [now.copy(outputs=(wire,)), after]

        return cls.by(node, edit)

    @classmethod
    def all(cls, several: Iterable[Change]) -> Change:
        """Return several changes as one."""
        several = list(several)

        def apply(graph: Flow) -> Flow:
            for change in several:
                graph = change(graph)
            return graph

        wires = frozenset[int]().union(*(change.at for change in several))
        edits = [change.edits for change in several if change.edits is not None]
        single = tuple(chain.from_iterable(edits)) if len(edits) == len(several) else None
        return cls(apply, wires, all(change.is_none for change in several), single)


def node_in_place_of(graph: Flow, node: Node) -> Node:
    """Return the node that stands in place of one, in a graph that may be changed elsewhere."""
    return graph.nodes[place_of(graph.nodes, node)]


def place_of(nodes: Sequence[Node], node: Node) -> int:
    """Return the position of the node that replaces another; raise KeyError if there is none."""
    for at, x in enumerate(nodes):
        if x.outputs == node.outputs and x.kind == node.kind:
            return at
    raise KeyError(node.name)


def edit_node(graph: Flow, node: Node, edit: Edit) -> Flow:
    """Return the graph with other nodes in place of one, between its wires.

    Nodes that belong outside of the loop of the first one stand after the loop.
    """
    at, free, nodes = place_of(graph.nodes, node), len(graph.wires), list(graph.nodes)
    now = nodes[at]
    fresh = edit(now, free)
    inside = [x for x in fresh if x.folded == now.folded]
    nodes[at : at + 1] = inside
    at += len(inside)
    while now.folded and at < len(nodes) and nodes[at].folded and nodes[at].loop == now.loop:
        at += 1
    nodes[at:at] = fresh[len(inside) :]
    wires = sorted(wire for x in fresh for wire in x.outputs if wire >= free)
    more = (Wire(f"{now.name} ({wire})") for wire in wires)
    return replace(graph, nodes=tuple(nodes), wires=(*graph.wires, *more))


def _check_ports(now: Node, node: Node) -> None:
    """Raise KeyError if a node stands in place of another one that has other ports."""
    if len(now.inputs) != len(node.inputs):
        raise KeyError(node.name)


def _put_before(node: Node, port: int, fresh: Node) -> Edit:
    """Return how to put another node before one of a node's ports."""

    def edit(now: Node, wire: int) -> list[Node]:
        _check_ports(now, node)
        before = fresh.copy(inputs=(now.inputs[port],), outputs=(wire,),
                            name=f"{now.name} ({wire})", loop=now.loop, step=now.step)  # fmt: skip
        inputs = tuple(wire if at == port else old for at, old in enumerate(now.inputs))
        return [before, now.copy(inputs=inputs)]

    return edit


def leading_to(graph: Flow, wires: set[int]) -> Flow:
    """Return the part of a graph that leads to some of its wires."""
    maker = graph.maker
    leading = reachable(wires, lambda wire: maker[wire].inputs if wire in maker else ())
    nodes = tuple(node for node in graph.nodes if not leading.isdisjoint(node.outputs))
    return replace(graph, nodes=nodes)


def in_order(graph: Flow) -> Flow:
    """Return a graph whose nodes stand in an order in which they can be run, loop by loop.

    Raises KeyError if there is none: a signal would be made of itself.
    """
    ready: set[int] = set()
    waiting, nodes = list(graph.nodes), list[Node]()
    carried = {wire for node in graph.nodes if node.kind in DELAYS for wire in node.outputs}
    while waiting:
        block = waiting[0].loop if waiting[0].folded else None
        left = list[Node]()
        for at, node in enumerate(waiting):
            if (node.loop if node.folded else None) != block:
                left += waiting[at:]
                break
            if all(wire in ready or wire in carried for wire in node.inputs) or node.kind in DELAYS:
                nodes.append(node)
                ready.update(node.outputs)
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise KeyError(waiting[0].name)
        waiting = left
    return replace(graph, nodes=tuple(nodes))
