"""Pooling layers: the largest entry, or the mean, of every window.

Knows the composites of the engine; nothing of graphs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ..engine.arguments import flag, one_of, optional, whole
from ..engine.functions import checked, pooling
from ..engine.primitives import reshape
from ..engine.symbol import Symbol, function
from ..engine.tensor import Tensor
from ..errors import ShapeError
from .card import layer_card
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    Sizes = int | Sequence[int]


class PoolOptions(TypedDict, total=False):
    """The keywords that `MaxPool` and `AveragePool` share; the former says what they do."""

    padding: int | str | Sequence[Any]
    ceil: bool
    axes: int | None
    name: str | None


class Pool(Module):
    """Base of the pooling layers: a function of every window along the last axes."""

    _word = ""
    padding: Any

    def __init__(
        self,
        width: Sizes,
        stride: Sizes | None = None,
        *,
        padding: int | str | Sequence[Any] = 0,
        ceil: bool = False,
        axes: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        who = type(self).__name__
        self.width = checked.wholes(f"{who}: width", width)
        self.stride = optional(checked.wholes, f"{who}: stride", stride)
        given = [self.width, self.stride, [] if isinstance(padding, str) else padding]
        lengths = [len(value) for value in given if isinstance(value, tuple | list)]
        several = max(lengths) if max(lengths) > 1 else None
        self.axes = optional(whole, f"{who}: axes", axes, 1, checked.MOST_AXES) or several
        count = self.axes or 1
        for option, value in (("width", self.width), ("stride", self.stride or 1)):
            pooling.for_axes(f"{who}: {option}", value, count, least=1)
        if isinstance(padding, str):
            one_of(f"{who}: padding", padding, ("same", "valid"))
        else:
            pooling.pairs(who, padding, count)
        self.padding = padding
        self.ceil = flag(f"{who}: ceil", ceil)

    def __str__(self) -> str:
        """Return its card: its equation."""
        windows = Symbol.of(function("windows"), lambda x: x, (Symbol("x"),))
        y = Symbol.of(function(self._word), lambda x: x, (windows,))
        y.name = "y"
        return layer_card(self, y)

    def _summary(self) -> str:
        stride = self.width if self.stride is None else self.stride
        wide, far = (" × ".join(map(str, value)) for value in (self.width, stride))
        return f"{super()._summary()}, windows of {wide}, stride {far}"

    def _pool(self, x: Tensor) -> Any:
        """Return the pooled windows of x (B, C, *sizes)."""
        raise NotImplementedError

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer to the last axes.

        Parameters
        ----------
        x : (..., *sizes)

        Returns
        -------
        y : (..., *sizes of y)

        Raises
        ------
        ShapeError
            If x is smaller than a window; the message says both.
        """
        x = x if isinstance(x, Tensor) else Tensor(x, name="x")
        n = x.ndim - 2 if self.axes is None else self.axes
        if not 1 <= n <= x.ndim:
            raise ShapeError(
                f"{self.place.path()}: input has shape {x.shape}, expected samples, features and "
                f"{n if self.axes else 'one or more'} axes to move along"
            )
        lead = x.shape[:-n]
        if len(lead) != 2:
            x = reshape(x, shape=(1, math.prod(lead), *x.shape[-n:]))
        y: Tensor = self._pool(x)
        if len(lead) != 2:
            y = reshape(y, shape=(*lead, *y.shape[2:]))
        y.name = "y"
        return y


class MaxPool(Pool):
    """The largest entry of every window; equal ones share the gradient evenly.

    M. Riesenhuber and T. Poggio, "Hierarchical models of object recognition in cortex", Nature
    Neuroscience 2(11), 1999.

    Parameters
    ----------
    width : int, or one for each axis
        The sizes of a window.
    stride : int, or one for each axis, optional
        Entries from window to window; the width if None.
    padding : int, one for each axis, pairs, "same" or "valid"
        How many entries are put around x, which are never the largest.
    dilation : int, or one for each axis
        Entries from entry to entry of a window.
    ceil : bool
        Whether a last window may reach beyond the padding.
    axes : int, optional
        Along how many of the last axes windows move. Else as many as there are widths; or, for one
        width, all but two: samples and features.
    name : str, optional

    Signals: the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> import numpy as np
    >>> MaxPool(2)(np.arange(12.0).reshape(1, 2, 6)).data.tolist()
    [[[1.0, 3.0, 5.0], [7.0, 9.0, 11.0]]]
    >>> print(MaxPool(2))
    maxpool: MaxPool, windows of 2, stride 2
      y = max(windows(x))
    0 parameters
    """

    _word = "max"

    def __init__(
        self,
        width: Sizes,
        stride: Sizes | None = None,
        *,
        dilation: Sizes = 1,
        **options: Unpack[PoolOptions],
    ) -> None:
        super().__init__(width, stride, **options)
        self.dilation = checked.wholes("MaxPool: dilation", dilation)
        pooling.for_axes("MaxPool: dilation", self.dilation, self.axes or 1, least=1)

    def _pool(self, x: Tensor) -> Any:
        options = self.dilation, self.ceil
        return pooling.max_pool(x, self.width, self.stride, self.padding, *options)


class AveragePool(Pool):
    """The mean of every window.

    Parameters
    ----------
    width, stride, padding, ceil, axes, name
        As in `MaxPool`; the padding is zeros.
    count_padding : bool
        Whether the zeros of the padding count as entries.

    Signals: the output ``y``.

    Examples
    --------
    >>> import numpy as np
    >>> AveragePool(2)(np.arange(6.0).reshape(1, 1, 6)).data.tolist()
    [[[0.5, 2.5, 4.5]]]
    """

    _word = "mean"

    def __init__(
        self,
        width: Sizes,
        stride: Sizes | None = None,
        *,
        count_padding: bool = False,
        **options: Unpack[PoolOptions],
    ) -> None:
        super().__init__(width, stride, **options)
        self.count_padding = flag("AveragePool: count_padding", count_padding)

    def _pool(self, x: Tensor) -> Any:
        options = 1, self.ceil, self.count_padding
        return pooling.average_pool(x, self.width, self.stride, self.padding, *options)
