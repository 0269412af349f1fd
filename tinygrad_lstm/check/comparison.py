"""A comparison: one row for each signal, the first wrong step, and the mistakes that explain it.

Knows the searches; nothing of how their results are put into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..engine.arguments import function, of_kind, text
from ..engine.limit import Clock, TimeUp
from ..engine.tensor import Tensor
from ..formulas.called import called
from ..formulas.equations import DeltaEquations
from ..network.signals import Signals
from ..network.view import Answer, View
from .blame import Blame, blame, judgements
from .corrections import Correction, corrections
from .diagnosis import Diagnoses
from .noise import noise
from .rounding import tolerances
from .row import Row
from .search import diagnose
from .trials import SECONDS

UNASKED = 1000  # nodes, at every step, up to which single mistakes are looked for unasked
LEAST_SECONDS = 5.0  # for putting a report into words, however short the search was


@dataclass(frozen=True)
class Comparison:
    """The rows of a comparison, and the searches for its first wrong step and its mistakes.

    Attributes
    ----------
    rows : tuple of Row
    blame : Blame or None
        The first gradient that does not follow from the derivation's own gradients above it.
    mistakes : list of Diagnosis
        The mistakes that explain the derivation, the most likely first.
    """

    rows: tuple[Row, ...]
    loss: Tensor = field(repr=False)
    hand: Mapping[str, np.ndarray] = field(repr=False)
    rtol: float = field(repr=False)
    digits: int | None = field(default=None, repr=False)
    view: View | None = field(default=None, repr=False)
    signals: Signals | None = field(default=None, repr=False)

    @cached_property
    def evidence(self) -> tuple[View, list[Answer], list[np.ndarray]]:
        """The network, the derived gradients that are finite, and the tolerance of each.

        A gradient that equals the tape's to its own last digit is right, whatever its operands. A
        gradient that equals the tape's only if its author rounded on the way has to follow from the
        given ones.

        A loop may keep a part of a gradient, so that no wire brings it. If that gradient is the
        first wrong one, the network is not folded.
        """
        folded = self._look()
        lost = self._lost(*folded[:2])
        wrong = lost & {row.name for row in self.rows if row.is_wrong}
        if not wrong or not _is_small(folded[0]):
            return folded
        view, answers, allowed = unfolded = self._look(folded[0].unfolded)
        first = blame(view, judgements(view.adjoint, answers, allowed))
        return unfolded if first is not None and first.signal in wrong else folded

    def _lost(self, view: View, answers: Sequence[Answer]) -> set[str]:
        """Return the given signals whose gradient is on no wire of a folded network as a whole."""
        names = {answer.name for answer in answers}
        return self.hand.keys() & view.at.keys() - names if view.network.folded else set()

    def _look(self, view: View | None = None) -> tuple[View, list[Answer], list[np.ndarray]]:
        view = view or self.view or View(self.loss, signals=self.signals, call=called)
        finite = {row.name for row in self.rows if row.finite}
        answers = view.answers({n: v for n, v in self.hand.items() if n in finite})
        allowed = tolerances(view, answers, self.rtol, self.digits)
        right = {row.name: self.hand[row.name] for row in self.rows if row.ok and row.as_printed}
        agreeing = {gradient.name for gradient in view.answers(right)}
        key_of = {x.name: key for key, x in enumerate(answers)}
        for judgement in judgements(view.adjoint, answers, allowed):
            if judgement.answer.name in agreeing and not judgement.follows:
                key = key_of[judgement.answer.name]
                allowed[key] = np.full(allowed[key].shape, np.inf)
        return view, answers, allowed

    @cached_property
    def blame(self) -> Blame | None:
        if all(row.ok and row.as_printed for row in self.rows):
            return None
        view, answers, allowed = self.evidence
        return blame(view, judgements(view.adjoint, answers, allowed))

    @cached_property
    def mistakes(self) -> Diagnoses:
        return self.diagnose()

    def diagnose(self, *, seconds: float = SECONDS, **how: Any) -> Diagnoses:
        """Look for the mistakes, for at most 30 s by default (see `diagnose`).

        The time for making the network, before the first mistake is tried, counts.
        """
        if "watch" in how:
            how["watch"] = _check_watch(how["watch"])
        self.__dict__["seconds"] = seconds
        begun: Diagnoses | None = self.__dict__.pop("begun", None)
        mistakes = Diagnoses()
        mistakes.is_cut = True
        with suppress(TimeUp), Clock(seconds):
            if begun is None:
                mistakes = diagnose(*self.evidence, seconds=seconds, pairs=False)
            else:  # a printed report has tried single mistakes
                mistakes = begun
            mistakes = self._without_lost(mistakes, seconds) or mistakes
            if _leaves_some(mistakes) and not mistakes.is_cut:
                search = mistakes.search
                mistakes.is_cut = True  # unless the time is enough for the rest
                at_one_step = self._at_one_step(seconds) if begun is None else None
                mistakes = at_one_step or diagnose(
                    *self.evidence, seconds=seconds, begun=search, **how
                )
                is_partly = bool(mistakes) and bool(mistakes[0].left) and not mistakes.is_cut
                if is_partly and how.get("pairs", True):
                    mistakes = self._at_one_step(seconds, pairs=True) or mistakes
        mistakes.search = None
        self.__dict__["mistakes"] = mistakes
        return mistakes

    @property
    def limit(self) -> Clock:
        """The time limit for putting the report into words: that of the last search."""
        return Clock(max(LEAST_SECONDS, self.__dict__.get("seconds", SECONDS)))

    @property
    def is_searched(self) -> bool:
        """Whether `diagnose` has looked for pairs of mistakes, too."""
        return "mistakes" in self.__dict__

    @property
    def best(self) -> Diagnoses:
        """The mistakes of the last search; before one, the single mistakes in a small network."""
        return self.mistakes if self.is_searched else self._singles

    @cached_property
    def _singles(self) -> Diagnoses:
        mistakes = diagnose(*self.evidence, pairs=False) if self.is_small else Diagnoses()
        search, mistakes.search = mistakes.search, None
        if not _leaves_some(mistakes) or mistakes.is_cut or not self.is_small:
            return self._without_lost(mistakes, SECONDS) or mistakes
        with suppress(TimeUp):
            if at_one_step := self._at_one_step(SECONDS):
                return at_one_step
            begun = Diagnoses(mistakes)  # to go on with, if somebody asks for more
            begun.search = search
            self.__dict__["begun"] = begun
        return mistakes

    def _without_lost(self, mistakes: Diagnoses, seconds: float) -> Diagnoses:
        """Return other mistakes if the first is in a gradient that is right, and on no wire."""
        if _leaves_some(mistakes):
            return Diagnoses()
        right = {row.name for row in self.rows if row.ok}
        is_right = mistakes[0].where in right & self._lost(*self.evidence[:2])
        return self._at_one_step(seconds) if is_right else Diagnoses()

    def _at_one_step(self, seconds: float, pairs: bool = False) -> Diagnoses:
        """Return the mistakes at one step that explain all wrong gradients, single ones or pairs.

        If there are any, the report uses the unfolded network from then on.
        """
        view = self.evidence[0]
        if (
            not self.is_wrong
            or not view.network.folded
            or len(view.unfolded.adjoint.nodes) > UNASKED
        ):
            return Diagnoses()
        unfolded = self._look(view.unfolded)
        mistakes = diagnose(*unfolded, pairs=pairs, parts=pairs, is_again=True, seconds=seconds)
        if _leaves_some(mistakes):
            return Diagnoses()
        self.__dict__["evidence"] = unfolded
        return mistakes

    @cached_property
    def is_small(self) -> bool:
        """Whether the search of single mistakes takes no more than a few seconds."""
        return _is_small(self.evidence[0])

    @cached_property
    def noise(self) -> float | None:
        """The usual size of the differences, relative, if they look like noise; else None."""
        view, answers, allowed = self.evidence
        several = judgements(view.adjoint, answers, allowed)
        return noise([judgement for judgement in several if not judgement.follows])

    @property
    def corrections(self) -> list[Correction]:
        """The right equation, and the numbers, of each mistake that explains the most."""
        best = self.best  # first: the search may go on in the unfolded network
        view, answers, _ = self.evidence
        return corrections(DeltaEquations(view), answers, best[0]) if best else []

    @cached_property
    def unplaced(self) -> list[str]:
        """The names of gradients that differ and can be compared, but not blamed.

        Such a gradient is not finite, or has a wrong shape that cannot be taken apart, or belongs
        to a packed signal whose parts alone stand in the network.
        """
        view, _, _ = self.evidence
        wrong = {row.name: row for row in self.rows if row.is_wrong}
        return [
            n for n, row in wrong.items() if not (row.finite and view.answers({n: self.hand[n]}))
        ]

    def given_name(self, signal: str) -> str:
        """Return the name under which the gradient of a signal was given.

        That is its own name, its sequence's, or the name of the signal that it is packed in."""
        text("given_name: the signal", signal)
        view, _, _ = self.evidence
        return next((name for name in self.hand if signal in view.places.members(name)), "")

    @property
    def ok(self) -> bool:
        """Whether every row agrees to rounding; false too where the digits are too few to tell."""
        return all(row.ok for row in self.rows)

    @property
    def is_wrong(self) -> bool:
        """Whether a row differs; a report with too few digits to tell is neither ok nor wrong."""
        return any(row.is_wrong for row in self.rows)


def _is_small(view: View) -> bool:
    """Return whether a network is small without a fold, too."""
    adjoint = view.adjoint
    steps = [
        len(adjoint.loops[node.loop or 0].steps) if node.folded else 1 for node in adjoint.nodes
    ]
    return sum(steps) <= UNASKED


def _leaves_some(mistakes: Diagnoses) -> bool:
    """Return whether the mistakes leave a gradient unexplained."""
    return not mistakes or bool(mistakes[0].left)


def _check_watch(watch: Any) -> Callable[[Any], Iterable[Any]]:
    """Return a function that shows the progress of a search, checked to hand its items on."""
    function("diagnose: watch", watch, "a function of a list")

    def watching(several: Any) -> Iterable[Any]:
        items: Iterable[Any] = of_kind(
            "diagnose: what watch returns", watch(several), Iterable, "the list, or an iterator"
        )
        return items

    return watching
