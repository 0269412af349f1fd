"""The effects of mistakes on all given gradients, and the pairs that may explain a derivation.

Knows judgements and diagnoses; no mistake is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from ..engine.limit import Interruptible
from .blame import Judgement
from .diagnosis import Diagnosis
from .mistakes import Mistake

PAIRS = 5000  # of the likeliest, that are tried
WIDTH = 1024  # numbers to which the effect of a mistake comes down, when pairs are sought
MOSTLY = 0.5  # the least weight of a mistake in a sum
RATED = 200  # pairs with a mistake of any size that are tried
BLOCK = 250  # effects that are compared with the others between two looks at the clock
Pair = tuple[Diagnosis, Diagnosis]


class Effects:
    """The effects of mistakes: the changes of all gradients in one array, relative to their sizes.

    Many numbers are added up with random signs into fewer.

    Parameters
    ----------
    base : mapping of a given gradient's position to its judgement
    """

    def __init__(self, base: Mapping[int, Judgement]) -> None:
        self.base = base
        self.sizes: dict[int, float] = {}
        self.slices: dict[int, slice] = {}
        count = 0
        for key, judgement in Interruptible(base.items()):
            values = judgement.answer.value, judgement.expected
            largest = [np.abs(value).max(initial=0.0) for value in values]
            self.sizes[key] = (float(max(largest)) or 1.0) if judgement.fits else 0.0
            entries = judgement.answer.value.size if judgement.fits else 1
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
        """Return a gradient relative to its size; for a wrong shape, 0 if it follows and 1 if not.

        Raises ValueError if it has neither shape.
        """
        if not self.sizes[key]:
            return np.array([0.0 if is_right else 1.0])
        if value.shape != self.base[key].expected.shape:
            raise ValueError
        return np.ravel(value) / self.sizes[key]

    def of(self, changed: Mapping[int, Judgement]) -> np.ndarray:
        """Return the change of gradients from the expected ones; ValueError if shapes differ."""
        total = np.zeros(self.width)
        for key, judgement in changed.items():
            base = self.base[key]
            now, was = (self._part(key, x.expected, x.follows) for x in (judgement, base))
            self._add(total, key, now - was)
        return total

    def residual(self, changed: Mapping[int, Judgement]) -> np.ndarray | None:
        """Return the differences of gradients from the author's; ValueError if shapes differ.

        None if there are no gradients.
        """
        parts = [
            self._part(key, x.expected, x.follows) - self._part(key, x.answer.value, True)
            for key, x in sorted(changed.items())
        ]
        return np.concatenate(parts) if parts else None

    def _add(self, total: np.ndarray, key: int, part: np.ndarray) -> None:
        at = self.slices[key]
        total += np.bincount(self.place[at], self.sign[at] * part, self.width)

    @cached_property
    def aim(self) -> np.ndarray:
        """The author's differences, as one effect."""
        aim = np.zeros(self.width)
        for key, x in self.base.items():
            right = self._part(key, x.expected, x.follows)
            self._add(aim, key, self._part(key, x.answer.value, True) - right)
        return aim

    def adding_up(self, tried: Sequence[Diagnosis]) -> list[Diagnosis]:
        """Return those of several mistakes whose effects add up best to the author's differences.

        Each has a weight in the sum of least squares; those that come near 1 are taken.
        """
        effects = np.array([x.effect for x in tried])
        weights = np.linalg.lstsq(effects.T, self.aim, rcond=None)[0]
        return [x for x, weight in zip(tried, weights, strict=True) if weight > MOSTLY]

    def likely(self, tried: Sequence[Diagnosis]) -> list[Pair]:
        """Return pairs of mistakes, first those whose effects add up to the author's differences.

        Two effects add up where neither mistake acts on the result of the other. Where one does, it
        mostly scales that result: the distance of the author's differences from the plane of the
        two effects counts.
        """
        if len(tried) < 2:
            return []
        aim = self.aim
        effects = np.array([pair.effect for pair in tried])
        blocks = []
        for start in Interruptible(range(0, len(effects), BLOCK)):
            blocks.append(effects[start : start + BLOCK] @ effects.T)
        between, along = np.concatenate(blocks), effects @ aim
        own = np.diag(between)
        first, second = np.triu_indices(len(tried), 1)
        both, between = own[first] * own[second], between[first, second]
        spread = both - between**2  # 0 of two along one line, which are no pair
        reached = (
            along[first] ** 2 * own[second] + own[first] * along[second] ** 2
            - 2 * along[first] * along[second] * between
        )  # fmt: skip
        apart = np.flatnonzero(spread > 1e-9 * both)
        near = reached[apart] / spread[apart]
        if len(near) > PAIRS:
            nearest = np.sort(np.argpartition(-near, PAIRS)[:PAIRS])
            apart, near = apart[nearest], near[nearest]
        best = apart[np.argsort(-near, kind="stable")]
        return [(tried[first[at]], tried[second[at]]) for at in best]


def mistakes_of(likely: Iterable[Pair]) -> Iterator[tuple[Mistake, ...]]:
    """Yield the mistakes of pairs; of those with a size to be found, which take long, only some.

    Of one sentence, one mistake reads as if the other undid it.
    """
    left = RATED
    for one, other in likely:
        several = (*one.mistakes, *other.mistakes)
        if one.says == other.says:
            continue
        is_rated = any(mistake.at_rate is not None for mistake in several)
        left -= is_rated
        if not is_rated or left >= 0:
            yield several
