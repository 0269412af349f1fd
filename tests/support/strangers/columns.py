"""An LSTM on [h; x] in columns, with W_f, W_i, W_c, W_o apart, and a softmax at each step."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers, σ

STEPS, H, D, B, V = 4, 3, 2, 2, 4
GATES = "fico"
COLUMNS_NUMBERS = numbers(
    43,
    **{f"W{gate}": (H, H + D) for gate in GATES},
    **{f"b{gate}": (H, 1) for gate in GATES},
    Wy=(V, H),
    by=(V, 1),
)
DATA = numbers(44, x=(STEPS, D, B), h=(H, B), C=(H, B))
NEXT = np.array([[0, 2], [3, 1], [1, 1], [2, 0]])
PARAMETERS = tuple(COLUMNS_NUMBERS)


def columns_network() -> tg.Tensor:
    """Build the LSTM, y = Wy h + by, and the mean over the batch of Σ logsumexp(y) - y[next]."""
    t = leaves(COLUMNS_NUMBERS)
    h, C = tg.Tensor(DATA["h"], name="h0"), tg.Tensor(DATA["C"], name="C0")
    loss = 0.0
    for k in tg.steps(STEPS):
        z = tg.concatenate([h, tg.Tensor(DATA["x"][k])], axis=0)
        s = {gate: t[f"W{gate}"] @ z + t[f"b{gate}"] for gate in GATES}
        f, i, c, o = (tg.tanh(s[g]) if g == "c" else tg.sigmoid(s[g]) for g in GATES)
        C = f * C + i * c
        h = o * tg.tanh(C)
        y = t["Wy"] @ h + t["by"]
        loss = loss + tg.sum(tg.logsumexp(y, axis=0) - tg.sum(y * np.eye(V)[NEXT[k]].T, axis=0))
        for gate, value in zip(GATES, (f, i, c, o), strict=True):
            s[gate].name, value.name = f"s_{gate}", gate
        z.name, C.name, h.name, y.name = "z", "C", "h", "y"
    return loss / B


ALL_S = "s_f[3] s_i[3] s_c[3] s_o[3]"
COLUMNS: Mistakes = {
    "slopes-missing": ("δs = δ in all four gates: σ' and tanh' are left out", ALL_S,
                       "derivative missing"),
    "sigmoid-slopes-missing": ("δs = δ in f, i, o: σ' is left out", "s_f[3] s_i[3] s_o[3]",
                               "derivative missing"),
    "gate-for-slope": ("δs = δ f, where δ f (1 - f) belongs, in f, i, o", "s_f[3] s_i[3] s_o[3]",
                       "function for derivative"),
    "slope-at-gate": ("σ'(f), where f is squashed already, in f, i, o", "s_f[3] s_i[3] s_o[3]",
                      "derivative at the output"),
    "x-then-h": ("dW is taken of [x; h], where [h; x] belongs, in all four gates",
                 "Wf Wi Wc Wo", "order of what is packed"),
    "h-for-before": ("dW is of [h(t); x], where [h(t-1); x] belongs, in all four gates",
                     "Wf Wi Wc Wo", "wrong factor"),
    "C-before-for-h": ("dW is of [C(t-1); x], where [h(t-1); x] belongs, in all four gates",
                       "Wf Wi Wc Wo", "wrong factor"),
    "i-of-h": ("δi = δh c, where δC belongs", "i[3]", "another's δ"),
    "f-of-h": ("δf = δh C(t-1), where δC belongs", "f[3]", "another's δ"),
    "h-carry-clipped": ("what goes back to h of the step before is clipped to ±1/50", "h[2]",
                        "clipped"),
    "C-carry-clipped": ("what goes back to C of the step before is clipped to ±1/20", "C[2]",
                        "clipped"),
    "cut-at-wrong-row": ("δh(t-1) is the last H rows of δz, where the first belong", "h[2]",
                         "order of what is packed"),
    "o-part-missing": ("δz lacks what o sends back", "z[3]", "branch forgotten"),
    "c-part-missing": ("δz lacks what the candidate sends back", "z[3]", "branch forgotten"),
    "C-for-before": ("δf = δC C(t), where C(t-1) belongs", "f[3]", "wrong factor"),
    "f-i-exchanged": ("f and i are exchanged in W and b alike", "Wf Wi bf bi",
                      "exchanged"),
    "b-of-dW": ("db is the sum of dW's rows, in all four gates", "bf bi bc bo",
                "bias of the weight"),
    "b-averaged": ("db is averaged over the batch, in all four gates", "bf bi bc bo",
                   "average over the batch"),
    "batch-twice": ("every gradient is divided by B twice", "y[0] y[1] y[2] y[3]",
                    "factor or average over the batch"),
    "batch-forgotten": ("the mean over the batch is forgotten: everything times B",
                        "y[0] y[1] y[2] y[3]", "factor"),
    "dW-overwritten": ("dW is set at every step, in all four gates", "Wf Wi Wc Wo",
                       "sum over steps missing"),
    "h-list-shifted": ("the list of h has the initial h first, and is read at t: dWy is of h(t-1)",
                       "Wy", "wrong factor or one step off"),
    "C-list-shifted": ("tanh(C(t-1)) stands for tanh(C(t)), in δo and in the slope", "o[3] C[3]",
                       "one step off"),
    "C-carry-reset": ("δC(t) lacks what step t+1 sends back", "C[2]", "carry dropped"),
    "f-left-out": ("δC goes to step t-1 without f", "C[2]", "factor missing"),
    "slope-squared": ("δC = δh o (1 - tanh(C))², where 1 - tanh²(C) belongs", "C[3]",
                      "derivative of wrong form"),
    "tanh-slope-missing": ("δC = δh o, without tanh'", "C[3]", "derivative missing"),
    "o-at-last-step": ("the o gate's δ at the last step lacks σ'", "s_o[3]",
                       "derivative missing"),
    "W-not-of-z-but-h0": ("dW takes the first step's z at all steps, in all gates",
                          "Wf Wi Wc Wo", "factor of the wrong step"),
}  # fmt: skip


def columns_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `columns_network`."""
    m = set(mistakes)
    n = COLUMNS_NUMBERS
    hs, Cs, zs, vs = {-1: DATA["h"]}, {-1: DATA["C"]}, {}, {}
    for t in range(STEPS):
        zs[t] = np.vstack([hs[t - 1], DATA["x"][t]])
        s = {g: n[f"W{g}"] @ zs[t] + n[f"b{g}"] for g in GATES}
        vs[t] = {g: np.tanh(s[g]) if g == "c" else σ(s[g]) for g in GATES}
        Cs[t] = vs[t]["f"] * Cs[t - 1] + vs[t]["i"] * vs[t]["c"]
        hs[t] = vs[t]["o"] * np.tanh(Cs[t])
    g = {name: np.zeros_like(array) for name, array in n.items()}
    hand: Arrays = {}
    carry_h, carry_C = np.zeros((H, B)), np.zeros((H, B))
    for t in reversed(range(STEPS)):
        y = n["Wy"] @ hs[t] + n["by"]
        δy = (np.exp(y) / np.exp(y).sum(0) - np.eye(V)[NEXT[t]].T) / B
        if "batch-twice" in m:
            δy = δy / B
        if "batch-forgotten" in m:
            δy = δy * B
        f, i, c, o = (vs[t][gate] for gate in GATES)
        squashed = np.tanh(Cs[t - 1] if "C-list-shifted" in m else Cs[t])
        δh = n["Wy"].T @ δy + carry_h
        slope = 1 - squashed**2
        if "slope-squared" in m:
            slope = (1 - squashed) ** 2
        if "tanh-slope-missing" in m:
            slope = 1
        δC = δh * o * slope + carry_C
        if "C-carry-reset" in m:
            δC = δh * o * slope
        before = Cs[t] if "C-for-before" in m else Cs[t - 1]
        δ = {"f": δC * before, "i": δC * c, "c": δC * i, "o": δh * squashed}
        if "i-of-h" in m:
            δ["i"] = δh * c
        if "f-of-h" in m:
            δ["f"] = δh * before
        δs = {}
        for gate in GATES:
            v = vs[t][gate]
            slope = 1 - v**2 if gate == "c" else v * (1 - v)
            if gate != "c" and "gate-for-slope" in m:
                slope = v
            if gate != "c" and "slope-at-gate" in m:
                slope = σ(v) * (1 - σ(v))
            if "slopes-missing" in m or ("sigmoid-slopes-missing" in m and gate != "c"):
                slope = 1
            if "o-at-last-step" in m and t == STEPS - 1 and gate == "o":
                slope = 1
            δs[gate] = δ[gate] * slope
        z = zs[t]
        if "x-then-h" in m:
            z = np.vstack([DATA["x"][t], hs[t - 1]])
        if "h-for-before" in m:
            z = np.vstack([hs[t], DATA["x"][t]])
        if "C-before-for-h" in m:
            z = np.vstack([Cs[t - 1], DATA["x"][t]])
        if "W-not-of-z-but-h0" in m:
            z = zs[0]
        if "dW-overwritten" in m:
            g |= {f"W{gate}": 0 * g[f"W{gate}"] for gate in GATES}
        for gate in GATES:
            dW, db = δs[gate] @ z.T, δs[gate].sum(1, keepdims=True)
            if "b-averaged" in m:
                db = δs[gate].mean(1, keepdims=True)
            if "b-of-dW" in m:
                db = dW.sum(1, keepdims=True)
            g[f"W{gate}"] += dW
            g[f"b{gate}"] += db
        g["Wy"] += δy @ (hs[t - 1] if "h-list-shifted" in m else hs[t]).T
        g["by"] += δy.sum(1, keepdims=True)
        left_out = {"o-part-missing": "o", "c-part-missing": "c"}
        left_out = {gate for mistake, gate in left_out.items() if mistake in m}
        δz = sum(n[f"W{gate}"].T @ δs[gate] for gate in GATES if gate not in left_out)
        carry_h = δz[D:] if "cut-at-wrong-row" in m else δz[:H]
        carry_C = δC if "f-left-out" in m else δC * f
        if "h-carry-clipped" in m:
            carry_h = np.clip(carry_h, -0.02, 0.02)
        if "C-carry-clipped" in m:
            carry_C = np.clip(carry_C, -0.05, 0.05)
        hand |= {f"y[{t}]": δy, f"h[{t}]": δh, f"C[{t}]": δC}
        hand |= {f"{gate}[{t}]": δ[gate] for gate in GATES}
        hand |= {f"s_{gate}[{t}]": δs[gate] for gate in GATES}
        hand |= {f"z[{t}]": δz} if t else {}  # the first z is data alone
    if "f-i-exchanged" in m:
        for letter in "Wb":
            g[f"{letter}f"], g[f"{letter}i"] = g[f"{letter}i"], g[f"{letter}f"]
    return hand | g


NETWORKS = {"columns": Network(COLUMNS, columns_network, columns_by_hand, PARAMETERS)}
