"""The program of many steps, from those of few.

Knows programs, patterns and recordings. A function is recorded with two small numbers of steps, of
parts of its arguments, and each recording is made a program. Where the texts are the same, the
sizes of a program of many steps follow. That the function does with many steps what the pattern of
the two says is seen while it runs with all of them, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isqrt
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, constant
from .c_text import Arrays, CProgram
from .listing import Different
from .pattern import along
from .places import Buffer
from .recording import is_floats
from .spread import is_whole

FEW = ((17, 19), (23, 29), (31, 37))  # pairs of numbers of steps, prime to most sizes
OTHER_TEXT = "another text"
MANY = 60  # steps; fewer are recorded as they are


def numbers_of_steps(items: Sequence[Any]) -> list[int]:
    """Return what may be the number of steps: the lengths of the arguments' first axes."""
    shapes = [np.shape(getattr(x, "_array", x)) for x in items if _is_array(x)]
    lengths = [shape[axis] for axis in (0, 1) for shape in shapes if len(shape) > axis]
    return [n for n in dict.fromkeys(lengths) if n >= MANY]


def shortened(items: Sequence[Any], count: int, few: int) -> list[Any]:
    """Return arguments with few entries along each axis that has as many as there are steps."""
    return [_part(x, count, few) if _is_array(x) else x for x in items]


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor) or is_floats(x) or is_whole(x)


def _part(x: Any, count: int, few: int) -> Any:
    array = x._array if isinstance(x, Tensor) else x
    index = tuple(slice(few if n == count else n) for n in array.shape)
    part = np.ascontiguousarray(array[index])
    if not isinstance(x, Tensor):
        return part
    short = constant(part, x.name)
    short.requires_grad = x.requires_grad
    return short


def lengthened(one: CProgram, other: CProgram, counts: tuple[int, int], count: int) -> CProgram:
    """Return the program of another number of steps.

    Parameters
    ----------
    one, other : CProgram
    counts : (int, int)
        The numbers of steps of these.
    count : int

    Raises
    ------
    Different
        If the programs have more in them that depends on the number of steps than sizes have.
    """
    if one.text != other.text or one.dtype != other.dtype:
        raise Different(OTHER_TEXT)

    def sizes(own: Sequence[int], others: Sequence[int]) -> Iterator[int]:
        for x, y in zip(own, others, strict=True):
            yield along(x, y, counts, count)

    chunk = isqrt(count)
    chunks = -(-count // chunk)

    def buffer(x: Buffer, y: Buffer) -> Buffer:
        axes = _changed_axes(x, y)
        if (x.name, x.role, x.kind) != (y.name, y.role, y.kind) or len(axes) > 1:
            raise Different("a size that is no straight line over the number of steps")
        if axes and (x.kind == "border" or (x.kind == "chunk" and axes != [0])):
            raise Different("an array of a chunk that grows along another axis than its first")
        if axes and not x.kind and x.name in one.unshifted:
            raise Different("a step that reads all steps of a sequence")
        if x.kind == "border":
            return replace(x, shape=(chunks + 1, *x.shape))
        n = chunk if x.kind == "chunk" else count
        shape = tuple(along(*pair, counts, n) for pair in zip(x.shape, y.shape, strict=True))
        return replace(x, shape=shape)

    def buffers(own: Sequence[Buffer], others: Sequence[Buffer]) -> tuple[Buffer, ...]:
        return tuple(buffer(x, y) for x, y in zip(own, others, strict=True))

    a, b = one.arrays, other.arrays
    passes = [buffers(x, y) for x, y in zip(a.of_passes, b.of_passes, strict=True)]
    arrays = Arrays(buffers(a.kept, b.kept), (passes[0], passes[1]), buffers(a.results, b.results))
    in_chunks: tuple[int, ...] = ()
    if one.bounds:
        last = count - (chunks - 1) * chunk
        bounds = (
            along(x, y, counts, n)
            for n in (chunk, last)
            for x, y in zip(one.bounds, other.bounds, strict=True)
        )
        in_chunks = chunk, chunks, *bounds
    return replace(
        one,
        sources=buffers(one.sources, other.sources),
        named=(*sizes(one.named, other.named),),
        arrays=arrays,
        in_chunks=in_chunks,
    )


def _changed_axes(one: Buffer, other: Buffer) -> list[int]:
    """Return along which axes an array grows with the number of steps."""
    pairs = enumerate(zip(one.shape, other.shape, strict=True))
    return [axis for axis, (x, y) in pairs if x != y]
