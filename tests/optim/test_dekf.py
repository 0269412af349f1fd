"""Holds the Kalman filter to Bayes' solution where a model is linear; to the tape's Jacobian."""

from __future__ import annotations

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
CELLS = {"lstm": tg.nn.LSTMCell, "gru": tg.nn.GRUCell}


def trained(update, dense, at_once=1):
    """Show a filter the data, some rows at once."""
    for k in range(0, len(X), at_once):
        update.step(dense(X[k : k + at_once]), TARGET[k : k + at_once])


@pytest.mark.parametrize("at_once", [1, 4, 12])
def test_a_linear_model_gets_the_weights_of_ridge_regression(at_once):
    dense = tg.nn.Dense(3, 2, seed=0)
    prior = np.vstack([dense.W.numpy(), dense.b.numpy()])
    update = tg.optim.DEKF(
        dense.parameters(), measurement_noise=0.5, process_noise=0.0, covariance=3.0
    )
    trained(update, dense, at_once)
    A = np.hstack([X, np.ones((12, 1))])
    matrix = A.T @ A / 0.5 + np.eye(4) / 3.0
    expected = np.linalg.solve(matrix, A.T @ TARGET / 0.5 + prior / 3.0)
    laws.near(np.vstack([dense.W.data, dense.b.data]), expected, 1e-11)
    covariance = np.linalg.inv(matrix)  # of the column of either output
    laws.near(update.covariances[0][:6:2, :6:2], covariance[:3, :3], 1e-11)


def test_groups_are_decoupled_by_hand():
    dense = tg.nn.Dense(3, 2, seed=0)
    update = tg.optim.DEKF(
        [[dense.W], [dense.b]], lr=0.5, measurement_noise=0.7, process_noise=0.1, covariance=2.0
    )
    W, b, x = dense.W.numpy(), dense.b.numpy(), X[0]
    J = [np.kron(x, np.eye(2)), np.eye(2)]  # ∂y/∂W, with W row by row, and ∂y/∂b
    A = np.linalg.inv(0.7 * np.eye(2) + sum(2.0 * j @ j.T for j in J))
    error = TARGET[0] - (x @ W + b)
    update.step(dense(x), TARGET[0])
    laws.near(dense.W.data.ravel(), W.ravel() + 0.5 * 2.0 * J[0].T @ A @ error, 1e-14)
    laws.near(dense.b.data, b + 0.5 * 2.0 * J[1].T @ A @ error, 1e-14)
    for j, P in zip(J, update.covariances, strict=True):
        laws.near(P, 2.1 * np.eye(len(P)) - 4.0 * j.T @ A @ j, 1e-14)


@pytest.mark.parametrize("kind", CELLS)
def test_the_derivative_that_is_carried_on_is_the_jacobian_through_all_steps(kind):
    cell, dense = CELLS[kind](2, 3, seed=0), tg.nn.Dense(3, 1, seed=1)
    params = cell.parameters() + dense.parameters()
    update = tg.optim.DEKF(params, lr=0.0)
    states = ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]) if kind == "lstm" else ([0.1, 0.2, 0.3],)
    carried = update.start(*states)
    through = [tg.Tensor(s) for s in states]
    for k in range(5):
        x = laws.draw((2,), k)
        after = cell(x, carried if kind == "lstm" else carried[0])
        after = after if kind == "lstm" else (after,)
        carried = update.step(dense(after[0]), [0.0], after)
    for k in range(5):
        x = laws.draw((2,), k)
        out = cell(x, tuple(through) if kind == "lstm" else through[0])
        through = list(out) if kind == "lstm" else [out]
    rows = []
    for state in through:
        for unit in np.eye(3):
            slopes = tg.grad(state, params, unit, allow_unused=True)
            rows.append(np.concatenate(
                [np.zeros(p.size) if s is None else s.numpy().ravel()
                 for s, p in zip(slopes, params, strict=True)]
            ))  # fmt: skip
    laws.near(update.sensitivity, rows, 1e-13)
    assert np.abs(rows).max() > 0.1
    assert update.start(*states)[0].numpy().tolist() == states[0]
    assert not update.sensitivity.any()


def test_a_saved_filter_goes_on_bit_by_bit():
    one, other = (tg.nn.Dense(3, 2, seed=0) for _ in "ab")
    first, second = (tg.optim.DEKF(net.parameters()) for net in (one, other))
    trained(first, one)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(first.state_dict())
    trained(first, one)
    trained(second, other)
    np.testing.assert_array_equal(one.W.data, other.W.data)


def test_float32_stays():
    dense = tg.nn.Dense(3, 2, seed=0, dtype=np.float32)
    update = tg.optim.DEKF(dense.parameters())
    update.step(dense(X.astype(np.float32)), TARGET)
    assert dense.W.dtype == np.float32 and update.covariances[0].dtype == float


# --- what cannot be -------------------------------------------------------------------------------


DENSE, CELL = tg.nn.Dense(3, 2, seed=0), tg.nn.LSTMCell(3, 2, seed=0)


def of_dense(**options):
    return tg.optim.DEKF(DENSE.parameters(), **options)


def having(update, **attributes):
    for name, value in attributes.items():
        setattr(update, name, value)
    return update


WRONG = {
    "no parameters": (lambda: tg.optim.DEKF([]), ArgumentError, "DEKF: found no parameters"),
    "a Tensor": (lambda: tg.optim.DEKF(DENSE.W), UsageError, "expected a list of parameters"),
    "twice": (lambda: tg.optim.DEKF([[DENSE.W], [DENSE.W]]), ArgumentError, "given twice"),
    "no noise": (lambda: of_dense(measurement_noise=0), ArgumentError, "measurement_noise must"),
    "less than none": (lambda: of_dense(process_noise=-1), ArgumentError, "process_noise must"),
    "a word": (lambda: of_dense(covariance="x"), UsageError, "covariance must be a number"),
    "a noise that is set": (
        lambda: having(of_dense(), measurement_noise=-1.0).step(DENSE(X[0]), TARGET[0]),
        ArgumentError, "measurement_noise must",
    ),
    "a target's shape": (
        lambda: of_dense().step(DENSE(X[0]), TARGET[:1]), ShapeError,
        r"targets of shape \(1, 2\) for outputs of shape \(2,\)",
    ),
    "no outputs": (lambda: of_dense().step([1.0], [1.0]), UsageError, "outputs: found"),
    "no such state": (
        lambda: of_dense().step(DENSE(X[0]), TARGET[0], CELL(X[0])), ShapeError,
        r"states of shapes \[\(2,\), \(2,\)\], expected \[\]",
    ),
    "no states": (
        lambda: of_dense().step(DENSE(X[0]), TARGET[0], 3), UsageError, "a tuple of Tensors",
    ),
    "not finite": (
        lambda: of_dense().step(DENSE(X[0]), [np.nan, 1.0]), GradientError, "not finite",
    ),
    "another state": (
        lambda: of_dense().load_state_dict({"covariances": [np.eye(3)]}), ShapeError,
        r"a covariance of shape \(3, 3\), expected \(8, 8\)",
    ),
    "other groups": (
        lambda: of_dense().load_state_dict({"covariances": []}), ArgumentError, "of 0 groups",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_before_anything_changed(call, error, says):
    before = DENSE.state_dict()
    with pytest.raises(error, match=says) as caught:
        call()
    assert isinstance(caught.value, TinygradError)
    for name, array in DENSE.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
