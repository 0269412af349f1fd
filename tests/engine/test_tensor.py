"""Holds Tensors to NumPy's behaviour, and to never leaving the tape unless they are asked to."""

from __future__ import annotations

import math
import operator
import os
import pickle
import signal
import sys
import threading
import warnings
from copy import copy as shallow
from copy import deepcopy

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine.tensor import constant
from tinygrad_lstm.errors import DetachError, GradientError, ShapeError, UsageError

A = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])
B = np.array([[1.5, 0.5, -2.5], [0.75, -1.25, 3.0]])


@pytest.fixture
def a():
    return tg.Tensor(A, requires_grad=True, name="a")


@pytest.fixture
def b():
    return tg.Tensor(B, requires_grad=True, name="b")


# --- what a Tensor holds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, np.float64), (2.5, np.float64), ([1, 2], np.float64), ([[1.0]], np.float64),
        (np.float32(1), np.float32), (np.ones(2, np.float32), np.float32), (np.ones(2), np.float64),
        (np.ones(2, np.float16), np.float16),
    ],
    ids=repr,
)  # fmt: skip
def test_dtype_follows_from_the_data(data, dtype):
    assert tg.Tensor(data).dtype == dtype


@pytest.mark.parametrize("data", [[1, 2], np.ones(2), np.ones(2, int)], ids=repr)
def test_dtype_may_be_asked_for(data):
    assert tg.Tensor(data, dtype=np.float32).dtype == np.float32


def test_data_are_copied():
    source = np.ones(3)
    t = tg.Tensor(source)
    source[0] = 9
    assert t.tolist() == [1.0, 1.0, 1.0]


def test_numpy_is_a_copy(a):
    a.numpy()[:] = 0
    assert (a.data == A).all()


def test_data_are_read_only(a):
    with pytest.raises(ValueError, match="read-only"):
        a.data[0, 0] = 1.0


def test_what_is_computed_from_data_is_a_plain_array(a):
    assert type(a.data * 2) is np.ndarray
    assert isinstance(a.data.sum(), np.floating)


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (operator.iadd, 6.0), (operator.isub, 2.0), (operator.imul, 8.0), (operator.itruediv, 2.0),
        (operator.ipow, 16.0),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)  # fmt: skip
def test_data_may_be_replaced_by_an_update(update, expected):
    p = tg.Tensor([4.0], requires_grad=True)
    before = p.data
    p.data = update(p.data, 2.0)
    assert (p.tolist(), before.tolist()) == ([expected], [4.0])


def test_replaced_data_keep_the_dtype():
    p = tg.Tensor(np.ones(2, np.float32))
    p.data = np.array([0.5, 0.25])
    assert p.dtype == np.float32


@pytest.mark.parametrize(
    ("attribute", "value"), [("shape", (2, 3)), ("ndim", 2), ("size", 6), ("dtype", np.float64)]
)
def test_attribute(a, attribute, value):
    assert getattr(a, attribute) == value


def test_unknown_attribute(a):
    with pytest.raises(AttributeError, match="gard"):
        _ = a.gard


def test_number_is_a_0d_tensor():
    t = tg.Tensor(3.0)
    assert (t.shape, t.item()) == ((), 3.0)


def test_scalars_read_well():
    x, y, z = (tg.Tensor(v, requires_grad=True) for v in (2.0, 3.0, 0.0))
    (x * y + tg.tanh(z)).backward()
    assert (x.grad, y.grad, z.grad) == (3.0, 2.0, 1.0)


def test_len_and_iteration(a):
    assert len(a) == 2
    assert [row.tolist() for row in a] == A.tolist()


def test_iteration_is_recorded(a):
    first, second = a
    (first * second).sum().backward()
    laws.near(a.grad, A[::-1], 1e-15)


def test_tensors_are_told_apart_by_identity():
    assert len({tg.Tensor(1.0), tg.Tensor(1.0)}) == 2


