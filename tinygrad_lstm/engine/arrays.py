"""Arrays: data on their way into a Tensor, and the read-only view that a Tensor gives.

Knows NumPy; of Tensors only that they answer to ``__interpret__``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DetachError, DTypeError
from .arguments import as_array, float_type

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
