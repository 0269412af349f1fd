"""EquationModule: a Module with the parameters of equations, and the states that it starts from.

Knows Tensors and equations; not how steps follow one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np

from ..engine.arguments import flag
from ..engine.place import Initial, Place, here
from ..engine.primitives import broadcast_to, where
from ..engine.tensor import Tensor, constant
from ..errors import DTypeError, ShapeError, UsageError
from .card import card, step_definitions
from .equations import Equations
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from .init import Seed

States = TypeVar("States")  # what a step returns: the output, or all states

# one value for each state: a Tensor, an array, or None for the Module's own; or None for all
Start = tuple[Any, ...] | None


class LayerOptions(TypedDict, total=False):
    """The keywords that all layers take: the name of the layer, and how its parameters begin.

    Attributes
    ----------
    bias : bool
        Whether the layer has biases, which are added to its net inputs.
    name : str, optional
        What the layer is called in the names of its signals.
    dtype : float type
        Of the parameters; float64 unless said otherwise.
    seed : int or Generator, optional
        Of the initial values.
    """

    bias: bool
    name: str | None
    dtype: DTypeLike
    seed: Seed


class EquationModule(Module):
    """Base of the cells and of the layers over time, which take the steps of equations.

    Parameters
    ----------
    equations : Equations
    name : str, optional
    bias : bool

    Attributes
    ----------
    W, U, b
        And the other parameters of the equations, unless children hold the parameters.
    """

    W: Tensor
    U: Tensor
    b: Tensor
    input_size: int

    def __init__(self, equations: Equations, name: str | None = None, bias: bool = True) -> None:
        super().__init__(name)
        if not isinstance(equations, Equations):
            is_class = isinstance(equations, type) and issubclass(equations, Equations)
            remedy = f": give {equations.__name__}(…), not the class" if is_class else ""
            raise UsageError(
                f"{type(self).__name__}: equations are {type(equations).__name__}, expected "
                f"Equations{remedy}"
            )
        if not hasattr(equations, "sizes"):
            raise UsageError(
                f"{type(equations).__name__}: found no gates and sizes; call "
                "super().__init__(gates, sizes) in its __init__"
            )
        self.equations = equations
        self.has_bias = flag(f"{type(self).__name__}: bias", bias)
        self.learns_start = False
        self._initial = tuple(map(Initial, equations.states))

    def __str__(self) -> str:
        """Return its card: equations, shapes, order of gates, biases, number of parameters."""
        shapes = {name: tensor.shape for name, tensor in self.named_leaves().items()}
        lines = step_definitions(self.equations, self.has_bias)
        return card(self._summary(), lines, self._conventions(), shapes)

    def _summary(self) -> str:
        return f"{super()._summary()}, {self.input_size} features to {self.equations.sizes[0]}"

    def _conventions(self) -> str:
        return self.equations.conventions(self.has_bias)

    def _add_parameters(
        self, input_size: int, random: np.random.Generator, dtype: Any, learns_start: bool = False
    ) -> None:
        """Make the parameters of the equations, and of the initial states if they are learned."""
        self.input_size, self.learns_start = input_size, learns_start
        arrays = self.equations.parameters(input_size, random)
        for letter in self.equations.biases if not self.has_bias else ():
            arrays = {name: array for name, array in arrays.items() if name != letter}
            setattr(self, letter, None)
        if learns_start:
            states = zip(self.equations.states, self.equations.sizes, strict=True)
            arrays |= {f"{state}_0": np.zeros(size) for state, size in states}
        for name, array in arrays.items():
            setattr(self, str(name), Tensor(array, requires_grad=True, dtype=dtype, name=name))

    def _starts(
        self,
        states: Any,
        batch: tuple[int, ...],
        dtype: np.dtype,
        count: int = 1,
        reason: str = "",
    ) -> list[Start]:
        """Return the initial states of ``count`` recurrences, if the caller's states all fit.

        Parameters
        ----------
        states : one value, or a pair where there are two states; None for the Module's own
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
        if states is None:
            return [None] * count
        who = self.place.path()
        if len(names) == 1:
            states = (states,)
        elif not isinstance(states, tuple | list) or len(states) != len(names):
            raise UsageError(f"{who}: state must be a pair ({', '.join(names)})")
        shares = []
        for name, size, value in zip(names, self.equations.sizes, states, strict=True):
            shape = ((count,) if count > 1 else ()) + (*batch, size)
            if value is None:
                shares.append([None] * count)
                continue
            if not isinstance(value, Tensor | np.ndarray):
                value = Tensor(value, dtype=dtype, name=f"{who}: initial {name}").numpy()
            if value.shape != shape:
                raise ShapeError(
                    f"{who}: initial {name} has shape {value.shape}, expected {shape}{reason}"
                )
            if value.dtype != dtype:
                raise DTypeError(
                    f"{who}: initial {name} is {value.dtype}, the layer {dtype}; convert it with "
                    f".astype({str(dtype)!r})"
                )
            shares.append([value] if count == 1 else [value[n] for n in range(count)])
        return list(zip(*shares, strict=True))

    def _initial_states(
        self, start: Start, batch: Sequence[int], step: int, rename: bool = True
    ) -> tuple[Tensor, ...]:
        """Return the initial states as Tensors (batch, size), named as such at a step.

        Parameters
        ----------
        start : one value for each state
            None for a learned one or zeros; None for all of them.
        batch : () or (B,)
        step : int
        rename : bool
            Whether a caller's Tensor becomes a signal of this Module; else it stays what it is.
        """
        tensors = []
        dtype, place = self.W._array.dtype, Place(here.get(), None, step)
        for name, size, value in zip(self._initial, self.equations.sizes, start or repeat(None)):
            shape = (*batch, size)
            if value is None and self.learns_start:
                value = getattr(self, f"{name}_0")
            if value is None:
                tensor = constant(np.zeros(shape, dtype))
            elif not isinstance(value, Tensor):
                tensor = Tensor(value, dtype=dtype)
            elif rename:
                tensor = broadcast_to(value, shape=shape)  # a node of its own, so a name too
            else:
                tensors.append(value)
                continue
            tensor.name, tensor.place = name, place
            tensors.append(tensor)
        return tuple(tensors)

    def _choose(
        self, condition: Tensor, states: Iterable[Tensor], others: Iterable[Tensor], mark: str
    ) -> tuple[Tensor, ...]:
        """Return the states where a condition holds, else the others; a mark ends their names."""
        chosen = tuple([where(condition, state, other) for state, other in zip(states, others)])
        for name, state in zip(self.equations.states, chosen):
            state.name = f"{name}_{mark}"
        return chosen