@pytest.mark.parametrize("t", [tg.Tensor(0.0), tg.Tensor([2.0]), tg.Tensor(-1.0)], ids=repr)
def test_truth_of_one_number(t):
    assert bool(t) == (t.item() != 0)


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (tg.Tensor(1.5), "Tensor(1.5)"),
        (tg.Tensor([1.0, 2.0], True, "w"), "Tensor([1., 2.], name='w', requires_grad=True)"),
        (tg.Tensor(1.0, dtype=np.float32), "Tensor(1., dtype=float32)"),
        (tg.tanh(tg.Tensor(0.0, True)), "Tensor(0., from tanh)"),
    ],
    ids=repr,
)
def test_repr(t, text):
    assert repr(t) == text


def test_number_formats_as_a_number():
    assert f"{tg.Tensor(0.12345):.2f}" == "0.12"


# --- operators and methods, as NumPy ------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [B, B[0], 2.0, 3, np.float64(2.0), [1.0, 2.0, 4.0]],
    ids=["array", "row", "float", "int", "scalar", "list"],
)
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_operator_from_both_sides(a, op, other):
    laws.near(op(a, other).data, op(A, np.asarray(other)), 1e-15)
    laws.near(op(other, a).data, op(np.asarray(other), A), 1e-15)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda t: t**2, A**2), (lambda t: 2**t, 2**A), (lambda t: -t, -A), (lambda t: +t, A),
        (abs, np.abs(A)), (lambda t: t @ B.T, A @ B.T), (lambda t: B.T @ t, B.T @ A),
        (lambda t: t.T, A.T), (lambda t: t.sum(), A.sum()),
        (lambda t: t.sum(axis=0), A.sum(axis=0)),
        (lambda t: t.sum(-1, keepdims=True), A.sum(-1, keepdims=True)),
        (lambda t: t.mean(1), A.mean(1)), (lambda t: t.max(axis=1), A.max(axis=1)),
        (lambda t: t.min(), A.min()), (lambda t: t.reshape(3, 2), A.reshape(3, 2)),
        (lambda t: t.reshape((3, -1)), A.reshape(3, 2)), (lambda t: t.transpose(), A.T),
        (lambda t: t.transpose(1, 0), A.T), (lambda t: t.swapaxes(0, 1), A.T),
        (lambda t: t[:, None].squeeze(), A), (lambda t: t.ravel(), A.ravel()),
        (lambda t: t.flatten(), A.ravel()), (lambda t: t.dot(B.T), A.dot(B.T)),
        (lambda t: t[0], A[0]), (lambda t: t[..., 1:], A[..., 1:]),
        (lambda t: t[None, 1, ::-1], A[None, 1, ::-1]), (lambda t: t[[1, 0, 1]], A[[1, 0, 1]]),
        (lambda t: t[A > 0], A[A > 0]),
        (lambda t: t[np.array([0, 1]), np.array([2, 0])], A[[0, 1], [2, 0]]),
        (lambda t: t[:, [True, False, True]], A[:, [0, 2]]), (lambda t: t[np.int64(1)], A[1]),
        (lambda t: t[np.int32(1), np.uint8(2)], A[1, 2]), (lambda t: t[[]], A[[]]),
    ],
)  # fmt: skip
def test_value_as_numpys(a, found, expected):
    laws.near(found(a).data, expected, 1e-15)


@pytest.mark.parametrize(
    "op", [operator.gt, operator.ge, operator.lt, operator.le, operator.eq, operator.ne]
)
@pytest.mark.parametrize("other", [0.5, A * B, tg.Tensor(A * B)], ids=["number", "array", "tensor"])
def test_comparison_is_a_plain_boolean_array(a, op, other):
    found = op(a, other)
    assert type(found) is np.ndarray
    assert (found == op(A, other.data if isinstance(other, tg.Tensor) else other)).all()


@pytest.mark.parametrize("t", [tg.Tensor(2.0), tg.Tensor([2.0])])
def test_number_without_gradient_converts(t):
    assert (float(t), int(t), t.item()) == (2.0, 2, 2.0)


# --- NumPy's own functions on Tensors -----------------------------------------------------------

