"""The lines of a fast program, as data, and what a line reads.

Knows formulas over named signals; no derivation, and no language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...engine.primitives import scatter
from ...engine.symbol import ADD, ITEM, RESHAPE, TRANSPOSE, Symbol
from ...network.parameters import Varying
from ..reader import Variable, leaves
from .lifting import SWAPPED, Whole

Key = tuple[int, bool]  # the wire of a signal, and whether δ is meant
VIEWS = (ITEM, RESHAPE, TRANSPOSE, SWAPPED)


class Handed(Variable):
    """The δ of a state as a step gets it from the step that ran before it."""


@dataclass(eq=False)
class Line:
    """One assignment: of a signal once, at each step of a loop, or at all steps at once.

    Attributes
    ----------
    signal : Variable
        On the left; a `Whole` if all steps are computed at once.
    formula : Symbol
    loop : int or None
        The loop at each of whose steps it runs.
    adds : bool
        Whether the formula is one part of the signal, which is the sum of its parts.
    place : index, or None
        Of a part that is added at each step: where in the signal.
    gathers : bool
        Whether an entry of that place may be named twice.
    by_step : bool
        Whether each step computes an entry of its own, in a signal that is outside of the loop.
    """

    signal: Variable
    formula: Any
    loop: int | None = None
    adds: bool = False
    place: Any = None
    gathers: bool = False
    by_step: bool = False

    @property
    def key(self) -> Key:
        """Which signal it assigns."""
        return key_of_signal(self.signal)

    @property
    def is_handed(self) -> bool:
        """Whether it assigns what a step hands on."""
        return isinstance(self.signal, Handed)


@dataclass(eq=False)
class Block:
    """Lines that run one after another: once, or at each step of a loop.

    Attributes
    ----------
    lines : list of Line
    loop : int or None
    is_reversed : bool
        Whether the steps run from the last to the first.
    why : str
        What was moved, and why.
    of : int or None
        The loop that the lines come from, which may run before or after the loop, for all steps.
    """

    lines: list[Line]
    loop: int | None = None
    is_reversed: bool = False
    why: str = ""
    of: int | None = None


@dataclass(eq=False)
class Schedule:
    """A program: blocks of the forward pass, then of the backward pass.

    Attributes
    ----------
    forward, backward : list of Block
    counts : dict of int to int
        The number of steps of each loop.
    loop_of : dict of Key to int
        The loop of each signal that has a value at every step.
    kept : set of Key
        Those of which all steps are kept.
    before, after : dict of Key to int
        How many rows before the first step, and after the last one, a kept signal has.
    """

    forward: list[Block]
    backward: list[Block]
    counts: dict[int, int]
    loop_of: dict[Key, int]
    kept: set[Key]
    before: dict[Key, int] = field(default_factory=dict)
    after: dict[Key, int] = field(default_factory=dict)


def key_of_signal(signal: Variable) -> Key:
    """Return which signal a variable stands for, at whatever step."""
    return signal.wire, signal.is_delta


def is_row(signal: Variable) -> bool:
    """Return whether a variable stands for a signal at step k, or some steps from there."""
    return signal.offset is not None and not isinstance(signal, Whole | Handed)


def operations(formula: Any) -> Iterator[Symbol]:
    """Return the operations in a formula, each as often as it is written."""
    if isinstance(formula, Symbol) and formula.apply is not None:
        yield formula
        for operand in formula.operands:
            yield from operations(operand)


def occurrences(formula: Any) -> Iterator[Variable]:
    """Return the signals in a formula, each as often as it is written."""
    if isinstance(formula, Variable):
        yield formula
    elif isinstance(formula, Symbol):
        for operand in formula.operands:
            yield from occurrences(operand)


def is_view(formula: Any) -> bool:
    """Return whether a formula is a signal, or a part of one, and computes nothing."""
    while isinstance(formula, Symbol) and formula.notation in VIEWS:
        formula = formula.operands[0]
    return isinstance(formula, Variable) and not isinstance(formula, Handed)


Pieces = list[tuple[Any, Any]]  # formulas and places


def pieces(formula: Any) -> Pieces | None:
    """Return the pieces that a signal is put together of, which do not overlap; else None."""
    terms, parts = [formula], []
    while terms:
        term = terms.pop()
        if not isinstance(term, Symbol):
            return None
        if term.notation is ADD:
            terms += term.operands
        elif term.apply is scatter.forward and not isinstance(term.parameters["index"], Varying):
            parts.append((term.operands[0], term.parameters["index"]))
        else:
            return None
    return None if np.any(_counts(parts, formula.shape) > 1) else parts[::-1]


def cover(parts: Pieces, shape: tuple[int, ...]) -> bool:
    """Return whether there is a piece for every entry of a signal."""
    return bool(np.all(_counts(parts, shape)))


def _counts(parts: Pieces, shape: tuple[int, ...]) -> np.ndarray:
    counts = np.zeros(shape, int)
    for _, index in parts:
        counts[index] += 1
    return counts


def in_order(block: Block) -> list[Line]:
    """Return the lines of a step, with what it hands on last, each before what it reads changes."""
    handed = [line for line in block.lines if line.is_handed]
    order = [line for line in block.lines if not line.is_handed]
    while handed:
        line = next((x for x in handed if not any(reads_handed(y, x) for y in handed)), handed[0])
        handed.remove(line)
        order.append(line)
    return order


def reads_handed(line: Line, other: Line) -> bool:
    """Return whether a line reads what another line hands on, as it was handed to this step."""
    return line is not other and any(
        isinstance(leaf, Handed) and leaf.wire == other.signal.wire for leaf in leaves(line.formula)
    )


# --- which lines lead to which --------------------------------------------------------------------


def recurrent(lines: list[Line]) -> list[Line]:
    """Return the lines that lead to themselves at another step, and those between them."""
    readers = _readers(lines)
    ahead = {n: _reached([n], readers) for n in readers}
    starts = {
        n
        for n, line in enumerate(lines)
        if n in ahead[n]
        or line.is_handed
        or any(isinstance(leaf, Handed) for leaf in leaves(line.formula))
    }
    after = starts.union(*(ahead[n] for n in starts))
    return [
        line for n, line in enumerate(lines) if n in starts or (n in after and ahead[n] & starts)
    ]


def led_to(lines: list[Line], starts: list[Line]) -> list[Line]:
    """Return the lines that some of them lead to."""
    positions = [n for n, line in enumerate(lines) if line in starts]
    reached = _reached(positions, _readers(lines))
    return [line for n, line in enumerate(lines) if n in reached]


def in_reading_order(lines: list[Line]) -> list[Line]:
    """Return lines of all steps at once, of which none leads to itself, behind what they read.

    A line that reads the step before of another one may stand before it in a loop, and not here.
    """
    sources: dict[int, list[int]] = {n: [] for n in range(len(lines))}
    for source, readers in _readers(lines).items():
        for reader in readers:
            sources[reader].append(source)
    order: dict[int, None] = {}
    waiting = [*reversed(range(len(lines)))]
    while waiting:
        missing = [n for n in sources[waiting[-1]] if n not in order]
        if missing:
            waiting.extend(missing)
        else:
            order[waiting.pop()] = None
    return [lines[n] for n in order]


def _readers(lines: list[Line]) -> dict[int, list[int]]:
    """Return which lines read what each line assigns, by their positions."""
    at = {(line.key, line.is_handed): n for n, line in enumerate(lines)}
    readers: dict[int, list[int]] = {n: [] for n in range(len(lines))}
    for n, line in enumerate(lines):
        for leaf in leaves(line.formula):
            source = at.get((key_of_signal(leaf), isinstance(leaf, Handed)))
            if source is not None:
                readers[source].append(n)
    return readers


def _reached(starts: Iterable[int], onward: dict[int, list[int]]) -> set[int]:
    reached: set[int] = set()
    waiting = list(starts)
    while waiting:
        for other in onward[waiting.pop()]:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached
