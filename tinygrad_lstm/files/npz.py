"""The arrays of an .npz file: the header of an array is checked against the bytes after it.

Knows NumPy's format alone. Nothing is pickled or unpickled. The numbers of an array are read on
demand.

"NumPy's format for several arrays", numpy.lib.format in NumPy's documentation.
"""

from __future__ import annotations

import io
import math
import os
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ..errors import FileError

HEAD = 65_536  # the largest number of bytes in a file before the numbers of an array
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy writes no other; others take memory


class Entry(NamedTuple):
    """An array in a file.

    Attributes
    ----------
    shape, dtype : tuple of int, str
        As the header says.
    read : function
        Returns the array; raises FileError if its bytes cannot be read.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


class Header(NamedTuple):
    """The header of an array in NumPy's format.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    in_columns : bool
        Whether the first index runs fastest.
    start, size : int
        The number of bytes before the numbers, and of the numbers themselves.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_columns: bool
    start: int
    size: int


def npy_header(stream: IO[bytes]) -> Header:
    """Read the header of an array in NumPy's format.

    Parameters
    ----------
    stream : at the beginning of the array; at most `HEAD` bytes are read

    Raises
    ------
    FileError
        If the header cannot be read, if the array is pickled, or if the type or the shape is no
        array's; the message continues a sentence that begins with the array's name.
    """
    head = io.BytesIO(stream.read(HEAD))
    with _failure("is cut or corrupt"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the lines below check what Python's parser doubts
        version = np.lib.format.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise FileError(f"is of version {version}, expected (1, 0) or (2, 0)")
        read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, in_columns, dtype = read_header(head)
    if dtype.hasobject:
        raise FileError(
            "is pickled (type object), which could run anything; nothing is unpickled here"
        )
    if not dtype.itemsize or dtype.kind == "V":
        raise FileError(f"says that its type is {dtype}, expected a type of numbers")
    if any(type(length) is not int or length < 0 for length in shape):
        raise FileError(f"says that its shape is {shape}, expected whole numbers from 0 on")
    size = math.prod(shape) * dtype.itemsize
    return Header(shape, dtype, in_columns, head.tell(), size)


def refuse_device(path: Path) -> None:
    """Refuse a device and a pipe, because their content may have no end.

    Raises
    ------
    FileError
        If the path is that of a device or of a pipe.
    OSError
        If there is no file of this name.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise FileError(f"{path}: a device or a pipe, expected a file")


@contextmanager
def open_npz(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an .npz file, and close the file at the end.

    Raises
    ------
    FileError
        If the file is no .npz file; the message begins with the path.
    OSError
        If the file cannot be opened.
    """
    refuse_device(path)
    with path.open("rb") as stream:
        if stream.read(1) in (b"\x80", b"("):
            raise FileError(
                f"{path}: a pickle, which could run anything; nothing is unpickled here"
            )
        with _failure(f"{path}: no .npz file, or one that is cut or corrupt"):
            archive = zipfile.ZipFile(stream)
        with archive:
            yield archive


def npz_entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Entry:
    """Return an array of an .npz file as its header describes it, before the numbers are read.

    Parameters
    ----------
    path, name : the path of the file and the name of the array, for messages
    archive, info : the file as `open_npz` opens it, and the array's member of the file

    Raises
    ------
    FileError
        If the header cannot be read, or does not fit the bytes; the message begins with the path
        and the name.
    """
    who = f"{path}: {name}"
    if info.compress_type not in METHODS:
        raise FileError(
            f"{who} is packed by method {info.compress_type}, expected 0 or 8, as NumPy packs"
        )
    with _failure(f"{who} is cut or corrupt"), archive.open(info) as stream:
        try:
            header = npy_header(stream)
        except FileError as error:
            raise FileError(f"{who} {error}") from None
    if header.start + header.size != info.file_size:
        raise FileError(
            f"{who} says that it has shape {header.shape} of {header.dtype}, {header.size} bytes, "
            f"and the file has {info.file_size - header.start} bytes"
        )
    with _failure(f"{who} says that its shape is {header.shape}"):  # too many axes, for example
        np.broadcast_to(np.zeros((), header.dtype), header.shape)

    def read() -> np.ndarray:
        with _failure(f"{who} is cut or corrupt"), archive.open(info) as stream:
            content = stream.read(info.file_size + 1)  # to the end, where zipfile checks the sum
        if len(content) != info.file_size:
            raise FileError(f"{who} has {len(content)} bytes, expected {info.file_size}")
        array = np.frombuffer(content, header.dtype, math.prod(header.shape), header.start)
        return array.reshape(header.shape, order="F" if header.in_columns else "C")

    return Entry(header.shape, str(header.dtype), read)


@contextmanager
def npz_entries(path: Path) -> Iterator[dict[str, Entry]]:
    """Open an .npz file in which all members are arrays, and describe the arrays by their names.

    Raises
    ------
    FileError
        If the file is no .npz file, holds something else, or holds a name twice; the message begins
        with the path.
    OSError
        If the file cannot be opened.
    """
    with open_npz(path) as archive:
        entries: dict[str, Entry] = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                raise FileError(f"{path}: {name!r} in it is no array")
            if name in entries:
                raise FileError(f"{path}: {name} is in it twice")
            entries[name] = npz_entry(path, archive, info, name)
        yield entries


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of an .npz file; the same for the same arrays, as it holds no time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return stream.getvalue()


@contextmanager
def _failure(message: str) -> Iterator[None]:
    """Turn any error that the bytes of a stranger can cause into a FileError."""
    try:
        yield
    except FileError:
        raise
    except Exception as error:  # NumPy, zipfile and Python's parser raise a dozen kinds
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise FileError(f"{message}: {reason}") from None
