"""A derivation as plain text, 80 columns wide.

Knows the layout; decides no mathematics.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from ..engine.symbol import Symbol
from ..errors import OutOfRangeError
from .derived import Derived, Term
from .layout import Group, Line, page
from .reader import Variable
from .recorded import row
from .rewriting import rewrite

WIDTH = 80
SUBSCRIPTS = str.maketrans("k+-0123456789", "ₖ₊₋₀₁₂₃₄₅₆₇₈₉")


def text(derivation: Derived, values: int | None = None) -> str:
    """Return the derivation as text, with the numbers of a step if one is asked for."""
    layout = page(derivation)
    numbers = _numbers(derivation, values)
    lines = [f"Derivation of {layout.title}", ""]
    for sentence in layout.legend:
        lines += textwrap.wrap(sentence, WIDTH)
    if values is not None:
        which = "the last step" if values == -1 else f"step {values}"
        lines.append(f"The numbers are those of {which}, of the first row of each array.")
    lines += ["", f"Forward{', ' if layout.steps else ''}{layout.steps}"]
    for which, starts in layout.starts:
        starts_text = "; ".join(f"{written(state)} = {written(start)}" for state, start in starts)
        lines += _wrapped(f"At the {which} step {starts_text}.")
    width = _left_width(layout.forward)
    for group in layout.forward:
        lines += ["", f"  {group.title}"]
        for line in group.lines:
            lines += _forward(line, width)
            lines += numbers(line.left, width + 9)
    lines += ["", f"Backward{', from the last step to the first' if layout.steps else ''}"]
    if layout.carried:
        names = ", ".join(map(written, layout.carried))
        lines += _wrapped(f"What would come back from a step that is not there is 0: {names}.")
    for group in layout.backward:
        lines += ["", f"  {group.title}"]
        for line in group.lines:
            lines += _backward(line)
            if not line.subscripts:
                lines += numbers(line.left, len(named(line.left)) + 5)
    return "\n".join(lines)


def _numbers(derivation: Derived, step: int | None) -> Callable[[Variable, int], list[str]]:
    """Return a function that writes what was recorded of a signal, under its line."""
    recorded = derivation.recorded
    if step is None or recorded is None:
        return lambda signal, indent: []
    count = max((len(loop.steps) for loop in derivation.loops.values()), default=1)
    if not -count <= step < count:
        raise OutOfRangeError(
            f"text: values is {step}, expected a step from {-count} to {count - 1}"
        )

    def write(signal: Variable, indent: int) -> list[str]:
        value = recorded.at(signal, step)
        return [] if value is None else [f"{'':{indent}}= {row(value)}"]

    return write


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, initial_indent="  ", subsequent_indent="  ")


def written(formula: Any) -> str:
    """Return a formula as text, with the step of each signal as its subscript."""
    return str(rewrite(formula, leaf=_leaf)).replace("-", "−")


def _leaf(leaf: Any) -> Any:
    return Symbol(named(leaf), leaf.value) if isinstance(leaf, Variable) else leaf


def named(signal: Variable) -> str:
    """Return a signal's name with its step.

    >>> named(Variable("out", None, 0, offset=-1)), named(Variable("δs", None, 0, offset=0))
    ('outₖ₋₁', 'δsₖ')
    """
    if signal.offset is None:
        return signal.name
    step = "k" + (f"{signal.offset:+d}" if signal.offset else "")
    return signal.name + step.translate(SUBSCRIPTS)


def _left_width(groups: tuple[Group, ...]) -> int:
    return max((len(named(x.left)) for group in groups for x in group.lines), default=0)


def _forward(line: Line, width: int) -> Iterator[str]:
    head = f"  {f'({line.number})':>5} {named(line.left):<{width}} = "
    return _broken(head, written(line.terms[0].formula))


def _backward(line: Line) -> Iterator[str]:
    if line.forward is not None:
        formula = written(line.forward.terms[0].formula)
        yield from _broken(f"  {named(line.forward.left)} = ", formula, f"({line.forward.number})")
    lead = f"    {named(line.left)} = "
    for at, term in enumerate(line.terms):
        formula = _summed(term)
        sign = lead if at == 0 else " " * (len(lead) - 2) + "+ "
        if at and formula.startswith("−"):
            sign, formula = " " * (len(lead) - 2) + "− ", formula[1:].lstrip()
        note = f"via {_way(term.via)}" if term.via and len(line.terms) > 1 else ""
        if term.starts and (not line.starts or at == len(line.terms) - 1):
            note += ", " * bool(note) + f"at the {term.starts} step"
        note += ", " * bool(note and term.when) + term.when
        if line.subscripts and at == 0:
            note = f"g = {', '.join(line.subscripts)}"
        yield from _broken(sign, formula, note)


def _way(via: str) -> str:
    name, *steps = via.split("|")
    by = sum(map(int, steps))
    return f"{name} of step k{by:+d}" if by else name


def _summed(term: Term) -> str:
    formula = written(term.formula)
    if term.loop is None:
        return formula
    if term.place is not None:
        index = str(term.place["index"])
        where = "at step k" if index == "k" else f"at {index}"
        return f"{formula}, {where}"
    return f"Σₖ ({formula})" if " + " in formula or " − " in formula else f"Σₖ {formula}"


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