NUMPY = {
    "tanh": lambda x: np.tanh(x), "exp": lambda x: np.exp(x), "sin": lambda x: np.sin(x),
    "cos": lambda x: np.cos(x), "log": lambda x: np.log(x * x), "sqrt": lambda x: np.sqrt(x * x),
    "square": lambda x: np.square(x), "abs": lambda x: np.abs(x),
    "negative": lambda x: np.negative(x), "positive": lambda x: np.positive(x),
    "add": lambda x: np.add(x, 1.0), "array * t": lambda x: B * x, "array - t": lambda x: B - x,
    "array / t": lambda x: B / x, "array @ t": lambda x: B.T @ x, "t @ array": lambda x: x @ B.T,
    "scalar * t": lambda x: np.float64(2.0) * x, "power": lambda x: np.power(x, 3),
    "matmul": lambda x: np.matmul(x, B.T), "maximum": lambda x: np.maximum(x, 0.3),
    "minimum": lambda x: np.minimum(0.3, x), "where": lambda x: np.where(B > 0, x, 0.0),
    "sum": lambda x: np.sum(x, axis=1), "sum keepdims": lambda x: np.sum(x, 0, keepdims=True),
    "mean": lambda x: np.mean(x, axis=0), "var": lambda x: np.var(x),
    "std": lambda x: np.std(x, axis=1), "max": lambda x: np.max(x, axis=0),
    "amax": lambda x: np.amax(x), "min": lambda x: np.min(x, axis=1), "amin": lambda x: np.amin(x),
    "clip": lambda x: np.clip(x, -1.0, 1.0), "dot": lambda x: np.dot(x, B.T),
    "outer": lambda x: np.outer(x, B[0]), "reshape": lambda x: np.reshape(x, (3, 2)),
    "ravel": lambda x: np.ravel(x), "transpose": lambda x: np.transpose(x, (1, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1), "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "expand_dims": lambda x: np.expand_dims(x, 1), "squeeze": lambda x: np.squeeze(x[None]),
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "pad": lambda x: np.pad(x, ((1, 0), (0, 2))),
    "concatenate": lambda x: np.concatenate([x, x], axis=1),
    "concatenate by position": lambda x: np.concatenate((x, B), 1),
    "stack": lambda x: np.stack([x, B], axis=-1),
    "stack by position": lambda x: np.stack([x, x], 1),
    "split": lambda x: np.split(x, 3, axis=1)[1], "linalg.norm": lambda x: np.linalg.norm(x),
    "linalg.norm axis": lambda x: np.linalg.norm(x, axis=1),
    "sliding_window_view": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1),
}  # fmt: skip


@pytest.mark.parametrize("fn", NUMPY.values(), ids=NUMPY.keys())
def test_numpys_function_gives_numpys_value_on_the_tape(a, fn):
    found = fn(a)
    assert isinstance(found, tg.Tensor)
    assert found.requires_grad
    laws.near(found.data, fn(A), 1e-15)


@pytest.mark.parametrize("fn", NUMPY.values(), ids=NUMPY.keys())
def test_numpys_function_is_differentiated(a, fn):
    ct = laws.draw(np.shape(fn(A)))
    fn(a).backward(ct)
    direction = laws.draw(A.shape, 1)
    expected = laws.central_difference(lambda x: np.sum(ct * fn(x)), (A,), (direction,))
    laws.near(np.sum(a.grad * direction), expected, 1e-9)


@pytest.mark.parametrize(
    "fn",
    [
        np.isfinite, np.isnan, np.shape, np.ndim, np.size, np.argmax, np.argsort, np.zeros_like,
        np.ones_like, np.any, np.all, np.signbit, np.count_nonzero, np.iscomplexobj, np.result_type,
        lambda t: np.greater(t, 0), lambda t: np.allclose(t, t), lambda t: np.allclose(a=t, b=t),
        lambda t: np.array_equal(t, A), lambda t: t == A, lambda t: np.logical_and(t > 0, A),
        lambda t: np.argmin(t, axis=1),
    ],
)  # fmt: skip
def test_function_without_a_gradient_to_lose_is_plain(a, fn):
    found = fn(a)
    assert not isinstance(found, tg.Tensor)
    assert np.array_equal(found, fn(A))


