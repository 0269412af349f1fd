"""Whole numbers that stay an argument of what is recorded: tokens, classes, masks.

Knows the tape's count of readings, and no Tensor. What is recorded does not depend on the numbers
as long as they are only looked up, row by row, or taken as an operand: then they stand on the tape
as 1 at each number and 0 elsewhere, or as they are. Whatever else is done with them is done with
the array, and counts as a reading off the tape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .off_tape import note_reading

Move = Callable[[Any], Any]  # of leading axes, of an array or a Tensor


class WholeNumbers(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of whole numbers, or of truth values, of which a recording knows the place.

    Parameters
    ----------
    array : (...) of integers or truth values
    put_on_tape : (count or None, dtype) -> Tensor
        Gives 1 at each number and 0 elsewhere along a new last axis of that length, or the numbers.
    move : (array) -> array
        How its entries stand in those that the recording knows.
    """

    __slots__ = ("_array", "_move", "_put_on_tape")

    def __init__(
        self,
        array: np.ndarray,
        put_on_tape: Callable[[int | None, Any], Any],
        move: Move = lambda x: x,
    ) -> None:
        self._array, self._put_on_tape, self._move = array, put_on_tape, move

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        note_reading()
        return np.array(self._array, dtype)

    def are_below(self, count: int) -> bool:
        """Return whether they are whole numbers from 0 to count - 1."""
        array = self._array
        return array.dtype.kind in "iu" and bool(np.all((array >= 0) & (array < count)))

    def one_hot(self, count: int, dtype: Any) -> Any:
        """Return 1 at each number and 0 elsewhere, along a new last axis, as a Tensor."""
        return self._move(self._put_on_tape(count, dtype))

    def tensor(self, dtype: Any) -> Any:
        """Return the numbers as a Tensor."""
        return self._move(self._put_on_tape(None, dtype))

    def _moved(self, move: Move) -> WholeNumbers:
        before, own = self._move, np.asarray(move(self._array))
        return WholeNumbers(own, self._put_on_tape, lambda x: move(before(x)))

    # --- as an array -----------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """As of an array."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """As of an array."""
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of an array."""
        return self._array.dtype

    @property
    def T(self) -> WholeNumbers:
        """The axes in reverse order."""
        axes = (*range(self.ndim),)[::-1]
        return self._moved(lambda x: x.transpose((*axes, *range(len(axes), x.ndim))))

    def reshape(self, *shape: Any) -> WholeNumbers:
        """As of an array."""
        own = self._array.reshape(*shape).shape
        lead = self.ndim
        return self._moved(lambda x: x.reshape((*own, *x.shape[lead:])))

    def ravel(self) -> WholeNumbers:
        """As of an array."""
        return self.reshape(-1)

    flatten = ravel

    def copy(self) -> WholeNumbers:
        """As of an array."""
        return self

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        plain = (int, np.integer, slice, type(None), type(...))
        if any(isinstance(x, bool) or not isinstance(x, plain) for x in parts):
            return np.asarray(self)[index]
        self._array[index]  # which says what does not fit
        if Ellipsis not in parts:
            whole = int(index) if isinstance(index, np.integer) else index
            return self._moved(lambda x: x[whole])
        lead = self.ndim
        return self._moved(lambda x: x[(*parts, *(slice(None),) * (x.ndim - lead))])

    # --- whatever else ---------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if any(hasattr(x, "__interpret__") for x in inputs):
            return NotImplemented  # a Tensor takes them as an operand
        own = [np.asarray(x) if type(x) is WholeNumbers else x for x in inputs]
        return getattr(ufunc, method)(*own, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # which NumPy looks for before it asks for the array
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __int__(self) -> int:
        return int(np.asarray(self))

    def __index__(self) -> int:
        return np.asarray(self).__index__()

    def __float__(self) -> float:
        return float(np.asarray(self))

    def __bool__(self) -> bool:
        return bool(np.asarray(self))

    def __repr__(self) -> str:
        return repr(np.asarray(self))


def stay_argument(value: Any, count: int) -> bool:
    """Return whether a value is whole numbers from 0 to count - 1 that stay an argument."""
    return type(value) is WholeNumbers and value.are_below(count)


def take_rows(table: Any, index: WholeNumbers) -> Any:
    """Return the rows of a table that whole numbers name, as a product with 0 and 1."""
    count, *entry = table.shape
    rows = index.one_hot(count, table.dtype)
    if len(entry) < 2:
        return rows @ table
    return (rows @ table.reshape((count, -1))).reshape((*index.shape, *entry))
