"""The last digit of a printed number: by digits after the point, or by digits in all.

Knows numbers alone. Numbers themselves show in which way their author counts digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..engine.limit import Interruptible

HalfUnit = Callable[[Any], np.ndarray]

AT_ONCE = 10_000  # entries that are looked at between two looks at the clock
AFTER_POINT, IN_ALL = 0, 1  # how an author counts digits


def half_unit_carried(value: Any, digits: int) -> np.ndarray:
    """Return half a unit of the last digit of a number that an author carried but did not print.

    The author kept so many digits in all, or so many after the point: the coarser counts.

    >>> half_unit_carried([0.123, 123.0], 5)
    array([5.000005e-06, 5.000005e-03])
    """
    return np.asarray(np.maximum(*_half_units(np.asarray(value, float), digits)))


def half_unit_printed(printed: Any, digits: int) -> np.ndarray:
    """Return half a unit of the last digit of printed numbers, as the numbers show the digits.

    A number is printed with so many digits after the point if it has no more than these, and with
    so many digits in all, as in scientific notation, if it has no more than those. Where both fit,
    the coarser counts; where neither does, the number shows more digits than it is said to have,
    and the finer counts. An array of which no number has more than one digit in all beside these
    may be printed as Python's ``%.3e`` prints it, which counts the digits after the point.

    >>> half_unit_printed([0.002, 4.12e-4, 0.1234567, 41.237], 3)
    array([5.000005e-04, 5.000005e-07, 5.000005e-04, 5.000005e-04])
    >>> half_unit_printed([4.123e-4, 1.2e-4, 412.3], 3)
    array([5.000005e-08, 5.000005e-08, 5.000005e-02])
    """
    value = np.asarray(printed, float)
    after_point, in_all = _half_units(value, digits)
    fits_point, fits_all = (_is_multiple(value, 2 * unit) for unit in (after_point, in_all))
    coarser, finer = np.maximum(after_point, in_all), np.minimum(after_point, in_all)
    only_one = np.where(fits_point, after_point, in_all)
    units = np.where(fits_point == fits_all, np.where(fits_point, coarser, finer), only_one)
    scientific = _half_units(value, digits + 1)[1]
    if not _is_multiple(value, 2 * scientific).all():
        return units
    return np.maximum(scientific, units) if (fits_point | fits_all).all() else scientific


def digits_in(printed: Iterable[Any], fewest: int, most: int) -> int | None:
    """Return to how many digits numbers are rounded; None if to fewer than some, or to more.

    After the point, or in all: where one number has more after the point, they are counted in all.

    >>> digits_in([[0.1235, 12.3457], [0.002, 0.0]], 4, 8), digits_in([[0.5, 2.0]], 4, 8)
    (4, None)
    """
    arrays = [np.ravel(np.asarray(array, float)) for array in printed]
    numbers = np.concatenate([np.zeros(0), *arrays])
    for digits in range(1, most + 1):
        units = _half_units(numbers, digits)
        if any(_is_multiple(numbers, 2 * unit).all() for unit in units):
            return digits if digits >= fewest else None
    return None


def half_unit_of(printed: Iterable[Any], digits: int) -> HalfUnit:
    """Return the function for half a unit of the last digit of numbers that an author carries.

    An author of whom a number shows more than so many digits after the point, and every number no
    more than so many in all (or one more, as ``%.3e`` prints), keeps so many in all everywhere. Of
    others the coarser counts.
    """
    arrays = [np.ravel(np.asarray(array, float)) for array in printed]
    parts = [array[at : at + AT_ONCE] for array in arrays for at in range(0, array.size, AT_ONCE)]

    def fits(style: int, count: int) -> bool:
        units = ((part, 2 * _half_units(part, count)[style]) for part in Interruptible(parts))
        return all(_is_multiple(x, unit).all() for x, unit in units)

    if not fits(AFTER_POINT, digits):
        for count in (digits, digits + 1):
            if fits(IN_ALL, count):
                return lambda value: _half_units(np.asarray(value, float), count)[IN_ALL]
    return lambda value: half_unit_carried(value, digits)


def _half_units(value: np.ndarray, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return half a unit of the last digit: counted after the point, and counted in all."""
    size = np.abs(value)
    with np.errstate(all="ignore"):
        places = np.floor(np.log10(size, out=np.full(size.shape, -np.inf), where=size > 0))
        units = 10.0 ** np.full(size.shape, -float(digits)), 10.0 ** (places - digits + 1)
    after_point, in_all = (0.5 * unit * (1 + 1e-6) for unit in units)
    return after_point, in_all


def _is_multiple(value: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return where a number is a whole multiple of a unit, as far as its type can say."""
    eps = np.full(value.shape, np.finfo(np.float64).eps)
    with np.errstate(all="ignore"):
        for narrow in (np.float32, np.float16):
            eps = np.where(value.astype(narrow) == value, np.finfo(narrow).eps, eps)
        count = value / (unit / (1 + 1e-6))
        is_whole: np.ndarray = np.abs(count - np.rint(count)) <= 4 * eps * np.abs(count)
        return np.asarray((value == 0) | is_whole)
