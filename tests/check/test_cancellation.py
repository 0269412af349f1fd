"""Gradients whose terms cancel: rounding is relative to the terms, and nothing larger passes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.check.cancellation import sizes_of_terms


def attention(seed, order):
    """Return a loss and the gradients of attention, for a batch in some order."""
    layer = tg.nn.Attention(4, 2, seed=seed)
    for n, tensor in enumerate(layer.parameters()):
        tensor.data = laws.draw(tensor.shape, 10 * seed + n)
    x = laws.draw((5, 7, 4), seed)[:, order]
    loss = tg.sum(layer(tg.Tensor(x, name="x")) ** 2)
    loss.backward()
    return loss, {tensor.label(): tensor.grad for tensor in layer.parameters()}


@pytest.mark.parametrize("seed", range(8))
def test_a_sum_that_is_0_but_for_its_order_agrees(seed):
    loss, tape = attention(seed, np.arange(7))
    _, other = attention(seed, np.random.default_rng(seed).permutation(7))
    largest = max(np.abs(gradient).max() for gradient in tape.values())
    assert np.abs(tape["attention.b_k"]).max() < 1e-13 * largest
    report = tg.compare(loss, other)
    assert report.ok, str(report)
    wrong = other | {"attention.b_k": other["attention.b_k"] + 1e-8 * largest}
    assert not tg.compare(loss, wrong).ok


@pytest.mark.parametrize("steps", [3, 8, 20])
def test_a_gradient_that_vanishes_is_still_compared(steps):
    rnn = tg.nn.RNN(2, 3, seed=0)
    rnn.U.data = rnn.U.data * 0.02
    loss = tg.sum(rnn(laws.draw((steps, 2)))[1] ** 2)
    loss.backward()
    first = tg.signals(loss)["rnn.out[0]"].gradient
    assert np.abs(first).max() < 0.05**steps * 100
    assert tg.compare(loss, {"rnn.out[0]": first * (1 + 1e-14)}).ok
    assert not tg.compare(loss, {"rnn.out[0]": first * (1 + 1e-9)}).ok
    assert not tg.compare(loss, {"rnn.out[0]": 0 * first}).ok


def test_sizes_are_the_sums_of_the_sizes_of_the_terms():
    b = tg.Tensor([0.5, -1.0], requires_grad=True, name="b")
    x, w = laws.draw((3, 2)), laws.draw((3, 2), 1)
    moved = tg.reshape(b, shape=(1, 2))
    loss = tg.sum((moved + x) * w) + tg.sum(b * [2.0, -3.0])
    sizes = sizes_of_terms(loss, np.ones(()), [b])
    laws.near(sizes[b], np.abs(w).sum(axis=0) + [2.0, 3.0], 1e-14)
