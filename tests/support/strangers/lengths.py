"""Two carried states over sequences of several lengths, three packed parts, the loss at the end."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers, σ

T, B, SIZE, H = 6, 3, 2, 2
LENGTHS_NUMBERS = numbers(81, W=(SIZE, 3 * H), U=(H, 3 * H), b=(3 * H,), A=(H, H), V=(H, 2))
DATA = numbers(82, x=(T, B, SIZE), h=(B, H), c=(B, H), target=(B, 2))
MASK = np.array([[[float(t < length)] for length in (4, 6, 5)] for t in range(T)])
PARAMETERS = tuple(LENGTHS_NUMBERS)


def lengths_network() -> tg.Tensor:
    """Build u = x W + h U + b, cut into p, q, r, then C = σ(p) c + tanh(q) tanh(c A), m = σ(r) C.

    h and c are m and C where a sequence goes on, and stay as they are where it has ended.
    """
    t = leaves(LENGTHS_NUMBERS)
    h, c = tg.Tensor(DATA["h"]), tg.Tensor(DATA["c"])
    for k in tg.steps(T):
        u = DATA["x"][k] @ t["W"] + h @ t["U"] + t["b"]
        p, q, r = tg.sigmoid(u[:, :H]), tg.tanh(u[:, H : 2 * H]), tg.sigmoid(u[:, 2 * H :])
        a = tg.tanh(c @ t["A"])
        C = p * c + q * a
        m = r * C
        h, c = MASK[k] * m + (1 - MASK[k]) * h, MASK[k] * C + (1 - MASK[k]) * c
        u.name, p.name, q.name, r.name, a.name = "u", "p", "q", "r", "a"
        C.name, m.name, h.name, c.name = "C", "m", "h", "c"
    y = h @ t["V"]
    y.name = "y"
    return tg.nn.squared_error(y, DATA["target"])


LAST, BEFORE = f"[{T - 1}]", f"[{T - 2}]"
LENGTHS: Mistakes = {
    "carries-scaled": ("both carries are multiplied by 0.8", f"h{BEFORE} c{BEFORE}", "factor"),
    "carries-exchanged": ("δh and δc are exchanged between the steps", f"h{BEFORE} c{BEFORE}",
                          "exchanged"),
    "cut-before-3": ("nothing goes from step 3 to step 2", "h[2] c[2]", "cut at a step"),
    "mask-missing": ("the sequences are taken to go on to the end", f"m{LAST} C{LAST}",
                     "factor missing"),
    "last-h": ("dU is of the last h at every step", "U", "factor of the wrong step"),
    "ring": ("δu is packed r, p, q", f"u{LAST}", "order of what is packed"),
    "ring-back": ("δu is packed r, p, q on the way back to h", f"h{BEFORE}",
                  "order of what is packed"),
    "q-not-back": ("what q sends back is left out on the way back to h", f"h{BEFORE}",
                   "branch forgotten"),
    "A-not-transposed": ("c takes A, where Aᵀ belongs", f"c{BEFORE}", "weight not transposed"),
    "r-slope-missing": ("σ' of r is left out", f"u{LAST}", "derivative missing"),
}  # fmt: skip


def lengths_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `lengths_network`."""
    w, n = set(mistakes), LENGTHS_NUMBERS
    h, c, gates, a, C = {-1: DATA["h"]}, {-1: DATA["c"]}, {}, {}, {}
    for t in range(T):
        u = DATA["x"][t] @ n["W"] + h[t - 1] @ n["U"] + n["b"]
        p, q, r = gates[t] = σ(u[:, :H]), np.tanh(u[:, H : 2 * H]), σ(u[:, 2 * H :])
        a[t] = np.tanh(c[t - 1] @ n["A"])
        C[t] = p * c[t - 1] + q * a[t]
        h[t] = MASK[t] * r * C[t] + (1 - MASK[t]) * h[t - 1]
        c[t] = MASK[t] * C[t] + (1 - MASK[t]) * c[t - 1]
    g = {name: np.zeros_like(array) for name, array in n.items()}
    δy = h[T - 1] @ n["V"] - DATA["target"]
    g["V"] = h[T - 1].T @ δy
    hand: Arrays = {"y": δy}
    δh, δc = δy @ n["V"].T, np.zeros((B, H))
    for t in reversed(range(T)):
        mask = np.ones((B, 1)) if "mask-missing" in w else MASK[t]
        p, q, r = gates[t]
        hand |= {f"h[{t}]": δh} | ({f"c[{t}]": δc} if t < T - 1 else {})
        δm = mask * δh
        δC = mask * δc + δm * r
        δa, δp, δq, δr = δC * q, δC * c[t - 1], δC * a[t], δm * C[t]
        slope = 1.0 if "r-slope-missing" in w else r * (1 - r)
        parts = [δp * p * (1 - p), δq * (1 - q * q), δr * slope]
        ring = [parts[2], parts[0], parts[1]]
        δu = np.concatenate(ring if "ring" in w else parts, 1)
        hand |= {f"m[{t}]": δm, f"C[{t}]": δC, f"a[{t}]": δa, f"p[{t}]": δp, f"q[{t}]": δq}
        hand |= {f"r[{t}]": δr, f"u[{t}]": δu}
        back = np.concatenate(ring, 1) if "ring-back" in w else δu.copy()
        if "q-not-back" in w:
            back[:, H : 2 * H] = 0
        δs = δa * (1 - a[t] ** 2)
        g["W"] += DATA["x"][t].T @ δu
        g["U"] += h[T - 1 if "last-h" in w else t - 1].T @ δu
        g["b"] += δu.sum(0)
        g["A"] += c[t - 1].T @ δs
        δh = back @ n["U"].T + (1 - mask) * δh
        δc = δs @ (n["A"] if "A-not-transposed" in w else n["A"].T) + δC * p + (1 - mask) * δc
        if "carries-scaled" in w:
            δh, δc = 0.8 * δh, 0.8 * δc
        if "carries-exchanged" in w:
            δh, δc = δc, δh
        if "cut-before-3" in w and t == 3:
            δh, δc = 0 * δh, 0 * δc
    return hand | g


NETWORKS = {"lengths": Network(LENGTHS, lengths_network, lengths_by_hand, PARAMETERS)}
