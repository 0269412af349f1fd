"""The words below a picture: what its marks mean, and the gradients of its weights.

Knows skeletons. The words are the same for the network and its adjoint, so that both take the same
room.
"""

from __future__ import annotations

import re
from collections import Counter
from string import ascii_lowercase
from textwrap import wrap

from .labels import AXES, BRANCHES, SHARE
from .skeleton import SPREAD, Role, Skeleton, Sort
from .text import NO_BREAK, escape

WIDEST = 110  # letters of a line
AXIS, TAKES, WEDGE, LEFT, FACTOR, YELLOW = "axis", "takes", "wedge", "left", "factor", "yellow"
MOST_PRODUCTS = 4  # that are listed
APART = f" {NO_BREAK}{NO_BREAK}{NO_BREAK} "  # between two texts in a line
MOST_AT_ARROWS = 6  # gradients that stand beside their weights
GRADIENT = "the gradient of the weight is {}inputᵀ · δ(output)"
LEGEND: dict[str, str] = {
    Sort.NAME: "a name in a line is the signal there; δ before a name is ∂L/∂ of the signal: "
    "all that comes back to it",
    Role.SUM: "Σ  sum; in the adjoint network a branch point ●",
    Role.BRANCH: "●  branch point; in the adjoint network a sum Σ of what comes back",
    Role.PRODUCT: "×  product, entry by entry; in the adjoint network ◆: to either factor goes "
    "δ × the other",
    Role.MATMUL: "@  matrix product, left · right; in the adjoint network ◆: to the left factor "
    "goes δ · rightᵀ, to the right one leftᵀ · δ",
    Role.FUNCTION: "round box  a function of each entry; in the adjoint network its slope, by "
    "which δ is multiplied entry by entry",
    BRANCHES: "◆ in a round box: δ goes to each operand, times the factor on its way",
    Role.MODULE: "round box with a module's name  the whole module; ᵀ is its adjoint network",
    Role.BOX: "sharp box  an operation on whole arrays; ᵀ is its transpose: Σᵀ gives the δ of a "
    "sum to each term",
    AXIS: "Σ₁ goes along axis 1, counted from 0; without a number, an operation takes all axes "
    "there are",
    TAKES: "[ ]  takes these entries; the transpose puts δ back in their place, and adds up "
    "what was taken twice",
    Role.DELAY: "q⁻¹  output(k) = input(k−1), at the first step 0 or what comes from outside; "
    "in the adjoint network q⁺¹, output(k) = input(k+1), zero after the last step: "
    "run k backwards. A thick line carries a value over a step, in the colour of "
    "its q⁻¹",
    Role.GAP: "…  steps that are left out, in the adjoint network too",
    WEDGE: "▷ wedge  matrix product: output = input · matrix, where a vector is a row; in the "
    "adjoint network δ · matrixᵀ",
    LEFT: "▷ with a dot behind the name: the matrix stands left, output = matrix · input, and "
    "matrixᵀ · δ",
    FACTOR: "× in a round box  multiplies entry by entry, the signal and δ alike",
    SPREAD: "▷Σ  adds the entries up, for the signal is one number for several entries",
    YELLOW: "yellow  a parameter or a constant",
    Role.ALIAS: "yellow box  its δ is the sum, over k and the batch, of the δ that enters it",
}


def below(drawn: Skeleton) -> str:
    """Return the words below a picture, as a label of DOT."""
    widest = 2 * WIDEST if drawn.rows else WIDEST
    texts = [*_marks(drawn), *_notes(drawn)]
    if drawn.rows:
        texts = [*_side_by_side(_marks(drawn), widest), *_notes(drawn)]
    lines = [line for text in texts for line in wrap(text, widest, subsequent_indent="  ")]
    return "".join(escape(line, longest=2 * WIDEST) + r"\l" for line in lines)


def says_gradients_at_arrows(drawn: Skeleton) -> bool:
    """Return whether there is room for the gradients of the weights beside the weights."""
    return not drawn.rows and len(_gradients(drawn)) <= MOST_AT_ARROWS


def _side_by_side(texts: list[str], widest: int) -> list[str]:
    """Return texts in lines, as many in a line as fit."""
    lines = [""]
    for text in texts:
        line = f"{lines[-1]}{APART}{text}" if lines[-1] else text
        lines = [*lines[:-1], line] if len(line) <= widest else [*lines, text]
    return lines


