"""Arrays: data on their way into a Tensor, and the read-only view that a Tensor gives.

Knows NumPy; of Tensors only that they answer to ``__interpret__``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DetachError, DTypeError
from .arguments import as_array, float_type, number
from .off_tape import note_reading

FLOATS = "convert it with .astype(float)"


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


def as_floats(data: Any, dtype: Any, name: str | None) -> np.ndarray:
    """Return a copy of the data as real floating point numbers."""
    who = name or "a Tensor"
    if hasattr(data, "__interpret__"):
        raise DetachError(f"{who}: the data are a Tensor already; use it, or its .detach().numpy()")
    wanted = None if dtype is None else float_type(who, dtype)
    array = as_array(who, data)
    typed = isinstance(data, np.ndarray | np.generic) and wanted is None
    if array.dtype.kind == "f" or (array.dtype.kind in "iu" and not typed):
        return array.astype(
            wanted or (array.dtype if array.dtype.kind == "f" else float), copy=False
        )
    remedy = {"c": "take its real part", "b": FLOATS, "i": FLOATS, "u": FLOATS}.get(
        array.dtype.kind, "give a number, or a list or an array of numbers"
    )
    raise DTypeError(
        f"{who}: found data of type {array.dtype}, expected real floating point numbers; {remedy}"
    )


def unpacked(arguments: tuple[Any, ...]) -> Any:
    """Return ``(2, 3)`` for ``f(2, 3)`` and for ``f((2, 3))``."""
    return arguments[0] if len(arguments) == 1 else arguments


def plain(value: Any) -> Any:
    """Return the array of a Tensor; anything else as it is."""
    array = getattr(value, "_array", None)
    if array is None:
        return value
    note_reading()
    return array


def beside(tensors: list[Any], who: str, value: Any, is_condition: bool) -> np.ndarray:
    """Return a copy of a number or an array, in the type that it takes beside Tensors."""
    array = as_array(who, value)
    if array.dtype.kind == "b" and is_condition:
        return array
    if type(value) is int and array.dtype.kind == "O":  # more digits than an integer type holds
        array = np.array(number(f"{who}: the number beside {tensors[0].label()}", value))
    if array.dtype.kind in "iub":
        return array.astype(tensors[0].dtype)
    if array.dtype.kind != "f":
        others = ", ".join(tensor.label() for tensor in tensors)
        raise DTypeError(
            f"{who}: found {type(value).__name__} of type {array.dtype} beside "
            f"{others}, expected real numbers"
        )
    for tensor in tensors:
        if tensor._array.dtype != array.dtype:  # as wide as the result: a rule may read it alone
            return array.astype(np.result_type(array.dtype, *[x.dtype for x in tensors]))
    return array
