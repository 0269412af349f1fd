"""What a function does with any number of steps, from what it did with two small numbers of them.

Knows listings; no program. Each whole number in a listing is taken for a straight line over the
number of steps, and over the segments in the middle of a loop; the first and the last segments of a
loop may be different. Whoever follows a pattern while a function is recorded with many steps sees
the first operation that is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, NoReturn

import numpy as np

from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..engine.symbol import function
from ..engine.tensor import Tensor, constant
from .listing import NDIM, Different, Key, Listener, Listing, Tag

OF_ENTRY, ENTRY = 600, 8  # bytes of an entry of the tape without its array, and of a number
ENDS = 7  # segments at each end of a loop that may be different from those in the middle

Operations = list[tuple[Key, list[int]]]


class Segment(NamedTuple):
    """The operations of a segment: of each the key, the numbers, and what a segment adds there."""

    keys: list[Key]
    numbers: list[list[int]]
    by_segment: list[list[int]]  # empty if nothing


class Loop(NamedTuple):
    """The segments of a loop with some number of steps."""

    total: int
    first: list[Segment]
    middle: Segment | None
    last: list[Segment]

    def at(self, number: int) -> tuple[Segment, int]:
        """Return a segment, and how many segments it is behind the first one in the middle."""
        if number < len(self.first):
            return self.first[number], 0
        left = self.total - number
        if left <= 0:
            raise Different("there are more steps")
        if left <= len(self.last):
            return self.last[-left], 0
        assert self.middle is not None
        return self.middle, number - len(self.first)


class Pattern:
    """What two listings have in common.

    Parameters
    ----------
    one, other : Listing
    counts : (int, int)
        The numbers of steps of these.

    Raises
    ------
    Different
        If there is no pattern; the message says what is different.
    """

    def __init__(self, one: Listing, other: Listing, counts: tuple[int, int]) -> None:
        if len(one.loops) != len(other.loops):
            raise Different("other loops")
        self.one, self.other, self.counts = one, other, counts
        for own, others in zip(one.loops, other.loops, strict=True):
            line(len(own), len(others), counts)
        for count, listing in zip(counts, (one, other), strict=True):
            for loop, segments in zip(self.loops(count), listing.loops, strict=True):
                for number, segment in enumerate(segments):
                    _check(segment, *loop.at(number))

    def loops(self, count: int) -> list[Loop]:
        """Return the loops with a number of steps."""
        return [
            self._loop(own, others, count)
            for own, others in zip(self.one.loops, self.other.loops, strict=True)
        ]

    def _loop(self, one: list[Operations], other: list[Operations], count: int) -> Loop:
        counts, n = self.counts, len(one)
        total = along(n, len(other), counts, count)
        if n == len(other):
            first = [self._segment(x, y, count) for x, y in zip(one, other, strict=True)]
            return Loop(total, first, None, [])
        if min(n, len(other)) < 2 * ENDS + 2:
            raise Different("too few segments")
        first = [self._segment(one[k], other[k], count) for k in range(ENDS)]
        last = [self._segment(one[-k], other[-k], count) for k in range(ENDS, 0, -1)]
        middle = self._segment(one[ENDS], other[ENDS], count)
        rises = [
            _rise(numbers, later)
            for (_, numbers), (_, later) in zip(one[ENDS], one[ENDS + 1], strict=True)
        ]
        return Loop(total, first, middle._replace(by_segment=rises), last)

    def _segment(self, one: Operations, other: Operations, count: int) -> Segment:
        if len(one) != len(other):
            raise Different("a step has other operations")
        keys, numbers = [], []
        for (key, own), (same, others) in zip(one, other, strict=True):
            if key != same or len(own) != len(others):
                raise Different("a step has other operations")
            if sum(x != y for x, y in zip(own[: _ndim(key)], others, strict=False)) > 1:
                raise Different("an array that grows along two axes")
            keys.append(key)
            numbers.append([along(x, y, self.counts, count) for x, y in zip(own, others)])
        return Segment(keys, numbers, [])


def memory(loops: Sequence[Loop]) -> int:
    """Return about how many bytes the tape of some loops takes."""
    total = 0
    for loop in loops:
        total += sum(map(_memory, (*loop.first, *loop.last)))
        if loop.middle is not None:
            total += _memory(loop.middle) * (loop.total - len(loop.first) - len(loop.last))
    return total


def _memory(segment: Segment) -> int:
    """Return the same of one segment."""
    return sum(
        OF_ENTRY + ENTRY * prod(numbers[: _ndim(key)])
        for key, numbers in zip(segment.keys, segment.numbers, strict=True)
    )


def _ndim(key: Key) -> int:
    """Return how many axes the result of an operation has."""
    ndim = key[NDIM] if len(key) > NDIM else 0
    assert isinstance(ndim, int)
    return ndim


def line(one: int, other: int, counts: tuple[int, int]) -> int:
    """Return what a step more adds to a number that was seen with two numbers of steps."""
    rise, rest = divmod(other - one, counts[1] - counts[0])
    if rest:
        raise Different("a number that is no straight line over the number of steps")
    return rise


def along(one: int, other: int, counts: tuple[int, int], count: int) -> int:
    """Return a number with another number of steps."""
    return one + line(one, other, counts) * (count - counts[0])


def _rise(numbers: Sequence[int], later: Sequence[int]) -> list[int]:
    if len(numbers) != len(later):
        raise Different("a step has other operations")
    rises = [y - x for x, y in zip(numbers, later, strict=True)]
    return rises if any(rises) else []


def _check(segment: Operations, pattern: Segment, behind: int) -> None:
    if len(segment) != len(pattern.keys):
        raise Different("a step has other operations")
    for n, (key, numbers) in enumerate(segment):
        if key != pattern.keys[n] or numbers != _numbers(pattern, n, behind):
            raise Different("a step has other operations")


def _numbers(pattern: Segment, n: int, behind: int) -> list[int]:
    own = pattern.numbers[n]
    rise = pattern.by_segment[n] if pattern.by_segment else None
    return [x + behind * d for x, d in zip(own, rise, strict=True)] if rise else own


class Follower(Listener):
    """Follows a pattern while a function is recorded, and drops the tape behind itself.

    Parameters
    ----------
    loops : list of Loop
    keeps : bool
        Whether the tape is kept nevertheless.

    Attributes
    ----------
    why : str
        What is different from the pattern; empty if nothing.
    """

    def __init__(self, loops: list[Loop], keeps: bool) -> None:
        super().__init__()
        self.loops, self.keeps, self.why = loops, keeps, ""
        self.pattern, self.behind = Segment([], [], []), 0
        self.gone = Primitive(
            "gone", Kind.MATRIX_FUNCTION, self._refuse, self._refuse, self._refuse,
            notation=function("gone"), samples=list,
        )  # fmt: skip
        self.before = (constant(np.zeros(())),)  # in place of all operands

    def note(self, entry: Tensor) -> None:
        """See that an operation is the next one of the pattern."""
        if self.why:
            raise Different(self.why)
        try:
            super().note(entry)
        except Different as error:
            self.why = str(error)
            raise

    def see(self, key: Key, numbers: list[int]) -> None:
        """See that an operation is the next one of the pattern."""
        n, pattern = self.position, self.pattern
        if n >= len(pattern.keys) or key != pattern.keys[n]:
            raise Different(f"segment {self.segment} has another operation")
        if numbers != _numbers(pattern, n, self.behind):
            raise Different(f"segment {self.segment} has an operation on other numbers")

    def begin(self) -> None:
        """Begin a segment."""
        if self.loop >= len(self.loops):
            raise Different("there are more loops")
        self.pattern, self.behind = self.loops[self.loop].at(self.segment)

    def leave(self, is_last: bool) -> None:
        """See that nothing is missing in a segment, and in a loop if it is the last one."""
        if self.position != len(self.pattern.keys):
            raise Different(f"segment {self.segment} has fewer operations")
        if is_last and self.loop >= 0 and self.segment + 1 != self.loops[self.loop].total:
            raise Different("there are fewer steps")

    def end(self) -> None:
        """See that nothing is missing at all."""
        if self.why:
            raise Different(self.why)
        self.leave(True)
        if self.loop + 1 != len(self.loops):
            raise Different("there are fewer loops")

    def keep(self, entry: Tensor, tag: Tag) -> None:
        """Remember where an operation stands, and nothing else of it."""
        if self.keeps:
            super().keep(entry, tag)
        else:
            entry.primitive, entry.inputs = self.gone, self.before
            entry.parameters = tag  # type: ignore[assignment]

    def tag_of(self, x: Tensor) -> Tag | None:
        """Return where an operand was computed; None if it is a leaf."""
        if self.keeps:
            return super().tag_of(x)
        tag: object = x.parameters
        return tag if type(tag) is Tag else None

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        self.why = "it differentiates"
        raise Different(self.why)
