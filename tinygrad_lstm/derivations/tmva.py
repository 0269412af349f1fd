"""The recurrent layers of TMVA: LSTM, GRU and RNN, and the losses, as ROOT's C++ derives them.

TMVA::DNN::RNN of ROOT (CERN), TBasicLSTMLayer, TBasicGRULayer and TBasicRNNLayer (S. S. Dwivedi and
S. Shekhar, 2017-2019), tmva/tmva/inc/TMVA/DNN/RNN/*.h and
tmva/tmva/src/DNN/Architectures/Cpu/RecurrentPropagation.hxx.

In the layers' letters: x is batch × time × input, h is batch × state. W_g (state, input) are input
weights, U_g (state, state) state weights, and b_g (state,) biases. The gates g of the LSTM are i,
f, c (the candidate c̃) and o; those of the GRU are r, u and c; the RNN has no gates:

    net_g = x_t W_gᵀ + h_{t-1} U_gᵀ + b_g
    LSTM   c_t = f ∘ c_{t-1} + i ∘ c̃      h_t = o ∘ tanh(c_t)
    GRU    h_t = u ∘ h_{t-1} + (1 - u) ∘ c̃
           net_c = x_t W_cᵀ + (r ∘ h_{t-1}) U_cᵀ + b_c, or, with resetGateAfter,
                   x_t W_cᵀ + r ∘ (h_{t-1} U_cᵀ) + b_c
    RNN    h_t = tanh(net)

The function of the gates is σ (f1), that of the candidate and of the cell is tanh (f2).

rememberState: a batch starts from h (and c) after the last step of the batch before, as constants.
Otherwise a batch starts from zeros. returnSequence: the output is h_t of every step, batch × time ×
state. Otherwise the output is h_t of the last step, batch × 1 × state, and the error enters at the
last step alone.

Errata of the code. (1) The CPU backward pass uses zeros for h and c before step 0, whatever the
forward pass started from. With rememberState, every ∂L/∂U_g is then wrong, and so is every gradient
through the LSTM's f, or the GRU's u and r, of step 0 (``as_in_tmva`` shows this). (2) The tests
cannot see erratum 1, because the tests never set rememberState. Their tolerance, 1e-2 of a
Richardson derivative, is seven orders larger than needed. (3) The weight file names the LSTM's
matrices as if input and state weights took turns, but W_i, W_f, W_c, W_o are stored before U_i,
U_f, U_c, U_o: the name InputStateWeights stands for W_f, ForgetWeights for W_c, and so on. (4)
Earlier versions of the parser of layer strings lack a break: without a fifth part, rememberState is
on.

Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .numerical import richardson, sigma

Arrays = dict[str, np.ndarray]
Weights = Mapping[str, np.ndarray]
Start = tuple[np.ndarray, ...] | None


def _output(h: list[np.ndarray], returnSequence: bool) -> np.ndarray:
    """Return (B, T, H), or (B, 1, H) of the last step."""
    return np.stack(h if returnSequence else h[-1:], axis=1)


def _error_of_h(dY: np.ndarray, T: int, returnSequence: bool) -> np.ndarray:
    """Return the part of dL/dh_t that flows back from the output: (B, T, H)."""
    if returnSequence:
        return dY
    B, _, H = dY.shape
    return np.concatenate([np.zeros((B, T - 1, H)), dY], axis=1)


def _one_step_before(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the values (B, T, H) of the step before; before step 0 comes the start (B, H)."""
    return np.concatenate([start[:, None], values[:, :-1]], axis=1)


def _initial_states(start: Start, B: int, H: int, count: int) -> tuple[np.ndarray, ...]:
    return tuple(np.zeros((B, H)) for _ in range(count)) if start is None else start


def _add_weight_gradients(g: Arrays, x: np.ndarray, before: np.ndarray, gates: str) -> None:
    """Add to g the gradients of W_g, U_g and b_g, which are sums over batch and time."""
    for gate in gates:
        mark = f"_{gate}" if gate != "h" else ""
        δ = g[f"δ{gate}"]
        g[f"W{mark}"] = np.einsum("bth,btd->hd", δ, x)
        g[f"U{mark}"] = np.einsum("bth,btk->hk", δ, before)
        g[f"b{mark}"] = δ.sum(axis=(0, 1))


