"""A graph folded over time: one node for the same operation at every step.

Knows elements and what the steps of a loop have in common. What crosses from step k to step k + d
passes through d delays, each with its initial condition; what is read from a sequence at step k
comes through a tap, what is the same at every step through a hold, and what leaves the loop is
collected. A parameter that is another one at each step is `Varying`. A loop recorded from the last
step to the first has advances for delays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.memory import collector_paused
from ..engine.primitives import concatenate, getitem, stack
from ..errors import UsageError
from .alignment import Common, Earlier, Outside, Same, is_one
from .data_names import name_data
from .flow import AnyFlow, Flow, Loop, Node
from .folded_loops import FoldedLoop, folded_loops
from .loop_borders import LoopBorders, entry_read, has_own_name
from .parameters import by_step, is_same
from .sink import move_into_loops
from .wiring import Element, elements, in_order, leading_elements, rebuild


def fold(graph: AnyFlow) -> AnyFlow:
    """Return a graph folded over time, by the steps recorded with `steps`.

    Parameters
    ----------
    graph : Flow
        As recorded; not changed.

    Returns
    -------
    The same type
        What was applied to a whole sequence, before the loop or after it, is in the step. A first
        or last step that does something else stands outside of the loop.

    Raises
    ------
    UsageError
        If nothing was recorded in a loop over steps, or its steps differ; the message names the
        first operation that does, and what differs.
    """
    if graph.folded:
        return graph
    if any(node.transposed or node.kind in (Kind.GAIN, Kind.MATRIX) for node in graph.nodes):
        raise UsageError("fold: found an adjoint network; fold the graph, then take its adjoint")
    with collector_paused():
        return cast(AnyFlow, _Folding(graph).result())


class _Folding:
    def __init__(self, graph: Flow) -> None:
        self.graph = graph
        self.recorded = elements(graph)
        self.runs = folded_loops(self.recorded, graph.loops)
        self.where = {
            member: (run, common, step)
            for run in self.runs
            for common in run.commons
            for step, member in enumerate(run.in_time(common.members))
            if member is not None
        }
        self.borders = LoopBorders(graph.loops)
        self.inside: dict[Common, Element] = {}  # the element of an operation of every step
        self.outside: dict[Element, Element] = {}  # the element of one outside of the loops
        self.read: dict[Element, Element] = {}  # the tap that stands for an operation
        self.rank = {element: at for at, element in enumerate(self.recorded)}

    def result(self) -> Flow:
        for run in self.runs:
            self.borders.loops[run.number] = Loop(run.steps, self.graph.loops[run.number].scope)
            for common in Interruptible(run.commons):
                self._make_inside(run, common)
        for element in Interruptible(self.recorded):
            self._name_collected(element)
        for element in Interruptible(self.recorded):
            if element not in self.where:
                self._make_outside(element)
        for run in self.runs:
            for common in sorted(
                run.commons, key=lambda common: not common.template.node.takes_part
            ):
                self._connect(run, common)
        outputs = [self.outside[x] for x in self.recorded if x.node.kind is Kind.OUTPUT]
        for element in Interruptible(leading_elements(outputs)):
            element.operands = [self.read.get(operand, operand) for operand in element.operands]
        move_into_loops(leading_elements(outputs), self.borders)
        order = in_order(leading_elements(outputs), lambda element: self.rank.get(element, -1))
        name_data(order)
        return rebuild(self.graph, order, self.borders.loops)

    # --- elements of the folded graph ------------------------------------------------------------

    def _make_inside(self, run: FoldedLoop, common: Common) -> None:
        """Make the element of an operation of every step; `_connect` adds its operands."""
        node = common.template.node
        parameters = by_step(run.in_time(common.parameters), run.steps)
        node = replace(
            node, name=f"{node.stem}(k)", loop=run.number, step=None, parameters=parameters
        )
        value = _stack_values(run.in_time(common.values))
        self.inside[common] = inside = Element(node, [], value)
        self.rank[inside] = self.rank[common.template]

    def _name_collected(self, element: Element) -> None:
        """Give the steps that a stack joins the name of the stack."""
        if not element.node.stacks:
            return
        series = self._series(element.operands)
        if series is not None and series[2] == series[0].steps:
            _, common, _ = series
            self.outside[element] = self.borders.collect(self.inside[common], element.node.name)

    def _make_outside(self, element: Element) -> None:
        """Make the element of an operation, or of a source, outside of the loops."""
        if element in self.outside:
            return
        outer = Element(replace(element.node), [], element.value)
        pieces = self._pieces(element.operands) if element.node.stacks else None
        if pieces is not None:
            shapes = tuple(piece.shape for piece in pieces)
            outer.node.primitive, outer.node.parameters = concatenate, {"axis": 0}
            outer.node.shapes = shapes
        outer.operands = pieces or [self._outer(operand) for operand in element.operands]
        self.outside[element] = outer
        self.rank[outer] = self.rank[element]
        if element.node.kind is Kind.JUNCTION:
            self._sum_up(outer, element)

    def _outer(self, element: Element) -> Element:
        """Return the element that outer operations read in place of a recorded one."""
        if element not in self.where or element in self.outside:
            if element not in self.outside:  # a part of a constant, known since the alignment
                self.rank.setdefault(element, -1)
                self._make_outside(element)
            return self.outside[element]
        run, common, step = self.where[element]
        node = replace(
            element.node, kind=Kind.LINEAR, primitive=getitem, parameters={"index": step}, signs=(),
            parts=(), shapes=((len(run.steps), *element.shape),),
        )  # fmt: skip
        inside = self.borders.collect(self.inside[common])
        part = self.outside[element] = Element(node, [inside], element.value)
        self.rank[part] = self.rank[element]
        return part

    def _pieces(self, column: list[Element]) -> list[Element] | None:
        """Return the sequence of a loop, and the sequences before and after it.

        None if no loop makes the steps of a part of the list.
        """
        start = next((at for at, x in enumerate(column) if x in self.where), None)
        if start is None:
            return None
        run, common, _ = self.where[column[start]]
        end = start + len(run.steps)
        series = self._series(column[start:end])
        if len(run.steps) < 2 or series is None or series[2] != run.steps:
            return None
        around = [self._stack(part) if part else None for part in (column[:start], column[end:])]
        pieces = (around[0], self.borders.collect(self.inside[common]), around[1])
        return [piece for piece in pieces if piece is not None]

    def _stack(self, column: list[Element]) -> Element:
        """Return the sequence of some signals that stand outside of the loops."""
        first = column[0].node
        name = first.name + ", …" * (len(column) > 1)
        names = [entry.node.name for entry in column if entry.node.kind is Kind.INPUT]
        if names == [f"{first.stem}[{k}]" for k in range(len(column))]:
            name = first.stem  # data that a program gives step by step: t of t[0], t[1], …
        shapes = tuple(entry.shape for entry in column)
        node = Node(Kind.JOIN, name=name, primitive=stack, shapes=shapes, stem=name)
        operands = [self._outer(entry) for entry in column]
        return Element(node, operands, _stack_values([entry.value for entry in column]))

    def _series(self, column: Iterable[Element | None]) -> tuple[FoldedLoop, Common, Any] | None:
        """Return the loop, the operation and the steps that make all entries of a list, or None."""
        places = [None if entry is None else self.where.get(entry) for entry in column]
        if not places or None in places:
            return None
        known = [place for place in places if place is not None]
        run, common, _ = known[0]
        if any(place[1] is not common for place in known):
            return None
        return run, common, tuple(run.steps[place[2]] for place in known)

    def _sum_up(self, outer: Element, element: Element) -> None:
        """Replace the terms that are the steps of one signal by the sum over its steps."""
        steps: dict[Common, list[int]] = {}
        for at, operand in enumerate(element.operands):
            if operand in self.where and element.node.signs[at] > 0:
                steps.setdefault(self.where[operand][1], []).append(at)
        for common, places in Interruptible(steps.items()):
            series = self._series([element.operands[at] for at in places])
            if series is None or series[2] != series[0].steps or len(places) < 2:
                continue
            total = self.borders.total(self.inside[common], f"Σ {common.template.node.stem}(k)")
            rest = [at for at in range(len(outer.operands)) if at not in places]
            outer.operands = [total, *(outer.operands[at] for at in rest)]
            outer.node.signs = (1, *(outer.node.signs[at] for at in rest))
            return

    # --- how the steps are connected -------------------------------------------------------------

    def _connect(self, run: FoldedLoop, common: Common) -> None:
        inside = self.inside[common]
        read = common.template.node.takes_part
        for operand in common.operands:
            if isinstance(operand, Same):
                inside.operands.append(self.inside[operand.of])
            elif isinstance(operand, Earlier):
                inside.operands.append(self._delay(run, operand))
            elif read and self._read(run, common, operand):
                return
            else:
                inside.operands.append(self._from_outside(run, operand, common))

    def _delay(self, run: FoldedLoop, operand: Earlier) -> Element:
        """Return the signal of an earlier step, behind one delay for each step."""
        signal = self.read.get(self.inside[operand.of], self.inside[operand.of])
        for distance in range(1, operand.distance + 1):
            first = operand.initial[operand.distance - distance]
            initial = self._zero(operand.of) if first is None else self._outer(first)
            shape, expected = np.shape(initial.value), np.shape(signal.value)[1:]
            if shape != expected:
                raise UsageError(
                    f"fold: {operand.of.template.node.stem} starts from a value of shape {shape} "
                    f"and has shape {expected} at each step; start from one of that shape"
                )
            signal = self.borders.delay(signal, distance, initial, run.backwards)
        return signal

    def _zero(self, common: Common) -> Element:
        """Return zeros as an initial value that no recorded operation reads."""
        node, value = common.template.node, common.template.value
        name = f"{node.stem}(0)"
        return Element(Node(Kind.CONSTANT, name=name, stem=name), [], np.zeros_like(value))

    def _from_outside(self, run: FoldedLoop, operand: Outside, common: Common) -> Element:
        """Return the signal that each step reads from outside of the loop."""
        known = run.in_time(operand.elements)
        before = self._signal_before(run, known[0])
        if before is not None:
            return self.borders.delay(before, 1, self._outer(known[0]), run.backwards)
        series = self._series(known)
        handed_on = series is not None and series[2] == run.steps
        if all(is_one(entry, known[0]) for entry in known) and not handed_on:
            return self.borders.hold(run.number, self._outer(known[0]))
        if series is not None:
            source, signal, steps = series
            index = [source.steps.index(step) for step in steps]
            return self.borders.tap(run.number, self.borders.collect(self.inside[signal]), index)
        whole = known[0].operands[0] if known[0].node.takes_part else None
        if whole is not None and all(
            entry.node.takes_part and entry.operands[0] is whole for entry in known
        ):
            indices = [entry.node.parameters["index"] for entry in known]
            read = entry_read(indices, len(whole.shape))
            if read is not None and not read[1]:
                return self.borders.tap(run.number, self._outer(whole), read[0])
        each_step = self.borders.natural(run.number)
        return self.borders.tap(run.number, self._sequence_of(known), each_step)

    def _signal_before(self, run: FoldedLoop, element: Element) -> Element | None:
        """Return the signal of which an operand is the initial value, in a loop of one step."""
        node = element.node
        if len(run.steps) > 1 or node.step is None or node.loop == run.number:
            return None
        if node.step != run.steps[0] + (1 if run.backwards else -1):
            return None
        return next(
            (
                self.inside[common]
                for common in run.commons
                if common.template.node.stem == node.stem
            ),
            None,
        )

    def _sequence_of(self, column: list[Element]) -> Element:
        """Return the sequence of signals that were computed outside, one for each step."""
        first = column[0].node
        self._refuse_unlike(column)
        value = _stack_values([entry.value for entry in column])
        if all(entry.node.kind is Kind.CONSTANT for entry in column):
            return Element(Node(Kind.CONSTANT, name=first.stem, stem=first.stem), [], value)
        pieces = self._pieces(column)
        if pieces is None:
            return self._stack(column)
        name, shapes = f"{first.stem}, …", tuple(piece.shape for piece in pieces)
        node = Node(Kind.JOIN, name=name, primitive=concatenate, parameters={"axis": 0},
                    shapes=shapes, stem=name)  # fmt: skip
        return Element(node, pieces, value)

    @staticmethod
    def _refuse_unlike(column: list[Element]) -> None:
        """Refuse to make a sequence of signals of several shapes or types."""
        kinds = [(entry.shape, str(np.asarray(entry.value).dtype)) for entry in column]
        for at, (kind, element) in enumerate(zip(kinds, column, strict=True)):
            if kind != kinds[0]:
                raise UsageError(
                    f"fold: the steps differ in what they read: {element.node.name} is {kind[1]} "
                    f"of shape {kind[0]} at step {at}, {column[0].node.name} is {kinds[0][1]} of "
                    f"shape {kinds[0][0]} at step 0"
                )

    def _read(self, run: FoldedLoop, common: Common, operand: Outside) -> bool:
        """Turn an operation into a tap if it takes another part at each step; return if it does."""
        members = run.in_time(common.members)
        column = run.in_time(operand.elements)
        if None in members or not all(is_one(entry, column[0]) for entry in column):
            return False
        indices = [member.node.parameters["index"] for member in members]
        whole = self._outer(column[0])
        alike = all(is_same(index, indices[0]) for index in indices)
        read = entry_read(indices, len(whole.shape))
        if alike and (read is None or len(indices) > 1 or len(whole.value) > 1):
            return False
        index, rest = read or (indices, ())
        taker, inside = common.template.node.primitive, self.inside[common]
        assert taker is not None
        tap = self.borders.tap(run.number, whole, index, taker if read is None else getitem)
        inside.operands.append(tap)
        if rest:
            inside.node.parameters, inside.node.shapes = {"index": rest}, (tap.shape,)
        else:
            if not has_own_name(tap.node, whole.node):  # which the tap of an earlier reading has
                tap.node.stem = common.template.node.stem
                if common.template.node.is_named:
                    tap.node.name = f"{tap.node.stem}(k)"
            self.read[inside] = tap
        return True


def _stack_values(series: Sequence[Any]) -> np.ndarray:
    """Return many arrays stacked into one, faster than NumPy's stack."""
    shape, first = np.shape(series[0]), series[0]
    if shape and not any(first.strides) and first.size > 1:  # whose numbers were forgotten
        return np.broadcast_to(first, (len(series), *shape))
    return np.concatenate(series).reshape(len(series), *shape) if shape else np.array(series)
