"""The words below a picture: what its marks mean, and the gradients of its weights.

Knows skeletons. The words are the same for the network and its adjoint, so that both take the same
room.
"""

from __future__ import annotations

from collections import Counter
from textwrap import wrap

from .labels import BRANCHES
from .skeleton import SPREAD, Role, Skeleton, Sort, is_matmul
from .text import NO_BREAK, escape

WIDEST = 110  # letters of a line
MOST_AT_ARROWS = 6  # gradients that stand beside their weights
LEGEND: dict[str, str] = {
    Sort.NAME: "a name in a line is the signal that the line carries; δs = ∂L/∂s is all that comes "
    "back to s",
    Role.SUM: "Σ  sum; in the adjoint network a branch point ●",
    Role.BRANCH: "●  branch point; in the adjoint network a sum Σ of what comes back",
    Role.PRODUCT: "×  product, entry by entry; in the adjoint network a branch point ◆ to both "
    "factors: δ of each is times the other",
    Role.MATMUL: "@  matrix product M N; in the adjoint network a branch point ◆: δM = δ Nᵀ and "
    "δN = Mᵀ δ",
    Role.FUNCTION: "f  function; in the adjoint network a gain: δ is times its slope, entry by "
    "entry",
    Role.BOX: "f in a sharp box is an operation on whole arrays; fᵀ is its transpose: Σᵀ gives the "
    "δ of a sum to each term",
    Role.DELAY: "q⁻¹  output(k) = input(k−1); in the adjoint network q⁺¹, output(k) = input(k+1), "
    "zero after the last step: run k backwards. A thick line carries a value over a step, "
    "in the colour of its q⁻¹",
    Role.GAP: "…  steps that are left out, in the adjoint network too",
    "weight": "▷W  a wedge multiplies: x becomes x W; in the adjoint network δ becomes δ Wᵀ, and "
    "δW = Σ over k of (what enters W)ᵀ δ(what leaves W)",
    "left": "▷W ·  the same from the left: x becomes W x, and δ becomes Wᵀ δ",
    BRANCHES: "◆ in the box of a function: δ goes to each operand, times the factor on its way",
    "factor": "▷p  multiplies entry by entry: x becomes x ∘ p, and δ becomes δ ∘ p",
    SPREAD: "▷Σ  adds the entries up, for the signal is one number for several entries",
    Role.ALIAS: "b in a box is a parameter or a constant; δb is the sum, over k and the batch, of "
    "the δ that enters its box",
}


def below(drawn: Skeleton) -> str:
    """Return the words below a picture, as a label of DOT."""
    widest = 2 * WIDEST if drawn.rows else WIDEST
    lines = [line for text in _texts(drawn) for line in wrap(text, widest, subsequent_indent="  ")]
    return "".join(escape(line, longest=2 * WIDEST) + r"\l" for line in lines)


def says_gradients_at_arrows(drawn: Skeleton) -> bool:
    """Return whether there is room for the gradients of the weights beside the weights."""
    return not drawn.rows and len(_gradients(drawn)) <= MOST_AT_ARROWS


def _texts(drawn: Skeleton) -> list[str]:
    """Return what is to be said, a text each."""
    labels = [label for arc in drawn.arcs for label in arc.labels]
    words: set[str] = {vertex.role for vertex in drawn.vertices if not vertex.is_still}
    words |= {label.sort for label in labels}
    for arc in drawn.arcs:
        if arc.weight is not None:
            words.add("weight" if is_matmul(arc.weight) else "factor")
    if Sort.GAIN in words:
        words.add("factor")
    if any(line.endswith(" ·") for label in labels for line in (*label.forward, *label.adjoint)):
        words.add("left")
    if any(label.adjoint == (SPREAD,) for label in labels):
        words.add(SPREAD)
    if any(BRANCHES in vertex.adjoint for vertex in drawn.vertices):
        words.add(BRANCHES)
    texts = [text for word, text in LEGEND.items() if word in words]
    texts += dict.fromkeys(vertex.meaning for vertex in drawn.vertices if vertex.meaning)
    if _gradients(drawn) and not says_gradients_at_arrows(drawn):
        equations = (line.replace(" ", NO_BREAK) for line in _gradients(drawn))
        texts.append("gradients:  " + ",  ".join(equations))
    return [*texts, *drawn.notes]


def _gradients(drawn: Skeleton) -> list[str]:
    """Return the equations of the gradients of weights, each once."""
    labels = [label for arc in drawn.arcs if arc.is_live for label in arc.labels]
    equations = {(label.gradient, label.scope): None for label in labels if label.gradient}
    weights = Counter(equation.partition(" = ")[0] for equation, _ in equations)
    return [
        f"in {' '.join(scope)} {equation}"
        if weights[equation.partition(" = ")[0]] > 1
        else equation
        for equation, scope in equations
    ]
