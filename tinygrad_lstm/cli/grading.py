"""The command ``grade``: its options, and what it prints.

Knows the command line; the work is done in the wing of grading.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, cast

from ..errors import UsageError, check_path
from ..grading.grade import check_out, clusters, grade
from ..grading.judging import SECONDS, Task
from ..grading.limits import Limits
from ..grading.rubric import Rubric, read_rubric
from ..grading.writing import REVEALS, write_all
from .network_file import tensor_from

SHOWN = 5  # mistakes that are printed
LEAST = {"jobs": 1, "memory": 1, "seconds": 0, "program_seconds": 0, "digits": 1, "rtol": 0}


def add_command(commands: Any, loss: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser(
        "grade", parents=[loss], help="grade a folder of submissions",
        description="Judge every .npz, .json or .py file of a folder, each in a process of its "
        "own, and write a table, the most frequent mistakes, a page for each student without a "
        "right number, and results for Gradescope, nbgrader and otter-grader. A second run judges "
        "only what changed.",
    )  # fmt: skip
    sub.add_argument("submissions", type=Path, metavar="FOLDER")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    sub.add_argument("--rubric", type=Path, help="a TOML file that says what counts")
    sub.add_argument("--reveal", choices=REVEALS, default="kind",
                     help="what students see (default: kind)")  # fmt: skip
    sub.add_argument("--run", action="store_true", dest="runs",
                     help="run programs, with limits on time, memory and files; without it no "
                     "program is run")  # fmt: skip
    sub.add_argument("--jobs", type=int, default=2, help="submissions at once (default: 2)")
    sub.add_argument("--seconds", type=float, default=SECONDS,
                     help="processor time for each search (default: %(default)g)")  # fmt: skip
    limits = Limits()
    sub.add_argument("--program-seconds", type=float, default=limits.seconds, metavar="S",
                     help="processor time of each program (default: %(default)g)")  # fmt: skip
    sub.add_argument("--memory", type=int, default=limits.memory, metavar="MB",
                     help="memory of each program (default: %(default)d)")  # fmt: skip
    sub.add_argument("--digits", type=int, help="how many digits were printed")
    sub.add_argument("--rtol", type=float,
                     help="what counts as rounding, relative to the largest entry")  # fmt: skip
    sub.set_defaults(run=_grade)


def _grade(chosen: argparse.Namespace, terminal: Any) -> int:
    for name, least in LEAST.items():
        value = getattr(chosen, name)
        if value is not None and not least <= value < float("inf"):
            option = "--" + name.replace("_", "-")
            raise UsageError(f"grade: {option} is {value}, expected a number from {least}")
    for path in (chosen.network, chosen.submissions, chosen.out, chosen.rubric):
        check_path("grade", path or Path())
    check_out(chosen.out, chosen.submissions)
    rubric = Rubric() if chosen.rubric is None else read_rubric(chosen.rubric)
    task = Task(chosen.network, chosen.of, chosen.seconds, chosen.digits, chosen.rtol)

    def watch(items: Iterable[Any], count: int) -> Iterable[Any]:
        try:
            from tqdm import tqdm
        except ImportError:
            return items
        bar = tqdm(items, total=count, leave=False, disable=None, file=terminal.err)
        return cast(Iterable[Any], bar)

    limits = Limits(chosen.program_seconds, chosen.memory)
    with redirect_stdout(sys.stderr):  # the network's file may print
        grades = grade(
            tensor_from, task, chosen.submissions, chosen.out, rubric, runs=chosen.runs,
            jobs=chosen.jobs, limits=limits, watch=watch,
        )  # fmt: skip
    paths = write_all(grades, chosen.out, chosen.reveal, chosen.network.stem)
    right = sum(not one.judgement.get("fault") and not one.judgement.get("first") for one in grades)
    print(f"{len(grades)} submissions: {right} without a wrong gradient", file=terminal.out)
    for count, _, says in clusters(grades)[:SHOWN]:
        print(f"{count} of {len(grades)}: {says}", file=terminal.out)
    for path in paths:
        print(path, file=terminal.out)
    return 0
