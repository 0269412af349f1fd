"""How a program keeps a signal's numbers: as they are, transposed, or as a block of a larger array.

Knows arrays alone. Public code keeps samples in columns, [h; x] in one vector with one matrix for
both, and gates side by side in an order of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SAME = 1e-8  # relative to the largest entry
LARGEST = 10**5  # entries of an array in which a block is looked for
FEWEST = 3  # entries of a block: fewer are found by chance


class Layout(NamedTuple):
    """How a program keeps a signal.

    Attributes
    ----------
    is_turned : bool
        Whether it is transposed.
    whole : tuple of int
        The shape of the array, once turned back, in which the signal is a block; () if it is none.
    block : tuple of slice
    """

    is_turned: bool = False
    whole: tuple[int, ...] = ()
    block: tuple[slice, ...] = ()

    def of(self, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the signal in an array, in its shape but for axes of length 1; None if none fits.

        >>> Layout(is_turned=True).of(np.array([[1, 2, 3]]), (3,))
        array([1, 2, 3])
        """
        array = value.T if self.is_turned else value
        if self.block:
            if array.shape != self.whole:
                return None
            array = array[self.block]
        if array.shape == shape:
            return array
        if [n for n in array.shape if n != 1] == [n for n in shape if n != 1]:
            return array.reshape(shape)
        return None


AS_IS = Layout()


def find_layout(array: np.ndarray, value: np.ndarray) -> Layout | None:
    """Return the layout in which a whole array is a signal's value; None if it is not."""
    for layout in (Layout(False), Layout(True)):
        own = layout.of(array, value.shape)
        if own is not None and is_same(own, value):
            return layout
    return None


def find_block(array: np.ndarray, value: np.ndarray) -> Layout | None:
    """Return the layout in which a signal's value is a block of an array; None if it is none.

    >>> find_block(np.arange(12.0).reshape(3, 4), np.array([[2.0, 3.0], [6.0, 7.0]])).block
    (slice(0, 2, None), slice(2, 4, None))
    """
    if array.ndim != value.ndim or not FEWEST <= value.size < array.size <= LARGEST:
        return None
    first = value.flat[0]
    scale = np.abs(value).max()
    for is_turned in (False, True) if array.ndim == 2 else (False,):
        whole = array.T if is_turned else array
        rooms = [m - n + 1 for m, n in zip(whole.shape, value.shape, strict=True)]
        if min(rooms) < 1:
            continue
        corner = whole[tuple(slice(room) for room in rooms)]
        for start in np.argwhere(np.abs(corner - first) <= SAME * scale):
            pairs = zip(start, value.shape, strict=True)
            block = tuple(slice(int(at), int(at) + n) for at, n in pairs)
            if is_same(whole[block], value):
                return Layout(is_turned, whole.shape, block)
    return None


def is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays have the same shape and numbers, but for rounding."""
    if one.shape != np.shape(other):
        return False
    return bool(np.abs(one - other).max(initial=0.0) <= SAME * np.abs(other).max(initial=0.0))
