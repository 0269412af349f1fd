"""A part of a file that stands beside another file: read from the folder, and never from outside.

Knows nothing of what is in the file. The name of the file was written by a stranger, so that no
link is followed, and every folder of its path is opened from the folder before.

"External data", in ONNX's documentation of its files; R. Shirey, "Internet security glossary", RFC
4949, 2007, calls a path that leaves its folder a directory traversal.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from ..errors import FileError

BLOCK = 1 << 20  # bytes read at once
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_HAS_FOLDERS = os.open in os.supports_dir_fd  # whether a file can be opened from a folder


def read_beside(
    folder: Path, location: str, offset: int, size: int, checksum: str | None = None
) -> bytes:
    """Read a part of a file.

    Parameters
    ----------
    folder : path
        Where the other file stands.
    location : str
        The path of the file from there, with ``/`` between names.
    offset, size : int
        Where the part begins, and its number of bytes.
    checksum : str, optional
        The SHA-1 of the whole file, in hexadecimal digits.

    Raises
    ------
    FileError
        If the path leads out of the folder, or over a link; if there is no such file, or the file
        is no plain one; if the part does not lie in the file; if the checksum is another.
    """
    if offset < 0 or size < 0:
        raise FileError(f"{location!r} is read from byte {offset}, {size} bytes: not below 0")
    with _open_beside(folder, location) as stream:
        there = os.fstat(stream.fileno()).st_size
        if offset + size > there:
            raise FileError(
                f"{location!r} has {there} bytes, and the part ends at byte {offset + size}: the "
                "file is cut, or belongs to another one"
            )
        if checksum is not None:
            _compare(stream, location, checksum)
        stream.seek(offset)
        content = stream.read(size)
    if len(content) != size:
        raise FileError(f"{location!r} was changed while it was read")
    return content


def _compare(stream: IO[bytes], location: str, checksum: str) -> None:
    """Refuse a file whose bytes have another sum."""
    total = hashlib.sha1(usedforsecurity=False)
    while block := stream.read(BLOCK):
        total.update(block)
    if total.hexdigest() != checksum.lower():
        raise FileError(
            f"{location!r} has the checksum {total.hexdigest()}, expected {checksum}: the file was "
            "changed"
        )


@contextmanager
def _open_beside(folder: Path, location: str) -> Iterator[IO[bytes]]:
    """Open a file for reading, from its folder, one name after the other."""
    names = _names(location)
    try:
        descriptor = _descriptor(folder, names)
    except FileNotFoundError:
        raise FileError(f"there is no file {location!r} in the folder {str(folder)!r}") from None
    except (OSError, ValueError) as error:  # a link, a name that is none
        raise FileError(f"{location!r} is a link, or cannot be opened: {error}") from None
    try:
        _refuse_odd_file(location, os.fstat(descriptor))
        stream = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with stream:
        yield stream


def _refuse_odd_file(location: str, status: os.stat_result) -> None:
    """Refuse what is no plain file, and a file that has a second name, maybe outside."""
    if not stat.S_ISREG(status.st_mode):
        raise FileError(f"{location!r} is a device, a pipe or a folder, expected a file")
    if status.st_nlink > 1:
        raise FileError(
            f"{location!r} is a link (its file has {status.st_nlink} names), which may lead out of "
            "the folder: copy the file"
        )


def _names(location: str) -> list[str]:
    """Return the names of a path that leads into the folder."""
    windows = PureWindowsPath(location)
    names = location.split("/")
    is_inside = (
        location
        and not PurePosixPath(location).is_absolute()
        and not windows.drive
        and not windows.root
        and "\\" not in location
        and not {"", ".", ".."} & set(names)
    )
    if not is_inside:
        raise FileError(
            f"{location!r} is no path into the model's own folder; nothing else is read"
        )
    return names


def _descriptor(folder: Path, names: list[str]) -> int:
    """Return the open file at the end of a path on which there are no links."""
    flags = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not _HAS_FOLDERS:  # Windows
        real = os.path.realpath(folder)
        if os.path.realpath(folder.joinpath(*names)) != os.path.join(real, *names):
            raise OSError("the path leads over a link")
        return os.open(folder.joinpath(*names), flags)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for n, name in enumerate(names):
        try:
            inner = os.open(name, flags | (os.O_DIRECTORY if n + 1 < len(names) else 0), dir_fd=at)
        finally:
            os.close(at)
        at = inner
    return at
