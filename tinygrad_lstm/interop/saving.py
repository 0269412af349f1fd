"""A module's numbers as a file, .npz or .safetensors, written whole and read with suspicion.

Knows the layouts and the two formats; nothing is ever unpickled. The names, shapes and sizes that a
file states are compared with the module's, and with the file's size, before a number is read.

.npz: "NumPy's format for several arrays", numpy.lib.format in NumPy's documentation. .safetensors:
"Safetensors: format", in its documentation; its package is an extra, imported when used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..engine.arguments import excerpt
from ..errors import ArgumentError, FileError, PackageError, UsageError, check_path, nearest
from ..files.npz import Entry, npz_bytes, npz_entries, refuse_device
from ..files.whole import write_file
from ..nn.entries import MASK, check_entries, with_masks
from ..nn.module import Module
from .layout import Arrays
from .prefixes import under_prefix
from .registry import frameworks

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
    layout : "ours", "torch", "keras", "onnx", "tmva" or a framework that you have registered
        Whose names and layout: those of ``state_dict()``, or of the framework's `weights`.

    Returns
    -------
    Path
        The file. It is written whole: until it is, an old one of this name stays. The same numbers
        are the same bytes.

    Raises
    ------
    ArgumentError, UsageError, PackageError
        If the suffix or the layout is unknown; if the module is none, or the framework has no
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
    target = check_path("save", path)
    format = _format("save", target)
    _check("save", module, layout)
    arrays = module.state_dict() if layout == "ours" else frameworks[layout].weights(module)
    return write_file(format.content(arrays), target)


def load(
    module: Module,
    path: str | os.PathLike[str],
    layout: str = "ours",
    *,
    prefix: str | None = None,
) -> None:
    """Replace a module's numbers by those of a file.

    Parameters
    ----------
    module : Module
    path : str or path
        Of an ``.npz`` or ``.safetensors`` file.
    layout : as in `save`
        Whose names and layout the file has.
    prefix : str, optional
        The path before these names, if the file is that of a larger module, such as
        ``encoder.rnn``. It is found without, where the names stand under one path only.

    Raises
    ------
    FileError
        If the file is cut, corrupt or pickled, or states what is not so; the message says which and
        where.
    SignalError, ShapeError, DTypeError
        If an entry is missing, unexpected, of the wrong shape or no real numbers; the message
        lists all of them. Nothing has been loaded.
    ArgumentError, UsageError, PackageError
        As `save`.
    OSError
        If the file cannot be opened.
    """
    source = check_path("load", path)
    format = _format("load", source)
    _check("load", module, layout)
    shapes = _shapes(module, layout)
    try:
        with format.reading(source) as entries:
            plain = str if layout == "ours" else frameworks[layout].plain
            masks = {x + MASK for x in entries if x + MASK in entries} if layout == "ours" else {}
            names = {name: name for name in entries if name not in masks}
            names = under_prefix(f"load: {source}", names, shapes, prefix, plain)
            names |= {x + MASK: y + MASK for x, y in names.items() if y + MASK in masks}
            chosen = {name: entries[theirs] for name, theirs in names.items()}
            shapes = with_masks(chosen, shapes)
            hint = "" if chosen.keys() == shapes.keys() else _hint(module, layout, entries)
            check_entries(f"load: {source}{hint}", chosen, shapes)
            arrays = {name: entry.read() for name, entry in chosen.items()}
    except FileError as error:
        raise FileError(f"load: {error}; nothing loaded") from None
    if layout == "ours":
        module.load_state_dict(arrays)
    else:
        frameworks[layout].load_as(f"load: {source}", module, arrays)


def _check(who: str, module: Any, layout: Any) -> None:
    """Refuse what is no module, and a layout that nobody has registered."""
    if not isinstance(module, Module):
        raise UsageError(f"{who}: found {type(module).__name__}, expected a layer or other Module")
    if not isinstance(layout, str) or layout not in ("ours", *frameworks):
        known = ", ".join(["ours", *frameworks])
        raise ArgumentError(f"{who}: layout must be one of {known}, found {excerpt(layout)}")


def _shapes(module: Module, layout: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a module's arrays by their names in a layout."""
    if layout != "ours":
        return frameworks[layout].shapes(module)
    return {name: tensor.shape for name, tensor in module.named_state().items()}


def _hint(module: Module, layout: str, entries: Mapping[str, Any]) -> str:
    """Return the layout whose names the entries have, in words, if it is another one."""
    for other in ("ours", *frameworks):
        try:
            if other != layout and _shapes(module, other).keys() == set(entries):
                return f" has the names of layout={other!r}"
        except UsageError:
            pass  # the framework has no such layer
    return ""


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
    arrays = {name: np.ascontiguousarray(x).reshape(x.shape) for name, x in arrays.items()}
    content: bytes = _safetensors().numpy.save(arrays)
    return content


@contextmanager
def _in_safetensors(path: Path) -> Iterator[Entries]:
    package = _safetensors()
    refuse_device(path)
    with path.open("rb"):
        pass  # so that what cannot be opened is an OSError
    try:
        file = package.safe_open(path, framework="numpy")
    except (package.SafetensorError, OSError, ValueError) as error:
        raise FileError(
            f"{path}: no .safetensors file, or one that is cut or corrupt: {error}"
        ) from None
    with file:
        yield {name: _slice(path, file, name) for name in file.keys()}  # noqa: SIM118


def _slice(path: Path, file: Any, name: str) -> Entry:
    entry = file.get_slice(name)
    dtype = entry.get_dtype()

    def read() -> np.ndarray:
        if dtype not in ("F16", "F32", "F64"):
            raise FileError(f"{path}: {name} is of type {dtype}, expected F16, F32 or F64")
        array: np.ndarray = file.get_tensor(name)
        return array

    return Entry(tuple(entry.get_shape()), dtype, read)


# --- formats ------------------------------------------------------------------------------------


class Format(NamedTuple):
    """How arrays become the bytes of a file, and what is in one."""

    content: Callable[[Arrays], bytes]
    reading: Callable[[Path], Any]


FORMATS = {
    ".npz": Format(npz_bytes, npz_entries),
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
