"""Text in pictures: escaped for DOT, and the room it takes.

Knows characters alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import graphviz

FONT, MONO = "DejaVu Sans", "DejaVu Sans Mono"
LONGEST = 80  # characters of a name
WIDTH, HEIGHT = 0.097, 0.19  # inches of a character and of a line at 11 points
ROOM = 0.12  # inches around a text
NO_BREAK = "\N{NO-BREAK SPACE}"


def clip_text(text: str, longest: int = LONGEST) -> str:
    """Return text that a picture can hold."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def escape(text: str, longest: int = LONGEST) -> str:
    """Return text escaped for Graphviz, and shortened if no picture could hold it."""
    printable = "".join(
        c if c.isprintable() or c == NO_BREAK else "\N{REPLACEMENT CHARACTER}"
        for c in clip_text(text, longest)
    )
    label: str = graphviz.escape(printable.replace("&", "&amp;"))  # of a type that is never HTML
    return label


def join_lines(lines: Iterable[str]) -> str:
    """Return lines, escaped, as one label."""
    label: str = graphviz.nohtml("\\n".join(map(escape, lines)))
    return label


def size(*texts: Iterable[str], large: bool = False) -> tuple[str, str]:
    """Return the width and height of a box that has room for any of some texts, given as lines."""
    lines = [list(text) for text in texts]
    longest = max((min(len(line), LONGEST) for text in lines for line in text), default=0)
    most = max(map(len, lines))
    wide = WIDTH * (1.2 if large else 1.0)
    return f"{max(0.3, longest * wide + ROOM):.2f}", f"{most * HEIGHT + ROOM:.2f}"


def pad_lines(lines: Sequence[str], *others: Sequence[str]) -> list[str]:
    """Return lines padded to the size of the largest of some other texts."""
    lines = [clip_text(line) for line in lines]  # before there are blanks around them
    width = max((min(len(line), LONGEST) for other in others for line in other), default=0)
    count = max((len(other) for other in others if any(other)), default=0)
    filled = [*lines, *[""] * (count - len(lines))][:count]
    return [line.center(width, NO_BREAK) for line in filled] if width else []
