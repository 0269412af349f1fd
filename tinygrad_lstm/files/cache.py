"""Bytes that are kept from run to run, in the user's cache folder.

Knows the folder of each system by `platformdirs`, and files. What is kept may be machine code, so
that only what nobody but the user can have written is read. A cache that cannot be had, read or
written is no failure: nothing is kept then.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from .whole import write_file

NAME = "tinygrad-lstm"
OTHERS = stat.S_IWGRP | stat.S_IWOTH
DIGEST = hashlib.sha256().digest_size  # bytes at the head of a file, by which a torn one is noticed


def read_cache(name: str, spare: Path | None = None) -> bytes | None:
    """Return what was kept under a name, or None if there is nothing that can be trusted.

    ``spare`` is a folder of the caller's own, for where the user's cache cannot be had.
    """
    for place in (None, spare) if spare else (None,):
        with suppress(ImportError, OSError, RuntimeError, ValueError):
            content = _read(_folder(place), name)
            digest, content = content[:DIGEST], content[DIGEST:]
            if hashlib.sha256(content).digest() == digest:
                return content
    return None


def write_cache(name: str, content: bytes, spare: Path | None = None) -> None:
    """Keep some bytes under a name, if they can be kept: in the user's cache, else in ``spare``."""
    for place in (None, spare) if spare else (None,):
        with suppress(ImportError, OSError, RuntimeError, ValueError):
            folder = _folder(place)
            for missing in (folder.parent, folder):  # a home that is not there is not made
                with suppress(FileExistsError):
                    missing.mkdir(0o700)
            os.close(_open(folder, folder=True))
            with suppress(FileNotFoundError):
                os.unlink(folder / name)  # which may be a link, or be open to others
            write_file(hashlib.sha256(content).digest() + content, folder / name, mode=0o600)
            return


def _folder(place: Path | None = None) -> Path:
    """Return the folder to keep things in: the user's, unless another is given.

    Raises
    ------
    PermissionError
        If somebody else owns a folder on the way to it, or anybody can exchange it.
    """
    if place is None:
        from platformdirs import user_cache_path  # an extra comes with it

        folder = user_cache_path(NAME, appauthor=False)
    else:
        folder = place
    if not folder.is_absolute():
        raise ValueError(f"{folder} is a place that depends on the current folder")
    for parent in folder.parents if hasattr(os, "geteuid") else ():
        with suppress(FileNotFoundError):
            status = os.stat(parent)
            exchangeable = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if exchangeable or status.st_uid not in (0, os.geteuid()):
                raise PermissionError(f"{parent} is not the user's own")
    return folder


def _read(folder: Path, name: str) -> bytes:
    """Return a file of a folder, judged as it was opened, so that it cannot be exchanged since."""
    if os.open not in os.supports_dir_fd:  # Windows, where the folder is the user's by its place
        return (folder / name).read_bytes()
    there = _open(folder, folder=True)
    try:
        with os.fdopen(_open(Path(name), at=there), "rb") as stream:
            return stream.read()
    finally:
        os.close(there)


def _open(path: Path, *, folder: bool = False, at: int | None = None) -> int:
    """Open a file or a folder that is no link, and that the user alone owns and writes."""
    how = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_DIRECTORY if folder else 0)
    descriptor = os.open(path, how, dir_fd=at)
    status = os.fstat(descriptor)
    is_right = folder or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
    if not is_right or status.st_uid != os.geteuid() or status.st_mode & OTHERS:
        os.close(descriptor)
        raise PermissionError(f"{path} is not the user's own")
    return descriptor


__all__ = ["read_cache", "write_cache"]
