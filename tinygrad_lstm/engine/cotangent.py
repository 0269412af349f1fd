"""Sums of the cotangents that flow back to a signal, and the order in which signals are done.

Knows what the kinds hand over and no Tensors. Signals take their turns in reverse order of
recording: the latest waiting signal is next. All its users were recorded after it and had their
turns, so its sum is complete. Leaves take no turn: their sums are complete at the end.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Set
from typing import Any

import numpy as np

from .numerics import Array

_ndarray = np.ndarray
ROWS = 512  # about how many rows are stacked before they are multiplied


class PlainSums:
    """Sums of cotangents that may be Tensors or Symbols: nothing is done in place, or later.

    Parameters
    ----------
    wanted : set
        The signals whose cotangents are asked for.
    """

    __slots__ = ("total", "turns", "waiting", "wanted")

    def __init__(self, wanted: Set[Any] = frozenset()) -> None:
        self.wanted = wanted
        self.total: dict[Any, Array] = {}
        self.waiting: dict[int, Any] = {}  # what was computed, by serial number
        self.turns: list[int] = []  # the same numbers in order; the last one's turn is next

    def add(self, operand: Any, ct: Array) -> None:
        """Add a cotangent."""
        if operand in self.total:
            self.total[operand] = self.total[operand] + ct
        else:
            self._wait(operand)
            self.total[operand] = ct

    def add_part(self, operand: Any, ct: Array, entry: Any) -> None:
        """Add the cotangent of a part of a signal."""
        self.add(operand, entry.primitive.transposed(ct, operand._array, **entry.parameters))

    def add_rows(self, weight: Any, x: Array, ct: Array) -> None:
        """Add xᵀ δ; the weight is a leaf."""
        self.add(weight, x.T.dot(ct))

    def _wait(self, operand: Any) -> None:
        if operand.inputs:  # no leaf
            turn = operand.serial
            self.waiting[turn] = operand
            insort(self.turns, turn)

    def take(self, operand: Any) -> Array | None:
        """Return the sum of a signal, and forget it; None if there is none."""
        return self.total.pop(operand, None)

    def rest(self) -> dict[Any, Array]:
        """Return the leaves' sums, once everything computed has had its turn."""
        return self.total


class Sums(PlainSums):
    """Sums of cotangents that are arrays, at the speed of a backward pass written by hand.

    If this table made the sum, the next term is added in place. The first term may belong to
    another owner, and is not changed. The cotangent of a part goes straight into one buffer for the
    whole, so that reading T steps of a sequence costs T, not T². The products xᵀ δ of a shared
    weight are summed by large matrix products over many stacked rows.
    """

    __slots__ = ("own", "stacked")

    def __init__(self, wanted: Set[Any] = frozenset()) -> None:
        super().__init__(wanted)
        self.own: set[Any] = set()  # whose sums are arrays that this table made itself
        self.stacked: dict[Any, tuple[list[Array], list[Array]]] = {}  # weight -> xs, cts

    def add(self, operand: Any, ct: Array) -> None:
        """Add a cotangent."""
        total = self.total
        if operand in total:
            before = total[operand]
            if operand in self.own:
                before += ct
            else:
                total[operand] = both = before + ct
                if type(both) is _ndarray:  # NumPy's scalars are not added to in place
                    self.own.add(operand)
            return
        if operand.inputs:
            if operand.primitive.is_part and operand not in self.wanted:
                self.add_part(operand.inputs[0], ct, operand)
                return
            turn = operand.serial  # `_wait`, without the call: this is the inner loop
            self.waiting[turn] = operand
            insort(self.turns, turn)
        total[operand] = ct

    def add_part(self, operand: Any, ct: Array, entry: Any) -> None:
        """Add the cotangent of a part of a signal into the buffer for the whole."""
        index, add = entry.parameters["index"], entry.primitive.add_part
        if operand in self.own:
            buffer = self.total[operand]
        elif operand in self.total:
            buffer = self.total[operand] = np.array(self.total[operand])
            self.own.add(operand)
        else:
            whole = operand._array
            buffer = self.total[operand] = np.zeros(whole.shape, whole.dtype)
            self.own.add(operand)
            self._wait(operand)
            if add is None:  # into zeros one may as well assign, in half the time
                buffer[index] = ct
                return
        if add is not None:
            add(buffer, index, ct)
            return
        place = buffer[index]
        if type(place) is _ndarray:
            place += ct  # in place, without NumPy's writing the sum back once more
        else:
            buffer[index] += ct

    def add_rows(self, weight: Any, x: Array, ct: Array) -> None:
        """Add xᵀ δ, now or later; x is (n, in), ct is (n, out), the weight is a leaf."""
        if weight in self.stacked:
            xs, cts = self.stacked[weight]
            xs.append(x)
            cts.append(ct)
        else:
            xs, cts = self.stacked[weight] = [x], [ct]
        if len(xs) * len(x) >= ROWS:
            self._multiply(weight)

    def _multiply(self, weight: Any) -> None:
        xs, cts = self.stacked.pop(weight)
        x, ct = (xs[0], cts[0]) if len(xs) == 1 else (np.concatenate(xs), np.concatenate(cts))
        self.add(weight, x.T.dot(ct))
        self.own.add(weight)

    def take(self, operand: Any) -> Array | None:
        """Return the sum of a signal, and forget it; None if there is none."""
        if operand in self.stacked:
            self._multiply(operand)
        return self.total.pop(operand, None)

    def rest(self) -> dict[Any, Array]:
        """Return the leaves' sums, once everything computed has had its turn."""
        for weight in list(self.stacked):
            self._multiply(weight)
        return self.total
