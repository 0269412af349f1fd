"""What the signs and letters in the texts of a picture are: σ, onehot, and letters of no program.

Knows skeletons, and the table of primitives.
"""

from __future__ import annotations

import re
from string import ascii_lowercase

from ..engine.primitives import TABLE
from .labels import STEP
from .skeleton import Skeleton, Sort
from .text import clip_text

MOST_LETTERS = 12  # of signals without a name that are listed
SIGNS = {  # a pattern of the texts in a picture, and what the sign there is
    r"\bsign\(": "sign(z) is −1, 0 or 1, the sign of z",
    r"onehot\(": "onehot(i) is 1 at i and 0 elsewhere, in each row",
    r"\[[^\[\]]* [<>=≠] [^\[\]]*\]": "[ > ], a condition in brackets, is 1 where it "
    "holds and 0 elsewhere",
    r"(?<!log )softmax": "softmax(z) = exp(z) / Σ exp(z), with Σ along its axis; "
    "∂softmaxᵢ/∂zⱼ = softmaxᵢ ([i = j] − softmaxⱼ)",
    r"log softmax": "log softmax(z) = z − log Σ exp(z), with Σ along its axis",
}


def letters(drawn: Skeleton) -> list[str]:
    """Return a note on the letters in a picture of signals that nobody named."""
    names = {
        STEP.sub("", line)
        for arc in drawn.arcs for x in arc.labels if x.sort is Sort.NAME for line in x.forward
    }  # fmt: skip
    factors = " ".join(line for x in drawn.vertices for line in (*x.forward, *x.adjoint))
    factors += " ".join(line for arc in drawn.arcs for x in arc.labels for line in x.adjoint)
    own = [x for x in drawn.letters if x in names or re.search(rf"\b{re.escape(x)}\b", factors)]
    listed = ", ".join(clip_text(x) for x in own[:MOST_LETTERS]) + ", …" * (len(own) > MOST_LETTERS)
    return [f"letters of ours, for signals without a name:  {listed}"] * bool(own)


def signs(drawn: Skeleton, equations: list[str]) -> list[str]:
    """Return what some signs in the texts of a picture, and in equations below, are."""
    texts = [line for x in drawn.vertices for line in (*x.forward, *x.adjoint, x.meaning)]
    texts += [line for arc in drawn.arcs for x in arc.labels for line in (*x.forward, *x.adjoint)]
    texts += [*equations, *drawn.notes]
    functions = (x.definition for x in TABLE.values() if x.definition)
    signs = {**{re.escape(x.partition("(")[0]) + r"\(": x for x in functions}, **SIGNS}
    said = [meaning for sign, meaning in signs.items() if any(re.search(sign, x) for x in texts)]
    known = {x.meaning.partition("(")[0] for x in drawn.vertices}  # told by the function's box
    said = [meaning for meaning in said if meaning.partition("(")[0] not in known]
    return [with_free_letter(meaning, drawn) for meaning in said]


def with_free_letter(definition: str, drawn: Skeleton) -> str:
    """Return what a function is, in a letter that is no name in the picture."""
    letter = re.match(r"[\w ]+\((\w)\)", definition)
    if letter is None:
        return definition
    return re.sub(
        rf"(?<![A-Za-z]){letter[1]}(?![A-Za-z])", free_letter(letter[1], drawn), definition
    )


def free_letter(letter: str, drawn: Skeleton) -> str:
    """Return a letter, or another one if it is a name in the picture."""
    texts = [vertex.forward for vertex in drawn.vertices]
    texts += [label.forward for arc in drawn.arcs for label in arc.labels]
    taken = {name for text in texts for line in text for name in re.findall(r"\w+", line)}
    return next((x for x in (letter, *ascii_lowercase[::-1]) if x not in taken), letter)
