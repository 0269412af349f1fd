"""Initial values of parameters, from a seed.

Knows NumPy's generators and nothing of Tensors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..engine.arguments import MOST as MOST
from ..engine.arguments import excerpt, float_type, number, whole
from ..engine.arguments import generator as generator
from ..errors import ArgumentError, UsageError

__all__ = ["glorot", "normal", "orthogonal", "uniform"]

if TYPE_CHECKING:  # NumPy loads its generators only when asked for one
    Seed: TypeAlias = int | np.random.Generator | None


def uniform(
    shape: tuple[int, ...], bound: float, seed: Seed = None, dtype: Any = float
) -> np.ndarray:
    """Return numbers drawn evenly from (-bound, bound)."""
    sizes, kind = _sizes("uniform", shape), float_type("uniform", dtype)
    bound = number("uniform: bound", bound, 0.0)
    return generator(seed).uniform(-bound, bound, sizes).astype(kind)


def normal(
    shape: tuple[int, ...], deviation: float, seed: Seed = None, dtype: Any = float
) -> np.ndarray:
    """Return numbers drawn normally with mean 0 and a standard deviation."""
    sizes, kind = _sizes("normal", shape), float_type("normal", dtype)
    return (
        generator(seed).normal(0.0, number("normal: deviation", deviation, 0.0), sizes).astype(kind)
    )


def glorot(shape: tuple[int, int], seed: Seed = None, dtype: Any = float) -> np.ndarray:
    """Return an (in, out) matrix drawn evenly, its bound sqrt(6 / (in + out)).

    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, eq. 16.
    """
    rows, columns = _sizes("glorot", shape, 2)
    return uniform((rows, columns), float(np.sqrt(6.0 / (rows + columns))), seed, dtype)


def orthogonal(shape: int | tuple[int, int], seed: Seed = None, dtype: Any = float) -> np.ndarray:
    """Return a random orthogonal (size, size) matrix, or rows and columns cut from one.

    A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks", ICLR 2014.
    """
    kind = float_type("orthogonal", dtype)
    square = isinstance(shape, int | np.integer)
    rows, columns = _sizes("orthogonal", (shape, shape) if square else shape, 2)
    size = max(rows, columns)
    q, r = np.linalg.qr(generator(seed).normal(size=(size, size)))
    return (q * np.sign(np.diag(r)))[:rows, :columns].astype(kind)


def _sizes(who: str, shape: Any, count: int | None = None) -> tuple[int, ...]:
    """Return a shape, of so many axes if it is said how many."""
    given = shape if isinstance(shape, tuple | list) else (shape,)
    least = 0 if count is None else 1
    sizes = tuple([whole(f"{who}: a size", number, least, MOST) for number in given])
    if count is not None and len(sizes) != count:
        raise UsageError(f"{who}: found shape {excerpt(shape)}, expected {count} sizes")
    if math.prod(sizes) >= MOST:
        raise ArgumentError(f"{who}: found shape {sizes}, expected fewer than {MOST} entries")
    return sizes


def __dir__() -> list[str]:
    return sorted(__all__)