LEAVING = {
    "np.percentile": lambda t: np.percentile(t, 30), "np.polyfit": lambda t: np.polyfit(t, t, 1),
    "np.spacing": lambda t: np.spacing(t), "np.add.reduce": lambda t: np.add.reduce(t),
    "np.multiply.outer": lambda t: np.multiply.outer(t, t),
    "np.exp with out=": lambda t: np.exp(t, out=np.empty((2, 3))),
    "np.linalg.cond": lambda t: np.linalg.cond(t),
    "np.linalg.qr": lambda t: np.linalg.qr(t),
    "np.add with out=": lambda t: operator.iadd(A.copy(), t),
    "np.multiply with out=": lambda t: operator.imul(A.copy(), t),
    "np.copyto": lambda t: np.copyto(np.empty((2, 3)), t),
}  # fmt: skip


@pytest.mark.parametrize(("name", "fn"), LEAVING.items(), ids=LEAVING.keys())
def test_function_that_is_not_differentiable_is_refused(a, name, fn):
    with pytest.raises(DetachError) as caught:
        fn(a)
    assert name in str(caught.value)
    assert "leave the tape at a" in str(caught.value)
    assert ".detach()" in str(caught.value)


CONVERTING = {
    "np.asarray": np.asarray, "np.array": np.array, "np.array of a list": lambda t: np.array([t]),
    "np.array of a nested list": lambda t: np.array([[t, t]]),
    "np.asarray with dtype": lambda t: np.asarray(t, np.float32),
    "np.sum of a list": lambda t: np.sum([t, t]),
    "array item": lambda t: operator.setitem(np.zeros((1, 2, 3)), 0, t), "np.float64": np.float64,
    "np.ascontiguousarray": np.ascontiguousarray,
}  # fmt: skip


@pytest.mark.parametrize("convert", CONVERTING.values(), ids=CONVERTING.keys())
def test_conversion_to_an_array_is_refused(a, convert):
    with pytest.raises(DetachError, match=r"\.detach\(\)"):
        convert(a)


@pytest.mark.parametrize(
    "convert",
    [
        float,
        int,
        math.exp,
        math.sqrt,
        np.array,
        lambda t: np.array([t]),
        lambda t: math.fsum([t]),
        complex,
    ],
)
def test_conversion_of_a_number_is_refused(convert):
    y = tg.Tensor(2.0, requires_grad=True) * 3
    y.name = "y"
    with pytest.raises(DetachError, match=r"leave the tape at y.*\.detach\(\)"):
        convert(y)


def test_what_has_no_gradient_to_lose_converts():
    assert np.asarray(tg.Tensor(A)).tolist() == A.tolist()
    assert math.exp(tg.Tensor(0.0)) == 1.0


def test_conversion_copies():
    t = tg.Tensor(A)
    np.asarray(t)[:] = 0
    assert (t.data == A).all()


def test_detach_is_a_constant_of_the_same_numbers(a):
    d = (a * 2).detach()
    assert (d.requires_grad, d.inputs) == (False, ())
    assert (d.data == A * 2).all()


def test_astype_converts_a_constant():
    assert tg.Tensor(A).astype(np.float32).dtype == np.float32


def test_astype_of_what_has_a_gradient_stays_on_the_tape(a):
    np.sum(a.astype(np.float32)).backward()
    np.testing.assert_array_equal(a.grad, np.ones((2, 3)))


# --- float32 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fn",
    [
        lambda t: t * 2.5, lambda t: 1 - t, lambda t: t / 3, lambda t: t**2, lambda t: 2.0**t,
        lambda t: t + np.arange(3), lambda t: t.mean(), lambda t: np.var(t),
        lambda t: tg.softmax(t), lambda t: tg.sigmoid(t), lambda t: t @ t.T,
        lambda t: tg.where(t > 0, t, 0.0), lambda t: tg.maximum(t, 0), lambda t: tg.clip(t, -1, 1),
        lambda t: t[[0, 0]], lambda t: tg.logsumexp(t, axis=0), lambda t: tg.max(t, axis=1),
        lambda t: t.min(), lambda t: tg.stack([t, t * 0.5]), lambda t: tg.softplus(t),
        lambda t: tg.norm(t), lambda t: t + True,
    ],
)  # fmt: skip
def test_float32_stays_in_the_result_and_the_gradient(fn):
    t = tg.Tensor(A.astype(np.float32), requires_grad=True)
    y = fn(t)
    y.backward(np.ones(y.shape))
    assert (y.dtype, t.grad.dtype) == (np.float32, np.float32)


