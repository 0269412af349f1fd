"""The δ of every signal of a network in numbers, and the shares that come back on each way.

Knows networks, and runs their adjoint. The gradient of a large weight is an array at every step: of
such an array only the size is kept, and its part of the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..network.adjoint import alive
from ..network.evaluate import evaluate
from ..network.flow import DELAYS
from ..network.graph import Graph

MOST_KEPT = 2_000_000  # entries, over all steps, of one signal's δ
SAFE = 1e-140, 1e140  # norms of which the squares neither overflow nor vanish


@dataclass(frozen=True)
class Share:
    """What comes back to a signal on one way.

    Attributes
    ----------
    via : tuple of int
        The wires of the named signals through which it comes.
    by : int
        How many steps later those signals are.
    sizes : (T,) or ()
        The Euclidean norm, at each step.
    parts : (T,) or ()
        The part of the whole, ⟨share, δ⟩ / ⟨δ, δ⟩: all shares at a step add up to 1; of a signal
        that is the same at all steps, those of all steps do.
    """

    via: tuple[int, ...]
    by: int
    sizes: np.ndarray
    parts: np.ndarray


class Gradients:
    """The δ of the signals of a network.

    Parameters
    ----------
    network : Graph
        Forward, with the recorded values on its wires.
    wires : set of int, optional
        Those whose δ are asked for; all, if None.

    Attributes
    ----------
    arrays : dict of int to array
        δ by wire; inside of a loop of T steps (T, ...). Of a wire of more than two million entries
        it is left out.
    """

    def __init__(self, network: Graph, wires: Set[int] | None = None) -> None:
        self.network = network
        self.alive = alive(network) if wires is None else alive(network) & wires
        self._adjoint = network.adjoint()
        same = self._adjoint.continued
        self._own = {wire: same.get(wire, wire) for wire in self.alive}
        large = {
            self._own[wire] for wire in self.alive
            if np.size(network.wires[wire].value) > MOST_KEPT or self._is_large(wire)
        }  # fmt: skip
        kept: dict[int, dict[int | None, np.ndarray]] = {}
        self._sizes: dict[int, dict[int | None, float]] = {}

        def keep(wire: int, step: int | None, value: np.ndarray) -> None:
            kept.setdefault(wire, {})[step] = value

        def measure(wire: int, step: int | None, value: np.ndarray) -> None:
            self._sizes.setdefault(wire, {})[step] = size_of(value)

        self._run({wire: measure if wire in large else keep for wire in self._own.values()})
        joined = {wire: _series(steps) for wire, steps in kept.items()}
        self.arrays = {wire: joined[own] for wire, own in self._own.items() if own in joined}

    def _is_large(self, wire: int) -> bool:
        """Return whether δ of a value that all steps use has too many entries, over all steps."""
        maker = self.network.maker[wire]
        if maker.loop is None or not maker.folded or maker.is_timed:
            return False
        steps = len(self.network.loops[maker.loop].steps)
        return steps * np.size(self.network.wires[wire].value) > MOST_KEPT

    def _run(self, watch: dict[int, Callable[[int, int | None, np.ndarray], None]]) -> None:
        def look(wire: int) -> Callable[[int | None, np.ndarray], np.ndarray]:
            def pass_on(step: int | None, value: np.ndarray) -> np.ndarray:
                watch[wire](wire, step, value)
                return value

            return pass_on

        with np.errstate(all="ignore"):  # numbers that are not finite are shown as they are
            evaluate(self._adjoint, intercept={wire: look(wire) for wire in watch})

    def sizes(self, wire: int, count: int | None = None) -> np.ndarray | None:
        """Return the norm of δ; at each of ``count`` steps if the wire is in a loop."""
        if wire in self.arrays:
            return norms(self.arrays[wire], count)
        own = self._sizes.get(self._own.get(wire, -1))
        return None if own is None else _series({k: np.asarray(x) for k, x in own.items()})

    # --- shares --------------------------------------------------------------------------------

    def shares(self, wires: Iterable[int], named: Set[int]) -> dict[int, list[Share]]:
        """Return what comes back to the signals on some wires, on each way.

        Parameters
        ----------
        wires : of signals whose δ is in ``arrays``
        named : set of int
            The wires of the signals that a way may be called by.
        """
        shares: dict[int, list[Share]] = {}
        large: list[tuple[int, int, _Large]] = []
        for wire in wires:
            ways: dict[tuple[tuple[int, ...], int], list[tuple[int, int]]] = {}
            for end, by, out in self._follow(wire, 0):
                targets = tuple(dict.fromkeys(self._targets(out, named)))
                ways.setdefault((targets, by), []).append((end, by))
            shares[wire] = []
            for at, ((via, by), ends) in enumerate(ways.items()):
                if all(end in self.arrays for end, _ in ends):
                    sizes, parts = self._numbers(wire, ends)
                else:
                    sizes = parts = np.zeros(())
                    owns = {self._own[end] for end, _ in ends}
                    large.append((wire, at, _Large(owns, self.arrays[wire])))
                shares[wire].append(Share(via, by, sizes, parts))
        if large:
            watch: dict[int, list[_Large]] = {}
            for _, _, one in large:
                for own in one.owns:
                    watch.setdefault(own, []).append(one)

            def add(own: int, step: int | None, value: np.ndarray) -> None:
                for one in watch[own]:
                    one.add(step, value)

            self._run(dict.fromkeys(watch, add))
        for wire, at, one in large:
            sizes, parts = one.numbers()
            shares[wire][at] = replace(shares[wire][at], sizes=sizes, parts=parts)
        return shares

    def _follow(self, wire: int, by: int) -> Iterator[tuple[int, int, int]]:
        """Yield the wires whose δ add up: behind branch points, delays and the border of a loop.

        With each are yielded by how many steps it is later, and the wire from which on a signal
        with a name is looked for.
        """
        user = self.network.user.get(wire)
        if user is None or wire not in self.alive:
            return
        if user.kind is Kind.BRANCH:
            for out in user.outputs:
                yield from self._follow(out, by)
        elif user.kind is Kind.HOLD:
            yield from self._follow(user.outputs[0], by)
        elif user.kind in DELAYS and user.inputs.index(wire) == 0:
            step = 1 if user.kind is Kind.DELAY else -1
            yield from self._follow(user.outputs[0], by + step)
        else:
            yield wire, by, user.outputs[0] if user.outputs else wire

    def _targets(self, wire: int, named: Set[int]) -> Iterator[int]:
        """Yield the nearest named signals that a wire leads to."""
        stack, known = [wire], set[int]()
        while stack:
            wire = stack.pop()
            user = self.network.user.get(wire)
            if wire in known:
                continue
            known.add(wire)
            if wire in named:
                yield wire
            elif user is not None:
                stack.extend(reversed(user.outputs))

    def _numbers(self, wire: int, ends: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        whole = self.arrays[wire]
        pieces = [_shifted(self.arrays[end], later) for end, later in ends]
        share = pieces[0] if len(pieces) == 1 else np.sum(pieces, axis=0)
        is_timed = share.ndim > whole.ndim or self._is_timed(wire)
        count = len(share) if is_timed else None
        return norms(share, count), _parts(share, whole, count)

    def _is_timed(self, wire: int) -> bool:
        return self.network.maker[wire].is_timed


class _Large:
    """A share that is too large to keep: its size, and its part of the whole, step by step."""

    def __init__(self, owns: set[int], whole: np.ndarray) -> None:
        self.owns, self.unit = owns, _unit(whole)
        with np.errstate(all="ignore"):
            self.whole = whole / self.unit
        self.sums: dict[int | None, np.ndarray] = {}  # of what has not come from all wires yet
        self.sizes: dict[int | None, float] = {}
        self.dots: dict[int | None, float] = {}

    def add(self, step: int | None, value: np.ndarray) -> None:
        """Add what one of the wires has at a step."""
        with np.errstate(all="ignore"):
            dot = float(np.sum(value * self.whole) / self.unit)
        self.dots[step] = self.dots.get(step, 0.0) + dot
        if len(self.owns) > 1:
            self.sums[step] = value = self.sums.get(step, 0.0) + value
        self.sizes[step] = size_of(value)

    def numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the sizes and the parts of all steps."""
        total = size_of(self.whole) ** 2 or 1.0
        sizes, parts = (
            _series({step: np.asarray(x) for step, x in of.items()})
            for of in (self.sizes, self.dots)
        )
        return sizes, parts / total


