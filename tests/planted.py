"""Backward passes written by hand, each with one planted mistake: what a diagnosis is tried on.

A network is built from the library's layers and primitives; beside it stands its backward pass in
plain NumPy, which leaves the gradient of every signal by the name the tape knows it by. The right
line comes first, the slip below it, under its id; what is computed later is computed from the
wrong value, as in the code of the person who made it.

`CASES` are all mistakes, each alone; `correct_cases` and `random_cases` have none, the latter but
for rounding; `case` plants several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm.demo import gomez_network
from tinygrad_lstm.derivations import gomez, question
from tinygrad_lstm.signals import Signals

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network, and a backward pass of it by hand.

    Attributes
    ----------
    id : str
        ``network/mistake``; ``network/right`` if there is none.
    network : str
    mistake : str or None
        Several are joined by ``+``.
    what : str
        One sentence that says what the mistake is.
    where : tuple of str
        The signals whose gradients are the first wrong ones: no gradient that they are computed
        from is wrong. Empty if nothing is, but for rounding.
    loss : () -> Tensor
        Builds the network anew, with the same numbers.
    hand : () -> dict of str to array
        The gradients by the names of the signals, in the order in which they were derived.
    parameters : tuple of str
        The names of weights and biases among them.
    off : float
        By how much right gradients differ from the tape's at most, relative to their largest entry
        or to 1, whichever is larger.
    """

    id: str
    network: str
    mistake: str | None
    what: str
    where: tuple[str, ...]
    loss: Callable[[], tg.Tensor]
    hand: Callable[[], Arrays]
    parameters: tuple[str, ...]
    off: float = 1e-12

    @property
    def in_parameters(self) -> bool:
        """Whether a mistake shows in any weight or bias, and not in an input alone."""
        return bool(self.where) and self.id not in INPUT_ALONE


