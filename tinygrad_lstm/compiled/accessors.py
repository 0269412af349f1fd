"""Where the entries of a signal lie in memory: an accessor, and the views of one.

Knows arrays and Symbols. A view is what NumPy makes of an operation on an array that lies as the
signal does, if it shares the array's memory; so every operation that only takes, turns or spreads
is a view, whatever it is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..engine.symbol import ITEM, Symbol
from ..formulas.fast.lines import VIEWS
from ..formulas.simplify import is_spread

CHUNK = "k0"  # the first step of a chunk, as C text


@dataclass(frozen=True)
class Accessor:
    """The place of an array.

    Attributes
    ----------
    base : str
        The pointer to its memory, as C text.
    offset : int
        Of the first entry, in entries.
    shape, strides : tuple of int
        In entries.
    step : str
        The row of a sequence that it is, as C text, and
    row : int
        how many entries a row has.
    """

    base: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    step: str = ""
    row: int = 0

    @property
    def is_contiguous(self) -> bool:
        """Whether its entries lie one after another."""
        return self.strides == contiguous(self.shape)


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of an array whose entries lie one after another."""
    strides, size = [], 1
    for n in reversed(shape):
        strides.append(size if n != 1 else 0)
        size *= n
    return tuple(reversed(strides))


def array(base: str, shape: tuple[int, ...]) -> Accessor:
    """Return the accessor of a whole array."""
    return Accessor(base, 0, shape, contiguous(shape))


def view(whole: Accessor, operation: Symbol) -> Accessor | None:
    """Return the accessor of what an operation takes of an array, or None if it is no view."""
    if 0 in whole.shape and operation.notation in VIEWS:  # no entry, wherever they may lie
        return replace(whole, shape=operation.shape, strides=contiguous(operation.shape))
    reach = sum(max(0, (n - 1) * s) for n, s in zip(whole.shape, whole.strides, strict=True))
    memory = np.empty(whole.offset + reach + 1, np.int8)  # one byte an entry, and never filled
    place = as_strided(memory[whole.offset :], whole.shape, whole.strides)
    try:
        taken = _taken(place, operation)
    except (ValueError, IndexError, TypeError):
        return None
    if not isinstance(taken, np.ndarray) or not np.may_share_memory(taken, memory):
        return None
    start = taken.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    strides = tuple(s if n != 1 else 0 for n, s in zip(taken.shape, taken.strides, strict=True))
    return replace(whole, offset=int(start), shape=taken.shape, strides=strides)


def _taken(place: np.ndarray, operation: Symbol) -> Any:
    if is_spread(operation):
        return np.broadcast_to(place, operation.shape)
    assert operation.apply is not None
    if not place.size:
        return None
    parameters = operation.parameters
    if operation.notation is ITEM and isinstance(parameters["index"], int | tuple):
        index = parameters["index"]
        parts = index if isinstance(index, tuple) else (index,)
        return place[parts if Ellipsis in parts else (*parts, ...)]  # a place, and no number
    return operation.apply(place, **parameters)


def spread(x: Accessor, shape: tuple[int, ...]) -> Accessor:
    """Return a place broadcast to a shape."""
    lead = len(shape) - len(x.shape)
    strides = [0] * lead + [
        0 if own == 1 else stride for own, stride in zip(x.shape, x.strides, strict=True)
    ]
    return replace(x, shape=shape, strides=tuple(strides))


def with_axis(x: Accessor, at: int) -> Accessor:
    shape, strides = [*x.shape], [*x.strides]
    shape.insert(at, 1)
    strides.insert(at, 0)
    return replace(x, shape=tuple(shape), strides=tuple(strides))
