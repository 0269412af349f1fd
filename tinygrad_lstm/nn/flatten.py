"""Flatten: all features of a sample in one row, as a dense layer takes them.

Knows Tensors; nothing of graphs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..engine.arguments import whole
from ..engine.functions import checked
from ..engine.primitives import reshape
from ..engine.tensor import Tensor
from ..errors import ShapeError
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Flatten(Module):
    """All axes of a sample as one, between a convolution and a dense layer.

    Parameters
    ----------
    start : int
        The first of the axes that become one.
    name : str, optional

    Signals: the output ``y``.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.ones((5, 2, 3, 4))).shape
    (5, 24)
    """

    def __init__(self, start: int = 1, *, name: str | None = None) -> None:
        super().__init__(name)
        self.start = whole("Flatten: start", start, 0, checked.MOST_AXES)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        """Apply the layer.

        Parameters
        ----------
        x : (..., *sizes)

        Returns
        -------
        y : (..., product of the sizes)

        Raises
        ------
        ShapeError
            If x has no such axis.
        """
        x = x if isinstance(x, Tensor) else Tensor(x, name="x")
        if x.ndim <= self.start:
            raise ShapeError(
                f"{self.place.path()}: input has shape {x.shape}, expected more than {self.start} "
                "axes"
            )
        lead = x.shape[: self.start]
        y: Tensor = reshape(x, shape=(*lead, math.prod(x.shape[self.start :])))
        y.name = "y"
        return y
