"""The check of derivatives: passes what is right, names what is wrong, and how it was found."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.laws import ARGUMENTS
from tinygrad_lstm import TABLE
from tinygrad_lstm.check import pullback
from tinygrad_lstm.engine.kinds import (
    bilinear,
    elementwise,
    join,
    junction,
    linear,
    reduction,
)

X = np.array([[0.3, -1.2, 0.7], [1.5, -0.4, 0.9]])


def at(*operands, **parameters) -> dict:
    """Return the arguments of a primitive that is tried at one place."""
    return {**ARGUMENTS, "samples": lambda: [(operands, parameters)]}


def tried() -> list:
    """Return every sample of the table as test parameters with readable ids."""
    made = []
    for entry in TABLE.values():
        for xs, parameters in entry.samples():
            facts = [entry.name, *(str(x.shape) for x in xs), *map(str, parameters.items())]
            made.append(pytest.param(entry, xs, parameters, id=re.sub(r"\s+", "", " ".join(facts))))
    return made


def methods(report, order=1):
    return {check.method for check in report.checks if check.order == order}


def wrong(report):
    """Return what failed: by method, input and element."""
    return {(each.method, each.input, each.at) for each in report.failures}


# --- what is right ------------------------------------------------------------------------------


@pytest.mark.parametrize("jacobian", ["full", "projected"])
@pytest.mark.parametrize(
    ("entry", "xs", "parameters"), [case for case in tried() if case.values[0].kind != "cut"]
)
def test_every_entry_of_the_table_passes(entry, xs, parameters, jacobian):
    live = [k for k, x in enumerate(xs) if x.dtype.kind == "f"]

    def fn(*inputs):
        operands = list(xs)
        for k, each in zip(live, inputs, strict=True):
            operands[k] = each
        return entry(*operands, **parameters)

    report = tg.gradcheck(fn, [xs[k] for k in live], order=2, jacobian=jacobian)
    assert report.ok, str(report)
    assert not report.kinks
    assert ("complex step" in methods(report)) == entry.analytic
    assert {"central difference", "dot product", "zero cotangent"} <= methods(report, 2)


@pytest.fixture
def network():
    lstm, dense = tg.nn.LSTM(2, 3, seed=0), tg.nn.Dense(3, 1, tg.sigmoid, seed=1)
    x, target = laws.draw((4, 2)), np.abs(laws.draw((4, 1)))

    def loss(x, *_):
        return tg.nn.squared_error(dense(lstm(x)[0]), target)

    return loss, [x, *lstm.parameters(), *dense.parameters()]


@pytest.mark.parametrize(("order", "jacobian"), [(1, "full"), (1, "projected"), (2, "projected")])
def test_an_lstm_and_a_dense_layer_pass(network, order, jacobian):
    report = tg.gradcheck(*network, order=order, jacobian=jacobian)
    assert report.ok, str(report)
    assert "complex step" in methods(report, order)


def test_a_small_lstm_passes_in_full_to_the_second_order():
    lstm = tg.nn.LSTM(1, 1, seed=0)
    report = tg.gradcheck(
        lambda x, *_: lstm(x)[0], [laws.draw((2, 1)), *lstm.parameters()], order=2, jacobian="full"
    )
    assert report.ok, str(report)


COMPOSITES = {
    "softmax": lambda x: tg.softmax(x),
    "log_softmax of a product": lambda x: tg.log_softmax(x @ x.T),
    "mean and std": lambda x: (x - tg.mean(x, axis=0)) / (1 + tg.std(x, axis=1, keepdims=True)),
    "outer": lambda x: tg.outer(x[0], x[1]),
    "several outputs": lambda x: (tg.tanh(x), x.sum(), x[0] * x[1]),
    "an output that does not move": lambda x: (tg.tanh(x), tg.Tensor([1.0, 2.0])),
    "a leaf itself": lambda x: x,
    "clip": lambda x: tg.clip(x, -1.0, 1.0) * x,
    "a gradient": lambda x: tg.grad((x**3).sum(), x, create_graph=True),
    "what sums to 1": lambda x: tg.softmax(x).sum(),
}


@pytest.mark.parametrize("fn", COMPOSITES.values(), ids=COMPOSITES.keys())
def test_composites_pass(fn):
    report = tg.gradcheck(fn, X, order=2)
    assert report.ok, str(report)
    assert not report.kinks


STEEP = {
    "log near 0": (tg.log, [1e-3, 3e-4, 1e-4]),
    "sqrt near 0": (tg.sqrt, [1e-2, 1e-3]),
    "1 / x near 0": (lambda x: 1 / x, [1e-3, -1e-3]),
    "large numbers": (lambda x: x**2 / 1e6, [1e6, -3e7, 1.0]),
    "a large constant beside": (lambda x: 1e6 + tg.tanh(x), [0.1, 0.2]),
    "a small factor": (lambda x: 1e-12 * tg.tanh(x), [0.1, 0.2]),
    "fast": (lambda x: tg.sin(100 * x), [0.1, 0.2]),
}


@pytest.mark.parametrize(("fn", "x"), STEEP.values(), ids=STEEP.keys())
def test_steep_and_scaled_functions_pass(fn, x):
    report = tg.gradcheck(fn, np.array(x))
    assert report.ok, str(report)
    assert not report.kinks


def test_what_is_cut_off_is_held_constant():
    report = tg.gradcheck(lambda x: x * tg.stop_gradient(tg.relu(x)), X, order=2)
    assert report.ok, str(report)


def test_one_input_given_twice_passes():
    x = tg.Tensor(X, requires_grad=True)
    assert tg.gradcheck(lambda a, b: a * tg.sin(b), [x, x]).ok


def test_inputs_and_their_gradients_are_left_as_they_were(network):
    loss, (x, *parameters) = network
    parameters[0].grad = kept = np.ones(parameters[0].shape)
    arrays = [each._array for each in parameters]
    before = [each.copy() for each in arrays]
    earlier = loss(x)
    assert tg.gradcheck(loss, [x, *parameters[:2]], order=2).ok
    for each, array, values in zip(parameters, arrays, before, strict=True):
        assert each._array is array
        assert np.array_equal(array, values)
    assert parameters[0].grad is kept
    assert all(each.grad is None for each in parameters[1:])
    earlier.backward()  # no leaf counts as changed


def test_it_works_where_nothing_is_recorded():
    with tg.no_grad():
        assert tg.gradcheck(tg.tanh, X).ok


def test_the_same_seed_gives_the_same_report():
    def fn(x):
        return tg.tanh(x) @ x.T

    one, other = (tg.gradcheck(fn, X, jacobian="projected", seed=3) for _ in range(2))
    assert one == other


def test_the_threshold_of_auto():
    def tries(n):
        report = tg.gradcheck(lambda x: tg.tanh(x).sum(), laws.draw((n,)))
        return next(each.tried for each in report.checks if each.method == "dot product")

    assert tries(pullback.FULL - 1) == pullback.FULL - 1
    assert tries(pullback.FULL) == pullback.PROJECTIONS


# --- what is wrong ------------------------------------------------------------------------------


def wrong_beyond_1(x, y):
    return (1 - y * y) * tg.where(x > 1, 1.001, 1.0)


def scaled_transpose(ct, x, *, axis=None, keepdims=False):
    return TABLE["sum"].transposed(ct, x, axis=axis, keepdims=keepdims) * 1.001


def shifted_pieces(shapes):
    return [slice(1, 2), slice(0, 1)]


def matmul_left(ct, a, b):
    return ct @ b.T


PLANTED = {
    "elementwise": (
        elementwise("wrong_tanh", np.tanh, wrong_beyond_1, **ARGUMENTS),
        (X,), {("input 0", (1, 0))},
    ),
    "junction": (
        junction("wrong_subtract", np.subtract, (+1, +1), **at(X[0, :1], X[1, :1])),
        (X[0, :1], X[1, :1]), {("input 1", (0,))},
    ),
    "linear": (
        linear("wrong_sum", TABLE["sum"].forward, scaled_transpose, **ARGUMENTS),
        (X[0, :2],), {("input 0", (0,)), ("input 0", (1,))},
    ),
    "join": (
        join(
            "wrong_join", lambda *xs: np.concatenate(xs), shifted_pieces,
            **at(X[0, :1], X[1, :1]),
        ),
        (X[0, :1], X[1, :1]), {("input 0", (0,)), ("input 1", (0,))},
    ),
    "bilinear": (
        bilinear(
            "wrong_matmul", np.matmul, matmul_left, lambda ct, a, b: 2 * (a.T @ ct),
            **at(X[:, :1], X[:1, :1]),
        ),
        (X[:, :1], X[:1, :1]), {("input 1", (0, 0))},
    ),
    "reduction": (
        reduction(
            "wrong_norm", TABLE["norm"].forward, lambda x, y, axis: x / (1.1 * y), **ARGUMENTS
        ),
        (np.array([0.0, 2.0]),), {("input 0", (1,))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("jacobian", ["full", "projected"])
@pytest.mark.parametrize(("primitive", "xs", "where"), PLANTED.values(), ids=PLANTED.keys())
def test_a_wrong_rule_is_found_where_it_is_wrong(primitive, xs, where, jacobian):
    report = tg.gradcheck(primitive, xs, jacobian=jacobian)
    assert not report.ok
    for method in ("complex step", "central difference"):
        found = {(i, at) for m, i, at in wrong(report) if m == method}
        assert found <= where
        assert found
        assert found == where or jacobian == "projected"


@pytest.mark.parametrize("shape", [(20, 30), (1000,)])
def test_projections_lead_to_the_one_wrong_element(shape):
    x = np.tanh(laws.draw(shape))
    place = tuple(size // 3 for size in shape)
    x[place] = 1.25
    other = tg.Tensor([1.7], requires_grad=True, name="w")
    primitive = elementwise("wrong_tanh", np.tanh, wrong_beyond_1, **ARGUMENTS)
    leaf = tg.Tensor(x, requires_grad=True, name="x")
    report = tg.gradcheck(lambda x, w: primitive(x).sum() * w, [leaf, other])
    found = wrong(report)
    assert {(i, at) for _, i, at in found} == {("x", place)}
    assert {"complex step", "central difference"} <= {method for method, _, _ in found}
    assert len(report.failures) == len(found), "both directions led to it, and it is listed once"
    slope = 1.7 * (1 - np.tanh(1.25) ** 2)
    for failure in report.failures:
        assert failure.found == pytest.approx(1.001 * slope, rel=1e-12)
        assert failure.expected == pytest.approx(slope, rel=1e-6)


def test_what_was_found_and_what_expected_are_named(network):
    loss, inputs = network
    half = elementwise("half", np.positive, lambda x, y: 0.5 + 0 * x, **ARGUMENTS)
    U = inputs[2]
    report = tg.gradcheck(lambda x, *_: loss(x) + half(U[1, 2]), inputs)
    assert {(i, at) for _, i, at in wrong(report)} == {("lstm.U", (1, 2))}
    right = tg.grad(loss(tg.Tensor(inputs[0])), U).numpy()[1, 2]
    for failure in report.failures:
        assert failure.output == "output 0"
        assert failure.output_at == ()
        assert failure.found == pytest.approx(right + 0.5)
        if failure.method != "dot product":
            assert failure.expected == pytest.approx(right + 1)


def test_the_output_s_element_is_named():
    half = elementwise("half", np.positive, lambda x, y: 0.5 + 0 * x, **ARGUMENTS)
    report = tg.gradcheck(lambda x: (tg.tanh(x), tg.stack([x[0], half(x[1])])), 2 * X)
    assert {(each.output, each.output_at, each.at) for each in report.failures} == {
        ("output 1", (1, k), (1, k)) for k in range(3)
    }
    assert {each.found for each in report.failures} == {0.5}
    expected = [each.expected for each in report.failures if each.method != "dot product"]
    assert expected == pytest.approx([1.0] * 6)


def test_a_forward_rule_that_disagrees_is_found_by_the_dot_product():
    primitive = elementwise("tanh", np.tanh, lambda x, y: 1 - y * y, **ARGUMENTS)
    primitive.jvp = lambda tangents, y, xs, parameters: tangents[0] * y
    assert {method for method, _, _ in wrong(tg.gradcheck(primitive, X))} == {"dot product"}


SLOPE = elementwise("slope", lambda x: 1 - np.tanh(x) ** 2, lambda x, y: -2 * y, **ARGUMENTS)
SECOND = {
    "a wrong rule in a rule": lambda x, y: SLOPE(x),
    "a rule that detaches": lambda x, y: (
        1 - (tg.Tensor(y.numpy()) ** 2 if isinstance(y, tg.Tensor) else y * y) + 0 * x
    ),
    "a rule that cuts": lambda x, y: 1 - y * tg.stop_gradient(y),
}


@pytest.mark.parametrize("partial", SECOND.values(), ids=SECOND.keys())
@pytest.mark.parametrize("jacobian", ["full", "projected"])
def test_what_is_wrong_in_second_order_only(partial, jacobian):
    primitive = elementwise("wrong_tanh", np.tanh, partial, **ARGUMENTS)
    assert tg.gradcheck(primitive, X, jacobian=jacobian).ok
    report = tg.gradcheck(primitive, X, order=2, jacobian=jacobian)
    assert not report.ok
    assert {failure.order for failure in report.failures} == {2}
    assert {failure.input for failure in report.failures} == {"input 0"}
    if jacobian == "full":
        assert {failure.at for failure in report.failures} == set(np.ndindex(X.shape))
        assert {failure.output for failure in report.failures} == {"the gradient of input 0"}


def test_a_value_that_leaves_the_tape_is_called_so():
    report = tg.gradcheck(lambda x: x * x.detach(), X)
    assert {method for method, _, _ in wrong(report)} == {"central difference"}
    assert "leaves the tape" in str(report)


def test_an_input_that_is_detached_altogether_is_found():
    report = tg.gradcheck(lambda x, y: x * y.detach(), [X, X])
    assert {i for _, i, _ in wrong(report)} == {"input 1"}


def changes_by_data(x):
    x.data = x.data + np.array([0.0, 0.0, 1.0])
    return tg.tanh(x)


def changes_in_place(x):
    y = tg.tanh(x)
    x._array[2] += 1
    return y


@pytest.mark.parametrize("fn", [changes_by_data, changes_in_place])
def test_a_function_that_changes_its_input(fn):
    x = tg.Tensor(X[0], requires_grad=True, name="x")
    earlier = tg.tanh(x).sum()
    report = tg.gradcheck(fn, x)
    assert wrong(report) == {("inputs kept", "x", (2,))}
    assert report.failures[0].expected == X[0, 2]
    assert report.failures[0].found == X[0, 2] + 1
    assert np.array_equal(x.data, X[0])
    earlier.backward()


def test_a_function_that_is_not_repeatable():
    counts = itertools.count()
    report = tg.gradcheck(lambda x: tg.tanh(x) + np.array([0.0, 1e-9, 0.0]) * next(counts), X[0])
    (failure,) = report.failures
    assert (failure.method, failure.output, failure.output_at) == (
        "called again", "output 0", (1,),
    )  # fmt: skip
    assert "called again: output 0[1]: found" in str(report)


def test_a_rule_that_forgets_what_it_adds_to_is_found_by_walking_again():
    calls = itertools.count(1)
    primitive = elementwise("counts", np.tanh, lambda x, y: 1 - y * y + 0 * x, **ARGUMENTS)
    pull = primitive.pull

    def pull_stronger(entry, ct, sums):  # as a rule does that writes into what it was given
        pull(entry, ct * (1 if next(calls) <= 8 else 2), sums)

    primitive.pull = pull_stronger
    found = wrong(tg.gradcheck(primitive, X))
    assert {method for method, _, _ in found} == {"backward again"}


def test_a_rule_that_gives_something_for_nothing():
    primitive = elementwise("tanh", np.tanh, lambda x, y: 1 - y * y, **ARGUMENTS)
    pull = primitive.pull
    primitive.pull = lambda entry, ct, sums: pull(entry, ct + (not np.any(ct)), sums)
    found = wrong(tg.gradcheck(primitive, X))
    assert {method for method, _, _ in found} == {"zero cotangent"}


def test_a_gradient_that_is_not_finite_fails():
    report = tg.gradcheck(tg.sqrt, np.array([0.0, 4.0]))
    assert ("central difference", "input 0", (0,)) in wrong(report)
    assert ("central difference", "input 0", (1,)) not in wrong(report)
    assert "found inf, expected a finite number" in str(report)


# --- kinks --------------------------------------------------------------------------------------

KINKS = {
    "abs at 0": (tg.abs, [0.0, -2.0], {0}),
    "abs within the step of 0": (tg.abs, [5e-5, 1e-5, 1e-8, -3e-6, 0.1], {0, 1, 2, 3}),
    "relu at 0": (tg.relu, [1.0, 0.0], {1}),
    "max of a tie": (tg.max, [1.0, 3.0, 3.0], {1, 2}),
    "maximum of a tie": (lambda x: tg.maximum(x, 1.0), [2.0, 1.0], {1}),
    "where of a condition": (lambda x: tg.where(x > 0, x, -x), [0.0, 1e-6, 0.3], {0, 1}),
    "norm at 0": (lambda x: tg.norm(x[:1]) + x[1], [0.0, 1.0], {0}),
    "sign, which jumps": (tg.sign, [0.0, 1e-6, 1.0], {0, 1}),
    "log at the edge": (tg.log, [1e-8, 1.0], {0}),
}


@pytest.mark.parametrize(("fn", "x", "where"), KINKS.values(), ids=KINKS.keys())
def test_a_kink_is_reported_as_one(fn, x, where):
    report = tg.gradcheck(fn, np.array(x))
    assert report.ok, str(report)
    assert {kink.at for kink in report.kinks} == {(k,) for k in where}
    assert "kink" in str(report)


def test_a_kink_has_its_one_sided_slopes():
    (kink,) = tg.gradcheck(lambda x: 3 * tg.relu(x), np.array([0.0, 1.0])).kinks
    assert (kink.low, kink.high) == (0.0, 3.0)
    assert str(kink) == "a kink: output 0[0] by input 0[0]: slopes 0 and 3"


@pytest.mark.parametrize("jacobian", ["full", "projected"])
def test_the_complex_step_is_not_believed_at_a_kink(jacobian):
    x = laws.draw((4, 3))
    x[2] = 0
    report = tg.gradcheck(lambda x: tg.norm(x, axis=1).sum(), x, jacobian=jacobian)
    assert report.ok, str(report)
    assert {kink.at for kink in report.kinks if kink.at} <= {(2, 0), (2, 1), (2, 2)}
    assert {kink.at for kink in report.kinks} != {None}
    assert len(report.kinks) == len(set(report.kinks))


def test_a_slope_outside_of_the_one_sided_ones_is_wrong():
    primitive = elementwise(
        "wrong_abs", np.abs, lambda x, y: np.sign(x) + 1.5 * (x == 0), analytic=False, **ARGUMENTS
    )
    report = tg.gradcheck(primitive, np.array([0.0, 1.0]))
    assert ("central difference", "input 0", (0,)) in wrong(report)
    assert not report.kinks


def test_a_wrong_slope_beside_a_kink_is_wrong():
    primitive = elementwise(
        "wrong_relu", lambda x: np.maximum(x, 0), lambda x, y: 1.01 * (x > 0), analytic=False,
        **ARGUMENTS,
    )  # fmt: skip
    report = tg.gradcheck(primitive, np.array([0.0, 1.0, -1.0]))
    assert {at for _, _, at in wrong(report)} == {(1,)}
    assert [kink.at for kink in report.kinks] == [(0,)]


def test_kinks_that_cancel_along_a_random_direction_are_traced():
    signs = np.where(np.arange(6) % 2, 1.0, -1.0)
    x = np.zeros(6)
    for seed in range(10):
        report = tg.gradcheck(
            lambda x: (signs * tg.relu(x)).sum(), x, jacobian="projected", seed=seed
        )
        assert report.ok, str(report)
        assert report.kinks
        assert len(report.kinks) == len(set(report.kinks)), "each is listed once"


# --- precision ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_float32_is_taken_when_asked_for(network, order):
    lstm = tg.nn.LSTM(2, 3, seed=0, dtype=np.float32)
    x = laws.draw((4, 2)).astype(np.float32)
    inputs = [x, *lstm.parameters()]
    with pytest.raises(tg.DTypeError, match=r"input 0 is of type float32.*float32=True"):
        tg.gradcheck(lambda x, *_: lstm(x)[0], inputs)
    report = tg.gradcheck(lambda x, *_: lstm(x)[0].sum(), inputs, float32=True, order=order)
    assert report.ok, str(report)


def test_float32_finds_an_error_of_a_percent():
    primitive = elementwise("tanh", np.tanh, lambda x, y: (1 - y * y) * 1.01, **ARGUMENTS)
    report = tg.gradcheck(primitive, np.float32(X), float32=True)
    assert {"complex step", "central difference"} <= {method for method, _, _ in wrong(report)}


@pytest.mark.parametrize("name", ["exp", "sin", "tanh", "matmul", "logsumexp", "max", "divide"])
def test_float32_passes_on_the_table(name):
    entry = TABLE[name]
    for xs, parameters in entry.samples():
        inputs = [np.asarray(x, np.float32) for x in xs]
        report = tg.gradcheck(lambda *xs: entry(*xs, **parameters), inputs, float32=True)  # noqa: B023
        assert report.ok, str(report)


@pytest.mark.parametrize("error", [1e-7, 1e-10])
def test_how_small_an_error_is_found(error):
    primitive = elementwise("tanh", np.tanh, lambda x, y: (1 - y * y) * (1 + error), **ARGUMENTS)
    found = {method for method, _, _ in wrong(tg.gradcheck(primitive, X))}
    assert "complex step" in found
    assert ("central difference" in found) == (error > 1e-8)


def test_tolerances_are_what_they_are_asked_to_be():
    primitive = elementwise("tanh", np.tanh, lambda x, y: (1 - y * y) * 1.001, **ARGUMENTS)
    assert not tg.gradcheck(primitive, X, rtol=1e-4).ok
    assert tg.gradcheck(primitive, X, rtol=1e-2).ok
    assert not tg.gradcheck(primitive, X, atol=1e-4).ok
    assert tg.gradcheck(primitive, X, atol=1e-2).ok


# --- the report ---------------------------------------------------------------------------------


def test_the_report_fits_80_columns():
    long = tg.Tensor(laws.draw((12,)), requires_grad=True, name="a.very." + "long." * 20 + "name")
    report = tg.gradcheck(lambda x: x * x.detach() + tg.abs(x - 0.3), long, order=2)
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    count = len(report.failures)
    assert f"{count} failures" in lines
    assert f"  … and {count - 10} more" in lines
    assert sum(line.startswith("  central difference") for line in lines) == 10
    assert lines[0].split() == ["order", "method", "checked", "error", "/", "allowed"]


def test_a_good_report_says_so():
    assert str(tg.gradcheck(tg.tanh, X)).splitlines()[-2:] == ["no failures", "no kinks"]


def test_names_that_do_not_tell_inputs_apart_are_numbered():
    x = tg.Tensor([1.0], name="x")
    report = tg.gradcheck(lambda a, b: a * b.detach(), [x, tg.Tensor([2.0], name="x")])
    assert {failure.input for failure in report.failures} == {"x (input 1)"}


# --- bad input ----------------------------------------------------------------------------------


def no_complex(x):
    if np.iscomplexobj(x):
        raise TypeError("no complex numbers, please")
    return x + 0.0


def grows(x):
    return tg.tanh(x) if x.data[0, 0] == X[0, 0] else x[0]


def alternates(x, calls=itertools.count()):  # noqa: B008
    return x[: 1 + next(calls) % 2]


BAD = {
    "nothing": (tg.tanh, [], {}, tg.ArgumentError, "hold no numbers; give one"),
    "empty arrays": (tg.tanh, np.zeros((0, 3)), {}, tg.ArgumentError, "hold no numbers"),
    "no function": (X, X, {}, tg.UsageError, "gradcheck: fn: found array"),
    "an array returned": (
        lambda x: x.numpy(), X, {}, tg.UsageError, "returned ndarray, expected a Tensor or a",
    ),
    "None in a tuple": (lambda x: (x, None), X, {}, tg.UsageError, "returned NoneType"),
    "an empty tuple returned": (lambda x: (), X, {}, tg.ArgumentError, "returned no numbers"),
    "a constant returned": (
        lambda x: x.detach() * 2, X, {}, tg.GradientError, "depend on none of the inputs",
    ),
    "another leaf's result": (
        lambda x: tg.tanh(tg.Tensor(X, requires_grad=True)), X, {}, tg.GradientError, "none of",
    ),
    "only what is cut": (tg.stop_gradient, X, {}, tg.GradientError, "stop_gradient"),
    "nan in": (tg.tanh, [X, np.array([1.0, np.nan])], {}, tg.ArgumentError, r"input 1: .*\(1,\)"),
    "inf out": (
        lambda x: x * np.array([1.0, 1.0, np.inf]), X, {}, tg.ArgumentError,
        r"output 0: .*\(0, 2\)",
    ),
    "integers": (tg.tanh, np.arange(3), {}, tg.DTypeError, "input 0: .*int64.*close over"),
    "truth values": (tg.tanh, X > 0, {}, tg.DTypeError, "bool"),
    "complex numbers": (tg.tanh, X * 1j, {}, tg.DTypeError, "complex128"),
    "words": (tg.tanh, "x", {}, tg.DTypeError, "input 0"),
    "half precision": (tg.tanh, np.float16(X), dict(float32=True), tg.DTypeError, "float16"),
    "order 3": (tg.tanh, X, dict(order=3), tg.ArgumentError, "order must be below 3, found 3"),
    "a jacobian": (tg.tanh, X, dict(jacobian="half"), tg.ArgumentError, "; found 'half'"),
    "a seed": (tg.tanh, X, dict(seed=-1), tg.ArgumentError, "seed must be at least 0, found -1"),
    "a negative rtol": (tg.tanh, X, dict(rtol=-1.0), tg.ArgumentError, "rtol .*, found -1.0"),
    "an atol that is no number": (tg.tanh, X, dict(atol="0"), tg.UsageError, "atol must be"),
    "shapes that change near by": (grows, X, {}, tg.ArgumentError, "found 3 .* and 6 at it"),
    "shapes that change": (alternates, X, {}, tg.ArgumentError, "called again"),
    "analytic without complex numbers": (
        elementwise("odd", no_complex, lambda x, y: 1 + 0 * x, **ARGUMENTS), X, {}, tg.UsageError,
        "odd is declared analytic.*analytic=False",
    ),
    "analytic with the imaginary part lost": (
        elementwise("lost", lambda x: x.astype(float), lambda x, y: 1 + 0 * x, **ARGUMENTS), X, {},
        tg.UsageError, "lost is declared analytic",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("fn", "inputs", "options", "error", "message"), BAD.values(), ids=BAD.keys()
)
def test_bad_input(fn, inputs, options, error, message):
    with pytest.raises(error, match=message):
        tg.gradcheck(fn, inputs, **options)


def test_a_function_with_dropout_is_said_to_give_different_values():
    dropout, x = tg.nn.Dropout(0.5, seed=0), np.linspace(0.5, 1.5, 8)
    report = tg.gradcheck(lambda x: tg.sum(dropout(x)), x)
    text = " ".join(str(report).split())
    assert not report.ok
    assert "The function gives different values in two calls with equal inputs" in text
    assert "call .eval() of a Dropout" in text
    dropout.eval()
    report = tg.gradcheck(lambda x: tg.sum(dropout(x)), x)
    assert report.ok and "different values" not in str(report)
