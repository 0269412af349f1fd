"""Columns of numbers, read from .csv, .npz and .npy files.

Knows files and numbers; no model. Nothing is unpickled.
"""

from __future__ import annotations

import csv
import io
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import FileError, SignalError, check_path, nearest
from ..files.npz import npz_entries, refuse_device
from .decimals import with_points

Array = np.ndarray
DELIMITERS = ",;\t|"
LARGEST = 1e150  # of a number; its square is one too


class Columns(NamedTuple):
    """A table of numbers.

    Attributes
    ----------
    names : list of str
    numbers : (N, columns)
    left_out : list of str
        Columns that were not asked for and hold no number at all, such as dates.
    """

    names: list[str]
    numbers: Array
    left_out: list[str]


def read_columns(path: str | os.PathLike[str], names: Iterable[str] | None = None) -> Columns:
    """Return columns of a file, in the order of their names.

    Parameters
    ----------
    path : str or path
        A ``.csv`` file in UTF-8 or UTF-16 whose first line has the names of the columns, separated
        by a comma, a semicolon, a tab or a bar, and whose decimals stand behind a point or a comma;
        an ``.npz`` file of arrays (N,) or (N, C), whose columns are called ``name`` or ``name.0``,
        ``name.1`` …; or an ``.npy`` file of one such array, with the columns ``0``, ``1`` ….
    names : strings, optional
        The columns to read. If they are left out: all but those without a single number.

    Raises
    ------
    FileError
        If the file cannot be read, or a cell is empty or no finite number, or a comma may be that
        of decimals or that of thousands; the message names the column and the line.
    SignalError
        If a column is missing; the message lists the nearest names.
    OSError
        If the file cannot be opened.
    """
    source = check_path("data", path)
    refuse_device(source)
    readers = {".csv": _csv, ".npz": _npz, ".npy": _npy}
    if source.suffix.lower() not in readers:
        raise FileError(f"{source}: the suffix is {source.suffix!r}, expected .csv, .npz or .npy")
    known, lines = readers[source.suffix.lower()](source)
    wanted = list(known) if names is None else list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise SignalError(f"{source}: no column is called {name!r}; {nearest(name, known)}")
    columns: dict[str, Array] = {}
    left_out = []
    chosen = {name: known[name] for name in wanted}
    if source.suffix.lower() == ".csv":
        try:
            chosen = with_points(chosen, lines)
        except FileError as error:
            raise FileError(f"{source}: {error}") from None
    for name, cells in chosen.items():
        if names is None and cells.dtype.kind not in "fiu" and not any(map(_is_number, cells)):
            left_out.append(name)
            continue
        columns[name] = _numbers(source, name, cells, lines)
    if not columns or not len(next(iter(columns.values()))):
        raise FileError(f"{source}: found no numbers")
    return Columns(list(columns), np.stack([*columns.values()], axis=1), left_out)


def _numbers(source: Path, name: str, cells: Array, lines: Sequence[int]) -> Array:
    """Return the numbers in the cells of a column."""
    if cells.dtype.kind in "fiu":
        numbers = cells.astype(float)
    else:
        numbers = np.array([float(cell) if _is_number(cell) else np.nan for cell in cells])
    sizes = np.abs(numbers)
    if 0 < sizes.max(initial=0.0) < 1 / LARGEST:
        raise FileError(
            f"{source}: column {name!r}: the largest number is {sizes.max():g}, expected zeros, or "
            f"numbers of which one has a size from {1 / LARGEST:g} on; scale the numbers"
        )
    wrong = np.flatnonzero(~(sizes <= LARGEST))
    if wrong.size:
        cell = str(cells[wrong[0]]).strip()
        found = f"found {cell!r}" if cell else "an empty cell"
        raise FileError(
            f"{source}: column {name!r}, line {lines[wrong[0]]}: {found}, expected a finite number "
            f"of a size up to {LARGEST:g} ({wrong.size} such cells); fill or scale them, or choose "
            "other columns by --features"
        )
    return numbers


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _csv(source: Path) -> tuple[dict[str, Array], Sequence[int]]:
    """Return the cells of each column as texts, and the number of the line of each row."""
    try:
        content = source.read_bytes()
        is_wide = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(f"{source}: no text in UTF-8; save the table as a .csv in UTF-8") from None
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        numbered = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise FileError(f"{source}: no table: {error}") from None
    lines, rows = [line for line, _ in numbered], [row for _, row in numbered]
    if len(rows) < 2:
        raise FileError(f"{source}: found {len(rows)} lines, expected names and numbers")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names) or "" in names:
        raise FileError(f"{source}: a column has no name, or the name of another one: {names}")
    if all(map(_is_number, names)):
        raise FileError(f"{source}: the first line holds numbers, expected the columns' names")
    for line, row in numbered[1:]:
        if len(row) != len(names):
            raise FileError(f"{source}: line {line} has {len(row)} cells, expected {len(names)}")
    cells = np.array(rows[1:], dtype=object)
    return {name: cells[:, n] for n, name in enumerate(names)}, lines[1:]


def _npz(source: Path) -> tuple[dict[str, Array], Sequence[int]]:
    with npz_entries(source) as entries:
        arrays = {name: entry.read() for name, entry in entries.items()}
    columns: dict[str, Array] = {}
    for name, array in arrays.items():
        columns |= _apart(source, name, array)
    lengths = {name: len(array) for name, array in columns.items()}
    if len(set(lengths.values())) > 1:
        raise FileError(f"{source}: the arrays have different lengths: {lengths}")
    return columns, range(max(lengths.values(), default=0))


def _npy(source: Path) -> tuple[dict[str, Array], Sequence[int]]:
    try:
        array = np.load(source, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FileError(f"{source}: no .npy file that can be read: {error}") from None
    columns = _apart(source, "", array[:, None] if array.ndim == 1 else array)
    return {name.removeprefix("."): column for name, column in columns.items()}, range(len(array))


def _apart(source: Path, name: str, array: Array) -> dict[str, Array]:
    """Return the columns of an array."""
    if array.dtype.kind not in "fiu":
        raise FileError(f"{source}: {name or 'the array'} is of type {array.dtype}, not of numbers")
    if array.ndim == 1:
        return {name: array}
    if array.ndim != 2:
        raise FileError(f"{source}: {name or 'the array'} has shape {array.shape}, expected (N, C)")
    return {f"{name}.{n}": array[:, n] for n in range(array.shape[1])}
