"""What likelihoods are made of: a variational autoencoder's loss, a likeness of directions."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

VAE_NUMBERS = numbers(30, x=(4, 3), Wm=(3, 2), Wl=(3, 2), D=(2, 3))
NOISE = numbers(31, noise=(4, 2))["noise"]


def vae_network() -> tg.Tensor:
    """Build μ = x Wm, l = x Wl, z = μ + exp(l) ∘ ε, y = z D; ½ Σ (y - x)² + Σ ½ (μ² + e²) - l."""
    t = leaves(VAE_NUMBERS)
    μ, l = t["x"] @ t["Wm"], t["x"] @ t["Wl"]
    e = tg.exp(l)
    z = μ + e * NOISE
    y = z @ t["D"]
    μ.name, l.name, e.name, z.name, y.name = "μ", "l", "e", "z", "y"
    fit = tg.nn.squared_error(y, VAE_NUMBERS["x"])
    return fit + tg.sum(0.5 * (μ * μ + e * e) - l)


VAE: Mistakes = {
    "prior-of-μ-forgotten": ("δμ = δz: the prior's share, μ, is forgotten", "μ",
                             "branch forgotten or overwritten"),
    "fit-of-μ-forgotten": ("δμ = μ: the fit's share, δz, is forgotten", "μ",
                           "branch forgotten or overwritten"),
    "noise-missing": ("δe = δz + e, without the noise", "e", "factor missing"),
    "prior-of-e-forgotten": ("δe = δz ∘ ε: the prior's share, e, is forgotten", "e",
                             "branch forgotten or overwritten"),
    "exp-slope-missing": ("δl = δe - 1: exp' is missing", "l", "derivative missing"),
    "one-forgotten": ("δl = δe ∘ e: the -1 of the prior is forgotten", "l",
                      "branch forgotten or overwritten"),
    "one-added": ("δl = δe ∘ e + 1: the -1 of the prior has the wrong sign", "l", "sign"),
    "square-doubled": ("δμ = δz + 2 μ: the ½ of the prior is forgotten, for μ alone", "μ",
                       "factor or derivative of wrong form"),
    "μ-for-z": ("dD = μᵀ δy, where zᵀ belongs", "D", "wrong factor"),
    "μ-for-l": ("dWl = xᵀ δμ, where δl belongs", "Wl", "another's δ"),
}  # fmt: skip


def vae_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `vae_network`; the loss's target is no function of x."""
    x, Wm, Wl, D = VAE_NUMBERS.values()
    μ, l = x @ Wm, x @ Wl
    e = np.exp(l)
    z = μ + e * NOISE
    δy = z @ D - x
    dD = z.T @ δy
    if "μ-for-z" in mistakes:
        dD = μ.T @ δy
    δz = δy @ D.T
    δμ = δz + μ
    if "prior-of-μ-forgotten" in mistakes:
        δμ = δz
    if "fit-of-μ-forgotten" in mistakes:
        δμ = μ
    if "square-doubled" in mistakes:
        δμ = δz + 2 * μ
    δe = δz * NOISE + e
    if "noise-missing" in mistakes:
        δe = δz + e
    if "prior-of-e-forgotten" in mistakes:
        δe = δz * NOISE
    δl = δe * e - 1
    if "exp-slope-missing" in mistakes:
        δl = δe - 1
    if "one-forgotten" in mistakes:
        δl = δe * e
    if "one-added" in mistakes:
        δl = δe * e + 1
    dWl = x.T @ δl
    if "μ-for-l" in mistakes:
        dWl = x.T @ δμ
    return {
        "y": δy, "D": dD, "z": δz, "μ": δμ, "e": δe, "l": δl,
        "Wm": x.T @ δμ, "Wl": dWl, "x": δμ @ Wm.T + δl @ Wl.T,
    }  # fmt: skip


COSINE_NUMBERS = numbers(32, x=(4, 3), W=(3, 5), v=(4, 5))
COSINE_TARGET = numbers(33, target=(4, 1))["target"]


def cosine_network() -> tg.Tensor:
    """Build u = x W and the likeness c = Σ u ∘ v / (‖u‖ ‖v‖) of each row; ½ Σ (c - target)²."""
    t = leaves(COSINE_NUMBERS)
    u, v = t["x"] @ t["W"], t["v"]
    d = tg.sum(u * v, axis=1, keepdims=True)
    m, n = tg.norm(u, axis=1, keepdims=True), tg.norm(v, axis=1, keepdims=True)
    c = d / (m * n)
    u.name, d.name, m.name, n.name, c.name = "u", "d", "m", "n", "c"
    return tg.nn.squared_error(c, COSINE_TARGET)


COSINE: Mistakes = {
    "u-length-forgotten": ("δu = δd v: what comes through ‖u‖ is forgotten", "u",
                           "branch forgotten or overwritten"),
    "v-length-forgotten": ("dv = δd u: what comes through ‖v‖ is forgotten", "v",
                           "branch forgotten or overwritten"),
    "u-for-v": ("δu = δd u + …, where v belongs", "u", "wrong factor"),
    "n-not-divided": ("δd = δc / m, without ‖v‖", "d",
                      "factor missing or derivative missing or wrong factor or "
                      "derivative at another signal"),
    "length-sign": ("δm = δc d / (m² n), without the minus", "m",
                    "sign or derivative of wrong form"),
    "norm-slope-missing": ("δu = δd v + δm, without norm' = u / ‖u‖", "u", "derivative missing"),
    "not-normalised": ("δu = δd v + δm u: norm' = u / ‖u‖ is taken as u", "u",
                       "derivative of wrong form"),
}  # fmt: skip


def cosine_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `cosine_network`."""
    x, W, v = COSINE_NUMBERS.values()
    u = x @ W
    d = (u * v).sum(1, keepdims=True)
    m, n = (np.sqrt((each**2).sum(1, keepdims=True)) for each in (u, v))
    δc = d / (m * n) - COSINE_TARGET
    δd = δc / m if "n-not-divided" in mistakes else δc / (m * n)
    δm, δn = -δc * d / (m**2 * n), -δc * d / (m * n**2)
    if "length-sign" in mistakes:
        δm = -δm
    slope = u / m
    if "norm-slope-missing" in mistakes:
        slope = np.ones_like(u)
    if "not-normalised" in mistakes:
        slope = u
    δu = δd * (u if "u-for-v" in mistakes else v) + δm * slope
    if "u-length-forgotten" in mistakes:
        δu = δd * v
    dv = δd * u + δn * v / n
    if "v-length-forgotten" in mistakes:
        dv = δd * u
    return {"c": δc, "d": δd, "m": δm, "n": δn, "u": δu, "v": dv, "W": x.T @ δu, "x": δu @ W.T}


NETWORKS = {
    "vae": Network(VAE, vae_network, vae_by_hand, ("Wm", "Wl", "D")),
    "cosine": Network(COSINE, cosine_network, cosine_by_hand, ("W", "v")),
}
