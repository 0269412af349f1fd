"""A model of characters in columns: one-hot x, tanh, a softmax at each step."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

TEXT, NEXT = [2, 0, 4, 3, 0, 1], [0, 4, 3, 0, 1, 2]
CHARS_NUMBERS = numbers(41, Wxh=(4, 5), Whh=(4, 4), bh=(4, 1), Why=(5, 4), by=(5, 1))
START = numbers(42, start=(4, 1))["start"]
COUNT = len(TEXT)
PARAMETERS = ("Wxh", "Whh", "bh", "Why", "by")


def onehot(row: int) -> np.ndarray:
    """Return a column (5, 1) with a one in a row."""
    return np.eye(5)[:, [row]]


def chars_network() -> tg.Tensor:
    """Build h = tanh(Wxh x + Whh h + bh), y = Why h + by, and Σ logsumexp(y) - y[next]."""
    t = leaves(CHARS_NUMBERS)
    h, loss = tg.Tensor(START, name="start"), 0.0
    for k in tg.steps(COUNT):
        s = t["Wxh"] @ onehot(TEXT[k]) + t["Whh"] @ h + t["bh"]
        h = tg.tanh(s)
        y = t["Why"] @ h + t["by"]
        s.name, h.name, y.name = "s", "h", "y"
        loss = loss + tg.sum(tg.logsumexp(y, axis=0)) - y[NEXT[k], 0]
    return loss


EVERY_S = "s[5]"
CHARS: Mistakes = {
    "Whh-not-transposed": ("δh(t-1) = Whh δs, where Whhᵀ belongs", "h[4]",
                           "weight not transposed"),
    "clip-entries": ("every parameter's gradient is clipped to ±0.5", "Wxh Whh Why by",
                     "clipped"),
    "clip-norm": ("the parameters' gradients are scaled to a common norm of 1",
                  "Wxh Whh bh Why by", "clipped"),
    "mean-over-steps": ("everything is divided by T: the mean over the steps",
                        "y[0] y[1] y[2] y[3] y[4] y[5]", "factor or average over steps"),
    "rate": ("the parameters' gradients are times the learning rate 0.1", "Wxh Whh bh Why by",
             "factor"),
    "carry-reset": ("the carry is set to zero at every step", "h[4]", "carry dropped"),
    "chunks": ("the carry is set to zero at every second step: truncated", "h[1] h[3]",
               "truncated"),
    "h-at-last": ("dWhh takes h(t), where h(t-1) belongs, at the last step alone", "Whh",
                  "output for input"),
    "h-at-first": ("dWhh takes h(0), where the initial h belongs, at the first step alone", "Whh",
                   "output for input"),
    "h-at-inner": ("dWhh takes h(t), where h(t-1) belongs, at step 2 alone", "Whh",
                   "output for input"),
    "h-minus-one": ("h[-1] is the last h: Python's index, at the first step", "Whh",
                    "start taken as the last"),
    "x-one-off": ("dWxh takes x(t-1): everything is one step off", "Wxh",
                  "factor of the wrong step"),
    "bias-of-dWhh": ("dbh is the sum of dWhh's rows", "bh", "bias of the weight"),
    "slope-of-slope": ("tanh' is taken of h, which is squashed already", "s[5]",
                       "derivative at the output"),
    "bracket": ("δs = δh · 1 - h², where δh (1 - h²) belongs", "s[5]", "bracket lost"),
    "h-for-slope": ("δs = δh h: the function, not its derivative", "s[5]",
                    "function for derivative"),
    "last-loss-alone": ("only the last step's error is sent back", "y[0] y[1] y[2] y[3] y[4]",
                        "last error alone"),
    "decay": ("0.05 W is added to every weight's gradient; the loss has no penalty",
              "Wxh Whh Why", "penalty"),
    "dWhh-overwritten": ("dWhh is set at every step, not added to", "Whh",
                         "sum over steps missing"),
    "all-overwritten": ("every gradient is set at every step, not added to", "Wxh Whh bh Why by",
                        "sum over steps missing"),
    "Why-of-step-before": ("dWhy takes h(t-1), where h(t) belongs", "Why", "wrong factor"),
}  # fmt: skip


def chars_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `chars_network`."""
    m = set(mistakes)
    Wxh, Whh, bh, Why, by = CHARS_NUMBERS.values()
    hs = {-1: START}
    for t in range(COUNT):
        hs[t] = np.tanh(Wxh @ onehot(TEXT[t]) + Whh @ hs[t - 1] + bh)
    g = {name: np.zeros_like(array) for name, array in CHARS_NUMBERS.items()}
    hand: Arrays = {}
    carry = np.zeros_like(START)
    for t in reversed(range(COUNT)):
        y = Why @ hs[t] + by
        δy = np.exp(y) / np.exp(y).sum()
        δy[NEXT[t]] -= 1
        if "mean-over-steps" in m:
            δy = δy / COUNT
        if "last-loss-alone" in m and t < COUNT - 1:
            δy = 0 * δy
        δh = Why.T @ δy + carry
        δs = (1 - hs[t] ** 2) * δh
        if "slope-of-slope" in m:
            δs = (1 - np.tanh(hs[t]) ** 2) * δh
        if "bracket" in m:
            δs = δh * 1 - hs[t] ** 2
        if "h-for-slope" in m:
            δs = δh * hs[t]
        before = hs[t - 1]
        if (
            ("h-at-last" in m and t == COUNT - 1)
            or ("h-at-first" in m and t == 0)
            or ("h-at-inner" in m and t == 2)
        ):
            before = hs[t]
        if "h-minus-one" in m and t == 0:
            before = hs[COUNT - 1]
        x = onehot(TEXT[t])
        if "x-one-off" in m:
            x = onehot(TEXT[t - 1]) if t else 0 * x
        above = hs[t - 1] if "Why-of-step-before" in m else hs[t]
        if "all-overwritten" in m:
            g = {name: np.zeros_like(array) for name, array in CHARS_NUMBERS.items()}
        if "dWhh-overwritten" in m:
            g["Whh"][:] = 0
        g["Why"] += δy @ above.T
        g["by"] += δy
        g["Wxh"] += δs @ x.T
        g["Whh"] += δs @ before.T
        g["bh"] += δs
        carry = (Whh if "Whh-not-transposed" in m else Whh.T) @ δs
        if "carry-reset" in m or ("chunks" in m and t % 2 == 0):
            carry = 0 * carry
        hand |= {f"y[{t}]": δy, f"h[{t}]": δh, f"s[{t}]": δs}
    if "bias-of-dWhh" in m:
        g["bh"] = g["Whh"].sum(axis=1, keepdims=True)
    if "clip-entries" in m:
        g = {name: np.clip(array, -0.5, 0.5) for name, array in g.items()}
    if "clip-norm" in m:
        norm = np.sqrt(sum((array**2).sum() for array in g.values()))
        g = {name: array / norm for name, array in g.items()}
    if "rate" in m:
        g = {name: 0.1 * array for name, array in g.items()}
    if "decay" in m:
        for name in ("Wxh", "Whh", "Why"):
            g[name] = g[name] + 0.05 * CHARS_NUMBERS[name]
    return hand | g


NETWORKS = {"chars": Network(CHARS, chars_network, chars_by_hand, PARAMETERS)}
