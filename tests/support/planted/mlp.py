"""Two dense layers, tanh and sigmoid; ½ Σ (y - target)².

All sizes are 3, so that hardly a mistake shows in a shape.
"""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, dense, numbers, σ

MLP_NUMBERS = numbers(2, x=(3, 3), W1=(3, 3), b1=(3,), W2=(3, 3), b2=(3,), target=(3, 3))


def mlp_network() -> tg.Tensor:
    """Build two dense layers, ``hidden`` and ``output``."""
    n = MLP_NUMBERS
    x = tg.Tensor(n["x"], requires_grad=True, name="x")
    h = dense("hidden", n["W1"], n["b1"], tg.tanh)(x)
    return tg.nn.squared_error(dense("output", n["W2"], n["b2"], tg.sigmoid)(h), n["target"])


MLP: Mistakes = {
    "sign": (
        "δy = target - y, the descent's direction, where y - target belongs", "output.y", "sign"),
    "sigmoid-twice": ("y = σ(σ(z)) in the forward pass", "output.y", "function twice"),
    "output-slope-missing": (
        "σ' is missing: δz = y - target, as for cross-entropy", "output.z", "derivative missing"),
    "output-slope-twice": ("σ' is applied twice", "output.z", "derivative twice"),
    "output-for-slope": ("y stands for σ' = y ∘ (1 - y)", "output.z", "function for derivative"),
    "slope-of-activation": (
        "σ' is taken at y instead of z: σ(y) (1 - σ(y))", "output.z", "derivative at the output"),
    "partner": ("dW = xᵀ δ in the output layer, whose input is h", "output.W", "wrong factor"),
    "output-for-input": (
        "dw = δ ŷ: the layer's output, where its input belongs", "output.W", "output for input"),
    "transposed": (
        "dW = δᵀ h in the output layer, where hᵀ δ belongs", "output.W", "gradient transposed"),
    "bias-over-features": (
        "db is summed over the features instead of the batch", "output.b",
        "sum over the wrong axis"),
    "bias-averaged": (
        "db is averaged over the batch, where it belongs summed", "output.b",
        "average over the batch"),
    "bias-over-all": (
        "db is summed over batch and features: one number for all", "output.b",
        "sum over the wrong axis"),
    "bias-as-row": (
        "db is (1, n), its batch axis kept, where (n,) belongs", "output.b", "axis of length 1"),
    "slope-not-sent-on": (
        "δh = δy Wᵀ: σ' is in dW, but not in what is sent on", "hidden.y",
        "derivative not sent on"),
    "W-missing": ("δh = δz, without the output layer's weights", "hidden.y", "weight missing"),
    "W-not-transposed": ("δh = δz W, where Wᵀ belongs", "hidden.y", "weight not transposed"),
    "W-updated": (
        "δh is computed with weights that have already been updated", "hidden.y",
        "weight updated before use"),
    "hidden-slope-missing": ("tanh' is missing", "hidden.z", "derivative missing"),
    "hidden-slope-at-net": ("1 - z² stands for 1 - h²", "hidden.z", "input for output"),
    "hidden-slope-at-tanh": (
        "tanh' is taken at h instead of z: 1 - tanh²(h)", "hidden.z", "derivative at the output"),
    "square-missing": ("1 - h stands for 1 - h²", "hidden.z", "derivative of wrong form"),
    "first-row": (
        "dW is that of the first of the batch alone", "hidden.W", "sum over the batch missing"),
    "dx-not-transposed": ("dx = δz W, where Wᵀ belongs", "x", "weight not transposed"),
}  # fmt: skip


def mlp_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `mlp_network`."""
    x, W1, b1, W2, b2, target = MLP_NUMBERS.values()
    z1 = x @ W1 + b1
    h = np.tanh(z1)
    y = σ(h @ W2 + b2)
    if "sigmoid-twice" in mistakes:
        y = σ(y)

    δy = y - target
    if "sign" in mistakes:
        δy = target - y

    δz2 = δy * y * (1 - y)
    if "output-slope-missing" in mistakes:
        δz2 = δy
    if "output-slope-twice" in mistakes:
        δz2 = δy * (y * (1 - y)) ** 2
    if "output-for-slope" in mistakes:
        δz2 = δy * y
    if "slope-of-activation" in mistakes:
        δz2 = δy * σ(y) * (1 - σ(y))

    dW2 = h.T @ δz2
    if "partner" in mistakes:
        dW2 = x.T @ δz2
    if "output-for-input" in mistakes:
        dW2 = y.T @ δz2
    if "transposed" in mistakes:
        dW2 = δz2.T @ h
    db2 = δz2.sum(axis=0)
    if "bias-over-features" in mistakes:
        db2 = δz2.sum(axis=1)
    if "bias-averaged" in mistakes:
        db2 = δz2.mean(axis=0)
    if "bias-over-all" in mistakes:
        db2 = δz2.sum()
    if "bias-as-row" in mistakes:
        db2 = δz2.sum(axis=0, keepdims=True)

    δh = δz2 @ W2.T
    if "slope-not-sent-on" in mistakes:
        δh = δy @ W2.T
    if "W-missing" in mistakes:
        δh = δz2
    if "W-not-transposed" in mistakes:
        δh = δz2 @ W2
    if "W-updated" in mistakes:
        δh = δz2 @ (W2 - 0.5 * dW2).T

    δz1 = δh * (1 - h**2)
    if "hidden-slope-missing" in mistakes:
        δz1 = δh
    if "hidden-slope-at-net" in mistakes:
        δz1 = δh * (1 - z1**2)
    if "hidden-slope-at-tanh" in mistakes:
        δz1 = δh * (1 - np.tanh(h) ** 2)
    if "square-missing" in mistakes:
        δz1 = δh * (1 - h)

    dW1 = x.T @ δz1
    if "first-row" in mistakes:
        dW1 = np.outer(x[0], δz1[0])
    db1 = δz1.sum(axis=0)
    dx = δz1 @ W1.T
    if "dx-not-transposed" in mistakes:
        dx = δz1 @ W1
    return {
        "output.y": δy, "output.z": δz2, "output.W": dW2, "output.b": db2,
        "hidden.y": δh, "hidden.z": δz1, "hidden.W": dW1, "hidden.b": db1, "x": dx,
    }  # fmt: skip


NETWORK = Network(
    MLP, mlp_network, mlp_by_hand, ("hidden.W", "hidden.b", "output.W", "output.b"),
    inputs_alone=("dx-not-transposed",),
)  # fmt: skip
