"""Grades written: tables for the teacher, a page for each student, other graders' formats.

Knows grades. No right number is in any file, and what a submission calls itself is text everywhere.

Gradescope: "Autograder specifications", results.json. nbgrader: grades.csv of ``nbgrader export``.
otter-grader 7: final_grades.csv of ``otter grade``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from ..files.whole import write_file
from .grade import Grade, clusters
from .submissions import as_text

REVEALS = ("where", "kind", "equation")
WORDS = {
    "right": "right", "follows": "follows from a wrong one", "explained": "wrong",
    "unexplained": "wrong", "unreadable": "wrong",
    "scaled": "wrong", "blank": "wrong",
    "missing": "not given", "too few digits": "too few digits to tell",
}  # fmt: skip
NO_STATUS = "--"  # in otter-grader's row of the points that can be had
PAGE = re.compile(r"(students|gradescope)/[A-Za-z0-9-]+\.(html|json)")
STYLE = (
    "body{font:16px sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
    "td,th{text-align:left;padding:.2em 1em .2em 0}code{white-space:pre-wrap}"
)


def write_all(grades: Sequence[Grade], out: Path, reveal: str, assignment: str) -> list[Path]:
    """Write all files, and return the paths of those that a teacher opens first.

    Parameters
    ----------
    grades : sequence of Grade
    out : path of a folder
    reveal : str
        What students see: ``where`` it first goes wrong, the ``kind`` of the mistake too, or the
        right ``equation`` too.
    assignment : str
        Its name in nbgrader's table.
    """
    for name in ("students", "gradescope", "nbgrader", "otter"):
        (out / name).mkdir(parents=True, exist_ok=True)
    pages: dict[str, bytes] = {}
    for one in grades:
        slug = one.submission.slug
        pages[f"students/{slug}.html"] = student_page(one, reveal).encode()
        results = json.dumps(gradescope(one, reveal), indent=1)
        pages[f"gradescope/{slug}.json"] = results.encode()
    _remove_old(out, pages)
    for name, content in pages.items():
        write_file(content, out / name)
    write_file(_csv(nbgrader(grades, assignment)), out / "nbgrader" / "grades.csv")
    write_file(_csv(otter(grades)), out / "otter" / "final_grades.csv")
    table = write_file(_csv(teacher_table(grades)), out / "table.csv")
    summary = write_file(summary_text(grades).encode(), out / "summary.md")
    return [table, summary, out / "students"]


def _remove_old(out: Path, names: Collection[str]) -> None:
    """Remove what the run before wrote for submissions that are gone, and note what this one does.

    A file that no run wrote stays.
    """
    note = out / "kept" / "pages.txt"
    note.parent.mkdir(exist_ok=True)
    with suppress(OSError, ValueError):
        for name in note.read_text("utf-8").splitlines():
            if PAGE.fullmatch(name) and name not in names:
                (out / name).unlink(missing_ok=True)
    write_file("".join(f"{name}\n" for name in names).encode(), note)


def teacher_table(grades: Sequence[Grade]) -> list[list[Any]]:
    """Return the rows of the teacher's table, the head first."""
    names = list(dict.fromkeys(name for one in grades for name in one.parts))
    head = [
        "who",
        "file",
        "score",
        "of",
        "first wrong",
        "mistakes",
        "right",
        "note",
        "page",
        *names,
    ]
    rows: list[list[Any]] = [head]
    for one in grades:
        data = one.judgement
        states = {**data.get("signals", {}), **data.get("asked", {})}
        right = ", ".join(name for name, state in states.items() if state == "right")
        mistakes = "; ".join(mistake["says"] for mistake in data.get("mistakes", ()))
        faults = [f"{name}: {fault}" for name, fault in data.get("faults", {}).items()]
        if data.get("is_cut"):
            faults.append("the search was cut short; a higher --seconds may name more mistakes")
        page = f"students/{one.submission.slug}.html"
        rows.append([
            one.submission.who, _file(one), one.score, one.points, data.get("first", ""), mistakes,
            right, "; ".join([*faults, *_notes(one)]), page,
            *(states.get(name, "missing") for name in names),
        ])  # fmt: skip
    return rows


def summary_text(grades: Sequence[Grade]) -> str:
    """Return how many submissions are right, and how many made each mistake, as Markdown."""
    count = len(grades)
    lines = [f"# {count} submission{'s' * (count != 1)}", ""]
    judged = [one for one in grades if not one.judgement.get("fault")]
    right = sum(not one.judgement.get("first") for one in judged)
    lines += [f"- {right} of {count}: no wrong gradient"]
    lines += [f"- {count - len(judged)} of {count}: could not be judged"]
    lines += ["", "## Mistakes", ""]
    for number, _, says in clusters(grades):
        lines.append(f"- {number} of {count}: {_markdown(says)}")
    unnamed = sum(bool(one.judgement.get("first")) and not one.judgement.get("mistakes")
                  for one in judged)  # fmt: skip
    lines += [f"- {unnamed} of {count}: wrong, and no mistake explains it"] * bool(unnamed)
    return "\n".join(lines) + "\n"


