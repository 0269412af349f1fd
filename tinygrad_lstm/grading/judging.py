"""One submission judged, in a process of its own: what is right, and which mistakes were made.

Knows audits; no rubric. The result has no right number in it, and no number of the submission.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..check.answers import read
from ..check.audit import Audit, audit, audit_of, audit_recording
from ..check.recording import from_bytes, record, to_bytes
from ..check.report_text import sentence
from ..engine.limit import Clock
from ..engine.tensor import Tensor
from ..errors import TinygradError
from ..network.signals import Signals
from .submissions import as_text, read_json

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
    try:
        if recording is not None:
            clock = Clock(task.seconds)
            result = audit_recording(
                loss, from_bytes(recording), None, clock, rtol=task.rtol, digits=task.digits
            )
        else:
            is_json = path.suffix.lower() == ".json"
            hand, complaints = read_json(path) if is_json else read(path, loss)
            complaints = [text.replace(f"{path}: ", "") for text in complaints]
            result = audit(loss, hand, rtol=task.rtol, digits=task.digits, seconds=task.seconds)
    except TinygradError as error:
        complaints += str(error).replace(f"{path}: ", "").splitlines()
        if error.report is None:
            return _as_json({"fault": complaints[-1]}, complaints[:-1])
        result = audit_of(error.report, Clock(task.seconds))
    return _as_json(_plain(result, loss), complaints)


def _as_json(data: dict[str, Any], complaints: list[str]) -> bytes:
    texts = [as_text(text)[:MOST_TEXT] for text in complaints[:20]]
    fault = as_text(data.get("fault", ""))[:MOST_TEXT]
    return json.dumps(data | {"complaints": texts, "fault": fault}).encode()


def _plain(result: Audit, loss: Tensor) -> dict[str, Any]:
    report = result.report
    states: dict[str, str] = {}
    blame = report.blame if report.is_wrong else None
    by_themselves = {blame.signal, *blame.also} if blame is not None else set[str]()
    unexplained = set(result.unexplained)
    if blame is not None and not result.mistakes:
        unexplained |= by_themselves
    placed = set(report.evidence[0].places.at) if blame is not None else set[str]()
    for row in report.rows:
        if not row.is_wrong:
            states[row.name] = "right" if row.ok else "too few digits"
            continue
        members = set(report.evidence[0].places.members(row.name)) & (placed | by_themselves)
        is_open = not members or bool(members & unexplained) or row.name in report.unplaced
        own = "explained" if members & by_themselves else "follows"
        states[row.name] = "unexplained" if is_open else own
    return {
        "signals": states,
        "asked": _of_parameters(loss, states),
        "first": report.given_name(blame.signal) or blame.signal if blame is not None else "",
        "mistakes": [
            {
                "kind": one.mistake.kind,
                "says": sentence(one.mistake.says, False),
                "signal": one.signals[0] if one.signals else one.mistake.where,
                "equation": "" if one.correction is None else one.correction.text,
            }
            for one in result.mistakes
        ],
        "is_noise": report.is_wrong and report.noise is not None,
        "is_cut": result.is_cut,
    }


def _of_parameters(loss: Tensor, states: dict[str, str]) -> dict[str, str]:
    """Return the state of each parameter: of a packed one, that of its parts if these were given.

    A parameter is a leaf that belongs to a module, or any leaf with a name if there is no module.
    """
    signals = Signals(loss)
    order = ("unexplained", "too few digits", "explained", "follows", "right")
    asked: dict[str, str] = {}
    leaves = [
        name
        for tensor, name in signals.names.items()
        if tensor.requires_grad and not tensor.inputs and tensor.name is not None
    ]
    for name in [name for name in leaves if "." in name] or leaves:
        parts = [part.name for part in signals.parts.get(name, ())]
        if name in states:
            asked[name] = states[name]
        elif parts and all(part in states for part in parts):
            asked[name] = min((states[part] for part in parts), key=order.index)
        else:
            asked[name] = "missing"
    return asked
