"""An LSTM, a dense layer, a sigmoid; the mean over the batch of ½ Σ (target - y)²."""

from __future__ import annotations

from functools import partial

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, dense, leaves, numbers, σ


def lstm_numbers(
    T: int = 4, B: int = 3, size: int = 3, H: int = 3, units: int = 2, start: float = 1.0
) -> Arrays:
    """Return input, target, initial states (scaled by ``start``) and weights.

    W, U, b are the LSTM's, packed a, i, f, o; V, c the dense layer's.
    """
    n = numbers(
        385430, x=(T, B, size), target=(T, B, units), out=(B, H), state=(B, H),
        W=(size, 4 * H), U=(H, 4 * H), b=(4 * H,), V=(H, units), c=(units,),
    )  # fmt: skip
    return n | {"out": start * n["out"], "state": start * n["state"]}


def lstm_network(n: Arrays) -> tg.Tensor:
    """Build an LSTM and a dense layer; ``e`` is the target less the output.

    Initial states of zero are left to the layer, so that they have no gradient.
    """
    B, H = n["state"].shape
    lstm = tg.nn.LSTM(n["x"].shape[-1], H)
    lstm.W.data, lstm.U.data, lstm.b.data = n["W"], n["U"], n["b"]
    t = leaves({name: n[name] for name in ("x", "out", "state")})
    out, _ = lstm(t["x"], (t["out"], t["state"]) if n["state"].any() else None)
    e = n["target"] - dense("dense", n["V"], n["c"], tg.sigmoid)(out)
    e.name = "e"
    return tg.sum(e * e) * 0.5 / B


LSTM: Mistakes = {
    "out-carry-dropped": (
        "what step t+1 sends back is not in δout(t)", "lstm.out[2]", "carry dropped"),
    "state-carry-dropped": (
        "what step t+1 sends back is not in δstate(t)", "lstm.state[2]", "carry dropped"),
    "state-carry-alone": (
        "δstate(t) is overwritten by what step t+1 sends back, not added to it", "lstm.state[2]",
        "overwritten by the carry"),
    "state-for-tanh": ("δo = δout ∘ state, where tanh(state) belongs", "lstm.o[3]", "wrong factor"),
    "state-slope-missing": (
        "tanh' is missing between δout and δstate", "lstm.state[3]", "derivative missing"),
    "state-slope-at-tanh": (
        "tanh' is taken at tanh(state) instead of state: 1 - tanh²(tanh(state))", "lstm.state[3]",
        "derivative at the output"),
    "state-not-before": (
        "δf = δstate ∘ state(t), where state(t-1) belongs", "lstm.f[3]", "wrong factor"),
    "f-for-slope": ("f stands for σ' = f ∘ (1 - f)", "lstm.s_f[3]", "function for derivative"),
    "slope-at-gate": (
        "σ' is taken at the gates' values instead of their net inputs: σ(i) (1 - σ(i))",
        "lstm.s_i[3] lstm.s_f[3] lstm.s_o[3]", "derivative at the output"),
    "plus-for-minus": ("1 + a² stands for 1 - a²", "lstm.s_a[3]", "derivative of wrong form"),
    "i-o-swapped": ("δi and δo are exchanged", "lstm.s_i[3] lstm.s_o[3]", "exchanged"),
    "out-not-before": ("dU = Σ out(t)ᵀ δs(t), where out(t-1) belongs", "lstm.U", "wrong factor"),
    "b-of-f-for-i": ("b_i is given f's delta", "lstm.b", "another's δ"),
    "b-overwritten": (
        "db is set at every step, not added to: step 0 remains", "lstm.b",
        "sum over steps missing"),
    "b-averaged": (
        "db is averaged over the batch, where it belongs summed", "lstm.b",
        "average over the batch"),
    "U-not-transposed": (
        "δout(t-1) = Σ δs_g U_g, where U_gᵀ belongs", "lstm.out[2]", "weight not transposed"),
    "f-missing": ("δstate is handed to step t-1 without f", "lstm.state[2]", "factor missing"),
    "factor-2": ("½ is forgotten: δe is twice as large", "e", "factor"),
    "batch-mean-forgotten": ("the loss is differentiated as a sum over the batch", "e", "factor"),
}  # fmt: skip
LSTM_TOO: Mistakes = {
    "last-error-alone": (
        "only the last step's error is sent into the LSTM", "lstm.stack",
        "overwritten by the carry"),
    "minus-forgotten": ("δy = δe, where e = target - y asks for -δe", "dense.y", "sign"),
    "V-missing": (
        "δout is Σ δz for every unit, without V", "lstm.stack", "weight's entries left out"),
    "carries-dropped": (
        "nothing comes back from step t+1, neither to δout(t) nor to δstate(t)",
        "lstm.out[2]", "all carries dropped"),
    "squash-missing": (
        "out = o ∘ state in the forward pass, where o ∘ tanh(state) belongs", "e",
        "function missing"),
    "half": (
        "δout is the mean of its two branches, where it belongs their sum", "lstm.out[3]",
        "mean of branches"),
    "i-for-a": ("δi = δstate ∘ i, where a belongs", "lstm.i[3]", "wrong factor"),
    "a-slope-missing": ("tanh' is missing for a", "lstm.s_a[3]", "derivative missing"),
    "f-not-after": (
        "δstate(t) goes to step t-1 with f(t-1), where f(t) belongs", "lstm.state[2]",
        "factor of the wrong step"),
    "b-doubled": (
        "db is twice what it should be, as that of two biases that are one", "lstm.b", "factor"),
    "gate-order": (
        "dW, dU and db are packed i, f, a, o, in PyTorch's order, where a, i, f, o belongs",
        "lstm.W lstm.U lstm.b", "order of what is packed"),
}  # fmt: skip


