"""The numbers of a derivation: under its lines, what each step adds, and tables at its end.

Knows what was recorded and the layout; decides no mathematics. All numbers have four digits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import OutOfRangeError
from .columns import WIDTH
from .derived import Derived, Stage
from .layout import Page
from .lines import Line
from .reader import Dated, Variable
from .recorded import row

SUBSCRIPTS = str.maketrans("k+-−0123456789", "ₖ₊₋₋₀₁₂₃₄₅₆₇₈₉")
MOST_SHARES = 6  # steps of which each is said to add its share
MOST_STEPS = 12  # rows of a table
MOST_ENTRIES = 8  # of an axis of a matrix


def named(signal: Variable) -> str:
    """Return a signal's name with its step.

    >>> named(Variable("out", None, 0, offset=-1)), named(Variable("δs", None, 0, offset=0))
    ('outₖ₋₁', 'δsₖ')
    >>> named(Dated("δs", None, 0, step=0))
    'δs₀'
    """
    if isinstance(signal, Dated):
        return signal.name + str(signal.step).translate(SUBSCRIPTS)
    if signal.offset is None:
        return signal.name
    step = "k" + (f"{signal.offset:+d}" if signal.offset else "")
    return signal.name + step.translate(SUBSCRIPTS)


class Numbers:
    """The numbers of some steps, as lines of text; no lines if no step is asked for.

    Raises
    ------
    OutOfRangeError
        If there is no such step; the message says how many there are.
    """

    def __init__(self, derivation: Derived, steps: tuple[int, ...]) -> None:
        self.derivation, self.recorded = derivation, derivation.recorded if steps else None
        self.count = max((len(loop.steps) for loop in derivation.loops.values()), default=1)
        for step in steps:
            if not -self.count <= step < self.count:
                raise OutOfRangeError(
                    f"text: values is {step}, expected a step from {-self.count} to "
                    f"{self.count - 1}"
                )
        self.steps = [step % self.count for step in steps]

    def legend(self) -> Iterator[str]:
        """Return which numbers they are."""
        if self.recorded is None:
            return
        last = self.count - 1
        which = [f"step {k}" + " (the last)" * (k == last) for k in self.steps]
        yield f"The numbers are those of {' and '.join(which)}, of the first row of each array."

    def of(self, line: Line, indent: int) -> Iterator[str]:
        """Return what was recorded of the signal of a line, to stand under it."""
        if self.recorded is None:
            return
        if line.each:
            for letter, signal in zip(line.subscripts, line.each, strict=True):
                value = self.recorded.at(signal, self.steps[0])
                yield from [] if value is None else [f"{'':{indent}}{letter}: {row(value)}"]
            return
        if line.left.is_delta and line.left.offset is None:
            yield from self._shares(line.left, indent)
        is_timed = line.left.offset is not None and len(self.steps) > 1
        for step in self.steps if is_timed else self.steps[:1]:
            value = self.recorded.at(line.left, step)
            if value is not None:
                sign = f"k = {step}:" if is_timed else "="
                yield f"{'':{indent}}{sign} {row(value)}"

    def _shares(self, signal: Variable, indent: int) -> Iterator[str]:
        """Return what each step adds to a gradient, if there are few steps, the last step first."""
        assert self.recorded is not None
        shares = self.recorded.shares(signal.wire)
        if shares is None or not 1 < len(shares) <= MOST_SHARES:
            return
        for step in reversed(range(len(shares))):
            yield f"{'':{indent}}k = {step} adds {row(shares[step])}"

    def tables(self, layout: Page) -> Iterator[str]:
        """Return the tables at the end: the norms of δ at each step, and the gradient in full."""
        if self.recorded is None:
            return
        by_loop: dict[int, list[Variable]] = {}
        for x in self.derivation.equations:
            if x.stage is Stage.BACKWARD and x.loop is not None:
                by_loop.setdefault(x.loop, []).append(x.signal)
        for loop, signals in by_loop.items():
            norms = {}
            for signal in signals:
                δ = self.recorded.deltas.get(signal.wire)
                if δ is not None:
                    norms[signal.name] = [float(np.linalg.norm(entry)) for entry in δ]
            yield from _table(norms, len(self.derivation.loops[loop].steps))
        if not self.derivation.is_part:
            return
        for line in layout.backward[-1].lines if layout.backward else ():
            for signal in line.each or (line.left,):
                if signal.offset is None and signal.is_delta:
                    yield from _matrix(signal.name, self.recorded.deltas.get(signal.wire))


def _table(norms: dict[str, list[float]], count: int) -> Iterator[str]:
    """Return the norms of signals, a row for a step, the last step first; as wide as a page."""
    if not norms or count < 2:
        return
    rows: list[int | None] = list(reversed(range(count)))
    if count > MOST_STEPS:
        half = MOST_STEPS // 2
        rows = [*rows[:half], None, *rows[-half:]]
    cells = {
        name: [f"‖{name}‖", *("…" if k is None else f"{values[k]:.4g}" for k in rows)]
        for name, values in norms.items()
    }
    steps = ["k", *("…" if k is None else str(k) for k in rows)]
    yield from ("", "Norms, from the last step to the first")
    while cells:
        columns, width = [steps], max(map(len, steps))
        for name in list(cells):
            own = 2 + max(map(len, cells[name]))
            if len(columns) > 1 and 2 + width + own > WIDTH:
                break
            columns.append(cells.pop(name))
            width += own
        widths = [max(map(len, column)) for column in columns]
        for line in zip(*columns, strict=True):
            padded = [f"{cell:>{n}}" for cell, n in zip(line, widths, strict=True)]
            yield f"  {'  '.join(padded)}"


def _matrix(name: str, value: np.ndarray | None) -> Iterator[str]:
    """Return a gradient in full, with four digits; of a large one its shape and its norm."""
    if value is None:
        return
    if value.ndim > 2 or any(size > MOST_ENTRIES for size in value.shape):
        yield from (
            "",
            f"{name} has the shape {value.shape} and the norm {np.linalg.norm(value):.4g}",
        )
        return
    cells = [[f"{x:.4g}" for x in entries] for entries in np.atleast_2d(value).tolist()]
    width = max((len(cell) for line in cells for cell in line), default=0)
    yield from ("", f"{name} =")
    for line in cells:
        yield "  " + "  ".join(f"{cell:>{width}}" for cell in line)
