"""Lines that cross at a flat angle, led across one another steeply.

Knows the DOT text with places that a layout program writes. Between two points on either side of
the crossing one of the lines is drawn anew: along the other line, and in the middle across it.
Nothing else is crossed, and no place is touched, that was not before. Lines that are not seen are
led in the same way, so that the network and its adjoint stay alike.
"""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .joints import ATTRIBUTE, PIECES, STATEMENT, along, curve

LEAST = 31.0  # degrees between two lines where they cross: 30, and what rounding takes
STEEP = 38.0  # degrees at which a flat crossing is drawn anew
REACHES = 60.0, 48.0, 38.0, 30.0, 24.0, 19.0, 14.0  # points at most, on either side of a crossing
SHORTEST = 8.0  # and at least
NEAR, FAR = 0.3, 0.4  # of the reach: how far a line keeps its direction, at the crossing and before
AT_ENDS = 9.0  # points at the ends of a line that stay: an arrowhead, and a little more
ROUNDS = 3
MOST_TURN = 75.0  # degrees by which a line turns where it is drawn anew
TOUCH, SAME = 1e-6, 0.5  # of a piece that a crossing may lie beside it; points between crossings
MARGIN = 2.0  # points around a place

Box = tuple[float, float, float, float]


@dataclass
class Line:
    """A line: the knots of its curves, the places that it leads between, and points along it.

    The curves lead on to the tips of arrowheads, which stand at one end in the network and at the
    other in its adjoint.
    """

    knots: list[complex]
    ends: frozenset[str]
    number: int  # of its statement
    points: np.ndarray = field(init=False)
    box: Box = field(init=False)

    def __post_init__(self) -> None:
        self.points = np.array([self.knots[0], *along(self.knots)])
        x, y = self.points.real, self.points.imag
        self.box = float(x.min()), float(y.min()), float(x.max()), float(y.max())


@dataclass(frozen=True)
class Crossing:
    """Where two lines cross: how far along the one in its pieces, the point, and the angle."""

    at: float
    point: complex
    across: complex
    degrees: float


def steepen(places: str) -> str:
    """Return a DOT text with places, in which lines cross steeply where there is room."""
    lines, boxes = [], {}
    for number, match in enumerate(STATEMENT.finditer(places)):
        _, tail, head, inside = match.groups()
        look = {key: text.strip('"') for key, text in ATTRIBUTE.findall(inside)}
        if head is not None and "pos" in look:
            lines.append(Line(_to_tips(look["pos"]), frozenset((tail, head)), number))
        elif head is None and {"pos", "width", "height"} <= look.keys():
            boxes[tail] = _box(look)
    changed: set[int] = set()
    for _ in range(ROUNDS):
        before = len(changed)
        for i, j in _flattest_first(lines):
            changed |= set(_mend(lines, i, j, boxes))
        if len(changed) == before:
            break
    if not changed:
        return places
    knots = {lines[at].number: lines[at].knots for at in changed}
    numbers = iter(range(places.count("[") + 1))
    return STATEMENT.sub(lambda match: _written(match, knots.get(next(numbers))), places)


def _flattest_first(lines: list[Line]) -> list[tuple[int, int]]:
    """Return the pairs of lines that cross at a flat angle, those that cross most flatly first."""
    angles = {
        (i, j): min((x.degrees for x in crossings(one.points, other.points)), default=LEAST)
        for (i, one), (j, other) in combinations(enumerate(lines), 2)
        if not one.ends & other.ends and _touch(one.box, other.box)
    }
    flat = [pair for pair, degrees in angles.items() if degrees < LEAST]
    return sorted(flat, key=angles.__getitem__)


def _written(match: re.Match[str], knots: list[complex] | None) -> str:
    if knots is None:
        return match[0]

    def put(pos: re.Match[str]) -> str:
        arrows = [part for part in pos[1].split() if part[0] in "se"]
        ends = {part[0] for part in arrows}
        own = knots[3 * ("s" in ends) : len(knots) - 3 * ("e" in ends)]
        points = (f"{point.real:.5g},{point.imag:.5g}" for point in own)
        return f'pos="{" ".join([*arrows, *points])}"'

    inside = re.sub(r'\bpos="([^"]*)"', put, match[4])
    return f"{match[1]}{inside}]"


def _to_tips(pos: str) -> list[complex]:
    """Return the knots of a line, led on to the tips of its arrowheads."""
    knots = curve(pos)
    for part in pos.split():
        if part[0] in "se":
            end = 0 if part[0] == "s" else -1
            x, y = map(float, part[2:].split(","))
            way = complex(x, y) - knots[end]
            more = [knots[end] + way * share for share in (1 / 3, 2 / 3, 1.0)]
            knots = [*more[::-1], *knots] if part[0] == "s" else [*knots, *more]
    return knots


def _box(look: dict[str, str]) -> Box:
    x, y = map(float, look["pos"].split(","))
    width, height = (36 * float(look[side]) + MARGIN for side in ("width", "height"))
    return x - width, y - height, x + width, y + height


def _mend(lines: list[Line], i: int, j: int, boxes: dict[str, Box]) -> Iterator[int]:
    """Draw one of two lines anew at the first flat crossing that has room, and yield which."""
    one, other = lines[i], lines[j]
    for at, line, beside in ((i, one, other), (j, other, one)):
        for crossing in crossings(line.points, beside.points):
            new = _across(line, crossing) if crossing.degrees < LEAST else ()
            for knots in new:
                candidate = Line(knots, line.ends, line.number)
                if _is_better(candidate, line, lines, beside, boxes):
                    lines[at] = candidate
                    yield at
                    return