# --- LSTM -----------------------------------------------------------------------------------------


def lstm(
    x: np.ndarray, w: Weights, start: Start = None, returnSequence: bool = True
) -> dict[str, Any]:
    """Run TBasicLSTMLayer forward.

    Parameters
    ----------
    x : (B, T, D)
    w : W_g (H, D), U_g (H, H), b_g (H,) for g in i, f, c, o
    start : (h, c), each (B, H), optional
        The states before step 0; zeros if None.

    Returns
    -------
    Y : (B, T, H) or (B, 1, H)
    i, f, candidate, o, cell, h : (B, T, H)
    last : (h, c) after the last step, for rememberState
    x, start
    """
    h, c = start = _initial_states(start, len(x), len(w["b_i"]), 2)
    r: dict[str, list[np.ndarray]] = {n: [] for n in ("i", "f", "candidate", "o", "cell", "h")}
    for x_t in x.swapaxes(0, 1):

        def net(gate: str, x_t: np.ndarray = x_t, h: np.ndarray = h) -> Any:
            return x_t @ w[f"W_{gate}"].T + h @ w[f"U_{gate}"].T + w[f"b_{gate}"]

        i, f, candidate, o = sigma(net("i")), sigma(net("f")), np.tanh(net("c")), sigma(net("o"))
        c = f * c + i * candidate
        h = o * np.tanh(c)
        for name, value in zip(r, (i, f, candidate, o, c, h), strict=True):
            r[name].append(value)
    signals: dict[str, Any] = {name: np.stack(rows, axis=1) for name, rows in r.items()}
    return signals | dict(Y=_output(r["h"], returnSequence), last=(h, c), x=x, start=start)


def lstm_backward(
    r: Mapping[str, Any],
    dY: np.ndarray,
    w: Weights,
    returnSequence: bool = True,
    as_in_tmva: bool = False,
) -> Arrays:
    """Run TBasicLSTMLayer backward (CellBackward, from the last step).

    Parameters
    ----------
    r : the result of `lstm`
    dY : of the shape of Y
    w : as for `lstm`
    as_in_tmva : bool
        Use zeros for the states before step 0, as the CPU code does.

    Returns
    -------
    δi, δf, δc, δo : (B, T, H)     of the nets
    dh, ds : (B, T, H)     of h_t and c_t
    dx : (B, T, D)
    W_g, U_g, b_g : as the weights
    dh_start, dc_start : (B, H)     of h and c before step 0
    """
    B, T, H = r["h"].shape
    h_start, c_start = (0.0 * state if as_in_tmva else state for state in r["start"])
    h_before, c_before = _one_step_before(r["h"], h_start), _one_step_before(r["cell"], c_start)
    dY = _error_of_h(dY, T, returnSequence)
    g: Arrays = {n: np.empty((B, T, H)) for n in ("dh", "ds", "δi", "δf", "δc", "δo")}
    dh, carry, dx = np.zeros((B, H)), np.zeros((B, H)), np.empty(r["x"].shape)
    for t in reversed(range(T)):
        i, f, candidate, o, c = (r[n][:, t] for n in ("i", "f", "candidate", "o", "cell"))
        dh = dh + dY[:, t]
        ds = o * (1.0 - np.tanh(c) ** 2) * dh + carry
        carry = ds * f
        δi = ds * candidate * i * (1.0 - i)
        δf = ds * c_before[:, t] * f * (1.0 - f)
        δc = ds * i * (1.0 - candidate**2)
        δo = dh * np.tanh(c) * o * (1.0 - o)
        for name, value in zip(g, (dh, ds, δi, δf, δc, δo), strict=True):
            g[name][:, t] = value
        dx[:, t] = δi @ w["W_i"] + δf @ w["W_f"] + δc @ w["W_c"] + δo @ w["W_o"]
        dh = δi @ w["U_i"] + δf @ w["U_f"] + δc @ w["U_c"] + δo @ w["U_o"]
    _add_weight_gradients(g, r["x"], h_before, "ifco")
    return g | {"dx": dx, "dh_start": dh, "dc_start": carry}


