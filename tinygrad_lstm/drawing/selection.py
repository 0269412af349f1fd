"""Which nodes of a graph are vertices of its picture, and the way of a signal between two of them.

Knows graphs, labels and where the loss begins. Some nodes are no vertices: a weight is what its arc
does, a signal passes the border of a loop unseen, and a loss is the end of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..engine.kind import Kind
from ..network.flow import DELAYS, SOURCES, Flow, Node
from .copies import sum_over_copies
from .labels import Labels
from .loss import Loss
from .skeleton import is_matmul

Weight = tuple[Node, int]  # a product with a weight, and the operand that is the weight
THROUGH = (Kind.BROADCAST, Kind.HOLD, Kind.TAP, Kind.COLLECT)


class Way(NamedTuple):
    """The way of a signal to a vertex: the vertex it comes from, what it passes, and the one step.

    ``step`` says which step is picked of all that a loop hands out; empty if none is.
    ``spread`` is the sum that gives δ of a signal which is broadcast; empty of any other.
    ``is_held`` says that every step of a loop reads the signal.
    """

    maker: Node
    weight: Weight | None
    step: str
    spread: str
    is_held: bool = False


class Selection:
    """The nodes of a graph that are drawn.

    Parameters
    ----------
    graph : Flow
    alive : set of int
        The wires along which a δ comes back.
    labels : Labels
    """

    def __init__(self, graph: Flow, alive: set[int], labels: Labels) -> None:
        self.graph, self.alive, self.labels = graph, alive, labels
        self.maker, self.user = graph.maker, graph.user
        self.weights = {id(n) for n in graph.nodes if n.kind is Kind.INPUT and self._is_weight(n)}
        self.loss = Loss(graph)
        self.hidden = self.loss.nodes()

    def is_vertex(self, node: Node) -> bool:
        if node.kind in (Kind.PARAMETER, Kind.CONSTANT) or id(node) in self.weights:
            return False
        if node.kind is Kind.BRANCH:
            maker = self.maker[node.inputs[0]]
            unread = maker.kind not in SOURCES or self.is_vertex(maker)
            return unread and not self.is_aside(node.inputs[0]) and len(self._arms_drawn(node)) > 1
        if node.kind is Kind.INPUT:
            return not self._is_read(node.outputs[0]) and not self._is_zero_start(node)
        if self.is_reading(node):
            return True
        if self._is_picked(node) or self._is_same(node):
            return False
        if node.kind is Kind.TAP:
            return self.is_vertex(self.maker[node.inputs[0]])
        if node.kind in THROUGH:
            return node.kind is Kind.COLLECT and not self._is_joined(node)
        if node.kind is Kind.BILINEAR:
            return self.weight(node) is None or self.is_chained(node)
        return True

    def is_chained(self, node: Node) -> bool:
        """Return whether another product with a weight reads a product with a weight, it alone.

        An arc has one weight, so that an arc ends at the first product.
        """
        if node.kind is not Kind.BILINEAR or self.weight(node) is None:
            return False
        (wire,) = node.outputs
        user = self.user[wire]
        while user.kind in (Kind.BROADCAST, Kind.HOLD) or self._is_same(user):
            (wire,) = user.outputs
            user = self.user[wire]
        port = self.weight(user) if user.kind is Kind.BILINEAR else None
        return port is not None and user.inputs[port] != wire

    def _arms_drawn(self, branch: Node) -> list[int]:
        """Return the arms to draw; of those to the loss one, and none to a step that is picked."""
        unseen = {*self._to_loss(branch)[1:]}
        if self.maker[branch.inputs[0]].kind is Kind.COLLECT:
            unseen |= {wire for wire in branch.outputs if self._is_picked(self.user[wire])}
        return [w for w in branch.outputs if w not in unseen and w not in self.idle(branch)]

    def _to_loss(self, branch: Node) -> list[int]:
        """Return the arms that bring the loss the signal, and not a constant made of it."""
        idle = self.idle(branch)
        arms = [wire for wire in branch.outputs if id(self.user[wire]) in self.hidden]
        return [wire for wire in arms if wire not in idle]

    def idle(self, branch: Node) -> set[int]:
        """Return the arms that bring the loss a constant of the signal.

        Such as its greatest entry, which a softmax subtracts: no δ comes back there, and another
        arm brings the loss the signal itself.
        """
        arms = {wire for wire in branch.outputs if id(self.user[wire]) in self.hidden}
        return set() if self.alive.isdisjoint(arms) else arms - self.alive

    def _is_read(self, wire: int) -> bool:
        """Return whether taps or steps alone read a source; they are drawn in its place."""
        node = self.user[wire]
        if node.kind is Kind.BRANCH:
            return all(self._is_read(arm) for arm in node.outputs)
        return self.is_reading(node) or id(node) in self.hidden

    def is_reading(self, node: Node) -> bool:
        """Return whether a node reads one entry of a source, at its step."""
        taken = node.kind is Kind.LINEAR and isinstance(node.parameters.get("index"), int)
        if self.is_renaming(node):
            return True
        if node.kind is not Kind.TAP and not (taken and node.step is not None):
            return False
        return self.origin(node.inputs[0]).kind in SOURCES

    def is_step_of_signal(self, node: Node) -> bool:
        """Return whether a node reads at each step a sequence that the network computes."""
        return node.kind is Kind.TAP and self.origin(node.inputs[0]).kind not in SOURCES

    def is_renaming(self, node: Node) -> bool:
        """Return whether a node gives a leaf another name, such as that of an initial value."""
        return self._is_same(node) and self.origin(node.inputs[0]).kind in SOURCES

    def _is_same(self, node: Node) -> bool:
        """Return whether a node hands its operand on as it is, in the same shape."""
        same = node.parameters.get("shape") == (*node.shapes, None)[0]
        return node.kind is Kind.LINEAR and same

    def _is_picked(self, node: Node) -> bool:
        """Return whether a node picks one step of all that a loop hands out."""
        return self.labels.step_read(node) is not None

    def _is_weight(self, node: Node) -> bool:
        """Return whether a leaf of no module is used as a weight."""
        for wire in self._arms(node.outputs[0]):
            user = self.user[wire]
            right = is_matmul(user) and user.inputs[1] == wire and len(user.shapes[1]) == 2
            if not right and user.kind not in (Kind.HOLD, Kind.BROADCAST):
                return False
        return True

    def _is_joined(self, node: Node) -> bool:
        """Return whether nothing but single steps, or the loss, reads the sequence of a loop."""
        users = [self.user[wire] for wire in self._arms(node.outputs[0])]
        return all(
            user.kind is Kind.TAP or id(user) in self.hidden or self._is_picked(user)
            for user in users
        )

    def _arms(self, wire: int) -> list[int]:
        node = self.user[wire]
        if node.kind is Kind.BRANCH:
            return [arm for branch in node.outputs for arm in self._arms(branch)]
        return [wire]

    def _is_zero_start(self, node: Node) -> bool:
        value = self.graph.wires[node.outputs[0]].value
        users = [self.user[wire] for wire in self._arms(node.outputs[0])]
        return all(user.kind in DELAYS for user in users) and not np.any(value)

    def is_aside(self, wire: int) -> bool:
        """Return whether a signal is a parameter or a constant, repeated beside each use."""
        origin = self.origin(wire)
        if origin.kind is Kind.CONSTANT:  # but for data
            nearest = self.graph.source(wire, (Kind.BROADCAST, Kind.HOLD, Kind.BRANCH))
            return nearest.kind is not Kind.TAP
        return origin.kind is Kind.PARAMETER or id(origin) in self.weights

    def origin(self, wire: int) -> Node:
        return self.graph.source(wire, (Kind.BROADCAST, Kind.HOLD, Kind.TAP, Kind.BRANCH))

    def weight(self, node: Node) -> int | None:
        """Return the port of a product's weight, if the product is drawn as an arc."""
        for port in (1, 0):
            other = node.inputs[1 - port]
            if self.is_aside(node.inputs[port]) and not self.is_aside(other):
                return port
        return None

    def way(self, wire: int) -> Way:
        """Return the way of the signal on a wire, back to the vertex that it comes from."""
        weight: Weight | None = None
        node, step, spread, is_held = self.maker[wire], "", "", False
        while True:
            if node.kind is Kind.BROADCAST:
                spread = self._sum_over_copies(node)
            is_held |= node.kind is Kind.HOLD
            is_drawn = node.kind is not Kind.BILINEAR or self.is_vertex(node)
            if not is_drawn and (port := self.weight(node)) is not None:
                weight = node, port
                node = self.maker[node.inputs[1 - port]]
            elif (picked := self.labels.step_read(node)) is not None:
                inner, at = picked
                step = step_words(at, self.graph.loops[self.maker[inner].loop or 0].steps)
                node = self.maker[inner]
            elif self._is_through(node):
                node = self.maker[node.inputs[0]]
            else:
                return Way(node, weight, step, spread, is_held)

    def _sum_over_copies(self, node: Node) -> str:
        """Return the sum that is δ of what a node broadcasts."""
        before, after = (
            np.shape(self.graph.wires[wires[0]].value)[self.maker[wires[0]].is_timed :]
            for wires in (node.inputs, node.outputs)
        )
        return sum_over_copies(before, after).strip()

    def _is_through(self, node: Node) -> bool:
        """Return whether a node hands its signal on unseen."""
        if node.kind is Kind.BRANCH and node.loop is None:  # a fork behind a loop is not drawn
            before = self.maker[node.inputs[0]]
            if before.kind is Kind.COLLECT and not self.is_vertex(before):
                return True
        is_handing_on = node.kind in (*THROUGH, Kind.BRANCH) or self._is_same(node)
        return is_handing_on and not self.is_vertex(node)


def step_words(at: int, steps: Sequence[int]) -> str:
    """Return which of a loop's steps is meant, in words.

    >>> step_words(3, range(4)), step_words(0, range(4)), step_words(1, (5, 6, 7))
    ('last step', 'first step', 'step 6')
    """
    if len(steps) > 1 and at in (0, len(steps) - 1):
        return "last step" if at else "first step"
    return f"step {steps[at]}"
