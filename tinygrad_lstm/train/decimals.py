"""Numbers in texts whose decimals stand behind a comma, as in much of Europe.

Knows texts; no files. "1,234" may be 1.234 or 1234. A table that has no number which can be one of
both alone is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import FileError

Texts = np.ndarray  # of objects, which are strings
DECIMAL = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
COMMA_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
POINT_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
ADVICE = "write a point before decimals, and nothing between thousands"


def with_points(columns: Mapping[str, Texts], lines: Sequence[int]) -> dict[str, Texts]:
    """Return columns of texts, in which a point stands for the comma before decimals.

    Only a column that holds numbers and nothing else is changed.

    Raises
    ------
    FileError
        If a comma or a point may stand before decimals or between thousands; the message names the
        column and the line.

    Examples
    --------
    >>> table = {"a": np.array(["1,5", "12"], object), "b": np.array(["2,250", "x"], object)}
    >>> {name: cells.tolist() for name, cells in with_points(table, [2, 3]).items()}
    {'a': ['1.5', '12'], 'b': ['2,250', 'x']}
    """
    has_commas = {name for name, cells in columns.items() if _is_decimal(cells)}
    proofs = [
        cell.strip()
        for name in has_commas
        for cell in columns[name]
        if "," in cell and not COMMA_GROUPS.fullmatch(cell.strip())
    ]
    result = dict(columns)
    for name, cells in columns.items():
        if name in has_commas:
            if not proofs:
                _refuse(name, cells, lines, COMMA_GROUPS)
            result[name] = np.array([cell.replace(",", ".") for cell in cells], dtype=object)
        elif proofs and _may_be_grouped(cells):
            _refuse(name, cells, lines, POINT_GROUPS, f" beside {proofs[0]!r}")
    return result


def _is_decimal(cells: Texts) -> bool:
    """Return whether all cells are whole numbers, or decimals behind a comma, or empty."""
    texts = [cell.strip() for cell in cells]
    return any("," in x for x in texts) and all(
        not x or x.removeprefix("-").isdecimal() or DECIMAL.fullmatch(x) for x in texts
    )


def _may_be_grouped(cells: Texts) -> bool:
    points = [cell.strip() for cell in cells if "." in cell]
    return bool(points) and all(map(POINT_GROUPS.fullmatch, points))


def _refuse(
    name: str, cells: Texts, lines: Sequence[int], groups: re.Pattern[str], beside: str = ""
) -> None:
    line, cell = next(
        (line, cell.strip())
        for line, cell in zip(lines, cells, strict=True)
        if groups.fullmatch(cell.strip())
    )
    raise FileError(
        f"column {name!r}, line {line}: {cell!r}{beside} may have decimals or thousands; {ADVICE}"
    )
