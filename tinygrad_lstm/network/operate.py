"""The action of a node on its operands, prepared once for all steps and all runs.

Knows nodes and primitives; no graph, and no border of a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine.kind import Kind
from ..engine.kinds import reduced_shape
from ..engine.numerics import total
from ..engine.primitive import Primitive
from .flow import Node
from .parameters import varying

# (signals by wire, step or None) -> None: takes a node's operands, and adds the signals it makes
Action = Callable[[dict[int, Any], int | None], None]
RuleOfOne = Callable[[np.ndarray, Any], Any]  # (operand, gain) -> signal


class Actions:
    """The actions of nodes, each prepared when it is first asked for.

    Parameters
    ----------
    nodes : sequence of Node
        The nodes whose actions are stored, for the runs of all graphs that share these nodes.
    """

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self.nodes = nodes  # while they are here, no other node gets the id of one
        self.prepared: dict[int, Action | None] = dict.fromkeys(map(id, nodes))

    def __contains__(self, node: Node) -> bool:
        return id(node) in self.prepared

    def __call__(self, node: Node) -> Action:
        action = self.prepared.get(id(node))
        if action is None:
            action = action_of(node)
            if node in self:
                self.prepared[id(node)] = action
        return action


def action_of(node: Node) -> Action:
    """Return what a node does, outside of loops or at a step of its loop."""
    if not node.residuals and not varying(node.parameters):
        return _action(node)
    actions: dict[int | None, Action] = {}

    def act(on: dict[int, Any], step: int | None) -> None:
        if step not in actions:
            actions[step] = _action(node if step is None else node.at(step))
        actions[step](on, step)

    return act


def _action(node: Node) -> Action:
    gain, inputs, outputs = node.gain, node.inputs, node.outputs
    is_timed = node.folded and np.ndim(gain) > 0  # a number is the gain of every step
    is_whole = all(wire >= 0 for wire in inputs)
    if node.kind not in (Kind.JUNCTION, Kind.BRANCH, Kind.JOIN) and len(inputs) == is_whole == 1:
        make, (into,), (out,) = _rule_of_one(node), inputs, outputs

        def act_on_one(on: dict[int, Any], step: int | None) -> None:
            x = on[into]
            on[out] = make(x.whole() if type(x) is Region else x, gain[step] if is_timed else gain)

        return act_on_one
    make_all, shapes = _rule_of_several(node), node.shapes

    def act(on: dict[int, Any], step: int | None) -> None:
        if is_whole:
            operands = [on[wire] for wire in inputs]
        else:  # zeros where no wire comes in, as in a split's transpose
            operands = [on[w] if w >= 0 else np.zeros(shapes[at]) for at, w in enumerate(inputs)]
        on.update(zip(outputs, make_all(operands), strict=True))

    return act


def _rule_of_several(node: Node) -> Callable[[list[Any]], Sequence[Any]]:
    """Return the signals of a node, one for each output, as a function of its operands."""
    signs, shapes, parameters = node.signs, node.shapes, dict(node.parameters)
    if node.kind is Kind.JUNCTION:
        return lambda operands: [signed_sum(operands, signs)]
    if node.kind is Kind.BRANCH:

        def branches(operands: list[Any]) -> list[Any]:
            x = whole(operands[0])
            return [x if sign > 0 else -x for sign in signs]

        return branches
    primitive = node.operation
    if node.kind is Kind.JOIN and node.transposed:

        def pieces(operands: list[Any]) -> list[Any]:
            x = whole(operands[0])
            blanks = [_blank(shape, x.dtype) for shape in shapes]
            return primitive.vjp(x, None, blanks, (True,) * len(shapes), parameters)

        return pieces
    forward = primitive.forward
    return lambda operands: [np.asarray(forward(*map(whole, operands), **parameters))]


def _rule_of_one(node: Node) -> RuleOfOne:
    """Return the signal of a node as a function of its only operand and of its gain."""
    if node.kind in _RULES:
        return _RULES[node.kind](node)
    primitive, parameters = node.operation, dict(node.parameters)
    forward = primitive.forward
    if node.kind not in (Kind.LINEAR, Kind.BROADCAST) or not node.transposed:
        return lambda x, gain: np.asarray(forward(x, **parameters))
    shape, transposed = node.shapes[0], primitive.transposed
    if primitive.is_part:
        return lambda x, gain: Region(shape, parameters["index"], x, primitive)
    return lambda x, gain: transposed(x, _blank(shape, x.dtype), **parameters)


def _gain(node: Node) -> RuleOfOne:
    return node.scale


def _matrix(node: Node) -> RuleOfOne:
    """Return a product with the partner, or the cotangent that a factor has by its own rule."""
    port, forward, cotangent = node.port, node.operation.forward, node.operation.cotangent
    if not node.transposed:
        return (lambda x, w: forward(w, x)) if port else (lambda x, w: forward(x, w))
    shape = node.shapes[port]
    if port:
        return lambda ct, a: cotangent(1, ct, a, _blank(shape, ct.dtype))
    return lambda ct, b: cotangent(0, ct, _blank(shape, ct.dtype), b)


def _jacobian(node: Node) -> RuleOfOne:
    """Return the sum of the slopes' shares along an axis, or each entry's slope times δ."""
    scale, axis = node.scale, node.parameters.get("axis")
    keepdims = node.parameters.get("keepdims", False)
    if node.transposed:
        shape = node.shapes[0]
        return lambda ct, slopes: scale(ct.reshape(reduced_shape(shape, axis)), slopes)
    return lambda x, slopes: total(scale(x, slopes), axis, keepdims)


def _pullback(node: Node) -> RuleOfOne:
    """Return the cotangent of an operand of a matrix function; turned once more, its tangent."""
    *xs, y = node.residuals
    primitive, port, scale = node.operation, node.port, node.scale
    needs, parameters = [at == port for at in range(len(xs))], dict(node.parameters)

    def pull(x: np.ndarray, gain: Any) -> Any:
        if node.transposed:
            return scale(primitive.vjp(x, y, xs, needs, parameters)[port], 1)
        return scale(primitive.jvp([x if n else None for n in needs], y, xs, parameters), 1)

    return pull


_RULES: dict[Kind, Callable[[Node], RuleOfOne]] = {
    Kind.GAIN: _gain, Kind.MATRIX: _matrix, Kind.JACOBIAN: _jacobian, Kind.PULLBACK: _pullback,
}  # fmt: skip


@lru_cache(maxsize=256)  # asked for at every step
def _blank(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of a shape for a rule that asks for nothing else, without filling it."""
    return np.broadcast_to(np.zeros((), dtype), shape)


