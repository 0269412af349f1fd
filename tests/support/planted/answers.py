"""Answers that people really gave, in threads, tutorials and a dissertation."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.memory_blocks import drawn, flat, packed_of
from support.memory_blocks import network as memory_blocks
from tinygrad_lstm.demo import gomez_network
from tinygrad_lstm.derivations import gers, gomez, question, tmva

from .base import Arrays, Mistakes, Network, dense, numbers, σ

QUESTION_NUMBERS = numbers(11, x=(3, 2), y=(3, 1), W=(2, 16), U=(4, 16), v=(16,), w=(4, 1), b=(1,))


def question_network() -> tg.Tensor:
    """Build the question's LSTM of 4 cells and its dense layer, over 3 steps."""
    n = QUESTION_NUMBERS
    lstm = tg.nn.LSTM(2, 4)
    lstm.W.data, lstm.U.data, lstm.b.data = n["W"], n["U"], n["v"]
    out, _ = lstm(tg.Tensor(n["x"], requires_grad=True, name="x"))
    return tg.nn.squared_error(dense("dense", n["w"], n["b"], tg.sigmoid)(out), n["y"])


def question_by_hand(*mistakes: str) -> Arrays:
    """Return the asker's E_0 and dw_0 (``as-asked``), what may come of them, or the right ones."""
    x, y, *_ = QUESTION_NUMBERS.values()
    if "as-asked" in mistakes:
        asked = question.asker_formulas(x, y, QUESTION_NUMBERS)
        return {"dense.z": asked["E_0"], "dense.W": asked["dw_0"]}
    r = question.forward(x, y, QUESTION_NUMBERS)
    if "broadcast" in mistakes:
        targets = y[:, 0]  # (3,), so that ŷ - targets is (3, 3)
        δz = (r["y_hat"] - targets) * r["y_hat"] * (1 - r["y_hat"])
        return {"dense.z": δz, "dense.W": r["H"].T @ δz}
    right = question.backward(x, y, QUESTION_NUMBERS)
    if "summed" in mistakes:
        return {"dense.z": right["δz"], "dense.W": r["y_hat"].T @ right["δz"]}
    if "vector" in mistakes:
        return {"dense.z": right["δz"], "dense.W": (r["H"] * right["δz"]).sum(axis=0)}
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


GERS_NUMBERS = drawn(True, steps=4)


def gers_network() -> tg.Tensor:
    """Build memory blocks with peepholes, and sigmoid units, over 4 steps."""
    return memory_blocks(*GERS_NUMBERS, gers.GERS, None)[-1]


def gers_by_hand(*mistakes: str) -> Arrays:
    """Derive the full gradient; ``truncated`` as Gers did, which is another one."""
    x, target, layers, w_k = GERS_NUMBERS
    is_whole = "truncated" not in mistakes
    (d,), dw_k = gers.full_gradient(x, target, layers, w_k, outputs=is_whole, peepholes=is_whole)
    hand: Arrays = {"units.W": -dw_k[:, :-1].T, "units.b": -dw_k[:, -1]}
    for t in reversed(range(len(x))):
        hand |= {f"net.out[{t}]": -d["ε_c"][t].ravel(), f"net.s_o[{t}]": -d["δ_out"][t]}
        hand |= {f"net.state[{t}]": -d["ε_s"][t].ravel(), f"net.s_a[{t}]": -d["δ_c"][t].ravel()}
        hand |= {f"net.s_i[{t}]": -d["δ_in"][t], f"net.s_f[{t}]": -d["δ_φ"][t]}
    packed = -packed_of({name: d[name] for name in layers[0]})
    n = x.shape[1]
    hand |= {"net.W": packed[:n], "net.U": packed[n:-1], "net.b": packed[-1]}
    return hand | {"net.p": -flat(d, gers.PEEPHOLES), "x": -d["below"]}


