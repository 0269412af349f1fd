"""A chain of mistakes: the author's program, as far as it is understood, and what is left wrong.

Knows mistakes, trials and judgements; does not search. The network with the mistakes in it goes on
from the author's own gradients: so each gradient is checked by itself, whatever is wrong before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..engine.limit import Interruptible
from ..network.flow import Flow, reachable
from ..network.view import Answer, View
from .blame import Judgement
from .mistakes import Change, Mistake, any_size, mistakes, with_rates, without
from .settled import known_wires, largest_of_leaves, norms_of_leaves
from .together import Together
from .trials import NO_ROOM, Trials

Values = Mapping[int, np.ndarray]  # of given gradients, by their position
Cost = tuple[int, int, list[tuple[int, int]], int]


@dataclass(frozen=True, eq=False)
class Chain:
    """Mistakes in the author's program, and what is left wrong with them.

    Attributes
    ----------
    mistakes : tuple of Mistake
    trials : Trials
        Of the network with the mistakes in it, on the author's own gradients.
    judgements : mapping of a given gradient's position to its judgement
        By this network, from the author's own gradients above it.
    """

    mistakes: tuple[Mistake, ...]
    trials: Trials = field(repr=False)
    judgements: Mapping[int, Judgement] = field(repr=False)

    @cached_property
    def wrong(self) -> list[int]:
        """The gradients that do not follow, in the order in which the network makes them."""
        return [key for key, judgement in self.judgements.items() if not judgement.follows]

    @cached_property
    def cost(self) -> Cost:
        """The sort key of a chain: what is left, how many mistakes, and how unlikely these are."""
        ranks = sorted((mistake.rank for mistake in self.mistakes), reverse=True)
        places = sum(len(mistake.members) for mistake in self.mistakes)
        return len(self.wrong), len(self.mistakes), ranks, places

    @cached_property
    def sentences(self) -> frozenset[tuple[str, str]]:
        """What the mistakes say, and where: one sentence may be said of several places."""
        return frozenset(sentence_at_place(mistake) for mistake in self.mistakes)

    @cached_property
    def together(self) -> Together:
        """Runs of many more mistakes at once."""
        return Together(self.trials)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """A few numbers that differ between chains which give different gradients."""
        random = np.random.default_rng(0)
        return tuple(
            float(f"{np.vdot(random.normal(size=x.expected.shape), x.expected):.8g}")
            for _, x in sorted(self.judgements.items())
        )

    def count_wrong(self, values: Values) -> int:
        """Return how many gradients do not follow where some have other values."""
        wrong = set(self.wrong)
        for key, value in values.items():
            judgement = self.judgements[key]
            now = Judgement(judgement.answer, value, judgement.allowed)
            (wrong.discard if now.follows else wrong.add)(key)
        return len(wrong)

    def runs(
        self, several: Sequence[Mistake], leading: set[int] | None = None
    ) -> Iterator[tuple[Mistake, Values]]:
        """Yield each of several mistakes, and the gradients that it changes with all these.

        Parameters
        ----------
        several : sequence of Mistake
        leading : set of int, optional
            The wires that lead to the gradients of interest (see `Trials.run`).
        """
        changes = [[self._change(mistake)] for mistake in several]
        results = self.together.run(changes, leading)
        for mistake, change, values in zip(several, changes, results, strict=True):
            if values is None:
                try:
                    values = self.trials.run(change, leading)
                except NO_ROOM:
                    continue
            yield mistake, values

    def at_best_rate(self, mistake: Mistake, key: int) -> Mistake:
        """Return a mistake at the rate at which it explains most of a gradient."""
        if mistake.at_rate is None:
            return mistake
        answer = self.judgements[key].answer

        def missed(several: Sequence[Mistake]) -> np.ndarray | None:
            try:
                values = self.trials.run([self._change(x) for x in several])
                return np.ravel(values[key] - answer.value)
            except NO_ROOM:
                return None

        return with_rates((mistake,), missed)[0]

    def _change(self, mistake: Mistake) -> Change:
        change = mistake.change
        return replace(change, alone=None) if self.mistakes else change


def sentence_at_place(mistake: Mistake) -> tuple[str, str]:
    """Return what a mistake says, and where."""
    return mistake.says, mistake.where


class Chains:
    """The chains of mistakes in one derivation.

    Parameters
    ----------
    view : View
    answers : the derived gradients
    allowed : the tolerance of each (see `tolerances`)

    Attributes
    ----------
    start : Chain
        Without a mistake.
    above : dict of int to frozenset of int
        The wires that lead to the wire of a given gradient, up to wires whose δ is given at every
        step.
    """

    def __init__(
        self, view: View, answers: Sequence[Answer], allowed: Sequence[np.ndarray]
    ) -> None:
        self.view, self.answers, self.allowed = view, answers, allowed
        self.maker = view.adjoint.maker
        self.known = known_wires(view, answers)
        wires = {answer.wire for answer in answers}
        self.above = {wire: self._wires_above(wire) for wire in Interruptible(wires)}
        start = self.make(())
        assert start is not None
        self.start = start

    def make(self, several: tuple[Mistake, ...]) -> Chain | None:
        """Return the chain of some mistakes; None if they cannot be made together."""
        network: Flow = self.view.adjoint
        try:
            for mistake in several:
                network = mistake.change(network)
            trials = Trials(network, self.answers, True)
        except NO_ROOM:
            return None
        judgements = {
            key: Judgement(self.answers[key], x, self.allowed[key])
            for key, x in Interruptible(trials.expected.items())
        }
        return Chain(several, trials, judgements)

    def candidates(
        self, chain: Chain, wires: frozenset[int], several: Iterable[Mistake] | None = None
    ) -> Iterator[Mistake]:
        """Yield the mistakes that may come to those of a chain, at some wires.

        Without their changes where all gradients follow already.

        Parameters
        ----------
        chain : Chain
        wires : frozenset of int
        several : iterable of Mistake, optional
            To select from, in place of all.
        """
        settled = self.known - {self.answers[key].wire for key in chain.wrong}
        if several is None:
            is_small = self.start.together.is_small
            several = self._all if is_small else mistakes(self.view, set(wires))
        for mistake in several:
            rest = without(mistake, settled) if mistake.change.at & wires else None
            if (
                rest is not None
                and rest.change.at & wires
                and sentence_at_place(rest) not in chain.sentences
            ):
                yield rest

    def factors(self) -> Iterator[Mistake]:
        """Yield the mistakes of a factor of any size (see `any_size`)."""
        own = self.view, self.answers
        return any_size(self.view, largest_of_leaves(*own), norms_of_leaves(*own))

    @cached_property
    def _all(self) -> list[Mistake]:
        return list(mistakes(self.view))

    def _wires_above(self, wire: int) -> frozenset[int]:
        def inputs(wire: int) -> set[int]:
            node = self.maker.get(wire)
            return set() if node is None else {*node.inputs} - self.known

        return frozenset(reachable([wire], inputs))
