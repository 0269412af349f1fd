"""What is used twice: tied weights, residual connections, a penalty on a weight; ½ Σ (y - t)²."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

TIED_NUMBERS = numbers(27, x=(4, 3), W=(3, 3), b=(3,), c=(3,))
PENALTY = 0.3


def tied_network() -> tg.Tensor:
    """Build h = tanh(x W + b), y = h Wᵀ + c, and ½ Σ (y - x)² + 0.15 Σ W²."""
    t = leaves(TIED_NUMBERS)
    s = t["x"] @ t["W"] + t["b"]
    h = tg.tanh(s)
    y = h @ t["W"].T + t["c"]
    s.name, h.name, y.name = "s", "h", "y"
    return tg.nn.squared_error(y, TIED_NUMBERS["x"]) + 0.5 * PENALTY * tg.sum(t["W"] * t["W"])


TIED: Mistakes = {
    "decoder-forgotten": ("dW lacks the share of the decoder, y = h Wᵀ", "W", "branch forgotten"),
    "encoder-forgotten": ("dW lacks the share of the encoder, s = x W", "W", "branch forgotten"),
    "penalty-forgotten": ("dW lacks the penalty's share", "W", "branch forgotten"),
    "penalty-alone": (
        "dW is the penalty's share alone: overwritten",
        "W",
        "overwritten or branch forgotten",
    ),
    "penalty-doubled": (
        "the penalty's share lacks its ½: it is twice as large",
        "W",
        "factor or derivative of wrong form",
    ),
    "decoder-not-transposed": (
        "the decoder's share is hᵀ δy, where δyᵀ h belongs",
        "W",
        "factor not transposed or gradient transposed or map left out",
    ),
    "W-transposed-back": ("δh = δy Wᵀ, where W belongs", "h", "weight not transposed"),
    "slope-missing": ("tanh' is missing", "s", "derivative missing"),
    "slope-of-y": ("1 - y² stands for 1 - h²", "s", "derivative at another signal"),
}


def tied_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `tied_network`; the loss's target is no function of x."""
    x, W, b, c = TIED_NUMBERS.values()
    h = np.tanh(x @ W + b)
    y = h @ W.T + c
    δy = y - x
    δh = δy @ W
    if "W-transposed-back" in mistakes:
        δh = δy @ W.T
    δs = δh * (1 - h**2)
    if "slope-missing" in mistakes:
        δs = δh
    if "slope-of-y" in mistakes:
        δs = δh * (1 - y**2)
    decoder = h.T @ δy if "decoder-not-transposed" in mistakes else δy.T @ h
    penalty = 2 * PENALTY * W if "penalty-doubled" in mistakes else PENALTY * W
    shares = {"encoder": x.T @ δs, "decoder": decoder, "penalty": penalty}
    for name in shares:
        if f"{name}-forgotten" in mistakes:
            shares = {other: share for other, share in shares.items() if other != name}
        if f"{name}-alone" in mistakes:
            shares = {name: shares[name]}
    return {
        "y": δy, "c": δy.sum(0), "h": δh, "s": δs, "b": δs.sum(0), "W": sum(shares.values()),
        "x": δs @ W.T,
    }  # fmt: skip


RESIDUAL_NUMBERS = numbers(28, x=(4, 3), W1=(3, 3), W2=(3, 3), W3=(3, 3), V=(3, 2))
RESIDUAL_TARGET = numbers(29, target=(4, 2))["target"]


def residual_network() -> tg.Tensor:
    """Build r1 = x + tanh(x W1), r2 = r1 + softplus(r1 W2) ∘ σ(r1 W3), and r2 V."""
    t = leaves(RESIDUAL_NUMBERS)
    s = t["x"] @ t["W1"]
    h = tg.tanh(s)
    r1 = t["x"] + h
    p, z = r1 @ t["W2"], r1 @ t["W3"]
    a, g = tg.softplus(p), tg.sigmoid(z)
    m = a * g
    r2 = r1 + m
    y = r2 @ t["V"]
    for name, signal in dict(s=s, h=h, r1=r1, p=p, z=z, a=a, g=g, m=m, r2=r2, y=y).items():
        signal.name = name
    return tg.nn.mean_squared_error(y, RESIDUAL_TARGET)


