"""The rows of a picture, one below the other in order, and the lines from one row to another.

Knows DOT text, and the places in it that a layout program writes. The program lays out rows that no
line connects. Here they are put in order; a line leads through the space between two rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from .joints import ATTRIBUTE, STATEMENT
from .text import is_label

ROW_MARGIN = 4.0  # points between what is in a row and its border
LANE = 8.0  # points between two lines in the space between rows
BEND = 8.0  # points of a corner, and of the slanted way to a place
STEP_ASIDE = 4.0  # points between two ways that are tried
MOST_TRIED = 200
CLEAR = 4.0  # points between a line and what it passes
ARROW = 6.0  # points of an arrowhead
ROW = re.compile(r"subgraph \w+_row(\d+) {")
BOX = re.compile(r'\bbb="([^"]*)"')
POSITION = re.compile(r'\b(bb|lp|pos)="([^"]*)"')
POINT = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?),(-?[\d.]+(?:e[+-]?\d+)?)")


class Place(NamedTuple):
    """Where something stands: its middle, half its width and height, and what it is."""

    middle: complex
    width: float
    height: float
    is_label: bool = False
    is_dot: bool = False


def without_turns(dot: str) -> tuple[str, list[re.Match[str]]]:
    """Return a DOT text without the lines from one row to another, and these lines."""
    turns = [line for line in STATEMENT.finditer(dot) if line[3] and "constraint=false" in line[4]]
    return STATEMENT.sub(lambda line: "" if "constraint=false" in line[4] else line[0], dot), turns


def put_in_rows(text: str, turns: list[re.Match[str]]) -> str:
    """Return a DOT text with places, its rows in order, and with lines from one to another."""
    text = text.replace("\\\n", "")
    spans = dict(_rows(text))
    if len(spans) < 2:
        return text
    row_of = {
        match[2]: row for row, (start, end) in spans.items()
        for match in STATEMENT.finditer(text, start, end) if not match[3]
    }  # fmt: skip
    lines = [0] * len(spans)  # in the space below each row
    spaces: list[tuple[int, int]] = []  # those at the two ends of each line
    for turn in turns:
        tail, head = row_of[turn[2]], row_of[turn[3]]
        ends = (tail, head - 1) if tail < head else (tail - 1, head)
        spaces.append(ends)
        for space in set(ends):
            lines[space] += 1
    boxes = [_corners(text[slice(*spans[row])]) for row in sorted(spans)]
    bottom, top = min(box[1] for box in boxes), max(box[3] for box in boxes)
    heights = [box[3] - box[1] for box in boxes]
    between = [(number + 1) * LANE for number in lines[:-1]]
    more = sum(heights) + sum(between) - (top - bottom)
    ups: list[float] = []
    roofs: list[float] = []
    roof = top + more
    for box, height, room in zip(boxes, heights, [*between, 0.0], strict=True):
        ups.append(roof - box[3])
        roofs.append(roof)
        roof -= height + room
    text = _moved(text, spans, row_of, ups, more)
    places = {match[2]: _place(match) for match in STATEMENT.finditer(text) if not match[3]}
    passed = [place for place in places.values() if place.width]
    used = [0] * len(spans)
    drawn = ""
    for turn, ends in zip(turns, spaces, strict=True):
        lanes = []
        for space in dict.fromkeys(ends):
            used[space] += 1
            lanes.append(roofs[space] - heights[space] - LANE * used[space])
        way = _way(places[turn[2]], places[turn[3]], lanes, passed)
        drawn += f'{turn[1]}{turn[4]} pos="{_curve(way, turn[4])}"];\n'
    body, _, end = text.rpartition("}")
    return f"{body}{drawn}}}{end}"


def _rows(text: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each row, and where it begins and ends in the text."""
    for match in ROW.finditer(text):
        depth = 1
        for sign in re.finditer(r'"(?:[^"\\]|\\[\s\S])*"|[{}]', text[match.end() :]):
            depth += {"{": 1, "}": -1}.get(sign[0], 0)
            if not depth:
                yield int(match[1]), (match.end(), match.end() + sign.end())
                break


def _corners(text: str) -> list[float]:
    """Return the corners of the first box that a text gives."""
    match = BOX.search(text)
    assert match is not None
    return [float(number) for number in match[1].split(",")]


def _moved(
    text: str, spans: dict[int, tuple[int, int]], row_of: dict[str, int], ups: list[float],
    more: float,
) -> str:  # fmt: skip
    """Return a text in which each row, its title and its lines stand higher by so many points."""
    pieces, before = [], 0
    for row, (start, end) in sorted(spans.items(), key=lambda item: item[1]):
        pieces += [_higher(text[before:start], row_of, ups, more)]
        pieces += [POSITION.sub(partial(_up, by=ups[row]), text[start:end])]
        before = end
    return "".join([*pieces, _higher(text[before:], row_of, ups, more)])


def _higher(text: str, row_of: dict[str, int], ups: list[float], more: float) -> str:
    """Return what stands outside of rows: lines, each in a row, and the frame around the rows."""
    text = re.sub(
        r'\bbb="([^"]*),([^",]*)"', lambda box: f'bb="{box[1]},{float(box[2]) + more:g}"', text
    )
    page, title, rest = text.partition("subgraph cluster_")
    rest = re.sub(r'\blp="[^"]*"', partial(_up_title, by=more), rest)
    return STATEMENT.sub(
        lambda line: POSITION.sub(partial(_up, by=ups[row_of[line[2]]]), line[0])
        if line[3] and line[2] in row_of else line[0],
        page + title + rest,
    )  # fmt: skip


