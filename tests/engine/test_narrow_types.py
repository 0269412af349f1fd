"""Holds sums of many float32 and float16 numbers to their digits, and integers to no wrapping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import nn

quick = settings(max_examples=100, deadline=None, derandomize=True)
NARROW = (np.float16, np.float32)


def gradient(fn, x):
    """Return d Σ fn(x) / dx by the tape, and by the tape on Tensors."""
    leaf = tg.Tensor(x, requires_grad=True)
    loss = tg.sum(fn(leaf))
    on_tensors = tg.grad(loss, leaf, create_graph=True).numpy()
    loss.backward()
    assert leaf.grad.dtype == on_tensors.dtype == x.dtype
    return leaf.grad, on_tensors


# --- long sums ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "count"), [(np.float16, 4096), (np.float16, 60_000), (np.float32, 300_000)]
)
def test_the_gradient_of_what_is_broadcast_is_the_sum_of_all_its_shares(dtype, count):
    rows, share = np.zeros((count, 2), dtype), dtype(0.7)
    bias = tg.Tensor(np.zeros(2, dtype), requires_grad=True)
    y = (bias + rows) * share
    y.backward(np.ones(y.shape))
    np.testing.assert_allclose(bias.grad.astype(float), np.full(2, count * float(share)), 1e-3)
    y = rows + (bias.reshape(1, 2) * share)
    seed = tg.Tensor(np.ones(y.shape, dtype))
    slope = tg.grad(tg.sum(y * seed / 64), bias, create_graph=True).data.astype(float)
    np.testing.assert_allclose(slope, np.full(2, count / 64 * float(share)), 1e-3)


def test_a_layer_sums_the_gradient_of_its_bias_over_many_rows_in_float16():
    layer = nn.Dense(2, 3, seed=0)
    for parameter in layer.parameters():
        parameter._array = parameter._array.astype(np.float16)
    tg.sum(layer(tg.Tensor(np.ones((4096, 2), np.float16)))).backward()
    for parameter in layer.parameters():
        np.testing.assert_array_equal(parameter.grad, np.full(parameter.shape, 4096.0))


@pytest.mark.parametrize("dtype", NARROW)
def test_shares_along_the_first_axis_add_up_to_1(dtype):
    x = np.ones((5000, 2), dtype)
    for fn in (tg.max, tg.logsumexp, tg.min):
        for slope in gradient(lambda t, fn=fn: fn(t, axis=0), x):
            np.testing.assert_allclose(slope.astype(float).sum(0), [1, 1], 1e-3)


@pytest.mark.parametrize("dtype", NARROW)
def test_an_entry_that_is_taken_often_gets_all_of_its_shares(dtype):
    index = np.zeros(5000, int)
    for slope in gradient(lambda t: t[index], np.ones(2, dtype)):
        np.testing.assert_array_equal(slope, np.array([5000, 0], dtype))
    for slope in gradient(lambda t: t[index[:2500]] + t[index[2500:]], np.ones(2, dtype)):
        np.testing.assert_array_equal(slope, np.array([5000, 0], dtype))


@pytest.mark.parametrize("dtype", NARROW)
@quick
@given(data=st.data(), axis=st.sampled_from([None, 0, 1, (0, 1)]), keepdims=st.booleans())
def test_a_sum_is_that_of_float64_but_for_its_last_rounding(dtype, data, axis, keepdims):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=50))
    seed = data.draw(st.integers(0, 99))
    x = np.random.default_rng(seed).uniform(0, 1, shape).repeat(30, axis=0).astype(dtype)
    y = tg.sum(x, axis=axis, keepdims=keepdims)
    expected = x.astype(float).sum(axis=axis, keepdims=keepdims)
    assert y.dtype == dtype and np.shape(y) == expected.shape
    terms = len(x) if axis == 0 else x.size
    units = terms if dtype == np.float32 and terms <= 1024 else 5  # a short sum is NumPy's own
    np.testing.assert_allclose(np.asarray(y, float), expected, units * np.finfo(dtype).eps)


# --- means in float16 ---------------------------------------------------------------------------


@quick
@given(data=st.data(), axis=st.sampled_from([None, 0, 1]), keepdims=st.booleans())
def test_a_mean_in_float16_is_that_of_each_row_whatever_the_others_are(data, axis, keepdims):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, max_side=30))
    sizes = data.draw(hnp.arrays(int, (shape[0], 1), elements=st.integers(-12, 15)))
    x = np.ldexp(np.random.default_rng(1).uniform(1, 2, shape), sizes).astype(np.float16)
    leaf = tg.Tensor(x, requires_grad=True)
    y = tg.mean(leaf, axis=axis, keepdims=keepdims)
    expected = x.astype(float).mean(axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(y.numpy().astype(float), expected, 1e-3)
    y.backward(np.ones(y.shape))
    count = x.size // max(y.size, 1)
    np.testing.assert_allclose(leaf.grad.astype(float), np.full(shape, 1 / count), 1e-3)
    assert y.dtype == leaf.grad.dtype == np.float16


def test_a_mean_in_float16_follows_new_data_in_its_graph():
    x = tg.Tensor(np.ones(4, np.float16), requires_grad=True, name="x")
    graph = tg.graph(tg.mean(x))
    (y,) = graph.evaluate({"x": np.full(4, 60_000, np.float16)}).values()
    assert y == np.float16(60_000)


def test_a_mean_of_float16_columns_that_are_long_or_empty():
    np.testing.assert_array_equal(tg.mean(np.ones((5000, 3), np.float16), axis=0), np.ones(3))
    assert tg.mean(np.ones((3, 0), np.float16), axis=0).shape == (0,)
    assert tg.mean(tg.Tensor(np.ones((3, 0), np.float16)), axis=0).shape == (0,)


# --- integers -----------------------------------------------------------------------------------

WRAPPING = {
    "norm": tg.norm, "softmax": tg.softmax, "log_softmax": tg.log_softmax, "min": tg.min,
    "logsumexp": tg.logsumexp, "softplus": tg.softplus, "sigmoid": tg.sigmoid, "var": tg.var,
    "std": tg.std, "mean": tg.mean,
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPING)
@quick
@given(data=st.data(), kind=st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "i8"]))
def test_integers_give_what_the_same_floats_give(name, data, kind):
    limits = np.iinfo(kind)
    entries = st.sampled_from([limits.min, limits.max, 0, 1, limits.max // 2])
    x = np.array(data.draw(st.lists(entries, min_size=1, max_size=4)), kind)
    fn = WRAPPING[name]
    np.testing.assert_allclose(np.asarray(fn(x), float), fn(x.astype(float)), 1e-12)


def test_many_integers_are_not_exponentiated_in_float16():
    x = np.full(3000, 20, np.int8)
    laws.near(tg.sigmoid(x), tg.sigmoid(x.astype(float)), 1e-14)


def test_the_smallest_of_an_array_is_numpys_and_of_its_type():
    x = np.array([[3, 200], [0, 7]], np.uint8)
    assert tg.min(x).dtype == np.uint8
    np.testing.assert_array_equal(tg.min(x, axis=0, keepdims=True), [[0, 7]])
    with pytest.raises(tg.ShapeError, match="min"):
        tg.min(np.ones((0, 2), int))


# --- the digits of a result near 0 --------------------------------------------------------------


@quick
@given(x=st.floats(-5, -0.01), away=st.floats(-1e-3, 1e-3))
def test_logsumexp_in_float32_keeps_the_digits_of_a_result_near_0(x, away):
    pair = np.array([x, np.log(-np.expm1(x)) + away], np.float32)
    expected = np.float32(np.log(np.exp(pair.astype(float)).sum()))
    assert abs(tg.logsumexp(pair) - expected) <= 1e-6 * abs(expected) + 1e-15
