"""Rows of numbers as text that a page can hold: few bytes for each number, equal rows once.

Knows arrays alone. A number is the first two, three or four bytes of a float of 64 bits. Of an
array with too many entries, or too many steps, groups are told by their largest |entry|.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

MOST_CELLS = 2048  # entries of a signal, at all steps, that are kept one by one
LEAST_CELLS = 64
MOST_ROWS, MOST_COLUMNS = 48, 32  # of a map of groups
COARSE, FINE, FULL = 2, 3, 4  # bytes of a number: 1, 3 and 6 decimal digits
MOST_IN_FULL = 200  # numbers of a row that have all digits


class Table:
    """The rows of a page; a row is known by its place in ``rows``."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, numbers: Any, width: int | None = None) -> int:
        """Return the place of a row of numbers, which is added if it is new.

        Without a width, a short row has more digits than a long one.
        """
        width = width or (FULL if np.size(numbers) <= MOST_IN_FULL else FINE)
        text = f"{width}{encode(numbers, width)}"
        if text not in self._places:
            self._places[text] = len(self.rows)
            self.rows.append(text)
        return self._places[text]


def encode(numbers: Any, width: int) -> str:
    """Return numbers in base64: of each, the first bytes of the nearest float of 64 bits.

    >>> encode([1.0, -2.0], 2)
    'P/DAAA=='
    """
    floats = np.ascontiguousarray(numbers, np.float64).reshape(-1)
    bits = floats.view(np.uint64)
    half = np.uint64(1 << (8 * (8 - width) - 1))
    with np.errstate(over="ignore"):
        up = bits + half  # to the nearest, as far as the result is finite
    bits = np.where(np.isfinite(up.view(np.float64)) & np.isfinite(floats), up, bits)
    columns = bits.astype(">u8").view(np.uint8).reshape(-1, 8)[:, :width]
    return base64.b64encode(columns.tobytes()).decode("ascii")


def entries(table: Table, value: Any, count: int | None, most: int = MOST_CELLS) -> dict[str, Any]:
    """Return the entries of a signal as a map: a row for each step, or of a matrix its own rows.

    Parameters
    ----------
    table : Table
        Gets the entries.
    value : array
        With the steps on its first axis if there are steps.
    count : int or None
        The number of steps.
    most : int
        How many entries, at all steps, are kept one by one.

    Returns
    -------
    dict
        ``at``, the place in the table; the ``rows`` and ``columns`` of the map; and how many steps
        (``down``) and entries (``across``) a cell stands for, by its largest |entry|.
    """
    array = np.asarray(value, float)
    size = array.shape[-1] if array.ndim > 1 or (count is None and array.ndim) else 1
    rows = count if count is not None else array.size // max(size, 1)
    cells = array.reshape(rows, -1) if rows else np.zeros((0, 1))
    if cells.size <= most:
        return {
            "at": table.add(cells, FULL), "rows": cells.shape[0], "columns": cells.shape[1],
            "down": 1, "across": 1,
        }  # fmt: skip
    part = (most / MOST_CELLS) ** 0.5
    limits = int(MOST_ROWS * part), int(MOST_COLUMNS * part)
    down, across = (-(-size // limit) for size, limit in zip(cells.shape, limits, strict=True))
    largest = np.abs(cells)
    for axis, size in enumerate((down, across)):
        starts = np.arange(0, cells.shape[axis], size)
        largest = np.maximum.reduceat(largest, starts, axis=axis)
    return {
        "at": table.add(largest, COARSE), "rows": largest.shape[0], "columns": largest.shape[1],
        "down": down, "across": across,
    }  # fmt: skip


def grouped(numbers: np.ndarray, group: int, of: np.ufunc = np.maximum) -> np.ndarray:
    """Return the largest of every group of steps, or their sum if ``of`` adds."""
    if group == 1 or numbers.ndim == 0:
        return numbers
    return np.asarray(of.reduceat(numbers, np.arange(0, len(numbers), group)))


def group_of(steps: int, rows: int, most: int) -> int:
    """Return how many steps one number has to stand for, so that all rows have room.

    >>> group_of(1000, 100, 400_000), group_of(10_000, 100, 400_000)
    (1, 10)
    """
    return max(1, -(-(steps * rows * FULL) // most))
