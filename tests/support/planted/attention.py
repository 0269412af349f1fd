"""One head of attention over a short sequence; ½ Σ (y - target)²."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

ATTENTION_NUMBERS = numbers(25, x=(3, 3), Wq=(3, 3), Wk=(3, 3), Wv=(3, 3), Wo=(3, 3))
ATTENTION_TARGET = numbers(26, target=(3, 3))["target"]
SCALE = 0.5773502691896258  # 1 / √3


def attention_network() -> tg.Tensor:
    """Build y = softmax(q kᵀ / √3) v Wo + x, of q = x Wq, k = x Wk and v = x Wv."""
    t = leaves(ATTENTION_NUMBERS)
    q, k, v = t["x"] @ t["Wq"], t["x"] @ t["Wk"], t["x"] @ t["Wv"]
    z = q @ k.T * SCALE
    A = tg.softmax(z, axis=1)
    h = A @ v
    y = h @ t["Wo"] + t["x"]
    q.name, k.name, v.name, z.name, A.name, h.name, y.name = "q", "k", "v", "z", "A", "h", "y"
    return tg.nn.squared_error(y, ATTENTION_TARGET)


ATTENTION: Mistakes = {
    "diagonal-only": ("softmax' is taken as A ∘ (1 - A), its diagonal alone", "z",
                      "off-diagonal terms dropped"),
    "normaliser-path": ("δz = δA ∘ A: what all entries are divided by is taken for a constant",
                        "z", "branch forgotten"),
    "softmax-missing": ("δz = δA: the derivative of softmax is left out", "z",
                        "normalisation missing or derivative missing"),
    "scale-missing": ("δq = δz k, without 1/√3; δk likewise", "q k",
                      "factor missing or factor"),
    "A-not-transposed": ("δv = A δh, where Aᵀ belongs", "v", "factor not transposed"),
    "k-not-transposed": ("δk = δz q, where δzᵀ q belongs", "k",
                         "factor not transposed or gradient transposed or map left out"),
    "Wo-not-transposed": ("δh = δy Wo, where Woᵀ belongs", "h", "weight not transposed"),
    "h-for-v": ("δA = δh hᵀ, where vᵀ belongs", "A", "wrong factor"),
    "skip-forgotten": ("dx lacks what comes through the residual connection", "x",
                       "branch forgotten"),
    "k-branch-forgotten": ("dx lacks what comes through k", "x", "branch forgotten"),
    "v-branch-alone": ("dx is what comes through v alone: overwritten, not added to", "x",
                       "overwritten or branch forgotten"),
    "Wk-of-q": ("dWk = xᵀ δq, where δk belongs", "Wk", "another's δ"),
    "Wq-left-at-zero": ("dWq is never computed: it is left at 0", "Wq", "path left out"),
    "q-and-k-exchanged": ("δq and δk are exchanged", "q k", "exchanged"),
    "sum-over-columns": ("δz = A ∘ (δA - Σ δA ∘ A), summed over the other axis", "z",
                         "sum over the wrong axis"),
    "softmax-over-columns": ("A is normalised along the other axis, in the forward pass too", "y",
                             "normalised along the wrong axis"),
    "Wo-of-v": ("dWo = vᵀ δy, where hᵀ belongs", "Wo", "wrong factor"),
}  # fmt: skip


def attention_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `attention_network`."""
    x, Wq, Wk, Wv, Wo = ATTENTION_NUMBERS.values()
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    E = np.exp(q @ k.T * SCALE)
    axis = 0 if "softmax-over-columns" in mistakes else 1
    A = E / E.sum(axis, keepdims=True)
    h = A @ v

    δy = h @ Wo + x - ATTENTION_TARGET
    dWo = h.T @ δy
    if "Wo-of-v" in mistakes:
        dWo = v.T @ δy
    δh = δy @ Wo.T
    if "Wo-not-transposed" in mistakes:
        δh = δy @ Wo
    δA = δh @ v.T
    if "h-for-v" in mistakes:
        δA = δh @ h.T
    δv = A.T @ δh
    if "A-not-transposed" in mistakes:
        δv = A @ δh

    if "sum-over-columns" in mistakes:
        axis = 0
    δz = A * (δA - (δA * A).sum(axis, keepdims=True))
    if "diagonal-only" in mistakes:
        δz = δA * A * (1 - A)
    if "normaliser-path" in mistakes:
        δz = δA * A
    if "softmax-missing" in mistakes:
        δz = δA
    scale = 1.0 if "scale-missing" in mistakes else SCALE
    δq, δk = δz @ k * scale, δz.T @ q * scale
    if "k-not-transposed" in mistakes:
        δk = δz @ q * scale

    if "q-and-k-exchanged" in mistakes:
        δq, δk = δk, δq
    dWq, dWk = x.T @ δq, x.T @ δk
    if "Wq-left-at-zero" in mistakes:
        dWq = np.zeros_like(Wq)
    if "Wk-of-q" in mistakes:
        dWk = x.T @ δq
    branches = {"y": δy, "q": δq @ Wq.T, "k": δk @ Wk.T, "v": δv @ Wv.T}
    if "skip-forgotten" in mistakes:
        del branches["y"]
    if "k-branch-forgotten" in mistakes:
        del branches["k"]
    if "v-branch-alone" in mistakes:
        branches = {"v": branches["v"]}
    return {
        "y": δy, "Wo": dWo, "h": δh, "A": δA, "v": δv, "z": δz, "q": δq, "k": δk,
        "Wq": dWq, "Wk": dWk, "Wv": x.T @ δv, "x": sum(branches.values()),
    }  # fmt: skip


NETWORK = Network(
    ATTENTION, attention_network, attention_by_hand, ("Wq", "Wk", "Wv", "Wo"),
    inputs_alone=("skip-forgotten", "k-branch-forgotten", "v-branch-alone"),
)  # fmt: skip
