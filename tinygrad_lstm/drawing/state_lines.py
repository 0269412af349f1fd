"""The equations below a picture of what no arrow says: δ of a state, and of what it starts from.

Knows derivations and skeletons. It has no rule of its own: every equation is a line of the
derivation, in the names of the picture. One that reads a signal without a name there is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..engine.symbol import Symbol
from ..formulas.derivation_text import plain, summed
from ..formulas.derived import Derived, Stage, Term
from ..formulas.layout import lines_apart
from ..formulas.lines import Line
from ..formulas.reader import Variable, leaves
from ..formulas.rewriting import rewrite
from .labels import DRIVES, STEP
from .skeleton import LOOSE, Role, Skeleton, Sort

LONGEST = 150  # letters of an equation
MOST_STATES = 4


class Nameless(Exception):
    """A signal has no name in the picture."""


def say_states(drawn: Skeleton, derivation: Derived) -> list[str]:
    """Return a note on δ of the states, and add the equations of leaves that have none yet.

    Parameters
    ----------
    drawn : Skeleton
    derivation : Derived
    """
    said = _Equations(drawn, derivation)
    states = dict.fromkeys(x.state.wire for x in derivation.initial)
    known = {x.name for x in drawn.vertices if x.gradient}
    known |= {arc.weight_name for arc in drawn.arcs if any(x.gradient for x in arc.labels)}
    drawn.equations += said.leaves(known)
    return [*said.states()] if len(states) <= MOST_STATES else []


class _Equations:
    def __init__(self, drawn: Skeleton, derivation: Derived) -> None:
        self.derivation, self.shown = derivation, names_in(drawn)
        self.drives = {line for x in drawn.vertices for line in x.adjoint if line[:4] == DRIVES}
        lines = lines_apart(derivation)
        self.backward, self.gradients = lines[Stage.BACKWARD], lines[Stage.GRADIENT]
        self.full = {x.signal.name: x.full_name for x in derivation.sources}
        self.full |= {x.signal.name: x.full_name for x in derivation.equations}
        self.users: dict[str, list[str]] = {}  # the signals that are computed from each signal
        for x in derivation.equations:
            if x.stage is Stage.FORWARD:
                for leaf in (leaf for term in x.terms for leaf in leaves(term.formula)):
                    self.users.setdefault(leaf.name, []).append(x.signal.name)
        self.starts = {(x.state.name, x.state.offset): x.start for x in derivation.initial}

    def states(self) -> Iterator[str]:
        """Yield a text with the recursion of each state."""
        texts = {}
        for x in self.derivation.initial:
            for line in self.backward.values():
                if line.left.name == f"δ{x.state.name}" and line.left.offset == 0:
                    texts[line.left.name] = self._text(line)
        equations = [text for text in texts.values() if text]
        if equations:
            yield f"δ of a state:  {';  '.join(equations)}"

    def leaves(self, known: set[str]) -> Iterator[str]:
        """Yield the equation of each gradient that somebody asked for and that is not known.

        That of a sequence stands at its end, in the adjoint.
        """
        asked = {
            x.signal.wire for x in self.derivation.sources
            if x.requires_grad and x.full_name not in known
        }  # fmt: skip
        for wire, line in self.gradients.items():
            if wire in asked and line.left.offset is None and (text := self._text(line)):
                yield text

    def _text(self, line: Line) -> str:
        """Return a line in the names of the picture; "" if there is no such name, or too much."""
        try:
            left = self._name(line.left)
            terms = " + ".join(self._summands(line, left)).replace(" + −", " − ")
            text = f"{left} = {terms}"
        except Nameless:
            return ""
        return text if len(text) <= LONGEST else ""

    def _summands(self, line: Line, left: str) -> Iterator[str]:
        """Yield the summands of a line; all that comes from the loss is one."""
        drive = f"{DRIVES}{left.removeprefix('δ')}"
        is_driven = False
        for term in line.terms:
            try:
                yield self._summand(term)
            except Nameless:
                if drive not in self.drives or not self._is_of_loss(term.via):
                    raise
                if not is_driven:
                    yield drive
                is_driven = True

    def _is_of_loss(self, name: str) -> bool:
        """Return whether a signal leads to the loss through no signal of the picture."""
        reached = [name]
        for one in reached:
            if self.full.get(one) in self.shown:
                return False
            reached += [x for x in self.users.get(one, ()) if x not in reached]
        return True

    def _summand(self, term: Term) -> str:
        def put(leaf: Any) -> Any:
            if not isinstance(leaf, Variable):
                return leaf
            line = self.backward.get(leaf.wire) if leaf.is_delta and not leaf.offset else None
            if line is not None and len(line.terms) == 1 and not self._has_name(leaf):
                return rewrite(line.terms[0].formula, leaf=put)
            return Symbol(self._name(leaf, term.starts), leaf.value)

        text = summed(replace(term, formula=rewrite(term.formula, leaf=put)), plain)
        when = f" ({term.when})" if term.when else ""
        return text + when

    def _has_name(self, signal: Variable) -> bool:
        own = signal.name.removeprefix("δ" * signal.is_delta)
        return self.full.get(own) in self.shown

    def _name(self, signal: Variable, starts: str = "") -> str:
        """Return a signal as the picture calls it, at the step k or at the step where it starts."""
        mark = "δ" * signal.is_delta
        own = signal.name.removeprefix(mark)
        if not self._has_name(signal):
            raise Nameless
        name = mark + self.shown[self.full[own]]
        if signal.offset is None:
            return name
        if not starts:
            return f"{name}(k{signal.offset:+d})".replace("+0", "").replace("-", "−")
        if starts != "first":
            raise Nameless
        start = self.starts.get((own, signal.offset))
        if signal.offset < 0:
            if start is None or mark:
                raise Nameless
            return self._name(start) if isinstance(start, Variable) else plain(start)
        return f"{name}({signal.offset})"


def names_in(drawn: Skeleton) -> dict[str, str]:
    """Return what a picture calls signals, without the step, by their full names.

    A name that several signals have, each in a module, is left out.
    """
    names = {x.name: STEP.sub("", x.forward[0]) for x in drawn.vertices if x.role in LOOSE}
    for arc in drawn.arcs:
        name = "" if drawn.vertices[arc.tail].role is Role.DELAY else arc.name
        for label in arc.labels:
            if label.sort is Sort.WEIGHT and arc.weight is not None:
                text = label.forward[0].removeprefix("× ").removesuffix(" ·")
                names.setdefault(arc.weight_name, text)
                name = arc.weight.name
            elif label.sort is Sort.NAME and name and label.forward != label.adjoint:
                names.setdefault(name, STEP.sub("", label.forward[0]))
    signals: dict[str, set[str]] = {}
    for full, name in names.items():
        signals.setdefault(name, set()).add(STEP.sub("", full))
    return {full: name for full, name in names.items() if len(signals[name]) == 1}