def _tmva_numbers() -> tuple[np.ndarray, dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return two batches (2, B, T, in), the weights, and the state that the first one leaves."""
    shapes = {"W": (3, 2), "U": (3, 3), "b": (3,)}
    names = {f"{letter}_{gate}": shape for gate in "ifco" for letter, shape in shapes.items()}
    n = numbers(7, x=(2, 5, 4, 2), **names)
    x = n.pop("x")
    return x, n, tmva.lstm(x[0], n)["last"]


def tmva_network() -> tg.Tensor:
    """Build TMVA's LSTM with rememberState on, at its second batch."""
    (_, x), w, start = _tmva_numbers()
    lstm = tg.nn.LSTM(2, 3, batch_first=True)
    for letter in "WUb":
        parts = [w[f"{letter}_{gate}"].T for gate in "cifo"]
        getattr(lstm, letter).data = np.concatenate(parts, axis=-1)
    out, _ = lstm(tg.Tensor(x, requires_grad=True, name="x"), state=start)
    return tg.nn.squared_error(out, np.ones(out.shape))


def tmva_by_hand(*mistakes: str) -> Arrays:
    """Derive the gradients of `tmva_network`; ``from-zero`` as TMVA's CPU code does."""
    (_, x), w, start = _tmva_numbers()
    r = tmva.lstm(x, w, start)
    g = tmva.lstm_backward(r, r["Y"] - 1, w, as_in_tmva="from-zero" in mistakes)
    hand = {}
    for t in reversed(range(x.shape[1])):
        hand |= {f"lstm.out[{t}]": g["dh"][:, t], f"lstm.state[{t}]": g["ds"][:, t]}
        hand |= {f"lstm.s_{ours}[{t}]": g[f"δ{gate}"][:, t] for ours, gate in zip("oifa", "oifc")}
    for letter in "WUb":
        parts = [g[f"{letter}_{gate}"].T for gate in "cifo"]
        hand[f"lstm.{letter}"] = np.concatenate(parts, axis=-1)
    return hand | {"x": g["dx"]}


ASKED: Mistakes = {
    "as-asked": (
        "dw = E_0 ∘ ŷ, where Hᵀ E_0 belongs: its shape is wrong",
        "dense.W",
        "entry by entry",
    ),
    "summed": (
        "dw = ŷᵀ E_0: summed over the steps, and still of the output",
        "dense.W",
        "output for input",
    ),
    "vector": (
        "dw = Σ H E_0 is (4,), where (4, 1) belongs",
        "dense.W",
        "axis of length 1",
    ),
    "broadcast": (
        "targets are (n,) and ŷ is (n, 1): each meets every other",
        "dense.z",
        "silent broadcast",
    ),
}  # fmt: skip
PRINTED: Mistakes = {
    "printed": ("nothing: every number is rounded to five digits on the way", "", "")
}
UPDATED: Mistakes = {
    "W-updated": (
        "δh is computed with weights already updated, rate ½",
        "hidden.y",
        "weight updated before use",
    )
}
TRUNCATED: Mistakes = {
    "truncated": (
        "what goes back into recurrent nets and through peepholes is cut", "net.state[3]",
        "truncated"),
}  # fmt: skip
REMEMBERED: Mistakes = {
    "from-zero": (
        "what was remembered is taken for zeros on the way back", "lstm.s_f[0]",
        "start taken as zero"),
}  # fmt: skip
QUESTION = Network(ASKED, question_network, question_by_hand, ("dense.W",))
GOMEZ = Network(
    PRINTED, lambda: gomez_network()[-1], gomez_by_hand, ("lstm.W", "lstm.U", "lstm.b"), off=3.4e-5
)
MAZUR = Network(UPDATED, mazur_network, mazur_by_hand, ("hidden.W", "output.W"))
GERS = Network(
    TRUNCATED, gers_network, gers_by_hand,
    ("net.W", "net.U", "net.b", "net.p", "units.W", "units.b"),
)  # fmt: skip
TMVA = Network(REMEMBERED, tmva_network, tmva_by_hand, ("lstm.W", "lstm.U", "lstm.b"))
