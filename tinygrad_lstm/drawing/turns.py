"""The rows of a picture, one below the other in order, and the lines from one row to another.

Knows DOT text, and the places in it that a layout program writes. The program lays out rows that no
line connects. Here they are put in order; a line leaves a row at its right border, and leads
between two rows to the left border of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from .columns import narrowed
from .joints import ATTRIBUTE, STATEMENT, along, curve
from .text import AT_USE, MONO_WIDTH, unescape_lines

ROW_MARGIN = 2.0  # points between what is in a row and its border
LANE = 7.0  # points between two lines beside each other
APART = 8.0  # points more between such a line and one along a row
BEND = 8.0  # points of a corner
STRENGTH = 50  # by which the ends of a row are drawn to its borders
ROW = re.compile(r"subgraph \w+_row(\d+) {")
BOX = re.compile(r'\bbb="([^"]*)"')
POSITION = re.compile(r'\b(bb|lp|pos)="([^"]*)"')
POINT = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?),(-?[\d.]+(?:e[+-]?\d+)?)")
STATEMENTS = re.compile(STATEMENT.pattern + ";?")
BESIDE = re.compile(r"\{\s*rank=same\s*(\w+ \[[^]]*\])[^{}]*\}")  # one above the other, of one rank
UNSEEN = 'style=invis, width="0.01", height="0.01", fixedsize=true, label=""'

Move = tuple[Callable[[float], float], float]  # across, and up
Line = re.Match[str]  # a statement of DOT text; its tail and head are groups 2 and 3


class Turn(NamedTuple):
    """A line from one row to another: its statement, the rows, and the points at its ends."""

    line: Line
    tail: int
    head: int
    start: complex
    end: complex

    @property
    def goes_down(self) -> bool:
        """Whether it leads to a lower row."""
        return self.tail < self.head

    @property
    def space(self) -> int:
        """The row below which it leads back to the left."""
        return self.head - self.goes_down

    @property
    def passed(self) -> range:
        """The rows to the right of which it stands upright."""
        first, last = (self.tail, self.head - 1) if self.goes_down else (self.head + 1, self.tail)
        return range(first, last + 1)

    @property
    def heights(self) -> tuple[int, int]:
        """The first and the last of these rows, twice, and one more for the space below a row."""
        first, last = 2 * self.passed[0], 2 * self.passed[-1]
        return (first, last + 1) if self.goes_down else (first - 1, last)


def without_turns(dot: str) -> tuple[str, list[Line]]:
    """Return a DOT text without the lines from one row to another, and these lines.

    The ends of the lines stand at the borders of their rows.
    """
    lines = [line for line in STATEMENT.finditer(dot) if line[3]]
    turns = [line for line in lines if "constraint=false" in line[4]]
    if not turns:
        return dot, []
    exits, entries = {line[2] for line in turns}, {line[3] for line in turns}
    kept = [line for line in lines if "constraint=false" not in line[4]]
    tails, heads = {line[2] for line in kept}, {line[3] for line in kept}
    near_use = {line[2] for line in STATEMENT.finditer(dot) if AT_USE in line[4]}
    text, inside = dot, ""
    for row, (start, end) in sorted(_rows(dot), key=lambda item: -item[1][0]):
        in_frames = BESIDE.sub(r"\1", _without_words(dot[start:end]))
        at_border = exits | entries | set(_names(_outside_of_frames(in_frames)))
        for name in _names(in_frames):
            look = f"[style=invis, weight={STRENGTH if name in at_border else 0}];\n"
            if name not in heads | near_use:
                inside += f"border_l{row} -> {name} {look}"
            if name not in tails:
                inside += f"{name} -> border_r{row} {look}"
        borders = f"border_l{row} [{UNSEEN}];\nborder_r{row} [{UNSEEN}];\n"
        text = f"{text[:start]}\n{borders}{text[start:]}"
    same = "; ".join(f"border_l{row}" for row, _ in _rows(dot))
    text = STATEMENT.sub(lambda line: "" if "constraint=false" in line[4] else line[0], text)
    body, _, rest = text.rpartition("}")
    return f"{body}{inside}{{rank=same; {same}}}\n}}{rest}", turns


def put_in_rows(text: str, lines: list[Line]) -> str:
    """Return a DOT text with places, its rows in order, and with lines from one to another."""
    text = STATEMENTS.sub(
        lambda line: "" if "border_" in f"{line[2]} {line[3]}" else line[0],
        re.sub(r"(?m)^\s*border_\w+;\n", "", text.replace("\\\n", "")),
    )
    spans = dict(_rows(text))
    if not spans:
        return text
    row_of = {
        match[2]: row for row, (start, end) in spans.items()
        for match in STATEMENT.finditer(text, start, end) if not match[3]
    }  # fmt: skip
    rows = _boxes(text, row_of)
    counts = [0] * len(rows)  # of lines in the space below each row
    for line in lines:
        counts[Turn(line, row_of[line[2]], row_of[line[3]], 0, 0).space] += 1
    low, high = min(row[1] for row in rows), max(row[3] for row in rows)
    rooms = [(count + 1) * LANE for count in counts[:-1]] + [counts[-1] * LANE]
    more = sum(row[3] - row[1] for row in rows) + sum(rooms) - (high - low)
    roof, ups = high + more, []
    for row, room in zip(rows, rooms, strict=True):
        ups.append(roof - row[3])
        roof -= row[3] - row[1] + room
    moves = list(zip(narrowed([text[slice(*spans[row])] for row in sorted(spans)]), ups))
    text = _moved(text, spans, row_of, moves, more)
    rows = _boxes(text, row_of)
    places = {match[2]: match for match in STATEMENT.finditer(text) if not match[3]}
    turns = [
        Turn(line, row_of[line[2]], row_of[line[3]], _side(places[line[2]], 1),
             _side(places[line[3]], -1)) for line in lines
    ]  # fmt: skip
    ways = list(_ways(turns, rows))
    drawn = "".join(f'{turn.line[1]}{turn.line[4]} pos="{_curve(way)}"];\n' for turn, way in ways)
    right = max([row[2] for row in rows] + [point.real for _, way in ways for point in way])
    graph, page, rest = text.partition("subgraph cluster_")
    rest = _as_wide_as(rest, right)
    words, middle = _right_of_words(graph)
    if words > max(right, _corners(graph)[2]):  # or it is measured anew, in other letters
        drawn += f'words_bridge [{UNSEEN}, pos="{words:.5g},{middle:.5g}"];\n'
    graph = _as_wide_as(graph, max(right, words))
    body, _, end = f"{graph}{page}{rest}".rpartition("}")
    return f"{body}{drawn}}}{end}"


def _as_wide_as(text: str, right: float) -> str:
    """Return a text in which the first box ends at a place on the right."""
    return BOX.sub(lambda box: re.sub(r"[^,]*(,[^,]*)$", rf"{right:.6g}\1", box[0]), text, count=1)


def _right_of_words(graph: str) -> tuple[float, float]:
    """Return where the words below a picture end on the right, and where their middle line is.

    The words stand in the attributes of the graph. A program without the font takes them for
    narrower than they are.
    """
    attributes = reversed(ATTRIBUTE.findall(graph))  # the graph's own come first
    look = {key: text.strip('"') for key, text in attributes}
    if "lp" not in look or "lwidth" not in look:
        return 0.0, 0.0
    (middle, height), half = map(float, look["lp"].split(",")), 36 * float(look["lwidth"])
    letters = max(map(len, unescape_lines(look.get("label", "").replace("\\l", "\\n"))))
    wide = max(2 * half, letters * MONO_WIDTH * float(look.get("fontsize", "0")))
    return middle - half + wide, height


# --- the lines between rows -----------------------------------------------------------------------


def _ways(turns: list[Turn], rows: list[list[float]]) -> Iterator[tuple[Turn, list[complex]]]:
    """Yield each line with its corners: to the right, along rows, between rows to the left, and in.

    Of two lines side by side, that from the upper place is outside, so that they do not cross.
    """
    rights = _beside(
        {turn: max(rows[row][2] for row in turn.passed) for turn in turns},
        {turn: turn.heights for turn in turns},
        lambda turn: (len(turn.passed), turn.start.imag * (1 if turn.goes_down else -1)), 1,
    )  # fmt: skip
    lefts = _beside(
        {turn: rows[turn.head][0] for turn in turns},
        {turn: (2 * turn.head - turn.goes_down, 2 * turn.head + (not turn.goes_down))
         for turn in turns},
        lambda turn: turn.end.imag * (-1 if turn.goes_down else 1), -1,
    )  # fmt: skip
    used = [0] * len(rows)
    for turn in sorted(turns, key=lambda x: (x.goes_down, rights[x] * (1 if x.goes_down else -1))):
        used[turn.space] += 1
        lane = rows[turn.space][1] - LANE * used[turn.space]
        right, left = rights[turn], lefts[turn]
        yield turn, [
            turn.start, complex(right, turn.start.imag), complex(right, lane),
            complex(left, lane), complex(left, turn.end.imag), turn.end,
        ]  # fmt: skip


def _beside(
    borders: dict[Turn, float], heights: dict[Turn, tuple[int, int]],
    order: Callable[[Turn], Any], side: int,
) -> dict[Turn, float]:  # fmt: skip
    """Return where each line stands upright beside the rows: nearest to them the first in order.

    Lines at common heights stand beside each other.
    """
    places: dict[Turn, float] = {}
    for turn in sorted(borders, key=order):
        low, high = heights[turn]
        taken = [x for other, x in places.items()
                 if heights[other][0] <= high and low <= heights[other][1]]  # fmt: skip
        x = borders[turn] + side * LANE
        while any(abs(x - other) < LANE for other in taken):
            x += side * LANE / 2
        places[turn] = x
    return places


def _side(match: Line, side: int) -> complex:
    """Return the middle of a node's left or right side."""
    look = {key: text.strip('"') for key, text in ATTRIBUTE.findall(match[4])}
    x, y = map(float, look["pos"].split(","))
    return complex(x + side * 36 * float(look["width"]), y)


