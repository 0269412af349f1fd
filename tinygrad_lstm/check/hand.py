"""Gradients derived by hand: every name looked up, every array checked.

Knows signals. A fault in one gradient is a complaint, and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..engine.arguments import as_array, excerpt
from ..engine.tensor import Tensor
from ..errors import (
    DTypeError,
    GradientError,
    ShapeError,
    SignalError,
    TinygradError,
    UsageError,
)
from ..network.signals import Signal, Signals, SignalSequence

SAME = 1e-5  # relative to the largest entry: two that differ by less are no contradiction


class HandGradient(NamedTuple):
    """A derived gradient.

    Attributes
    ----------
    signals : list of Signal
        The signal of its name, or the signals of all its steps.
    value : array
    is_sequence : bool
    """

    signals: list[Signal]
    value: np.ndarray
    is_sequence: bool

    def parts(self) -> Iterator[tuple[Signal, np.ndarray]]:
        """Yield every signal with its gradient, as far as the shapes allow."""
        if not self.is_sequence:
            yield self.signals[0], self.value
        elif self.value.shape[:1] == (len(self.signals),):
            yield from zip(self.signals, self.value, strict=True)


def pairs(hand: Any) -> list[tuple[str, Any]]:
    """Return the argument ``hand`` as names and gradients.

    Raises
    ------
    UsageError
        If it is neither a mapping nor pairs, or empty.
    """
    try:
        several = [
            (name, value) for name, value in (hand.items() if isinstance(hand, Mapping) else hand)
        ]
    except (TypeError, ValueError):
        raise UsageError(
            f"compare: hand is {type(hand).__name__}; give a dictionary, or pairs, of a signal's "
            "name and its gradient"
        ) from None
    if not several:
        raise UsageError("compare: hand is empty; give at least one signal's gradient by its name")
    return several


def look_up(
    signals: Signals, hand: Iterable[tuple[str, Any]]
) -> tuple[dict[str, HandGradient], list[TinygradError]]:
    """Return the gradients that can be compared, by name, and the faults of the others."""
    gradients: dict[str, HandGradient] = {}
    complaints: list[TinygradError] = []
    for name, gradient in hand:
        try:
            if not isinstance(name, str):
                raise SignalError(
                    f"compare: {excerpt(name)} is no name; give names as in 'lstm.W.i'"
                )
            name = signals.full_name(name)
            if name in gradients:
                raise SignalError(f"compare: {name!r} is given twice; the first is taken")
            derived = _hand_gradient(signals, name, gradient)
            for other, known in gradients.items():
                _refuse_contradiction(other, known, name, derived)
        except TinygradError as error:
            complaints.append(error)
        else:
            gradients[name] = derived
    return gradients, complaints


def _hand_gradient(signals: Signals, name: str, gradient: Any) -> HandGradient:
    signal = signals.find(name, "compare")
    is_sequence = isinstance(signal, SignalSequence)
    several = signal.steps if isinstance(signal, SignalSequence) else [signal]
    for signal in several:
        if not signal.tensor.requires_grad:
            raise GradientError(
                f"compare: {signal.name} does not require a gradient; "
                "make it with Tensor(..., requires_grad=True)"
            )
    return HandGradient(several, _real(name, gradient), is_sequence)


def _real(name: str, gradient: Any) -> np.ndarray:
    try:
        numbers = gradient._array if isinstance(gradient, Tensor) else gradient
        array = as_array(f"compare: {name!r}", numbers)
    except ShapeError:
        raise DTypeError(
            f"compare: {name!r} is no array of numbers: its rows have unequal lengths, or it holds "
            "itself"
        ) from None
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"compare: {name!r} is of type {array.dtype}, expected real numbers")
    return array


def _refuse_contradiction(name: str, one: HandGradient, again: str, other: HandGradient) -> None:
    """Raise an error if two names stand for the same entries and give them different numbers."""
    mine = {signal.tensor: (signal, value) for signal, value in one.parts()}
    for signal, value in other.parts():
        if signal.tensor not in mine:
            continue
        known, before = mine[signal.tensor]
        if before.shape != known.shape or value.shape != signal.shape:
            continue
        whole = signal.tensor.shape
        numbers = np.full((2, *whole), np.nan)
        known.of(numbers[0])[...], signal.of(numbers[1])[...] = before, value
        both = np.isfinite(numbers).all(axis=0)
        first, second = numbers[:, both]
        if np.any(np.abs(first - second) > SAME * np.abs(numbers[:, both]).max(initial=0.0)):
            raise SignalError(
                f"compare: {name!r} and {again!r} are two names for one signal, and give it "
                f"different gradients; {name!r} is taken"
            )
