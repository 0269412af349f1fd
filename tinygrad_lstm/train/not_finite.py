"""The first signal that is infinite or not a number.

Knows the signals of a recorded loss; no loop and no update.
"""

from __future__ import annotations

import numpy as np

from ..engine.tensor import Tensor
from ..network.signals import signals


def first_not_finite(loss: Tensor) -> str:
    """Say which signal of a loss is the first, in the order of recording, that is not finite.

    Where all values are finite, the gradients are looked at, from the loss back.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> x = tg.Tensor([1.0, 0.0], requires_grad=True, name="x")
    >>> with np.errstate(all="ignore"):
    ...     first_not_finite(tg.sum(tg.log(x) * x))
    'log is not finite first: -inf at [1], 1 of 2 entries'
    """
    by_name = signals(loss).by_name
    for name, signal in by_name.items():
        if text := _not_finite(signal.value):
            return f"{name} is not finite first: {text}"
    for name, signal in reversed(by_name.items()):
        if signal.gradient is not None and (text := _not_finite(signal.gradient)):
            return f"the gradient of {name} is not finite first: {text}"
    return "all signals are finite when the loss is computed again"


def _not_finite(array: np.ndarray) -> str:
    """Return the first entry that is not finite, and how many there are; empty if there is none."""
    if array.dtype.kind != "f":
        return ""
    wrong = ~np.isfinite(array)
    if not wrong.any():
        return ""
    at = [int(n) for n in np.argwhere(wrong)[0]]
    place = f" at {at}" if at else ""
    return f"{array[tuple(at)]:g}{place}, {wrong.sum()} of {array.size} entries"
