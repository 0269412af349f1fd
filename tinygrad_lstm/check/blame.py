"""Where a derivation first goes wrong: every step judged by what its author gave it to work on.

Knows the adjoint network. A gradient that does not follow from the author's own gradients above it
is wrong by itself; one that follows from them, and yet is not the right one, is a consequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..network.flow import Flow, Node
from ..network.view import Given, Sight
from .runs import run_on_given


@dataclass(frozen=True)
class Judged:
    """What became of one derived gradient.

    Attributes
    ----------
    given : Given
    expected : array
        What follows from the author's own gradients above it.
    allowed : array
        How far from that rounding may have led.
    """

    given: Given
    expected: np.ndarray
    allowed: np.ndarray

    @property
    def follows(self) -> bool:
        """Whether it is what follows."""
        if self.given.value.shape != self.expected.shape:
            return False
        return bool(np.all(np.abs(self.given.value - self.expected) <= self.allowed))

    @property
    def residual(self) -> float:
        """The largest difference, in relation to what is largest in it."""
        if self.given.value.shape != self.expected.shape:
            return float("inf")
        scale = np.maximum(np.abs(self.expected), np.abs(self.given.value)).max(initial=1e-300)
        return float(np.abs(self.given.value - self.expected).max(initial=0.0) / scale)

    @property
    def worst(self) -> tuple[int, ...]:
        """The entry that is off most, in relation to what is allowed; () if the shape is wrong."""
        if self.given.value.shape != self.expected.shape:
            return ()
        off = np.abs(self.given.value - self.expected) / np.maximum(self.allowed, 1e-300)
        return tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))


@dataclass(frozen=True)
class Blame:
    """The first gradient that is wrong by itself.

    Attributes
    ----------
    signal : str
    at : tuple of int
        The entry of it that is off most.
    found, expected : float
        There, what was derived and what follows from the author's own gradients above it; nan if
        the shape is wrong.
    region : tuple of str
        The named signals above it that may be at fault: those between it and the nearest given
        ones that nothing clears. What leads to a given gradient that follows has been right.
    also : tuple of str
        The others that are wrong by themselves.
    consequences : tuple of str
        Those that are wrong only because they were made of wrong ones.
    supply : str
        The signal to give next, which narrows the region most; empty if there is nothing between.
    """

    signal: str
    at: tuple[int, ...]
    found: float
    expected: float
    region: tuple[str, ...]
    also: tuple[str, ...]
    consequences: tuple[str, ...]
    supply: str


def judged(adjoint: Flow, given: Sequence[Given], allowed: Sequence[np.ndarray]) -> list[Judged]:
    """Return what became of every derived gradient, in the order in which the network makes them.

    Parameters
    ----------
    adjoint : Flow
    given : the derived gradients
    allowed : one for each
        How far off it may be (see `tolerances`).
    """
    expected = run_on_given(adjoint, given, [each.value for each in given])
    return [Judged(given[key], value, allowed[key]) for key, value in expected.items()]


def blame(sight: Sight, found: Sequence[Judged]) -> Blame | None:
    """Return the first gradient that is wrong by itself, or None.

    Parameters
    ----------
    sight : Sight
    found : in the order in which the network makes them
    """
    wrong = [each for each in found if not each.follows]
    if not wrong:
        return None
    first = wrong[0]
    right = run_on_given(sight.adjoint, [each.given for each in found], None)
    fits = first.given.value.shape == first.expected.shape
    off = (first.given.value[first.worst], first.expected[first.worst]) if fits else (np.nan,) * 2
    consequences = [
        each.given.name
        for key, each in enumerate(found)
        if each.follows and np.any(np.abs(each.given.value - right[key]) > 10 * each.allowed)
    ]
    suspects = _Suspects(sight, first.given.name, found)
    return Blame(
        first.given.name, first.worst, float(off[0]), float(off[1]), tuple(suspects.region()),
        tuple(each.given.name for each in wrong[1:]), tuple(consequences), suspects.best(),
    )  # fmt: skip


class _Suspects:
    """The named signals that may be at fault for the first wrong one, in an unfolded network.

    Sets of signals are the bits of a number, so that many of them cost little.
    """

    def __init__(self, folded: Sight, first: str, found: Sequence[Judged]) -> None:
        self.folded, self.sight = folded, (sight := folded.unfolded)
        self.maker = sight.adjoint.maker
        self.known = {wire for each in found for wire in self._wires(each.given.name)}
        self.names: list[str] = []
        self.bits: dict[int, int] = {}  # of a wire with a name: which it is
        wires = {sight.at[name][0]: name for name in sight.named}
        for node in sight.adjoint.nodes:
            for wire in node.outputs:
                if wire in wires and wire not in self.known:
                    self.bits[wire] = 1 << len(self.names)
                    self.names.append(wires[wire])
        self.leading, without_zeros = self._led(zeros=True), self._led(zeros=False)
        self.suspected = self._come(first, self.leading)
        for each in found:
            if each.follows:
                self.suspected &= ~self._come(each.given.name, without_zeros)
        self.shared = self.suspected  # those that lead to every gradient that is wrong by itself
        for each in found:
            if not each.follows:
                self.shared &= self._come(each.given.name, self.leading)

    def _wires(self, name: str) -> list[int]:
        """Return where a signal is: a step with what was recorded as a whole, or its parts."""
        if name not in self.sight.at and name in self.folded.sequence:
            name = self.folded.sequence[name]
        parts = [part for part, _ in self.sight.parts.get(name, ())]
        return [self.sight.at[each][0] for each in ([name] if name in self.sight.at else parts)]

    def _led(self, zeros: bool) -> dict[int, int]:
        """Return the signals that lead to each wire, itself among them, as far as known ones.

        A gain of nothing but zeros leads nothing on, unless ``zeros`` does.
        """
        found: dict[int, int] = {}
        for node in self.sight.adjoint.nodes:
            come = self._inputs(node, found) if zeros or node.gain is None or node.gain.any() else 0
            for wire in node.outputs:
                found[wire] = 0 if wire in self.known else come | self.bits.get(wire, 0)
        return found

    def _come(self, name: str, leading: dict[int, int]) -> int:
        come = 0
        for wire in self._wires(name):
            come |= self._inputs(self.maker[wire], leading) if wire in self.maker else 0
        return come

    @staticmethod
    def _inputs(node: Node, leading: dict[int, int]) -> int:
        come = 0
        for wire in node.inputs:
            come |= leading.get(wire, 0)
        return come

    def region(self) -> list[str]:
        """Return the suspected, all steps of a signal as one."""
        sequences = self._sequences(self.suspected)
        whole = {
            step: name for name, steps in sequences.items() for step in steps
            if len(steps) == len(self.sight.signals.sequences[name])
        }  # fmt: skip
        return list(dict.fromkeys(whole.get(name, name) for name in self._named(self.suspected)))

    def best(self) -> str:
        """Return what to give next: what leaves the fewest suspected, however it turns out.

        It leads to every wrong gradient, if one signal does.
        """
        chosen = self.shared or self.suspected
        sequences = self._sequences(chosen)
        ways = {name: steps for name, steps in sequences.items() if len(steps) > 1}
        ways = ways or {name: [name] for name in self._named(chosen)}
        return min(ways, key=lambda name: self._left(ways[name]), default="")

    def _left(self, names: Sequence[str]) -> int:
        """Return how many are suspected yet, at most, once some signals are given."""
        most, cleared = 0, 0
        for name in names:
            wire = self.sight.at[name][0]
            if_wrong = self.leading[wire] & ~self.bits[wire] & ~cleared & self.suspected
            most, cleared = max(most, if_wrong.bit_count()), cleared | self.leading[wire]
        return max(most, (self.suspected & ~cleared).bit_count())

    def _named(self, chosen: int) -> list[str]:
        return [name for at, name in enumerate(self.names) if chosen >> at & 1]

    def _sequences(self, chosen: int) -> dict[str, list[str]]:
        """Return the chosen that are steps of one signal, in the order in which δ is made."""
        of = {
            step.name: name
            for name, steps in self.sight.signals.sequences.items()
            for step in steps
            if len(steps) > 1
        }
        found: dict[str, list[str]] = {}
        for name in self._named(chosen):
            if name in of:
                found.setdefault(of[name], []).append(name)
        return found
