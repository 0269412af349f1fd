"""Derived gradients from a file.

Knows NumPy's .npz alone. Nothing in it is run; an entry that cannot be read is left out and said.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from ..errors import FileError, UsageError
from ..interop.npz import npz_entry

MOST = 1 << 30  # bytes of one entry: a small file can say that it unpacks to more than there is


def read(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays of a .npz file by name, and what is wrong with the others.

    Parameters
    ----------
    path : path of a .npz file

    Raises
    ------
    UsageError
        If it is no .npz file, or cut short; the message says which.
    """
    path = Path(path)
    arrays: dict[str, np.ndarray] = {}
    complaints: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            count = Counter(_named(each) for each in entries)
            for each in entries:
                try:
                    arrays[_named(each)] = _array(path, archive, each, count)
                except FileError as error:
                    said = str(error).removeprefix("load: ").removesuffix("; nothing loaded")
                    complaints.append(said)
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: no .npz file, or cut short ({error})") from None
    return arrays, list(dict.fromkeys(complaints))


def _named(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _array(
    path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, count: Counter[str]
) -> np.ndarray:
    name = _named(entry)
    if name == entry.filename:
        raise FileError(f"{path}: {name!r} in it is no array")
    if count[name] > 1:
        raise FileError(f"{path}: {name!r} is in it {count[name]} times; give it once")
    if entry.file_size > MOST:
        raise FileError(f"{path}: {name!r} has {entry.file_size} bytes, expected {MOST} at most")
    return npz_entry(path, archive, entry, name).read()
