"""The mistakes that a check cannot detect: every mistake is planted in turn.

Knows mistakes and networks. A small set-up is blind: with one step nothing is carried over, with a
zero start the factors of the initial state do not show, with one hidden unit a matrix is its
transpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Clock, Interruptible, TimeUp
from ..engine.notebook import ShownAsText
from ..engine.tensor import Tensor
from ..errors import UsageError
from ..formulas.called import called
from ..formulas.columns import wrap
from ..network.flow import SOURCES
from ..network.graph import check_recorded
from ..network.view import Answer, View
from .mistakes import Mistake, all_mistakes
from .screen import Screen
from .together import Together, chunks
from .trials import NO_ROOM, SECONDS, Trials

SEEN = 1e-9  # the least relative change of a gradient that shows
LISTED = 8  # mistakes that do not show, in the printed report
LISTING = 0.2  # of the time, after which mistakes are no longer counted before they are tried


@dataclass(frozen=True)
class Adequacy(ShownAsText):
    """The mistakes that a set-up cannot detect.

    Attributes
    ----------
    planted : int
        How many mistakes were tried.
    unseen : tuple of Mistake
        The mistakes that change no gradient of a leaf that requires one.
    advice : tuple of str
        Changes of the set-up that make them show.
    listed : int
        How many mistakes there are to try, as far as they were counted.
    is_cut : bool
        Whether the time was up before all were tried.
    is_counted : bool
        Whether all were counted.
    """

    planted: int
    unseen: tuple[Mistake, ...]
    advice: tuple[str, ...]
    listed: int = 0
    is_cut: bool = False
    is_counted: bool = True

    @property
    def ok(self) -> bool:
        """Whether every mistake shows; false too where the time was up before all were tried."""
        return not self.unseen and not self.is_cut

    def __repr__(self) -> str:
        return f"<Adequacy: {self._total}>"

    def __str__(self) -> str:
        lines = [f"{self._total}, such as"] if self.unseen else [self._total] * (not self.is_cut)
        lines += [f"  {sentence.says}" for sentence in self.unseen[:LISTED]]
        lines += [f"change: {sentence}" for sentence in self.advice]
        lines += [self._cut] * self.is_cut
        return "\n".join(line for text in lines for line in wrap(text))

    @property
    def _total(self) -> str:
        if not self.unseen:
            return f"all {self.planted} mistakes{' tried before the limit' * self.is_cut} show"
        return f"{len(self.unseen)} of {self.planted} mistakes do not show"

    @property
    def _cut(self) -> str:
        more = "" if self.is_counted else "more than "
        return (
            f"looked at {self.planted:,} of {more}{self.listed:,} mistakes: the time was up; "
            "adequacy(loss, seconds=…) sets the limit"
        )


def adequacy(loss: Tensor, *, seconds: float = SECONDS) -> Adequacy:
    """Plant every mistake of the library in a network, and see which a check of it would miss.

    Parameters
    ----------
    loss : Tensor
        Recorded with the sizes, initial states, batch and inputs of the check.
    seconds : float
        Of processor time, after which no more mistakes are tried; the report says so (``is_cut``).

    Returns
    -------
    Adequacy

    Raises
    ------
    UsageError
        If nothing was recorded, or no leaf requires a gradient.
    """
    check_recorded("adequacy", loss)
    planted, count, is_cut, is_counted = 0, 0, True, False
    unseen, listed = list[Mistake](), list[Mistake]()
    with suppress(TimeUp), np.errstate(all="ignore"), Clock(seconds):
        view = View(loss, call=called)
        watched = _Gradients(view)
        soon = Clock(LISTING * seconds)
        every = all_mistakes(view)
        rest = (mistake for mistake in every if mistake.change.at & watched.trials.leading)
        for mistake in rest:
            listed.append(mistake)
            if soon.is_over:
                break
        else:
            is_counted = True
        count = len(listed)
        for chunk in chunks(chain(listed, rest), watched.together.most):
            for mistake, shows in zip(chunk, watched.show(chunk), strict=True):
                count -= shows is None  # the shapes do not allow it
                planted += shows is not None
                if shows is False:
                    unseen.append(mistake)
        is_cut = False
    advice = tuple(_advice(view, unseen)) if unseen else ()
    return Adequacy(planted, tuple(unseen), advice, max(count, planted), is_cut, is_counted)


class _Gradients:
    """The gradients of the leaves, in which a mistake shows or does not.

    Parameters
    ----------
    view : View
    """

    def __init__(self, view: View) -> None:
        ends = [
            Answer(node.name, node.inputs[0], None, np.empty(0))
            for node in view.adjoint.nodes
            if node.kind is Kind.OUTPUT and node.name.removeprefix("δ") in view.named
        ]
        if not ends:
            raise UsageError(
                "adequacy: found no gradient to check, expected a leaf that requires one"
            )
        self.trials = Trials(view.adjoint, ends, False)
        self.together = Together(self.trials)
        right = Interruptible(self.trials.expected.items())
        self.least = {key: np.full_like(x, SEEN * np.abs(x).max(initial=0.0)) for key, x in right}
        self.screen = Screen(self.trials, {key: np.zeros_like(x) for key, x in right}, self.least)

    def show(self, several: Sequence[Mistake]) -> list[bool | None]:
        """Return whether each mistake changes a leaf's gradient; None if its shapes do not fit."""
        moved = [self._moves_sum(mistake) for mistake in Interruptible(several)]
        unknown = [[x.change] for x, moves in zip(several, moved, strict=True) if moves is False]
        runs = iter(self.together.run(unknown))
        return [
            self._run_shows(mistake, next(runs)) if moves is False else moves
            for mistake, moves in zip(several, moved, strict=True)
        ]

    def _moves_sum(self, mistake: Mistake) -> bool | None:
        """Return whether a mistake moves the sum of all gradients, as far as the screen tells."""
        try:
            moves = self.screen.moves(mistake.change)
        except NO_ROOM:
            return None
        return moves is not None and bool(abs(moves[0]) > self.screen.least + moves[1])

    def _run_shows(self, mistake: Mistake, values: Mapping[int, np.ndarray] | None) -> bool | None:
        """Return whether a run of a mistake gives another gradient; None if there is no run."""
        try:
            values = self.trials.run([mistake.change]) if values is None else values
        except NO_ROOM:
            return None
        right = self.trials.expected
        return any(
            np.shape(value) != np.shape(right[key])
            or not np.all(np.abs(value - right[key]) <= self.least[key])
            for key, value in values.items()
        )


