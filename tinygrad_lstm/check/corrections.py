"""A mistake as a teacher corrects it: the right equation, the wrong factor marked, and numbers.

Knows networks, mistakes and equations, and no mistake by name: the marks stand where a changed
network differs from the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import Symbol
from ..formulas.equations import ALL, DeltaEquations
from ..formulas.rewriting import mark, value_without_marks
from ..network.evaluate import evaluate
from ..network.flow import Flow, Node
from ..network.parameters import is_same
from ..network.view import Answer
from .diagnosis import Diagnosis
from .mistakes import Mistake
from .runs import Recorder
from .trials import NO_ROOM

SAME = 1e-9  # relative to the largest entry


@dataclass(frozen=True)
class Correction:
    """The place where a mistake shows first, and the right equation and number there.

    Attributes
    ----------
    mistake : Mistake
    signal : str
        The first whose gradient the mistake makes wrong.
    equation : Symbol
        The right side for its gradient, in terms of the gradients above it that have a name: δ of a
        signal is called ``δ`` and its name. ``⟨ ⟩`` marks the part that the mistake changes.
        ``equation.value`` is the number.
    at : tuple of int
        The entry that differs most.
    wrong, right : float
        The author's number at that entry, or the mistake's if the author gave none, and the right
        number. nan where the shape is wrong.
    is_given : bool
        Whether the author gave the gradient of the signal.
    is_left_out : bool
        Whether the mistake leaves the marked part out, and puts nothing in its place.
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
    def substitute(self) -> str:
        """The author's substitute for the marked part, as the mistake says; 0 if there is none."""
        return self.mistake.wrong or "0" * self.is_left_out

    @property
    def text(self) -> str:
        """The equation as text."""
        return f"δ{self.signal} = {self.equation}"


def corrections(
    equations: DeltaEquations, answers: Sequence[Answer], diagnosis: Diagnosis
) -> list[Correction]:
    """Return the correction of each mistake of a diagnosis.

    Parameters
    ----------
    equations : DeltaEquations
        Of the right network.
    answers : the derived gradients
    diagnosis : Diagnosis

    Returns
    -------
    list of Correction
        Without the mistakes that show in no gradient of a signal with a name.
    """
    several = (_correction(equations, answers, mistake) for mistake in diagnosis.mistakes)
    return [mistake for mistake in several if mistake is not None]


def _correction(
    equations: DeltaEquations, answers: Sequence[Answer], mistake: Mistake
) -> Correction | None:
    adjoint = equations.view.adjoint
    try:
        changed = mistake.change(adjoint)
    except NO_ROOM:  # it makes two gradients of each other: no equation has both
        return None
    for name, wrong in _local_gradients(equations, changed):
        right = equations.right[name]
        if _differs(wrong, right):
            author = next((gradient.value for gradient in answers if gradient.name == name), None)
            marks = _marks(adjoint, changed, len(equations.network.wires))
            equation = equations.of(name, marks, _right_steps(adjoint, changed))
            if "⟨" not in str(equation):  # the change is at a wire that the equation merges
                equation = mark(equation)
            number = wrong if author is None else author
            without = np.broadcast_to(value_without_marks(equation), np.shape(right))
            is_left_out = not _differs(wrong, without, right)
            return Correction(mistake, name, equation, *_worst(number, right), author is not None,
                        is_left_out)  # fmt: skip
    return None


