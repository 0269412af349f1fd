"""A limit on the processor time of long work, in all modules that do a part of the work.

Knows the clock alone: the processor time of the thread, so that a busy machine does not decide what
a search finds. Whoever limits some work does it in ``with Clock(seconds):``. The long loops of that
work go over `Interruptible` items, which read the clock before each item. Outside of a limit they
read no clock. One call of NumPy is never interrupted.

    >>> with Clock(0):
    ...     sum(Interruptible([1, 2, 3]))
    Traceback (most recent call last):
    tinygrad_lstm.engine.limit.TimeUp
    >>> sum(Interruptible([1, 2, 3]))
    6
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from numbers import Real
from time import monotonic, thread_time
from typing import Generic, TypeVar

from ..errors import ArgumentError
from .arguments import excerpt

Item = TypeVar("Item")


class TimeUp(Exception):
    """The time is up."""


class Clock:
    """A limit on the processor time of the work in a ``with`` block.

    Parameters
    ----------
    seconds : float
        Of this thread's processor time, from now on; no longer than a limit that holds already.

    Raises
    ------
    ArgumentError
        If it is no number, or below 0.
    """

    def __init__(self, seconds: float) -> None:
        is_number = isinstance(seconds, Real) and not isinstance(seconds, bool)
        if not is_number or not seconds >= 0:
            raise ArgumentError(f"seconds is {excerpt(seconds)}, expected a number from 0")
        outer = _limit.get()
        until = thread_time() + float(seconds)
        self.until: float = until if outer is None else min(until, outer.until)
        self.safe = -float("inf")  # by the wall's clock, which is read in a tenth of the time
        self.tokens: list[Token[Clock | None]] = []

    def __enter__(self) -> Clock:
        self.tokens.append(_limit.set(self))
        return self

    def __exit__(self, *error: object) -> None:
        _limit.reset(self.tokens.pop())

    def __call__(self) -> None:
        """Raise TimeUp if the time is up."""
        if self.is_over:
            raise TimeUp

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        now = monotonic()
        if now < self.safe:
            return False
        left = self.left
        self.safe = now + left  # a thread's clock does not run ahead of the wall's
        return left <= 0

    @property
    def left(self) -> float:
        """How many seconds are left, from 0."""
        return max(0.0, self.until - thread_time())


_limit: ContextVar[Clock | None] = ContextVar("limit", default=None)


class Interruptible(Generic[Item]):
    """Items, one after the other. Where a limit holds, TimeUp is raised once it is over.

    Parameters
    ----------
    items : iterable
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Item]:
        clock = _limit.get()
        return iter(self.items) if clock is None else self._looking(clock)

    def _looking(self, clock: Clock) -> Iterator[Item]:
        for item in self.items:
            if monotonic() >= clock.safe:  # not by a call of the clock: some items take less time
                clock()
            yield item
