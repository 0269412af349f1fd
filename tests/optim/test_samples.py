"""Jacobians of all samples at once beside those of one entry after the other."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import nn
from tinygrad_lstm.engine import elementwise, function
from tinygrad_lstm.optim.objective import Objective
from tinygrad_lstm.optim.samples import by_samples

T, B = 4, 6
X, Y = (np.random.default_rng(n).normal(size=(T, B, size)) for n, size in ((0, 3), (1, 2)))
OWN = elementwise(
    "cubed", lambda x: x**3, lambda x, y: 3 * x * x, notation=function("cubed"),
    samples=lambda: [((np.array([0.5, 2.0]),), {})],
)  # fmt: skip


def net(*layers):
    return nn.Sequential(*layers)


INDEPENDENT = {
    "LSTM": lambda d: net(nn.LSTM(3, 4, seed=0, dtype=d), nn.Dense(4, 2, seed=1, dtype=d)),
    "stack": lambda d: net(
        nn.LSTM(3, 4, 2, seed=0, dtype=d), nn.Dense(4, 2, "sigmoid", seed=1, dtype=d)
    ),
    "GRU and a normalization": lambda d: net(
        nn.GRU(3, 5, seed=0, dtype=d), nn.LayerNorm(5, dtype=d), nn.Dense(5, 2, seed=1, dtype=d)
    ),
    "as many features as samples": lambda d: net(
        nn.Dense(3, B, seed=0, dtype=d), nn.Dense(B, 2, seed=1, dtype=d)
    ),
    "a primitive of one's own": lambda d: net(
        nn.Dense(3, 4, OWN, seed=0, dtype=d), nn.Dense(4, 2, seed=1, dtype=d)
    ),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("make", INDEPENDENT.values(), ids=INDEPENDENT)
def test_all_samples_at_once_give_what_single_entries_give(make, dtype):
    model = make(dtype)
    objective = Objective(
        "test", lambda: model(X.astype(dtype)) - Y.astype(dtype), model.parameters()
    )
    out = objective._residuals(objective.numbers())
    found = by_samples(objective.params, out, lambda ct: objective.gradient([out], [ct]))
    assert found is not None and found.shape == (T * B * 2, objective.size)
    expected, digit = objective.columns(out), np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=0, atol=50 * digit * np.abs(expected).max())


def coupled():
    model = net(nn.Dense(3, 4, seed=0), nn.BatchNorm(4, axis=-1), nn.Dense(4, 2, seed=1))
    return model.parameters(), lambda: model(X) - Y


def compared():
    w = tg.Tensor(np.random.default_rng(2).normal(size=(3, 2)), requires_grad=True)

    def residuals():
        y = X @ w
        return y * y - y.mean(axis=1, keepdims=True)

    return [w], residuals


def by_parts():
    w = tg.Tensor(np.random.default_rng(2).normal(size=(3, 4)), requires_grad=True)
    return [w], lambda: X @ w[:, :2] - Y


def peepholes():
    model = net(nn.LSTM(3, 4, peephole=True, seed=0), nn.Dense(4, 2, seed=1))
    return model.parameters(), lambda: model(X) - Y


def of_samples():
    w = tg.Tensor(np.random.default_rng(2).normal(size=(B, 2)), requires_grad=True)
    return [w], lambda: Y * w


def computed():
    w = tg.Tensor(np.random.default_rng(2).normal(size=(3, 2)), requires_grad=True)
    return [w], lambda: X @ tg.tanh(w) - Y


@pytest.mark.parametrize("make", [coupled, compared, by_parts, peepholes, of_samples, computed])
def test_samples_that_are_not_independent_are_left_to_single_entries(make):
    params, residuals = make()
    objective = Objective("test", residuals, params)
    found = objective.jacobian(objective.numbers())
    out = objective._residuals(objective.numbers())
    assert by_samples(objective.params, out, lambda ct: objective.gradient([out], [ct])) is None
    np.testing.assert_allclose(found, objective.rows(out), rtol=0, atol=1e-12)


def test_a_jacobian_of_samples_is_the_one_that_is_used(monkeypatch):
    model = INDEPENDENT["LSTM"](float)
    objective = Objective("test", lambda: model(X) - Y, model.parameters())
    for way in ("rows", "columns"):
        monkeypatch.setattr(Objective, way, None)
    assert objective.jacobian(objective.numbers()).shape == (T * B * 2, objective.size)
