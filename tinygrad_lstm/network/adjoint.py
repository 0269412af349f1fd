"""Wan and Beaufays' rules: a signal-flow graph transposed into its adjoint network.

E. A. Wan and F. Beaufays, "Diagrammatic derivation of gradient algorithms for neural networks",
Neural Computation 8(1), 1996, pp. 182-201. Reverse every arrow, call every signal δ, and exchange:

    in the network                      in the adjoint network
    summing junction                    branch point
    branch point                        summing junction
    function of one signal              gain f'(s)
    function of several, product        branch point, and a gain for each operand
    product with a matrix               the same matrix, transposed
    reduction F                         its transposed Jacobian
    function of matrices                branch point, and the pullback to each operand
    linear map                          its transpose
    join                                split, and back
    delay                               advance
    tap, hold, collect of a loop        their transposes: hold's is the sum over the steps
    output                              input
    input, parameter                    output

Knows graphs and the table's rules, which it runs twice: on the recorded values, for the number of a
gain, and on Symbols, for its label. A signal that no input and no parameter leads to has no δ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.symbol import Symbol
from .flow import BORDERS, DELAYS, SOURCES, AnyFlow, Flow, Node, Wire, reachable


def adjoint(graph: AnyFlow) -> AnyFlow:
    """Return the adjoint network of a graph, whose gains are taken at the recorded values.

    Its inputs are δ of the graph's outputs, 1 unless `evaluate` is given something else; its
    outputs are δ of the graph's inputs and parameters. Wires keep their places in the list; a
    branch point or a junction of which one arm is left is a plain wire, and ``continued`` of the
    adjoint network says of which.

    Parameters
    ----------
    graph : Flow
        Not changed.

    Returns
    -------
    The same type
    """
    return cast(AnyFlow, _Transposition(graph).result())


class _Transposition:
    def __init__(self, graph: Flow) -> None:
        self.graph = graph
        self.wires = [Wire(delta(wire.name)) for wire in graph.wires]
        self.nodes: list[Node] = []
        self.alive = alive(graph)
        self.signal = {
            wire: node.stem if node.kind is Kind.HOLD else node.name  # the same at every step
            for node in graph.nodes
            for wire in node.outputs
        }
        self.same: dict[int, int] = {}  # a wire -> the wire that it is a plain continuation of

    def result(self) -> Flow:
        for node in Interruptible(reversed(self.graph.nodes)):
            if node.kind is Kind.OUTPUT and node.inputs[0] in self.alive:
                self._driven(node)
            elif node.kind in SOURCES:
                if node.outputs[0] in self.alive:
                    self._add(Node(Kind.OUTPUT, self._ct(node), (), delta(node.name)), node)
            elif any(wire in self.alive for wire in node.inputs):
                _RULES[node.kind](self, node)
        return replace(
            self.graph, nodes=tuple(self.nodes), wires=tuple(self.wires), continued=self.same
        )

    # --- the table -------------------------------------------------------------------------------

    def _driven(self, node: Node) -> None:
        """Turn an output into an input, driven by 1."""
        (wire,) = node.inputs
        value = self.graph.wires[wire].value
        one = None if value is None else np.ones(np.shape(value), np.asarray(value).dtype)
        self.wires[wire] = replace(self.wires[wire], value=one)
        self._add(Node(Kind.INPUT, (), (wire,), delta(node.name)), node)

    def _junction(self, node: Node) -> None:
        """Turn a summing junction into a branch point."""
        arms = [arm for arm in zip(node.inputs, node.signs, strict=True) if arm[0] in self.alive]
        (ct,) = self._ct(node)
        if len(arms) == 1 and arms[0][1] > 0:
            self.same[arms[0][0]] = ct
        else:
            self._fork(node, *zip(*arms, strict=True))

    def _branch(self, node: Node) -> None:
        """Turn a branch point into a summing junction."""
        arms = [
            (self._from(wire), sign)
            for wire, sign in zip(node.outputs, node.signs, strict=True)
            if wire in self.alive
        ]
        (into,) = node.inputs
        if len(arms) == 1 and arms[0][1] > 0:
            self.same[into] = arms[0][0]
            return
        wires, signs = zip(*arms, strict=True)
        self._add(Node(Kind.JUNCTION, wires, (into,), delta(node.name), signs=signs), node)

    def _elementwise(self, node: Node) -> None:
        """Turn a function into a gain for each operand: its partial."""
        values = [self.graph.wires[wire].value for wire in node.inputs]
        symbols = [Symbol(self.signal[wire]) for wire in node.inputs]
        y, name = self.graph.wires[node.outputs[0]].value, Symbol(node.name)
        for wire, rule in self._operands(node, node.operation.rules):
            gain = gain_of(node, node.inputs.index(wire), values, y)
            gain_node = self._gain_to(wire, gain, rule(*symbols, name))
            gain_node.scale = node.operation.scale
            self._add(gain_node, node)

    def _bilinear(self, node: Node) -> None:
        """Turn a product into two crossed gains, or a weight into its transpose."""
        values = [self.graph.wires[wire].value for wire in node.inputs]
        symbols = [Symbol(self.signal[wire]) for wire in node.inputs]
        for wire, port in self._operands(node, range(2)):
            value, label = gain_of(node, port, values, None), node.operation.gains[port](*symbols)
            if node.operation.is_entrywise:
                self._add(self._gain_to(wire, value, label), node)
            else:
                self._add(
                    Node(Kind.MATRIX, (self.arms[wire],), (wire,), delta(self.signal[wire]),
                         node.operation, transposed=True, gain=value, label=label, port=port,
                         shapes=node.shapes), node
                )  # fmt: skip

    def _reduction(self, node: Node) -> None:
        """Turn a reduction into its transposed Jacobian, never formed: its slopes."""
        (wire,) = node.inputs
        x, y = self.graph.wires[wire].value, self.graph.wires[node.outputs[0]].value
        slopes = gain_of(node, 0, [x], y)
        jacobian = node.turned(self._ct(node), (wire,), delta(node.name))
        jacobian.kind, jacobian.gain, jacobian.scale = Kind.JACOBIAN, slopes, node.operation.scale
        self._add(jacobian, node)

    def _matrix_function(self, node: Node) -> None:
        """Turn a function of matrices into its pullback to each operand: the rule itself."""
        primitive = node.operation
        wires = (*node.inputs, node.outputs[0])
        values = tuple(self.graph.wires[wire].value for wire in wires)
        symbols = [Symbol(self.signal[wire]) for wire in node.inputs]
        δ, y = Symbol(delta(node.name)), Symbol(node.name)
        for wire, port in self._operands(node, range(len(node.inputs))):
            needs = [k == port for k in range(len(symbols))]
            label = primitive.vjp(δ, y, symbols, needs, dict(node.at(0).parameters))[port]
            self._add(
                Node(Kind.PULLBACK, (self.arms[wire],), (wire,), delta(self.signal[wire]),
                     primitive, node.parameters, transposed=True, residuals=values, label=label,
                     port=port, shapes=node.shapes), node
            )  # fmt: skip

    def _delay(self, node: Node) -> None:
        """Turn a delay into an advance, and an advance into a delay; it starts from zeros."""
        kind = Kind.ADVANCE if node.kind is Kind.DELAY else Kind.DELAY
        ports = tuple(wire if wire in self.alive else -1 for wire in node.inputs)
        turned = node.turned(self._ct(node), ports, delta(node.name))
        turned.kind = kind
        if not node.transposed:
            value = self.graph.wires[node.outputs[0]].value
            turned.gain = np.zeros_like(value[0])
        else:
            turned.outputs = (node.inputs[0],)
            turned.inputs = tuple(self._from(wire) for wire in node.outputs)
        self._add(turned, node)

    def _join(self, node: Node) -> None:
        """Turn a join into a split, and a split into a join."""
        outputs = tuple(wire if wire in self.alive else -1 for wire in node.inputs)
        inputs = tuple(self._from(wire) for wire in node.outputs)
        self._add(node.turned(inputs, outputs, delta(node.name)), node)

    # --- how the rules are carried out -----------------------------------------------------------

    def _turn(self, node: Node) -> None:
        """Turn a linear map into its transpose; that of a gain is itself."""
        ct = self._ct(node)
        self._add(node.turned(ct, node.inputs, delta(node.name)), node)

    def _add(self, node: Node, old: Node) -> None:
        node.scope, node.step, node.loop = old.scope, old.step, old.loop
        node.stem = delta(old.stem)
        self.nodes.append(node)

    def _from(self, wire: int) -> int:
        return self.same.get(wire, wire)

    def _ct(self, node: Node) -> tuple[int, ...]:
        """Return the wire that brings the δ of a node's signal."""
        return (self._from(node.outputs[0]),)

    def _fork(self, node: Node, wires: tuple[int, ...], signs: tuple[int, ...]) -> None:
        """Pass the δ of a node's signal to several wires, through a branch point."""
        name = delta(node.name)
        self._add(Node(Kind.BRANCH, self._ct(node), wires, name, signs=signs), node)

    def _operands(self, node: Node, rules: Any) -> list[tuple[int, Any]]:
        """Return the operands that have a δ, each with its rule, and branch δ to them."""
        live = [(w, rule) for w, rule in zip(node.inputs, rules, strict=True) if w in self.alive]
        self.arms = dict.fromkeys((wire for wire, _ in live), self._ct(node)[0])
        if len(live) > 1:
            for wire, _ in live:
                self.wires.append(Wire(f"{delta(node.name)} → {delta(self.signal[wire])}"))
                self.arms[wire] = len(self.wires) - 1
            self._fork(node, tuple(self.arms.values()), (1,) * len(self.arms))
        return live

    def _gain_to(self, wire: int, gain: Any, label: Any) -> Node:
        """Return the gain on the way to an operand."""
        name = delta(self.signal[wire])
        return Node(Kind.GAIN, (self.arms[wire],), (wire,), name, gain=gain, label=label)


