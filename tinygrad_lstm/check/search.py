"""The search for the mistakes that explain a derivation: the adjoint network run with each of them.

Knows mistakes and judgements. A mistake explains a derivation if the network with the mistake gives
the author's numbers out of the author's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.limit import Clock, Interruptible, TimeUp
from ..network.evaluate import evaluate
from ..network.flow import Flow, reachable
from ..network.view import Given, View
from .blame import Judgement
from .diagnosis import Diagnoses, Diagnosis
from .effects import Effects, Pair
from .mistakes import Mistake, any_size, mistakes, with_rates, without
from .noise import noise
from .runs import given_places, run_on_given
from .trials import NO_ROOM, SECONDS, Screen, Trials

MORE = 200  # pairs that are tried after one that explains all
MOST = 10  # diagnoses in the result
COMPARED = 5  # of them, from the rest of which a signal to give is to tell the first
PAIRED = 3000  # single mistakes, the likeliest, of which pairs are made
LARGE = 1e6  # an effect, relative to the gradients, that explains nothing


def diagnose(
    view: View,
    given: Sequence[Given],
    allowed: Sequence[np.ndarray],
    *,
    seconds: float = SECONDS,
    pairs: bool = True,
    watch: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> Diagnoses:
    """Return the mistakes that explain a wrong derivation, the best first; empty if it is right.

    Parameters
    ----------
    view : View
    given : the derived gradients
    allowed : the tolerance of each (see `tolerances`)
    seconds : float
        After which no more mistakes are tried; the result says so (``is_cut``).
    pairs : bool
        Whether to try two mistakes at once where no single one explains all wrong gradients.
    watch : (list of pairs) -> the same, one by one
        To show the progress.
    """
    result, search = Diagnoses(), None
    result.is_cut = True
    with np.errstate(all="ignore"), Clock(seconds):  # a mistake may divide by 0
        with suppress(TimeUp):
            search = _Search(view, given, allowed)
            if search.wrong:
                search.try_singles()
                if pairs and not search.is_explained and not search.is_noise:
                    search.try_pairs(watch)
            result.is_cut = False
        if search is None:
            return result
        whole = [x for x in search.diagnoses if not x.left]
        part = [] if search.is_noise else search.diagnoses
        by_sentence: dict[str, Diagnosis] = {}  # diagnoses of one sentence are one
        for diagnosis in sorted(whole or part, key=_order):
            by_sentence.setdefault(diagnosis.says, diagnosis)
        best = list(by_sentence.values())[:MOST]
        is_only = bool(whole) and len(best) == 1 and not result.is_cut
        apart = ""
        with suppress(TimeUp):
            others = best[1:COMPARED] if whole else []
            signals = (_apart(view, (best[0], other), given) for other in others)
            apart = next(filter(None, signals), "")
    result.extend(replace(x, unique=is_only, apart=apart, effect=None) for x in best)
    return result


class _Search:
    """The search for the mistakes that explain a derivation.

    Parameters
    ----------
    view, given, allowed : as in `diagnose`

    Attributes
    ----------
    wrong : int
        How many given gradients are wrong by themselves.
    is_noise : bool
        Whether the differences look like noise.
    diagnoses : list of Diagnosis
        The diagnoses that explain some of them.
    """

    def __init__(self, view: View, given: Sequence[Given], allowed: Sequence[np.ndarray]) -> None:
        self.view, self.given, self.allowed = view, given, allowed
        self.trials = Trials(view.adjoint, given, True)
        self.base = {
            key: Judgement(given[key], value, allowed[key])
            for key, value in Interruptible(self.trials.expected.items())
        }
        self.wrong = _count_wrong(self.base.values())
        self.is_noise = noise([x for x in self.base.values() if not x.follows]) is not None
        residuals = ((x.residual, key) for key, x in Interruptible(self.base.items()))
        self.residuals = sorted(residuals, reverse=True)
        self.maker = view.adjoint.maker
        self.known = _known_wires(view, given)
        self.settled = _settled_wires(view, given, allowed) if self.wrong else set[int]()
        self.diagnoses: list[Diagnosis] = []
        self.paired: list[Diagnosis] = []
        self.effects = Effects(self.base)

    @property
    def is_explained(self) -> bool:
        """Whether a mistake, or two, explain all wrong gradients."""
        return any(not x.left for x in self.diagnoses)

    def try_singles(self) -> None:
        """Try single mistakes: first the mistakes that may explain all gradients."""
        above = [(x.follows, self._above(x.given.wire)) for x in self.base.values()]
        at_fault = [wires for follows, wires in above if not follows]

        def covers(mistake: Mistake) -> bool:
            return all(mistake.change.at & wires for wires in at_fault)

        near = set.intersection(*at_fault)
        may_explain = self._screen()
        known: set[str] = set()
        for mistake in filter(covers, self._mistakes(near)):
            if may_explain(mistake):
                known.add(mistake.says)
                self.attempt((mistake,))
        if self.is_explained:
            return
        for mistake in filter(covers, self._mistakes(near)):
            if mistake.says not in known:
                self.attempt((mistake,))
        if self.is_explained:
            return
        # a gradient may follow because two mistakes cancel
        suspected = set[int]().union(*at_fault)
        ways = suspected.union(*(wires for _, wires in above if wires & suspected))
        for mistake in self._mistakes(ways):
            if mistake.change.at & ways and not covers(mistake):
                self.attempt((mistake,))
        for mistake in self._unsettled(any_size(self.view)):
            self.attempt((mistake,), may_pair=False)  # with another, it explains too much

    def _mistakes(self, wires: set[int]) -> Iterator[Mistake]:
        """Yield the mistakes at some wires, without their changes where all gradients are right."""
        return self._unsettled(mistakes(self.view, wires))

    def _unsettled(self, several: Iterable[Mistake]) -> Iterator[Mistake]:
        """Yield mistakes without their changes where all gradients are right."""
        for mistake in several:
            rest = without(mistake, self.settled)
            if rest is not None:
                yield rest

    def _above(self, wire: int) -> set[int]:
        """Return the wires that lead to a wire, up to wires whose δ is given at every step."""

        def inputs(wire: int) -> set[int]:
            node = self.maker.get(wire)
            return set() if node is None else {*node.inputs} - self.known

        return reachable([wire], inputs)

    def try_pairs(self, watch: Callable[[list[Pair]], Iterable[Pair]]) -> None:
        """Try two mistakes at once, the likeliest first, and some more after the first that do."""
        left = MORE
        for one, other in watch(self.effects.likely(self.paired)):
            if one.says == other.says:
                continue  # of one sentence, one mistake reads as if the other undid it
            self.attempt((*one.mistakes, *other.mistakes))
            left -= self.is_explained
            if not left:
                return

    def attempt(self, several: tuple[Mistake, ...], may_pair: bool = True) -> None:
        """Try mistakes; keep the diagnosis if they explain a gradient, and a single one for pairs.

        Raises
        ------
        TimeUp
            If there is no time for it.
        """
        try:
            several = with_rates(several, self._residual)
            now = self._judgements(several)
        except NO_ROOM:
            return
        left = self.wrong + sum(self.base[key].follows - x.follows for key, x in now.items())
        rest = next((residual for residual, key in self.residuals if key not in now), 0.0)
        residual = max([rest, *(x.residual for x in now.values())])
        diagnosis = Diagnosis(several, residual, left)
        if left < self.wrong:
            self.diagnoses.append(diagnosis)
        if may_pair and len(several) == 1 and len(self.paired) < PAIRED and now:
            with suppress(ValueError):  # of another shape
                effect = self.effects.of(now)
                if np.abs(effect).max(initial=0.0) < LARGE:
                    self.paired.append(replace(diagnosis, effect=effect))

    def _judgements(
        self, several: Sequence[Mistake], leading: set[int] | None = None
    ) -> dict[int, Judgement]:
        """Return the judgements of the gradients that mistakes lead to (see `Trials.run`)."""
        values = self.trials.run([x.change for x in several], leading)
        return {key: Judgement(self.given[key], x, self.allowed[key]) for key, x in values.items()}

    def _residual(self, several: Sequence[Mistake]) -> np.ndarray | None:
        try:
            return self.effects.residual(self._judgements(several))
        except NO_ROOM:
            return None

    def _screen(self) -> Callable[[Mistake], bool]:
        """Return a test whether a mistake may explain all wrong gradients.

        Where only a run of the mistake can tell, the test runs up to one wrong gradient: the one
        that the fewest signals lead to.
        """
        ways = (self.trials.leading_to({x.given.wire}) for x in self.base.values() if not x.follows)
        leading = min(ways, key=len)
        aims = {key: x.given.value - x.expected for key, x in self.base.items() if x.fits}
        screen = Screen(self.trials, aims, {key: self.allowed[key] for key in aims})
        is_shaped = len(aims) == len(self.base)

        def may_explain(mistake: Mistake) -> bool:
            if mistake.at_rate is not None:
                return True  # the rate is not known yet
            try:
                moves = screen.moves(mistake.change)
                if moves is None:
                    return all(x.follows for x in self._judgements((mistake,), leading).values())
            except NO_ROOM:
                return False
            moved, off = moves
            return is_shaped and abs(moved - screen.aim) <= screen.least + off

        return may_explain


def _apart(view: View, two: Sequence[Diagnosis], given: Sequence[Given]) -> str:
    """Return a signal that is not given and differs between two diagnoses; empty if none does."""
    both = []
    for diagnosis in two:
        network: Flow = view.adjoint
        try:
            for mistake in diagnosis.mistakes:
                network = mistake.change(network)
            values = evaluate(network, everything=True)
        except NO_ROOM:
            return ""
        both.append([values.get(wire.name) for wire in network.wires])
    known = {x.name for x in given}
    for name in view.named:
        wire, step = view.at[name]
        one, other = (values[wire] for values in both)
        if name not in known and one is not None and other is not None:
            at = ... if step is None else step
            one, other = one[at], other[at]
            if one.shape != other.shape or not np.allclose(one, other, rtol=1e-6, atol=0.0):
                return name
    return ""


def _known_wires(view: View, given: Sequence[Given]) -> set[int]:
    """Return the wires on which δ is given at every step."""
    nodes, loops = view.adjoint.nodes, view.adjoint.loops
    counts = {w: len(loops[x.loop or 0].steps) for x in nodes if x.folded for w in x.outputs}
    steps = given_places(given)
    return {  # a signal that leaves a loop is given without a step
        w for w, known in steps.items() if None in known or len(known) >= counts.get(w, 1)
    }


def _settled_wires(view: View, given: Sequence[Given], allowed: Sequence[np.ndarray]) -> set[int]:
    """Return the wires on which δ is given at every step, and right: no mistake shows there."""
    right = run_on_given(view.adjoint, given, None)
    several = (Judgement(given[k], value, allowed[k]) for k, value in Interruptible(right.items()))
    off = {x.given.wire for x in several if not x.follows}
    return _known_wires(view, given) - off


def _count_wrong(several: Iterable[Judgement]) -> int:
    return sum(not x.follows for x in Interruptible(several))


def _order(diagnosis: Diagnosis) -> tuple[Any, ...]:
    """Return the sort key of a diagnosis.

    A whole explanation comes before a part, and one mistake before two; then the likelier mistake,
    then the one that explains more, then the name.
    """
    ranks = sorted((mistake.rank for mistake in diagnosis.mistakes), reverse=True)
    return (
        diagnosis.left > 0, len(diagnosis.mistakes), ranks, diagnosis.left, diagnosis.where,
        diagnosis.says,
    )  # fmt: skip
