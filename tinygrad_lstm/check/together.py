"""Many changes of an adjoint network run at once: each signal has one row for each change.

Knows trials of changes, and runs the same nodes as they do. Changes of single nodes inside of a
loop leave most of the network as it is: NumPy does such a node for all rows in one call, and a
changed node is done again for its own row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..network.flow import BORDERS, DELAYS, SOURCES, Node
from ..network.operate import Region, action_of, signed_sum, whole
from .mistakes import Change
from .trials import NO_ROOM, Trials

MOST = 64  # rows at once
NUMBERS = 4 * 10**6  # in all signals of all rows
ALONE = (*BORDERS, *DELAYS, *SOURCES, Kind.OUTPUT)  # a change of such a node is run by itself
Patch = dict[int, list[Node]]
Rows = dict[int, np.ndarray]  # signals by wire, each (rows, ...)


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
        self.by_row: dict[tuple[int, int | None], bool] = {}  # whether a node acts row by row

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


class _Run:
    """One run of several plans, one row each."""

    def __init__(self, together: Together, plans: Sequence[tuple[Patch, set[int]]]) -> None:
        self.together, self.trials, self.plans = together, together.trials, plans
        self.count = len(plans)
        self.patches: dict[int, dict[int, list[Node]]] = {}
        for row, (patch, _) in enumerate(plans):
            for at, nodes in patch.items():
                self.patches.setdefault(at, {})[row] = nodes
        self.on: Rows = {}
        self.values: dict[int, np.ndarray] = {}  # of given gradients, by their position
        self.odd: set[int] = set()  # rows whose signals get another shape or type

    def results(self) -> list[dict[int, np.ndarray] | None]:
        trials, wires = self.trials, set[int]().union(*(ahead for _, ahead in self.plans))
        places = sorted({trials.at[wire] for wire in wires}.union(self.patches))
        nodes = trials.nodes

        def loop_of(at: int) -> int | None:
            return nodes[at].loop if nodes[at].folded else None

        for loop, group in groupby(places, loop_of):
            if loop is not None:
                self._loop(list(group), len(trials.adjoint.loops[loop].steps))
                continue
            for at in Interruptible(group):
                self._do(at, self.on, None)
        keys = {key: trials.given[key].wire for key in self.values}
        results: list[dict[int, np.ndarray] | None] = [
            {key: self.values[key][row] for key, wire in keys.items() if wire in ahead}
            for row, (_, ahead) in enumerate(self.plans)
        ]
        return [None if row in self.odd else result for row, result in enumerate(results)]

    def _loop(self, places: Sequence[int], count: int) -> None:
        nodes = self.trials.nodes
        delays = [nodes[at] for at in places if nodes[at].kind in DELAYS]
        inside = [at for at in places if nodes[at].kind not in DELAYS]
        backwards = any(node.kind is Kind.ADVANCE for node in delays)
        held = [self._initial(node) for node in delays]
        series: dict[int, list[np.ndarray]] = {}
        sums: Rows = {}
        for step in reversed(range(count)) if backwards else range(count):
            now: Rows = {}
            for node, value in zip(delays, held, strict=True):
                now[node.outputs[0]] = self._given(node.outputs[0], step, value)
            for at in Interruptible(inside):
                if nodes[at].kind in BORDERS:
                    self._cross(nodes[at], now, step, sums, series)
                else:
                    self._do(at, now, step)
            held = [self._next(node, now, step) for node in delays]
        for node, value in zip(delays, held, strict=True):
            if node.transposed:
                sums[node.outputs[1]] = value
        for wire, steps in series.items():
            sums[wire] = np.stack(steps[::-1] if backwards else steps, axis=1)
        for wire, value in sums.items():
            self.on[wire] = self._given(wire, None, value)

    # --- signals ---------------------------------------------------------------------------------

    def _rows(self, wire: int, on: Rows, step: int | None) -> np.ndarray:
        """Return a signal with a row for each change; the network's own where none changes it."""
        if wire in on:
            return on[wire]
        known = self.trials.known[wire]
        return self._repeated(known if step is None else known[step])

    def _repeated(self, value: Any) -> np.ndarray:
        return np.broadcast_to(value, (self.count, *np.shape(value)))

    def _initial(self, node: Node) -> np.ndarray:
        if node.transposed or node.inputs[1] < 0:
            return self._repeated(node.gain)
        return self._rows(node.inputs[1], self.on, None)

    def _next(self, node: Node, now: Rows, step: int) -> np.ndarray:
        wire = node.inputs[0]
        return self._rows(wire, now, step) if wire >= 0 else self._repeated(node.gain)

    def _given(self, wire: int, step: int | None, rows: np.ndarray) -> np.ndarray:
        """Note the values of given gradients, and go on with the author's where `Trials` does."""
        for key in self.trials.places.get(wire, {}).get(step, ()):
            self.values[key] = rows
            given = self.trials.given[key].value
            if self.trials.uses_given and np.shape(given) == rows.shape[1:]:
                rows = self._repeated(given)
        return rows

    # --- nodes -----------------------------------------------------------------------------------

    def _do(self, at: int, on: Rows, step: int | None) -> None:
        """Run a node, and what stands in its place in some rows."""
        node, patched = self.trials.nodes[at], self.patches.get(at, {})
        if any(wire in on for wire in node.inputs):
            signals = self._signals(at, node, on, step)
        else:
            signals = [self._rows(wire, {}, step) for wire in node.outputs]
        if patched:
            signals = [np.array(signal) for signal in signals]
        for row, nodes in patched.items():
            if row not in self.odd:
                self._replace(row, nodes, node.outputs, signals, on, step)
        for wire, signal in zip(node.outputs, signals, strict=True):
            on[wire] = self._given(wire, step, signal)

    def _replace(
        self,
        row: int,
        nodes: Sequence[Node],
        outputs: Sequence[int],
        signals: Sequence[np.ndarray],
        on: Rows,
        step: int | None,
    ) -> None:
        """Put the signals that changed nodes make into a row."""
        own = _Row(self, row, on, step)
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

    def _signals(self, at: int, node: Node, on: Rows, step: int | None) -> list[np.ndarray]:
        """Return the signals of a node in all rows."""
        if node.kind is Kind.BRANCH:
            x = self._rows(node.inputs[0], on, step)
            return [x if sign > 0 else -x for sign in node.signs]
        if node.kind is Kind.JUNCTION:
            terms = [self._rows(wire, on, step) for wire in node.inputs]
            if len({term.shape for term in terms}) == 1:
                return [signed_sum(terms, node.signs)]
        act, wires = self.trials.actions(node), node.inputs
        if len(wires) == len(node.outputs) == 1 and wires[0] >= 0:
            x = self._rows(wires[0], on, step)

            def of(value: np.ndarray) -> np.ndarray:
                signals: dict[int, Any] = {wires[0]: value}
                act(signals, step)
                return np.asarray(whole(signals[node.outputs[0]]))

            by_row = self.together.by_row
            if (at, step) not in by_row:
                by_row[at, step] = _acts_by_row(of, x.shape[1:], x.dtype)
            return [of(x) if by_row[at, step] else np.stack([of(part) for part in x])]
        rows = [_Row(self, row, on, step) for row in range(self.count)]
        for row in rows:
            act(row, step)
        return [np.stack([whole(row[wire]) for row in rows]) for wire in node.outputs]

    def _cross(
        self, node: Node, now: Rows, step: int, sums: Rows, series: dict[int, list[np.ndarray]]
    ) -> None:
        """Bring a signal into the loop, or out of it, at one step."""
        (into,), (wire,) = node.inputs, node.outputs
        if not node.leaves_loop:
            x = self._rows(into, self.on, None)
            if node.kind is Kind.COLLECT:
                x = x[:, step]
            elif node.kind is Kind.TAP:
                index = node.parameters["index"].values[step]
                x = np.stack([part[index] for part in x])
            now[wire] = self._given(wire, step, x)
            return
        x = self._rows(into, now, step)
        if node.kind is Kind.HOLD:
            sums[wire] = sums[wire] + x if wire in sums else x
        elif node.kind is Kind.COLLECT:
            series.setdefault(wire, []).append(x)
        else:
            if wire not in sums:
                sums[wire] = np.zeros((self.count, *node.shapes[0]), x.dtype)
            index = node.parameters["index"].values[step]
            for total, part in zip(sums[wire], x, strict=True):
                Region(node.shapes[0], index, part, node.operation).add_to(total, 1)


class _Row(dict[int, Any]):
    """The signals of one row, which a changed node reads and adds its own to."""

    def __init__(self, run: _Run, row: int, on: Rows, step: int | None) -> None:
        super().__init__()
        self.run, self.row, self.rows, self.step = run, row, on, step

    def __missing__(self, wire: int) -> Any:
        if wire in self.rows:
            return self.rows[wire][self.row]
        known = self.run.trials.known[wire]
        return known if self.step is None else known[self.step]


def _acts_by_row(
    of: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> bool:
    """Return whether a function acts on each row of an array by itself, as a trial shows."""
    if dtype.kind != "f":
        return False
    rows = np.random.default_rng(0).normal(size=(7, *shape)).astype(dtype)
    apart = np.stack([of(row) for row in rows])
    try:
        at_once = of(rows)
    except Exception:  # whatever the rule of a primitive raises
        return False
    if (at_once.shape, at_once.dtype) != (apart.shape, apart.dtype):
        return False
    precision = 100 * np.finfo(dtype).eps
    size = np.abs(apart).max(initial=0.0)
    return bool(np.allclose(at_once, apart, rtol=precision, atol=precision * size, equal_nan=True))


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
