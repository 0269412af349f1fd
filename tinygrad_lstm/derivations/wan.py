"""Four networks and their adjoints: a perceptron, FIR neurons, Elman's network, control of a plant.

E. A. Wan and F. Beaufays, "Diagrammatic derivation of gradient algorithms for neural networks",
Neural Computation 8(1), 1996, pp. 182-201. Reverse every arrow of a network. Turn branch points
into sums and sums into branch points, functions into gains f'(s(k)), weights into their transposes,
and delays q⁻¹ into advances q⁺¹. Feed -2 e(k) into the former output. The signals of this adjoint
network are the gradients of

    J = Σ_k e(k)ᵀ e(k)      e(k) = d(k) - y(k)

The functions here are the diagrams as equations, network by network: back-propagation; temporal
back-propagation (E. Wan, "Finite impulse response neural networks with applications in time series
prediction", dissertation, Stanford, 1993); back-propagation through time (for J. Elman's network,
Cognitive Science 14(2), 1990); back-propagation of an error through a plant to its controller.

In the authors' letters: x(k) are inputs, s(k) sums, a(k) = f(s(k)) activations, y(k) outputs, d(k)
desired outputs, and δ the signals of the adjoint network: δs is ∂J/∂s, and so on. Weights are W
(out, in), and s = W x + b for columns x(k); row k of an array is x(k)ᵀ. f is tanh, so f' is 1 - a².
The gradient of a weight is the product of the signals at its two ends, ∂J/∂W = Σ_k δ(k) x(k)ᵀ. J
has no factor ½, so the input of the adjoint network is twice the error.

Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
Weights = Mapping[str, np.ndarray]
Layers = Sequence[np.ndarray]


def _slope(a: np.ndarray) -> np.ndarray:
    """Return f'(s) of a = tanh(s)."""
    return 1.0 - a**2


def _advance(δ: np.ndarray, steps: int) -> np.ndarray:
    """Return q⁺ˢ δ: δ(k + steps), and 0 after the last step."""
    return np.concatenate([δ[steps:], np.zeros_like(δ[:steps])])


def _delay(a: np.ndarray, steps: int) -> np.ndarray:
    """Return q⁻ˢ a: a(k - steps), and 0 before the first step."""
    return np.concatenate([np.zeros_like(a[:steps]), a[: len(a) - steps]])


# --- a perceptron of many layers ------------------------------------------------------------------


def perceptron(x: np.ndarray, d: np.ndarray, W: Layers, b: Layers) -> dict[str, Any]:
    """Run the network up to J.

    Parameters
    ----------
    x, d : (K, n_0), (K, n_L)     inputs and desired outputs of K patterns
    W, b : (n_l, n_{l-1}), (n_l,) for each layer l from 1 to L

    Returns
    -------
    a : list of (K, n_l), from a_0 = x on
    e : (K, n_L)
    J : ()
    """
    a = [x]
    for weight, bias in zip(W, b, strict=True):
        a.append(np.tanh(a[-1] @ weight.T + bias))
    e = d - a[-1]
    return {"a": a, "e": e, "J": np.sum(e * e)}


def perceptron_adjoint(x: np.ndarray, d: np.ndarray, W: Layers, b: Layers) -> dict[str, Any]:
    """Run the adjoint network: back-propagation.

        δs_L(k) = f'(s_L(k)) ∘ (-2 e(k))      δs_l(k) = f'(s_l(k)) ∘ W_{l+1}ᵀ δs_{l+1}(k)

    Returns
    -------
    W, b : list of gradients, as the weights
    δs : list of (K, n_l), for each layer
    δx : (K, n_0)
    """
    r = perceptron(x, d, W, b)
    δa = -2.0 * r["e"]
    δ: list[np.ndarray] = []  # δs of each layer
    for weight, a in zip(reversed(W), reversed(r["a"])):
        δ.insert(0, _slope(a) * δa)
        δa = δ[0] @ weight
    dW = [δs.T @ a for δs, a in zip(δ, r["a"])]
    return {"W": dW, "b": [δs.sum(axis=0) for δs in δ], "δs": δ, "δx": δa}


