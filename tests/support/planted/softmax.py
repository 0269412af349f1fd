"""Relu, softmax and cross-entropy from primitives."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

SOFTMAX_NUMBERS = numbers(3, x=(4, 2), W1=(2, 5), b1=(5,), W2=(5, 3), b2=(3,))
RIGHT = np.eye(3)[[0, 2, 1, 2]]  # the classes, one-hot (4, 3)


def softmax_network() -> tg.Tensor:
    """Build z = relu(x W1 + b1) W2 + b2, p = exp z / Σ exp z, and the mean of -Σ right log p."""
    t = leaves(SOFTMAX_NUMBERS)
    s = t["x"] @ t["W1"] + t["b1"]
    h = tg.relu(s)
    z = h @ t["W2"] + t["b2"]
    E = tg.exp(z)
    Z = tg.sum(E, axis=1, keepdims=True)
    p = E / Z
    L = tg.log(p)
    s.name, h.name, z.name, E.name, Z.name, p.name, L.name = "s", "h", "z", "E", "Z", "p", "L"
    return -tg.sum(RIGHT * L) / 4


SOFTMAX: Mistakes = {
    "sign": ("the minus before the sum is forgotten", "L", "sign"),
    "batch-mean-forgotten": ("the loss is differentiated as a sum over the batch", "L", "factor"),
    "log-slope-missing": ("log' = 1/p is missing", "p", "derivative missing"),
    "log-slope-at-E": ("1/E stands for log' = 1/p", "p", "derivative at another signal"),
    "off-diagonal-dropped": (
        "softmax' is taken as p ∘ (1 - p), its diagonal alone", "E", "off-diagonal terms dropped"),
    "Z-forgotten": (
        "only the numerator's branch of exp z is taken, not the denominator's", "E",
        "branch forgotten"),
    "Z-averaged": ("δZ is the mean of its parts, where their sum belongs", "Z",
                   "mean for a sum or factor"),
    "softmax-twice": (
        "the finished (p - right) is multiplied by p ∘ (1 - p) once more", "z",
        "normalisation twice"),
    "softmax-of-softmax": (
        "z is normalised before it goes into the softmax", "p", "normalised twice"),
    "relu-for-slope": ("relu stands for its derivative", "s", "function for derivative"),
    "relu-slope-missing": ("relu' is missing", "s", "derivative missing"),
    "bias-last-row": (
        "db is that of the last of the batch alone", "b1", "sum over the batch missing"),
    "s-for-h": ("dW2 = sᵀ δ, where relu(s) belongs", "W2", "wrong factor"),
}  # fmt: skip


def softmax_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `softmax_network`."""
    x, W1, b1, W2, b2 = SOFTMAX_NUMBERS.values()
    B = len(x)
    s = x @ W1 + b1
    h = np.maximum(s, 0)
    z = h @ W2 + b2
    if "softmax-of-softmax" in mistakes:
        z = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    E = np.exp(z)
    Z = E.sum(axis=1, keepdims=True)
    p = E / Z

    δL = -RIGHT / B
    if "sign" in mistakes:
        δL = RIGHT / B
    if "batch-mean-forgotten" in mistakes:
        δL = -RIGHT

    δp = δL / p
    if "log-slope-missing" in mistakes:
        δp = δL
    if "log-slope-at-E" in mistakes:
        δp = δL / E

    δZ = -np.sum(δp * E / Z**2, axis=1, keepdims=True)
    if "Z-averaged" in mistakes:
        δZ = -np.mean(δp * E / Z**2, axis=1, keepdims=True)
    δE = δp / Z + δZ
    if "off-diagonal-dropped" in mistakes:
        δE = δp / Z * (1 - p)
    if "Z-forgotten" in mistakes:
        δE = δp / Z

    δz = δE * E
    if "softmax-twice" in mistakes:
        δz = δE * E * p * (1 - p)

    dW2, db2 = h.T @ δz, δz.sum(axis=0)
    if "s-for-h" in mistakes:
        dW2 = s.T @ δz

    δh = δz @ W2.T
    δs = δh * (s > 0)
    if "relu-for-slope" in mistakes:
        δs = δh * h
    if "relu-slope-missing" in mistakes:
        δs = δh

    dW1, db1, dx = x.T @ δs, δs.sum(axis=0), δs @ W1.T
    if "bias-last-row" in mistakes:
        db1 = δs[-1]
    return {
        "L": δL, "p": δp, "Z": δZ, "E": δE, "z": δz, "W2": dW2, "b2": db2,
        "h": δh, "s": δs, "W1": dW1, "b1": db1, "x": dx,
    }  # fmt: skip


NETWORK = Network(SOFTMAX, softmax_network, softmax_by_hand, ("W1", "b1", "W2", "b2"))
