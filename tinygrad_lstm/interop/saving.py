"""A module's numbers as a file, .npz or .safetensors, written whole and read with suspicion.

Knows the layouts and the two formats; nothing is ever unpickled. What a file says of itself is held
against the module, and against the file's own size, before any of its numbers are read.

.npz: "NumPy's format for several arrays", numpy.lib.format in NumPy's documentation. .safetensors:
"Safetensors: format", in its documentation; its package is an extra, imported when used.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..errors import ArgumentError, FileError, PackageError, UsageError, nearest
from ..files import written
from ..nn.module import Module, check_entries
from .keras import KERAS
from .layout import Arrays
from .pytorch import TORCH

FRAMEWORKS = MappingProxyType({"torch": TORCH, "keras": KERAS})
LAYOUTS = ("ours", *FRAMEWORKS)
HEAD = 65_536  # bytes of an array in a file that may come before its numbers


class Entry(NamedTuple):
    """An array in a file: what is said of it, and how to read its numbers."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


Entries = dict[str, Entry]


def save(module: Module, path: str | os.PathLike[str], layout: str = "ours") -> Path:
    """Write a module's numbers to a file.

    Parameters
    ----------
    module : Module
    path : str or path
        Its suffix is the format: ``.npz``, or ``.safetensors``, which needs the package of this
        name: ``pip install 'tinygrad-lstm[safetensors]'``. Only ``.npz`` has checksums, by which a
        changed number is noticed.
    layout : "ours", "torch" or "keras"
        Whose names and layout: those of ``state_dict()``, `to_torch` or `to_keras`.

    Returns
    -------
    Path
        The file. It is written whole: until it is, an old one of this name stays. The same numbers
        are the same bytes.

    Raises
    ------
    ArgumentError, UsageError, PackageError
        If the suffix or the layout is unknown; if the module is none, or PyTorch or Keras has no
        equal; if the package is missing. The message says what to do.

    Examples
    --------
    >>> import tempfile
    >>> from tinygrad_lstm import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(nn.LSTM(2, 3, seed=0), f"{folder}/lstm.npz")
    ...     sorted(np.load(path))
    ...     load(nn.LSTM(2, 3, seed=1), path)
    ['U', 'W', 'b']
    """
    target = Path(path)
    format = _format("save", target)
    return written(format.content(_out("save", module, layout)), target)


def load(module: Module, path: str | os.PathLike[str], layout: str = "ours") -> None:
    """Replace a module's numbers by those of a file.

    Parameters
    ----------
    module : Module
    path : str or path
        Of an ``.npz`` or ``.safetensors`` file.
    layout : "ours", "torch" or "keras"
        Whose names and layout the file has.

    Raises
    ------
    FileError
        If the file is cut, corrupt, pickled, or not what it says; the message says which and where.
    SignalError, ShapeError, DTypeError
        If an entry is missing, unexpected, of the wrong shape or no real numbers; the message
        lists all of them. Nothing has been loaded.
    ArgumentError, UsageError, PackageError
        As `save`.
    OSError
        If the file cannot be opened.
    """
    source = Path(path)
    format = _format("load", source)
    shapes = {name: array.shape for name, array in _out("load", module, layout).items()}
    with format.reading(source) as entries:
        hint = "" if entries.keys() == shapes.keys() else _hint(module, layout, entries)
        check_entries(f"load: {source}{hint}", entries, shapes)
        arrays = {name: entry.read() for name, entry in entries.items()}
    if layout == "ours":
        module.load_state_dict(arrays)
    else:
        FRAMEWORKS[layout].load(f"load: {source}", module, arrays)


def _out(who: str, module: Module, layout: str) -> Arrays:
    if not isinstance(module, Module):
        raise UsageError(f"{who}: found {type(module).__name__}, expected a layer or other Module")
    if layout not in LAYOUTS:
        raise ArgumentError(f"{who}: layout must be one of {', '.join(LAYOUTS)}, found {layout!r}")
    return module.state_dict() if layout == "ours" else FRAMEWORKS[layout].out(module)


def _hint(module: Module, layout: str, entries: Mapping[str, Any]) -> str:
    """Say whose names they are, if it is another's."""
    for other in LAYOUTS:
        try:
            if other != layout and _out("load", module, other).keys() == set(entries):
                return f" has the names of layout={other!r}"
        except UsageError:
            pass  # it has no equal of the module
    return ""


# --- .npz ---------------------------------------------------------------------------------------


