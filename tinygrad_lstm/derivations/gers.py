"""Memory blocks: Gers' truncated gradient, forward in time, and the full gradient, backward.

F. Gers, "Long short-term memory in recurrent neural networks", dissertation no. 2366, EPFL, 2001,
ch. 2 and 3, eqs. 3.10 to 3.12; the peepholes of F. Gers, N. Schraudolph and J. Schmidhuber,
"Learning precise timing with LSTM recurrent networks", JMLR 3, 2002. The full gradient is that of
A. Graves and J. Schmidhuber, "Framewise phoneme classification with bidirectional LSTM", Neural
Networks 18(5-6), 2005. The stack of two layers is a question about the dissertation on Cross
Validated (stats.stackexchange.com).

In the author's letters: block j has cells v, which share the block's gates in, φ (forget) and out.
w_{l,m} leads from unit m to unit l. y_m are the inputs, the cells' outputs of the step before, and
1 for the bias:

    y_in, y_φ, y_out = σ(net)      s_v(t) = y_φ s_v(t-1) + y_in g(net_c)      y_c = y_out h(s_v)
    y_k = σ(net_k)                 e_k = t_k - y_k                            E = ½ Σ_t Σ_k e_k²

with g = 4σ - 2 and h = 2σ - 1; both are the identity in the paper of 2002, and tanh today.
Peepholes add Σ_v p_in s_v(t-1), Σ_v p_φ s_v(t-1) and Σ_v p_out s_v(t) to the nets of the gates. The
order of evaluation is in and φ, c, s(t), out, y_c.

**Signs**: δ is -∂E/∂net, and every Δw is -∂E/∂w, so that w + α Δw goes downhill. The full gradient
here has the same sign.

**The cut edges**: every y_c(t-1) into a net, and every s through a peephole. **The open edges**:
s(t-1) to s(t) through y_φ, and s(t) to y_c. The truncated gradient is no gradient of E. The
truncated gradient is the gradient of a network in which the cut signals are constants (`forward`
with ``constants``). On random nets of 2 blocks with 2 cells, over 6 steps, the truncated gradient
differs from the full gradient by 24 % (relative to the norm of the full gradient; median of 20
nets, forget biases around 1).

Errata: the published answer to the question, taken literally, sends the errors of the upper layer
down with e_s(t) of the same step alone. The answer drops the upper cells' own carry,
y_φ(t+1) e_s(t+1). No truncation of Gers' does so: the lower layer's gradient is 53 % off on such
nets. A gradient with open peepholes, whose errors the texts cut, is neither the author's gradient
(23 % off) nor the full gradient. `backward` computes all of these gradients.

Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .numerical import sigma

Arrays = dict[str, np.ndarray]
Weights = Mapping[str, np.ndarray]
Pair = tuple[str, str]

GERS: Pair = ("4σ-2", "2σ-1")
PEEPHOLES = ("p_in", "p_φ", "p_out")


def _slope(y: np.ndarray) -> np.ndarray:
    """Return f'(net) of y = σ(net)."""
    return y * (1.0 - y)


# the functions of the candidate (g) and of the state (h), each with its derivative
SQUASH: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "4σ-2": (lambda z: 4.0 * sigma(z) - 2.0, lambda z: 4.0 * _slope(sigma(z))),
    "2σ-1": (lambda z: 2.0 * sigma(z) - 1.0, lambda z: 2.0 * _slope(sigma(z))),
    "identity": (lambda z: 1.0 * z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1.0 - np.tanh(z) ** 2),
}


# --- one step -------------------------------------------------------------------------------------


