"""Composite functions made one node each: a pass from network to network.

Knows elements, and which functions are composites; no function by its name. A composite is found
where the recorded operations are those that its body records, on an operand of the same shape, and
nobody else reads or named a signal within.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.composites import COMPOSITES, Composite
from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.place import enable_grad
from ..engine.tensor import Tensor
from .flow import AnyFlow, Node
from .parameters import is_same
from .step_sums import sum_over_steps
from .wiring import Element, elements, leading_elements, rebuild_changed

Pattern = tuple[Composite, int, Tensor]  # a composite along an axis, as its body records it


@enable_grad()  # what a composite does is recorded here, even inside no_grad()
def condense(graph: AnyFlow) -> AnyFlow:
    """Return a graph in which each composite function is one node, and a sum over steps one sum.

    Parameters
    ----------
    graph : Flow
        As recorded, neither folded nor transposed; not changed.
    """
    recorded = elements(graph)
    rank = {element: (at, 0) for at, element in enumerate(recorded)}
    is_changed = _Condensing(recorded).change()
    if is_changed:
        alive = set(leading_elements(x for x in recorded if x.node.kind is Kind.OUTPUT))
        recorded = [x for x in recorded if x in alive]
    is_changed |= sum_over_steps(recorded, graph.loops, rank)
    return rebuild_changed(graph, recorded, rank.__getitem__) if is_changed else graph


class _Condensing:
    def __init__(self, recorded: list[Element]) -> None:
        self.elements = recorded
        self.uses = Counter(x for user in self.elements for x in user.operands)
        self.names: Counter[tuple[Any, ...]] = Counter()
        self.patterns: dict[tuple[Any, ...], list[Pattern]] = {}
        self.last_operations = {_kind_of(x) for x in _last_operations()}

    def change(self) -> bool:
        """Make one element of what a composite recorded; return whether there is any."""
        is_changed = False
        for element in Interruptible(self.elements):
            for pattern in self._patterns_for(element):
                operand = self._operand(element, pattern[2])
                if operand is not None:
                    self._replace(element, pattern, operand)
                    is_changed = True
                    break
        return is_changed

    def _patterns_for(self, element: Element) -> Iterator[Pattern]:
        """Return the composites whose last operation is that of an element."""
        node = element.node
        is_sum = node.kind is Kind.JUNCTION
        if (
            node.transposed
            or (node.signs if is_sum else node.primitive) not in self.last_operations
        ):
            return
        shape = element.shape
        if not shape or 0 in shape:
            return
        key = shape, np.asarray(element.value).dtype
        if key not in self.patterns:
            self.patterns[key] = list(_patterns(*key))
        yield from self.patterns[key]

    def _operand(self, root: Element, pattern: Tensor) -> Element | None:
        """Return the operand of the composite that an element is the last operation of, or None."""
        place: dict[Tensor, Element] = {}
        within: Counter[Element] = Counter()  # how often the composite itself uses a signal
        waiting = [(root, pattern)]
        while waiting:
            element, tensor = waiting.pop()
            if tensor in place:
                if place[tensor] is not element:
                    return None
                continue
            place[tensor] = element
            if not tensor.inputs:
                if element.shape != tensor.shape:
                    return None
                continue
            is_alike = _does(element.node, tensor) and element.shape == tensor.shape
            if not is_alike or len(element.operands) != len(tensor.inputs):
                return None
            if not is_same(dict(element.node.parameters), dict(tensor.parameters or {})):
                return None
            within.update(element.operands)
            waiting += zip(element.operands, tensor.inputs, strict=True)
        (operand,) = (element for tensor, element in place.items() if not tensor.inputs)
        inner = [x for x in place.values() if x is not root and x is not operand]
        if any(x.node.is_named or within[x] < self.uses[x] for x in inner):
            return None
        return operand

    def _replace(self, element: Element, pattern: Pattern, operand: Element) -> None:
        composite, axis, _ = pattern
        primitive = composite.primitive
        old, name, stem = element.node, element.node.name, element.node.stem
        if not old.is_named:
            own = stem.rpartition(".")[2]
            place = old.scope, old.step, old.loop, primitive.name
            self.names[place] += 1
            new = primitive.name + (f"_{self.names[place]}" if self.names[place] > 1 else "")
            name = name[: len(stem) - len(own)] + new + name[len(stem) :]
            stem = stem[: len(stem) - len(own)] + new
        element.operands = [operand]
        element.node = Node(
            Kind.MATRIX_FUNCTION, (), (), name, primitive, {"axis": axis}, stem=stem,
            shapes=(operand.shape,), scope=old.scope, step=old.step, loop=old.loop,
        )  # fmt: skip


def _kind_of(tensor: Tensor) -> Any:
    """Return what `_does` compares: the signs of a sum, or the primitive."""
    primitive = tensor.primitive
    assert primitive is not None
    return primitive.signs if primitive.kind is Kind.JUNCTION else primitive


def _does(node: Node, tensor: Tensor) -> bool:
    """Return whether a node does the operation that made a Tensor."""
    primitive = tensor.primitive
    assert primitive is not None
    if primitive.kind is Kind.JUNCTION:
        return node.kind is Kind.JUNCTION and node.signs == primitive.signs
    return node.primitive is primitive and not node.transposed


def _patterns(shape: tuple[int, ...], dtype: Any) -> Iterator[Pattern]:
    """Return what the composites record of an operand, along every axis."""
    for composite in COMPOSITES:
        for axis in range(-len(shape), len(shape)):
            x = Tensor(np.zeros(shape, dtype), requires_grad=True)
            yield composite, axis, composite.body(x, axis)


def _last_operations() -> list[Tensor]:
    """Return what the composites record of a vector."""
    x = Tensor(np.zeros(1), requires_grad=True)
    return [composite.body(x, 0) for composite in COMPOSITES]


__all__ = ["condense"]
