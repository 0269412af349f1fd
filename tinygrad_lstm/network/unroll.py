"""A folded graph with a copy of every loop for each of its steps: the inverse of folding.

Knows elements. Every node of a loop becomes one at each step, with its name; a delay becomes the
signal of the step before.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any, cast

from ..engine.kind import Kind
from ..engine.primitives import stack
from ..errors import ArgumentError, UsageError
from .alignment import compute
from .flow import DELAYS, AnyFlow, Flow, Loop, Node
from .wiring import Element, elements, leading_elements, rebuild


def unroll(graph: AnyFlow, steps: int | None = None) -> AnyFlow:
    """Return a folded graph unrolled over its steps.

    Parameters
    ----------
    graph : Flow
    steps : int, optional
        How many of the recorded steps, from the first in time on; all of them if None. A constant
        that depends on the number of steps, such as the divisor of a mean over the steps, cannot be
        told from another constant: the constant stays as recorded.

    Returns
    -------
    The same type

    Raises
    ------
    ArgumentError
        If fewer steps were recorded.
    UsageError
        If it is an adjoint network; unroll the graph, then take its adjoint. If a signal needs
        all recorded steps, and there are to be fewer; the message names the signal.
    """
    if any(node.kind in DELAYS and node.transposed for node in graph.nodes):
        raise UsageError(
            "unroll: found an adjoint network; unroll the graph, then take its adjoint"
        )
    unrolled = _Unrolling(graph, steps).result()
    if steps is None and _leaves(unrolled) != _leaves(graph):
        unrolled = _Unrolling(graph, steps, is_direct=False).result()
    return cast(AnyFlow, unrolled)


def _leaves(graph: Flow) -> set[str]:
    return {node.name for node in graph.nodes if node.kind in (Kind.INPUT, Kind.PARAMETER)}


class _Unrolling:
    """A graph on its way to being unrolled.

    ``is_direct`` says whether the reader of one step reads that step alone. Otherwise it reads a
    part of all steps joined, to which the leaves of the other steps lead, too.
    """

    def __init__(self, graph: Flow, steps: int | None, is_direct: bool = True) -> None:
        self.graph, self.shorter, self.is_direct = graph, steps is not None, is_direct
        self.loops = [_shorten(loop, steps) for loop in graph.loops]
        self.outer: dict[Element, Element] = {}  # the copy of an element outside of the loops
        self.series: dict[Element, list[Element]] = {}  # the steps of a signal that leaves a loop
        self.order: list[Element] = []

    def result(self) -> Flow:
        folded = elements(self.graph)
        for loop, inside in groupby(folded, lambda x: x.node.loop if x.node.folded else None):
            if loop is None:
                for element in inside:
                    self.outer[element] = self._copy(element)
            else:
                self._run(list(inside), loop)
        leading = set(leading_elements(self.outer[x] for x in folded if x.node.kind is Kind.OUTPUT))
        order = [x for x in self.order if x in leading]
        return rebuild(self.graph, order, self.loops)

    def _add(self, node: Node, operands: list[Element], value: Any) -> Element:
        if self.shorter and operands and node.kind is not Kind.OUTPUT:
            try:
                value = compute(node, [operand.value for operand in operands])
            except (IndexError, ValueError):
                raise _needs_all(node) from None
        self.order.append(Element(node, operands, value))
        return self.order[-1]

    # --- outside of the loops --------------------------------------------------------------------

    def _copy(self, element: Element) -> Element:
        node = element.node
        index = node.parameters.get("index") if node.takes_part else None
        if self.is_direct and node.step is not None and type(index) is int:
            (source,) = element.operands
            if source in self.series:
                return self._step(source, index, node)
        operands, signs = [], []
        for at, operand in enumerate(element.operands):
            several = operand in self.series and operand.node.kind is Kind.HOLD
            terms = self.series[operand] if several and node.kind is Kind.JUNCTION else None
            operands += terms or [self._join(operand)]
            signs += [node.signs[at]] * len(terms or [operand]) if node.signs else []
        return self._add(replace(node, signs=tuple(signs)), operands, element.value)

    def _join(self, element: Element) -> Element:
        """Return the copy of an element; steps that leave a loop are joined or summed."""
        if element not in self.outer:
            steps, node = self.series[element], element.node
            shapes = tuple(step.shape for step in steps)
            joined = Node(Kind.JOIN, name=node.name, primitive=stack, stem=node.stem,
                          scope=node.scope, shapes=shapes)  # fmt: skip
            if node.kind is Kind.HOLD:
                joined = replace(
                    joined, kind=Kind.JUNCTION, primitive=None, signs=(1,) * len(steps)
                )
            self.outer[element] = self._add(joined, steps, element.value)
        return self.outer[element]

    def _step(self, collected: Element, index: int, taker: Node) -> Element:
        """Return a step of a signal; the last recorded step is the last step here."""
        steps = self.series[collected]
        recorded = len(collected.value)
        if index % recorded >= len(steps) and index % recorded == recorded - 1:
            index = -1
        if not -len(steps) <= index < len(steps):
            raise _needs_all(taker)
        return steps[index]

    # --- inside of them --------------------------------------------------------------------------

    def _run(self, inside: list[Element], loop: int) -> None:
        steps = self.loops[loop].steps
        backwards = any(x.node.kind is Kind.ADVANCE for x in inside)
        held = {x: self._join(x.operands[1]) for x in inside if x.node.kind in DELAYS}
        leaving: dict[Element, dict[int, Element]] = {}
        for at in reversed(range(len(steps))) if backwards else range(len(steps)):
            now = dict(held)
            for element in inside:
                kind = element.node.kind
                if kind is Kind.COLLECT or (kind is Kind.HOLD and element.node.transposed):
                    leaving.setdefault(element, {})[at] = now[element.operands[0]]
                elif kind is Kind.HOLD:
                    now[element] = self._join(element.operands[0])
                elif kind is Kind.TAP:
                    now[element] = self._read(element, at, steps[at])
                elif kind not in DELAYS:
                    operands = [now[operand] for operand in element.operands]
                    node = self._at(element.node.at(at), steps[at])
                    now[element] = self._add(node, operands, element.value[at])
            held = {delay: now[delay.operands[0]] for delay in held}
        for element, signals in leaving.items():
            self.series[element] = [signals[at] for at in range(len(steps))]

    def _at(self, node: Node, step: int) -> Node:
        """Return a node of a folded loop at one step."""
        assert node.loop is not None
        return replace(node, name=name_at(node, step, self.loops[node.loop].scope), step=step)

    def _read(self, tap: Element, at: int, step: int) -> Element:
        """Return the signal that a tap reads at a step."""
        (source,), index = tap.operands, tap.node.parameters["index"].values[at]
        is_one = self.is_direct and type(index) is int
        if is_one and source in self.series:
            return self._step(source, index, tap.node)
        whole = self._join(source)
        if is_one and whole.node.stacks:
            return whole.operands[int(index)]
        node = self._at(tap.node.at(at), step)
        if whole.node.kind is Kind.CONSTANT:
            constant = replace(node, kind=Kind.CONSTANT, primitive=None, parameters={}, shapes=())
            return self._add(constant, [], tap.value[at])
        return self._add(
            replace(node, kind=Kind.LINEAR, shapes=(whole.shape,)), [whole], tap.value[at]
        )


def _needs_all(node: Node) -> UsageError:
    return UsageError(
        f"unroll: {node.name} needs all recorded steps, and there would be fewer; unroll all "
        "steps, or record fewer"
    )


def name_at(node: Node, step: int, scope: str) -> str:
    """Return the name of a signal of a folded loop at a step; the loop stands in a scope."""
    before = scope and f"{scope}."
    inner = node.scope.removeprefix(before) if node.scope.startswith(before) else ""
    first = inner.partition(".")[0]
    at = len(before) + len(first) if first and node.scope != scope else len(node.stem)
    return f"{node.stem[:at]}[{step}]{node.stem[at:]}"


def _shorten(loop: Loop, steps: int | None) -> Loop:
    if steps is None or len(loop.steps) == 1:
        return loop
    if not 1 <= steps <= len(loop.steps):
        raise ArgumentError(
            f"unroll: found {steps} steps, expected 1 to {len(loop.steps)}, as many as recorded"
        )
    return Loop(loop.steps[:steps], loop.scope)