def _curve(corners: list[complex]) -> str:
    """Return the points of a line with round corners."""
    points = [corners[0]]
    for one, at, other in zip(corners, corners[1:], corners[2:], strict=False):
        enter, leave = (
            at + (end - at) / abs(end - at) * min(BEND, abs(end - at) / 2) for end in (one, other)
        )
        points += [*_straight(points[-1], enter), (enter + 2 * at) / 3, (leave + 2 * at) / 3, leave]
    points += _straight(points[-1], corners[-1])
    return " ".join(f"{point.real:.5g},{point.imag:.5g}" for point in points)


def _straight(one: complex, other: complex) -> list[complex]:
    return [one + (other - one) * part / 3 for part in (1, 2, 3)]


# --- the rows -------------------------------------------------------------------------------------


def _without_words(row: str) -> str:
    """Return the text of a row without what is written in the picture."""
    return re.sub(r'"(?:[^"\\]|\\[\s\S])*"', '""', row.rpartition("}")[0])


def _outside_of_frames(row: str) -> str:
    """Return the text of a row without what stands in a frame inside of the row."""
    count = 1
    while count:
        row, count = re.subn(r"\{[^{}]*\}", "", row)
    return row


def _names(text: str) -> Iterator[str]:
    yield from (match[2] for match in STATEMENT.finditer(text))


