"""What a check of derivatives found: failures, kinks, and what was tried.

Knows names and numbers alone.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

WIDTH = 80
SHOWN = 10  # failures, and kinks, that are printed


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """Of an element of an output by an element of an input.

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
        """Return what messages call it."""
        of = self.output + _index(self.output_at) if self.output else "random outputs"
        if self.input:
            of += f" by {self.input}" + _index(self.at)
            of += " along a random direction" if self.at is None else ""
        return f"second order: {of}" if self.order == 2 else of


@dataclass(frozen=True, kw_only=True)
class Failure(Derivative):
    """A derivative that is wrong, or a promise that was not kept.

    Attributes
    ----------
    method : str
        What says so: ``complex step``, ``central difference``, ``dot product``, ``backward``,
        ``backward again``, ``zero cotangent``, ``called again`` or ``inputs kept``.
    found, expected : float
    """

    method: str
    found: float
    expected: float

    def label(self) -> str:
        """Return what messages call it: where an input was not kept, that alone."""
        if self.method == "inputs kept":
            return self.input + _index(self.at)
        return super().label()

    def __str__(self) -> str:
        expected = f"{self.expected:.9g}" if np.isfinite(self.found) else "a finite number"
        return f"{self.method}: {self.label()}: found {self.found:.9g}, expected {expected}"


@dataclass(frozen=True, kw_only=True)
class Kink(Derivative):
    """A place, or one within a step of it, where there is no derivative to compare with.

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
    """What one method tried: how often, and the largest error as a part of the allowed one."""

    order: int
    method: str
    tried: int
    worst: float


@dataclass(frozen=True)
class GradReport:
    """What was tried, and what was found. ``print(report)`` shows it in 80 columns.

    Attributes
    ----------
    checks, failures, kinks
    misdeclared : tuple of str
        Primitives that are declared analytic and are not: differences bear their derivatives out,
        the complex step does not. "" if there is one, and which cannot be told.
    """

    checks: tuple[Check, ...]
    failures: tuple[Failure, ...]
    kinks: tuple[Kink, ...]
    misdeclared: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; a kink is not."""
        return not self.failures

    def __str__(self) -> str:
        head = ("order", "method", "checked", "error / allowed")
        body = [(str(o), method, str(n), f"{worst:.1g}") for o, method, n, worst in self.checks]
        widths = [max(map(len, column)) for column in zip(head, *body)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in (head, tuple("-" * width for width in widths), *body)
        ]
        found: tuple[tuple[str, tuple[Derivative, ...]], ...] = (
            ("failure", self.failures), ("kink", self.kinks),
        )  # fmt: skip
        for what, several in found:
            lines.append(f"{len(several) or 'no'} {what}{'s' * (len(several) != 1)}")
            for each in several[:SHOWN]:
                lines += textwrap.wrap(f"  {each}", WIDTH, subsequent_indent="    ")
            if len(several) > SHOWN:
                lines.append(f"  … and {len(several) - SHOWN} more")
        for name in self.misdeclared:
            lines += textwrap.wrap(
                f"{name or 'A primitive'} is declared analytic and is not: differences bear the "
                "derivative out, the complex step does not. Declare it with analytic=False.", WIDTH
            )  # fmt: skip
        tried = {check.method for check in self.checks}
        if "complex step" in tried and {each.method for each in self.failures} == {
            "central difference"
        }:
            lines.append(
                "Only differences of the function disagree: what it recorded is differentiated\n"
                "rightly, but a value leaves the tape (.detach(), .numpy(), a branch)."
            )
        return "\n".join(lines)


def _index(at: tuple[int, ...] | None) -> str:
    return "[" + ", ".join(map(str, at)) + "]" if at else ""
