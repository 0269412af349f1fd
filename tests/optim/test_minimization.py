"""Holds minimize to minima that are known, and to what SciPy is given."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm.errors import (
    ArgumentError,
    GradientError,
    PackageError,
    ShapeError,
    TinygradError,
    UsageError,
)
from tinygrad_lstm.optim.minimization import BY_GRADIENT, BY_PRODUCT, BY_RESIDUALS, METHODS
from tinygrad_lstm.optim.objective import GaussNewton, Objective

X, TARGET = laws.draw((5, 2, 2)), laws.draw((5, 2, 1), 1)


def network():
    """Return the residuals of a small network on few data, and the parameters."""
    lstm, dense = tg.nn.LSTM(2, 3, seed=0), tg.nn.Dense(3, 1, seed=1)
    return lambda: dense(lstm(X)[0]) - TARGET, lstm.parameters() + dense.parameters()


def of_squares(residuals):
    return lambda: 0.5 * tg.sum(residuals() ** 2)


# --- what SciPy is given --------------------------------------------------------------------------


@pytest.fixture
def objective():
    residuals, params = network()
    return Objective("minimize", of_squares(residuals), params)


def test_the_gradient_is_backwards(objective):
    x = objective.numbers() + 0.1
    value, slope = objective.value_and_gradient(x)
    loss = objective.loss_of()
    loss.backward()
    assert value == loss.item()
    laws.near(slope, np.concatenate([p.grad.ravel() for p in objective.params]), 1e-15)


def test_the_product_is_the_difference_of_gradients_at_every_point(objective):
    for k in range(2):
        x, t = objective.numbers() + 0.1 * k, laws.draw((objective.size,), k)
        slopes = [objective.value_and_gradient(x + step * t)[1] for step in (1e-5, -1e-5)]
        expected = (slopes[0] - slopes[1]) / 2e-5
        laws.near(objective.product(x, t), expected, 1e-6)
        laws.near(objective.product(x, t), expected, 1e-6)  # of the point that was recorded
        objective.value_and_gradient(x + t)
        laws.near(objective.product(x, t), expected, 1e-6)


def test_the_jacobian_is_the_same_by_rows_and_by_columns():
    residuals, params = network()
    objective = Objective("minimize", residuals, params)
    x = objective.numbers()
    J = objective.jacobian(x)
    slope = Objective("minimize", of_squares(residuals), params).value_and_gradient(x)[1]
    laws.near(J.T @ objective.residuals(x), slope, 1e-13)
    out = objective.record(x)
    laws.near(objective.rows(out), J, 1e-14)
    laws.near(objective.columns(out), J, 1e-14)
    t = laws.draw(x.shape)
    G = GaussNewton("minimize", params, [out], lambda y: 0.5 * tg.sum(y * y))
    laws.near(G.product(t), J.T @ (J @ t), 1e-13)


# --- minima ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*BY_GRADIENT, *BY_PRODUCT])
def test_rosenbrocks_minimum(method):
    peer("scipy")
    p, q = tg.Tensor(-1.2, requires_grad=True), tg.Tensor([1.0], requires_grad=True)
    losses = []
    result = tg.optim.minimize(
        lambda: 100 * tg.sum(q - p**2) ** 2 + (1 - p) ** 2, [p, q], method, callback=losses.append,
        tol=1e-12, options={"maxfun" if method == "TNC" else "maxiter": 500},
    )  # fmt: skip
    laws.near([p.item(), q.item()], [1.0, 1.0], 1e-4)
    np.testing.assert_array_equal(result.x, [p.item(), q.item()])
    assert losses[0] == pytest.approx(24.2) and min(losses) < 1e-8
    assert p.grad is None and q.shape == (1,)


@pytest.mark.parametrize("method", BY_RESIDUALS)
def test_least_squares_of_a_line(method):
    peer("scipy")
    dense, x = tg.nn.Dense(2, 1, seed=0), laws.draw((9, 2))
    target = x @ [[1.0], [-2.0]] + 0.5
    result = tg.optim.minimize(lambda: dense(x) - target, dense.parameters(), method)
    laws.near(dense.W.data, [[1.0], [-2.0]], 1e-9)
    laws.near(dense.b.data, [0.5], 1e-9)
    assert result.cost < 1e-18


@pytest.mark.long
@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-krylov", "lm"])
def test_the_loss_of_a_network_falls(method):
    peer("scipy")
    residuals, params = network()
    before = of_squares(residuals)().item()
    loss = residuals if method == "lm" else of_squares(residuals)
    if method == "lm":  # needs as many residuals as parameters
        loss = lambda: tg.concatenate([residuals().ravel(), *(0.01 * p.ravel() for p in params)])  # noqa: E731
    tg.optim.minimize(
        loss, params, method, options={"max_nfev" if method == "lm" else "maxiter": 30}
    )
    assert of_squares(residuals)().item() < 0.1 * before


def test_parameters_of_float32_keep_their_type():
    peer("scipy")
    p = tg.Tensor([3.0, 4.0], True, dtype=np.float32)
    tg.optim.minimize(lambda: tg.sum((p - 1.0) ** 2), [p])
    assert p.dtype == np.float32
    laws.near(p.data, [1.0, 1.0], 1e-6)


def test_a_compiled_loss_gives_value_and_gradient():
    peer("scipy")
    dense, x = tg.nn.Dense(2, 1, "tanh", seed=0), laws.draw((9, 2))
    target = np.tanh(x @ [[0.5], [-1.0]])
    step = tg.compile(lambda: tg.nn.squared_error(dense(x), target))
    tg.optim.minimize(step, dense.parameters(), tol=1e-12)
    laws.near(dense.W.data, [[0.5], [-1.0]], 1e-4)


# --- what cannot be -------------------------------------------------------------------------------


def test_an_error_in_the_middle_brings_the_start_back():
    peer("scipy")
    p, calls = tg.Tensor([3.0], requires_grad=True), []

    def loss_of():
        calls.append(p.item())
        if len(calls) == 4:
            raise KeyboardInterrupt
        return tg.sum(p**4)

    with pytest.raises(KeyboardInterrupt):
        tg.optim.minimize(loss_of, [p])
    assert len({*calls}) > 1 and p.data == [3.0]


def test_without_scipy_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    p = tg.Tensor([3.0], requires_grad=True)
    with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[scipy\]'"):
        tg.optim.minimize(lambda: tg.sum(p * p), [p])
    assert p.data == [3.0]


P = tg.Tensor([3.0, 1.0], requires_grad=True, name="p")
Q = tg.Tensor([2.0, 5.0], requires_grad=True, name="q")
WRONG = {
    "no function": (lambda: tg.optim.minimize(3, [P]), UsageError, "loss_of: found 3"),
    "a loss": (lambda: tg.optim.minimize(tg.sum(P), [P]), UsageError, "loss_of: found"),
    "no parameters": (lambda: tg.optim.minimize(lambda: P, []), ArgumentError, "no parameters"),
    "a method": (
        lambda: tg.optim.minimize(lambda: tg.sum(P), [P], "Adam"), ArgumentError, "'L-BFGS-B'",
    ),
    "several numbers": (
        lambda: tg.optim.minimize(lambda: P, [P]), ShapeError, r"of shape \(2,\), expected one",
    ),
    "no Tensor": (lambda: tg.optim.minimize(lambda: 3.0, [P]), UsageError, "found 3.0, expected a"),
    "a constant": (
        lambda: tg.optim.minimize(lambda: tg.Tensor(1.0), [P]), GradientError, "on no parameter",
    ),
    "a constant residual": (
        lambda: tg.optim.minimize(lambda: tg.Tensor([1.0]), [P], "trf"), GradientError,
        "on no parameter",
    ),
    "a loss of others": (
        lambda: tg.optim.minimize(lambda: tg.sum(Q * Q), [P]), GradientError, "of those given",
    ),
    "residuals of others": (
        lambda: tg.optim.minimize(lambda: Q * 2.0, [P], "lm"), GradientError, "of those given",
    ),
    "few residuals": (
        lambda: tg.optim.minimize(lambda: P[:1], [P], "lm"), ArgumentError,
        "found 1 residuals for 2 numbers of parameters; .*use 'trf'",
    ),
    "no residuals": (
        lambda: tg.optim.minimize(lambda: P[:0], [P], "trf"), ShapeError, "found no residuals",
    ),
    "not finite": (
        lambda: tg.optim.minimize(lambda: tg.sum(P) * np.inf, [P]), GradientError, "at the start",
    ),
    "options": (lambda: tg.optim.minimize(lambda: P, [P], options=3), UsageError, "options: found"),
    "tol": (lambda: tg.optim.minimize(lambda: P, [P], tol="x"), UsageError, "tol must be a number"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_before_anything_changed(call, error, says):
    peer("scipy")
    with pytest.raises(error, match=says):
        call()
    assert P.data.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("method", METHODS)
def test_wrong_options_of_a_method_are_refused(method):
    """SciPy itself refuses a keyword, or warns of an option that it does not know."""
    peer("scipy")
    loss_of = (lambda: P) if method in BY_RESIDUALS else (lambda: tg.sum(P * P))
    with pytest.raises(TinygradError, match="minimize: options"):
        tg.optim.minimize(loss_of, [P], method, options={"iterations": 3})
    assert P.data.tolist() == [3.0, 1.0]
