"""Files that appear whole or not at all.

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

HALF = ".tinygrad-lstm-"  # what the names of files that are not complete begin with
HALVES = re.compile(re.escape(HALF) + "[0-9a-f]{16}")


def write_file(content: bytes, path: str | os.PathLike[str], *, mode: int = 0o666) -> Path:
    """Write a file as a whole: the old one stays until the new one is complete.

    A link is followed. What a writer that was killed has left in the folder is removed.

    Parameters
    ----------
    content : bytes
    path : str or path
    mode : int
        The permissions of a new file, less the umask. An old file keeps its permissions and owner.

    Raises
    ------
    OSError
        If there is no such folder, the path is no file's, the file must not be written, or there
        is no room; the error names the path.
    """
    target = Path(os.path.realpath(path))
    try:
        old = _old(target)
        _remove_abandoned(target.parent)
        if hasattr(os, "O_TMPFILE"):
            with suppress(OSError):  # some file systems have none, some systems cannot name them
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


def _old(target: Path) -> os.stat_result | None:
    """Return the status of the file that is there, if there is one and it may be replaced."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(EISDIR, "there is a folder of this name")
    if not stat.S_ISREG(old.st_mode):
        raise OSError(EINVAL, "there is a device or a pipe of this name")
    if not os.access(target, os.W_OK):
        raise PermissionError(EACCES, "the file must not be written")
    return old


def _write(
    content: bytes, target: Path, mode: int, old: os.stat_result | None, *, nameless: bool
) -> None:
    """Write a file under a name of its own, and give it the right name when it is complete.

    A nameless file gets even that name when it is complete, so that nothing is left of a writer
    that is killed.
    """
    half = target.with_name(HALF + secrets.token_hex(8))  # as short for a long name as for any
    mode = mode if old is None else stat.S_IMODE(old.st_mode)
    try:
        with _open(target.parent if nameless else half, mode, nameless=nameless) as stream:
            stream.write(content)
            stream.flush()
            if old is not None and fcntl is not None:
                with suppress(OSError):  # only root may give a file to somebody
                    os.fchown(stream.fileno(), old.st_uid, old.st_gid)
                os.fchmod(stream.fileno(), mode)
            if nameless:
                _give_name(stream, half)
            if fcntl is None:
                stream.close()  # Windows renames no open file
            os.replace(half, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(half)
        raise


def _open(path: Path, mode: int, *, nameless: bool) -> IO[bytes]:
    """Open a new file, locked until it is closed: the name of a folder, if it is to be nameless."""
    how = os.O_TMPFILE if nameless else os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_WRONLY | how, mode)
    if fcntl is not None:
        with suppress(OSError):  # there are no locks, and nothing is removed, on some file systems
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    if not nameless and not os.fstat(descriptor).st_nlink:  # another writer was faster with a lock
        os.close(descriptor)
        return _open(path, mode, nameless=nameless)
    return os.fdopen(descriptor, "wb")


def _give_name(stream: IO[bytes], half: Path) -> None:
    folder = os.open(half.parent, os.O_RDONLY)  # makes `os.link` follow the link in /proc
    try:
        os.link(f"/proc/self/fd/{stream.fileno()}", half.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


def _remove_abandoned(folder: Path) -> None:
    """Remove the files that a writer was killed over: nobody holds their lock."""
    if fcntl is None:
        return
    halves = []
    with suppress(OSError), os.scandir(folder) as files:
        halves = [file.path for file in files if HALVES.fullmatch(file.name)]
    for half in halves:
        with suppress(OSError):
            descriptor = os.open(half, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(half)
            finally:
                os.close(descriptor)


__all__ = ["write_file"]
