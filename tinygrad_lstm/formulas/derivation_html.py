"""A derivation as a page in HTML with MathML: no script, and nothing to fetch.

Knows the layout and the formulas in LaTeX, which latex2mathml turns into MathML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Any

from ..errors import PackageError
from .derivation_latex import backward, formula, forward_rows, symbol
from .derived import Derived
from .layout import page
from .lines import Group, Line
from .name_signs import NameSigns
from .reader import Variable

STYLE = """
body { font-family: Georgia, serif; max-width: 60em; margin: 2em auto; padding: 0 1em;
       color: #222; line-height: 1.5; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2em; }
h3 { font-size: 1em; color: #666; margin: 1.5em 0 0.3em; }
table { border-collapse: collapse; } td { padding: 0.25em 1.2em 0.25em 0; vertical-align: top; }
td.number { color: #999; } tr.line td { border-top: 1px solid #eee; }
"""


def html(derivation: Derived) -> str:
    """Return the derivation as a page in HTML."""
    to_math = converter()
    layout = page(derivation)
    title = escape(f"Derivation of {layout.title}")
    parts = [
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in layout.legend),
        "<h2>Forward</h2>",
    ]
    for step, starts in layout.starts:
        parts.append(f"<p>At {escape(step)}, {_listed(starts, to_math)}.</p>")
    parts += [_group(group, _forward, to_math) for group in layout.forward]
    parts.append("<h2>Backward</h2>")
    parts += [f"<p>{escape(sentence)}</p>" for sentence in layout.notes]
    rows = [
        f"<tr><td>{name}</td><td>{escape(x)}</td><td>{escape(δ)}</td></tr>"
        for name, x, δ in layout.rules
    ]
    table = f"<h3>{escape(layout.rules_title)}</h3><table>{''.join(rows)}</table>"
    parts += [table] if rows else []
    parts += [_group(group, _backward, to_math) for group in layout.backward]
    return "\n".join([*parts, "</body></html>\n"])


def converter() -> Callable[[str], str]:
    """Return a function from LaTeX to MathML.

    Raises
    ------
    PackageError
        If latex2mathml is not installed; the message says how to get it.
    """
    try:
        from latex2mathml.converter import convert
    except ImportError:
        raise PackageError(
            "html needs the package latex2mathml: pip install 'tinygrad-lstm[html]'"
        ) from None
    return lambda text: str(convert(text))


def _listed(starts: tuple[tuple[Variable, Any], ...], to_math: Callable[[str], str]) -> str:
    with NameSigns() as signs:
        rows = [f"{symbol(state)} = {formula(start)}" for state, start in starts]
    return signs.put_back(", ".join(map(to_math, rows)))


def _group(
    group: Group, row: Callable[[Line, Callable[[str], str]], str], to_math: Callable[[str], str]
) -> str:
    rows = "\n".join(row(line, to_math) for line in group.lines)
    return f"<h3>{escape(group.title)}</h3>\n<table>\n{rows}\n</table>"


def math_rows(line: Line, to_math: Callable[[str], str]) -> list[str]:
    """Return the rows of a line, forward or backward, in MathML."""
    is_forward = not line.left.is_delta
    with NameSigns() as signs:
        rows = forward_rows(Group("", (line,))) if is_forward else backward(line)
    return [signs.put_back(to_math(_bare(row))) for row in rows]


def _forward(line: Line, to_math: Callable[[str], str]) -> str:
    (text,) = math_rows(line, to_math)
    return f'<tr class="line"><td class="number">({line.number})</td><td>{text}</td></tr>'


def _backward(line: Line, to_math: Callable[[str], str]) -> str:
    before = number = ""
    if line.forward is not None:
        number = f"({line.forward.number})"
        (before,) = math_rows(line.forward, to_math)
    rows = "<br>".join(math_rows(line, to_math))
    numbered = f'<td class="number">{number}</td><td>{before}</td>'
    return f'<tr class="line">{numbered}<td>{rows}</td></tr>'


def _bare(row: str) -> str:
    """Return a row without what aligns it."""
    return re.sub(r" \\tag\{\d+\}", "", row).replace("&", "")
