"""Which loops run in chunks of their steps, and which signals live within a chunk.

Knows schedules; no text. A pass in chunks keeps the states at the borders of the chunks alone. The
backward pass computes the signals of a chunk again, from the state that the chunk begins with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from ..formulas.fast.lifting import Whole
from ..formulas.fast.lines import Block, Key, Schedule, is_row, key_of_signal
from ..formulas.reader import leaves

Groups = list[tuple[int | None, list[Block]]]


def groups_of(blocks: list[Block]) -> Groups:
    """Return blocks that follow one another and come from the same loop, together."""
    return [(loop, [*group]) for loop, group in groupby(blocks, lambda block: block.of)]


def gathered(schedule: Schedule) -> Schedule:
    """Return a schedule in which the blocks of a loop stand together where their order is free."""
    forward, backward = map(_gathered, (schedule.forward, schedule.backward))
    return replace(schedule, forward=forward, backward=backward)


def _gathered(blocks: list[Block]) -> list[Block]:
    result: list[Block] = []
    for block in blocks:
        ends = [n for n, x in enumerate(result, 1) if x.of == block.of]
        between = result[ends[-1] :] if ends and block.of is not None else []
        is_free = _written(between).isdisjoint(_keys(block)) and _written([block]).isdisjoint(
            key for x in between for key in _keys(x)
        )
        result.insert(ends[-1] if between and is_free else len(result), block)
    return result


def _written(blocks: list[Block]) -> set[Key]:
    return {line.key for block in blocks for line in block.lines}


def loops_in_chunks(schedule: Schedule, steps: int) -> set[int]:
    """Return the loops of so many steps that run once forward, and at most once backward."""
    passes = (schedule.forward, schedule.backward)
    forward, backward = (Counter(loop for loop, _ in groups_of(x)) for x in passes)
    loops = {
        loop
        for loop, count in forward.items()
        if loop is not None and count == 1 and backward[loop] <= 1
    }
    return {x for x in loops if schedule.counts[x] == steps} - _with_shifted_deltas(schedule)


def local_signals(schedule: Schedule, loops: set[int]) -> set[Key]:
    """Return the signals of some loops that are read and computed by their own loop alone."""
    outside = {
        key
        for block in (*schedule.forward, *schedule.backward)
        for key in _keys(block)
        if block.of != schedule.loop_of.get(key)
    }
    both = schedule.before.keys() & schedule.after.keys()
    own = {key for key, loop in schedule.loop_of.items() if loop in loops}
    return own - outside - both


def _with_shifted_deltas(schedule: Schedule) -> set[int]:
    """Return the loops in which a step reads the δ of another step that was not handed to it."""
    return {
        block.of
        for block in schedule.backward
        if block.of is not None
        for line in block.lines
        for x in leaves(line.formula)
        if x.is_delta and x.offset and (is_row(x) or isinstance(x, Whole))
    }


def _keys(block: Block) -> Iterator[Key]:
    for line in block.lines:
        yield line.key
        yield from map(key_of_signal, leaves(line.formula))