def gain_of(node: Node, port: int, operands: Sequence[Any], y: Any) -> Any:
    """Return the gain on the way back to an operand of a function, a product or a reduction.

    Of a product of matrices, the other operand.

    Parameters
    ----------
    node : Node
    port : int
        Which operand.
    operands : the values of all of them; inside a folded loop of T steps (T, ...)
    y : array
        The value of what the node makes of them.
    """
    if node.kind is Kind.BILINEAR:
        is_number = node.operation.is_entrywise
        return node.operation.gains[port](*operands) if is_number else operands[1 - port]
    rule = node.operation.rules[port]
    assert rule is not None
    if node.kind is Kind.ELEMENTWISE:
        gain = rule(*operands, y)
        # a rule may give one number for all entries, and each step reads its own
        return np.broadcast_to(gain, np.shape(y)) if node.folded and not np.ndim(gain) else gain
    if not node.folded:
        return rule(*operands, y, node.parameters.get("axis"))
    return np.stack([
        rule(*values, node.at(step).parameters.get("axis"))
        for step, values in enumerate(zip(*operands, y, strict=True))
    ])  # fmt: skip


_RULES: dict[Kind, Callable[[_Transposition, Node], None]] = {
    Kind.JUNCTION: _Transposition._junction,
    Kind.BRANCH: _Transposition._branch,
    Kind.ELEMENTWISE: _Transposition._elementwise,
    Kind.BILINEAR: _Transposition._bilinear,
    Kind.REDUCTION: _Transposition._reduction,
    Kind.JOIN: _Transposition._join,
    Kind.MATRIX_FUNCTION: _Transposition._matrix_function,
    **dict.fromkeys(DELAYS, _Transposition._delay),
    **dict.fromkeys((Kind.LINEAR, Kind.BROADCAST, *BORDERS), _Transposition._turn),
    **dict.fromkeys((Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.PULLBACK), _Transposition._turn),
}


