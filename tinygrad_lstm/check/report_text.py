"""A report put into words: as text, as HTML, as plain data.

Knows the parts of a report; nothing of how they are found. Without answers a report gives no right
number away: no difference, no equation, no entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import TimeUp
from ..formulas.columns import shape, size, table, wrap
from .comparison import Comparison
from .corrections import Correction
from .row import TOO_FEW, Row

HEAD = ("signal", "tape", "hand", "max |Δ|", "relative", "at", "verdict")
LISTED = 6  # names in a line, and mistakes in the data
WRONG, FIRST = "#fce8e6", "#ffcc80"  # a row that differs; the first wrong step
OPEN = "#eceff1"  # a row with too few digits
FACTOR = re.compile(r"[^\s;,]+ times what it should be")
DECIMAL = re.compile(r"(?<![\w.])(?:(?<![^\s(])-)?\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)(?![\w.])")
MARK = str.maketrans({"⟨": "<mark>", "⟩": "</mark>"})
TIME_UP = "the time was up before all mistakes were tried; diagnose(seconds=…) sets it"
NOISE = (
    "the wrong gradients differ by about {:.0e} of their size, in no pattern that a mistake would "
    "leave: noise, or too few correct digits (digits=…, or --digits, says how many there are)"
)
UNASKED = "report.diagnose() looks for the mistake"
NO_SINGLE = (
    "no single mistake explains all wrong gradients; report.diagnose() tries pairs, and "
    "tg.audit(loss, hand) any number of mistakes"
)
NO_PAIR = (
    "no pair of mistakes explains all wrong gradients; tg.audit(loss, hand), or the command audit, "
    "looks for more; if the numbers were rounded, digits=…, or --digits, says to how many digits"
)


def summary(report: Comparison) -> str:
    """Return how many rows there are, how many differ, and how many the digits cannot check."""
    wrong = sum(row.is_wrong for row in report.rows)
    unknown = sum(not row.ok and not row.is_wrong for row in report.rows)
    counts = [f"{wrong} differ" + "s" * (wrong == 1)] * bool(wrong)
    counts += [f"{unknown} with too few digits to tell"] * bool(unknown)
    signals = f"{len(report.rows)} signal" + "s" * (len(report.rows) != 1)
    partly = " as far as the digits show" * any(row.unclear for row in report.rows)
    return f"{signals}: {', '.join(counts) or f'all agree{partly}'}"


def text(report: Comparison, answers: bool) -> str:
    """Return a report as lines of 80 columns."""
    lines = [line for text in _lines(report, answers) for line in wrap(text)]
    return "\n".join([*table_of(report, answers), summary(report), *lines])


def table_of(report: Comparison, answers: bool) -> list[str]:
    """Return the lines of the table of a report."""
    head: tuple[str, ...] = HEAD
    body = [_cells(row) for row in report.rows]
    if not answers:
        head, body = (HEAD[0], HEAD[-1]), [(line[0], line[-1]) for line in body]
    return table(head, body)


def html(report: Comparison) -> str:
    """Return a report as a table and paragraphs, with the marks of its equations."""
    first = None
    with report.limit:  # one for both
        with suppress(TimeUp):
            if report.is_wrong and report.blame is not None:
                first = report.given_name(report.blame.signal)
        lines = _lines(report, True)
    rows = ["".join(f"<th>{name}</th>" for name in HEAD)]
    for row in report.rows:
        colour = WRONG if row.is_wrong else "" if row.ok else OPEN
        colour = FIRST if row.name == first else colour
        cell = f'<td style="background:{colour}">' if colour else "<td>"
        rows.append("".join(f"{cell}{escape(text)}</td>" for text in _cells(row)))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    paragraphs = (escape(line.strip()).translate(MARK) for line in lines)
    return f"<table>{body}</table>" + "".join(f"<p>{text}</p>" for text in paragraphs)


def data(report: Comparison, answers: bool) -> dict[str, Any]:
    """Return a report as JSON can hold it; ``is_cut`` says that the time was up."""
    rows = []
    for row in report.rows:
        entry: dict[str, Any] = {
            "signal": row.name, "shape": list(row.hand_shape), "dtype": row.hand_dtype,
            "finite": row.finite, "ok": None if row.verdict == TOO_FEW else row.ok,
            "verdict": row.verdict, "unclear": row.unclear,
        }  # fmt: skip
        if answers:
            entry["expected"] = {"shape": list(row.shape), "dtype": row.dtype}
            entry |= {"max_abs": plain(row.max_abs), "max_rel": plain(row.max_rel),
                      "where": None if row.where is None else list(row.where)}  # fmt: skip
        rows.append(entry)
    blame, mistakes, is_cut = None, list[dict[str, Any]](), True
    with suppress(TimeUp), report.limit:
        if report.is_wrong and report.blame is not None:
            blame = asdict(report.blame)
            numbers = {name: plain(blame.pop(name)) for name in ("found", "expected")}
            blame |= numbers if answers else {}
        mistakes = list(_mistakes(report, answers))
        is_cut = report.best.is_cut
    return {
        "ok": report.ok, "rows": rows, "blame": blame, "mistakes": mistakes, "is_cut": is_cut
    }  # fmt: skip


def _mistakes(report: Comparison, answers: bool) -> Iterator[dict[str, Any]]:
    for at, diagnosis in enumerate(report.best[:LISTED]):
        where, says = (sentence(x, report, answers) for x in (diagnosis.where, diagnosis.says))
        entry = {
            "kind": diagnosis.kind, "where": where, "says": says,
            "left": diagnosis.left, "unique": diagnosis.unique, "apart": diagnosis.apart,
        }  # fmt: skip
        if answers:
            entry["residual"] = plain(diagnosis.residual)
            entry["equations"] = [] if at else [_equation(one) for one in report.corrections]
        yield entry


def _lines(report: Comparison, answers: bool) -> list[str]:
    """Return the lines below the table, as far as there is time for them."""
    lines: list[str] = []
    try:
        with report.limit:
            lines.extend(_explanation(report, answers))
    except TimeUp:
        lines += [TIME_UP] * (TIME_UP not in lines)
    return lines


def _explanation(report: Comparison, answers: bool) -> Iterator[str]:
    """Yield the limits of the digits, the first wrong step, and the mistakes that explain it."""
    parts = [f"{row.unclear} of {np.prod(row.shape)} entries of {row.name}"
             for row in report.rows if row.ok and row.unclear]  # fmt: skip
    if parts:
        yield f"too few digits to tell: {list_names(parts)}"
    if any(row.verdict == TOO_FEW for row in report.rows):
        yield "give more digits, or scientific notation: zeros would pass as well"
    if not report.is_wrong:
        return
    view = report.evidence[0]
    if view.reason:
        yield f"every step on its own, since {view.reason}"
    if report.unplaced:
        reasons = [f"{name} ({_why_unplaced(report, name)})" for name in report.unplaced]
        yield f"differs, but not used to find the mistake: {list_names(reasons)}"
    yield from _steps_of_plain_loops(report)
    blame = report.blame
    if blame is None:
        return
    at = f" at {shape(blame.at)}" if blame.at else ""
    narrow = f", or a signal that leads to it; give {blame.supply} next to narrow the search"
    yield f"first wrong: {blame.signal}{at}{narrow * bool(blame.supply)}"
    for label, names in (("also wrong", blame.also), ("consequences", blame.consequences)):
        if names:
            yield f"{label}: {list_names(names)}"
    if report.best:
        yield from _best_mistakes(report, 1 + len(blame.also), answers)
    elif report.noise is not None:
        yield NOISE.format(report.noise)
    else:
        yield _without_explanation(report)


def _best_mistakes(report: Comparison, wrong: int, answers: bool) -> Iterator[str]:
    """Yield the mistakes that explain most of the wrong gradients, the likeliest first."""
    first, *others = report.best
    some = " that explains all wrong gradients" * (wrong > 1)
    if first.left:
        some = f" that explains {wrong - first.left} of {wrong} wrong gradients"
    noun = "mistake" if len(first.mistakes) == 1 else "mistakes"
    some = some if len(first.mistakes) == 1 else some.replace("explains", "explain")
    yield f"{noun}{some}: {sentence(first.says, report, answers)}"
    for correction in report.corrections if answers else ():
        yield from _correction(correction)
    word = "explains as many" if first.left else "explains the same"
    for other in [one for one in others if one.left == first.left][:2]:
        yield f"{word}: {sentence(other.says, report, answers)}"
    if first.apart:
        yield f"give {first.apart} to tell them apart"
    if first.left:
        yield _without_explanation(report)


def _without_explanation(report: Comparison) -> str:
    """Return how far the search has come that does not explain all wrong gradients."""
    if report.is_searched:
        return TIME_UP if report.best.is_cut else NO_PAIR
    return NO_SINGLE if report.is_small else UNASKED


def _correction(correction: Correction) -> Iterator[str]:
    yield f"  right: {correction.text}"
    if correction.mistake.wrong:
        yield f"  in place of the marked part: {correction.mistake.wrong}"
    elif correction.is_left_out:
        yield "  the marked part is left out"
    if np.isfinite(correction.right):
        entry = correction.signal + (f" at {shape(correction.at)}" if correction.at else "")
        who = "by hand" if correction.is_given else "with the mistake"
        wrong, right = correction.wrong + 0.0, correction.right + 0.0
        yield f"  {entry}: {wrong:.9g} {who}, {right:.9g} is right"


def _why_unplaced(report: Comparison, name: str) -> str:
    """Return why a signal is not blamed (see `Comparison.unplaced`)."""
    (row,) = (row for row in report.rows if row.name == name)
    if not row.finite:
        return "not finite"
    if row.shape != row.hand_shape:
        return "of a wrong shape"
    return "the network that is searched has no signal of this name"


def _steps_of_plain_loops(report: Comparison) -> Iterator[str]:
    """Yield the remedy where one array holds the gradients of all steps of a plain loop."""
    known = report.evidence[0].signals.by_name
    for row in report.rows:
        copies = [row.name]
        while (copy := f"{row.name}_{len(copies) + 1}") in known:
            copies.append(copy)
        steps, *entry = row.hand_shape or (0,)
        if 1 < steps in (len(copies), len(copies) - 1) and tuple(entry) == row.shape:
            yield (
                f"{row.name}: found {steps} rows, and the signals {list_names(copies)}; write the "
                f"loop as `for k in tg.steps({steps}):` to compare all steps at once, or give the "
                "gradient of each signal by its name"
            )


def sentence(says: str, report: Comparison, answers: bool) -> str:
    """Return the sentence about a mistake; without answers no number that gives them away.

    That is a factor, or a constant that nobody named: δ of what is multiplied by it is its number.
    """
    if answers:
        return says
    nodes = report.evidence[0].network.nodes
    constants = {node.name for node in nodes if node.kind is Kind.CONSTANT}

    def without_number(match: re.Match[str]) -> str:
        before = says[: match.start()]
        if before.count("(") > before.count(")"):  # in a formula, all numbers are the network's
            return "constant"
        return "a constant" if match.group() in constants else match.group()

    says = DECIMAL.sub(without_number, says)
    return FACTOR.sub("a multiple of what it should be", says)


def list_names(names: Sequence[str]) -> str:
    """Return the first of some names, for a line."""
    return f"{', '.join(names[:LISTED])}{', …' * (len(names) > LISTED)}"


def _equation(correction: Correction) -> dict[str, Any]:
    return {"signal": correction.signal, "right": correction.text,
            "substitute": correction.substitute, "at": list(correction.at),
            "wrong": plain(correction.wrong), "expected": plain(correction.right),
            "is_given": correction.is_given}  # fmt: skip


def plain(value: float) -> float | str | None:
    """Return a number that JSON has: JSON has neither nan nor infinity."""
    return None if np.isnan(value) else str(value) if np.isinf(value) else float(value)


def _cells(row: Row) -> tuple[str, ...]:
    hand = "same" if row.hand_shape == row.shape else shape(row.hand_shape)
    if row.hand_dtype != row.dtype and row.hand_dtype.startswith("float"):
        hand += f", {row.hand_dtype}"
    at = "" if row.where is None or row.verdict == "exact" else shape(row.where)
    return (row.name, shape(row.shape), hand, size(row.max_abs), size(row.max_rel), at,
            row.verdict)  # fmt: skip
