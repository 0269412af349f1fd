"""What a function does, operation by operation, listed while it is recorded.

Knows the tape and the steps on it; no program. An operation is written as a key, which has no whole
number that may depend on the number of steps, and as these numbers: sizes, indices, and how many
segments there were before the one that an operand was computed in. A segment is what is recorded at
one step, or between two loops.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..engine.place import Place
from ..engine.tensor import Tensor
from .c_forms import whole_of_reciprocal
from .state import NUMBERS

MOST_APART = 8  # operands that are listed one by one
STEP, RESULT = "step", "result"  # keys of what is no operation
NDIM = (
    3  # where the key of an operation has the number of axes of its result, whose sizes are first
)
Key = tuple[Hashable, ...]


class Different(Exception):
    """What is recorded does something else than what was recorded with fewer steps."""


class Tag(NamedTuple):
    """Where an operation stands: its loop, the segment of the loop, and its place in there."""

    loop: int
    segment: int
    position: int


class Listener:
    """Lists the operations of one recording.

    Attributes
    ----------
    inputs : mapping of position to Tensor
        What stands for the arguments; the recording hands it over before it begins.
    """

    def __init__(self) -> None:
        self.inputs: Mapping[Any, Tensor] = {}
        self.place: Place | None = None
        self.tags: dict[int, Tag] = {}  # by the serial number
        self.loop, self.segment, self.position = -1, -1, 0
        self._step: Any = ()  # the loop and the step that it stands in
        self._kept: list[Any] = []  # so that no other object gets an id
        self._leaves: dict[int, Hashable] = {}
        self._parameters: dict[int, tuple[Hashable, list[int]]] = {}

    def note(self, entry: Tensor) -> None:
        """List an operation."""
        if entry.place is not self.place:
            self._enter(entry.place)
        key, numbers = self.write(entry)
        self.see(key, numbers)
        self.keep(entry, Tag(self.loop, self.segment, self.position))
        self.position += 1

    def finish(self, results: Iterable[Tensor]) -> None:
        """List which operations give the results."""
        for x in results:
            tag = self.tag_of(x)
            if tag is None:
                raise Different("a result was not computed")
            self.see((RESULT, (tag.loop, tag.position)), [tag.segment])
            self.position += 1

    def see(self, key: Key, numbers: list[int]) -> None:
        """Take the next operation of a segment."""
        raise NotImplementedError

    def begin(self) -> None:
        """Begin a segment, the first one of a loop if ``segment`` is 0."""
        raise NotImplementedError

    def leave(self, is_last: bool) -> None:
        """End a segment, which may be the last one of its loop."""

    def keep(self, entry: Tensor, tag: Tag) -> None:
        """Remember where an operation stands."""
        self.tags[entry.serial] = tag

    def tag_of(self, x: Tensor) -> Tag | None:
        """Return where an operand was computed; None if it is a leaf."""
        return self.tags.get(x.serial)

    def _enter(self, place: Place) -> None:
        """Stand in another place, which may be another step."""
        self.place = place
        link: Place | None = place
        while link is not None and link.step is None:
            link = link.parent
        if link is None:
            loop, step = None, None
        else:
            loop, step = link.parent, link.step
        before, self._step = self._step, (loop, step)
        if before and before[0] is loop and before[1] == step:
            return
        is_next = bool(before) and before[0] is loop
        self.leave(not is_next)
        if is_next:
            self.segment += 1
        else:
            self._kept.append(loop)
            self.loop, self.segment = self.loop + 1, 0
        self.position = 0
        self.begin()
        if step is not None:
            self.see((STEP,), [step])
            self.position = 1

    # --- keys ------------------------------------------------------------------------------------

    def write(self, entry: Tensor) -> tuple[Key, list[int]]:
        """Return the key and the numbers of an operation."""
        array = entry._array
        numbers = [*array.shape]
        parts: list[Hashable] = [entry.primitive, entry.requires_grad, array.dtype, array.ndim]
        if entry.parameters:
            parts.append(self._written_parameters(entry.parameters, numbers))
        operands = entry.inputs
        if len(operands) > MOST_APART:
            self._write_many(operands, parts, numbers)
        else:
            for x in operands:
                tag = self.tag_of(x)
                if tag is None:
                    parts.append(self._leaf(x, numbers))
                else:
                    parts.append((tag.loop, tag.position))
                    numbers.append(tag.segment)
        return tuple(parts), numbers

    def _write_many(
        self, operands: tuple[Tensor, ...], parts: list[Hashable], numbers: list[int]
    ) -> None:
        """Write operands in runs: of the same operation, in segments at one distance."""
        runs: list[list[Any]] = []  # of each: the operation, the first segment, the step, the count
        for x in operands:
            tag = self.tag_of(x)
            if tag is None:
                runs.append([self._leaf(x, numbers), 0, 0, 1])
                continue
            operation, segment = (tag.loop, tag.position), tag.segment
            if runs and runs[-1][0] == operation:
                _, start, step, count = runs[-1]
                if count == 1:
                    runs[-1][2:] = segment - start, 2
                    continue
                if segment == start + count * step:
                    runs[-1][3] += 1
                    continue
            runs.append([operation, segment, 0, 1])
        for operation, *where in runs:
            parts.append(operation)
            numbers += where

    def _leaf(self, x: Tensor, numbers: list[int]) -> Hashable:
        """Return the key of a leaf: which argument or parameter it is, or else its numbers."""
        known = self._leaves.get(id(x))
        if known is not None:
            return known
        order = (at for at, own in enumerate(self.inputs.values()) if own is x)
        position = next(order, None)  # what an argument is computed to may depend on the steps
        if position is not None or x.requires_grad:
            if x.inputs:
                raise Different("it reads what was computed before")
            key = ("argument", position) if position is not None else ("leaf", id(x))
            self._kept.append(x)
            self._leaves[id(x)] = key
            return key
        array = x._array
        if x.inputs:
            raise Different("it reads what was computed before")
        return ("constant", x.name, array_key(array, numbers))

    def _written_parameters(self, parameters: dict[str, Any], numbers: list[int]) -> Hashable:
        known = self._parameters.get(id(parameters))
        if known is None:
            own: list[int] = []
            key = tuple([(name, key_of(x, own)) for name, x in parameters.items()])
            known = key, own
            if len(self._parameters) < 4096:  # they are shared where an index is used again
                self._kept.append(parameters)
                self._parameters[id(parameters)] = known
        numbers += known[1]
        return known[0]


def key_of(value: Any, numbers: list[int]) -> Hashable:
    """Return the key of a parameter, and append the whole numbers in it."""
    kind = type(value)
    if kind is int or isinstance(value, np.integer):
        numbers.append(int(value))
        return int
    if kind is tuple or kind is list:
        return (kind, *[key_of(x, numbers) for x in value])
    if kind is slice:
        return (slice, *[key_of(x, numbers) for x in (value.start, value.stop, value.step)])
    if isinstance(value, np.ndarray):
        return array_key(value, numbers)
    if isinstance(value, NUMBERS):
        return kind, repr(value)
    return "object", id(value)


def array_key(array: np.ndarray, numbers: list[int]) -> Hashable:
    """Return the key of an array: its one number, or all its entries."""
    numbers += array.shape
    entries = array.ravel()
    content = entries[:1].tobytes()
    if entries.size > 1 and entries.tobytes() != content * entries.size:
        content = entries.tobytes()
    elif entries.size == 1 and array.dtype.kind == "f":
        count = whole_of_reciprocal(entries[0])
        if count is not None:  # such as that of a mean
            numbers.append(count)
            content = b"1/"
    return array.dtype, array.ndim, content


class Listing(Listener):
    """The operations of a recording, in the segments of its loops.

    Attributes
    ----------
    loops : list of list of list of (key, numbers)
    """

    def __init__(self) -> None:
        super().__init__()
        self.loops: list[list[list[tuple[Key, list[int]]]]] = []

    def see(self, key: Key, numbers: list[int]) -> None:
        """Take the next operation of a segment."""
        self.loops[-1][-1].append((key, numbers))

    def begin(self) -> None:
        """Begin a segment."""
        if not self.segment:
            self.loops.append([])
        self.loops[-1].append([])
