"""The loss of a program on the tape, and what its outputs are computed from there.

Knows the tape; no program. The gradients of a loss are there before anybody asks for them, so that
a backward pass from the loss alone hands them to the leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.gradients import is_plain_start, leave_gradients, watchers
from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..engine.symbol import function as named
from ..engine.tensor import Tensor, written
from ..errors import GradientError, UsageError

Gradients = Callable[[Any], list[np.ndarray]]  # by a cotangent, in the order of the operands


class Loss(Tensor):
    """The loss of a program: one number, of which the gradients are known."""

    __slots__ = ()

    def backward(self, gradient: Any = None) -> None:
        """Add d self / d leaf to ``.grad`` of every leaf that requires it."""
        operands = self.inputs
        if gradient is None and is_plain_start(self) and not any([x.inputs for x in operands]):
            assert self.parameters is not None
            watching = watchers.get()
            for watcher in watching:
                watcher.wanted(self)  # no signal: there is none between the loss and the leaves
            leave_gradients(operands, self.parameters["gradients"](1))
            for watcher in watching:
                watcher.note(self, {})
        else:
            super().backward(gradient)


def on_tape(value: np.ndarray, operands: tuple[Tensor, ...], gradients: Gradients) -> Tensor:
    """Return what a program computed as an entry of the tape."""
    return written(COMPILED, value, operands, {"gradients": gradients}, bool(operands))


def loss_on_tape(value: np.ndarray, operands: tuple[Tensor, ...], gradients: Gradients) -> Tensor:
    """Return a loss as an entry of the tape."""
    loss = written(COMPILED, value, operands, {"gradients": gradients}, bool(operands))
    loss.__class__ = Loss
    return loss


def _pull(entry: Any, ct: Any, sums: Any) -> None:
    if not isinstance(ct, np.ndarray | np.generic):
        raise GradientError(
            "compile: the gradient of a gradient is not compiled; call the function itself"
        )
    for operand, gradient in zip(entry.inputs, entry.parameters["gradients"](ct), strict=True):
        sums.add(operand, gradient)


def _refuse(*_: Any, **__: Any) -> Any:
    raise UsageError("compile: a compiled loss has no network; record the function itself")


COMPILED = Primitive(
    "compiled", Kind.MATRIX_FUNCTION, lambda *xs, gradients: _refuse(), _pull, _refuse,
    notation=named("compiled"), samples=list,
)  # fmt: skip
