"""The logistic function; the complex step: a derivative from the forward pass, to full precision.

W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM
Review 40(1), 1998, eq. 2: f'(x) = Im f(x + ih) / h. There is no difference, so no digits cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def sigma(net: Any) -> Any:
    """Return the logistic function σ, of real or complex numbers."""
    return 1.0 / (1.0 + np.exp(-net))


def complex_step(f: Callable[[np.ndarray], Any], x: np.ndarray, step: float = 1e-30) -> np.ndarray:
    """Return the gradient of a real analytic function.

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


__all__ = ["complex_step", "sigma"]
