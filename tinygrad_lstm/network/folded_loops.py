"""The loops of a recorded graph that fold, and the operations that the steps of each share.

Knows elements and how steps are aligned; nothing of the folded graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..errors import UsageError
from .alignment import Common, recurrence
from .flow import Loop
from .wiring import Element

Operations = dict[int, dict[int, list[Element]]]  # of each loop, of each of its steps


@dataclass(eq=False)
class FoldedLoop:
    """A loop that is folded.

    Attributes
    ----------
    number : int
        Its position in the graph's list.
    steps : tuple of int
        The steps, the earliest first.
    backwards : bool
        Whether it was recorded from the last step to the first.
    commons : list of Common
    """

    number: int
    steps: tuple[int, ...]
    backwards: bool
    commons: list[Common]

    def in_time(self, series: Sequence[Any]) -> list[Any]:
        """Return a series in the order of recording with the earliest step first."""
        return list(reversed(series)) if self.backwards else list(series)


def folded_loops(recorded: Iterable[Element], loops: Sequence[Loop]) -> list[FoldedLoop]:
    """Return the loops that fold, each with the operations that its steps share.

    Raises
    ------
    UsageError
        If there is no loop, or the steps of a loop differ; the message names the first difference.
    """
    operations: Operations = {}
    for element in Interruptible(recorded):
        loop, step = element.node.loop, element.node.step
        if loop is not None and step is not None and element.operands:
            operations.setdefault(loop, {}).setdefault(step, []).append(element)
    before = [loop for loop in range(len(loops)) if _is_before(loop, operations, loops)]
    runs = []
    for loop, rows_of_steps in operations.items():
        if loop in before:
            continue
        order = tuple(rows_of_steps)
        is_after = any(_leads(loops[n], order, loops[loop], +1) for n in before)
        backwards = order[0] > order[-1] if len(order) > 1 else is_after
        rows, commons = recurrence(list(rows_of_steps.values()))
        runs.append(FoldedLoop(loop, tuple(sorted(order[at] for at in rows)), backwards, commons))
    if not runs:
        raise UsageError(
            "fold: found no loop over steps; run the recurrence with "
            "`for k in tg.steps(T):`, which records the step"
        )
    return runs


def _is_before(loop: int, operations: Operations, loops: Sequence[Loop]) -> bool:
    """Return whether a loop of one step holds the initial values of another loop."""
    (step, *more), _ = loops[loop]
    if more or not all(map(_repeats, operations.get(loop, {}).get(step, ()))):
        return False
    return step < 0 or any(
        _leads(loops[loop], tuple(steps), loops[other], sign)
        for other, steps in operations.items()
        for sign in (-1, +1)
    )


def _leads(before: Loop, order: tuple[int, ...], loop: Loop, sign: int) -> bool:
    """Return whether the one step of a loop stands just before (-1) or after (+1) a loop."""
    ahead = order[0] + sign
    onwards = len(order) == 1 or (order[1] - order[0]) * sign < 0
    return before == Loop((ahead,), loop.scope) and onwards


def _repeats(element: Element) -> bool:
    """Return whether an operation only passes its operand on, or repeats it along axes."""
    if element.node.kind is not Kind.LINEAR:
        return False
    (operand,) = element.operands
    try:
        repeated = np.broadcast_to(operand.value, element.shape)
    except ValueError:
        return False
    return np.array_equal(repeated, element.value, equal_nan=True)
