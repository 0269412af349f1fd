"""Derivatives from the forward pass alone: complex steps and differences; the logistic function.

Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def sigma(net: Any) -> Any:
    """Return the logistic function σ, of real or complex numbers."""
    return 1.0 / (1.0 + np.exp(-net))


def complex_step(f: Callable[[np.ndarray], Any], x: np.ndarray, step: float = 1e-30) -> np.ndarray:
    """Return the gradient of a real analytic function, to full precision.

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40(1), 1998, eq. 2: f'(x) = Im f(x + ih) / h. No digits cancel, because nothing is
    subtracted.

    Parameters
    ----------
    f : (array of x's shape, complex) -> one complex number
    x : (...)
    step : float

    Returns
    -------
    gradient : (...), of x's shape

    Examples
    --------
    >>> complex_step(lambda x: np.sum(x**3), np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    gradient = np.empty(np.shape(x))
    for index in np.ndindex(gradient.shape):
        neighbour = np.array(x, complex)
        neighbour[index] += 1j * step
        gradient[index] = np.imag(f(neighbour)) / step
    return gradient


def richardson(
    f: Callable[[np.ndarray], Any], x: np.ndarray, step: float = 1e-5, levels: int = 2
) -> np.ndarray:
    """Return the gradient of a real function by Richardson's extrapolation.

    Central differences with steps h, h/2, … are combined so that the powers h², h⁴, … of their
    errors cancel. TMVA's tests use ROOT::Math::RichardsonDerivator with 2 levels and a step of
    1e-5.

    Parameters
    ----------
    f : (array of x's shape) -> number
    x : (...)
    step : float
    levels : int

    Returns
    -------
    gradient : (...), of x's shape

    Examples
    --------
    >>> richardson(lambda x: np.sum(x**3), np.array([1.0, 2.0]), step=0.1, levels=3).round(12)
    array([ 3., 12.])
    """
    gradient = np.empty(np.shape(x))
    for index in np.ndindex(gradient.shape):
        row: list[float] = []
        for level in range(levels):
            h, coarse_row = step / 2**level, row
            up, down = np.array(x, float), np.array(x, float)
            up[index] += h
            down[index] -= h
            row = [float(f(up) - f(down)) / (2.0 * h)]
            for order, coarse in enumerate(coarse_row, start=1):
                row.append((4**order * row[-1] - coarse) / (4**order - 1))
        gradient[index] = row[-1]
    return gradient


__all__ = ["complex_step", "richardson", "sigma"]