def blocks(y_m: np.ndarray, s: np.ndarray, w: Weights, squash: Pair, s_const: Any = None) -> Arrays:
    """Compute one step of a layer of J blocks with S cells each.

    Parameters
    ----------
    y_m : (M,)     the inputs, y_c(t-1), and 1
    s : (J, S)     s(t-1)
    w : c (J, S, M), in, φ, out (J, M), and with peepholes p_in, p_φ, p_out (J, S)
    squash : names of g and h
    s_const : (s(t-1), s(t)), optional
        Constants that the peepholes read instead of the states.

    Returns
    -------
    net_c, s, y_c : (J, S)
    y_in, y_φ, y_out : (J,)
    y_m, s_before : as given
    """
    (g, _), (h, _) = (SQUASH[name] for name in squash)
    net_c, net_in, net_φ, net_out = (w[unit] @ y_m for unit in ("c", "in", "φ", "out"))
    if "p_in" in w:
        before = s if s_const is None else s_const[0]
        net_in = net_in + np.sum(w["p_in"] * before, axis=1)
        net_φ = net_φ + np.sum(w["p_φ"] * before, axis=1)
    y_in, y_φ = sigma(net_in), sigma(net_φ)
    s_now = y_φ[:, None] * s + y_in[:, None] * g(net_c)
    if "p_out" in w:
        net_out = net_out + np.sum(w["p_out"] * (s_now if s_const is None else s_const[1]), axis=1)
    y_out = sigma(net_out)
    y_c = y_out[:, None] * h(s_now)
    return dict(net_c=net_c, y_in=y_in, y_φ=y_φ, y_out=y_out, s=s_now, y_c=y_c, y_m=y_m, s_before=s)


def outputs(y_c: np.ndarray, target: np.ndarray, w_k: np.ndarray) -> Arrays:
    """Run the output units of one step, and compute the errors that flow back.

    Parameters
    ----------
    y_c : (J, S)
    target : (K,)
    w_k : (K, J S + 1)

    Returns
    -------
    E : ()
    δ_k : (K,)
    Δw_k : as w_k
    error : (J, S)     Σ_k w_{k,c_v} δ_k
    """
    y_m = np.append(y_c.ravel(), 1.0)
    y_k = sigma(w_k @ y_m)
    e_k = target - y_k
    δ_k = _slope(y_k) * e_k
    error = (w_k[:, :-1].T @ δ_k).reshape(y_c.shape)
    return dict(E=0.5 * np.sum(e_k**2), δ_k=δ_k, Δw_k=np.outer(δ_k, y_m), error=error)


# --- the truncated gradient, forward in time ------------------------------------------------------


def begin(w: Weights) -> Arrays:
    """Return the memory of a layer before the first step: zeros.

    Returns
    -------
    s, y_c : (J, S)
    ∂s/∂c, ∂s/∂in, ∂s/∂φ : (J, S, M)        of s_v, by the weights of one unit
    ∂s/∂p_in, ∂s/∂p_φ : (J, S, S)           with peepholes
    """
    J, S, M = w["c"].shape
    memory = {"s": np.zeros((J, S)), "y_c": np.zeros((J, S))}
    memory |= {f"∂s/∂{unit}": np.zeros((J, S, M)) for unit in ("c", "in", "φ")}
    if "p_in" in w:
        memory |= {f"∂s/∂{weight}": np.zeros((J, S, S)) for weight in ("p_in", "p_φ")}
    return memory


def advance(memory: Arrays, x: np.ndarray, w: Weights, squash: Pair = GERS) -> Arrays:
    """Take one step, and update the partial derivatives of the states.

    Parameters
    ----------
    memory : of the step before
    x : (n,)
    w : as for `blocks`

    Returns
    -------
    The new memory: the arrays of `begin`, those of `blocks`, and ∂y_c/∂s (J, S), the factor of e_s.
    The shapes do not depend on the number of steps.
    """
    r = blocks(np.concatenate([x, memory["y_c"].ravel(), [1.0]]), memory["s"], w, squash)
    (g, dg), (_, dh) = (SQUASH[name] for name in squash)
    y_m, s_before, y_φ = r["y_m"], r["s_before"], r["y_φ"][:, None, None]
    of_c = dg(r["net_c"]) * r["y_in"][:, None]
    of_in = g(r["net_c"]) * _slope(r["y_in"])[:, None]
    of_φ = s_before * _slope(r["y_φ"])[:, None]
    r["∂s/∂c"] = y_φ * memory["∂s/∂c"] + of_c[:, :, None] * y_m  # (3.10)
    r["∂s/∂in"] = y_φ * memory["∂s/∂in"] + of_in[:, :, None] * y_m  # (3.11)
    r["∂s/∂φ"] = y_φ * memory["∂s/∂φ"] + of_φ[:, :, None] * y_m  # (3.12)
    if "p_in" in w:  # the same with s(t-1) of the block for y_m
        sources = s_before[:, None, :]
        r["∂s/∂p_in"] = y_φ * memory["∂s/∂p_in"] + of_in[:, :, None] * sources
        r["∂s/∂p_φ"] = y_φ * memory["∂s/∂p_φ"] + of_φ[:, :, None] * sources
    r["∂y_c/∂s"] = r["y_out"][:, None] * dh(r["s"])
    return r


