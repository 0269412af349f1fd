"""Letters that stand for anything in a legend and in rules: no letter of the page's own signals.

Knows names alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .letters import base_and_number

SMALL = "yxabuvwpqrcdzgmnhjlξηζθφψω"
INDICES = "ijlmnqr"
LARGE = "WVUABCMPQXYZΞΦΨΩ"


class Dummies:
    """Letters by the letters that one would write: another one where a signal is called so.

    >>> dummies = Dummies(["x", "s_a", "cell.W"])
    >>> dummies["y"], dummies["x"], dummies["s"], dummies["W"], dummies["x"]
    ('y', 'a', 'b', 'V', 'a')

    Parameters
    ----------
    names : iterable of str
        Of the signals on a page.
    """

    def __init__(self, names: Iterable[str]) -> None:
        names = [*names]
        self._numbered = {re.sub(r"_?\d+$", "", name) for name in names if name[-1:].isdigit()}
        own = {base_and_number(name)[0].rpartition(".")[2].partition("[")[0] for name in names}
        self._taken = own | {name.partition("_")[0] for name in own} | {"k"}
        self._given: dict[str, str] = {}

    def of_numbers(self, letter: str) -> str:
        """Return a letter that no signal's name is made of together with a number.

        >>> Dummies(["x", "R1", "Q_2"]).of_numbers("R")
        'P'
        """
        free = (x for x in (letter, "Q", "P", *LARGE) if x not in self._numbered)
        return next(free, f"{letter}′")

    def __getitem__(self, letter: str) -> str:
        """Return the letter that stands for a letter."""
        if letter not in self._given:
            pool = LARGE if letter.isupper() else (INDICES if letter in "ijn" else "") + SMALL
            taken = self._taken.union(self._given.values())
            free = (x for x in (letter, *pool) if x not in taken)
            self._given[letter] = next(free, f"{letter}′")
        return self._given[letter]
