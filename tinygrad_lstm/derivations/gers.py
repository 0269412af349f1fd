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

from collections.abc import Iterable, Sequence

import numpy as np

from .gers_full import all_layers, backward, forward, full_gradient, loss
from .gers_step import GERS, PEEPHOLES, SQUASH, Arrays, Pair, Weights, blocks, outputs, slope


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
    of_in = g(r["net_c"]) * slope(r["y_in"])[:, None]
    of_φ = s_before * slope(r["y_φ"])[:, None]
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
    δ_out = slope(memory["y_out"]) * np.sum(h(memory["s"]) * error, axis=1)
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
    runs, error, Δ_k = all_layers(x, target, layers, w_k, squash)
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


__all__ = [
    "GERS", "PEEPHOLES", "SQUASH", "advance", "backward", "begin", "blocks", "changes",
    "forward", "full_gradient", "loss", "outputs", "truncated_gradient",
    "truncated_gradient_of_stack",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