def changes(memory: Arrays, error: np.ndarray, squash: Pair = GERS) -> Arrays:
    """Return the change of every weight for one step's error, α = 1.

    Parameters
    ----------
    memory : of this step
    error : (J, S)     Σ_k w_{k,c_v} δ_k, or the error E_m from the layer above

    Returns
    -------
    c, in, φ, out and, with peepholes, p_in, p_φ, p_out : as the weights
    """
    h, _ = SQUASH[squash[1]]
    e_s = memory["∂y_c/∂s"] * error
    δ_out = _slope(memory["y_out"]) * np.sum(h(memory["s"]) * error, axis=1)
    Δ = {
        "c": e_s[:, :, None] * memory["∂s/∂c"],
        "in": np.sum(e_s[:, :, None] * memory["∂s/∂in"], axis=1),
        "φ": np.sum(e_s[:, :, None] * memory["∂s/∂φ"], axis=1),
        "out": np.outer(δ_out, memory["y_m"]),
    }
    if "∂s/∂p_in" in memory:
        Δ["p_in"] = np.sum(e_s[:, :, None] * memory["∂s/∂p_in"], axis=1)
        Δ["p_φ"] = np.sum(e_s[:, :, None] * memory["∂s/∂p_φ"], axis=1)
        Δ["p_out"] = δ_out[:, None] * memory["s"]
    return Δ


def truncated_gradient(
    sequence: Iterable[tuple[np.ndarray, np.ndarray]],
    w: Weights,
    w_k: np.ndarray,
    squash: Pair = GERS,
) -> tuple[Arrays, Arrays]:
    """Return the truncated gradient of one layer, computed while the sequence is read.

    The memory holds partial derivatives of the past, and nothing else. The weights do not change
    here; Gers adds α Δw at every step, so that the network learns on line.

    Parameters
    ----------
    sequence : pairs of x (n,) and target (K,)
    w : as for `blocks`
    w_k : (K, J S + 1)

    Returns
    -------
    Δ : as the weights, and k as w_k
    memory : after the last step, as `advance` returns
    """
    memory, Δ = begin(w), {name: np.zeros_like(weight) for name, weight in w.items()}
    Δ["k"] = np.zeros_like(w_k)
    for x, target in sequence:
        memory = advance(memory, x, w, squash)
        out = outputs(memory["y_c"], target, w_k)
        for name, change in changes(memory, out["error"], squash).items():
            Δ[name] += change
        Δ["k"] += out["Δw_k"]
    return Δ, memory


def truncated_gradient_of_stack(
    x: np.ndarray,
    target: np.ndarray,
    layers: Sequence[Weights],
    w_k: np.ndarray,
    squash: Pair = GERS,
    literal: bool = False,
) -> tuple[list[Arrays], np.ndarray]:
    """Return the truncated gradient of layers on top of each other.

    The error of output m of the layer below takes the place of Σ_k w_{k,c} δ_k:

        E_m(t) = Σ w_{c,m} δ_c + Σ w_{in,m} δ_in + Σ w_{φ,m} δ_φ + Σ w_{out,m} δ_out

    δ_c, δ_in and δ_φ follow from e_s(t) with the upper cell's carry, y_φ(t+1) e_s(t+1). So the
    errors of a lower layer cannot be computed forward in time alone.

    Parameters
    ----------
    x, target : (T, n), (T, K)
    layers : the lowest first, each as for `blocks`
    w_k : (K, J S + 1) of the uppermost
    literal : bool
        Leave the carry out, as the answer to the question reads.

    Returns
    -------
    Δ of each layer, as its weights
    Δ of the output units, as w_k
    """
    runs, error, Δ_k = _all_layers(x, target, layers, w_k, squash)
    gradients: list[Arrays] = []
    for n in reversed(range(len(layers))):
        w, r = layers[n], runs[n]
        memory, Δ = begin(w), {name: np.zeros_like(weight) for name, weight in w.items()}
        for x_t, error_t in zip(r["x"], error, strict=True):
            memory = advance(memory, x_t, w, squash)
            for name, change in changes(memory, error_t, squash).items():
                Δ[name] += change
        gradients.insert(0, Δ)
        if n:
            d = backward(r, error, w, squash, outputs=False, peepholes=False, carry=not literal)
            error = d["below"].reshape(len(x), *layers[n - 1]["c"].shape[:2])
    return gradients, Δ_k


