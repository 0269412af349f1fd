"""Is a check good enough? Every mistake planted in turn, and which of them it cannot see.

Knows mistakes and networks. A small set-up is blind: with one step nothing is carried over, with a
zero start what it is multiplied by does not show, with one hidden unit a matrix is its transpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..evaluate import evaluate
from ..tensor import Tensor
from .mistakes import Mistake, mistakes
from .sight import Sight

SEEN = 1e-9  # the least relative change of a gradient that shows


@dataclass(frozen=True)
class Adequacy:
    """What a set-up cannot detect.

    Attributes
    ----------
    planted : int
        How many mistakes were tried.
    unseen : tuple of Mistake
        Those that change no gradient of an input or parameter.
    advice : tuple of str
        What to change about the set-up.
    """

    planted: int
    unseen: tuple[Mistake, ...]
    advice: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every mistake shows."""
        return not self.unseen

    def __str__(self) -> str:
        if self.ok:
            return f"all {self.planted} mistakes show"
        lines = [f"{len(self.unseen)} of {self.planted} mistakes do not show, such as"]
        lines += [f"  {each.says}"[:78] for each in self.unseen[:8]]
        return "\n".join([*lines, *(f"change: {each}" for each in self.advice)])


def adequacy(loss: Tensor) -> Adequacy:
    """Plant every mistake of the library in a network, and see which a check of it would miss.

    Parameters
    ----------
    loss : Tensor
        Recorded with the sizes, initial states, batch and inputs of the check.

    Returns
    -------
    Adequacy

    Raises
    ------
    UsageError
        If nothing was recorded, or no leaf requires a gradient.
    """
    sight = Sight(loss)
    right = sight.adjoint.evaluate()
    if not right:
        raise UsageError("adequacy: found no gradient to check, expected a leaf that requires one")
    unseen, planted = [], 0
    for each in mistakes(sight):
        try:
            with np.errstate(all="ignore"):
                found = evaluate(each.change(sight.adjoint))
        except (KeyError, ValueError):  # the shapes do not allow it
            continue
        planted += 1
        if all(_same(found.get(name), value) for name, value in right.items()):
            unseen.append(each)
    return Adequacy(planted, tuple(unseen), tuple(_advice(sight)) if unseen else ())


def _same(found: np.ndarray | None, right: np.ndarray) -> bool:
    if found is None or np.shape(found) != np.shape(right):
        return False
    return bool(np.all(np.abs(found - right) <= SEEN * np.abs(right).max()))


def _advice(sight: Sight) -> list[str]:
    """Return what is small or zero about a set-up."""
    advice = []
    network = sight.network
    if any(len(loop.steps) == 1 and max(loop.steps) >= 0 for loop in network.loops):
        advice.append("take two steps or more, three if what is carried on is to be told apart")
    shapes = [np.shape(wire.value) for wire in network.wires]
    if any(1 in shape for shape in shapes):
        advice.append("make no axis 1 long: batch, features, hidden units")
    starts = [
        network.wires[node.inputs[1]].value for node in network.nodes
        if node.kind in ("delay", "advance")
    ]  # fmt: skip
    if any(not np.any(start) for start in starts):
        advice.append("start from states that are not zero")
    square = [s for s in shapes if len(s) >= 2 and s[-1] == s[-2]]
    if any(np.allclose(w.value, np.swapaxes(w.value, -1, -2)) for w in network.wires
           if np.shape(w.value) in square):  # fmt: skip
        advice.append("take weights that are not symmetric")
    return advice or ["take random inputs, weights and targets"]
