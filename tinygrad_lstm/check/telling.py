"""A mistake as a teacher tells it: the right equation with the wrong factor marked, and numbers.

Knows networks, mistakes and equations, and no mistake by name: what a changed network has otherwise
than the right one is what is marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import Symbol
from ..formulas.equations import ALL, Equations, left_out
from ..network.evaluate import evaluate
from ..network.flow import Flow, Node
from ..network.parameters import is_same
from ..network.view import Given, Sight
from .diagnosis import NO_ROOM, Diagnosis
from .mistakes import Mistake
from .runs import Recorder

SAME = 1e-9  # relative to the largest entry


@dataclass(frozen=True)
class Told:
    """Where a mistake shows first, and what would have been right there.

    Attributes
    ----------
    mistake : Mistake
    signal : str
        The first whose gradient the mistake makes wrong.
    equation : Symbol
        Of its gradient, from those that have a name above it: δ of a signal is called ``δ`` and
        its name. What the mistake changes is marked ``⟨ ⟩``. ``equation.value`` is its number.
    at : tuple of int
        The entry that is off most.
    wrong, right : float
        There, as the author has it, or if it was not given as the mistake makes it; and as it
        should be. nan where the shape is wrong.
    is_given : bool
        Whether the author has given it.
    is_left_out : bool
        Whether what is marked is left out, and nothing stands in its place.
    """

    mistake: Mistake
    signal: str
    equation: Symbol = field(repr=False)
    at: tuple[int, ...]
    wrong: float
    right: float
    is_given: bool
    is_left_out: bool = False

    @property
    def taken(self) -> str:
        """What was taken for what is marked, in the words of the mistake; 0 if it is left out."""
        return self.mistake.wrong or "0" * self.is_left_out

    @property
    def text(self) -> str:
        """The equation, as it is written."""
        return f"δ{self.signal} = {self.equation}"


def tell(sight: Sight, given: Sequence[Given], diagnosis: Diagnosis) -> list[Told]:
    """Return what there is to tell of each mistake of a diagnosis.

    Parameters
    ----------
    sight : Sight
    given : the derived gradients
    diagnosis : Diagnosis

    Returns
    -------
    list of Told
        Without those of a mistake that shows in no gradient of a signal with a name.
    """
    equations = Equations(sight)
    several = (_told(equations, given, each) for each in diagnosis.mistakes)
    return [each for each in several if each is not None]


def _told(equations: Equations, given: Sequence[Given], mistake: Mistake) -> Told | None:
    adjoint = equations.sight.adjoint
    changed = mistake.change(adjoint)
    for name, wrong in _local(equations, changed):
        right = equations.right[name]
        if _differs(wrong, right):
            author = next((each.value for each in given if each.name == name), None)
            marks = _marks(adjoint, changed, len(equations.network.wires))
            equation = equations.of(name, marks, _kept(adjoint, changed))
            shown = wrong if author is None else author
            without = np.broadcast_to(left_out(equation), np.shape(right))
            is_left_out = not _differs(wrong, without, right)
            return Told(mistake, name, equation, *_worst(shown, right), author is not None,
                        is_left_out)  # fmt: skip
    return None


def _local(equations: Equations, changed: Flow) -> list[tuple[str, np.ndarray]]:
    """Return what a changed network makes of each gradient out of right ones above it.

    As far as their shapes let it.
    """
    names: dict[tuple[int, int | None], str] = {}  # of copies the last
    for name, (wire, step) in sorted(equations.places.items(), key=lambda each: each[1][0]):
        names[equations.same.get(wire, wire), step] = name
    found: list[tuple[str, np.ndarray]] = []

    def made(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
        name = names.get((wire, step))
        if name is None:
            return value
        found.append((name, value))
        return equations.right[name]

    with np.errstate(all="ignore"), suppress(*NO_ROOM):
        evaluate(changed, intercept=Recorder({wire for wire, _ in names}, made))
    return found


def _differs(wrong: np.ndarray, right: np.ndarray, scale: np.ndarray | None = None) -> bool:
    if np.shape(wrong) != np.shape(right):
        return True
    largest = np.abs(right if scale is None else scale).max(initial=0.0)
    return not np.all(np.abs(wrong - right) <= SAME * largest)


def _worst(wrong: np.ndarray, right: np.ndarray) -> tuple[tuple[int, ...], float, float]:
    """Return the entry that is off most, and what it is and should be."""
    if np.shape(wrong) != np.shape(right):
        return (), np.nan, np.nan
    off = np.nan_to_num(np.abs(wrong - right), nan=np.inf)
    at = tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))
    return at, float(wrong[at]), float(right[at])


def _marks(right: Flow, changed: Flow, wires: int) -> dict[int, set[int]]:
    """Return what is changed: of a wire, what comes into it, or `ALL` for the factor on it.

    By the wire that the right network has it on; that is one of the first ``wires``, which the
    network has too: of the others, what leads on from them.
    """
    now = changed.maker
    found: dict[int, set[int]] = {}
    for node in right.nodes:
        for wire in node.outputs:
            other = now.get(wire)
            marks = {ALL} if other is None or not _is_alike(node, other, wire) else set[int]()
            if other is not None:
                marks |= set(node.inputs) - set(other.inputs)
            if not np.array_equal(right.wires[wire].value, changed.wires[wire].value):
                marks = {ALL}  # an input, driven otherwise
            marks |= {come for come in node.inputs if come >= wires and come in found}
            if marks:
                found[wire] = marks
    return found


def _kept(right: Flow, changed: Flow) -> dict[int, set[int]]:
    """Return the steps from which a wire gets what it should, where it does not from others.

    By the wire that the right network has it on.
    """
    now = changed.maker
    kept: dict[int, set[int]] = {}
    for node in right.nodes:
        for wire in node.outputs if len(node.inputs) == 1 else ():
            other = now.get(wire)
            weight = now.get(other.inputs[0]) if other is not None and other.inputs else None
            if weight is None or weight.kind is not Kind.GAIN or weight.inputs != node.inputs:
                continue
            if weight.folded and weight.outputs[0] >= len(right.wires):
                gains = np.asarray(weight.gain)
                kept[wire] = {k for k, gain in enumerate(gains) if np.all(gain == 1)}
    return kept


def _is_alike(node: Node, other: Node, wire: int) -> bool:
    """Return whether two nodes do the same to what comes into them, on its way to a wire."""
    ways = [(x.kind, x.primitive, x.transposed, x.port) for x in (node, other)]
    if ways[0] != ways[1] or not is_same(dict(node.parameters), dict(other.parameters)):
        return False
    if node.kind in (Kind.BRANCH, Kind.JUNCTION):
        ports = [x.outputs if x.kind is Kind.BRANCH else x.inputs for x in (node, other)]
        signs = [dict(zip(p, x.signs)) for p, x in zip(ports, (node, other), strict=True)]
        if node.kind is Kind.BRANCH:
            return signs[0].get(wire) == signs[1].get(wire)
        return all(signs[0].get(come, sign) == sign for come, sign in signs[1].items())
    same = node.gain is other.gain or np.array_equal(node.gain, other.gain)
    return same or node.kind in (Kind.DELAY, Kind.ADVANCE)
