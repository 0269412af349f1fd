"""A perceptron of two inputs, two hidden units and two outputs: every printed number, recomputed.

M. Mazur, "A step by step backpropagation example", mattmazur.com, 17 March 2015. S. Kang and J. Seo
recommend the example. The units are sigmoids, and E_total = Σ ½ (target - out)². One step of
gradient descent at η = 0.5 changes w1 … w8. The biases b1 and b2 do not change; the two units of a
layer share a bias. w1 and w2 lead into h1, w3 and w4 into h2, w5 and w6 into o1, w7 and w8 into o2.
The words are the author's: net is the net input of a unit, out the output of the unit, and w1+ the
new weight.

Erratum of the text: the text says, rightly, that the hidden layer's derivatives are computed with
the original w5 … w8, and this holds for the printed w1+ … w4+. But the later errors and outputs
(0.291027924 after one round; 0.000035085 after 10,000 rounds, with the outputs 0.015912196 and
0.984065734) were computed with the *already updated* w5 … w8: `train` shows both. Of the 26 numbers
before, ∂E_o2/∂out_h1 is off by 1 in the last digit.

The example cannot show a sum over a batch (there is no batch), nor the derivatives of the biases.
The derivative of a shared bias is the sum over the units; `backward` computes this sum too.

Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .numerical import sigma

GIVEN: dict[str, Any] = {
    "i1": 0.05, "i2": 0.10, "target_o1": 0.01, "target_o2": 0.99, "b1": 0.35, "b2": 0.60,
    "w1": 0.15, "w2": 0.20, "w3": 0.25, "w4": 0.30, "w5": 0.40, "w6": 0.45, "w7": 0.50, "w8": 0.55,
    "η": 0.5,
}  # fmt: skip
WEIGHTS = tuple(f"w{n}" for n in range(1, 9))

# the author's digits
PRINTED = {
    "net_h1": "0.3775", "out_h1": "0.593269992", "out_h2": "0.596884378",
    "net_o1": "1.105905967", "out_o1": "0.75136507", "out_o2": "0.772928465",
    "E_o1": "0.274811083", "E_o2": "0.023560026", "E_total": "0.298371109",
    "∂E_total/∂out_o1": "0.74136507", "∂out_o1/∂net_o1": "0.186815602",
    "∂E_o1/∂net_o1": "0.138498562", "∂E_total/∂w5": "0.082167041",
    "w5+": "0.35891648", "w6+": "0.408666186", "w7+": "0.511301270", "w8+": "0.561370121",
    "∂E_o1/∂out_h1": "0.055399425", "∂E_o2/∂out_h1": "-0.019049119",
    "∂E_total/∂out_h1": "0.036350306", "∂out_h1/∂net_h1": "0.241300709",
    "∂E_total/∂w1": "0.000438568",
    "w1+": "0.149780716", "w2+": "0.19956143", "w3+": "0.24975114", "w4+": "0.29950229",
}  # fmt: skip
PRINTED_AFTER = {
    1: {"E_total": "0.291027924"},
    10_000: {"E_total": "0.000035085", "out_o1": "0.015912196", "out_o2": "0.984065734"},
}

Values = Mapping[str, Any]


def forward(v: Values) -> dict[str, Any]:
    """Run the network up to the error.

    Parameters
    ----------
    v : mapping with the names of ``GIVEN``, real or complex

    Returns
    -------
    dict of net_h1 … out_o2, E_o1, E_o2 and E_total, each a number
    """
    r: dict[str, Any] = {}
    r["net_h1"] = v["w1"] * v["i1"] + v["w2"] * v["i2"] + v["b1"]
    r["net_h2"] = v["w3"] * v["i1"] + v["w4"] * v["i2"] + v["b1"]
    r["out_h1"], r["out_h2"] = sigma(r["net_h1"]), sigma(r["net_h2"])
    r["net_o1"] = v["w5"] * r["out_h1"] + v["w6"] * r["out_h2"] + v["b2"]
    r["net_o2"] = v["w7"] * r["out_h1"] + v["w8"] * r["out_h2"] + v["b2"]
    r["out_o1"], r["out_o2"] = sigma(r["net_o1"]), sigma(r["net_o2"])
    r["E_o1"] = 0.5 * (v["target_o1"] - r["out_o1"]) ** 2
    r["E_o2"] = 0.5 * (v["target_o2"] - r["out_o2"]) ** 2
    r["E_total"] = r["E_o1"] + r["E_o2"]
    return r


def backward(v: Values, upper_weights: Values | None = None) -> dict[str, Any]:
    """Compute every derivative, by the chain rule, from the error back.

    Parameters
    ----------
    v : mapping with the names of ``GIVEN``
    upper_weights : mapping, optional
        The w5 … w8 through which the errors flow back to the hidden layer. Without this argument
        they are those of ``v``; other weights make a mistake on purpose.

    Returns
    -------
    dict of ∂E_total/∂w1 … ∂E_total/∂w8, ∂E_total/∂b1, ∂E_total/∂b2, ∂E_total/∂i1, ∂E_total/∂i2 and
    their factors
    """
    r, upper = forward(v), upper_weights or v
    g: dict[str, Any] = {}
    for o in ("o1", "o2"):
        g[f"∂E_total/∂out_{o}"] = -(v[f"target_{o}"] - r[f"out_{o}"])
        g[f"∂out_{o}/∂net_{o}"] = r[f"out_{o}"] * (1 - r[f"out_{o}"])
        g[f"∂E_{o}/∂net_{o}"] = g[f"∂E_total/∂out_{o}"] * g[f"∂out_{o}/∂net_{o}"]
    for n, h, o in ((5, "h1", "o1"), (6, "h2", "o1"), (7, "h1", "o2"), (8, "h2", "o2")):
        g[f"∂E_total/∂w{n}"] = g[f"∂E_{o}/∂net_{o}"] * r[f"out_{h}"]
        g[f"∂E_{o}/∂out_{h}"] = g[f"∂E_{o}/∂net_{o}"] * upper[f"w{n}"]
    for h in ("h1", "h2"):  # a fork: both output units read out_h
        g[f"∂E_total/∂out_{h}"] = g[f"∂E_o1/∂out_{h}"] + g[f"∂E_o2/∂out_{h}"]
        g[f"∂out_{h}/∂net_{h}"] = r[f"out_{h}"] * (1 - r[f"out_{h}"])
        g[f"∂E_total/∂net_{h}"] = g[f"∂E_total/∂out_{h}"] * g[f"∂out_{h}/∂net_{h}"]
    for n, i, h in ((1, "i1", "h1"), (2, "i2", "h1"), (3, "i1", "h2"), (4, "i2", "h2")):
        g[f"∂E_total/∂w{n}"] = g[f"∂E_total/∂net_{h}"] * v[i]
    g["∂E_total/∂b1"] = g["∂E_total/∂net_h1"] + g["∂E_total/∂net_h2"]
    g["∂E_total/∂b2"] = g["∂E_o1/∂net_o1"] + g["∂E_o2/∂net_o2"]
    for i, one, other in (("i1", "w1", "w3"), ("i2", "w2", "w4")):
        g[f"∂E_total/∂{i}"] = g["∂E_total/∂net_h1"] * v[one] + g["∂E_total/∂net_h2"] * v[other]
    return g


def update(v: Values, updated_first: bool = False) -> dict[str, Any]:
    """Return the weights after one step of gradient descent.

    Parameters
    ----------
    v : mapping with the names of ``GIVEN``
    updated_first : bool
        Make the mistake behind the printed errors: update w5 … w8 first, and send the errors back
        to the hidden layer through the new w5 … w8.

    Returns
    -------
    dict of w1 … w8
    """
    g = backward(v)
    new = {w: v[w] - v["η"] * g[f"∂E_total/∂{w}"] for w in WEIGHTS}
    if updated_first:
        g = backward(v, upper_weights=new)
        new |= {w: v[w] - v["η"] * g[f"∂E_total/∂{w}"] for w in WEIGHTS[:4]}
    return new


def train(rounds: int, updated_first: bool = False) -> dict[str, Any]:
    """Return the numbers of `forward` after some steps of gradient descent.

    Examples
    --------
    >>> f"{train(1)['E_total']:.9f}"
    '0.291027774'
    >>> f"{train(1, updated_first=True)['E_total']:.9f}"  # the printed number
    '0.291027924'
    """
    v = dict(GIVEN)
    for _ in range(rounds):
        v |= update(v, updated_first)
    return forward(v)


def evaluate() -> dict[str, Any]:
    """Return the exact value of every name in ``PRINTED``."""
    new = {f"{w}+": value for w, value in update(GIVEN).items()}
    return forward(GIVEN) | backward(GIVEN) | new


def is_right(number: str, exact: float, within: float = 0.5) -> bool:
    """Return whether a printed number is right, within some units of its last digit."""
    digits = len(number.partition(".")[2])
    return bool(abs(float(number) - exact) <= within * 10.0**-digits)


__all__ = [
    "GIVEN", "PRINTED", "PRINTED_AFTER", "WEIGHTS", "backward", "evaluate", "forward",
    "is_right", "train", "update",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
