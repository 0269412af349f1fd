"""The card of a layer: its equations, its parameters' shapes, and how many numbers they are.

Knows equations and Symbols; no layer. A step is run on Symbols, and the Symbols that the step names
are printed, so that what is printed is what runs.
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

Lines = list[tuple[str, Symbol]]  # the name of a signal, and its formula


def card(title: str, lines: Lines, conventions: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return the card of a layer.

    Parameters
    ----------
    title : str
        Its first line.
    lines : list of (str, Symbol)
        What the layer computes, as `step_definitions` returns it.
    conventions : str
        How its parameters are laid out.
    shapes : dict of str to tuple of int
        Of the parameters, by their paths.

    Examples
    --------
    >>> from .rnn import RNNEquations
    >>> rnn = RNNEquations(3)
    >>> shapes = {"W": (2, 3), "U": (3, 3), "b": (3,)}
    >>> print(card("rnn, 2 features to 3", step_definitions(rnn), rnn.conventions(), shapes))
    rnn, 2 features to 3
      s   = x(k) W + b + out(k-1) U
      out = tanh(s)
    W (2, 3), U (3, 3), b (3,)
    A sequence is a row, weights are (in, out); one bias
    18 parameters
    """
    width = max(len(name) for name, _ in lines) if lines else 0
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
            *([conventions] if conventions else []),
            f"{count:,} parameters",
        ]
    )


def layer_card(layer: Any, y: Symbol, conventions: str = "") -> str:
    """Return the card of a layer without steps, which computes y from named signals.

    Parameters
    ----------
    layer : Module
    y : Symbol
        Its named parts are the lines of the card.
    conventions : str
        How its parameters are laid out.
    """
    shapes = {name: tensor.shape for name, tensor in layer.named_leaves().items()}
    buffers = [f"{name} {tensor.shape}" for name, tensor in layer.named_buffers()]
    if buffers:
        conventions = f"Not trained: {', '.join(buffers)}\n{conventions}"
    return card(layer._summary(), definitions([y], {}, {}), conventions, shapes)


def step_definitions(equations: Equations, bias: bool = True) -> Lines:
    """Return the signals that a step computes, with their formulas; with biases or without.

    Examples
    --------
    >>> from .lstm_equations import LSTMEquations
    >>> step_definitions(LSTMEquations(3))[-1]
    ('out', o ∘ tanh(state))
    """
    arrays = equations.parameters(1, np.random.default_rng(0))
    widths = {str(name): array.shape[-1] for name, array in arrays.items()}
    p: Any = _Parameters()
    for name in arrays:
        is_there = bias or name not in equations.biases
        setattr(p, str(name), _Parameter(name) if is_there else None)
    before = [Symbol(f"{state}(k-1)") for state in equations.states]
    after = equations.checked_stepper(p)(equations.from_input(Symbol("x(k)"), p), *before)
    for name, state in zip(equations.states, after, strict=True):
        state.name = state.name or name
    return definitions(after, equations.gates, widths)


def definitions(
    results: Iterable[Symbol], gates: Mapping[str, int], widths: Mapping[str, int]
) -> Lines:
    """Return the definition of every named signal that leads to the results, and of the results.

    Parameters
    ----------
    results : Symbols
    gates : mapping of str to int
        The parts of packed signals and their widths; signals of one depth are in this order.
    widths : mapping of str to int
        Of packed parameters.
    """
    depths: dict[Symbol, int] = {}
    for result in reversed(list(results)):
        _measure(result, depths)
    order = "".join(gates)
    signals = sorted(
        (x for x in depths if x.notation and x.name),
        key=lambda x: (depths[x], order.find(str(x.name)[-1])),
    )
    writer = _CardWriter(gates, widths)
    return [(str(x.name), writer.right(x)) for x in signals]


class _Parameters:
    """The parameters of a step, as attributes."""


class _Parameter(Symbol):
    """A parameter's Symbol."""

    __slots__ = ()
    dtype = np.dtype(float)


def _measure(expression: Symbol, depths: dict[Symbol, int]) -> int:
    """Note how deeply every Symbol of an expression is nested; return it for the whole."""
    if expression not in depths:
        inside = [_measure(x, depths) for x in _operands(expression)]
        depths[expression] = 1 + max(inside, default=0)
    return depths[expression]


def _operands(expression: Symbol) -> Iterator[Symbol]:
    return (x for x in expression.operands if isinstance(x, Symbol))


class _CardWriter:
    """Writes an expression by the names of the signals in it, and of parts of packed signals."""

    def __init__(self, gates: Mapping[str, int], widths: Mapping[str, int]) -> None:
        self.gates, self.widths = gates, widths
        self.known: dict[str, Symbol] = {}

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
        if name:  # one Symbol for each name, so that a square is one
            return self.known.setdefault(str(name), Symbol(str(name)))
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
            operands = tuple([self.part(x, start, stop) for x in operands])
        return _again(expression, operands)

    def _name(self, name: str, start: int, stop: int) -> str:
        """Return the name of columns of a packed signal: ``s_a``, ``W.rz``."""
        if not isinstance(name, Packed):
            return name
        total = self.widths.get(str(name)) or sum(self.gates[part[-1]] for part in name.parts)
        unit, end, parts = total // sum(name.widths), 0, []
        for part, width in zip(name.parts, name.widths, strict=True):
            end += unit * width
            if start < end <= stop:
                parts.append(part)
        return str(parts[0]) + "".join(part[-1] for part in parts[1:])


def _again(expression: Symbol, operands: tuple[Any, ...]) -> Symbol:
    """Return an operation on other operands, with brackets between products of the two kinds."""
    notation = expression.notation
    assert notation is not None and expression.apply is not None
    if notation in _PRODUCTS and any(
        isinstance(x, Symbol) and x.notation in _PRODUCTS and x.notation != notation
        for x in operands
    ):
        notation = replace(notation, needs=(symbol.PREFIX,))
    return Symbol.of(notation, expression.apply, operands, expression.parameters)


_PRODUCTS = (symbol.MATMUL, symbol.HADAMARD)
