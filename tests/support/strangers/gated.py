"""A GRU with nine arrays of weights, read out at its last step; ½ Σ (y - target)², mean over B."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers, σ

STEPS, B, D, H, K = 4, 3, 2, 4, 2
GATED_NUMBERS = numbers(
    45,
    **{f"W{gate}": (D, H) for gate in "zrh"},
    **{f"U{gate}": (H, H) for gate in "zrh"},
    **{f"b{gate}": (H,) for gate in "zrh"},
    V=(H, K),
    c=(K,),
)
DATA = numbers(46, x=(STEPS, B, D), h=(B, H), target=(B, K))
PARAMETERS = tuple(GATED_NUMBERS)


def gated_network() -> tg.Tensor:
    """Build h = (1 - z) ∘ h(t-1) + z ∘ g, g = tanh(x Wh + (r ∘ h(t-1)) Uh + bh), h(T-1) V + c."""
    t = leaves(GATED_NUMBERS)
    h = tg.Tensor(DATA["h"], name="h0")
    for k in tg.steps(STEPS):
        x = DATA["x"][k]
        s_z = x @ t["Wz"] + h @ t["Uz"] + t["bz"]
        s_r = x @ t["Wr"] + h @ t["Ur"] + t["br"]
        z, r = tg.sigmoid(s_z), tg.sigmoid(s_r)
        q = r * h
        s_h = x @ t["Wh"] + q @ t["Uh"] + t["bh"]
        g = tg.tanh(s_h)
        h = (1 - z) * h + z * g
        s_z.name, s_r.name, s_h.name, q.name = "s_z", "s_r", "s_h", "q"
        z.name, r.name, g.name, h.name = "z", "r", "g", "h"
    y = h @ t["V"] + t["c"]
    y.name = "y"
    return tg.sum((y - DATA["target"]) ** 2) * (0.5 / B)


GATED: Mistakes = {
    "error-at-every-step": ("the last step's error is sent into every step", "h[2]",
                            "error sent into every step"),
    "readout-of-T-2": ("dV = h(T-2)ᵀ δy, where h(T-1) belongs", "V", "wrong factor"),
    "1-z-path-missing": ("δh(t-1) lacks δh (1 - z)", "h[2]", "branch forgotten"),
    "r-path-missing": ("δh(t-1) lacks δq r", "h[2]", "branch forgotten"),
    "Ur-path-missing": ("δh(t-1) lacks δs_r Urᵀ", "h[2]", "branch forgotten"),
    "r-left-out": ("δh(t-1) has δq, where δq r belongs", "h[2]", "factor missing"),
    "one-less-delta": ("δz = δh g + (1 - δh h(t-1)), where - δh h(t-1) belongs", "z[3]",
                       "1 − δ for −δ"),
    "z-of-h-alone": ("δz = δh g: the branch through 1 - z is forgotten", "z[3]",
                     "branch forgotten"),
    "U-not-transposed": ("δs U stands for δs Uᵀ in all three gates", "q[3] h[2]",
                         "weight not transposed"),
    "Uz-not-transposed": ("δs_z Uz stands for δs_z Uzᵀ", "h[2]", "weight not transposed"),
    "z-r-exchanged": ("z and r are exchanged in W, U and b", "Wz Wr Uz Ur bz br", "exchanged"),
    "slopes-missing": ("σ' is left out in z and r", "s_z[3] s_r[3]", "derivative missing"),
    "bracket-z": ("δs_z = δz (z · 1 - z): a bracket is lost, 0", "s_z[3]",
                  "path left out"),
    "bracket-r": ("δs_r = δr r · 1 - r, where δr r (1 - r) belongs", "s_r[3]", "bracket lost"),
    "1-z-for-z": ("δg = δh (1 - z), where z belongs", "g[3]", "wrong factor"),
    "h-for-q": ("dUh = h(t-1)ᵀ δs_h, where q belongs", "Uh", "wrong factor"),
    "U-of-h": ("dU takes h(t), where h(t-1) belongs, in z and r", "Uz Ur", "wrong factor"),
    "carry-reset": ("nothing is carried back", "h[2]", "carry dropped"),
    "W-averaged": ("the gradients are the sum over steps of means over the batch: again / B",
                   "y", "factor or average over the batch"),
    "b-over-units": ("all three db are divided by T", "bz br bh", "average over steps"),
    "all-summed-square": ("everything is twice as large: ½ forgotten", "y", "factor"),
    "grad-sign": ("target - y stands for y - target", "y", "sign"),
    "r-sign": ("δr has the opposite sign", "r[3]", "sign"),
    "updated-rate": ("V is updated before δh is computed, with the rate 0.3", "h[3]",
                     "weight updated before use"),
}  # fmt: skip


def gated_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `gated_network`."""
    m = set(mistakes)
    n = GATED_NUMBERS
    xs, hs, kept = DATA["x"], {-1: DATA["h"]}, {}
    for t in range(STEPS):
        z = σ(xs[t] @ n["Wz"] + hs[t - 1] @ n["Uz"] + n["bz"])
        r = σ(xs[t] @ n["Wr"] + hs[t - 1] @ n["Ur"] + n["br"])
        q = r * hs[t - 1]
        g = np.tanh(xs[t] @ n["Wh"] + q @ n["Uh"] + n["bh"])
        hs[t] = (1 - z) * hs[t - 1] + z * g
        kept[t] = z, r, q, g
    last = STEPS - 1
    δy = (hs[last] @ n["V"] + n["c"] - DATA["target"]) / B
    if "W-averaged" in m:
        δy = δy / B
    if "all-summed-square" in m:
        δy = 2 * δy
    if "grad-sign" in m:
        δy = -δy
    read = hs[last - 1] if "readout-of-T-2" in m else hs[last]
    d = {name: np.zeros_like(array) for name, array in n.items()}
    d["V"], d["c"] = read.T @ δy, δy.sum(0)
    hand: Arrays = {"y": δy}
    V = n["V"] - 0.3 * d["V"] if "updated-rate" in m else n["V"]
    sent = δy @ V.T
    U = {gate: n[f"U{gate}"].T for gate in "zrh"}
    if "U-not-transposed" in m:
        U = {gate: n[f"U{gate}"] for gate in "zrh"}
    if "Uz-not-transposed" in m:
        U["z"] = n["Uz"]
    carry = np.zeros((B, H))
    for t in reversed(range(STEPS)):
        z, r, q, g = kept[t]
        δh = carry + (sent if t == last or "error-at-every-step" in m else 0)
        δg = δh * (1 - z if "1-z-for-z" in m else z)
        δz = δh * g - δh * hs[t - 1]
        if "one-less-delta" in m:
            δz = δh * g + (1 - δh * hs[t - 1])
        if "z-of-h-alone" in m:
            δz = δh * g
        δs_h = δg * (1 - g**2)
        δq = δs_h @ U["h"]
        δr = δq * hs[t - 1]
        if "r-sign" in m:
            δr = -δr
        δs_z, δs_r = δz * z * (1 - z), δr * r * (1 - r)
        if "slopes-missing" in m:
            δs_z, δs_r = δz, δr
        if "bracket-z" in m:
            δs_z = δz * (z * 1 - z)
        if "bracket-r" in m:
            δs_r = δr * r * 1 - r
        after = hs[t] if "U-of-h" in m else hs[t - 1]
        for gate, δs in zip("zrh", (δs_z, δs_r, δs_h), strict=True):
            d[f"W{gate}"] += xs[t].T @ δs
            below = (hs[t - 1] if "h-for-q" in m else q) if gate == "h" else after
            d[f"U{gate}"] += below.T @ δs
            d[f"b{gate}"] += δs.sum(0)
        branches = {
            "1-z-path": δh * (1 - z), "r-path": δq if "r-left-out" in m else δq * r,
            "Ur-path": δs_r @ U["r"], "Uz-path": δs_z @ U["z"],
        }  # fmt: skip
        carry = sum(δ for name, δ in branches.items() if f"{name}-missing" not in m)
        if "carry-reset" in m:
            carry = 0 * carry
        hand |= {f"h[{t}]": δh, f"g[{t}]": δg, f"z[{t}]": δz, f"s_h[{t}]": δs_h, f"q[{t}]": δq}
        hand |= {f"r[{t}]": δr, f"s_z[{t}]": δs_z, f"s_r[{t}]": δs_r}
    if "z-r-exchanged" in m:
        for letter in "WUb":
            d[f"{letter}z"], d[f"{letter}r"] = d[f"{letter}r"], d[f"{letter}z"]
    if "b-over-units" in m:
        d |= {f"b{gate}": d[f"b{gate}"] / STEPS for gate in "zrh"}
    return hand | d


NETWORKS = {"gated": Network(GATED, gated_network, gated_by_hand, PARAMETERS)}
