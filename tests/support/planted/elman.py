"""An Elman network; ½ Σ (y - target)² over all steps."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

ELMAN_NUMBERS = numbers(4, x=(4, 2, 2), h_0=(2, 3), W=(2, 3), U=(3, 3), b=(3,), V=(3, 3), c=(3,))
ELMAN_TARGET = numbers(5, target=(4, 2, 3))["target"]


def elman_network() -> tg.Tensor:
    """Build h(k) = tanh(x(k) W + h(k-1) U + b), y(k) = h(k) V + c."""
    t = leaves(ELMAN_NUMBERS)
    h, ys = t["h_0"], []
    for k in tg.steps(4):
        s = t["x"][k] @ t["W"] + h @ t["U"] + t["b"]
        h = tg.tanh(s)
        y = h @ t["V"] + t["c"]
        s.name, h.name, y.name = "s", "h", "y"
        ys.append(y)
    return tg.nn.squared_error(tg.stack(ys), ELMAN_TARGET)


ELMAN: Mistakes = {
    "sign": ("δy = target - y, where y - target belongs", "y[3] y[2] y[1] y[0]", "sign"),
    "last-error-alone": (
        "only the last step's error is sent back", "y[2] y[1] y[0]", "last error alone"),
    "V-not-transposed": ("δh = δy V, where Vᵀ belongs", "h[3]", "weight not transposed"),
    "carry-dropped": ("what step t+1 sends back is not in δh(t)", "h[2]", "carry dropped"),
    "carry-alone": (
        "δh(t) is overwritten by what step t+1 sends back, not added to it", "h[2]",
        "overwritten by the carry"),
    "U-not-transposed": ("δh(t-1) = δs U, where Uᵀ belongs", "h[2]", "weight not transposed"),
    "U-missing": ("δs is handed to step t-1 as it is, without Uᵀ", "h[2]", "weight missing"),
    "V-for-U": ("δh(t-1) = δs Vᵀ, where Uᵀ belongs", "h[2]", "wrong weight"),
    "cut": ("nothing is carried back from step 2 to step 1", "h[1]", "cut at a step"),
    "slope-of-sigmoid": (
        "h ∘ (1 - h), σ', stands for 1 - h²", "s[3]", "another function's derivative"),
    "slope-missing": ("tanh' is missing", "s[3]", "derivative missing"),
    "slope-at-net": ("1 - s² stands for 1 - h²", "s[3]", "input for output"),
    "slope-before": (
        "tanh' is taken from h(t-1) instead of h(t)", "s[3]", "derivative at another signal"),
    "h-not-before": ("dU = Σ h(t)ᵀ δs(t), where h(t-1) belongs", "U", "output for input"),
    "U-without-start": (
        "dU is summed from step 1 on: the initial state is forgotten", "U",
        "sum over steps missing"),
    "b-overwritten": (
        "db is set at every step, not added to: step 0 remains", "b", "sum over steps missing"),
    "W-averaged": ("dW is divided by the number of steps", "W", "average over steps"),
    "V-before": ("dV = Σ h(t-1)ᵀ δy(t), where h(t) belongs", "V", "wrong factor"),
}  # fmt: skip


def elman_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `elman_network`."""
    x, h_0, W, U, b, V, c = ELMAN_NUMBERS.values()
    T = len(x)
    h, s, y = {-1: h_0}, {}, {}
    for t in range(T):
        s[t] = x[t] @ W + h[t - 1] @ U + b
        h[t] = np.tanh(s[t])
        y[t] = h[t] @ V + c

    hand: Arrays = {}
    dW, dU, db, dV, dc = (np.zeros_like(each) for each in (W, U, b, V, c))
    dx, carry = np.zeros_like(x), np.zeros_like(h_0)
    for t in reversed(range(T)):
        δy = y[t] - ELMAN_TARGET[t]
        if "sign" in mistakes:
            δy = ELMAN_TARGET[t] - y[t]
        if "last-error-alone" in mistakes and t < T - 1:
            δy = np.zeros_like(y[t])

        δh = δy @ V.T + carry
        if "V-not-transposed" in mistakes:
            δh = δy @ V + carry
        if "carry-dropped" in mistakes:
            δh = δy @ V.T
        if "carry-alone" in mistakes and t < T - 1:
            δh = carry

        δs = δh * (1 - h[t] ** 2)
        if "slope-missing" in mistakes:
            δs = δh
        if "slope-of-sigmoid" in mistakes:
            δs = δh * h[t] * (1 - h[t])
        if "slope-at-net" in mistakes:
            δs = δh * (1 - s[t] ** 2)
        if "slope-before" in mistakes:
            δs = δh * (1 - h[t - 1] ** 2)

        carry = δs @ U.T
        if "U-not-transposed" in mistakes:
            carry = δs @ U
        if "U-missing" in mistakes:
            carry = δs
        if "V-for-U" in mistakes:
            carry = δs @ V.T
        if "cut" in mistakes and t == 2:
            carry = np.zeros_like(h_0)

        dV += h[t - 1 if "V-before" in mistakes else t].T @ δy
        dc += δy.sum(axis=0)
        dW += x[t].T @ δs
        if "U-without-start" not in mistakes or t > 0:
            dU += h[t if "h-not-before" in mistakes else t - 1].T @ δs
        db += δs.sum(axis=0)
        if "b-overwritten" in mistakes:
            db = δs.sum(axis=0)
        dx[t] = δs @ W.T
        hand |= {f"y[{t}]": δy, f"h[{t}]": δh, f"s[{t}]": δs}
    if "W-averaged" in mistakes:
        dW /= T
    return hand | {"h_0": carry, "W": dW, "U": dU, "b": db, "V": dV, "c": dc, "x": dx}


NETWORK = Network(ELMAN, elman_network, elman_by_hand, ("W", "U", "b", "V", "c"))
