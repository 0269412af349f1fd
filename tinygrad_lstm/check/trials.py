"""Changes of an adjoint network tried one after the other: only the nodes behind one run again.

Knows networks and changes; no mistakes. The network runs once on the gradients that an author gave,
and every signal is recorded. A change shows at its nodes, and at the signals that they lead to, up
to the next given gradients, which stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.limit import Interruptible
from ..engine.memory import collector_paused
from ..network.evaluate import Intercept, evaluate
from ..network.flow import Flow, Node, reachable
from ..network.operate import Actions
from ..network.view import Answer
from .mistakes import Change
from .mistakes.changes import leading_to, place_of
from .runs import Recorder, answer_places

SECONDS = 30.0  # after which no more mistakes are tried, by default
NO_ROOM = (KeyError, ValueError, IndexError)  # when the shapes, or another change, leave none
REACHED = 10**6  # wires behind changes, that are remembered


class Trials:
    """An adjoint network on which changes are tried.

    Parameters
    ----------
    adjoint : Flow
    answers : the derived gradients, or the ones to observe
    uses_given : bool
        Whether the run goes on with given gradients in place of the network's own.

    Attributes
    ----------
    expected : dict of int to array
        The network's value of each given gradient, by its position, in the order in which the
        network makes them; 0 where it makes none.
    """

    @collector_paused()
    def __init__(self, adjoint: Flow, answers: Sequence[Answer], uses_answers: bool) -> None:
        self.adjoint, self.answers, self.uses_answers = adjoint, answers, uses_answers
        self.nodes = adjoint.nodes
        self.at = {wire: at for at, x in enumerate(self.nodes) for wire in x.outputs if wire >= 0}
        self.readers: dict[int, list[int]] = {}
        for at, node in enumerate(Interruptible(self.nodes)):
            for wire in node.inputs:
                self.readers.setdefault(wire, []).append(at)
        self.places = answer_places(answers)
        self.actions = Actions(self.nodes)
        self.reached: dict[frozenset[int], set[int]] = {}
        self.known: dict[int, Any] = {}
        self.own: dict[int, Any] = {}  # the network's values on wires with a given gradient
        self.fixed: set[int] = set()
        self.expected = self._run_all()
        if self.uses_answers:
            self.fixed = {wire for wire, steps in self.places.items() if self._is_fixed(wire)}
        self.leading = self.leading_to(self.places)

    def _run_all(self) -> dict[int, np.ndarray]:
        own, known = Recorder(set(self.places)), Recorder(set(self.at))
        expected: dict[int, np.ndarray] = {}

        def intercept_at(wire: int) -> Intercept:
            record, exchange = known[wire], self.intercept(wire, expected)

            def intercept(step: int | None, value: np.ndarray) -> np.ndarray:
                return record(step, exchange(step, own[wire](step, value)))

            return intercept if wire in self.places else record

        intercept = {wire: intercept_at(wire) for wire in Interruptible(self.at)}
        evaluate(self.adjoint, intercept=intercept, actions=self.actions)
        self.known, self.own = known.series(), own.series()
        for key, x in enumerate(self.answers):
            expected.setdefault(key, np.zeros(x.value.shape))
        return expected

    def intercept(
        self, wire: int, values: dict[int, np.ndarray]
    ) -> Callable[[int | None, np.ndarray], np.ndarray]:
        """Return the intercept of a wire: it records the value, and passes the given one on."""
        keys_at = self.places.get(wire, {})

        def intercept(step: int | None, value: np.ndarray) -> np.ndarray:
            for key in keys_at.get(step, ()):
                values[key] = np.array(value)
                answer = self.answers[key].value
                if self.uses_answers and np.shape(answer) == value.shape:
                    value = answer  # a gradient of another shape leads nowhere
                elif wire in self.fixed:
                    raise OtherShape
            return value

        return intercept

    def _is_fixed(self, wire: int) -> bool:
        """Whether an author's own numbers stand on a wire at every step."""
        steps, own = self.places[wire], np.asarray(self.own.get(wire, 0.0))
        count = 1 if None in steps else len(own) if own.ndim else 0
        shape = own.shape if None in steps else own.shape[1:]
        return len(steps) >= count > 0 and all(
            np.shape(self.answers[key].value) == shape for keys in steps.values() for key in keys
        )

    def leading_to(self, wires: Iterable[int]) -> set[int]:
        """Return some wires and those that lead to them, up to given gradients."""
        starts = set(wires)
        ends = self.fixed - starts
        return reachable(
            starts,
            lambda w: self.nodes[self.at[w]].inputs if w in self.at and w not in ends else (),
        )

    # --- a change, run ---------------------------------------------------------------------------

    def run(
        self, changes: Sequence[Change], leading: set[int] | None = None
    ) -> dict[int, np.ndarray]:
        """Return the changed network's values of given gradients, by their position.

        Only of the gradients that the changes lead to; the others are as expected.

        Parameters
        ----------
        changes : sequence of Change
        leading : set of int, optional
            The wires that lead to the gradients of interest (see `leading_to`); all, if None.

        Raises
        ------
        KeyError, ValueError, IndexError
            If the changes cannot be made, or not together.
        """
        values: dict[int, np.ndarray] = {}
        leading = self.leading if leading is None else leading
        if len(changes) == 1 and changes[0].alone is not None:
            changes = [changes[0].alone]
        if all(change.is_none for change in changes):
            return self._unchanged(changes, leading)
        nodes, wires, ahead = self._nodes_to_run(changes, leading)
        outputs = {wire for node in nodes for wire in node.outputs}  # not ahead: other branches
        intercept = {
            wire: self.intercept(wire, values if wire in ahead else {})
            for wire in outputs.intersection(self.places)
        }
        flow = replace(self.adjoint, nodes=tuple(nodes), wires=wires)
        try:
            evaluate(flow, intercept=intercept, known=self.known, actions=self.actions)
        except OtherShape:
            return self._run_wholly(changes)
        return values

    def _unchanged(self, changes: Sequence[Change], leading: set[int]) -> dict[int, np.ndarray]:
        """Return the expected values of the given gradients that changes lead to."""
        starts = frozenset[int]().union(*(change.at for change in changes))
        wires = (self.ahead(starts) & leading).intersection(self.places)
        keys = (key for wire in wires for keys in self.places[wire].values() for key in keys)
        return {key: self.expected[key] for key in keys}

    def _run_wholly(self, changes: Sequence[Change]) -> dict[int, np.ndarray]:
        """Run the whole changed network, in which a gradient of another shape is passed on."""
        graph, values = self.adjoint, dict[int, np.ndarray]()
        for change in changes:
            graph = change(graph)
        fixed, self.fixed = self.fixed, set()
        try:
            graph = leading_to(graph, set(self.places))
            intercept: dict[int, Any] = {wire: self.intercept(wire, values) for wire in self.places}
            evaluate(graph, intercept=intercept, actions=self.actions)
        finally:
            self.fixed = fixed
        return values

    def _nodes_to_run(
        self, changes: Sequence[Change], leading: set[int]
    ) -> tuple[Sequence[Node], tuple[Any, ...], set[int]]:
        """Return the nodes to run again, in order, all wires, and the wires of these nodes."""
        starts = frozenset[int]().union(*(change.at for change in changes))
        patch = self.patch(changes)
        if patch is not None:
            patch, leading = self.leading_patch(patch, leading)
            ahead = self.ahead(starts)
            if self.is_in_order(patch, ahead):
                ahead = ahead & leading
                places = {self.at[wire] for wire in ahead}
                return self.patched_nodes(patch, places), self.adjoint.wires, ahead
        graph: Flow = self.adjoint
        for change in changes:
            graph = change(graph)
        graph = leading_to(graph, set(self.places))
        fresh = [node for node in graph.nodes if node not in self.actions]
        starts = starts.union(wire for node in fresh for wire in node.outputs)
        ahead = self.ahead(starts, fresh)
        nodes = [node for node in graph.nodes if not ahead.isdisjoint(node.outputs)]
        return nodes, graph.wires, ahead

    def patched_nodes(self, patch: Mapping[int, list[Node]], places: set[int]) -> list[Node]:
        """Return nodes in order, with a patch; nodes that leave a loop stand after the loop."""
        nodes: list[Node] = []
        after: list[Node] = []
        left: int | None = None  # the loop
        for at in sorted(places.union(patch)):
            now = self.nodes[at]
            if after and not (now.folded and now.loop == left):
                nodes, after = [*nodes, *after], []
            for node in patch.get(at, (now,)):
                if now.folded and not node.folded:
                    left = now.loop
                    after.append(node)
                else:
                    nodes.append(node)
        return nodes + after

    def patch(self, changes: Iterable[Change]) -> dict[int, list[Node]] | None:
        """Return the nodes in place of others, by position; None if a change does more."""
        patch: dict[int, list[Node]] = {}
        free = len(self.adjoint.wires)
        for change in changes:
            if change.edits is None:
                return None
            for node, edit in change.edits:
                at = self.at[max(node.outputs)]  # a dead end is −1
                nodes = patch.setdefault(at, [self.nodes[at]])
                place = place_of(nodes, node)
                fresh = edit(nodes[place], free)
                nodes[place : place + 1] = fresh
                free += sum(wire >= free for x in fresh for wire in x.outputs)
        return patch

    def leading_patch(
        self, patch: dict[int, list[Node]], leading: set[int]
    ) -> tuple[dict[int, list[Node]], set[int]]:
        """Return the part of a patch that leads to gradients of interest, and the wires that do.

        A signal that a patch reads from elsewhere leads to them, too.

        Parameters
        ----------
        patch : see `patch`
        leading : set of int
            The wires that lead to the gradients without the patch.
        """
        while True:
            part = {
                at: nodes
                for at, nodes in patch.items()
                if not leading.isdisjoint(self.nodes[at].outputs)
            }
            others = {wire for wire, _ in self.outer_inputs(part)} - leading - self.fixed
            if others.isdisjoint(self.at):
                return part, leading
            leading = leading | others | self.leading_to(others)

    def ahead(self, starts: frozenset[int], fresh: Sequence[Node] = ()) -> set[int]:
        """Return some wires and those that they lead to, up to given gradients."""
        if not fresh and starts in self.reached:
            return self.reached[starts]
        others: dict[int, list[Node]] = {}
        for node in fresh:
            for wire in node.inputs:
                others.setdefault(wire, []).append(node)

        def outputs(wire: int) -> Iterator[int]:
            readers = [self.nodes[at] for at in self.readers.get(wire, ())]
            for node in (*readers, *others.get(wire, ())) if wire not in self.fixed else ():
                yield from (out for out in node.outputs if out >= 0)

        ahead = reachable((wire for wire in starts if wire >= 0), outputs)
        if not fresh and sum(map(len, self.reached.values())) < REACHED:
            self.reached[starts] = ahead
        return ahead

    def outer_inputs(self, patch: dict[int, list[Node]]) -> Iterator[tuple[int, int]]:
        """Yield the inputs of a patch from outside of it, each with the position of the patch."""
        for at, nodes in patch.items():
            inside = {wire for node in nodes for wire in node.outputs}
            for node in nodes:
                yield from ((wire, at) for wire in node.inputs if wire not in inside)

    def is_in_order(self, patch: dict[int, list[Node]], ahead: set[int]) -> bool:
        """Return whether a patch reads only those changed wires that are made before its place."""
        return all(
            wire not in ahead
            or wire in self.fixed
            or wire in self.nodes[at].inputs
            or self._is_made_before(wire, at)
            for wire, at in self.outer_inputs(patch)
        )

    def _is_made_before(self, wire: int, at: int) -> bool:
        """Return whether a signal is there, at the same step, when a node runs."""
        if wire not in self.at or self.at[wire] >= at:
            return False
        maker, node = self.nodes[self.at[wire]], self.nodes[at]
        if maker.folded and node.folded and maker.loop == node.loop:
            return maker.is_timed
        return not maker.is_timed


class OtherShape(Exception):
    """A gradient has another shape than the given one, and is passed on."""
