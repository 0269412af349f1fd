"""Formulas made shorter: numbers calculated, ones and noughts left out, equal terms counted.

Knows Symbols, and how the table spreads a number over a shape. A formula keeps its value.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable
from dataclasses import replace
from functools import cache, reduce
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.primitives import TABLE, broadcast_to, scatter, scatter_add
from ..engine.symbol import (
    ADD,
    DIVIDE,
    HADAMARD,
    ITEM,
    MATMUL,
    NEGATIVE,
    RAISE,
    RESHAPE,
    SUBTRACT,
    TOTAL,
    TRANSPOSE,
    Symbol,
)
from ..network.parameters import Varying
from .rewriting import form, multiple, rewrite, with_operands

ONE = Symbol("1", np.array(1.0))  # δ of the loss


def simplify(formula: Any) -> Any:
    """Return a formula without what says nothing: numbers calculated, factors of 1 left out.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> simplify(1.0 * x * (2.0 * 0.5) + 0.0 * y), simplify(-(-x)), simplify(ONE * 0.5 * x)
    (x, x, 0.5 x)
    >>> simplify(2.0 * (1.0 / x))
    2 / x
    """
    return rewrite(formula, _simpler, _plain)


def as_symbol(formula: Any, value: Any) -> Symbol:
    """Return a formula that rules can be run on: of a number, a Symbol that has a shape."""
    if isinstance(formula, Symbol):
        return formula
    dtype = getattr(value, "dtype", float)
    dtype = dtype if np.issubdtype(dtype, np.floating) else float
    return Symbol(f"{formula:g}", np.full(np.shape(value), float(formula), dtype))


def is_number(formula: Symbol) -> bool:
    """Return whether a Symbol is a number, or an array of equal entries written as the number."""
    if type(formula) is not Symbol or formula.apply is not None or formula.value is None:
        return False
    return bool(np.size(formula.value)) and _is_text_of_number(formula.name)


def _plain(leaf: Any) -> Any:
    """Return a number for the Symbol of one; any other name as it is."""
    if not isinstance(leaf, Symbol) or not is_number(leaf):
        return leaf
    return float(np.ravel(leaf.value)[0])


def _is_text_of_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def total(terms: list[Any]) -> Any:
    """Return the sum of formulas; equal terms become one, times their number.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> total([0.5 * x, y, 0.5 * x])
    x + y
    """
    same: dict[Hashable, list[Any]] = {}
    for term in terms:
        same.setdefault(form(term), []).append(term)
    parts = [simplify(multiple(len(equal), equal[0])) for equal in same.values()]
    return reduce(_sum, parts)


def _sum(a: Any, b: Any) -> Any:
    if isinstance(b, Symbol) and b.notation is NEGATIVE:
        return a - b.operands[0]
    return a + b


def _simpler(old: Symbol, operands: tuple[Any, ...]) -> Any:
    """Return an operation on simpler operands."""
    notation = old.notation
    if notation is RESHAPE and isinstance(operands[0], Symbol) and operands[0].ndim:
        inner = operands[0]
        if inner.apply is broadcast_to.forward and inner.operands[0].ndim == 0:
            return broadcast_to(inner.operands[0], shape=old.shape)
    if is_entrywise(old):
        operands = _not_spread(old, operands)
    if old.apply is broadcast_to.forward or notation is RESHAPE or notation is ITEM:
        if _number(operands[0]) is not None:
            return operands[0]
        inner = operands[0]
        if notation is not ITEM and isinstance(inner, Symbol) and inner.shape == old.shape:
            return inner
    numbers = [_number(operand) for operand in operands]
    if all(number is not None for number in numbers) and not old.parameters:
        assert old.apply is not None
        with np.errstate(all="ignore"):
            value = old.apply(*map(np.float64, numbers))
        if np.ndim(value) == 0:
            return float(value)
    if notation is MATMUL and 0 in numbers:
        return 0.0
    if notation is HADAMARD:
        return _product(old, operands, numbers)
    if notation is DIVIDE and numbers[1] == 1:
        return operands[0]
    if notation is DIVIDE and _is_negative(operands[0]):
        return -(operands[0].operands[0] / operands[1])
    if notation is TOTAL and _is_negative(operands[0]):
        return -_simpler(old, operands[0].operands)
    if notation is TOTAL and getattr(operands[0], "notation", None) is HADAMARD:
        number, inner = operands[0].operands
        if _number(number) is not None:
            return _product(old, (number, _simpler(old, (inner,))), [number, None])
    if old.apply in (scatter.forward, scatter_add.forward):
        inner, index = operands[0], old.parameters["index"]
        if isinstance(inner, Symbol) and adds_axes(index):
            return inner if inner.shape == old.shape else inner.reshape(old.shape)
    if notation is TOTAL and (same := _of_entries_put_in_place(old, operands[0])) is not None:
        return same
    if notation in (ADD, SUBTRACT):
        first, second = operands
        if numbers[1] == 0:
            return first
        if numbers[0] == 0 and old.ndim == np.ndim(getattr(second, "value", second)):
            return second if notation is ADD else -second
        opposite = _opposite_of_negative(second)
        if opposite is not None:
            return first - opposite if notation is ADD else first + opposite
    if notation is NEGATIVE and _is_negative(operands[0]):
        return operands[0].operands[0]
    if notation is TRANSPOSE and (turned := _transposed_twice(operands[0])) is not None:
        return turned
    if notation is RAISE and numbers[1] == 1:
        return operands[0]
    if notation not in (ADD, SUBTRACT, DIVIDE, NEGATIVE, RAISE):  # it may ask for the shapes
        operands = tuple(
            as_symbol(new, before.value) if isinstance(before, Symbol) else new
            for new, before in zip(operands, old.operands, strict=True)
        )
    return with_operands(old, operands)


def adds_axes(index: Any) -> bool:
    """Return whether an index takes all entries, on more axes: ``x[:, None]``."""
    several = index if isinstance(index, tuple) else (index,)
    return all(
        one is None or one is Ellipsis or (isinstance(one, slice) and one == slice(None))
        for one in several
    )


def _not_spread(old: Symbol, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return operands of which none is broadcast where the operation itself broadcasts it."""
    for at, operand in enumerate(operands):
        if isinstance(operand, Symbol) and is_spread(operand):
            inner = (*operands[:at], operand.operands[0], *operands[at + 1 :])
            shapes = (np.shape(getattr(x, "value", x)) for x in inner)
            if np.broadcast_shapes(*shapes) == old.shape:
                operands = inner
    return operands


