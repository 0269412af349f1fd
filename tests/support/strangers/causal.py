"""Masked attention over its own input, with as many features as steps, and a class at each step."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

T, K = 4, 3
CAUSAL_NUMBERS = numbers(49, x=(T, T), Wq=(T, T), Wk=(T, T), Wv=(T, T), Wo=(T, K))
CLASSES = np.array([2, 0, 1, 1])
MASK = np.tril(np.ones((T, T), dtype=bool))
PARAMETERS = ("Wq", "Wk", "Wv", "Wo")


def causal_network() -> tg.Tensor:
    """Build P = softmax(Q Kᵀ / √d, masked), O = P V, y = O Wo, and the mean cross-entropy."""
    t = leaves(CAUSAL_NUMBERS)
    Q, K_, V = (t["x"] @ t[f"W{letter}"] for letter in "qkv")
    S = Q @ K_.T / np.sqrt(T)
    P = tg.softmax(tg.where(MASK, S, -1e9), axis=1)
    O = P @ V
    y = O @ t["Wo"]
    Q.name, K_.name, V.name, S.name, P.name, O.name, y.name = "Q", "K", "V", "S", "P", "O", "y"
    return tg.mean(tg.logsumexp(y, axis=1) - y[np.arange(T), CLASSES])


CAUSAL: Mistakes = {
    "P-not-transposed": ("δV = P δO, where Pᵀ belongs", "V", "factor not transposed"),
    "S-not-transposed": ("δK = δS Q, where δSᵀ belongs", "K", "factor not transposed"),
    "scale-missing": ("1/√d is left out", "Q K", "derivative missing"),
    "scale-d": ("1/d stands for 1/√d", "Q K", "derivative twice or mean of branches"),
    "sum-over-columns": ("Σ p δp goes over the columns", "S", "sum over the wrong axis"),
    "p-left-out-of-sum": ("δS = p (δp - Σ δp): p is left out of the sum", "S",
                          "derivative of wrong form"),
    "diagonal-alone": ("δS = δp p (1 - p): the softmax's diagonal alone", "S",
                       "off-diagonal terms dropped"),
    "softmax-skipped": ("δS = δP: the softmax is skipped", "S", "layer skipped"),
    "sum-path": ("δS = p δP: the sum is left out", "S", "branch forgotten"),
    "mask-forgotten": ("softmax without the mask, in the forward pass too", "y",
                       "function missing"),
    "q-k-exchanged": ("δQ and δK are exchanged", "Q K", "exchanged"),
    "value-path-missing": ("δx lacks what V sends back", "x", "branch forgotten"),
    "Q-twice": ("δx has what Q sends back twice", "x", "factor"),
    "Wv-of-O": ("dWv = Oᵀ δV, where xᵀ belongs", "Wv", "wrong factor"),
    "Wo-of-V": ("dWo = Vᵀ δy, where Oᵀ belongs", "Wo", "wrong factor"),
    "mean-forgotten": ("the mean over the rows is forgotten", "y", "factor"),
    "classes-alone": ("p - 1 at the right classes alone", "y", "off-diagonal terms dropped"),
    "Wq-Wk-not-transposed": ("δQ Wq and δK Wk stand for δQ Wqᵀ and δK Wkᵀ", "x",
                             "weight not transposed"),
}  # fmt: skip


def causal_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `causal_network`."""
    m = set(mistakes)
    x, Wq, Wk, Wv, Wo = CAUSAL_NUMBERS.values()
    Q, K_, V = x @ Wq, x @ Wk, x @ Wv
    S = Q @ K_.T / np.sqrt(T)
    E = np.exp(S) * (1 if "mask-forgotten" in m else MASK)
    P = E / E.sum(1, keepdims=True)
    O = P @ V
    y = O @ Wo
    δy = np.exp(y) / np.exp(y).sum(1, keepdims=True)
    right = np.eye(K)[CLASSES]
    δy = (δy - right) * right if "classes-alone" in m else δy - right
    if "mean-forgotten" not in m:
        δy = δy / T
    dWo = (V if "Wo-of-V" in m else O).T @ δy
    δO = δy @ Wo.T
    δP = δO @ V.T
    δV = (P if "P-not-transposed" in m else P.T) @ δO
    p = P
    axis = 0 if "sum-over-columns" in m else 1
    δS = p * (δP - (δP * p).sum(axis, keepdims=True))
    if "p-left-out-of-sum" in m:
        δS = p * (δP - δP.sum(1, keepdims=True))
    if "diagonal-alone" in m:
        δS = δP * p * (1 - p)
    if "softmax-skipped" in m:
        δS = δP
    if "sum-path" in m:
        δS = p * δP
    scale = 1 / np.sqrt(T)
    if "scale-missing" in m:
        scale = 1.0
    if "scale-d" in m:
        scale = 1 / T
    δQ, δK = δS @ K_ * scale, δS.T @ Q * scale
    if "S-not-transposed" in m:
        δK = δS @ Q * scale
    if "q-k-exchanged" in m:
        δQ, δK = δK, δQ
    branches = {"Q": δQ @ Wq.T, "K": δK @ Wk.T, "V": δV @ Wv.T}
    if "Wq-Wk-not-transposed" in m:
        branches |= {"Q": δQ @ Wq, "K": δK @ Wk}
    if "value-path-missing" in m:
        del branches["V"]
    δx = sum(branches.values())
    if "Q-twice" in m:
        δx = δx + branches["Q"]
    return {
        "y": δy, "Wo": dWo, "O": δO, "V": δV, "P": δP, "S": δS, "Q": δQ, "K": δK,
        "Wq": x.T @ δQ, "Wk": x.T @ δK, "Wv": (O if "Wv-of-O" in m else x).T @ δV, "x": δx,
    }  # fmt: skip


ONLY_X = ("value-path-missing", "Q-twice", "Wq-Wk-not-transposed")
NETWORKS = {"causal": Network(CAUSAL, causal_network, causal_by_hand, PARAMETERS, ONLY_X)}
