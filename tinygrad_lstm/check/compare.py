"""Hand against tape: gradients derived by hand beside those of one backward pass.

Knows signals and the tape; no layers, no derivation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from ..engine.arguments import excerpt
from ..engine.cotangent import Sums
from ..engine.gradients import starting_cotangent
from ..engine.tape import pull_back
from ..engine.tensor import Tensor
from ..errors import ArgumentError
from ..formulas.called import called
from ..network.signals import Signals
from ..network.view import View
from .cancellation import sizes_of_terms
from .digits import half_unit_printed
from .hand import HandGradient, look_up, pairs
from .report import Report
from .rounding import reach
from .row import TOO_FEW, Row

ROUNDING = {8: 1e-12, 4: 1e-5, 2: 1e-2}  # of floats of so many bytes, relative to the largest entry
SHARE = 0.05  # of the largest entry: a difference beyond is not said to be rounding on the way


def compare(
    loss: Tensor,
    hand: Mapping[str, Any] | Iterable[tuple[str, Any]],
    rtol: float | None = None,
    *,
    digits: int | None = None,
) -> Report:
    """Compare gradients derived by hand with the gradients of the tape.

    Parameters
    ----------
    loss : Tensor of one number
    hand : mapping, or pairs, of a signal's name to its gradient
        Any named signal: a parameter (``lstm.W``), one gate of it (``lstm.W.i``), a signal at one
        step (``lstm.state[1]``) or at all of them (``lstm.state``, with the steps along a leading
        axis), an input. Shapes must be equal: nothing is broadcast.
    rtol : float, optional
        The tolerance, relative to the signal's largest entry: by default 1e-12 in float64, 1e-5 if
        a value is of float32.
    digits : int, optional
        How many digits were printed. Count the digits after the point (0.002), or all digits
        (4.12e-4), or all digits but the first (``%.3e``); the numbers show which of these was
        counted. A difference counts only if it is larger than half a unit of the last digit: of
        the number, and of the numbers from which this number was computed. Where zeros would pass
        too, the verdict is ``too few digits``: the row neither agrees nor differs.

    Returns
    -------
    Report

    Raises
    ------
    SignalError
        If a name stands for no signal (the nearest are listed) or is given twice, or two names
        stand for the same entries of one and contradict each other.
    GradientError
        If a signal requires no gradient; the message names it.
    DTypeError
        If a gradient is no array of real numbers.
    UsageError
        If ``hand`` is empty, or holds no names and gradients.
    ArgumentError
        If ``rtol`` or ``digits`` is out of its range.

    A fault in some gradients does not stop the comparison of the others: ``error.report`` is the
    Report on the other gradients.
    """
    return compare_in(None, loss, hand, rtol, digits=digits)


def compare_in(
    view: View | None,
    loss: Tensor,
    hand: Mapping[str, Any] | Iterable[tuple[str, Any]],
    rtol: float | None = None,
    *,
    digits: int | None = None,
) -> Report:
    """Compare gradients as `compare` does, in a network that was built before, if any was."""
    if rtol is not None and not (isinstance(rtol, Real) and rtol >= 0):
        raise ArgumentError(f"compare: rtol is {excerpt(rtol)}, expected a number from 0")
    if digits is not None and not (isinstance(digits, int | np.integer) and digits > 0):
        raise ArgumentError(
            f"compare: digits is {excerpt(digits)}, expected an integer of 1 or more"
        )
    named = pairs(hand)
    seed = starting_cotangent(loss, None)
    signals = Signals(loss) if view is None else view.signals
    derived, complaints = look_up(signals, named)
    if view is None and digits is not None and derived:
        view = View(loss, signals=signals, call=called)
    report = _report(loss, seed, derived, rtol, digits, view, signals) if derived else None
    if complaints:
        error = type(complaints[0])("\n".join(map(str, complaints)))
        error.report = report
        if report is not None:
            error.add_note("The error's report compares the others.")
        raise error
    assert report is not None
    return report


def _report(
    loss: Tensor,
    seed: Any,
    derived: dict[str, HandGradient],
    rtol: float | None,
    digits: int | None,
    view: View | None,
    signals: Signals,
) -> Report:
    wanted = {signal.tensor for one in derived.values() for signal in one.signals}
    sums = Sums(wanted)
    sums.add(loss, seed)
    gradients = pull_back(sums)
    tape = {}
    for name, one in derived.items():
        several = [
            signal.of(np.asarray(gradients.get(signal.tensor, np.zeros(signal.tensor.shape))))
            for signal in one.signals
        ]
        tape[name] = np.stack(several) if one.is_sequence else several[0]
    hand = {name: one.value for name, one in derived.items()}
    if rtol is None:  # of all, because results of float32 have its rounding too
        rtol = max(_rounding(array.dtype) for array in (*tape.values(), *hand.values()))
    rows: list[Row] = []
    off: dict[int, np.ndarray] | None = None  # computed when a row needs it
    for name, value in hand.items():
        fits = value.shape == tape[name].shape
        steps = [half_unit_printed(value, digits)] if digits is not None and fits else []
        row = _row(name, tape[name], value, rtol, steps)
        is_placed = bool(steps) and view is not None and bool(view.places.members(name))
        if row.verdict == "differs" and is_placed:
            assert view is not None and digits is not None
            off = reach(view, digits, hand.values()) if off is None else off
            bound = view.places.value(name, off)
            most = SHARE * np.abs(tape[name]).max(initial=0.0)
            steps += [steps[0] + np.minimum(bound, most), steps[0] + bound]
            row = _row(name, tape[name], value, rtol, steps)
        if row.verdict == "differs" and digits is None and row.max_abs <= rtol**0.5 * row.max_rel:
            row = _as_cancelled(row, derived[name], loss, seed, rtol)
        rows.append(row)
    report = Report(tuple(rows), loss, hand, rtol, digits, view, signals)
    if digits is None or report.blame is None:
        return report
    wrong = {report.given_name(signal) for signal in (report.blame.signal, *report.blame.also)}
    return replace(
        report, rows=tuple(_as_different(row) if row.name in wrong else row for row in rows)
    )


def _as_cancelled(row: Row, derived: HandGradient, loss: Tensor, seed: Any, rtol: float) -> Row:
    """Return a row with the verdict rounding, where its terms cancel but for their rounding."""
    terms = sizes_of_terms(loss, seed, {signal.tensor for signal in derived.signals})
    largest = max(
        np.max(signal.of(terms[signal.tensor]), initial=0.0) for signal in derived.signals
    )
    is_rounding = row.max_abs <= rtol * largest * row.max_rel
    return replace(row, verdict="rounding") if is_rounding else row


def _as_different(row: Row) -> Row:
    """Return a row with the verdict that it differs: it does not follow from those above it.

    Rounding may explain the difference from the tape, but not the one from those gradients.
    """
    passes = row.verdict in ("rounding", TOO_FEW)
    return replace(row, verdict="differs", unclear=0) if passes else row


def _rounding(dtype: np.dtype) -> float:
    """Return the relative rounding of numbers of a type; whole numbers take that of float64."""
    return ROUNDING.get(dtype.itemsize, ROUNDING[8]) if dtype.kind == "f" else ROUNDING[8]


def _row(
    name: str, tape: np.ndarray, hand: np.ndarray, rtol: float, allowed: Sequence[np.ndarray] = ()
) -> Row:
    """Return the verdict on one signal.

    ``allowed`` has the tolerances of each entry for few digits, the smallest first: half a unit of
    its own last digit; the effect of the digits of its operands, up to a small share of the signal;
    and that effect without a limit, where the digits cannot show whether it is rounding.
    """
    finite = bool(np.isfinite(tape).all() and np.isfinite(hand).all())

    def row(verdict: str, largest: float, relative: float, at: Any, unclear: int = 0,
            as_printed: bool = True) -> Row:  # fmt: skip
        where = None if at is None else tuple(int(k) for k in at)
        return Row(name, tape.shape, hand.shape, largest, relative, where, verdict,
                   str(tape.dtype), str(hand.dtype), finite, unclear, as_printed)  # fmt: skip

    if hand.shape != tape.shape:
        is_turned = hand.ndim == 2 and hand.T.shape == tape.shape
        is_transpose = is_turned and _row(name, tape, hand.T, rtol).ok
        return row("a transpose" if is_transpose else "wrong shape", np.nan, np.nan, None)
    if not finite:
        worst = np.argwhere(~(np.isfinite(tape) & np.isfinite(hand)))[0]
        return row("not finite", np.nan, np.nan, worst)
    with np.errstate(over="ignore"):
        difference = np.abs(np.asarray(tape, float) - hand)
    if not difference.size:
        return row("exact", 0.0, 0.0, None)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    largest = float(difference[worst])
    scale = max(float(np.abs(tape).max()), float(np.abs(hand).max()))
    relative = largest / scale if scale else 0.0
    if relative <= rtol:
        return row("exact" if largest == 0.0 else "rounding", largest, relative, worst)
    size = np.abs(np.asarray(tape, float))
    passes = difference <= rtol * scale
    shown = passes & (size > 0)  # the entries in which zero would not have passed
    as_printed = False
    for at, off in enumerate(allowed):
        if at < 2:
            shown = shown | (~passes & (difference <= off) & (size > off))
        passes = passes | (difference <= off)
        as_printed = as_printed or (at == 0 and bool(passes.all()))
        if at < 2:
            enough = passes
    if not passes.all():
        return row("differs", largest, relative, worst)
    unclear = int(np.sum(~shown & (difference > 0)))
    verdict = "rounding" if shown.any() and enough.all() else TOO_FEW
    return row(verdict, largest, relative, worst, unclear, as_printed)
