"""Sums over the steps of a loop, made one sum of one sequence: a pass from network to network.

Knows elements. A loop may add to a total at each step (``loss = loss + e``), or a sum may have the
same signal of every step for its operands (``sum(losses)``). Both are Σₖ eₖ, and are made so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.primitive import Primitive
from ..engine.primitives import stack
from ..engine.primitives import sum as total
from .flow import AnyFlow, Loop, Node, Wire
from .wiring import Element

Term = tuple[int, Element]  # an operand of a sum, with its sign


def sum_over_steps(
    recorded: list[Element], loops: Sequence[Loop], rank: dict[Element, Any]
) -> bool:
    """Make a sum over all steps of a loop the sum of a sequence; return whether there is any.

    Parameters
    ----------
    recorded : list of Element
        As recorded, neither folded nor transposed; changed.
    loops : sequence of Loop
    rank : dict of Element to (int, int)
        The place of each; new elements are added.
    """
    return _StepSums(recorded, loops).change(rank)


def collect_sums(graph: AnyFlow) -> AnyFlow:
    """Return a folded graph in which the sum that a transposed hold makes is that of a sequence.

    A fold makes such a hold where a sum has one signal of every step for its operands, whatever
    the steps are called.

    Parameters
    ----------
    graph : Flow
        Forward; not changed.
    """
    nodes: list[Node] = []
    wires = list(graph.wires)
    totals: dict[int | None, list[Node]] = {}  # which stand after their loop
    for node in Interruptible(graph.nodes):
        if node.kind is not Kind.HOLD or not node.transposed:
            nodes.append(node)
            continue
        source = graph.source(node.inputs[0], (Kind.BRANCH,))
        value = graph.wires[node.inputs[0]].value
        wires.append(Wire(f"{source.stem} (all steps)", value))
        whole = len(wires) - 1
        nodes.append(
            replace(node, kind=Kind.COLLECT, outputs=(whole,), transposed=False, stem=source.stem)
        )
        over_steps = _outside(node, total.kind, total.name, total, (np.shape(value),))
        parameters = {} if np.ndim(value) == 1 else {"axis": 0}
        sums = replace(over_steps, inputs=(whole,), outputs=node.outputs, parameters=parameters)
        totals.setdefault(node.loop, []).append(sums)
    if not totals:
        return graph
    for loop, after in totals.items():
        last = max(at for at, node in enumerate(nodes) if node.folded and node.loop == loop)
        nodes[last + 1 : last + 1] = after
    return replace(graph, nodes=tuple(nodes), wires=tuple(wires))


class _StepSums:
    def __init__(self, recorded: list[Element], loops: Sequence[Loop]) -> None:
        self.loops, self.elements = loops, recorded
        self.uses = Counter(x for user in self.elements for x in user.operands)
        self.new: dict[Element, Element] = {}  # what stands for a total

    def change(self, rank: dict[Element, Any]) -> bool:
        """Make the sums, and rank them before what reads them."""
        is_changed = False
        for element in Interruptible(self.elements):
            element.operands = [self.new.get(x, x) for x in element.operands]
            if element.node.kind is Kind.JUNCTION:
                sums = self._of_running_total(element) or self._of_all_steps(element)
                is_changed |= bool(sums)
                rank.update((x, (rank[element][0], 1 + at)) for at, x in enumerate(sums))
        return is_changed

    def _of_running_total(self, last: Element) -> list[Element]:
        """Make one sum of a total that every step of a loop adds to, if nobody reads it before."""
        totals = self._totals(last)
        if len(totals) < 2:
            return []
        port = totals[1].operands.index(totals[0])
        start = totals[0].operands[port]
        is_number = start.node.kind is Kind.CONSTANT
        terms = [_without(x, port) for x in totals]
        forms = {(x.node.signs, x.shape) for x in terms}
        if len(forms) > 1 or (start.node.step is not None and not is_number):
            return []
        is_one = terms[0].node.signs == (1,)
        new = [
            *([] if is_one else terms),
            *_sum([x.operands[0] for x in terms] if is_one else terms, last.node),
        ]
        if not is_number or np.any(start.value):
            node = replace(_outside(last.node, Kind.JUNCTION, "add"), signs=(1, 1))
            new.append(Element(node, [start, new[-1]], last.value))
        if new[-1].shape != last.shape:
            return []
        if last.node.is_named:
            new[-1].node = replace(new[-1].node, name=last.node.name, stem=last.node.stem)
        self.new[last] = new[-1]
        return new

    def _totals(self, last: Element) -> list[Element]:
        """Return the total at every step of a loop, if each adds to the one before."""
        loop = self._loop(last)
        if loop is None or last.node.step != loop.steps[-1]:
            return []
        totals = [last]
        for step in reversed(loop.steps[:-1]):
            here = totals[-1].node.signs, totals[-1].operands
            before = [x for sign, x in zip(*here, strict=True) if sign == 1 and self._is_total(x)]
            before = [x for x in before if (x.node.loop, x.node.step) == (last.node.loop, step)]
            if len(before) != 1 or len(before[0].operands) != len(here[1]):
                return []
            totals += before
        return totals[::-1]

    def _is_total(self, element: Element) -> bool:
        """Return whether a signal is a sum that nobody named, and that one operation reads."""
        is_sum = element.node.kind is Kind.JUNCTION and not element.node.is_named
        return is_sum and self.uses[element] == 1

    def _of_all_steps(self, element: Element) -> list[Element]:
        """Make one operand of those that are the same signal, at all steps of a loop."""
        groups: dict[Any, dict[Any, list[Element]]] = {}
        terms: list[Term] = []
        for sign, operand in zip(element.node.signs, element.operands, strict=True):
            node, is_step = operand.node, self._loop(operand) is not None
            if is_step and element.node.loop is None:
                same = groups.setdefault((sign, node.loop, node.stem, operand.shape), {})
                same.setdefault(node.step, []).append(operand)
            else:
                terms.append((sign, operand))
        new: list[Element] = []
        for (sign, loop, *_), by_step in groups.items():
            steps = sorted(self.loops[loop].steps)
            while len(steps) > 1 and all(by_step.get(step) for step in steps):
                new += _sum([by_step[step].pop() for step in steps], element.node)
                terms.append((sign, new[-1]))
            terms += [(sign, x) for same in by_step.values() for x in same]
        if new:  # and no more the 0 that Python's sum starts from
            terms = [x for x in terms if x[1].node.kind is not Kind.CONSTANT or np.any(x[1].value)]
            element.operands = [x for _, x in terms]
            element.node = replace(element.node, signs=tuple(sign for sign, _ in terms))
        return new

    def _loop(self, element: Element) -> Loop | None:
        """Return the loop that an operation was recorded in."""
        node = element.node
        return None if node.step is None or node.loop is None else self.loops[node.loop]


def _sum(terms: list[Element], like: Node) -> list[Element]:
    """Return the sequence of a signal at all steps, and its sum, in the scope of a node."""
    value = np.stack([x.value for x in terms])
    whole = _outside(like, stack.kind, stack.name, stack, tuple(x.shape for x in terms))
    over_steps = _outside(like, total.kind, total.name, total, (value.shape,))
    if value.ndim > 1:
        over_steps = replace(over_steps, parameters={"axis": 0})
    sequence = Element(whole, list(terms), value)
    return [sequence, Element(over_steps, [sequence], value.sum(axis=0))]


def _outside(
    like: Node,
    kind: Kind,
    own: str,
    primitive: Primitive | None = None,
    shapes: tuple[tuple[int, ...], ...] = (),
) -> Node:
    """Return a node outside of loops, in the scope of another."""
    name = f"{like.scope}.{own}" if like.scope else own
    return Node(kind, name=name, primitive=primitive, stem=name, scope=like.scope, shapes=shapes)


def _without(element: Element, port: int) -> Element:
    """Return a sum without one of its operands."""
    signs = tuple(sign for at, sign in enumerate(element.node.signs) if at != port)
    operands = [x for at, x in enumerate(element.operands) if at != port]
    value = sum(sign * np.asarray(x.value) for sign, x in zip(signs, operands, strict=True))
    return Element(replace(element.node, signs=signs), operands, value)


__all__ = ["collect_sums", "sum_over_steps"]
