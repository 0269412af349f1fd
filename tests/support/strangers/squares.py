"""A plain recurrent layer with as many inputs as hidden units, on data without a gradient."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

STEPS, H, B = 5, 3, 2
SQUARES_NUMBERS = numbers(61, Wx=(H, H), Wh=(H, H), b=(H,), Wy=(H, H), c=(H,))
DATA = numbers(62, x=(STEPS, B, H), h=(B, H), target=(STEPS, B, H))
PARAMETERS = tuple(SQUARES_NUMBERS)
LIMIT = 0.25


def squares_network() -> tg.Tensor:
    """Build h = tanh(x Wx + h Wh + b), y = h Wy + c, and ½ Σ (y - target)²."""
    t = leaves(SQUARES_NUMBERS)
    h, loss = tg.Tensor(DATA["h"], name="h0"), 0.0
    for k in tg.steps(STEPS):
        s = tg.Tensor(DATA["x"][k]) @ t["Wx"] + h @ t["Wh"] + t["b"]
        h = tg.tanh(s)
        y = h @ t["Wy"] + t["c"]
        s.name, h.name, y.name = "s", "h", "y"
        loss = loss + tg.nn.squared_error(y, DATA["target"][k])
    return loss


BEFORE_LAST = f"h[{STEPS - 2}]"
SQUARES: Mistakes = {
    "Wx-for-Wh": ("the carry goes through Wxᵀ, where Whᵀ belongs", BEFORE_LAST, "wrong weight"),
    "Wy-for-Wh": ("the carry goes through Wyᵀ, where Whᵀ belongs", BEFORE_LAST, "wrong weight"),
    "Wx-for-Wy": ("δh takes Wxᵀ, where Wyᵀ belongs", f"h[{STEPS - 1}]", "wrong weight"),
    "Wx-not-transposed-for-Wh": ("the carry goes through Wx itself, where Whᵀ belongs",
                                 BEFORE_LAST, "wrong weight"),
    "Wh-not-transposed": ("the carry goes through Wh itself", BEFORE_LAST, "weight not transposed"),
    "carry-dropped": ("nothing goes to the step before", BEFORE_LAST, "carry dropped"),
    "slope-missing": ("δs = δh: tanh' is left out", f"s[{STEPS - 1}]", "derivative missing"),
    "carry-clipped": ("what goes to the step before is clipped to ±1/4", BEFORE_LAST, "clipped"),
    "x-for-h": ("dWh is of x, where the h before belongs", "Wh",
                "wrong factor or another's gradient"),
    "h-for-x": ("dWx is of the h before, where x belongs", "Wx",
                "wrong factor or another's gradient"),
}  # fmt: skip


def squares_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `squares_network`."""
    m, n = set(mistakes), SQUARES_NUMBERS
    hs = {-1: DATA["h"]}
    for t in range(STEPS):
        hs[t] = np.tanh(DATA["x"][t] @ n["Wx"] + hs[t - 1] @ n["Wh"] + n["b"])
    g = {name: np.zeros_like(array) for name, array in n.items()}
    hand: Arrays = {}
    carry = np.zeros((B, H))
    for t in reversed(range(STEPS)):
        δy = hs[t] @ n["Wy"] + n["c"] - DATA["target"][t]
        δh = δy @ (n["Wx"] if "Wx-for-Wy" in m else n["Wy"]).T + carry
        δs = δh if "slope-missing" in m else δh * (1 - hs[t] ** 2)
        g["Wy"] += hs[t].T @ δy
        g["c"] += δy.sum(0)
        g["Wx"] += (hs[t - 1] if "h-for-x" in m else DATA["x"][t]).T @ δs
        g["Wh"] += (DATA["x"][t] if "x-for-h" in m else hs[t - 1]).T @ δs
        g["b"] += δs.sum(0)
        weight = n["Wh"].T
        if "Wh-not-transposed" in m:
            weight = n["Wh"]
        if "Wx-for-Wh" in m:
            weight = n["Wx"].T
        if "Wy-for-Wh" in m:
            weight = n["Wy"].T
        if "Wx-not-transposed-for-Wh" in m:
            weight = n["Wx"]
        carry = δs @ weight
        if "carry-clipped" in m:
            carry = np.clip(carry, -LIMIT, LIMIT)
        if "carry-dropped" in m:
            carry = 0 * carry
        hand |= {f"y[{t}]": δy, f"h[{t}]": δh, f"s[{t}]": δs}
    return hand | g


NETWORKS = {"squares": Network(SQUARES, squares_network, squares_by_hand, PARAMETERS)}
