"""What is applied to a whole sequence is moved into the loop only where each step is made alone."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import holds
from tinygrad_lstm.engine.primitives import TABLE
from tinygrad_lstm.engine.steps import along_axes, of_join, of_part, of_transpose

T, B, N, H = 4, 2, 3, 3
mean = TABLE["average"]


def leaf(name, *shape):
    rng = np.random.default_rng(len(name) + sum(shape))
    return tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)


def recurrence(net):
    """Return the loss of h(k) = tanh(net(k) + h(k-1) U)."""
    h, U, out = tg.Tensor(np.zeros(net.shape[1:]), name="h"), leaf("U", net.shape[-1], H), []
    for k in tg.steps(len(net)):
        h = tg.tanh(net[k] + h @ U)
        h.name = "h"
        out.append(h)
    return tg.sum(tg.stack(out) ** 2)


BEFORE = {
    "a matrix for all steps": (lambda x: x @ leaf("w", N, H), True),
    "a matrix for each step": (lambda x: x @ leaf("w", T, N, H), False),
    "all of the last axis": (lambda x: x[..., ::-1], True),
    "all of the steps by an index that begins with …": (lambda x: x[..., ::-1, :, :], False),
    "a mean of each step": (
        lambda x: TABLE["average"](x, axis=-1, keepdims=True) * np.ones(H),
        True,
    ),
    "a sum over the steps": (lambda x: x[:, :] + tg.sum(x, axis=0), True),
}


@pytest.mark.parametrize(("before", "moves"), BEFORE.values(), ids=BEFORE)
def test_what_comes_before_a_loop_keeps_its_gradient(before, moves):
    x = leaf("x", T, B, N)
    loss = recurrence(before(x))
    network = tg.graph(loss).fold()
    taps = {node.stem for node in network.nodes if node.kind == "tap"}
    assert ("x" in taps) == moves
    expected = tg.grad(loss, x).numpy()
    np.testing.assert_allclose(network.adjoint().evaluate()["δx"], expected, rtol=1e-12)


ORDERS = {"as recorded": (0, 1, 2, 3), "backwards": (3, 2, 1, 0), "mixed": (2, 0, 3, 1)}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_the_steps_of_a_function_are_those_that_the_loop_reads(order, axis):
    """Along the first axis the function moves into the loop; along another it stays before it."""
    x, W = leaf("x", T, T, H), leaf("W", H, H)
    y, h = tg.tanh(x) * 2, np.zeros((T, H))
    for k in tg.steps(T):
        h = tg.tanh((y[order[k]] if axis == 0 else y[:, order[k]]) + h @ W)
    loss = tg.sum(h**2)
    network = tg.graph(loss).fold()
    (tap,) = [node for node in network.nodes if node.kind == "tap"]
    assert (tap.stem == "x") == (axis == 0)
    assert np.isclose(next(iter(network.evaluate().values())), loss.numpy(), rtol=1e-12)
    expected = tg.grad(loss, x).numpy()
    np.testing.assert_allclose(network.adjoint().evaluate()["δx"], expected, rtol=1e-12)


def test_a_batch_of_matrices_is_not_one_matrix_for_all_steps():
    steps = TABLE["matmul"].steps
    assert steps([(T, B, N), (N, H)], (T, B, H), {}) == ([True, False], {})
    assert steps([(T, B, N), (T, N, H)], (T, B, H), {}) is None
    assert steps([(T,), (T, H)], (H,), {}) is None


def test_an_index_for_every_axis_takes_the_steps_too():
    whole = slice(None)
    assert of_part([(T, B, N)], (T, B), {"index": (..., 0)}) == ([True], {"index": (..., 0)})
    assert of_part([(T, B, N)], (T, B, N), {"index": (..., whole, whole, whole)}) is None
    assert of_part([(T, B, N)], (T, N), {"index": (whole, 0)}) == ([True], {"index": (0,)})


def test_the_axis_of_the_steps_is_left_alone():
    assert along_axes([(T, B, N)], (T, N), {"axis": 1}) == ([True], {"axis": 0})
    assert along_axes([(T, B, N)], (T,), {"axis": (1, -1)}) == ([True], {"axis": (0, 1)})
    assert along_axes([(T, T)], (T,), {"axis": 0}) is None
    assert of_join([(T, B), (T, B)], (T, 2 * B), {"axis": -1}) == ([True] * 2, {"axis": 0})
    assert of_join([(T, B), (T, B)], (2 * T, B), {}) is None
    assert of_transpose([(T, B, N)], (T, N, B), {"axes": (0, 2, 1)}) == ([True], {"axes": (1, 0)})
    assert of_transpose([(T, T)], (T, T), {"axes": (1, 0)}) is None


def test_a_map_without_a_rule_is_tried_at_each_step():
    assert TABLE["pad"].steps([(T, B)], (T, B + 1), {"pad_width": ((0, 0), (0, 1))}) is None
    assert TABLE["average"].steps([(T, B, N)], (T, B), {"axis": -1}) == ([True], {"axis": -1})
    assert TABLE["average"].steps([(T, B, N)], (T, N), {"axis": 1}) is None


AFTER = {
    "less its mean": lambda h: h - tg.mean(h, axis=-1, keepdims=True),
    "over its norm": lambda h: h / tg.norm(h, axis=-1, keepdims=True),
    "normalized": tg.nn.LayerNorm(H),
    "its softmax, used twice": lambda h: tg.softmax(h) * h + tg.softmax(h),
    "a dense layer around": lambda h: h + tg.tanh(tg.nn.Dense(H, H, "sigmoid", seed=0)(h) * h),
}


@pytest.mark.parametrize("after", AFTER.values(), ids=AFTER)
def test_what_uses_a_sequence_in_several_ways_is_moved_into_its_one_loop(after):
    rnn, x = tg.nn.RNN(N, H, seed=0), leaf("x", T, B, N)
    loss = tg.sum(after(rnn(x)[0]) ** 2)
    network = tg.graph(loss).fold()
    assert len({node.loop for node in network.nodes if node.folded}) == 1
    expected = tg.grad(loss, [x, *rnn.parameters()])
    found = network.adjoint().evaluate()
    for leaf_, gradient in zip(["x", "rnn.W", "rnn.U", "rnn.b"], expected, strict=True):
        np.testing.assert_allclose(found[f"δ{leaf_}"], gradient.numpy(), rtol=1e-10, atol=1e-12)


def states(net, steps):
    """Return all h(k) = tanh(net(k) + h(k-1)), over steps in some order, the earliest first."""
    h, out = np.zeros(net.shape[1:]), {}
    for k in tg.steps(steps):
        h = out[k] = tg.tanh(net[k] + h)
    return tg.stack([out[k] for k in sorted(out)])


def matrices(x):
    """Return the product of all states of a matrix and of the last state."""
    h, out = np.zeros((H, H)), []
    for k in tg.steps(T):
        h = tg.tanh(x[k] + h)
        out.append(h)
    return tg.stack(out) @ h


SEVERAL = {
    "a sequence that was not collected, times one that was": (H, lambda x: x @ states(x, range(H))),
    "backwards and forwards": (
        H,
        lambda x: states(x, range(H)) * states(tg.sin(x), range(H - 1, -1, -1)),
    ),
    "a sequence and the last of it": (T, matrices),
}


@pytest.mark.parametrize(("count", "program"), SEVERAL.values(), ids=SEVERAL)
def test_what_depends_on_several_sequences_keeps_its_value_and_gradient(count, program):
    x = leaf("x", T, H, H) if count == T else leaf("x", H, H)
    loss = tg.sum(program(x) ** 2)
    holds(loss, tg.graph(loss).fold())


def test_sequences_of_other_steps_meet_outside_of_their_loops():
    """Inside of a loop, step k of one would be written as step k of the other."""
    x = leaf("x", H, H)
    y = states(x, range(2)) * states(tg.sin(x), range(1, 3))
    loss = tg.sum(y**2)
    network = tg.graph(loss).fold()
    holds(loss, network)
    products = [node for node in network.nodes if node.stem == "hadamard"]
    assert len(products) == 1 and not products[0].folded
