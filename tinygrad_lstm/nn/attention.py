"""Attention: queries that look at keys, through one head or several.

Knows the composites of the engine; nothing of graphs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.arguments import as_array, flag, number
from ..engine.functions import matrix_transpose, softmax
from ..engine.functions.attentions import attention_weights
from ..engine.primitives import reshape, transpose, where
from ..engine.symbol import TRANSPOSE, Symbol, function
from ..engine.tensor import Tensor, constant
from ..errors import ArgumentError, ShapeError
from . import init
from .card import layer_card
from .inputs import bias_of, input_tensor, sequence_lengths, size
from .layers import Dropout
from .module import Module

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

_AXES = ("(T, in) or (T, B, in)", "(T, in) or (B, T, in)")  # of x; the latter with batch_first


class Attention(Module):
    """Multi-head attention of queries from one sequence to keys and values from another one.

        Q = x W_q + b_q      K = keys W_k + b_k      V = values W_v + b_v
        s = Q Kᵀ / √d        a = softmax(s)          h = a V               in every head
        y = h W_o + b_o                              of the heads side by side

    Without keys the sequence looks at itself.

    A. Vaswani et al., "Attention is all you need", NeurIPS 2017, eq. 1 and section 3.2.2.

    Parameters
    ----------
    input_size : int
        Features of x, and of y.
    heads : int
        Each has an equal share of the columns of W_q, W_k and W_v.
    head_size : int, optional
        d, the width of a head; input_size / heads if None.
    key_size, value_size : int, optional
        Features of the keys and of the values; input_size if None.
    causal : bool
        Whether step t sees the keys of steps 0 to t alone.
    dropout : float in [0, 1)
        Rate at which entries of ``a`` are dropped in training.
    batch_first : bool
        Batches are (B, T, in), not (T, B, in).
    bias : bool
        Whether there are biases; else all of them are None.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values (Glorot and Bengio 2010; biases
        are 0) and of dropout.

    Attributes
    ----------
    W_q : (in, heads · d)
    W_k : (key_size, heads · d)
    W_v : (value_size, heads · d)
    W_o : (heads · d, in)
    b_q, b_k, b_v : (heads · d,)
    b_o : (in,)

    Signals: ``Q``, ``K``, ``V``; the scores ``s`` and the weights ``a``, (B, heads, T, S); the
    heads' outputs ``h``, (B, heads, T, d); the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> print(Attention(8, heads=2, causal=True))
    attention: Attention, 8 features, 2 heads of 4, causal
      Q = x W_q + b_q
      K = keys W_k + b_k
      V = values W_v + b_v
      s = Q Kᵀ / 2
      a = softmax(s)
      h = a V
      y = h W_o + b_o
    W_q (8, 8), W_k (8, 8), W_v (8, 8), W_o (8, 8), b_q (8,), b_k (8,), b_v (8,), b_o (8,)
    A sequence is a row, weights are (in, out), heads side by side
    288 parameters
    >>> Attention(8, heads=2, seed=0)(np.ones((5, 3, 8)), lengths=[5, 2, 4]).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        input_size: int,
        heads: int = 1,
        *,
        head_size: int | None = None,
        key_size: int | None = None,
        value_size: int | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        batch_first: bool = False,
        bias: bool = True,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(name)
        self.input_size = size("Attention: input_size", input_size)
        self.heads = size("Attention: heads", heads)
        if head_size is None and self.input_size % self.heads:
            raise ArgumentError(
                f"Attention: found {self.heads} heads for {self.input_size} features; expected a "
                "number that divides them, or say head_size="
            )
        given = self.input_size // self.heads if head_size is None else head_size
        self.head_size = size("Attention: head_size", given)
        self.key_size, self.value_size = (
            size(f"Attention: {option}", self.input_size if width is None else width)
            for option, width in (("key_size", key_size), ("value_size", value_size))
        )
        self.causal = flag("Attention: causal", causal)
        self.batch_first = flag("Attention: batch_first", batch_first)
        random, inside = init.generator(seed), self.heads * self.head_size
        sizes = {
            "q": (self.input_size, inside), "k": (self.key_size, inside),
            "v": (self.value_size, inside), "o": (inside, self.input_size),
        }  # fmt: skip
        for letter, shape in sizes.items():
            W = Tensor(init.glorot(shape, random), requires_grad=True, dtype=dtype)
            setattr(self, f"W_{letter}", W)
        for letter, (_, width) in sizes.items():
            setattr(self, f"b_{letter}", bias_of((width,), bias, "Attention", dtype))
        rate = number("Attention: dropout", dropout, 0.0, 1.0)
        self.dropout = Dropout(rate, seed=random) if rate else None

    if TYPE_CHECKING:
        W_q: Tensor
        W_k: Tensor
        W_v: Tensor
        W_o: Tensor
        b_q: Tensor
        b_k: Tensor
        b_v: Tensor
        b_o: Tensor

    def __str__(self) -> str:
        """Return its card: equations, shapes, number of parameters."""
        p: Any = _Symbols()
        for letter in "qkvo":
            biased = getattr(self, f"b_{letter}") is not None
            setattr(p, f"W_{letter}", Symbol(f"W_{letter}"))
            setattr(p, f"b_{letter}", Symbol(f"b_{letter}") if biased else None)
        x, keys, values = (Symbol(name) for name in ("x", "keys", "values"))
        y = self._equations(p, x, keys, values, _itself, _itself, _softmax, self.head_size)
        biases = "" if self.b_q is not None else "; no bias"
        order = "A sequence is a row, weights are (in, out), heads side by side"
        return layer_card(self, y, order + biases)

    def _summary(self) -> str:
        heads = f"{self.heads} head{'s' * (self.heads > 1)} of {self.head_size}"
        causal = ", causal" if self.causal else ""
        return f"{super()._summary()}, {self.input_size} features, {heads}{causal}"

    @staticmethod
    def _equations(
        p: Any, x: Any, keys: Any, values: Any, split: Any, join: Any, weigh: Any, d: int
    ) -> Any:
        """Return the output from the inputs: on Tensors, and on Symbols for the card."""
        Q, K, V = (
            _sum(u @ W, b) for u, W, b in ((x, p.W_q, p.b_q), (keys, p.W_k, p.b_k),
                                           (values, p.W_v, p.b_v))
        )  # fmt: skip
        Q.name, K.name, V.name = "Q", "K", "V"
        s = (split(Q) @ _turned(split(K))) / math.sqrt(d)
        a = weigh(s)
        h = a @ split(V)
        s.name, h.name = "s", "h"
        y = _sum(join(h) @ p.W_o, p.b_o)
        y.name = "y"
        return y

    def forward(
        self,
        x: Tensor | ArrayLike,
        keys: Tensor | ArrayLike | None = None,
        values: Tensor | ArrayLike | None = None,
        *,
        mask: Any = None,
        lengths: ArrayLike | None = None,
    ) -> Tensor:
        """Let each step of x look at the keys.

        Parameters
        ----------
        x : (T, in) or (T, B, in); (B, T, in) with ``batch_first``
        keys : (S, key_size) or (S, B, key_size), optional
            x if None.
        values : (S, value_size) or (S, B, value_size), optional
            The keys if None.
        mask : (T, S), (B, T, S), (B, heads, T, S), or what broadcasts to that, optional
            Truth values: whether a step sees a key. Or numbers, which are added to the scores.
        lengths : (B,) of integers, optional
            How many keys each sequence has. The keys after them are padding, which no step sees. If
            the sequence looks at itself, its outputs there are 0.

        Returns
        -------
        y : (T, in) or (T, B, in); (B, T, in) with ``batch_first``

        Raises
        ------
        ShapeError, DTypeError, UsageError, ArgumentError
            If an input, the mask or the lengths do not fit; the message names the layer, what was
            found and what was expected.
        """
        axes, own = _AXES[self.batch_first], keys is None
        x = input_tensor(self.place, x, self.W_q, ranks=(2, 3), axes=axes)
        keys = x if keys is None else keys
        values = keys if values is None else values
        keys = input_tensor(self.place, keys, self.W_k, ranks=(2, 3), axes=axes)
        values = input_tensor(self.place, values, self.W_v, ranks=(2, 3), axes=axes)
        time = 1 if self.batch_first and x.ndim == 3 else 0
        batch, steps = (x.shape[1 - time : 2 - time] if x.ndim == 3 else ()), keys.shape[time]
        expected = [steps, *batch] if time == 0 else [*batch, steps]
        if x.ndim != keys.ndim or not tuple(expected) == keys.shape[:-1] == values.shape[:-1]:
            raise ShapeError(
                f"{self.place.path()}: found x {x.shape}, keys {keys.shape} and values "
                f"{values.shape}; expected as many keys as values, and one batch"
            )
        sees, alive = self._mask(mask, batch), None
        if lengths is not None:
            ends = sequence_lengths(self.place.path(), lengths, steps, batch)
            alive = np.arange(steps) < ends[:, None]  # (B, S)
            mask = alive[:, None, None, :]
            sees = mask if sees is None else where(mask, sees, _HIDDEN[sees.dtype.kind == "b"])
        y: Tensor = self._equations(
            self, x, keys, values, self._split, self._join, self._weigher(sees), self.head_size
        )
        if own and alive is not None and not alive.all():
            inside = (alive if time else alive.T)[..., None]
            y = where(constant(inside, name="alive"), y, 0.0)
            y.name = "y_padded"
        return y

    def _mask(self, mask: Any, batch: tuple[int, ...]) -> Any:
        """Return a caller's mask with an axis for the heads, so that it broadcasts to scores."""
        if mask is None:
            return None
        if not hasattr(mask, "__interpret__"):
            mask = as_array(f"{self.place.path()}: the mask", mask)
        return mask[:, None] if batch and mask.ndim == 3 else mask

    def _weigher(self, sees: Any) -> Any:
        """Return the function from scores (..., T, S) to weights."""

        def weigh(s: Any) -> Any:
            a: Any = attention_weights(s, sees, self.causal)
            a.name = "a"
            return a if self.dropout is None else self.dropout(a)

        return weigh

    def _split(self, x: Any) -> Any:
        """Return (T, heads · d) as (heads, T, d), and a batch as (B, heads, T, d)."""
        x = reshape(x, shape=(*x.shape[:-1], self.heads, self.head_size))
        return transpose(x, axes=_ORDERS[x.ndim - 3 and 1 + self.batch_first])

    def _join(self, h: Any) -> Any:
        """Return the heads side by side: the inverse of `_split`."""
        order = _ORDERS[h.ndim - 3 and 1 + self.batch_first]
        h = transpose(h, axes=tuple(sorted(range(h.ndim), key=order.__getitem__)))
        return reshape(h, shape=(*h.shape[:-2], self.heads * self.head_size))


# from (…, heads, d) to (…, heads, T, d): of one sequence, (T, B, …), (B, T, …)
_ORDERS = ((1, 0, 2), (1, 2, 0, 3), (0, 2, 1, 3))
_HIDDEN = (-np.inf, False)  # what hides a key: in a mask of numbers, and of truth values


class _Symbols:
    """The names of the parameters."""


def _sum(x: Any, b: Any) -> Any:
    return x if b is None else x + b


def _itself(x: Any) -> Any:
    return x


def _turned(K: Any) -> Any:
    if isinstance(K, Symbol):
        return Symbol.of(TRANSPOSE, _last_two_turned, (K,))
    return matrix_transpose(K)


def _last_two_turned(K: np.ndarray) -> np.ndarray:
    return np.swapaxes(K, -1, -2)


def _softmax(s: Symbol) -> Symbol:
    a = Symbol.of(function("softmax"), softmax, (s,))
    a.name = "a"
    return a
