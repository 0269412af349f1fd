"""Where a derivation first goes wrong: each gradient checked against the author's values above it.

Knows the adjoint network. A gradient that does not follow from the author's own gradients above it
is wrong by itself; one that follows from them, and yet differs from the right one, is a
consequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..network.flow import Flow, Node
from ..network.view import Answer, View
from .runs import run_on_answers


@dataclass(frozen=True)
class Judgement:
    """A derived gradient beside the one that follows from the author's gradients above it.

    Attributes
    ----------
    answer : Answer
    expected : array
        The gradient that follows from the author's own gradients above it.
    allowed : array
        The tolerance of each entry.
    """

    answer: Answer
    expected: np.ndarray
    allowed: np.ndarray

    @property
    def fits(self) -> bool:
        """Whether the given gradient has the shape of the expected one."""
        return self.answer.value.shape == self.expected.shape

    @property
    def difference(self) -> np.ndarray:
        """The absolute difference of each entry, where the shape fits."""
        return np.asarray(np.abs(self.answer.value - self.expected))

    @cached_property
    def follows(self) -> bool:
        """Whether the given gradient is the expected one, within the tolerance."""
        return self.fits and bool((self.difference <= self.allowed).all())

    @cached_property
    def residual(self) -> float:
        """The largest difference, relative to the largest entry."""
        if not self.fits:
            return float("inf")
        scale = np.maximum(np.abs(self.expected), np.abs(self.answer.value)).max(initial=1e-300)
        return float(self.difference.max(initial=0.0) / scale)

    @property
    def worst(self) -> tuple[int, ...]:
        """The entry that differs most, relative to the tolerance; () if the shape is wrong."""
        if not self.fits:
            return ()
        off = self.difference / np.maximum(self.allowed, 1e-300)
        return tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))


@dataclass(frozen=True)
class Blame:
    """The first gradient that is wrong by itself.

    Attributes
    ----------
    signal : str
    at : tuple of int
        The entry that differs most.
    found, expected : float
        The number at that entry, and the one that follows from the author's own gradients above it;
        nan if the shape is wrong.
    region : tuple of str
        The named signals above it that may be at fault: those between the signal and the nearest
        given ones. A signal that leads to a given gradient that follows is not at fault.
    also : tuple of str
        The other signals whose gradients are wrong by themselves.
    consequences : tuple of str
        The signals whose gradients are wrong only because they follow from wrong ones.
    supply : str
        The signal to give next, which narrows the region most; empty if the region is.
    """

    signal: str
    at: tuple[int, ...]
    found: float
    expected: float
    region: tuple[str, ...]
    also: tuple[str, ...]
    consequences: tuple[str, ...]
    supply: str


def judgements(
    adjoint: Flow, answers: Sequence[Answer], allowed: Sequence[np.ndarray]
) -> list[Judgement]:
    """Return a judgement of every derived gradient, in the order in which the network makes them.

    Parameters
    ----------
    adjoint : Flow
    answers : the derived gradients
    allowed : one for each
        The tolerance of each (see `tolerances`).
    """
    expected = run_on_answers(adjoint, answers, [gradient.value for gradient in answers])
    return [Judgement(answers[key], value, allowed[key]) for key, value in expected.items()]


def blame(view: View, several: Sequence[Judgement]) -> Blame | None:
    """Return the first gradient that is wrong by itself, or None.

    Parameters
    ----------
    view : View
    several : the judgements, in the order in which the network makes them
    """
    wrong = [judgement for judgement in several if not judgement.follows]
    if not wrong:
        return None
    first = wrong[0]
    right = run_on_answers(view.adjoint, [judgement.answer for judgement in several], None)
    numbers = (first.answer.value, first.expected) if first.fits else (np.nan, np.nan)
    found, expected = (float(np.asarray(array)[first.worst]) for array in numbers)
    consequences = [
        x.answer.name
        for key, x in enumerate(several)
        if x.follows and np.any(np.abs(x.answer.value - right[key]) > 10 * x.allowed)
    ]
    suspects = _Suspects(view, first.answer.name, several)
    return Blame(
        first.answer.name, first.worst, found, expected, tuple(suspects.region()),
        tuple(other.answer.name for other in wrong[1:]), tuple(consequences), suspects.best(),
    )  # fmt: skip


class _Suspects:
    """The named signals that may be at fault for the first wrong one, in an unfolded network.

    Sets of signals are the bits of a number, so that many of them cost little.
    """

    def __init__(self, folded: View, first: str, several: Sequence[Judgement]) -> None:
        self.folded, self.view = folded, (view := folded.unfolded)
        self.maker = view.adjoint.maker
        self.known = {wire for judgement in several for wire in self._wires(judgement.answer.name)}
        self.names: list[str] = []
        self.bits: dict[int, int] = {}  # of a wire with a name: which it is
        wires = {view.at[name][0]: name for name in view.named}
        for node in view.adjoint.nodes:
            for wire in node.outputs:
                if wire in wires and wire not in self.known:
                    self.bits[wire] = 1 << len(self.names)
                    self.names.append(wires[wire])
        self.leading, without_zeros = (self._leading_to(zeros) for zeros in (True, False))
        self.suspected = self._above(first, self.leading)
        for x in several:
            if x.follows:
                self.suspected &= ~self._above(x.answer.name, without_zeros)
        self.shared = self.suspected  # those that lead to every gradient that is wrong by itself
        for x in several:
            if not x.follows:
                self.shared &= self._above(x.answer.name, self.leading)

    def _wires(self, name: str) -> list[int]:
        """Return the wires of a signal, of the whole that its step belongs to, or of its parts."""
        if name not in self.view.at and name in self.folded.sequence:
            name = self.folded.sequence[name]
        parts = [part for part, _ in self.view.parts.get(name, ())]
        return [self.view.at[part][0] for part in ([name] if name in self.view.at else parts)]

    def _leading_to(self, zeros: bool) -> dict[int, int]:
        """Return the signals that lead to each wire, the wire's own among them, up to known ones.

        A gain of zeros alone leads no signal on, unless ``zeros`` is true.
        """
        leading: dict[int, int] = {}
        for node in self.view.adjoint.nodes:
            passes = zeros or node.gain is None or node.gain.any()
            above = self._inputs(node, leading) if passes else 0
            for wire in node.outputs:
                leading[wire] = 0 if wire in self.known else above | self.bits.get(wire, 0)
        return leading

    def _above(self, name: str, leading: dict[int, int]) -> int:
        above = 0
        for wire in self._wires(name):
            above |= self._inputs(self.maker[wire], leading) if wire in self.maker else 0
        return above

    @staticmethod
    def _inputs(node: Node, leading: dict[int, int]) -> int:
        above = 0
        for wire in node.inputs:
            above |= leading.get(wire, 0)
        return above

    def region(self) -> list[str]:
        """Return the suspects, all steps of a signal as one."""
        sequences = self._sequences(self.suspected)
        whole = {
            step: name for name, steps in sequences.items() for step in steps
            if len(steps) == len(self.view.signals.sequences[name])
        }  # fmt: skip
        return list(dict.fromkeys(whole.get(name, name) for name in self._names_of(self.suspected)))

    def best(self) -> str:
        """Return the signal whose gradient to give next, which leaves the fewest suspects at most.

        A signal that leads to every wrong gradient is preferred.
        """
        suspects = self.shared or self.suspected
        sequences = self._sequences(suspects)
        ways = {name: steps for name, steps in sequences.items() if len(steps) > 1}
        ways = ways or {name: [name] for name in self._names_of(suspects)}
        return min(ways, key=lambda name: self._most_left(ways[name]), default="")

    def _most_left(self, names: Sequence[str]) -> int:
        """Return how many suspects are left, at most, once some signals are given."""
        most, cleared = 0, 0
        for name in names:
            wire = self.view.at[name][0]
            if_wrong = self.leading[wire] & ~self.bits[wire] & ~cleared & self.suspected
            most, cleared = max(most, if_wrong.bit_count()), cleared | self.leading[wire]
        return max(most, (self.suspected & ~cleared).bit_count())

    def _names_of(self, suspects: int) -> list[str]:
        return [name for at, name in enumerate(self.names) if suspects >> at & 1]

    def _sequences(self, suspects: int) -> dict[str, list[str]]:
        """Return the suspected steps of each signal, in the order in which their δ is made."""
        of = {
            step.name: name
            for name, steps in self.view.signals.sequences.items()
            for step in steps
            if len(steps) > 1
        }
        sequences: dict[str, list[str]] = {}
        for name in self._names_of(suspects):
            if name in of:
                sequences.setdefault(of[name], []).append(name)
        return sequences
