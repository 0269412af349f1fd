"""One interpreter for every graph, forward or adjoint.

Knows nodes and wires alone: what is cut or changed in them is cut or changed in the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import ShapeError, SignalError, nearest
from .flow import SOURCES, Flow, Node
from .primitive import Primitive, kept


def evaluate(
    graph: Flow, values: Mapping[str, Any] | None = None, *, everything: bool = False
) -> dict[str, np.ndarray]:
    """Run a graph, and return what comes out.

    Parameters
    ----------
    graph : Flow
    values : mapping of an input's, parameter's or constant's name to an array, optional
        Replaces what was recorded; of the same shape.
    everything : bool
        Return the signal on every wire, by the wire's name, instead of the outputs by theirs.

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
    given = dict(values or {})
    known = [node.name for node in graph.nodes if node.kind in SOURCES]
    for name in given:
        if name not in known:
            raise SignalError(f"evaluate: no source is called {name!r}; {nearest(name, known)}")
    on: dict[int, Any] = {}
    results: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        if node.kind in SOURCES:
            made = [_source(graph, node, given)]
        elif node.kind == "output":
            results[node.name] = _whole(on[node.inputs[0]])
            continue
        elif node.kind == "junction":
            made = [_sum([on[wire] for wire in node.inputs], node.signs)]
        else:
            made = _run(node, [_whole(on[wire]) for wire in node.inputs])
        on.update(zip(node.outputs, made, strict=True))
    if everything:
        return {graph.wires[wire].name: _whole(value) for wire, value in on.items() if wire >= 0}
    return results


def _source(graph: Flow, node: Node, given: dict[str, Any]) -> np.ndarray:
    recorded = graph.wires[node.outputs[0]].value
    if node.name not in given:
        return recorded
    value = np.asarray(given[node.name])
    if recorded is not None and value.shape != np.shape(recorded):
        raise ShapeError(
            f"evaluate: {node.name} has shape {value.shape}, expected {np.shape(recorded)}"
        )
    return value


def _run(node: Node, ins: list[np.ndarray]) -> list[Any]:
    """Return what a node makes of what comes in, one array for each of its outputs."""
    if node.kind == "branch":
        return [ins[0] if sign > 0 else -ins[0] for sign in node.signs]
    if node.kind == "gain":
        return [node.gain * ins[0]]
    if node.kind == "matrix":
        return [_matrix(node, ins[0])]
    if node.kind == "jacobian":
        return [_jacobian(node, ins[0])]
    primitive = node.primitive
    assert primitive is not None
    if node.kind == "join" and node.transposed:
        return primitive.vjp(ins[0], None, [_like(shape, ins[0]) for shape in node.shapes],
                             (True,) * len(node.shapes), dict(node.parameters))  # fmt: skip
    if node.kind == "linear" and node.transposed:
        if primitive.is_part:
            return [_Part(node.shapes[0], node.parameters["index"], ins[0], primitive)]
        assert primitive.transposed is not None
        return [primitive.transposed(ins[0], _like(node.shapes[0], ins[0]), **node.parameters)]
    return [np.asarray(primitive.forward(*ins, **node.parameters))]


def _matrix(node: Node, x: np.ndarray) -> np.ndarray:
    """Return a product with the partner, or the cotangent that it has by the product's own rule."""
    assert node.primitive is not None
    operands = [_like(shape, x) for shape in node.shapes]
    operands[1 - node.port] = node.gain
    if node.transposed:
        needs = [port == node.port for port in range(2)]
        return node.primitive.vjp(x, None, operands, needs)[node.port]
    operands[node.port] = x
    return node.primitive.forward(*operands)


def _jacobian(node: Node, x: np.ndarray) -> np.ndarray:
    axis = node.parameters.get("axis")
    if node.transposed:
        return node.gain * x.reshape(kept(node.shapes[0], axis))
    return (node.gain * x).sum(axis=axis, keepdims=node.parameters.get("keepdims", False))


def _like(shape: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """Return an array of a shape for a rule that asks for nothing else, without filling it."""
    return np.broadcast_to(np.zeros((), x.dtype), shape)


class _Part:
    """The transpose of taking a part, not yet added to anything."""

    def __init__(
        self, shape: tuple[int, ...], index: Any, part: np.ndarray, taker: Primitive
    ) -> None:
        self.shape, self.index, self.part, self.taker = shape, index, part, taker

    def add_to(self, whole: np.ndarray, sign: int) -> None:
        """Add it to the whole, in place."""
        part = self.part if sign > 0 else -self.part
        if self.taker.add_part is not None:
            self.taker.add_part(whole, self.index, part)
        else:
            whole[self.index] += part


def _whole(value: Any) -> np.ndarray:
    return _sum([value], (1,)) if isinstance(value, _Part) else value


def _sum(terms: list[Any], signs: tuple[int, ...]) -> np.ndarray:
    """Return a signed sum; parts are added into one buffer, so that T of them cost T, not T²."""
    total = None
    for term, sign in zip(terms, signs, strict=True):
        if not isinstance(term, _Part):
            signed = term if sign > 0 else -term
            total = signed if total is None else total + signed
    parts = [each for each in zip(terms, signs, strict=True) if isinstance(each[0], _Part)]
    if parts:
        first = parts[0][0]
        total = np.zeros(first.shape, first.part.dtype) if total is None else np.array(total)
        for part, sign in parts:
            part.add_to(total, sign)
    assert total is not None
    return np.asarray(total)
