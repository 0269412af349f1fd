"""BatchNorm: each feature over a batch in training, and by running values in use.

Knows the composites of the engine; nothing of graphs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from ..engine.arguments import number, whole
from ..engine.functions.normalizations import along_axis
from ..engine.primitives import sqrt
from ..engine.symbol import Symbol
from ..engine.tensor import Tensor, constant
from ..errors import ShapeError
from .inputs import input_along, size
from .normalization import Normalization, NormalizationOptions, scaled, standardized

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class BatchNorm(Normalization):
    """Each feature, minus its mean over the batch, divided by its deviation over the batch.

        y = g ∘ (x - mean) / √(var + eps) + b

    In training, the mean and the variance are those of the batch, and gradients go through them. In
    use (after ``eval()``), they are the running mean and variance that training left.

    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, algorithms 1 and 2; g and b are their γ and β.

    Parameters
    ----------
    input_size : int
        Features (channels).
    momentum : float in [0, 1], or None
        The share of a batch in the running mean and variance; None for the plain average of all
        batches.
    axis : int
        Of the features in x.
    eps, scale, bias, name, dtype
        As in `LayerNorm`.

    Attributes
    ----------
    g, b : (in,)
    running_mean, running_var : (in,)
        They belong to ``state_dict()`` and are not trained. The running variance is that of the
        whole, estimated from the batch: its sum is divided by the number of entries less 1.
    batches : ()
        How many batches training has seen.

    Signals: ``mean``, ``away``, ``var``, ``z`` and the output ``y``; in use ``mean`` and ``var``
    are constants.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> norm = BatchNorm(3)
    >>> x = np.arange(12.0).reshape(4, 3)
    >>> norm(x).data.mean(axis=0).round(12).tolist()
    [0.0, 0.0, 0.0]
    >>> norm.running_mean.data.round(2).tolist()
    [0.45, 0.55, 0.65]
    >>> print(norm.eval())
    batchnorm: BatchNorm, 3 features
      away = x - running_mean
      z    = away / sqrt(running_var + 1e-05)
      y    = g ∘ z + b
    g (3,), b (3,)
    Not trained: running_mean (3,), running_var (3,), batches ()
    Mean and variance are the running ones; train() takes those of the batch
    6 parameters
    """

    _buffers = ("running_mean", "running_var", "batches")
    running_mean: Tensor
    running_var: Tensor
    batches: Tensor

    def __init__(
        self,
        input_size: int,
        *,
        momentum: float | None = 0.1,
        axis: int = 1,
        **options: Unpack[NormalizationOptions],
    ) -> None:
        self.input_size = size("BatchNorm: input_size", input_size)
        self.momentum = momentum
        if momentum is not None:
            self.momentum = number("BatchNorm: momentum", momentum, 0.0, most=1.0)
        self.axis = whole("BatchNorm: axis", axis)
        super().__init__((self.input_size,), **options)
        starts = np.zeros(self.input_size), np.ones(self.input_size), np.zeros(())
        for name_, array in zip(self._buffers, starts, strict=True):
            self._set_buffer(name_, array)

    def _set_buffer(self, name: str, array: np.ndarray) -> None:
        """Replace a running value; recordings that used the old value keep the old value."""
        buffer = constant(np.array(array, self.dtype), name=name)
        buffer.place = self.place
        setattr(self, name, buffer)

    def _summary(self) -> str:
        return f"{super()._summary()}, {self.input_size} features"

    def _conventions(self) -> str:
        if self.training:
            return "Mean and variance are those of the batch; eval() takes the running ones"
        return "Mean and variance are the running ones; train() takes those of the batch"

    def _equations(self, x: Symbol) -> Symbol:
        if self.training:
            return super()._equations(x)
        return self._output(_in_use(x, Symbol("running_mean"), Symbol("running_var"), self.eps))

    def _axes(self, ndim: int) -> tuple[int, ...]:
        return tuple([axis for axis in range(ndim) if axis != self.axis % ndim])

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer along the axis of the features.

        Parameters
        ----------
        x : (B, in, ...), or with the features along ``axis``

        Returns
        -------
        y : of the shape of x

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the layer; if the batch has one entry for each feature, in training.
        """
        axes = f"{self.input_size} features along axis {self.axis}"
        x = input_along(self.place, x, self.dtype, self.axis, self.input_size, axes)
        if x.ndim < 2:
            raise ShapeError(f"{self.place.path()}: input has shape {x.shape}, expected a batch")
        ndim, axis = x.ndim, self.axis % x.ndim
        if self.training:
            count = math.prod(x.shape) // self.input_size
            if count < 2:
                raise ShapeError(
                    f"{self.place.path()}: input has shape {x.shape}: the mean of one entry is the "
                    "entry; give a larger batch, or call eval()"
                )
            z, mean_, var = standardized(x, self._average, self.eps)
            self._keep(mean_.data.reshape(-1), var.data.reshape(-1) * (count / (count - 1)))
        else:
            mean_, var = (along_axis(v, axis, ndim) for v in (self.running_mean, self.running_var))
            z = _in_use(x, mean_, var, self.eps)
        g, b = (along_axis(v, axis, ndim) for v in (self.g, self.b))
        y: Tensor = scaled(z, g, b)
        return y

    def _keep(self, mean: np.ndarray, var: np.ndarray) -> None:
        """Take the mean and the variance of a batch into the running ones."""
        batches = self.batches.data + 1
        share = 1.0 / batches if self.momentum is None else self.momentum
        for name, new in (("running_mean", mean), ("running_var", var)):
            old = getattr(self, name).data
            self._set_buffer(name, (1.0 - share) * old + share * new)
        self._set_buffer("batches", batches)


def _in_use(x: Any, mean: Any, var: Any, eps: float) -> Any:
    """Return (x - mean) / √(var + eps) as signals, from running values."""
    away = x - mean
    z = away / sqrt(var + eps)
    away.name, z.name = "away", "z"
    return z
