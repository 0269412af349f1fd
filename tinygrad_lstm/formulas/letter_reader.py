"""The reader of a derivation: signals by their letters, and steps counted from any step k.

Knows networks and the reader of formulas.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import ATOM, COMPARE, ITEM, Notation, Symbol
from ..network.flow import DELAYS, Node
from ..network.graph import Graph
from ..network.parameters import Varying, is_same, varying
from .reader import PASSING, Reader, Variable, spread
from .rewriting import rewrite, with_operands
from .simplify import as_symbol

EVERY = Notation(
    "[{0} at every step k]", r"\left[{0} \;\text{{at every step }} k\right]", ATOM, (COMPARE,),
    "np.stack([{0} for k in range({steps})])",
)  # fmt: skip


class LetterReader(Reader):
    """A reader that calls signals by the letters of a derivation, and counts steps from k."""

    def __init__(self, network: Graph, names: dict[int, str]) -> None:
        super().__init__(network, lambda wire, step: None)
        self.names = names
        self._known: dict[tuple[str, int, int | None], Variable] = {}
        self._delayed: dict[int, Any] = {}  # what each delay hands on, by its wire

    def letter(self, name: str, wire: int, value: Any, offset: int | None, δ: bool) -> Variable:
        """Return a signal, or its δ; the same object for the same signal."""
        key = name, wire, offset
        if key not in self._known:
            self._known[key] = Variable(name, value, wire, None, δ, offset)
        return self._known[key]

    def written_at(self, wire: int) -> Any:
        """Return the signal on a wire at any step k: by its letter, or written out."""
        return self._by_name(wire, None, None)

    def _by_name(self, wire: int, step: int | None, value: Any) -> Any:
        node, value = self.maker[wire], self.value(wire)
        if wire in self.names:
            offset = 0 if node.is_timed else None
            return self.letter(self.names[wire], wire, value, offset, False)
        if node.kind in PASSING:
            source = node.inputs[0]
            signal = self.written_at(source)
            return spread(signal, np.shape(value)) if node.kind is Kind.BROADCAST else signal
        if node.kind in DELAYS:
            if wire not in self._delayed:  # a signal times itself is its square
                before = self.written_at(node.inputs[0])
                self._delayed[wire] = shifted(before, -1 if node.kind is Kind.DELAY else +1)
            return self._delayed[wire]
        if node.kind is Kind.TAP:
            return self.tapped(node, value)
        if node.kind is Kind.CONSTANT:
            return as_symbol(np.ravel(value)[0], value)
        if node.kind is Kind.COLLECT:
            inner = self.written_at(node.inputs[0])
            return of_every_step(inner, self.network.wires[wire].value)
        return self.formula(node)

    def tapped(self, node: Node, value: Any) -> Any:
        """Return what a tap reads: the sequence at step k, or at the index of step k."""
        source = node.inputs[0]
        index = node.parameters["index"]
        collect = self.network.source(source, (Kind.BRANCH,))
        is_same_step = self.is_step(index, node)
        if collect.kind is Kind.COLLECT and is_same_step:
            is_same_step = len(self.steps(collect)) == len(self.steps(node))
            if is_same_step:
                return self.written_at(collect.inputs[0])
        whole = self.written_at(source)
        if isinstance(whole, Variable) and self.is_step(index, node):
            return self.letter(whole.name, whole.wire, value, 0, whole.is_delta)
        return Symbol.of(ITEM, lambda x, index: x[index], (whole,), {"index": index})

    def is_step(self, index: Any, node: Node) -> bool:
        """Return whether an index is the step itself, counted from 0."""
        steps = tuple(range(len(self.steps(node))))
        return isinstance(index, Varying) and is_same(index.values, steps)

    def steps(self, node: Node) -> tuple[int, ...]:
        """Return the steps of the loop that a node is in."""
        assert node.loop is not None
        return tuple(sorted(self.network.loops[node.loop].steps))


def shifted(formula: Any, by: int) -> Any:
    """Return a formula as it is some steps later."""
    known: dict[Variable, Variable] = {}

    def later(leaf: Any) -> Any:
        if not isinstance(leaf, Variable) or leaf.offset is None:
            return leaf
        if leaf not in known:
            known[leaf] = Variable(
                leaf.name, leaf.value, leaf.wire, None, leaf.is_delta, leaf.offset + by
            )
        return known[leaf]

    def read_later(old: Symbol, operands: tuple[Any, ...]) -> Any:
        parameters = {
            name: replace(value, offset=value.offset + by) if isinstance(value, Varying) else value
            for name, value in old.parameters.items()
        }
        if not varying(old.parameters):
            return with_operands(old, operands)
        assert old.apply is not None and old.notation is not None
        return Symbol.of(old.notation, old.apply, operands, parameters)

    return rewrite(formula, read_later, later)


def of_every_step(formula: Any, value: Any) -> Symbol:
    return Symbol.of(EVERY, _repeated, (formula,), {"steps": len(value)})


def _repeated(x: Any, steps: int) -> np.ndarray:
    """Return an array that has the shape of x at every step."""
    return np.broadcast_to(x, (steps, *np.shape(x)))