def test_float32_stays_in_a_detached_gradient():
    t = tg.Tensor(A, requires_grad=True, dtype=np.float32)
    assert tg.grad((t * np.float64(2.0) * A).sum(), t).dtype == np.float32


# --- gradients ----------------------------------------------------------------------------------


def test_gradient_is_an_array_of_the_shape(a, b):
    (a * b).sum().backward()
    assert type(a.grad) is np.ndarray
    assert a.grad.shape == A.shape


def test_gradient_of_a_number_is_a_0d_array():
    x = tg.Tensor(2.0, requires_grad=True)
    for _ in range(2):
        (x * x).backward()
        assert type(x.grad) is np.ndarray
    assert x.grad.shape == ()


def test_gradient_of_an_unused_leaf_is_none(a, b):
    (a * 2).sum().backward()
    assert b.grad is None


def test_gradient_of_a_constant_is_none(a):
    c = tg.Tensor(B)
    (a * c).sum().backward()
    assert c.grad is None


def test_gradients_accumulate_over_losses(a):
    (a * 2).sum().backward()
    (a * 3).sum().backward()
    assert (a.grad == 5).all()


def test_second_backward_accumulates_again(a):
    loss = (a * a).sum()
    loss.backward()
    loss.backward()
    laws.near(a.grad, 4 * A, 1e-15)


def test_zero_grad_forgets(a):
    a.sum().backward()
    a.zero_grad()
    assert a.grad is None


def test_leaf_may_be_its_own_loss():
    x = tg.Tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad == 1.0


def test_backward_from_a_starting_gradient(a):
    (a * B).backward(B)
    laws.near(a.grad, B * B, 1e-15)


@pytest.mark.parametrize("gradient", [[1, 2], np.array([1, 2]), tg.Tensor([1.0, 2.0])], ids=repr)
def test_starting_gradient_may_be_anything_like_an_array(gradient):
    x = tg.Tensor([3.0, 4.0], requires_grad=True)
    (x * x).backward(gradient)
    assert x.grad.tolist() == [6.0, 16.0]


@pytest.mark.parametrize("dtype", ["<f8", ">f8", ">f4", "f2", "g"])
def test_number_of_any_float_type_is_its_own_gradient_s_start(dtype):
    x = tg.Tensor(np.array(3.0, dtype), requires_grad=True)
    x.backward()
    assert (x.grad, x.grad.dtype) == (1.0, np.dtype(dtype).newbyteorder("="))


def test_retained_gradient_of_an_intermediate_result(a):
    y = (a * 2).retain_grad()
    (y * y).sum().backward()
    laws.near(y.grad, 4 * A, 1e-15)
    laws.near(a.grad, 8 * A, 1e-15)


def test_the_gradient_of_a_computed_tensor_is_none_and_says_so(a):
    W = a
    (W * W).sum().backward()
    W = W - 0.1 * W.grad  # no leaf any more
    (W * W).sum().backward()
    with pytest.warns(UserWarning, match=r"subtract was computed.*retain_grad\(\).*W\.data -= "):
        assert W.grad is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tg.Tensor(A).grad is None
        assert tg.Tensor(A, requires_grad=True).grad is None
        assert (tg.Tensor(A) * 2).grad is None
        assert (a * 2).retain_grad().grad is None


def test_retained_gradients_accumulate(a):
    y = (a * 2).retain_grad()
    for _ in range(2):
        y.sum().backward()
    assert (y.grad == 2).all()


def test_retained_gradient_of_the_loss_itself(a):
    loss = a.sum().retain_grad()
    loss.backward()
    assert loss.grad == 1.0


def test_retaining_where_there_is_no_gradient_is_refused():
    with pytest.raises(GradientError, match="c does not require a gradient"):
        tg.Tensor(1.0, name="c").retain_grad()


def test_stop_gradient_stops_one_path(a):
    (a * tg.stop_gradient(a)).sum().backward()
    laws.near(a.grad, A, 1e-15)


def test_condition_gets_no_gradient(a, b):
    tg.where(a, b, 0.0).sum().backward()
    assert a.grad is None
    assert (b.grad == 1).all()


