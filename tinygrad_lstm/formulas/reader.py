"""The one reader: the nodes of a network as formulas.

A formula is a Symbol over named signals. The reader runs the forward functions and the derivative
rules of the table on Symbols. It decides what a formula says; how a formula is printed is decided
where it is printed. The explanation of a gradient, the equations of a diagnosis and the labels of a
picture differ in what they call signals, and in nothing else.

Knows networks and the table of primitives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import ATOM, COMPARE, ITEM, PREFIX, Notation, Symbol
from ..network.flow import DELAYS, Flow, Node, number_in_formula
from .rewriting import rewrite

# the nodes that hand a signal on as it is
PASSING = (Kind.BRANCH, Kind.BROADCAST, Kind.HOLD)


def _operator(text: str, latex: str) -> Notation:
    return Notation(f"{text} {{0}}", f"{latex} \\, {{0}}", PREFIX, (PREFIX,))


def _phrase(words: str) -> Notation:
    return Notation(f"{{0}}{words}", rf"{{0}}\text{{{{{words}}}}}", COMPARE, (COMPARE,))


BEFORE, AFTER = _operator("q⁻¹", "q^{{-1}}"), _operator("q⁺¹", "q^{{+1}}")
# a delay, or the border of a loop, at any step k: the signal, and the δ of each operand
CROSSING = {
    Kind.DELAY: (BEFORE, (AFTER, _phrase(" at the first step"))),
    Kind.ADVANCE: (AFTER, (BEFORE, _phrase(" at the last step"))),
    Kind.TAP: (ITEM, (_phrase(" of every step k, in its place"),)),
    Kind.COLLECT: (_phrase(" of every step k"), (_phrase("[k]"),)),
    Kind.HOLD: (_operator("Σₖ", r"\sum_k"), (_phrase(", the same at every step k"),)),
}


class Variable(Symbol):
    """A signal of a network, or its δ, in a formula.

    Attributes
    ----------
    wire : int
        The wire of the network that carries the signal.
    step : int or None
        The step of the folded loop, counted from 0 in time; None for any step k, or outside.
    is_delta : bool
        Whether δ of the signal is meant.
    offset : int or None
        The step counted from any step k: -1 is the step before; None if it is not counted so.
    """

    __slots__ = ("wire", "step", "is_delta", "offset")

    def __init__(
        self,
        name: str,
        value: Any,
        wire: int,
        step: int | None = None,
        is_delta: bool = False,
        offset: int | None = None,
    ) -> None:
        super().__init__(name, value)
        self.wire, self.step, self.is_delta, self.offset = wire, step, is_delta, offset


class Dated(Variable):
    """A signal, or its δ, at one step, which is told with its name: x₀."""

    __slots__ = ()


class Reader:
    """Reads formulas off a network, at one step of its folded loops or at any step k.

    Parameters
    ----------
    network : Flow
    name : (wire, step) -> str or None
        What the signal on a wire is called. None for a signal that is written out: as the formula
        of the node that makes it, or as the signal that the node hands on.
    """

    def __init__(self, network: Flow, name: Callable[[int, int | None], str | None]) -> None:
        self.network, self.name = network, name
        self.maker = network.maker
        self._variables: dict[tuple[str, int, int | None, tuple[int, ...]], Variable] = {}

    # --- the network forward ---------------------------------------------------------------------

    def signal(self, wire: int, step: int | None = None) -> Any:
        """Return the signal on a wire as it stands in a formula: a Symbol, or a plain number."""
        node, value = self.origin(wire, step), self.value(wire, step)
        whole = value if step is not None else self.network.wires[wire].value
        number = number_in_formula(node, wire, self.network.user, whole)
        return self._by_name(wire, step, value) if number is None else number

    def formula(self, node: Node, step: int | None = None) -> Any:
        """Return the formula of a node; the formula shows no broadcast of an operand."""
        wires = [
            self.maker[wire].inputs[0] if self.maker[wire].kind is Kind.BROADCAST else wire
            for wire in node.inputs
        ]
        if step is None and node.kind in CROSSING:
            return _cross(CROSSING[node.kind][0], self.signal(wires[0]), node)
        xs = [self.signal(wire, step) for wire in wires]
        if not node.works_by_entry and node.kind is not Kind.BROADCAST:  # which asks for shapes
            shapes = (np.shape(self.value(wire, step)) for wire in node.inputs)
            xs = [spread(x, shape) for x, shape in zip(xs, shapes, strict=True)]
        if node.kind is Kind.JUNCTION:
            return _signed_sum(node.signs, xs)
        if node.kind is Kind.BROADCAST:
            return xs[0]
        return node.operation(*xs, **(node if step is None else node.at(step)).parameters)

    def origin(self, wire: int, step: int | None = None) -> Node:
        """Return the node that makes the signal on a wire; nodes that pass it on are skipped."""
        node = self.maker[wire]
        while not node.transposed and (
            node.kind in PASSING or (step is not None and node.kind is Kind.TAP)
        ):
            node = self.maker[node.inputs[0]]
        return node

    def step_read(self, node: Node) -> tuple[int, int] | None:
        """Return the signal in a loop, and the step, that a node reads from the collected steps."""
        index = node.parameters.get("index")
        if node.kind is not Kind.LINEAR or not isinstance(index, int) or node.transposed:
            return None
        steps = self.network.source(node.inputs[0], (Kind.BRANCH,))
        if steps.kind is not Kind.COLLECT or steps.transposed:
            return None
        return steps.inputs[0], index % len(self.network.wires[steps.outputs[0]].value)

    def value(self, wire: int, step: int | None = None) -> Any:
        """Return the value on a wire at a step; for any step k the first, which has the shape."""
        value = self.network.wires[wire].value
        if value is None or (step is None and not self.maker[wire].is_timed):
            return value
        return np.asarray(value)[step or 0]

    def variable(self, name: str, wire: int, step: int | None, value: Any) -> Variable:
        """Return a signal by its name; the same object for the same signal."""
        key = name, wire, step, np.shape(value)
        if key not in self._variables:
            self._variables[key] = Variable(name, value, wire, step)
        return self._variables[key]

    def _by_name(self, wire: int, step: int | None, value: Any) -> Any:
        name = self.name(wire, step)
        if name is not None:
            return self.variable(name, wire, step, value)
        node = self.maker[wire]
        if node.kind in (*PASSING, Kind.COLLECT):
            signal = self._by_name(node.inputs[0], None if node.kind is Kind.HOLD else step, value)
            return spread(signal, np.shape(value)) if node.kind is Kind.BROADCAST else signal
        if step is not None and node.kind in DELAYS:
            before = step - (1 if node.kind is Kind.DELAY else -1)
            if 0 <= before < len(self.network.wires[wire].value):
                return self._by_name(node.inputs[0], before, value)
            return self._by_name(node.inputs[1], None, value)
        if step is not None and node.kind is Kind.TAP:
            whole = self._by_name(node.inputs[0], None, self.value(node.inputs[0]))
            return whole[node.at(step).parameters["index"]]
        if (read := self.step_read(node)) is not None:
            return self._by_name(*read, value)
        return self.write_out(node, step)

    def write_out(self, node: Node, step: int | None) -> Any:
        """Return the formula of the node that makes a signal without a name."""
        return self.formula(node, step)

    # --- and backward ----------------------------------------------------------------------------

    def gain(self, node: Node, port: int, step: int | None = None) -> Any:
        """Return ∂y/∂x of an operand, or None for a linear map, which is its own derivative."""
        if node.kind is Kind.JUNCTION:
            return float(node.signs[port])
        primitive = node.primitive
        if primitive is None or node.kind not in (Kind.ELEMENTWISE, Kind.BILINEAR, Kind.REDUCTION):
            return None
        xs = [self.signal(wire, step) for wire in node.inputs]
        if node.kind is Kind.BILINEAR:
            return primitive.gains[port](*xs)
        rule = primitive.rules[port]
        if rule is None:
            return None
        y = self.result(node, step)
        if node.kind is Kind.REDUCTION:
            return rule(*xs, y, _at(node, step).parameters.get("axis"))
        return rule(*xs, y)

    def back(
        self,
        node: Node,
        port: int,
        δ: Any,
        step: int | None = None,
        factor: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Return δ of an operand as it follows from δ of the node's result.

        Parameters
        ----------
        node : Node
        port : int
            Which operand.
        δ : Symbol
        step : int, optional
        factor : (Symbol) -> Symbol, optional
            Applied to the factor of δ, if δ has one: marks it.
        """
        if node.kind is Kind.JUNCTION:
            return δ if node.signs[port] > 0 else -δ
        if step is None and node.kind in CROSSING:
            return _cross(CROSSING[node.kind][1][port], δ, node)
        primitive = node.operation
        xs = [self.signal(wire, step) for wire in node.inputs]
        if not node.works_by_entry:  # the rule of which asks for shapes
            shapes = (np.shape(self.value(wire, step)) for wire in node.inputs)
            xs = [spread(x, shape) for x, shape in zip(xs, shapes, strict=True)]
        if factor is not None and node.kind is Kind.ELEMENTWISE:
            return primitive.scale(δ, factor(self.gain(node, port, step)))
        if factor is not None and node.kind is Kind.BILINEAR:
            xs[1 - port] = factor(xs[1 - port])
        needs = [at == port for at in range(len(xs))]
        y = self.result(node, step)
        return primitive.vjp(δ, y, xs, needs, dict(_at(node, step).parameters))[port]

    def result(self, node: Node, step: int | None) -> Any:
        """Return the result of a node, as the node's own derivative writes it."""
        return self.signal(node.outputs[0], step)


