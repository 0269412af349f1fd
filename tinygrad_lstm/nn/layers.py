"""Layers without a state: Dense and Dropout.

Knows Tensors and the primitives; nothing of graphs. Row convention everywhere: y = x W + b with
weights (in, out).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine.arguments import number
from ..engine.symbol import Symbol
from ..engine.tensor import Tensor, constant
from ..errors import UsageError
from . import init
from .activations import Activation, as_function, writable
from .card import layer_card
from .inputs import bias_of, input_tensor, size
from .module import Module
from .old_names import OldAttribute, renamed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


class Dense(Module):
    """A dense layer, y = f(x W + b).

    Parameters
    ----------
    input_size, output_size : int
        Features in and out.
    activation : primitive, callable or name of a primitive, optional
        f; the identity if None.
    bias : bool
        Whether there is b; else b is None.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values (Glorot and Bengio 2010; b is 0).

    Attributes
    ----------
    W : (in, out)
    b : (out,)

    Signals: the net input ``z`` (whose gradient is the δz of the derivations) and the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(Dense(2, 3, "tanh"))
    dense: Dense, 2 features to 3
      z = x W + b
      y = tanh(z)
    W (2, 3), b (3,)
    A sample is a row, weights are (in, out); one bias
    9 parameters
    """

    W: Tensor
    b: Tensor
    in_size, out_size = OldAttribute("input_size"), OldAttribute("output_size")

    @renamed(in_size="input_size", out_size="output_size")
    def __init__(
        self,
        input_size: int,
        output_size: int,
        activation: Activation | None = None,
        *,
        bias: bool = True,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(name)
        self.input_size = size("Dense: input_size", input_size)
        self.output_size = size("Dense: output_size", output_size)
        self.activation = None if activation is None else as_function("Dense", activation)
        W = init.glorot((self.input_size, self.output_size), seed)
        self.W = Tensor(W, requires_grad=True, dtype=dtype)
        self.b = bias_of(self.output_size, bias, "Dense", dtype)

    def __str__(self) -> str:
        """Return its card: equations, shapes, number of parameters."""
        y = Symbol("x") @ Symbol("W")
        if self.b is not None:
            y = y + Symbol("b")
        if self.activation is not None:
            y.name = "z"
            y = writable(self.activation)(y)
        y.name = "y"
        biases = "no bias" if self.b is None else "one bias"
        conventions = f"A sample is a row, weights are (in, out); {biases}"
        return layer_card(self, y, conventions)

    def _summary(self) -> str:
        return f"{super()._summary()}, {self.input_size} features to {self.output_size}"

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to the last axis.

        Parameters
        ----------
        x : (..., in)

        Returns
        -------
        y : (..., out)

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the weights; the message names the layer and both.
        """
        z = input_tensor(self.place, x, self.W) @ self.W
        if self.b is not None:
            z = z + self.b
        if self.activation is None:
            z.name = "y"
            return z
        z.name = "z"
        y = self.activation(z)
        if not isinstance(y, Tensor):
            raise UsageError(
                f"{self.place.path()}: the activation returned {type(y).__name__}, "
                "expected a Tensor made from its argument"
            )
        y.name = "y"
        return y


class Dropout(Module):
    """Set entries to 0 at random in training, and scale the others up; else return the input.

        y = x ∘ mask / (1 - rate)

    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a simple
    way to prevent neural networks from overfitting", JMLR 15, 2014; scaled in training, so that
    the layer does nothing in use.

    Parameters
    ----------
    rate : float in [0, 1)
        The probability of an entry to be dropped.
    name, seed
        Of the layer, of its masks.

    Raises
    ------
    ArgumentError, UsageError
        If the rate is out of range or no number.

    Examples
    --------
    >>> dropout = Dropout(0.5, seed=0)
    >>> dropout(np.ones(4)).data.tolist()
    [2.0, 0.0, 0.0, 0.0]
    >>> dropout.eval()(np.ones(4)).data.tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self, rate: float = 0.5, *, name: str | None = None, seed: init.Seed = None
    ) -> None:
        super().__init__(name)
        self.rate = number("Dropout: rate", rate, 0.0, 1.0)
        self._random = init.generator(seed)

    def __str__(self) -> str:
        """Return its card: its equation."""
        y = Symbol("x") * Symbol("mask")
        y.name = "y"
        return layer_card(self, y, f"The mask is 0 or {1 / (1 - self.rate):g}, in training alone")

    def _summary(self) -> str:
        return f"{super()._summary()}, rate {self.rate:g}"

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to every entry.

        Parameters
        ----------
        x : (...)

        Returns
        -------
        y : (...)
        """
        y = x if isinstance(x, Tensor) else Tensor(x, name="x")
        if not self.training or not self.rate:
            return y
        stays = self._random.random(y.shape) >= self.rate
        y = y * constant((stays / (1.0 - self.rate)).astype(y.dtype), name="mask")
        y.name = "y"
        return y