def test_number_that_is_indexed_and_used_otherwise():
    x = tg.Tensor(2.0, requires_grad=True)
    part = x[None]
    (part.sum() + x * x).backward()
    assert x.grad == 5.0


# --- nothing is shared, nothing is written into -------------------------------------------------


def share(x, y):
    return x + y


def passes_on(x, y):
    return (x.reshape(3, 2).T.T.reshape(2, 3) - y[:]) * 1.0


def many(x, y):
    z = tg.concatenate([x, y], axis=1)
    return (
        tg.tanh(z[:, :3] + z[:, 3:]) @ tg.sigmoid(y).T
        + tg.max(x * y)
        + tg.norm(x, axis=0).sum()
        + x[[0, 0], [1, 1]]
    )


def products(x, y):
    return y[:, :2] @ x + x[:, :2] @ y


@pytest.mark.parametrize("program", [share, passes_on, many, products])
def test_gradients_share_memory_with_nothing(a, b, program):
    y = program(a, b)
    start = np.ones(y.shape)
    y.backward(start)
    held = [a.grad, b.grad, start, a.data, b.data, y.data]
    for k, one in enumerate(held[:2]):
        assert not any(np.shares_memory(one, other) for other in held[k + 1 :])


@pytest.mark.parametrize("program", [share, passes_on, many, products])
def test_program_run_twice_gives_the_same(program):
    xs = [A.copy(), B.copy()]

    def run():
        leaves = [tg.Tensor(x, requires_grad=True) for x in xs]
        y = program(*leaves)
        start = np.ones(y.shape)
        y.backward(start)
        y.backward(start)
        assert (start == 1).all()
        return [y.numpy(), *(leaf.grad for leaf in leaves)]

    first = run()
    copies = [each.copy() for each in first]
    second = run()
    for one, copy, other in zip(first, copies, second, strict=True):
        assert np.array_equal(one, copy)
        assert np.array_equal(one, other)
    assert np.array_equal(xs[0], A)


def test_kept_gradient_written_into_changes_no_leaf_s(a, b):
    both = (a + b).retain_grad()
    (both * 2.0 + both).sum().backward()
    both.grad[:] = 99
    assert (a.grad == 3.0).all() and (b.grad == 3.0).all()


def test_gradient_written_into_changes_nothing_else(a, b):
    loss = (a + b).sum()
    loss.backward()
    a.grad[:] = 99
    assert (b.grad == 1).all()
    b.grad = None
    loss.backward()
    assert (b.grad == 1).all()


@pytest.mark.parametrize(
    "program",
    [
        lambda x, i: x[i], lambda x, i: tg.gather(x, index=i), lambda x, i: tg.getitem(x, i),
        lambda x, i: tg.scatter_add(x, index=i, shape=(4,)), lambda x, i: x * i,
        lambda x, i: tg.where(i > 0, x, 0.0), lambda x, i: x[(i,)],
        lambda x, i: tg.gather(x, index=(i,)),
    ],
)  # fmt: skip
def test_array_that_an_operation_took_may_change_afterwards(program):
    index = np.array([0, 2, 1])
    x = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    expected = tg.grad(program(x, index.copy()), x, laws.draw(program(x, index).shape)).data
    y = program(x, index)
    index[:] = 0
    y.backward(laws.draw(y.shape))
    assert np.array_equal(x.grad, expected)


def test_gradient_of_another_shape_is_never_broadcast(a):
    a.grad = np.ones((1, 3))
    with pytest.raises(ShapeError, match=r"gradient of a has shape \(1, 3\), expected \(2, 3\)"):
        a.sum().backward()
    assert a.grad.shape == (1, 3)


def test_repeated_places_are_refused_where_they_would_overwrite():
    with pytest.raises(UsageError, match="scatter_add"):
        tg.scatter(tg.Tensor([1.0, 2.0]), index=np.array([0, 0]), shape=(3,))


