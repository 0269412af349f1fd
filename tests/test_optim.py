"""Holds the updates to what their equations give when worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.errors import ArgumentError, DTypeError, GradientError, ShapeError, UsageError

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


# --- all parameters or none ---------------------------------------------------------------------


RULES = {"SGD": lambda ps: tg.optim.SGD(ps, 0.1, 0.5), "Adam": lambda ps: tg.optim.Adam(ps, 0.1)}
EVERY_RULE = pytest.mark.parametrize("make", RULES.values(), ids=RULES.keys())


def with_gradients():
    params = [tg.Tensor(START, requires_grad=True, name=name) for name in "abc"]
    for each in params:
        each.grad = GRADIENTS[0].copy()
    return params


@EVERY_RULE
@pytest.mark.parametrize(
    ("spoiled", "error"),
    [
        (np.ones(3), ShapeError), (np.array([1.0, np.nan]), GradientError),
        (np.array([np.inf, 1.0]), GradientError), (np.ones(2, complex), DTypeError),
        (np.array(["x", "y"]), DTypeError), (np.ma.array([1.0, 2.0], mask=[0, 1]), DTypeError),
    ],
    ids=["shape", "nan", "inf", "complex", "text", "masked"],
)  # fmt: skip
@pytest.mark.parametrize("position", range(3))
def test_bad_gradient_moves_nothing_and_is_forgotten(make, spoiled, error, position):
    params, twins = with_gradients(), with_gradients()
    update, twins_update = make(params), make(twins)
    params[position].grad = spoiled
    with pytest.raises(error, match=f"the gradient of {params[position].name}"):
        update.step()
    assert all((each.data == START).all() for each in params)
    params[position].grad = GRADIENTS[0]
    update.step()
    twins_update.step()
    for each, twin in zip(params, twins, strict=True):
        np.testing.assert_array_equal(each.data, twin.data)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, MemoryError])
@pytest.mark.parametrize("kind", [tg.optim.SGD, tg.optim.Adam])
@pytest.mark.parametrize("position", range(3))
def test_error_in_the_middle_moves_nothing_and_is_forgotten(kind, error, position):
    class Interrupted(kind):
        fails = True

        def change(self, where, gradient):
            change = super().change(where, gradient)
            if self.fails and where == position:
                raise error
            return change

    params, twins = with_gradients(), with_gradients()
    update, twins_update = Interrupted(params, 0.1), kind(twins, 0.1)
    loss = sum((each * each).sum() for each in params)
    with pytest.raises(error):
        update.step()
    loss.backward()  # nothing was replaced
    for each in params:
        each.grad = GRADIENTS[0]
    Interrupted.fails = False
    update.step()
    twins_update.step()
    for each, twin in zip(params, twins, strict=True):
        np.testing.assert_array_equal(each.data, twin.data)


def test_error_while_numbers_are_replaced_brings_back_those_that_were():
    class Guarded(tg.Tensor):
        @property
        def data(self):
            return tg.Tensor.data.fget(self)

        @data.setter
        def data(self, value):
            raise KeyboardInterrupt

    plain, guarded = tg.Tensor(START, True), Guarded(START, True)
    plain.grad = guarded.grad = GRADIENTS[0]
    with pytest.raises(KeyboardInterrupt):
        tg.optim.SGD([plain, guarded], 0.1).step()
    assert (plain.data == START).all()


def test_change_of_another_shape_moves_nothing():
    class Wrong(tg.optim.SGD):
        def change(self, position, gradient):
            return np.ones((2, 2)) if position else gradient

    params = with_gradients()
    with pytest.raises(ShapeError, match=r"b: found data of shape \(2, 2\)"):
        Wrong(params, 0.1).step()
    assert all((each.data == START).all() for each in params)


def test_overflow_moves_nothing():
    a = tg.Tensor([1.0, 1.0], requires_grad=True, dtype=np.float32, name="a")
    a.grad = np.array([1.0, 3e38], np.float32)
    with (
        np.errstate(over="ignore"),
        pytest.raises(
            GradientError, match=r"update of a is -inf at \[1\], so no parameter has moved"
        ),
    ):
        tg.optim.SGD([a], 1e3).step()
    assert (a.data == 1.0).all()


BAD = {
    "lr": [-1, "x", None, float("nan"), float("inf"), [0.1], True, 1j],
    "momentum": [-0.1, 1.0, "x", None],
    "betas": [0.9, (0.9,), (0.9, 1.0), (-0.1, 0.9), ("x", 0.9), None],
    "eps": [-1e-8, "x", None],
    "params": [[], [1.0], None, "x"],
}


@EVERY_RULE
@pytest.mark.parametrize("name", BAD)
def test_hyperparameters_are_checked_whenever_they_are_set(make, name):
    update = make(with_gradients())
    if not hasattr(update, name):
        return
    before = getattr(update, name)
    for value in BAD[name]:
        with pytest.raises((ArgumentError, UsageError), match=f"{type(update).__name__}: "):
            setattr(update, name, value)
        assert getattr(update, name) is before
    setattr(update, name, before)
    update.step()


@EVERY_RULE
def test_memory_belongs_to_the_parameter_not_to_its_position(make):
    params, twins = with_gradients(), with_gradients()
    update, twins_update = make(params), make(twins)
    update.step()
    twins_update.step()
    update.params = update.params[::-1]
    for k, (each, twin) in enumerate(zip(params, twins, strict=True)):
        each.grad = twin.grad = k * GRADIENTS[1]
    update.step()
    twins_update.step()
    for each, twin in zip(params, twins, strict=True):
        np.testing.assert_array_equal(each.data, twin.data)


def test_parameter_that_is_appended_twice_is_refused():
    update = tg.optim.SGD(with_gradients(), 0.1)
    update.params.append(update.params[0])
    with pytest.raises(ArgumentError, match="a is given twice"):
        update.step()


def test_the_remedy_for_a_gradient_is_none_of_the_rate():
    x = tg.Tensor([0.0], True, name="x")
    x.grad = np.array([np.nan])
    with pytest.raises(GradientError, match=r"^the gradient of x is nan at \[0\], so no") as caught:
        tg.optim.SGD([x], lr=0.1).step()
    assert "log of 0" in str(caught.value) and "lr" not in str(caught.value)


@pytest.mark.parametrize(("dtype", "size"), [(np.float16, 300), (np.float32, 1e20), (float, 1e100)])
def test_adam_moves_by_its_rate_however_large_the_gradient(dtype, size):
    x = tg.Tensor(np.ones(2, dtype), requires_grad=True)
    rule = tg.optim.Adam([x], 0.25)
    for _ in range(2):
        x.grad = np.array([size, -size], dtype)
        rule.step()
    assert x.dtype == dtype
    laws.near(x.data.astype(float), [0.5, 1.5], 1e-3)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, float])
def test_adam_does_not_move_along_a_gradient_of_0(dtype):
    x = tg.Tensor(np.ones(2, dtype), requires_grad=True)
    x.grad = np.zeros(2, dtype)
    tg.optim.Adam([x]).step()
    np.testing.assert_array_equal(x.data, np.ones(2))


def test_adam_refuses_a_gradient_whose_square_has_no_room_and_forgets_it():
    x = tg.Tensor([1.0], requires_grad=True, name="x")
    rule = tg.optim.Adam([x], 0.25)
    x.grad = np.array([1e200])
    with pytest.raises(GradientError, match="mean square of the gradients of x"):
        rule.step()
    assert x.data == 1 and not rule._moments
    x.grad = np.array([1.0])
    rule.step()
    laws.near(x.data, [0.75], 1e-7)


def test_a_parameter_that_no_longer_fits_its_type_does_not_move():
    x = tg.Tensor(np.ones(1, np.float16), requires_grad=True)
    x.grad = np.array([1e5])  # fits float64 alone
    with pytest.raises(GradientError, match="the update of"):
        tg.optim.SGD([x], 1.0).step()
    assert x.data == 1
