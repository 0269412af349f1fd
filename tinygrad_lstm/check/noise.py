"""Noise: differences that no mistake leaves, small, of both signs, and of one size.

Knows judgements. A mistake changes a factor or a sum: the differences that it leaves are mostly
large, or of one sign, or in few entries. Rounding to few digits, and noise, leave the opposite.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .blame import Judgement

FEWEST = 8  # entries, below which no pattern can be told
LARGEST = 0.005  # relative to the gradient: a larger difference is no rounding to three digits
OUTLIER = 6.0  # times the usual size: a difference as large as that is more than noise


def noise(several: Sequence[Judgement]) -> float | None:
    """Return the usual size of the differences if they look like noise, relative to the gradients.

    Parameters
    ----------
    several : sequence of Judgement
        The gradients that are wrong by themselves.

    Returns
    -------
    float or None
        None if they do not look like noise, or are too few to tell.
    """
    if not all(judgement.fits for judgement in several):
        return None
    for by_entry in (True, False):  # noise of each entry's size, or of the largest one's
        off = np.concatenate(
            [_relative(judgement, by_entry) for judgement in several] or [np.empty(0)]
        )
        size = float(np.sqrt(np.mean(off**2))) if off.size >= FEWEST else np.inf
        balance = abs(int(np.sum(np.sign(off))))
        if (
            size < LARGEST
            and balance <= 2 * np.sqrt(off.size)
            and np.abs(off).max() < OUTLIER * size
        ):
            return size
    return None


def _relative(gradient: Judgement, by_entry: bool) -> np.ndarray:
    """Return the differences relative to the entries, or to the largest one, where it is not 0."""
    sizes = np.abs(gradient.expected)
    sizes = sizes if by_entry else np.full(sizes.shape, sizes.max(initial=0.0))
    differences = gradient.answer.value - gradient.expected
    return np.ravel(differences[sizes > 0] / sizes[sizes > 0])
