"""Holds Hessian-free steps to Newton's step where a model is linear, and to a loss that falls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.errors import (
    ArgumentError,
    GradientError,
    ShapeError,
    TinygradError,
    UsageError,
)

X, TARGET = laws.draw((12, 3)), laws.draw((12, 2), 1)


def squared(y):
    return tg.nn.squared_error(y, TARGET)


def test_one_step_without_damping_ends_at_the_minimum_of_a_linear_model():
    dense = tg.nn.Dense(3, 2, seed=0)
    update = tg.optim.HessianFree(dense.parameters(), damping=0.0)
    loss = update.step(lambda: dense(X), squared)
    A = np.hstack([X, np.ones((12, 1))])
    expected = np.linalg.lstsq(A, TARGET)[0]
    laws.near(np.vstack([dense.W.data, dense.b.data]), expected, 1e-3)
    laws.near(loss, 0.5 * ((A @ expected - TARGET) ** 2).sum(), 1e-5)


def jacobian(y, params):
    """Return the derivative of what was recorded, a row for each entry."""
    rows = []
    for unit in np.eye(y.size).reshape(y.size, *y.shape):
        slopes = tg.grad(y, params, unit, allow_unused=True)
        pairs = zip(params, slopes, strict=True)
        rows.append([np.zeros(p.size) if s is None else s.numpy().ravel() for p, s in pairs])
    return np.array([np.concatenate(row) for row in rows])


@pytest.mark.parametrize("structural", [0.0, 0.5])
def test_a_step_is_that_of_the_damped_matrix(structural):
    """At the first step, with as many iterations as conjugate gradients need."""
    lstm, dense = tg.nn.LSTM(2, 2, seed=0), tg.nn.Dense(2, 1, seed=1)
    params, x = lstm.parameters() + dense.parameters(), laws.draw((4, 2))
    target = laws.draw((4, 1), 2)

    def forward():
        out, _ = lstm(x)
        return dense(out), out

    def loss_of(y):
        return tg.nn.squared_error(y, target)

    y, out = forward()
    J, J_h = jacobian(y, params), jacobian(out, params)
    matrix = J.T @ J + 2.0 * np.eye(J.shape[1]) + structural * 2.0 * J_h.T @ J_h
    slope = J.T @ (y.numpy() - target).ravel()
    before = np.concatenate([p.numpy().ravel() for p in params])
    update = tg.optim.HessianFree(params, 2.0, structural=structural, iterations=300)
    update.step(forward, loss_of)
    moved = np.concatenate([p.numpy().ravel() for p in params]) - before
    laws.near(moved, -np.linalg.solve(matrix, slope), 2e-3)


def test_the_loss_falls_at_every_step_and_the_damping_adapts():
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, seed=1)
    x, target = laws.draw((6, 8, 2)), np.tanh(laws.draw((6, 8, 2)).cumsum(0).sum(-1, keepdims=True))
    update = tg.optim.HessianFree(lstm.parameters() + dense.parameters(), structural=0.1)

    def forward():
        out, _ = lstm(x)
        return dense(out), out

    losses = [update.step(forward, lambda y: tg.nn.squared_error(y, target)) for _ in range(10)]
    assert all(b <= a for a, b in pairwise(losses))
    assert losses[-1] < 0.1 * losses[0]
    assert update.damping < 1.0
    laws.near(tg.nn.squared_error(forward()[0], target).item(), losses[-1], 1e-14)


def test_a_saved_step_goes_on_bit_by_bit():
    one, other = (tg.nn.Dense(3, 2, "tanh", seed=0) for _ in "ab")
    first, second = (tg.optim.HessianFree(net.parameters()) for net in (one, other))
    second.load_state_dict(second.state_dict())  # before the first step
    for _ in range(3):
        first.step(lambda: one(X), squared)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        assert first.step(lambda: one(X), squared) == second.step(lambda: other(X), squared)


DENSE = tg.nn.Dense(3, 2, seed=0)


def update(**options):
    return tg.optim.HessianFree(DENSE.parameters(), **options)


def interrupted():
    calls = []

    def forward():
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return DENSE(X)

    return forward


WRONG = {
    "damping": (lambda: update(damping=-1), ArgumentError, "damping must be at least 0"),
    "structural": (lambda: update(structural="x"), UsageError, "structural must be a number"),
    "iterations": (lambda: update(iterations=0), ArgumentError, "iterations must be at least 1"),
    "no function": (lambda: update().step(DENSE(X), squared), UsageError, "forward: found"),
    "no loss": (lambda: update().step(lambda: DENSE(X), 3), UsageError, "loss_of: found 3"),
    "no Tensor": (lambda: update().step(lambda: X, squared), UsageError, "forward returned"),
    "several": (
        lambda: update().step(lambda: DENSE(X), lambda y: y), ShapeError, "expected one number",
    ),
    "constant": (
        lambda: update().step(lambda: tg.Tensor(TARGET), squared), GradientError, "no parameter",
    ),
    "not finite": (
        lambda: update().step(lambda: DENSE(X) * np.inf, squared), GradientError, "not finite",
    ),
    "interrupted": (lambda: update().step(interrupted(), squared), KeyboardInterrupt, None),
    "another state": (
        lambda: update().load_state_dict({"damping": 1.0, "direction": np.ones(3)}), ShapeError,
        r"direction has shape \(3,\), expected \(8,\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_before_anything_changed(call, error, says):
    before = DENSE.state_dict()
    with np.errstate(all="ignore"), pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, TinygradError | KeyboardInterrupt)
    for name, array in DENSE.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
