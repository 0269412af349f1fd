"""Numbers in a picture: the values on its arrows, the size of every δ, marked signals.

Knows skeletons and what was computed; changes what is written at vertices and arcs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..errors import SignalError, nearest
from ..formulas.names import NUMBERED, minus
from ..network.flow import Flow
from .skeleton import Arc, Label, Role, Skeleton, Sort, Vertex, common

HEAT = ("#f6c6c2", "#ee9c95", "#e06a61", "#c93a31", "#8c1410")  # from little to much
ABSENT, FADED = "#dadce0", "grey: weights that are 0"
DIGITS = 3  # of a number
MOST = 3  # entries that are written out
IN_A_LINE = 2  # of these
DECADES = 2  # of |δ| that the colours cover at least, so that a small range is no large contrast
STEP = re.compile(r"\([^()]*\)$|\[[^][]*\]")


def write_values(
    drawn: Skeleton,
    forward: Mapping[int, Any],
    δ: Mapping[int, Any],
    step: int | None = None,
    digits: int = DIGITS,
    most: int = MOST,
) -> None:
    """Write numbers at the arrows, and in a note what numbers.

    Parameters
    ----------
    drawn : Skeleton
    forward, δ : mapping of a wire to its signal in the network and in its adjoint
    step : int, optional
        The step that these signals are of; all steps if None.
    digits : int
        Of each number.
    most : int
        How many entries of a signal are written out; of more, their Euclidean norm is.
    """
    is_norm = False
    for arc in drawn.arcs:
        value, back = forward.get(arc.wire), total(arc, δ, step)
        if arc.number is not None:
            value = back = arc.number
        elif arc.entry is not None:
            value, back = (x if x is None else _entry(x, arc.entry) for x in (value, back))
        lines = number(value, digits, most), number(back, digits, most) if arc.is_live else []
        is_norm |= any(line.startswith("‖") for line in (*lines[0], *lines[1]))
        tail = drawn.vertices[arc.tail]
        if _is_term(drawn, arc):
            continue
        if tail.role is not Role.ALIAS:
            is_weight = arc.number is not None
            scope = common((tail.scope, drawn.vertices[arc.head].scope))
            labels = arc.labels or (Label(Sort.NAME, scope=scope),)
            arc.labels = (_with_weight if is_weight else _with_signal)(labels, *lines)
        elif tail.name:  # a short arrow has no room for it
            tail.forward, tail.adjoint = (*tail.forward, *lines[0]), (*tail.adjoint, *lines[1])
    is_folded = any(vertex.step and vertex.step[1] is None for vertex in drawn.vertices)
    of = f" of step {step}" if is_folded else ""
    norm = f"; ‖v‖ = √Σ v² of more than {most} entries" if is_norm else ""
    drawn.notes.append(f"numbers: the signals and the δ{of}, {digits} digits{norm}")


def _is_term(drawn: Skeleton, arc: Arc) -> bool:
    """Return whether an arc brings a sum one of its unnamed terms, as δ comes back to all alike."""
    is_named = any(label.sort is Sort.NAME for label in arc.labels)
    tail, head = drawn.vertices[arc.tail], drawn.vertices[arc.head]
    is_term = head.role is Role.SUM and tail.role is not Role.ALIAS
    return is_term and arc.number is None and not is_named


def _with_signal(
    labels: tuple[Label, ...], forward: list[str], adjoint: list[str]
) -> tuple[Label, ...]:
    """Return the labels with the numbers of the signal that comes to the head of the arc.

    They stand under the name of this signal, if the arc says the name.
    """
    before = [*labels]
    after = [before.pop()] if before and before[-1].sort is Sort.GAIN else []
    is_said = before and before[-1].sort is Sort.NAME
    name = before.pop() if is_said else Label(Sort.NAME, scope=(before or after)[-1].scope)
    return (*before, _with_number(name, forward, adjoint), *after)


def _with_weight(
    labels: tuple[Label, ...], forward: list[str], adjoint: list[str]
) -> tuple[Label, ...]:
    """Return the labels with the number of the weight under its name."""
    return tuple(
        _with_number(label, forward, adjoint) if label.sort is Sort.WEIGHT else label
        for label in labels
    )


def _with_number(label: Label, forward: list[str], adjoint: list[str]) -> Label:
    forward_lines, adjoint_lines = (
        (*filter(None, lines), *numbers)
        for lines, numbers in ((label.forward, forward), (label.adjoint, adjoint))
    )
    return replace(label, forward=forward_lines, adjoint=adjoint_lines)


def total(arc: Arc, δ: Mapping[int, Any], step: int | None) -> Any:
    """Return the δ of an arc with all its shares, or None if there is none."""
    back = δ.get(arc.wire)
    for share in arc.shares:
        more = δ.get(share.wire)
        if more is None or (step is not None and share.step not in (None, step)):
            continue
        if back is None or share.place is None or step is not None:
            back = more if back is None else back + more
        else:
            back = np.array(back)
            back[share.place] += more
    return back


def _entry(value: Any, entry: int) -> Any:
    entries = np.ravel(value)
    return entries[entry % len(entries)]


def number(value: Any, digits: int = DIGITS, most: int = MOST) -> list[str]:
    """Return an array as lines of text: its entries, or its norm if there are too many.

    >>> number([1.0, -0.25, 3.0]), number([3.0, 4.0], most=1), number(2 / 3, digits=2)
    (['(1 −0.25', '3)'], ['‖5‖'], ['0.67'])
    """
    if value is None:
        return []
    array = np.asarray(value)
    if array.size > max(most, 1):
        return [f"‖{np.linalg.norm(array):.{digits}g}‖"]
    entries = [minus(f"{entry:.{digits}g}") for entry in array.reshape(-1)]
    if array.size != 1:
        entries = [f"({entries[0]}", *entries[1:]] if entries else ["("]
        entries[-1] += ")"
    starts = range(0, len(entries), IN_A_LINE)
    return [" ".join(entries[at : at + IN_A_LINE]) for at in starts]


def heat_up(drawn: Skeleton, δ: Mapping[int, Any], step: int | None = None) -> None:
    """Draw arrows the darker, the larger their δ, at one step or at all."""
    totals = {id(arc): total(arc, δ, step) for arc in drawn.arcs if arc.is_live}
    sizes = {key: float(np.linalg.norm(δ)) for key, δ in totals.items() if δ is not None}
    known = [size for size in sizes.values() if 0 < size < np.inf]
    if not known:
        return
    least, most = np.log10(min(known)), np.log10(max(known))
    span = max(most - least, DECADES)
    for arc in drawn.arcs:
        if arc.is_live and id(arc) not in sizes:  # of data, to which no δ is computed
            continue
        size = sizes.get(id(arc), 0.0)
        part = 0.0 if size == 0 else 1.0  # of what is infinite, or no number
        if 0 < size < np.inf:
            part = 1 - (most - np.log10(size)) / span
        level = max(0, min(int(part * len(HEAT)), len(HEAT) - 1))
        arc.color = HEAT[level]
    palest = 10 ** (most - span)
    drawn.notes.append(f"|δ| from {palest:.2g} (pale) to {10**most:.2g} (dark), by powers of ten")


def fade(drawn: Skeleton, network: Flow) -> None:
    """Draw in grey the arrows of matrices of which all weights are 0, as after culling."""
    is_faded = False
    for arc in drawn.arcs:
        if arc.weight is None:
            continue
        held = [
            x for x in arc.weight.inputs if network.maker[x].kind in (Kind.PARAMETER, Kind.HOLD)
        ]
        values = [network.wires[wire].value for wire in held]
        if any(value is not None and value.size and not value.any() for value in values):
            arc.color, is_faded = ABSENT, True
    if is_faded:
        drawn.notes.append(FADED)


def mark(drawn: Skeleton, names: Sequence[str]) -> None:
    """Mark the signals of some names; where one step stands for all, a name of any step marks it.

    Raises
    ------
    SignalError
        If a name is no signal's in the picture; the message lists the nearest.
    """
    called = _called(drawn)
    for name in unknown(drawn, names):
        known = sorted(set().union(*(those for _, those in called)))
        raise SignalError(f"draw: no signal is called {name!r}; {nearest(name, known)}")
    for name in names:
        for part, those in called:
            if name in those or (not _is_known(name, called) and _stem(name) in those):
                part.is_marked = True


def unknown(drawn: Skeleton, names: Iterable[str]) -> list[str]:
    """Return those of some names that are no signal's in the picture."""
    called = _called(drawn)
    return [x for x in names if not _is_known(x, called) and not _is_known(_stem(x), called)]


def _is_known(name: str, called: list[tuple[Vertex | Arc, set[str]]]) -> bool:
    return any(name in those for _, those in called)


def _called(drawn: Skeleton) -> list[tuple[Vertex | Arc, set[str]]]:
    """Return the parts of a picture, each with what its signals are called."""
    called: list[tuple[Vertex | Arc, set[str]]] = []
    parts: list[Vertex | Arc] = [*drawn.vertices, *drawn.arcs]
    for part in parts:
        operand = part.weight_name if isinstance(part, Arc) else part.whole
        wholes = {operand.rpartition(".")[0]} if operand.count(".") > 1 else set()
        called.append((part, ({part.name, _stem(part.name), operand} | wholes) - {""}))
    return called


def _stem(name: str) -> str:
    """Return a signal's name without its step."""
    return STEP.sub("", NUMBERED.sub("", name))
