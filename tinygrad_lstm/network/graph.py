"""The signal-flow graph of a recorded computation.

Knows signals and the table's kinds. Every wire has one producer and one consumer: what is used more
than once passes through a branch point, and each of its branches is a wire, and so a signal, of its
own.

    >>> from ..engine.tensor import Tensor
    >>> x = Tensor([1.0, 2.0], name="x")
    >>> g = graph((x * x).sum())
    >>> [str(node.kind) for node in g.nodes]
    ['input', 'branch', 'bilinear', 'linear', 'output']
    >>> [wire.name for wire in g.wires]
    ['x', 'x → hadamard', 'x → hadamard (2)', 'hadamard', 'sum']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.arguments import as_array, by_name, excerpt, flag, optional, whole
from ..engine.arguments import operand as checked_operand
from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.memory import collector_paused
from ..engine.place import Packed, Place
from ..engine.tape import history, refuse_changes
from ..engine.tensor import Tensor
from ..errors import DTypeError, UsageError
from .adjoint import adjoint
from .evaluate import evaluate
from .flow import SOURCES, Flow, Loop, Node
from .fold import fold
from .signals import Signals
from .unroll import unroll
from .wiring import Element, lay_wires


class Graph(Flow):
    """A signal-flow graph that can be transposed and run.

    Attributes
    ----------
    nodes : tuple of Node
        In an order in which they can be run.
    wires : tuple of Wire
    loops : tuple of Loop
        The loops over steps that it was recorded in.
    """

    def fold(self) -> Graph:
        """Return the graph folded over time (see `fold`)."""
        return fold(self)

    def unroll(self, steps: int | None = None) -> Graph:
        """Return the folded graph with a copy of the loop for each step (see `unroll`)."""
        return unroll(self, optional(whole, "unroll: steps", steps))

    def adjoint(self) -> Graph:
        """Return the adjoint network, by Wan and Beaufays' rules (see `adjoint`)."""
        return adjoint(self)

    def evaluate(
        self, values: Mapping[str, Any] | None = None, everything: bool = False
    ) -> dict[str, np.ndarray]:
        """Run the graph (see `evaluate`).

        Raises
        ------
        UsageError
            If nothing was recorded for an input, and no value is given; the message names all such.
        """
        replaced = optional(by_name, "evaluate: values", values) or {}
        arrays = {name: _reals(f"evaluate: {name}", value) for name, value in replaced.items()}
        missing = [
            node.name
            for node in self.nodes
            if node.kind in SOURCES
            and node.name not in arrays
            and self.wires[node.outputs[0]].value is None
        ]
        if missing:
            raise UsageError(
                f"evaluate: nothing was recorded for {', '.join(missing)}; "
                f"give values, as in evaluate({{{missing[0]!r}: …}})"
            )
        return evaluate(self, arrays, everything=flag("evaluate: everything", everything))


def _reals(who: str, value: Any) -> np.ndarray:
    """Return a value as an array of real numbers."""
    array: np.ndarray = checked_operand(who, as_array(who, value))
    if array.dtype.kind == "c":
        raise DTypeError(f"{who}: found data of type {array.dtype}, expected real numbers")
    return array


def graph(*outputs: Tensor) -> Graph:
    """Return the signal-flow graph of the operations that led to some Tensors.

    Parameters
    ----------
    *outputs : Tensor

    Returns
    -------
    Graph
        Leaves that require a gradient and belong to a module are parameters, other named leaves
        inputs, the rest constants. Where an operand is broadcast, that is a linear map of its own.
        A sum of which nothing but another sum is made, and which has no name, is one junction with
        it.

    Raises
    ------
    UsageError
        If nothing was recorded.
    ChangedError
        If a leaf's data was replaced since it was used; the message names the leaf.
    """
    recorded = structure(*outputs)
    refuse_changes(history(outputs, everything=True))
    return recorded


def check_recorded(who: str, value: Any) -> Tensor:
    """Return a Tensor that was computed from others.

    Raises
    ------
    UsageError
        If the value is another one, or a compiled function's; the message begins with ``who``.
    """
    if isinstance(value, Tensor) and value.inputs:
        if "again" in (value.parameters or {}):
            raise UsageError(
                f"{who}: found the loss of a compiled function, of which no operation is recorded; "
                "give what the function itself returns, as in step.loss_of(x)"
            )
        return value
    found, remedy = excerpt(value), ""
    if isinstance(value, Tensor):
        found = f"nothing recorded behind {value.label()}"
    elif callable(value):
        found = f"{type(value).__name__} {getattr(value, '__name__', '')}".rstrip()
        remedy = "; call it first, and give what it returns"
    elif isinstance(value, tuple | list) and any(isinstance(x, Tensor) for x in value):
        found, remedy = f"a {type(value).__name__} of {len(value)}", "; give one of its Tensors"
    raise UsageError(f"{who}: found {found}, expected a Tensor computed from others{remedy}")


