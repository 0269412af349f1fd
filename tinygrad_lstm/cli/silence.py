"""Silence: nothing that a network's file prints reaches the terminal, however the file prints.

Knows the streams and the file descriptors of the process; nothing of the package. What the file
started may print at any time: the terminal is kept for the command alone, under other descriptors.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TextIO

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


class Terminal(NamedTuple):
    """The streams on which a command speaks to its user; None for one that is closed."""

    out: TextIO | None
    err: TextIO | None


@contextmanager
def silence(until_the_end: bool) -> Iterator[Terminal]:
    """Drop what Python, the system's calls and child processes write, until the block ends.

    Parameters
    ----------
    until_the_end : bool
        Whether to drop it until the process ends: threads, and calls at exit, may print later.

    Yields
    ------
    Terminal
        The streams on which the caller itself can write.
    """
    streams = sys.stdout, sys.stderr
    copies = {}
    for descriptor in OUTPUTS:
        with suppress(OSError):  # it may be closed
            copies[descriptor] = os.dup(descriptor)
    terminal = Terminal(*(_copy_of(stream, copies) for stream in streams))
    mute()
    try:
        yield terminal
    finally:
        if not until_the_end:
            _flush(*terminal)
            for descriptor, copy in copies.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            sys.stdout, sys.stderr = streams


def _copy_of(stream: TextIO | None, copies: Mapping[int, int]) -> TextIO | None:
    """Return a stream that writes where this one does, on a copy of its descriptor."""
    try:
        copy = copies[stream.fileno()]  # type: ignore[union-attr]
    except (AttributeError, KeyError, OSError, ValueError):
        return stream  # none at all, or one that is not the process's own
    assert stream is not None
    return open(copy, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)


def mute() -> None:
    """Drop all that is written to standard output and standard error."""
    _flush(sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in OUTPUTS:
        os.dup2(nowhere, descriptor)
    if nowhere not in OUTPUTS:
        os.close(nowhere)
    sys.stdout, sys.stderr = (Nowhere(descriptor) for descriptor in OUTPUTS)


def _flush(*streams: TextIO | None) -> None:
    """Flush the streams of Python and of the C library."""
    for stream in streams:
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # type: ignore[union-attr]
    with suppress(Exception):  # a system without it has no such stream either
        import ctypes

        ctypes.CDLL(None).fflush(None)
