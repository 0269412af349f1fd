"""One interpreter for every graph, forward or adjoint, unrolled or folded.

Knows nodes and wires alone: a change of a node or a wire changes the result. A loop is run step by
step; a delay holds a value from one step to the next, and where there is an advance
the steps run backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..errors import ShapeError, SignalError, nearest
from .flow import BORDERS, DELAYS, SOURCES, Flow, Node
from .operate import Action, Actions, Region, whole

# (step, value) -> value: what goes on in place of a signal; the step counts from 0, None outside
Intercept = Callable[[int | None, np.ndarray], np.ndarray]


def evaluate(
    graph: Flow,
    values: Mapping[str, Any] | None = None,
    *,
    everything: bool = False,
    intercept: Mapping[int, Intercept] | None = None,
    known: Mapping[int, Any] | None = None,
    actions: Actions | None = None,
) -> dict[str, np.ndarray]:
    """Run a graph, and return its outputs.

    Parameters
    ----------
    graph : Flow
    values : mapping of an input's, parameter's or constant's name to an array, optional
        Replaces what was recorded; of the same shape.
    everything : bool
        Return the signal on every wire, by the wire's name, instead of the outputs by theirs;
        inside of a loop of T steps (T, ...), the earliest step first.
    intercept : mapping of a wire to (step, value) -> value, optional
        Called with every signal on these wires as it comes; what it returns goes on.
    known : mapping of a wire to its signal, optional
        The signals that no node of the graph makes; inside of a loop of T steps (T, ...).
    actions : Actions, optional
        Those of nodes that run more often than once.

    Returns
    -------
    dict of str to array

    Raises
    ------
    SignalError
        If a name is no source's; the message lists the nearest.
    ShapeError
        If an array has another shape than what was recorded.
    """
    replaced = dict(values or {})
    if replaced:
        sources = [node.name for node in graph.nodes if node.kind in SOURCES]
        for name in replaced:
            if name not in sources:
                raise SignalError(
                    f"evaluate: no source is called {name!r}; {nearest(name, sources)}"
                )
    on: dict[int, Any] = {} if known is None else Known(known)
    intercepts, actions = dict(intercept or {}), actions or Actions()
    results: dict[str, np.ndarray] = {}
    for loop, nodes in groupby(graph.nodes, lambda node: node.loop if node.folded else None):
        if loop is not None:
            _LoopRun(nodes, len(graph.loops[loop].steps), on, everything, intercepts, actions).run()
            continue
        for node in Interruptible(nodes):
            if node.kind in SOURCES:
                on[node.outputs[0]] = _source(graph, node, replaced)
            elif node.kind is Kind.OUTPUT:
                results[node.name] = whole(on[node.inputs[0]])
            else:
                actions(node)(on, None)
            _intercept(intercepts, node, None, on)
    if everything:
        return {graph.wires[wire].name: whole(value) for wire, value in on.items() if wire >= 0}
    return results


class Known(dict[int, Any]):
    """The signals on wires: computed ones first, and behind them known ones.

    Parameters
    ----------
    signals : mapping of a wire to its signal
    step : int, optional
        At which step of a loop the known signals are read.
    """

    def __init__(self, signals: Mapping[int, Any], step: int | None = None) -> None:
        super().__init__()
        self.signals, self.step = signals, step

    def __missing__(self, wire: int) -> Any:
        signal = self.signals[wire]
        return signal if self.step is None else signal[self.step]


class _LoopRun:
    """The run of a loop: of its nodes at each step, and of the border around them.

    Parameters
    ----------
    nodes : those of the loop
    count : int
        The number of steps.
    on : dict of int to array
        The signals so far, by wire; those that leave the loop are added to it.
    everything : bool
        Whether to add those that do not leave it, too.
    intercepts : mapping of a wire to (step, value) -> value
    actions : Actions
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        count: int,
        on: dict[int, Any],
        everything: bool,
        intercepts: dict[int, Intercept],
        actions: Actions,
    ) -> None:
        self.intercepts, self.actions = intercepts, actions
        self.nodes, self.count, self.on, self.everything = list(nodes), count, on, everything
        self.delays = [node for node in self.nodes if node.kind in DELAYS]
        self.inside = [node for node in self.nodes if node.kind not in DELAYS]
        self.series: dict[int, list[Any]] = {}  # what is kept of every step, by wire
        self.sums: dict[int, Any] = {}  # what is summed over the steps, by wire

    def run(self) -> None:
        backwards = any(node.kind is Kind.ADVANCE for node in self.delays)
        held = [self._initial(node) for node in self.delays]
        acts = [(node, self._act(node), self._is_watched(node)) for node in self.inside]
        for step in reversed(range(self.count)) if backwards else range(self.count):
            now = Known(self.on, step) if isinstance(self.on, Known) else dict[int, Any]()
            for node, value in zip(self.delays, held, strict=True):
                now[node.outputs[0]] = value
                _intercept(self.intercepts, node, step, now, 1)
            for node, act, is_watched in Interruptible(acts):
                act(now, step)
                if is_watched:
                    _intercept(self.intercepts, node, step, now)
            held = [self._next(node, now) for node in self.delays]
            if self.everything:
                for wire, value in now.items():
                    self._keep(wire, step, whole(value))
        for node, value in zip(self.delays, held, strict=True):
            if node.transposed:
                self.on[node.outputs[1]] = value
        self.on.update(self.sums)
        for wire, values in self.series.items():
            self.on[wire] = np.stack(values)
        for node in self.nodes if self.intercepts else ():
            _intercept(self.intercepts, node, None, self.on)

    def _act(self, node: Node) -> Action:
        if node.kind in BORDERS:
            return lambda now, step: self._cross(step, node, now)
        return self.actions(node)

    def _is_watched(self, node: Node) -> bool:
        return bool(self.intercepts) and any(wire in self.intercepts for wire in node.outputs)

    def _initial(self, node: Node) -> np.ndarray:
        """Return the signal that a delay holds before its first step."""
        is_given = not node.transposed and node.inputs[1] >= 0
        return whole(self.on[node.inputs[1]]) if is_given else node.gain

    @staticmethod
    def _next(node: Node, now: dict[int, Any]) -> np.ndarray:
        """Return the signal that a delay holds at the next step: 0, if no wire leads to it."""
        return whole(now[node.inputs[0]]) if node.inputs[0] >= 0 else node.gain

    def _cross(self, step: Any, node: Node, now: dict[int, Any]) -> None:
        """Bring a signal into the loop, or out of it, at one step."""
        (into,), (wire,) = node.inputs, node.outputs
        inwards = not node.leaves_loop
        value = whole((self.on if inwards else now)[into])
        if node.kind is Kind.HOLD and inwards:
            now[wire] = value
        elif node.kind is Kind.HOLD:
            self.sums[wire] = self.sums[wire] + value if wire in self.sums else value
        elif node.kind is Kind.COLLECT:
            if inwards:
                now[wire] = value[step]
            else:
                self._keep(wire, step, value)
        elif inwards:
            now[wire] = value[node.parameters["index"].values[step]]
        else:
            if wire not in self.sums:
                self.sums[wire] = np.zeros(node.shapes[0], value.dtype)
            index = node.parameters["index"].values[step]
            Region(node.shapes[0], index, value, node.operation).add_to(self.sums[wire], 1)

    def _keep(self, wire: int, step: int, value: Any) -> None:
        self.series.setdefault(wire, [None] * self.count)[step] = value


def _intercept(
    intercepts: dict[int, Intercept],
    node: Node,
    step: int | None,
    on: dict[int, Any],
    ports: int | None = None,
) -> None:
    """Replace the signals of a node by the results of their intercepts."""
    if intercepts:
        for wire in node.outputs[:ports]:
            if wire in intercepts and wire in on:
                on[wire] = intercepts[wire](step, whole(on[wire]))


def _source(graph: Flow, node: Node, replaced: dict[str, Any]) -> Any:
    recorded = graph.wires[node.outputs[0]].value
    if node.name not in replaced:
        return recorded
    value = np.asarray(replaced[node.name])
    if recorded is not None and value.shape != np.shape(recorded):
        raise ShapeError(
            f"evaluate: {node.name} has shape {value.shape}, expected {np.shape(recorded)}"
        )
    return value
