"""The report of a check of derivatives: failures, kinks, and the checks that were made.

Knows names and numbers alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..engine.notebook import ShownAsText
from ..formulas.columns import table, wrap

SHOWN = 10  # failures, and kinks, that are printed
MISDECLARED = (
    "{} is declared analytic, but is not: differences confirm the derivative, and the complex step "
    "contradicts it. Declare it with analytic=False."
)
UNRECORDED = (
    "Only differences of the function disagree: the derivative of what the function recorded is "
    "right, but a value leaves the tape (.detach(), .numpy(), a branch)."
)
RANDOM = (
    "The function gives different values in two calls with equal inputs, and no derivative can be "
    "checked. Let it draw the same random numbers in every call: call .eval() of a Dropout, or "
    "make the generator from a seed inside of the function."
)


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """The derivative of an element of an output by an element of an input.

    Attributes
    ----------
    order : int
    input, output : str
        Their names or positions; "" for a random combination of all outputs, or no input.
    at, output_at : tuple of int or None
        The elements; None for a random direction.
    """

    order: int
    input: str
    at: tuple[int, ...] | None
    output: str = ""
    output_at: tuple[int, ...] | None = None

    def label(self) -> str:
        """Return its name in messages."""
        of = self.output + _index(self.output_at) if self.output else "random outputs"
        if self.input:
            of += f" by {self.input}" + _index(self.at)
            of += " along a random direction" if self.at is None else ""
        return f"second order: {of}" if self.order == 2 else of


@dataclass(frozen=True, kw_only=True)
class Failure(Derivative):
    """A wrong derivative, or a broken promise of the function.

    Attributes
    ----------
    method : str
        The method that found it: ``complex step``, ``central difference``, ``dot product``,
        ``backward``, ``backward again``, ``zero cotangent``, ``called again`` or ``inputs kept``.
    found, expected : float
    """

    method: str
    found: float
    expected: float

    def label(self) -> str:
        """Return its name in messages: where an input changed, the input alone."""
        if self.method == "inputs kept":
            return self.input + _index(self.at)
        return super().label()

    def __str__(self) -> str:
        expected = f"{self.expected:.9g}" if np.isfinite(self.found) else "a finite number"
        return f"{self.method}: {self.label()}: found {self.found:.9g}, expected {expected}"


@dataclass(frozen=True, kw_only=True)
class Kink(Derivative):
    """A point where, or near which, the function has no derivative to compare with.

    Attributes
    ----------
    low, high : float
        The one-sided slopes, between which the tape's lies; infinite at a jump, and where the
        function is not finite near by.
    """

    low: float
    high: float

    def __str__(self) -> str:
        if np.isinf(self.low):
            return f"a jump or an edge: {self.label()}"
        if np.isclose(self.low, self.high, rtol=1e-3):
            return f"a kink near by: {self.label()}"
        return f"a kink: {self.label()}: slopes {self.low:.6g} and {self.high:.6g}"


class Check(NamedTuple):
    """The checks of one method: how many, and the largest error as a part of the allowed one."""

    order: int
    method: str
    tried: int
    worst: float


@dataclass(frozen=True)
class GradReport(ShownAsText):
    """The checks of a function and their failures. ``print(report)`` shows them in 80 columns.

    Attributes
    ----------
    checks, failures, kinks
    misdeclared : tuple of str
        Primitives that are declared analytic and are not: differences confirm their derivatives,
        and the complex step contradicts them. "" stands for one that cannot be identified.
    """

    checks: tuple[Check, ...]
    failures: tuple[Failure, ...]
    kinks: tuple[Kink, ...]
    misdeclared: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed; a kink is no failure."""
        return not self.failures

    def __repr__(self) -> str:
        tried = sum(check.tried for check in self.checks)
        return f"<GradReport: {tried} checks, {', '.join(self._totals)}>"

    def __str__(self) -> str:
        head = ("order", "method", "checked", "error / allowed")
        body = [(str(o), method, str(n), f"{worst:.1g}") for o, method, n, worst in self.checks]
        lines = []
        for total, several in zip(self._totals, (self.failures, self.kinks), strict=True):
            lines += [total, *(f"  {entry}" for entry in several[:SHOWN])]
            lines += [f"  … and {len(several) - SHOWN} more"] * (len(several) > SHOWN)
        lines += [MISDECLARED.format(name or "A primitive") for name in self.misdeclared]
        tried, failed = ({entry.method for entry in some} for some in (self.checks, self.failures))
        if "complex step" in tried and failed == {"central difference"}:
            lines.append(UNRECORDED)
        if "called again" in failed:
            lines.append(RANDOM)
        return "\n".join([*table(head, body), *(x for line in lines for x in wrap(line))])

    @property
    def _totals(self) -> tuple[str, str]:
        """How many failures there are, and how many kinks."""
        several = (("failure", self.failures), ("kink", self.kinks))
        failures, kinks = (f"{len(x) or 'no'} {noun}{'s' * (len(x) != 1)}" for noun, x in several)
        return failures, kinks


def _index(at: tuple[int, ...] | None) -> str:
    return "[" + ", ".join(map(str, at)) + "]" if at else ""
