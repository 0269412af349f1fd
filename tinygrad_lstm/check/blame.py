"""Where a derivation first goes wrong: every step judged by what its author gave it to work on.

Knows the adjoint network. A gradient that does not follow from the author's own gradients above it
is wrong by itself; one that follows from them, and yet is not the right one, is a consequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..evaluate import evaluate
from ..flow import Flow
from .sight import Given, Sight


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
        scale = max(np.abs(self.expected).max(), np.abs(self.given.value).max(), 1e-300)
        return float(np.abs(self.given.value - self.expected).max() / scale)


@dataclass(frozen=True)
class Blame:
    """The first gradient that is wrong by itself.

    Attributes
    ----------
    signal : str
    region : tuple of str
        The named signals between it and the nearest given ones above it, which may be at fault.
    also : tuple of str
        The others that are wrong by themselves.
    consequences : tuple of str
        Those that are wrong only because they were made of wrong ones.
    supply : str
        The signal to give next, to narrow the region; empty if there is nothing between.
    """

    signal: str
    region: tuple[str, ...]
    also: tuple[str, ...]
    consequences: tuple[str, ...]
    supply: str


def judged(
    adjoint: Flow, given: Iterable[Given], rtol: float, units: Sequence[np.ndarray] | None = None,
    *, allowed: Mapping[str, np.ndarray] | None = None,
) -> list[Judged]:  # fmt: skip
    """Return what became of every derived gradient, in the order in which the network makes them.

    Parameters
    ----------
    adjoint : Flow
    given : the derived gradients
    rtol : float
        What counts as rounding, relative to the largest of what was added up.
    units : one for each, optional
        By how much each may be off for having been printed with few digits.
    allowed : mapping of name to array, optional
        How far off each may be, if it is known already.
    """
    given = list(given)
    expected = _met(adjoint, given, [each.value for each in given])
    if allowed is not None:
        return [Judged(given[k], value, allowed[given[k].name]) for k, value in expected.items()]
    sizes = absolute(adjoint)
    scale = _met(sizes, given, [np.abs(each.value) for each in given])
    largest: dict[int, float] = {}  # of a signal over its steps
    for key, size in scale.items():
        sizes_here = size.max(), np.abs(given[key].value).max(), largest.get(given[key].wire, 0.0)
        largest[given[key].wire] = max(sizes_here)
    floor = 0.1 * max(largest.values(), default=0.0)  # what is that small is made of rounding
    may_be = {
        key: np.full(size.shape, rtol * max(largest[given[key].wire], floor))
        for key, size in scale.items()
    }
    if units is not None:
        slack = _met(sizes, given, list(units), driven=0.0)
        may_be = {key: may_be[key] + units[key] + slack[key] for key in may_be}
    return [Judged(given[key], value, may_be[key]) for key, value in expected.items()]


def absolute(adjoint: Flow) -> Flow:
    """Return the network of the sizes: every gain without its sign, every sum without minus."""
    nodes = tuple(
        replace(
            node,
            gain=None if node.gain is None else np.abs(node.gain),
            signs=tuple(abs(sign) for sign in node.signs),
        )
        for node in adjoint.nodes
    )
    return replace(adjoint, nodes=nodes)


def _met(
    adjoint: Flow, given: list[Given], values: list[Any] | None, driven: float | None = None
) -> dict[int, np.ndarray]:
    """Run the network, on given values in place of its own if any; return its own there."""
    found: dict[int, np.ndarray] = {}
    places: dict[int, dict[int | None, int]] = {}
    for key, each in enumerate(given):
        places.setdefault(each.wire, {})[each.step] = key

    def at(wire: int) -> Any:
        def meet(step: int | None, value: np.ndarray) -> np.ndarray:
            key = places[wire].get(step)
            if key is None:
                return value
            found[key] = np.array(value)
            is_met = values is not None and np.shape(values[key]) == value.shape
            return values[key] if is_met else value  # what has another shape leads nowhere

        return meet

    inputs = {}
    if driven is not None:
        inputs = {
            node.name: np.full_like(adjoint.wires[node.outputs[0]].value, driven)
            for node in adjoint.nodes
            if node.kind == "input"
        }
    evaluate(adjoint, inputs, meet={wire: at(wire) for wire in places})
    return found


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
    first = wrong[0].given
    right = _met(sight.adjoint, [each.given for each in found], None)
    consequences = [
        each.given.name
        for key, each in enumerate(found)
        if each.follows and np.any(np.abs(each.given.value - right[key]) > 10 * each.allowed)
    ]
    region = _between(sight, first, {each.given.wire for each in found})
    return Blame(
        first.name, region, tuple(each.given.name for each in wrong[1:]), tuple(consequences),
        region[len(region) // 2] if region else "",
    )  # fmt: skip


def _between(sight: Sight, given: Given, known: set[int]) -> tuple[str, ...]:
    """Return the named signals on the way to one from the nearest known ones."""
    maker = {wire: node for node in sight.adjoint.nodes for wire in node.outputs}
    waiting, seen = [given.wire], {given.wire}
    while waiting:
        node = maker.get(waiting.pop())
        for wire in node.inputs if node is not None else ():
            if wire not in seen and wire not in known:
                seen.add(wire)
                waiting.append(wire)
    seen.discard(given.wire)
    names: dict[int, str] = {}
    for name, (wire, step) in sight.at.items():
        if wire in seen and step in (None, given.step):
            names[wire] = name
    for sequence, steps in sight.sequences.items():  # of a parameter, the signals of all steps
        wire, _ = sight.at.get(steps[0], (-1, None))
        if wire in seen and given.step is None:
            names[wire] = sequence
    return tuple(names[node_wire] for node in sight.adjoint.nodes
                 for node_wire in node.outputs if node_wire in names)  # fmt: skip
