"""The state of each gradient of a submission, and which of them is the first wrong one.

Knows audits; no rubric. A state is one word; no number of a gradient is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..check.audit import Audit
from ..check.report import Report
from ..check.row import Row
from ..check.runs import run_on_answers
from ..engine.tensor import Tensor
from ..errors import TinygradError
from ..network.signals import Signals, SignalSequence

WORST_FIRST = (
    "unreadable", "unexplained", "blank", "scaled", "too few digits", "explained", "follows",
    "right",
)  # fmt: skip


@dataclass(frozen=True)
class States:
    """The states of the gradients that were given.

    Attributes
    ----------
    of : dict of a signal's name to its state
        ``right``, ``too few digits``, or how it is wrong: it is ``explained`` by a
        mistake; it ``follows`` from a given gradient that a mistake explains; it is ``scaled`` as
        all others are; it is ``blank``, one number in all entries where the right ones differ; it
        is ``unexplained``, or ``unreadable``: no array of finite numbers of the right shape.
    faults : dict of a signal's name to what is wrong with its array, whatever its numbers
    first : str
        The first wrong gradient in the order of the backward pass; empty if there is none.
    """

    of: dict[str, str]
    faults: dict[str, str]
    first: str


def find_states(result: Audit, loss: Tensor, names: Iterable[str]) -> States:
    """Return the states of the gradients that a submission gives.

    Parameters
    ----------
    result : Audit
    loss : Tensor
    names : strings
        All names in the submission: that of an array which cannot be compared, too.
    """
    report, signals = result.report, Signals(loss)
    blame = report.blame if report.is_wrong else None
    faults = {row.name: _fault(row) for row in report.rows if _fault(row)}
    states = {row.name: _state(row, result) for row in report.rows}
    if report.is_wrong:
        blank = {row.name for row in report.rows if row.is_wrong and _is_blank(report, row.name)}
        named = [name for name, state in states.items() if state in ("explained", "follows")]
        worse = dict.fromkeys(named, "scaled") if len(named) > 1 and _is_scaled(report) else {}
        worse |= {name: "blank" for name in blank if states[name] in ("explained", "follows")}
        states |= worse
        sources = [_place(signals, name, False) for name in named if states[name] == "explained"]
        for name in [name for name in named if states[name] == "follows"]:
            if max(sources, default=-1) <= _place(signals, name):
                states[name] = "unexplained"  # of numbers that nothing explains, anything follows
    for name in _lost(signals, names, states):
        states[name], faults[name] = "unreadable", "no array of numbers that can be compared"
    wrong = [name for name, state in states.items() if state == "unreadable"]
    if blame is not None:
        wrong.append(report.given_name(blame.signal) or blame.signal)
    elif report.is_wrong:
        wrong += [row.name for row in report.rows if row.is_wrong]
    first = max(wrong, key=lambda name: _place(signals, name), default="")
    return States(states, faults, first)


def _fault(row: Row) -> str:
    if not row.is_wrong:
        return ""
    if row.shape != row.hand_shape:
        return f"wrong shape (found {row.hand_shape}, expected {row.shape})"
    return "" if row.finite else "not finite"


def _state(row: Row, result: Audit) -> str:
    if not row.is_wrong:
        return "right" if row.ok else "too few digits"
    report, unexplained = result.report, set(result.unexplained)
    blame = report.blame
    by_themselves = set() if blame is None else {blame.signal, *blame.also}
    if not result.mistakes:
        unexplained |= by_themselves
    places = report.evidence[0].places
    members = set(places.members(row.name)) & ({*places.at} | by_themselves)
    if not members or members & unexplained or row.name in report.unplaced:
        return "unreadable" if _fault(row) else "unexplained"
    return "explained" if members & by_themselves else "follows"


def _numbers(report: Report, name: str) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the given gradients of a name, the right ones, and the tolerances."""
    view, answers, allowed = report.evidence
    members = set(view.places.members(name))
    right = run_on_answers(view.adjoint, answers, None)
    for key, answer in enumerate(answers):
        if answer.name in members:
            yield answer.value, np.asarray(right[key]), allowed[key]


def _is_blank(report: Report, name: str) -> bool:
    """Whether all entries are one number, and the right ones are not, or all are wrongly zero."""
    several = list(_numbers(report, name))
    if not several:
        return False
    value, right = (np.concatenate([np.ravel(x[at]) for x in several]) for at in (0, 1))
    if not value.size or np.ptp(value) > 0:
        return False
    return bool(not value.any() or np.ptp(right) > 0)


def _is_scaled(report: Report) -> bool:
    """Whether every given gradient is the right one, multiplied by one and the same number."""
    several = [x for row in report.rows for x in _numbers(report, row.name)]
    if not several or any(value.shape != right.shape for value, right, _ in several):
        return False
    value, right = (np.concatenate([np.ravel(x[at]) for x in several]) for at in (0, 1))
    size = float(right @ right)
    factor = float(value @ right) / size if size else 0.0
    for value, right, allowed in several:
        spare = report.rtol * np.abs(value).max(initial=0.0) + allowed * max(1.0, abs(factor))
        if np.any(np.abs(value - factor * right) > spare):
            return False
    return True


def _lost(signals: Signals, names: Iterable[str], states: dict[str, str]) -> Iterator[str]:
    """Yield the names of asked gradients that were given, and could not be compared."""
    for name in names:
        try:
            full = signals.full_name(name)
            signal = signals.find(full, "grade")
        except TinygradError:
            continue  # the name of no signal: a complaint says so
        several = signal.steps if isinstance(signal, SignalSequence) else [signal]
        if full not in states and all(one.tensor.requires_grad for one in several):
            yield full


def _place(signals: Signals, name: str, takes_leaves: bool = True) -> int:
    """Return the place of a signal in the forward pass: the backward pass makes the last first.

    It is -1 of what has none, and of a leaf unless ``takes_leaves``: no δ follows from a leaf's.
    """
    order = {tensor: at for at, tensor in enumerate(signals.names)}
    try:
        signal = signals.find(name, "grade")
    except TinygradError:
        return -1
    several = signal.steps if isinstance(signal, SignalSequence) else [signal]
    if not takes_leaves and not any(one.tensor.inputs for one in several):
        return -1
    return max(order.get(one.tensor, -1) for one in several)


def states_of_parameters(loss: Tensor, states: dict[str, str]) -> dict[str, str]:
    """Return the state of each parameter: of a packed one, that of its parts if these were given.

    A parameter is a leaf that belongs to a module, or any leaf with a name if there is no module.
    One that was not given is ``missing``.
    """
    signals = Signals(loss)
    asked: dict[str, str] = {}
    leaves = [
        name
        for tensor, name in signals.names.items()
        if tensor.requires_grad and not tensor.inputs and tensor.name is not None
    ]
    for name in [name for name in leaves if "." in name] or leaves:
        parts = [part.name for part in signals.parts.get(name, ())]
        if name in states:
            asked[name] = states[name]
        elif parts and all(part in states for part in parts):
            asked[name] = min((states[part] for part in parts), key=WORST_FIRST.index)
        else:
            asked[name] = "missing"
    return asked
