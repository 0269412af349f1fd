"""What the given gradients settle: the wires whose δ is known, and right; a signal to give next.

Knows networks, judgements and diagnoses; it makes no mistake.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..network.evaluate import evaluate
from ..network.flow import Flow
from ..network.view import Answer, View
from .blame import Judgement
from .diagnosis import Diagnosis
from .runs import answer_places, run_on_answers
from .trials import NO_ROOM


def known_wires(view: View, answers: Sequence[Answer]) -> set[int]:
    """Return the wires on which δ is given at every step."""
    nodes, loops = view.adjoint.nodes, view.adjoint.loops
    counts = {w: len(loops[x.loop or 0].steps) for x in nodes if x.folded for w in x.outputs}
    steps = answer_places(answers)
    return {  # a signal that leaves a loop is given without a step
        w for w, known in steps.items() if None in known or len(known) >= counts.get(w, 1)
    }


def settled_wires(view: View, answers: Sequence[Answer], allowed: Sequence[np.ndarray]) -> set[int]:
    """Return the wires on which δ is given at every step, and right: no mistake shows there."""
    right = run_on_answers(view.adjoint, answers, None)
    several = (
        Judgement(answers[k], value, allowed[k]) for k, value in Interruptible(right.items())
    )
    off = {x.answer.wire for x in several if not x.follows}
    return leading_only_to(view.adjoint, known_wires(view, answers) - off, off)


def leading_only_to(adjoint: Flow, wires: set[int], off: set[int]) -> set[int]:
    """Return some wires, and those from which every way leads to one of them, past none of others.

    Parameters
    ----------
    adjoint : Flow
    wires : set of int
    off : set of int
        The others.
    """
    several = set(wires)
    for node in reversed(adjoint.nodes):
        outputs = {wire for wire in node.outputs if wire >= 0}
        if outputs and outputs <= several:
            several.update(wire for wire in node.inputs if wire >= 0 and wire not in off)
    return several


def largest_of_leaves(view: View, answers: Sequence[Answer]) -> float:
    """Return the size of the largest entry of the author's gradients of leaves."""
    ends = {x.inputs[0] for x in view.adjoint.nodes if x.kind is Kind.OUTPUT}
    sizes = (np.abs(x.value).max(initial=0.0) for x in answers if x.wire in ends)
    return float(max(sizes, default=0.0))


def norms_of_leaves(view: View, answers: Sequence[Answer]) -> dict[str, float]:
    """Return the norm of each of the author's gradients of leaves, each with all its parts."""
    ends = {x.inputs[0] for x in view.adjoint.nodes if x.kind is Kind.OUTPUT}
    wholes = {part: name for name, parts in view.parts.items() for part, _ in parts}
    squares: dict[str, float] = {}
    for x in answers:
        if x.wire in ends:
            name = wholes.get(x.name, x.name)
            squares[name] = squares.get(name, 0.0) + float(np.sum(np.square(x.value)))
    return {name: float(np.sqrt(square)) for name, square in squares.items()}


def signal_apart(view: View, two: Sequence[Diagnosis], answers: Sequence[Answer]) -> str:
    """Return a signal that is not given and differs between two diagnoses; empty if none does."""
    both = []
    for diagnosis in two:
        network: Flow = view.adjoint
        try:
            for mistake in diagnosis.mistakes:
                network = mistake.change(network)
            values = evaluate(network, everything=True)
        except NO_ROOM:
            return ""
        both.append([values.get(wire.name) for wire in network.wires])
    known = {x.name for x in answers}
    for name in view.named:
        wire, step = view.at[name]
        one, other = (values[wire] for values in both)
        if name not in known and one is not None and other is not None:
            at = ... if step is None else step
            one, other = one[at], other[at]
            if one.shape != other.shape or not np.allclose(one, other, rtol=1e-6, atol=0.0):
                return name
    return ""
