"""An LSTM that normalises its net inputs and its state by one function; ½ Σ (h - target)²."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers, σ

STEPS, B, D, H = 3, 2, 2, 4
TINY = 1e-5
NORMED_LSTM_NUMBERS = numbers(
    47, W=(D, 4 * H), U=(H, 4 * H), b=(4 * H,), g1=(4 * H,), g2=(H,), b2=(H,)
)
DATA = numbers(48, x=(STEPS, B, D), h=(B, H), C=(B, H), target=(STEPS, B, H))
PARAMETERS = tuple(NORMED_LSTM_NUMBERS)


def normalised(s: tg.Tensor) -> tg.Tensor:
    """Return (s - mean s) / √(var s + 1e-5), row by row."""
    c = s - tg.mean(s, axis=-1, keepdims=True)
    return c / tg.sqrt(tg.mean(c * c, axis=-1, keepdims=True) + TINY)


def normed_lstm_network() -> tg.Tensor:
    """Build p = N(x W + h U) g1 + b, cut into i, f, o, c; h = o tanh(N(C) g2 + b2)."""
    t = leaves(NORMED_LSTM_NUMBERS)
    h, C = tg.Tensor(DATA["h"], name="h0"), tg.Tensor(DATA["C"], name="C0")
    loss = 0.0
    for k in tg.steps(STEPS):
        s = DATA["x"][k] @ t["W"] + h @ t["U"]
        n = normalised(s)
        p = n * t["g1"] + t["b"]
        i, f, o = (tg.sigmoid(p[:, j * H : (j + 1) * H]) for j in range(3))
        c = tg.tanh(p[:, 3 * H :])
        C = f * C + i * c
        n2 = normalised(C)
        q = n2 * t["g2"] + t["b2"]
        h = o * tg.tanh(q)
        s.name, n.name, p.name, n2.name, q.name = "s", "n", "p", "n2", "q"
        i.name, f.name, o.name, c.name, C.name, h.name = "i", "f", "o", "c", "C", "h"
        loss = loss + 0.5 * tg.sum((h - DATA["target"][k]) ** 2)
    return loss


BOTH = "C[2] s[2]"
NORMED_LSTM: Mistakes = {
    "both-constant": ("mean and variance are constants, in both layers", BOTH,
                      "branch forgotten"),
    "variance-constant": ("the variance is a constant, in both layers", BOTH,
                          "branch forgotten"),
    "mean-constant": ("the mean is a constant, in both layers", BOTH, "branch forgotten"),
    "C-both-constant": ("mean and variance of the state are constants", "C[2]",
                        "branch forgotten"),
    "s-variance-constant": ("the variance of s is a constant", "s[2]", "branch forgotten"),
    "skipped": ("both layers are skipped: δs = δn", BOTH, "layer skipped"),
    "C-skipped": ("the state's layer is skipped: δC = δn2", "C[2]", "layer skipped"),
    "N-less-one": ("the variance is over N - 1, in both layers", BOTH,
                   "N - 1 for N"),
    "squared-deviation": ("std² stands for std, in both layers", BOTH,
                          "layer's scale"),
    "no-deviation": ("the division by std is left out, in both layers", BOTH,
                     "layer's scale"),
    "sum-for-mean": ("sums stand for means in the backward pass: 1/N is forgotten", BOTH,
                     "sum for a mean"),
    "gains-missing": ("δn = δp without the gain, in both layers", "n[2] n2[2]",
                      "factor missing"),
    "gain-of-s": ("dg1 = Σ δp s, where n belongs", "g1", "wrong factor"),
    "b-of-g": ("db is dg1: Σ δp n", "b", "another's gradient"),
    "gates-order": ("dW, dU, db, dg1 are packed i, f, c, o", "W U b g1",
                    "order of what is packed"),
    "state-carry-missing": ("δC lacks what step t+1 sends back", "C[1]", "carry dropped"),
    "h-carry-missing": ("δh lacks what step t+1 sends back", "h[1]", "carry dropped"),
    "tanh-slope-missing": ("tanh' of q is left out", "q[2]", "derivative missing"),
    "C-for-n2": ("dg2 = Σ δq C, where n2 belongs", "g2", "wrong factor"),
}  # fmt: skip


def back(δ: np.ndarray, s: np.ndarray, m: set[str], is_state: bool) -> np.ndarray:
    """Return what the normalisation sends back, by hand."""
    c = s - s.mean(-1, keepdims=True)
    size = np.sqrt((c * c).mean(-1, keepdims=True) + TINY)
    n = c / size
    if "N-less-one" in m:
        size = np.sqrt((c * c).sum(-1, keepdims=True) / (s.shape[-1] - 1) + TINY)
        n = c / size
    mean, along = δ.mean(-1, keepdims=True), n * (δ * n).mean(-1, keepdims=True)
    if "N-less-one" in m:
        along = n * (δ * n).sum(-1, keepdims=True) / (s.shape[-1] - 1)
    if "sum-for-mean" in m:
        mean, along = mean * s.shape[-1], along * s.shape[-1]
    if "both-constant" in m or ("C-both-constant" in m and is_state):
        mean = along = 0.0
    if "variance-constant" in m or ("s-variance-constant" in m and not is_state):
        along = 0.0
    if "mean-constant" in m:
        mean = 0.0
    if "skipped" in m or ("C-skipped" in m and is_state):
        return δ
    if "squared-deviation" in m:
        return (δ - mean - along) / size**2
    if "no-deviation" in m:
        return δ - mean - along
    return (δ - mean - along) / size


def normed_lstm_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `normed_lstm_network`."""
    m = set(mistakes)
    W, U, b, g1, g2, b2 = NORMED_LSTM_NUMBERS.values()
    hs, Cs, kept = {-1: DATA["h"]}, {-1: DATA["C"]}, {}

    def norm(s: np.ndarray) -> np.ndarray:
        return (s - s.mean(-1, keepdims=True)) / np.sqrt(s.var(-1, keepdims=True) + TINY)

    for t in range(STEPS):
        s = DATA["x"][t] @ W + hs[t - 1] @ U
        p = norm(s) * g1 + b
        i, f, o = (σ(p[:, j * H : (j + 1) * H]) for j in range(3))
        c = np.tanh(p[:, 3 * H :])
        Cs[t] = f * Cs[t - 1] + i * c
        squashed = np.tanh(norm(Cs[t]) * g2 + b2)
        hs[t] = o * squashed
        kept[t] = s, i, f, o, c, squashed
    d = {name: np.zeros_like(array) for name, array in NORMED_LSTM_NUMBERS.items()}
    hand: Arrays = {}
    carry_h = carry_C = np.zeros((B, H))
    for t in reversed(range(STEPS)):
        s, i, f, o, c, squashed = kept[t]
        δh = hs[t] - DATA["target"][t] + (0 if "h-carry-missing" in m else carry_h)
        δo, δq = δh * squashed, δh * o * (1 - squashed**2)
        if "tanh-slope-missing" in m:
            δq = δh * o
        δn2 = δq if "gains-missing" in m else δq * g2
        δC = back(δn2, Cs[t], m, True) + (0 if "state-carry-missing" in m else carry_C)
        δi, δf, δc = δC * c, δC * Cs[t - 1], δC * i
        δp = np.hstack([δi * i * (1 - i), δf * f * (1 - f), δo * o * (1 - o), δc * (1 - c**2)])
        δn = δp if "gains-missing" in m else δp * g1
        δs = back(δn, s, m, False)
        d["g1"] += (δp * (s if "gain-of-s" in m else norm(s))).sum(0)
        d["b"] += (δp * norm(s) if "b-of-g" in m else δp).sum(0)
        d["g2"] += (δq * (Cs[t] if "C-for-n2" in m else norm(Cs[t]))).sum(0)
        d["b2"] += δq.sum(0)
        d["W"] += DATA["x"][t].T @ δs
        d["U"] += hs[t - 1].T @ δs
        carry_h, carry_C = δs @ U.T, δC * f
        hand |= {f"h[{t}]": δh, f"o[{t}]": δo, f"q[{t}]": δq, f"n2[{t}]": δn2, f"C[{t}]": δC}
        hand |= {f"i[{t}]": δi, f"f[{t}]": δf, f"c[{t}]": δc, f"p[{t}]": δp, f"n[{t}]": δn}
        hand[f"s[{t}]"] = δs
    if "gates-order" in m:
        order = np.arange(4 * H).reshape(4, H)[[0, 1, 3, 2]].ravel()
        d |= {name: d[name][..., order] for name in ("W", "U", "b", "g1")}
    return hand | d


NETWORKS = {
    "normed-lstm": Network(NORMED_LSTM, normed_lstm_network, normed_lstm_by_hand, PARAMETERS)
}
