"""The exception tree.

Knows nothing else of the package. Every message says what was found, what was expected and what
to do, and names the signal.

    TinygradError
    ├── ShapeError      ValueError     shapes that do not fit
    │   └── OutOfRangeError  IndexError  an index outside of a Tensor
    ├── ArgumentError   ValueError     a size, a rate, an index or a flag out of range
    ├── DTypeError      TypeError      data that cannot carry a gradient
    ├── UsageError      TypeError      a call that cannot be meant: unknown keyword, wrong operand
    │   └── DetachError                a call that would silently leave the tape
    ├── GradientError   RuntimeError   a backward pass that cannot be run
    │   └── ChangedError               a leaf whose data changed after it was used
    ├── SignalError     KeyError       a name that no signal, or more than one entry, has
    ├── FileError       ValueError     a file of parameters that cannot be read
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
    """Base of every error raised on purpose by this package.

    ``report`` is what could be found out nonetheless, if anything could.
    """

    report: Any = None


class ShapeError(TinygradError, ValueError):
    """Shapes do not fit; the message names both and the signal."""


class OutOfRangeError(ShapeError, IndexError):
    """An index lies outside of a Tensor; an IndexError too, so that iteration ends as it should."""


class ArgumentError(TinygradError, ValueError):
    """An argument is out of its range; the message names it and the range."""


class DTypeError(TinygradError, TypeError):
    """Data of a type that cannot carry a gradient; the message names the type and the remedy."""


class UsageError(TinygradError, TypeError):
    """A call that cannot be meant; the message says what is accepted."""


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
    """A file of parameters that is cut, corrupt, pickled or lies; the message names it and why."""


class PackageError(TinygradError, ImportError):
    """An optional package is not installed; the message says how to install it."""


class RenderError(TinygradError, RuntimeError):
    """A picture could not be drawn; the message says what to install or to change."""


def check_path(who: str, path: Any) -> Path:
    """Return a path, and refuse what no file can be called."""
    from pathlib import Path  # only who reads or writes a file needs it

    try:
        encoded = os.fsencode(path) if isinstance(path, str | os.PathLike) else None
    except UnicodeEncodeError:
        encoded = b"\0"
    if encoded is None:
        raise UsageError(f"{who}: found a path of type {type(path).__name__}, expected str or Path")
    if b"\0" in encoded:
        raise ArgumentError(f"{who}: found the path {str(path)!r}, which no file can have")
    return Path(path)


def nearest(name: str, known: Iterable[str], count: int = 5) -> str:
    """Say which known names are nearest to a wrong one.

    >>> nearest("lstm.w", ["lstm.W", "lstm.U", "dense.b"], count=2)
    'the nearest names are: lstm.W, lstm.U'
    >>> nearest("x", [])
    'there are no names at all'
    """
    import difflib  # only a message needs it

    names = list(known)
    if not names:
        return "there are no names at all"
    folded = {candidate.lower(): candidate for candidate in reversed(names)}
    close = difflib.get_close_matches(name.lower(), folded, n=count, cutoff=0.3)
    found = [folded[match] for match in close] or names[:count]
    return "the nearest names are: " + ", ".join(found)