# --- FIR neurons ----------------------------------------------------------------------------------


def fir(x: np.ndarray, d: np.ndarray, W: Layers, b: Layers) -> dict[str, Any]:
    """Run layers of neurons whose synapses are filters, up to J.

        s_l(k) = Σ_τ W_{l,τ} a_{l-1}(k-τ) + b_l

    Parameters
    ----------
    x, d : (K, n_0), (K, n_L)     of K steps
    W, b : (lags, n_l, n_{l-1}), (n_l,) for each layer l from 1 to L

    Returns
    -------
    As `perceptron`.
    """
    a = [x]
    for taps, bias in zip(W, b, strict=True):
        s = sum(_delay(a[-1], τ) @ weight.T for τ, weight in enumerate(taps)) + bias
        a.append(np.tanh(s))
    e = d - a[-1]
    return {"a": a, "e": e, "J": np.sum(e * e)}


def fir_adjoint(x: np.ndarray, d: np.ndarray, W: Layers, b: Layers) -> dict[str, Any]:
    """Run the adjoint network: temporal back-propagation, whose filters run back in time.

        δs_l(k) = f'(s_l(k)) ∘ Σ_τ W_{l+1,τ}ᵀ δs_{l+1}(k+τ)      ∂J/∂W_{l,τ} = Σ_k δs_l(k) a(k-τ)ᵀ

    Returns
    -------
    As `perceptron_adjoint`.
    """
    r = fir(x, d, W, b)
    δa = -2.0 * r["e"]
    δ: list[np.ndarray] = []  # δs of each layer
    for taps, a in zip(reversed(W), reversed(r["a"])):
        δ.insert(0, _slope(a) * δa)
        δa = np.zeros((len(x), taps.shape[2]))
        for τ, weight in enumerate(taps):
            δa += _advance(δ[0], τ) @ weight
    dW = [
        np.stack([δs.T @ _delay(a, τ) for τ in range(len(taps))])
        for δs, a, taps in zip(δ, r["a"], W)
    ]
    return {"W": dW, "b": [δs.sum(axis=0) for δs in δ], "δs": δ, "δx": δa}


# --- Elman's network ------------------------------------------------------------------------------


def elman(x: np.ndarray, d: np.ndarray, a_before: np.ndarray, w: Weights) -> Arrays:
    """Run Elman's network up to J.

        s(k) = W x(k) + U a(k-1) + b      a(k) = f(s(k))      y(k) = V a(k) + c

    Parameters
    ----------
    x, d : (K, n), (K, m)
    a_before : (H,)     a(-1)
    w : W (H, n), U (H, H), b (H,), V (m, H), c (m,)

    Returns
    -------
    a : (K, H)
    y, e : (K, m)
    J : ()
    """
    a, rows = a_before, []
    for x_k in x:
        a = np.tanh(w["W"] @ x_k + w["U"] @ a + w["b"])
        rows.append(a)
    r = {"a": np.stack(rows)}
    r["y"] = r["a"] @ w["V"].T + w["c"]
    r["e"] = d - r["y"]
    r["J"] = np.sum(r["e"] * r["e"])
    return r


def elman_adjoint(x: np.ndarray, d: np.ndarray, a_before: np.ndarray, w: Weights) -> Arrays:
    """Run the adjoint network: back-propagation through time.

        δy(k) = -2 e(k)      δa(k) = Vᵀ δy(k) + Uᵀ δs(k+1)      δs(k) = f'(s(k)) ∘ δa(k)

    Returns
    -------
    W, U, b, V, c : gradients, as the weights
    δy (K, m), δa, δs (K, H), δx (K, n)
    δa_before : (H,)     δa(-1), of the initial condition of the delay
    """
    r = elman(x, d, a_before, w)
    g: Arrays = {"δy": -2.0 * r["e"]}
    g["δa"], g["δs"] = np.empty_like(r["a"]), np.empty_like(r["a"])
    carry = np.zeros_like(a_before)
    for k in reversed(range(len(x))):
        g["δa"][k] = w["V"].T @ g["δy"][k] + carry  # a(k) branches, so a sum
        g["δs"][k] = _slope(r["a"][k]) * g["δa"][k]
        carry = w["U"].T @ g["δs"][k]  # goes through q⁺¹ to step k - 1
    g["δa_before"], g["δx"] = carry, g["δs"] @ w["W"]
    g["W"], g["b"] = g["δs"].T @ x, g["δs"].sum(axis=0)
    g["U"] = g["δs"].T @ np.vstack([a_before, r["a"][:-1]])
    g["V"], g["c"] = g["δy"].T @ r["a"], g["δy"].sum(axis=0)
    return g


