"""The task that is timed: its sizes, its seeded numbers, and the check of its gradients.

Knows the pass written by hand, which in float64 is the reference; no system.

The task is LSTM, dense layer H → 1, sigmoid, ½ Σ (y - target)²: one forward and one backward pass
for the gradients of all weights and of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import default_rng

Array = np.ndarray
LEAVES = ("W", "U", "b", "w", "c", "x")
TOLERANCE = {"float32": 2e-4, "float64": 1e-11}  # of the gradient's largest entry


class Size(NamedTuple):
    """How many steps, sequences at once, features and cells."""

    T: int
    B: int
    I: int
    H: int


SIZES = {
    "question": Size(3, 1, 2, 4),
    "small": Size(20, 8, 16, 32),
    "long": Size(1000, 1, 16, 16),
    "medium": Size(50, 32, 64, 128),
    "large": Size(100, 64, 128, 256),
    "narrow": Size(200, 1, 128, 256),
}


@dataclass(frozen=True)
class Problem:
    """The numbers of the task; the gates are packed in the order a, i, f, o."""

    x: Array  # (T, B, in)
    target: Array  # (T, B, 1)
    W: Array  # (in, 4H)
    U: Array  # (H, 4H)
    b: Array  # (4H,)
    w: Array  # (H, 1), of the dense layer
    c: Array  # (1,)

    @property
    def size(self) -> Size:
        """T, B, in and H."""
        return Size(*self.x.shape, len(self.U))

    def astype(self, dtype: Any) -> Problem:
        """Return the same numbers in another precision."""
        return Problem(*[each.astype(dtype) for each in astuple(self)])


def make(size: Size) -> Problem:
    """Draw the numbers from a fixed seed, in float32 from the start.

    No array of another precision is made and freed on the way: that would change how the
    allocator treats the arrays of the system that is timed afterwards.
    """
    T, B, I, H = size
    random = default_rng(0)

    def normal(*shape: int, deviation: float = 1.0) -> Array:
        array = random.standard_normal(shape, np.float32)
        array *= np.float32(deviation)
        return array

    return Problem(
        x=normal(T, B, I),
        target=random.random((T, B, 1), np.float32),
        W=normal(I, 4 * H, deviation=I**-0.5),
        U=normal(H, 4 * H, deviation=H**-0.5),
        b=normal(4 * H, deviation=0.1),
        w=normal(H, 1, deviation=H**-0.5),
        c=normal(1, deviation=0.1),
    )


def check(problem: Problem, found: Mapping[str, Array], dtype: str) -> None:
    """Hold a system's gradients against those written by hand in float64.

    Raises
    ------
    ValueError
        If one is missing, misshapen or too far off; the message names it and says how far.
    """
    from .by_hand import build

    step, read = build(problem.astype(np.float64))
    step()
    for name, wanted in read().items():
        if found[name].shape != wanted.shape:
            raise ValueError(f"gradient of {name}: shape {found[name].shape}, not {wanted.shape}")
        off = np.abs(found[name] - wanted).max() / np.abs(wanted).max()
        if not off <= TOLERANCE[dtype]:
            raise ValueError(f"gradient of {name}: off by {off:.1e} of its largest entry")
