"""Signals packed side by side, taken apart: four gates by name instead of one wide product.

Knows elements. Layers pack what has the same form into one operation, for speed, and take its parts
afterwards. Here the part is taken as early as can be, down to the packed parameter itself, so that
every part has its own weights, sum and function, as in the papers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.primitives import getitem
from .flow import AnyFlow, Flow, Node
from .parameters import is_same
from .wiring import Element, elements, in_order, leading_elements, rebuild


def unpack(graph: AnyFlow) -> AnyFlow:
    """Return a graph in which parts along the last axis are taken as early as can be.

    Parameters
    ----------
    graph : Flow
        Forward; not changed.

    Returns
    -------
    The same type
        A part of a parameter is a parameter of its own, called by the part's name.
    """
    return cast(AnyFlow, _Unpacking(graph).result())


def parts_taken(elements: Iterable[Element]) -> dict[Element, tuple[int, int]]:
    """Return the elements that take a part of a signal which a packed parameter makes packed.

    Parameters
    ----------
    elements : iterable of Element
        All of a graph, each after its operands.

    Returns
    -------
    dict of Element to (int, int)
        Between which entries of the last axis.
    """
    packed: set[Element] = set()
    ends_of: dict[Element, tuple[int, int]] = {}
    for element in Interruptible(elements):
        is_leaf = not element.operands
        if element.node.parts if is_leaf else not packed.isdisjoint(_carriers(element)):
            packed.add(element)
        ends = None if is_leaf else _ends(element)
        if ends is not None and element.operands[0] in packed:
            ends_of[element] = ends
    return ends_of


class _Unpacking:
    def __init__(self, graph: Flow) -> None:
        self.graph = graph
        self.recorded = elements(graph)
        self.rank = {element: (at, 0) for at, element in enumerate(self.recorded)}
        for element in Interruptible(self.recorded):
            element.node = replace(element.node)
        self.instead: dict[Element, Element] = {}
        self.nameless: set[Element] = set()  # sums that are parts of sums without names for them
        self.parts: dict[tuple[Element, int, int], Element] = {}

    def result(self) -> Flow:
        for element, ends in Interruptible(parts_taken(self.recorded).items()):
            part = self.instead[element] = self._part(element.operands[0], *ends)
            if element.node.is_named:
                part.node.name, part.node.stem = element.node.name, element.node.stem
        everything = Interruptible([*self.recorded, *self.parts.values()])
        for element in everything:
            element.operands = [self.instead.get(operand, operand) for operand in element.operands]
        flat = {x: self._flat(x) for x in everything if x.node.kind is Kind.JUNCTION}
        for element, terms in flat.items():
            element.operands = [term for term, _ in terms]
            element.node.signs = tuple(sign for _, sign in terms)
        outputs = [x for x in self.recorded if x.node.kind is Kind.OUTPUT]
        order = in_order(leading_elements(outputs), lambda element: self.rank.get(element, (-1, 0)))
        return rebuild(self.graph, order, self.graph.loops)

    def _part(self, element: Element, lo: int, hi: int) -> Element:
        """Return the part of a signal between two entries of its last axis."""
        if (element, lo, hi) in self.parts:
            return self.parts[element, lo, hi]
        ends = _ends(element)
        if ends is not None:
            return self._part(element.operands[0], ends[0] + lo, ends[0] + hi)
        carriers = _carriers(element)
        if (element.operands and not carriers) or (not element.operands and not element.node.parts):
            return self._take(element, lo, hi)
        node = replace(element.node, parts=())
        stem = _part_name(element, lo, hi)
        if stem:
            node.stem = stem
            node.name = stem + element.node.name[len(element.node.stem) :]
        operands = [
            self._part(operand, lo, hi) if operand in carriers else operand
            for operand in element.operands
        ]
        node.shapes = tuple(operand.shape for operand in operands) if node.shapes else ()
        part = Element(node, operands, element.value[..., lo:hi])
        self.parts[element, lo, hi] = part
        self.rank[part] = self.rank[element][0], lo
        if node.kind is Kind.JUNCTION and not stem:
            self.nameless.add(part)
        return part

    def _flat(self, outer: Element, sign: int = 1) -> list[tuple[Element, int]]:
        """Return the terms of a sum with their signs; sums that are unnamed parts are opened."""
        terms: list[tuple[Element, int]] = []
        for operand, own in zip(outer.operands, outer.node.signs, strict=True):
            if operand in self.nameless and operand.shape == outer.shape:
                terms += self._flat(operand, sign * own)
            else:
                terms.append((operand, sign * own))
        return terms

    def _take(self, element: Element, lo: int, hi: int) -> Element:
        """Return the part of a signal, at the earliest operation where a part can be taken."""
        node = Node(Kind.LINEAR, name=f"{element.node.name}[{lo}:{hi}]", primitive=getitem,
                    parameters={"index": (..., slice(lo, hi))}, shapes=(element.shape,),
                    stem=element.node.stem, scope=element.node.scope, loop=element.node.loop,
                    step=element.node.step)  # fmt: skip
        part = self.parts[element, lo, hi] = Element(node, [element], element.value[..., lo:hi])
        self.rank[part] = self.rank[element][0], lo
        return part


def _part_name(element: Element, lo: int, hi: int) -> str:
    """Return the name of the part between two entries of the last axis, or ""."""
    parts = element.node.parts
    unit = element.shape[-1] // max(sum(width for _, width in parts), 1)
    start = 0
    for stem, width in parts:
        if (start, start + width * unit) == (lo, hi):
            return stem
        start += width * unit
    return ""


def _carriers(element: Element) -> list[Element]:
    """Return the operands that carry the packed parts of an element."""
    node = element.node
    if node.kind in (Kind.JUNCTION, Kind.HOLD):
        carrying = [
            operand for operand in element.operands if operand.shape[-1:] == element.shape[-1:]
        ]
        return carrying if len(carrying) == len(element.operands) else []
    if _ends(element) is not None or _is_row(element):
        return element.operands
    if node.primitive is None or not element.operands:
        return []
    ports = node.primitive.columns([operand.shape for operand in element.operands], node.parameters)
    return [element.operands[port] for port in ports]


def _is_row(element: Element) -> bool:
    """Return whether an element takes an entry of the first axis, and the whole last axis."""
    node = element.node
    is_part = node.takes_part
    whole = element.shape[-1:] == element.operands[0].shape[-1:] if is_part else False
    return whole and isinstance(node.parameters["index"], int)


def _ends(element: Element) -> tuple[int, int] | None:
    """Return the ends of the part that an element takes of the last axis, or None."""
    node = element.node
    if not node.takes_part or node.transposed:
        return None
    index: Any = node.parameters["index"]
    if not isinstance(index, tuple) or not index or not isinstance(index[-1], slice):
        return None
    shape = element.operands[0].shape
    lead = index[:-1]
    whole = [part is Ellipsis or is_same(part, slice(None)) for part in lead]
    if not all(whole) or (Ellipsis not in lead and len(index) != len(shape)):
        return None
    lo, hi, step = index[-1].indices(shape[-1])
    return (lo, hi) if step == 1 else None
