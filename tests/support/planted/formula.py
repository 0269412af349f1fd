"""A program that is no network: Σ u ∘ exp(u ∘ v) / (1 + v²)."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

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


FORMULA: Mistakes = {
    "mean": ("the sum is differentiated as a mean", "q", "factor"),
    "partner-itself": ("δr = δq ∘ r, where the other factor, u, belongs", "r", "wrong factor"),
    "quotient-sign": ("δd lacks the minus of (1/d)' = -1/d²", "d", "derivative of wrong form"),
    "quotient-square": ("1/d stands for 1/d²", "d", "derivative of wrong form"),
    "quotient-for-product": (
        "δE = δr ∘ d, where it belongs divided", "E", "derivative of wrong form"),
    "exp-slope-missing": ("exp' is missing", "p", "derivative missing"),
    "exp-as-power": (
        "exp' is taken as p exp(p - 1), as if it were a power", "p", "derivative of a power"),
    "u-branch-forgotten": ("u's branch through p is forgotten", "u", "branch forgotten"),
    "v-branch-forgotten": ("v's branch through 1 + v² is forgotten", "v", "branch forgotten"),
    "square-once": ("(v ∘ v)' is taken as v, where 2v belongs", "v", "branch forgotten"),
    "partners-swapped": (
        "δu = … + δp ∘ u and δv = … + δp ∘ v, each with itself", "u v",
        "wrong factor and wrong factor"),
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


NETWORK = Network(FORMULA, formula_network, formula_by_hand, ("u", "v"))
