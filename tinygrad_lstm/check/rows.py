"""Many runs of one network at once: each signal has one row for each run.

Knows nodes and their actions; not why one run differs from another. NumPy does a node for all rows
in one call where the node acts on each row by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..network.flow import BORDERS, DELAYS, Flow, Node
from ..network.operate import Action, Actions, Region, action_of, signed_sum, whole
from ..network.parameters import varying

Rows = dict[int, np.ndarray]  # signals by wire, each (rows, ...)
# how a node does all rows at once, if it can; at a step if it varies
ByRow = dict[tuple[int, int | None], str]
TRIED = 7  # rows
PLAIN, WIDE, APART = "plain", "wide", "apart"  # as it is; told of a shape with rows; not at all


class RowsRun:
    """One run of a network in several rows.

    Parameters
    ----------
    graph : Flow
    count : int
        The number of rows.
    known : mapping of a wire to its signal
        The signals that are the same in all rows unless a row changes one; inside of a loop of T
        steps (T, ...).
    actions : Actions
    by_row : ByRow
        What other runs of the same network have shown.
    """

    def __init__(
        self, graph: Flow, count: int, known: Mapping[int, Any], actions: Actions, by_row: ByRow
    ) -> None:
        self.graph, self.nodes, self.count = graph, graph.nodes, count
        self.known, self.actions, self.by_row = known, actions, by_row
        self.on: Rows = {}
        self.wide: dict[int, Action] = {}  # of nodes that are told of shapes with rows

    def replace(self, wire: int, step: int | None, rows: np.ndarray) -> np.ndarray:
        """Return the rows that go on in place of a signal's."""
        return rows

    def is_patched(self, at: int) -> bool:
        """Whether other nodes stand in place of one in some rows."""
        return False

    def crossing(self, node: Node, now: Rows, step: int) -> np.ndarray:
        """Return what a node brings out of its loop at a step."""
        return self.rows(node.inputs[0], now, step)

    def leaving(self, node: Node, rows: np.ndarray) -> np.ndarray:
        """Return what a node has brought out of its loop at all steps."""
        return rows

    def run(self, places: Iterable[int]) -> None:
        """Run the nodes at some positions, in order."""
        nodes = self.nodes

        def loop_of(at: int) -> int | None:
            return nodes[at].loop if nodes[at].folded else None

        for loop, group in groupby(places, loop_of):
            if loop is not None:
                self._run_loop(list(group), len(self.graph.loops[loop].steps))
                continue
            for at in Interruptible(group):
                self.act(at, self.on, None)

    def _run_loop(self, places: Sequence[int], count: int) -> None:
        nodes = self.nodes
        delays = [nodes[at] for at in places if nodes[at].kind in DELAYS]
        inside = [at for at in places if nodes[at].kind not in DELAYS]
        backwards = any(node.kind is Kind.ADVANCE for node in delays)
        held = [self._initial(node) for node in delays]
        series: dict[int, list[np.ndarray]] = {}
        sums: Rows = {}
        for step in reversed(range(count)) if backwards else range(count):
            now: Rows = {}
            for node, value in zip(delays, held, strict=True):
                self.put(now, node.outputs[0], step, value)
            for at in Interruptible(inside):
                if nodes[at].kind in BORDERS:
                    self._cross(nodes[at], now, step, sums, series)
                else:
                    self.act(at, now, step)
            held = [self._next(node, now, step) for node in delays]
        for node, value in zip(delays, held, strict=True):
            if node.transposed:
                sums[node.outputs[1]] = value
        for wire, steps in series.items():
            sums[wire] = np.stack(steps[::-1] if backwards else steps, axis=1)
        leaving = {nodes[at].outputs[0]: nodes[at] for at in inside if nodes[at].leaves_loop}
        for wire, value in sums.items():
            rows = self.leaving(leaving[wire], value) if wire in leaving else value
            self.put(self.on, wire, None, rows)

    # --- signals ---------------------------------------------------------------------------------

    def rows(self, wire: int, on: Rows, step: int | None) -> np.ndarray:
        """Return a signal in rows; the known one where no row changes it."""
        if wire in on:
            return on[wire]
        known = self.known[wire]
        return self.repeat(known if step is None else known[step])

    def repeat(self, value: Any) -> np.ndarray:
        """Return a value in every row."""
        return np.broadcast_to(value, (self.count, *np.shape(value)))

    def _initial(self, node: Node) -> np.ndarray:
        if node.transposed or node.inputs[1] < 0:
            return self.repeat(node.gain)
        return self.rows(node.inputs[1], self.on, None)

    def _next(self, node: Node, now: Rows, step: int) -> np.ndarray:
        wire = node.inputs[0]
        return self.rows(wire, now, step) if wire >= 0 else self.repeat(node.gain)

    # --- nodes -----------------------------------------------------------------------------------

    def act(self, at: int, on: Rows, step: int | None) -> None:
        """Run a node."""
        node = self.nodes[at]
        is_known = self._is_known(node, on) and not self.is_patched(at)
        for wire, signal in zip(node.outputs, self.signals(at, on, step), strict=True):
            self.put(on, wire, step, signal, is_known)

    def _is_known(self, node: Node, on: Rows) -> bool:
        """Whether a node's signals are known, and no row changes an operand."""
        return all(w in self.known for w in node.outputs) and not any(w in on for w in node.inputs)

    def put(
        self, on: Rows, wire: int, step: int | None, signal: np.ndarray, is_known: bool = False
    ) -> None:
        """Put a signal on a wire, or what replaces it, unless it is the known one."""
        rows = self.replace(wire, step, signal)
        if rows is not signal or not is_known:
            on[wire] = rows

    def signals(self, at: int, on: Rows, step: int | None) -> list[np.ndarray]:
        """Return the signals of a node in all rows."""
        node = self.nodes[at]
        wires = node.inputs
        changed = [port for port, wire in enumerate(wires) if wire in on]
        if self._is_known(node, on):
            return [self.rows(wire, on, step) for wire in node.outputs]
        if node.kind is Kind.BRANCH:
            x = self.rows(wires[0], on, step)
            return [x if sign > 0 else -x for sign in node.signs]
        if node.kind is Kind.JUNCTION:
            terms = [self.rows(wire, on, step) for wire in wires]
            if len({term.shape for term in terms}) == 1:
                return [signed_sum(terms, node.signs)]
        act = self.actions(node)
        if len(changed) == len(node.outputs) == 1 and min(wires) >= 0:
            return [self._signal_of_one(at, act, changed[0], on, step)]
        if node.kind is Kind.ELEMENTWISE and min(wires) >= 0:
            operands = {wire: self.rows(wire, on, step) for wire in wires}
            if len({x.shape for x in operands.values()}) == 1:
                return [self._signal(act, node, operands, step)]
        return self.each(node, [act] * self.count, on, step)

    def each(
        self, node: Node, acts: Sequence[Action], on: Rows, step: int | None
    ) -> list[np.ndarray]:
        """Return the signals of a node that acts on one row after the other."""
        rows = [Row(self, row, on, step) for row in range(self.count)]
        for row, act in zip(rows, acts, strict=True):
            act(row, step)
        return [np.stack([whole(row[wire]) for row in rows]) for wire in node.outputs]

    def _signal_of_one(
        self, at: int, act: Action, port: int, on: Rows, step: int | None
    ) -> np.ndarray:
        """Return the only signal of a node of which rows change one operand."""
        node = self.nodes[at]
        wire, others = node.inputs[port], Row(self, 0, {}, step)

        def of(value: np.ndarray, act: Action = act) -> np.ndarray:
            signals: dict[int, Any] = {x: others[x] for x in node.inputs if x != wire}
            return self._signal(act, node, signals | {wire: value}, step)

        x = on[wire]
        key = at, step if node.residuals or varying(node.parameters) else None
        if key not in self.by_row:
            self.by_row[key] = _way(node, of, x.shape[1:], x.dtype)
        if self.by_row[key] == PLAIN:
            return of(x)
        if self.by_row[key] == APART:
            return np.stack([of(row) for row in x])
        if at not in self.wide:
            self.wide[at] = _wide_action(node, self.count)
        return of(x, self.wide[at])

    @staticmethod
    def _signal(act: Action, node: Node, signals: dict[int, Any], step: int | None) -> np.ndarray:
        act(signals, step)
        return np.asarray(whole(signals[node.outputs[0]]))

    def _cross(
        self, node: Node, now: Rows, step: int, sums: Rows, series: dict[int, list[np.ndarray]]
    ) -> None:
        """Bring a signal into the loop, or out of it, at one step."""
        (into,), (wire,) = node.inputs, node.outputs
        if not node.leaves_loop:
            if self._is_known(node, self.on):
                self.put(now, wire, step, self.rows(wire, {}, step), True)
                return
            x = self.rows(into, self.on, None)
            if node.kind is Kind.COLLECT:
                x = x[:, step]
            elif node.kind is Kind.TAP:
                index = node.parameters["index"].values[step]
                x = np.stack([part[index] for part in x])
            self.put(now, wire, step, x)
            return
        x = self.crossing(node, now, step)
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


