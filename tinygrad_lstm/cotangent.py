"""Sums of cotangents: what comes back along the branches of a signal, added up.

Knows the hooks of the kinds and no Tensors: signals are any hashable keys. Every care that keeps
the backward pass at the speed of one written by hand is here:

- a sum that this table made itself is added to in place, an array from elsewhere never is;
- the cotangent of a part is added into one buffer for the whole, so that reading T steps of a
  sequence costs T, not T²;
- the products xᵀ δ of a shared weight are summed by large matrix products over many stacked rows.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from .primitive import Array, Primitive

ROWS = 512  # how many rows are stacked before they are multiplied


class Sums(dict[Hashable, Array]):
    """The sum of the cotangents that have come in for each signal."""

    __slots__ = ("borrowed", "stacked")

    def __init__(self) -> None:
        self.borrowed: set[Hashable] = set()  # sums of one term, whose array is not ours
        self.stacked: dict[Hashable, list[Any]] = {}  # weight -> [row count, xs, cts]

    def add(self, signal: Hashable, ct: Array, fresh: bool) -> None:
        """Add a cotangent; ``fresh`` says that nobody else holds its array."""
        if signal not in self:
            self[signal] = ct
            if not fresh:
                self.borrowed.add(signal)
        elif signal in self.borrowed:
            self.borrowed.discard(signal)
            self[signal] = self[signal] + ct
        else:
            before = self[signal]
            before += ct
            self[signal] = before

    def add_part(
        self, signal: Hashable, ct: Array, primitive: Primitive, like: Array, index: Any
    ) -> None:
        """Add the cotangent of a part of a signal shaped like ``like``."""
        buffer = self.get(signal)
        if buffer is None:
            buffer = self[signal] = np.zeros(like.shape, like.dtype)
        elif signal in self.borrowed or buffer.ndim == 0:  # NumPy's scalars cannot be added to
            self.borrowed.discard(signal)
            buffer = self[signal] = np.array(buffer)
        primitive.add_part(buffer, ct, index)  # type: ignore[misc]

    def add_rows(self, weight: Hashable, x: Array, ct: Array) -> None:
        """Add xᵀ δ, now or later; x is (n, in), ct is (n, out)."""
        entry = self.stacked.get(weight)
        if entry is None:
            entry = self.stacked[weight] = [0, [], []]
        entry[0] += len(x)
        entry[1].append(x)
        entry[2].append(ct)
        if entry[0] >= ROWS:
            self._multiply(weight)

    def _multiply(self, weight: Hashable) -> None:
        _, xs, cts = self.stacked.pop(weight)
        x, ct = (xs[0], cts[0]) if len(xs) == 1 else (np.concatenate(xs), np.concatenate(cts))
        self.add(weight, x.T.dot(ct), True)

    def take(self, signal: Hashable) -> Array | None:
        """Return the sum of what has come in for a signal, and forget it."""
        if signal in self.stacked:
            self._multiply(signal)
        return self.pop(signal, None)
