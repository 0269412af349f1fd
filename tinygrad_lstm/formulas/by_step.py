"""What an index for each step takes of all steps, told step by step.

Knows formulas, and parameters that vary over the steps; no network.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.primitives import broadcast_to, scatter, scatter_add
from ..engine.symbol import ITEM, RESHAPE, Symbol
from ..network.parameters import Varying, key_of
from .letter_reader import EVERY, of_every_step
from .names import Names
from .rewriting import rewrite, with_operands
from .simplify import place_in_row

PUT = scatter.forward, scatter_add.forward


class Sequences:
    """The parameters that vary by no rule: equal names mean equal values.

    An index that takes one entry of each row has the classes of a loss, and is called for them.

    Parameters
    ----------
    taken : iterable of str
        The names of signals, which no parameter gets.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._known: dict[Hashable, Varying] = {}
        taken = set(taken)
        self._names = Names(taken)
        self._classes = "target" if "t" in taken else "t"

    def named(self, value: Varying) -> Varying:
        """Return a parameter under a name that no other one has."""
        key = value.name, key_of(value.values)
        if key not in self._known:
            name = self._classes if _takes_one_of_each_row(value) else value.name
            self._known[key] = replace(value, name=self._names.free(name))
        return self._known[key]

    def texts(self) -> tuple[str, ...]:
        """Return the values of each at the first steps."""
        return tuple(value.list_values() for value in self._known.values())

    def of_index(self, index: Any, count: int) -> Varying | None:
        """Return what an index takes of each step: of the step k, if it goes over all steps."""
        parts = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(x, np.ndarray) and x.dtype.kind in "iu" for x in parts):
            return None
        first, *rest = np.broadcast_arrays(*parts)
        if not rest or first.shape[:1] != (count,):
            return None
        if not np.array_equal(first, np.indices(first.shape)[0]):
            return None
        values = tuple(_at(rest, k) for k in range(count))
        return self.named(Varying("index", values, tuple(range(count))))

    def taken_by_step(self, formula: Any) -> Any:
        """Return a formula in which what is taken of every step is taken at every step."""

        def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
            inner = operands[0]
            if old.notation is not ITEM or getattr(inner, "notation", None) is not EVERY:
                return with_operands(old, operands)
            index = self.of_index(old.parameters["index"], inner.parameters["steps"])
            if index is None:
                return with_operands(old, operands)
            return of_every_step(_item(inner.operands[0], index), old.value)

        return rewrite(formula, put)

    def at_step(self, whole: Any, value: Any) -> Any:
        """Return a sequence at step k."""
        if not isinstance(whole, Symbol):
            return whole
        if whole.apply is broadcast_to.forward:
            same, shape = whole.operands[0], np.shape(value)
            if same.ndim > len(shape) and same.shape[0] == 1:
                is_longer = same.notation is RESHAPE and same.operands[0].shape == same.shape[1:]
                same = same.operands[0] if is_longer else same.reshape(same.shape[1:])
            if same.ndim <= len(shape):  # the same at every step
                return same if same.shape == shape else broadcast_to(same, shape=shape)
        if whole.apply in PUT:
            (x,), shape = whole.operands, whole.parameters["shape"]
            index = self.of_index(whole.parameters["index"], shape[0])
            if index is not None:
                is_one = all(isinstance(one, int) for one in index.values)
                placed = scatter if is_one else scatter_add
                part = self.at_step(x, x.value[0])
                parameters = {"index": index, "shape": shape[1:]}
                return Symbol.of(placed.notation, placed.forward, (part,), parameters)
        return _item(whole, Varying("k", (0,), (0,)))


def _takes_one_of_each_row(index: Varying) -> bool:
    first = index.values[0]
    is_pair = isinstance(first, tuple) and len(first) == 2 and np.ndim(first[0]) == 1
    return is_pair and place_in_row(index, len(first[0])) is not None


def _item(whole: Symbol, index: Varying) -> Symbol:
    return Symbol.of(ITEM, lambda x, index: x[index], (whole,), {"index": index})


def _at(parts: list[np.ndarray], k: int) -> Any:
    """Return what is left of an index at one step."""
    rest = tuple(x[k] if x.ndim > 1 else int(x[k]) for x in parts)
    return rest[0] if len(rest) == 1 else rest
