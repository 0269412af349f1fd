"""Hand against tape: gradients derived by hand beside those of one backward pass.

Knows signals and the tape; no layers, no derivation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..cotangent import Sums
from ..errors import DTypeError, GradientError, SignalError, UsageError, nearest
from ..signals import Signal, Signals
from ..tape import pull_back
from ..tensor import Tensor, starting_cotangent
from .report import Report, Row
from .rounding import half_unit, reach
from .sight import Sight

# relative to the largest entry of a signal's gradient
ROUNDING = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5, np.dtype(np.float16): 1e-2}


def compare(
    loss: Tensor,
    hand: Mapping[str, Any] | Iterable[tuple[str, Any]],
    rtol: float | None = None,
    *,
    digits: int | None = None,
) -> Report:
    """Hold gradients derived by hand against the tape's.

    Parameters
    ----------
    loss : Tensor of one number
    hand : mapping, or pairs, of a signal's name to its gradient
        Any named signal: a parameter (``lstm.W``), one gate of it (``lstm.W.i``), a signal at one
        step (``lstm.state[1]``) or at all of them (``lstm.state``, with the steps along a leading
        axis), an input. Shapes must be equal: nothing is broadcast.
    rtol : float, optional
        What still counts as rounding, relative to the signal's largest entry: 1e-12 in float64,
        1e-5 in float32 unless given.
    digits : int, optional
        How many digits were printed, in all or after the point: half a unit of the last one, of the
        value and of what it was made of, is no difference.

    Returns
    -------
    Report

    Raises
    ------
    SignalError
        If a name stands for no signal (the nearest are listed), for two, or is given twice.
    GradientError
        If a signal requires no gradient; the message names it.
    DTypeError
        If a gradient is no array of real numbers.
    """
    try:
        pairs = [
            (name, gradient)
            for name, gradient in (hand.items() if isinstance(hand, Mapping) else hand)
        ]
    except (TypeError, ValueError):
        raise UsageError(
            f"compare: hand is {type(hand).__name__}; give a dictionary, or pairs, of a signal's "
            "name and its gradient"
        ) from None
    if not pairs:
        raise UsageError("compare: hand is empty; give at least one signal's gradient by its name")
    seed = starting_cotangent(loss, None)
    signals = Signals(loss)
    chosen: dict[str, tuple[list[Signal], np.ndarray]] = {}
    for name, gradient in pairs:
        if name in chosen:
            raise SignalError(f"compare: {name!r} is given twice")
        chosen[name] = _found(signals, name), _real(name, gradient)
    wanted = {signal.tensor for several, _ in chosen.values() for signal in several}
    sums = Sums(wanted)
    sums.add(loss, seed)
    found = pull_back(sums)
    sight = None if digits is None else Sight(loss)
    off = {} if sight is None or digits is None else reach(sight, digits)
    rows = []
    for name, (several, gradient) in chosen.items():
        taped = [
            signal.of(np.asarray(found.get(signal.tensor, np.zeros(signal.tensor.shape))))
            for signal in several
        ]
        whole = taped[0] if name in signals.by_name else np.stack(taped)
        allowed: Any = 0.0
        if sight is not None and digits is not None and gradient.shape == whole.shape:
            allowed = half_unit(gradient, digits)
            if sight.places.members(name):
                allowed = allowed + sight.places.value(name, off)
        rows.append(_judged(name, whole, gradient, rtol, allowed))
    given = {name: gradient for name, (_, gradient) in chosen.items()}
    if rtol is None:
        kinds = [loss.dtype, *(gradient.dtype for gradient in given.values())]
        rtol = max(ROUNDING.get(kind, 0.0) for kind in kinds) or ROUNDING[np.dtype(float)]
    return Report(tuple(rows), loss, given, rtol, digits, sight)


def _found(signals: Signals, name: str) -> list[Signal]:
    """Return the signal of a name, or those of all its steps."""
    several = [signals.by_name[name]] if name in signals.by_name else signals.sequences.get(name)
    if not several:
        raise SignalError(
            f"compare: no signal is called {name!r}; "
            f"{nearest(str(name), [*signals.by_name, *signals.sequences])}"
        )
    for signal in several:
        if not signal.tensor.requires_grad:
            raise GradientError(
                f"compare: {signal.name} does not require a gradient; "
                "make it with Tensor(..., requires_grad=True)"
            )
    return several


def _real(name: str, gradient: Any) -> np.ndarray:
    try:
        array = gradient._array if isinstance(gradient, Tensor) else np.asarray(gradient)
    except ValueError as error:
        raise DTypeError(f"compare: {name!r} is no array of numbers ({error})") from None
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"compare: {name!r} is of type {array.dtype}, expected real numbers")
    return array


def _judged(
    name: str, tape: np.ndarray, hand: np.ndarray, rtol: float | None, allowed: Any = 0.0
) -> Row:
    """Return the verdict on one signal."""
    if rtol is None:
        rtol = max(ROUNDING.get(tape.dtype, 1e-12), ROUNDING.get(hand.dtype, 0.0))
    finite = bool(np.isfinite(tape).all() and np.isfinite(hand).all())

    def row(verdict: str, largest: float, relative: float, at: Any) -> Row:
        where = None if at is None else tuple(int(k) for k in at)
        return Row(name, tape.shape, hand.shape, largest, relative, where, verdict,
                   str(tape.dtype), str(hand.dtype), finite)  # fmt: skip

    if hand.shape != tape.shape:
        turned = (
            hand.ndim == 2 and hand.T.shape == tape.shape and _judged(name, tape, hand.T, rtol).ok
        )
        return row("a transpose" if turned else "wrong shape", np.nan, np.nan, None)
    if not finite:
        worst = np.argwhere(~(np.isfinite(tape) & np.isfinite(hand)))[0]
        return row("not finite", np.nan, np.nan, worst)
    difference = np.abs(np.asarray(tape, float) - hand)
    if not difference.size:
        return row("exact", 0.0, 0.0, None)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    largest = float(difference[worst])
    scale = max(float(np.abs(tape).max()), float(np.abs(hand).max()))
    relative = largest / scale if scale else 0.0
    close = relative <= rtol or bool(np.all(difference <= allowed))
    return row("exact" if largest == 0.0 else "rounding" if close else "differs",
               largest, relative, worst)  # fmt: skip
