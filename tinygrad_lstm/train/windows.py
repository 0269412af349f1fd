"""Windows of a table: the rows that a forecast is made from, and the row that it is of.

Knows numbers; no model and no files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..engine.arguments import number, whole
from ..errors import ArgumentError

Array = np.ndarray


class Scaling(NamedTuple):
    """The numbers by which columns are scaled: (x - mean) / deviation.

    Attributes
    ----------
    mean, deviation : (columns,)
        Of the rows to train with. The deviation of a column that never changes is 1.
    """

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, numbers: Array) -> Scaling:
        """Return the scaling of the rows of a table, (N, columns)."""
        deviation = numbers.std(axis=0)  # of equal numbers, what rounding leaves
        changes = (numbers != numbers[0]).any(axis=0) & (deviation > 0)
        return cls(numbers.mean(axis=0), np.where(changes, deviation, 1.0))

    def apply(self, numbers: Array) -> Array:
        """Return numbers without units."""
        scaled: Array = (numbers - self.mean) / self.deviation
        return scaled


class Windows:
    """A data set of windows: ``window`` rows, and the target ``horizon`` rows after the last.

    Parameters
    ----------
    scaled : (N, features)
    target : (N,), scaled
    window, horizon : int, at least 1
    first, last : int
        The rows of the targets, from first to last - 1; their windows may begin before.

    Examples
    --------
    >>> numbers = np.arange(5.0)
    >>> rows = Windows(numbers[:, None], numbers, window=2, horizon=1, first=0, last=5)
    >>> len(rows), rows[0][0].ravel(), rows[0][1]
    (3, array([0., 1.]), array([2.]))
    """

    def __init__(
        self, scaled: Array, target: Array, window: int, horizon: int, first: int, last: int
    ) -> None:
        self.scaled, self.target, self.window, self.horizon = scaled, target, window, horizon
        self.rows = np.arange(max(first, window + horizon - 1), last)  # of the targets

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.rows)

    def __getitem__(self, n: int) -> tuple[Array, Array]:
        """Return the rows of a window, (window, features), and its target, (1,)."""
        row = self.rows[n]
        end = row - self.horizon + 1
        return self.scaled[end - self.window : end], self.target[row : row + 1]

    def inputs(self) -> Array:
        """Return all windows, (window, count, features)."""
        ends = self.rows - self.horizon + 1
        windows: Array = self.scaled[ends + np.arange(-self.window, 0)[:, None]]
        return windows


def split(count: int, window: int, horizon: int, share: float) -> tuple[int, int]:
    """Return where validation and test begin: both have a share of the rows, the last ones.

    Raises
    ------
    ArgumentError
        If a part has no window; the message says how many rows are needed.
    """
    whole("train: window", window, 1)
    whole("train: horizon", horizon, 1)
    share = number("train: share", share, 0.01, 0.45)
    part = max(1, round(count * share))
    validation, test = count - 2 * part, count - part
    if validation < window + horizon:
        raise ArgumentError(
            f"train: found {count} rows, of which {max(validation, 0)} are to train with; a window "
            f"of {window} and a horizon of {horizon} need at least {window + horizon}"
        )
    return validation, test
