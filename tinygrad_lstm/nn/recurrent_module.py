"""Recurrence: a Module with the parameters of equations, and with the states it starts from.

Knows Tensors and equations; not how steps follow one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from ..engine.place import Initial, Place, here
from ..engine.primitives import broadcast_to, where
from ..engine.tensor import Tensor, constant
from ..errors import DTypeError, ShapeError, UsageError
from .card import card, written
from .equations import Equations
from .module import Module

# one value for each state: a Tensor, an array, or None for the Module's own; or None for all
Start = tuple[Any, ...] | None


class Recurrence(Module):
    """Base of what takes the steps of equations: of cells, and of layers that run over time.

    Parameters
    ----------
    equations : Equations
    name : str, optional

    Attributes
    ----------
    W, U, b
        And what else the equations have, if the parameters are its own and not its children's.
    """

    W: Tensor
    U: Tensor
    b: Tensor

    def __init__(self, equations: Equations, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(equations, Equations):
            raise UsageError(
                f"{type(self).__name__}: equations are {type(equations).__name__}, "
                "expected Equations"
            )
        self.equations = equations
        self._initial = tuple(map(Initial, equations.states))

    def __str__(self) -> str:
        """Return its card: equations, shapes, order of gates, biases, number of parameters."""
        shapes = {name: each.shape for name, each in self.named_parameters()}
        title, equations = f"{self.place.path()}: {self._described()}", self.equations
        return card(title, written(equations), equations.conventions, shapes)

    def _described(self) -> str:
        """Return what it is, and how many features come in and go out."""
        features = self.parameters()[0].shape[0]
        return f"{type(self).__name__}, {features} features to {self.equations.sizes[0]}"

    def _take_parameters(
        self, input_size: int, random: np.random.Generator, dtype: Any, learned: bool = False
    ) -> None:
        """Make the parameters of the equations, and of the initial states if they are learned."""
        self._learned = learned
        found = self.equations.parameters(input_size, random)
        if learned:
            states = zip(self.equations.states, self.equations.sizes, strict=True)
            found |= {f"{what}_0": np.zeros(size) for what, size in states}
        for name, array in found.items():
            setattr(self, str(name), Tensor(array, requires_grad=True, dtype=dtype, name=name))

    def _fitting_states(
        self,
        state: Any,
        batch: tuple[int, ...],
        dtype: np.dtype,
        count: int = 1,
        reason: str = "",
    ) -> list[Start]:
        """Return what each of ``count`` recurrences starts from, if the states given all fit.

        Parameters
        ----------
        state : one value, or a pair where there are two states; None for the Module's own
            Each (batch, size), with a leading axis for the recurrences if they are several.
        batch : () or (B,)
        dtype : float type
            Of the parameters.
        count : int
        reason : str
            Why a shape is expected, for the message.

        Raises
        ------
        UsageError, ShapeError, DTypeError
            If there are too few or too many, or if one does not fit; the message names the layer,
            what was found and what was expected.
        """
        names = self.equations.states
        if state is None:
            return [None] * count
        who = self.place.path()
        if len(names) == 1:
            state = (state,)
        elif not isinstance(state, tuple | list) or len(state) != len(names):
            raise UsageError(f"{who}: state must be a pair ({', '.join(names)})")
        shares = []
        for what, size, value in zip(names, self.equations.sizes, state, strict=True):
            shape = ((count,) if count > 1 else ()) + (*batch, size)
            if value is None:
                shares.append([None] * count)
                continue
            if not isinstance(value, Tensor | np.ndarray):
                value = Tensor(value, dtype=dtype, name=f"{who}: initial {what}").numpy()
            if value.shape != shape:
                raise ShapeError(
                    f"{who}: initial {what} has shape {value.shape}, expected {shape}{reason}"
                )
            if value.dtype != dtype:
                raise DTypeError(
                    f"{who}: initial {what} is {value.dtype}, the layer {dtype}; convert it with "
                    f".astype({str(dtype)!r})"
                )
            shares.append([value] if count == 1 else [value[n] for n in range(count)])
        return list(zip(*shares, strict=True))

    def _starting(
        self, given: Start, batch: Sequence[int], step: int, renamed: bool = True
    ) -> tuple[Tensor, ...]:
        """Return the initial states as Tensors (batch, size), named as such at a step.

        Parameters
        ----------
        given : one value for each state
            None for a learned one or zeros; None for all of them.
        batch : () or (B,)
        step : int
        renamed : bool
            Whether a given Tensor becomes a signal of this Module; else it stays what it is.
        """
        found = []
        dtype, place = self.W._array.dtype, Place(here.get(), None, step)
        for name, size, value in zip(self._initial, self.equations.sizes, given or repeat(None)):
            shape = (*batch, size)
            if value is None and self._learned:
                value = getattr(self, f"{name}_0")
            if value is None:
                start = constant(np.zeros(shape, dtype))
            elif not isinstance(value, Tensor):
                start = Tensor(value, dtype=dtype)
            elif renamed:
                start = broadcast_to(value, shape=shape)  # a node of its own, so a name too
            else:
                found.append(value)
                continue
            start.name, start.place = name, place
            found.append(start)
        return tuple(found)

    def _chosen(
        self, condition: Tensor, these: Iterable[Tensor], those: Iterable[Tensor], how: str
    ) -> tuple[Tensor, ...]:
        """Return these states where a condition holds, else those, and name them by how it is."""
        chosen = tuple([where(condition, this, that) for this, that in zip(these, those)])
        for what, each in zip(self.equations.states, chosen):
            each.name = f"{what}_{how}"
        return chosen


__all__ = ["Recurrence", "Start"]
