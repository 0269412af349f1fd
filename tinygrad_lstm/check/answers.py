"""Derived gradients from a file.

Knows NumPy's .npz alone. Nothing in it is run; an entry that cannot be read is left out and said.
"""

from __future__ import annotations

import os
import zipfile

import numpy as np

from ..errors import UsageError


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
    arrays: dict[str, np.ndarray] = {}
    complaints: list[str] = []
    try:
        with open(path, "rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise UsageError(f"{path}: found one array, expected a .npz file of named ones")
            for name in archive.files:
                try:
                    arrays[name] = archive[name]
                except Exception as error:  # whatever a broken entry makes NumPy or zlib raise
                    said = str(error).partition("\n")[0]
                    complaints.append(f"{path}: {name!r} cannot be read ({said})")
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path}: no .npz file, or cut short ({error})") from None
    return arrays, complaints
