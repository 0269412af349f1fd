"""A block with a residual connection: its input is normalised over the features, (B, T, D)."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

B, T, D, OUT = 2, 3, 4, 2
TINY, LEAK = 1e-5, 0.2
RESIDUAL_NUMBERS = numbers(71, P=(3, D), g=(D,), b=(D,), M=(D, D), V=(D, OUT))
DATA = numbers(72, x=(B, T, 3), target=(B, T, OUT))
PARAMETERS = tuple(RESIDUAL_NUMBERS)


def residual_network() -> tg.Tensor:
    """Build s = x P, n = (s - mean s) / √(var s + 1e-5), z = s + leaky((n g + b) M), o = z V."""
    t = leaves(RESIDUAL_NUMBERS)
    s = DATA["x"] @ t["P"]
    c = s - tg.mean(s, axis=-1, keepdims=True)
    n = c / tg.sqrt(tg.mean(c * c, axis=-1, keepdims=True) + TINY)
    y = n * t["g"] + t["b"]
    u = y @ t["M"]
    q = tg.leaky_relu(u, LEAK)
    z = s + q
    o = z @ t["V"]
    s.name, n.name, y.name, u.name, q.name, z.name, o.name = "s", "n", "y", "u", "q", "z", "o"
    return tg.nn.squared_error(o, DATA["target"])


RESIDUAL: Mistakes = {
    "over-batch": ("the means of the way back run over the batch", "s", "sum over the wrong axis"),
    "over-steps": ("the means of the way back run over the steps", "s", "sum over the wrong axis"),
    "over-both": ("the means run over steps and features", "s", "sum over the wrong axis"),
    "three-for-four": ("the means are sums divided by 3, where D = 4", "s", "N - 1 for N"),
    "sums": ("sums stand where means belong", "s", "sum for a mean"),
    "n-missing": ("the deviation's term lacks the factor n", "s", "factor missing"),
    "gain-behind": ("the gain multiplies the result of the way back", "s",
                    "gain behind the layer"),
    "deviation-missing": ("nothing is divided by the deviation", "s", "layer's scale"),
    "layer-skipped": ("δn goes on to δs as it is", "s", "layer skipped"),
    "residual-missing": ("what z sends back to s is forgotten", "s", "branch forgotten"),
    "leak-missing": ("the slope is 0, where it is 0.2", "u", "mask of the wrong side"),
    "leak-exchanged": ("1 and 0.2 are exchanged", "u", "mask of the wrong side"),
}  # fmt: skip
AXES = {"over-batch": (0,), "over-steps": (1,), "over-both": (1, 2)}
TIMES = {"three-for-four": D / (D - 1), "sums": float(D)}


def residual_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `residual_network`."""
    m, p, x = set(mistakes), RESIDUAL_NUMBERS, DATA["x"]
    s = x @ p["P"]
    c = s - s.mean(-1, keepdims=True)
    r = np.sqrt((c * c).mean(-1, keepdims=True) + TINY)
    n = c / r
    y = n * p["g"] + p["b"]
    u = y @ p["M"]
    z = s + np.where(u > 0, u, LEAK * u)

    def gradient(before: np.ndarray, δ: np.ndarray) -> np.ndarray:
        return np.einsum("bti,btj->ij", before, δ)

    δo = z @ p["V"] - DATA["target"]
    δz = δo @ p["V"].T
    slope = np.where(u > 0, 1.0, LEAK)
    if "leak-missing" in m:
        slope = np.where(u > 0, 1.0, 0.0)
    if "leak-exchanged" in m:
        slope = np.where(u > 0, LEAK, 1.0)
    δu = δz * slope
    δy = δu @ p["M"].T
    δn = δy * p["g"]
    into = δy if "gain-behind" in m else δn
    axes = next((AXES[name] for name in m & set(AXES)), (2,))
    times = next((TIMES[name] for name in m & set(TIMES)), 1.0)
    mean, along = (times * v.mean(axes, keepdims=True) for v in (into, into * n))
    δs = (into - mean - (along if "n-missing" in m else n * along)) / r
    if "gain-behind" in m:
        δs = δs * p["g"]
    if "deviation-missing" in m:
        δs = δs * r
    if "layer-skipped" in m:
        δs = δn
    if "residual-missing" not in m:
        δs = δs + δz
    return {
        "o": δo, "V": gradient(z, δo), "z": δz, "q": δz, "u": δu, "M": gradient(y, δu), "y": δy,
        "g": (δy * n).sum((0, 1)), "b": δy.sum((0, 1)), "n": δn, "s": δs, "P": gradient(x, δs),
    }  # fmt: skip


NETWORKS = {"residual": Network(RESIDUAL, residual_network, residual_by_hand, PARAMETERS)}