def _marks(drawn: Skeleton) -> list[str]:
    """Return what the marks of a picture mean, a text each."""
    words = _words(drawn)
    products = dict.fromkeys(x.meaning for x in drawn.vertices if x.role is Role.MATMUL)
    texts = []
    for word, text in LEGEND.items():
        if word is Role.MATMUL and any(products):
            known = [*filter(None, products)]
            text += f"; here: {', '.join(known[:MOST_PRODUCTS])}" + ", …" * (
                len(known) > MOST_PRODUCTS
            )
        if word == WEDGE and any(label.gradient for arc in drawn.arcs for label in arc.labels):
            over = "Σ over k of " if any(vertex.step for vertex in drawn.vertices) else ""
            text += f"; {GRADIENT.format(over)}"
        if word in words:
            texts.append(text)
    return texts


def _notes(drawn: Skeleton) -> list[str]:
    """Return what is to be said of this picture alone, a text each."""
    texts = list(
        dict.fromkeys(
            _with_free_letter(vertex.meaning, drawn)
            for vertex in drawn.vertices
            if vertex.meaning and vertex.role is not Role.MATMUL
        )
    )
    if _gradients(drawn) and not says_gradients_at_arrows(drawn):
        equations = (line.replace(" ", NO_BREAK) for line in _gradients(drawn))
        texts.append("gradients:  " + ",  ".join(equations))
    return [*texts, *drawn.notes]


def _words(drawn: Skeleton) -> set[str]:
    """Return the keys of the legend for the marks that a picture has."""
    degree = Counter(end for arc in drawn.arcs for end in (arc.tail, arc.head))
    words: set[str] = {
        vertex.role for at, vertex in enumerate(drawn.vertices)
        if not vertex.is_still
        and not (vertex.role in (Role.SUM, Role.BRANCH) and degree[at] == 2)  # a plain line
    }  # fmt: skip
    for label in (label for arc in drawn.arcs for label in arc.labels):
        lines = (*label.forward, *label.adjoint)
        if not any(lines):
            continue
        if label.sort is Sort.NAME:
            words.add(Sort.NAME)
        elif label.adjoint == (SPREAD,):
            words.add(SPREAD)
        else:
            words.add(FACTOR if label.works_by_entry else WEDGE)
            words |= {LEFT} if any(line.endswith(" ·") for line in lines) else set()
            words |= {YELLOW} if label.sort is Sort.WEIGHT else set()
    for vertex in drawn.vertices:
        lines = (*vertex.forward, *vertex.adjoint)
        words |= {BRANCHES} if BRANCHES in vertex.adjoint else set()
        if vertex.role is Role.BOX:
            words |= {AXIS} if any(AXES.search(line) for line in lines) else set()
            words |= {TAKES} if any(line.startswith("[") for line in vertex.forward[:1]) else set()
    return words | ({YELLOW} if Role.ALIAS in words else set())


def _with_free_letter(definition: str, drawn: Skeleton) -> str:
    """Return what a function is, in a letter that is no name in the picture."""
    letter = re.match(r"\w+\((\w)\)", definition)
    if letter is None:
        return definition
    texts = [vertex.forward for vertex in drawn.vertices]
    texts += [label.forward for arc in drawn.arcs for label in arc.labels]
    taken = {name for text in texts for line in text for name in re.findall(r"\w+", line)}
    free = next((x for x in (letter[1], *ascii_lowercase[::-1]) if x not in taken), letter[1])
    return re.sub(rf"\b{letter[1]}\b", free, definition)


def _gradients(drawn: Skeleton) -> list[str]:
    """Return the equations of the gradients of weights, each once.

    The gradient of a weight that is used at several places is the sum of what all of them give.
    """
    weights: dict[str, dict[str, tuple[str, ...]]] = {}  # the equations, and the frame of each
    uses = Counter(vertex.name for vertex in drawn.vertices if vertex.role is Role.ALIAS)
    for arc in drawn.arcs:
        uses[arc.weight_name] += arc.is_live
        for label in arc.labels:
            if label.gradient and arc.is_live:
                weights.setdefault(arc.weight_name, {})[label.gradient] = label.scope
    equations: list[tuple[str, tuple[str, ...]]] = []
    for name, own in weights.items():
        if len(own) == uses[name]:
            rights = [equation.partition(" = ")[2] for equation in own]
            left = next(iter(own)).partition(" = ")[0].removeprefix(SHARE)
            equations.append((f"{left} = {' + '.join(rights)}", next(iter(own.values()))))
        else:
            equations += own.items()
    lefts = Counter(equation.partition(" = ")[0] for equation, _ in equations)
    return [
        f"in {' '.join(scope)} {equation}"
        if scope and lefts[equation.partition(" = ")[0]] > 1
        else equation
        for equation, scope in equations
    ]