def σ(s: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return 1.0 / (1.0 + np.exp(-s))


def numbers(seed: int, **shapes: tuple[int, ...]) -> Arrays:
    """Return an array of each shape, uniform in (-1, 1)."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def leaves(n: Arrays) -> dict[str, tg.Tensor]:
    """Return the arrays as Tensors that require a gradient, each called by its name."""
    return {name: tg.Tensor(array, requires_grad=True, name=name) for name, array in n.items()}


def dense(name: str, W: np.ndarray, b: np.ndarray, activation: Any = None) -> tg.nn.Dense:
    """Return a dense layer of the given weights."""
    layer = tg.nn.Dense(*W.shape, activation, name=name)
    layer.W.data, layer.b.data = W, b
    return layer


# --- A. LSTM, dense layer, sigmoid; the mean over the batch of ½ Σ (target - y)² ------------------


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
    """Build an LSTM and a dense layer; ``e`` is the target less the output."""
    B, H = n["state"].shape
    lstm = tg.nn.LSTM(n["x"].shape[-1], H)
    lstm.W.data, lstm.U.data, lstm.b.data = n["W"], n["U"], n["b"]
    t = leaves({name: n[name] for name in ("x", "out", "state")})
    out, _ = lstm(t["x"], (t["out"], t["state"]))
    e = n["target"] - dense("dense", n["V"], n["c"], tg.sigmoid)(out)
    e.name = "e"
    return tg.sum(e * e) * 0.5 / B


LSTM = {
    "out-carry-dropped": ("what step t+1 sends back is not in δout(t)", "lstm.out[2]"),
    "state-carry-dropped": ("what step t+1 sends back is not in δstate(t)", "lstm.state[2]"),
    "state-carry-alone": (
        "δstate(t) is overwritten by what step t+1 sends back, not added to it", "lstm.state[2]"),
    "state-for-tanh": ("δo = δout ∘ state, where tanh(state) belongs", "lstm.o[3]"),
    "state-slope-missing": ("tanh' is missing between δout and δstate", "lstm.state[3]"),
    "state-slope-at-tanh": (
        "tanh' is taken at tanh(state) instead of state: 1 - tanh²(tanh(state))", "lstm.state[3]"),
    "state-not-before": ("δf = δstate ∘ state(t), where state(t-1) belongs", "lstm.f[3]"),
    "f-for-slope": ("f stands for σ' = f ∘ (1 - f)", "lstm.s_f[3]"),
    "slope-at-gate": (
        "σ' is taken at the gates' values instead of their net inputs: σ(i) (1 - σ(i))",
        "lstm.s_i[3] lstm.s_f[3] lstm.s_o[3]"),
    "plus-for-minus": ("1 + a² stands for 1 - a²", "lstm.s_a[3]"),
    "i-o-swapped": ("δi and δo are exchanged", "lstm.s_i[3] lstm.s_o[3]"),
    "out-not-before": ("dU = Σ out(t)ᵀ δs(t), where out(t-1) belongs", "lstm.U"),
    "b-of-f-for-i": ("b_i is given f's delta", "lstm.b"),
    "b-overwritten": ("db is set at every step, not added to: step 0 remains", "lstm.b"),
    "b-averaged": ("db is averaged over the batch, where it belongs summed", "lstm.b"),
    "U-not-transposed": ("δout(t-1) = Σ δs_g U_g, where U_gᵀ belongs", "lstm.out[2]"),
    "f-missing": ("δstate is handed to step t-1 without f", "lstm.state[2]"),
    "factor-2": ("½ is forgotten: δe is twice as large", "e"),
    "batch-mean-forgotten": ("the loss is differentiated as a sum over the batch", "e"),
}  # fmt: skip
LSTM_TOO = {
    "last-error-alone": ("only the last step's error is sent into the LSTM", "lstm.stack"),
    "half": ("δout is the mean of its two branches, where it belongs their sum", "lstm.out[3]"),
    "i-for-a": ("δi = δstate ∘ i, where a belongs", "lstm.i[3]"),
    "a-slope-missing": ("tanh' is missing for a", "lstm.s_a[3]"),
    "f-not-after": ("δstate(t) goes to step t-1 with f(t-1), where f(t) belongs", "lstm.state[2]"),
    "gate-order": (
        "dW, dU and db are packed i, f, a, o, in PyTorch's order, where a, i, f, o belongs",
        "lstm.W lstm.U lstm.b"),
}  # fmt: skip


def lstm_by_hand(n: Arrays, *mistakes: str) -> Arrays:
    """Derive all gradients of `lstm_network`."""
    x, W, U, b, V, c = (n[letter] for letter in ("x", "W", "U", "b", "V", "c"))
    T, B = x.shape[:2]

    # forward
    out, state = {-1: n["out"]}, {-1: n["state"]}
    a, i, f, o = {}, {}, {}, {}
    for t in range(T):
        s_a, s_i, s_f, s_o = np.split(x[t] @ W + out[t - 1] @ U + b, 4, axis=-1)
        a[t], i[t], f[t], o[t] = np.tanh(s_a), σ(s_i), σ(s_f), σ(s_o)
        state[t] = i[t] * a[t] + f[t] * state[t - 1]
        out[t] = o[t] * np.tanh(state[t])
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
    δz = δy * y * (1 - y)
    δouts = δz @ V.T
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
        if "out-carry-dropped" in mistakes:
            δout = δouts[t]
        if "half" in mistakes:
            δout = (δouts[t] + carry_out) / 2

        δo = δout * np.tanh(state[t])
        if "state-for-tanh" in mistakes:
            δo = δout * state[t]

        slope = 1 - np.tanh(state[t]) ** 2
        if "state-slope-missing" in mistakes:
            slope = 1
        if "state-slope-at-tanh" in mistakes:
            slope = 1 - np.tanh(np.tanh(state[t])) ** 2
        δstate = δout * o[t] * slope + carry_state
        if "state-carry-dropped" in mistakes:
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
    if "gate-order" in mistakes:
        a_i_f_o = np.arange(len(b)).reshape(4, -1)
        i_f_a_o = a_i_f_o[[1, 2, 0, 3]].ravel()
        dW, dU, db = dW[:, i_f_a_o], dU[:, i_f_a_o], db[i_f_a_o]
    return hand | {"lstm.W": dW, "lstm.U": dU, "lstm.b": db, "x": dx}


# --- B. two dense layers, tanh and sigmoid; ½ Σ (y - target)² -------------------------------------
# All sizes are 3, so that hardly a mistake shows in a shape.

MLP_NUMBERS = numbers(2, x=(3, 3), W1=(3, 3), b1=(3,), W2=(3, 3), b2=(3,), target=(3, 3))


def mlp_network() -> tg.Tensor:
    """Build two dense layers, ``hidden`` and ``output``."""
    n = MLP_NUMBERS
    x = tg.Tensor(n["x"], requires_grad=True, name="x")
    h = dense("hidden", n["W1"], n["b1"], tg.tanh)(x)
    return tg.nn.squared_error(dense("output", n["W2"], n["b2"], tg.sigmoid)(h), n["target"])


MLP = {
    "sign": ("δy = target - y, the descent's direction, where y - target belongs", "output.y"),
    "output-slope-missing": ("σ' is missing: δz = y - target, as for cross-entropy", "output.z"),
    "output-slope-twice": ("σ' is applied twice", "output.z"),
    "output-for-slope": ("y stands for σ' = y ∘ (1 - y)", "output.z"),
    "slope-of-activation": ("σ' is taken at y instead of z: σ(y) (1 - σ(y))", "output.z"),
    "partner": ("dW = xᵀ δ in the output layer, whose input is h", "output.W"),
    "transposed": ("dW = δᵀ h in the output layer, where hᵀ δ belongs", "output.W"),
    "bias-over-features": ("db is summed over the features instead of the batch", "output.b"),
    "bias-averaged": ("db is averaged over the batch, where it belongs summed", "output.b"),
    "bias-over-all": ("db is summed over batch and features: one number for all", "output.b"),
    "slope-not-sent-on": ("δh = δy Wᵀ: σ' is in dW, but not in what is sent on", "hidden.y"),
    "W-missing": ("δh = δz, without the output layer's weights", "hidden.y"),
    "W-not-transposed": ("δh = δz W, where Wᵀ belongs", "hidden.y"),
    "W-updated": ("δh is computed with weights that have already been updated", "hidden.y"),
    "hidden-slope-missing": ("tanh' is missing", "hidden.z"),
    "hidden-slope-at-net": ("1 - z² stands for 1 - h²", "hidden.z"),
    "hidden-slope-at-tanh": ("tanh' is taken at h instead of z: 1 - tanh²(h)", "hidden.z"),
    "square-missing": ("1 - h stands for 1 - h²", "hidden.z"),
    "first-row": ("dW is that of the first of the batch alone", "hidden.W"),
    "dx-not-transposed": ("dx = δz W, where Wᵀ belongs", "x"),
}  # fmt: skip


def mlp_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `mlp_network`."""
    x, W1, b1, W2, b2, target = MLP_NUMBERS.values()
    z1 = x @ W1 + b1
    h = np.tanh(z1)
    y = σ(h @ W2 + b2)

    δy = y - target
    if "sign" in mistakes:
        δy = target - y

    δz2 = δy * y * (1 - y)
    if "output-slope-missing" in mistakes:
        δz2 = δy
    if "output-slope-twice" in mistakes:
        δz2 = δy * (y * (1 - y)) ** 2
    if "output-for-slope" in mistakes:
        δz2 = δy * y
    if "slope-of-activation" in mistakes:
        δz2 = δy * σ(y) * (1 - σ(y))

    dW2 = h.T @ δz2
    if "partner" in mistakes:
        dW2 = x.T @ δz2
    if "output-for-input" in mistakes:
        dW2 = y.T @ δz2
    if "transposed" in mistakes:
        dW2 = δz2.T @ h
    db2 = δz2.sum(axis=0)
    if "bias-over-features" in mistakes:
        db2 = δz2.sum(axis=1)
    if "bias-averaged" in mistakes:
        db2 = δz2.mean(axis=0)
    if "bias-over-all" in mistakes:
        db2 = δz2.sum()

    δh = δz2 @ W2.T
    if "slope-not-sent-on" in mistakes:
        δh = δy @ W2.T
    if "W-missing" in mistakes:
        δh = δz2
    if "W-not-transposed" in mistakes:
        δh = δz2 @ W2
    if "W-updated" in mistakes:
        δh = δz2 @ (W2 - 0.5 * dW2).T

    δz1 = δh * (1 - h**2)
    if "hidden-slope-missing" in mistakes:
        δz1 = δh
    if "hidden-slope-at-net" in mistakes:
        δz1 = δh * (1 - z1**2)
    if "hidden-slope-at-tanh" in mistakes:
        δz1 = δh * (1 - np.tanh(h) ** 2)
    if "square-missing" in mistakes:
        δz1 = δh * (1 - h)

    dW1 = x.T @ δz1
    if "first-row" in mistakes:
        dW1 = np.outer(x[0], δz1[0])
    db1 = δz1.sum(axis=0)
    dx = δz1 @ W1.T
    if "dx-not-transposed" in mistakes:
        dx = δz1 @ W1
    return {
        "output.y": δy, "output.z": δz2, "output.W": dW2, "output.b": db2,
        "hidden.y": δh, "hidden.z": δz1, "hidden.W": dW1, "hidden.b": db1, "x": dx,
    }  # fmt: skip


# --- B. relu, softmax and cross-entropy from primitives -------------------------------------------

SOFTMAX_NUMBERS = numbers(3, x=(4, 2), W1=(2, 5), b1=(5,), W2=(5, 3), b2=(3,))
RIGHT = np.eye(3)[[0, 2, 1, 2]]  # the classes, one-hot (4, 3)


def softmax_network() -> tg.Tensor:
    """Build z = relu(x W1 + b1) W2 + b2, p = exp z / Σ exp z, and the mean of -Σ right log p."""
    t = leaves(SOFTMAX_NUMBERS)
    s = t["x"] @ t["W1"] + t["b1"]
    h = tg.relu(s)
    z = h @ t["W2"] + t["b2"]
    E = tg.exp(z)
    Z = tg.sum(E, axis=1, keepdims=True)
    p = E / Z
    L = tg.log(p)
    s.name, h.name, z.name, E.name, Z.name, p.name, L.name = "s", "h", "z", "E", "Z", "p", "L"
    return -tg.sum(RIGHT * L) / 4


SOFTMAX = {
    "sign": ("the minus before the sum is forgotten", "L"),
    "batch-mean-forgotten": ("the loss is differentiated as a sum over the batch", "L"),
    "log-slope-missing": ("log' = 1/p is missing", "p"),
    "log-slope-at-E": ("1/E stands for log' = 1/p", "p"),
    "off-diagonal-dropped": ("softmax' is taken as p ∘ (1 - p), its diagonal alone", "E"),
    "Z-forgotten": ("only the numerator's branch of exp z is taken, not the denominator's", "E"),
    "softmax-twice": ("the finished (p - right) is multiplied by p ∘ (1 - p) once more", "z"),
    "relu-for-slope": ("relu stands for its derivative", "s"),
    "relu-slope-missing": ("relu' is missing", "s"),
    "bias-last-row": ("db is that of the last of the batch alone", "b1"),
    "s-for-h": ("dW2 = sᵀ δ, where relu(s) belongs", "W2"),
}  # fmt: skip


def softmax_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `softmax_network`."""
    x, W1, b1, W2, b2 = SOFTMAX_NUMBERS.values()
    B = len(x)
    s = x @ W1 + b1
    h = np.maximum(s, 0)
    E = np.exp(h @ W2 + b2)
    Z = E.sum(axis=1, keepdims=True)
    p = E / Z

    δL = -RIGHT / B
    if "sign" in mistakes:
        δL = RIGHT / B
    if "batch-mean-forgotten" in mistakes:
        δL = -RIGHT

    δp = δL / p
    if "log-slope-missing" in mistakes:
        δp = δL
    if "log-slope-at-E" in mistakes:
        δp = δL / E

    δZ = -np.sum(δp * E / Z**2, axis=1, keepdims=True)
    δE = δp / Z + δZ
    if "off-diagonal-dropped" in mistakes:
        δE = δp / Z * (1 - p)
    if "Z-forgotten" in mistakes:
        δE = δp / Z

    δz = δE * E
    if "softmax-twice" in mistakes:
        δz = δE * E * p * (1 - p)

    dW2, db2 = h.T @ δz, δz.sum(axis=0)
    if "s-for-h" in mistakes:
        dW2 = s.T @ δz

    δh = δz @ W2.T
    δs = δh * (s > 0)
    if "relu-for-slope" in mistakes:
        δs = δh * h
    if "relu-slope-missing" in mistakes:
        δs = δh

    dW1, db1, dx = x.T @ δs, δs.sum(axis=0), δs @ W1.T
    if "bias-last-row" in mistakes:
        db1 = δs[-1]
    return {
        "L": δL, "p": δp, "Z": δZ, "E": δE, "z": δz, "W2": dW2, "b2": db2,
        "h": δh, "s": δs, "W1": dW1, "b1": db1, "x": dx,
    }  # fmt: skip


# --- B. an Elman network; ½ Σ (y - target)² over all steps ----------------------------------------

ELMAN_NUMBERS = numbers(4, x=(4, 2, 2), h_0=(2, 3), W=(2, 3), U=(3, 3), b=(3,), V=(3, 3), c=(3,))
ELMAN_TARGET = numbers(5, target=(4, 2, 3))["target"]


def elman_network() -> tg.Tensor:
    """Build h(k) = tanh(x(k) W + h(k-1) U + b), y(k) = h(k) V + c."""
    t = leaves(ELMAN_NUMBERS)
    h, ys = t["h_0"], []
    for k in tg.steps(4):
        s = t["x"][k] @ t["W"] + h @ t["U"] + t["b"]
        h = tg.tanh(s)
        y = h @ t["V"] + t["c"]
        s.name, h.name, y.name = "s", "h", "y"
        ys.append(y)
    return tg.nn.squared_error(tg.stack(ys), ELMAN_TARGET)


ELMAN = {
    "sign": ("δy = target - y, where y - target belongs", "y[3] y[2] y[1] y[0]"),
    "last-error-alone": ("only the last step's error is sent back", "y[2] y[1] y[0]"),
    "V-not-transposed": ("δh = δy V, where Vᵀ belongs", "h[3]"),
    "carry-dropped": ("what step t+1 sends back is not in δh(t)", "h[2]"),
    "carry-alone": ("δh(t) is overwritten by what step t+1 sends back, not added to it", "h[2]"),
    "U-not-transposed": ("δh(t-1) = δs U, where Uᵀ belongs", "h[2]"),
    "U-missing": ("δs is handed to step t-1 as it is, without Uᵀ", "h[2]"),
    "slope-missing": ("tanh' is missing", "s[3]"),
    "slope-at-net": ("1 - s² stands for 1 - h²", "s[3]"),
    "slope-before": ("tanh' is taken from h(t-1) instead of h(t)", "s[3]"),
    "h-not-before": ("dU = Σ h(t)ᵀ δs(t), where h(t-1) belongs", "U"),
    "U-without-start": ("dU is summed from step 1 on: the initial state is forgotten", "U"),
    "b-overwritten": ("db is set at every step, not added to: step 0 remains", "b"),
    "W-averaged": ("dW is divided by the number of steps", "W"),
    "V-before": ("dV = Σ h(t-1)ᵀ δy(t), where h(t) belongs", "V"),
}  # fmt: skip


def elman_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `elman_network`."""
    x, h_0, W, U, b, V, c = ELMAN_NUMBERS.values()
    T = len(x)
    h, s, y = {-1: h_0}, {}, {}
    for t in range(T):
        s[t] = x[t] @ W + h[t - 1] @ U + b
        h[t] = np.tanh(s[t])
        y[t] = h[t] @ V + c

    hand: Arrays = {}
    dW, dU, db, dV, dc = (np.zeros_like(each) for each in (W, U, b, V, c))
    dx, carry = np.zeros_like(x), np.zeros_like(h_0)
    for t in reversed(range(T)):
        δy = y[t] - ELMAN_TARGET[t]
        if "sign" in mistakes:
            δy = ELMAN_TARGET[t] - y[t]
        if "last-error-alone" in mistakes and t < T - 1:
            δy = np.zeros_like(y[t])

        δh = δy @ V.T + carry
        if "V-not-transposed" in mistakes:
            δh = δy @ V + carry
        if "carry-dropped" in mistakes:
            δh = δy @ V.T
        if "carry-alone" in mistakes and t < T - 1:
            δh = carry

        δs = δh * (1 - h[t] ** 2)
        if "slope-missing" in mistakes:
            δs = δh
        if "slope-at-net" in mistakes:
            δs = δh * (1 - s[t] ** 2)
        if "slope-before" in mistakes:
            δs = δh * (1 - h[t - 1] ** 2)

        carry = δs @ U.T
        if "U-not-transposed" in mistakes:
            carry = δs @ U
        if "U-missing" in mistakes:
            carry = δs

        dV += h[t - 1 if "V-before" in mistakes else t].T @ δy
        dc += δy.sum(axis=0)
        dW += x[t].T @ δs
        if "U-without-start" not in mistakes or t > 0:
            dU += h[t if "h-not-before" in mistakes else t - 1].T @ δs
        db += δs.sum(axis=0)
        if "b-overwritten" in mistakes:
            db = δs.sum(axis=0)
        dx[t] = δs @ W.T
        hand |= {f"y[{t}]": δy, f"h[{t}]": δh, f"s[{t}]": δs}
    if "W-averaged" in mistakes:
        dW /= T
    return hand | {"h_0": carry, "W": dW, "U": dU, "b": db, "V": dV, "c": dc, "x": dx}


# --- B. a GRU's cell from primitives; ½ Σ (h - target)² over all steps ----------------------------

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


GRU = {
    "z-path-forgotten": ("h(t-1)'s branch through z ∘ h(t-1) is forgotten", "h[1]"),
    "q-path-forgotten": ("h(t-1)'s branch through r ∘ h(t-1) is forgotten", "h[1]"),
    "gates-path-forgotten": ("h(t-1)'s branches into the gates r and z are forgotten", "h[1]"),
    "error-overwritten": ("δh(t) is what step t+1 sends back, without the step's own", "h[1]"),
    "z-for-1-z": ("δn = δh ∘ z, where 1 - z belongs", "n[2]"),
    "z-one-branch": ("δz = -δh ∘ n: z's branch to h(t-1) is forgotten", "z[2]"),
    "z-sign": ("δz = δh ∘ (n - h(t-1)), with the opposite sign", "z[2]"),
    "h-not-before": ("δr = δq ∘ h(t), where h(t-1) belongs", "r[2]"),
    "n-slope-at-net": ("1 - s_n² stands for 1 - n²", "s_n[2]"),
    "r-slope-missing": ("σ' is missing for r", "s_r[2]"),
    "U-not-transposed": ("δq = δs_n U_n, where U_nᵀ belongs", "q[2]"),
    "h-for-q": ("dU_n = Σ h(t-1)ᵀ δs_n, where r ∘ h(t-1) belongs", "U_n"),
    "r-for-z": ("U_z is given r's delta", "U_z"),
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
        hand |= {f"h[{t}]": δh, f"n[{t}]": δn, f"z[{t}]": δz, f"s_n[{t}]": δs_n, f"q[{t}]": δq}
        hand |= {f"r[{t}]": δr, f"s_r[{t}]": δs_r, f"s_z[{t}]": δs_z}
    return hand | {"h_0": carry} | d


# --- B. a neuron whose synapse is a filter; ½ Σ (y - target)² over all steps ----------------------

FIR_NUMBERS = numbers(17, x=(6,), w0=(), w1=(), w2=(), b=())
FIR_TARGET = numbers(9, target=(6,))["target"]


def fir_network() -> tg.Tensor:
    """Build y(k) = tanh(w0 x(k) + w1 x(k-1) + w2 x(k-2) + b) (Wan 1993)."""
    t = leaves(FIR_NUMBERS)
    x1 = x2 = tg.Tensor(0.0)
    ys = []
    for k in tg.steps(6):
        x = t["x"][k]
        s = t["w0"] * x + t["w1"] * x1 + t["w2"] * x2 + t["b"]
        y = tg.tanh(s)
        s.name, y.name = "s", "y"
        ys.append(y)
        x1, x2 = x, x1
    return tg.nn.squared_error(tg.stack(ys), FIR_TARGET)


ALL_6 = " ".join(f"s[{k}]" for k in range(6))
FIR = {
    "factor-2": ("½ is forgotten: δy is twice as large", ALL_6.replace("s", "y")),
    "slope-missing": ("tanh' is missing", ALL_6),
    "slope-at-net": ("1 - s² stands for 1 - y²", ALL_6),
    "lag-forgotten": ("dw1 = Σ δs(k) x(k), where x(k-1) belongs", "w1"),
    "lag-ahead": ("dw2 = Σ δs(k) x(k+2), where x(k-2) belongs", "w2"),
    "last-step-alone": ("db is that of the last step alone", "b"),
    "time-mean": ("the weights' gradients are averaged over time", "w0 w1 w2 b"),
    "newest-tap-alone": ("dx(k) = w0 δs(k): the delayed branches are forgotten", "x"),
    "filter-not-reversed": ("dx(k) = Σ w_l δs(k-l), where δs(k+l) belongs", "x"),
}  # fmt: skip


def fir_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `fir_network`."""
    x, w0, w1, w2, b = FIR_NUMBERS.values()
    T = len(x)

    def before(signal: np.ndarray, lag: int) -> np.ndarray:
        """Return signal(k - lag), 0 outside of the steps."""
        k = np.arange(T) - lag
        return np.where((k >= 0) & (k < T), signal[k.clip(0, T - 1)], 0.0)

    s = w0 * x + w1 * before(x, 1) + w2 * before(x, 2) + b
    y = np.tanh(s)

    δy = y - FIR_TARGET
    if "factor-2" in mistakes:
        δy = 2 * (y - FIR_TARGET)
    δs = δy * (1 - y**2)
    if "slope-missing" in mistakes:
        δs = δy
    if "slope-at-net" in mistakes:
        δs = δy * (1 - s**2)

    dw0 = np.sum(δs * x)
    dw1 = np.sum(δs * before(x, 1))
    if "lag-forgotten" in mistakes:
        dw1 = np.sum(δs * x)
    dw2 = np.sum(δs * before(x, 2))
    if "lag-ahead" in mistakes:
        dw2 = np.sum(δs * before(x, -2))
    db = np.sum(δs)
    if "last-step-alone" in mistakes:
        db = δs[-1]
    if "time-mean" in mistakes:
        dw0, dw1, dw2, db = dw0 / T, dw1 / T, dw2 / T, db / T

    dx = w0 * δs + w1 * before(δs, -1) + w2 * before(δs, -2)
    if "newest-tap-alone" in mistakes:
        dx = w0 * δs
    if "filter-not-reversed" in mistakes:
        dx = w0 * δs + w1 * before(δs, 1) + w2 * before(δs, 2)
    hand = {f"y[{k}]": δy[k] for k in range(T)} | {f"s[{k}]": δs[k] for k in range(T)}
    return hand | {"w0": dw0, "w1": dw1, "w2": dw2, "b": db, "x": dx}


# --- B. a program that is no network: Σ u ∘ exp(u ∘ v) / (1 + v²) ---------------------------------

FORMULA_NUMBERS = numbers(10, u=(3,), v=(3,))


def formula_network() -> tg.Tensor:
    """Build p = u ∘ v, E = exp p, m = v ∘ v, d = 1 + m, r = E / d, q = u ∘ r, and Σ q."""
    u, v = leaves(FORMULA_NUMBERS).values()
    p = u * v
    E = tg.exp(p)
    m = v * v
    d = 1 + m
    r = E / d
    q = u * r
    p.name, E.name, m.name, d.name, r.name, q.name = "p", "E", "m", "d", "r", "q"
    return tg.sum(q)


FORMULA = {
    "mean": ("the sum is differentiated as a mean", "q"),
    "partner-itself": ("δr = δq ∘ r, where the other factor, u, belongs", "r"),
    "quotient-sign": ("δd lacks the minus of (1/d)' = -1/d²", "d"),
    "quotient-square": ("1/d stands for 1/d²", "d"),
    "quotient-for-product": ("δE = δr ∘ d, where it belongs divided", "E"),
    "exp-slope-missing": ("exp' is missing", "p"),
    "exp-as-power": ("exp' is taken as p exp(p - 1), as if it were a power", "p"),
    "u-branch-forgotten": ("u's branch through p is forgotten", "u"),
    "v-branch-forgotten": ("v's branch through 1 + v² is forgotten", "v"),
    "square-once": ("(v ∘ v)' is taken as v, where 2v belongs", "v"),
    "partners-swapped": ("δu = … + δp ∘ u and δv = … + δp ∘ v, each with itself", "u v"),
}  # fmt: skip


def formula_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `formula_network`."""
    u, v = FORMULA_NUMBERS.values()
    p, d = u * v, 1 + v * v
    E = np.exp(p)
    r = E / d

    δq = np.ones_like(u)
    if "mean" in mistakes:
        δq = np.ones_like(u) / len(u)
    δr = δq * u
    if "partner-itself" in mistakes:
        δr = δq * r
    δE = δr / d
    if "quotient-for-product" in mistakes:
        δE = δr * d
    δd = -δr * E / d**2
    if "quotient-sign" in mistakes:
        δd = δr * E / d**2
    if "quotient-square" in mistakes:
        δd = -δr * E / d
    δm = δd
    δp = δE * E
    if "exp-slope-missing" in mistakes:
        δp = δE
    if "exp-as-power" in mistakes:
        δp = δE * p * np.exp(p - 1)
    δu = δq * r + δp * v
    if "u-branch-forgotten" in mistakes:
        δu = δq * r
    δv = δp * u + 2 * v * δm
    if "v-branch-forgotten" in mistakes:
        δv = δp * u
    if "square-once" in mistakes:
        δv = δp * u + v * δm
    if "partners-swapped" in mistakes:
        δu, δv = δq * r + δp * u, δp * v + 2 * v * δm
    return {"q": δq, "r": δr, "E": δE, "d": δd, "m": δm, "p": δp, "u": δu, "v": δv}


# --- C. answers that people really gave -----------------------------------------------------------

QUESTION_NUMBERS = numbers(11, x=(3, 2), y=(3, 1), W=(2, 16), U=(4, 16), v=(16,), w=(4, 1), b=(1,))


def question_network() -> tg.Tensor:
    """Build the question's LSTM of 4 cells and its dense layer, over 3 steps."""
    n = QUESTION_NUMBERS
    lstm = tg.nn.LSTM(2, 4)
    lstm.W.data, lstm.U.data, lstm.b.data = n["W"], n["U"], n["v"]
    out, _ = lstm(tg.Tensor(n["x"], requires_grad=True, name="x"))
    return tg.nn.squared_error(dense("dense", n["w"], n["b"], tg.sigmoid)(out), n["y"])


def question_by_hand(*mistakes: str) -> Arrays:
    """Return the asker's E_0 and dw_0 (``as-asked``), or the right ones."""
    x, y, *_ = QUESTION_NUMBERS.values()
    if "as-asked" in mistakes:
        asked = question.as_asked(x, y, QUESTION_NUMBERS)
        return {"dense.z": asked["E_0"], "dense.W": asked["dw_0"]}
    if "broadcast" in mistakes:
        r = question.forward(x, y, QUESTION_NUMBERS)
        targets = y[:, 0]  # (3,), so that ŷ - targets is (3, 3)
        δz = (r["y_hat"] - targets) * r["y_hat"] * (1 - r["y_hat"])
        return {"dense.z": δz, "dense.W": r["H"].T @ δz}
    right = question.backward(x, y, QUESTION_NUMBERS)
    return {"dense.z": right["δz"], "dense.W": right["dw"]}


def gomez_by_hand(*mistakes: str) -> Arrays:
    """Return the gradients that Gomez prints (``printed``), or the exact ones."""
    exact = gomez.evaluate()
    g = {name: float(text) for name, text in gomez.PRINTED.items()} if mistakes else exact
    hand = {"lstm.stack": np.array([[g["Δ_0"]], [g["Δ_1"]]])}
    for t in (1, 0):
        hand[f"lstm.out[{t}]"] = np.array([g[f"δout_{t}"]])
        hand[f"lstm.state[{t}]"] = np.array([g[f"δstate_{t}"]])
        hand |= {f"lstm.s_{gate}[{t}]": np.array([g[f"δ{gate}_{t}"]]) for gate in gomez.GATES}
    hand["lstm.out[-1]"] = np.array([g["Δout_-1"]])
    hand["x"] = np.array([[g[f"δx_{t}[{j}]"] for j in (0, 1)] for t in (0, 1)])
    hand["lstm.W"] = np.array([[g[f"δW_{gate}[{j}]"] for gate in gomez.GATES] for j in (0, 1)])
    hand["lstm.U"] = np.array([[g[f"δU_{gate}"] for gate in gomez.GATES]])
    hand["lstm.b"] = np.array([g[f"δb_{gate}"] for gate in gomez.GATES])
    return hand


# w1 … w8 as (in, out); b1 and b2 are the same for both units of a layer, and not learned
MAZUR_NUMBERS = {
    "x": np.array([0.05, 0.10]), "target": np.array([0.01, 0.99]),
    "W1": np.array([[0.15, 0.25], [0.20, 0.30]]), "b1": np.array([0.35, 0.35]),
    "W2": np.array([[0.40, 0.50], [0.45, 0.55]]), "b2": np.array([0.60, 0.60]),
}  # fmt: skip


def mazur_network(W1: np.ndarray | None = None, W2: np.ndarray | None = None) -> tg.Tensor:
    """Build Mazur's 2-2-2 network, with his weights or others."""
    n = MAZUR_NUMBERS
    x = tg.Tensor(n["x"], requires_grad=True, name="x")
    hidden = dense("hidden", n["W1"] if W1 is None else W1, n["b1"], tg.sigmoid)
    output = dense("output", n["W2"] if W2 is None else W2, n["b2"], tg.sigmoid)
    return tg.nn.squared_error(output(hidden(x)), n["target"])


def mazur_by_hand(*mistakes: str) -> Arrays:
    """Derive the gradients of Mazur's network; with ``W-updated`` as in what was published."""
    x, target, W1, b1, W2, b2 = MAZUR_NUMBERS.values()
    h = σ(x @ W1 + b1)
    y = σ(h @ W2 + b2)
    δy = y - target
    δz2 = δy * y * (1 - y)
    dW2 = np.outer(h, δz2)
    δh = δz2 @ W2.T
    if "W-updated" in mistakes:
        δh = δz2 @ (W2 - 0.5 * dW2).T
    δz1 = δh * h * (1 - h)
    return {
        "output.y": δy, "output.z": δz2, "output.W": dW2,
        "hidden.y": δh, "hidden.z": δz1, "hidden.W": np.outer(x, δz1),
    }  # fmt: skip


ASKED = {
    "as-asked": ("dw = E_0 ∘ ŷ, where Hᵀ E_0 belongs: its shape is wrong", "dense.W"),
    "broadcast": ("targets are (n,) and ŷ is (n, 1): each meets every other", "dense.z"),
}
PRINTED = {"printed": ("nothing: every number is rounded to five digits on the way", "")}
UPDATED = {"W-updated": ("δh is computed with weights already updated, rate ½", "hidden.y")}
DELTA = {"output-for-input": ("dw = δ ŷ: the layer's output, where its input belongs", "output.W")}


# --- all of them ----------------------------------------------------------------------------------

DENSE = ("hidden.W", "hidden.b", "output.W", "output.b")
NUMBERS = lstm_numbers()
Network = tuple[dict[str, tuple[str, str]], Callable[..., Any], Callable[..., Any], tuple[str, ...]]
NETWORKS: dict[str, Network] = {
    "lstm": (
        LSTM | LSTM_TOO, partial(lstm_network, NUMBERS), partial(lstm_by_hand, NUMBERS),
        ("lstm.W", "lstm.U", "lstm.b", "dense.W", "dense.b")),
    "mlp": (MLP | DELTA, mlp_network, mlp_by_hand, DENSE),
    "softmax": (SOFTMAX, softmax_network, softmax_by_hand, ("W1", "b1", "W2", "b2")),
    "elman": (ELMAN, elman_network, elman_by_hand, ("W", "U", "b", "V", "c")),
    "gru": (
        GRU, gru_network, gru_by_hand,
        ("W_r", "U_r", "b_r", "W_z", "U_z", "b_z", "W_n", "U_n", "b_n")),
    "fir": (FIR, fir_network, fir_by_hand, ("w0", "w1", "w2", "b")),
    "formula": (FORMULA, formula_network, formula_by_hand, ("u", "v")),
    "question": (ASKED, question_network, question_by_hand, ("dense.W",)),
    "gomez": (
        PRINTED, lambda: gomez_network()[-1], gomez_by_hand, ("lstm.W", "lstm.U", "lstm.b")),
    "mazur": (UPDATED, mazur_network, mazur_by_hand, ("hidden.W", "output.W")),
}  # fmt: skip
INPUT_ALONE = {"mlp/dx-not-transposed", "fir/newest-tap-alone", "fir/filter-not-reversed"}


def case(network: str, *mistakes: str) -> Case:
    """Return a network with a mistake, with none, or with several at once.

    Each of several is planted where the others leave it a line of its own.

    Examples
    --------
    >>> case("lstm", "f-missing").where
    ('lstm.state[2]',)
    >>> case("lstm", "factor-2", "plus-for-minus").id
    'lstm/factor-2+plus-for-minus'
    """
    table, loss, hand, parameters = NETWORKS[network]
    mistake = "+".join(mistakes) or None
    return Case(
        id=f"{network}/{mistake or 'right'}",
        network=network,
        mistake=mistake,
        what="; ".join(table[each][0] for each in mistakes) or "nothing",
        where=tuple(name for each in mistakes for name in table[each][1].split()),
        loss=loss,
        hand=partial(hand, *mistakes),
        parameters=parameters,
        off=3.4e-5 if mistake == "printed" else 1e-12,
    )


CASES = [case(network, mistake) for network, (table, *_) in NETWORKS.items() for mistake in table]


def correct_cases() -> list[Case]:
    """Return every network with its right backward pass."""
    return [case(network) for network in NETWORKS]


# --- networks at random, with nothing wrong but rounding ------------------------------------------

Random = np.random.Generator


def _as_float(kind: Any, g: np.ndarray, rng: Random) -> np.ndarray:
    noise = 4 * np.finfo(kind).eps * rng.uniform(-1, 1, g.shape)
    return (g + noise * np.abs(g).max(initial=0.0)).astype(kind)


def _as_digits(g: np.ndarray, rng: Random) -> np.ndarray:
    return np.array([float(f"{each:.5g}") for each in g.ravel()]).reshape(g.shape)


def _as_decimals(g: np.ndarray, rng: Random) -> np.ndarray:
    return np.round(g, 5)


ROUNDINGS: dict[str, tuple[Callable[[np.ndarray, Random], np.ndarray], float]] = {
    "float64": (partial(_as_float, np.float64), 1e-14),
    "float32": (partial(_as_float, np.float32), 1e-6),
    "digits": (_as_digits, 5.1e-5),  # five significant ones
    "decimals": (_as_decimals, 5.1e-6),  # five, as Gomez prints
}
ACTIVATIONS = (tg.tanh, tg.sigmoid, tg.relu, tg.softplus, tg.sin, None)
LOSSES = (
    tg.nn.squared_error, tg.nn.mean_squared_error, tg.nn.euclidean_norm,
    tg.nn.binary_cross_entropy, tg.nn.softmax_cross_entropy,
)  # fmt: skip
LAYERS = (None, tg.nn.LSTM, tg.nn.GRU, tg.nn.RNN)


def random_network(seed: int) -> tg.Tensor:
    """Build a recurrent layer or none, one to four dense layers, and a loss, all drawn at random.

    The same seed gives the same network.
    """
    rng = np.random.default_rng(seed)
    T, B, *sizes = rng.integers(1, 5, rng.integers(4, 8)).tolist()
    recurrent = LAYERS[rng.integers(len(LAYERS))]
    shape = (B, sizes[0]) if recurrent is None else (T, B, sizes[0])
    y = tg.Tensor(rng.normal(size=shape), requires_grad=True, name="x")
    if recurrent is not None:
        y, _ = recurrent(sizes[0], sizes[0], name="recurrent", seed=rng)(y)
    for k, (wide, width) in enumerate(pairwise(sizes), start=1):
        activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]
        W, b = rng.normal(size=(wide, width)), rng.normal(size=width)
        y = dense(f"dense{k}", W, b, activation)(y)
    loss = LOSSES[rng.integers(len(LOSSES))]
    if loss is tg.nn.softmax_cross_entropy and y.shape[-1] > 1:
        return loss(y, rng.integers(0, y.shape[-1], y.shape[:-1]))
    if loss is tg.nn.softmax_cross_entropy:  # of one class
        loss = tg.nn.squared_error
    return loss(y, rng.uniform(size=y.shape))


def named(loss: tg.Tensor) -> dict[str, tg.Tensor]:
    """Return the signals that somebody gave a name and that require a gradient, the loss's last."""
    names = Signals(loss).names
    return {
        name: tensor
        for tensor, name in names.items()
        if tensor.name is not None and tensor.requires_grad and tensor is not loss
    }


def random_by_hand(seed: int, rounding: str) -> Arrays:
    """Return the tape's gradients of `random_network`, rounded, from the loss back."""
    loss, rng = random_network(seed), np.random.default_rng([seed, 1])
    signals = named(loss)
    found = tg.grad(loss, list(signals.values()))
    return {
        name: ROUNDINGS[rounding][0](np.asarray(g.data), rng)
        for name, g in reversed(list(zip(signals, found)))
    }


def random_cases(count: int = 1000, seed: int = 0) -> Iterator[Case]:
    """Yield random networks with right backward passes, each rounded in one of four ways."""
    for k in range(seed, seed + count):
        rounding = tuple(ROUNDINGS)[k % len(ROUNDINGS)]
        loss = partial(random_network, k)
        leaves = [name for name, tensor in named(loss()).items() if not tensor.inputs]
        yield Case(
            id=f"random/{k}-{rounding}",
            network="random",
            mistake=None,
            what=f"nothing, rounded: {rounding}",
            where=(),
            loss=loss,
            hand=partial(random_by_hand, k, rounding),
            parameters=tuple(name for name in leaves if name != "x"),
            off=ROUNDINGS[rounding][1],
        )
