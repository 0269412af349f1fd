"""Many changes of an adjoint network run at once: each signal has one row for each change.

Knows trials of changes, and runs the same nodes as they do. Changes of single nodes inside of a
loop leave most of the network as it is: NumPy does such a node for all rows in one call, and a
changed node is done again for its own row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..network.flow import BORDERS, DELAYS, SOURCES, Node
from ..network.operate import Action, action_of, whole
from .mistakes import Change
from .rows import ByRow, Row, Rows, RowsRun
from .trials import NO_ROOM, Trials

MOST = 64  # rows at once
NUMBERS = 4 * 10**6  # in all signals of all rows
ALONE = (*BORDERS, *DELAYS, *SOURCES, Kind.OUTPUT)  # a change of such a node is run by itself
CROSSED = (Kind.HOLD, Kind.COLLECT)  # but not of these, where they leave a loop
Patch = dict[int, list[Node]]


class Together:
    """Runs of many changes at once.

    Parameters
    ----------
    trials : Trials

    Attributes
    ----------
    most : int
        The changes that run at once.
    is_small : bool
        Whether the network's signals leave room for every mistake that can be made in it.
    """

    def __init__(self, trials: Trials) -> None:
        self.trials = trials
        size = sum(np.size(value) for value in trials.known.values())
        self.most = max(1, min(MOST, NUMBERS // max(size, 1)))
        self.is_small = self.most == MOST
        self.by_row: ByRow = {}

    def run(
        self, several: Sequence[Sequence[Change]], leading: set[int] | None = None
    ) -> list[dict[int, np.ndarray] | None]:
        """Return what `Trials.run` does, for each of several changes, or sets of changes.

        None where changes have to run by themselves.

        Parameters
        ----------
        several : sequence of sequences of Change
            At most `most`.
        leading : set of int, optional
            The wires that lead to the gradients of interest (see `Trials.run`).
        """
        leading = self.trials.leading if leading is None else leading
        plans = [self._plan(changes, leading) for changes in Interruptible(several)]
        fitting = [plan for plan in plans if plan is not None]
        if len(fitting) < 2:
            return [None] * len(several)
        results = iter(_Run(self, fitting).results())
        return [None if plan is None else next(results) for plan in plans]

    def _plan(self, changes: Sequence[Change], leading: set[int]) -> tuple[Patch, set[int]] | None:
        """Return the nodes in place of others, and the wires that they lead to."""
        try:
            patch = self.trials.patch(changes)
        except NO_ROOM:
            return None
        if patch is not None:
            patch, leading = self.trials.leading_patch(patch, leading)
        starts = frozenset[int]().union(*(change.at for change in changes))
        if patch is None or not all(self._fits(at, nodes) for at, nodes in patch.items()):
            return None
        ahead = self.trials.ahead(starts)
        return (patch, ahead & leading) if self.trials.is_in_order(patch, ahead) else None

    def _fits(self, at: int, nodes: Sequence[Node]) -> bool:
        """Whether nodes stand where the one at a position does, and make its signals."""
        old = self.trials.nodes[at]
        signals = {wire for node in nodes for wire in node.outputs}
        if not signals.issuperset(old.outputs):
            return False
        if old.leaves_loop and old.kind in CROSSED:
            inside, border, outside = _at_border(nodes, old)
            return (
                border is not None
                and all(_stands_by(node, old) for node in inside)
                and not any(node.folded or node.kind in ALONE for node in outside)
            )
        return old.kind not in ALONE and all(_stands_by(node, old) for node in nodes)


def _stands_by(node: Node, old: Node) -> bool:
    """Whether a node runs at the same steps as another, as a part of a patch may."""
    return node.kind not in ALONE and (node.folded, node.loop) == (old.folded, old.loop)


def _at_border(
    nodes: Sequence[Node], old: Node
) -> tuple[Sequence[Node], Node | None, Sequence[Node]]:
    """Return the nodes before and behind the one that leaves a loop as another one does."""
    for at, node in enumerate(nodes):
        if (node.kind, node.loop) == (old.kind, old.loop) and node.leaves_loop:
            return nodes[:at], node, nodes[at + 1 :]
    return nodes, None, ()


class _Run(RowsRun):
    """One run of several plans, one row each."""

    def __init__(self, together: Together, plans: Sequence[tuple[Patch, set[int]]]) -> None:
        trials = together.trials
        super().__init__(trials.adjoint, len(plans), trials.known, trials.actions, together.by_row)
        self.trials, self.plans = trials, plans
        self.patches: dict[int, dict[int, list[Node]]] = {}
        for row, (patch, _) in enumerate(plans):
            for at, nodes in patch.items():
                self.patches.setdefault(at, {})[row] = nodes
        self.values: dict[int, np.ndarray] = {}  # of given gradients, by their position
        self.odd: set[int] = set()  # rows whose signals get another shape or type
        self.acts: dict[int, Action] = {}  # of the nodes of patches

    def results(self) -> list[dict[int, np.ndarray] | None]:
        trials, wires = self.trials, set[int]().union(*(ahead for _, ahead in self.plans))
        self.run(sorted({trials.at[wire] for wire in wires}.union(self.patches)))
        keys = {key: trials.answers[key].wire for key in self.values}
        results: list[dict[int, np.ndarray] | None] = [
            {key: self.values[key][row] for key, wire in keys.items() if wire in ahead}
            for row, (_, ahead) in enumerate(self.plans)
        ]
        return [None if row in self.odd else result for row, result in enumerate(results)]

    def is_patched(self, at: int) -> bool:
        return at in self.patches

    def replace(self, wire: int, step: int | None, rows: np.ndarray) -> np.ndarray:
        """Note the values of given gradients, and go on with the author's where `Trials` does."""
        for key in self.trials.places.get(wire, {}).get(step, ()):
            self.values[key] = rows
            answer = self.trials.answers[key].value
            if self.trials.uses_answers and np.shape(answer) == rows.shape[1:]:
                rows = self.repeat(answer)
        return rows

    def signals(self, at: int, on: Rows, step: int | None) -> list[np.ndarray]:
        """Return the signals of a node, and of the nodes that stand in its place in some rows."""
        signals, patched = super().signals(at, on, step), self.patches.get(at, {})
        signals = [np.array(signal) for signal in signals] if patched else signals
        for row, nodes in patched.items():
            if row not in self.odd:
                self._patch(row, nodes, self.nodes[at].outputs, signals, on, step)
        return signals

    def _patch(
        self,
        row: int,
        nodes: Sequence[Node],
        outputs: Sequence[int],
        signals: Sequence[np.ndarray],
        on: Rows,
        step: int | None,
    ) -> None:
        """Put the signals that changed nodes make into a row."""
        own = self._run_in_row(row, nodes, on, step)
        if own is not None:
            for wire, signal in zip(outputs, signals, strict=True):
                self._set(row, signal, own[wire])

    def crossing(self, node: Node, now: Rows, step: int) -> np.ndarray:
        """Return what a loop hands out at a step, and what it does where a row is patched."""
        rows, patched = super().crossing(node, now, step), self._patches_of(node)
        rows = np.array(rows) if patched else rows
        for row, nodes in patched.items():
            inside, border, _ = _at_border(nodes, node)
            own = self._run_in_row(row, inside, now, step)
            if own is not None and border is not None:
                self._set(row, rows, own[border.inputs[0]])
        return rows

    def leaving(self, node: Node, rows: np.ndarray) -> np.ndarray:
        """Return a signal that has left its loop, with the nodes that a row has behind it."""
        for row, nodes in self._patches_of(node).items():
            _, border, outside = _at_border(nodes, node)
            if outside and border is not None:
                own = self._run_in_row(row, outside, {border.outputs[0]: rows}, None)
                if own is not None:
                    self._set(row, rows, own[node.outputs[0]])
        return rows

    def _patches_of(self, node: Node) -> dict[int, list[Node]]:
        patched = self.patches.get(self.trials.at[node.outputs[0]], {})
        return {row: nodes for row, nodes in patched.items() if row not in self.odd}

    def _run_in_row(
        self, row: int, nodes: Sequence[Node], on: Rows, step: int | None
    ) -> Row | None:
        """Run nodes of a patch in a row, and return its signals; None where there is no room."""
        own = Row(self, row, on, step)
        try:
            for node in nodes:
                if id(node) not in self.acts:
                    self.acts[id(node)] = action_of(node)
                self.acts[id(node)](own, step)
        except NO_ROOM:
            self.odd.add(row)
            return None
        return own

    def _set(self, row: int, rows: np.ndarray, signal: Any) -> None:
        """Put a signal into a row, if it has the shape and type of the other rows."""
        value = np.asarray(whole(signal))
        if (value.shape, value.dtype) == (rows.shape[1:], rows.dtype):
            rows[row] = value
        else:
            self.odd.add(row)


def chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Yield items in lists of a size; the last list may be shorter."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