class Region(NamedTuple):
    """The transpose of taking a part, not yet added to anything."""

    shape: tuple[int, ...]
    at: Any
    part: np.ndarray
    taker: Primitive

    def add_to(self, total: np.ndarray, sign: int) -> None:
        """Add it to the whole, in place."""
        part = self.part if sign > 0 else -self.part
        if self.taker.add_part is not None:
            self.taker.add_part(total, self.at, part)
        else:
            total[self.at] += part

    def whole(self) -> np.ndarray:
        """Return the part amid zeros."""
        return signed_sum([self], (1,))


def whole(value: Any) -> np.ndarray:
    """Return a signal as an array."""
    return value.whole() if type(value) is Region else value


def signed_sum(terms: list[Any], signs: tuple[int, ...]) -> np.ndarray:
    """Return a signed sum; parts are added into one buffer, so that T of them cost T, not T²."""
    total = None
    for term, sign in zip(terms, signs, strict=True):
        if type(term) is not Region:
            if total is None:
                total = term if sign > 0 else sign * term  # a truth value has no negative
            else:
                total = total + term if sign > 0 else total - term
    parts = [pair for pair in zip(terms, signs, strict=True) if type(pair[0]) is Region]
    if parts:
        first = parts[0][0]
        total = np.zeros(first.shape, first.part.dtype) if total is None else np.array(total)
        for part, sign in parts:
            part.add_to(total, sign)
    assert total is not None
    return np.asarray(total)
