"""Holds numbers to their digits, and gradients to what they mean, at extreme values.

At zeros, ties, huge and tiny entries, subnormal and infinite ones.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import TABLE

quick = settings(max_examples=150, deadline=None, derandomize=True)
TYPES = (np.float16, np.float32, np.float64)


def gradients(fn, x, weights=None):
    """Return d Σ w fn(x) / dx by the tape, by the adjoint network and by the tape on Tensors."""
    leaf = tg.Tensor(x, requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        y = fn(leaf)
        loss = tg.sum(y if weights is None else y * weights)
        by_network = tg.graph(loss).adjoint().evaluate()["δx"]
        on_tensors = tg.grad(loss, leaf, create_graph=True).numpy()
        loss.backward()
    return leaf.grad, by_network, on_tensors


def second_derivative(fn, x, weights):
    """Return d Σ w (d Σ fn(x) / dx) / dx."""
    leaf = tg.Tensor(x, requires_grad=True)
    with np.errstate(all="ignore"):
        slope = tg.grad(tg.sum(fn(leaf)), leaf, create_graph=True)
        return tg.grad(tg.sum(slope * np.asarray(weights)), leaf).numpy()


# --- what is masked out is 0, whatever comes back -----------------------------------------------

INFINITE_SLOPES = {
    "sqrt": tg.sqrt,
    "log": tg.log,
    "1/x": lambda x: 1.0 / x,
    "x^-½": lambda x: x**-0.5,
}
NEGATIVE_TO_0 = {
    "relu": tg.relu,
    "clip": lambda x: tg.clip(x, 0.0),
    "clip on both sides": lambda x: tg.clip(x, 0.0, 1e9),
    "maximum": lambda x: tg.maximum(0.0, x),
    "minimum": lambda x: -tg.minimum(-x, 0.0),
    "where": lambda x: tg.where(x.data > 0, x, 0.0),
    "where not": lambda x: tg.where(x.data <= 0, 0.0, x),
}  # fmt: skip
SIZES = st.sampled_from([1e-3, 0.5, 1.0, 3.0, 1e5, 1e9])


@pytest.mark.parametrize("steep", INFINITE_SLOPES)
@pytest.mark.parametrize("masking", NEGATIVE_TO_0)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(sizes=st.lists(SIZES, min_size=1, max_size=4), data=st.data())
def test_nothing_comes_back_through_a_mask_be_it_infinite(masking, steep, sizes, data):
    signs = data.draw(hnp.arrays(bool, len(sizes)))
    x = np.where(signs, -1.0, 1.0) * sizes
    mask, f = NEGATIVE_TO_0[masking], INFINITE_SLOPES[steep]
    expected = np.where(signs, 0.0, gradients(f, np.abs(x))[0])
    expected[x == 1e9] *= 0.5 if masking == "clip on both sides" else 1.0  # a tie
    for slope in gradients(lambda t: f(mask(t)), x):
        laws.near(slope, expected, 1e-14)
    curvature = np.where(signs, 0.0, second_derivative(f, np.abs(x), np.ones(len(x))))
    curvature[x == 1e9] *= 0.25 if masking == "clip on both sides" else 1.0
    laws.near(second_derivative(lambda t: f(mask(t)), x, np.ones(len(x))), curvature, 1e-14)


@pytest.mark.parametrize("largest", [tg.max, lambda x, **k: -tg.min(-x, **k)], ids=["max", "min"])
@quick
@given(
    entries=st.lists(
        st.sampled_from([-np.inf, -1e300, -1.0, 0.0, 2.0, 2.0]), min_size=1, max_size=5
    )
)
def test_what_is_not_largest_has_no_share_be_it_infinite(largest, entries):
    x = np.array([*entries, 2.0])
    share = (x == 2.0) / np.sum(x == 2.0)
    for slope in gradients(largest, x):
        np.testing.assert_array_equal(slope, share)
    zeros = x - 2.0  # sqrt of the largest, 0, has an infinite slope
    for slope in gradients(lambda t: tg.sqrt(-largest(t, axis=0)), zeros):
        assert np.all(slope[x != 2.0] == 0)


AT_INFINITY = {
    "maximum of a tie": (lambda x: tg.maximum(x, np.inf), [np.inf, 1.0], [0.5, 0.0]),
    "minimum of a tie": (lambda x: tg.minimum(x, -np.inf), [-np.inf, 1.0], [0.5, 0.0]),
    "clip": (lambda x: tg.clip(x, -1.0, 1.0), [np.inf, -np.inf, 0.5], [0.0, 0.0, 1.0]),
    "clip at infinite bounds": (lambda x: tg.clip(x, -np.inf, np.inf), [0.5, -2.0], [1.0, 1.0]),
    "sign": (tg.sign, [np.inf, -np.inf, 3.0], [0.0, 0.0, 0.0]),
    "relu": (tg.relu, [np.inf, -np.inf], [1.0, 0.0]),
    "sigmoid": (tg.sigmoid, [np.inf, -np.inf], [0.0, 0.0]),
    "softplus": (tg.softplus, [np.inf, -np.inf], [1.0, 0.0]),
    "tanh": (tg.tanh, [np.inf, -np.inf], [0.0, 0.0]),
    "exp": (tg.exp, [-np.inf], [0.0]),
    "logsumexp of -inf": (tg.logsumexp, [-np.inf, 1.0, 1.0], [0.0, 0.5, 0.5]),
    "logsumexp of inf": (tg.logsumexp, [np.inf, 1.0], [1.0, 0.0]),
    "softmax": (lambda x: tg.softmax(x)[0], [0.0, -np.inf], [0.0, 0.0]),
    "masked attention": (
        lambda x: tg.softmax(x)[0], [[1.0, -np.inf], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]],
    ),
    "log_softmax": (lambda x: tg.log_softmax(x)[0], [0.0, -np.inf], [0.0, 0.0]),
    "sqrt of the norm at 0": (lambda x: tg.sqrt(tg.norm(x)), [0.0, 0.0], [0.0, 0.0]),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "x", "slope"), AT_INFINITY.values(), ids=AT_INFINITY.keys())
def test_slope_at_infinity(fn, x, slope):
    for found in gradients(fn, np.array(x)):
        np.testing.assert_array_equal(found, slope)


# Where a derivative is not finite here, though the limit of the whole may be: what stands between
# is not. Each line is a function, a point and the gradient that it has.
LIMITS = {
    "the slope of log at a subnormal number is beyond the largest": (
        lambda x: tg.tanh(tg.log(x)), 5e-324, np.nan),
    "1 / b of a subnormal b is beyond the largest": (lambda b: tg.sqrt(1.0 / b), 5e-324, np.nan),
    "not a number stays so": (lambda x: tg.sign(tg.log(x)), -1.0, np.nan),
    "|x| has no slope at 0 that an infinite one could be multiplied by": (
        lambda x: tg.sqrt(tg.abs(x)), 0.0, np.nan),
    "a product with 0 is no mask": (lambda x: tg.sqrt(x * 0.0), 1.0, np.nan),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "x", "slope"), LIMITS.values(), ids=LIMITS.keys())
def test_known_limit(fn, x, slope):
    for found in gradients(fn, np.array(x)):
        np.testing.assert_array_equal(found, slope)


# --- second derivatives where there is none -----------------------------------------------------

SINGULAR = {
    "norm": tg.norm,
    "norm of all": lambda x: tg.norm(x.reshape(-1)),
    "norm along an axis": lambda x: tg.norm(tg.stack([x, x]), axis=0),
    "std": tg.std,
    "euclidean_norm": lambda x: tg.nn.euclidean_norm(x, np.zeros(3)),
    "sqrt of a sum of squares": lambda x: tg.sqrt(tg.sum(x * x)),
    "x^1.5": lambda x: x**1.5,
    "sqrt": tg.sqrt,
}


@pytest.mark.parametrize("fn", SINGULAR.values(), ids=SINGULAR.keys())
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [1.0, 0.5, -2.0]], ids=str)
def test_a_second_derivative_that_does_not_exist_is_not_finite(fn, weights):
    assert not np.isfinite(second_derivative(fn, np.zeros(3), weights)).any()


@pytest.mark.parametrize("fn", [tg.norm, tg.std], ids=["norm", "std"])
@quick
@given(x=hnp.arrays(float, 3, elements=st.sampled_from([0.0, 0.0, 1.0, -2.0, 1e-3])))
def test_the_second_derivative_of_norm_and_std_is_right_wherever_it_exists(fn, x):
    weights = np.array([1.0, 0.5, -2.0])
    if fn(x) == 0:
        return
    found = second_derivative(fn, x, weights)
    away = x - (x.mean() if fn is tg.std else 0.0)
    still = weights - (weights.mean() if fn is tg.std else 0.0)
    length, factor = np.linalg.norm(away), (np.sqrt(1 / 3) if fn is tg.std else 1.0)
    expected = factor * (still / length - away * (away @ still) / length**3)
    laws.near(found, expected, 1e-12)


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_the_standard_deviation_of_one_entry_is_flat(axis):
    x, weights = np.full((1, 1), 3.5), np.ones((1, 1))
    for slope in gradients(lambda t: tg.std(t, axis=axis), x):
        np.testing.assert_array_equal(slope, [[0.0]])
    flat = second_derivative(lambda t: tg.std(t, axis=axis) + tg.sum(t * t), x, weights)
    assert flat.tolist() == [[2.0]]


KINKED = (tg.abs, tg.relu, tg.sign, lambda x: tg.maximum(x, 0.0), tg.max, tg.min)


@pytest.mark.parametrize("fn", KINKED, ids=["abs", "relu", "sign", "maximum", "max", "min"])
def test_the_second_derivative_at_a_kink_is_that_of_the_pieces(fn):
    weights = np.array([1.0, 0.5, -2.0])
    found = second_derivative(lambda x: tg.sum(fn(x)) + tg.sum(x * x), np.zeros(3), weights)
    np.testing.assert_array_equal(found, 2 * weights)


# --- digits -------------------------------------------------------------------------------------


def exact(name, x):
    """Return a function of a number to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        x = Decimal(float(x))
        if abs(x) > 2000:  # out of every type's range
            return {"sigmoid": Decimal(int(x > 0)), "softplus": max(x, Decimal(0))}[name]
        e = (-abs(x)).exp()
        if name == "sigmoid":
            return 1 / (1 + e) if x > 0 else e / (1 + e)
        return max(x, Decimal(0)) + ((1 + e).ln() if e > Decimal("1e-25") else e - e * e / 2)


