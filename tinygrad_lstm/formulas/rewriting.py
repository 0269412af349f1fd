"""Passes over formulas: a pass replaces some parts of a formula.

Knows Symbols, and the parameters of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..engine.symbol import (
    ATOM,
    COMPARE,
    DIVIDE,
    HADAMARD,
    MATRIX,
    PREFIX,
    RESHAPE,
    TOTAL,
    Notation,
    Symbol,
)  # fmt: skip
from ..network.parameters import key_of

OUTER = Notation("{0}ᵀ {1}", r"{{{0}}}^\top \, {1}", MATRIX, (ATOM, PREFIX))
BRACKETS = Notation("({0})", r"\left({0}\right)", ATOM, (COMPARE,))
MARKED = Notation("⟨{0}⟩", r"\boxed{{{0}}}", ATOM, (COMPARE,))


def _itself(value: Any) -> Any:
    return value


def rewrite(
    formula: Any,
    operation: Callable[[Symbol, tuple[Any, ...]], Any] | None = None,
    leaf: Callable[[Any], Any] = _itself,
) -> Any:
    """Return a formula with some parts replaced.

    A part that stands in the formula twice stays one object.

    Parameters
    ----------
    formula : Symbol, or a number
    operation : (an operation, its operands rewritten) -> what stands in its place
        By default the same operation on the rewritten operands.
    leaf : (a name or a number) -> what stands in its place
        By default the leaf itself.
    """
    known: dict[int, Any] = {}
    put = operation or with_operands

    def part(old: Any) -> Any:
        if not isinstance(old, Symbol):
            return leaf(old)
        if id(old) not in known:
            known[id(old)] = (
                leaf(old) if old.apply is None else put(old, tuple(map(part, old.operands)))
            )
        return known[id(old)]

    return part(formula)


def with_operands(old: Symbol, operands: tuple[Any, ...], notation: Notation | None = None) -> Any:
    """Return an operation on other operands, or in another notation."""
    is_same = all(one is other for one, other in zip(operands, old.operands, strict=True))
    assert old.apply is not None and old.notation is not None
    if is_same and notation is None:
        return old
    return Symbol.of(notation or old.notation, old.apply, operands, old.parameters)


def form(formula: Any) -> Hashable:
    """Return a key: equal for two formulas that say the same, in what their text leaves out too.

    The text of a formula leaves out the axes of a sum, for one.
    """
    keys: dict[int, Hashable] = {}

    def key(part: Any) -> Hashable:
        if not isinstance(part, Symbol):
            return key_of(part)
        if id(part) not in keys:
            if part.apply is None:
                known: Hashable = str(part), getattr(part, "wire", None), part.shape
                keys[id(part)] = known, getattr(part, "offset", None), getattr(part, "step", None)
            else:
                assert part.notation is not None
                parameters = ((name, key_of(value)) for name, value in part.parameters.items())
                operands = tuple(map(key, part.operands))
                keys[id(part)] = part.notation.text, operands, tuple(parameters)
        return keys[id(part)]

    return key(formula)


def rename(formula: Any, name: Callable[[str], str]) -> Any:
    """Return a formula with other names for its signals."""
    return rewrite(
        formula,
        leaf=lambda old: Symbol(name(old.name), old.value) if isinstance(old, Symbol) else old,
    )


def mark(formula: Any) -> Symbol:
    """Return a formula marked as a whole, and nowhere inside."""

    def unmarked(old: Symbol, operands: tuple[Any, ...]) -> Any:
        return operands[0] if old.notation is MARKED else with_operands(old, operands)

    return Symbol.of(MARKED, _itself, (rewrite(formula, unmarked),))


def multiple(count: int, formula: Any) -> Any:
    """Return a formula times the number of its copies in a sum.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> multiple(2, x), multiple(2, 0.5 * x * y), multiple(3, 0.5 * x)
    (2 x, x ∘ y, 1.5 x)
    """
    if count == 1:
        return formula
    if isinstance(formula, Symbol) and formula.notation is HADAMARD:
        first, second = formula.operands
        if _is_number(second):
            first, second = second, first
        if _is_number(first):
            return second if count * first == 1 else count * first * second
        if isinstance(first, Symbol) and first.notation is HADAMARD:
            return multiple(count, first) * second
    return float(count) * formula


def _is_number(operand: Any) -> bool:
    return not isinstance(operand, Symbol) and np.ndim(operand) == 0


def value_without_marks(formula: Symbol) -> Any:
    """Return the value of a formula without its marked parts."""

    def nought(old: Symbol, operands: tuple[Any, ...]) -> Any:
        if old.notation is MARKED:
            return Symbol("0", np.zeros_like(old.value))
        return with_operands(old, operands)

    return rewrite(formula, nought).value


def outer_product(old: Symbol, operands: tuple[Any, ...]) -> Symbol | None:
    """Return a column times a row, entry by entry, as the product of two vectors: uᵀ v.

    None if the operation is another one. A vector is a row, as everywhere in the package.
    """
    if old.notation is not HADAMARD or not all(isinstance(x, Symbol) for x in operands):
        return None
    for column, row in (operands, operands[::-1]):
        u, v = _vector(column), _vector(row)
        if u is None or v is None or min(u.shape[0], v.shape[0]) == 1:
            continue
        if column.shape == (u.shape[0], 1) and row.shape in ((v.shape[0],), (1, v.shape[0])):
            return Symbol.of(OUTER, np.outer, (u, v))
    return None


def _vector(formula: Symbol) -> Symbol | None:
    """Return the vector that a formula is, or that a formula makes a row or a column of."""
    while formula.notation is RESHAPE and formula.ndim == 2:
        (formula,) = formula.operands
    return formula if formula.ndim == 1 else None


def with_axes(formula: Any) -> Any:
    """Return a formula in which each sum says over which axes it goes."""

    def said(old: Symbol, operands: tuple[Any, ...]) -> Any:
        if old.notation is not TOTAL:
            return with_operands(old, operands)
        axis, ndim = old.parameters["axis"], operands[0].ndim
        axes = [] if axis is None else sorted({n % ndim for n in np.atleast_1d(axis).tolist()})
        if axis is None or (len(axes) == ndim and ndim > 1):
            over = "all entries"
        else:
            over = ("axes " if len(axes) > 1 else "axis ") + " and ".join(map(str, axes))
        form = Notation(f"Σ over {over} of {{0}}", TOTAL.latex, COMPARE, (COMPARE,))
        return with_operands(old, operands, form)

    return rewrite(formula, said)


def in_brackets(formula: Any) -> Any:
    """Return a formula with brackets where ∘ and / follow one another.

    >>> a, b, c = map(Symbol, "abc")
    >>> in_brackets(a * b / c), in_brackets(a / b * c), in_brackets(2 * a / b)
    ((a ∘ b) / c, (a / b) ∘ c, 2 a / b)
    """

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        is_product = old.notation is HADAMARD and _are_signals(operands)
        if is_product or old.notation is DIVIDE:
            inner = _is_quotient if is_product else _is_product
            operands = tuple(
                Symbol.of(BRACKETS, _itself, (x,)) if inner(x) else x for x in operands
            )
        return with_operands(old, operands)

    return rewrite(formula, put)


def _are_signals(operands: tuple[Any, ...]) -> bool:
    """Return whether a product is written with ∘, not with a number in front, or as a square."""
    return operands[0] is not operands[1] and all(isinstance(x, Symbol) for x in operands)


def _is_product(formula: Any) -> bool:
    is_product = isinstance(formula, Symbol) and formula.notation is HADAMARD
    return is_product and _are_signals(formula.operands)


def _is_quotient(formula: Any) -> bool:
    return isinstance(formula, Symbol) and formula.notation is DIVIDE
