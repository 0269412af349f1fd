"""Holds grad and jvp to any order, in both directions, on Tensors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.errors import GradientError


@pytest.fixture
def x():
    return tg.Tensor([0.3, -0.8], requires_grad=True, name="x")


# --- grad ---------------------------------------------------------------------------------------


def test_grad_leaves_every_grad_alone(x):
    tg.grad((x * x).sum(), x)
    assert x.grad is None


def test_grad_of_one_input_is_a_tensor(x):
    assert tg.grad((x * x).sum(), x).tolist() == [0.6, -1.6]


@pytest.mark.parametrize("kind", [list, tuple])
def test_grad_of_several_inputs_is_a_tuple(x, kind):
    w = tg.Tensor(2.0, requires_grad=True)
    found = tg.grad((x * w).sum(), kind([x, w]))
    assert [each.tolist() for each in found] == [[2.0, 2.0], -0.5]


def test_grad_of_an_intermediate_result(x):
    y = tg.tanh(x)
    laws.near(tg.grad((y * y).sum(), y).data, 2 * y.data, 1e-15)


def test_grad_of_an_intermediate_result_and_of_what_it_came_from(x):
    y = x * 2
    assert [g.tolist() for g in tg.grad((y * y).sum(), [y, x])] == [[1.2, -3.2], [2.4, -6.4]]


def test_grad_of_an_input_asked_for_twice(x):
    a, b = tg.grad((3 * x).sum(), [x, x])
    assert (a.tolist(), b.tolist()) == ([3.0, 3.0], [3.0, 3.0])


def test_gradients_of_several_outputs_are_added(x):
    assert tg.grad([(2 * x).sum(), (3 * x).sum()], x).tolist() == [5.0, 5.0]


def test_output_is_its_own_input():
    x = tg.Tensor(2.0, requires_grad=True)
    assert tg.grad(x, x).item() == 1.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_grad_outputs_are_where_it_starts(x, create_graph):
    start = np.array([1.0, 10.0])
    found = tg.grad(x * x, x, start, create_graph=create_graph)
    laws.near(found.data, 2 * x.data * start, 1e-15)


def test_gradient_is_a_constant_unless_its_graph_is_asked_for(x):
    y = (x * x).sum()
    asked = [tg.grad(y, x, create_graph=each).requires_grad for each in (False, True)]
    assert asked == [False, True]


def test_unused_input_is_none_where_allowed(x):
    w = tg.Tensor(1.0, requires_grad=True)
    assert tg.grad(x.sum(), [w], allow_unused=True) == (None,)


def test_stopped_gradient_counts_as_unused(x):
    y = (tg.stop_gradient(x) * 2 * tg.Tensor(1.0, requires_grad=True)).sum()
    with pytest.raises(GradientError, match="do not depend on x"):
        tg.grad(y, x)


@pytest.mark.parametrize(
    ("order", "expected"), list(enumerate([16.0, 32.0, 48.0, 48.0, 24.0, 0.0]))
)
def test_derivative_of_any_order(order, expected):
    x = tg.Tensor(2.0, requires_grad=True)
    y = x**4
    for _ in range(order):
        y = tg.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(expected, rel=1e-14)


def test_tenth_derivative_of_the_exponential():
    x = y = tg.Tensor(0.5, requires_grad=True)
    y = tg.exp(2 * x)
    for _ in range(10):
        y = tg.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(2.0**10 * np.exp(1.0), rel=1e-13)


def test_gradient_of_a_gradient_reaches_grad(x):
    slope = tg.grad((x**3).sum(), x, create_graph=True)
    (slope * slope).sum().backward()
    laws.near(x.grad, 36 * x.data**3, 1e-14)


def test_second_derivative_through_the_starting_cotangent(x):
    start = tg.Tensor([1.0, 1.0], requires_grad=True)
    slope = tg.grad(x * x, x, start, create_graph=True)
    laws.near(tg.grad(slope.sum(), start).data, 2 * x.data, 1e-15)


def test_second_derivative_through_slices_and_shared_weights():
    W, x = (tg.Tensor(laws.draw((3, 3), k), requires_grad=True) for k in (1, 2))

    def slope(W):
        out = 0 * x[0]
        for k in range(3):
            out = tg.tanh(x[k] @ W + out @ W)
        return tg.grad(tg.sum(out * out), W, create_graph=True)

    v = laws.draw((3, 3), 3)
    reverse_over_reverse = tg.grad((slope(W) * v).sum(), W)
    forward_over_reverse = tg.jvp(slope, W, v)[1]
    laws.near(reverse_over_reverse.data, forward_over_reverse.data, 1e-12)


# --- jvp ----------------------------------------------------------------------------------------


def test_jvp_is_the_directional_derivative(x):
    output, tangent = tg.jvp(tg.tanh, x.detach(), np.array([1.0, 2.0]))
    y = np.tanh([0.3, -0.8])
    laws.near(output.data, y, 1e-15)
    laws.near(tangent.data, (1 - y * y) * [1.0, 2.0], 1e-15)


def test_jvp_of_several_arguments():
    assert tg.jvp(lambda a, b: a * b, (2.0, 3.0), (1.0, 10.0))[1].item() == 23.0


def test_jvp_of_several_outputs():
    outputs, tangents = tg.jvp(lambda a: (a * a, 3 * a), 2.0, 1.0)
    assert ([y.item() for y in outputs], [t.item() for t in tangents]) == ([4.0, 6.0], [4.0, 3.0])


@pytest.mark.parametrize(
    "fn", [lambda a: tg.Tensor(5.0) * 2, lambda a: tg.stop_gradient(a) * 2, tg.sign],
    ids=["constant", "stopped", "flat"],
)  # fmt: skip
def test_tangent_of_what_does_not_move_is_zero(fn):
    assert tg.jvp(fn, 2.0, 1.0)[1].item() == 0.0


def test_join_with_something_that_does_not_move():
    _, tangent = tg.jvp(lambda x: tg.stack([x, 7.0, -np.inf]), 2.0, 5.0)
    assert tangent.tolist() == [5.0, 0.0, 0.0]


def test_jvp_inside_no_grad_moves_and_records_nothing():
    with tg.no_grad():
        output, tangent = tg.jvp(lambda a: a * a, 3.0, 1.0)
    assert (tangent.item(), output.inputs, tangent.inputs) == (6.0, (), ())


def test_jvp_leaves_no_mode_behind():
    with tg.no_grad():
        with pytest.raises(ZeroDivisionError):
            tg.jvp(lambda a: 1 / 0, 3.0, 1.0)
        assert not (tg.Tensor(1.0, requires_grad=True) * 2).requires_grad


def test_tangent_can_be_differentiated_again():
    x = tg.Tensor(2.0, requires_grad=True)
    _, tangent = tg.jvp(lambda x: x**3, x, 1.0)
    assert tg.grad(tangent, x).item() == 12.0


def test_forward_over_forward():
    second = tg.jvp(lambda x: tg.jvp(lambda x: x**3, x, 1.0)[1], 2.0, 1.0)[1]
    assert second.item() == 12.0


def test_tangent_along_a_tensor_can_be_differentiated_by_it():
    v = tg.Tensor([1.0, 2.0], requires_grad=True)
    _, tangent = tg.jvp(lambda x: (x * x).sum(), np.array([3.0, 4.0]), v)
    assert tg.grad(tangent, v).tolist() == [6.0, 8.0]
