"""Holds the step of every rule to what its equation gives by hand; all parameters move or none."""

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


RULES = {
    "SGD": lambda ps: tg.optim.SGD(ps, 0.1, 0.5), "Adam": lambda ps: tg.optim.Adam(ps, 0.1),
    "AdamW": lambda ps: tg.optim.AdamW(ps, 0.1, weight_decay=0.0),
    "RMSprop": lambda ps: tg.optim.RMSprop(ps, 0.1, momentum=0.5), "Rprop": tg.optim.Rprop,
}  # fmt: skip
EVERY_RULE = pytest.mark.parametrize("make", RULES.values(), ids=RULES.keys())


@EVERY_RULE
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

        def change(self, gradient, numbers, memory, options):
            change = super().change(gradient, numbers, memory, options)
            if self.fails and options["params"][0] is params[position]:
                raise error
            return change

    params, twins = with_gradients(), with_gradients()
    groups = [{"params": [x]} for x in params]
    update, twins_update = Interrupted(groups, 0.1), kind(twins, 0.1)
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
        def change(self, gradient, numbers, memory, options):
            return np.ones((2, 6)), {}

    params = with_gradients()
    with pytest.raises(ShapeError, match=r"found a change of shape \(2, 6\), expected \(6,\)"):
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
    "alpha": [-0.1, 1.0, "x", None],
    "dampening": [-0.1, 1.0, "x", None],
    "weight_decay": [-0.1, "x", None, float("inf")],
    "nesterov": [1, "x", None],
    "amsgrad": [1, "x", None],
    "centered": [1, "x", None],
    "etas": [0.5, (1.0, 1.2), (0.5, 0.9), ("x", 1.2), None],
    "step_sizes": [0.5, (-1.0, 1.2), (0.5, 0.1), ("x", 1.2), None],
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
        with pytest.raises((ArgumentError, UsageError), match=f"{type(update).__name__}: "):
            update.param_groups[0][name] = value
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
    assert x.data == 1 and not rule.state_dict()["state"]
    x.grad = np.array([1.0])
    rule.step()
    laws.near(x.data, [0.75], 1e-7)


def test_a_parameter_that_no_longer_fits_its_type_does_not_move():
    x = tg.Tensor(np.ones(1, np.float16), requires_grad=True)
    x.grad = np.array([1e5])  # fits float64 alone
    with pytest.raises(GradientError, match="the update of"):
        tg.optim.SGD([x], 1.0).step()
    assert x.data == 1


# --- groups ---------------------------------------------------------------------------------------


def two_groups(rule=tg.optim.SGD, **options):
    a, b, c = with_gradients()
    return rule([{"params": [a, b]}, {"params": [c], "lr": 1.0}], lr=0.5, **options), (a, b, c)


def test_each_group_has_options_of_its_own():
    update, params = two_groups()
    update.step()
    for x, lr in zip(params, (0.5, 0.5, 1.0), strict=True):
        laws.near(x.data, START - lr * GRADIENTS[0], 1e-15)
    assert update.params == list(params)
    with pytest.raises(UsageError, match=r"lr differs .* param_groups\[k\]\['lr'\]"):
        _ = update.lr
    update.lr = 0.25
    assert [group["lr"] for group in update.param_groups] == [0.25, 0.25]
    assert update.lr == 0.25


def test_a_group_may_be_added_and_options_of_a_group_set():
    update, (_, _, c) = two_groups()
    d = tg.Tensor(START, requires_grad=True, name="d")
    update.add_param_group({"params": [d], "momentum": 0.5})
    assert [group["lr"] for group in update.param_groups] == [0.5, 1.0, 0.5]
    update.param_groups[1]["lr"] = 0.0
    d.grad = GRADIENTS[1]
    update.step()
    laws.near(d.data, START - 0.5 * GRADIENTS[1], 1e-15)
    assert (c.data == START).all()


def test_a_parameter_that_changes_its_group_has_the_options_of_the_new_one():
    update, (a, b, c) = two_groups()
    update.step()
    update.param_groups[0]["params"], update.param_groups[1]["params"] = [a], [b, c]
    before = b.numpy()
    update.step()
    laws.near(b.data, before - GRADIENTS[0], 1e-15)


