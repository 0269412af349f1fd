"""Holds the composites to NumPy's values and to the complex step."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine import functions
from tinygrad_lstm.engine.primitive import Primitive

X = laws.draw((2, 3, 4))


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


COMPOSITES = {
    "square": (lambda x: tg.square(x), X**2),
    "mean": (lambda x: tg.mean(x), X.mean()),
    "mean axis": (lambda x: tg.mean(x, axis=(0, 2)), X.mean((0, 2))),
    "mean keepdims": (lambda x: tg.mean(x, -1, keepdims=True), X.mean(-1, keepdims=True)),
    "var": (lambda x: tg.var(x, axis=1), X.var(1)),
    "std": (lambda x: tg.std(x, axis=0, keepdims=True), X.std(0, keepdims=True)),
    "softmax": (lambda x: tg.softmax(x), softmax(X)),
    "softmax axis": (lambda x: tg.softmax(x, axis=1), softmax(X, 1)),
    "log_softmax": (lambda x: tg.log_softmax(x), np.log(softmax(X))),
    "outer": (lambda x: tg.outer(x[0, 0], x[1]), np.outer(X[0, 0], X[1])),
    "dot of vectors": (lambda x: tg.dot(x[0, 0], x[0, 1]), X[0, 0] @ X[0, 1]),
    "dot of matrices": (lambda x: tg.dot(x[0], x[1].T), X[0] @ X[1].T),
    "dot with a number": (lambda x: tg.dot(x[0, 0, 0], x), X[0, 0, 0] * X),
    "swapaxes": (lambda x: tg.swapaxes(x, 0, -1), X.swapaxes(0, -1)),
    "moveaxis": (lambda x: tg.moveaxis(x, -1, 0), np.moveaxis(X, -1, 0)),
    "expand_dims": (lambda x: tg.expand_dims(x, 1), X[:, None]),
    "squeeze": (lambda x: tg.squeeze(x[:1, :, :1]), X[0, :, 0]),
    "squeeze axis": (lambda x: tg.squeeze(x[:1, :, :1], axis=0), X[0, :, :1]),
    "ravel": (lambda x: tg.ravel(x), X.ravel()),
    "split": (lambda x: tg.split(x, 2, axis=-1)[1], X[..., 2:]),
    "split at": (lambda x: tg.split(x, [1, 3], axis=2)[1], X[..., 1:3]),
    "unstack": (lambda x: tg.unstack(x, axis=1)[2], X[:, 2]),
    "getitem": (lambda x: tg.getitem(x, np.array([1, 0, 1])), X[[1, 0, 1]]),
}
KINKED = {
    "min": (lambda x: tg.min(x, axis=1), X.min(1)),
    "clip": (lambda x: tg.clip(x, -0.5, 0.5), X.clip(-0.5, 0.5)),
    "clip below": (lambda x: tg.clip(x, a_min=0.1), X.clip(0.1)),
    "clip above": (lambda x: tg.clip(x, a_max=0.1), X.clip(None, 0.1)),
}
EVERY = {**COMPOSITES, **KINKED}


@pytest.mark.parametrize(("fn", "expected"), EVERY.values(), ids=EVERY.keys())
def test_value(fn, expected):
    laws.near(fn(tg.Tensor(X)).data, expected, 1e-14)


@pytest.mark.parametrize(("fn", "expected"), EVERY.values(), ids=EVERY.keys())
def test_plain_arrays_stay_plain(fn, expected):
    found = fn(X)
    assert isinstance(found, np.ndarray | np.generic)
    laws.near(found, expected, 1e-14)


def directional(fn, direction):
    """Return d Σ ct fn / dx along a direction by the tape, and the function of arrays itself."""
    x = tg.Tensor(X, requires_grad=True)
    y = fn(x)
    ct = laws.draw(y.shape, 1)
    y.backward(ct)
    return np.sum(x.grad * direction), lambda x: np.sum(ct * fn(x))


@pytest.mark.parametrize(("fn", "expected"), COMPOSITES.values(), ids=COMPOSITES.keys())
def test_gradient_is_the_complex_step(fn, expected):
    direction = laws.draw(X.shape, 2)
    found, on_arrays = directional(fn, direction)
    laws.near(found, laws.complex_step(on_arrays, (X,), (direction,)), 1e-12)


@pytest.mark.parametrize(("fn", "expected"), KINKED.values(), ids=KINKED.keys())
def test_gradient_is_the_difference(fn, expected):
    direction = 0.1 * laws.draw(X.shape, 2)
    found, on_arrays = directional(fn, direction)
    laws.near(found, laws.central_difference(on_arrays, (X,), (direction,)), 1e-10)


@pytest.mark.parametrize("name", ["mean", "softmax", "swapaxes", "ravel", "square", "var"])
def test_composites_run_on_symbols_too(name):
    fn, more = getattr(tg, name), {"swapaxes": (0, 1)}.get(name, ())
    assert "x" in repr(fn(tg.Symbol("x", X), *more))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.data(), shape=hnp.array_shapes(max_dims=4, max_side=3))
def test_pieces_of_a_split_join_to_the_whole(data, shape):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[axis]), max_size=3)))
    x = laws.draw(shape)
    assert np.array_equal(tg.concatenate(tg.split(x, cuts, axis), axis=axis), x)
    assert np.array_equal(tg.stack(tg.unstack(x, axis), axis=axis), x)


def test_softmax_sums_to_one_at_any_size():
    laws.near(
        tg.softmax(tg.Tensor([[1e4, -1e4, 1e4], [0.0, 800.0, -800.0]])).data.sum(-1),
        np.ones(2),
        1e-12,
    )


functions.ours_for(None)  # which loads all subjects
BEYOND_NUMPY = {"sliding_window_view": ("stride", "dilation")}  # options that NumPy has not


@pytest.mark.parametrize(
    "known",
    [each for each in functions.NUMPY if not isinstance(each, np.ufunc)],
    ids=lambda each: f"{each.__module__}.{each.__name__}",
)
def test_options_go_by_numpys_names(known):
    """``np.mean(t, axis=0)`` hands ``axis`` to our mean, so that it must be called so here too."""
    ours = functions.NUMPY[known]
    if isinstance(ours, Primitive):
        options = ours.parameters
    else:
        own = inspect.signature(ours).parameters.values()
        options = [each.name for each in own if each.default is not each.empty]
    theirs = {*inspect.signature(known).parameters, *BEYOND_NUMPY.get(known.__name__, ())}
    assert "kwargs" in theirs or [name for name in options if name not in theirs] == []


def test_plain_and_differentiable_do_not_overlap():
    assert not functions.PLAIN & functions.NUMPY.keys()


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_the_gradient_of_std_is_zero_where_all_entries_are_equal(axis):
    x = tg.Tensor(np.full((2, 3), 4.0), requires_grad=True)
    tg.std(x, axis=axis).sum().backward()
    np.testing.assert_array_equal(x.grad, np.zeros((2, 3)))


def test_split_takes_numpy_integers():
    pieces = tg.split(tg.Tensor([1.0, 2.0]), np.int64(2))
    assert [each.tolist() for each in pieces] == [[1.0], [2.0]]


# --- lists of Tensors -----------------------------------------------------------------------------

OF_A_LIST = {
    "sum": (tg.sum, np.sum), "max": (tg.max, np.max), "tanh": (tg.tanh, np.tanh),
    "norm": (tg.norm, np.linalg.norm), "mean": (tg.mean, np.mean),
    "transpose": (tg.transpose, np.transpose),
    "add": (lambda a: tg.add(a, 1.0), lambda a: np.add(a, 1.0)),
    "multiply": (lambda a: a[0] * a, lambda a: np.multiply(a[0], a)),
    "where": (
        lambda a: tg.where([True, False], a, a[1]), lambda a: np.where([True, False], a, a[1])
    ),
    "matmul": (lambda a: tg.matmul(a, a[0]), lambda a: np.matmul(a, a[0])),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_A_LIST)
def test_a_list_of_tensors_is_one_operand_as_for_numpy(name):
    ours, numpys = OF_A_LIST[name]
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = tg.Tensor([3.0, -4.0], requires_grad=True, name="y")
    result = ours([x, y])
    np.testing.assert_allclose(result.data, numpys(np.array([x.data, y.data])), rtol=1e-15)
    gradients = tg.grad(tg.sum(result), [x, y])
    stacked = tg.grad(tg.sum(ours(tg.stack([x, y]))), [x, y])
    assert any(np.abs(gradient.data).max() > 0 for gradient in gradients)
    for gradient, expected in zip(gradients, stacked, strict=True):
        np.testing.assert_allclose(gradient.data, expected.data, rtol=1e-15)


def test_a_list_that_holds_itself_is_refused():
    endless = [tg.Tensor(1.0, requires_grad=True)]
    endless.append(endless)
    with pytest.raises(tg.ShapeError, match="in itself"):
        tg.sum(endless)
