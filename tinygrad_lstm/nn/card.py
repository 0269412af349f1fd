"""The card of a layer: its equations, its parameters' shapes, and how many numbers they are.

Knows equations and Symbols; no layer. A step is run on Symbols, and what it gave a name is written
down, so that what is printed is what runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine import symbol
from ..engine.place import Packed
from ..engine.symbol import Symbol
from .equations import Equations

Lines = list[tuple[str, Symbol]]  # the name of a signal, and what it is made from


def card(title: str, lines: Lines, conventions: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return the card of a layer.

    Parameters
    ----------
    title : str
        Its first line.
    lines : list of (str, Symbol)
        What it computes, as `written` returns it.
    conventions : str
        How its parameters are laid out.
    shapes : dict of str to tuple of int
        Of the parameters, by their paths.

    Examples
    --------
    >>> from .equations import RNNEquations
    >>> rnn = RNNEquations(3)
    >>> shapes = {"W": (2, 3), "U": (3, 3), "b": (3,)}
    >>> print(card("rnn, 2 features to 3", written(rnn), rnn.conventions, shapes))
    rnn, 2 features to 3
      s   = x(k) W + b + out(k-1) U
      out = tanh(s)
    W (2, 3), U (3, 3), b (3,)
    A sequence is a row, weights are (in, out); one bias
    18 parameters
    """
    width = max(len(name) for name, _ in lines)
    rows: dict[str, list[str]] = {}
    for path, shape in shapes.items():
        holder, _, name = path.rpartition(".")
        rows.setdefault(f"{holder}: " if holder else "", []).append(f"{name} {shape}")
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    return "\n".join(
        [
            title,
            *(f"  {name:{width}} = {right}" for name, right in lines),
            *(holder + ", ".join(row) for holder, row in rows.items()),
            conventions,
            f"{count:,} parameters",
        ]
    )


def written(equations: Equations) -> Lines:
    """Return what a step computes: the name of each signal, and what it is made from.

    Examples
    --------
    >>> from .equations import LSTMEquations
    >>> written(LSTMEquations(3))[-1]
    ('out', o ∘ tanh(state))
    """
    arrays = equations.parameters(1, np.random.default_rng(0))
    widths = {str(name): array.shape[-1] for name, array in arrays.items()}
    p: Any = _Parameters()
    for name in arrays:
        setattr(p, str(name), _Parameter(name))
    before = [Symbol(f"{state}(k-1)") for state in equations.states]
    after = equations.stepper(p)(Symbol("x(k)") @ p.W + p.b, *before)
    for state, each in zip(equations.states, after, strict=True):
        each.name = each.name or state
    return described(after, equations.gates, widths)


def described(
    results: Iterable[Symbol], gates: Mapping[str, int], widths: Mapping[str, int]
) -> Lines:
    """Return how every signal with a name is made that leads to some results, these included.

    Parameters
    ----------
    results : Symbols
    gates : mapping of str to int
        What stands side by side in packed signals, and how wide it is; signals of one depth are in
        this order.
    widths : mapping of str to int
        Of packed parameters.
    """
    depths: dict[Symbol, int] = {}
    for each in reversed(list(results)):
        _measure(each, depths)
    order = "".join(gates)
    named = sorted(
        (each for each in depths if each.notation and each.name),
        key=lambda each: (depths[each], order.find(each.name[-1])),
    )
    writer = _Writer(gates, widths)
    return [(str(each.name), writer.right(each)) for each in named]


class _Parameters:
    """What a step takes its parameters from."""


class _Parameter(Symbol):
    """A parameter's Symbol."""

    __slots__ = ()
    dtype = np.dtype(float)


def _measure(expression: Symbol, depths: dict[Symbol, int]) -> int:
    """Note how deeply every Symbol of an expression is nested; return it for the whole."""
    if expression not in depths:
        inside = [_measure(each, depths) for each in _operands(expression)]
        depths[expression] = 1 + max(inside, default=0)
    return depths[expression]


def _operands(expression: Symbol) -> Iterator[Symbol]:
    return (each for each in expression.operands if isinstance(each, Symbol))


class _Writer:
    """Writes an expression in terms of what has a name, and parts of packed signals by theirs."""

    def __init__(self, gates: Mapping[str, int], widths: Mapping[str, int]) -> None:
        self.gates, self.widths = gates, widths

    def right(self, expression: Any) -> Any:
        """Return a named expression without its name."""
        if expression.notation is symbol.ITEM:
            columns = expression.parameters["index"][1]
            return self.part(expression.operands[0], columns.start, columns.stop)
        if expression.notation is symbol.RESHAPE:
            return self.short(expression.operands[0])
        return _again(expression, tuple(map(self.short, expression.operands)))

    def short(self, expression: Any) -> Any:
        """Return an expression, or its name if it has one."""
        name = getattr(expression, "name", None)
        if name:
            return Symbol(str(name))
        return self.right(expression) if isinstance(expression, Symbol) else expression

    def part(self, expression: Any, start: int, stop: int) -> Any:
        """Return the columns of an expression from start to stop."""
        if not isinstance(expression, Symbol):
            return expression
        if expression.name:
            return Symbol(self._name(expression.name, start, stop))
        if expression.notation is symbol.ITEM:
            offset = expression.parameters["index"][1].start
            return self.part(expression.operands[0], offset + start, offset + stop)
        operands = expression.operands
        if expression.notation is symbol.MATMUL:
            operands = self.short(operands[0]), self.part(operands[1], start, stop)
        else:
            operands = tuple(self.part(each, start, stop) for each in operands)
        return _again(expression, operands)

    def _name(self, name: str, start: int, stop: int) -> str:
        """Return what the columns of a packed signal are called: ``s_a``, ``W.rz``."""
        if not isinstance(name, Packed):
            return name
        total = self.widths.get(str(name)) or sum(self.gates[part[-1]] for part in name.parts)
        unit, end, found = total // sum(name.widths), 0, []
        for part, width in zip(name.parts, name.widths, strict=True):
            end += unit * width
            if start < end <= stop:
                found.append(part)
        return found[0] + "".join(part[-1] for part in found[1:])


def _again(expression: Symbol, operands: tuple[Any, ...]) -> Symbol:
    """Return an operation on other operands, with brackets between products of the two kinds."""
    notation = expression.notation
    assert notation is not None and expression.apply is not None
    if notation in _PRODUCTS and any(
        isinstance(each, Symbol) and each.notation in _PRODUCTS and each.notation != notation
        for each in operands
    ):
        notation = replace(notation, needs=(symbol.PREFIX,))
    return Symbol.of(notation, expression.apply, operands, expression.parameters)


_PRODUCTS = (symbol.MATMUL, symbol.HADAMARD)


__all__ = ["card", "described", "written"]
