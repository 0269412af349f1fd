"""A derivation in LaTeX, for the package amsmath, and in Markdown with the same formulas.

Knows the layout; decides no mathematics. A name is written in letters that LaTeX has, whatever
somebody called a signal.
"""

from __future__ import annotations

import re
from typing import Any

from ..engine.spelling import spell
from ..engine.symbol import Symbol
from .derived import Derived, Term
from .layout import Page, page
from .letters import base_and_number
from .lines import Group, Line
from .name_signs import sign_for
from .names import Exact
from .reader import Dated, Variable
from .rewriting import in_brackets, rewrite

# fmt: off
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda",
    "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
}
# fmt: on
HEAD = r"""\documentclass{article}
\usepackage[a4paper,landscape,margin=15mm]{geometry}
\usepackage{amsmath}
\allowdisplaybreaks
\begin{document}
"""


def latex(derivation: Derived, standalone: bool = False) -> str:
    """Return the derivation in LaTeX; as a whole document, if it is to stand alone."""
    layout = page(derivation)
    parts = [rf"\section*{{Derivation of {words(layout.title)}}}", *map(words, layout.legend)]
    parts += ["", r"\subsection*{Forward}", *_starts(layout)]
    for group in layout.forward:
        parts += [rf"\paragraph{{{words(group.title)}}}", _aligned(forward_rows(group))]
    parts += [r"\subsection*{Backward}", *_ends(layout)]
    for group in layout.backward:
        parts += [rf"\paragraph{{{words(group.title)}}}", _aligned(_side_by_side(group))]
    text = "\n".join(parts) + "\n"
    return f"{HEAD}{text}\\end{{document}}\n" if standalone else text


def markdown(derivation: Derived) -> str:
    """Return the derivation as Markdown."""
    layout = page(derivation)
    parts = [f"## Derivation of {_plain(layout.title)}", "", *map(_plain, layout.legend), ""]
    parts += ["### Forward", ""]
    parts += [f"At {_plain(step)}, {_listed(starts)}.\n" for step, starts in layout.starts]
    for group in layout.forward:
        parts += [f"**{_plain(group.title)}**", "", _display(forward_rows(group)), ""]
    parts += ["### Backward", ""]
    parts += [*map(_plain, layout.notes), ""]
    parts += [f"{_plain(layout.rules_title)}:", ""] if layout.rules else []
    parts += [*(f"- {name}: {_plain(x)}: {_plain(δ)}" for name, x, δ in layout.rules), ""]
    for group in layout.backward:
        parts += [f"**{_plain(group.title)}**", "", _display(_side_by_side(group)), ""]
    return "\n".join(parts)


def forward_rows(group: Group) -> list[str]:
    """Return the rows of forward lines, each with & before the sign of equality."""
    return [
        rf"{symbol(line.left)} &= {formula(line.terms[0].formula)}{_for_each(line)} "
        rf"\tag{{{line.number}}}"
        for line in group.lines
    ]


def backward_rows(group: Group) -> list[str]:
    """Return the rows of backward lines: every summand over the way that it comes."""
    return [row for line in group.lines for row in backward(line)]


def _side_by_side(group: Group) -> list[str]:
    """Return the rows of backward lines with the forward equations to their left."""
    if all(line.forward is None for line in group.lines):
        return backward_rows(group)
    rows = []
    for line in group.lines:
        first, *rest = backward(line)
        left = "&"
        if line.forward is not None:
            right = formula(line.forward.terms[0].formula)
            left = rf"{symbol(line.forward.left)} &= {right} \;\;({line.forward.number})"
        rows += [f"{left} & {first}", *(f"& & {row}" for row in rest)]
    return rows


