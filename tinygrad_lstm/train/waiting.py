"""Looks whose statistics are computed later, many at once: between two updates there is no time.

Knows arrays and looks; not when to look. A call of NumPy for small arrays takes longer than their
numbers do, so the numbers of many looks stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .looks import Look, statistics

Array = np.ndarray
MOST = 2**14  # numbers that wait: more would leave the cache
LONGEST = 64  # looks that wait


class _Row(NamedTuple):
    look: Look
    weights: list[Array]
    gradients: Array  # side by side: somebody may write into a gradient
    sizes: list[int]  # of the gradients; 0 where there is none


class Waiting:
    """Looks that wait for the statistics of their parameters."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._after: dict[int, list[Array]] = {}  # the weights after the update, by row
        self._size = 0
        self._weights: list[Array] = []  # of the last look

    def add(self, look: Look, weights: list[Array], gradients: Sequence[Array | None]) -> None:
        """Take in a look; the arrays of the weights are never written into."""
        sizes = [0 if x is None else x.size for x in gradients]
        flat = np.concatenate([x.ravel() for x in gradients if x is not None] or [np.empty(0)])
        self._rows.append(_Row(look, weights, flat, sizes))
        self._weights = weights
        self._size += 3 * sum(sizes)

    def note_update(self, look: Look, after: list[Array]) -> None:
        """Take in the weights after the update that followed the last look."""
        if not self._rows or self._rows[-1].look is not look:  # somebody has read the look
            with np.errstate(all="ignore"):
                moved = [[new - old] for new, old in zip(after, self._weights, strict=True)]
                look.ratios = _ratios(look, statistics(moved)[:, 0])
            return
        self._after[len(self._rows) - 1] = after
        if self._size > MOST or len(self._rows) >= LONGEST:
            self.settle()

    def forget(self, look: Look) -> None:
        """Forget a look, if it still waits."""
        if self._rows and self._rows[-1].look is look:
            self._rows.pop()

    def settle(self) -> None:
        """Compute the statistics of all looks that wait."""
        rows, after = self._rows, self._after
        self._rows, self._after, self._size = [], {}, 0
        if not rows:
            return
        values = [[x] for row in rows for x in row.weights]
        slopes = [[x] for row in rows for x in np.split(row.gradients, np.cumsum(row.sizes)[:-1])]
        moved = [
            [new - old]
            for n, now in after.items()
            for new, old in zip(now, rows[n].weights, strict=True)
        ]
        with np.errstate(all="ignore"):
            tables = np.split(statistics([*values, *slopes]), 2)
            changes = statistics(moved)[:, 0] if moved else np.empty(0)
        count = len(rows[0].weights)
        for n, row in enumerate(rows):
            at = slice(n * count, (n + 1) * count)
            row.look.values = np.concatenate([tables[0][at], row.look.values])
            row.look.gradients = np.concatenate([tables[1][at], row.look.gradients])
        for m, n in enumerate(after):
            rows[n].look.ratios = _ratios(rows[n].look, changes[m * count : (m + 1) * count])


def _ratios(look: Look, changes: Array) -> dict[str, float]:
    """Return ‖change‖ / ‖value‖ of each parameter; infinite if the value was 0 and has changed."""
    pairs = zip(look.names, changes.tolist(), look.values[:, 0].tolist())  # parameters come first
    return {
        name: change / size if size else np.inf if change else 0.0 for name, change, size in pairs
    }
