"""How a derivation is laid out on a page: its groups, and which equations are told in one line.

Knows derivations; not how a formula is printed. Text, LaTeX and HTML print the same layout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from .as_read import as_read
from .at_start import at_start
from .derived import Derived, Equation, Stage, Term
from .dummies import Dummies
from .gates import Gates, gates_of, one_for_gates, over_gates, with_letter
from .legend import how_to_read, legend
from .lines import Group, Line
from .names import printable
from .reader import Variable, leaves
from .rules import Rules
from .summands import as_shown, at_each_step, only_number, put_in, summands, with_numbers

LEAVES = "Inputs"
OUTSIDE, ALONE = "Outside of modules", "Network"  # beside modules, and where there are none


Starts = tuple[tuple[Variable, Any], ...]  # states, and the values that they start from


@dataclass(frozen=True)
class Page:
    """A derivation in the order in which it is read."""

    title: str
    legend: tuple[str, ...]
    forward: tuple[Group, ...]
    backward: tuple[Group, ...]
    steps: str = ""
    starts: tuple[tuple[str, Starts], ...] = ()
    notes: tuple[str, ...] = ()
    rules_title: str = ""
    rules: tuple[tuple[str, str, str], ...] = ()


def page(derivation: Derived) -> Page:
    """Return the layout of a derivation."""
    gates, sequences = gates_of(derivation), sequences_of(derivation)
    numbers = _forward_lines(derivation, gates, sequences)
    forward_groups: list[tuple[_Heading, list[Line]]] = []
    equations = _forward_equations(derivation)
    titles = _titles(derivation, equations)
    when = _times(equations)
    for same in one_for_gates(equations, gates):
        line = numbers[same[0].signal.wire]
        together = replace(with_letter(same, gates) or line, number=line.number)
        _put(forward_groups, (titles[line.left.wire], when[same[0]]), together)
    backward_groups: list[tuple[_Heading, list[Line]]] = []
    back = [x for x in derivation.equations if x.stage is Stage.BACKWARD]
    when = _times(back)
    numbers_of_δ: dict[int, float] = {}  # of those that are one number in all entries
    for x in back:
        signal, terms = at_each_step(x.signal, summands(x.terms, sequences))
        line = Line(signal, over_gates(terms, gates), numbers.get(x.signal.wire))
        line = put_in(line, numbers_of_δ)
        if (one := only_number(line.terms)) is not None:
            numbers_of_δ[signal.wire] = one
        _put(backward_groups, (titles.get(x.signal.wire, _title(x)), when[x]), line)
    gradients = list(_asked(derivation))
    parameters = {x.full_name for x in derivation.sources if x.is_parameter}
    states = {x.start_wire for x in derivation.initial}
    parameters |= {x.full_name for x in gradients if _is_sum_over_steps(x)}
    if derivation.loops:  # beside which a leaf that no step reads is used once
        parameters |= {x.full_name for x in derivation.sources if x.signal.wire not in sequences}
    kinds = {
        x.full_name: "Initial values" if x.signal.wire in states
        else "Parameters" if x.full_name in parameters else LEAVES
        for x in gradients
    }  # fmt: skip
    for title in ("Initial values", "Parameters", LEAVES):
        chosen = [x for x in gradients if kinds[x.full_name] == title]
        lines = list(_together(derivation, chosen, gates, sequences))
        lines = [put_in(line, numbers_of_δ) for line in lines]
        if lines:
            of = {line.starts for line in lines}
            step = _start_step(derivation, of.pop()) if len(of) == 1 and all(of) else ""
            at = f"here {step}" if "=" in step else f"at {step}" * bool(step)
            backward_groups.append(((title, at), lines))
    headings = _headings([title for (title, _), _ in forward_groups])
    forward = tuple(
        Group(_heading(headings[title], at), tuple(lines)) for (title, at), lines in forward_groups
    )
    dummies = Dummies([*derivation.names, *gates.values()])
    assert dummies["v"]  # of any signal; the rules get other letters
    shown = {line.left.name: line for line in numbers.values()}
    told = [(key, [as_shown(line, shown) for line in lines]) for key, lines in backward_groups]
    rules = Rules(
        (use for _, lines in told for line in lines for term in line.terms for use in term.uses),
        dummies,
    )
    backward = tuple(
        _dated(
            derivation, headings.get(title, title), at,
            [with_numbers(line, shown, rules) for line in lines],
        ) for (title, at), lines in told
    )  # fmt: skip
    title = derivation.loss + (f" by {printable(derivation.wrt)}" if derivation.wrt else "")
    return Page(
        title,
        tuple(legend(derivation, forward, backward, dummies)),
        forward,
        backward,
        _steps(derivation),
        tuple(_starts(derivation)),
        tuple(how_to_read(derivation, forward, backward, dummies)),
        f"Rules, where δ is that of {dummies['y']}",
        rules.texts,
    )


def _dated(derivation: Derived, title: str, at: str, lines: list[Line]) -> Group:
    """Return a group of backward lines, those of initial values at the step they come from."""
    are_of_starts = all(term.starts for line in lines for term in line.terms)
    dated = at_start(derivation, lines) if are_of_starts and derivation.loops else None
    return Group(_heading(title, "" if dated is not None else at), tuple(dated or lines))


def lines_apart(derivation: Derived) -> dict[Stage, dict[int, Line]]:
    """Return the line of each signal by itself, forward and backward, by the signal's wire.

    Numbers are those of the page, where a line may stand for several signals.
    """
    gates, sequences = gates_of(derivation), sequences_of(derivation)
    forward = _forward_lines(derivation, gates, sequences)
    by_name = {line.left.name: line for line in forward.values()}
    no_rules = Rules((), Dummies([]))
    lines: dict[Stage, dict[int, Line]] = {Stage.BACKWARD: {}, Stage.GRADIENT: {}}
    for x in derivation.equations:
        if x.stage in lines:
            signal, told = at_each_step(x.signal, summands(x.terms, sequences))
            terms = tuple(replace(term, uses=(), parts=()) for term in told)
            line = Line(signal, terms, forward.get(x.signal.wire))
            lines[x.stage][x.signal.wire] = with_numbers(line, by_name, no_rules)
    return {Stage.FORWARD: forward, **lines}


def _forward_equations(derivation: Derived) -> list[Equation]:
    return [
        x for x in derivation.equations
        if x.stage is Stage.FORWARD and x.signal.wire not in derivation.left_out
    ]  # fmt: skip


def _forward_lines(derivation: Derived, gates: Gates, sequences: Set[int]) -> dict[int, Line]:
    """Return the forward line of each signal, with the number that those of all gates share."""
    lines = {}
    groups = one_for_gates(_forward_equations(derivation), gates)
    for number, same in enumerate(groups, start=1):
        for x in same:
            formula = as_read(x.terms[0].formula, sequences)
            lines[x.signal.wire] = Line(x.signal, (Term(formula),), number=number)
    return lines


_Heading = tuple[str, str]  # a title, and when its lines are computed


def _heading(title: str, when: str) -> str:
    return f"{title} ({when})" if when else title


def _times(equations: Sequence[Equation]) -> dict[Equation, str]:
    """Return when each equation is computed: at each step, or once, before or after a loop."""
    looped = [at for at, x in enumerate(equations) if x.loop is not None]
    times = {}
    for at, x in enumerate(equations):
        if not looped:
            times[x] = ""
        elif x.loop is not None:
            times[x] = "at each step k"
        elif at < looped[0]:
            times[x] = "once, before the loop"
        else:
            times[x] = f"once, {'after the loop' if at > looped[-1] else 'between the loops'}"
    return times


def _asked(derivation: Derived) -> Iterator[Equation]:
    """Return the equations of the gradients that somebody asked for."""
    asked = {x.full_name for x in derivation.sources if x.requires_grad}
    for x in derivation.equations:
        if x.stage is Stage.GRADIENT and (x.full_name in asked or derivation.is_part):
            yield x


def sequences_of(derivation: Derived) -> set[int]:
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


def _put(groups: list[tuple[_Heading, list[Line]]], heading: _Heading, line: Line) -> None:
    if not groups or groups[-1][0] != heading:
        groups.append((heading, []))
    groups[-1][1].append(line)


def _headings(titles: Sequence[str]) -> dict[str, str]:
    """Return the heading of each group, of which the last one computes the loss."""
    headings = {title: title for title in titles}
    last = titles[-1]
    titles = [title for at, title in enumerate(titles) if titles[at - 1 : at] != [title]]
    if titles.count(last) == 1 < len(titles) and last != OUTSIDE:
        headings[last] = f"Loss: {last.replace('_', ' ')}"
    if {OUTSIDE} in ({*titles}, {*titles} - {last}):
        headings[OUTSIDE] = ALONE
    return headings


def _titles(derivation: Derived, equations: Sequence[Equation]) -> dict[int, str]:
    """Return the titles of forward equations by their wires.

    A loss that adds up the losses of the steps, outside of modules, stands with them.
    """
    titles = {x.signal.wire: _title(x) for x in equations}
    for x in equations:
        if x.signal.name == derivation.loss and titles[x.signal.wire] == OUTSIDE:
            read = {titles.get(leaf.wire) for term in x.terms for leaf in leaves(term.formula)}
            of = read.pop() if len(read) == 1 else None
            titles[x.signal.wire] = of or OUTSIDE
    return titles


def _title(x: Equation) -> str:
    return printable(x.scope) or OUTSIDE


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
            signal, terms = at_each_step(x.signal, summands(x.terms, sequences))
            yield Line(signal, over_gates(terms, gates))
        else:
            done.update(y.full_name for y in same)
            yield line


def _steps(derivation: Derived) -> str:
    counts = [len(x.steps) for x in derivation.loops.values()]
    if not counts:
        return ""
    return " and ".join(dict.fromkeys(f"k = 0 … {count - 1}" for count in counts))


def _starts(derivation: Derived) -> Iterator[tuple[str, Starts]]:
    """Return at which steps states read their initial values, and these values.

    Behind several delays, the second step reads one, too.
    """
    for step in ("first", "last"):
        chosen: dict[tuple[str, int], tuple[Variable, Any]] = {}
        for x in derivation.initial:
            if derivation.loops[x.loop].backwards == (step == "last"):
                assert x.state.offset is not None
                chosen.setdefault((x.state.name, x.state.offset), (x.state, x.start))
        most = max((abs(offset) for _, offset in chosen), default=0)
        for later in range(most):
            by = later if step == "first" else -later
            read = tuple(
                (state, chosen[state.name, offset + by][1])
                for (_, offset), (state, _) in chosen.items()
                if abs(offset) > later and (state.name, offset + by) in chosen
            )
            if read:
                yield _start_step(derivation, step, later), read


def _start_step(derivation: Derived, which: str, later: int = 0) -> str:
    """Return a step at a loop's beginning, "first", or at its end, "last", as people write it."""
    counts = {len(x.steps) for x in derivation.loops.values()}
    if which == "first":
        return f"k = {later}"
    if len(counts) == 1:
        return f"k = {counts.pop() - 1 - later}"
    return "the last step" if not later else f"the step that is {later} before the last"
