"""Names of signals in MathML, which has every letter: each as a whole, and as it was given.

Knows no formula. On the way through LaTeX, which has letters for few names, a sign that means
nothing by itself stands for a name.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from html import escape

FIRST_SIGN = 0xF0000  # of the characters that mean nothing by themselves
PLAIN = re.compile(r"[A-Za-z]|[\d.,:+\-]+")  # what LaTeX writes as it is


class NameSigns:
    """The signs for the names in some formulas, within a ``with``.

    >>> with NameSigns() as signs:
    ...     sign = sign_for("a<b")
    >>> len(sign), signs.put_back(f"<mi>{sign}</mi>"), sign_for("a<b")
    (1, '<mi>a&lt;b</mi>', '')
    """

    def __init__(self) -> None:
        self.signs: dict[str, str] = {}  # by the name

    def __enter__(self) -> NameSigns:
        self._token = _SIGNS.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _SIGNS.reset(self._token)

    def put_back(self, markup: str) -> str:
        """Return markup with the names, as text, in the places of their signs."""
        names = {sign: escape(name) for name, sign in self.signs.items()}
        return "".join(names.get(sign, sign) for sign in markup)


_SIGNS: ContextVar[NameSigns | None] = ContextVar("signs", default=None)


def sign_for(name: str) -> str:
    """Return the sign that stands for a name here; "" where a name is written in letters."""
    here = _SIGNS.get()
    if here is None or PLAIN.fullmatch(name):
        return ""
    return here.signs.setdefault(name, chr(FIRST_SIGN + len(here.signs)))
