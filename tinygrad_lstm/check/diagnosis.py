"""Which mistake it is: the adjoint network run again with every mistake that people make.

Knows mistakes and how gradients are judged. A mistake explains a derivation if, made in the
network, it gives the author's numbers out of the author's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engine.limit import Clock, Interruptible, TimeUp
from ..network.evaluate import evaluate
from ..network.flow import Flow
from ..network.view import Given, Sight
from .blame import Judgement
from .mistakes import Mistake, any_size, mistakes, with_rates, without
from .noise import noise
from .runs import run_on_given
from .trials import NO_ROOM, SECONDS, Screen, Trials, ticking

MORE = 200  # pairs that are tried after one that explains all
COMPARED = 5  # explanations, from the rest of which a signal to give is to tell the first
PAIRS = 5000  # of the likeliest, that are tried
PAIRED = 3000  # single mistakes, the likeliest, of which pairs are made
LARGE = 1e6  # an effect, relative to the gradients, that explains nothing
WIDTH = 1024  # numbers to which the effect of a mistake comes down, when pairs are sought
BLOCK = 250  # effects that are compared with the others between two looks at the clock
Pair = tuple["Diagnosis", "Diagnosis"]


@dataclass(frozen=True)
class Diagnosis:
    """A mistake, or two, and how well they explain a derivation.

    Attributes
    ----------
    mistakes : tuple of Mistake
    residual : float
        The largest difference that they leave, in relation to what is largest in it.
    left : int
        How many gradients they leave wrong by themselves.
    unique : bool
        Whether nothing else explains it as well, as far as all was tried.
    apart : str
        The signal to give next, to tell it from another one; empty if none would.
    gives : array, or None
        What they make of the author's own numbers, all in one, each relative to its size.
    """

    mistakes: tuple[Mistake, ...]
    residual: float
    left: int
    unique: bool = True
    apart: str = ""
    gives: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def what(self) -> str:
        return " and ".join(each.what for each in self.mistakes)

    @property
    def where(self) -> str:
        return " and ".join(each.where for each in self.mistakes)

    @property
    def says(self) -> str:
        return "; ".join(each.says for each in self.mistakes)


class Diagnoses(list[Diagnosis]):
    """What explains a derivation, the best first.

    Attributes
    ----------
    is_cut : bool
        Whether the time was up before all was tried.
    """

    is_cut = False


def diagnose(
    sight: Sight,
    given: Sequence[Given],
    allowed: Sequence[np.ndarray],
    *,
    seconds: float = SECONDS,
    pairs: bool = True,
    watch: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> Diagnoses:
    """Return what explains a derivation that is wrong, the best first; empty if it is right.

    Parameters
    ----------
    sight : Sight
    given : the derived gradients
    allowed : how far off each may be (see `tolerances`)
    seconds : float
        After which no more mistakes are tried; the result says so (``is_cut``).
    pairs : bool
        Whether to try two at once where no single one explains all.
    watch : (list of pairs) -> the same, one by one
        To show how far it is.
    """
    result, clock = Diagnoses(), Clock(seconds)
    with np.errstate(all="ignore"), clock:  # a mistake may divide by 0
        try:
            search = _Search(sight, given, allowed, clock)
        except TimeUp:
            result.is_cut = True
            return result
        if not search.wrong:
            return result
        try:
            search.try_singles()
            if pairs and not search.is_explained and not search.is_noise:
                search.try_pairs(watch)
        except TimeUp:
            result.is_cut = True
        whole = [each for each in search.tried if not each.left]
        part = [] if search.is_noise else search.tried
        told: dict[str, Diagnosis] = {}  # what is told alike is one
        for each in sorted(whole or part, key=_order):
            told.setdefault(each.says, each)
        found = list(told.values())[:10]
        is_only = bool(whole) and len(found) == 1 and not result.is_cut
        apart = ""
        with suppress(TimeUp):
            others = found[1:COMPARED] if whole else []
            signals = (_apart(sight, (found[0], other), given, clock) for other in others)
            apart = next(filter(None, signals), "")
    result.extend(replace(each, unique=is_only, apart=apart, gives=None) for each in found)
    return result


class _Search:
    """The search for the mistakes that explain a derivation.

    Parameters
    ----------
    sight, given, allowed : as in `diagnosed`
    clock : Clock
        Ends the search, by an error.

    Attributes
    ----------
    wrong : int
        How many given gradients are wrong by themselves.
    is_noise : bool
        Whether what is wrong with them looks like noise.
    tried : list of Diagnosis
        The mistakes that explain some of them.
    """

    def __init__(
        self,
        sight: Sight,
        given: Sequence[Given],
        allowed: Sequence[np.ndarray],
        clock: Clock,
    ) -> None:
        self.sight, self.given, self.allowed, self.clock = sight, given, allowed, clock
        self.trials = Trials(sight.adjoint, given, True, clock)
        self.base = {
            key: Judgement(given[key], value, allowed[key])
            for key, value in Interruptible(self.trials.expected.items())
        }
        self.wrong = _left(self.base.values())
        self.is_noise = noise([x for x in self.base.values() if not x.follows]) is not None
        residuals = ((x.residual, key) for key, x in Interruptible(self.base.items()))
        self.residuals = sorted(residuals, reverse=True)
        self.maker = sight.adjoint.maker
        self.known = _known(sight, given)
        self.settled = _settled(sight, given, allowed) if self.wrong else set[int]()
        clock()
        self.tried: list[Diagnosis] = []
        self.paired: list[Diagnosis] = []
        self.effects = Effects(self.base)

    @property
    def is_explained(self) -> bool:
        """Whether a mistake, or two, explain all."""
        return any(not each.left for each in self.tried)

    def try_singles(self) -> None:
        """Try single mistakes: at first those that explain all, if there are any."""
        above = [(each.follows, self._above(each.given.wire)) for each in self.base.values()]
        at_fault = [wires for follows, wires in above if not follows]

        def covers(mistake: Mistake) -> bool:
            return all(mistake.change.at & wires for wires in at_fault)

        near = set.intersection(*at_fault)
        may_explain = self._screen()
        known: set[str] = set()
        for mistake in filter(covers, self._mistakes(near)):
            self.clock()
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
        # what follows may do so because two mistakes make up for each other
        suspected = set[int]().union(*at_fault)
        ways = suspected.union(*(wires for _, wires in above if wires & suspected))
        for mistake in self._mistakes(ways):
            if mistake.change.at & ways and not covers(mistake):
                self.attempt((mistake,))
        for mistake in self._unsettled(any_size(self.sight, self.clock)):
            self.attempt((mistake,), may_pair=False)  # with another, it explains too much

    def _mistakes(self, wires: set[int]) -> Iterator[Mistake]:
        """Yield the mistakes at some wires, without what they change where all is right."""
        return self._unsettled(mistakes(self.sight, wires, self.clock))

    def _unsettled(self, several: Iterable[Mistake]) -> Iterator[Mistake]:
        """Yield mistakes without what they change where all is right."""
        for mistake in several:
            kept = without(mistake, self.settled)
            if kept is not None:
                yield kept

    def _above(self, wire: int) -> set[int]:
        """Return the wires that lead to one, as far as what is given at every step."""
        found, waiting = {wire}, [wire]
        while waiting:
            node = self.maker.get(waiting.pop())
            for come in node.inputs if node is not None else ():
                if come not in found and come not in self.known:
                    found.add(come)
                    waiting.append(come)
        self.clock()
        return found

    def try_pairs(self, watch: Callable[[list[Pair]], Iterable[Pair]]) -> None:
        """Try two mistakes at once, the likeliest first, and some more after the first that do."""
        left = MORE
        for one, other in watch(self.effects.likely(self.paired, self.clock)):
            if one.says == other.says:
                continue  # told twice, one mistake reads as if the other undid it
            self.attempt((*one.mistakes, *other.mistakes))
            left -= self.is_explained
            if not left:
                return

    def attempt(self, several: tuple[Mistake, ...], may_pair: bool = True) -> None:
        """Try mistakes, and keep what they explain; a single one for pairs too, if it may pair.

        Raises
        ------
        TimeUp
            If there is no time for it.
        """
        self.clock()
        try:
            several = with_rates(several, self._missed)
            found = self._made(several)
        except NO_ROOM:
            return
        left = self.wrong + sum(
            self.base[key].follows - judged.follows for key, judged in found.items()
        )
        rest = next((residual for residual, key in self.residuals if key not in found), 0.0)
        residual = max([rest, *(judged.residual for judged in found.values())])
        diagnosis = Diagnosis(several, residual, left)
        if left < self.wrong:
            self.tried.append(diagnosis)
        if may_pair and len(several) == 1 and len(self.paired) < PAIRED and found:
            gives = self.effects.of(found)
            if gives is not None and np.abs(gives).max(initial=0.0) < LARGE:
                self.paired.append(replace(diagnosis, gives=gives))

    def _made(
        self, several: Sequence[Mistake], leading: set[int] | None = None
    ) -> dict[int, Judgement]:
        """Return what becomes of the gradients that mistakes lead to (see `Trials.run`)."""
        found = self.trials.run([each.change for each in several], leading)
        return {key: Judgement(self.given[key], x, self.allowed[key]) for key, x in found.items()}

    def _missed(self, several: Sequence[Mistake]) -> np.ndarray | None:
        try:
            found = self._made(several)
        except NO_ROOM:
            return None
        return self.effects.missed(found)

    def _screen(self) -> Callable[[Mistake], bool]:
        """Return a test that says of a mistake whether it may explain all.

        Where only running it can tell, one gradient that is wrong is looked at, to which fewest
        signals lead.
        """
        ways = (self.trials.leading_to({x.given.wire}) for x in self.base.values() if not x.follows)
        leading = min(ways, key=len)
        aims = {
            key: each.given.value - each.expected
            for key, each in self.base.items()
            if each.given.value.shape == each.expected.shape
        }
        screen = Screen(self.trials, aims, {key: self.allowed[key] for key in aims})
        is_shaped = len(aims) == len(self.base)

        def may_explain(mistake: Mistake) -> bool:
            if mistake.at_rate is not None:
                return True  # the rate is not known yet
            try:
                moves = screen.moves(mistake.change)
                if moves is None:
                    found = self._made((mistake,), leading)
                    return all(each.follows for each in found.values())
            except NO_ROOM:
                return False
            moved, off = moves
            return is_shaped and abs(moved - screen.aim) <= screen.least + off

        return may_explain


def _apart(sight: Sight, two: Sequence[Diagnosis], given: Sequence[Given], clock: Clock) -> str:
    """Return a signal that is not given and comes out differently of two diagnoses."""
    both = []
    for each in two:
        network: Flow = sight.adjoint
        try:
            for mistake in each.mistakes:
                network = mistake.change(network)
            values = evaluate(network, everything=True, intercept=ticking({}, network.nodes, clock))
        except NO_ROOM:
            return ""
        both.append([values.get(wire.name) for wire in network.wires])
    known = {each.name for each in given}
    for name in sight.named:
        wire, step = sight.at[name]
        one, other = (values[wire] for values in both)
        if name not in known and one is not None and other is not None:
            at = ... if step is None else step
            one, other = one[at], other[at]
            if one.shape != other.shape or not np.allclose(one, other, rtol=1e-6, atol=0.0):
                return name
    return ""


class Effects:
    """What mistakes make of the author's numbers, all in one, each relative to its size.

    Where the numbers are many, they are added up at random in fewer ones.

    Parameters
    ----------
    base : mapping of a given gradient's position to what became of it
    """

    def __init__(self, base: Mapping[int, Judgement]) -> None:
        self.base = base
        self.sizes: dict[int, float] = {}
        self.slices: dict[int, slice] = {}
        count = 0
        for key, each in Interruptible(base.items()):
            is_shaped = each.given.value.shape == each.expected.shape
            largest = [np.abs(x).max(initial=0.0) for x in (each.given.value, each.expected)]
            self.sizes[key] = (float(max(largest)) or 1.0) if is_shaped else 0.0
            entries = each.given.value.size if is_shaped else 1
            self.slices[key] = slice(count, count + entries)
            count += entries
        random = np.random.default_rng(0)
        self.width = min(count, WIDTH)
        self.place = np.arange(count)
        self.sign = np.ones(count)
        if count > WIDTH:
            self.place = random.integers(WIDTH, size=count)
            self.sign = random.choice([-1.0, 1.0], size=count)

    def _part(self, key: int, value: np.ndarray, is_right: bool) -> np.ndarray:
        """Return a gradient in relation to its size; of one of a wrong shape whether it is right.

        Raises ValueError if its shape is neither.
        """
        if not self.sizes[key]:
            return np.array([0.0 if is_right else 1.0])
        if value.shape != self.base[key].expected.shape:
            raise ValueError
        return np.ravel(value) / self.sizes[key]

    def of(self, found: Mapping[int, Judgement]) -> np.ndarray | None:
        """Return by how much gradients are otherwise than expected; None if shapes differ."""
        total = np.zeros(self.width)
        for key, each in found.items():
            try:
                now = self._part(key, each.expected, each.follows)
            except ValueError:
                return None
            base = self.base[key]
            self._add(total, key, now - self._part(key, base.expected, base.follows))
        return total

    def missed(self, found: Mapping[int, Judgement]) -> np.ndarray | None:
        """Return how far gradients are from the author's; None if shapes differ."""
        try:
            parts = [
                self._part(key, each.expected, each.follows)
                - self._part(key, each.given.value, True)
                for key, each in sorted(found.items())
            ]
        except ValueError:
            return None
        return np.concatenate(parts) if parts else None

    def _add(self, total: np.ndarray, key: int, part: np.ndarray) -> None:
        at = self.slices[key]
        total += np.bincount(self.place[at], self.sign[at] * part, self.width)

    def likely(self, tried: Sequence[Diagnosis], clock: Clock) -> list[Pair]:
        """Return pairs of mistakes, first those whose effects make up what is to be explained.

        Two effects add up where neither mistake acts on what the other has made. Where one does,
        it mostly scales it: what counts is how far what is to be explained is from the plane of
        the two.
        """
        if len(tried) < 2:
            return []
        aim = np.zeros(self.width)
        for key, each in self.base.items():
            right = self._part(key, each.expected, each.follows)
            self._add(aim, key, self._part(key, each.given.value, True) - right)
        effects = np.array([each.gives for each in tried])
        blocks = []
        for start in range(0, len(effects), BLOCK):
            clock()
            blocks.append(effects[start : start + BLOCK] @ effects.T)
        between, along = np.concatenate(blocks), effects @ aim
        own = np.diag(between)
        first, second = np.triu_indices(len(tried), 1)
        both, between = own[first] * own[second], between[first, second]
        clock()
        spread = both - between**2  # 0 of two along one line, which are no pair
        reached = (
            along[first] ** 2 * own[second] + own[first] * along[second] ** 2
            - 2 * along[first] * along[second] * between
        )  # fmt: skip
        clock()
        apart = np.flatnonzero(spread > 1e-9 * both)
        near = reached[apart] / spread[apart]
        if len(near) > PAIRS:
            nearest = np.sort(np.argpartition(-near, PAIRS)[:PAIRS])
            apart, near = apart[nearest], near[nearest]
        best = apart[np.argsort(-near, kind="stable")]
        return [(tried[first[at]], tried[second[at]]) for at in best]


