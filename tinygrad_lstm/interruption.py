"""An interrupt while the program imports NumPy and the package ends it in one line.

Knows the interpreter alone, and is the first module that the package imports. Where the package is
imported by somebody else's program, the module does nothing. What Python does before it finds the
package, in about 20 ms, no package can change.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130  # the exit status that shells give to SIGINT
MESSAGE = "tinygrad-lstm: interrupted"


def is_program() -> bool:
    """Return whether the package is imported to run its command: by ``-m``, or by its script."""
    name = os.path.basename((getattr(sys, "argv", None) or [""])[0])
    asked = (word.rpartition("-m")[2] for word in sys.orig_argv)
    return name.startswith("tinygrad-lstm") or (name == "-m" and __package__ in asked)


def end_at_once() -> None:
    """Let an interrupt end the process, wherever it is, until `raise_again` is called."""
    import signal  # which no other program needs

    signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """Let an interrupt raise KeyboardInterrupt, as Python does."""
    import signal

    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, f"{MESSAGE}\n".encode())
    os._exit(INTERRUPTED)


if is_program():
    end_at_once()
