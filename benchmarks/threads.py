"""How many threads a system may use: those of the environment of its process."""

from __future__ import annotations

import os


def count() -> int:
    """Return the number of threads."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))
