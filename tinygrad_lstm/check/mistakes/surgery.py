"""Changes of one node of a graph: another gain, something before it, something after it.

Knows nodes and wires. A node is told by the wires that it makes, so that several changes of one
graph can follow each other; where one has taken away what another is to change, it is a KeyError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...flow import DELAYS, Flow, Node, Wire


def standing(graph: Flow, node: Node) -> Node:
    """Return what stands for a node in a graph that may have been changed elsewhere."""
    for each in graph.nodes:
        if each.outputs == node.outputs and each.kind == node.kind:
            return each
    raise KeyError(node.name)


def edited(graph: Flow, node: Node, edit: Callable[[Node], Node]) -> Flow:
    """Return the graph with something else in place of a node, between its wires."""
    now = standing(graph, node)
    nodes = tuple(edit(each) if each is now else each for each in graph.nodes)
    return replace(graph, nodes=nodes)


def preceded(graph: Flow, node: Node, port: int, gain: Any) -> Flow:
    """Return the graph with a gain before one of a node's ports."""
    return preceded_by(graph, node, port, Node("gain", gain=gain))


def preceded_by(graph: Flow, node: Node, port: int, fresh: Node) -> Flow:
    """Return the graph with another node before one of a node's ports."""
    now, wire = standing(graph, node), len(graph.wires)
    fresh = replace(fresh, inputs=(now.inputs[port],), outputs=(wire,),
                    name=f"{now.name} ({wire})", loop=now.loop, step=now.step)  # fmt: skip
    come = tuple(wire if at == port else each for at, each in enumerate(now.inputs))
    nodes: list[Node] = []
    for each in graph.nodes:
        nodes += [fresh, replace(now, inputs=come)] if each is now else [each]
    return replace(graph, nodes=tuple(nodes), wires=(*graph.wires, Wire(fresh.name)))


def followed(graph: Flow, node: Node, fresh: Node) -> Flow:
    """Return the graph with another node after one, outside of the loop if it is not folded."""
    now, wire = standing(graph, node), len(graph.wires)
    nodes = list(graph.nodes)
    at = nodes.index(now)
    nodes[at] = replace(now, outputs=(wire,))
    fresh = replace(fresh, inputs=(wire,), outputs=now.outputs, name=now.name)
    if now.folded and not fresh.folded:
        while at + 1 < len(nodes) and nodes[at + 1].folded and nodes[at + 1].loop == now.loop:
            at += 1
    nodes.insert(at + 1, fresh)
    wires = (*graph.wires, Wire(f"{now.name} ({wire})"))
    return replace(graph, nodes=tuple(nodes), wires=wires)


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
        is_stuck = True
        for node in list(waiting):
            if (node.loop if node.folded else None) != block:
                break
            if all(wire in done or wire in carried for wire in node.inputs) or node.kind in DELAYS:
                nodes.append(node)
                waiting.remove(node)
                done.update(node.outputs)
                is_stuck = False
        if is_stuck:
            raise KeyError(waiting[0].name)
    return replace(graph, nodes=tuple(nodes))
