"""Normalizing layers of each sample: over its features, or over groups of features.

Knows the composites of the engine; nothing of graphs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from ..engine.arguments import flag, number
from ..engine.functions import checked, mean
from ..engine.functions.normalizations import along_axis
from ..engine.primitives import reshape, sqrt
from ..engine.symbol import Symbol, function
from ..engine.tensor import Tensor
from ..errors import ArgumentError
from .card import layer_card
from .inputs import bias_of, input_along, size
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


def standardized(x: Any, average: Callable[[Any], Any], eps: float) -> tuple[Any, Any, Any]:
    """Return (x - mean) / √(var + eps), the mean and the variance, as signals."""
    mean = average(x)
    away = x - mean
    var = average(away * away)
    z = away / sqrt(var + eps)
    mean.name, away.name, var.name, z.name = "mean", "away", "var", "z"
    return z, mean, var


def scaled(z: Any, g: Any, b: Any) -> Any:
    """Return the output g ∘ z + b, as a signal; None stands for 1 and for 0."""
    y = z if g is None else g * z
    y = y if b is None else y + b
    if y is not z:
        y.name = "y"
    return y


class NormalizationOptions(TypedDict, total=False):
    """The keywords that the normalizing layers share; `LayerNorm` says what they do."""

    eps: float
    scale: bool
    bias: bool
    name: str | None
    dtype: DTypeLike


class Normalization(Module):
    """Base of the normalizing layers: their parameters g and b, and their card.

    Parameters
    ----------
    shape : tuple of int
        Of g and b.
    eps, scale, bias, name, dtype
        As in `LayerNorm`.
    """

    g: Tensor
    b: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        eps: float = 1e-5,
        scale: bool = True,
        bias: bool = True,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(name)
        who = type(self).__name__
        self.eps = number(f"{who}: eps", eps, 0.0)
        blank = Tensor(np.ones(shape), requires_grad=True, dtype=dtype)
        self.dtype = blank.dtype
        self.g = blank if flag(f"{who}: scale", scale) else None  # type: ignore[assignment]
        self.b = bias_of(shape, bias, who, dtype)

    def _axes(self, ndim: int) -> tuple[int, ...]:
        """Return the axes of x over which the mean and the variance are taken."""
        raise NotImplementedError

    def _average(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            return Symbol.of(function("mean"), self._average, (x,))
        return mean(x, self._axes(np.ndim(x) if isinstance(x, np.ndarray) else x.ndim), True)

    def _equations(self, x: Symbol) -> Symbol:
        return self._output(standardized(x, self._average, self.eps)[0])

    def _output(self, z: Symbol) -> Symbol:
        """Return the output as a Symbol."""
        names = (name if getattr(self, name) is not None else None for name in "gb")
        y: Symbol = scaled(z, *(name and Symbol(name) for name in names))
        return y

    def __str__(self) -> str:
        """Return its card: equations, shapes, number of parameters."""
        return layer_card(self, self._equations(Symbol("x")), self._conventions())

    def _conventions(self) -> str:
        return ""


class LayerNorm(Normalization):
    """Each sample, minus its mean, divided by its deviation: y = g ∘ (x - mean) / √(var + eps) + b.

    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv 1607.06450, 2016, eq. 4.

    Parameters
    ----------
    input_size : int, or one for each of the last axes
        Features, over which the mean and the variance are taken.
    eps : float
        The number added to the variance.
    scale, bias : bool
        Whether there is g, and whether there is b; if not, the attribute is None.
    name, dtype
        Of the layer, of its parameters, which begin as 1 and 0.

    Attributes
    ----------
    g, b : of the shape ``input_size``
        Gain and bias.

    Signals: ``mean``, ``away``, ``var``, ``z`` and the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(LayerNorm(4))
    layernorm: LayerNorm, 4 features
      mean = mean(x)
      away = x - mean
      var  = mean(away²)
      z    = away / sqrt(var + 1e-05)
      y    = g ∘ z + b
    g (4,), b (4,)
    Mean and variance are those of each sample
    8 parameters
    """

    def __init__(
        self, input_size: int | Sequence[int], **options: Unpack[NormalizationOptions]
    ) -> None:
        several = checked.wholes("LayerNorm: input_size", input_size)
        self.input_size = tuple([size("LayerNorm: input_size", width) for width in several])
        super().__init__(self.input_size, **options)

    def _summary(self) -> str:
        return f"{super()._summary()}, {' × '.join(map(str, self.input_size))} features"

    def _conventions(self) -> str:
        return "Mean and variance are those of each sample"

    def _axes(self, ndim: int) -> tuple[int, ...]:
        return tuple(range(-len(self.input_size), 0))

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to the last axes.

        Parameters
        ----------
        x : (..., *input_size)

        Returns
        -------
        y : (..., *input_size)

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the layer; the message names both.
        """
        place, widths = self.place, self.input_size
        axes = f"(..., {', '.join(map(str, widths))})"
        for axis, width in enumerate(widths, -len(widths)):
            x = input_along(place, x, self.dtype, axis, width, axes)
        z, *_ = standardized(x, self._average, self.eps)
        y: Tensor = scaled(z, self.g, self.b)
        return y