def _npz(arrays: Arrays) -> bytes:
    """Return the bytes of an .npz file; the same for the same arrays, as it holds no time."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return stream.getvalue()


@contextmanager
def _in_npz(path: Path) -> Iterator[Entries]:
    with path.open("rb") as stream:
        if stream.read(1) in (b"\x80", b"("):
            _fail(path, "a pickle, which could run anything; nothing is unpickled here")
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            _fail(path, f"no .npz file, or one that is cut or corrupt: {error}")
        with archive:
            entries: Entries = {}
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if name == info.filename:
                    _fail(path, f"{name!r} in it is no array")
                if name in entries:
                    _fail(path, f"{name} is in it twice")
                entries[name] = npz_entry(path, archive, info, name)
            yield entries


def npz_entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Entry:
    """Return what an array in an .npz file says of itself, if it has as many bytes as it says."""
    with _corruption_named(path, name), archive.open(info) as stream:
        head = io.BytesIO(stream.read(HEAD))
        version = np.lib.format.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            _fail(path, f"{name} is of version {version}, expected (1, 0) or (2, 0)")
        read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, in_columns, dtype = read_header(head)
    if dtype.hasobject:
        _fail(path, f"{name} is pickled (type object), which could run anything; nothing is "
                    "unpickled here")  # fmt: skip
    if any(size < 0 for size in shape):
        _fail(path, f"{name} says that its shape is {shape}")
    start, count = head.tell(), 1
    for size in shape:
        count *= size  # in whole numbers, which do not overflow
    if start + count * dtype.itemsize != info.file_size:
        _fail(path, f"{name} says that it has shape {shape} of {dtype}, {count * dtype.itemsize} "
                    f"bytes, and there are {info.file_size - start}")  # fmt: skip

    def read() -> np.ndarray:
        with _corruption_named(path, name), archive.open(info) as stream:
            content = stream.read(info.file_size + 1)  # to the end, where checksums are compared
        if len(content) != info.file_size:
            _fail(path, f"{name} has {len(content)} bytes, expected {info.file_size}")
        array = np.frombuffer(content, dtype, count, start)
        return array.reshape(shape, order="F" if in_columns else "C")

    return Entry(shape, str(dtype), read)


@contextmanager
def _corruption_named(path: Path, name: str) -> Iterator[None]:
    """Turn whatever reading a zip archive raises into one error that names file and entry."""
    try:
        yield
    except FileError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError,
        SyntaxError, TypeError, MemoryError, OverflowError,
    ) as error:  # fmt: skip
        _fail(path, f"{name} is cut or corrupt: {error}")


# --- .safetensors -------------------------------------------------------------------------------


def _safetensors() -> Any:
    """Import the package of this name."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise PackageError(
            ".safetensors files need the package safetensors: pip install "
            "'tinygrad-lstm[safetensors]', or use .npz"
        ) from None
    return safetensors


def _as_safetensors(arrays: Arrays) -> bytes:
    arrays = {name: np.ascontiguousarray(each).reshape(each.shape) for name, each in arrays.items()}
    return _safetensors().numpy.save(arrays)


@contextmanager
def _in_safetensors(path: Path) -> Iterator[Entries]:
    package = _safetensors()
    with path.open("rb"):
        pass  # so that what cannot be opened is an OSError
    try:
        file = package.safe_open(path, framework="numpy")
    except (package.SafetensorError, OSError, ValueError) as error:
        _fail(path, f"no .safetensors file, or one that is cut or corrupt: {error}")
    with file:
        yield {name: _slice(path, file, name) for name in file.keys()}  # noqa: SIM118


def _slice(path: Path, file: Any, name: str) -> Entry:
    said = file.get_slice(name)
    dtype = said.get_dtype()

    def read() -> np.ndarray:
        if dtype not in ("F16", "F32", "F64"):
            _fail(path, f"{name} is of type {dtype}, expected F16, F32 or F64")
        return file.get_tensor(name)

    return Entry(tuple(said.get_shape()), dtype, read)


# --- formats ------------------------------------------------------------------------------------


class Format(NamedTuple):
    """How arrays become the bytes of a file, and what is in one."""

    content: Callable[[Arrays], bytes]
    reading: Callable[[Path], Any]


FORMATS = {
    ".npz": Format(_npz, _in_npz),
    ".safetensors": Format(_as_safetensors, _in_safetensors),
}


def _format(who: str, path: Path) -> Format:
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = " or ".join(FORMATS)
        raise ArgumentError(
            f"{who}: {str(path)!r} has the suffix {suffix!r}, expected {known}; "
            f"{nearest(suffix, FORMATS)}"
        )
    return FORMATS[suffix]


def _fail(path: Path, why: str) -> NoReturn:
    raise FileError(f"load: {path}: {why}; nothing loaded")


__all__ = ["load", "save"]