class Row(dict[int, Any]):
    """The signals of one row, which a node reads and adds its own to."""

    def __init__(self, run: RowsRun, row: int, on: Rows, step: int | None) -> None:
        super().__init__()
        self.run, self.row, self.rows, self.step = run, row, on, step

    def __missing__(self, wire: int) -> Any:
        if wire in self.rows:
            return self.rows[wire][self.row]
        known = self.run.known[wire]
        return known if self.step is None else known[self.step]


def _wide_action(node: Node, count: int) -> Action:
    """Return the action of a node that is told of shapes with a row for each run."""
    return action_of(node.copy(shapes=tuple((count, *shape) for shape in node.shapes)))


def _way(node: Node, of: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: np.dtype) -> str:
    """Return how a node does all rows at once, as a trial shows."""
    if dtype.kind != "f":
        return APART
    rows = np.random.default_rng(0).normal(size=(TRIED, *shape)).astype(dtype)
    apart = np.stack([of(row) for row in rows])
    if _is_same(of, rows, apart):
        return PLAIN
    if node.transposed and node.shapes:
        wide = _wide_action(node, TRIED)
        return WIDE if _is_same(lambda rows: of(rows, wide), rows, apart) else APART
    return APART


def _is_same(of: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, apart: np.ndarray) -> bool:
    """Whether a function of all rows at once is that of each row, but for rounding."""
    try:
        at_once = of(rows)
    except Exception:  # whatever the rule of a primitive raises
        return False
    if (at_once.shape, at_once.dtype) != (apart.shape, apart.dtype):
        return False
    precision = 100 * np.finfo(apart.dtype).eps
    size = np.abs(apart).max(initial=0.0)
    return bool(np.allclose(at_once, apart, rtol=precision, atol=precision * size, equal_nan=True))