# --- a controller in cascade with a plant ---------------------------------------------------------


def control(reference: np.ndarray, d: np.ndarray, y_before: np.ndarray, w: Weights) -> Arrays:
    """Run a controller in cascade with a plant, up to J.

        controller      a(k) = f(C [r(k); y(k-1)] + c)      u(k) = D a(k)
        plant           y(k) = f(A y(k-1) + B u(k))

    Parameters
    ----------
    reference, d : (K, n), (K, m)     the reference input, and the desired output of the plant
    y_before : (m,)     y(-1)
    w : C (H, n + m), c (H,), D (p, H); A (m, m), B (m, p) of the plant, which do not learn

    Returns
    -------
    v : (K, n + m)     [r(k); y(k-1)]
    a, u, y, e : (K, H), (K, p), (K, m), (K, m)
    J : ()
    """
    y, rows = y_before, []
    for r_k in reference:
        v = np.concatenate([r_k, y])
        a = np.tanh(w["C"] @ v + w["c"])
        u = w["D"] @ a
        y = np.tanh(w["A"] @ y + w["B"] @ u)
        rows.append((v, a, u, y))
    r = {name: np.stack(row) for name, row in zip("vauy", zip(*rows, strict=True), strict=True)}
    r["e"] = d - r["y"]
    r["J"] = np.sum(r["e"] * r["e"])
    return r


def control_adjoint(
    reference: np.ndarray, d: np.ndarray, y_before: np.ndarray, w: Weights
) -> Arrays:
    """Run the adjoint network: the error flows back through the plant without its Jacobian.

        δy(k)  = -2 e(k) + Aᵀ δz(k+1) + (Cᵀ δs(k+1))_y
        δz(k)  = f'(z(k)) ∘ δy(k)      z: the argument of f in the plant
        δu(k)  = Bᵀ δz(k)
        δs(k)  = f'(s(k)) ∘ Dᵀ δu(k)

    Returns
    -------
    C, c, D, A, B : gradients, as the weights
    δy, δz : (K, m); δu : (K, p); δs : (K, H); δr : (K, n)
    δy_before : (m,)     δy(-1)
    """
    r = control(reference, d, y_before, w)
    n = reference.shape[1]
    g: Arrays = {"δr": np.empty_like(reference), "δs": np.empty_like(r["a"])}
    g |= {"δu": np.empty_like(r["u"]), "δy": np.empty_like(r["y"]), "δz": np.empty_like(r["y"])}
    carry = np.zeros_like(y_before)
    for k in reversed(range(len(reference))):
        g["δy"][k] = -2.0 * r["e"][k] + carry
        g["δz"][k] = _slope(r["y"][k]) * g["δy"][k]
        g["δu"][k] = w["B"].T @ g["δz"][k]
        g["δs"][k] = _slope(r["a"][k]) * (w["D"].T @ g["δu"][k])
        δv = w["C"].T @ g["δs"][k]
        g["δr"][k] = δv[:n]
        carry = w["A"].T @ g["δz"][k] + δv[n:]
    g["δy_before"] = carry
    g["C"], g["c"], g["D"] = g["δs"].T @ r["v"], g["δs"].sum(axis=0), g["δu"].T @ r["a"]
    g["A"], g["B"] = g["δz"].T @ np.vstack([y_before, r["y"][:-1]]), g["δz"].T @ r["u"]
    return g


__all__ = [
    "control", "control_adjoint", "elman", "elman_adjoint", "fir", "fir_adjoint", "perceptron",
    "perceptron_adjoint",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
