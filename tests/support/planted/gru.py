"""A GRU's cell from primitives; ½ Σ (h - target)² over all steps."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers, σ

GRU_NUMBERS = numbers(
    6, x=(3, 2, 2), h_0=(2, 3),
    W_r=(2, 3), U_r=(3, 3), b_r=(3,), W_z=(2, 3), U_z=(3, 3), b_z=(3,),
    W_n=(2, 3), U_n=(3, 3), b_n=(3,),
)  # fmt: skip
GRU_TARGET = numbers(7, target=(3, 2, 3))["target"]


def gru_network() -> tg.Tensor:
    """Build the cell of Cho et al. (2014), in a loop of one's own.

    r, z = σ(x W_g + h(k-1) U_g + b_g)      q = r ∘ h(k-1)
    n    = tanh(x W_n + q U_n + b_n)        h = (1 - z) ∘ n + z ∘ h(k-1)
    """
    t = leaves(GRU_NUMBERS)
    h, hs = t["h_0"], []
    for k in tg.steps(3):
        x = t["x"][k]
        s_r = x @ t["W_r"] + h @ t["U_r"] + t["b_r"]
        s_z = x @ t["W_z"] + h @ t["U_z"] + t["b_z"]
        r, z = tg.sigmoid(s_r), tg.sigmoid(s_z)
        q = r * h
        s_n = x @ t["W_n"] + q @ t["U_n"] + t["b_n"]
        n = tg.tanh(s_n)
        h = (1 - z) * n + z * h
        s_r.name, s_z.name, s_n.name, q.name = "s_r", "s_z", "s_n", "q"
        r.name, z.name, n.name, h.name = "r", "z", "n", "h"
        hs.append(h)
    return tg.nn.squared_error(tg.stack(hs), GRU_TARGET)


GRU: Mistakes = {
    "z-path-forgotten": (
        "h(t-1)'s branch through z ∘ h(t-1) is forgotten", "h[1]", "branch forgotten"),
    "q-path-forgotten": (
        "h(t-1)'s branch through r ∘ h(t-1) is forgotten", "h[1]", "branch forgotten"),
    "z-path-halved": (
        "of h(t-1)'s branch through z ∘ h(t-1) only half is taken", "h[1]", "branch halved"),
    "x-overwritten": (
        "δx is set by every product with x, not added to: the last remains", "x", "overwritten"),
    "gates-path-forgotten": (
        "h(t-1)'s branches into the gates r and z are forgotten", "h[1]", "branch forgotten"),
    "error-overwritten": (
        "δh(t) is what step t+1 sends back, without the step's own", "h[1]",
        "overwritten by the carry"),
    "z-for-1-z": ("δn = δh ∘ z, where 1 - z belongs", "n[2]", "wrong factor"),
    "z-one-branch": ("δz = -δh ∘ n: z's branch to h(t-1) is forgotten", "z[2]", "branch forgotten"),
    "z-sign": ("δz = δh ∘ (n - h(t-1)), with the opposite sign", "z[2]", "sign"),
    "h-not-before": ("δr = δq ∘ h(t), where h(t-1) belongs", "r[2]", "wrong factor"),
    "n-slope-at-net": ("1 - s_n² stands for 1 - n²", "s_n[2]", "input for output"),
    "r-slope-missing": ("σ' is missing for r", "s_r[2]", "derivative missing"),
    "U-not-transposed": ("δq = δs_n U_n, where U_nᵀ belongs", "q[2]", "weight not transposed"),
    "h-for-q": ("dU_n = Σ h(t-1)ᵀ δs_n, where r ∘ h(t-1) belongs", "U_n", "wrong factor"),
    "r-for-z": ("U_z is given r's delta", "U_z", "another's δ"),
}  # fmt: skip


def gru_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `gru_network`."""
    x, h_0, W_r, U_r, b_r, W_z, U_z, b_z, W_n, U_n, b_n = GRU_NUMBERS.values()
    T = len(x)
    h, r, z, q, s_n, n = {-1: h_0}, {}, {}, {}, {}, {}
    for t in range(T):
        r[t] = σ(x[t] @ W_r + h[t - 1] @ U_r + b_r)
        z[t] = σ(x[t] @ W_z + h[t - 1] @ U_z + b_z)
        q[t] = r[t] * h[t - 1]
        s_n[t] = x[t] @ W_n + q[t] @ U_n + b_n
        n[t] = np.tanh(s_n[t])
        h[t] = (1 - z[t]) * n[t] + z[t] * h[t - 1]

    hand: Arrays = {}
    d = {name: np.zeros_like(array) for name, array in GRU_NUMBERS.items() if name != "h_0"}
    carry = np.zeros_like(h_0)
    for t in reversed(range(T)):
        before = h[t - 1]
        δh = h[t] - GRU_TARGET[t] + carry
        if "error-overwritten" in mistakes and t < T - 1:
            δh = carry

        δn = δh * (1 - z[t])
        if "z-for-1-z" in mistakes:
            δn = δh * z[t]
        δz = δh * (before - n[t])
        if "z-one-branch" in mistakes:
            δz = -δh * n[t]
        if "z-sign" in mistakes:
            δz = δh * (n[t] - before)

        δs_n = δn * (1 - n[t] ** 2)
        if "n-slope-at-net" in mistakes:
            δs_n = δn * (1 - s_n[t] ** 2)
        δq = δs_n @ U_n.T
        if "U-not-transposed" in mistakes:
            δq = δs_n @ U_n
        δr = δq * before
        if "h-not-before" in mistakes:
            δr = δq * h[t]

        δs_r = δr * r[t] * (1 - r[t])
        if "r-slope-missing" in mistakes:
            δs_r = δr
        δs_z = δz * z[t] * (1 - z[t])

        through_z, through_q = δh * z[t], δq * r[t]
        through_gates = δs_r @ U_r.T + δs_z @ U_z.T
        carry = through_z + through_q + through_gates
        if "z-path-halved" in mistakes:
            carry = through_z / 2 + through_q + through_gates
        if "z-path-forgotten" in mistakes:
            carry = through_q + through_gates
        if "q-path-forgotten" in mistakes:
            carry = through_z + through_gates
        if "gates-path-forgotten" in mistakes:
            carry = through_z + through_q

        d["W_r"] += x[t].T @ δs_r
        d["W_z"] += x[t].T @ δs_z
        d["W_n"] += x[t].T @ δs_n
        d["U_r"] += before.T @ δs_r
        d["U_z"] += before.T @ (δs_r if "r-for-z" in mistakes else δs_z)
        d["U_n"] += (before if "h-for-q" in mistakes else q[t]).T @ δs_n
        d["b_r"] += δs_r.sum(axis=0)
        d["b_z"] += δs_z.sum(axis=0)
        d["b_n"] += δs_n.sum(axis=0)
        d["x"][t] = δs_r @ W_r.T + δs_z @ W_z.T + δs_n @ W_n.T
        if "x-overwritten" in mistakes:
            d["x"][t] = δs_n @ W_n.T
        hand |= {f"h[{t}]": δh, f"n[{t}]": δn, f"z[{t}]": δz, f"s_n[{t}]": δs_n, f"q[{t}]": δq}
        hand |= {f"r[{t}]": δr, f"s_r[{t}]": δs_r, f"s_z[{t}]": δs_z}
    return hand | {"h_0": carry} | d


NETWORK = Network(
    GRU, gru_network, gru_by_hand,
    ("W_r", "U_r", "b_r", "W_z", "U_z", "b_z", "W_n", "U_n", "b_n"),
    inputs_alone=("x-overwritten",),
)  # fmt: skip