def units_off(found, expected):
    """Return by how many units of its last place a number is off."""
    rounded = found.dtype.type(float(expected))
    with localcontext() as context:
        context.prec = 60
        unit = Decimal(float(np.spacing(np.abs(rounded))))
        return float(abs(Decimal(float(found)) - expected) / unit)


POINTS = {
    dtype: [
        *np.linspace(-20, 20, 161), *np.geomspace(1e-6, 2e4, 40), *-np.geomspace(1e-6, 2e4, 40),
        *np.linspace(-750, -700, 21), *np.linspace(-104, -86, 37),
    ]
    for dtype in TYPES
}  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_sigmoid_and_softplus_are_right_to_four_units_of_the_last_place(name, dtype):
    x = np.array(POINTS[dtype], dtype)
    y = TABLE[name](x)
    assert y.dtype == dtype
    assert max(units_off(y[k], exact(name, x[k])) for k in range(len(x))) <= 4
    for chosen in (x < np.inf, x < 10):  # many are computed otherwise, if none is large
        many, expected = np.resize(x[chosen], 5000), np.resize(y[chosen], 5000)
        np.testing.assert_array_equal(TABLE[name](many), expected)
    if name == "softplus":
        slope = TABLE[name].rules[0](x, y)
        assert max(units_off(slope[k], exact("sigmoid", x[k])) for k in range(len(x))) <= 4


