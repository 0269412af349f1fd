"""A named signal of a recording: its value and its gradient, at one step or at all steps.

Knows Tensors; not how signals get their names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..engine.tensor import Tensor
from ..errors import ShapeError


class Recording(Protocol):
    """The gradients of all signals of a recording, which each signal shares."""

    @property
    def gradients(self) -> dict[Tensor, np.ndarray]: ...


@dataclass(frozen=True)
class Signal:
    """A named Tensor, one of the parts packed along its last axis, or one entry of its first axis.

    Attributes
    ----------
    name : str
    tensor : Tensor
    part : int
        Which part it is.
    widths : tuple of int
        How wide the parts are, relative to each other; the whole is part 0 of one.
    signals : Recording
        All signals that were recorded with it.
    row : int, optional
        Which entry along the first axis, if the signal is one step or sample of a whole Tensor.
    """

    name: str
    tensor: Tensor
    signals: Recording = field(compare=False)
    part: int = 0
    widths: tuple[int, ...] = (1,)
    row: int | None = None

    def __repr__(self) -> str:
        return f"<signal {self.name} {self.shape}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self.value.shape

    @property
    def value(self) -> np.ndarray:
        """Its entries in the forward pass."""
        return self.of(self.tensor.data)

    @property
    def gradient(self) -> np.ndarray | None:
        """The derivative of the output by the signal; None if the signal requires no gradient.

        Raises
        ------
        UsageError
            If there are several outputs.
        GradientError
            If the output is not one number.
        ChangedError
            If the data of a leaf was replaced after the forward pass.
        """
        if not self.tensor.requires_grad:
            return None
        return self.of(self.signals.gradients[self.tensor])

    def of(self, whole: np.ndarray) -> np.ndarray:
        """Return the entries that belong to this signal in an array for the whole Tensor."""
        if self.row is not None:
            whole = whole[self.row, ...]
        if len(self.widths) == 1:
            return whole
        unit = whole.shape[-1] // sum(self.widths)
        start = unit * sum(self.widths[: self.part])
        return whole[..., start : start + unit * self.widths[self.part]]


@dataclass(frozen=True)
class SignalSequence:
    """The signals that differ in their step alone, such as ``lstm.out``, from the first step on.

    Attributes
    ----------
    name : str
    steps : list of Signal
    """

    name: str
    steps: list[Signal]

    def __repr__(self) -> str:
        return f"<signal {self.name}, {len(self.steps)} steps of {self.steps[0].shape}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of steps, and the sizes of the axes at a step."""
        return (len(self.steps), *self.steps[0].shape)

    @property
    def value(self) -> np.ndarray:
        """The entries at all steps, the steps along the first axis."""
        return self._stack([step.value for step in self.steps])

    @property
    def gradient(self) -> np.ndarray | None:
        """The gradients at all steps; None if the signal requires no gradient at a step."""
        gradients = [gradient for step in self.steps if (gradient := step.gradient) is not None]
        return self._stack(gradients) if len(gradients) == len(self.steps) else None

    def _stack(self, arrays: list[np.ndarray]) -> np.ndarray:
        shapes = [array.shape for array in arrays]
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"{self.name} has shapes {', '.join(map(str, dict.fromkeys(shapes)))} at its "
                f"steps, expected one shape; ask for one step, as in {self.steps[0].name}"
            )
        return np.stack(arrays)
