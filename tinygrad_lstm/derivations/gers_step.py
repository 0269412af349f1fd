"""Memory blocks in Gers' letters: one step of a layer, one step of the output units.

The equations and the letters stand in `gers`. Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .numerical import sigma

Arrays = dict[str, np.ndarray]
Weights = Mapping[str, np.ndarray]
Pair = tuple[str, str]

GERS: Pair = ("4σ-2", "2σ-1")
PEEPHOLES = ("p_in", "p_φ", "p_out")


def slope(y: np.ndarray) -> np.ndarray:
    """Return f'(net) of y = σ(net)."""
    return y * (1.0 - y)


# the functions of the candidate (g) and of the state (h), each with its derivative
SQUASH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "4σ-2": (lambda z: 4.0 * sigma(z) - 2.0, lambda z: 4.0 * slope(sigma(z))),
    "2σ-1": (lambda z: 2.0 * sigma(z) - 1.0, lambda z: 2.0 * slope(sigma(z))),
    "identity": (lambda z: 1.0 * z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
}


def blocks(y_m: np.ndarray, s: np.ndarray, w: Weights, squash: Pair, s_const: Any = None) -> Arrays:
    """Compute one step of a layer of J blocks with S cells each.

    Parameters
    ----------
    y_m : (M,)     the inputs, y_c(t-1), and 1
    s : (J, S)     s(t-1)
    w : c (J, S, M), in, φ, out (J, M), and with peepholes p_in, p_φ, p_out (J, S)
    squash : names of g and h
    s_const : (s(t-1), s(t)), optional
        Constants that the peepholes read instead of the states.

    Returns
    -------
    net_c, s, y_c : (J, S)
    y_in, y_φ, y_out : (J,)
    y_m, s_before : as given
    """
    (g, _), (h, _) = (SQUASH[name] for name in squash)
    net_c, net_in, net_φ, net_out = (w[unit] @ y_m for unit in ("c", "in", "φ", "out"))
    if "p_in" in w:
        before = s if s_const is None else s_const[0]
        net_in = net_in + np.sum(w["p_in"] * before, axis=1)
        net_φ = net_φ + np.sum(w["p_φ"] * before, axis=1)
    y_in, y_φ = sigma(net_in), sigma(net_φ)
    s_now = y_φ[:, None] * s + y_in[:, None] * g(net_c)
    if "p_out" in w:
        net_out = net_out + np.sum(w["p_out"] * (s_now if s_const is None else s_const[1]), axis=1)
    y_out = sigma(net_out)
    y_c = y_out[:, None] * h(s_now)
    return dict(net_c=net_c, y_in=y_in, y_φ=y_φ, y_out=y_out, s=s_now, y_c=y_c, y_m=y_m, s_before=s)


def outputs(y_c: np.ndarray, target: np.ndarray, w_k: np.ndarray) -> Arrays:
    """Run the output units of one step, and compute the errors that flow back.

    Parameters
    ----------
    y_c : (J, S)
    target : (K,)
    w_k : (K, J S + 1)

    Returns
    -------
    E : ()
    δ_k : (K,)
    Δw_k : as w_k
    error : (J, S)     Σ_k w_{k,c_v} δ_k
    """
    y_m = np.append(y_c.ravel(), 1.0)
    y_k = sigma(w_k @ y_m)
    e_k = target - y_k
    δ_k = slope(y_k) * e_k
    error = (w_k[:, :-1].T @ δ_k).reshape(y_c.shape)
    return dict(E=0.5 * np.sum(e_k**2), δ_k=δ_k, Δw_k=np.outer(δ_k, y_m), error=error)