def _local_gradients(equations: DeltaEquations, changed: Flow) -> list[tuple[str, np.ndarray]]:
    """Return the gradient of each signal that a changed network makes from right ones above it.

    As far as the shapes allow.
    """
    names: dict[tuple[int, int | None], str] = {}  # of copies the last
    for name, (wire, step) in sorted(equations.places.items(), key=lambda item: item[1][0]):
        names[equations.same.get(wire, wire), step] = name
    gradients: list[tuple[str, np.ndarray]] = []

    def right_value(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
        name = names.get((wire, step))
        if name is None:
            return value
        gradients.append((name, value))
        return equations.right[name]

    with np.errstate(all="ignore"), suppress(*NO_ROOM):
        intercept = Recorder({wire for wire, _ in names}, right_value)
        evaluate(changed, intercept=intercept, actions=equations.actions)
    return gradients


def _differs(wrong: np.ndarray, right: np.ndarray, scale: np.ndarray | None = None) -> bool:
    if np.shape(wrong) != np.shape(right):
        return True
    largest = np.abs(right if scale is None else scale).max(initial=0.0)
    return not np.all(np.abs(wrong - right) <= SAME * largest)


def _worst(wrong: np.ndarray, right: np.ndarray) -> tuple[tuple[int, ...], float, float]:
    """Return the entry that differs most, the number there and the right number."""
    if np.shape(wrong) != np.shape(right):
        return (), np.nan, np.nan
    off = np.nan_to_num(np.abs(wrong - right), nan=np.inf)
    at = tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))
    return at, float(wrong[at]), float(right[at])


def _marks(right: Flow, changed: Flow, wires: int) -> dict[int, set[int]]:
    """Return the changes at each wire of the right network: of its inputs, or `ALL` for its factor.

    A wire of the network itself is one of the first ``wires``; a change at another wire is marked
    where that wire leads to.
    """
    now = changed.maker
    marked: dict[int, set[int]] = {}
    for node in right.nodes:
        for wire in node.outputs:
            marks, other = set[int](), now.get(wire)
            if other is None or not _is_alike(node, other, wire):
                marks = {ALL}
            if other is not None and other is not node:
                marks |= set(node.inputs) - set(other.inputs)
            value, driven = right.wires[wire].value, changed.wires[wire].value
            if value is not driven and not np.array_equal(value, driven):
                marks = {ALL}  # an input, driven otherwise
            marks |= {wire for wire in node.inputs if wire >= wires and wire in marked}
            if marks:
                marked[wire] = marks
    return marked


def _right_steps(right: Flow, changed: Flow) -> dict[int, set[int]]:
    """Return the steps at which a wire still gets the right value, if a change spares some steps.

    By the wire of the right network.
    """
    now = changed.maker
    right_steps: dict[int, set[int]] = {}
    for node in right.nodes:
        for wire in node.outputs if len(node.inputs) == 1 else ():
            other = now.get(wire)
            weight = now.get(other.inputs[0]) if other is not None and other.inputs else None
            if weight is None or weight.kind is not Kind.GAIN or weight.inputs != node.inputs:
                continue
            if weight.folded and weight.outputs[0] >= len(right.wires):
                gains = np.asarray(weight.gain)
                if not gains.ndim:
                    continue  # one number, the same at every step
                right_steps[wire] = {k for k, gain in enumerate(gains) if np.all(gain == 1)}
    return right_steps


def _is_alike(node: Node, other: Node, wire: int) -> bool:
    """Return whether two nodes act alike on their inputs, on the way to a wire."""
    if node is other:
        return True
    ways = [(x.kind, x.primitive, x.transposed, x.port) for x in (node, other)]
    if ways[0] != ways[1] or not is_same(dict(node.parameters), dict(other.parameters)):
        return False
    if node.kind in (Kind.BRANCH, Kind.JUNCTION):
        ports = [x.outputs if x.kind is Kind.BRANCH else x.inputs for x in (node, other)]
        signs = [dict(zip(p, x.signs)) for p, x in zip(ports, (node, other), strict=True)]
        if node.kind is Kind.BRANCH:
            return signs[0].get(wire) == signs[1].get(wire)
        return all(signs[0].get(port, sign) == sign for port, sign in signs[1].items())
    same = node.gain is other.gain or np.array_equal(node.gain, other.gain)
    return same or node.kind in (Kind.DELAY, Kind.ADVANCE)
