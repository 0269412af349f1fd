"""Holds the losses to their formulas, their gradients, and to staying finite at any size."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.nn import cross_entropy as entropies

Y = laws.draw((3, 4))
TARGET = laws.draw((3, 4), 1)
TRUTH = (TARGET > 0) * 1.0
CLASSES = np.array([2, 0, 3])


def sigma(x):
    return 1 / (1 + np.exp(-x))


def cross_entropy(y):
    return -np.mean(np.log(np.exp(y)[np.arange(3), CLASSES] / np.exp(y).sum(1)))


def one_hot():
    return np.eye(4)[CLASSES]


LOSSES = {
    "squared_error": (TARGET, lambda y: 0.5 * np.sum((y - TARGET) ** 2), lambda: Y - TARGET),
    "mean_squared_error": (
        TARGET,
        lambda y: np.mean((y - TARGET) ** 2),
        lambda: 2 / 12 * (Y - TARGET),
    ),
    "euclidean_norm": (
        TARGET,
        lambda y: np.sqrt(np.sum((y - TARGET) ** 2)),
        lambda: (Y - TARGET) / np.linalg.norm(Y - TARGET),
    ),
    "binary_cross_entropy_with_logits": (
        TRUTH,
        lambda y: -np.mean(TRUTH * np.log(sigma(y)) + (1 - TRUTH) * np.log(1 - sigma(y))),
        lambda: (sigma(Y) - TRUTH) / 12,
    ),
    "softmax_cross_entropy": (
        CLASSES,
        cross_entropy,
        lambda: (np.exp(Y) / np.exp(Y).sum(1, keepdims=True) - one_hot()) / 3,
    ),
}
EVERY = pytest.mark.parametrize(
    ("name", "target", "formula", "slope"),
    [(name, *rest) for name, rest in LOSSES.items()],
    ids=LOSSES.keys(),
)


@EVERY
def test_value(name, target, formula, slope):
    found = getattr(tg.nn, name)(tg.Tensor(Y), target)
    assert found.shape == ()
    laws.near(found.data, formula(Y), 1e-14)


@EVERY
def test_gradient(name, target, formula, slope):
    y = tg.Tensor(Y, requires_grad=True)
    getattr(tg.nn, name)(y, target).backward()
    laws.near(y.grad, slope(), 1e-14)


@EVERY
def test_gradient_is_the_complex_step(name, target, formula, slope):
    direction = laws.draw(Y.shape, 2)
    laws.near(np.sum(slope() * direction), laws.complex_step(formula, (Y,), (direction,)), 1e-13)


SCOPES = {"binary_cross_entropy_with_logits": "binary_cross_entropy"}


@EVERY
def test_names(name, target, formula, slope):
    assert getattr(tg.nn, name)(tg.Tensor(Y), target).label() == f"{SCOPES.get(name, name)}.loss"


@EVERY
def test_float32_stays(name, target, formula, slope):
    y = tg.Tensor(Y, requires_grad=True, dtype=np.float32)
    loss = getattr(tg.nn, name)(y, target.tolist())
    loss.backward()
    assert (loss.dtype, y.grad.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("name", ["squared_error", "mean_squared_error", "euclidean_norm"])
def test_target_gets_a_gradient_too(name):
    y, target = (tg.Tensor(each, requires_grad=True) for each in (Y, TARGET))
    getattr(tg.nn, name)(y, target).backward()
    laws.near(target.grad, -y.grad, 1e-15)


@pytest.mark.parametrize("name", ["squared_error", "mean_squared_error", "euclidean_norm"])
def test_no_error_has_no_gradient(name):
    y = tg.Tensor(TARGET, requires_grad=True)
    getattr(tg.nn, name)(y, TARGET).backward()
    assert (y.grad == 0).all()


@pytest.mark.parametrize(("logit", "expected"), [(800.0, 0.0), (-800.0, 800.0), (0.0, np.log(2))])
def test_binary_cross_entropy_with_logits_is_finite_at_any_size(logit, expected):
    loss = tg.nn.binary_cross_entropy_with_logits(tg.Tensor([logit]), [1])
    laws.near(loss.data, expected, 1e-12)


P = np.array([[0.25, 0.5, 1e-9], [0.125, 1 - 1e-9, 0.75]])


@pytest.mark.parametrize("share", [TRUTH[:2, :3], sigma(TARGET[:2, :3])], ids=["hard", "soft"])
def test_binary_cross_entropy_takes_probabilities(share):
    z = tg.Tensor(np.log(P / (1 - P)), requires_grad=True)
    loss = tg.nn.binary_cross_entropy(tg.sigmoid(z), share)
    expected = -np.mean(share * np.log(P) + (1 - share) * np.log1p(-P))
    laws.near(loss.data, expected, 1e-8)
    loss.backward()
    laws.near(z.grad, (P - share) / 6, 1e-8)
    assert loss.label() == "binary_cross_entropy.loss"


def test_binary_cross_entropy_of_the_target_itself_is_0():
    z = tg.Tensor([800.0, -800.0], requires_grad=True)
    loss = tg.nn.binary_cross_entropy(tg.sigmoid(z), [1.0, 0.0])
    loss.backward()
    assert loss.item() == 0
    assert z.grad.tolist() == [0.0, 0.0]


def test_binary_cross_entropy_where_a_probability_excludes_its_target_is_infinite():
    with np.errstate(divide="ignore"):
        assert tg.nn.binary_cross_entropy(tg.sigmoid(tg.Tensor([-800.0])), [1.0]).item() == np.inf


def test_the_target_of_binary_cross_entropy_gets_a_gradient_too():
    p, target = tg.sigmoid(tg.Tensor(Y)), tg.Tensor(TRUTH, requires_grad=True)
    tg.nn.binary_cross_entropy(p, target).backward()
    laws.near(target.grad, -Y / 12, 1e-14)


def test_that_binary_cross_entropy_no_longer_takes_logits_is_said_once():
    entropies._warn_of_logits.cache_clear()
    with pytest.warns(FutureWarning, match="with_logits") as said:
        tg.nn.binary_cross_entropy(tg.Tensor([0.25]), [1.0])
    assert said[0].filename == __file__
    tg.nn.binary_cross_entropy(tg.Tensor([0.25]), [1.0])  # a warning is an error here


def test_who_takes_a_sigmoid_before_binary_cross_entropy_is_not_warned():
    entropies._warn_of_logits.cache_clear()
    tg.nn.binary_cross_entropy(tg.sigmoid(tg.Tensor([0.25])), [1.0])


@pytest.mark.parametrize(("right", "expected"), [(0, 0.0), (1, 2000.0)])
def test_softmax_cross_entropy_is_finite_at_any_size(right, expected):
    loss = tg.nn.softmax_cross_entropy(tg.Tensor([1000.0, -1000.0]), right)
    laws.near(loss.data, expected, 1e-12)


@EVERY
def test_prediction_may_be_an_array(name, target, formula, slope):
    laws.near(getattr(tg.nn, name)(Y, target).data, formula(Y), 1e-14)


@pytest.mark.parametrize("size", [1e2, 1e8, 1e17, 1e300])
def test_softmax_cross_entropy_keeps_its_digits_at_any_size(size):
    logits = tg.Tensor([[size, size, -size], [-size, size, -size]], requires_grad=True)
    loss = tg.nn.softmax_cross_entropy(logits, [0, 1])
    loss.backward()
    laws.near(loss.data, np.log(2) / 2, 1e-15)
    laws.near(logits.grad, [[-0.25, 0.25, 0.0], [0.0, 0.0, 0.0]], 1e-15)


def test_softmax_cross_entropy_over_steps_and_batch():
    logits, classes = laws.draw((5, 3, 4)), np.arange(15).reshape(5, 3) % 4
    found = tg.nn.softmax_cross_entropy(tg.Tensor(logits), classes)
    flat = tg.nn.softmax_cross_entropy(tg.Tensor(logits.reshape(15, 4)), classes.ravel())
    laws.near(found.data, flat.data, 1e-14)


def test_classes_may_change_afterwards():
    y, classes = tg.Tensor(Y, requires_grad=True), CLASSES.copy()
    loss = tg.nn.softmax_cross_entropy(y, classes)
    classes[:] = 1
    loss.backward()
    laws.near(y.grad, LOSSES["softmax_cross_entropy"][2](), 1e-14)


@pytest.mark.parametrize("target", [1.0, 0.0])
@pytest.mark.parametrize("size", [3.0, 18.0, 40.0, 80.0])
def test_binary_cross_entropy_with_logits_keeps_its_digits_on_both_sides(size, target):
    logit = np.float32(size if target else -size)
    z = tg.Tensor(np.array([logit]), requires_grad=True)
    loss = tg.nn.binary_cross_entropy_with_logits(z, [target])
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log1p(np.exp(-size)), 1e-6)
    slope = np.exp(-size) / (1 + np.exp(-size))
    np.testing.assert_allclose(z.grad, [-slope if target else slope], 1e-6)


def test_binary_cross_entropy_with_logits_is_0_at_a_logit_that_is_infinitely_right():
    z = tg.Tensor([np.inf, -np.inf], requires_grad=True)
    loss = tg.nn.binary_cross_entropy_with_logits(z, [1.0, 0.0])
    loss.backward()
    assert loss.item() == 0
    np.testing.assert_array_equal(z.grad, [0.0, 0.0])
