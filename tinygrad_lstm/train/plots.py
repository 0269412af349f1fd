"""Figures of matplotlib, which is an extra: made, written to files, and shown in notebooks.

Knows matplotlib; nothing of what is plotted.
"""

from __future__ import annotations

import io
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, PackageError, check_path, nearest
from ..files.whole import write_file

SUFFIXES = (".png", ".svg", ".pdf")
LOWEST = 1e-12  # of the largest number of a logarithmic scale


def new_figure(who: str, width: float, height: float) -> Any:
    """Return an empty figure, in inches.

    Raises
    ------
    PackageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PackageError(
            f"{who} needs the package matplotlib: pip install 'tinygrad-lstm[demo]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def checked_path(who: str, path: str | os.PathLike[str]) -> Path:
    """Return a path that a figure can be written to.

    Raises
    ------
    ArgumentError, UsageError
        If it is no path, or its suffix is not known.
    """
    checked = check_path(who, path)
    if checked.suffix.lower() not in SUFFIXES:
        raise ArgumentError(
            f"{who}: {str(checked)!r} has the suffix {checked.suffix!r}, expected "
            f"{', '.join(SUFFIXES)}; {nearest(checked.suffix, SUFFIXES)}"
        )
    return checked


def save(figure: Any, path: Path) -> Path:
    """Write a figure to a file, whole."""
    content = io.BytesIO()
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
    figure.savefig(content, format=path.suffix.lower()[1:], dpi=120, metadata=metadata)
    return write_file(content.getvalue(), path)


def as_html(figure: Any) -> str:
    """Return a figure as an element of a page."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=80)
    return f'<img src="data:image/png;base64,{b64encode(content.getvalue()).decode()}">'


def logarithmic(array: Any) -> Any:
    """Return the scale of colours of sizes that differ by many powers of ten."""
    from matplotlib.colors import LogNorm

    largest = float(array.max(where=array > 0, initial=0.0)) or 1.0  # which nan is not
    least = float(array.min(where=array > LOWEST * largest, initial=largest))
    return LogNorm(vmin=min(least, largest / 10), vmax=largest)
