"""Mini-batches of padded sequences: which items stand together, and how they become arrays.

Knows data sets, which are anything with ``len`` and ``[]``; no model and no update.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from ..engine.arguments import as_array, excerpt, whole
from ..engine.arrays import plain
from ..errors import ArgumentError, ShapeError, UsageError

Array = np.ndarray


class Dataset(Protocol):
    """A list of items, or anything else with ``len`` and ``[]``; an item is an array or several."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Batches:
    """Mini-batches of a data set, in an order that the seed and the epoch decide alone.

    An item is a tuple, such as (x, target). An entry of two or more axes is a sequence, steps
    first, and so is an entry of whole numbers along one axis, such as tokens. The sequences of a
    batch are padded with zeros to the longest and stand side by side along axis 1, (T, B, ...).
    Any other entry stands along axis 0: (B,) or (B, out). Items of similar length stand together.

    Parameters
    ----------
    who : str
        What begins the messages.
    data : Dataset
    size : int, at least 1
        Items of a batch; the last batch may have fewer.
    seed : int, at least 0

    Attributes
    ----------
    lengths : (N,) int
        The steps of the first sequence of each item; 1 where an item has none.
    is_padded : bool
        Whether the lengths differ. Then ``lengths`` is one more argument of the loss.

    Raises
    ------
    UsageError
        If the data have no ``len`` or ``[]``, or an item is not like the first.
    ArgumentError
        If there are no items.
    ShapeError
        If the shapes of the items differ in more than their number of steps.

    Examples
    --------
    >>> pairs = [(np.ones((T, 2)), np.zeros(T, int)) for T in (3, 1, 3)]
    >>> [(x.shape, lengths) for (x, target), lengths in Batches("fit", pairs, 2, seed=0).epoch(0)]
    [((3, 1, 2), array([3])), ((3, 2, 2), array([1, 3]))]
    """

    def __init__(self, who: str, data: Any, size: int, seed: int) -> None:
        is_list = hasattr(data, "__len__") and hasattr(data, "__getitem__")
        if not is_list or isinstance(data, Mapping):
            raise UsageError(
                f"{who}: found {type(data).__name__}, expected a list of items, or anything else "
                "with len and []"
            )
        self.who, self.data = who, data
        self.size, self.seed = whole(f"{who}: batch", size, 1), whole(f"{who}: seed", seed, 0)
        if not len(data):
            raise ArgumentError(f"{who}: found no items, expected at least one")
        self._kinds = [*map(_kind, self._item(0))]
        self.lengths = np.array([self._steps(n) for n in range(len(data))])
        self.is_padded = bool((self.lengths != self.lengths[0]).any())

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.lengths) // self.size)

    def epoch(self, number: int | None) -> Iterator[tuple[tuple[Array, ...], Array]]:
        """Yield the arrays and the lengths of each batch of an epoch; in order for None."""
        for items in self.order(number):
            yield self.batch(items)

    def order(self, number: int | None) -> list[Array]:
        """Return the positions of the items of each batch: shuffled, then sorted by length."""
        count = len(self.lengths)
        random = None if number is None else np.random.default_rng([self.seed, number])
        rows = np.arange(count) if random is None else random.permutation(count)
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        batches = [rows[start : start + self.size] for start in range(0, count, self.size)]
        turns = range(len(batches)) if random is None else random.permutation(len(batches))
        return [batches[turn] for turn in turns]

    def batch(self, positions: Array) -> tuple[tuple[Array, ...], Array]:
        """Return the arrays of some items, and their lengths."""
        items = [self._item(int(n)) for n in positions]
        arrays = []
        for entries, (is_timed, _) in zip(zip(*items, strict=True), self._kinds, strict=True):
            if not is_timed:
                arrays.append(np.stack(entries))
                continue
            T = max(len(entry) for entry in entries)
            shape = (T, len(entries), *entries[0].shape[1:])
            padded = np.zeros(shape, np.result_type(*entries))
            for b, entry in enumerate(entries):
                padded[: len(entry), b] = entry
            arrays.append(padded)
        return tuple(arrays), self.lengths[positions]

    def _item(self, n: int) -> tuple[Array, ...]:
        item = self.data[n]
        entries = item if isinstance(item, tuple | list) else (item,)
        return tuple(as_array(f"{self.who}: item {n}", plain(entry)) for entry in entries)

    def _steps(self, n: int) -> int:
        """Return the number of steps of an item, which must be like the first."""
        item = self._item(n)
        if [*map(_kind, item)] != self._kinds:
            raise ShapeError(
                f"{self.who}: item {n} has the shapes {excerpt([x.shape for x in item])}, item 0 "
                f"{excerpt([x.shape for x in self._item(0)])}; only the steps may differ"
            )
        for array in item:
            if _kind(array)[0]:
                if not len(array):
                    raise ShapeError(f"{self.who}: item {n} has a sequence of no steps")
                return len(array)
        return 1


def _kind(array: Array) -> tuple[bool, tuple[int, ...]]:
    """Return whether an entry of an item is a sequence, and its shape without the steps."""
    is_timed = array.ndim > 1 or (array.ndim == 1 and array.dtype.kind in "iu")
    return is_timed, array.shape[is_timed:]
