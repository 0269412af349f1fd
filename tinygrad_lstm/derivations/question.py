"""The question: how to join the backward passes of an LSTM and of the dense layer after it.

Question 385430 of Cross Validated (stats.stackexchange.com). In the asker's letters: n time steps,
an LSTM of size d whose outputs are the rows of H (n, d), dense weights w (d, 1), ŷ = σ(H w + b),
and the loss ½ Σ (ŷ - y)². The LSTM's own weights W (m, 4d), U (d, 4d), v (4d,) are packed a, i, f,
o.

Imports NumPy alone.
"""

from __future__ import annotations

import numpy as np

from .numerical import sigma

Arrays = dict[str, np.ndarray]


def forward(x: np.ndarray, y: np.ndarray, p: Arrays) -> Arrays:
    """Run the network up to the loss.

    Parameters
    ----------
    x : (n, m)      input at each step
    y : (n, 1)      target at each step
    p : W (m, 4d), U (d, 4d), v (4d,), w (d, 1), b (1,)

    Returns
    -------
    a, i, f, o, state, H : (n, d)
    z, y_hat : (n, 1)
    loss : ()
    """
    n, d = len(x), len(p["U"])
    kind = np.result_type(x, *p.values())
    r: Arrays = {name: np.empty((n, d), kind) for name in ("a", "i", "f", "o", "state", "H")}
    out = state = np.zeros(d, kind)
    for t in range(n):
        s_a, s_i, s_f, s_o = np.split(x[t] @ p["W"] + out @ p["U"] + p["v"], 4)
        a, i, f, o = np.tanh(s_a), sigma(s_i), sigma(s_f), sigma(s_o)
        state = i * a + f * state
        out = o * np.tanh(state)
        for name, value in zip(r, (a, i, f, o, state, out), strict=True):
            r[name][t] = value
    r["z"] = r["H"] @ p["w"] + p["b"]
    r["y_hat"] = sigma(r["z"])
    r["loss"] = 0.5 * np.sum((r["y_hat"] - y) ** 2)
    return r


def backward(x: np.ndarray, y: np.ndarray, p: Arrays) -> Arrays:
    """Compute every gradient, the dense layer's and the LSTM's, in one pass from the loss back.

    Parameters
    ----------
    As `forward`.

    Returns
    -------
    δz (n, 1), δH (n, d), δout, δstate, δa, δi, δf, δo (n, d)
        δz is of the dense net input. δH is the part of δout that flows back from the dense layer;
        the rest of δout flows back from the next step. δa … δo are of the net inputs of the gates.
    dW, dU, dv, dw, db : as the weights
    dx : (n, m)
    """
    n, d = len(x), len(p["U"])
    r = forward(x, y, p)
    y_hat, H, state = r["y_hat"], r["H"], r["state"]

    # the dense layer
    g: Arrays = {}
    g["δz"] = (y_hat - y) * y_hat * (1.0 - y_hat)  # equals the asker's E_0
    g["dw"] = H.T @ g["δz"]
    g["db"] = g["δz"].sum(axis=0)
    g["δH"] = g["δz"] @ p["w"].T  # the seam: the LSTM needs nothing else from here

    # the LSTM
    deltas = ("δout", "δstate", "δa", "δi", "δf", "δo")
    g |= {name: np.empty((n, d)) for name in deltas}
    carry_out = carry_state = np.zeros(d)
    for t in reversed(range(n)):
        a, i, f, o = (r[gate][t] for gate in "aifo")
        state_before = state[t - 1] if t else np.zeros(d)
        tanh_state = np.tanh(state[t])
        δout = g["δH"][t] + carry_out
        δstate = δout * o * (1.0 - tanh_state**2) + carry_state
        δa = δstate * i * (1.0 - a**2)
        δi = δstate * a * i * (1.0 - i)
        δf = δstate * state_before * f * (1.0 - f)
        δo = δout * tanh_state * o * (1.0 - o)
        carry_state = δstate * f
        carry_out = np.concatenate([δa, δi, δf, δo]) @ p["U"].T
        for name, value in zip(deltas, (δout, δstate, δa, δi, δf, δo), strict=True):
            g[name][t] = value
    δgates = np.hstack([g["δa"], g["δi"], g["δf"], g["δo"]])  # (n, 4d)
    H_before = np.vstack([np.zeros((1, d)), H[:-1]])
    g["dW"], g["dU"], g["dv"] = x.T @ δgates, H_before.T @ δgates, δgates.sum(axis=0)
    g["dx"] = δgates @ p["W"].T
    return g


def asker_formulas(x: np.ndarray, y: np.ndarray, p: Arrays) -> Arrays:
    """Compute the asker's own E_0 and dw_0.

    E_0 = (ŷ - y) ∘ ŷ ∘ (1 - ŷ) is right: E_0 is δz. dw_0 = E_0 ∘ ŷ is wrong in four ways. The
    shape of dw_0 is (n, 1), but the shape of w is (d, 1). The layer's output ŷ stands where the
    layer's input H belongs. The product is entry by entry, not the matrix product Hᵀ δz. So dw_0
    has no sum over time.

    Returns
    -------
    E_0, dw_0 : (n, 1)
    """
    y_hat = forward(x, y, p)["y_hat"]
    E_0 = (y_hat - y) * y_hat * (1.0 - y_hat)
    return {"E_0": E_0, "dw_0": E_0 * y_hat}


__all__ = ["asker_formulas", "backward", "forward"]


def __dir__() -> list[str]:
    return sorted(__all__)
