"""Layers that normalise: by mean and variance, by mean and deviation, by length; ½ Σ (y - t)²."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

TINY = 1e-5
NORMED_NUMBERS = numbers(21, x=(4, 3), W=(3, 5), g=(5,), b=(5,), V=(5, 2))
NORMED_TARGET = numbers(22, target=(4, 2))["target"]


def normed_network(axis: int) -> tg.Tensor:
    """Build s = x W, N = (s - mean s) / √(var s + 1e-5) along an axis, y = N ∘ g + b, and y V."""
    t = leaves(NORMED_NUMBERS)
    s = t["x"] @ t["W"]
    c = s - tg.mean(s, axis=axis, keepdims=True)
    N = c / tg.sqrt(tg.mean(c * c, axis=axis, keepdims=True) + TINY)
    y = N * t["g"] + t["b"]
    out = y @ t["V"]
    s.name, N.name, y.name, out.name = "s", "N", "y", "out"
    return tg.nn.squared_error(out, NORMED_TARGET)


LAYER: Mistakes = {
    "variance-path": ("δs = (δN - mean δN) / √: the variance's term is forgotten", "s",
                      "branch forgotten"),
    "mean-path": ("δs = (δN - N mean(δN N)) / √: the mean's term is forgotten", "s",
                  "branch forgotten"),
    "both-paths": ("δs = δN / √: mean and variance are taken for constants", "s",
                   "branch forgotten"),
    "variance-halved": ("the variance's term lacks its 2: it is half of what it should be", "s",
                        "branch halved or factor or branch forgotten or derivative of wrong form"),
    "g-missing": ("δN = δy, without the gain g", "N", "factor missing"),
    "s-for-N": ("dg = Σ δy s, where N belongs", "g", "wrong factor"),
    "V-gradient-of-N": ("dV = Nᵀ δ, where yᵀ δ belongs", "V", "wrong factor"),
    "b-averaged": ("db is averaged over the batch", "b", "average over the batch"),
}  # fmt: skip
BATCH: Mistakes = {
    "variance-path": ("the variance's term is forgotten", "s", "branch forgotten"),
    "mean-path": ("the mean's term is forgotten", "s", "branch forgotten"),
    "both-paths": ("mean and variance are taken for constants", "s", "branch forgotten"),
    "b-for-g": ("δN = δy ∘ b, where g belongs", "N", "wrong factor"),
    "g-last": ("dg is that of the last of the batch alone", "g", "sum over the batch missing"),
    "y-twice": ("everything is twice what it should be: ½ is forgotten", "out", "factor"),
}


def normed_by_hand(axis: int, *mistakes: str) -> Arrays:
    """Derive all gradients of `normed_network`."""
    x, W, g, b, V = NORMED_NUMBERS.values()
    s = x @ W
    mean = partial(np.mean, axis=axis, keepdims=True)
    root = np.sqrt(s.var(axis=axis, keepdims=True) + TINY)
    N = (s - mean(s)) / root
    y = N * g + b

    δout = y @ V - NORMED_TARGET
    if "y-twice" in mistakes:
        δout = 2 * δout
    dV = y.T @ δout
    if "V-gradient-of-N" in mistakes:
        dV = N.T @ δout
    δy = δout @ V.T
    dg, db = (δy * N).sum(0), δy.sum(0)
    if "s-for-N" in mistakes:
        dg = (δy * s).sum(0)
    if "g-last" in mistakes:
        dg = (δy * N)[-1]
    if "b-averaged" in mistakes:
        db = δy.mean(0)

    δN = δy * g
    if "g-missing" in mistakes:
        δN = δy
    if "b-for-g" in mistakes:
        δN = δy * b
    δs = (δN - mean(δN) - N * mean(δN * N)) / root
    if "variance-path" in mistakes:
        δs = (δN - mean(δN)) / root
    if "mean-path" in mistakes:
        δs = (δN - N * mean(δN * N)) / root
    if "both-paths" in mistakes:
        δs = δN / root
    if "variance-halved" in mistakes:
        δs = (δN - mean(δN) - 0.5 * N * mean(δN * N)) / root
    return {
        "out": δout, "V": dV, "y": δy, "g": dg, "b": db, "N": δN, "s": δs,
        "W": x.T @ δs, "x": δs @ W.T,
    }  # fmt: skip


PARTS = ("W", "g", "b", "V")
LAYER_NORM = Network(LAYER, partial(normed_network, 1), partial(normed_by_hand, 1), PARTS)
BATCH_NORM = Network(BATCH, partial(normed_network, 0), partial(normed_by_hand, 0), PARTS)


# --- by length alone ------------------------------------------------------------------------------

SCALED_NUMBERS = numbers(23, x=(4, 3), W=(3, 5), g=(5,))
SCALED_TARGET = numbers(24, target=(4, 5))["target"]
Size = Callable[[tg.Tensor], tg.Tensor]


def rms(s: tg.Tensor) -> tg.Tensor:
    """Return the root of the mean square of each row, (B, 1)."""
    return tg.sqrt(tg.mean(s * s, axis=1, keepdims=True) + TINY)


def deviation(s: tg.Tensor) -> tg.Tensor:
    """Return the standard deviation of each row, (B, 1)."""
    return tg.std(s, axis=1, keepdims=True)


def length(s: tg.Tensor) -> tg.Tensor:
    """Return the length of each row, (B, 1)."""
    return tg.norm(s, axis=1, keepdims=True)


def scaled_network(size: Size) -> tg.Tensor:
    """Build s = x W and u = s / r ∘ g, where r is the size of each row."""
    t = leaves(SCALED_NUMBERS)
    s = t["x"] @ t["W"]
    r = size(s)
    N = s / r
    y = N * t["g"]
    s.name, r.name, N.name, y.name = "s", "r", "N", "y"
    return tg.nn.squared_error(y, SCALED_TARGET)


SCALED: dict[str, Mistakes] = {
    "rms": {
        "size-path": ("δs = δN / r: the size is taken for a constant", "s", "branch forgotten"),
        "sign": ("the size's term is added, where it belongs subtracted", "s",
                 "sign or derivative of wrong form"),
        "r-not-squared": ("δr = -Σ δN s / r, where r² belongs", "r", "derivative of wrong form"),
        "g-missing": ("δN = δy, without the gain g", "N", "factor missing"),
        "not-divided": ("δs lacks the division by r on the way from N", "s",
                        "derivative missing or derivative of wrong form"),
    },
    "std": {
        "size-path": ("δs = δN / r: the deviation is taken for a constant", "s",
                      "branch forgotten"),
        "g-of-s": ("dg = Σ δy s, where N belongs", "g", "wrong factor"),
    },
    "norm": {
        "size-path": ("δs = δN / r: the length is taken for a constant", "s", "branch forgotten"),
        "own-path": ("δs = -N Σ(δN N) / r: only the length's term is left", "s",
                     "branch forgotten"),
        "target-less-y": ("δy = t - y, where y - t belongs", "y", "sign"),
    },
}  # fmt: skip


def scaled_by_hand(name: str, *mistakes: str) -> Arrays:
    """Derive all gradients of `scaled_network`."""
    x, W, g = SCALED_NUMBERS.values()
    s = x @ W
    n = s.shape[1]
    if name == "rms":
        r = np.sqrt((s * s).mean(1, keepdims=True) + TINY)
        slope = s / (n * r)
    elif name == "std":
        r = s.std(1, keepdims=True)
        slope = (s - s.mean(1, keepdims=True)) / (n * r)
    else:
        r = np.sqrt((s * s).sum(1, keepdims=True))
        slope = s / r
    N = s / r
    δy = N * g - SCALED_TARGET
    if "target-less-y" in mistakes:
        δy = -δy
    dg = (δy * N).sum(0)
    if "g-of-s" in mistakes:
        dg = (δy * s).sum(0)
    δN = δy if "g-missing" in mistakes else δy * g
    δr = -(δN * s).sum(1, keepdims=True) / r**2
    if "r-not-squared" in mistakes:
        δr = -(δN * s).sum(1, keepdims=True) / r
    δs = δN / r + δr * slope
    if "size-path" in mistakes:
        δs = δN / r
    if "sign" in mistakes:
        δs = δN / r - δr * slope
    if "own-path" in mistakes:
        δs = δr * slope
    if "not-divided" in mistakes:
        δs = δN + δr * slope
    return {"y": δy, "g": dg, "N": δN, "r": δr, "s": δs, "W": x.T @ δs, "x": δs @ W.T}


NETWORKS = {"layer-norm": LAYER_NORM, "batch-norm": BATCH_NORM} | {
    name: Network(
        SCALED[name], partial(scaled_network, size), partial(scaled_by_hand, name), ("W", "g")
    )
    for name, size in (("rms", rms), ("std", deviation), ("norm", length))
}
