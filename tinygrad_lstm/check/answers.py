"""Derived gradients from a file: names and shapes are checked before any number is read.

Knows NumPy's .npz and the signals that answers may stand for. Nothing in the file is run; an entry
that cannot be read is left out with a complaint.
"""

from __future__ import annotations

import math
import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from ..engine.tensor import Tensor
from ..errors import FileError, UsageError, check_path
from ..files.npz import npz_entry, open_npz
from ..network.signals import Signals
from .families import gradient_of

MOST_ENTRIES = 10_000
MOST_NUMBERS = 1_000_000  # of an entry whose shape is not its signal's


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse a file that is no .npz file, before anything is computed to compare it with.

    Raises
    ------
    UsageError, ArgumentError
        If there is no such file, or no file can have this name.
    FileError
        If it is no .npz file, is cut short or has too many entries; the message says which.
    """
    try:
        with open_npz(check_path("check", path)) as archive:
            count = len(archive.infolist())
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    if count > MOST_ENTRIES:
        raise FileError(f"{path}: has {count} entries, expected {MOST_ENTRIES} at most")


def signal_named(name: str, signals: Signals) -> str:
    """Return the signal whose gradient a name in a file says to be, if no signal has the name.

    ``lstm.dW`` is the gradient of ``lstm.W``, and ``W_grad`` that of ``W``.
    """
    before, dot, word = name.rpartition(".")
    other = f"{before}{dot}{gradient_of(word)}"
    if name in signals or not gradient_of(word) or other not in signals:
        return name
    return str(signals.full_name(other))


def read(path: str | os.PathLike[str], loss: Tensor) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays of a .npz file by name, and complaints about the others.

    An array is read if it has the shape of the signal that its name stands for, or no more than
    a million numbers. A name that no signal has gets an empty array, and its numbers are not read;
    but ``dW`` is the gradient of W (see `signal_named`).

    Parameters
    ----------
    path : path of a .npz file
    loss : Tensor
        The names are those of the signals that it was computed from.

    Raises
    ------
    UsageError, ArgumentError, FileError
        As `check_file`.
    """
    check_file(path)
    path = Path(path)
    signals = Signals(loss)
    arrays: dict[str, np.ndarray] = {}
    complaints: list[str] = []
    with open_npz(path) as archive:
        entries = archive.infolist()
        count = Counter(signal_named(_name(entry), signals) for entry in entries)
        for entry in entries:
            name = signal_named(_name(entry), signals)
            try:
                arrays[name] = _array(path, archive, entry, name, count[name], signals)
            except FileError as error:
                complaints.append(str(error))
    return arrays, list(dict.fromkeys(complaints))


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _array(
    path: Path,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    count: int,
    signals: Signals,
) -> np.ndarray:
    if not info.filename.endswith(".npy"):
        raise FileError(f"{path}: {info.filename!r} in it is no array")
    if count > 1:
        raise FileError(f"{path}: {name!r} is in it {count} times; give it once")
    entry = npz_entry(path, archive, info, name)
    shape = signals[name].shape if name in signals else None
    dtype = np.dtype(entry.dtype)
    if shape is None or dtype.kind not in "fiu":
        return np.empty(0, dtype)  # `compare` complains of the name, or of the type
    if entry.shape != shape and math.prod(entry.shape) > MOST_NUMBERS:
        raise FileError(
            f"{path}: {name} has shape {entry.shape}, expected {shape}; of another shape no more "
            f"than {MOST_NUMBERS} numbers are read"
        )
    return entry.read()
