"""Text in pictures: escaped for DOT, and the room it takes.

Knows characters alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

import graphviz

FONT, MONO = "DejaVu Sans", "DejaVu Sans Mono"
LONGEST = 80  # characters of a name
HEIGHT = 0.19  # inches of a line at 11 points
ROOM = 0.14  # inches around a text
LABEL_HEIGHT = 0.16  # inches of a line of a label on an arrow, at 10 points
MONO_WIDTH = 0.602  # of a letter of MONO, for its size
WIDTHS = {  # of letters of FONT, for their size
    letter: width
    for width, letters in {
        0.3: "ijlIJ'", 0.34: " ,.·/:;\\|f", 0.4: "()[]trᵀ!²³¹₀₁₂-", 0.52: "szc*_`‖∂⁻?\"",
        0.6: "vxykLFPTY", 0.64: "aobdeghnpquδσΣ∘ESβ√0123456789{}$", 0.7: "ABCKRVXZα",
        0.84: "DGHNOQUw+=<>×−~^#&◆", 1.0: "mMW@%…●",
    }.items()
    for letter in letters
}  # fmt: skip
OTHER, IDEOGRAM = 0.75, 1.05  # the widths of letters that are not listed
LABEL_ROOM, POINT = 0.06, 0.08
FACTOR = "factor"  # the comment at a label that is a factor, seen or not
AT_USE = "at its use"  # the comment at what is given, and stands near to its use
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


def unescape_lines(label: str) -> list[str]:
    """Return the lines of a label as they are shown.

    >>> unescape_lines(r"a\\\\b\\nc &amp; d")
    ['a\\\\b', 'c & d']
    """
    text = re.sub(r"\\(.)", lambda sign: "\n" if sign[1] == "n" else sign[1], label)
    return html.unescape(text).split("\n")


def size(*texts: Iterable[str], large: bool = False) -> tuple[str, str]:
    """Return the width and height of a box that has room for any of some texts, given as lines."""
    lines = [list(text) for text in texts]
    longest = max((letters_wide(line) for text in lines for line in text), default=0.0)
    most = max(map(len, lines))
    wide = (13 if large else 11) / 72
    return f"{max(0.3, longest * wide + ROOM):.2f}", f"{most * HEIGHT + ROOM:.2f}"


def letters_wide(text: str) -> float:
    """Return how wide a text in FONT is, for the size of its letters.

    >>> letters_wide("tanh") < letters_wide("MMMM"), letters_wide("")
    (True, 0.0)
    """
    return float(sum(WIDTHS.get(x, IDEOGRAM if x > "\u2e80" else OTHER) for x in clip_text(text)))


def label_id(arrow: str, position: int) -> str:
    """Return the id of a label in an arrow."""
    return f"{arrow}_{position}"


def is_label(identity: str) -> bool:
    """Return whether an id is that of a label in an arrow, or of what stands beside the label."""
    return re.fullmatch(r"[fa]\d+(_\d+)+", identity) is not None


def is_beside(identity: str) -> bool:
    """Return whether an id is that of what stands beside a label."""
    return re.fullmatch(r"[fa]\d+_\d+_\d+", identity) is not None


def label_size(
    *texts: Iterable[str], is_pointed: bool = False, is_mono: bool = True
) -> tuple[str, str]:
    """Return the width and height of a label on an arrow, with a point at one end if asked."""
    lines = [[line for line in text if line] for text in texts]
    widths = (
        MONO_WIDTH * len(clip_text(line)) if is_mono else letters_wide(line)
        for text in lines for line in text
    )  # fmt: skip
    most = max(map(len, lines))
    room = LABEL_ROOM + POINT * is_pointed
    return f"{max(widths, default=0.0) * 10 / 72 + room:.2f}", f"{most * LABEL_HEIGHT + room:.2f}"
