"""``python -m tinygrad_lstm``, and the command of the package.

A user may interrupt the program while the package is imported.
"""

import sys


def main() -> int:
    """Import the command line, run it, and return its exit status."""
    try:
        from .cli import commands as cli

        return cli.main()
    except KeyboardInterrupt:
        print("tinygrad-lstm: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
