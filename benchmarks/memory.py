"""How much memory this process holds, and the most it has held.

The import of a large peer may take more memory for a moment than the task does, so on Linux the
mark of the most memory held is put back before the task. Elsewhere it cannot be, and the task's
share is then what it added to the mark.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MARK, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


class Peak:
    """The most memory held since this was made, in bytes above what was held then."""

    def __init__(self) -> None:
        self.resettable = True
        try:
            MARK.write_text("5")
            self.before = _status("VmRSS")
        except (OSError, KeyError):
            self.resettable = False
            self.before = whole()

    def above(self) -> int:
        """Return the bytes held at most, above those held at the start."""
        return (_status("VmHWM") if self.resettable else whole()) - self.before


def whole() -> int:
    """Return the most bytes ever held by this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def _status(field: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024
