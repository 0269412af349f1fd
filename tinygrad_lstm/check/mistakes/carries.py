"""What is carried from one step back to the one before.

Knows graphs. An advance of the adjoint network brings what the next step sends back; where it is
dropped, cut, or taken for the whole, the network has forgotten time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...engine.kind import Kind
from ...network.flow import DELAYS, Flow, Node
from .mistake import Change, Mistake
from .scene import Scene, names


def wrong_carries(scene: Scene) -> Iterator[Mistake]:
    """Drop all that a loop carries, or up to a step, or let it overwrite what it is added to."""
    for loop in loops(scene):
        scene.tick()
        meetings = _meetings(scene, loop)
        where = [scene.makes(node) for node, *_ in meetings]
        for node, _, fresh in meetings:
            yield _overwritten(scene, node, fresh)
        steps = scene.adjoint.loops[loop].steps
        for at, keep in enumerate(1 - np.eye(len(steps))[:-1] if len(steps) > 2 else ()):
            if meetings:
                yield Mistake("cut at a step", where[0], "nothing comes back from step "
                              f"{steps[at + 1]} to step {steps[at]}: what is earlier is left out",
                              "", "", Change.of(scene.weighted(node, arm, keep)
                                                for node, carried, _ in meetings
                                                for arm in carried))  # fmt: skip
        if len(meetings) > 1:
            yield Mistake("all carries dropped", where[0], "nothing comes back from the next "
                          f"step to {names(where)}", "", "",
                          Change.of(scene.kept(node, fresh) for node, _, fresh in meetings)
                          )  # fmt: skip


def _meetings(scene: Scene, loop: int) -> list[tuple[Node, list[int], list[int]]]:
    """Return where what is carried is added to what is not, and the arms of both."""
    found = []
    for node in scene.junctions():
        arms: tuple[list[int], list[int]] = [], []
        for at, carried in enumerate(scene.is_carried(node)):
            arms[not carried].append(at)
        if node.loop == loop and all(arms):
            found.append((node, *arms))
    return found


def _overwritten(scene: Scene, node: Node, fresh: list[int]) -> Mistake:
    """Return what is carried instead of the whole: what does not come from the next step is lost.

    But at the last step, to which nothing is carried.
    """
    arms, where = scene.arms(node), scene.makes(node)
    keep = _only_last(scene, node)
    carried = names([arm for at, arm in enumerate(arms) if at not in fresh])
    return Mistake(
        "overwritten by the carry", where, "what comes back from the next step through "
        f"{carried} overwrites δ{where}, instead of being added", f"δ({carried}) + …", "",
        Change.of(scene.weighted(node, at, keep) for at in fresh),
    )  # fmt: skip


def truncated(scene: Scene) -> Iterator[Mistake]:
    """Cut every way back through a weight to what is carried, as Gers' truncated gradient does.

    It is another gradient, not the whole one; F. Gers, "Long short-term memory in recurrent neural
    networks", EPFL, 2001, section 3.2.
    """
    for loop in loops(scene):
        carried = {
            scene.source(wire).outputs[0]
            for node in scene.network.nodes
            if node.kind in DELAYS and node.loop == loop
            for wire in (node.inputs[0], node.outputs[0])
        }
        leading = _leading(scene, carried)
        ways = [
            node
            for kinds in (Kind.GAIN, Kind.MATRIX)
            for node, product, port in scene.ways(kinds, through=Kind.BILINEAR)
            if node.loop == loop
            and scene.leaf(product.inputs[1 - port]) is not None
            and scene.source(node.outputs[0]).outputs[0] in carried
            and leading.intersection(product.outputs)
        ]
        if ways:
            where = scene.makes(ways[0])
            places = names(list(dict.fromkeys(scene.makes(node) for node in ways)))
            yield Mistake(
                "truncated", where, f"what goes back through weights to {places} is cut: a "
                "truncated gradient, taken for the whole one", "", "0",
                Change.of(scene.changed(node, gain=np.zeros_like(node.gain)) for node in ways),
            )  # fmt: skip


def _leading(scene: Scene, wires: set[int]) -> set[int]:
    """Return the wires that lead to some within a step, those included."""
    found, waiting = set(wires), list(wires)
    while waiting:
        node = scene.maker[waiting.pop()]
        for wire in node.inputs if node.kind not in DELAYS else ():
            if wire not in found:
                found.add(wire)
                waiting.append(wire)
    return found


def last_errors(scene: Scene) -> Iterator[Mistake]:
    """Send only the last step's error back."""
    for node in scene.nodes:
        if node.kind in (Kind.COLLECT, Kind.TAP) and node.folded and node.transposed == (
            node.kind is Kind.COLLECT
        ):  # fmt: skip
            fresh = Node(Kind.GAIN, loop=node.loop, gain=_only_last(scene, node))
            yield Mistake(
                "last error alone", scene.makes(node), f"only the last step's δ{scene.makes(node)} "
                "is sent back, not every step's", "", "",
                scene.behind(node, fresh),
            )  # fmt: skip


def wrong_way(scene: Scene) -> Iterator[Mistake]:
    """Run the steps of the backward pass in the order of the forward pass."""
    for loop in loops(scene):

        def made(graph: Flow, loop: int = loop) -> Flow:
            nodes = tuple(
                replace(node, kind=Kind.DELAY)
                if node.kind is Kind.ADVANCE and node.loop == loop
                else node
                for node in graph.nodes
            )
            return replace(graph, nodes=nodes)

        turned = [n for n in scene.adjoint.nodes if n.kind is Kind.ADVANCE and n.loop == loop]
        if turned:
            at = frozenset(wire for node in turned for wire in node.outputs if wire >= 0)
            yield Mistake("steps in the wrong order", scene.makes(turned[0]), "the backward pass "
                          "runs from the first step on: what belongs to the next step is taken "
                          "from the one before", "what the next step gives",
                          "what the step before gives", Change(made, at))  # fmt: skip


def loops(scene: Scene) -> list[int]:
    """Return the loops in which anything is carried."""
    return list(dict.fromkeys(
        node.loop for node in scene.adjoint.nodes if node.kind in DELAYS and node.loop is not None
    ))  # fmt: skip


def _only_last(scene: Scene, node: Node) -> np.ndarray:
    """Return 1 at the step that is run last, and 0 at the others."""
    backwards = any(n.kind is Kind.ADVANCE and n.loop == node.loop for n in scene.adjoint.nodes)
    keep = np.zeros(scene.steps(node))
    keep[-1 if backwards or not _runs(scene, node) else 0] = 1.0
    return keep


def _runs(scene: Scene, node: Node) -> bool:
    return any(n.kind is Kind.DELAY and n.loop == node.loop for n in scene.adjoint.nodes)