# --- GRU ------------------------------------------------------------------------------------------


def gru(
    x: np.ndarray,
    w: Weights,
    start: Start = None,
    returnSequence: bool = True,
    resetGateAfter: bool = False,
) -> dict[str, Any]:
    """Run TBasicGRULayer forward.

    Parameters
    ----------
    x : (B, T, D)
    w : W_g (H, D), U_g (H, H), b_g (H,) for g in r, u, c
    start : (h,), (B, H), optional
        The states before step 0; zeros if None.

    Returns
    -------
    Y : (B, T, H) or (B, 1, H)
    r, u, candidate, h : (B, T, H)
    last : (h,) after the last step, for rememberState
    x, start
    """
    (h,) = start = _initial_states(start, len(x), len(w["b_r"]), 1)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("r", "u", "candidate", "h")}
    for x_t in x.swapaxes(0, 1):
        r = sigma(x_t @ w["W_r"].T + h @ w["U_r"].T + w["b_r"])
        u = sigma(x_t @ w["W_u"].T + h @ w["U_u"].T + w["b_u"])
        old = r * (h @ w["U_c"].T) if resetGateAfter else (r * h) @ w["U_c"].T
        candidate = np.tanh(x_t @ w["W_c"].T + old + w["b_c"])
        h = u * h + (1.0 - u) * candidate
        for name, value in zip(rows, (r, u, candidate, h), strict=True):
            rows[name].append(value)
    signals: dict[str, Any] = {name: np.stack(row, axis=1) for name, row in rows.items()}
    return signals | dict(Y=_output(rows["h"], returnSequence), last=(h,), x=x, start=start)


def gru_backward(
    r: Mapping[str, Any],
    dY: np.ndarray,
    w: Weights,
    returnSequence: bool = True,
    resetGateAfter: bool = False,
    as_in_tmva: bool = False,
) -> Arrays:
    """Run TBasicGRULayer backward, with its five terms of dh.

    Parameters
    ----------
    r : the result of `gru`
    dY : of the shape of Y
    w : as for `gru`
    as_in_tmva : bool
        As for `lstm_backward`.

    Returns
    -------
    δr, δu, δc : (B, T, H)     of the nets
    dh : (B, T, H)
    dx : (B, T, D)
    W_g, U_g, b_g : as the weights
    dh_start : (B, H)
    """
    B, T, H = r["h"].shape
    (start,) = r["start"]
    before = _one_step_before(r["h"], 0.0 * start if as_in_tmva else start)
    dY = _error_of_h(dY, T, returnSequence)
    g: Arrays = {name: np.empty((B, T, H)) for name in ("dh", "δr", "δu", "δc")}
    dh = np.zeros((B, H))
    for t in reversed(range(T)):
        reset, u, candidate, h = r["r"][:, t], r["u"][:, t], r["candidate"][:, t], before[:, t]
        dh = dh + dY[:, t]
        δc = dh * (1.0 - u) * (1.0 - candidate**2)
        δu = dh * (h - candidate) * u * (1.0 - u)
        if resetGateAfter:
            δr = (h @ w["U_c"].T) * δc * reset * (1.0 - reset)
            through = (reset * δc) @ w["U_c"]
        else:
            δr = (δc @ w["U_c"]) * h * reset * (1.0 - reset)
            through = (δc @ w["U_c"]) * reset
        for name, value in zip(g, (dh, δr, δu, δc), strict=True):
            g[name][:, t] = value
        dh = dh * u + δu @ w["U_u"] + through + δr @ w["U_r"]
    _add_weight_gradients(g, r["x"], before, "ruc")
    if resetGateAfter:
        g["U_c"] = np.einsum("bth,btk->hk", r["r"] * g["δc"], before)
    else:
        g["U_c"] = np.einsum("bth,btk->hk", g["δc"], r["r"] * before)
    dx = sum(g[f"δ{gate}"] @ w[f"W_{gate}"] for gate in "ruc")
    return g | {"dx": np.asarray(dx), "dh_start": dh}