RESIDUAL: Mistakes = {
    "first-skip-forgotten": ("dx = δs W1ᵀ: the first skip connection is forgotten", "x",
                             "branch forgotten"),
    "second-skip-forgotten": ("δr1 lacks the second skip connection", "r1", "branch forgotten"),
    "layer-forgotten": ("δr1 = δr2: what comes through both layers is forgotten", "r1",
                        "branch forgotten or overwritten"),
    "gate-forgotten": ("δr1 lacks what comes through the gate g", "r1", "branch forgotten"),
    "partner-itself": ("δa = δm ∘ a, where g belongs", "a", "wrong factor"),
    "gate-missing": ("δa = δm, without g", "a", "factor missing"),
    "slope-of-softplus": ("softplus' is missing", "p", "derivative missing"),
    "softplus-for-slope": ("softplus itself stands where its derivative belongs", "p",
                           "function for derivative"),
    "slope-at-r1": ("1 - r1² stands for 1 - h²", "s", "derivative at another signal"),
    "W2-of-x": ("dW2 = xᵀ δp, where r1ᵀ belongs", "W2", "wrong factor"),
    "mean-forgotten": ("the mean is differentiated as a sum", "y", "factor or factor missing"),
    "W3-for-W2": ("δr1 = … δp W3ᵀ, where W2ᵀ belongs", "r1", "wrong weight"),
}  # fmt: skip


def residual_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `residual_network`."""
    x, W1, W2, W3, V = RESIDUAL_NUMBERS.values()
    h = np.tanh(x @ W1)
    r1 = x + h
    p = r1 @ W2
    a, g = np.logaddexp(0, p), 1 / (1 + np.exp(-r1 @ W3))
    r2 = r1 + a * g
    y = r2 @ V
    δy = 2 * (y - RESIDUAL_TARGET) / y.size
    if "mean-forgotten" in mistakes:
        δy = 2 * (y - RESIDUAL_TARGET)
    δm = δr2 = δy @ V.T
    δa = δm * g
    if "partner-itself" in mistakes:
        δa = δm * a
    if "gate-missing" in mistakes:
        δa = δm
    δg = δm * a
    δp = δa / (1 + np.exp(-p))
    if "slope-of-softplus" in mistakes:
        δp = δa
    if "softplus-for-slope" in mistakes:
        δp = δa * a
    δz = δg * g * (1 - g)
    dW2 = r1.T @ δp
    if "W2-of-x" in mistakes:
        dW2 = x.T @ δp
    δr1 = δr2 + δp @ (W3 if "W3-for-W2" in mistakes else W2).T + δz @ W3.T
    if "second-skip-forgotten" in mistakes:
        δr1 = δp @ W2.T + δz @ W3.T
    if "layer-forgotten" in mistakes:
        δr1 = δr2
    if "gate-forgotten" in mistakes:
        δr1 = δr2 + δp @ W2.T
    δh = δr1
    δs = δh * (1 - h**2)
    if "slope-at-r1" in mistakes:
        δs = δh * (1 - r1**2)
    dx = δr1 + δs @ W1.T
    if "first-skip-forgotten" in mistakes:
        dx = δs @ W1.T
    return {
        "y": δy, "V": r2.T @ δy, "r2": δr2, "m": δm, "a": δa, "g": δg, "p": δp, "z": δz,
        "W2": dW2, "W3": r1.T @ δz, "r1": δr1, "h": δh, "s": δs, "W1": x.T @ δs, "x": dx,
    }  # fmt: skip


NETWORKS = {
    "tied": Network(TIED, tied_network, tied_by_hand, ("W", "b", "c")),
    "residual": Network(
        RESIDUAL, residual_network, residual_by_hand, ("W1", "W2", "W3", "V"),
        inputs_alone=("first-skip-forgotten",),
    ),
}  # fmt: skip
