"""The program of many steps, from those of few.

Knows programs, patterns and recordings. A function is recorded with two small numbers of steps, of
parts of its arguments, and each recording is made a program. Where the texts are the same, the
sizes of a program of many steps follow. That the function does with many steps what the pattern of
the two says is seen while it runs with all of them, once.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from ..engine.memory import give_back_memory
from ..engine.tensor import Tensor, constant
from ..network.parameters import is_same as is_like
from .before import Before
from .c_source import c_program
from .c_text import Arrays, CProgram
from .listing import Different, Listing
from .native import Native
from .pattern import Follower, Loop, Pattern, along, memory
from .places import Buffer
from .proof import (
    WRONG,
    Function,
    Right,
    is_place,
    prove,
    right_of,
    take_numbers,
    what_is_wrong,
)  # fmt: skip
from .recording import Recording, is_floats
from .spread import Spread, is_whole

FEW = ((17, 19), (23, 29), (31, 37))  # pairs of numbers of steps, prime to most sizes
MOST_KEPT = 1 << 26  # bytes of a tape that is kept to compare the gradients of many steps
OTHER_TEXT = "another text"
MANY = 60  # steps; fewer are recorded as they are
FEWER = f"there are fewer than {MANY} steps"


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
    if not isinstance(x, Tensor):  # of whole numbers such that fit few steps, as lengths have to
        return np.minimum(part, few) if part.dtype.kind in "iu" else part
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


class Many(NamedTuple):
    """The program of many steps.

    Attributes
    ----------
    program : Native
    recording : Recording
        Of all steps, which keeps no tape.
    operands : list of int or Tensor
        What there is a gradient by.
    keeps : str
        Why the program keeps all steps, where it was to keep few; else empty.
    """

    program: Native
    recording: Recording
    operands: list[Any]
    keeps: str = ""


def from_few_steps(function: Function, items: Sequence[Any], before: Before) -> Many | str:
    """Return the program of many steps that follows from programs of few, or why none does."""
    counts, why = numbers_of_steps(items), FEWER
    for count in counts:
        for pair in FEW:
            try:
                return _lengthened(function, items, before, count, pair)
            except Different as error:
                why = str(error)
                if why != OTHER_TEXT:  # other numbers of steps would not help
                    break
            except Exception as error:  # of the function itself, too, which few steps need not suit
                why = str(error).removeprefix("compile: ")
                break
    if not function.checkpoint or not counts:
        return why
    result = from_few_steps(function._replace(checkpoint=False), items, before)
    return why if isinstance(result, str) else result._replace(keeps=why)


class Few(NamedTuple):
    """What recordings of few steps say of many.

    Attributes
    ----------
    program : CProgram
        Of many steps.
    places : dict of str to int, Spread or Tensor
        Where each source comes from.
    operands : list of int or Tensor
    loops : list of Loop
        What is recorded with many steps.
    recordings : list of Recording
        Which have forgotten their numbers.
    """

    program: CProgram
    places: dict[str, Any]
    operands: list[Any]
    loops: list[Loop]
    recordings: list[Recording]


def _from_two(
    function: Function, items: Sequence[Any], before: Before, count: int, pair: tuple[int, int]
) -> Few:
    """Return what two recordings of few steps say, of which nothing else is kept."""
    few = [shortened(items, count, n) for n in pair]
    listings = Listing(), Listing()
    firsts: list[Recording] = []
    numbers: list[Right] = []
    for own, listing in zip(few, listings, strict=True):
        firsts.append(function.record(own, listener=listing))
        numbers.append(take_numbers(function, own, firsts[-1]))
    loops = Pattern(*listings, pair).loops(count)
    if not any(loop.middle for loop in loops):
        raise Different("no step more")
    proved = [
        prove(function, own, first, right, before)
        for own, first, right in zip(few, firsts, numbers, strict=True)
    ]
    in_chunks = pair if function.checkpoint else (0, 0)
    short = [c_program(x.derived, x.places, n) for x, n in zip(proved, in_chunks, strict=True)]
    *own_programs, program = (lengthened(short[0], short[1], pair, n) for n in (*pair, count))
    buffers = ((*x.sources, *x.arrays.results) for x in short)
    for x, y in zip(*buffers, strict=True):
        if not x.source:
            continue
        own, other = proved[0].places[x.source], proved[1].places[y.source]
        if not is_place(_placed(own, firsts[0], firsts[1]), other):
            raise Different("other sources")
    places = proved[0].places
    for given, known, text in zip(few, proved, own_programs, strict=True):
        native = Native(text, _all_placed(places, firsts[0], known.first))
        if what_is_wrong(native, known.first, known.right, given, function):
            raise Different(WRONG)
    return Few(program, places, proved[0].operands, loops, firsts)


def _placed(place: Any, one: Recording, other: Recording) -> Any:
    """Return where a source of one recording comes from in another one."""
    if not isinstance(place, Spread):
        return place
    return place.counterparts([*one.inputs], [*other.inputs])


def _all_placed(places: dict[str, Any], one: Recording, other: Recording) -> dict[str, Any]:
    return {name: _placed(place, one, other) for name, place in places.items()}


def _lengthened(
    function: Function, items: Sequence[Any], before: Before, count: int, pair: tuple[int, int]
) -> Many:
    """Return the program of many steps, which the function was seen to do."""
    program, places, operands, loops, firsts = _from_two(function, items, before, count, pair)
    keeps = memory(loops) < MOST_KEPT
    if not keeps:
        gc.collect()  # the networks of few steps, which hold parts of large arrays
    follower = Follower(loops, keeps)
    whole = function.record(items, listener=follower)
    follower.end()
    structure, outputs = whole.result
    results = (x.result for x in firsts)
    is_same = all(own == structure and is_like(x, outputs) for own, x in results)
    if whole.refused or not is_same or before.has_changed():
        raise Different("other results")
    give_back_memory()  # of what the tape held for a moment
    native = Native(program, _all_placed(places, firsts[0], whole))
    right = right_of(whole) if follower.keeps else (whole.loss._array, None)
    if what_is_wrong(native, whole, right, items, function):
        raise Different(WRONG)
    return Many(native, whole, operands)
