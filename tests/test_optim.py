"""Holds the updates to what their equations give when worked out by hand."""

from __future__ import annotations

import laws
import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import ArgumentError, ShapeError, UsageError

GRADIENTS = [np.array([1.0, -2.0]), np.array([0.5, 4.0]), np.array([-3.0, 0.0])]
START = np.array([10.0, 20.0])


def run(optimizer, gradients):
    """Return a parameter after steps along given gradients."""
    p = tg.Tensor(START, requires_grad=True)
    update = optimizer([p])
    for gradient in gradients:
        p.grad = gradient
        update.step()
    return p.data


def test_sgd_goes_down_the_gradient():
    laws.near(run(lambda ps: tg.optim.SGD(ps, 0.1), GRADIENTS), START - 0.1 * sum(GRADIENTS), 1e-15)


def test_momentum_by_hand():
    v1 = GRADIENTS[0]
    v2 = 0.9 * v1 + GRADIENTS[1]
    v3 = 0.9 * v2 + GRADIENTS[2]
    expected = START - 0.1 * (v1 + v2 + v3)
    laws.near(run(lambda ps: tg.optim.SGD(ps, 0.1, momentum=0.9), GRADIENTS), expected, 1e-15)


def test_adam_by_hand():
    b1, b2, eps, lr = 0.8, 0.95, 1e-3, 0.1
    p, m, v = START, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    found = run(lambda ps: tg.optim.Adam(ps, lr, betas=(b1, b2), eps=eps), GRADIENTS)
    laws.near(found, p, 1e-15)


def test_first_step_of_adam_has_the_length_of_the_rate():
    laws.near(run(lambda ps: tg.optim.Adam(ps, 0.01), GRADIENTS[:1]), START - [0.01, -0.01], 1e-8)


@pytest.mark.parametrize(
    "make", [lambda ps: tg.optim.SGD(ps, 0.1, 0.5), tg.optim.Adam], ids=["SGD", "Adam"]
)
class TestEvery:
    def test_each_parameter_has_its_own_memory(self, make):
        a, b = (tg.Tensor(START, requires_grad=True) for _ in "ab")
        update = make([a, b])
        for gradient in GRADIENTS:
            a.grad, b.grad = gradient, -gradient
            update.step()
        laws.near(a.data - START, START - b.data, 1e-14)

    def test_parameter_without_a_gradient_stays(self, make):
        a, b = (tg.Tensor(START, requires_grad=True) for _ in "ab")
        a.grad = GRADIENTS[0]
        make([a, b]).step()
        assert (b.data == START).all()

    def test_gradient_is_not_written_into(self, make):
        gradient = GRADIENTS[0].copy()
        run(make, [gradient, gradient])
        assert (gradient == GRADIENTS[0]).all()

    def test_float32_stays(self, make):
        p = tg.Tensor(START, requires_grad=True, dtype=np.float32)
        (p * p).sum().backward()
        make([p]).step()
        assert p.dtype == np.float32

    def test_zero_grad_forgets(self, make):
        p = tg.Tensor(START, requires_grad=True)
        p.sum().backward()
        make([p]).zero_grad()
        assert p.grad is None

    def test_goes_down_a_bowl(self, make):
        p = tg.Tensor([1.0, -1.0], requires_grad=True)
        update = make([p])
        losses = []
        for _ in range(30):
            update.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            update.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0]

    def test_parameters_may_come_from_a_generator(self, make):
        p = tg.Tensor(START, requires_grad=True)
        assert make(each for each in [p]).params == [p]

    def test_gradient_of_another_shape_is_refused_before_anything_changed(self, make):
        a, b = (tg.Tensor(START, requires_grad=True, name=name) for name in "ab")
        a.grad, b.grad = GRADIENTS[0], np.ones(1)
        with pytest.raises(ShapeError, match=r"gradient of b has shape \(1,\), expected \(2,\)"):
            make([a, b]).step()
        assert (a.data == START).all()


def test_a_parameter_given_twice_is_refused():
    p = tg.Tensor([1.0], requires_grad=True, name="p")
    with pytest.raises(ArgumentError, match="SGD: p is given twice"):
        tg.optim.SGD([p, p], lr=0.1)


@pytest.mark.parametrize("params", [None, tg.nn.Dense(2, 1), tg.Tensor([1.0, 2.0], True)])
def test_what_is_no_list_of_parameters_is_refused(params):
    with pytest.raises(UsageError, match=r"expected a list .* module\.parameters\(\)"):
        tg.optim.SGD(params, lr=0.1)


@pytest.mark.parametrize("kind", [tg.optim.SGD, tg.optim.Adam])
@pytest.mark.parametrize("gradient", [[1.0], tg.Tensor([1.0]), np.ones(1)])
def test_a_gradient_may_be_set_by_hand(kind, gradient):
    p = tg.Tensor([1.0], requires_grad=True)
    p.grad = gradient
    kind([p], lr=0.5).step()
    np.testing.assert_allclose(p.data, [0.5], rtol=1e-7)
