"""The search for the mistakes that explain a derivation: the adjoint network run with each of them.

Knows mistakes and judgements. A mistake explains a derivation if the network with the mistake gives
the author's numbers out of the author's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from ..engine.limit import Clock, Interruptible, TimeUp
from ..network.flow import reachable
from ..network.view import Answer, View
from .blame import Judgement
from .diagnosis import Diagnoses, Diagnosis, ranked
from .effects import Effects, Pair, mistakes_of
from .mistakes import MayBe, Mistake, any_size, joint_mistake, mistakes, with_rates, without
from .noise import noise
from .screen import Screen
from .settled import (
    known_wires,
    largest_of_leaves,
    leading_only_to,
    norms_of_leaves,
    settled_wires,
    signal_apart,
)
from .together import Together, chunks
from .trials import NO_ROOM, SECONDS, Trials

MORE = 200  # pairs that are tried after one that explains all
AGAIN = 500  # pairs that are tried in another network of the same loss
MOST = 10  # diagnoses in the result
COMPARED = 5  # of them, from the rest of which a signal to give is to tell the first
PAIRED = 3000  # single mistakes, the likeliest, of which pairs are made
SOME_SIZE = 2.0  # of a mistake of any size, for its effect
LARGE = 1e6  # an effect, relative to the gradients, that explains nothing


def diagnose(
    view: View,
    answers: Sequence[Answer],
    allowed: Sequence[np.ndarray],
    *,
    seconds: float = SECONDS,
    pairs: bool = True,
    parts: bool = True,
    is_again: bool = False,
    watch: Callable[[list[Pair]], Iterable[Pair]] = iter,
    begun: Search | None = None,
) -> Diagnoses:
    """Return the mistakes that explain a wrong derivation, the best first; empty if it is right.

    Parameters
    ----------
    view : View
    answers : the derived gradients
    allowed : the tolerance of each (see `tolerances`)
    seconds : float
        Of processor time, after which no more mistakes are tried; the result says so (``is_cut``).
    pairs : bool
        Whether to try two mistakes at once where no single one explains all wrong gradients.
    parts : bool
        Whether mistakes count, too, that explain only some of the wrong gradients.
    is_again : bool
        Whether another network of the same loss was searched: what does not depend on the network
        is left out then, and fewer pairs are tried.
    watch : (list of pairs) -> the same, one by one
        To show the progress.
    begun : Search, optional
        The search of an earlier result for the same derivation: single mistakes are tried already.
    """
    result, search = Diagnoses(), begun
    result.is_cut = True
    with np.errstate(all="ignore"), Clock(seconds):  # a mistake may divide by 0
        with suppress(TimeUp):
            if search is None:
                search = Search(view, answers, allowed)
                if search.wrong:
                    search.try_singles(
                        parts and not search.is_noise, is_again
                    )  # noise has no parts
            if pairs and search.wrong and not search.is_explained and not search.is_noise:
                search.try_pairs(watch, AGAIN if is_again else None)
            result.is_cut = False
        if search is None:
            return result
        result.search = None if result.is_cut else search
        whole = [x for x in search.diagnoses if not x.left]
        part = search.diagnoses if parts and not search.is_noise else []
        best = ranked(whole or part)[:MOST]
        is_only = bool(whole) and len(best) == 1 and not result.is_cut
        apart = ""
        with suppress(TimeUp):
            others = best[1:COMPARED] if whole else []
            signals = (signal_apart(view, (best[0], other), answers) for other in others)
            apart = next(filter(None, signals), "")
    result.extend(replace(x, unique=is_only, apart=apart, effect=None) for x in best)
    return result


class Search:
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

    def __init__(
        self, view: View, answers: Sequence[Answer], allowed: Sequence[np.ndarray]
    ) -> None:
        self.view, self.answers, self.allowed = view, answers, allowed
        self.trials = Trials(view.adjoint, answers, True)
        self.together = Together(self.trials)
        self.base = {
            key: Judgement(answers[key], value, allowed[key])
            for key, value in Interruptible(self.trials.expected.items())
        }
        self.wrong = sum(not x.follows for x in Interruptible(self.base.values()))
        self.is_noise = noise([x for x in self.base.values() if not x.follows]) is not None
        residuals = ((x.residual, key) for key, x in Interruptible(self.base.items()))
        self.residuals = sorted(residuals, reverse=True)
        self.maker = view.adjoint.maker
        self.known = known_wires(view, answers)
        self.settled = settled_wires(view, answers, allowed) if self.wrong else set[int]()
        at_fault = {x.answer.wire for x in self.base.values() if not x.follows}
        self.followed = leading_only_to(view.adjoint, self.known - at_fault, at_fault)
        self.diagnoses: list[Diagnosis] = []
        self.paired: list[Diagnosis] = []
        self.effects = Effects(self.base)

    @property
    def is_explained(self) -> bool:
        """Whether a mistake, or two, explain all wrong gradients."""
        return any(not x.left for x in self.diagnoses)

    def try_singles(self, parts: bool, is_again: bool = False) -> None:
        """Try single mistakes: those that may explain all, and then, if asked for, the others."""
        above = [(x.follows, self._above(x.answer.wire)) for x in self.base.values()]
        at_fault = [wires for follows, wires in above if not follows]

        def covers(mistake: Mistake) -> bool:
            return all(mistake.change.at & wires for wires in at_fault)

        near = set.intersection(*at_fault)
        screen = self._make_screen()
        may_explain = self._screen(screen)
        known: set[str] = set()
        listed: list[Mistake] = []
        singles = self._mistakes(near, None if parts else screen.may_be)
        for chunk in chunks(filter(covers, singles), self.together.most):
            listed += chunk if self.together.is_small else []
            for mistake in may_explain(chunk):
                known.add(mistake.says)
                self.attempt((mistake,))
        if self.is_explained:
            return
        if parts:
            several = listed or filter(covers, self._mistakes(near))
            rest = (mistake for mistake in several if mistake.says not in known)
            self.attempt_all((mistake,) for mistake in rest)
            listed.clear()
            if self.is_explained:
                return
            # a gradient may follow because two mistakes cancel
            suspected = set[int]().union(*at_fault)
            ways = suspected.union(*(wires for _, wires in above if wires & suspected))
            rest = (x for x in self._mistakes(ways) if x.change.at & ways and not covers(x))
            self.attempt_all((mistake,) for mistake in rest)
            self.try_repeated()
            if self.is_explained:
                return
        if not is_again:
            self._try_any_size()

    def _try_any_size(self) -> None:
        for mistake in self._unsettled(
            any_size(
                self.view,
                largest_of_leaves(self.view, self.answers),
                norms_of_leaves(self.view, self.answers),
            )
        ):
            self.attempt((mistake,), may_pair=False)  # of one leaf, it explains too much
            if mistake.members and mistake.at_rate is not None:
                with suppress(*NO_ROOM):
                    self._note_effect(mistake)

    def _note_effect(self, mistake: Mistake) -> None:
        """Keep a mistake of any size for pairs: the plane of two effects holds every size."""
        assert mistake.at_rate is not None
        now = self._judgements((mistake.at_rate(SOME_SIZE),))
        with suppress(ValueError):  # of another shape
            self.paired.append(
                Diagnosis((mistake,), np.inf, self.wrong, effect=self.effects.of(now))
            )

    def try_repeated(self) -> None:
        """Try each slip at those of its places where it explains the most: one slip, made there.

        The places are those at which the effects add up to the author's differences.
        """
        slips: dict[tuple[str, str], dict[str, Diagnosis]] = {}
        for diagnosis in self.paired:
            (mistake,) = diagnosis.mistakes
            for group in mistake.groups:
                slips.setdefault((mistake.kind, group), {})[mistake.says] = diagnosis
        position = {wire: at for at, x in enumerate(self.view.adjoint.nodes) for wire in x.outputs}
        several = (
            joint_mistake(
                [x.mistakes[0] for x in self.effects.adding_up([*members.values()])], position
            )
            for members in Interruptible(slips.values())
            if len(members) > 2
        )
        self.attempt_all((mistake,) for mistake in several if mistake is not None)

    def _mistakes(self, wires: set[int], may_be: MayBe | None = None) -> Iterator[Mistake]:
        """Yield the mistakes at some wires, without their changes where all gradients are right."""
        return self._unsettled(mistakes(self.view, wires, may_be))

    def _unsettled(self, several: Iterable[Mistake]) -> Iterator[Mistake]:
        """Yield mistakes without their changes where all gradients are right.

        Of several made at once, also those alone that show where a gradient does not follow.
        """
        for mistake in several:
            rest = without(mistake, self.settled)
            if rest is not None:
                yield rest
            if mistake.members and self.followed != self.settled:
                own = without(mistake, self.followed)
                if own is not None and own.members and own is not rest:
                    yield own

    def _above(self, wire: int) -> set[int]:
        """Return the wires that lead to a wire, up to wires whose δ is given at every step."""

        def inputs(wire: int) -> set[int]:
            node = self.maker.get(wire)
            return set() if node is None else {*node.inputs} - self.known

        return reachable([wire], inputs)

    def try_pairs(
        self, watch: Callable[[list[Pair]], Iterable[Pair]], most: int | None = None
    ) -> None:
        """Try two mistakes at once, the likeliest first, and some more after the first that do."""
        left = MORE
        pairs = mistakes_of(watch(self.effects.likely(self.paired)[:most]))
        for _ in self.attempts(pairs):
            left -= self.is_explained
            if not left:
                return

    def attempt_all(self, several: Iterable[tuple[Mistake, ...]]) -> None:
        """Try mistakes (see `attempt`), or several at once."""
        for _ in self.attempts(several):
            pass

    def attempts(self, several: Iterable[tuple[Mistake, ...]]) -> Iterator[None]:
        """Yield after each mistake, or several at once, that were tried (see `attempt`)."""
        for chunk in chunks(iter(several), self.together.most):
            runs = self._run_together(chunk)
            for group, values in zip(chunk, runs, strict=True):
                self.attempt(group, values=values)
                yield

    def attempt(
        self,
        several: tuple[Mistake, ...],
        may_pair: bool = True,
        values: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        """Try mistakes; keep the diagnosis if they explain a gradient, and a single one for pairs.

        Parameters
        ----------
        several : tuple of Mistake
        may_pair : bool
        values : mapping, optional
            The values that the mistakes give to gradients, if they are known.

        Raises
        ------
        TimeUp
            If there is no time for it.
        """
        try:
            if values is None:
                several = with_rates(several, self._residual)
                now = self._judgements(several)
            else:
                now = self._judge(values)
        except NO_ROOM:
            return
        left = self.wrong + sum(self.base[key].follows - x.follows for key, x in now.items())
        may_pair = may_pair and len(several) == 1 and len(self.paired) < PAIRED and bool(now)
        if left >= self.wrong and not may_pair:
            return
        rest = next((residual for residual, key in self.residuals if key not in now), 0.0)
        residual = max([rest, *(x.residual for x in now.values())])
        diagnosis = Diagnosis(several, residual, left)
        if left < self.wrong:
            self.diagnoses.append(diagnosis)
        if may_pair:
            with suppress(ValueError):  # of another shape
                effect = self.effects.of(now)
                if np.abs(effect).max(initial=0.0) < LARGE:
                    self.paired.append(replace(diagnosis, effect=effect))

    def _run_together(
        self, several: Sequence[tuple[Mistake, ...]], leading: set[int] | None = None
    ) -> list[dict[int, np.ndarray] | None]:
        """Return the values that mistakes give to gradients; None where they have to run alone."""
        known = [all(x.at_rate is None for x in group) for group in several]
        pairs = zip(several, known, strict=True)
        changes = [[x.change for x in group] for group, is_known in pairs if is_known]
        runs = iter(self.together.run(changes, leading))
        return [next(runs) if is_known else None for is_known in known]

    def _judgements(
        self, several: Sequence[Mistake], leading: set[int] | None = None
    ) -> dict[int, Judgement]:
        """Return the judgements of the gradients that mistakes lead to (see `Trials.run`)."""
        return self._judge(self.trials.run([x.change for x in several], leading))

    def _judge(self, values: Mapping[int, np.ndarray]) -> dict[int, Judgement]:
        return {
            key: Judgement(self.answers[key], x, self.allowed[key]) for key, x in values.items()
        }

    def _residual(self, several: Sequence[Mistake]) -> np.ndarray | None:
        try:
            return self.effects.residual(self._judgements(several))
        except NO_ROOM:
            return None

    def _make_screen(self) -> Screen:
        aims = {key: x.answer.value - x.expected for key, x in self.base.items() if x.fits}
        return Screen(self.trials, aims, {key: self.allowed[key] for key in aims})

    def _screen(self, screen: Screen) -> Callable[[Sequence[Mistake]], list[Mistake]]:
        """Return a function that selects the mistakes that may explain all wrong gradients.

        Where only a run of the mistake can tell, the function runs the network up to one wrong
        gradient: the one that the fewest signals lead to.
        """
        ways = (
            self.trials.leading_to({x.answer.wire}) for x in self.base.values() if not x.follows
        )
        leading = min(ways, key=len)
        is_shaped = all(x.fits for x in self.base.values())

        def screened(mistake: Mistake) -> bool | None:
            """Whether a mistake may explain them; None if only a run of the mistake can tell."""
            if mistake.at_rate is not None:
                return True  # the rate is not known yet
            try:
                moves = screen.moves(mistake.change)
            except NO_ROOM:
                return False
            if moves is None:
                return None
            moved, off = moves
            return is_shaped and abs(moved - screen.aim) <= screen.least + off

        def explains(mistake: Mistake, values: Mapping[int, np.ndarray] | None) -> bool:
            try:
                now = (
                    self._judgements((mistake,), leading) if values is None else self._judge(values)
                )
            except NO_ROOM:
                return False
            return all(x.follows for x in now.values())

        def may_explain(several: Sequence[Mistake]) -> list[Mistake]:
            verdicts = [screened(mistake) for mistake in several]
            unknown = [(x,) for x, may in zip(several, verdicts, strict=True) if may is None]
            runs = iter(self._run_together(unknown, leading))
            return [
                mistake
                for mistake, may in zip(several, verdicts, strict=True)
                if (explains(mistake, next(runs)) if may is None else may)
            ]

        return may_explain
