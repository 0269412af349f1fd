"""A neuron whose synapse is a filter; ½ Σ (y - target)² over all steps."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

FIR_NUMBERS = numbers(17, x=(6,), w0=(), w1=(), w2=(), b=())
FIR_TARGET = numbers(9, target=(6,))["target"]


def fir_network() -> tg.Tensor:
    """Build y(k) = tanh(w0 x(k) + w1 x(k-1) + w2 x(k-2) + b) (Wan 1993)."""
    t = leaves(FIR_NUMBERS)
    x1 = x2 = tg.Tensor(0.0)
    ys = []
    for k in tg.steps(6):
        x = t["x"][k]
        s = t["w0"] * x + t["w1"] * x1 + t["w2"] * x2 + t["b"]
        y = tg.tanh(s)
        s.name, y.name = "s", "y"
        ys.append(y)
        x1, x2 = x, x1
    return tg.nn.squared_error(tg.stack(ys), FIR_TARGET)


ALL_6 = " ".join(f"s[{k}]" for k in range(6))
FIR: Mistakes = {
    "factor-2": ("½ is forgotten: δy is twice as large", ALL_6.replace("s", "y"), "factor"),
    "slope-missing": ("tanh' is missing", ALL_6, "derivative missing"),
    "slope-at-net": ("1 - s² stands for 1 - y²", ALL_6, "input for output"),
    "lag-forgotten": ("dw1 = Σ δs(k) x(k), where x(k-1) belongs", "w1", "wrong factor"),
    "lag-ahead": ("dw2 = Σ δs(k) x(k+2), where x(k-2) belongs", "w2", "factor of the wrong step"),
    "last-step-alone": ("db is that of the last step alone", "b", "sum over steps missing"),
    "time-mean": (
        "the weights' gradients are averaged over time", "w0 w1 w2 b", "average over steps"),
    "newest-tap-alone": (
        "dx(k) = w0 δs(k): the delayed branches are forgotten", "x", "carry dropped"),
    "filter-not-reversed": (
        "dx(k) = Σ w_l δs(k-l), where δs(k+l) belongs", "x", "steps in the wrong order"),
}  # fmt: skip


def fir_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `fir_network`."""
    x, w0, w1, w2, b = FIR_NUMBERS.values()
    T = len(x)

    def before(signal: np.ndarray, lag: int) -> np.ndarray:
        """Return signal(k - lag), 0 outside of the steps."""
        k = np.arange(T) - lag
        return np.where((k >= 0) & (k < T), signal[k.clip(0, T - 1)], 0.0)

    s = w0 * x + w1 * before(x, 1) + w2 * before(x, 2) + b
    y = np.tanh(s)

    δy = y - FIR_TARGET
    if "factor-2" in mistakes:
        δy = 2 * (y - FIR_TARGET)
    δs = δy * (1 - y**2)
    if "slope-missing" in mistakes:
        δs = δy
    if "slope-at-net" in mistakes:
        δs = δy * (1 - s**2)

    dw0 = np.sum(δs * x)
    dw1 = np.sum(δs * before(x, 1))
    if "lag-forgotten" in mistakes:
        dw1 = np.sum(δs * x)
    dw2 = np.sum(δs * before(x, 2))
    if "lag-ahead" in mistakes:
        dw2 = np.sum(δs * before(x, -2))
    db = np.sum(δs)
    if "last-step-alone" in mistakes:
        db = δs[-1]
    if "time-mean" in mistakes:
        dw0, dw1, dw2, db = dw0 / T, dw1 / T, dw2 / T, db / T

    dx = w0 * δs + w1 * before(δs, -1) + w2 * before(δs, -2)
    if "newest-tap-alone" in mistakes:
        dx = w0 * δs
    if "filter-not-reversed" in mistakes:
        dx = w0 * δs + w1 * before(δs, 1) + w2 * before(δs, 2)
    hand = {f"y[{k}]": δy[k] for k in range(T)} | {f"s[{k}]": δs[k] for k in range(T)}
    return hand | {"w0": dw0, "w1": dw1, "w2": dw2, "b": db, "x": dx}


NETWORK = Network(
    FIR, fir_network, fir_by_hand, ("w0", "w1", "w2", "b"),
    inputs_alone=("newest-tap-alone", "filter-not-reversed"),
)  # fmt: skip
