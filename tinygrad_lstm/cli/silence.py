"""Silence: nothing that a network's file prints reaches the terminal, however the file prints.

Knows the streams and the file descriptors of the process; nothing of the package.
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
    """A text stream that drops all that is written to it, now and later."""

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
def silence() -> Iterator[None]:
    """Drop what Python, the system's calls and child processes write, until the block ends."""
    streams = sys.stdout, sys.stderr
    copies = {}
    for descriptor in OUTPUTS:
        with suppress(OSError):  # it may be closed
            copies[descriptor] = os.dup(descriptor)
    mute()
    try:
        yield
    finally:
        _flush()
        for descriptor, copy in copies.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        sys.stdout, sys.stderr = streams


def mute() -> None:
    """Drop all that is written until the process ends, by threads and by calls at exit too."""
    _flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in OUTPUTS:
        os.dup2(nowhere, descriptor)
    if nowhere not in OUTPUTS:
        os.close(nowhere)
    sys.stdout, sys.stderr = (Nowhere(descriptor) for descriptor in OUTPUTS)


def _flush() -> None:
    """Flush the streams of Python and of the C library."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    with suppress(Exception):  # a system without it has no such stream either
        import ctypes

        ctypes.CDLL(None).fflush(None)
