"""The border of a folded loop: how signals enter, leave, and pass from step to step.

Knows elements. A border that is asked for twice is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ..engine.forms import is_basic
from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..engine.primitives import getitem
from ..engine.symbol import bare
from .flow import Loop, Node
from .parameters import Varying, is_same, key_of
from .wiring import Element


class LoopBorders:
    """The borders of all loops.

    Attributes
    ----------
    loops : list of Loop
    """

    def __init__(self, loops: Iterable[Loop]) -> None:
        self.loops = list(loops)
        self._elements: dict[Hashable, Element] = {}

    def natural(self, loop: int) -> tuple[int, ...]:
        """Return the index of each step in a sequence with an entry for each."""
        return tuple(range(len(self.loops[loop].steps)))

    def hold(self, loop: int, source: Element) -> Element:
        """Return an outer signal, the same at every step."""

        def make() -> Element:
            node = source.node
            value = np.asarray(source.value)
            value = np.broadcast_to(value, (len(self.loops[loop].steps), *value.shape))
            name = f"{node.name} (held)"
            return Element(_border_node(Kind.HOLD, loop, node, name, node.stem), [source], value)

        return self._once((Kind.HOLD, loop, source), make)

    def tap(
        self, loop: int, source: Element, index: Sequence[Any], taker: Primitive = getitem
    ) -> Element:
        """Return the part of an outer signal that each step reads (see `Node`).

        Parameters
        ----------
        loop : int
        source : Element
        index : one for each step
        taker : Primitive
            What takes the part.
        """
        at = Varying("index", tuple(index), self.loops[loop].steps)

        def make() -> Element:
            inner = source.operands[0].node if source.node.kind is Kind.COLLECT else source.node
            name = (inner.stem or inner.name) + _index_text(at)
            node = _border_node(Kind.TAP, loop, inner, name, inner.stem)
            node.primitive, node.parameters = taker, {"index": at}
            node.shapes = (np.shape(source.value),)
            natural = is_same(at.values, tuple(range(len(source.value))))
            rows = source.value if natural else np.stack([source.value[i] for i in at.values])
            return Element(node, [source], rows)

        return self._once((Kind.TAP, loop, source, taker, key_of(at.values)), make)

    def collect(self, inner: Element, name: str = "") -> Element:
        """Return the steps of a signal as a sequence."""

        def make() -> Element:
            assert inner.node.loop is not None
            stem = name or inner.node.stem
            node = _border_node(Kind.COLLECT, inner.node.loop, inner.node, stem, stem)
            return Element(node, [inner], inner.value)

        return self._once((Kind.COLLECT, inner), make)

    def total(self, inner: Element, name: str) -> Element:
        """Return the sum of a signal over the steps: the transpose of a hold."""
        assert inner.node.loop is not None
        node = _border_node(Kind.HOLD, inner.node.loop, inner.node, name, name)
        node.transposed = True
        return Element(node, [inner], np.add.reduce(inner.value))

    def delay(self, source: Element, distance: int, initial: Element, advance: bool) -> Element:
        """Return a delay: a signal one step later, its first value given.

        Parameters
        ----------
        source : Element
        distance : int
            How many steps later than the signal that a node computes.
        initial : Element
        advance : bool
            Whether it is of one step earlier instead.
        """

        def make() -> Element:
            signal, kind = source.node, Kind.ADVANCE if advance else Kind.DELAY
            assert signal.loop is not None
            steps = self.loops[signal.loop].steps
            lag = distance * (steps[1] - steps[0] if len(steps) > 1 else 1)
            stem = signal.stem
            if signal.kind is Kind.TAP:
                stem = signal.name.removesuffix(_index_text(signal.parameters["index"]))
                stem = stem.removesuffix("(k)")
            elif signal.kind == kind:
                stem = signal.name.rpartition("(")[0]
            name = f"{stem}(k{lag if advance else -lag:+d})"
            node = _border_node(kind, signal.loop, signal, name, signal.stem)
            first = np.asarray(initial.value)[None]
            ends = (source.value[1:], first) if advance else (first, source.value[:-1])
            return Element(node, [source, initial], np.concatenate(ends))

        return self._once((Kind.DELAY, source, initial), make)

    def _once(self, key: Hashable, make: Callable[[], Element]) -> Element:
        if key not in self._elements:
            self._elements[key] = make()
        return self._elements[key]


def has_own_name(tap: Node, source: Node) -> bool:
    """Return whether a tap has the recorded name of its part, not the name of its source.

    The name is ``x(k)`` for ``x = E[i]; x.name = "x"`` at every step, else ``E[index(k)]``.
    """
    return tap.name == f"{tap.stem}(k)" and tap.stem != source.stem


def _border_node(kind: Kind, loop: int | None, like: Node, name: str, stem: str) -> Node:
    return Node(kind, name=name, stem=stem or name, scope=like.scope, parts=like.parts, loop=loop)


def _index_text(index: Varying) -> str:
    """Return the index at which a sequence is read, as text: ``(k)`` or ``[index(k)]``."""
    entries = [_along_time(entry) for entry in index.values]
    if None not in entries:
        read = Varying(index.name, tuple(entries), index.steps)
        if read.is_explicit:
            return f"({read})"
    return f"[{bare(str(index))}]"


def _along_time(index: Any) -> int | None:
    """Return the one entry that an index takes along the axis of time, or None."""
    if isinstance(index, tuple):
        *lead, last = index
        return _along_time(last) if all(is_same(part, slice(None)) for part in lead) else None
    return index if type(index) is int else None


def entry_read(indices: Sequence[Any], ndim: int) -> tuple[list[Any], tuple[Any, ...]] | None:
    """Return the entry read at each step along the axis of time, and the part taken of this entry.

    None, unless the index depends on the step along one axis alone and takes one entry there.
    """
    if all(type(index) is int for index in indices):
        return list(indices), ()
    if not all(isinstance(index, tuple) for index in indices) or len(set(map(len, indices))) > 1:
        return None
    columns = list(zip(*indices, strict=True))
    varying = [
        at for at, entries in enumerate(columns)
        if not all(is_same(entry, entries[0]) for entry in entries)
        or (len(indices) == 1 and type(entries[0]) is int)
    ]  # fmt: skip
    if len(varying) != 1 or not all(type(entry) is int for entry in columns[varying[0]]):
        return None
    (at,), first = varying, indices[0]
    if not is_basic(first) or None in first[:at]:
        return None
    lead = first[:at]
    after = [part for part in first[at:] if part is not None]
    axis = ndim - len(after) if Ellipsis in lead else at
    before = (slice(None),) * axis
    rest = first[:at] + first[at + 1 :]
    whole = all(part is Ellipsis or is_same(part, slice(None)) for part in rest)
    return [(*before, index[at]) if axis else index[at] for index in indices], () if whole else rest