def _advice(view: View, unseen: list[Mistake]) -> list[str]:
    """Return the changes that a small set-up needs: sizes, starts, outputs that the loss reads."""
    advice = []
    network = view.network
    if any(len(loop.steps) == 1 and max(loop.steps) >= 0 for loop in network.loops):
        advice.append("take two steps or more; take three to see mistakes in the carry")
    sources = [node.outputs[0] for node in network.nodes if node.kind in SOURCES]
    if any(1 in np.shape(network.wires[wire].value) for wire in sources):
        advice.append("use two or more samples, features and hidden units")
    starts = [
        network.wires[node.inputs[1]].value for node in network.nodes
        if node.kind in (Kind.DELAY, Kind.ADVANCE)
    ]  # fmt: skip
    if any(not np.any(start) for start in starts):
        advice.append("start from states that are not zero")
    if any(mistake.kind == "last error alone" for mistake in unseen):
        advice.append("let every step add to the loss, not the last one alone")
    leaves = [
        np.asarray(network.wires[node.outputs[0]].value)
        for node in network.nodes
        if node.kind is Kind.PARAMETER
    ]
    square = [leaf for leaf in leaves if leaf.ndim == 2 and leaf.shape[0] == leaf.shape[1] > 1]
    if any(np.allclose(array, array.T) for array in square):
        advice.append("take weights that are not symmetric")
    return advice or ["take random inputs, weights and targets"]
