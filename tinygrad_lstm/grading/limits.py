"""A function in a process of its own, with limits on time, memory and files.

Knows the operating system alone. What the function raises, prints or writes, and however it ends,
costs its own result and nothing else. The limits keep off accidents, and are no prison.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

try:
    import resource
except ImportError:  # Windows, where the time on the wall is the only limit
    resource = None  # type: ignore[assignment]

MEGABYTE = 1 << 20
FILES = 64  # that are open at once
WALL = 4  # times the processor time: a machine may be busy
START = 20.0  # seconds more, for the start of the process
MOST_FAULT = 10_000  # letters: paths may be long
NO_MEMORY, FAILED = 3, 4  # exit statuses
NO_RESULT = "ended its process without a result"


class Limits(NamedTuple):
    """The limits of a process: seconds of processor time, memory and one file's size in MB."""

    seconds: float = 30.0
    memory: int = 2048
    file: int = 256


class Outcome(NamedTuple):
    """The bytes that the function returned, or why it returned none."""

    content: bytes
    fault: str


def run_limited(
    function: Callable[..., bytes],
    arguments: tuple[Any, ...],
    limits: Limits,
    is_moved: bool = False,
    says: type[Exception] | tuple[()] = (),
) -> Outcome:
    """Run a function in a new process, and return the bytes that it returns.

    If the process ends with no result and no reason, another program may have ended it: the
    function runs once more.

    Parameters
    ----------
    function : a function of a module, which returns bytes
    arguments : tuple
    limits : Limits
    is_moved : bool
        Whether it runs in an empty folder, which is removed at the end.
    says : exception, optional
        Whose text is the fault; of any other, which may hold an answer, the fault is its type.
    """
    outcome = _run(function, arguments, limits, is_moved, says)
    if outcome.fault == NO_RESULT:
        outcome = _run(function, arguments, limits, is_moved, says)
    return outcome


def _run(
    function: Callable[..., bytes],
    arguments: tuple[Any, ...],
    limits: Limits,
    is_moved: bool,
    says: type[Exception] | tuple[()],
) -> Outcome:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = _context().Process(
            target=_work, args=(folder, is_moved, limits, function, arguments, says), daemon=True
        )
        process.start()
        try:
            process.join(WALL * limits.seconds + START)
            if process.is_alive():
                process.kill()
                process.join()
                return Outcome(b"", f"takes more than {limits.seconds:g} seconds")
        finally:
            _end_group(process.pid)
        result, fault = Path(folder, "result"), Path(folder, "fault")
        if process.exitcode == 0 and result.is_file() and not result.is_symlink():
            return Outcome(result.read_bytes(), "")
        if process.exitcode == FAILED and fault.is_file() and not fault.is_symlink():
            return Outcome(b"", fault.read_text("utf-8", "replace")[:MOST_FAULT])
        return Outcome(b"", _why(process.exitcode, limits))


def _end_group(leader: int) -> None:
    """End all processes that a process started, and that still run."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def _why(status: int | None, limits: Limits) -> str:
    if status == NO_MEMORY:
        return f"takes more than {limits.memory} MB of memory"
    if hasattr(signal, "SIGXCPU") and status == -signal.SIGXCPU:
        return f"takes more than {limits.seconds:g} seconds"
    if hasattr(signal, "SIGXFSZ") and status == -signal.SIGXFSZ:
        return f"writes a file of more than {limits.file} MB"
    return NO_RESULT


def _context() -> Any:
    """Return how processes start: from a clean one where there is one, which is soon."""
    ways = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
    if "forkserver" in ways:
        context.set_forkserver_preload([__name__.rpartition(".")[0] + ".judging"])
    return context


def _work(
    folder: str,
    is_moved: bool,
    limits: Limits,
    function: Callable[..., bytes],
    arguments: tuple[Any, ...],
    says: type[Exception] | tuple[()],
) -> None:
    """Run the function, in the new process."""
    if hasattr(os, "setsid"):
        os.setsid()  # what it starts ends with it
    if is_moved:
        os.chdir(folder)
    with open(os.devnull, "r+b", buffering=0) as nothing:
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    _limit(limits)
    status = 0
    try:
        content = function(*arguments)
        Path(folder, "result").write_bytes(content)
    except MemoryError:
        status = NO_MEMORY
    except BaseException as error:  # whatever it is, one submission fails
        status = FAILED
        with suppress(BaseException):
            text = str(error) if isinstance(error, says) else type(error).__name__
            Path(folder, "fault").write_text(text[:MOST_FAULT], "utf-8")
    os._exit(status)  # no code of the submission runs at the end


def _limit(limits: Limits) -> None:
    if resource is None:
        return
    seconds = max(1, int(limits.seconds + 0.999))
    sizes = {
        resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: limits.file * MEGABYTE,
        resource.RLIMIT_NOFILE: FILES, resource.RLIMIT_CORE: 0,
    }  # fmt: skip
    with suppress(OSError, ValueError, IndexError):  # Linux alone counts the pages in a file
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * os.sysconf("SC_PAGE_SIZE")
        sizes[resource.RLIMIT_AS] = now + limits.memory * MEGABYTE
    for kind, size in sizes.items():
        with suppress(OSError, ValueError):
            _, most = resource.getrlimit(kind)
            allowed = size if most == resource.RLIM_INFINITY else min(size, most)
            spare = kind == resource.RLIMIT_CPU and allowed != most  # a signal comes first
            resource.setrlimit(kind, (allowed, allowed + spare))
