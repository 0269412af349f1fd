"""What is chosen: the rows of a table by their numbers, and entries at random.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import DTypeError, OutOfRangeError, ShapeError
from ..arguments import MOST, as_array, float_type, generator, number, whole
from ..numerics import Array
from ..primitives import gather
from ..whole_numbers import stay_argument, take_rows
from . import checked


def embedding(table: Array, index: Any) -> Array:
    """Return the rows of a table that whole numbers name.

    Parameters
    ----------
    table : (count, ...)
    index : (...) of integers, from 0 to count - 1

    Returns
    -------
    y : (*shape of index, ...)

    Raises
    ------
    DTypeError, OutOfRangeError, ShapeError
        If an index is no whole number or out of range.
    """
    table = checked.array("embedding", table)
    if not table.ndim:
        raise ShapeError("embedding: found a number, expected a table of rows")
    if stay_argument(index, table.shape[0]):
        return take_rows(table, index)
    return gather(table, index=numbers_below("embedding", index, table.shape[0]))


def one_hot(index: Any, count: int, dtype: Any = np.float64) -> Any:
    """Return 1 at each index, and 0 elsewhere, along a new last axis.

    Parameters
    ----------
    index : (...) of integers, from 0 to count - 1
    count : int
    dtype : float type

    Returns
    -------
    y : (..., count)

    Raises
    ------
    DTypeError, OutOfRangeError
        If an index is no whole number or out of range.

    Examples
    --------
    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    count, kind = whole("one_hot: count", count, 1, MOST), float_type("one_hot", dtype)
    if stay_argument(index, count):
        return index.one_hot(count, kind)
    index = numbers_below("one_hot", index, count)
    y: np.ndarray = (index[..., None] == np.arange(count)).astype(kind)
    return y


def numbers_below(who: str, index: Any, count: int) -> np.ndarray:
    """Return whole numbers from 0 to count - 1 as an array."""
    if hasattr(index, "__interpret__"):
        index = index.numpy()
    places = as_array(f"{who}: the index", index)
    if places.dtype.kind not in "iu":
        raise DTypeError(f"{who}: found an index of type {places.dtype}, expected whole numbers")
    outside = places[(places < 0) | (places >= count)]
    if outside.size:
        raise OutOfRangeError(f"{who}: found index {outside[0]}, expected 0 to {count - 1}")
    return places


def dropout(x: Array, rate: float = 0.5, seed: Any = None) -> Array:
    """Return x with entries set to 0 at random, and the others scaled up to keep the mean.

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15, 2014.

    Parameters
    ----------
    x : (...)
    rate : float in [0, 1)
        The probability of an entry to be dropped.
    seed : int or Generator, optional
    """
    x = checked.array("dropout", x)
    rate = number("dropout: rate", rate, 0.0, 1.0)
    return x * dropout_mask(x.shape, rate, generator(seed), x.dtype)


def dropout_mask(
    shape: tuple[int, ...], rate: float, random: np.random.Generator, dtype: Any = float
) -> np.ndarray:
    """Return 0 for entries that are dropped at random, and 1 / (1 - rate) for the others."""
    return ((random.random(shape) >= rate) / (1.0 - rate)).astype(dtype)