# --- the full gradient, backward in time ----------------------------------------------------------


def forward(
    x: np.ndarray, w: Weights, squash: Pair = GERS, constants: Arrays | None = None
) -> Arrays:
    """Run one layer through all steps.

    Parameters
    ----------
    x : (T, n)
    w : as for `blocks`
    constants : the result of an earlier run, optional
        Every net reads y_c(t-1), and every peephole reads s, from these constants. The gradient of
        this network is the truncated gradient. If there is no s, the peepholes stay open.

    Returns
    -------
    The results of `blocks` for all steps, (T, …); x
    """
    J, S, _ = w["c"].shape
    s = y_c = np.zeros((J, S))
    steps: list[Arrays] = []
    for t in range(len(x)):
        s_const = None
        if constants is not None:
            y_c = constants["y_c"][t - 1] if t else np.zeros((J, S))
            if "s" in constants:
                s_const = constants["s_before"][t], constants["s"][t]
        r = blocks(np.concatenate([x[t], y_c.ravel(), [1.0]]), s, w, squash, s_const)
        s, y_c = r["s"], r["y_c"]
        steps.append(r)
    return {name: np.stack([r[name] for r in steps]) for name in steps[0]} | {"x": x}


def backward(
    r: Arrays,
    error: np.ndarray,
    w: Weights,
    squash: Pair = GERS,
    *,
    outputs: bool = True,
    peepholes: bool = True,
    carry: bool = True,
) -> Arrays:
    """Compute the errors and weight changes of one layer, from the last step to the first.

        ε_c(t) = Σ_k w_{k,c} δ_k(t) + Σ_l w_{l,c} δ_l(t+1)
        ε_s(t) = y_out h'(s) ε_c + y_φ(t+1) ε_s(t+1) + p_in δ_in(t+1) + p_φ δ_φ(t+1) + p_out δ_out
        δ_out  = f' Σ_v h(s) ε_c                 δ_c  = y_in g' ε_s
        δ_φ    = f' Σ_v s(t-1) ε_s               δ_in = f' Σ_v g(net_c) ε_s

    Parameters
    ----------
    r : the result of `forward`
    error : (T, J, S)     Σ_k w_{k,c} δ_k(t), or the error E_m from the layer above
    w : as for `blocks`
    outputs, peepholes, carry : bool
        Whether errors flow back through the cells' outputs, Σ_l w_{l,c} δ_l(t+1); through
        peepholes; from state to state. Without ``outputs`` and ``peepholes``, the result is the
        truncated gradient; without ``outputs`` alone, the gradient with open peepholes; without all
        three, the literal reading of the published answer.

    Returns
    -------
    δ_c : (T, J, S)
    δ_in, δ_φ, δ_out : (T, J)
    ε_c, ε_s : (T, J, S)
    c, in, φ, out, p_in, p_φ, p_out : the weight changes, as the weights
    below : (T, n)     E_m, the error of the inputs
    """
    (g, dg), (h, dh) = (SQUASH[name] for name in squash)
    T, J, S = error.shape
    n = r["x"].shape[1]
    names = ("δ_c", "δ_in", "δ_φ", "δ_out", "ε_c", "ε_s")
    per_cell = ("δ_c", "ε_c", "ε_s")
    d: Arrays = {name: np.zeros((T, J, S) if name in per_cell else (T, J)) for name in names}
    y_φ_next, after = np.zeros(J), {name: np.zeros_like(δ[0]) for name, δ in d.items()}
    has_peepholes = "p_in" in w
    for t in reversed(range(T)):
        now, ε_c = {name: value[t] for name, value in r.items()}, error[t]
        if outputs:
            ε_c = ε_c + _source_errors(after, w)[n:-1].reshape(J, S)
        δ_out = _slope(now["y_out"]) * np.sum(h(now["s"]) * ε_c, axis=1)
        ε_s = now["y_out"][:, None] * dh(now["s"]) * ε_c
        if carry:
            ε_s = ε_s + y_φ_next[:, None] * after["ε_s"]
        if peepholes and has_peepholes:
            ε_s = ε_s + w["p_in"] * after["δ_in"][:, None] + w["p_φ"] * after["δ_φ"][:, None]
            ε_s = ε_s + w["p_out"] * δ_out[:, None]
        δ_c = now["y_in"][:, None] * dg(now["net_c"]) * ε_s
        δ_φ = _slope(now["y_φ"]) * np.sum(now["s_before"] * ε_s, axis=1)
        δ_in = _slope(now["y_in"]) * np.sum(g(now["net_c"]) * ε_s, axis=1)
        after = dict(zip(names, (δ_c, δ_in, δ_φ, δ_out, ε_c, ε_s), strict=True))
        y_φ_next = now["y_φ"]
        for name, value in after.items():
            d[name][t] = value
    E_m = [_source_errors({u: d[u][t] for u in names[:4]}, w) for t in range(T)]
    d["below"] = np.stack(E_m)[:, :n]
    d["c"] = np.einsum("tjv,tm->jvm", d["δ_c"], r["y_m"])
    for unit in ("in", "φ", "out"):
        d[unit] = d[f"δ_{unit}"].T @ r["y_m"]
        if has_peepholes:
            s = r["s" if unit == "out" else "s_before"]
            d[f"p_{unit}"] = np.einsum("tj,tjv->jv", d[f"δ_{unit}"], s)
    return d


