"""Write a file whole or not at all.

Knows nothing of the package.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from errno import EACCES, EINVAL, EISDIR, ENOENT
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = ".tinygrad-lstm-"  # the names of incomplete files begin with this
INCOMPLETE = re.compile(re.escape(PREFIX) + "[0-9a-f]{16}")


def write_file(content: bytes, path: str | os.PathLike[str], *, mode: int = 0o666) -> Path:
    """Write a file as a whole: the old file stays until the new file is complete.

    A link is followed. Incomplete files that a killed process left in the folder are removed.

    Parameters
    ----------
    content : bytes
    path : str or path
    mode : int
        The permissions of a new file, less the umask. An old file keeps its permissions and owner.

    Raises
    ------
    OSError
        If the folder is missing, the path is that of a folder or a device, the file is read-only,
        or the disk is full; the error names the path.
    """
    target = Path(os.path.realpath(path))
    try:
        old = _old_status(target)
        _remove_abandoned(target.parent)
        if hasattr(os, "O_TMPFILE"):
            with suppress(OSError):  # not every system has nameless files, or can name them later
                _write(content, target, mode, old, nameless=True)
                return Path(path)
        _write(content, target, mode, old, nameless=False)
    except OSError as error:
        if error.errno == ENOENT:
            raise FileNotFoundError(ENOENT, "there is no folder", str(target.parent)) from None
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    return Path(path)


def _old_status(target: Path) -> os.stat_result | None:
    """Return the status of the file to replace, or None if there is no file of this name."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(EISDIR, "there is a folder of this name")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(EINVAL, "there is a device or a pipe of this name")
    if not os.access(target, os.W_OK):
        raise PermissionError(EACCES, "the file must not be written")
    return status


def _write(
    content: bytes, target: Path, mode: int, old: os.stat_result | None, *, nameless: bool
) -> None:
    """Write a file under a temporary name, and rename the file when it is complete.

    A nameless file gets even its temporary name when it is complete, so that a killed process
    leaves nothing behind.
    """
    temporary = target.with_name(PREFIX + secrets.token_hex(8))  # never too long
    mode = mode if old is None else stat.S_IMODE(old.st_mode)
    try:
        with _open(target.parent if nameless else temporary, mode, nameless=nameless) as stream:
            stream.write(content)
            stream.flush()
            if old is not None and fcntl is not None:
                with suppress(OSError):  # only root may change the owner of a file
                    os.fchown(stream.fileno(), old.st_uid, old.st_gid)
                os.fchmod(stream.fileno(), mode)
            if nameless:
                _give_name(stream, temporary)
            if fcntl is None:
                stream.close()  # Windows renames no open file
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _open(path: Path, mode: int, *, nameless: bool) -> IO[bytes]:
    """Open a new file and lock the file until it is closed; a nameless file needs only a folder."""
    flags = os.O_TMPFILE if nameless else os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_WRONLY | flags, mode)
    if fcntl is not None:
        with suppress(OSError):  # some file systems have no locks; nothing is removed there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    if not nameless and not os.fstat(descriptor).st_nlink:  # another process removed the file
        os.close(descriptor)
        return _open(path, mode, nameless=nameless)
    return os.fdopen(descriptor, "wb")


def _give_name(stream: IO[bytes], path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)  # makes `os.link` follow the link in /proc
    try:
        os.link(f"/proc/self/fd/{stream.fileno()}", path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _remove_abandoned(folder: Path) -> None:
    """Remove the incomplete files of killed processes: nobody holds the lock of such a file."""
    if fcntl is None:
        return
    paths = []
    with suppress(OSError), os.scandir(folder) as files:
        paths = [file.path for file in files if INCOMPLETE.fullmatch(file.name)]
    for path in paths:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(descriptor)
