"""The methods of a Tensor that are functions of it, by the names that NumPy and PyTorch give them.

Knows the table and the composites: every method hands the Tensor on to the function of its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, TypeVar

import numpy as np

from . import functions
from . import primitives as p
from .arrays import unpacked

Own = TypeVar("Own", bound="Methods")
_P = ParamSpec("_P")


def _method(function: Callable[Concatenate[Any, _P], Any]) -> Callable[Concatenate[Own, _P], Own]:
    """Return a function of arrays as a method of Tensors."""
    return function


class Methods:
    """The functions of a Tensor that are methods too: ``x.sum()`` is ``tg.sum(x)``."""

    __interpret__: ClassVar[Any]
    __slots__ = ()

    # --- reduced ---------------------------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> Self:
        """Return the sum along the axes (all if None)."""
        return p.sum(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Self:
        """Return the largest entry along the axes (all if None)."""
        return p.max(self, axis=axis, keepdims=keepdims)

    min, mean, prod = _method(functions.min), _method(functions.mean), _method(functions.prod)
    var, std = _method(functions.var), _method(functions.std)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return whether all entries along the axes are other than 0."""
        return _plain(np.all, self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return whether an entry along the axes is other than 0."""
        return _plain(np.any, self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Any:
        """Return the place of the largest entry along an axis."""
        return _plain(np.argmax, self, axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Return the place of the smallest entry along an axis."""
        return _plain(np.argmin, self, axis=axis)

    def argsort(self, axis: int | None = -1) -> Any:
        """Return the places of the entries along an axis, from the smallest to the largest."""
        return _plain(np.argsort, self, axis=axis)

    # --- along an axis, and in other places ------------------------------------------------------

    def cumsum(self, axis: int | None = None) -> Self:
        """Return the sums of the first entries along an axis (of all entries if None)."""
        return p.cumsum(self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Self:
        """Return the products of the first entries along an axis (of all entries if None)."""
        return _of(_later("cumprod"), self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Return each entry several times in a row."""
        return _of(_later("repeat"), self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None) -> Self:
        """Return the entries that indices name."""
        return _of(_later("take"), self, indices, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return the diagonals of the matrices along two axes."""
        return _of(_later("diagonal"), self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return the sums of the diagonals of the matrices along two axes."""
        return _of(_later("trace"), self, offset, axis1, axis2)

    # --- in another shape ------------------------------------------------------------------------

    @property
    def T(self) -> Self:
        """The transpose: the axes in reverse order."""
        return p.transpose(self)

    @property
    def mT(self) -> Self:
        """The matrices in the last two axes, transposed."""
        return _of(functions.matrix_transpose, self)

    def reshape(self, *shape: Any) -> Self:
        """Return the same entries in another shape."""
        return p.reshape(self, shape=unpacked(shape))

    def transpose(self, *axes: Any) -> Self:
        """Return the axes in another order (reversed if none is given)."""
        return p.transpose(self, axes=unpacked(axes)) if axes else p.transpose(self)

    swapaxes, squeeze = _method(functions.swapaxes), _method(functions.squeeze)
    ravel = _method(functions.ravel)
    flatten = ravel
    dot = _method(functions.dot)

    # --- entry by entry --------------------------------------------------------------------------

    def clip(self, min: Any = None, max: Any = None) -> Self:
        """Return the entries, those below ``min`` as ``min`` and those above ``max`` as ``max``."""
        return _of(_later("clip"), self, min, max)

    def round(self, decimals: int = 0) -> Self:
        """Return the nearest numbers of so many decimals; the slope is 0."""
        return _of(_later("round"), self, decimals)

    # fmt: off
    def exp(self) -> Self: return p.exp(self)
    def log(self) -> Self: return p.log(self)
    def log1p(self) -> Self: return p.log1p(self)
    def sqrt(self) -> Self: return p.sqrt(self)
    def abs(self) -> Self: return p.abs(self)
    def sign(self) -> Self: return p.sign(self)
    def sin(self) -> Self: return p.sin(self)
    def cos(self) -> Self: return p.cos(self)
    def tanh(self) -> Self: return p.tanh(self)
    def sigmoid(self) -> Self: return p.sigmoid(self)
    def relu(self) -> Self: return p.relu(self)
    def conj(self) -> Self: return self
    # fmt: on
    square = _method(functions.square)

    @property
    def real(self) -> Self:
        """The Tensor itself, which is real."""
        return self


def _of(function: Callable[..., Any], x: Own, *args: Any) -> Own:
    """Return the result of a composite on a Tensor, which is a Tensor."""
    result: Own = function(x, *args)
    return result


def _later(name: str) -> Any:
    """Return a composite that is loaded when it is first asked for."""
    return getattr(functions, name)


def _plain(function: Any, *args: Any, **options: Any) -> Any:
    """Return the result of one of NumPy's functions that carries no gradient."""
    return function(*args, **options)