def delta(name: str) -> str:
    """Return the name of a signal's δ; of a δ, the signal's.

    >>> delta("lstm.out[0]"), delta("δlstm.out[0]"), delta("δ")
    ('δlstm.out[0]', 'lstm.out[0]', 'δδ')
    """
    is_delta = len(name) > 1 and name.startswith("δ")
    return name[1:] if is_delta else f"δ{name}" if name else ""


def alive(graph: Flow) -> set[int]:
    """Return the wires that have a δ: those on a way from an input or a parameter to an output."""
    starts = [node for node in graph.nodes if node.kind in (Kind.INPUT, Kind.PARAMETER)]
    ends = [node for node in graph.nodes if node.kind is Kind.OUTPUT]

    def after(wire: int) -> list[int]:
        users = [user for user in graph.users.get(wire, ()) if wire in _differentiable_inputs(user)]
        return [out for user in users for out in user.outputs]

    def before(wire: int) -> Sequence[int]:
        return _differentiable_inputs(graph.maker[wire]) if wire in graph.maker else ()

    ahead = reachable([wire for start in starts for wire in start.outputs], after)
    leading = reachable([wire for end in ends for wire in end.inputs], before)
    return ahead & leading


def _differentiable_inputs(node: Node) -> Sequence[int]:
    """Return the wires from which a derivative passes through a node."""
    if node.kind is Kind.CUT:
        return []
    if node.kind is Kind.ELEMENTWISE:
        rules = zip(node.inputs, node.operation.rules, strict=True)
        return [wire for wire, rule in rules if rule is not None]
    return node.inputs
