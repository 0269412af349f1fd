"""Equations and summands that differ in a subscript alone, told as one: those of all gates.

Knows derivations and their lines; not how a formula is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..engine.symbol import Symbol
from .as_read import as_read
from .derived import Derived, Equation, Term
from .letters import base_and_number, letter_for, subscripted
from .lines import Line
from .reader import Variable
from .rewriting import rewrite

Gates = Mapping[tuple[str, ...], str]  # a letter for each list of subscripts


def gates_of(derivation: Derived) -> Gates:
    """Return the subscripts of the parts of each packed parameter, and the letter for them all."""
    names = {x.full_name: base_and_number(x.signal.name)[0] for x in derivation.sources}
    taken = {base_and_number(name)[0] for name in derivation.names}
    packs = ([names.get(name, "") for name, _ in parts] for parts in derivation.packed.values())
    several = dict.fromkeys(tuple(x.rpartition("_")[2] for x in pack) for pack in packs)
    letters: dict[tuple[str, ...], str] = {}
    for subscripts in several:
        letters[subscripts] = letter_for(subscripts, taken.union(letters.values()))
    return letters


def one_for_gates(equations: list[Equation], gates: Gates) -> Iterator[list[Equation]]:
    """Return equations one by one, but those of all gates together if a letter tells them apart."""
    at = 0
    while at < len(equations):
        several = [equations[at : at + len(subscripts)] for subscripts in gates]
        same = next(
            (xs for xs, own in zip(several, gates, strict=True) if _are_of(xs, own, gates)),
            equations[at : at + 1],
        )
        yield same
        at += len(same)


def _are_of(equations: list[Equation], subscripts: tuple[str, ...], gates: Gates) -> bool:
    """Return whether equations are those of some gates, and differ in the subscript alone."""
    own = tuple(base_and_number(x.signal.name)[0].rpartition("_")[2] for x in equations)
    is_one_group = len({x.scope for x in equations}) == 1
    is_several = len(own) > 1 and own == subscripts
    return is_several and is_one_group and with_letter(equations, gates) is not None


def over_gates(terms: list[Term], gates: Gates) -> tuple[Term, ...]:
    """Return summands of which those of all gates are one sum, if a letter tells them apart."""
    new: list[Term] = []
    at = 0
    while at < len(terms):
        joined = None
        for subscripts, letter in gates.items():
            several = terms[at : at + len(subscripts)]
            joined = joined or _sum_over_gates(several, subscripts, letter)
        new.append(joined or terms[at])
        at += len(joined.subscripts) if joined else 1
    return tuple(new)


def _sum_over_gates(terms: list[Term], subscripts: tuple[str, ...], letter: str) -> Term | None:
    """Return summands as one sum over gates, or None if they differ in more than the subscript."""
    if not 1 < len(subscripts) == len(terms) or any(x.subscripts for x in terms):
        return None
    joined = [
        replace(
            x, formula=_subscripted(x.formula, own, letter), via=subscripted(x.via, own, letter),
            subscripts=subscripts, letter=letter, closed=(), parts=(),
        )
        for x, own in zip(terms, subscripts, strict=True)
    ]  # fmt: skip
    alike = {(_with_steps(x.formula), x.via, x.by, x.loop, x.starts, x.only) for x in joined}
    is_placed = any(x.place is not None for x in terms)
    return joined[0] if len(alike) == 1 and not is_placed and letter in joined[0].via else None


def with_letter(equations: list[Equation], gates: Gates) -> Line | None:
    """Return one line for equations that differ in a subscript alone, or None."""
    if len(equations) < 2:
        return None
    subscripts = [base_and_number(x.signal.name)[0].rpartition("_")[2] for x in equations]
    letter = gates.get(tuple(subscripts)) or letter_for(subscripts)
    sides = [
        (
            _subscripted(x.signal, subscript, letter),
            tuple(_subscripted(as_read(term.formula), subscript, letter) for term in x.terms),
        )
        for x, subscript in zip(equations, subscripts, strict=True)
    ]
    if len({tuple(_with_steps(x) for x in (left, *terms)) for left, terms in sides}) > 1:
        return None
    first, (left, formulas) = equations[0], sides[0]
    terms = tuple(
        Term(
            formula,
            subscripted(term.via, subscripts[0], letter),
            loop=term.loop,
            place=term.place,
            uses=term.uses,
        )
        for term, formula in zip(first.terms, formulas, strict=True)
    )
    each = tuple(x.signal for x in equations)
    return Line(left, terms, subscripts=tuple(subscripts), letter=letter, each=each)


def _with_steps(formula: Any) -> str:
    """Return the text of a formula in which each signal has its step."""

    def put(leaf: Any) -> Any:
        is_signal = isinstance(leaf, Variable)
        return Symbol(f"{leaf.name}@{leaf.offset}", leaf.value) if is_signal else leaf

    return str(rewrite(formula, leaf=put))


def _subscripted(formula: Any, subscript: str, letter: str) -> Any:
    """Return a formula with a letter in place of one of the subscripts that it stands for."""

    def put(leaf: Any) -> Any:
        if not isinstance(leaf, Variable):
            return leaf
        name = subscripted(leaf.name, subscript, letter)
        return Variable(name, leaf.value, leaf.wire, leaf.step, leaf.is_delta, leaf.offset)

    return rewrite(formula, leaf=put)
