"""Bridges where lines cross: the one line is interrupted beside the other.

Knows the DOT text with places that a layout program writes. A bridge is a white stroke along the
upper line, and the line drawn anew on top of the stroke; its class names the ends of the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from .joints import ATTRIBUTE, STATEMENT, along, curve

HALF = 6.0  # points from the middle of a bridge to its end
GAP = 3.0  # points between a bridge and the line below, on either side
CLEAR = 9.0  # points between a bridge and the ends of its lines
BENT = 15.0  # degrees by which one line turns more than another at a crossing
STEEP = 0.2  # the least sine of the angle between lines that a bridge tells apart


class Line(NamedTuple):
    """A line: its points, the box around them, and its look."""

    points: list[complex]
    box: tuple[float, float, float, float]
    ends: frozenset[str]
    look: dict[str, str]


def bridge(places: str) -> str:
    """Return a DOT text with places, with a bridge wherever two lines cross."""
    lines = list(_lines(places))
    strokes = [stroke for pair in combinations(lines, 2) for stroke in _strokes(*pair, lines)]
    if not strokes:
        return places
    name = re.search(r"digraph (\w+)", places)
    identity = f"{name[1] if name else ''}_bridge"
    first = strokes[0][0][0]
    more = [f'{identity} [style=invis, width=0.01, height=0.01, pos="{_text([first])}"];']
    for points, look in strokes:
        width = float(look.get("penwidth", "1"))
        pos = _text([point for one, other in pairwise(points) for point in (one, one, other)])
        pos = f"{pos} {_text(points[-1:])}"
        for color, wide in (("white", width + 2 * GAP), (look.get("color", '"black"'), width)):
            drawn = f"color={color}, penwidth={wide:g}, dir=none, class={look['class']}"
            more.append(f'{identity} -> {identity} [{drawn}, pos="{pos}"];')
    body, _, end = places.rpartition("}")
    return body + "\n".join(more) + "\n}" + end


def _lines(places: str) -> Iterator[Line]:
    for match in STATEMENT.finditer(places):
        _, tail, head, inside = match.groups()
        look = dict(ATTRIBUTE.findall(inside))
        if head is None or "pos" not in look or look.get("color") == "none":
            continue
        knots = curve(look["pos"].strip('"'))
        points = [knots[0], *along(knots)]
        xs, ys = [point.real for point in points], [point.imag for point in points]
        yield Line(points, (min(xs), min(ys), max(xs), max(ys)), frozenset((tail, head)), look)


def _strokes(
    one: Line, other: Line, lines: list[Line]
) -> Iterator[tuple[list[complex], dict[str, str]]]:
    """Yield the points and the look of each bridge of two lines."""
    if not _touch(one.box, other.box) or one.ends & other.ends:
        return
    for place, along_one, along_other in _crossings(one.points, other.points):
        is_level = abs(along_one.real) >= abs(along_other.real)
        turns = [_turn(line, place) for line in (one, other)]
        is_first = turns[0] > turns[1] if abs(turns[0] - turns[1]) > BENT else is_level
        upper = one if is_first else other  # so that no line is interrupted where it bends
        ends = (*one.points[:: len(one.points) - 1], *other.points[:: len(other.points) - 1])
        is_clear = min(abs(place - end) for end in ends) > CLEAR
        thirds = (line for line in lines if line is not one and line is not other)
        if is_clear and not any(_passes(line, place) for line in thirds):
            name = "--".join(sorted(upper.ends))
            yield _near(upper, place, HALF), {**upper.look, "class": f'"{name}"'}


def _near(line: Line, place: complex, reach: float) -> list[complex]:
    """Return the points of a line from a distance before a place to this distance behind it."""
    points = np.array(line.points)
    lengths = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points)))])
    ways = np.diff(points)
    parts = np.clip(((place - points[:-1]) * ways.conj()).real / (np.abs(ways) ** 2 + 1e-12), 0, 1)
    nearest = int(np.argmin(np.abs(points[:-1] + parts * ways - place)))
    middle = lengths[nearest] + parts[nearest] * abs(ways[nearest])
    inside = lengths[(lengths > middle - reach) & (lengths < middle + reach)]
    at = np.clip([middle - reach, *inside, middle + reach], 0.0, lengths[-1])
    xs, ys = (np.interp(at, lengths, of) for of in (points.real, points.imag))
    return [complex(x, y) for x, y in zip(xs, ys, strict=True)]


def _turn(line: Line, place: complex) -> float:
    """Return by how many degrees a line turns within the length of a bridge around a place."""
    near = np.array(_near(line, place, 2 * HALF))
    ways = np.diff(near)
    ways = ways[np.abs(ways) > 1e-6]
    return float(np.sum(np.abs(np.angle(ways[1:] / ways[:-1], deg=True))))


def _crossings(
    points: list[complex], others: list[complex]
) -> Iterator[tuple[complex, complex, complex]]:
    """Yield each point where two lines cross, and the directions of the lines there."""
    a, c = np.array(points[:-1])[:, None], np.array(others[:-1])[None]
    one, other = np.array(points[1:])[:, None] - a, np.array(others[1:])[None] - c
    area = _cross(one, other)
    is_steep = np.abs(area) > STEEP * np.abs(one) * np.abs(other)
    with np.errstate(all="ignore"):
        s, t = _cross(c - a, other) / area, _cross(c - a, one) / area
    for i, j in np.argwhere(is_steep & (s >= 0) & (s < 1) & (t >= 0) & (t < 1)):
        along_one, along_other = complex(one[i, 0]), complex(other[0, j])
        place = points[i] + float(s[i, j]) * along_one
        yield place, along_one / abs(along_one), along_other / abs(along_other)


def _passes(line: Line, place: complex) -> bool:
    """Return whether a line passes so near that a bridge would interrupt it too."""
    left, low, right, high = line.box
    if not (left - HALF < place.real < right + HALF and low - HALF < place.imag < high + HALF):
        return False
    return min(abs(point - place) for point in line.points) < 2 * HALF


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return (
        one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
    )  # fmt: skip


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one.conjugate() * other).imag)


def _text(points: list[complex]) -> str:
    return " ".join(f"{point.real:.5g},{point.imag:.5g}" for point in points)