def _is_negative(formula: Any) -> bool:
    return isinstance(formula, Symbol) and formula.notation is NEGATIVE


def _transposed_twice(formula: Any) -> Any:
    """Return the transpose of Xᵀ, or of Xᵀ Y, without a transpose of X; None of another formula."""
    if not isinstance(formula, Symbol) or formula.ndim != 2:
        return None
    if formula.notation is TRANSPOSE:
        return formula.operands[0]
    if formula.notation is MATMUL:
        x, y = formula.operands
        if isinstance(x, Symbol) and x.notation is TRANSPOSE and x.ndim == 2 == np.ndim(y.value):
            return y.T @ x.operands[0]
    return None


def _opposite_of_negative(formula: Any) -> Any:
    """Return -f for a formula f that is written with a minus in front, or else None."""
    if _is_negative(formula):
        return formula.operands[0]
    if isinstance(formula, Symbol) and formula.notation is HADAMARD:
        number, rest = _number(formula.operands[0]), formula.operands[1]
        if number is not None and number < 0:
            return _product(formula, (-number, rest), [-number, None])
    return None


def _of_entries_put_in_place(old: Symbol, whole: Any) -> Any:
    """Return the sum of zeros with x in some places without the zeros; None if it has no form."""
    if not isinstance(whole, Symbol) or whole.apply not in (scatter.forward, scatter_add.forward):
        return None
    x, index, axis = whole.operands[0], whole.parameters["index"], old.parameters.get("axis")
    if not isinstance(x, Symbol):
        return None
    axes = range(whole.ndim) if axis is None else np.atleast_1d(axis) % whole.ndim
    if len(axes) == whole.ndim:
        total = x.sum() if x.ndim else x
        return total if total.shape == old.shape else broadcast_to(total, shape=old.shape)
    one_in_a_row = place_in_row(index, len(whole.value)) is not None
    if one_in_a_row and whole.ndim == 2 and list(axes) == [1] and x.ndim == 1:
        return x if x.shape == old.shape else x.reshape(old.shape)
    return None


