"""The complex step: a derivative to full precision from the forward pass alone.

W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 40(1), 1998, eq. 2: f'(x) = Im f(x + ih) / h, with no difference that cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


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
    for place in np.ndindex(gradient.shape):
        moved = np.array(x, complex)
        moved[place] += 1j * step
        gradient[place] = np.imag(f(moved)) / step
    return gradient
