"""Norms of vectors and matrices, of any order.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike. The gradient of a norm at 0 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ..arguments import excerpt
from ..kinds import reduced_shape
from ..numerics import Array
from ..primitives import abs, finite, max, reshape, sign, stop_gradient, sum
from ..primitives import norm as euclidean
from . import checked
from .checked import Axis
from .reductions import min
from .shapes import moveaxis


def vector_norm(x: Array, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """Return the norm of the entries along the axes (all if None): (Σ |x|^ord)^(1/ord).

    ``ord`` may be inf (the largest |x|), -inf (the smallest), 0 (how many are not 0).
    """
    x, axis = checked.floats_along("vector_norm", x, axis)
    if not isinstance(ord, int | float | np.number) or isinstance(ord, bool):
        raise ArgumentError(f"norm: found ord={excerpt(ord)} of a vector, expected a number or inf")
    if ord == 2:
        return euclidean(x, axis=axis, keepdims=keepdims)
    size = abs(x)
    if ord == 1:
        return sum(size, axis=axis, keepdims=keepdims)
    if ord == np.inf:
        return max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return min(size, axis, keepdims)
    if ord == 0:
        return sum(sign(size), axis=axis, keepdims=keepdims)
    # divided by the entry of the largest power, if that is finite, so that no power overflows;
    # nothing depends on the divisor
    largest = max(size, axis=axis, keepdims=True) if ord > 0 else min(size, axis, True)
    unit = stop_gradient(finite(largest, math.nan, 1.0, 1.0))
    is_zero = 1.0 - sign(unit)
    powers = sum((size / (unit + is_zero)) ** float(ord), axis=axis, keepdims=True)
    y = unit * (powers + is_zero) ** (1.0 / float(ord))
    return y if keepdims else reshape(y, shape=np.empty(x.shape, bool).any(axis=axis).shape)


def matrix_norm(x: Array, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Return the norm of the matrices in the last two axes.

    ``ord`` is ``fro``, or 1, -1, inf or -inf of the sums of |x| along columns or rows, or 2, -2 or
    ``nuc`` of the singular values.
    """
    return norm(x, ord, (-2, -1), keepdims)


def norm(x: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return NumPy's ``linalg.norm``: of vectors along one axis, of matrices along two.

    Raises
    ------
    ArgumentError
        If the order is none of these: of a matrix ``fro``, ``nuc``, 1, -1, 2, -2, inf, -inf.
    """
    x, axis = checked.floats_along("norm", x, axis)
    if ord is None:
        return euclidean(x, axis=axis, keepdims=keepdims)
    if not isinstance(ord, str | int | float | np.number):
        raise _unknown(ord)
    axes = checked.several(x, axis)
    if len(axes) == 1:
        return vector_norm(x, axes[0], keepdims, ord)
    if len(axes) != 2:
        raise ShapeError(
            f"norm: found ord={excerpt(ord)} for {len(axes)} axes of shape {x.shape}, expected one "
            "axis (of vectors) or two (of matrices)"
        )
    if ord == "fro":
        return euclidean(x, axis=axes, keepdims=keepdims)
    rows, columns = axes
    if ord in ("nuc", 2, -2):
        from ..linalg import svdvals  # seldom asked for

        values = svdvals(moveaxis(x, axes, (-2, -1)))
        reduced: dict[Any, Callable[..., Array]] = {"nuc": sum, 2: max, -2: min}
        y = reduced[ord](values, axis=-1)
        return reshape(y, shape=reduced_shape(x.shape, axes)) if keepdims else y
    along = {1: rows, -1: rows, np.inf: columns, -np.inf: columns}.get(ord)  # type: ignore[arg-type]
    if along is None or isinstance(ord, str):
        raise _unknown(ord)
    sums = sum(abs(x), axis=along, keepdims=True)
    other = rows + columns - along
    y = max(sums, axis=other, keepdims=True) if ord > 0 else min(sums, other, True)
    if keepdims:
        return y
    return reshape(y, shape=tuple([n for k, n in enumerate(x.shape) if k not in axes]))


def _unknown(ord: Any) -> ArgumentError:
    return ArgumentError(
        f"norm: ord={excerpt(ord)} of a matrix is not provided on a Tensor; there is 'fro', "
        "'nuc', 1, -1, 2, -2, inf and -inf"
    )


NUMPY = {
    "linalg.norm": norm, "linalg.vector_norm": vector_norm, "linalg.matrix_norm": matrix_norm,
}  # fmt: skip
