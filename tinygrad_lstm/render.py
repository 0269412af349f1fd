"""DOT text to a picture: the one place where the layout program runs.

Knows text and bytes alone. The program runs without a shell and with a time limit; a file appears
whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import ArgumentError, RenderError

FORMATS = ("png", "svg", "pdf", "dot", "gv")
TIME_LIMIT = 60.0  # seconds


def rendered(dot: str, format: str, time_limit: float = TIME_LIMIT) -> bytes:
    """Return a DOT text as a picture.

    Parameters
    ----------
    dot : str
    format : str
        One of ``FORMATS``; ``dot`` and ``gv`` are the text itself.
    time_limit : float
        Seconds.

    Raises
    ------
    ArgumentError
        If the format is unknown; the message lists the known ones.
    RenderError
        If the program is missing, fails, or exceeds the time limit; the message says which.
    """
    if format not in FORMATS:
        raise ArgumentError(f"unknown format {format!r}; the known ones are {', '.join(FORMATS)}")
    if format in ("dot", "gv"):
        return dot.encode()
    program = shutil.which("dot")
    if program is None:
        raise RenderError(
            "Graphviz's program `dot` is not on the PATH: install it with your system's packages "
            "(Debian: apt-get install graphviz; macOS: brew install graphviz)"
        )
    try:
        done = subprocess.run(
            [program, f"-T{format}", "-Gdpi=96"],
            input=dot.encode(), capture_output=True, timeout=time_limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"dot needed more than {time_limit:g} s for {dot.count('[label=')} nodes: "
            "draw fewer steps"
        ) from None
    if done.returncode or not done.stdout:
        raise RenderError(f"dot failed: {done.stderr.decode(errors='replace').strip()[:500]}")
    return done.stdout


def written(content: bytes, path: str | os.PathLike[str]) -> Path:
    """Write a file as a whole: the old one stays until the new one is complete."""
    target = Path(path)
    descriptor, half = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.chmod(half, 0o644)
        os.replace(half, target)
    except BaseException:
        os.unlink(half)
        raise
    return target
