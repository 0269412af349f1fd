"""The exception tree.

Knows nothing else of the package. Every message names the signal, and says what was found, what
was expected and what to do.

    TinygradError
    ├── ShapeError      ValueError     shapes that do not fit
    │   └── OutOfRangeError  IndexError  an index outside of a Tensor
    ├── ArgumentError   ValueError     a size, a rate, an index or a flag out of range
    ├── DTypeError      TypeError      data that cannot carry a gradient
    ├── UsageError      TypeError      a call that makes no sense: unknown keyword, wrong operand
    │   └── DetachError                a call that would silently leave the tape
    ├── GradientError   RuntimeError   a backward pass that cannot be run
    │   └── ChangedError               a leaf whose data changed after it was used
    ├── SignalError     KeyError       a name that no signal, or more than one entry, has
    ├── FileError       ValueError     a file of arrays that cannot be read
    ├── PackageError    ImportError    an optional package that is not installed
    └── RenderError     RuntimeError   a picture that could not be drawn
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class TinygradError(Exception):
    """Base of every error that this package raises on purpose.

    ``report`` is a report on the part of the work that was done before the error, or None.
    """

    report: Any = None


class ShapeError(TinygradError, ValueError):
    """Shapes do not fit; the message names both and the signal."""


class OutOfRangeError(ShapeError, IndexError):
    """An index lies outside of a Tensor; being an IndexError, the error ends an iteration."""


class ArgumentError(TinygradError, ValueError):
    """An argument is out of its range; the message names the argument and the range."""


class DTypeError(TinygradError, TypeError):
    """Data of a type that cannot carry a gradient; the message names the type and the remedy."""


class UsageError(TinygradError, TypeError):
    """A call that makes no sense; the message says which arguments are accepted."""


class DetachError(UsageError):
    """A call that would silently leave the tape; the message names ``.detach()``."""


class GradientError(TinygradError, RuntimeError):
    """A backward pass that cannot be run; the message says what is missing."""


class ChangedError(GradientError):
    """A leaf's data was replaced between forward and backward; the message names the leaf."""


class SignalError(TinygradError, KeyError):
    """A name that does not stand for one signal; the message lists the nearest names."""

    __str__ = Exception.__str__  # a KeyError puts its message in quotation marks


class FileError(TinygradError, ValueError):
    """A file that is cut, corrupt, pickled or false; the message names the file and the reason."""


class PackageError(TinygradError, ImportError):
    """An optional package is not installed; the message says how to install it."""


class RenderError(TinygradError, RuntimeError):
    """A picture could not be drawn; the message says what to install or to change."""


def check_path(who: str, path: Any) -> Path:
    """Return a path, and refuse a name that no file can have."""
    from pathlib import Path  # only readers and writers of files need this module

    try:
        name = os.fsencode(path) if isinstance(path, str | os.PathLike) else None
    except UnicodeEncodeError:
        name = b"\0"
    if name is None:
        raise UsageError(f"{who}: found a path of type {type(path).__name__}, expected str or Path")
    if b"\0" in name:
        raise ArgumentError(f"{who}: found the path {str(path)!r}, which no file can have")
    return Path(path)


def nearest(name: str, known: Iterable[str], count: int = 5) -> str:
    """Say which known names are nearest to a wrong name.

    >>> nearest("lstm.w", ["lstm.W", "lstm.U", "dense.b"], count=2)
    'the nearest names are: lstm.W, lstm.U'
    >>> nearest("x", [])
    'there are no names at all'
    """
    import difflib  # only messages need this module

    names = list(known)
    if not names:
        return "there are no names at all"
    by_lower_case = {candidate.lower(): candidate for candidate in reversed(names)}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=count, cutoff=0.3)
    return "the nearest names are: " + ", ".join(
        [by_lower_case[match] for match in matches] or names[:count]
    )


__all__ = [
    "ArgumentError", "ChangedError", "DTypeError", "DetachError", "FileError", "GradientError",
    "OutOfRangeError", "PackageError", "RenderError", "ShapeError", "SignalError",
    "TinygradError", "UsageError", "check_path", "nearest",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
