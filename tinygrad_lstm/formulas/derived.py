"""The equations of a derivation, forward and backward, as data.

Knows formulas. `derive` makes them; printers that decide no mathematics print them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Any, Protocol, TypeVar

import numpy as np

from ..engine.symbol import ADD, NEGATIVE, SUBTRACT
from .reader import Variable
from .recorded import Recorded
from .rules import Use


class Stage(StrEnum):
    """Which part of a derivation an equation belongs to."""

    FORWARD = "forward"
    BACKWARD = "backward"
    KEPT = "kept"  # δ of all steps that one loop keeps for another; a program alone needs it
    HANDED = "handed"  # δ of a state as a step gets it from the step before
    GRADIENT = "gradient"  # δ of a parameter, an input or an initial state


def name_step(step: int, count: int) -> str:
    """Return one step of a loop in words.

    >>> name_step(0, 5), name_step(2, 5), name_step(4, 5)
    ('at the first step', 'at step 2', 'at the last step')
    """
    ends = {count - 1: "at the last step", 0: "at the first step"}
    return ends.get(step, f"at step {step}")


@dataclass(frozen=True, eq=False)
class Term:
    """One summand of an equation.

    Attributes
    ----------
    formula : Symbol
    via : str
        Of a δ: the signal through which it comes back.
    numbers : tuple of int
        Of a summand as it is told: the numbers of the forward lines of that signal.
    uses : tuple of Use
        The operations that it comes back through, whose rules it is told by, the first one first.
    rules : tuple of str
        Of a summand as it is told: the names of these rules.
    by : int
        How many steps later that signal is.
    loop : int or None
        The loop over whose steps it is summed; None if it is not summed.
    place : dict of str to value, or None
        Of a δ that comes back to a part of a signal at each step: the part's ``index``.
    adds : bool
        Whether an entry of that part may be named twice.
    starts : str
        Of what comes back to an initial value: "first" or "last", the step that it comes from.
    handed : int or None
        The wire of the state that is handed to the next step, if this is what comes back from it.
    at : int or None
        Of such a summand as it is told: that step, if it is told with each signal.
    parts : tuple of Term
        Of a δ that comes back on several ways through one signal: what comes on each, if the
        formula, their sum, does not show it.
    only : (int, int), or None
        Of what comes back at one step alone: the step, and the number of steps.
    subscripts : tuple of str
        What the letter stands for, if the summand is the sum of what differs in a subscript alone.
    letter : str
        The subscript that stands for several, such as g.
    closed : tuple of Term
        The same as a reader sees it, who has the δ of all steps before him: with that of the next
        step for what it hands on.
    """

    formula: Any
    via: str = ""
    by: int = 0
    loop: int | None = None
    place: Mapping[str, Any] | None = None
    adds: bool = False
    starts: str = ""
    at: int | None = None
    parts: tuple[Term, ...] = ()
    handed: int | None = None
    only: tuple[int, int] | None = None
    subscripts: tuple[str, ...] = ()
    letter: str = "g"
    closed: tuple[Term, ...] = ()
    numbers: tuple[int, ...] = ()
    uses: tuple[Use, ...] = ()
    rules: tuple[str, ...] = ()

    def changed(self, change: Callable[[Any], Any]) -> Term:
        """Return the summand with another formula, and other parts, which a function makes."""
        parts = tuple(part.changed(change) for part in self.parts)
        return replace(self, formula=change(self.formula), parts=parts)

    @property
    def is_sum(self) -> bool:
        """Whether the formula is a sum, or begins with a minus, so that Σ puts it in brackets."""
        return getattr(self.formula, "notation", None) in (ADD, SUBTRACT, NEGATIVE)

    @property
    def is_negative(self) -> bool:
        """Whether the formula is one product or sum with a minus in front."""
        return getattr(self.formula, "notation", None) is NEGATIVE

    @property
    def when(self) -> str:
        """The one step at which it comes back, in words; "" if it comes back at every step."""
        return "" if self.only is None else name_step(*self.only)


@dataclass(frozen=True, eq=False)
class Equation:
    """One line of a derivation.

    Attributes
    ----------
    stage : Stage
    signal : Variable
        What stands on the left; its ``wire`` is the network's.
    terms : tuple of Term
        The summands on the right.
    shape : tuple of int
        Of the signal, at one step.
    loop : int or None
        The loop at each of whose steps it holds; None outside.
    scope, full_name : str
        The module that it was recorded in, and the name by which `compare` and `signals` know it.
    """

    stage: Stage
    signal: Variable
    terms: tuple[Term, ...]
    shape: tuple[int, ...]
    loop: int | None = None
    scope: str = ""
    full_name: str = ""


@dataclass(frozen=True)
class Source:
    """What comes from outside: an input, a parameter, a constant, or the initial value of a state.

    Attributes
    ----------
    signal : Variable
    full_name : str
    value : array
        As recorded.
    is_parameter : bool
    whole : str
        Of a part of a packed parameter: the name of the parameter.
    requires_grad : bool
        Whether a gradient was asked for.
    """

    signal: Variable
    full_name: str
    value: np.ndarray = field(repr=False)
    is_parameter: bool = False
    whole: str = ""
    requires_grad: bool = True


@dataclass(frozen=True)
class Repetition:
    """A loop over steps.

    Attributes
    ----------
    steps : tuple of int
        As they were recorded, the earliest first.
    backwards : bool
        Whether the forward pass runs from the last step to the first.
    """

    steps: tuple[int, ...]
    backwards: bool = False


@dataclass(frozen=True)
class Initial:
    """What a state starts from: the wire of the state's delay, and the source or the signal."""

    delay: int
    state: Variable
    start: Any
    loop: int
    start_wire: int


