"""The words below a picture: what its marks mean, and the gradients of its weights.

Knows skeletons. The words are the same for the network and its adjoint, so that both take the same
room.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count as count_from
from itertools import zip_longest
from textwrap import wrap

from .labels import AXES, BRANCHES, SHARE
from .signs import free_letter, letters, signs, with_free_letter
from .skeleton import HELD, LOOSE, Role, Skeleton, Sort
from .text import NO_BREAK, clip_text, escape

FIRST_SPACE = re.compile("^ ")
WIDEST = 110  # letters of a line
SPREAD, PICKED = "spread", "picked"
AXIS, TAKES, WEDGE, LEFT, FACTOR = "axis", "takes", "wedge", "left", "factor"
YELLOW, THICK = "yellow", "thick"
LONG_EQUATION = 40  # letters of an equation that stands in no column
MOST_PRODUCTS = 4  # that are listed
APART = 2  # letters between two columns
MOST_AT_ARROWS = 6  # gradients that stand beside their weights
COLUMNS = 15, 37, 49  # letters of a mark, and of what it means in the network and in its adjoint
IN_ROWS, PARTS = (15, 29, 40), 3  # the same below rows, and parts of the table side by side there
GRADIENTS = "gradients: "
HEAD = "mark", "in the network", "in the adjoint network"
BACKWARDS = "; k runs backwards"
LEGEND: dict[str, tuple[str, str, str]] = {
    Sort.NAME: (
        "name in a line",
        "the signal there; (k): step k",
        "δname = ∂L/∂name: all that comes back",
    ),
    Role.SUM: ("Σ in a circle", "sum", "●: δ goes to each term as it is"),
    Role.BRANCH: ("●", "branch point: several uses", "Σ in a circle: sum of what comes back"),
    Role.PRODUCT: (
        "× in a circle",
        "product, entry by entry",
        "◆: each factor gets δ × the other factor",
    ),
    Role.MATMUL: (
        "@",
        "matrix product{products}",
        "◆: left δ · rightᵀ, right leftᵀ · δ",
    ),
    Role.FUNCTION: (
        "round green box",
        "a function of each entry",
        "δ × the derivative in the box, by entry",
    ),
    BRANCHES: (
        "f(a, b) in it",
        "a function of several operands",
        "◆: each operand gets δ × the factor on its way",
    ),
    Role.MODULE: ("module in a box", "the whole module", "ᵀ: its adjoint network"),
    Role.BOX: (
        "sharp box",
        "an operation on whole arrays",
        "ᵀ: transpose; Σᵀ: each term gets δ; a formula: what it makes of δ",
    ),
    AXIS: ("Σ₁", "along axis 1, from 0{steps}", ""),
    TAKES: (
        "[ ] in a box",
        "takes these entries",
        "ᵀ puts δ back there, and adds",
    ),
    Role.DELAY: (
        "q⁻¹",
        "delay: output(k) = input(k−1)",
        "q⁺¹: output(k) = input(k+1), 0 at the last step; input(0) is δ of the start",
    ),
    THICK: ("thick line", "carried over a step by q⁻¹", "the same"),
    Role.GAP: ("…", "steps that are left out", "the same"),
    WEDGE: ("▷ W, a wedge", "matrix product: signal · W", "δ · Wᵀ{gradient}"),
    LEFT: ("▷ W ·", "the matrix stands left: W · signal", "Wᵀ · δ"),
    FACTOR: (
        "× {v} in a box",
        "multiplies by {v}, by entry",
        "δ × {v}, by entry{share}",
    ),
    SPREAD: ("▷ Σ", "here the signal is repeated", "adds δ up over the copies"),
    HELD: ("▷ Σₖ", "every step reads the signal", "adds δ up over k"),
    PICKED: ("last step", "this step alone goes on", "0 comes back at all others"),
    YELLOW: ("yellow", "a parameter, or a constant", "a constant has no δ"),
    Role.ALIAS: (
        "yellow box",
        "a parameter, or a constant",
        "Σ over k, batch of δ; a constant: none",
    ),
}


def below(drawn: Skeleton) -> str:
    """Return the words below a picture, as a label of DOT."""
    widest = PARTS * (sum(IN_ROWS) + 3 * APART) - APART if drawn.rows else WIDEST
    table = _table(drawn, PARTS, IN_ROWS) if drawn.rows else _table(drawn, 1, COLUMNS)
    texts = _side_by_side(_notes(drawn), widest) if drawn.rows else _notes(drawn)
    notes = [line for text in texts for line in wrap(text, widest, subsequent_indent="  ")]
    equations = [clip_text(x, widest - len(GRADIENTS)) for x in _gradients_below(drawn)]
    parts = [table, notes, _equation_lines(equations, widest)]
    lines = [line for part in parts if part for line in ("", *part)][1:]
    lines = [
        FIRST_SPACE.sub("\N{NO-BREAK SPACE}", line) for line in lines
    ]  # SVG drops a space there
    return "".join(escape(line, longest=2 * widest) + r"\l" for line in lines)


def legend_texts(drawn: Skeleton) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Return the marks of a picture, each in the network and in the adjoint, and the notes."""
    gradients = [clip_text(x, WIDEST) for x in _gradients_below(drawn)]
    return [HEAD, *_marks(drawn)], [*_notes(drawn), *gradients]


