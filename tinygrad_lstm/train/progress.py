"""A line that says how far training is: the loss, and the time left.

Knows terminals, and tqdm where it is installed; no training.
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any, Protocol


class Progress(Protocol):
    """What is told of each update, and closed at the end."""

    def step(self, losses: dict[str, float]) -> None: ...

    def close(self) -> None: ...


class Silence:
    """No line."""

    def step(self, losses: dict[str, float]) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class Bar:
    """A progress bar of tqdm."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def step(self, losses: dict[str, float]) -> None:
        """Go on by one update."""
        self.bar.set_postfix(losses, refresh=False)
        self.bar.update()

    def close(self) -> None:
        """End the line."""
        self.bar.close()


class Line:
    """A line of text that is written again every half second.

    Parameters
    ----------
    total, done : int
        Updates in all, and those that were made before.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.first = total, done, done
        self.start = monotonic()
        self.written = 0.0

    def step(self, losses: dict[str, float]) -> None:
        """Go on by one update."""
        self.done += 1
        now = monotonic()
        if now - self.written < 0.5 and self.done < self.total:
            return
        self.written = now
        left = (now - self.start) / (self.done - self.first) * (self.total - self.done)
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        text = f"\r{self.done}/{self.total} updates, {numbers}, {left:.0f} s left"
        sys.stderr.write(f"{text:<78}")
        sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self.written:
            sys.stderr.write("\n")


def progress(total: int, done: int, wanted: bool) -> Progress:
    """Return a progress bar, or a line of text without tqdm; nothing if there is no terminal."""
    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        return Silence()
    try:
        from tqdm import tqdm
    except ImportError:
        return Line(total, done)
    return Bar(tqdm(total=total, initial=done, unit=" updates", dynamic_ncols=True))
