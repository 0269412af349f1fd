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
from ..network.operate import action_of, whole
from .mistakes import Change
from .rows import ByRow, Row, Rows, RowsRun
from .trials import NO_ROOM, Trials

MOST = 64  # rows at once
NUMBERS = 4 * 10**6  # in all signals of all rows
ALONE = (*BORDERS, *DELAYS, *SOURCES, Kind.OUTPUT)  # a change of such a node is run by itself
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
            patch = self.trials.patch(changes, leading)
        except NO_ROOM:
            return None
        starts = frozenset[int]().union(*(change.at for change in changes))
        if patch is None or not all(self._fits(at, nodes) for at, nodes in patch.items()):
            return None
        ahead = self.trials.ahead(starts)
        return (patch, ahead & leading) if self.trials.is_in_order(patch, ahead) else None

    def _fits(self, at: int, nodes: Sequence[Node]) -> bool:
        """Whether nodes stand where the one at a position does, and make its signals."""
        old = self.trials.nodes[at]
        signals = {wire for node in nodes for wire in node.outputs}
        return signals.issuperset(old.outputs) and all(
            node.kind not in ALONE and (node.folded, node.loop) == (old.folded, old.loop)
            for node in (old, *nodes)
        )


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
        own = Row(self, row, on, step)
        try:
            for node in nodes:
                action_of(node)(own, step)
        except NO_ROOM:
            self.odd.add(row)
            return
        for wire, signal in zip(outputs, signals, strict=True):
            value = np.asarray(whole(own[wire]))
            if (value.shape, value.dtype) != (signal.shape[1:], signal.dtype):
                self.odd.add(row)
                return
            signal[row] = value


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
