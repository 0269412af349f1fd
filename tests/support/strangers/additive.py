"""Additive attention over the states of a simple recurrent network; ½ Σ (y - target)²."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, leaves, numbers

T, D, H, K = 4, 2, 3, 2
ADDITIVE_NUMBERS = numbers(
    50, W=(D, H), U=(H, H), b=(H,), A=(H, H), Q=(H, H), v=(H,), V=(H, K), c=(K,)
)
DATA = numbers(51, x=(T, D), h=(H,), target=(K,))
PARAMETERS = tuple(ADDITIVE_NUMBERS)


def additive_network() -> tg.Tensor:
    """Build h(k) = tanh(…), e = tanh(h A + h(T-1) Q) v, α = softmax(e), y = (α h) V + c."""
    t = leaves(ADDITIVE_NUMBERS)
    h, hs = tg.Tensor(DATA["h"], name="h0"), []
    for k in tg.steps(T):
        s = DATA["x"][k] @ t["W"] + h @ t["U"] + t["b"]
        h = tg.tanh(s)
        s.name, h.name = "s", "h"
        hs.append(h)
    states = tg.stack(hs)
    query = h @ t["Q"]
    u = tg.tanh(states @ t["A"] + query)
    e = u @ t["v"]
    α = tg.softmax(e)
    context = α @ states
    y = context @ t["V"] + t["c"]
    states.name, query.name, u.name, e.name = "states", "query", "u", "e"
    α.name, context.name, y.name = "α", "context", "y"
    return tg.nn.squared_error(y, DATA["target"])


ADDITIVE: Mistakes = {
    "diagonal-alone": ("δe = δα α (1 - α)", "e", "off-diagonal terms dropped"),
    "alpha-left-out-of-sum": ("δe = α (δα - Σ δα)", "e", "derivative of wrong form"),
    "softmax-skipped": ("δe = δα", "e", "normalisation missing"),
    "score-path": ("δstates lacks what the scores send back", "states", "branch forgotten"),
    "context-path": ("δstates lacks what the context sends back", "states", "branch forgotten"),
    "alpha-left-out": ("δstates is δcontext at each step, without α", "states",
                       "factor missing"),
    "A-not-transposed": ("δstates has δa A, where Aᵀ belongs", "states", "weight not transposed"),
    "Q-not-transposed": ("δh(T-1) has δquery Q, where Qᵀ belongs", "h[3]",
                         "weight not transposed"),
    "query-of-last": ("δquery is that of the last score alone, not summed", "query",
                      "sum over steps missing or sum over the batch missing"),
    "query-path": ("δh(T-1) lacks what the query sends back", "h[3]", "branch forgotten"),
    "tanh-slope": ("tanh' is left out in the scores", "A query",
                   "derivative missing"),
    "two-tanh-slopes": ("tanh' is left out in the scores and in the network", "A query s[3]",
                        "derivative missing"),
    "carry-missing": ("δh(t) lacks what step t+1 sends back", "h[2]",
                      "carry dropped or overwritten"),
    "U-not-transposed": ("δh(t) has δs U, where Uᵀ belongs", "h[2]", "weight not transposed"),
    "v-of-states": ("dv = statesᵀ δe, where uᵀ belongs", "v", "wrong factor"),
    "A-of-u": ("dA = uᵀ δa, where statesᵀ belongs", "A", "output for input"),
    "b-of-last": ("db is that of step 0 alone: overwritten", "b", "sum over steps missing"),
    "U-first": ("dU lacks the first step: its loop ends at 1", "U",
                "sum over steps missing"),
    "inner-slope": ("tanh' is left out at step 1 alone", "s[1]", "derivative missing"),
}  # fmt: skip


def additive_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `additive_network`."""
    m = set(mistakes)
    W, U, b, A, Q, v, V, c = ADDITIVE_NUMBERS.values()
    hs = {-1: DATA["h"]}
    for t in range(T):
        hs[t] = np.tanh(DATA["x"][t] @ W + hs[t - 1] @ U + b)
    states = np.stack([hs[t] for t in range(T)])
    u = np.tanh(states @ A + hs[T - 1] @ Q)
    E = np.exp(u @ v)
    α = E / E.sum()
    context = α @ states
    δy = context @ V + c - DATA["target"]
    hand = {"y": δy, "V": np.outer(context, δy), "c": δy}
    δcontext = V @ δy
    δα = states @ δcontext
    δe = α * (δα - (α * δα).sum())
    if "diagonal-alone" in m:
        δe = δα * α * (1 - α)
    if "alpha-left-out-of-sum" in m:
        δe = α * (δα - δα.sum())
    if "softmax-skipped" in m:
        δe = δα
    δu = np.outer(δe, v)
    δa = δu * (1 - u**2)
    if "tanh-slope" in m or "two-tanh-slopes" in m:
        δa = δu
    δquery = δa[-1] if "query-of-last" in m else δa.sum(0)
    branches = {
        "score-path": δa @ (A if "A-not-transposed" in m else A.T),
        "context-path": (
            np.tile(δcontext, (T, 1)) if "alpha-left-out" in m else np.outer(α, δcontext)
        ),
    }
    δstates = sum(δ for name, δ in branches.items() if name not in m)
    hand |= {"context": δcontext, "α": δα, "e": δe, "u": δu, "query": δquery}
    hand |= {"v": (states if "v-of-states" in m else u).T @ δe, "Q": np.outer(hs[T - 1], δquery)}
    hand |= {"A": (u if "A-of-u" in m else states).T @ δa, "states": δstates}
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    carry = δquery @ (Q if "Q-not-transposed" in m else Q.T)
    if "query-path" in m:
        carry = 0 * carry
    for t in reversed(range(T)):
        δh = δstates[t] + carry
        δs = δh * (1 - hs[t] ** 2)
        if "two-tanh-slopes" in m or ("inner-slope" in m and t == 1):
            δs = δh
        dW += np.outer(DATA["x"][t], δs)
        if not ("U-first" in m and t == 0):
            dU += np.outer(hs[t - 1], δs)
        db = δs if "b-of-last" in m else db + δs
        carry = δs @ (U if "U-not-transposed" in m else U.T)
        if "carry-missing" in m:
            carry = 0 * carry
        hand |= {f"h[{t}]": δh, f"s[{t}]": δs}
    return hand | {"W": dW, "U": dU, "b": db}


NETWORKS = {"additive": Network(ADDITIVE, additive_network, additive_by_hand, PARAMETERS)}
