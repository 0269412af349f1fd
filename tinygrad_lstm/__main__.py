"""``python -m tinygrad_lstm``, and the command of the package.

A user may interrupt the program while the package is imported.
"""

import sys

from .interruption import INTERRUPTED, MESSAGE, raise_again


def main() -> int:
    """Import the command line, run it, and return its exit status."""
    try:
        raise_again()
        from .cli import commands as cli

        return cli.main()
    except KeyboardInterrupt:
        print(MESSAGE, file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
