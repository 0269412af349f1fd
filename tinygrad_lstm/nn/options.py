"""What layers are given, checked: sizes, rates, flags, functions by name, inputs and lengths.

Knows Tensors and the table; no layer. Whatever is refused is refused before anything changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.arguments import as_array, told, whole
from ..engine.arguments import flag as checked_flag
from ..engine.arguments import number as checked_number
from ..engine.kind import Kind
from ..engine.place import Place
from ..engine.primitives import TABLE, reshape, sigmoid
from ..engine.symbol import Symbol
from ..engine.symbol import function as notation
from ..engine.tensor import Tensor, constant
from ..errors import ArgumentError, DTypeError, ShapeError, UsageError, nearest
from .init import MOST


def checked_size(what: str, size: Any, least: int = 1) -> int:
    """Return a size if it is a whole number, and large enough."""
    return whole(what, size, least, MOST)


def is_gers(truncate: Any) -> bool:
    """Return whether a truncation is the one that Gers' equations make."""
    return isinstance(truncate, str) and truncate == "gers"


# --- functions by name --------------------------------------------------------------------------


def identity(x: Any) -> Any:
    """Return x, as a signal of its own."""
    return reshape(x, shape=x.shape)


def two_sigmoid(x: Any) -> Any:
    """Return 2σ(x) - 1, in (-1, 1): Gers' h."""
    return 2.0 * sigmoid(x) - 1.0


def four_sigmoid(x: Any) -> Any:
    """Return 4σ(x) - 2, in (-2, 2): Gers' g."""
    return 4.0 * sigmoid(x) - 2.0


NAMED: dict[str, Callable[[Any], Any]] = {
    name: each for name, each in TABLE.items() if each.kind is Kind.ELEMENTWISE and each.arity == 1
} | {"identity": identity, "2σ-1": two_sigmoid, "4σ-2": four_sigmoid}


def activation(who: str, given: Any) -> Callable[[Any], Any]:
    """Return a function, or the one of a name: a primitive's, ``identity``, ``2σ-1``, ``4σ-2``.

    ``σ`` may be written ``sigmoid``.

    Raises
    ------
    UsageError
        If it is neither; the message lists the nearest names.
    """
    if callable(given) and not isinstance(given, str):
        return given
    name = given.replace("sigmoid-", "σ-").replace(" ", "") if isinstance(given, str) else given
    if not isinstance(name, str) or name not in NAMED:
        raise UsageError(
            f"{who}: there is no activation {told(given)}; {nearest(told(given), NAMED)}"
        )
    return NAMED[name]


def squashing(who: str, given: Any) -> Callable[[Any], Any]:
    """Return an activation that has been seen to squash entry by entry, on the tape."""
    function = activation(who, given)
    at = constant(np.array([0.5, -0.5]))
    try:
        result = function(at)
    except Exception as error:  # of the caller's function, which may raise anything
        raise UsageError(
            f"{who}: the function fails on a Tensor of shape {at.shape}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(result, Tensor) or result.shape != at.shape:
        found = f"shape {result.shape}" if isinstance(result, Tensor) else type(result).__name__
        raise UsageError(
            f"{who}: the function returned {found} for a Tensor of shape {at.shape}; "
            "expected a Tensor of equal shape, made from its argument"
        )
    return spelled(function)


def spelled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that can be written down."""
    return function if function in NAMED.values() else Spelled(function)


class Spelled:
    """A caller's function that can be written down: on a Symbol, it is its name."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", "<lambda>").strip("<>")

    def __call__(self, x: Any) -> Any:
        """Return f(x)."""
        if isinstance(x, Symbol):
            return Symbol.of(notation(self.name), self.function, (x,))
        return self.function(x)


# --- inputs -------------------------------------------------------------------------------------


def fitting(
    place: Place, x: Any, W: Tensor, ranks: tuple[int, ...] = (), axes: str = "(..., in)"
) -> Tensor:
    """Return an input as a Tensor if it fits the weights W (in, out) of the layer at a place."""
    if not isinstance(x, Tensor):
        x = Tensor(x, name="x", dtype=None if isinstance(x, np.ndarray | np.generic) else W.dtype)
    data, weights, who = x._array, W._array, place.path
    shape, features = data.shape, len(weights)
    if not shape or (ranks and len(shape) not in ranks):
        raise ShapeError(f"{who()}: input has shape {shape}, expected {axes}")
    if shape[-1] != features:
        raise ShapeError(
            f"{who()}: input has {shape[-1]} features, weights take {features} "
            f"(shapes {shape} and {W.shape})"
        )
    if 0 in shape:
        raise ShapeError(
            f"{who()}: input has shape {shape}: nothing to compute on, expected {axes}"
        )
    if data.dtype != weights.dtype:
        raise DTypeError(
            f"{who()}: input is {x.dtype}, the layer {W.dtype}; convert the data with "
            f".astype({str(W.dtype)!r}) or make the layer with dtype={str(x.dtype)!r}"
        )
    return x


def fitting_lengths(place: Place, lengths: Any, T: int, batch: tuple[int, ...]) -> np.ndarray:
    """Return the lengths of the sequences of a batch, each from 1 to T.

    Returns
    -------
    lengths : (B,) of integers

    Raises
    ------
    UsageError, ShapeError, ArgumentError
        If there is no batch, if they are no whole numbers, one for each sequence, or out of range.
    """
    who = place.path()
    if not batch:
        raise UsageError(
            f"{who}: lengths are for a batch of sequences, and the input is one; leave them out"
        )
    found = as_array(f"{who}: lengths", lengths._array if isinstance(lengths, Tensor) else lengths)
    if found.dtype.kind not in "iu":
        raise UsageError(f"{who}: lengths are of type {found.dtype}, expected whole numbers")
    if found.shape != batch:
        raise ShapeError(
            f"{who}: lengths have shape {found.shape}, expected {batch}: one for each sequence"
        )
    outside = found[(found < 1) | (found > T)]
    if outside.size:
        raise ArgumentError(f"{who}: found length {outside[0]}, expected 1 to {T} steps")
    return found


__all__ = [
    "activation", "checked_flag", "checked_number", "checked_size", "fitting", "fitting_lengths",
    "identity", "is_gers", "spelled", "squashing",
]  # fmt: skip
