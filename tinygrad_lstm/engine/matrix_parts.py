"""What the rules of functions of matrices are made of, and the matrices on which they are tried.

Knows arrays, the table and Symbols; loaded with `matrices`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from .arrays import plain
from .numerics import Array
from .primitive import Sample
from .primitives import sum, where
from .samples import real
from .symbol import Notation, Symbol, function

# --- samples ------------------------------------------------------------------------------------


def regular(shape: tuple[int, ...], position: int = 0) -> np.ndarray:
    """Return matrices whose eigenvalues and singular values are apart from 0 and one another."""
    entries = 0.3 * real(int(np.prod(shape)), position).reshape(shape)
    along = np.arange(min(shape[-2:]))
    entries[..., along, along] += 1.0 + along
    return np.asarray(entries)


def matrices(*shapes: tuple[int, ...], symmetric: bool = False) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        xs = [regular(shape) for shape in shapes]
        return [((even(x) if symmetric else x,), {}) for x in xs]

    return samples


def systems() -> list[Sample]:
    shapes = [((3, 3), (3, 2)), ((2, 3, 3), (3, 1)), ((2, 2), (3, 2, 2)), ((3, 1, 2, 2), (2, 2, 1))]
    return [((regular(a), real(int(np.prod(b)), 1).reshape(b)), {}) for a, b in shapes]


def singular() -> list[Sample]:
    singular = np.array([[1.0, 2.0, 0.5], [2.0, 4.0, 1.0], [0.3, -1.0, 0.7]])
    return [*matrices((3, 3), (2, 2, 2), (1, 1))(), ((singular,), {})]


SQUARE = matrices((3, 3), (2, 2, 2), (1, 1))
SYMMETRIC = matrices((3, 3), (2, 2, 2), (1, 1), symmetric=True)
RECTANGULAR = matrices((3, 3), (3, 2), (2, 4), (2, 3, 2))

# --- what the rules are made of -----------------------------------------------------------------


def symbolic(notation: Notation) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Return a decorator: of Symbols, a function of arrays and Tensors is written by its name."""

    def decorate(compute: Callable[..., Array]) -> Callable[..., Array]:
        @wraps(compute)
        def either(*xs: Array) -> Array:
            if any(isinstance(x, Symbol) for x in xs):
                return Symbol.of(notation, compute, xs)
            return compute(*xs)

        return either

    return decorate


def turned(x: Array) -> Array:
    """Return each matrix transposed."""
    return x.swapaxes(-1, -2)


def even(x: Array) -> Array:
    """Return the symmetric part of each matrix."""
    return 0.5 * (x + turned(x))


@symbolic(Notation("I", "I", code="np.eye(np.shape({0})[-1]{typed})"))
def identity(x: Array) -> Array:
    return np.eye(x.shape[-1], dtype=x.dtype)


@symbolic(function("diag", code="np.apply_along_axis(np.diag, -1, {0})"))
def diagonal(v: Array) -> Array:
    """Return the matrix with a vector on its diagonal."""
    return v[..., None, :] * identity(v)


def of_diagonal(x: Array) -> Array:
    """Return the diagonal of each square matrix, as a row."""
    return sum(x * identity(x), axis=-1)[..., None, :]


@symbolic(function("Φ", r"\Phi"))
def lower(x: Array) -> Array:
    """Return the lower triangle of each matrix, with half of its diagonal."""
    return x * np.asarray(np.tril(np.ones(x.shape[-2:])) - 0.5 * np.eye(x.shape[-1]), x.dtype)


@symbolic(function("F"))
def gaps(v: Array) -> Array:
    """Return 1 / (v_j - v_i) in row i and column j, 0 on the diagonal; nan where both are equal.

    Two that differ by no more than rounding are equal: what then comes back would be noise.
    """
    away, eye = v[..., None, :] - v[..., :, None], identity(v)
    apart, size = (np.abs(plain(x)) for x in (away, v))
    least = np.max(size, -1, initial=0.0)[..., None, None] * np.finfo(v.dtype).eps * v.shape[-1]
    is_equal = (apart <= least) & (eye == 0)
    return (1 - eye) / where(is_equal, np.asarray(np.nan, v.dtype), away + eye)


def symmetric(x: np.ndarray) -> np.ndarray:
    """Return the symmetric part of matrices that are symmetric, but for a little.

    Such functions read one triangle in NumPy. Here both count alike, so that the cotangent is
    symmetric, as in a derivation; of what is not symmetric the two would be something else.
    """
    off = np.max(np.abs(x - turned(x)), initial=0.0) if x.shape[-1:] == x.shape[-2:-1] else 0.0
    if off > 0.01 * np.max(np.abs(x), initial=0.0):
        raise np.linalg.LinAlgError(
            f"entries differ from their mirror images by up to {off:.3g}; expected a symmetric "
            "matrix, such as (x + x.T) / 2"
        )
    return np.asarray(even(x), x.dtype) if off or x.ndim < 2 else x
