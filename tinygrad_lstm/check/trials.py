"""Changes of an adjoint network tried one after the other: only what a change leads to runs again.

Knows networks and changes; no mistakes. The network runs once on the gradients that an author gave,
and every signal is kept. A change shows where its nodes are, and in what they lead to, as far as
the next given gradients, which stay what they are. An adjoint network is linear: so one more pass,
the other way, tells what any small difference on any wire would make of all given gradients,
weighed and added up. Where that is not what the author has, the change is not run at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.memory import collector_paused
from ..network.adjoint import adjoint as transpose
from ..network.adjoint import delta
from ..network.evaluate import Intercept, evaluate
from ..network.flow import Flow, Node
from ..network.view import Given
from .mistakes import Change
from .mistakes.changes import leading_to, place_of
from .runs import Recorder

SECONDS = 30.0  # after which no more is tried, unless told otherwise
NO_ROOM = (KeyError, ValueError, IndexError)  # when the shapes, or another change, leave none
OFTEN = 200  # nodes between two looks at the clock
REACHED = 10**6  # wires that are kept, of what changes lead to


def ticking(
    intercept: dict[int, Intercept], nodes: Sequence[Node], tick: Callable[[], None]
) -> dict[int, Intercept]:
    """Return intercepts of wires, and a call again and again while nodes run."""

    def pause(step: int | None, value: np.ndarray, then: Intercept | None = None) -> np.ndarray:
        tick()
        return value if then is None else then(step, value)

    for node in nodes[OFTEN // 2 :: OFTEN]:
        for wire in node.outputs[:1]:
            intercept[wire] = partial(pause, then=intercept.get(wire))
    return intercept


class Trials:
    """An adjoint network on which changes are tried.

    Parameters
    ----------
    adjoint : Flow
    given : the derived gradients, or those to look at
    are_taken : bool
        Whether given gradients go on in place of the network's own.
    tick : () -> None
        Called again and again while the network runs; may raise an error to end that.

    Attributes
    ----------
    expected : dict of int to array
        What the network makes of each given gradient, by its position, in the order in which it
        does; 0 where it makes nothing.
    """

    def __init__(
        self, adjoint: Flow, given: Sequence[Given], are_taken: bool, tick: Callable[[], None]
    ) -> None:
        self.adjoint, self.given, self.are_taken, self.tick = adjoint, given, are_taken, tick
        with collector_paused():
            self._look()

    def _look(self) -> None:
        """Run the network once, and keep what is asked for at every trial."""
        adjoint, given = self.adjoint, self.given
        self.nodes = adjoint.nodes
        self.at = {wire: at for at, x in enumerate(self.nodes) for wire in x.outputs if wire >= 0}
        self.readers: dict[int, list[int]] = {}
        for at, node in enumerate(self.nodes):
            for wire in node.inputs:
                self.readers.setdefault(wire, []).append(at)
        self.places: dict[int, dict[int | None, list[int]]] = {}
        for key, each in enumerate(given):  # several, where one signal is a plain copy of another
            self.places.setdefault(each.wire, {}).setdefault(each.step, []).append(key)
        self.ids = set(map(id, self.nodes))
        self.reached: dict[frozenset[int], set[int]] = {}
        self.known: dict[int, Any] = {}
        self.own: dict[int, Any] = {}  # on wires with a given gradient: what the network makes
        self.fixed: set[int] = set()
        self.tick()
        self.expected = self._run_all()
        if self.are_taken:
            self.fixed = {wire for wire, steps in self.places.items() if self._is_fixed(wire)}
        self.leading = self.leading_to(self.places)

    def _run_all(self) -> dict[int, np.ndarray]:
        own, kept = Recorder(set(self.places)), Recorder(set(self.at))
        expected: dict[int, np.ndarray] = {}

        def intercept_at(wire: int) -> Intercept:
            keep, given = kept[wire], self._intercept(wire, expected)

            def intercept(step: int | None, value: np.ndarray) -> np.ndarray:
                return keep(step, given(step, own[wire](step, value)))

            return intercept if wire in self.places else keep

        intercept = {wire: intercept_at(wire) for wire in self.at}
        self.tick()
        evaluate(self.adjoint, intercept=ticking(intercept, self.nodes, self.tick))
        self.known, self.own = kept.series(), own.series()
        for key, each in enumerate(self.given):
            expected.setdefault(key, np.zeros(each.value.shape))
        return expected

    def _intercept(
        self, wire: int, found: dict[int, np.ndarray]
    ) -> Callable[[int | None, np.ndarray], np.ndarray]:
        """Return the intercept of a wire: it records the value, and goes on with the given one."""
        keys_at = self.places.get(wire, {})

        def intercept(step: int | None, value: np.ndarray) -> np.ndarray:
            for key in keys_at.get(step, ()):
                found[key] = np.array(value)
                given = self.given[key].value
                if self.are_taken and np.shape(given) == value.shape:
                    value = given  # what has another shape leads nowhere
                elif wire in self.fixed:
                    raise _OtherShape
            return value

        return intercept

    def _is_fixed(self, wire: int) -> bool:
        """Whether an author's own numbers stand on a wire at every step."""
        steps, made = self.places[wire], np.asarray(self.own.get(wire, 0.0))
        count = 1 if None in steps else len(made) if made.ndim else 0
        shape = made.shape if None in steps else made.shape[1:]
        return len(steps) >= count > 0 and all(
            np.shape(self.given[key].value) == shape for keys in steps.values() for key in keys
        )

    def leading_to(self, wires: Iterable[int]) -> set[int]:
        """Return the wires that lead to some, those included, as far as what is given."""
        found, waiting = set(wires), list(wires)
        ends = self.fixed.difference(found)
        while waiting:
            wire = waiting.pop()
            at = None if wire in ends else self.at.get(wire)
            for wire in self.nodes[at].inputs if at is not None else ():
                if wire not in found:
                    found.add(wire)
                    waiting.append(wire)
        return found

    # --- a change, run ---------------------------------------------------------------------------

    def run(
        self, changes: Sequence[Change], leading: set[int] | None = None
    ) -> dict[int, np.ndarray]:
        """Return what the changed network makes of given gradients, by their position.

        Of those that the changes lead to; the others are as expected.

        Parameters
        ----------
        changes : sequence of Change
        leading : set of int, optional
            The wires that lead to those that are asked for (see `leading_to`); all, if None.

        Raises
        ------
        KeyError, ValueError, IndexError
            If the changes cannot be made, or not together.
        """
        found: dict[int, np.ndarray] = {}
        leading = self.leading if leading is None else leading
        nodes, wires, ahead = self._changed(changes, leading)
        intercept = {wire: self._intercept(wire, found) for wire in ahead.intersection(self.places)}
        flow = replace(self.adjoint, nodes=tuple(nodes), wires=wires)
        try:
            evaluate(flow, intercept=ticking(intercept, nodes, self.tick), known=self.known)
        except _OtherShape:
            return self._run_wholly(changes)
        return found

    def _run_wholly(self, changes: Sequence[Change]) -> dict[int, np.ndarray]:
        """Run the whole changed network: a gradient in another shape goes on as it is."""
        graph, found = self.adjoint, dict[int, np.ndarray]()
        for change in changes:
            graph = change(graph)
        fixed, self.fixed = self.fixed, set()
        try:
            graph = leading_to(graph, set(self.places))
            intercept: dict[int, Any] = {wire: self._intercept(wire, found) for wire in self.places}
            evaluate(graph, intercept=ticking(intercept, graph.nodes, self.tick))
        finally:
            self.fixed = fixed
        return found

    def _changed(
        self, changes: Sequence[Change], leading: set[int]
    ) -> tuple[Sequence[Node], tuple[Any, ...], set[int]]:
        """Return the nodes that run again, in order, the wires, and those that they make."""
        starts = frozenset[int]().union(*(each.at for each in changes))
        patch = self._patch(changes, leading)
        if patch is not None:
            ahead = self._ahead(starts)
            if self._is_in_order(patch, ahead):
                ahead = ahead & leading
                places = {self.at[wire] for wire in ahead}
                return self._put_together(patch, places), self.adjoint.wires, ahead
        graph: Flow = self.adjoint
        for change in changes:
            graph = change(graph)
        fresh = [node for node in graph.nodes if id(node) not in self.ids]
        starts = starts.union(wire for node in fresh for wire in node.outputs)
        ahead = self._ahead(starts, fresh)
        nodes = [node for node in graph.nodes if not ahead.isdisjoint(node.outputs)]
        return nodes, graph.wires, ahead

    def _put_together(self, patch: Mapping[int, list[Node]], places: set[int]) -> list[Node]:
        """Return nodes in order, others in place of some; what leaves a loop stands after it."""
        nodes: list[Node] = []
        after: list[Node] = []
        for at in sorted(places.union(patch)):
            now = self.nodes[at]
            if after and not (now.folded and now.loop == after[0].loop):
                nodes, after = [*nodes, *after], []
            for node in patch.get(at, (now,)):
                is_leaving = now.folded and not node.folded
                (after if is_leaving else nodes).append(node)
        return nodes + after

    def _patch(self, changes: Iterable[Change], leading: set[int]) -> dict[int, list[Node]] | None:
        """Return the nodes that stand in place of others, by position, if that is all.

        As far as they make what leads on.
        """
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
                free += sum(wire >= free for each in fresh for wire in each.outputs)
        return {
            at: nodes
            for at, nodes in patch.items()
            if not leading.isdisjoint(self.nodes[at].outputs)
        }

    def _ahead(self, starts: frozenset[int], fresh: Sequence[Node] = ()) -> set[int]:
        """Return the wires that some lead to, those included, as far as what is given."""
        if not fresh and starts in self.reached:
            return self.reached[starts]
        others: dict[int, list[Node]] = {}
        for node in fresh:
            for wire in node.inputs:
                others.setdefault(wire, []).append(node)
        found, waiting = {wire for wire in starts if wire >= 0}, list(starts)
        while waiting:
            wire = waiting.pop()
            if wire in self.fixed:
                continue
            readers = [self.nodes[at] for at in self.readers.get(wire, ())]
            for node in (*readers, *others.get(wire, ())):
                for made in node.outputs:
                    if made >= 0 and made not in found:
                        found.add(made)
                        waiting.append(made)
        if not fresh and sum(map(len, self.reached.values())) < REACHED:
            self.reached[starts] = found
        return found

    def _come(self, patch: dict[int, list[Node]]) -> Iterator[tuple[int, int]]:
        """Yield what comes into other nodes from outside of them, each with where they are."""
        for at, nodes in patch.items():
            inside = {wire for node in nodes for wire in node.outputs}
            for node in nodes:
                yield from ((wire, at) for wire in node.inputs if wire not in inside)

    def _is_in_order(self, patch: dict[int, list[Node]], ahead: set[int]) -> bool:
        """Whether other nodes read, of what runs again, what those in their place read before."""
        for wire, at in self._come(patch):
            if wire in ahead and wire not in self.fixed and wire not in self.nodes[at].inputs:
                return False
        return True

    # --- a change, screened ----------------------------------------------------------------------

    def weigh(self, weights: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Return by how much a weighed sum of what is expected grows with the signal on each wire.

        Parameters
        ----------
        weights : mapping of the position of a given gradient to an array of its shape
        """
        self.tick()
        with collector_paused():
            back = transpose(self.adjoint)
        self.tick()
        wires = {wire: back.continued.get(wire, wire) for wire in self.at}
        sums: dict[tuple[int, int | None], np.ndarray] = {}
        for wire, steps in self.places.items():
            for step, keys in steps.items():
                known = [weights[key] for key in keys if key in weights]
                if known:  # of copies, only the first is what the network makes
                    sums[wires.get(wire, wire), step] = (
                        known[0] if self.are_taken else reduce(np.add, known)
                    )
        still = {
            delta(node.name): np.zeros(np.shape(self.known[node.inputs[0]]))
            for node in self.nodes
            if node.kind is Kind.OUTPUT
        }
        ends = {wires[wire] for wire in self.places if wire in wires}

        def made(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
            weight = sums.get((wire, step))
            if weight is None:
                return value
            return weight if self.are_taken else value + weight

        kept = Recorder(set(wires.values()), lambda w, k, x: made(w, k, x) if w in ends else x)
        intercept = ticking({wire: kept[wire] for wire in kept}, back.nodes, self.tick)
        evaluate(back, still, intercept=intercept)
        found = kept.series()
        return {wire: found[to] for wire, to in wires.items() if to in found}

    def shifts(self, change: Change) -> list[tuple[int, np.ndarray, np.ndarray]] | None:
        """Return the wires on which a change shows at once, what was on them, and what is now.

        None if that is not all that it does, because it is made again on what it leads to.
        """
        patch = self._patch([change], self.leading) if change.edits else None
        if patch is None:
            return None
        ahead = self._ahead(change.at)
        come = {wire for wire, _ in self._come(patch)}.union(*(self.nodes[x].inputs for x in patch))
        if not come.isdisjoint(ahead - self.fixed):
            return None
        kept = Recorder(set(change.at))

        def intercept_at(wire: int) -> Intercept:
            keep, given = kept[wire], self._intercept(wire, {})
            return lambda step, value: given(step, keep(step, value))

        flow = replace(self.adjoint, nodes=tuple(self._put_together(patch, set())))
        try:
            intercepts = {wire: intercept_at(wire) for wire in change.at}
            evaluate(flow, intercept=intercepts, known=self.known)
        except _OtherShape:
            return None
        now = kept.series()
        return [(wire, self.own.get(wire, self.known[wire]), now[wire]) for wire in now]


class Screen:
    """Whether a change may make given gradients what they should be, told without running it.

    Parameters
    ----------
    trials : Trials
    aims : mapping of the position of a given gradient to how far it is from what is expected
    allowed : mapping of the position of a given gradient to how far off it may be
    """

    def __init__(
        self, trials: Trials, aims: Mapping[int, np.ndarray], allowed: Mapping[int, np.ndarray]
    ) -> None:
        random = np.random.default_rng(0)
        self.trials = trials
        weights, sums = {}, []
        for key, aim in Interruptible(aims.items()):
            bound = np.isfinite(allowed[key])  # whatever comes is right elsewhere
            weights[key] = np.where(bound, random.normal(size=np.shape(aim)), 0.0)
            least = np.where(bound, allowed[key], 0.0)
            sums.append((np.sum(weights[key] * aim), np.sum(np.abs(weights[key]) * least)))
        self.slopes = trials.weigh(weights)
        self.aim = float(sum(aim for aim, _ in sums))
        self.least = float(sum(least for _, least in sums))

    def moves(self, change: Change) -> tuple[float, float] | None:
        """Return by how much a change moves the weighed sum, and what that may be off.

        None if only running it can tell.
        """
        shifts = self.trials.shifts(change)
        if shifts is None:
            return None
        moved, size = 0.0, 0.0
        for wire, was, now in shifts:
            slope = self.slopes.get(wire)
            if np.shape(was) != np.shape(now) or slope is None:
                return None
            each = slope * (now - was)
            moved += float(np.sum(each))
            size += float(np.sum(np.abs(slope) * (np.abs(now) + np.abs(was))))
        if not np.isfinite(moved) or not np.isfinite(size):
            return None
        precision = 1e5 * np.finfo(np.result_type(now, np.float32)).eps if shifts else 0.0
        return moved, precision * size


class _OtherShape(Exception):
    """A gradient comes in another shape than the given one, and goes on."""
