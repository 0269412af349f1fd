"""A cache of bytes between runs, in the user's cache folder.

Knows files, and `platformdirs`, which names the cache folder of each system. The bytes may be
machine code. Therefore a file is read only if nobody but the user can have written the file. A
cache that is missing, unreadable or read-only is no failure: the package works without a cache.
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
DIGEST = hashlib.sha256().digest_size  # bytes at the head of a file, which show damage


def read_cache(name: str, spare: Path | None = None) -> bytes | None:
    """Return the bytes stored under a name, or None if there are none that can be trusted.

    ``spare`` is a folder of the caller, for systems on which the user's cache cannot be used.
    """
    for place in (None, spare) if spare else (None,):
        with suppress(ImportError, OSError, RuntimeError, ValueError):
            content = _read(_folder(place), name)
            digest, content = content[:DIGEST], content[DIGEST:]
            if hashlib.sha256(content).digest() == digest:
                return content
    return None


def write_cache(name: str, content: bytes, spare: Path | None = None) -> None:
    """Store bytes under a name, if possible: in the user's cache, else in ``spare``."""
    for place in (None, spare) if spare else (None,):
        with suppress(ImportError, OSError, RuntimeError, ValueError):
            folder = _folder(place)
            for level in (folder.parent, folder):  # a missing home folder stays missing
                with suppress(FileExistsError):
                    level.mkdir(0o700)
            os.close(_open(folder, folder=True))
            with suppress(FileNotFoundError):
                os.unlink(folder / name)  # the old file may be a link, or open to other users
            write_file(hashlib.sha256(content).digest() + content, folder / name, mode=0o600)
            return


def clear_cache() -> int:
    """Remove what is stored in the user's cache, and return how many files that were.

    Raises
    ------
    OSError
        If the folder cannot be used, or a file cannot be removed.
    """
    try:
        folder = _folder()
    except (ImportError, RuntimeError, ValueError) as error:
        raise OSError(f"cache: found no folder for the cache: {error}") from None
    if not folder.is_dir():
        return 0
    if os.open in os.supports_dir_fd:
        os.close(_open(folder, folder=True))
    paths = [path for path in folder.iterdir() if not path.is_dir() or path.is_symlink()]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def _folder(place: Path | None = None) -> Path:
    """Return the folder of the cache: the user's, unless the caller names another folder.

    Raises
    ------
    ValueError
        If the path of the folder is relative.
    PermissionError
        If another user owns a parent folder, or can replace a parent folder.
    """
    if place is None:
        from platformdirs import user_cache_path  # an optional package

        place = user_cache_path(NAME, appauthor=False)
    if not place.is_absolute():
        raise ValueError(f"{place} is relative, expected an absolute path")
    for parent in place.parents if hasattr(os, "geteuid") else ():
        with suppress(FileNotFoundError):
            status = os.stat(parent)
            is_open = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if is_open or status.st_uid not in (0, os.geteuid()):
                raise PermissionError(f"{parent} belongs to another user, or others can write it")
    return place


def _read(folder: Path, name: str) -> bytes:
    """Return the content of a file, whose owner is checked after opening: nobody can swap files."""
    if os.open not in os.supports_dir_fd:  # Windows, where only the user can write in this folder
        return (folder / name).read_bytes()
    descriptor = _open(folder, folder=True)
    try:
        with os.fdopen(_open(Path(name), at=descriptor), "rb") as stream:
            return stream.read()
    finally:
        os.close(descriptor)


def _open(path: Path, *, folder: bool = False, at: int | None = None) -> int:
    """Open a file or a folder: no link, owned by the user, and writable by the user alone."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_DIRECTORY if folder else 0)
    descriptor = os.open(path, flags, dir_fd=at)
    status = os.fstat(descriptor)
    is_fit = folder or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
    if not is_fit or status.st_uid != os.geteuid() or status.st_mode & OTHERS:
        os.close(descriptor)
        raise PermissionError(f"{path} is a link, or others than the user can write it")
    return descriptor
