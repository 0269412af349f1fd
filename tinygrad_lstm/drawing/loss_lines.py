"""The equations of a loss below a picture: the loss itself, and the δ that enters the adjoint.

Knows derivations and skeletons. It has no rule of its own: every equation is a line of the
derivation, in the names of the picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..engine.symbol import Symbol
from ..engine.tensor import Tensor
from ..errors import TinygradError
from ..formulas.derivation_text import plain, summed
from ..formulas.derive import derive
from ..formulas.derived import Derived, Term
from ..formulas.layout import page
from ..formulas.legend import means, told_by_step
from ..formulas.reader import Variable, leaves
from ..formulas.rewriting import rewrite
from ..network.graph import Graph
from .labels import DRIVES
from .rows import is_one_row
from .skeleton import Skeleton
from .text import NO_BREAK

MOST_NODES = 300  # of a network that is derived for the sake of its legend
MOST_ENDS = 3  # signals that a loss reads
MOST_LINES = 4  # forward lines of a loss
LOSS = "L"  # as in ∂L/∂y
LONGEST = 100  # letters of an equation
MOST_AT_END = 20  # letters below the name of an end


def derived_for(loss: Tensor, network: Graph) -> Derived | None:
    """Return the derivation whose lines a legend tells; None of a network that is large."""
    if len(network.nodes) > MOST_NODES:
        return None
    fold = any(node.folded for node in network.nodes) if network.loops else None
    try:
        return derive(loss, fold=fold)
    except TinygradError:
        return None


def say_loss(drawn: Skeleton, derivation: Derived) -> None:
    """Write the equations of a loss in place of the sentence that names the loss.

    The sentence stays where the loss cannot be told in a few lines.
    """
    ends = [x for x in drawn.vertices if "".join(x.adjoint) == DRIVES + "".join(x.forward)]
    if not 0 < len(ends) <= MOST_ENDS:
        return
    lines = _Lines(derivation, {x.name: x.forward[0].removesuffix("(k)") for x in ends})
    equations = lines.equations({name for x in drawn.vertices for name in x.forward})
    if equations and max(map(len, equations)) <= LONGEST:
        said = ";  ".join(text.replace(" ", NO_BREAK) for text in equations)
        heads = [re.split(" = | is | at k", x)[0] for x in lines.values]
        values = [
            x for x, head in zip(lines.values, heads, strict=True)
            if any(head in text for text in equations)
        ]  # fmt: skip
        ends[0].meaning = "; ".join([f"the loss:  {said}", *values])
        for end in ends[1:]:
            end.meaning = ""
        for end in ends:
            name = "".join(end.forward)
            left = f"{DRIVES}{name} = "
            derivative = next((f"= {x.partition(left)[2]}" for x in equations if left in x), "")
            end.below = equations[0] if end is ends[0] else "", derivative


def write_at_ends(drawn: Skeleton) -> None:
    """Write the loss and its derivative below the ends, if short, and if no row becomes too long.

    The names of the ends are known by then to all that reads them.
    """
    was_one_row = is_one_row(drawn)
    before = [(x.forward, x.adjoint) for x in drawn.vertices]
    for x in drawn.vertices:
        loss, derivative = (text if len(text) <= MOST_AT_END else "" for text in x.below)
        x.forward += (loss,) * bool(loss)
        x.adjoint += (derivative,) * bool(derivative)
    if was_one_row and not is_one_row(drawn):
        for x, texts in zip(drawn.vertices, before, strict=True):
            x.forward, x.adjoint = texts


class _Lines:
    """The lines of a derivation that lead from the ends of a picture to the loss, and back.

    Parameters
    ----------
    derivation : Derived
    ends : dict of str to str
        What the picture calls the signals in which the network ends, by their full names.
    """

    def __init__(self, derivation: Derived, ends: dict[str, str]) -> None:
        layout = page(derivation)
        self.loss = derivation.loss
        self.values = (*map(told_by_step, derivation.sequences), *means(derivation, layout.forward))
        self.forward = {line.left.name: line for group in layout.forward for line in group.lines}
        self.backward = {line.left.name: line for group in layout.backward for line in group.lines}
        self.ends = {
            x.signal.name: ends[x.full_name]
            for x in derivation.equations
            if x.full_name in ends and x.signal.name in self.forward
        }
        self.is_whole = len(self.ends) == len(ends)

    def equations(self, taken: set[str]) -> list[str]:
        """Return the equations; none if a signal of the loss has the name of another signal."""
        names = self._inside()
        inside = [self.forward[name] for name in names]
        back = {f"δ{name}": self._back(f"δ{name}", names) for name in self.ends}
        if (
            not self.is_whole
            or not 0 < len(names) <= MOST_LINES
            or any(x.subscripts or x.each for x in inside)
            or not all(back.values())
            or any(self._text(x.left) in taken for x in inside if x.left.name != self.loss)
        ):
            return []
        used = self._used([term for terms in back.values() for term in terms])
        between = [self.backward[name] for name in used if name not in back]
        texts = [self._line(x.left, x.terms) for x in inside]
        texts += [self._line(x.left, x.terms) for x in between]
        for name, terms in back.items():
            line = self.backward[name]
            signal = self._text(line.left).removeprefix("δ")
            is_all = len(terms) == len(line.terms)
            texts.append(f"δ{signal} = " * is_all + f"{DRIVES}{signal} = {self._sum(terms)}")
        return texts

    def _inside(self) -> list[str]:
        """Return the names of the signals of the loss that have a line, the loss first."""
        names = [self.loss]
        for name in names:
            if name not in self.forward or len(names) > MOST_LINES:
                return []
            read = [x.name for term in self.forward[name].terms for x in leaves(term.formula)]
            names += [
                x for x in dict.fromkeys(read)
                if x in self.forward and x not in names and x not in self.ends
            ]  # fmt: skip
        return names

    def _back(self, name: str, inside: list[str]) -> tuple[Term, ...]:
        """Return the summands of a δ that come back through the loss.

        A summand that is the δ of one signal alone is written as what this δ is.
        """
        line = self.backward.get(name)
        if line is None or line.subscripts or line.each:
            return ()
        return tuple(self._followed(term) for term in line.terms if term.via in inside)

    def _followed(self, term: Term) -> Term:
        while isinstance(term.formula, Variable) and term.loop is None:
            line = self.backward.get(term.formula.name)
            if (
                line is None
                or len(line.terms) != 1
                or line.left.name.removeprefix("δ") in self.ends
            ):
                break
            term = replace(line.terms[0], via=term.via)
        return term

    def _used(self, terms: Iterable[Term]) -> list[str]:
        """Return the names of the δ that some summands read, the first ones to compute first."""
        names: dict[str, None] = {}
        for term in terms:
            for x in leaves(term.formula):
                if x.name in self.backward:
                    names |= dict.fromkeys([*self._used(self.backward[x.name].terms), x.name])
        return [*names]

    def _line(self, left: Variable, terms: tuple[Term, ...]) -> str:
        return f"{self._text(left)} = {self._sum(terms)}"

    def _sum(self, terms: Iterable[Term]) -> str:
        texts = [summed(replace(x, formula=self._in_picture(x.formula)), plain) for x in terms]
        return " + ".join(texts).replace(" + −", " − ")

    def _in_picture(self, formula: Any) -> Any:
        def put(leaf: Any) -> Any:
            is_signal = isinstance(leaf, Variable)
            return Symbol(self._text(leaf), leaf.value) if is_signal else leaf

        return rewrite(formula, leaf=put)

    def _text(self, signal: Variable) -> str:
        """Return a signal as the picture calls it, with its step: z(k)."""
        mark = "δ" * signal.is_delta
        name = signal.name.removeprefix(mark)
        name = LOSS if name == self.loss else self.ends.get(name, name)
        if signal.offset is None:
            return mark + name
        step = f"{signal.offset:+d}" if signal.offset else ""
        return f"{mark}{name}(k{step})".replace("-", "−")