def size_of(value: np.ndarray) -> float:
    """Return the Euclidean norm; without threads, which cost more than they gain here."""
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.sum(np.square(value))))
        if SAFE[0] < size < SAFE[1]:
            return size
        unit = _unit(value)
        return float(unit * np.sqrt(np.sum(np.square(value / unit))))


def _unit(array: np.ndarray) -> Any:
    """Return the largest |entry|, in whose terms squares neither overflow nor vanish; 1 of 0."""
    most = np.max(np.abs(array), initial=0.0)
    return most if 0 < most < np.inf else 1.0


def norms(value: Any, count: int | None) -> np.ndarray:
    """Return the Euclidean norm of an array, or of its entry at each of some steps."""
    array = np.asarray(value, float)
    with np.errstate(all="ignore"):
        if count is None:
            return np.asarray(size_of(array))
        rows = array.reshape(count, -1)
        sizes = np.asarray(np.sqrt(np.square(rows).sum(axis=1)))
        for at in np.flatnonzero(~((sizes > SAFE[0]) & (sizes < SAFE[1]))):
            sizes[at] = size_of(rows[at])
        return sizes


def _parts(share: np.ndarray, whole: np.ndarray, count: int | None) -> np.ndarray:
    """Return ⟨share, whole⟩ / ⟨whole, whole⟩, at each step if there are steps; 0 of nothing.

    Of what is not finite the part is nan.
    """
    with np.errstate(all="ignore"):
        steps = 1 if count is None else count
        rows = share.reshape(steps, -1)
        is_summed = whole.ndim < share.ndim  # of what is the same at all steps
        own = whole.reshape(1 if is_summed else steps, -1)
        unit = np.max(np.abs(own), axis=1, initial=0.0, keepdims=True)
        unit = np.where((unit > 0) & (unit < np.inf), unit, 1.0)
        own = own / unit
        dots, total = (rows / unit * own).sum(axis=1), (own * own).sum(axis=1)
        parts = np.where(total == 0, 0.0, dots / np.where(total == 0, 1.0, total))
        return np.asarray(parts if count is not None else parts[0])


def _shifted(array: np.ndarray, by: int) -> np.ndarray:
    """Return what comes to each step from some steps later: nothing from behind the last."""
    if not by:
        return array
    moved = np.zeros_like(array)
    if by > 0:
        moved[:-by] = array[by:]
    else:
        moved[-by:] = array[:by]
    return moved


def _series(steps: dict[int | None, np.ndarray]) -> np.ndarray:
    """Return the values of all steps as one array."""
    if None in steps:
        return np.asarray(steps[None])
    return np.stack([steps[k] for k in range(len(steps))])
