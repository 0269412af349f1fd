"""Factors, lists of names and uses of a signal, as sentences about mistakes write them.

Knows text alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh"}


NOTHING = 1e-9  # a factor that is 0 but for rounding


def factor_text(size: float) -> str:
    """Return a factor as people write it.

    >>> factor_text(-1.0), factor_text(0.5), factor_text(3.0)
    ('−1', '1/2', '3')
    """
    if abs(size) < NOTHING:
        return "0"
    return "1/2" if size == 0.5 else f"{size:.6g}".replace("-", "−")


def list_names(several: Sequence[str]) -> str:
    """Return names as they stand in a sentence.

    >>> list_names(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = several
    return f"{', '.join(first)} and {last}" if first else last


def uses(arms: Sequence[str]) -> str:
    """Return the uses of a signal that the arms of a fork lead to.

    >>> uses(["x → q"]), uses(["e → hadamard", "e → hadamard (2)"])
    ('the use of x in q', 'the use of e in hadamard and the second use of e in hadamard')
    """
    return list_names([_use(arm) for arm in arms])


def _use(arm: str) -> str:
    signal, arrow, user = arm.partition(" → ")
    if not arrow:
        return arm
    numbered = re.fullmatch(r"(.*) \((\d+)\)", user)
    if numbered is None:
        return f"the use of {signal} in {user}"
    user, number = numbered[1], int(numbered[2])
    return f"the {ORDINALS.get(number, f'{number}th')} use of {signal} in {user}"
