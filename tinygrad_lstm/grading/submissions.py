"""The submissions in a folder: who, which file, of which kind. Nothing in them is run or trusted.

Knows files and names. A name is text, whatever is in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..check.answers import signal_named
from ..errors import FileError, UsageError
from ..files.npz import open_npz
from ..network.signals import Signals

KINDS = {".npz": "arrays", ".json": "arrays", ".py": "program"}
LARGEST_JSON = 20 << 20  # bytes
LARGEST = 1 << 30  # bytes of any file


@dataclass(frozen=True)
class Submission:
    """A submission.

    Attributes
    ----------
    who : str
        The file's name without its ending, or the name of its folder; every sign can be printed.
    path : path
    kind : str
        ``arrays`` or ``program``; empty if there is a fault.
    fault : str
        Why it cannot be read.
    """

    who: str
    path: Path
    kind: str
    fault: str = ""

    @property
    def slug(self) -> str:
        """A name for files: letters, digits and ``-``, unlike that of every other submission."""
        plain = re.sub(r"[^A-Za-z0-9]+", "-", self.who).strip("-")[:40] or "student"
        digest = hashlib.sha256(str(self.path.name).encode("utf-8", "surrogateescape") + b"\0" +
                                self.who.encode("utf-8", "backslashreplace"))  # fmt: skip
        return f"{plain}-{digest.hexdigest()[:8]}"


def find_submissions(folder: Path) -> list[Submission]:
    """Return the submissions of a folder, by name.

    A file is one, and so is a folder with one file in it that is.

    Raises
    ------
    UsageError
        If there is no such folder, or no submission in it.
    """
    if not folder.is_dir():
        raise UsageError(f"grade: {str(folder)!r} is no folder of submissions")
    several = [
        _submission(path)
        for path in sorted(folder.iterdir())
        if not path.name.startswith((".", "__"))
    ]
    if not several:
        raise UsageError(f"grade: there is no submission in {str(folder)!r}")
    return several


def _submission(path: Path) -> Submission:
    who = as_text(path.stem if path.suffix.lower() in KINDS else path.name)
    try:
        if path.is_symlink():
            return Submission(who, path, "", "is a link, and no file of its own")
        if path.is_dir():
            inside = [x for x in sorted(path.iterdir()) if x.suffix.lower() in KINDS]
            if len(inside) != 1:
                return Submission(who, path, "", f"has {len(inside)} files to grade, expected one")
            path, who = inside[0], as_text(path.name)
            if path.is_symlink():
                return Submission(who, path, "", "is a link, and no file of its own")
        kind = KINDS.get(path.suffix.lower(), "")
        if not kind or not path.is_file():
            return Submission(who, path, "", "is no .npz, .json or .py file")
        if path.stat().st_size > LARGEST:
            return Submission(who, path, "", f"has more than {LARGEST >> 20} MB")
    except OSError as error:
        return Submission(who, path, "", f"cannot be read: {error.strerror}")
    return Submission(who, path, kind)


def as_text(name: str) -> str:
    """Return a name as text that every terminal and table can show.

    >>> as_text("Zoë"), as_text("a\\nb")
    ('Zoë', 'a\\\\nb')
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def read_json(path: Path, signals: Signals) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays of a JSON file by signal, and complaints about what is none.

    Raises
    ------
    FileError
        If it is too large, or no object of names and numbers.
    """
    if path.stat().st_size > LARGEST_JSON:
        raise FileError(f"has more than {LARGEST_JSON >> 20} MB")
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FileError(f"is no JSON: {str(error)[:100]}") from None
    if not isinstance(data, dict):
        raise FileError(f"holds {type(data).__name__}, expected an object of names and numbers")
    arrays, complaints = dict[str, np.ndarray](), list[str]()
    for name, value in data.items():
        name = signal_named(name, signals)
        if name in arrays:
            complaints.append(f"{as_text(name)[:80]}: is given twice")
        try:
            arrays[name] = np.array(value, float)
        except (TypeError, ValueError, RecursionError, OverflowError):
            complaints.append(f"{as_text(name)[:80]}: is no array of numbers")
    return arrays, complaints


def names_in(path: Path, signals: Signals) -> list[str]:
    """Return the signals of all entries of an .npz or JSON file that was read, good or bad.

    Raises
    ------
    FileError
        If the file is none.
    """
    if path.suffix.lower() == ".json":
        names = list(json.loads(path.read_bytes()))
    else:
        with open_npz(path) as archive:
            names = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
    return [signal_named(name, signals) for name in names]