WRONG_GROUPS = {
    "in two groups": (lambda a, b: [{"params": [a]}, {"params": [a]}], ArgumentError, "twice"),
    "no params": (lambda a, b: [{"lr": 0.1}], ArgumentError, "a group without 'params'"),
    "empty": (lambda a, b: [{"params": []}], ArgumentError, "no parameters"),
    "unknown": (lambda a, b: [{"params": [a], "rate": 1}], ArgumentError, "'rate', expected "),
    "wrong": (lambda a, b: [{"params": [a], "lr": -1}], ArgumentError, "lr must be at least 0"),
    "mixed": (lambda a, b: [{"params": [a]}, b], UsageError, "dict is no leaf"),
    "alone": (lambda a, b: {"params": [a]}, UsageError, "found dict, expected a list"),
}  # fmt: skip


@pytest.mark.parametrize(("groups", "error", "says"), WRONG_GROUPS.values(), ids=WRONG_GROUPS)
def test_wrong_groups_are_refused(groups, error, says):
    with pytest.raises(error, match=says):
        tg.optim.SGD(groups(*with_gradients()[:2]), lr=0.1)


def test_a_group_that_is_refused_is_not_added():
    update, (a, _, _) = two_groups()
    with pytest.raises(ArgumentError, match="a is given twice"):
        update.add_param_group({"params": [a]})
    assert len(update.param_groups) == 2
    with pytest.raises(UsageError, match="several groups"):
        update.params = [a]
    with pytest.raises(UsageError, match="keeps all its options"):
        del update.param_groups[0]["lr"]


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_a_momentum_that_is_not_damped(options):
    with pytest.raises(UsageError, match="nesterov needs a momentum above 0"):
        tg.optim.SGD(with_gradients(), 0.1, nesterov=True, **options)
    update = tg.optim.SGD(params := with_gradients(), 0.1, momentum=0.9, nesterov=True)
    update.momentum = 0.0
    with pytest.raises(UsageError, match="nesterov needs"):
        update.step()
    assert all((x.data == START).all() for x in params)


# --- numbers in one flat array --------------------------------------------------------------------


def test_numbers_that_somebody_sets_between_two_steps_are_the_ones_that_move():
    a, b, _ = params = with_gradients()
    update = tg.optim.SGD(params, 0.5)
    update.step()
    b.data = 2 * START
    before = a.data
    update.step()
    laws.near(b.data, 2 * START - 0.5 * GRADIENTS[0], 1e-15)
    laws.near(before - a.data, 0.5 * GRADIENTS[0], 1e-14)  # what was handed out is as it was


def test_a_step_between_forward_and_backward_is_refused():
    a, *_ = params = with_gradients()
    update = tg.optim.SGD(params, 0.5)
    update.step()
    loss = (a * a).sum()
    update.step()
    with pytest.raises(tg.ChangedError, match="the data of a was replaced"):
        loss.backward()


@EVERY_RULE
def test_parameters_of_several_types_and_shapes_move_as_if_each_were_alone(make):
    shapes = {"a": ((2, 3), np.float32), "b": ((), float), "c": ((0, 2), float), "d": ((3,), float)}

    def params():
        return [tg.Tensor(laws.draw(s), True, n, dtype=t) for n, (s, t) in shapes.items()]

    together, alone = params(), params()
    updates = [make(together), *(make([x]) for x in alone)]
    for k in range(4):
        for x in together + alone:
            has_none = (k == 1 and x.name == "d") or (k == 2 and x.name == "a")
            x.grad = None if has_none else laws.draw(x.shape, k)
        for update in updates:
            update.step()
    for x, y in zip(together, alone, strict=True):
        np.testing.assert_array_equal(x.data, y.data)
        assert x.dtype == y.dtype


def test_gradients_are_accumulated_over_batches():
    x, target = laws.draw((6, 3)), laws.draw((6, 2), 1)
    whole, parts = (tg.nn.Dense(3, 2, "tanh", seed=0) for _ in "ab")
    updates = [tg.optim.Adam(net.parameters(), 0.1) for net in (whole, parts)]
    for _ in range(3):
        for update in updates:
            update.zero_grad()
        tg.nn.squared_error(whole(x), target).backward()
        for k in range(0, 6, 2):
            tg.nn.squared_error(parts(x[k : k + 2]), target[k : k + 2]).backward()
        for update in updates:
            update.step()
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        laws.near(a.data, b.data, 1e-12)
