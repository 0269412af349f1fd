"""The rate of a mistake, found from the author's numbers.

Knows no graphs: a caller's function says how far the mistakes are from the author's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .mistake import Mistake

ROUNDS = 12
FREE = 2  # rounds after which each one has to halve what is left
NOTHING = 1e-9  # left, relative to the slope by the rate
SMALL = 1e-6  # of the largest: what is smaller does not hold a rate to anything

# the differences that several mistakes leave from the author's numbers; None if they cannot be made
Missed = Callable[[Sequence[Mistake]], np.ndarray | None]


def with_rates(several: Sequence[Mistake], missed: Missed) -> tuple[Mistake, ...]:
    """Return mistakes, at the rates at which together they explain most.

    What is left is linear in the rate of a weight that is updated once: the first round of least
    squares finds it. Where a weight is used at every step, the slope is that between two rounds.
    At a rate that explains all, each round leaves far less than the one before: a search that
    does not get nearer is given up. A rate that shows in one number alone explains nothing.
    """
    fitted = list(several)
    for at, mistake in enumerate(several):
        if mistake.at_rate is None:
            continue
        before, rate = 0.0, 1.0

        def left(rate: float, at: int = at, mistake: Mistake = mistake) -> np.ndarray | None:
            assert mistake.at_rate is not None
            return missed([*fitted[:at], mistake.at_rate(rate), *fitted[at + 1 :]])

        earlier, now = left(before), left(rate)
        for count in range(ROUNDS):
            if earlier is None or now is None:
                break
            slope = (now - earlier) / (rate - before)
            if not np.isfinite(slope).all() or _count_large(slope) < 2:
                break
            before, rate = rate, rate - float(slope @ now / (slope @ slope))
            if abs(rate - before) <= 1e-12 * abs(rate):
                break
            earlier, now = now, left(rate)
            if count >= FREE and now is not None and not _is_nearer(now, earlier, slope):
                rate = 1.0  # no rate explains the numbers
                break
        else:
            rate = 1.0
        fitted[at] = mistake.at_rate(rate)
    return tuple(fitted)


def _is_nearer(now: np.ndarray, earlier: np.ndarray, slope: np.ndarray) -> bool:
    """Return whether a round halved what is left, or nothing but rounding is left."""
    left, before, scale = (float(np.linalg.norm(x)) for x in (now, earlier, slope))
    return left <= max(0.5 * before, NOTHING * scale)


def _count_large(slope: np.ndarray) -> int:
    """Return how many numbers depend on a rate noticeably."""
    sizes = np.abs(slope)
    return int(np.count_nonzero(sizes > SMALL * sizes.max(initial=0.0)))