def backward(line: Line) -> list[str]:
    """Return the rows of one backward line."""
    several = len(line.terms) > 1
    terms = [
        (_under(term) if several else _summed(term))
        + rf"\;\text{{(at the {term.starts} step)}}" * bool(term.starts and not line.starts)
        + rf"\;\text{{({term.when})}}" * bool(term.when)
        for term in line.terms
    ]
    rows = []
    for at in range(0, len(terms), 3):
        text = " + ".join(terms[at : at + 3]).replace("+ -", "- ")
        if at:
            text = r"\quad " + ("" if text.startswith("-") else "+ ") + text
        rows.append(f"&{text}" if at else f"{symbol(line.left)} &= {text}")
    note = _for_each(line)
    if not several and line.terms[0].via:
        note = rf"\qquad {_way(line.terms[0])}{note}"
    if line.starts and line.terms[0].at is None:
        note = rf"{note}\qquad \text{{at the {line.starts} step}}"
    rows[-1] += note
    return rows


def _for_each(line: Line) -> str:
    """Return what the letter of a line stands for, if the line stands for several."""
    names = ", ".join(map(_letters, line.subscripts))
    return rf"\qquad {line.letter} = {names}" if names else ""


def _under(term: Term) -> str:
    text = _summed(term)
    if not term.via:
        return text
    return rf"\underbrace{{{text}}}_{{{_way(term)}}}"


def _way(term: Term) -> str:
    """Return the signal through which a summand comes back, and the number of its line."""
    numbers = rf"\,({', '.join(map(str, term.numbers))})" if term.numbers else ""
    of = f"k{term.by:+d}" if term.at is None else f"{term.at}"
    step = rf"\text{{ of step }} {of}" if term.by or term.at is not None else ""
    via = rf"\text{{via }} {_named(term.via)}{numbers}{step}"
    if not term.parts:
        return via + _by(term)
    parts = r" \text{ and } ".join(_summed(part) + _by(part) for part in term.parts)
    return rf"{via}\text{{, from {len(term.parts)} uses: }} {parts}"


def _by(term: Term) -> str:
    return rf"\text{{ by {', '.join(term.rules)}}}" if term.rules else ""


def _summed(term: Term) -> str:
    text = formula(term.formula)
    if term.subscripts:
        over = rf"\sum_{{{term.letter}={','.join(map(_letters, term.subscripts))}}}"
        return rf"{over} \left({text}\right)" if term.is_sum else rf"{over} {text}"
    if term.loop is None:
        return text
    if term.place is not None:
        index = str(term.place["index"])
        return rf"{text} \;\text{{({'at step k' if index == 'k' else words(f'at {index}')})}}"
    if term.is_negative:
        return rf"-\sum_k {text[1:].lstrip()}"
    return rf"\sum_k \left({text}\right)" if term.is_sum else rf"\sum_k {text}"


def formula(expression: Any) -> str:
    """Return a formula in LaTeX, with the step of each signal as its subscript."""
    put = in_brackets(rewrite(expression, leaf=_leaf))
    text = put.latex() if isinstance(put, Symbol) else f"{put:g}"
    return re.sub(r"√(\d+)", r"\\sqrt{\1}", text)


def _leaf(leaf: Any) -> Any:
    if isinstance(leaf, Variable):
        return Symbol(symbol(leaf), leaf.value)
    return Exact(leaf) if isinstance(leaf, float) else leaf


def symbol(signal: Variable) -> str:
    """Return a signal in LaTeX.

    >>> symbol(Variable("δs_a", None, 0, offset=1)), symbol(Variable("dense.W", None, 0))
    ('\\\\delta s_{a,k+1}', '\\\\mathrm{dense.}W')
    """
    step = "" if signal.offset is None else "k" + (f"{signal.offset:+d}" if signal.offset else "")
    step = str(signal.step) if isinstance(signal, Dated) else step
    return _named(signal.name, step)


def _named(name: str, step: str = "") -> str:
    delta = r"\delta " if name.startswith("δ") else ""
    *scopes, own = name.removeprefix("δ").split(".")
    own, number = base_and_number(own)
    own, _, index = own.partition("[")
    base, _, below = own.partition("_")
    if not base:
        base, below = own, ""
    scope = rf"\mathrm{{{'.'.join(map(_letters_of_text, scopes))}.}}" if scopes else ""
    parts = [_letters(below), _letters_of_text(index.rstrip("]")), step]
    under = ",".join(filter(None, parts))
    text = f"{scope}{_letters(base)}" + (f"_{{{under}}}" if under else "")
    return delta + (f"{{{text}^{{({_letters_of_text(number)})}}}}" if number else text)


