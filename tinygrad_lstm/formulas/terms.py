"""Summands of a δ: at another step, at one step alone, and equal ones counted.

Knows formulas and the equations as data; no network.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ..engine.primitives import scatter
from ..engine.symbol import Symbol
from ..network.parameters import key_of
from .derived import Term
from .letter_reader import shifted
from .rewriting import form
from .simplify import total


def is_of_one_step(term: Term) -> bool:
    """Return whether a summand of δ of all steps of a signal is that of one step alone."""
    formula = term.formula
    is_placed = isinstance(formula, Symbol) and formula.apply is scatter.forward
    return term.loop is None and is_placed and isinstance(formula.parameters["index"], int)


def at_its_step(term: Term, count: int) -> Term:
    """Return a summand of δ of all steps as a summand of δ of the step that it belongs to."""
    (formula,), index = term.formula.operands, term.formula.parameters["index"]
    return replace(term, formula=formula, only=(index % count, count))


def later(term: Term, by: int) -> Term:
    """Return a term as it is some steps later, for what this step gets back from there."""
    return replace(
        term,
        only=None if term.only is None else (term.only[0] - by, term.only[1]),
        formula=shifted(term.formula, by),
        by=term.by + by,
        closed=tuple(later(inner, by) for inner in term.closed),
    )


def starting(term: Term, which: str) -> Term:
    """Return a term as it comes back to an initial value, from the first step or the last."""
    closed = tuple(starting(inner, which) for inner in term.closed)
    return replace(term, starts=which, closed=closed)


def counted(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Return terms of which equal ones are one, times their number."""
    groups: dict[Hashable, list[Term]] = {}
    for term in terms:
        place = None if term.place is None else key_of(term.place["index"])
        key = form(term.formula), term.loop, place, term.handed
        groups.setdefault(key, []).append(term)
    return tuple(
        replace(same[0], formula=total([term.formula for term in same])) for same in groups.values()
    )
