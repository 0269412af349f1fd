"""Attention over a batch of short sequences, with fewer features than steps, and a bias."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

B, T, D, E, K = 2, 4, 3, 2, 3
BATCHED_NUMBERS = numbers(57, Wq=(D, E), Wk=(D, E), Wv=(D, E), Wo=(E, K), bo=(K,))
DATA = numbers(58, x=(B, T, D), target=(B, T, K))
PARAMETERS = tuple(BATCHED_NUMBERS)


def batched_network() -> tg.Tensor:
    """Build P = softmax(Q Kᵀ / √E), O = P V, y = O Wo + bo, and ½ Σ (y - target)²."""
    t = leaves(BATCHED_NUMBERS)
    x = tg.Tensor(DATA["x"], name="x")
    Q, K_, V = (x @ t[f"W{letter}"] for letter in "qkv")
    S = Q @ tg.transpose(K_, axes=(0, 2, 1)) / np.sqrt(E)
    P = tg.softmax(S, axis=-1)
    O = P @ V
    y = O @ t["Wo"] + t["bo"]
    Q.name, K_.name, V.name, S.name, P.name, O.name, y.name = "Q", "K", "V", "S", "P", "O", "y"
    return tg.nn.squared_error(y, DATA["target"])


BATCHED: Mistakes = {
    "P-not-transposed": ("δV = P δO, where Pᵀ belongs", "V", "factor not transposed"),
    "S-not-transposed": ("δK = δS Q, where δSᵀ belongs", "K", "factor not transposed"),
    "K-for-Q": ("δK = δSᵀ K, where Q belongs", "K", "wrong factor"),
    "Q-for-K": ("δQ = δS Q, where K belongs", "Q", "wrong factor"),
    "V-for-K": ("δQ = δS V, where K belongs", "Q", "wrong factor"),
    "O-for-V": ("δP = δO Oᵀ, where Vᵀ belongs", "P", "wrong factor"),
    "sum-over-columns": ("Σ p δp goes over the columns", "S", "sum over the wrong axis"),
    "bo-of-last-position": ("dbo is of the last position alone", "bo",
                            "sum over the batch missing"),
    "bo-of-last-sample": ("dbo is of the last sample alone", "bo", "sum over the batch missing"),
    "Wo-of-last-sample": ("dWo is of the last sample alone", "Wo", "sum over the batch missing"),
    "Wo-of-last-position": ("dWo is of the last position alone", "Wo",
                            "sum over the batch missing"),
    "target-left-out": ("δy = y: the target is not subtracted", "y", "wrong factor"),
}  # fmt: skip


def batched_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `batched_network`."""
    m = set(mistakes)
    x, (Wq, Wk, Wv, Wo, bo) = DATA["x"], BATCHED_NUMBERS.values()
    Q, K_, V = x @ Wq, x @ Wk, x @ Wv
    P = np.exp(Q @ K_.swapaxes(1, 2) / np.sqrt(E))
    P = P / P.sum(-1, keepdims=True)
    O = P @ V
    δy = O @ Wo + bo - DATA["target"]
    if "target-left-out" in m:
        δy = O @ Wo + bo
    part = np.ones((B, T, 1))
    if "Wo-of-last-sample" in m:
        part[:-1] = 0
    if "Wo-of-last-position" in m:
        part[:, :-1] = 0
    dWo = np.einsum("bte,btk->ek", O, δy * part)
    dbo = δy.sum((0, 1))
    if "bo-of-last-position" in m:
        dbo = δy[:, -1].sum(0)
    if "bo-of-last-sample" in m:
        dbo = δy[-1].sum(0)
    δO = δy @ Wo.T
    δP = δO @ (O if "O-for-V" in m else V).swapaxes(1, 2)
    δV = (P if "P-not-transposed" in m else P.swapaxes(1, 2)) @ δO
    axis = 1 if "sum-over-columns" in m else -1
    δS = P * (δP - (δP * P).sum(axis, keepdims=True))
    inside = δS / np.sqrt(E)
    other = K_
    if "Q-for-K" in m:
        other = Q
    if "V-for-K" in m:
        other = V
    δQ = inside @ other
    back = inside if "S-not-transposed" in m else inside.swapaxes(1, 2)
    δK = back @ (K_ if "K-for-Q" in m else Q)
    Wd = {name: np.einsum("btd,bte->de", x, δ)
          for name, δ in (("Wq", δQ), ("Wk", δK), ("Wv", δV))}  # fmt: skip
    return {
        "y": δy, "Wo": dWo, "bo": dbo, "O": δO, "V": δV, "P": δP, "S": δS, "Q": δQ, "K": δK, **Wd,
    }  # fmt: skip


NETWORKS = {"batched": Network(BATCHED, batched_network, batched_by_hand, PARAMETERS)}