# --- RNN ------------------------------------------------------------------------------------------


def rnn(
    x: np.ndarray, w: Weights, start: Start = None, returnSequence: bool = True
) -> dict[str, Any]:
    """Run TBasicRNNLayer forward.

    Parameters
    ----------
    x : (B, T, D)
    w : W (H, D), U (H, H), b (H,)
    start : (h,), (B, H), optional
        The states before step 0; zeros if None.

    Returns
    -------
    Y : (B, T, H) or (B, 1, H)
    h : (B, T, H)
    last : (h,) after the last step, for rememberState
    x, start
    """
    (h,) = start = _initial_states(start, len(x), len(w["b"]), 1)
    rows = []
    for x_t in x.swapaxes(0, 1):
        h = np.tanh(x_t @ w["W"].T + h @ w["U"].T + w["b"])
        rows.append(h)
    signals: dict[str, Any] = dict(h=np.stack(rows, axis=1), Y=_output(rows, returnSequence))
    return signals | dict(last=(h,), x=x, start=start)


def rnn_backward(
    r: Mapping[str, Any],
    dY: np.ndarray,
    w: Weights,
    returnSequence: bool = True,
    as_in_tmva: bool = False,
) -> Arrays:
    """Run TBasicRNNLayer backward.

    Parameters
    ----------
    r : the result of `rnn`
    dY : of the shape of Y
    w : as for `rnn`
    as_in_tmva : bool
        As for `lstm_backward`.

    Returns
    -------
    δh : (B, T, H)     of the net
    dh : (B, T, H)
    dx : (B, T, D)
    W, U, b : as the weights
    dh_start : (B, H)
    """
    B, T, H = r["h"].shape
    (start,) = r["start"]
    dY = _error_of_h(dY, T, returnSequence)
    g: Arrays = {"dh": np.empty((B, T, H)), "δh": np.empty((B, T, H))}
    dh = np.zeros((B, H))
    for t in reversed(range(T)):
        g["dh"][:, t] = dh + dY[:, t]
        g["δh"][:, t] = g["dh"][:, t] * (1.0 - r["h"][:, t] ** 2)
        dh = g["δh"][:, t] @ w["U"]
    before = _one_step_before(r["h"], 0.0 * start if as_in_tmva else start)
    _add_weight_gradients(g, r["x"], before, "h")
    return g | {"dx": g["δh"] @ w["W"], "dh_start": dh}


# --- losses and their gradients, of an output (m, n) ----------------------------------------------


def mean_squared_error(Y: np.ndarray, output: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return Σ (Y - output)² / (m n), and its gradient, -2 (Y - output) / (m n)."""
    dY = Y - output
    return np.sum(dY * dY) / Y.size, -2.0 * dY / Y.size


def cross_entropy(Y: np.ndarray, output: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return -Σ (Y log σ + (1 - Y) log(1 - σ)) / (m n) of σ(output), and (σ - Y) / (m n)."""
    σ = sigma(output)
    L = -np.sum(Y * np.log(σ) + (1.0 - Y) * np.log(1.0 - σ)) / Y.size
    return L, (σ - Y) / Y.size


def softmax_cross_entropy(Y: np.ndarray, output: np.ndarray) -> tuple[Any, np.ndarray]:
    """Return -Σ Y log softmax / m, a mean over the m rows alone, and its gradient.

    The rows of Y need not sum to 1: the gradient is (softmax · Σ_j Y_j - Y) / m.
    """
    softmax = np.exp(output) / np.sum(np.exp(output), axis=1, keepdims=True)
    L = -np.sum(Y * np.log(softmax)) / len(Y)
    return L, (softmax * np.sum(Y, axis=1, keepdims=True) - Y) / len(Y)


__all__ = [
    "cross_entropy", "gru", "gru_backward", "lstm", "lstm_backward", "mean_squared_error",
    "richardson", "rnn", "rnn_backward", "softmax_cross_entropy",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