def _source_errors(δ: Arrays, w: Weights) -> np.ndarray:
    """Return the error E_m of every source m of the nets of a layer: (M,)."""
    gates = (w[unit].T @ δ[f"δ_{unit}"] for unit in ("in", "φ", "out"))
    E_m: np.ndarray = np.einsum("jvm,jv->m", w["c"], δ["δ_c"]) + sum(gates)
    return E_m


def full_gradient(
    x: np.ndarray,
    target: np.ndarray,
    layers: Sequence[Weights],
    w_k: np.ndarray,
    squash: Pair = GERS,
    **open_edges: bool,
) -> tuple[list[Arrays], np.ndarray]:
    """Return the full gradient of layers on top of each other.

    Parameters
    ----------
    x, target : (T, n), (T, K)
    layers : the lowest first, each as for `blocks`
    w_k : (K, J S + 1) of the uppermost
    **open_edges
        ``outputs``, ``peepholes`` and ``carry`` of `backward`.

    Returns
    -------
    The result of `backward` for each layer
    Δ of the output units, as w_k
    """
    runs, error, Δ_k = _all_layers(x, target, layers, w_k, squash)
    gradients: list[Arrays] = []
    for n in reversed(range(len(layers))):
        gradients.insert(0, backward(runs[n], error, layers[n], squash, **open_edges))
        if n:
            error = gradients[0]["below"].reshape(len(x), *layers[n - 1]["c"].shape[:2])
    return gradients, Δ_k


def loss(
    x: np.ndarray,
    target: np.ndarray,
    layers: Sequence[Weights],
    w_k: np.ndarray,
    squash: Pair = GERS,
    constants: Sequence[Arrays | None] | None = None,
) -> Any:
    """Return E, summed over the steps.

    Parameters
    ----------
    x, target, layers, w_k : as for `full_gradient`
    constants : for each layer the result of `forward`, optional
    """
    for n, w in enumerate(layers):
        r = forward(x, w, squash, None if constants is None else constants[n])
        x = r["y_c"].reshape(len(x), -1)
    steps = zip(r["y_c"], target, strict=True)
    return sum(outputs(y_c, t_k, w_k)["E"] for y_c, t_k in steps)


def _all_layers(
    x: np.ndarray, target: np.ndarray, layers: Sequence[Weights], w_k: np.ndarray, squash: Pair
) -> tuple[list[Arrays], np.ndarray, np.ndarray]:
    """Run all layers and the output units; return the runs, Σ_k w_{k,c} δ_k (T, J, S), and Δw_k."""
    runs: list[Arrays] = []
    for w in layers:
        runs.append(forward(x, w, squash))
        x = runs[-1]["y_c"].reshape(len(x), -1)
    units = [outputs(y_c, t_k, w_k) for y_c, t_k in zip(runs[-1]["y_c"], target, strict=True)]
    error = np.stack([unit["error"] for unit in units])
    return runs, error, np.sum([unit["Δw_k"] for unit in units], axis=0)


__all__ = [
    "GERS", "PEEPHOLES", "SQUASH", "advance", "backward", "begin", "blocks", "changes",
    "forward", "full_gradient", "loss", "outputs", "truncated_gradient",
    "truncated_gradient_of_stack",
]  # fmt: skip