def lstm_by_hand(n: Arrays, *mistakes: str) -> Arrays:
    """Derive all gradients of `lstm_network`."""
    x, W, U, b, V, c = (n[letter] for letter in ("x", "W", "U", "b", "V", "c"))
    T, B = x.shape[:2]

    # forward
    out, state = {-1: n["out"]}, {-1: n["state"]}
    a, i, f, o, squashed = {}, {}, {}, {}, {}
    for t in range(T):
        s_a, s_i, s_f, s_o = np.split(x[t] @ W + out[t - 1] @ U + b, 4, axis=-1)
        a[t], i[t], f[t], o[t] = np.tanh(s_a), σ(s_i), σ(s_f), σ(s_o)
        state[t] = i[t] * a[t] + f[t] * state[t - 1]
        squashed[t] = np.tanh(state[t])
        if "squash-missing" in mistakes:
            squashed[t] = state[t]
        out[t] = o[t] * squashed[t]
    outs = np.stack([out[t] for t in range(T)])
    y = σ(outs @ V + c)
    e = n["target"] - y

    # the loss and the dense layer
    δe = e / B
    if "factor-2" in mistakes:
        δe = 2 * e / B
    if "batch-mean-forgotten" in mistakes:
        δe = e
    δy = -δe
    if "minus-forgotten" in mistakes:
        δy = δe
    δz = δy * y * (1 - y)
    δouts = δz @ V.T
    if "V-missing" in mistakes:
        δouts = δz @ np.ones_like(V).T
    if "last-error-alone" in mistakes:
        δouts[:-1] = 0
    hand = {"e": δe, "dense.y": δy, "dense.z": δz}
    hand["dense.W"] = np.tensordot(outs, δz, axes=((0, 1), (0, 1)))
    hand["dense.b"] = δz.sum(axis=(0, 1))
    hand["lstm.stack"] = δouts

    # the LSTM, from the last step back
    dW, dU, db, dx = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(x)
    carry_out = carry_state = np.zeros_like(state[-1])
    for t in reversed(range(T)):
        δout = δouts[t] + carry_out
        if "out-carry-dropped" in mistakes or "carries-dropped" in mistakes:
            δout = δouts[t]
        if "half" in mistakes:
            δout = (δouts[t] + carry_out) / 2

        δo = δout * squashed[t]
        if "state-for-tanh" in mistakes:
            δo = δout * state[t]

        slope = 1 - np.tanh(state[t]) ** 2
        if "state-slope-missing" in mistakes or "squash-missing" in mistakes:
            slope = 1
        if "state-slope-at-tanh" in mistakes:
            slope = 1 - np.tanh(np.tanh(state[t])) ** 2
        δstate = δout * o[t] * slope + carry_state
        if "state-carry-dropped" in mistakes or "carries-dropped" in mistakes:
            δstate = δout * o[t] * slope
        if "state-carry-alone" in mistakes and t < T - 1:
            δstate = carry_state

        δa = δstate * i[t]
        δi = δstate * a[t]
        δf = δstate * state[t - 1]
        if "state-not-before" in mistakes:
            δf = δstate * state[t]
        if "i-for-a" in mistakes:
            δi = δstate * i[t]

        δs_a = δa * (1 - a[t] ** 2)
        δs_i = δi * i[t] * (1 - i[t])
        δs_f = δf * f[t] * (1 - f[t])
        δs_o = δo * o[t] * (1 - o[t])
        if "plus-for-minus" in mistakes:
            δs_a = δa * (1 + a[t] ** 2)
        if "a-slope-missing" in mistakes:
            δs_a = δa
        if "f-for-slope" in mistakes:
            δs_f = δf * f[t]
        if "slope-at-gate" in mistakes:
            δs_i = δi * σ(i[t]) * (1 - σ(i[t]))
            δs_f = δf * σ(f[t]) * (1 - σ(f[t]))
            δs_o = δo * σ(o[t]) * (1 - σ(o[t]))
        if "i-o-swapped" in mistakes:
            δs_i, δs_o = δs_o, δs_i
        δs = np.hstack([δs_a, δs_i, δs_f, δs_o])

        dW += x[t].T @ δs
        dx[t] = δs @ W.T
        if "out-not-before" in mistakes:
            dU += out[t].T @ δs
        else:
            dU += out[t - 1].T @ δs
        if "b-of-f-for-i" in mistakes:
            db += np.hstack([δs_a, δs_f, δs_f, δs_o]).sum(axis=0)
        elif "b-overwritten" in mistakes:
            db = δs.sum(axis=0)
        elif "b-averaged" in mistakes:
            db += δs.mean(axis=0)
        else:
            db += δs.sum(axis=0)

        carry_out = δs @ U.T
        if "U-not-transposed" in mistakes:
            U_a, U_i, U_f, U_o = np.split(U, 4, axis=1)
            carry_out = δs_a @ U_a + δs_i @ U_i + δs_f @ U_f + δs_o @ U_o
        carry_state = δstate * f[t]
        if "f-missing" in mistakes:
            carry_state = δstate
        if "f-not-after" in mistakes and t > 0:
            carry_state = δstate * f[t - 1]

        hand |= {f"lstm.out[{t}]": δout, f"lstm.o[{t}]": δo, f"lstm.state[{t}]": δstate}
        hand |= {f"lstm.a[{t}]": δa, f"lstm.i[{t}]": δi, f"lstm.f[{t}]": δf}
        hand |= {f"lstm.s_a[{t}]": δs_a, f"lstm.s_i[{t}]": δs_i}
        hand |= {f"lstm.s_f[{t}]": δs_f, f"lstm.s_o[{t}]": δs_o}
    hand |= {"lstm.out[-1]": carry_out, "lstm.state[-1]": carry_state}
    if "b-doubled" in mistakes:
        db = 2 * db
    if "gate-order" in mistakes:
        a_i_f_o = np.arange(len(b)).reshape(4, -1)
        i_f_a_o = a_i_f_o[[1, 2, 0, 3]].ravel()
        dW, dU, db = dW[:, i_f_a_o], dU[:, i_f_a_o], db[i_f_a_o]
    return hand | {"lstm.W": dW, "lstm.U": dU, "lstm.b": db, "x": dx}


NUMBERS = lstm_numbers()
NETWORK = Network(
    LSTM | LSTM_TOO,
    partial(lstm_network, NUMBERS),
    partial(lstm_by_hand, NUMBERS),
    ("lstm.W", "lstm.U", "lstm.b", "dense.W", "dense.b"),
)