def _letters(text: str) -> str:
    """Return a name in letters: one as it is, several upright, a Greek one by its name."""
    if not text:
        return ""
    spelled = _letters_of_text(text)
    if spelled in GREEK and text != spelled:
        return f"\\{spelled}"
    return spelled if len(spelled) == 1 else rf"\mathrm{{{spelled}}}"


def _letters_of_text(text: str) -> str:
    """Return text of which nothing is a command."""
    if not text:
        return ""
    if sign := sign_for(text):
        return sign
    letters = re.sub(r"[^A-Za-z0-9.,:+\-' ]", " ", spell(text))
    return re.sub(r"\s+", r"\\,", letters.strip()) or "?"


WRITTEN = {
    "δ": r"$\delta$", "∂": r"$\partial$", "σ": r"$\sigma$", "Σ": r"$\Sigma$", "Δ": r"$\Delta$",
    "∘": r"$\circ$", "×": r"$\times$", "·": r"$\cdot$", "⊗": r"$\otimes$", "−": "$-$",
    "±": r"$\pm$",
    "ᵀ": r"$^\top$", "⁻": "$^-$", "⁺": "$^+$", "¹": "$^1$", "²": "$^2$", "³": "$^3$", "′": "$'$",
    "ₖ": "$_k$", "₊": "$_+$", "₋": "$_-$", "₁": "$_1$", "₂": "$_2$", "₃": "$_3$", "½": r"$\frac12$",
    "≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "≈": r"$\approx$", "→": r"$\to$",
    "←": r"$\leftarrow$",
    "▷": r"$\triangleright$", "◆": r"$\blacklozenge$",
    "‖": r"$\|$", "●": r"$\bullet$", "…": r"\dots{}", "ŷ": r"$\hat{y}$", "\xa0": "~",
    "\\": r"\textbackslash{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
}  # fmt: skip


def words(text: str) -> str:
    """Return text in which nothing is a command of LaTeX."""
    return "".join(
        WRITTEN.get(sign) or (f"\\{sign}" if sign in "#$%&_{}" else
        rf"\{sign}{{}}" if sign in "^~" else sign if sign.isascii() else words(spell(sign)))
        for sign in text
    )  # fmt: skip


def _plain(text: str) -> str:
    """Return text in which nothing is a command of Markdown or a tag."""
    return re.sub(r"([\\`*_\[\]<>#|$&])", r"\\\1", text)


def _listed(starts: tuple[tuple[Variable, Any], ...]) -> str:
    return ", ".join(f"${symbol(state)} = {formula(start)}$" for state, start in starts)


def _starts(layout: Page) -> list[str]:
    return [f"At {words(step)}, {_listed(starts)}.\n" for step, starts in layout.starts]


def _ends(layout: Page) -> list[str]:
    rows = [rf"\item[{name}] {words(x)}: {words(δ)}" for name, x, δ in layout.rules]
    title = words(layout.rules_title)
    if not rows:
        return [*map(words, layout.notes)]
    return [*map(words, layout.notes), rf"\paragraph{{{title}}}",
            r"\begin{itemize}", *rows, r"\end{itemize}"]  # fmt: skip


def _aligned(rows: list[str]) -> str:
    rows = [row if r"\tag" in row else rf"{row} \notag" for row in rows]
    return "\\begin{align}\n" + " \\\\\n".join(rows) + "\n\\end{align}"


def _display(rows: list[str]) -> str:
    plain = [re.sub(r" \\tag\{(\d+)\}", r" && (\1)", row) for row in rows]
    return "$$\n\\begin{aligned}\n" + " \\\\\n".join(plain) + "\n\\end{aligned}\n$$"
