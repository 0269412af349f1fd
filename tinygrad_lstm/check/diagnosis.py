"""A diagnosis: a mistake, or two, and how well they explain a derivation.

Knows mistakes; not how they are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .mistakes import Mistake

FORMULA = re.compile(r"\((?!k\b|\d+\))|[²³ᵀ]")  # a name with an operation: (x W), tanh(x), x²


@dataclass(frozen=True)
class Diagnosis:
    """A mistake, or two, and how well they explain a derivation.

    Attributes
    ----------
    mistakes : tuple of Mistake
    residual : float
        The largest difference that they leave, relative to the largest entry.
    left : int
        How many gradients they leave wrong by themselves.
    unique : bool
        Whether no other mistake explains as much, and all were tried.
    apart : str
        The signal to give next, to tell this diagnosis from another; empty if none would.
    effect : array, or None
        The change of all gradients that they make, each relative to its size (see `Effects`).
    """

    mistakes: tuple[Mistake, ...]
    residual: float
    left: int
    unique: bool = True
    apart: str = ""
    effect: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def kind(self) -> str:
        return " and ".join(mistake.kind for mistake in self.mistakes)

    @property
    def where(self) -> str:
        return " and ".join(mistake.where for mistake in self.mistakes)

    @property
    def says(self) -> str:
        return "; ".join(mistake.says for mistake in self.mistakes)


class Diagnoses(list[Diagnosis]):
    """The diagnoses of a derivation, the best first.

    Attributes
    ----------
    is_cut : bool
        Whether the time was up before all mistakes were tried.
    search : Search or None
        The search that found them, to go on with.
    """

    is_cut = False
    search: Any = None


def ranked(several: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Return diagnoses, the best first; those of one sentence are one."""
    by_sentence: dict[str, Diagnosis] = {}
    for diagnosis in sorted(several, key=_order):
        by_sentence.setdefault(diagnosis.says, diagnosis)
    return list(by_sentence.values())


def _order(diagnosis: Diagnosis) -> tuple[Any, ...]:
    """Return the sort key of a diagnosis.

    A whole explanation comes before a part, and one mistake before two; then the likelier mistake,
    then the one that explains more, then the one at fewer places, then the one at signals that
    have names of their own, then the name.
    """
    ranks = sorted((mistake.rank for mistake in diagnosis.mistakes), reverse=True)
    return (
        diagnosis.left > 0, len(diagnosis.mistakes), ranks, diagnosis.left,
        sum(len(mistake.members) for mistake in diagnosis.mistakes),
        FORMULA.search(diagnosis.where) is not None, diagnosis.where, diagnosis.says,
    )  # fmt: skip
