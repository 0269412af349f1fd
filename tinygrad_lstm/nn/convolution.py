"""Convolutional layers: Conv1d along sequences, Conv2d over planes.

Knows the composites of the engine; nothing of graphs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.arguments import one_of, optional, whole
from ..engine.functions.convolutions import convolved
from ..engine.functions.pooling import for_axes, pairs
from ..engine.symbol import PREFIX, PRODUCT, Notation, Symbol
from ..engine.tensor import Tensor
from ..errors import ArgumentError, ShapeError
from . import init
from .activations import Activation, as_function, writable
from .card import layer_card
from .inputs import bias_of, input_along, size
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

CONVOLVED = Notation("{0} ⋆ {1}", r"{0} \star {1}", PRODUCT, (PREFIX, PREFIX))


class Conv(Module):
    """Base of the convolutional layers: y = f(W ⋆ x + b) along the last axes.

    Parameters
    ----------
    input_size, output_size, kernel_size, stride, padding, dilation, groups, activation, bias
        As in `Conv1d`.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values.
    """

    axes: int  # along how many
    W: Tensor
    b: Tensor

    def __init__(
        self,
        input_size: int,
        output_size: int,
        kernel_size: int | Sequence[int],
        *,
        stride: int | Sequence[int] = 1,
        padding: int | str | Sequence[Any] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Activation | None = None,
        bias: bool = True,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(name)
        who, axes = type(self).__name__, self.axes
        self.input_size = size(f"{who}: input_size", input_size)
        self.output_size = size(f"{who}: output_size", output_size)
        self.kernel_size = for_axes(f"{who}: kernel_size", kernel_size, axes, least=1)
        self.stride = for_axes(f"{who}: stride", stride, axes, least=1)
        self.dilation = for_axes(f"{who}: dilation", dilation, axes, least=1)
        self.groups = whole(f"{who}: groups", groups, least=1)
        if self.input_size % self.groups or self.output_size % self.groups:
            raise ArgumentError(
                f"{who}: found {self.groups} groups for {self.input_size} features to "
                f"{self.output_size}; expected a number that divides both"
            )
        if isinstance(padding, str):
            self.padding = one_of(f"{who}: padding", padding, ("same", "valid"))
        else:
            self.padding = pairs(who, padding, axes)
        self.activation = optional(lambda _, f: as_function(who, f), who, activation)
        inward, window = self.input_size // self.groups, math.prod(self.kernel_size)
        fans = window * (inward + self.output_size // self.groups)
        shape = (self.output_size, inward, *self.kernel_size)
        W = init.uniform(shape, math.sqrt(6.0 / fans), seed)
        self.W = Tensor(W, requires_grad=True, dtype=dtype)
        self.b = bias_of(self.output_size, bias, who, dtype)

    def __str__(self) -> str:
        """Return its card: equations, shapes, number of parameters."""
        y = Symbol.of(CONVOLVED, self._convolve, (Symbol("W"), Symbol("x")))
        if self.b is not None:
            y = y + Symbol("b")
        if self.activation is not None:
            y.name = "z"
            y = writable(self.activation)(y)
        y.name = "y"
        sizes = ", ".join(["T"] if self.axes == 1 else ["height", "width"])
        biases = "no bias" if self.b is None else "one bias"
        inward = f"in / {self.groups}" if self.groups > 1 else "in"
        conventions = f"A sample is (in, {sizes}), weights are (out, {inward}, *kernel); {biases}"
        return layer_card(self, y, conventions)

    def _summary(self) -> str:
        kernel = " × ".join(map(str, self.kernel_size))
        text = f"{super()._summary()}, {self.input_size} features to {self.output_size}"
        text += f", kernel {kernel}"
        for name, plain in (("stride", 1), ("dilation", 1), ("padding", (0, 0)), ("groups", 1)):
            value = getattr(self, name)
            if value not in (plain, (plain,) * self.axes):
                text += f", {name} {_text(value)}"
        return text

    def _convolve(self, W: Any, x: Any) -> Any:
        options = self.stride, self.padding, self.dilation, self.groups
        return convolved(self.place.path(), self.axes, x, W, None, *options)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to the last axes.

        Parameters
        ----------
        x : (..., in, *sizes)

        Returns
        -------
        y : (..., out, *sizes of y)
            A size is ⌊(size + padding - dilation (kernel - 1) - 1) / stride⌋ + 1, with the padding
            before and after.

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the weights; the message names the layer and both.
        """
        axes = "(..., in, T)" if self.axes == 1 else "(..., in, height, width)"
        x = input_along(self.place, x, self.W.dtype, -self.axes - 1, self.input_size, axes)
        options = self.stride, self.padding, self.dilation, self.groups
        z: Tensor = convolved(self.place.path(), self.axes, x, self.W, self.b, *options)
        if self.activation is None:
            z.name = "y"
            return z
        z.name = "z"
        y: Tensor = self.activation(z)
        if not isinstance(y, Tensor) or y.shape != z.shape:
            raise ShapeError(
                f"{self.place.path()}: the activation changed shape {z.shape} to "
                f"{getattr(y, 'shape', type(y).__name__)}; expected a Tensor of equal shape"
            )
        y.name = "y"
        return y


