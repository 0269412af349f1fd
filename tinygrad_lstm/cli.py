"""The command line.

Knows the commands' options; what they do is written elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import demo
from .errors import TinygradError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status: 0, or 1 if a comparison or the command failed."""
    parser = argparse.ArgumentParser(
        prog="tinygrad-lstm", description="An autodiff engine that shows its work."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    show = commands.add_parser("demo", help="see the main job run on real data, with pictures")
    show.add_argument("--out", type=Path, default=Path("out"), help="where to write (default: out)")
    chosen = parser.parse_args(arguments)
    try:
        return 0 if demo.run(chosen.out) else 1
    except (TinygradError, OSError) as error:
        print(f"tinygrad-lstm: {error}", file=sys.stderr)
        return 1
