"""The lines of a derivation as they are told, and the groups that they stand in.

Knows the equations as data; nothing of pages or printers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .derived import Term
from .reader import Variable


@dataclass(frozen=True)
class Line:
    """An equation as it is told.

    Attributes
    ----------
    left : Variable
    terms : tuple of Term
        The summands, each with the way that it comes; of a forward equation one.
    forward : Equation or None
        Of a backward line: the forward equation of the signal.
    subscripts : tuple of str
        What the letter in the line stands for, if it stands for several.
    letter : str
        The subscript that stands for several, such as g.
    number : int
        Of a forward line.
    each : tuple of Variable
        The signals on the left, if the line stands for several.
    """

    left: Variable
    terms: tuple[Term, ...]
    forward: Line | None = None
    subscripts: tuple[str, ...] = ()
    letter: str = "g"
    number: int = 0
    each: tuple[Variable, ...] = ()

    @property
    def starts(self) -> str:
        """The step that all summands come from, if they come back to an initial value."""
        steps = {term.starts for term in self.terms}
        return steps.pop() if len(steps) == 1 else ""


@dataclass(frozen=True)
class Group:
    """Lines under a heading."""

    title: str
    lines: tuple[Line, ...]

    @property
    def starts(self) -> str:
        """The step that all summands of all lines come from, if they come to initial values."""
        steps = {line.starts for line in self.lines}
        return steps.pop() if len(steps) == 1 else ""
