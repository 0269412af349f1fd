"""A leaky recurrence and a decaying sum, in loops of one's own; ½ Σ (y - target)²."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

LEAKY_NUMBERS = numbers(34, x=(4, 2, 3), W=(3, 3), U=(3, 3), α=(3,), V=(3, 2))
LEAKY_TARGET = numbers(35, target=(2, 2))["target"]


def leaky_network() -> tg.Tensor:
    """Build h(k) = h(k-1) + α ∘ (tanh(x(k) W + h(k-1) U) - h(k-1)), y = h(3) V; no state before."""
    t = leaves(LEAKY_NUMBERS)
    h = tg.Tensor(np.zeros((2, 3)))
    for k in tg.steps(4):
        s = t["x"][k] @ t["W"] + h @ t["U"]
        g = tg.tanh(s)
        d = g - h
        h = h + t["α"] * d
        s.name, g.name, d.name, h.name = "s", "g", "d", "h"
    y = h @ t["V"]
    y.name = "y"
    return tg.nn.squared_error(y, LEAKY_TARGET)


LEAKY: Mistakes = {
    "leak-forgotten": ("δh(k-1) lacks the branch -d: the leak is forgotten", "h[2]",
                       "branch forgotten"),
    "state-forgotten": ("δh(k-1) lacks the state's own branch", "h[2]",
                        "branch forgotten or carry dropped"),
    "U-path-forgotten": ("δh(k-1) lacks what comes through U", "h[2]", "branch forgotten"),
    "α-missing": ("δd = δh, without α", "d[3]", "factor missing"),
    "slope-missing": ("tanh' is missing", "s[3]", "derivative missing"),
    "U-not-transposed": ("δh(k-1) = … δs U, where Uᵀ belongs", "h[2]", "weight not transposed"),
    "α-last-step": ("dα is that of the last step alone", "α", "sum over steps missing"),
    "α-averaged": ("dα is averaged over the batch", "α", "average over the batch"),
    "α-of-g": ("dα = Σ δh ∘ g, where d belongs", "α", "wrong factor"),
    "h-not-before": ("dU = Σ h(k)ᵀ δs(k), where h(k-1) belongs", "U",
                     "wrong factor or output for input"),
    "leak-sign": ("the leak's branch has the wrong sign", "h[2]", "sign"),
}  # fmt: skip


def leaky_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `leaky_network`."""
    x, W, U, α, V = LEAKY_NUMBERS.values()
    h, g = {-1: np.zeros((2, 3))}, {}
    for k in range(4):
        g[k] = np.tanh(x[k] @ W + h[k - 1] @ U)
        h[k] = h[k - 1] + α * (g[k] - h[k - 1])
    δy = h[3] @ V - LEAKY_TARGET
    hand: Arrays = {"y": δy, "V": h[3].T @ δy}
    dW, dU, dα, dx = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros(3), np.zeros_like(x)
    δh = δy @ V.T
    for k in (3, 2, 1, 0):
        d = g[k] - h[k - 1]
        δd = δh if "α-missing" in mistakes else δh * α
        δg = δd
        δs = δg if "slope-missing" in mistakes else δg * (1 - g[k] ** 2)
        hand |= {f"h[{k}]": δh, f"d[{k}]": δd, f"g[{k}]": δg, f"s[{k}]": δs}
        share = δh * (g[k] if "α-of-g" in mistakes else d)
        if "α-last-step" not in mistakes or k == 3:
            dα = dα + (share.mean(0) if "α-averaged" in mistakes else share.sum(0))
        dW = dW + x[k].T @ δs
        dU = dU + (h[k] if "h-not-before" in mistakes else h[k - 1]).T @ δs
        dx[k] = δs @ W.T
        branches = {"state": δh, "leak": -δd, "U-path": δs @ U.T}
        if "U-not-transposed" in mistakes:
            branches["U-path"] = δs @ U
        if "leak-sign" in mistakes:
            branches["leak"] = δd
        δh = sum(each for name, each in branches.items() if f"{name}-forgotten" not in mistakes)
    return hand | {"α": dα, "W": dW, "U": dU, "x": dx}


NETWORK = Network(LEAKY, leaky_network, leaky_by_hand, ("W", "U", "α", "V"))
