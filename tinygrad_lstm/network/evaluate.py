"""One interpreter for every graph, forward or adjoint, unrolled or folded.

Knows nodes and wires alone: a change of a node or a wire changes the result. A loop is run step by
step; a delay holds a value from one step to the next, and where there is an advance
the steps run backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..engine.kind import Kind
from ..engine.kinds import reduced_shape
from ..engine.limit import Interruptible
from ..engine.numerics import total
from ..engine.primitive import Primitive
from ..errors import ShapeError, SignalError, nearest
from .flow import BORDERS, DELAYS, SOURCES, Flow, Node

# (step, value) -> value: what goes on in place of a signal; the step counts from 0, None outside
Intercept = Callable[[int | None, np.ndarray], np.ndarray]


def evaluate(
    graph: Flow,
    values: Mapping[str, Any] | None = None,
    *,
    everything: bool = False,
    intercept: Mapping[int, Intercept] | None = None,
    known: Mapping[int, Any] | None = None,
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
    on: dict[int, Any] = {} if known is None else _Known(known)
    intercepts = dict(intercept or {})
    results: dict[str, np.ndarray] = {}
    for loop, nodes in groupby(graph.nodes, lambda node: node.loop if node.folded else None):
        if loop is not None:
            _LoopRun(nodes, len(graph.loops[loop].steps), on, everything, intercepts).run()
            continue
        for node in Interruptible(nodes):
            if node.kind in SOURCES:
                on[node.outputs[0]] = _source(graph, node, replaced)
            elif node.kind is Kind.OUTPUT:
                results[node.name] = _whole(on[node.inputs[0]])
            else:
                signals = _results(node, _operands(node, on), node.gain)
                on.update(zip(node.outputs, signals, strict=True))
            _intercept(intercepts, node, None, on)
    if everything:
        return {graph.wires[wire].name: _whole(value) for wire, value in on.items() if wire >= 0}
    return results


class _Known(dict[int, Any]):
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
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        count: int,
        on: dict[int, Any],
        everything: bool,
        intercepts: dict[int, Intercept],
    ) -> None:
        self.intercepts = intercepts
        self.nodes, self.count, self.on, self.everything = list(nodes), count, on, everything
        self.delays = [node for node in self.nodes if node.kind in DELAYS]
        self.inside = [node for node in self.nodes if node.kind not in DELAYS]
        self.series: dict[int, list[Any]] = {}  # what is kept of every step, by wire
        self.sums: dict[int, Any] = {}  # what is summed over the steps, by wire

    def run(self) -> None:
        backwards = any(node.kind is Kind.ADVANCE for node in self.delays)
        held = [self._initial(node) for node in self.delays]
        for step in reversed(range(self.count)) if backwards else range(self.count):
            now = _Known(self.on, step) if isinstance(self.on, _Known) else dict[int, Any]()
            for node, value in zip(self.delays, held, strict=True):
                now[node.outputs[0]] = value
                _intercept(self.intercepts, node, step, now, 1)
            for node in Interruptible(self.inside):
                self._at(step, node, now)
                _intercept(self.intercepts, node, step, now)
            held = [self._next(node, now) for node in self.delays]
            if self.everything:
                for wire, value in now.items():
                    self._keep(wire, step, _whole(value))
        for node, value in zip(self.delays, held, strict=True):
            if node.transposed:
                self.on[node.outputs[1]] = value
        self.on.update(self.sums)
        for wire, values in self.series.items():
            self.on[wire] = np.stack(values)
        for node in self.nodes if self.intercepts else ():
            _intercept(self.intercepts, node, None, self.on)

    def _initial(self, node: Node) -> np.ndarray:
        """Return the signal that a delay holds before its first step."""
        is_given = not node.transposed and node.inputs[1] >= 0
        return _whole(self.on[node.inputs[1]]) if is_given else node.gain

    @staticmethod
    def _next(node: Node, now: dict[int, Any]) -> np.ndarray:
        """Return the signal that a delay holds at the next step: 0, if no wire leads to it."""
        return _whole(now[node.inputs[0]]) if node.inputs[0] >= 0 else node.gain

    def _at(self, step: int, node: Node, now: dict[int, Any]) -> None:
        """Run a node at one step."""
        if node.kind in BORDERS:
            self._cross(step, node, now)
            return
        gain = None if node.gain is None else node.gain[step]
        signals = _results(node.at(step), _operands(node, now), gain)
        now.update(zip(node.outputs, signals, strict=True))

    def _cross(self, step: int, node: Node, now: dict[int, Any]) -> None:
        """Bring a signal into the loop, or out of it, at one step."""
        (into,), (wire,) = node.inputs, node.outputs
        inwards = not node.leaves_loop
        value = _whole((self.on if inwards else now)[into])
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
            _Region(node.shapes[0], index, value, node.operation).add_to(self.sums[wire], 1)

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
                on[wire] = intercepts[wire](step, _whole(on[wire]))


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


def _operands(node: Node, on: Mapping[int, Any]) -> list[Any]:
    """Return the operands of a node; zeros where no wire comes in, as in a split's transpose."""
    ports = enumerate(node.inputs)
    return [on[wire] if wire >= 0 else np.zeros(node.shapes[port]) for port, wire in ports]