def _table(drawn: Skeleton, count: int, widths: tuple[int, ...]) -> list[str]:
    """Return the lines of the table of marks, which has so many parts side by side, or fewer."""
    rows = _marks(drawn)
    if not rows:
        return []
    has_steps = any(vertex.role is Role.DELAY for vertex in drawn.vertices)
    head = (*HEAD[:2], HEAD[2] + BACKWARDS * has_steps)
    cells = [_cells(row, widths) for row in rows]
    most = next(x for x in count_from(1) if len(_parts(cells, x)) <= count)
    columns = [[*_cells(head, widths), *part] for part in _parts(cells, most)]
    width = sum(widths) + 2 * APART
    lines = zip_longest(*columns, fillvalue="")
    return [(" " * APART).join(f"{x:{width}}" for x in line).rstrip() for line in lines]


def _parts(cells: list[list[str]], most: int) -> list[list[str]]:
    """Return the lines of rows in parts of so many lines at most, but for a longer row."""
    parts: list[list[str]] = [[]]
    for lines in cells:
        if parts[-1] and len(parts[-1]) + len(lines) > most:
            parts.append([])
        parts[-1] += lines
    return parts


def _cells(row: tuple[str, str, str], widths: tuple[int, ...]) -> list[str]:
    """Return the lines of a row, of which no cell is wider than its column."""
    cells = [wrap(text, width) for text, width in zip(row, widths, strict=True)]
    return [
        (" " * APART).join(f"{x:{width}}" for x, width in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*cells, fillvalue="")
    ]


def _side_by_side(texts: list[str], widest: int) -> list[str]:
    """Return texts in lines, as many in a line as fit."""
    lines: list[str] = []
    for text in texts:
        room = widest - 2 * APART - len(text)
        at = next((at for at, line in enumerate(lines) if len(line) <= room), None)
        if at is None:
            lines.append(text)
        else:
            lines[at] += " " * 2 * APART + text
    return lines


def _equation_lines(texts: list[str], widest: int) -> list[str]:
    """Return equations in columns, and behind them the long ones, as many in a line as fit."""
    short = [x for x in texts if len(x) <= LONG_EQUATION]
    rest = [x for x in texts if len(x) > LONG_EQUATION]
    lines = _in_columns(short, widest)
    for line in _side_by_side(rest, widest - len(GRADIENTS)):
        if lines and len(lines[-1]) + APART + len(line) <= widest:
            lines[-1] += " " * APART + line
        else:
            lines.append((" " * len(GRADIENTS) if lines else GRADIENTS) + line)
    return lines


def _in_columns(texts: list[str], widest: int) -> list[str]:
    """Return equations in as many columns as fit."""
    lead = GRADIENTS
    for count in range(len(texts), 0, -1):
        widths = [max(map(len, texts[at::count])) for at in range(count)]
        if count == 1 or len(lead) + sum(widths) + APART * (count - 1) <= widest:
            return [
                (lead if at == 0 else " " * len(lead))
                + (" " * APART)
                .join(f"{x:{width}}" for x, width in zip(texts[at : at + count], widths))
                .rstrip()
                for at in range(0, len(texts), count)
            ]
    return []


def says_gradients_at_arrows(drawn: Skeleton) -> bool:
    """Return whether there is room for the gradients of the weights beside the weights."""
    return not drawn.rows and len(_gradients(drawn)) <= MOST_AT_ARROWS


def _marks(drawn: Skeleton) -> list[tuple[str, str, str]]:
    """Return the marks of a picture, each with what it means."""
    words = _words(drawn)
    known = dict.fromkeys(x.meaning for x in drawn.vertices if x.role is Role.MATMUL)
    products = [x.replace(" ", NO_BREAK) for x in known if x]
    here = f": {', '.join(products[:MOST_PRODUCTS])}"
    here += ", …" * (len(products) > MOST_PRODUCTS)
    over = "Σ over k of " if any(vertex.step for vertex in drawn.vertices) else ""
    weights = [label for arc in drawn.arcs for label in arc.labels if label.gradient]
    has_gradients = any(not label.works_by_entry for label in weights)
    has_shares = any(label.works_by_entry for label in weights)
    has_all_steps = any("all k" in x.forward for x in drawn.vertices)
    v = free_letter("v", drawn)
    said = {
        "products": here * bool(products),
        "gradient": f"; δW = {over}inputᵀ · δ(output)" * has_gradients,
        "share": f"; δ{v} = {over}δ(output) ∘ input, and over the batch" * has_shares,
        "steps": "; axis 0 of all k is k" * has_all_steps,
        "v": v,
    }
    delays = (x.forward[0][0] for x in drawn.vertices if x.role is Role.DELAY)
    shift = next(delays, "q")

    def put(text: str) -> str:
        return re.sub("q(?=[⁻⁺]¹)", shift, text.format(**said))

    return [
        (put(mark), put(forward), put(adjoint))
        for word, (mark, forward, adjoint) in LEGEND.items()
        if word in words
    ]


