"""What ten times the steps cost on the tape, with the garbage collector off and on."""

from __future__ import annotations

from statistics import median

from . import fresh
from .problem import PLAIN, Size

STEPS = (100, 1000, 10_000)


def measure(processes: int, seconds: float) -> dict[str, list[float]]:
    """Return the median seconds for each number of steps, by the collector's state."""
    found: dict[str, list[list[float]]] = {"off": [[] for _ in STEPS], "on": [[] for _ in STEPS]}
    for _ in range(processes):
        for position, T in enumerate(STEPS):
            for state, times in found.items():
                flags = ["--no-gc"] if state == "off" else []
                child = fresh.time_system("tape", PLAIN, Size(T, 1, 16, 16), seconds, *flags)
                times[position].append(child["seconds"])
    return {state: [median(each) for each in times] for state, times in found.items()}