def _at(node: Node, step: int | None) -> Node:
    """Return a node at a step; for any step k at the first step, but with its varying index."""
    return node if step is None and node.operation.is_part else node.at(step or 0)


def spread(formula: Any, shape: tuple[int, ...]) -> Any:
    """Return a formula that is broadcast to a shape, and printed as before."""
    value = formula.value if isinstance(formula, Symbol) else formula
    if value is None or np.shape(value) == shape:
        return formula
    level = getattr(formula.notation, "level", ATOM) if isinstance(formula, Symbol) else ATOM
    notation = Notation("{0}", "{0}", level, (level,), c="{0}")
    return Symbol.of(notation, lambda x: np.broadcast_to(x, shape), (formula,))


def _signed_sum(signs: tuple[int, ...], terms: list[Any]) -> Any:
    (sign, first), *rest = zip(signs, terms, strict=True)
    start = first if sign > 0 else -first
    return reduce(lambda a, b: a + b[1] if b[0] > 0 else a - b[1], rest, start)


def _cross(notation: Notation, operand: Any, node: Node) -> Symbol:
    """Return a signal that crosses steps, at any step k: it has no value of its own there."""
    return Symbol.of(notation, lambda *_, **__: None, (operand,), dict(node.parameters))


def leaves(formula: Any) -> list[Variable]:
    """Return the signals in a formula."""
    variables: dict[int, Variable] = {}

    def put(leaf: Any) -> Any:
        if isinstance(leaf, Variable):
            variables[id(leaf)] = leaf
        return leaf

    rewrite(formula, leaf=put)
    return list(variables.values())
