"""Changes of one node of a graph: another gain, something before it, something after it.

Knows nodes and wires. A node is told by the wires that it makes, so that several changes of one
graph can follow each other; where one has taken away what another is to change, it is a KeyError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...network.flow import DELAYS, Flow, Node, Wire

# (a node as it stands, the first free wire) -> the nodes in its place
Edit = Callable[[Node, int], list[Node]]


def standing(graph: Flow, node: Node) -> Node:
    """Return what stands for a node in a graph that may have been changed elsewhere."""
    return graph.nodes[place_of(graph.nodes, node)]


def place_of(nodes: Sequence[Node], node: Node) -> int:
    """Return the position of what stands for a node among others; a KeyError if nothing does."""
    for at, each in enumerate(nodes):
        if each.outputs == node.outputs and each.kind == node.kind:
            return at
    raise KeyError(node.name)


def edited(graph: Flow, node: Node, edit: Edit) -> Flow:
    """Return the graph with other nodes in place of one, between its wires.

    Nodes that belong outside of the loop of the first one stand after the loop.
    """
    at, free, nodes = place_of(graph.nodes, node), len(graph.wires), list(graph.nodes)
    now = nodes[at]
    fresh = edit(now, free)
    inside = [each for each in fresh if each.folded == now.folded]
    nodes[at : at + 1] = inside
    at += len(inside)
    while now.folded and at < len(nodes) and nodes[at].folded and nodes[at].loop == now.loop:
        at += 1
    nodes[at:at] = fresh[len(inside) :]
    wires = sorted(wire for each in fresh for wire in each.outputs if wire >= free)
    more = (Wire(f"{now.name} ({wire})") for wire in wires)
    return replace(graph, nodes=tuple(nodes), wires=(*graph.wires, *more))


def preceding(port: int, fresh: Node) -> Edit:
    """Return how to put another node before one of a node's ports."""

    def edit(now: Node, wire: int) -> list[Node]:
        before = replace(fresh, inputs=(now.inputs[port],), outputs=(wire,),
                         name=f"{now.name} ({wire})", loop=now.loop, step=now.step)  # fmt: skip
        inputs = tuple(wire if at == port else each for at, each in enumerate(now.inputs))
        return [before, replace(now, inputs=inputs)]

    return edit


def following(fresh: Node) -> Edit:
    """Return how to put another node after one, outside of the loop if it is not folded."""

    def edit(now: Node, wire: int) -> list[Node]:
        after = replace(fresh, inputs=(wire,), outputs=now.outputs, name=now.name)
        return [replace(now, outputs=(wire,)), after]

    return edit


def leading_to(graph: Flow, wires: set[int]) -> Flow:
    """Return what of a graph leads to some of its wires."""
    maker = {wire: node for node in graph.nodes for wire in node.outputs}
    found, waiting = set[int](), list(wires)
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and id(node) not in found:
            found.add(id(node))
            waiting += node.inputs
    return replace(graph, nodes=tuple(node for node in graph.nodes if id(node) in found))


def in_order(graph: Flow) -> Flow:
    """Return a graph whose nodes stand in an order in which they can be run, loop by loop.

    Raises KeyError if there is none: a signal would be made of itself.
    """
    done: set[int] = set()
    waiting, nodes = list(graph.nodes), list[Node]()
    carried = {wire for node in graph.nodes if node.kind in DELAYS for wire in node.outputs}
    while waiting:
        block = waiting[0].loop if waiting[0].folded else None
        left = list[Node]()
        for at, node in enumerate(waiting):
            if (node.loop if node.folded else None) != block:
                left += waiting[at:]
                break
            if all(wire in done or wire in carried for wire in node.inputs) or node.kind in DELAYS:
                nodes.append(node)
                done.update(node.outputs)
            else:
                left.append(node)
        if len(left) == len(waiting):
            raise KeyError(waiting[0].name)
        waiting = left
    return replace(graph, nodes=tuple(nodes))
