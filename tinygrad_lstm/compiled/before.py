"""What a function reads, as it was before a recording, and put back after it.

Knows what is watched; no recording. A recording runs the function more than once for one call. A
state that the function keeps is to go on by one call, and a generator by the draws of one call.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from .state import END, Watch, random_state

Undo = Callable[[], Any]


class Before:
    """The state of all that a watch looks at.

    Parameters
    ----------
    watch : Watch
        Of the function, before it is recorded.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.drawn = random_state()
        self._numpy, self._python = np.random.get_state(), random.getstate()
        own = [*watch.dictionaries, *watch.bookkeeping]
        self._dictionaries = [(x, dict(x)) for x in own]
        self._contents = [(x, [*x]) for x in watch.contents]
        self._classes = [(x, dict(vars(x))) for x in watch.classes]
        pairs = zip(watch.holders, watch.attributes, strict=True)
        self._attributes = [(x, name, getattr(x, name, END)) for x, name in pairs]
        names = zip(watch.scopes, watch.variables, strict=True)
        self._variables = [(x, name, x.get(name, END)) for x, name in names]
        self._arrays = [(x, x.copy()) for x, _ in watch.arrays]
        self._generators = [(x, x.bit_generator.state) for x, _ in watch.generators]
        self._leaves = [(x, x._array, x._grad) for x in watch.leaves]

    def has_changed(self) -> bool:
        """Return whether the function changed what it reads, such as a state or random numbers."""
        return (
            random_state() != self.drawn
            or self.watch.has_changed()
            or any(x._array is not array or x._grad is not δ for x, array, δ in self._leaves)
        )

    def restore(self) -> bool:
        """Put everything back, and return whether anything had changed."""
        if not self.has_changed():
            return False
        np.random.set_state(self._numpy)
        random.setstate(self._python)
        for undo in self._undone():
            with suppress(AttributeError, TypeError, ValueError):  # what cannot be written to
                undo()
        return True

    def _undone(self) -> Iterator[Undo]:
        """Return what puts each part back that is not what it was."""
        for own, content in self._dictionaries:
            if not _is_alike([*own, *own.values()], [*content, *content.values()]):
                yield partial(_refill, own, content)
        for held, entries in self._contents:
            if not _is_alike([*held], entries):
                yield partial(_refill, held, entries)
        for kind, content in self._classes:
            for name in {*vars(kind), *content}:
                value = content.get(name, END)
                if vars(kind).get(name, END) is not value:
                    yield partial(_set, kind, name, value)
        for holder, name, value in self._attributes:
            if getattr(holder, name, END) is not value:
                yield partial(_set, holder, name, value)
        for scope, name, value in self._variables:
            if value is not END:
                yield partial(scope.__setitem__, name, value)
            elif name in scope:
                yield partial(scope.__delitem__, name)
        for array, numbers in self._arrays:
            yield partial(np.copyto, array, numbers)
        for generator, state in self._generators:
            yield partial(setattr, generator.bit_generator, "state", state)
        for leaf, array, δ in self._leaves:
            yield partial(setattr, leaf, "_array", array)
            yield partial(setattr, leaf, "_grad", δ)


def _is_alike(own: list[Any], others: list[Any]) -> bool:
    return len(own) == len(others) and all(x is y for x, y in zip(own, others, strict=True))


def _refill(held: Any, entries: Any) -> None:
    """Give a dictionary, a list, a set or a deque the entries that it had."""
    held.clear()
    (held.extend if hasattr(held, "extend") else held.update)(entries)


def _set(holder: Any, name: str, value: Any) -> None:
    """Give an object an attribute, or take it away."""
    if value is END:
        delattr(holder, name)
    else:
        setattr(holder, name, value)
