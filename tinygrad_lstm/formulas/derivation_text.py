"""A derivation as plain text, 80 columns wide.

Knows the layout; decides no mathematics.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..engine.symbol import Symbol
from .derivation_numbers import SUBSCRIPTS, Numbers, named
from .derived import Derived, Term
from .layout import page
from .lines import Group, Line
from .names import Exact
from .reader import Variable
from .rewriting import in_brackets, rewrite
from .simplify import is_number

WIDTH = 80
STEP = re.compile(r"(?<=\w)\(k([+−-]\d+)?\)")
SHAPES = "To the right of a forward line stands the shape of its signal; at one step, if it has k."


def text(derivation: Derived, steps: tuple[int, ...] = ()) -> str:
    """Return the derivation as text, with the numbers of some steps if they are asked for."""
    layout = page(derivation)
    numbers = Numbers(derivation, steps)
    lines = [f"Derivation of {layout.title}", ""]
    for sentence in (*layout.legend, SHAPES, *numbers.legend()):
        lines += textwrap.wrap(_with_subscripts(sentence), WIDTH)
    lines += ["", f"Forward{', ' if layout.steps else ''}{layout.steps}"]
    for which, starts in layout.starts:
        starts_text = "; ".join(f"{written(state)} = {written(start)}" for state, start in starts)
        lines += _wrapped(f"At {which}, {starts_text}.")
    width = _left_width(layout.forward)
    for group in layout.forward:
        lines += ["", f"  {group.title}"]
        for line in group.lines:
            lines += _forward(line, width)
            lines += numbers.of(line, width + 9)
    lines += ["", f"Backward{', from the last step to the first' if layout.steps else ''}"]
    for sentence in layout.notes:
        lines += _wrapped(sentence)
    lines += ["", f"  {layout.rules_title}"] if layout.rules else []
    wide = max((len(operation) for _, operation, _ in layout.rules), default=0)
    for name, operation, gives in layout.rules:
        lines += _broken(f"  {name:>5}  {operation:<{wide}}   ", gives)
    for group in layout.backward:
        lines += ["", f"  {group.title}"]
        for line in group.lines:
            lines += _backward(line, is_dated=bool(group.starts))
            lines += numbers.of(line, len(named(line.left)) + 5)
    return "\n".join([*lines, *numbers.tables(layout)])


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")


def written(formula: Any) -> str:
    """Return a formula as text, with the step of each signal as its subscript."""
    return _with_subscripts(plain(formula))


def plain(formula: Any) -> str:
    """Return a formula as text, with the step of what no signal is in brackets: t(k)."""
    return str(in_brackets(rewrite(formula, leaf=_leaf))).replace("-", "−")


def _with_subscripts(text: str) -> str:
    """Return a text with a step in brackets as a subscript.

    >>> _with_subscripts("onehot(t(k)) ∘ x[2k, index(k+1)]")
    'onehot(tₖ) ∘ x[2k, indexₖ₊₁]'
    """
    return STEP.sub(lambda step: step[0][1:-1].translate(SUBSCRIPTS), text)


def _leaf(leaf: Any) -> Any:
    if isinstance(leaf, Variable):
        return Symbol(named(leaf), leaf.value)
    if isinstance(leaf, Symbol) and is_number(leaf):
        return Symbol(f"{Exact(np.ravel(leaf.value)[0]):g}", leaf.value)
    return Exact(leaf) if isinstance(leaf, float) else leaf


def _left_width(groups: tuple[Group, ...]) -> int:
    return max((len(named(x.left)) for group in groups for x in group.lines), default=0)


def _forward(line: Line, width: int) -> Iterator[str]:
    head = f"  {f'({line.number})':>5} {named(line.left):<{width}} = "
    shape = np.shape(line.left.value)
    notes = [f"{line.letter} = {', '.join(line.subscripts)}"] if line.subscripts else []
    notes += [str(shape)] if shape else []
    return _broken(head, written(line.terms[0].formula), "  ".join(notes))


def _backward(line: Line, *, is_dated: bool = False) -> Iterator[str]:
    """Return a backward line; the heading of its group may say the step that it comes from."""
    if line.forward is not None:
        formula = written(line.forward.terms[0].formula)
        yield from _broken(f"  {named(line.forward.left)} = ", formula, f"({line.forward.number})")
    lead = f"    {named(line.left)} = "
    for at, term in enumerate(line.terms):
        formula = summed(term)
        sign = lead if at == 0 else " " * (len(lead) - 2) + "+ "
        if at and formula.startswith("−"):
            sign, formula = " " * (len(lead) - 2) + "− ", formula[1:].lstrip()
        notes = [
            f"via {_way(term)}" if term.via else "",
            f"at the {term.starts} step"
            if term.starts and term.at is None and not is_dated
            else "",
            term.when,
            f"{term.letter} = {', '.join(term.subscripts)}" if term.subscripts else "",
            f"{line.letter} = {', '.join(line.subscripts)}" if line.subscripts and at == 0 else "",
        ]
        note = ", ".join(filter(None, notes))
        yield from _broken(sign, formula, note)
        for number, part in enumerate(term.parts):
            lead_in = f"from {len(term.parts)} uses in {term.via}: "
            lead_in = lead_in if number == 0 else f"{'and ':>{len(lead_in)}}"
            yield from _broken(f"{'':{len(sign)}}{lead_in}", summed(part), _by(part).strip())


def _way(term: Term) -> str:
    numbers = f" ({', '.join(map(str, term.numbers))})" if term.numbers else ""
    step = f" of step k{term.by:+d}" if term.by else ""
    step = step if term.at is None else f" of step {term.at}"
    return term.via + numbers + step + ("" if term.parts else _by(term))


def _by(term: Term) -> str:
    return f" by {', '.join(term.rules)}" if term.rules else ""


def summed(term: Term, write: Callable[[Any], str] = written) -> str:
    """Return a summand as text, with what it is summed over."""
    formula = write(term.formula)
    if term.subscripts:
        return f"Σ_{term.letter} ({formula})" if term.is_sum else f"Σ_{term.letter} {formula}"
    if term.loop is None:
        return formula
    if term.place is not None:
        index = _with_subscripts(str(term.place["index"]))
        where = "at step k" if index == "k" else f"at {index}"
        return f"{formula}, {where}"
    if term.is_negative:
        return f"−Σₖ {formula[1:].lstrip()}"
    return f"Σₖ ({formula})" if term.is_sum else f"Σₖ {formula}"


def one_line(line: Line) -> str:
    """Return the equation of a line as text, without breaks and without the ways back."""
    terms = " + ".join(summed(term) for term in line.terms).replace("+ −", "− ")
    return f"{named(line.left)} = {terms}"


def _broken(head: str, formula: str, note: str = "") -> Iterator[str]:
    """Return an equation on lines that are not too long, with a note to the right."""
    pad = " " * len(head)
    parts = formula.split(" ")
    lines, current = [], head + parts[0]
    for part in parts[1:]:
        if len(current) + 1 + len(part) > WIDTH and len(current) > len(pad):
            lines.append(current)
            current = pad + part
        else:
            current += f" {part}"
    lines.append(current)
    if note and len(lines[-1]) + 2 + len(note) <= WIDTH:
        lines[-1] = f"{lines[-1]:<{WIDTH - len(note) - 2}}  {note}"
    elif note:
        lines.append(f"{note:>{WIDTH}}")
    return iter(lines)
