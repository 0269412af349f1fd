"""A graph whose signals are called by other names; its nodes and wires keep their numbers.

Knows nodes and wires; not where the names come from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from .flow import SOURCES, AnyFlow, Node, Wire

AGAIN = re.compile(r" \(\d+\)$")  # of the second branch from one signal to another
PLAIN = re.compile(r"[\w.]+(\(k\))?")  # a name that is no formula
SUM = "Σ "  # before the name of what is added up over the steps of a plain loop


def rename(graph: AnyFlow, names: Mapping[int, str]) -> AnyFlow:
    """Return a graph in which some signals have other names.

    A branch is called by both of its ends, and what is given smaller by its own name. A constant's
    wire keeps its name, which tells constants of one number apart.

    Parameters
    ----------
    graph : Flow
    names : mapping of a wire to the name of its signal
    """
    others: dict[str, str] = {}
    for node in Interruptible(graph.nodes):
        if (wire := _signal(node)) in names:
            others.setdefault(node.name, names[wire])
    nodes = []
    for node in Interruptible(graph.nodes):
        if (wire := _signal(node)) in names:
            name = names[wire]
            is_plain = node.kind is Kind.HOLD or PLAIN.fullmatch(name)
            stem = name.removesuffix("(k)") if is_plain else node.stem
            node = node.copy(name=name, stem=stem)
        elif node.name.startswith(SUM) or AGAIN.sub("", node.name) in others:
            name = _other(node.name, others)
            node = node.copy(name=name, stem=name)
        nodes.append(node)
    kept = {out for x in graph.nodes if x.kind in SOURCES for out in x.outputs}
    taken: set[str] = set()
    wires = []
    for at, signal in enumerate(Interruptible(graph.wires)):
        name = signal.name if at in kept else _other(signal.name, others)
        count, own = 1, name
        while name in taken:
            count += 1
            name = f"{own} ({count})"
        taken.add(name)
        wires.append(Wire(name, signal.value))
    return replace(graph, nodes=tuple(nodes), wires=tuple(wires))


def _signal(node: Node) -> int:
    """Return the wire of the signal that a node is called by."""
    return (node.inputs if node.kind in (Kind.BRANCH, Kind.OUTPUT) else node.outputs)[0]


def _other(name: str, others: Mapping[str, str]) -> str:
    """Return the other name of a wire: of a branch, those of both ends."""
    if name in others:
        return others[name]
    if name.startswith(SUM):
        return SUM + others.get(name.removeprefix(SUM), name.removeprefix(SUM))
    signal, arrow, user = name.partition(" → ")
    if not arrow:
        again = "".join(AGAIN.findall(name))
        own = name.removesuffix(again)
        return others.get(own, own) + again
    again = "" if user in others else "".join(AGAIN.findall(user))
    user = user.removesuffix(again)
    return f"{others.get(signal, signal)} → {others.get(user, user)}{again}"
