"""The search for all mistakes of a derivation that has several: one after the other, each repaired.

Knows chains of mistakes. The next mistake is one with which a gradient follows that did not follow
before. Where only several mistakes together make a gradient follow, those are tried first that
lead nearest to the author's numbers, and then those next to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import numpy as np

from ..engine.limit import Clock, TimeUp
from .chain import Chain, Chains
from .effects import Effects
from .mistakes import Mistake
from .mistakes.mistake import joint
from .noise import noise
from .together import chunks

WIDTH = 4  # chains that are continued at once
BRANCHES = 4  # mistakes with which one chain is continued
MOST = 24  # mistakes in a chain
DEEP = 4  # mistakes at most that only together make a gradient follow
TRIED = 100  # sets of them that are continued
TRIED_EACH = 3  # for each signal that leads to the gradient, where there are few
NEAREST = 60  # mistakes with which one set is continued
SMALL, LARGE = 1e-9, 1e6  # effects, relative to the gradients, that explain nothing
LEAST = 5.0  # seconds for the last look at a chain, however short the search was


class Explanation(NamedTuple):
    """The best chain of mistakes, and whether the time was up before the end of the search."""

    chain: Chain
    is_cut: bool


def explain_all(chains: Chains, seconds: float) -> Explanation:
    """Return the fewest and likeliest mistakes that explain a derivation, as far as that can be.

    Parameters
    ----------
    chains : Chains
    seconds : float
        Of processor time.
    """
    search, best, is_cut = _Search(chains), chains.start, True
    with np.errstate(all="ignore"):  # a mistake may divide by 0
        with suppress(TimeUp), Clock(seconds):
            for chain in search.longer_and_longer():
                best = chain
            is_cut = False
        with suppress(TimeUp), Clock(LEAST):
            best = _told_once(chains, without_spare(chains, best))
    return Explanation(best, is_cut)


def without_spare(chains: Chains, chain: Chain) -> Chain:
    """Return a chain without the mistakes, and the places of mistakes, that explain nothing.

    Of one mistake at several places, a place counts that no other mistake changes.
    """
    for mistake in reversed(chain.mistakes):
        rest = tuple(other for other in chain.mistakes if other is not mistake)
        shorter = chains.make(rest)
        if shorter is not None and len(shorter.wrong) <= len(chain.wrong):
            chain = shorter
    for mistake in chain.mistakes:
        elsewhere = frozenset[int]().union(
            *(other.change.at for other in chain.mistakes if other is not mistake)
        )
        members = [one for one in mistake.members if one.change.at - elsewhere]
        if members and len(members) < len(mistake.members):
            fewer = joint(members) if len(members) > 1 else members[0]
            shorter = chains.make(tuple(fewer if x is mistake else x for x in chain.mistakes))
            if shorter is not None and len(shorter.wrong) <= len(chain.wrong):
                chain = shorter
    return chain


def _told_once(chains: Chains, chain: Chain) -> Chain:
    """Return a chain in which one slip that is made at several places is one mistake."""
    slips: dict[tuple[str, str], list[Mistake]] = {}
    for mistake in chain.mistakes:
        for group in mistake.groups:
            slips.setdefault((mistake.kind, group), []).append(mistake)
    for several in slips.values():
        if len(several) > 1 and all(mistake in chain.mistakes for mistake in several):
            rest = tuple(x for x in chain.mistakes if x not in several)
            shorter = chains.make((*rest, joint(several)))
            if shorter is not None and len(shorter.wrong) <= len(chain.wrong):
                chain = shorter
    return chain


class _Search:
    """The search for a chain that leaves nothing wrong."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains

    def longer_and_longer(self) -> Iterator[Chain]:
        """Yield the best chain, longer and longer, until nothing is left wrong or to be tried."""
        several = [self.chains.start]
        ends: list[Chain] = []  # with no single mistake to go on with
        for _ in range(MOST):
            best = several[0]
            yield best
            if not best.wrong:
                return
            longer: list[Chain] = []
            if best in ends:
                longer = self._continue_at_any_price(best)
                if not longer:
                    return
                several = several[1:]
            for chain in several:
                more = [] if chain in ends else self._continue(chain)
                ends += [] if more else [chain]
                longer += more or [chain]
            by_numbers: dict[tuple[float, ...], Chain] = {}  # those that differ in words are one
            for chain in sorted(longer, key=lambda chain: chain.cost):
                by_numbers.setdefault(chain.numbers, chain)
            several = list(by_numbers.values())[:WIDTH]

    def _continue(self, chain: Chain) -> list[Chain]:
        """Return a chain with one more mistake, the likeliest first; empty if there is none."""
        for key in self._keys(chain):
            if longer := self._explain(chain, key, None):
                return longer
        for key in self._keys(chain):  # such a factor explains one gradient all too easily
            longer = self._explain(chain, key, self.chains.factors())
            if longer and len(longer[0].wrong) < len(chain.wrong) - 1:
                return longer
        return []

    def _continue_at_any_price(self, chain: Chain) -> list[Chain]:
        """Return a chain with several more mistakes, or with a factor of one gradient."""
        for key in self._keys(chain):
            is_noise = noise([chain.judgements[key]]) is not None
            longer = [] if is_noise else self._compose(chain, key)
            if longer:
                return longer
        for key in self._keys(chain):
            if longer := self._explain(chain, key, self.chains.factors()):
                return longer
        return []

    def _keys(self, chain: Chain) -> list[int]:
        """Return the gradients that do not follow; of the steps of one signal the first.

        Those first that the fewest signals lead to: they are the surest.
        """
        wires: dict[int, int] = {}
        for key in chain.wrong:
            wires.setdefault(self.chains.answers[key].wire, key)
        return sorted(wires.values(), key=lambda key: len(self._suspects(key)))

    def _suspects(self, key: int) -> frozenset[int]:
        return self.chains.above[self.chains.answers[key].wire]

    def _explain(self, chain: Chain, key: int, several: Iterable[Mistake] | None) -> list[Chain]:
        """Return the chain with each of the best mistakes with which a gradient follows."""
        judgement = chain.judgements[key]
        leading = chain.trials.leading_to({judgement.answer.wire})
        near = self.chains.candidates(chain, self._suspects(key), several)
        longer = []
        fitted = (chain.at_best_rate(mistake, key) for mistake in near)
        for chunk in chunks(fitted, chain.together.most):
            for mistake, values in chain.runs(chunk, leading):
                if key in values and replace(judgement, expected=values[key]).follows:
                    longer += self._with(chain, mistake)
        return _best([one for one in longer if len(one.wrong) < len(chain.wrong)])

    def _with(self, chain: Chain, mistake: Mistake) -> list[Chain]:
        """Return a chain with one more mistake, in a list; empty if it cannot be made."""
        one = self.chains.make((*chain.mistakes, mistake))
        return [] if one is None else [one]

    def _compose(self, chain: Chain, key: int) -> list[Chain]:
        """Return the chain with several mistakes that only together make a gradient follow.

        Of the mistakes that lead to it, those that take the author's numbers nearest are tried
        first (limited discrepancy search: W. Harvey and M. Ginsberg, IJCAI 1995, p. 607).
        """
        serial = count()
        queue: list[tuple[float, int, Chain, Mistake | None]] = [(0.0, 0, chain, None)]
        tried = set[frozenset[tuple[str, str]]]()
        for _ in range(min(TRIED, TRIED_EACH * len(self._suspects(key)))):
            if not queue:
                break
            cost, _, base, mistake = heappop(queue)
            grown = base if mistake is None else next(iter(self._with(base, mistake)), None)
            if grown is None or grown.sentences in tried:
                continue
            tried.add(grown.sentences)
            nearest, whole = self._steps(grown, self._suspects(key), len(chain.wrong))
            if whole:
                longer = [one for x in whole for one in self._with(grown, x)]
                return _best([without_spare(self.chains, one) for one in _best(longer)])
            if len(grown.mistakes) + 2 <= len(chain.mistakes) + DEEP:
                for rank, one in enumerate(nearest):
                    heappush(queue, (cost + np.log2(1 + rank), next(serial), grown, one))
        return []

    def _steps(
        self, chain: Chain, wires: frozenset[int], wrong: int
    ) -> tuple[list[Mistake], list[Mistake]]:
        """Return the mistakes that take a chain nearest to the author's numbers, nearest first.

        And those that leave fewer gradients wrong than a number.
        """
        effects = Effects(chain.judgements)
        aim = effects.aim
        ways: list[_Way] = []
        whole: list[Mistake] = []
        for chunk in chunks(self.chains.candidates(chain, wires), chain.together.most):
            for mistake, values in chain.runs(chunk):
                if chain.count_wrong(values) < wrong:
                    whole.append(mistake)
                with suppress(ValueError):  # of another shape
                    effect = effects.of(
                        {
                            key: replace(chain.judgements[key], expected=value)
                            for key, value in values.items()
                        }
                    )
                    size = float(np.linalg.norm(effect))
                    if SMALL < size < LARGE:
                        along = float(effect @ aim) / size
                        left = float(np.linalg.norm(aim - effect))
                        ways.append(_Way(mistake, left, -abs(along)))
        order: dict[int, None] = {}  # by turns the nearest, and the nearest but for a factor
        as_is = sorted(range(len(ways)), key=lambda number: ways[number].left)
        scaled = sorted(range(len(ways)), key=lambda number: ways[number].left_if_scaled)
        for pair in zip(as_is, scaled, strict=True):
            order.update(dict.fromkeys(pair))
        return [ways[number].mistake for number in list(order)[:NEAREST]], whole


class _Way(NamedTuple):
    """A mistake, and how far the network with it is from the author's numbers."""

    mistake: Mistake
    left: float
    left_if_scaled: float  # but for a factor of the effect; less by what all have


def _best(several: list[Chain]) -> list[Chain]:
    return sorted(several, key=lambda chain: chain.cost)[:BRANCHES]