def test_log_of_sigmoid_is_finite_on_the_left():
    x = tg.Tensor([-40.0, -700.0], requires_grad=True)
    y = tg.log(tg.sigmoid(x))
    y.sum().backward()
    laws.near(y.data, [-40.0, -700.0], 1e-15)
    laws.near(x.grad, [1.0, 1.0], 1e-14)


BIG = st.sampled_from([0.0, 1.0, -1.0, 1e2, 1e4, 3e4])
HUGE = st.sampled_from([0.0, 1e8, 1e17, -1e17, 1e30])


def weights_of(x, axis=-1):
    """Return exp(x) / Σ exp(x) of numbers as they are, in double digits."""
    below = x.astype(np.longdouble) - x.max(axis, keepdims=True)
    return np.exp(below) / np.exp(below).sum(axis, keepdims=True)


@pytest.mark.parametrize("dtype", TYPES)
@quick
@given(data=st.data())
def test_softmax_and_its_kin_keep_their_digits_at_any_size(dtype, data):
    shift = data.draw(BIG if dtype == np.float16 else BIG | HUGE)
    spread = data.draw(hnp.arrays(dtype, 4, elements=st.integers(-8, 8)))
    x = np.asarray(spread + dtype(shift), dtype)
    p = weights_of(x)
    tolerance = 16 * np.finfo(dtype).eps
    laws.near(tg.softmax(x).astype(float), p.astype(float), tolerance)
    laws.near(np.exp(tg.log_softmax(x).astype(float)), p.astype(float), tolerance)
    for fn, expected in (
        (tg.logsumexp, p),
        (lambda t: tg.softmax(t)[1], p[1] * (np.eye(4)[1] - p)),
        (lambda t: tg.log_softmax(t)[1], np.eye(4)[1] - p),
        (lambda t: tg.nn.softmax_cross_entropy(t, 1), p - np.eye(4)[1]),
    ):
        leaf = tg.Tensor(x, requires_grad=True)
        fn(leaf).backward()
        assert leaf.grad.dtype == dtype
        laws.near(leaf.grad.astype(float), expected.astype(float), tolerance)


