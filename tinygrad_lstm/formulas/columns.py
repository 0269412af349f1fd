"""Tables and lines that fit a terminal.

Knows text alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

WIDTH = 80


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; an entry that is too wide is cut in the middle."""
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    lines = [
        "  ".join(
            cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in (head, *body)
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def cut(text: str, width: int) -> str:
    """Return text cut to a width.

    >>> cut("lstm.layers.0.state[1]", 12)
    'lstm.…ate[1]'
    """
    start, end = (width - 1) // 2, width - 1 - (width - 1) // 2
    return text if len(text) <= width else f"{text[:start]}…{text[len(text) - end :]}"


def wrap(line: str) -> list[str]:
    """Return a long line as several lines, indented; from the second on a little more.

    An equation is broken before the terms of its sum, if they fit.

    >>> wrap("  y = " + " + ".join(["a ∘ (1 - a)"] * 6))[1:]
    ['    + a ∘ (1 - a)']
    """
    lead = line[: len(line) - len(line.lstrip())]
    lines, more = [""], f"{lead}  "
    for term in _terms(line) if " = " in line else [line]:
        if lines[-1] and len(lines[-1]) + len(term) > WIDTH:
            lines.append(more + term.lstrip())
        else:
            lines[-1] += term
    folded = (textwrap.wrap(row, WIDTH, subsequent_indent=f"{more}  " if row.startswith(more)
                           else more, break_on_hyphens=False) for row in lines)  # fmt: skip
    return [part for parts in folded for part in parts]


def _terms(equation: str) -> list[str]:
    """Return an equation in pieces, cut before each plus or minus outside of brackets."""
    terms, depth, start = [], 0, 0
    for at, letter in enumerate(equation):
        depth += (letter in "([⟨") - (letter in ")]⟩")
        if depth == 0 and equation[at : at + 3] in (" + ", " - ") and at > start:
            terms.append(equation[start:at])
            start = at
    return [*terms, equation[start:]]


def shape(of: tuple[int, ...]) -> str:
    """Return a shape, or a position, as people write it.

    >>> shape((3,)), shape((3, 4))
    ('(3,)', '(3, 4)')
    """
    return "(" + ", ".join(map(str, of)) + ("," if len(of) == 1 else "") + ")"


def size(value: float) -> str:
    """Return the size of a difference in two digits; "" where there is no difference."""
    return "" if np.isnan(value) else "0" if value == 0 else f"{value:.1e}"
