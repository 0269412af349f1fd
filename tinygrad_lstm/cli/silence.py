"""Silence: what a stranger's file prints goes nowhere, by whatever way it prints.

Knows the process's streams and file descriptors; nothing of the package.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

OUTPUTS = (1, 2)  # the file descriptors of standard output and of standard error


class Nowhere(io.TextIOBase):
    """A text stream that forgets everything; whoever keeps it may write to it for ever."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.buffer = descriptor, _NoBytes()

    encoding, errors = "utf-8", "replace"

    def write(self, text: str) -> int:
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor


class _NoBytes(io.RawIOBase):
    def write(self, content: Any) -> int:
        return memoryview(content).nbytes

    def writable(self) -> bool:
        return True


@contextmanager
def muted() -> Iterator[None]:
    """Let nothing out that is printed, written by the system's calls, or by child processes."""
    streams = sys.stdout, sys.stderr
    kept = {}
    for descriptor in OUTPUTS:
        with suppress(OSError):  # it may be closed
            kept[descriptor] = os.dup(descriptor)
    mute()
    try:
        yield
    finally:
        _flush()
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        sys.stdout, sys.stderr = streams


def mute() -> None:
    """Let nothing out any more, to the end of the process: no thread, no call at exit."""
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in OUTPUTS:
        os.dup2(nowhere, descriptor)
    if nowhere not in OUTPUTS:
        os.close(nowhere)
    sys.stdout, sys.stderr = (Nowhere(descriptor) for descriptor in OUTPUTS)


def _flush() -> None:
    """Write out what waits in a stream of Python's or of the C library's."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    with suppress(Exception):  # a system without it has no such stream either
        import ctypes

        ctypes.CDLL(None).fflush(None)


__all__ = ["mute", "muted"]