def _up(match: re.Match[str], by: float) -> str:
    places = POINT.sub(lambda xy: f"{xy[1]},{float(xy[2]) + by:.6g}", match[2])
    return f'{match[1]}="{places}"'


def _up_title(match: re.Match[str], by: float) -> str:
    return POINT.sub(lambda xy: f"{xy[1]},{float(xy[2]) + by:.6g}", match[0])


def _place(match: re.Match[str]) -> Place:
    look = {key: text.strip('"') for key, text in ATTRIBUTE.findall(match[4])}
    if "pos" not in look or "width" not in look:
        return Place(0j, 0.0, 0.0, False, False)
    x, y = map(float, look["pos"].split(","))
    width, height = (float(look[side]) * 36 for side in ("width", "height"))
    is_dot = look.get("shape") == "circle" and look.get("label", "") in ("", "●", "◆")
    return Place(complex(x, y), width, height, is_label(match[2]), is_dot)


def _way(tail: Place, head: Place, lanes: list[float], passed: list[Place]) -> list[complex]:
    """Return the corners of the way from a place to another, through the lanes between rows.

    The way is added to what other lines keep away from.
    """
    first = _to_lane(tail, lanes[0], passed, 1)
    last = _to_lane(head, lanes[-1], passed, -1)
    between = []
    if len(lanes) > 1:  # past the rows between
        x = _free(last[-1].real, lanes[0], lanes[1], passed, (1, -1))
        between = [complex(x, lanes[0]), complex(x, lanes[1])]
    way = [*first, *between, *reversed(last)]
    for one, other in pairwise(way):
        if one.real == other.real:
            passed.append(Place((one + other) / 2, 0.0, abs(one - other) / 2 - 1))
    return way


def _to_lane(place: Place, lane: float, passed: list[Place], side: int) -> list[complex]:
    """Return the corners of the way from a place to a lane; names are written at their sides."""
    down = 1.0 if lane > place.middle.imag else -1.0
    start, x = place.middle, place.middle.real
    sides: tuple[int, ...] = (side,)
    if place.is_label:
        start += side * place.width
        x = start.real + side * BEND
        sides = (side, -side)
    elif place.is_dot:
        sides = (1, -1)
    elif side < 0:
        x -= BEND + place.width  # other lines come to the middle of the left
    leave = start.imag + down * (place.height + BEND)
    others = [other for other in passed if other is not place]
    x = _free(x, leave, lane, others, sides)
    return [_edge(place, start, complex(x, leave)), complex(x, leave), complex(x, lane)]


def _free(x: float, one: float, other: float, passed: list[Place], sides: tuple[int, ...]) -> float:
    """Return where an upright line between two heights passes nothing, as near as can be."""
    low, high = sorted((one, other))
    near = [
        (place.middle.real, place.width + CLEAR) for place in passed
        if low < place.middle.imag + place.height and high > place.middle.imag - place.height
    ]  # fmt: skip
    for aside in range(MOST_TRIED):
        for side in sides:
            here = x + side * aside * STEP_ASIDE
            if all(abs(here - middle) >= width for middle, width in near):
                return here
    return x


def _edge(place: Place, start: complex, to: complex) -> complex:
    """Return where a line from the middle of a place leaves the place; of a dot, its middle."""
    way = to - place.middle
    if place.is_label or place.is_dot or not way:
        return start
    if abs(place.width - place.height) < 1:  # a circle
        return place.middle + way / abs(way) * place.width
    return place.middle + way * min(
        half / abs(length)
        for length, half in ((way.real, place.width), (way.imag, place.height))
        if length
    )


def _curve(corners: list[complex], look: str) -> str:
    """Return the points of a line with round corners, with an arrowhead where it has one."""
    corners = [corners[0], *(other for one, other in pairwise(corners) if abs(other - one) > 0.1)]
    options = dict(ATTRIBUTE.findall(look.replace(" ", ",")))
    sign, end, beside, kind = "e", -1, -2, options.get("arrowhead", "normal")
    if options.get("dir") == "back":
        sign, end, beside, kind = "s", 0, 1, options.get("arrowtail", "normal")
    arrows = []
    if options.get("dir") != "none" and kind != "none":
        tip, way = corners[end], corners[beside] - corners[end]
        arrows = [f"{sign},{tip.real:.5g},{tip.imag:.5g}"]
        length = ARROW * (1 + kind.startswith("none"))
        corners[end] = tip + way / abs(way) * min(length, 0.8 * abs(way))
    points = [corners[0]]
    for one, at, other in zip(corners, corners[1:], corners[2:], strict=False):
        enter, leave = (
            at + (end - at) / abs(end - at) * min(BEND, abs(end - at) / 2) for end in (one, other)
        )
        points += [*_straight(points[-1], enter), (enter + 2 * at) / 3, (leave + 2 * at) / 3, leave]
    points += _straight(points[-1], corners[-1])
    return " ".join([*arrows, *(f"{point.real:.5g},{point.imag:.5g}" for point in points)])


def _straight(one: complex, other: complex) -> list[complex]:
    return [one + (other - one) * part / 3 for part in (1, 2, 3)]
