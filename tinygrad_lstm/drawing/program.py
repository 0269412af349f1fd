"""A program run under limits: of its time, and of its output.

Knows bytes alone. There is no shell; whatever the program started ends with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NamedTuple

MOST_OUTPUT = 1 << 28  # bytes
MOST_ERRORS = 1 << 16
POLL = 0.5  # seconds after which an interruption is noticed on systems whose waits go on


class Done(NamedTuple):
    """The result of a program: its exit status and its output.

    Attributes
    ----------
    status : int
    output, errors : bytes
    """

    status: int
    output: bytes
    errors: bytes


class TooMuchError(Exception):
    """A program wrote more than it may."""


def run(command: Sequence[str], content: bytes, *, seconds: float) -> Done:
    """Run a program to its end.

    Parameters
    ----------
    command : sequence of str
    content : bytes
        What it reads.
    seconds : float
        How long it may take.

    Raises
    ------
    TimeoutError
        If it takes longer.
    TooMuchError
        If it writes more than ``MOST_OUTPUT``. Of its messages, the first are kept.
    OSError
        If it is no program.
    """
    end = time.monotonic() + seconds
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own, so that its children can be stopped as well
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    output = _OutputReader(process.stdout, MOST_OUTPUT, stops=True)
    errors = _OutputReader(process.stderr, MOST_ERRORS)
    writer = threading.Thread(target=_write, args=(process.stdin, content), daemon=True)
    try:
        for thread in (output, errors, writer):
            thread.start()
        while output.is_alive() and time.monotonic() < end:
            output.join(min(POLL, max(0.0, end - time.monotonic())))
        if output.is_full:
            raise TooMuchError
        if output.is_alive():
            raise TimeoutError
        try:
            status = process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        errors.join(POLL)  # until its end, unless a child of the program holds it open
        if errors.is_alive():
            _stop(process)
        return Done(status, bytes(output.content), bytes(errors.content))
    except BaseException:
        _stop(process)
        raise


class _OutputReader(threading.Thread):
    """A thread that reads a stream, and keeps the first bytes, up to a limit."""

    def __init__(self, stream: IO[bytes], most: int, *, stops: bool = False) -> None:
        super().__init__(daemon=True)
        self.stream, self.most, self.stops = stream, most, stops
        self.content = bytearray()
        self.is_full = False

    def run(self) -> None:
        with self.stream:
            while piece := os.read(self.stream.fileno(), 1 << 16):
                self.is_full |= len(self.content) + len(piece) > self.most
                if not self.is_full:
                    self.content += piece
                elif self.stops:
                    break


def _write(stream: IO[bytes], content: bytes) -> None:
    with suppress(OSError), stream:  # the program may end without reading
        stream.write(content)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
