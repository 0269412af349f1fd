"""How a derivation is laid out on a page: its groups, and which equations are told in one line.

Knows derivations; not how a formula is printed. Text, LaTeX and HTML print the same layout.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine.primitives import broadcast_to
from ..engine.symbol import Symbol
from ..network.parameters import key_of
from .as_read import as_read
from .derived import Derived, Equation, Stage, Term
from .dummies import Dummies
from .gates import Gates, gates_of, one_for_gates, over_gates, with_letter
from .legend import how_to_read, legend
from .letters import subscripted
from .lines import Group, Line
from .names import printable
from .reader import Variable, leaves, spread
from .rewriting import rewrite, with_operands
from .rules import rules
from .tidy import sum_of, tidy

LEAVES = "Inputs"
OUTSIDE, ALONE = "Outside of modules", "Network"  # beside modules, and where there are none


@dataclass(frozen=True)
class Page:
    """A derivation in the order in which it is read."""

    title: str
    legend: tuple[str, ...]
    forward: tuple[Group, ...]
    backward: tuple[Group, ...]
    steps: str = ""
    starts: tuple[tuple[str, tuple[tuple[Variable, Any], ...]], ...] = ()
    notes: tuple[str, ...] = ()
    rules_title: str = ""
    rules: tuple[tuple[str, str], ...] = ()


def page(derivation: Derived) -> Page:
    """Return the layout of a derivation."""
    gates, sequences = gates_of(derivation), _sequences(derivation)
    numbers: dict[int, Line] = {}
    forward_groups: list[tuple[str, list[Line]]] = []
    equations = [
        x for x in derivation.equations
        if x.stage is Stage.FORWARD and x.signal.wire not in derivation.left_out
    ]  # fmt: skip
    for number, same in enumerate(one_for_gates(equations, gates), start=1):
        for x in same:
            formula = as_read(x.terms[0].formula, sequences)
            numbers[x.signal.wire] = Line(x.signal, (Term(formula),), number=number)
        line = with_letter(same, gates) or numbers[same[0].signal.wire]
        _put(forward_groups, _title(same[0]), replace(line, number=number))
    backward_groups: list[tuple[str, list[Line]]] = []
    for x in derivation.equations:
        if x.stage is Stage.BACKWARD:
            signal, terms = _at_each_step(x.signal, _told(x.terms, sequences))
            line = Line(signal, over_gates(terms, gates), numbers.get(x.signal.wire))
            _put(backward_groups, _title(x), line)
    gradients = [x for x in derivation.equations if x.stage is Stage.GRADIENT]
    parameters = {x.full_name for x in derivation.sources if x.is_parameter}
    states = {x.start_wire for x in derivation.initial}
    parameters |= {x.full_name for x in gradients if _is_sum_over_steps(x)}
    if derivation.loops:  # beside which a leaf that no step reads is used once
        parameters |= {x.full_name for x in derivation.sources if x.signal.wire not in sequences}
    titles = {
        x.full_name: "Initial values" if x.signal.wire in states
        else "Parameters" if x.full_name in parameters else LEAVES
        for x in gradients
    }  # fmt: skip
    for title in ("Initial values", "Parameters", LEAVES):
        chosen = [x for x in gradients if titles[x.full_name] == title]
        lines = list(_together(derivation, chosen, gates, sequences))
        if lines:
            backward_groups.append((title, lines))
    headings = _headings([title for title, _ in forward_groups])
    forward = tuple(Group(headings[title], tuple(lines)) for title, lines in forward_groups)
    by_name = {line.left.name: line.number for line in numbers.values()}
    backward = tuple(
        Group(headings.get(title, title), tuple(_with_numbers(line, by_name) for line in lines))
        for title, lines in backward_groups
    )
    back = [term for group in backward for line in group.lines for term in line.terms]
    dummies = Dummies([*derivation.names, *gates.values()])
    title = derivation.loss + (f" by {printable(derivation.wrt)}" if derivation.wrt else "")
    return Page(
        title,
        tuple(legend(derivation, forward, backward, dummies)),
        forward,
        backward,
        _steps(derivation),
        tuple(_starts(derivation)),
        tuple(how_to_read(derivation, backward, dummies)),
        f"Rules, where δ is that of {dummies['y']}",
        tuple(rules((use for term in back for use in term.uses), dummies)),
    )


def _sequences(derivation: Derived) -> set[int]:
    """Return the wires of the signals that have the steps on their first axis."""
    read = {
        leaf.wire
        for x in derivation.equations
        for term in x.terms
        for leaf in leaves(term.formula)
        if leaf.offset is not None
    }
    inside = {x.signal.wire for x in derivation.equations if x.loop is not None}
    return read - inside


def _is_sum_over_steps(x: Equation) -> bool:
    return any(term.loop is not None and term.place is None for term in x.terms)


def _told(terms: tuple[Term, ...], sequences: Set[int]) -> list[Term]:
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
        )
        for same in by_way.values()
    ]
    return sorted(told, key=lambda term: abs(term.by))


def _put(groups: list[tuple[str, list[Line]]], title: str, line: Line) -> None:
    if not groups or groups[-1][0] != title:
        groups.append((title, []))
    groups[-1][1].append(line)


def _headings(titles: Sequence[str]) -> dict[str, str]:
    """Return the heading of each group, of which the last one computes the loss."""
    headings = {title: title for title in titles}
    last = titles[-1]
    if titles.count(last) == 1 < len(titles) and last != OUTSIDE:
        headings[last] = f"Loss: {last}"
    if {OUTSIDE} in ({*titles}, {*titles} - {last}):
        headings[OUTSIDE] = ALONE
    return headings


def _title(x: Equation) -> str:
    return printable(x.scope) or OUTSIDE


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


def _together(
    derivation: Derived, chosen: list[Equation], gates: Gates, sequences: Set[int]
) -> Iterator[Line]:
    """Return lines of which those of a packed parameter are one, if they differ in a letter."""
    by_name = {x.full_name: x for x in chosen}
    done: set[str] = set()
    wholes = [x for x in chosen if x.full_name in derivation.packed]
    for x in [*(x for x in reversed(chosen) if x not in wholes), *wholes]:
        if x.full_name in done:
            continue
        whole = next(
            (parts for parts in derivation.packed.values() if x.full_name in dict(parts)), ()
        )
        same = [by_name[name] for name, _ in whole if name in by_name]
        line = with_letter(same, gates)
        if line is None:
            signal, terms = _at_each_step(x.signal, _told(x.terms, sequences))
            yield Line(signal, over_gates(terms, gates))
        else:
            done.update(y.full_name for y in same)
            yield line


def _at_each_step(signal: Variable, terms: list[Term]) -> tuple[Variable, list[Term]]:
    """Return the line of a sequence as that of its entry at step k, if every term is one of it."""
    are_all_by_step = [term.place is not None and str(term.place["index"]) == "k" for term in terms]
    if not terms or not all(are_all_by_step):
        return signal, terms
    entry = Variable(signal.name, None, signal.wire, None, signal.is_delta, 0)
    return entry, [replace(term, loop=None, place=None) for term in terms]


def _with_numbers(line: Line, numbers: dict[str, int]) -> Line:
    """Return a backward line of which each summand knows the lines that use the signal."""

    def used(term: Term) -> Iterator[int]:
        letter, subscripts = (
            (term.letter, term.subscripts) if term.subscripts else (line.letter, line.subscripts)
        )
        for name in {subscripted(term.via, letter, x): 0 for x in subscripts} or [term.via]:
            if name in numbers:
                yield numbers[name]

    terms = tuple(replace(x, numbers=tuple(dict.fromkeys(used(x)))) for x in line.terms)
    return replace(line, terms=terms)


def _steps(derivation: Derived) -> str:
    counts = [len(x.steps) for x in derivation.loops.values()]
    if not counts:
        return ""
    return " and ".join(dict.fromkeys(f"k = 0 … {count - 1}" for count in counts))


def _starts(
    derivation: Derived,
) -> Iterator[tuple[str, tuple[tuple[Variable, Any], ...]]]:
    """Return what the states start from, at the first step and at the last."""
    for step in ("first", "last"):
        chosen: dict[str, tuple[Variable, Any]] = {}
        for x in derivation.initial:
            if derivation.loops[x.loop].backwards == (step == "last"):
                chosen.setdefault(f"{x.state} {x.state.offset} {x.start}", (x.state, x.start))
        if chosen:
            yield step, tuple(chosen.values())
