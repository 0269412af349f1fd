"""The text of a program in C, and the memory that it takes.

Knows statements and arrays; no formula. What one pass alone uses lies where the other pass has its
own; an array that nobody reads after its pass is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, NamedTuple

import numpy as np

from .accessors import CHUNK
from .fuse import all_of, arrays_of, fuse, touched
from .places import Buffer, Sizes
from .statement_text import write
from .statements import Chunks, Statement

HEAD = (
    "void run(real **sources, real *gradients, real *work, const long *sizes, "
    "const library *numpys)"
)
LINE = 16  # entries, which begin a line of the processor's cache
Laid = list[tuple[Buffer, int]]  # arrays, and where each begins


class Arrays(NamedTuple):
    """The arrays that a program writes.

    Attributes
    ----------
    kept : tuple of Buffer
        Those that the second pass reads too.
    of_passes : (tuple of Buffer, tuple of Buffer)
        Those of one pass alone.
    results : tuple of Buffer
        The gradients.
    """

    kept: tuple[Buffer, ...]
    of_passes: tuple[tuple[Buffer, ...], tuple[Buffer, ...]]
    results: tuple[Buffer, ...]


@dataclass(frozen=True)
class CProgram:
    """The text of a program, and the memory that the function takes.

    Attributes
    ----------
    text : str
    dtype : dtype
        Of all numbers.
    sources : tuple of Buffer
        Those that it reads; each is an array of its own.
    named : tuple of int
        The sizes that have a name in the text.
    arrays : Arrays
    bounds : tuple of int
        The sizes that are other ones in each chunk of steps.
    unshifted : frozenset of str
        The arrays that a chunk reads as a whole.
    in_chunks : tuple of int
        How many steps a chunk has, how many chunks there are, and the bounds in a chunk and in the
        last one; empty if nothing runs in chunks.
    """

    text: str
    dtype: np.dtype[Any]
    sources: tuple[Buffer, ...]
    named: tuple[int, ...]
    arrays: Arrays
    bounds: tuple[int, ...] = ()
    unshifted: frozenset[str] = frozenset()
    in_chunks: tuple[int, ...] = ()

    @property
    def gradients(self) -> list[tuple[Buffer, int]]:
        """Each gradient with its place in one array, in entries."""
        return _laid(self.arrays.results, 0, 1)[0]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes, and where each array begins that the program works in, and each gradient."""
        kept, end = _laid(self.arrays.kept, 0)
        parts = (kept, *(_laid(x, end)[0] for x in self.arrays.of_passes), self.gradients)
        return (*self.named, *(start for laid in parts for _, start in laid), *self.in_chunks)

    @property
    def work(self) -> int:
        """How many entries of memory the program works in; the first one is the loss."""
        _, end = _laid(self.arrays.kept, 0)
        return max(1, *(_laid(x, end)[1] for x in self.arrays.of_passes))

    @property
    def results(self) -> int:
        """How many entries all gradients have."""
        return sum(buffer.size for buffer in self.arrays.results)


def c_text(
    forward: Sequence[Statement],
    backward: Sequence[Statement],
    buffers: Sequence[Buffer],
    n: Sizes,
    dtype: np.dtype[Any],
    result: str,
) -> CProgram:
    """Return a program of two passes.

    Parameters
    ----------
    forward, backward : sequence of Statement
        Changed.
    buffers : sequence of Buffer
        The arrays of the statements.
    n : Sizes
        How a size is written.
    dtype : dtype
        Of all numbers.
    result : str
        What an array of the second pass is that the caller is given: ``gradient``.
    """
    of = {role: [x for x in buffers if x.role == role] for role in ("source", "gradient", "loss")}
    inner = [x for x in buffers if x.role == "work"]
    passes = fuse([forward, backward], {x.name for x in inner})
    before, after = map(arrays_of, passes)
    sources = tuple(x for x in of["source"] if x.name in before | after)
    kept = (*of["loss"], *(x for x in inner if x.name in before & after))
    first = tuple(x for x in inner if x.name in before - after)
    second = tuple(x for x in inner if x.name in after - before)
    results = tuple(of["gradient"])
    lines = [[*write(statements, n, 2)] for statements in passes]  # which say what sizes they need
    number = count(len(n.names))

    def pointers(base: str, arrays: Sequence[Buffer], says: str) -> list[str]:
        return [f"real *restrict {x.name} = {base} + sizes[{next(number)}];{says}" for x in arrays]

    def of_chunks() -> list[str]:
        at = next(number)
        return [
            f"const long chunk = sizes[{at}], chunks = sizes[{at + 1}], many = {len(n.bounds)};",
            f"const long *of_chunk = sizes + {at + 2};",
        ]

    head = [
        *(f"const long {x} = sizes[{at}];" for at, x in enumerate(n.names.values())),
        *(f"const real *restrict {x.name} = sources[{at}];" for at, x in enumerate(sources)),
        *pointers("work", kept, " /* kept for the second pass */"),
    ]
    of_first, of_second = (pointers("work", x, "") for x in (first, second))
    of_results = pointers("gradients", results, f" /* {result} */")
    unshifted = _unshifted(chain(*passes))
    if unshifted is not None:
        head += of_chunks()
    inside = [
        "{ /* the forward pass */",
        *(f"    {x}" for x in of_first),
        *(x[4:] for x in lines[0]),
        "}",
        "if (!gradients) return;",
        f"{{ /* the {result}s */",
        *(f"    {x}" for x in of_results),
        *(f"    {x}" for x in of_second),
        *(x[4:] for x in lines[1]),
        "}",
    ]
    kind = ["#define REAL_IS_FLOAT"] if dtype.itemsize == 4 else []
    text = "\n".join([
        *kind, '#include "mathematics.c"', '#include "products.c"', "", HEAD, "{",
        *(f"    {x}" for x in (*head, *inside)), "}", "",
    ])  # fmt: skip
    arrays = Arrays(kept, (first, second), results)
    bounds, unshifted = (*n.bounds,), unshifted or frozenset()
    return CProgram(text, dtype, sources, (*n.names,), arrays, bounds, unshifted)


def _unshifted(statements: Iterable[Statement]) -> frozenset[str] | None:
    """Return the arrays that chunks read without their own place in it; None without chunks."""
    bodies = [x.body for x in statements if isinstance(x, Chunks)]
    places = (place for x in all_of(chain(*bodies)) for place in touched(x))
    names = frozenset(place.base for place in places if CHUNK not in place.step)
    return names if bodies else None


def _laid(buffers: Sequence[Buffer], start: int, unit: int = LINE) -> tuple[Laid, int]:
    """Return where each array begins in the memory from a start on, and where the last ends."""
    laid = []
    for buffer in buffers:
        laid.append((buffer, start))
        start += -(-buffer.size // unit) * unit
    return laid, start
