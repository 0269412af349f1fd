"""A Python file that computes a network: run, and the Tensor that is wanted of it.

Knows files and Tensors; no command.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.tensor import Tensor
from ..errors import UsageError


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # the error's own __str__ may raise
        return "with no message"


@contextmanager
def _as_a_program(path: Path) -> Iterator[None]:
    """Run a file as its own folder's program, and restore the process's folder and paths after."""
    before = os.getcwd(), sys.argv, sys.path[:]
    sys.argv, sys.path[:0] = [str(path)], [str(path.resolve().parent)]
    try:
        yield
    finally:
        os.chdir(before[0])
        sys.argv, sys.path[:] = before[1:]


def tensor_from(path: Path, name: str, quotes: bool = True) -> Tensor:
    """Run a Python file, and return its Tensor of a name.

    Unless ``quotes``, the error repeats no text that the file raised: it may be an answer.

    Raises
    ------
    UsageError
        If the file cannot be read or raises an error, or has no Tensor of that name.
    """
    try:
        with _as_a_program(path):
            values = runpy.run_path(str(path), run_name="network")
    except KeyboardInterrupt:
        raise
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except BaseException as error:  # a file may raise anything, SystemExit too
        where = [line for line in traceback.extract_tb(error.__traceback__) if path.name in line[0]]
        line = f" in line {where[-1].lineno}" if where else ""
        reason = f": {_message(error)}" if quotes else ""
        raise UsageError(f"{path}: {type(error).__name__}{line}{reason}") from None
    if sys.stdout is not None and sys.stdout.closed:
        raise UsageError(f"{path}: found standard output closed by the file, expected it open")
    tensor = values.get(name)
    if not isinstance(tensor, Tensor):
        tensors = sorted(key for key, value in values.items() if isinstance(value, Tensor))
        raise UsageError(
            f"{path}: found no Tensor called {name!r}; "
            f"it has {', '.join(tensors) if tensors else 'none at all'}; say which with --of"
        )
    return tensor
