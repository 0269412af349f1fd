"""The border between a network and its loss, and the one signal that a loss reads there.

Knows graphs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import TOTAL
from ..network.flow import DELAYS, SOURCES, AnyFlow, Flow, Node
from ..network.wiring import Element, elements, rebuild_changed

SUMS = (
    Kind.JUNCTION, Kind.BRANCH, Kind.COLLECT, Kind.HOLD, Kind.BROADCAST, Kind.OUTPUT, *DELAYS,
)  # fmt: skip


class Loss:
    """The loss at the end of a network: the scope that makes one number, and the sums behind it.

    The scope of a loss has no weights; a program that is one formula has no loss.
    """

    def __init__(self, graph: Flow) -> None:
        self.graph, self.user = graph, graph.user
        parameters = [node for node in graph.nodes if node.kind is Kind.PARAMETER]
        users = [self.user[wire] for node in parameters for wire in node.outputs]
        users += [node for node in graph.nodes if node.kind in DELAYS]
        self.weighted = set(map(self._scope, users))
        self.scopes: set[str] = set()

    def nodes(self) -> set[int]:
        """Return the identities of the nodes of the loss."""
        delays = {id(n): n for n in self.graph.nodes if n.kind in DELAYS and self._is_number(n)}
        while True:
            inside = self._grown(set(delays))
            before, delays = delays, {
                key: node for key, node in delays.items() if self._leads_into(node, inside)
            }  # fmt: skip
            if len(delays) == len(before):  # none leads out of the loss again
                break
        rest = [n for n in self.graph.nodes if id(n) not in inside and n.kind not in SOURCES]
        return inside if self.scopes and any(n.kind is not Kind.BRANCH for n in rest) else set()

    def _grown(self, inside: set[int]) -> set[int]:
        """Return the nodes that lead to the loss alone, among them delays that may belong to it."""
        self.scopes = set()
        count = -1
        while count < len(inside):
            count = len(inside)
            for node in reversed(self.graph.nodes):
                if id(node) not in inside and self._is_in(node, inside):
                    inside.add(id(node))
        return inside

    def _is_in(self, node: Node, inside: set[int]) -> bool:
        if not self._leads_into(node, inside):
            return False
        if node.kind in SOURCES:
            return node.kind is not Kind.PARAMETER
        if not self._is_number(node):
            brings = node.kind in (Kind.TAP, Kind.HOLD, Kind.BROADCAST, Kind.JOIN)
            target = brings and all(self._origin(wire).kind in SOURCES for wire in node.inputs)
            return target or self._scope(node) in self.scopes
        if self._scope(node) and self._scope(node) not in self.weighted:
            self.scopes.add(self._scope(node))
            return True
        factors = node.inputs if node.kind is Kind.BILINEAR else ()
        scaled = any(self._origin(wire).kind is Kind.CONSTANT for wire in factors)
        picked = node.kind is Kind.LINEAR and "index" in node.parameters
        return node.kind in SUMS or scaled or picked or self._is_sum_of_steps(node)

    def _is_sum_of_steps(self, node: Node) -> bool:
        """Return whether a node adds up a number of every step."""
        adds = node.primitive is not None and node.primitive.notation is TOTAL
        return adds and self.graph.source(node.inputs[0]).kind is Kind.COLLECT

    def _leads_into(self, node: Node, inside: set[int]) -> bool:
        return all(id(self.user[wire]) in inside for wire in node.outputs)

    def _scope(self, node: Node) -> str:
        return "" if node.kind in SOURCES else node.scope

    def _origin(self, wire: int) -> Node:
        through = (Kind.BROADCAST, Kind.HOLD, Kind.BRANCH, Kind.TAP, Kind.JOIN)
        return self.graph.source(wire, through)

    def _is_number(self, node: Node) -> bool:
        if not node.outputs:
            return True
        value = self.graph.wires[node.outputs[0]].value
        has_steps = node.folded or node.kind is Kind.COLLECT
        return np.ndim(value) - has_steps <= 0


def split_sums(graph: AnyFlow) -> AnyFlow:
    """Return a graph whose loss reads one signal where the record has the terms of a sum.

    The record has one sum for ``x + f(x) - target``. Here the network ends in ``x + f(x)``, so that
    one δ comes back to this sum.
    """
    hidden = Loss(graph).nodes()
    recorded = elements(graph)
    rank = {element: (at, 1) for at, element in enumerate(recorded)}
    is_changed = False
    for at, element in enumerate(recorded):
        node = element.node
        if node.kind is Kind.JUNCTION and id(node) in hidden and element.shape:
            is_own = [id(operand.node) not in hidden for operand in element.operands]
            if is_own.count(True) > 1 and not all(is_own):
                rank[_split(element, is_own)] = at, 0
                is_changed = True
    return rebuild_changed(graph, recorded, rank.__getitem__) if is_changed else graph


def _split(element: Element, is_own: list[bool]) -> Element:
    """Let a sum read some of its terms as a sum of their own, and return the new sum."""
    terms = list(zip(element.operands, element.node.signs, is_own, strict=True))
    own = [(operand, sign) for operand, sign, is_inner in terms if is_inner]
    rest = [(operand, sign) for operand, sign, is_inner in terms if not is_inner]
    node = element.node
    step = "(k)" if node.folded else node.name.removeprefix(node.stem)
    inner = replace(
        node,
        name=f"add{step}",
        stem="add",
        scope="",
        parts=(),
        signs=tuple(sign for _, sign in own),
    )
    value = np.asarray(sum(sign * _aligned(operand, element) for operand, sign in own))
    added = Element(inner, [operand for operand, _ in own], value)
    element.operands = [added, *(operand for operand, _ in rest)]
    node.signs = 1, *(sign for _, sign in rest)
    return added


def _aligned(operand: Element, user: Element) -> np.ndarray:
    """Return the value of an operand, which can be smaller, with the axes of its user."""
    value = np.asarray(operand.value)
    axes = len(user.shape) - len(operand.shape)
    own = user.node.is_timed
    return value.reshape(*value.shape[:own], *(1,) * axes, *value.shape[own:])
