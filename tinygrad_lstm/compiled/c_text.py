"""The text of a program in C, and the memory that it takes.

Knows statements and arrays; no formula. What one pass alone uses lies where the other pass has its
own; an array that nobody reads after its pass is given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .fuse import arrays_of, fuse
from .places import Buffer, Sizes
from .statements import Statement, write

HEAD = (
    "void run(real **sources, real *gradients, real *work, const long *sizes, gemm_function *gemm)"
)
LINE = 16  # entries, which begin a line of the processor's cache
Laid = list[tuple[Buffer, int]]  # arrays, and where each begins


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
    gradients : tuple of (Buffer, int)
        Each with its place in one array, in entries.
    sizes : tuple of int
        And where each gradient, and each array that the program works in, begins.
    work : int
        How many entries of memory the program works in; the first one is the loss.
    """

    text: str
    dtype: np.dtype[Any]
    sources: tuple[Buffer, ...]
    gradients: tuple[tuple[Buffer, int], ...]
    sizes: tuple[int, ...]
    work: int

    @property
    def results(self) -> int:
        """How many entries all gradients have."""
        return sum(buffer.size for buffer, _ in self.gradients)


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
    kept, end = _laid([*of["loss"], *(x for x in inner if x.name in before & after)], 0)
    first, first_end = _laid([x for x in inner if x.name in before - after], end)
    second, second_end = _laid([x for x in inner if x.name in after - before], end)
    results, _ = _laid(of["gradient"], 0, 1)
    lines = [[*write(statements, n, 2)] for statements in passes]  # which say what sizes they need
    starts: list[int] = []

    def pointers(base: str, laid: Laid, says: str) -> list[str]:
        at = len(n.names) + len(starts)
        starts.extend(start for _, start in laid)
        return [
            f"real *restrict {x.name} = {base} + sizes[{at + number}];{says}"
            for number, (x, _) in enumerate(laid)
        ]

    head = [
        *(f"const long {x} = sizes[{number}];" for number, x in enumerate(n.names.values())),
        *(
            f"const real *restrict {x.name} = sources[{number}];"
            for number, x in enumerate(sources)
        ),
        *pointers("work", kept, " /* kept for the second pass */"),
    ]
    inside = [
        "{ /* the forward pass */",
        *(f"    {x}" for x in pointers("work", first, "")),
        *(x[4:] for x in lines[0]),
        "}",
        "if (!gradients) return;",
        f"{{ /* the {result}s */",
        *(f"    {x}" for x in pointers("gradients", results, f" /* {result} */")),
        *(f"    {x}" for x in pointers("work", second, "")),
        *(x[4:] for x in lines[1]),
        "}",
    ]
    kind = ["#define REAL_IS_FLOAT"] if dtype.itemsize == 4 else []
    text = "\n".join([
        *kind, '#include "mathematics.c"', "", HEAD, "{",
        *(f"    {x}" for x in (*head, *inside)), "}", "",
    ])  # fmt: skip
    sizes = (*n.names, *starts)
    work = max(first_end, second_end, 1)
    return CProgram(text, dtype, sources, tuple(results), sizes, work)


def _laid(buffers: Sequence[Buffer], start: int, unit: int = LINE) -> tuple[Laid, int]:
    """Return where each array begins in the memory from a start on, and where the last ends."""
    laid = []
    for buffer in buffers:
        laid.append((buffer, start))
        start += -(-buffer.size // unit) * unit
    return laid, start
