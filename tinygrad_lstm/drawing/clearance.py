"""Room around the factors in a picture, so that no other line passes beside a factor.

Knows DOT text. The layout program leads lines past a box as near as to its border; here the box of
a factor is larger for the layout than as it is drawn.
"""

from __future__ import annotations

import re
from functools import partial

from .joints import ATTRIBUTE, STATEMENT
from .text import FACTOR

ROOM = {"width": 0.05, "height": 0.05}  # inches, on either side
SIZE = re.compile(r'\b(width|height)="?([\d.]+)"?')


def with_room(dot: str) -> str:
    """Return a DOT text in which the factors are larger."""
    return STATEMENT.sub(partial(_change, sign=1), dot)


def without_room(dot: str) -> str:
    """Return a DOT text, laid out by now, in which the factors are as large as they are drawn."""
    return STATEMENT.sub(partial(_change, sign=-1), dot)


def _change(match: re.Match[str], sign: int) -> str:
    before, _, _, inside = match.groups()
    look = {key: text.strip('"') for key, text in ATTRIBUTE.findall(inside)}
    if look.get("comment") != FACTOR:
        return match[0]
    inside = SIZE.sub(
        lambda size: f'{size[1]}="{float(size[2]) + 2 * sign * ROOM[size[1]]:.3f}"', inside
    )
    return f"{before}{inside}]"
