"""The summands of a backward line as they are told: tidy, numbers put in, with their rules.

Knows the equations as data, and formulas; not how lines are grouped on a page.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.facts import TAKING
from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..engine.primitives import broadcast_to, hadamard
from ..engine.symbol import ADD, HADAMARD, SUBTRACT, TOTAL, Symbol
from ..network.parameters import key_of
from .as_read import as_read, has_one_hot
from .derived import Term
from .letters import subscripted
from .lines import Line
from .reader import Variable, spread
from .rewriting import rewrite, with_operands
from .rules import CHOOSING, Rules, Use
from .simplify import is_number, simplify
from .tidy import sum_of, tidy

MOST_PARTS = 3  # of what comes back through one signal that are told


def only_number(terms: Sequence[Term]) -> float | None:
    """Return the number that a δ is in every entry; None if it is another at some."""
    if len(terms) != 1 or terms[0].when or terms[0].place is not None:
        return None
    formula = terms[0].formula
    if isinstance(formula, Symbol) and is_number(formula):
        formula = np.ravel(formula.value)[0]
    return None if isinstance(formula, Symbol) else float(formula)


def put_in(line: Line, known: Mapping[int, float]) -> Line:
    """Return a backward line in which a δ that is a number is this number."""
    terms = tuple(x.changed(lambda formula: _with_known(formula, known)) for x in line.terms)
    return replace(line, terms=terms)


def _with_known(formula: Any, known: Mapping[int, float]) -> Any:
    """Return a formula in which a δ that is a number multiplies as this number."""

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        for one, other in (operands, operands[::-1]) if old.notation is HADAMARD else ():
            is_known = isinstance(one, Variable) and one.is_delta and one.wire in known
            if is_known and np.shape(getattr(other, "value", other)) == old.shape:
                return simplify(known[one.wire] * other)
        return with_operands(old, operands)

    return tidy(rewrite(formula, put)) if known else formula


def summands(terms: tuple[Term, ...], sequences: Set[int]) -> list[Term]:
    """Return summands as they are told: those of this step first, and one for each way back."""
    by_way: dict[Hashable, list[Term]] = {}
    for one in terms:
        for term in _closed(one):
            read = replace(term, formula=tidy(as_read(term.formula, sequences)))
            place = None if term.place is None else key_of(term.place["index"])
            way = term.via, term.by, term.loop, place, term.starts, term.only
            by_way.setdefault((way, np.shape(read.formula.value)), []).append(read)
    told = [
        replace(
            same[0],
            formula=sum_of([term.formula for term in same]),
            uses=tuple(use for term in same for use in term.uses),
            parts=_parts(same),
        )
        for same in by_way.values()
    ]
    return sorted(told, key=lambda term: abs(term.by))


def _parts(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Return what comes back on each of several ways, if their sum is not written as a sum."""
    distinct = {tuple(sorted(str(term.formula).split(" ∘ "))): term for term in terms}
    total = sum_of([term.formula for term in terms]) if len(distinct) > 1 else None
    is_shown = total is None or getattr(total, "notation", None) in (ADD, SUBTRACT)
    return () if is_shown or len(distinct) > MOST_PARTS else tuple(distinct.values())


def _closed(term: Term) -> Iterator[Term]:
    """Return a term; what another step or loop hands on, as it follows from that step's own δ."""
    if not term.closed or (term.loop is not None and not term.starts):
        formula = term.formula
        if isinstance(formula, Symbol) and formula.apply is broadcast_to.forward:
            formula = formula.operands[0]  # a sum spreads its terms
        yield replace(term, formula=rewrite(formula, _spread_silently))
        return
    for inner in term.closed:
        yield from _closed(inner)


def _spread_silently(old: Symbol, operands: tuple[Any, ...]) -> Any:
    """Return a number that is spread to a shape as the number."""
    is_number = old.apply is broadcast_to.forward and np.ndim(getattr(operands[0], "value", 0)) == 0
    return spread(operands[0], old.shape) if is_number else with_operands(old, operands)


def at_each_step(signal: Variable, terms: list[Term]) -> tuple[Variable, list[Term]]:
    """Return the line of a sequence as that of its entry at step k, if every term is one of it."""
    are_all_by_step = [term.place is not None and str(term.place["index"]) == "k" for term in terms]
    if not terms or not all(are_all_by_step):
        return signal, terms
    entry = Variable(signal.name, None, signal.wire, None, signal.is_delta, 0)
    return entry, [replace(term, loop=None, place=None) for term in terms]


def as_shown(line: Line, forward: Mapping[str, Line]) -> Line:
    """Return a backward line told by the operations that its forward lines show.

    A forward line shows one entry of each row as a product with onehot.
    """

    def shown(term: Term) -> Term:
        of = forward.get(term.via)
        if of is None or not any(has_one_hot(x.formula) for x in of.terms):
            return term
        product = Use(hadamard, 1)
        uses = (product if use.kind == TAKING else use for use in term.uses)
        parts = tuple(map(shown, term.parts))
        return replace(term, uses=tuple(_with_choice([*dict.fromkeys(uses)], product)), parts=parts)

    return replace(line, terms=tuple(map(shown, line.terms)))


def _with_choice(uses: list[Use], product: Use) -> list[Use]:
    """Return uses in which the sum of one entry of each row of a function is one rule."""
    if product not in uses:
        return uses
    at = uses.index(product)
    before, after = uses[at - 1 : at], uses[at + 1 : at + 2]
    kinds = [use.kind for use in (*before, *after) if isinstance(use.kind, Primitive)]
    if (
        len(kinds) < 2
        or kinds[0].notation is not TOTAL
        or kinds[1].kind is not Kind.MATRIX_FUNCTION
    ):
        return uses
    return [*uses[: at - 1], Use(CHOOSING, function=kinds[1]), *uses[at + 2 :]]


def with_numbers(line: Line, forward: Mapping[str, Line], rules: Rules) -> Line:
    """Return a backward line of which each summand knows its rules, and the lines that use it."""

    def used(term: Term) -> Iterator[int]:
        letter, subscripts = (
            (term.letter, term.subscripts) if term.subscripts else (line.letter, line.subscripts)
        )
        for name in {subscripted(term.via, letter, x): 0 for x in subscripts} or [term.via]:
            if name in forward:
                yield forward[name].number

    def with_rules(term: Term) -> Term:
        parts = tuple(map(with_rules, term.parts))
        return replace(term, rules=rules.names(term.uses), parts=parts)

    terms = (replace(x, numbers=tuple(dict.fromkeys(used(x)))) for x in line.terms)
    return replace(line, terms=tuple(map(with_rules, terms)))
