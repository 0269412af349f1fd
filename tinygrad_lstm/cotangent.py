"""Sums of cotangents: what comes back along the branches of a signal, added up.

Knows what the kinds hand over and no Tensors. Every care that keeps the backward pass at the speed
of one written by hand is here:

- a sum that this table made itself is added to in place, an array from elsewhere never is;
- the cotangent of a part is added into one buffer for the whole, so that reading T steps of a
  sequence costs T, not T²;
- the products xᵀ δ of a shared weight are summed by large matrix products over many stacked rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .primitive import Array, Entry, Linear

ROWS = 512  # how many rows are stacked before they are multiplied


class Sums:
    """The sum of the cotangents, all of them arrays, that have come in for each signal."""

    __slots__ = ("borrowed", "stacked", "total")

    def __init__(self) -> None:
        self.total: dict[Any, Array] = {}
        self.borrowed: set[Any] = set()  # sums of one term, whose array is not ours
        self.stacked: dict[Any, list[Any]] = {}  # weight -> [row count, xs, cts]

    def add(self, operand: Any, ct: Array, fresh: bool) -> None:
        """Add a cotangent; ``fresh`` says that nobody else holds its array."""
        total = self.total
        if operand not in total:
            total[operand] = ct
            if not fresh:
                self.borrowed.add(operand)
        elif operand in self.borrowed:
            self.borrowed.discard(operand)
            total[operand] = total[operand] + ct
        else:
            before = total[operand]
            before += ct
            total[operand] = before

    def add_part(self, operand: Any, ct: Array, entry: Entry, primitive: Linear) -> None:
        """Add the cotangent of a part of a signal into the buffer for the whole."""
        total = self.total
        if operand not in total:
            whole = operand._data
            buffer = total[operand] = np.zeros(whole.shape, whole.dtype)
        else:
            buffer = total[operand]
            if operand in self.borrowed or type(buffer) is not np.ndarray:
                self.borrowed.discard(operand)
                buffer = total[operand] = np.array(buffer)
        index = entry.parameters["index"]
        if primitive.add_part is not None:
            primitive.add_part(buffer, index, ct)
        else:
            place = buffer[index]
            if type(place) is np.ndarray:
                place += ct  # in place, without NumPy's writing the sum back once more
            else:
                buffer[index] += ct

    def add_rows(self, weight: Any, x: Array, ct: Array) -> None:
        """Add xᵀ δ, now or later; x is (n, in), ct is (n, out)."""
        waiting = self.stacked.get(weight)
        if waiting is None:
            waiting = self.stacked[weight] = [0, [], []]
        waiting[0] += len(x)
        waiting[1].append(x)
        waiting[2].append(ct)
        if waiting[0] >= ROWS:
            self._multiply(weight)

    def _multiply(self, weight: Any) -> None:
        _, xs, cts = self.stacked.pop(weight)
        x, ct = (xs[0], cts[0]) if len(xs) == 1 else (np.concatenate(xs), np.concatenate(cts))
        self.add(weight, x.T.dot(ct), True)

    def take(self, operand: Any) -> Array | None:
        """Return the sum of what has come in for a signal, and forget it; None if nothing has."""
        if operand in self.stacked:
            self._multiply(operand)
        return self.total.pop(operand, None)
