"""A class graded: every submission judged once, scored, and written for teacher and students.

Knows how the parts work together; judges and scores nothing itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..check.mistakes.likelihood import RANK
from ..engine.gradients import starting_cotangent
from ..engine.tensor import Tensor
from ..errors import TinygradError, UsageError
from ..files.whole import write_file
from ..network.signals import Signals, SignalSequence
from .judging import Load, Task, judge, plain_text, run_program
from .limits import NO_RESULT, Limits, run_limited
from .rubric import Rubric
from .submissions import Submission, find_submissions

FORMAT = 4  # of what is kept between runs
SPARE = 20.0  # seconds of processor time beside the search
UNSAFE = "is a program; it is run only with --run"
Judgement = dict[str, Any]


@dataclass(frozen=True)
class Grade:
    """A submission, its judgement and its points.

    Attributes
    ----------
    submission : Submission
    judgement : dict
        See `judge`; ``fault`` says why there is nothing else in it.
    score, points : float
    parts : dict of a signal's name to its points, and the most that it can have
    """

    submission: Submission
    judgement: Judgement = field(repr=False)
    score: float
    points: float
    parts: dict[str, tuple[float, float]] = field(repr=False)


def grade(
    load: Load,
    task: Task,
    folder: Path,
    out: Path,
    rubric: Rubric,
    *,
    runs: bool = False,
    jobs: int = 2,
    limits: Limits | None = None,
    watch: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, count: items,
) -> list[Grade]:
    """Judge every submission of a folder, and return their grades in the order of their names.

    A judgement is kept in ``out``, and made again only for what changed.

    Parameters
    ----------
    load : function that runs the network's file
    task : Task
    folder, out : path
        Of the submissions, and of what is written.
    rubric : Rubric
    runs : bool
        Whether to run submissions that are programs.
    jobs : int
        How many are judged at once.
    limits : Limits, optional
        Of each program that is run.
    watch : (items, count) -> the items
        To show the progress.

    Raises
    ------
    UsageError
        If there are no submissions, the network's file has no such Tensor, or the rubric names no
        signal of it, or no kind of mistake.
    """
    loss = load(task.network, task.of, True)  # what is wrong with it is said once
    starting_cotangent(loss, None)
    rubric.check(list(_with_gradients(Signals(loss))), RANK)
    several = find_submissions(folder)
    kept = out / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / ".gitignore").write_text("*\n")
    about = repr((FORMAT, task[1:], runs, limits))
    common = _digest(about.encode(), task.network.read_bytes(), *_numbers_of(loss))

    def judgement(submission: Submission, is_alone: bool = False) -> Judgement:
        if submission.fault or (submission.kind == "program" and not runs):
            return {"fault": submission.fault or UNSAFE}
        try:
            name = _digest(common.encode(), submission.path.name.encode("utf-8", "surrogateescape"),
                           submission.path.read_bytes())  # fmt: skip
        except OSError as error:
            return {"fault": f"cannot be read: {error.strerror}"}
        path = kept / f"{name}.json"
        with suppress(OSError, ValueError):
            return dict(json.loads(path.read_text("utf-8")))
        result = _judge(load, task, submission, limits or Limits())
        if result.get("fault") == NO_RESULT and not is_alone:
            return result
        write_file(json.dumps(result).encode(), path)
        return result

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        results = list(watch(pool.map(judgement, several), len(several)))
    for at, submission in enumerate(several):
        if results[at].get("fault") == NO_RESULT:  # a program beside it may have ended it
            results[at] = judgement(submission, is_alone=True)
    return [
        Grade(submission, result, rubric.score(result), rubric.points, rubric.parts(result))
        for submission, result in zip(several, results, strict=True)
    ]


def _judge(load: Load, task: Task, submission: Submission, limits: Limits) -> Judgement:
    path, recording = submission.path.resolve(), None
    if submission.kind == "program":
        ran = run_limited(run_program, (path,), limits, is_moved=True, says=TinygradError)
        if ran.fault:
            return {"fault": plain_text(ran.fault, path)}
        recording = ran.content
    own = Limits(seconds=task.seconds + SPARE)
    task = task._replace(network=task.network.resolve())
    content, fault = run_limited(judge, (load, task, path, recording), own, says=TinygradError)
    try:
        return (
            {"fault": plain_text(fault, path, task.network)} if fault else dict(json.loads(content))
        )
    except ValueError:
        return {"fault": "ended its process"}


def _with_gradients(signals: Signals) -> Iterator[str]:
    """Yield the names of signals, and of sequences of signals, that have a gradient."""
    for name in (*signals, *signals.sequences):
        signal = signals[name]
        several = signal.steps if isinstance(signal, SignalSequence) else [signal]
        if all(one.tensor.requires_grad for one in several):
            yield name


def _numbers_of(loss: Tensor) -> Iterator[bytes]:
    """Yield what the judgements depend on: the file may have read it from elsewhere."""
    signals = Signals(loss)
    for tensor, name in signals.names.items():
        yield name.encode()
        yield tensor.numpy().tobytes()


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def clusters(grades: Iterable[Grade]) -> list[tuple[int, str, str]]:
    """Return how many made each mistake, its kind, and what it is; the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in grades:
        mistakes = {(x["kind"], x["says"]) for x in one.judgement.get("mistakes", ())}
        counts.update(mistakes)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(count, kind, says) for (kind, says), count in ordered]


def check_out(out: Path, folder: Path) -> None:
    """Refuse a place where no folder can be, or where it would be a submission of the next run.

    Raises
    ------
    UsageError
        If it is a file, or the folder of the submissions, or inside of it.
    """
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise UsageError(
            f"grade: --out {str(out)!r} is inside the folder of submissions {str(folder)!r}; "
            "give a folder outside of it"
        )
    if out.exists() and not out.is_dir():
        raise UsageError(f"grade: {str(out)!r} is a file, expected a folder to write to")