def structure(*outputs: Tensor, signals: Signals | None = None) -> Graph:
    """Return the same graph, with old numbers if a leaf's data was replaced later.

    Whoever has the names of the signals already gives them.
    """
    for output in outputs:
        check_recorded("graph", output)
    with collector_paused():
        return _GraphBuilder(signals or Signals(*outputs), outputs).build()


class _GraphBuilder:
    """Turns Tensors into elements."""

    def __init__(self, signals: Signals, outputs: tuple[Tensor, ...]) -> None:
        self.signals, self.outputs = signals, outputs
        self.element_of: dict[Tensor, Element] = {}
        self.terms: dict[Tensor, list[tuple[Element, int]]] = {}  # of the sums
        self.loops: dict[Place, tuple[int, dict[int, None], str]] = {}  # number, steps, scope
        self.uses = dict.fromkeys(signals.names, 0)
        for tensor in Interruptible(signals.names):
            for operand in tensor.inputs:
                self.uses[operand] += 1
        for output in outputs:
            self.uses[output] += 1

    def build(self) -> Graph:
        for tensor, name in Interruptible(self.signals.names.items()):
            element = Element(self._node(tensor, name), [], tensor._array)
            if element.node.kind is Kind.JUNCTION:
                self.terms[tensor] = self._sum(tensor)
            else:
                element.operands = [self.element_of[operand] for operand in tensor.inputs]
            self.element_of[tensor] = element
        for tensor, terms in Interruptible(self.terms.items()):
            element = self.element_of[tensor]
            element.operands = [term for term, _ in terms]
            element.node.signs = tuple(sign for _, sign in terms)
        elements = list(self.element_of.values())
        for output in self.outputs:
            node = Node(Kind.OUTPUT, name=self.signals.names[output])
            elements.append(Element(node, [self.element_of[output]]))
        loops = tuple(Loop(tuple(steps), scope) for _, steps, scope in self.loops.values())
        return Graph(*lay_wires(elements), loops)

    def _sum(self, tensor: Tensor) -> list[tuple[Element, int]]:
        """Return the terms of a sum; an unnamed inner sum that nothing else reads is opened."""
        assert tensor.primitive is not None
        terms: list[tuple[Element, int]] = []
        for x, sign in zip(tensor.inputs, tensor.primitive.signs, strict=True):
            if not self._is_within(x, tensor):
                terms.append((self.element_of[x], sign))
                continue
            del self.element_of[x]
            inner = self.terms.pop(x)
            if terms or sign < 0:
                terms.extend((term, sign * own) for term, own in inner)
            else:
                terms = inner  # taken over, so that a chain of n sums costs n
        return terms

    def _is_within(self, x: Tensor, outer: Tensor) -> bool:
        return (
            x in self.terms and x.name is None and self.uses[x] == 1 and x.shape == outer.shape
            and self.signals.spot(x.place)[4:] == self.signals.spot(outer.place)[4:]
        )  # fmt: skip

    def _node(self, tensor: Tensor, name: str) -> Node:
        node = _node(tensor, name)
        spot = self.signals.spot(tensor.place)
        node.stem, node.scope = spot.stem(name), spot.scope
        if spot.loop is not None and spot.step is not None:
            if spot.loop not in self.loops:
                self.loops[spot.loop] = len(self.loops), {}, self.signals.spot(spot.loop).scope
            number, steps, _ = self.loops[spot.loop]
            steps.setdefault(spot.step)
            node.step, node.loop = spot.step, number
        if isinstance(tensor.name, Packed):
            before = node.stem.removesuffix(tensor.name)
            named = zip(tensor.name.parts, tensor.name.widths, strict=True)
            node.parts = tuple((before + part, width) for part, width in named)
        return node


def _node(tensor: Tensor, name: str) -> Node:
    """Return the node that makes a Tensor."""
    primitive = tensor.primitive
    if primitive is None:
        module = tensor.requires_grad and tensor.place.name is not None
        named = tensor.name or tensor.requires_grad
        return Node(Kind.PARAMETER if module else Kind.INPUT if named else Kind.CONSTANT, name=name)
    if primitive.kind is Kind.JUNCTION:
        return Node(Kind.JUNCTION, name=name)
    shapes = tuple(operand.shape for operand in tensor.inputs)
    return Node(primitive.kind, name=name, primitive=primitive, shapes=shapes,
                parameters=tensor.parameters or {})  # fmt: skip


__all__ = ["Graph", "graph", "structure"]
