"""A picture is read in one way: whose arrow a label is on, what is whole and what is a share.

Where things stand is read off the layout programs' own geometry.
"""

from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import WAYS, Layout

MARGIN = 2  # points by which an arrow is nearer to its own label than any other arrow


def leaf(name, *shape):
    seed = [ord(letter) for letter in name]
    return tg.Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True, name=name)


def loss_of(layer, steps=4):
    out = layer(leaf("x", steps, 2))[0]
    return tg.nn.squared_error(out, np.zeros(out.shape))


def two_steps_back():
    """Record h(k) = tanh(x(k) W + h(k−1) U1 + h(k−2) U2 + b), and y(k) = h(k) V."""
    x, W, U1, U2, V = leaf("x", 5, 2), *(leaf(n, 2, 2) for n in ("W", "U1", "U2", "V"))
    b, before, last, ys = leaf("b", 2), tg.Tensor(np.zeros(2)), tg.Tensor(np.zeros(2)), []
    for k in tg.steps(5):
        h = tg.tanh(x[k] @ W + last @ U1 + before @ U2 + b)
        h.name = "h"
        before, last = last, h
        ys.append(h @ V)
    return tg.nn.squared_error(tg.stack(ys), np.zeros((5, 2)))


def attention():
    """Record a sum of the steps of an LSTM, weighted by a softmax of their scores."""
    H = tg.nn.LSTM(2, 3, seed=0)(leaf("x", 4, 2))[0]
    weights = tg.softmax(tg.tanh(H @ leaf("A", 3, 2)) @ leaf("v", 2))
    weights.name = "weights"
    y = tg.sigmoid(weights @ H @ leaf("V", 3, 1))
    y.name = "y"
    return tg.nn.squared_error(y, np.zeros(1))


def custom_cell():
    """Record a minimal gated unit with a peephole and a decayed input, as a loop of one's own."""
    x, c, ys = leaf("x", 4, 2), tg.Tensor(np.zeros(3)), []
    W, V, U, p, d = leaf("W", 2, 3), leaf("V", 2, 3), leaf("U", 3, 3), leaf("p", 3), leaf("d")
    for k in tg.steps(4):
        f = tg.sigmoid(x[k] @ W + p * c)
        f.name = "f"
        g = tg.softplus(x[k] @ V * d + (f * c) @ U) - 0.5
        c = f * c + (1.0 - f) * g
        c.name = "c"
        ys.append(c)
    return tg.nn.squared_error(tg.stack(ys), np.zeros((4, 3)))


def scalars(*sizes):
    y = leaf("x", sizes[0])
    for number, (before, after) in enumerate(pairwise(sizes)):
        y = tg.nn.Dense(before, after, tg.tanh, name=f"dense{number}", seed=number)(y)
    return tg.nn.squared_error(y, np.zeros(sizes[-1]))


NETWORKS = {
    "gru": lambda: loss_of(tg.nn.GRU(2, 3, seed=0)),
    "three layers": lambda: loss_of(tg.nn.GRU(2, 3, num_layers=3, seed=0)),
    "directions": lambda: loss_of(tg.nn.LSTM(2, 3, bidirectional=True, peephole=True, seed=0)),
    "two steps back": two_steps_back, "attention": attention, "custom cell": custom_cell,
}  # fmt: skip
CASES = {
    **{name: (network, {}) for name, network in NETWORKS.items()},
    "unrolled": (two_steps_back, {"fold": False}),
    "numbers": (lambda: loss_of(tg.nn.GRU(2, 1, seed=0)), {"values": 2}),
    "scalar 3 4 3": (lambda: scalars(3, 4, 3), {"level": "scalar"}),
    "scalar 1 6 1": (lambda: scalars(1, 6, 1), {"level": "scalar"}),
    "scalar cell": (two_steps_back, {"level": "scalar"}),
}  # fmt: skip
by_case = pytest.mark.parametrize("name", CASES)
by_way = pytest.mark.parametrize("way", WAYS)


@by_way
@by_case
def test_every_label_is_nearest_to_its_own_arrow(name, way):
    network, options = CASES[name]
    for view in ("forward", "adjoint"):
        layout = Layout(tg.draw(network(), view=view, **options).dot, way)
        assert layout.strays(MARGIN) == [] and layout.overlaps() == []
