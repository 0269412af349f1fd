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
from .mistakes import Mistake, every, leading_to
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
        Those that change no gradient of a leaf that requires one.
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
    right = {
        name: value
        for name, value in sight.adjoint.evaluate().items()
        if name.removeprefix("δ") in sight.named
    }
    if not right:
        raise UsageError("adequacy: found no gradient to check, expected a leaf that requires one")
    ends = {
        node.inputs[0]
        for node in sight.adjoint.nodes
        if node.kind == "output" and node.name in right
    }
    ways = {wire for node in leading_to(sight.adjoint, ends).nodes for wire in node.inputs} | ends
    unseen, planted = [], 0
    for each in every(sight):
        if not each.change.at & ways:
            continue  # in what no gradient is made of, however long the set-up
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
    return bool(np.all(np.abs(found - right) <= SEEN * np.abs(right).max(initial=0.0)))


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
    leaves = [
        np.asarray(network.wires[node.outputs[0]].value)
        for node in network.nodes
        if node.kind == "parameter"
    ]
    square = [x for x in leaves if x.ndim == 2 and x.shape[0] == x.shape[1] > 1]
    if any(np.allclose(x, x.T) for x in square):
        advice.append("take weights that are not symmetric")
    return advice or ["take random inputs, weights and targets"]