def test_logsumexp_keeps_the_digits_of_what_is_near_0():
    found = tg.logsumexp(np.array([0.0, -40.0, -41.0]))
    expected = np.exp(-40.0) + np.exp(-41.0)
    assert abs(found - expected) <= 1e-15 * expected
    loss = tg.nn.softmax_cross_entropy(tg.Tensor([1040.0, 1000.0]), 0)
    assert abs(loss.item() - np.exp(-40.0)) <= 1e-15 * np.exp(-40.0)


@pytest.mark.parametrize("size", [5e-324, 1e-320, 1e-300, 1e-160, 1.0, 1e160, 1e300, 3e307])
def test_norm_neither_overflows_nor_vanishes(size):
    y, slope = np.array([3.0, -4.0]) * size, gradients(tg.norm, np.array([3.0, -4.0]) * size)
    assert tg.norm(np.array([np.inf, size])) == np.inf
    assert abs(tg.norm(y) / size - 5) < (1e-3 if size < 1e-310 else 1e-14)
    for found in slope:
        laws.near(found, [0.6, -0.8], 1e-3 if size < 1e-310 else 1e-14)


def test_norm_of_float16_has_room_for_its_squares():
    assert tg.norm(np.full(4, 300, np.float16)) == 600


@quick
@given(
    value=st.sampled_from([0.0, 1e-3, 1.0, -1.0, 100.0, 6e4, -6e4]),
    shape=st.sampled_from([(70_000,), (1,), (3,), (300, 7), (2, 40_000)]),
    along=st.booleans(),
)
def test_a_mean_of_float16_is_that_of_its_entries(value, shape, along):
    x = tg.Tensor(np.full(shape, value, np.float16), requires_grad=True)
    y = tg.mean(x, axis=-1 if along else None)
    y.backward(np.ones(y.shape))
    assert y.dtype == x.grad.dtype == np.float16
    expected = float(np.float16(value))
    assert np.max(np.abs(y.numpy().astype(float) - expected)) <= 2e-3 * abs(expected)
    count = shape[-1] if along else x.size
    assert np.max(np.abs(x.grad.astype(float) - 1 / count)) <= 2e-3 / count + 6e-8


def test_softmax_of_very_many_in_float16():
    laws.near(tg.softmax(np.ones(70_000, np.float16)).astype(float), np.full(70_000, 1 / 7e4), 1e-7)


@pytest.mark.parametrize("truth", [np.True_, np.array([True, False])], ids=["number", "array"])
def test_a_truth_value_may_be_subtracted_in_a_graph(truth):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    for y, sign in ((x - truth, 1.0), (truth - x, -1.0)):
        found = tg.graph(tg.sum(y)).evaluate(everything=True)
        np.testing.assert_array_equal(found["sum"], y.numpy().sum())
        np.testing.assert_array_equal(tg.graph(tg.sum(y)).adjoint().evaluate()["δx"], [sign, sign])


def masked_loop(x):
    """Return Σ h, where h(k) = h(k-1) / 2 + √relu(x(k)) + √(largest of x(k), negatives as 0)."""
    h = tg.Tensor(np.zeros(3))
    for k in tg.steps(len(x)):
        with np.errstate(all="ignore"):
            h = h * 0.5 + tg.sqrt(tg.relu(x[k])) + tg.sqrt(tg.clip(tg.max(x[k]), 0.0))
    return tg.sum(h)


