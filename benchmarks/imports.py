"""What ``import tinygrad_lstm`` adds to ``import numpy``, each in fresh processes."""

from __future__ import annotations

from statistics import median

from . import fresh

TIMED = """
import time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
"""


def measure(times: int) -> dict[str, float]:
    """Return the median time of each import, in seconds; they are taken in turns."""
    found: dict[str, list[float]] = {"numpy": [], "tinygrad_lstm": []}
    for name in found:
        fresh.run("-c", TIMED.format(name))  # writes the byte code
    for _ in range(times):
        for name, seconds in found.items():
            seconds.append(fresh.run("-c", TIMED.format(name)))
    return {name: median(seconds) for name, seconds in found.items()}
