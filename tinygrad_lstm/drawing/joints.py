"""Lines as they are drawn: led on to the names and factors in them, and without loops.

Knows the DOT text with places that a layout program writes. A name and its δ take the same room, so
that the network and its adjoint are laid out alike; a line that ends at the border of this room is
drawn on to the word in it, or through it if nothing is written. The program bends some long lines
far beyond the points between which they lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .text import FACTOR, MONO, MONO_WIDTH, is_beside, unescape_lines

QUOTED = r'"(?:[^"\\]|\\[\s\S])*"'
STATEMENT = re.compile(
    rf"(?m)^(\s*(\w+)(?::\w+)?(?: -> (\w+)(?::\w+)?)?\s+\[)((?:{QUOTED}|[^\]\"])*)\]"
)
ATTRIBUTE = re.compile(rf"(\w+)=({QUOTED}|[^\s,\]]+)")
NEAR = 17.0  # points between the middles of a label and of what stands beside it
AWAY = 2.0  # points between a word and a line
PIECES = 12  # straight pieces of each curve
LINE = 1.25  # the height of a line of text, for its size


class Word(NamedTuple):
    """A name or a factor in a line: the middle of its place, and half its width and height."""

    middle: complex
    width: float
    height: float


def join_lines_to_names(places: str) -> str:
    """Return a DOT text with places, in which lines lead on to the names in them."""
    text = places.replace("\\\n", "")
    words = {name: word for name, _, word in map(_word, STATEMENT.finditer(text)) if word}

    middles = {match[2]: _middle(match[4]) for match in STATEMENT.finditer(text) if not match[3]}

    def draw_on(match: re.Match[str]) -> str:
        before, tail, head, inside = match.groups()
        if head is None:
            return match[0] if not is_beside(tail) else _moved_near(match, middles)
        inside = re.sub(
            r'\bpos="([^"]*)"', lambda pos: _drawn_on(pos[1], words.get(tail), words.get(head)),
            inside,
        )  # fmt: skip
        return f"{before}{inside}]"

    return STATEMENT.sub(draw_on, text)


def _middle(inside: str) -> complex:
    pos = re.search(r'\bpos="([^"]*)"', inside)
    return _point(pos[1]) if pos else 0j


def _moved_near(match: re.Match[str], middles: dict[str, complex]) -> str:
    """Return a statement of what stands beside a label, moved near to the label."""
    own, label = middles[match[2]], middles[match[2].rpartition("_")[0]]
    near = complex(own.real, label.imag + (NEAR if own.imag > label.imag else -NEAR))
    inside = re.sub(r'\bpos="[^"]*"', f'pos="{near.real:.5g},{near.imag:.5g}"', match[4])
    return f"{match[1]}{inside}]"


def _word(match: re.Match[str]) -> tuple[str, str | None, Word | None]:
    """Return the word of a statement that puts a name in a line."""
    _, name, head, inside = match.groups()
    look = {key: text.strip('"') for key, text in ATTRIBUTE.findall(inside)}
    if head is not None or "pos" not in look:
        return name, head, None
    if look.get("comment") == FACTOR and look.get("shape") != "plaintext":
        # the layout leaves it more room than it takes
        width, height = (36 * float(look[side]) for side in ("width", "height"))
        return name, head, Word(_point(look["pos"]), width, height)
    if look.get("fontname") != MONO:
        return name, head, None
    lines, size = unescape_lines(look.get("label", "")), float(look.get("fontsize", "10"))
    if not any(lines):
        return name, head, Word(_point(look["pos"]), 0.0, 0.0)
    width = max(map(len, lines)) * MONO_WIDTH * size / 2 + AWAY
    return name, head, Word(_point(look["pos"]), width, len(lines) * LINE * size / 2)


def _drawn_on(pos: str, tail: Word | None, head: Word | None) -> str:
    """Return the points of a line, led on to the words at its ends."""
    tips: dict[str, complex | None] = {
        part[0]: _point(part[2:]) for part in pos.split() if part[0] in "se"
    }
    points = _without_loops(curve(pos))
    if tail is not None:
        base, tips["s"] = _led_on(tail, points[0], tips.get("s"))
        points = [*_segment(base, points[0])[:-1], *points]
    if head is not None:
        base, tips["e"] = _led_on(head, points[-1], tips.get("e"))
        points = [*points, *_segment(points[-1], base)[1:]]
    arrows = [f"{end},{tip.real:.5g},{tip.imag:.5g}" for end, tip in tips.items() if tip]
    text = " ".join([*arrows, *(f"{point.real:.5g},{point.imag:.5g}" for point in points)])
    return f'pos="{text}"'


def _led_on(word: Word, end: complex, tip: complex | None) -> tuple[complex, complex | None]:
    """Return where a line ends that leads on to a word, and where its arrowhead ends if it has one.

    The arrowhead, which stands beyond the end of the line, is moved to the word.
    """
    edge = _edge(word, end)
    if tip is None:
        return edge, None
    way = edge - end
    return end + way * max(0.0, 1 - abs(tip - end) / (abs(way) or 1.0)), edge


def curve(pos: str) -> list[complex]:
    """Return the points of the curves that a line is made of, without its arrowheads."""
    return [_point(part) for part in pos.split() if part[0] not in "se"]


def along(knots: list[complex]) -> Iterator[complex]:
    """Yield points along a curve behind its first point."""
    for at in range(0, len(knots) - 3, 3):
        a, b, c, d = knots[at : at + 4]
        for piece in range(1, PIECES + 1):
            t = piece / PIECES
            u = 1 - t
            yield u**3 * a + 3 * u * u * t * b + 3 * u * t * t * c + t**3 * d


def _without_loops(points: list[complex]) -> list[complex]:
    """Return the points of a curve, of which no piece turns back from left to right."""
    for at in range(0, len(points) - 3, 3):
        start, end = points[at], points[at + 3]
        width = abs((end - start).real)
        for knot, control in ((start, at + 1), (end, at + 2)):
            way = points[control] - knot
            is_inside = (
                min(start.real, end.real) <= points[control].real <= max(start.real, end.real)
            )
            if width and not is_inside and abs(way.real) > width:
                points[control] = knot + way * (width / 2 / abs(way.real))
    return points


def _segment(one: complex, other: complex) -> list[complex]:
    """Return the points of a straight line."""
    return [one + (other - one) * part / 3 for part in range(4)]


def _edge(word: Word, start: complex) -> complex:
    """Return where the straight line from a point to the middle of a word meets the word."""
    way = word.middle - start
    parts = [
        (abs(length) - half) / abs(length)
        for length, half in ((way.real, word.width), (way.imag, word.height)) if abs(length) > half
    ]  # fmt: skip
    return start + way * max(parts, default=0.0)


def _point(text: str) -> complex:
    x, y = text.split(",")
    return complex(float(x), float(y))
