"""Embedding: a vector for each token, looked up by its number.

Knows the composites of the engine; nothing of graphs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..engine.arguments import optional, whole
from ..engine.functions import choices
from ..engine.primitives import gather, stop_gradient, where
from ..engine.symbol import ATOM, Notation, Symbol
from ..engine.tensor import Tensor
from ..engine.whole_numbers import WholeNumbers, stay_argument, take_rows
from . import init
from .card import layer_card
from .inputs import size
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


ROWS = Notation("{0}[{1}]", "{0}[{1}]", ATOM, (ATOM,))


class Embedding(Module):
    """A vector for each token: y = E[index], the row of the table E that the token names.

    Y. Bengio, R. Ducharme, P. Vincent and C. Jauvin, "A neural probabilistic language model",
    Journal of Machine Learning Research 3, 2003.

    Parameters
    ----------
    count : int
        Tokens, which are the numbers from 0 to count - 1.
    output_size : int
        Entries of a vector.
    padding : int, optional
        A token whose vector begins as 0 and is not trained.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values (normal, of variance 1).

    Attributes
    ----------
    E : (count, out)

    Signals: the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> embedding = Embedding(10, 3, seed=0)
    >>> embedding([[1, 2], [4, 1]]).shape
    (2, 2, 3)
    >>> print(embedding)
    embedding: Embedding, 10 tokens to 3 features
      y = E[index]
    E (10, 3)
    A row for each token
    30 parameters
    """

    def __init__(
        self,
        count: int,
        output_size: int,
        *,
        padding: int | None = None,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(name)
        self.count = size("Embedding: count", count)
        self.output_size = size("Embedding: output_size", output_size)
        self.padding = optional(whole, "Embedding: padding", padding, 0, self.count)
        E = init.normal((self.count, self.output_size), 1.0, seed)
        if self.padding is not None:
            E[self.padding] = 0.0
        self.E = Tensor(E, requires_grad=True, dtype=dtype)

    def __str__(self) -> str:
        """Return its card: its equation, shape, number of parameters."""
        y = Symbol.of(ROWS, lambda E, index: E[index], (Symbol("E"), Symbol("index")))
        y.name = "y"
        return layer_card(self, y, "A row for each token")

    def _summary(self) -> str:
        text = f"{super()._summary()}, {self.count} tokens to {self.output_size} features"
        return text if self.padding is None else f"{text}, padding {self.padding}"

    def forward(self, index: ArrayLike) -> Tensor:
        """Look up the vectors of tokens.

        Parameters
        ----------
        index : (...) of integers

        Returns
        -------
        y : (..., out)

        Raises
        ------
        DTypeError, OutOfRangeError
            If an index is no whole number or out of range; the message names the layer.
        """
        y: Any
        if stay_argument(index, self.count):
            is_padding = (np.arange(self.count) == self.padding)[:, None]
            E = self.E if self.padding is None else where(is_padding, stop_gradient(self.E), self.E)
            y = take_rows(E, cast(WholeNumbers, index))
        else:
            places = choices.numbers_below(self.place.path(), index, self.count)
            y = gather(self.E, index=places)
            if self.padding is not None:
                y = where((places == self.padding)[..., None], stop_gradient(y), y)
        y.name = "y"
        tensor: Tensor = y
        return tensor
