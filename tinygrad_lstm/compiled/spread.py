"""Arrays of whole numbers as arguments of a program: 1 at each number, 0 elsewhere.

Knows arrays; no program, and no Tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.whole_numbers import Computed


class Outside(Exception):
    """A number that a program has no row for; the function itself says what is wrong, if it is."""


class Spread(NamedTuple):
    """An argument of whole numbers as a program reads it.

    Attributes
    ----------
    computed : Computed
        What the numbers are of the arguments.
    length : int or None
        Of a new last axis, with 1 at the number and 0 elsewhere; if None, the numbers
        are read as they are.
    dtype : str
        Of what is read.
    limit : int or None
        What numbers that are read as they are have to be below, if they are numbers of rows.
    """

    computed: Computed
    length: int | None
    dtype: str
    limit: int | None = None

    def rows(self) -> Spread:
        """Return the numbers themselves, of rows, in place of 1 at each."""
        return self._replace(length=None, limit=self.length)

    def counterparts(self, own: Sequence[Any], others: Sequence[Any]) -> Spread:
        """Return the same input of another recording.

        Parameters
        ----------
        own, others : sequence
            The inputs of the recordings, in their order.
        """
        is_rows = self.limit is not None
        known = self._replace(length=self.limit, limit=None) if is_rows else self
        other: Spread = others[own.index(known)]
        return other.rows() if is_rows else other

    def of(self, args: Sequence[Any]) -> np.ndarray:
        """Return the numbers for some arguments."""
        return np.asarray(self.computed.compute(args))

    def array(self, numbers: np.ndarray, into: np.ndarray | None = None) -> np.ndarray:
        """Return what a program reads of numbers, in a given array or a new one.

        Raises
        ------
        Outside
            If a number is below 0, or not below the length.
        """
        limit = self.length if self.limit is None else self.limit
        if limit is not None and numbers.size and (numbers.min() < 0 or numbers.max() >= limit):
            raise Outside(f"a whole number is below 0 or above {limit - 1}")
        if self.length is None:
            if into is None:
                return numbers.astype(self.dtype)
            into[...] = numbers
            return into
        if into is None:
            into = np.empty((*numbers.shape, self.length), self.dtype)
        into.fill(0)
        into.reshape(-1, self.length)[np.arange(numbers.size), numbers.ravel()] = 1
        return into


def is_whole(value: Any) -> bool:
    """Return whether a value is an array of whole numbers or truth values."""
    return type(value) is np.ndarray and value.dtype.kind in "iub"