def _rows(text: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each row, and where it begins and ends in the text."""
    for match in ROW.finditer(text):
        depth = 1
        for sign in re.finditer(r'"(?:[^"\\]|\\[\s\S])*"|[{}]', text[match.end() :]):
            depth += {"{": 1, "}": -1}.get(sign[0], 0)
            if not depth:
                yield int(match[1]), (match.end(), match.end() + sign.end())
                break


def _boxes(text: str, row_of: dict[str, int]) -> list[list[float]]:
    """Return the corners of each row; a line that leads out of it, below or above, belongs to it.

    A line out of the row has more room than a line in it, since it runs along the row.
    """
    boxes = {row: _corners(text[slice(*span)]) for row, span in sorted(_rows(text))}
    for match in STATEMENT.finditer(text):
        look = dict(ATTRIBUTE.findall(match[4]))
        if match[3] and "pos" in look and match[2] in row_of:
            ys = [point.imag for point in along(curve(look["pos"].strip('"')))]
            box = boxes[row_of[match[2]]]
            if min(ys) < box[1]:
                box[1] = min(ys) - APART
            if max(ys) > box[3]:
                box[3] = max(ys) + APART
    return list(boxes.values())


def _corners(text: str) -> list[float]:
    """Return the corners of the first box that a text gives."""
    match = BOX.search(text)
    assert match is not None
    return [float(number) for number in match[1].split(",")]


def _moved(
    text: str, spans: dict[int, tuple[int, int]], row_of: dict[str, int], moves: list[Move],
    more: float,
) -> str:  # fmt: skip
    """Return a text in which each row and its lines are moved, and the page is so much higher."""
    pieces, before = [], 0
    for row, (start, end) in sorted(spans.items(), key=lambda item: item[1]):
        pieces += [_outside_of_rows(text[before:start], row_of, moves, more)]
        pieces += [POSITION.sub(partial(_move, by=moves[row]), text[start:end])]
        before = end
    return "".join([*pieces, _outside_of_rows(text[before:], row_of, moves, more)])


def _outside_of_rows(text: str, row_of: dict[str, int], moves: list[Move], more: float) -> str:
    """Return what stands outside of rows: lines, each in a row, and the frame around the rows."""
    text = re.sub(
        r'\bbb="([^"]*),([^",]*)"', lambda box: f'bb="{box[1]},{float(box[2]) + more:g}"', text
    )
    page, title, rest = text.partition("subgraph cluster_")
    rest = re.sub(r'\b(lp)="([^"]*)"', partial(_move, by=(float, more)), rest)
    return STATEMENT.sub(
        lambda line: POSITION.sub(partial(_move, by=moves[row_of[line[2]]]), line[0])
        if line[3] and line[2] in row_of else line[0],
        page + title + rest,
    )  # fmt: skip


def _move(match: re.Match[str], by: Move) -> str:
    """Return the places of an attribute, moved."""
    across, up = by
    places = POINT.sub(lambda xy: f"{across(float(xy[1])):.6g},{float(xy[2]) + up:.6g}", match[2])
    return f'{match[1]}="{places}"'