def test_a_mask_inside_a_folded_loop_lets_nothing_through():
    values = np.array([[-1.0, 4.0, -np.inf], [1.0, -2.0, 4.0], [-4.0, -1.0, -1.0], [4.0, 4.0, 1.0]])
    x = tg.Tensor(values, requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        loss = masked_loop(x)
        network = tg.graph(loss).fold()
        assert network.folded
        found = network.adjoint().evaluate()["δx"]
        loss.backward()
    decay = 0.5 ** np.arange(3, -1, -1)[:, None]
    roots = np.where(values > 0, 0.5 / np.sqrt(np.abs(values)), 0.0)
    largest = np.array([[0, 0.25, 0], [0, 0, 0.25], [0, 0, 0], [0.125, 0.125, 0]]) * 3
    laws.near(x.grad, decay * (roots + largest), 1e-15)
    laws.near(found, decay * (roots + largest), 1e-15)


# --- powers -------------------------------------------------------------------------------------


@quick
@given(base=st.floats(0.1, 10.0), exponent=st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 2.0]))
def test_the_mixed_derivative_of_a_power_is_the_same_in_both_orders(base, exponent):
    a, b = (tg.Tensor(number, requires_grad=True) for number in (base, exponent))
    by_base_first = tg.grad(tg.grad(a**b, a, create_graph=True), b).item()
    by_exponent_first = tg.grad(tg.grad(a**b, b, create_graph=True), a).item()
    expected = base ** (exponent - 1) * (1 + exponent * np.log(base))
    laws.near(by_base_first, expected, 1e-12)
    laws.near(by_exponent_first, expected, 1e-12)


def test_the_slope_of_0_to_a_negative_power_by_its_exponent_is_its_limit():
    a = tg.Tensor([0.0, 0.0, 0.0], requires_grad=True)
    b = tg.Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        tg.sum(a**b).backward()
    np.testing.assert_array_equal(b.grad, [-np.inf, 0.0, 0.0])
    np.testing.assert_array_equal(a.grad, [-np.inf, 0.0, 0.0])


def test_the_slope_of_a_0th_power_is_0_at_a_base_of_any_size():
    a = tg.Tensor([1e-320, -3.0, 0.0, 1e300], requires_grad=True)
    with np.errstate(over="ignore", divide="ignore"):
        tg.sum(a ** np.zeros(4)).backward()
    np.testing.assert_array_equal(a.grad, np.zeros(4))


# --- types --------------------------------------------------------------------------------------

UNARY = {
    "sigmoid": tg.sigmoid, "softplus": tg.softplus, "tanh": tg.tanh, "softmax": tg.softmax,
    "logsumexp": tg.logsumexp, "norm": tg.norm, "mean": tg.mean, "max": tg.max, "relu": tg.relu,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_another_order_of_bytes_changes_no_number(name, kind):
    fn = UNARY[name]
    native = np.array([100.0, -3.0, 0.5, 800.0], kind)
    swapped = native.astype(native.dtype.newbyteorder())
    leaf = tg.Tensor(swapped, requires_grad=True)
    assert leaf.dtype == np.dtype(kind) and leaf.dtype.isnative
    slopes = []
    for x in (leaf, tg.Tensor(native, requires_grad=True)):
        tg.sum(fn(x)).backward()
        slopes.append(x.grad)
    np.testing.assert_array_equal(*slopes)
    expected = fn(native)
    np.testing.assert_array_equal(fn(leaf).data, expected)
    np.testing.assert_array_equal(fn(swapped), expected)


def test_another_order_of_bytes_beside_a_tensor_is_turned_round():
    x = tg.Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x * np.array([100.0, 2.0], ">f4")
    assert y.dtype.isnative and y.inputs[1].dtype.isnative
    assert tg.Tensor([1.0], dtype=">f4").dtype.isnative
    x.data = np.array([1.0, 2.0], ">f4")
    assert x.dtype.isnative and x.data.dtype.isnative


@pytest.mark.parametrize("ddof", [1, 2])
@pytest.mark.parametrize("fn", [tg.std, tg.var])
def test_the_slope_of_a_deviation_that_does_not_exist_is_no_number(fn, ddof):
    x = np.array([[3.5, 2.0]])
    for slope in gradients(lambda t: fn(t, axis=0, ddof=ddof), x):
        assert np.isnan(slope).all()
    assert np.isnan(fn(tg.Tensor(np.zeros((0, 2))), axis=0, ddof=ddof).numpy()).all()


@pytest.mark.parametrize("order", [3, 0.5, 2.5, -1, -2.5])
@pytest.mark.parametrize("data", [[1.0, np.inf, 2.0], [-np.inf, np.inf], [0.0, 2.0], [3.0, 4.0]])
def test_a_norm_of_any_order_is_its_limit_where_an_entry_is_infinite(order, data):
    with np.errstate(all="ignore"):
        expected = np.linalg.norm(np.array(data), order)
        norm = tg.vector_norm(tg.Tensor(data), ord=order).item()
    assert norm == pytest.approx(expected, rel=1e-12)


def test_a_norm_of_a_negative_order_has_room_for_its_powers():
    with np.errstate(over="ignore"):
        norm = tg.vector_norm(tg.Tensor([1e300, 1e-300]), ord=-2).item()
    assert norm == pytest.approx(1e-300, rel=1e-12, abs=0.0)
