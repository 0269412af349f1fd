"""The parts of an audit: the comparison, the mistakes, and the numbers that show each of them.

Knows mistakes and corrections; nothing of how they are found, or put into words.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .corrections import Correction
from .matching import Matching
from .mistakes import Mistake
from .report import Report


@dataclass(frozen=True)
class AuditedMistake:
    """One of the mistakes of a derivation, and where it shows first.

    Attributes
    ----------
    mistake : Mistake
    signals : tuple of str
        The signals whose given gradients are wrong because of this mistake alone: they would follow
        from the author's own gradients above them without it.
    at : tuple of int
        The entry of the first of these that differs most; () if its shape is wrong.
    found, expected : float
        The author's number at that entry, and the one that follows from the author's own numbers
        before it by the right rule; nan if the shape is wrong.
    correction : Correction or None
        The right equation; None if the mistake shows in no signal with a name.
    """

    mistake: Mistake
    signals: tuple[str, ...]
    at: tuple[int, ...]
    found: float
    expected: float
    correction: Correction | None = field(repr=False)


@dataclass(frozen=True)
class AuditData:
    """The mistakes of a derivation.

    Attributes
    ----------
    report : Report
        The comparison with the tape.
    mistakes : tuple of AuditedMistake
        In the order of the backward pass.
    unexplained : tuple of str
        The signals whose given gradients stay wrong by themselves with all these mistakes.
    is_cut : bool
        Whether the time was up before the end of the search.
    matching : Matching or None
        Which variables of the author's program stand for which gradients, if it was run.
    """

    report: Report
    mistakes: tuple[AuditedMistake, ...]
    unexplained: tuple[str, ...]
    is_cut: bool = False
    matching: Matching | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether every given gradient agrees with the tape."""
        return self.report.ok
