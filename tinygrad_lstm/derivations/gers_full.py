"""Memory blocks: the full gradient, backward in time, and the gradients with other open edges.

The equations and the letters stand in `gers`. Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .gers_step import GERS, SQUASH, Arrays, Pair, Weights, blocks, outputs, slope


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
        δ_out = slope(now["y_out"]) * np.sum(h(now["s"]) * ε_c, axis=1)
        ε_s = now["y_out"][:, None] * dh(now["s"]) * ε_c
        if carry:
            ε_s = ε_s + y_φ_next[:, None] * after["ε_s"]
        if peepholes and has_peepholes:
            ε_s = ε_s + w["p_in"] * after["δ_in"][:, None] + w["p_φ"] * after["δ_φ"][:, None]
            ε_s = ε_s + w["p_out"] * δ_out[:, None]
        δ_c = now["y_in"][:, None] * dg(now["net_c"]) * ε_s
        δ_φ = slope(now["y_φ"]) * np.sum(now["s_before"] * ε_s, axis=1)
        δ_in = slope(now["y_in"]) * np.sum(g(now["net_c"]) * ε_s, axis=1)
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
    runs, error, Δ_k = all_layers(x, target, layers, w_k, squash)
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


def all_layers(
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
