"""Holds clipping to its equations and to PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm.errors import ArgumentError, GradientError, UsageError

GRADIENTS = [laws.draw((2, 3)), 5 * laws.draw((4,), 1), np.array(0.3)]


def with_gradients(gradients=GRADIENTS):
    params = [tg.Tensor(np.zeros(np.shape(g)), requires_grad=True, name="p") for g in gradients]
    for p, gradient in zip(params, gradients, strict=True):
        p.grad = gradient
    return params


@pytest.mark.parametrize("order", [2.0, 1.0, 3.5, 0.5, float("inf")])
@pytest.mark.parametrize("most", [0.0, 0.7, 1e3, float("inf")])
def test_clipping_by_norm_is_pytorchs(order, most):
    torch = peer("torch")
    params = with_gradients()
    theirs = [torch.zeros(np.shape(g), dtype=torch.float64) for g in GRADIENTS]
    for x, gradient in zip(theirs, GRADIENTS, strict=True):
        x.grad = torch.tensor(gradient)
    expected = torch.nn.utils.clip_grad_norm_(theirs, most, order)
    laws.near(tg.optim.clip_grad_norm_(params, most, order), expected.numpy(), 1e-14)
    for p, x in zip(params, theirs, strict=True):
        laws.near(p.grad, x.grad.numpy(), 1e-14)


def test_what_is_short_enough_stays_and_no_array_is_written_into():
    params = with_gradients()
    norm = tg.optim.clip_grad_norm_(params, 1e3)
    laws.near(norm, np.sqrt(sum((g**2).sum() for g in GRADIENTS)), 1e-15)
    assert all(p.grad is g for p, g in zip(params, GRADIENTS, strict=True))
    before = [g.copy() for g in GRADIENTS]
    tg.optim.clip_grad_norm_(params, 0.1)
    tg.optim.clip_grad_value_(params, 0.01)
    laws.near_all(GRADIENTS, before)


def test_clipping_by_value():
    params = with_gradients()
    tg.optim.clip_grad_value_(params, 0.5)
    for p, gradient in zip(params, GRADIENTS, strict=True):
        np.testing.assert_array_equal(p.grad, np.clip(gradient, -0.5, 0.5))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, float])
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_the_norm_has_room_where_the_squares_have_none(dtype, size):
    size = {np.float16: size ** (1 / 7.5), np.float32: size, float: size**10}[dtype]
    (p,) = with_gradients([np.array([3 * size, 4 * size], dtype)])
    expected = np.hypot(*p.grad.astype(float))
    laws.near(tg.optim.clip_grad_norm_([p], 0.0 if size < 1 else 1.0) / expected, 1.0, 1e-3)
    assert p.grad.dtype == dtype
    if size > 1:
        laws.near(p.grad, [0.6, 0.8], 1e-3)


def test_a_parameter_without_a_gradient_is_left_out():
    p, q = with_gradients(GRADIENTS[:2])
    q.grad = None
    laws.near(
        tg.optim.clip_grad_norm_((x for x in (p, q)), 1.0), np.linalg.norm(GRADIENTS[0]), 1e-15
    )
    assert q.grad is None
    assert tg.optim.clip_grad_norm_([q], 1.0) == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_changes_nothing(bad):
    params = with_gradients([GRADIENTS[0], np.array([1.0, bad])])
    with pytest.raises(GradientError, match=r"the norm of the gradients is .*none has changed"):
        tg.optim.clip_grad_norm_(params, 1.0)
    assert params[0].grad is GRADIENTS[0]


WRONG = {
    "a norm below 0": (lambda ps: tg.optim.clip_grad_norm_(ps, -1), ArgumentError, "max_norm"),
    "no number": (lambda ps: tg.optim.clip_grad_norm_(ps, "x"), UsageError, "max_norm"),
    "order 0": (lambda ps: tg.optim.clip_grad_norm_(ps, 1, 0), ArgumentError, "norm_type"),
    "no order": (lambda ps: tg.optim.clip_grad_norm_(ps, 1, "fro"), UsageError, "norm_type"),
    "a Tensor": (lambda ps: tg.optim.clip_grad_norm_(ps[0], 1), UsageError, "a list of parameters"),
    "no value": (lambda ps: tg.optim.clip_grad_value_(ps, None), UsageError, "clip_value"),
    "a value below 0": (lambda ps: tg.optim.clip_grad_value_(ps, -1), ArgumentError, "clip_value"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused(call, error, says):
    with pytest.raises(error, match=says):
        call(with_gradients())
