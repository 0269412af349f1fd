"""One row of a comparison: a signal, its two gradients, and the verdict.

Knows names and numbers alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GOOD = ("exact", "rounding")
TOO_FEW = "too few digits"


@dataclass(frozen=True)
class Row:
    """One signal of a comparison.

    Attributes
    ----------
    name : str
    shape, hand_shape : tuple of int
        Of the tape's gradient and of the hand-derived one.
    max_abs, max_rel : float
        The largest difference, and its ratio to the largest entry; nan where the shapes differ.
    where : tuple of int or None
        The entry that differs most.
    verdict : str
        ``exact`` (bit for bit), ``rounding``, ``differs``, ``wrong shape``, ``a transpose`` or
        ``not finite``; ``too few digits`` where the printed digits show neither: zeros would pass.
    dtype, hand_dtype : str
    finite : bool
        Whether all entries of both are finite.
    unclear : int
        How many entries the printed digits cannot check: they would pass if they were 0, or differ
        by more than a small share of the signal.
    as_printed : bool
        Whether the two agree up to the rounding of the machine and of the printed number itself,
        whatever its operands.
    """

    name: str
    shape: tuple[int, ...]
    hand_shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    where: tuple[int, ...] | None
    verdict: str
    dtype: str
    hand_dtype: str
    finite: bool
    unclear: int = 0
    as_printed: bool = field(default=True, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the two agree to rounding."""
        return self.verdict in GOOD

    @property
    def is_wrong(self) -> bool:
        """Whether the two cannot both be right; false too where the digits are too few."""
        return not self.ok and self.verdict != TOO_FEW
