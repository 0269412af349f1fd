"""All states of a plain recurrent layer, and the last of them beside each: (T, B, H)."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

T, B, SIZE, H, OUT = 5, 2, 2, 3, 2
POOLED_NUMBERS = numbers(91, W=(SIZE, H), U=(H, H), b=(H,), Q=(H, OUT), V=(H, OUT))
DATA = numbers(92, x=(T, B, SIZE), h=(B, H), target=(T, B, OUT))
PARAMETERS = tuple(POOLED_NUMBERS)
LIMIT = 0.1


def pooled_network() -> tg.Tensor:
    """Build h = tanh(x W + h U + b), S of all h, and z = S V + h Q with the last h."""
    t = leaves(POOLED_NUMBERS)
    h, states = tg.Tensor(DATA["h"]), []
    for k in tg.steps(T):
        s = DATA["x"][k] @ t["W"] + h @ t["U"] + t["b"]
        h = tg.tanh(s)
        s.name, h.name = "s", "h"
        states.append(h)
    S = tg.stack(states)
    z = S @ t["V"] + h @ t["Q"]
    y = tg.sigmoid(z)
    S.name, z.name, y.name = "S", "z", "y"
    return tg.nn.squared_error(y, DATA["target"])


LAST, BEFORE = f"[{T - 1}]", f"[{T - 2}]"
POOLED: Mistakes = {
    "last-at-every-step": ("δ of the last h is added at every step", f"h{BEFORE}",
                           "error sent into every step"),
    "last-forgotten": ("δ of the last h is forgotten", f"h{LAST}", "branch forgotten"),
    "states-forgotten": ("δS is forgotten: only the last h is led back", f"h{LAST}",
                         "branch forgotten"),
    "clipped-by-norm": ("each gradient is scaled down to a norm of 0.1", "W U b Q V", "clipped"),
    "U-not-transposed": ("the carry goes through U itself", f"h{BEFORE}",
                         "weight not transposed"),
    "carry-dropped": ("nothing goes to the step before", f"h{BEFORE}",
                      "carry dropped or overwritten or branch forgotten"),
    "slope-missing": ("tanh' is left out", f"s{LAST}", "derivative missing"),
    "slope-of-output": ("σ' is taken at y", "z", "derivative at the output"),
    "h-for-before": ("dU is of h, where the h before belongs", "U",
                     "wrong factor or output for input"),
    "b-averaged": ("db is averaged over the batch", "b", "average over the batch"),
}  # fmt: skip


def pooled_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `pooled_network`."""
    m, n = set(mistakes), POOLED_NUMBERS
    h = {-1: DATA["h"]}
    for t in range(T):
        h[t] = np.tanh(DATA["x"][t] @ n["W"] + h[t - 1] @ n["U"] + n["b"])
    S = np.stack([h[t] for t in range(T)])
    y = 1 / (1 + np.exp(-(S @ n["V"] + h[T - 1] @ n["Q"])))
    δy = y - DATA["target"]
    δz = δy * y * (1 - y)
    if "slope-of-output" in m:
        at = 1 / (1 + np.exp(-y))
        δz = δy * at * (1 - at)
    δS, δlast = δz @ n["V"].T, δz.sum(0) @ n["Q"].T
    g = {name: np.zeros_like(array) for name, array in n.items()}
    g["V"], g["Q"] = np.einsum("tbh,tbo->ho", S, δz), h[T - 1].T @ δz.sum(0)
    hand: Arrays = {"y": δy, "z": δz, "S": δS}
    carry = np.zeros((B, H))
    for t in reversed(range(T)):
        δh = carry + (0 if "states-forgotten" in m else δS[t])
        if (t == T - 1 and "last-forgotten" not in m) or "last-at-every-step" in m:
            δh = δh + δlast
        δs = δh if "slope-missing" in m else δh * (1 - h[t] ** 2)
        g["W"] += DATA["x"][t].T @ δs
        g["U"] += (h[t] if "h-for-before" in m else h[t - 1]).T @ δs
        g["b"] += δs.mean(0) if "b-averaged" in m else δs.sum(0)
        carry = δs @ (n["U"] if "U-not-transposed" in m else n["U"].T)
        if "carry-dropped" in m:
            carry = 0 * carry
        hand |= {f"h[{t}]": δh, f"s[{t}]": δs}
    if "clipped-by-norm" in m:
        g = {name: δ * min(1, LIMIT / np.sqrt(np.sum(δ**2))) for name, δ in g.items()}
    return hand | g


NETWORKS = {"pooled": Network(POOLED, pooled_network, pooled_by_hand, PARAMETERS)}