@dataclass(frozen=True, eq=False)
class Derived:
    """The forward equations of a network, and the backward equations that follow from them.

    Attributes
    ----------
    loss : str
        Its name; empty if a program is to give gradients alone.
    sources : tuple of Source
    equations : tuple of Equation
        In the order of the forward pass, then of the backward pass.
    loops : dict of int to Repetition
    initial : tuple of Initial
    packed : dict of str to tuple of (str, int)
        Of a parameter that holds several side by side: their names, and how wide each is.
    sequences : tuple of str
        The values at the first steps of each index, and the like, that follows no rule.
    reason : str
        Why every step has equations of its own, where one was to stand for all; else empty.
    recorded : Recorded
        The numbers of the signals and of their δ.
    wrt : str
        The name of the signal to whose gradient alone it leads; empty if it has all gradients.
    left_out : frozenset of int
        Of such a part, the wires of the forward equations that a reader does not need; a program
        needs all.
    together : () -> Derived, or None
        Gives the same derivation with packed signals together, as a fast program computes them.
    unnamed : frozenset of int
        The wires of the signals that the program gives no name: their letters are not its own.
    """

    loss: str
    sources: tuple[Source, ...]
    equations: tuple[Equation, ...]
    loops: Mapping[int, Repetition]
    initial: tuple[Initial, ...]
    packed: Mapping[str, tuple[tuple[str, int], ...]]
    reason: str = ""
    sequences: tuple[str, ...] = ()
    recorded: Recorded | None = field(default=None, repr=False)
    wrt: str = ""
    left_out: frozenset[int] = frozenset()
    together: Callable[[], Derived] | None = field(default=None, repr=False)
    unnamed: frozenset[int] = frozenset()

    @property
    def names(self) -> list[str]:
        """What the signals and their δ are called."""
        lines = [x.signal.name for x in self.equations]
        return [*(x.signal.name for x in self.sources), *lines]

    @property
    def letters(self) -> dict[str, str]:
        """The letters of the signals that the program gives no name, by their full names."""
        lines = [x for x in self.equations if x.stage is Stage.FORWARD]
        return {x.full_name: x.signal.name for x in lines if x.signal.wire in self.unnamed}

    @property
    def is_part(self) -> bool:
        """Whether it has the backward equations alone that lead to some gradients."""
        return bool(self.wrt)


class _OfLoop(Protocol):
    @property
    def loop(self) -> int | None: ...


_Item = TypeVar("_Item", bound=_OfLoop)


def by_loop(items: Iterable[_Item]) -> Iterator[tuple[int | None, list[_Item]]]:
    """Return equations, or lines, that follow one another in the same loop, together."""
    for loop, group in groupby(items, lambda x: x.loop):
        yield loop, [*group]