COPIES = {"copy": shallow, "deepcopy": deepcopy,
          "pickle": lambda t: pickle.loads(pickle.dumps(t))}  # fmt: skip


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_leaf_is_a_leaf_of_its_own(how):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    x.grad = np.array([5.0, 6.0])
    y = COPIES[how](x)
    assert (y.name, y.requires_grad, y.tolist()) == ("x", True, [1.0, 2.0])
    x.grad[0] = 7.0
    np.testing.assert_array_equal(y.grad, [5.0, 6.0])
    x.grad = y.grad = None
    y.data = [3.0, 4.0]
    (x * y).sum().backward()
    np.testing.assert_array_equal(x.grad, [3.0, 4.0])
    np.testing.assert_array_equal(y.grad, [1.0, 2.0])


@pytest.mark.parametrize("how", COPIES)
def test_what_was_computed_is_not_copied_off_the_tape(how):
    y = tg.Tensor([1.0, 2.0], requires_grad=True, name="x") * 2
    with pytest.raises(UsageError, match=r"hadamard was computed.*\.detach\(\)"):
        COPIES[how](y)
    np.testing.assert_array_equal(COPIES[how](y.detach()).data, [2.0, 4.0])


def test_a_copy_of_the_data_is_an_ordinary_array():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    mine = same = x.data.copy()
    mine -= 1.0
    for row in [mine[:1]]:
        row *= 10.0
    assert same is mine
    np.testing.assert_array_equal(same, [0.0, 1.0])
    np.testing.assert_array_equal(x.data, [1.0, 2.0])
    x.data /= 2.0
    assert repr(x.data) == "array([0.5, 1. ])"


def test_gradients_are_kept_while_other_threads_ask_for_theirs():
    faults = []

    def work():
        try:
            for _ in range(200):
                y = (tg.Tensor([1.0, 2.0], requires_grad=True) * 2.0).retain_grad()
                y.sum().backward()
                assert y.grad.tolist() == [1.0, 1.0]
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert faults == []


def test_masked_arrays_do_not_take_a_tensor_off_the_tape():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(DetachError, match=r"x.*\.detach\(\)"):
        np.ma.array([1.0, 2.0]) * x


def test_an_unknown_keyword_is_named():
    with pytest.raises(UsageError, match="'foo'; it takes data, requires_grad"):
        tg.Tensor(1.0, foo=1)


# --- classes derived from Tensor ----------------------------------------------------------------


class Parameter(tg.Tensor):
    """Adds attributes and no behaviour."""


class Made(tg.Tensor):
    """Takes other arguments, and has a slot of its own."""

    __slots__ = ("tag",)

    def __init__(self, data):
        super().__init__(data, requires_grad=True)


USING = {
    "unary": tg.tanh, "operator": lambda t: t + 1, "reflected": lambda t: 2.0 * t,
    "both": lambda t: t * t, "with a Tensor": lambda t: tg.Tensor(A) * t,
    "array": lambda t: B * t, "numpy": np.exp, "index": lambda t: t[0], "matmul": lambda t: t @ t.T,
    "join": lambda t: tg.concatenate([t, t]), "sum": lambda t: t.sum(axis=0),
    "softmax": tg.softmax, "where": lambda t: tg.where(t > 0, t, 0.0), "power": lambda t: t**2,
    "negative": lambda t: -t, "iteration": lambda t: sum(t), "gather": lambda t: t[[0, 0]],
}  # fmt: skip


@pytest.mark.parametrize("kind", [lambda a: Parameter(a, requires_grad=True), Made])
@pytest.mark.parametrize("fn", USING.values(), ids=USING.keys())
def test_derived_class_goes_through_functions_as_a_tensor(kind, fn):
    x, t = kind(A), tg.Tensor(A, requires_grad=True)
    for each in (x, t):
        y = fn(each)
        y.backward(laws.draw(y.shape))
    np.testing.assert_array_equal(x.grad, t.grad)
    slope = tg.grad(fn(x).sum(), x, create_graph=True)
    assert slope.shape == x.shape


@pytest.mark.parametrize(
    "copied",
    [shallow, deepcopy, *[lambda t, n=n: pickle.loads(pickle.dumps(t, n)) for n in range(6)]],
)
def test_copy_keeps_class_attributes_and_slots(copied):
    one, other = Parameter(A, requires_grad=True, name="p"), Made(A)
    one.group, other.tag = "g", "t"
    twin, other_twin = copied(one), copied(other)
    assert (type(twin), twin.group, twin.name, twin.requires_grad) == (Parameter, "g", "p", True)
    assert (type(other_twin), other_twin.tag) == (Made, "t")
    np.testing.assert_array_equal(twin.data, A)


