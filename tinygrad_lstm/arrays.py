"""What may become a Tensor, and what a Tensor hands out: plain arrays and indices.

Knows NumPy and the kinds; of Tensors only that they answer to ``__interpret__``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import DetachError, DTypeError, OutOfRangeError, ShapeError, TinygradError, UsageError
from .primitive import Primitive

BASIC = frozenset([int, slice, type(None), type(Ellipsis), np.int64])  # name no entry twice


def _in_place(ufunc: Any) -> Any:
    """Return an in-place operator that makes a new array where the old one is read-only."""

    def method(self: Frozen, other: Any) -> Any:
        if not self.flags.writeable:
            return ufunc(self, other)
        ufunc(self, other, out=(self,))
        return self

    return method


class Frozen(np.ndarray):
    """A read-only view; ``p.data -= step`` makes new data instead of changing it in place."""

    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.divide)
    __ipow__ = _in_place(np.power)

    def __repr__(self) -> str:
        return repr(np.asarray(self))

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else np.asarray(array)


def plain(data: Any, who: str) -> np.ndarray:
    """Return a copy of the data as an array.

    Raises
    ------
    DTypeError
        If the data are a masked array or hold one: NumPy would forget the masks.
    ValueError
        If the data are no array.
    """
    if type(data) not in _PLAIN and _is_masked(data):
        raise DTypeError(
            f"{who}: found a masked array, expected an array without a mask; say what stands in "
            "the masked places with .filled(number), or leave them out with where"
        )
    return np.array(data)


def _is_masked(data: Any) -> bool:
    """Return whether the data are a masked array, or nested lists that hold one."""
    lists = [data]
    while lists:
        data = lists.pop()
        if isinstance(data, np.ma.MaskedArray):
            return True
        if isinstance(data, list | tuple):
            lists += [each for each in data if isinstance(each, _MAY_HOLD_MASKS)]
    return False


_PLAIN = frozenset([np.ndarray, int, float, np.float64, np.float32])
_MAY_HOLD_MASKS = (np.ma.MaskedArray, list, tuple)


def as_floats(data: Any, dtype: Any, name: str | None) -> np.ndarray:
    """Return a copy of the data as real floating point numbers."""
    who = name or "a Tensor"
    if hasattr(data, "__interpret__"):
        raise DetachError(f"{who}: the data are a Tensor already; use it, or its .detach().numpy()")
    try:
        wanted = np.dtype(dtype) if dtype is not None else None
    except TypeError:
        raise DTypeError(f"{who}: found dtype {dtype!r}, expected float64 or float32") from None
    if wanted is not None and wanted.kind != "f":
        raise DTypeError(f"{who}: found dtype {wanted}, expected float64 or float32")
    try:
        array = np.array(data) if type(data) is np.ndarray else plain(data, who)
    except ValueError as error:
        raise ShapeError(f"{who}: the data are no array of numbers ({error})") from None
    typed = isinstance(data, np.ndarray | np.generic) and wanted is None
    if array.dtype.kind == "f" or (array.dtype.kind in "iu" and not typed):
        return array.astype(
            wanted or (array.dtype if array.dtype.kind == "f" else float), copy=False
        )
    remedy = "take its real part" if array.dtype.kind == "c" else "convert it with .astype(float)"
    raise DTypeError(
        f"{who}: found data of type {array.dtype}, expected real floating point numbers; {remedy}"
    )


def unpacked(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Return ``(2, 3)`` for ``f(2, 3)`` and for ``f((2, 3))``."""
    if len(arguments) == 1 and isinstance(arguments[0], Sequence):
        return tuple(arguments[0])
    return arguments


def is_basic(index: Any) -> bool:
    """Return whether an index names no entry twice, and cannot be changed."""
    if type(index) is tuple:
        return BASIC.issuperset(map(type, index))
    return type(index) in BASIC


def checked_index(index: Any, whole: Any) -> Any:
    """Return an index that nobody can change from outside."""
    if type(index) in BASIC:
        return index
    if isinstance(index, tuple):
        return tuple([checked_index(each, whole) for each in index])
    if isinstance(index, np.integer):
        return int(index)
    if hasattr(index, "__interpret__"):
        raise UsageError(f"{whole.label()}: a Tensor cannot be an index; use an array of integers")
    array = plain(index, f"{whole.label()}, the index")
    if array.dtype.kind not in "iub" and array.size:
        raise UsageError(
            f"{whole.label()}: found an index of type {array.dtype}, expected integers or booleans"
        )
    return array if array.size else array.astype(int)


def explained(
    error: Exception,
    primitive: Primitive,
    operands: tuple[Any, ...],
    parameters: dict[str, Any] | None,
) -> Exception:
    """Return NumPy's complaint as one that names the operation, the signals and their shapes."""
    if isinstance(error, TinygradError):
        return error
    found = " and ".join(f"{each.shape} ({each.label()})" for each in operands)
    asked = "".join(f", {name}={value}" for name, value in (parameters or {}).items())
    kind = UsageError if isinstance(error, TypeError) else ShapeError
    if isinstance(error, IndexError):
        return OutOfRangeError(f"{primitive.name}: found {found}{asked}: {error}")
    return kind(f"{primitive.name}: shapes {found}{asked} do not fit: {error}")
