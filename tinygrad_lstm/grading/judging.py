"""One submission judged, in a process of its own: what is right, and which mistakes were made.

Knows audits; no rubric. The result has no right number in it, and no number of the submission.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..check.answers import read
from ..check.audit import Audit, audit, audit_of, audit_recording
from ..check.digits import digits_in
from ..check.recording import from_bytes, record, to_bytes
from ..check.report_text import sentence
from ..engine.limit import Clock
from ..engine.tensor import Tensor
from ..errors import TinygradError, UsageError
from ..network.signals import Signals
from .states import find_states, states_of_parameters
from .submissions import as_text, names_in, read_json

ROUNDED = (4, 8)  # digits of printed numbers: fewer tell too little, more are no print
SECONDS = 4.0  # of processor time for each search, by default
MOST_TEXT = 300  # letters of what comes from a submission

Load = Callable[[Path, str, bool], Tensor]  # the network's file, the Tensor's name, quotes


class Task(NamedTuple):
    """What all submissions are judged by: the network's file, and how precisely, and how long."""

    network: Path
    of: str = "loss"
    seconds: float = SECONDS
    digits: int | None = None
    rtol: float | None = None


def run_program(path: Path) -> bytes:
    """Run a program, and return what it assigned."""
    return to_bytes(record(path))


def judge(load: Load, task: Task, path: Path, recording: bytes | None) -> bytes:
    """Return the judgement of a submission as JSON.

    Parameters
    ----------
    load : function that runs the network's file
    task : Task
    path : path of the submission
    recording : bytes, optional
        What the submission assigned, if it is a program.
    """
    loss = load(task.network, task.of, False)
    complaints: list[str] = []
    names: list[str] = []
    try:
        if recording is not None:
            clock = Clock(task.seconds)
            made = from_bytes(recording)
            if made.error:  # its text may hold an answer; its type and its line do not
                where = f" in line {made.line}" if made.line else ""
                made = replace(made, error=f"{made.error.partition(':')[0][:60]}{where}")
                complaints.append(f"The program stopped: {made.error}.")
            result = audit_recording(loss, made, None, clock, rtol=task.rtol, digits=task.digits)
        else:
            is_json, signals = path.suffix.lower() == ".json", Signals(loss)
            hand, complaints = read_json(path, signals) if is_json else read(path, loss)
            names = names_in(path, signals)
            if not hand:
                raise UsageError("gives no gradient; call each one like its signal")
            complaints += [
                f"{name}: is {value.dtype}, which has too few digits; write float32 or float64"
                for name, value in hand.items()
                if _is_coarse(value)
            ]
            hand = {n: x.astype(np.float32) if _is_coarse(x) else x for n, x in hand.items()}
            digits = task.digits
            if digits is None and task.rtol is None:
                digits = digits_in([x for x in hand.values() if x.dtype.kind in "fiu"], *ROUNDED)
                if digits is not None:
                    complaints.append(f"The numbers are rounded to {digits} digits.")
            result = audit(loss, hand, rtol=task.rtol, digits=digits, seconds=task.seconds)
    except TinygradError as error:
        complaints += str(error).splitlines()
        if error.report is None:
            return _as_json({"fault": complaints[-1]}, complaints[:-1], task.network, path)
        result = audit_of(error.report, Clock(task.seconds))
    return _as_json(_plain(result, loss, names), complaints, task.network, path)


def _is_coarse(value: np.ndarray) -> bool:
    """Whether an array has fewer digits than float32, which give nobody a wider tolerance."""
    return value.dtype.kind == "f" and value.dtype.itemsize < 4


def plain_text(text: str, *paths: Path) -> str:
    """Return a message as students read it: without the folders of the teacher's machine.

    >>> plain_text("/a/b/net.py: no Python (/a/b/net.py, line 1)", Path("/a/b/net.py"))
    'no Python (net.py, line 1)'
    """
    for command in ("compare: ", "audit: "):
        text = text.removeprefix(command)
    for path in paths:
        text = text.replace(f"{path}: ", "").replace(str(path), path.name)
        if path.is_absolute() and path.parent != path.parent.parent:
            text = text.replace(f"{path.parent}/", "")
    return as_text(text)[:MOST_TEXT]


def _as_json(data: dict[str, Any], complaints: list[str], *paths: Path) -> bytes:
    texts = [plain_text(text, *paths) for text in complaints[:20]]
    fault = plain_text(data.get("fault", ""), *paths)
    return json.dumps(data | {"complaints": texts, "fault": fault}).encode()


def _plain(result: Audit, loss: Tensor, names: Iterable[str]) -> dict[str, Any]:
    report = result.report
    states = find_states(result, loss, names)
    return {
        "signals": states.of,
        "asked": states_of_parameters(loss, states.of),
        "first": states.first,
        "faults": states.faults,
        "mistakes": []
        if set(states.of.values()) == {"blank"}
        else [
            {
                "kind": one.mistake.kind,
                "says": sentence(one.mistake.says, report, False),
                "signal": one.signals[0]
                if one.signals
                else sentence(one.mistake.where, report, False),
                "equation": "" if one.correction is None else one.correction.text,
            }
            for one in result.mistakes
        ],
        "is_noise": report.is_wrong and report.noise is not None,
        "is_cut": result.is_cut,
    }
