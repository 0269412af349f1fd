"""``python -m tinygrad_lstm``, and the command of the package.

Knows that the imports take a while, in which a user may interrupt them.
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