def _results(node: Node, operands: list[Any], gain: Any) -> list[Any]:
    """Return the results of a node, one for each output."""
    if node.kind is Kind.JUNCTION:
        return [_sum(operands, node.signs)]
    ins = [_whole(value) for value in operands]
    if node.kind is Kind.BRANCH:
        return [ins[0] if sign > 0 else -ins[0] for sign in node.signs]
    if node.kind is Kind.GAIN:
        return [node.scale(ins[0], gain)]
    if node.kind is Kind.MATRIX:
        return [_matrix(node, ins[0], gain)]
    if node.kind is Kind.JACOBIAN:
        return [_jacobian(node, ins[0], gain)]
    if node.kind is Kind.PULLBACK:
        return [node.scale(_pull(node, ins[0]), 1)]
    primitive = node.operation
    if node.kind is Kind.JOIN and node.transposed:
        return primitive.vjp(ins[0], None, [_blank(shape, ins[0].dtype) for shape in node.shapes],
                             (True,) * len(node.shapes), dict(node.parameters))  # fmt: skip
    if node.kind in (Kind.LINEAR, Kind.BROADCAST) and node.transposed:
        if primitive.is_part:
            return [_Region(node.shapes[0], node.parameters["index"], ins[0], primitive)]
        return [
            primitive.transposed(ins[0], _blank(node.shapes[0], ins[0].dtype), **node.parameters)
        ]
    return [np.asarray(primitive.forward(*ins, **node.parameters))]


def _matrix(node: Node, x: np.ndarray, partner: Any) -> Any:
    """Return the product with a partner; transposed, the cotangent by the product's own rule."""
    operands = [_blank(shape, x.dtype) for shape in node.shapes]
    operands[1 - node.port] = partner
    if node.transposed:
        needs = [port == node.port for port in range(2)]
        return node.operation.vjp(x, None, operands, needs)[node.port]
    operands[node.port] = x
    return node.operation.forward(*operands)


def _jacobian(node: Node, x: np.ndarray, slopes: Any) -> Any:
    axis = node.parameters.get("axis")
    if node.transposed:
        return node.scale(x.reshape(reduced_shape(node.shapes[0], axis)), slopes)
    return total(node.scale(x, slopes), axis, node.parameters.get("keepdims", False))


def _pull(node: Node, x: np.ndarray) -> Any:
    """Return the cotangent of an operand of a matrix function; transposed twice, its tangent."""
    *xs, y = node.residuals
    needs, parameters = [port == node.port for port in range(len(xs))], dict(node.parameters)
    if node.transposed:
        return node.operation.vjp(x, y, xs, needs, parameters)[node.port]
    return node.operation.jvp([x if need else None for need in needs], y, xs, parameters)


@lru_cache(maxsize=256)  # asked for at every step
def _blank(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of a shape, not filled: for a rule that reads the shape alone."""
    return np.broadcast_to(np.zeros((), dtype), shape)


class _Region(NamedTuple):
    """The transpose of taking a part, not yet added to anything."""

    shape: tuple[int, ...]
    at: Any
    part: np.ndarray
    taker: Primitive

    def add_to(self, whole: np.ndarray, sign: int) -> None:
        """Add the part to the whole, in place."""
        part = self.part if sign > 0 else -self.part
        if self.taker.add_part is not None:
            self.taker.add_part(whole, self.at, part)
        else:
            whole[self.at] += part


def _whole(value: Any) -> np.ndarray:
    return _sum([value], (1,)) if isinstance(value, _Region) else value


def _sum(terms: list[Any], signs: tuple[int, ...]) -> np.ndarray:
    """Return a signed sum; parts are added into one buffer, so that T of them cost T, not T²."""
    total = None
    for term, sign in zip(terms, signs, strict=True):
        if not isinstance(term, _Region):
            if total is None:
                total = term if sign > 0 else sign * term  # a truth value has no negative
            else:
                total = total + term if sign > 0 else total - term
    parts = [pair for pair in zip(terms, signs, strict=True) if isinstance(pair[0], _Region)]
    if parts:
        first = parts[0][0]
        total = np.zeros(first.shape, first.part.dtype) if total is None else np.array(total)
        for part, sign in parts:
            part.add_to(total, sign)
    assert total is not None
    return np.asarray(total)
