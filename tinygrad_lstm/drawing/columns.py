"""The columns of one row of a picture, brought near to each other.

Knows DOT text with places. The layout program gives all rows the same columns, each as wide as the
widest of its contents in any row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from .joints import ATTRIBUTE, STATEMENT

Span = tuple[float, float]  # from left to right

WIDEST = 12.0  # points between two columns
MARGIN = 3.0  # points on either side of the border of a frame


def narrowed(rows: list[str]) -> list[Callable[[float], float]]:
    """Return where each place of each row moves to, from left to right, in points.

    What stands in a row moves as it is; space between columns is made narrow. Rows with the same
    contents keep the same columns.

    >>> rows = ['a [pos="10,0", width=0.5]\\nb [pos="99,5", width=0.5]', 'c [pos="9,0", width=1]']
    >>> [[move(x) for x in (10.0, 99.0)] for move in narrowed(rows)]
    [[10.0, 58.0], [10.0, 99.0]]
    """
    spans = [sorted(_spans(row)) for row in rows]
    contents = [tuple(sorted(f"{end - start:.0f}" for start, end in own)) for own in spans]
    together: dict[tuple[str, ...], list[Span]] = {}
    for own, content in zip(spans, contents, strict=True):
        together.setdefault(content, []).extend(own)
    moves = {content: _move(sorted(own)) for content, own in together.items()}
    return [moves[content] for content in contents]


def _move(spans: list[Span]) -> Callable[[float], float]:
    """Return where each place moves to if nothing stands between some spans."""
    columns = spans[:1]
    for left, right in spans[1:]:
        if left <= columns[-1][1]:
            columns[-1] = columns[-1][0], max(right, columns[-1][1])
        else:
            columns.append((left, right))
    knots = [columns[0][:1] * 2] if columns else []
    at = knots[0][0] if knots else 0.0
    for (start, end), (left, _) in pairwise(columns):
        knots.append((end, at := at + end - start))
        knots.append((left, at := at + min(left - end, WIDEST)))

    def move(x: float) -> float:
        for (before, new_before), (after, new_after) in pairwise(knots):
            if x <= after:
                scale = (new_after - new_before) / (after - before) if x > before else 1.0
                return new_before + (x - before) * scale
        return x + knots[-1][1] - knots[-1][0] if knots else x

    return move


def _spans(row: str) -> Iterator[Span]:
    """Yield where each node, each border of a frame and each title is, from left to right."""
    for match in STATEMENT.finditer(row):
        look = {key: text.strip('"') for key, text in ATTRIBUTE.findall(match[4])}
        if match[3]:
            continue
        if "bb" in look:
            left, _, right, _ = map(float, look["bb"].split(","))
            yield from ((border - MARGIN, border + MARGIN) for border in (left, right))
        for place, width in (("pos", "width"), ("lp", "lwidth")):
            if place in look and width in look:
                x, half = float(look[place].split(",")[0]), 36 * float(look[width])
                yield x - half, x + half