def crossings(points: np.ndarray, others: np.ndarray) -> Iterator[Crossing]:
    """Yield each crossing of two lines, given by points along them."""
    a, c = points[:-1, None], others[None, :-1]
    one, other = points[1:, None] - a, others[None, 1:] - c
    area = _cross(one, other)
    with np.errstate(all="ignore"):
        s, t = _cross(c - a, other) / area, _cross(c - a, one) / area
    are_inside = (s >= -TOUCH) & (s <= 1 + TOUCH) & (t >= -TOUCH) & (t <= 1 + TOUCH)
    known: list[complex] = []  # two pieces that meet in a crossing both have it
    for i, k in np.argwhere((area != 0) & are_inside):
        here, there = complex(one[i, 0]), complex(other[0, k])
        sine = abs(_cross_of(here, there)) / (abs(here) * abs(there))
        place = complex(points[i]) + float(s[i, k]) * here
        if any(abs(place - other) < SAME for other in known):
            continue
        known.append(place)
        degrees = math.degrees(math.asin(min(1.0, sine)))
        yield Crossing(float(i + s[i, k]), place, there / abs(there), degrees)


def _across(line: Line, crossing: Crossing) -> Iterator[list[complex]]:
    """Yield the knots of a line that crosses another steeply, those with the longest way first."""
    steps = np.abs(np.diff(line.points))
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    middle = float(np.interp(crossing.at, np.arange(len(lengths)), lengths))
    sines = [math.sin(math.radians(degrees)) for degrees in (crossing.degrees, STEEP)]
    for reach in REACHES:
        room = (middle - AT_ENDS, float(lengths[-1]) - AT_ENDS - middle)
        reaches = [min(reach, own) for own in room]
        if min(reaches) < SHORTEST:
            continue
        ends = middle - reaches[0], middle + reaches[1]
        places = [float(np.interp(x, lengths, np.arange(len(lengths)))) for x in ends]
        before, after = _split(line.knots, places[0])[0], _split(line.knots, places[1])[1]
        ways = [_direction(line.points, at) for at in (places[0], crossing.at, places[1])]
        if any(abs(_degrees(ways[1], way)) > MOST_TURN for way in (ways[0], ways[2])):
            continue
        along_other = crossing.across
        along_other *= 1 if (along_other.conjugate() * ways[1]).real > 0 else -1
        side = 1.0 if _cross_of(along_other, ways[1]) > 0 else -1.0
        way = along_other * cmath.rect(1.0, side * math.radians(STEEP))
        near = [min(NEAR * own, own * sines[0] / sines[1]) for own in reaches]
        yield [
            *before, before[-1] + FAR * reaches[0] * ways[0], crossing.point - near[0] * way,
            crossing.point, crossing.point + near[1] * way, after[0] - FAR * reaches[1] * ways[2],
            *after,
        ]  # fmt: skip


def _is_better(
    new: Line, old: Line, lines: list[Line], beside: Line, boxes: dict[str, Box]
) -> bool:
    """Return whether a line may be drawn anew: it crosses steeply, and the same lines as before."""
    for other in lines:
        if other is old or not (_touch(new.box, other.box) or _touch(old.box, other.box)):
            continue
        before = [x.degrees for x in crossings(old.points, other.points)]
        after = [x.degrees for x in crossings(new.points, other.points)]
        if len(before) != len(after):
            return False
        is_flatter = any(x < min(LEAST, y) - 0.5 for x, y in zip(after, before, strict=True))
        if is_flatter or (other is beside and sum(after) <= sum(before)):
            return False
    return not any(
        _is_in(new.points, box) and not _is_in(old.points, box)
        for name, box in boxes.items() if name not in new.ends
    )  # fmt: skip


def _is_in(points: np.ndarray, box: Box) -> bool:
    left, low, right, high = box
    x, y = points.real, points.imag
    return bool(np.any((left < x) & (x < right) & (low < y) & (y < high)))


def _split(knots: list[complex], at: float) -> tuple[list[complex], list[complex]]:
    """Return the knots of a curve up to a place in its pieces, and from this place on."""
    number = min(int(at // PIECES), (len(knots) - 1) // 3 - 1)
    t = at / PIECES - number
    a, b, c, d = knots[3 * number : 3 * number + 4]
    ab, bc, cd = a + (b - a) * t, b + (c - b) * t, c + (d - c) * t
    abc, bcd = ab + (bc - ab) * t, bc + (cd - bc) * t
    middle = abc + (bcd - abc) * t
    return (
        [*knots[: 3 * number + 1], ab, abc, middle],
        [middle, bcd, cd, *knots[3 * number + 3 :]],
    )


def _direction(points: np.ndarray, at: float) -> complex:
    piece = min(int(at), len(points) - 2)
    way = complex(points[piece + 1] - points[piece])
    return way / (abs(way) or 1.0)


def _degrees(one: complex, other: complex) -> float:
    return math.degrees(cmath.phase(other / one)) if one else 0.0


def _touch(one: Box, other: Box) -> bool:
    return (
        one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
    )  # fmt: skip


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one.conjugate() * other).imag)


def _cross_of(one: complex, other: complex) -> float:
    return (one.conjugate() * other).imag
