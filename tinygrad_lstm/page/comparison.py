"""A comparison with a derivation by hand, as data for a page.

Knows reports, and the signals of the page. Without answers there is no right number in the data,
no equation and no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..check.report import Report
from ..check.report_text import summary
from ..engine.limit import TimeUp
from .pictures import place_of
from .signals import PageSignals

MARKED = re.compile(r"⟨([^⟨⟩]*)⟩")
OF_DELTA = re.compile(r"δ[^\s\[]*\[(-?\d+)\]")
AT_K = re.compile(r"\(k([-+]\d+)?\)")
SAYS = {"wrong": "first wrong", "also": "wrong too", "consequence": "a consequence",
        "agrees": "right", "open": "cannot be told"}  # fmt: skip


def comparison(report: Report, signals: PageSignals, answers: bool) -> dict[str, Any]:
    """Return a report for a page."""
    plain = report.as_dict(answers)
    blame = plain["blame"] or {}
    first = blame.get("signal", "")
    consequences = blame.get("consequences", ())
    given: dict[str, str] = {}  # the mark of a row, by its name
    with suppress(TimeUp), report.limit:
        for name in consequences:
            given.setdefault(report.given_name(name), "consequence")
        for name in blame.get("also", ()):
            given[report.given_name(name)] = "also"
        if first:
            given[report.given_name(first)] = "wrong"
    place, step = place_of(first, signals) if first else (-1, None)
    rows = [_row(entry, given, signals) for entry in plain["rows"]]
    marked = [place_of(name, signals)[0] for name in consequences]
    return {
        "summary": summary(report), "first": place, "first_name": first, "step": step,
        "numbers": _numbers(blame) if answers and first else "",
        "consequences": [x for x in dict.fromkeys(marked) if x >= 0 and x != place],
        "mistakes": [{"says": x["says"]} for x in plain["mistakes"][:1]],
        "equations": [
            {"right": x["right"], "wrong": MARKED.sub(_instead(x["substitute"]), x["right"])}
            for x in (plain["mistakes"][0].get("equations", ()) if plain["mistakes"] else ())
        ],
        "lines": _lines(report, plain), "rows": rows,
    }  # fmt: skip


def _instead(substitute: str) -> Callable[[re.Match[str]], str]:
    """Return what is put in the place of a marked part: the substitute, at the step of its δ."""

    def put(marked: re.Match[str]) -> str:
        step = OF_DELTA.search(marked[1])
        text = substitute or "…"
        if step is not None:
            text = AT_K.sub(lambda k: f"[{int(step[1]) + int(k[1] or 0)}]", text)
        return f"⟨{text}⟩"

    return put


def _row(entry: dict[str, Any], given: dict[str, str], signals: PageSignals) -> dict[str, Any]:
    name = entry["signal"]
    mark = "agrees" if entry["ok"] else "open" if entry["ok"] is None else given.get(name, "also")
    return {
        "name": name, "place": place_of(name, signals)[0], "verdict": entry["verdict"],
        "mark": mark, "mark_says": SAYS[mark],
    }  # fmt: skip


def _numbers(blame: dict[str, Any]) -> str:
    if blame.get("found") is None or blame.get("expected") is None:
        return ""
    at = f" at ({', '.join(map(str, blame['at']))})" if blame["at"] else ""
    return f"{at}: {blame['found']:.6g} by hand, {blame['expected']:.6g} follows".replace("-", "−")


def _lines(report: Report, plain: dict[str, Any]) -> list[str]:
    """Return what is to be said where no mistake explains all."""
    if report.ok or plain["mistakes"]:
        return []
    if plain["blame"] and plain["blame"].get("region"):
        return [f"The fault lies between here and: {', '.join(plain['blame']['region'])}"]
    return []