def _known(sight: Sight, given: Sequence[Given]) -> set[int]:
    """Return the wires on which δ is given at every step."""
    loops = {w: node.loop for node in sight.adjoint.nodes if node.folded for w in node.outputs}
    steps: dict[int, set[int | None]] = {}
    for each in given:
        steps.setdefault(each.wire, set()).add(each.step)

    def count(wire: int) -> int:
        loop = loops.get(wire)
        return 1 if loop is None else len(sight.adjoint.loops[loop].steps)

    return {  # what leaves a loop is given without a step
        wire for wire, known in steps.items() if None in known or len(known) >= count(wire)
    }


def _settled(sight: Sight, given: Sequence[Given], allowed: Sequence[np.ndarray]) -> set[int]:
    """Return the wires on which δ is given at every step, and right: no mistake shows there."""
    right = run_on_given(sight.adjoint, given, None)
    off = {
        given[key].wire
        for key, value in Interruptible(right.items())
        if given[key].value.shape != value.shape
        or not np.all(np.abs(given[key].value - value) <= allowed[key])
    }
    return _known(sight, given) - off


def _left(found: Iterable[Judgement]) -> int:
    return sum(not each.follows for each in Interruptible(found))


def _order(diagnosis: Diagnosis) -> tuple[Any, ...]:
    """Return what to sort diagnoses by.

    What explains all comes before what explains a part, and one mistake before two; then the
    likelier mistake, then what explains more, then the name.
    """
    ranks = sorted((mistake.rank for mistake in diagnosis.mistakes), reverse=True)
    return (
        diagnosis.left > 0, len(diagnosis.mistakes), ranks, diagnosis.left, diagnosis.where,
        diagnosis.says,
    )  # fmt: skip
