"""An encoder and a decoder, each tanh, with one embedding for both; cross-entropy at each step."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

SOURCE, FED, NEXT = [1, 3, 1, 0], [2, 0, 2], [0, 4, 1]
H, V = 4, 5
TRANSLATOR_NUMBERS = numbers(
    54, E=(V, H), We=(H, H), Ue=(H, H), be=(H,), Wd=(H, H), Ud=(H, H), bd=(H,), Wo=(H, V), bo=(V,)
)
ENC_START = numbers(55, start=(H,))["start"]
PARAMETERS = tuple(TRANSLATOR_NUMBERS)


def translator_network() -> tg.Tensor:
    """Build both networks; the decoder starts from the encoder's last state, fed with a target."""
    t = leaves(TRANSLATOR_NUMBERS)
    h, loss = tg.Tensor(ENC_START, name="start"), 0.0
    with tg.scope("enc"):
        for k in tg.steps(len(SOURCE)):
            s = t["E"][SOURCE[k]] @ t["We"] + h @ t["Ue"] + t["be"]
            h = tg.tanh(s)
            s.name, h.name = "s", "h"
    with tg.scope("dec"):
        for k in tg.steps(len(FED)):
            s = t["E"][FED[k]] @ t["Wd"] + h @ t["Ud"] + t["bd"]
            h = tg.tanh(s)
            y = h @ t["Wo"] + t["bo"]
            s.name, h.name, y.name = "s", "h", "y"
            loss = loss + tg.logsumexp(y, axis=0) - y[NEXT[k]]
    return loss


TRANSLATOR: Mistakes = {
    "E-overwritten": ("dE[row] = δ, where += belongs, in both networks", "E",
                      "parts overwritten"),
    "E-of-decoder": ("dE lacks the encoder's share", "E", "branch forgotten"),
    "E-of-encoder": ("dE lacks the decoder's share", "E", "branch forgotten"),
    "E-rows-shifted": ("the decoder's dE goes to the row of the step before", "E", "wrong index"),
    "encoder-cut": ("the encoder gets nothing: its gradients are zero", "enc.h[3]",
                    "branch forgotten"),
    "encoder-every-step": ("the encoder's last δ is sent into each of its steps", "enc.h[2]",
                           "error sent into every step"),
    "carries-missing": ("nothing is carried back inside of encoder and decoder",
                        "enc.h[2] dec.h[1]", "carry dropped"),
    "U-not-transposed": ("δs U stands for δs Uᵀ, in both networks", "enc.h[2] dec.h[1]",
                         "weight not transposed"),
    "W-not-transposed": ("dE gets δs W, where Wᵀ belongs, in both networks", "E",
                         "weight not transposed"),
    "slopes-missing": ("tanh' is left out in both networks", "enc.s[3] dec.s[2]",
                       "derivative missing"),
    "slopes-of-slopes": ("tanh'(h), squashed already, in both networks", "enc.s[3] dec.s[2]",
                         "derivative at the output"),
    "U-of-h": ("dU = h(t)ᵀ δs, where h(t-1) belongs, in both networks", "Ue Ud",
               "output for input"),
    "W-U-exchanged": ("dWd and dUd are exchanged", "Wd Ud", "exchanged"),
    "mean-over-steps": ("everything is divided by T", "dec.y[0] dec.y[1] dec.y[2]",
                        "factor or average over steps"),
    "clip-norm": ("everything is scaled to the norm 1", " ".join(PARAMETERS), "clipped"),
    "rate": ("every gradient of a parameter is times -0.01", " ".join(PARAMETERS), "factor"),
    "class-one-off": ("the class of the step before", "dec.y[0] dec.y[1] dec.y[2]",
                      "wrong index"),
    "onehot-missing": ("δy = p", "dec.y[0] dec.y[1] dec.y[2]", "branch forgotten"),
    "Wo-of-s": ("dWo = sᵀ δy, where h belongs", "Wo", "wrong factor"),
    "last-loss-alone": ("only the last step's error is sent back", "dec.y[0] dec.y[1]",
                        "last error alone"),
    "decoder-names": ("the encoder's and the decoder's gradients are exchanged",
                      "We Ue be Wd Ud bd", "exchanged"),
}  # fmt: skip


