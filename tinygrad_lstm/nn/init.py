"""Initial values of parameters, from a seed.

Knows NumPy's generators and nothing of Tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import UsageError

if TYPE_CHECKING:  # NumPy loads its generators only when asked for one
    Seed: TypeAlias = int | np.random.Generator | None


def generator(seed: Seed) -> np.random.Generator:
    """Return the generator that a seed stands for; a generator stands for itself.

    Raises
    ------
    UsageError
        If the seed is neither a whole number, a generator nor None.
    """
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise UsageError(
            f"seed: found {seed!r}, expected a whole number, a Generator or None"
        ) from None


def uniform(
    shape: tuple[int, ...], bound: float, seed: Seed = None, dtype: Any = float
) -> np.ndarray:
    """Return numbers drawn evenly from (-bound, bound)."""
    return generator(seed).uniform(-bound, bound, shape).astype(dtype)


def normal(
    shape: tuple[int, ...], deviation: float, seed: Seed = None, dtype: Any = float
) -> np.ndarray:
    """Return numbers drawn normally with mean 0 and a standard deviation."""
    return generator(seed).normal(0.0, deviation, shape).astype(dtype)


def glorot(shape: tuple[int, int], seed: Seed = None, dtype: Any = float) -> np.ndarray:
    """Return an (in, out) matrix drawn evenly, its bound sqrt(6 / (in + out)).

    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, eq. 16.
    """
    return uniform(shape, float(np.sqrt(6.0 / (shape[0] + shape[1]))), seed, dtype)


def orthogonal(shape: int | tuple[int, int], seed: Seed = None, dtype: Any = float) -> np.ndarray:
    """Return a random orthogonal (size, size) matrix, or rows and columns cut from one.

    A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks", ICLR 2014.
    """
    rows, columns = (shape, shape) if isinstance(shape, int) else shape
    size = max(rows, columns)
    q, r = np.linalg.qr(generator(seed).normal(size=(size, size)))
    return (q * np.sign(np.diag(r)))[:rows, :columns].astype(dtype)