class Conv1d(Conv):
    """A convolutional layer along sequences, y = f(W ⋆ x + b).

        z[o, k] = Σ_c Σ_j W[o, c, j] x[c, stride k + dilation j - padding] + b[o]

    Y. LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural
    Computation 1(4), 1989. As everywhere in neural networks, the kernel is not reversed.

    Parameters
    ----------
    input_size, output_size : int
        Features (channels) in and out.
    kernel_size : int
        Entries that a window has along the sequence.
    stride, dilation : int
        Entries from window to window, and from entry to entry of a window.
    padding : int, a pair (before, after) in a list, "same" or "valid"
        The number of zeros around x; with "same" y has as many entries as x, over the stride.
    groups : int
        Features are divided into so many groups, each with its own weights.
    activation : primitive, callable or name of a primitive, optional
        f; the identity if None.
    bias : bool
        Whether there is b; else b is None.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values (Glorot and Bengio 2010; b is 0).

    Attributes
    ----------
    W : (out, in / groups, kernel)
    b : (out,)

    Signals: the net input ``z`` and the output ``y``, each (..., out, T').

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(Conv1d(2, 4, 3, padding=1, activation="relu"))
    conv1d: Conv1d, 2 features to 4, kernel 3, padding 1
      z = W ⋆ x + b
      y = relu(z)
    W (4, 2, 3), b (4,)
    A sample is (in, T), weights are (out, in, *kernel); one bias
    28 parameters
    >>> Conv1d(2, 4, 3, padding=1, seed=0)(np.ones((5, 2, 7))).shape
    (5, 4, 7)
    """

    axes = 1


class Conv2d(Conv):
    """A convolutional layer over planes, y = f(W ⋆ x + b).

        z[o, k, l] = Σ_c Σ_i Σ_j W[o, c, i, j] x[c, stride k + dilation i - padding,
                                                 stride l + dilation j - padding] + b[o]

    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998.

    Parameters
    ----------
    input_size, output_size : int
        Features (channels) in and out.
    kernel_size : int, or one for each axis
        The sizes of a window.
    stride, padding, dilation, groups, activation, bias, name, dtype, seed
        As in `Conv1d`; stride, padding and dilation may be one for each axis.

    Attributes
    ----------
    W : (out, in / groups, *kernel)
    b : (out,)

    Signals: the net input ``z`` and the output ``y``, each (..., out, height', width').

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(Conv2d(1, 6, 5))
    conv2d: Conv2d, 1 features to 6, kernel 5 × 5
      y = W ⋆ x + b
    W (6, 1, 5, 5), b (6,)
    A sample is (in, height, width), weights are (out, in, *kernel); one bias
    156 parameters
    """

    axes = 2


def _text(value: Any) -> str:
    """Return the text of an option of windows: one number if all numbers are equal."""
    if not isinstance(value, tuple):
        return str(value)
    shortest = [_text(entry) for entry in value]
    return shortest[0] if len(set(shortest)) == 1 else f"({', '.join(shortest)})"