def student_page(one: Grade, reveal: str) -> str:
    """Return a student's page in HTML."""
    states = one.judgement.get("asked") or one.judgement.get("signals", {})
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{WORDS[state]}</td></tr>" for name, state in states.items()
    )
    lines = "".join(f"<li>{escape(line)}</li>" for line in feedback(one, reveal))
    who = escape(one.submission.who)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{who}</title>'
        f"<style>{STYLE}</style><h1>{who}</h1><p>{one.score:g} of {one.points:g} points</p>"
        f"<ul>{lines}</ul><table><tr><th>gradient</th><th></th></tr>{rows}</table></html>\n"
    )


def feedback(one: Grade, reveal: str) -> list[str]:
    """Return what a student is told, line by line."""
    data, lines = one.judgement, []
    if data.get("first"):
        lines.append(f"The first wrong gradient is that of {data['first']}.")
        lines += [f"{name}: {fault}." for name, fault in data.get("faults", {}).items()]
    elif not data.get("fault"):
        lines.append("No gradient is wrong.")
    for mistake in data.get("mistakes", ()) if reveal != "where" else ():
        lines.append(f"In {mistake['signal']}: {mistake['says']}.")
        if reveal == "equation" and mistake["equation"]:
            lines.append(f"The right equation: {mistake['equation']}")
    return lines + _notes(one)


def gradescope(one: Grade, reveal: str) -> dict[str, Any]:
    """Return the results of a submission as Gradescope reads them.

    A gradient has passed if it is right; one that a mistake explains has failed, and has points.
    """
    states = {**one.judgement.get("signals", {}), **one.judgement.get("asked", {})}
    tests = [
        {"name": name, "score": round(points, 6), "max_score": round(most, 6),
         "status": "passed" if states.get(name) == "right" else "failed", "visibility": "visible"}
        for name, (points, most) in one.parts.items()
    ]  # fmt: skip
    return {"score": one.score, "output": "\n".join(feedback(one, reveal)),
            "visibility": "visible", "tests": tests}  # fmt: skip


def nbgrader(grades: Sequence[Grade], assignment: str) -> list[list[Any]]:
    """Return the rows of nbgrader's table of grades, the head first."""
    head = ["assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
            "raw_score", "late_submission_penalty", "score", "max_score"]  # fmt: skip
    return [head, *(
        [assignment, "", "", one.submission.who, "", "", "", one.score, 0.0, one.score, one.points]
        for one in grades
    )]  # fmt: skip


def otter(grades: Sequence[Grade]) -> list[list[Any]]:
    """Return the rows of otter-grader's table of grades, the head first."""
    names = list(dict.fromkeys(name for one in grades for name in one.parts))
    names.sort()
    most: dict[str, float] = {}
    for one in grades:
        most |= {name: round(points, 6) for name, (_, points) in one.parts.items()}
    whole = max((one.points for one in grades), default=0.0)
    rows: list[list[Any]] = [
        ["file", *names, "total_points_earned", "percent_correct", "grading_status"],
        ["points-per-question", *(most[name] for name in names), whole, 1.0, NO_STATUS],
    ]
    for one in grades:
        points = [round(one.parts.get(name, (0.0, 0.0))[0], 6) for name in names]
        share = one.score / one.points if one.points else 0.0
        status = one.judgement.get("fault") or "Completed"
        rows.append([_file(one), *points, one.score, round(share, 6), status])
    return rows


def _notes(one: Grade) -> list[str]:
    data = one.judgement
    notes = [f"Not judged: {data['fault']}"] if data.get("fault") else []
    notes += data.get("complaints", [])
    notes += ["The differences look like rounding or noise."] * bool(data.get("is_noise"))
    if set(data.get("signals", {}).values()) == {"blank"}:
        notes.append("Each gradient is one number in all entries: it shows no derivation.")
    is_open = "unexplained" in data.get("signals", {}).values()
    if is_open and not data.get("mistakes") and not data.get("is_noise"):
        notes.append("No known mistake explains the numbers.")
    return notes


def _file(one: Grade) -> str:
    return as_text(one.submission.path.name)


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a table as CSV, in which no cell is a formula of a spreadsheet."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        writer.writerow([
            f"'{x}" if str(x).startswith(tuple("=+-@")) and x != NO_STATUS else x for x in row
        ])  # fmt: skip
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _markdown(text: str) -> str:
    """Return text in which no sign is Markdown's."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in text)