def _notes(drawn: Skeleton) -> list[str]:
    """Return what is to be said of this picture alone, a text each."""
    meanings = dict.fromkeys(
        with_free_letter(meaning, drawn)
        for vertex in drawn.vertices
        if vertex.role is not Role.MATMUL
        for meaning in vertex.meaning.splitlines()
    )
    return [*meanings, *_starts(drawn), *signs(drawn, _gradients_below(drawn)), *letters(drawn),
            *drawn.notes]  # fmt: skip


def _starts(drawn: Skeleton) -> list[str]:
    """Return a note on what each delay hands out at the first step."""
    starts: dict[str, dict[str, None]] = {}
    for at, vertex in enumerate(drawn.vertices):
        if vertex.role is Role.DELAY:
            given = [
                drawn.vertices[arc.tail].forward[0]
                for arc in drawn.arcs
                if arc.head == at and drawn.vertices[arc.tail].role in LOOSE
            ]
            into = [arc for arc in drawn.arcs if arc.head == at]
            names = [
                label.forward[0] for arc in drawn.arcs if arc.tail == at for label in arc.labels
                if label.sort is Sort.NAME and label.forward
            ]  # fmt: skip
            which = "last" if vertex.forward[0].endswith("⁺¹") else "first"
            if names and len(given) == len(into) - 1 < 2:
                start = f"{clip_text(names[0])} = {clip_text(given[0]) if given else 0}"
                starts.setdefault(which, {})[start] = None
    return [
        f"at {step}:  {',  '.join(own)}"
        for which, texts in starts.items()
        for step, own in _by_step(which, [*texts])
    ]


def _by_step(which: str, texts: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield a step, and what the delays hand out at this step of what comes from outside.

    Behind several delays, the second step reads what comes from outside, too.

    >>> list(_by_step("first", ["h(k−2) = b", "h(k−1) = a"]))
    [('the first step', ['h(k−2) = b', 'h(k−1) = a']), ('the second step', ['h(k−2) = a'])]
    """
    yield f"the {which} step", texts
    starts = dict(text.split(" = ", 1) for text in texts)
    parts = {name: re.fullmatch(r"(.*\(k[−+])(\d+)\)", name) for name in starts}
    for later, step in enumerate(("second", "third"), start=1):
        nearer = {
            name: f"{match[1]}{int(match[2]) - later})" for name, match in parts.items() if match
        }
        own = [f"{name} = {starts[near]}" for name, near in nearer.items() if near in starts]
        if own:
            yield f"the {step} step" + " from the end" * (which == "last"), own


def _gradients_below(drawn: Skeleton) -> list[str]:
    """Return the equations of the gradients that do not stand beside their weights."""
    own = _gradients(drawn, at_arrows=not says_gradients_at_arrows(drawn))
    return [*own, *drawn.equations]


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
            words.add(PICKED if label.forward == label.adjoint else Sort.NAME)
        elif not any(label.forward) and not label.works_by_entry:
            words.add(HELD if label.adjoint == (HELD,) else SPREAD)
        else:
            words.add(FACTOR if label.works_by_entry else WEDGE)
            words |= {LEFT} if any(line.endswith(" ·") for line in lines) else set()
            words |= {YELLOW} if label.sort is Sort.WEIGHT else set()
    for vertex in drawn.vertices:
        lines = (*vertex.forward, *vertex.adjoint)
        words |= {YELLOW} if vertex.is_parameter else set()
        words |= {BRANCHES} if BRANCHES in vertex.adjoint else set()
        if vertex.role is Role.BOX:
            words |= {AXIS} if any(AXES.search(line) for line in lines) else set()
            words |= {TAKES} if any(line.startswith("[") for line in vertex.forward[:1]) else set()
    if any(re.search("Σ[₀-₉]", equation) for equation in _gradients(drawn)):
        words.add(AXIS)
    words -= {YELLOW} if Role.ALIAS in words else set()
    return words | ({THICK} if Role.DELAY in words else set())


def _gradients(drawn: Skeleton, at_arrows: bool = True) -> list[str]:
    """Return the equations of the gradients of parameters, each once.

    The gradient of a parameter that is used at several places is the sum of what all of them give.

    Parameters
    ----------
    drawn : Skeleton
    at_arrows : bool
        Whether with those of weights that are labels of arrows.
    """
    weights: dict[str, dict[str, tuple[str, ...]]] = {}  # the equations, and the frame of each
    uses = Counter(vertex.name for vertex in drawn.vertices if vertex.role is Role.ALIAS)
    for arc in drawn.arcs:
        uses[arc.weight_name] += arc.is_live
        for label in arc.labels:
            if label.gradient and arc.is_live and at_arrows:
                weights.setdefault(arc.weight_name, {})[label.gradient] = label.scope
    for vertex in drawn.vertices:
        if vertex.gradient and not vertex.is_still:
            weights.setdefault(vertex.name, {})[vertex.gradient] = vertex.scope
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
