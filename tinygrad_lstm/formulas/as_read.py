"""Formulas as they are read in a derivation: sums say over which axes or steps they go.

Knows formulas.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np

from ..engine.primitives import concatenate, scatter
from ..engine.symbol import (
    COMPARE,
    ITEM,
    RESHAPE,
    TOTAL,
    TRANSPOSE,
    Notation,
    Symbol,
    bare,
    constant_text,
)
from ..network.parameters import Varying
from .by_step import PUT
from .derived import name_step
from .reader import Variable
from .rewriting import outer_product, rewrite, with_operands
from .simplify import adds_axes, is_entrywise, is_number, is_spread, place_in_row

OF_STEPS = Notation("Σₖ {0}", r"\sum_k {0}", TOTAL.level, TOTAL.needs)
OVER_STEPS = Notation("Σₖ Σ {0}", r"\sum_k \sum {0}", TOTAL.level, TOTAL.needs)
SIDE_BY_SIDE = Notation(
    "[{operands}]", r"\left[{operands}\right]", code="np.concatenate([{operands}], axis=-1)"
)
ONE_HOT = Notation("onehot({index})", r"\operatorname{{onehot}}\left({index}\right)")


def _in_one_place(old: Symbol, operands: tuple[Any, ...]) -> Any:
    """Return zeros with x in one place, or in one of each row, as x times onehot; else None."""
    (x,), shape = operands, old.parameters["shape"]
    one = _one_hot(old.parameters["index"], shape)
    if one is None:
        return None
    number = _same_in_all(x)
    if number is None:
        is_row = np.shape(x.value) == shape[:1]
        return _column(x.reshape((shape[0], 1))) * one if is_row else None
    if isinstance(number, Symbol):
        return number * one
    return one if number == 1 else -one if number == -1 else number * one


def with_one_hot(formula: Any) -> Any:
    """Return a formula in which a number in one place of each row is the number times onehot."""

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        placed = _in_one_place(old, operands) if old.apply in PUT else None
        return with_operands(old, operands) if placed is None else placed

    return rewrite(formula, put)


def _same_in_all(formula: Any) -> Any:
    """Return a formula without a shape, if it is the same in all entries; else None."""
    if not isinstance(formula, Symbol):
        return float(formula) if np.ndim(formula) == 0 else None
    if is_number(formula):
        return float(np.ravel(formula.value)[0])
    if formula.ndim == 0:
        return formula
    if is_spread(formula):
        return _same_in_all(formula.operands[0])
    operands = tuple(map(_same_in_all, formula.operands)) if is_entrywise(formula) else (None,)
    return None if None in operands else with_operands(formula, operands)


def _one_hot(index: Any, shape: tuple[int, ...]) -> Any:
    """Return 1 at an index of a vector, or at one place of each row, and 0 elsewhere; else None."""
    if len(shape) == 2:
        index = place_in_row(index, shape[0])
    values = index.values if isinstance(index, Varying) else (index,)
    width = len(shape) - 1
    if width > 1 or index is None or not all(np.ndim(one) == width for one in values):
        return None
    if not all(np.asarray(one).dtype.kind in "iu" for one in values):
        return None

    def place(index: Any, shape: Any) -> np.ndarray:
        whole = np.zeros(shape)
        whole[(np.arange(len(whole)), index) if width else index] = 1.0
        return whole

    return Symbol.of(ONE_HOT, place, (), {"index": index, "shape": shape})


def has_one_hot(formula: Any) -> bool:
    """Return whether a formula is written with onehot."""
    if not isinstance(formula, Symbol):
        return False
    return formula.notation is ONE_HOT or any(map(has_one_hot, formula.operands))


def _one_of_each_row(formula: Any) -> Any:
    """Return one entry of each row of a matrix as the matrix times onehot, to be added up."""
    if not isinstance(formula, Symbol) or formula.notation is not ITEM:
        return formula
    (x,) = formula.operands
    one = (
        _one_hot(formula.parameters["index"], np.shape(x.value)) if np.ndim(x.value) == 2 else None
    )
    return formula if one is None else one * x


def _is_every_step(formula: Any) -> bool:
    return isinstance(formula, Symbol) and formula.parameters.keys() == {"steps"}


def as_read(formula: Any, sequences: Set[int] = frozenset()) -> Any:
    """Return a formula as it is read: sums say over which axes or steps they go.

    Parameters
    ----------
    formula : Symbol
    sequences : set of int
        The wires of signals that have the steps on their first axis.
    """

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        inner = operands[0]
        if old.notation is TOTAL and (read := _sum_as_read(old, inner)) is not None:
            return read
        if old.apply in PUT and (placed := _in_one_place(old, operands)) is not None:
            return placed
        index = old.parameters.get("index")
        if old.notation is ITEM and isinstance(inner, Symbol) and adds_axes(index):
            return inner.reshape(old.shape)
        if old.apply is scatter.forward and _is_of_slices(index):
            place = bare(constant_text(index))
            form = Notation(
                f"{{0}} at [{place}]", rf"{{0}} \;\text{{{{at }}}} [{place}]", COMPARE, (COMPARE,)
            )
            return with_operands(old, operands, form)
        if old.notation is ITEM and isinstance(index, int) and _is_every_step(inner):
            count = inner.parameters["steps"]
            phrase = name_step(index % count, count)
            form = Notation(
                f"{{0}} {phrase}", rf"{{0}} \text{{{{ {phrase}}}}}", COMPARE, (COMPARE,)
            )
            return Symbol.of(form, lambda x: x, inner.operands)
        if old.apply is concatenate.forward and _goes_along_last_axis(old, operands):
            return with_operands(old, operands, SIDE_BY_SIDE)
        outer = outer_product(old, operands)
        if outer is not None:
            return outer
        if is_entrywise(old):
            operands = tuple(_column(x) if np.ndim(old.value) == 2 else x for x in operands)
        axes = _axes(old, operands, sequences)
        if axes:
            return with_operands(old, operands, _along(old.notation, axes))
        return with_operands(old, operands)

    return rewrite(formula, put)


def _sum_as_read(old: Symbol, inner: Any) -> Any:
    """Return a sum over the steps, or of one entry of each row, as it is read; None of others."""
    axis = old.parameters.get("axis")
    assert old.apply is not None
    if axis is None and _is_every_step(inner):
        (at_step,) = inner.operands
        is_number = np.ndim(getattr(at_step, "value", 0)) == 0
        notation = OF_STEPS if is_number else OVER_STEPS
        return Symbol.of(notation, old.apply, (_one_of_each_row(at_step),))
    if axis is None:
        one = _one_of_each_row(inner)
        return None if one is inner else with_operands(old, (one,))
    is_first = np.atleast_1d(axis).tolist() == [0] and not old.parameters.get("keepdims")
    if is_first and _is_every_step(inner) and old.ndim:
        return Symbol.of(OF_STEPS, _itself, inner.operands)
    return None


def _itself(x: Any) -> Any:
    return x


def _is_of_slices(index: Any) -> bool:
    several = index if isinstance(index, tuple) else (index,)
    return all(isinstance(x, slice) for x in several)


def _goes_along_last_axis(old: Symbol, operands: tuple[Any, ...]) -> bool:
    axis, ndim = old.parameters.get("axis", 0), np.ndim(getattr(operands[0], "value", operands[0]))
    return isinstance(axis, int) and ndim > 0 and axis % ndim == ndim - 1


def _column(operand: Any) -> Any:
    """Return a vector of which a column is made as the vector transposed: a vector is a row."""
    if not isinstance(operand, Symbol) or operand.notation is not RESHAPE:
        return operand
    inner, rows = operand.operands[0], operand.shape[:1]
    is_column = operand.shape == (*rows, 1) and np.shape(getattr(inner, "value", 0)) == rows
    return with_operands(operand, operand.operands, TRANSPOSE) if is_column else operand


def _has_steps(formula: Any, sequences: Set[int]) -> bool:
    """Return whether the first axis of a formula is that of the steps."""
    if isinstance(formula, Variable):
        return formula.offset is None and formula.wire in sequences
    if not isinstance(formula, Symbol):
        return False
    if _is_every_step(formula):
        return True
    entrywise = formula.operands if is_entrywise(formula) else ()
    return any(
        x.shape == formula.shape and _has_steps(x, sequences)
        for x in entrywise
        if isinstance(x, Symbol)
    )


def _axes(old: Symbol, operands: tuple[Any, ...], sequences: Set[int]) -> str:
    """Return along which axes an operation goes, if it is not along all that its operand has."""
    axis, ndim = old.parameters.get("axis"), np.ndim(getattr(operands[0], "value", operands[0]))
    if axis is None or isinstance(axis, Varying):
        return ""
    axes = sorted({int(n) % ndim for n in np.atleast_1d(axis).tolist()}) if ndim else []
    if len(axes) == ndim:
        return ""
    if axes == [0] and _has_steps(operands[0], sequences):
        return "all steps"
    return ("axes " if len(axes) > 1 else "axis ") + " and ".join(map(str, axes))


def _along(notation: Notation | None, axes: str) -> Notation:
    """Return the notation of an operation along some axes."""
    assert notation is not None
    if notation is TOTAL:
        latex = rf"\sum_{{{{\text{{{{{axes}}}}}}}}} {{0}}"
        return Notation(f"Σ over {axes} of {{0}}", latex, COMPARE, notation.needs)
    text, latex = f"{notation.text} along {axes}", rf"{notation.latex} \text{{{{ along {axes}}}}}"
    return Notation(text, latex, COMPARE, notation.needs)