def translator_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `translator_network`."""
    m = set(mistakes)
    E, We, Ue, be, Wd, Ud, bd, Wo, bo = TRANSLATOR_NUMBERS.values()
    he, hd = {-1: ENC_START}, {}
    for t, row in enumerate(SOURCE):
        he[t] = np.tanh(E[row] @ We + he[t - 1] @ Ue + be)
    last = len(SOURCE) - 1
    hd[-1] = he[last]
    for t, row in enumerate(FED):
        hd[t] = np.tanh(E[row] @ Wd + hd[t - 1] @ Ud + bd)
    d = {name: np.zeros_like(array) for name, array in TRANSLATOR_NUMBERS.items()}
    hand: Arrays = {}

    def through(prefix: str, t: int, δh: np.ndarray, h: dict[int, np.ndarray], row: int) -> None:
        """Go back through one step, and add its shares."""
        letter = prefix[0]
        W, U = TRANSLATOR_NUMBERS[f"W{letter}"], TRANSLATOR_NUMBERS[f"U{letter}"]
        δs = δh * (1 - h[t] ** 2)
        if "slopes-missing" in m:
            δs = δh
        if "slopes-of-slopes" in m:
            δs = δh * (1 - np.tanh(h[t]) ** 2)
        before = h[t] if "U-of-h" in m else h[t - 1]
        rows = FED if prefix == "dec" else SOURCE
        d[f"W{letter}"] += np.outer(E[row], δs)
        d[f"U{letter}"] += np.outer(before, δs)
        d[f"b{letter}"] += δs
        back = δs @ (W if "W-not-transposed" in m else W.T)
        is_left_out = ("E-of-decoder" in m and prefix == "enc") or (
            "E-of-encoder" in m and prefix == "dec"
        )
        if "E-overwritten" in m:
            d["E"][row] = back
        elif "E-rows-shifted" in m and prefix == "dec":
            d["E"][rows[t - 1]] += back
        elif not is_left_out:
            d["E"][row] += back
        hand[f"{prefix}.h[{t}]"], hand[f"{prefix}.s[{t}]"] = δh, δs
        carry[0] = δs @ (U if "U-not-transposed" in m else U.T)

    carry = [np.zeros(H)]
    classes = np.roll(NEXT, 1) if "class-one-off" in m else NEXT
    for t in reversed(range(len(FED))):
        y = hd[t] @ Wo + bo
        δy = np.exp(y) / np.exp(y).sum()
        if "onehot-missing" not in m:
            δy[classes[t]] -= 1
        if "mean-over-steps" in m:
            δy = δy / len(FED)
        if "last-loss-alone" in m and t < len(FED) - 1:
            δy = 0 * δy
        hand[f"dec.y[{t}]"] = δy
        h = hd[t]
        if "Wo-of-s" in m:
            h = np.arctanh(h)
        d["Wo"] += np.outer(h, δy)
        d["bo"] += δy
        is_carried = "carries-missing" not in m
        through("dec", t, Wo @ δy + (carry[0] if is_carried else 0), hd, FED[t])
    if "encoder-cut" in m:
        carry[0] = 0 * carry[0]
    sent = carry[0]
    for t in reversed(range(len(SOURCE))):
        δh = carry[0] if t == last or "carries-missing" not in m else 0 * carry[0]
        if "encoder-every-step" in m and t < last:
            δh = δh + sent
        through("enc", t, δh, he, SOURCE[t])
    if "W-U-exchanged" in m:
        d["Wd"], d["Ud"] = d["Ud"], d["Wd"]
    if "decoder-names" in m:
        for letter in "WUb":
            d[f"{letter}e"], d[f"{letter}d"] = d[f"{letter}d"], d[f"{letter}e"]
    if "clip-norm" in m:
        norm = np.sqrt(sum((array**2).sum() for array in d.values()))
        d = {name: array / norm for name, array in d.items()}
    if "rate" in m:
        d = {name: -0.01 * array for name, array in d.items()}
    return hand | d


NETWORKS = {"translator": Network(TRANSLATOR, translator_network, translator_by_hand, PARAMETERS)}
