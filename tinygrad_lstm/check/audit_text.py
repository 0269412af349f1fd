"""An audit put into words: as text, and as plain data.

Knows the parts of an audit; nothing of how they are found. Without answers an audit gives no right
number away: no difference, no equation, no entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..formulas.columns import shape, wrap
from .audit_data import AuditData, AuditedMistake
from .matching import Matching
from .report_text import NOISE, list_names, plain, sentence, table_of
from .report_text import summary as summary_of_rows

TIME_UP = "the time was up before the end of the search; seconds=…, or --seconds, sets it"
MORE = "give the gradients of more signals in between: they make the search surer and faster"


def summary(audit: AuditData) -> str:
    """Return how many signals differ, and how many mistakes explain them."""
    head = summary_of_rows(audit.report)
    count = len(audit.mistakes)
    return f"{head}; {count or 'no'} mistake{'s' * (count != 1)} named" if not audit.ok else head


def text(audit: AuditData, answers: bool) -> str:
    """Return an audit as lines of 80 columns: a table of the signals, and a list of mistakes."""
    lines = [line for text in _lines(audit, answers) for line in wrap(text)]
    table = table_of(audit.report, answers)
    if audit.matching is not None:
        table += [line for text in _of_program(audit.matching) for line in wrap(text)]
    return "\n".join([*table, summary_of_rows(audit.report), *lines])


def data(audit: AuditData, answers: bool) -> dict[str, Any]:
    """Return an audit as JSON can hold it; ``is_cut`` says that the time was up."""
    return {
        "ok": audit.ok,
        "rows": [
            {"signal": row.name, "ok": row.ok, "verdict": row.verdict} for row in audit.report.rows
        ],
        "mistakes": [_entry(audit, one, answers) for one in audit.mistakes],
        "unexplained": list(audit.unexplained),
        "is_cut": audit.is_cut,
        "variables": {} if audit.matching is None else audit.matching.variables,
    }


def _entry(audit: AuditData, one: AuditedMistake, answers: bool) -> dict[str, Any]:
    texts = one.mistake.where, one.mistake.says
    where, says = (sentence(text, audit.report, answers) for text in texts)
    entry: dict[str, Any] = {
        "kind": one.mistake.kind, "where": where, "says": says, "signals": list(one.signals),
    }  # fmt: skip
    if answers:
        entry |= {"at": list(one.at), "found": plain(one.found), "expected": plain(one.expected)}
        entry["equation"] = "" if one.correction is None else one.correction.text
        entry["substitute"] = "" if one.correction is None else one.correction.substitute
    return entry


def _lines(audit: AuditData, answers: bool) -> Iterator[str]:
    report = audit.report
    if not report.is_wrong or report.blame is None:
        return
    if report.unplaced:
        yield f"differs, but not used to find the mistakes: {list_names(report.unplaced)}"
    if report.noise is not None:
        yield NOISE.format(report.noise)
        return
    count, left = len(audit.mistakes), len(audit.unexplained)
    if count:
        which = f"all but {left} of the" if left else "all"
        yield (
            f"{count} mistake{'s explain' if count > 1 else ' explains'} {which} wrong gradients"
            f"{', in the order of the backward pass' * (count > 1)}:"
        )
    for number, one in enumerate(audit.mistakes, 1):
        yield from _of_one(audit, number, one, answers)
    if left:
        yield f"no mistake explains: {list_names(audit.unexplained)}"
    if audit.is_cut:
        yield TIME_UP
    if left:
        yield MORE


def _of_program(matching: Matching) -> Iterator[str]:
    """Yield which variables of the program are which gradients, and which are none."""
    which = [f"δ{name} is {variable}" for name, variable in matching.variables.items()]
    yield f"in the program: {'; '.join(which) or 'no gradient of a signal'}"
    if matching.unmatched:
        yield f"not in the program: {', '.join('δ' + name for name in matching.unmatched)}"
    if matching.unused:
        yield f"not used, since no signal fits: {', '.join(matching.unused)}"
    if matching.error:
        yield f"the program stopped: {matching.error}"
    if matching.is_cut:
        yield "the program assigns too much to record all: give it fewer steps"


def _of_one(audit: AuditData, number: int, one: AuditedMistake, answers: bool) -> Iterator[str]:
    """Yield a mistake, and the place and the numbers that show it."""
    where = f"in {one.signals[0]}: " if one.signals else ""
    yield f"{number}. {where}{sentence(one.mistake.says, audit.report, answers)}"
    if not answers:
        return
    if one.correction is not None:
        yield f"   right: {one.correction.text}"
        if one.correction.mistake.wrong:
            yield f"   in place of the marked part: {one.correction.mistake.wrong}"
        elif one.correction.is_left_out:
            yield "   the marked part is left out"
    if np.isfinite(one.expected):
        entry = one.signals[0] + (f" at {shape(one.at)}" if one.at else "")
        found, expected = one.found + 0.0, one.expected + 0.0
        yield f"   {entry}: {found:.9g} by hand, {expected:.9g} follows from the numbers before"
    if len(one.signals) > 1:
        yield f"   the same mistake: {list_names(one.signals[1:])}"