def place_in_row(index: Any, count: int) -> Any:
    """Return the place that an index takes in each row of a matrix, if it takes one of each.

    >>> place_in_row((np.arange(2), np.array([3, 1])), 2), place_in_row(slice(2), 2)
    (array([3, 1]), None)
    """
    several = index.values if isinstance(index, Varying) else (index,)
    for one in several:
        if not isinstance(one, tuple) or len(one) != 2:
            return None
        rows, places = one
        if not np.array_equal(rows, np.arange(count)) or np.shape(places) != (count,):
            return None
    if isinstance(index, Varying):
        return replace(index, values=tuple(places for _, places in several))
    return index[1]


def is_entrywise(formula: Symbol) -> bool:
    """Return whether an operation works entry by entry, and broadcasts its operands."""
    return isinstance(formula.apply, np.ufunc) or formula.apply in _entrywise()


@cache
def _entrywise() -> frozenset[Any]:
    kinds = Kind.ELEMENTWISE, Kind.JUNCTION
    of_the_table = (x.forward for x in TABLE.values() if x.kind in kinds)
    return frozenset(
        (*of_the_table, operator.add, operator.sub, operator.mul, operator.truediv, operator.pow)
    )


def is_spread(formula: Symbol) -> bool:
    """Return whether a formula is an operand broadcast to a shape, in words or without."""
    silent = formula.notation is not None and formula.notation.text == "{0}"
    return silent or formula.apply is broadcast_to.forward


def _product(old: Symbol, operands: tuple[Any, ...], numbers: list[float | None]) -> Any:
    """Return a product of which the number, if any, comes first, and is not 1."""
    for at in (0, 1):
        number, other = numbers[at], operands[1 - at]
        if number is None:
            continue
        if not isinstance(other, Symbol):
            continue
        if number == 1:
            return other if other.shape == old.shape else broadcast_to(other, shape=old.shape)
        if number == -1:
            return -other
        if number == 0:
            return 0.0
        if other.notation is HADAMARD and _number(other.operands[0]) is not None:
            return _product(
                old,
                (number * other.operands[0], other.operands[1]),
                [number * float(other.operands[0]), None],
            )
        if other.notation is NEGATIVE:
            return _product(old, (-number, other.operands[0]), [-number, None])
        if other.notation is DIVIDE and _number(other.operands[0]) is not None:
            return (number * other.operands[0]) / other.operands[1]
        if other.apply is broadcast_to.forward and isinstance(other.operands[0], Symbol):
            inner = number * other.operands[0]
            inner = _product(inner, inner.operands, [number, None])
            return broadcast_to(inner, shape=old.shape)
        return number * other
    a, b = operands
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Symbol) and one.notation is HADAMARD:
            number, rest = one.operands
            if _number(number) is not None:  # the number of a product comes first
                inner = rest * other if one is a else other * rest
                inner = _product(inner, inner.operands, [None, None])
                return _product(old, (number, inner), [number, None])
    if isinstance(b, Symbol) and b.notation is DIVIDE and _number(b.operands[0]) == 1:
        return a / b.operands[1]
    if isinstance(a, Symbol) and a.notation is NEGATIVE:
        return -(a.operands[0] * b)
    if isinstance(b, Symbol) and b.notation is NEGATIVE:
        return -(a * b.operands[0])
    return with_operands(old, operands)


def _number(operand: Any) -> float | None:
    return None if isinstance(operand, Symbol) or np.ndim(operand) else float(operand)