class GroupNorm(Normalization):
    """Each group of features of a sample, minus its mean, divided by its deviation.

        y = g ∘ (x - mean) / √(var + eps) + b

    Y. Wu and K. He, "Group normalization", ECCV 2018, eqs. 1 to 3. As many groups as features are
    instance normalization.

    Parameters
    ----------
    groups, input_size : int
        Features are divided into so many groups.
    eps, scale, bias, name, dtype
        As in `LayerNorm`.

    Attributes
    ----------
    g, b : (in,)
        Gain and bias.

    Signals: ``mean``, ``away``, ``var``, ``z``, each (B, groups, entries), and the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(GroupNorm(2, 4))
    groupnorm: GroupNorm, 4 features in 2 groups
      mean = mean(x)
      away = x - mean
      var  = mean(away²)
      z    = away / sqrt(var + 1e-05)
      y    = g ∘ z + b
    g (4,), b (4,)
    Mean and variance are those of each group of each sample
    8 parameters
    """

    def __init__(
        self,
        groups: int,
        input_size: int,
        **options: Unpack[NormalizationOptions],
    ) -> None:
        self.groups = size("GroupNorm: groups", groups)
        self.input_size = size("GroupNorm: input_size", input_size)
        if self.input_size % self.groups:
            raise ArgumentError(
                f"GroupNorm: found {self.groups} groups for {self.input_size} features; expected "
                "a number that divides them"
            )
        super().__init__((self.input_size,), **options)

    def _summary(self) -> str:
        return f"{super()._summary()}, {self.input_size} features in {self.groups} groups"

    def _conventions(self) -> str:
        return "Mean and variance are those of each group of each sample"

    def _axes(self, ndim: int) -> tuple[int, ...]:
        return (ndim - 1,)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to each sample.

        Parameters
        ----------
        x : (B, in, ...)

        Returns
        -------
        y : (B, in, ...)

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the layer; the message names both.
        """
        x = input_along(self.place, x, self.dtype, 1, self.input_size, "(B, in, ...)")
        entries = math.prod(x.shape[1:]) // self.groups
        grouped = reshape(x, shape=(x.shape[0], self.groups, entries))
        z, *_ = standardized(grouped, self._average, self.eps)
        g, b = (along_axis(v, 1, x.ndim) for v in (self.g, self.b))
        y = scaled(reshape(z, shape=x.shape), g, b)
        y.name = "y"
        tensor: Tensor = y
        return tensor


class RMSNorm(Normalization):
    """Each sample divided by the root of the mean of its squares: y = g ∘ x / √(mean x² + eps).

    B. Zhang and R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.

    Parameters
    ----------
    input_size : int
        Features.
    eps, scale, name, dtype
        As in `LayerNorm`.

    Attributes
    ----------
    g : (in,)
        Gain.

    Signals: the mean of squares ``var``, ``z`` and the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(RMSNorm(4))
    rmsnorm: RMSNorm, 4 features
      var = mean(x²)
      z   = x / sqrt(var + 1e-05)
      y   = g ∘ z
    g (4,)
    The mean of squares is that of each sample
    4 parameters
    """

    def __init__(
        self,
        input_size: int,
        *,
        eps: float = 1e-5,
        scale: bool = True,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.input_size = size("RMSNorm: input_size", input_size)
        shape = (self.input_size,)
        super().__init__(shape, eps=eps, scale=scale, bias=False, name=name, dtype=dtype)

    def _summary(self) -> str:
        return f"{super()._summary()}, {self.input_size} features"

    def _conventions(self) -> str:
        return "The mean of squares is that of each sample"

    def _axes(self, ndim: int) -> tuple[int, ...]:
        return (ndim - 1,)

    def _equations(self, x: Any, g: Any = None) -> Any:
        var = self._average(x * x)
        z = x / sqrt(var + self.eps)
        var.name, z.name = "var", "z"
        if isinstance(x, Symbol) and self.g is not None:
            g = Symbol("g")
        return scaled(z, g, None)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to the last axis.

        Parameters
        ----------
        x : (..., in)

        Returns
        -------
        y : (..., in)

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the layer; the message names both.
        """
        x = input_along(self.place, x, self.dtype, -1, self.input_size, "(..., in)")
        y: Tensor = self._equations(x, self.g)
        return y
