"""A pass over the statements of a program: what is computed entry by entry becomes one loop.

Knows statements and places; no formula. Two expressions of one shape are computed in one loop if
neither reads an entry that the other one writes for another entry. A value that nothing else reads
is then a variable of the loop, and lies nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .accessors import Accessor, array
from .statements import Entries, Group, Nest, Statement, Steps, Writing

MOST_PARTS = 24  # expressions of one loop
MOST_PIECES = 8  # of one expression
MOST_ENTRIES = 1 << 16  # of places that are compared entry by entry


def fuse(passes: Sequence[Sequence[Statement]], inner: Set[str]) -> list[list[Statement]]:
    """Return a program in which entrywise statements are groups, as large as can be.

    Parameters
    ----------
    passes : sequence of sequences of Statement
        Changed.
    inner : set of str
        The arrays that nobody reads after the program.
    """
    _remove_copies(passes, inner)
    fused = [_fused(statements) for statements in passes]
    uses = _uses(chain(*fused))
    for statement in all_of(chain(*fused)):
        if isinstance(statement, Group):
            own = _uses([statement])
            read_first = _read_first(statement)
            statement.variables = {
                base
                for base in inner & own.keys()
                if own[base] == uses[base] and base not in read_first
            }
    return fused


def _uses(statements: Iterable[Statement]) -> Counter[str]:
    """Return how often statements write or read each array."""
    return Counter(place.base for x in all_of(statements) for place in touched(x))


def arrays_of(statements: Sequence[Statement]) -> set[str]:
    """Return the names of the arrays that statements write or read."""
    return {
        place.base
        for x in all_of(statements)
        for place in touched(x)
        if not isinstance(x, Group) or place.base not in x.variables
    }


def all_of(statements: Iterable[Statement]) -> Iterator[Statement]:
    """Return statements, and those in their loops."""
    for x in statements:
        if isinstance(x, Nest):
            yield from all_of(x.body)
        yield x


def _read_first(group: Group) -> set[str]:
    """Return the arrays of which a group reads what it has not written."""
    written: set[Accessor] = set()
    bases: set[str] = set()
    for part in group.parts:
        bases.update(x.base for x in part.reads if x not in written)
        written.add(part.target)
    return bases


# --- copies ---------------------------------------------------------------------------------------


def _remove_copies(passes: Sequence[Sequence[Statement]], inner: Set[str]) -> None:
    """Let a step work in the row that it would copy, if nothing else reads the row."""
    everything = [*chain(*passes)]
    uses = _uses(everything)
    writings = [x for x in all_of(everything) if isinstance(x, Writing)]
    reads = Counter(base for x in writings for base in {y.base for y in x.reads})
    for loop in everything:
        if not isinstance(loop, Steps):
            continue
        own = _uses(loop.body)
        for x in [*loop.body]:
            if not isinstance(x, Entries) or x.text != "{0}" or x.adds:
                continue
            (source,), target = x.reads, x.target
            if (
                {source.base, target.base} <= inner
                and reads[source.base] == own[source.base] == 1
                and own[target.base] == uses[target.base]
                and target == array(target.base, target.shape)
                and source.step and source.is_contiguous and source.shape == target.shape
                and x is next(y for y in all_of(loop.body) if target in touched(y))
            ):  # fmt: skip
                loop.body.remove(x)
                for statement in all_of(loop.body):
                    _move_into(statement, target.base, source)


def touched(x: Statement) -> list[Accessor]:
    """Return the places that a statement itself writes or reads."""
    return x.places if isinstance(x, Writing | Group) else []


def _move_into(x: Statement, base: str, row: Accessor) -> None:
    """Let a statement use the row of a sequence in place of a whole array."""
    if isinstance(x, Writing):
        x.target, *x.reads = (
            replace(row, offset=row.offset + y.offset, shape=y.shape, strides=y.strides)
            if y.base == base
            else y
            for y in x.places
        )


# --- groups ---------------------------------------------------------------------------------------


def _fused(statements: Sequence[Statement]) -> list[Statement]:
    result: list[Statement] = []
    for x in statements:
        if isinstance(x, Nest):
            x.body[:] = _fused(x.body)
        if not isinstance(x, Entries):
            result.append(x)
            continue
        for part in _pieces(_with_sum(x), statements):
            _put(part, result)
    return result


def _with_sum(x: Entries) -> Entries:
    """Return an expression that adds to its target as one that reads the target."""
    if not x.adds or not is_apart(x):
        return x
    return Entries(x.target, x.places[1:] + [x.target], f"{{{len(x.reads)}}} + {x.text}")


def _pieces(x: Entries, beside: Sequence[Statement]) -> Iterator[Entries]:
    """Return an expression in pieces of the width of those that read or write a part of it."""
    *lead, width = (1, *x.target.shape)
    bases = {y.base for y in x.places}
    widths = [
        y.target.shape[-1]
        for y in beside
        if isinstance(y, Entries)
        and [1, *y.target.shape[:-1]] == lead
        and y.target.shape
        and 1 < y.target.shape[-1] < width
        and width % y.target.shape[-1] == 0
        and bases.intersection(place.base for place in y.places)
    ]
    if not widths or width // min(widths) > MOST_PIECES:
        yield x
        return
    size = min(widths)
    for start in range(0, width, size):
        target, *reads = (
            replace(y, offset=y.offset + start * y.strides[-1], shape=(*y.shape[:-1], size))
            for y in x.places
        )
        yield replace(x, target=target, reads=reads)


def _put(part: Entries, result: list[Statement]) -> None:
    """Add an expression to an earlier group if nothing in between forbids that."""
    if is_apart(part):
        for earlier in reversed(result):
            if isinstance(earlier, Group) and _fits(part, earlier):
                earlier.parts.append(part)
                return
            if not _may_pass(part, earlier):
                break
        result.append(Group([part]))
    else:
        result.append(part)


def _may_pass(part: Entries, earlier: Statement) -> bool:
    """Return whether an expression may be computed before another statement."""
    if not isinstance(earlier, Writing | Group):
        return False
    written = {x.base for x in earlier.written}
    touched = {x.base for x in earlier.places}
    return part.target.base not in touched and written.isdisjoint(x.base for x in part.reads)


def _fits(part: Entries, group: Group) -> bool:
    first = group.parts[0]
    if len(group.parts) >= MOST_PARTS or first.target.shape != part.target.shape:
        return False
    return all(
        x == y or are_disjoint(x, y)
        for other in group.parts
        for x, y in (
            *((other.target, y) for y in part.places),
            *((x, part.target) for x in other.reads),
        )
        if x.base == y.base
    )


def is_apart(x: Entries) -> bool:
    """Return whether the entries of an expression can be computed in any order."""
    target = x.target
    is_sum = any(n > 1 and not s for n, s in zip(target.shape, target.strides, strict=True))
    return not is_sum and all(
        y == target or are_disjoint(y, target) for y in x.reads if y.base == target.base
    )


def are_disjoint(x: Accessor, y: Accessor) -> bool:
    """Return whether two places in one array have no entry in common, at one step."""
    if 0 in x.shape or 0 in y.shape:
        return True
    if (x.step, x.row) != (y.step, y.row):
        return False
    (a, b), (c, d) = _bounds(x), _bounds(y)
    if b <= c or d <= a:
        return True
    start, end = min(a, c), max(b, d)
    if end - start > MOST_ENTRIES:
        return False
    is_of = np.zeros((2, end - start), bool)
    for row, place in zip(is_of, (x, y), strict=True):
        as_strided(row[place.offset - start :], place.shape, place.strides)[...] = True
    return not np.any(is_of[0] & is_of[1])


def _bounds(x: Accessor) -> tuple[int, int]:
    reach = [(n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)]
    return x.offset + sum(min(0, r) for r in reach), x.offset + sum(max(0, r) for r in reach) + 1