# --- threads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [
        lambda xs: (xs[0] + xs[1] + xs[2]).sum(), lambda xs: sum(x.sum() for x in xs),
        lambda xs: tg.stack(xs).sum(),
    ],
)  # fmt: skip
def test_threads_that_share_leaves_lose_no_gradient(loss):
    leaves = [tg.Tensor(np.zeros(2), requires_grad=True) for _ in range(3)]

    def work():
        for _ in range(100):
            loss(leaves).backward()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(interval)
    assert [each.grad.tolist() for each in leaves] == [[800.0, 800.0]] * 3


def test_signal_that_comes_while_gradients_are_added_may_add_some_itself():
    x = tg.Tensor([1.0], requires_grad=True)

    class Nested:
        def __array__(self, dtype=None, copy=None):
            y.grad = None
            (y * 5).sum().backward()
            return np.ones(1)

    y = tg.Tensor([1.0], requires_grad=True)
    x.grad = Nested()
    (x * y).sum().backward()
    assert x.grad.tolist() == [2.0] and y.grad.tolist() == [6.0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_child_process_adds_gradients_though_another_thread_was_adding():
    x, inside, leave = tg.Tensor([1.0], requires_grad=True), threading.Event(), threading.Event()

    class Slow:
        def __array__(self, dtype=None, copy=None):
            inside.set()
            leave.wait(30)
            return np.ones(1)

    other = tg.Tensor([1.0], requires_grad=True)
    other.grad = Slow()
    thread = threading.Thread(target=other.sum().backward)
    thread.start()
    assert inside.wait(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        x.sum().backward()
        os._exit(0)
    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0 and other.grad.tolist() == [2.0]


# --- masks and gradients set by hand ------------------------------------------------------------

MASKED = np.ma.array([1.0, 2.0], mask=[False, True])


@pytest.mark.parametrize("masked", [MASKED, [1.0, np.ma.masked]], ids=repr)
@pytest.mark.parametrize(
    "use",
    [
        tg.Tensor, lambda m: tg.Tensor([m, m]), lambda m: tg.Tensor([1.0, 2.0], True) * m,
        lambda m: tg.where(tg.Tensor([1.0, 2.0]) > 1, m, tg.Tensor([1.0, 2.0], True)),
        lambda m: (tg.Tensor([1.0, 2.0], True) * 2).backward(m),
        lambda m: setattr(tg.Tensor([1.0, 2.0]), "data", m),
        lambda m: tg.Tensor([1.0, 2.0], True)[m],
    ],
)  # fmt: skip
def test_masked_array_is_refused_wherever_an_array_is_taken(use, masked):
    with pytest.raises(tg.DTypeError, match=r"found a masked array.*filled"):
        use(masked)


@pytest.mark.parametrize("grad", ["no", np.ones(2, complex), [None, None], MASKED], ids=repr)
def test_gradient_that_is_none_is_refused_before_any_is_added(grad):
    x, y = tg.Tensor([1.0, 2.0], True, name="x"), tg.Tensor([1.0, 2.0], True, name="y")
    y.grad = grad
    with pytest.raises((tg.DTypeError, ShapeError), match="gradient of y"):
        (x + y).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("condition", [np.array([True, False]), np.array([1.0, 0.0])])
@pytest.mark.parametrize("number", [0.5, 2, -np.inf, np.float64(0.25)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_to_choose_takes_the_type_of_what_stands_beside_it(condition, number, dtype):
    x = tg.Tensor([3.0, 4.0], requires_grad=True, dtype=dtype)
    truth = constant(condition, name="mask")
    for y, expected in (
        (tg.where(truth, x, number), [3.0, number]),
        (tg.where(truth, number, x), [number, 4.0]),
    ):
        np.testing.assert_array_equal(y.data, expected)
        assert y.dtype == np.result_type(dtype, number if isinstance(number, np.generic) else dtype)
