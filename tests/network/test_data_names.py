"""Holds the names of data to what the data are used for, and equal data to one name."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.network.condense import condense
from tinygrad_lstm.network.data_names import share_data

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))
CLASSES = np.eye(2)[[0, 1, 1, 0, 1]]
W3 = RNG.normal(size=(3, 2))
MASK = np.array([[1.0], [1.0], [0.0], [1.0], [0.0]])


def leaf(*shape: int, name: str) -> tg.Tensor:
    return tg.Tensor(RNG.normal(size=shape), requires_grad=True, name=name)


def recurrence(scale: float = 1.0) -> tg.Tensor:
    W, V, h, loss = leaf(3, 2, name="W"), leaf(3, 2, name="V"), np.zeros(2), 0.0
    for k in tg.steps(5):
        h = tg.tanh(X[k] @ W + h) * tg.sigmoid(X[k] @ V)
        loss = loss + tg.sum((h * scale - T[k]) ** 2)
    return loss


def data_of(loss: tg.Tensor) -> list[str]:
    network = condense(tg.graph(loss))
    network = share_data(network.fold() if network.loops else network)
    sources = [x for x in network.nodes if x.kind is Kind.CONSTANT]
    values = [network.wires[x.outputs[0]].value for x in sources]
    return sorted(x.name for x, v in zip(sources, values, strict=True) if np.ptp(v) > 0)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda W: tg.sum((X @ W - T) ** 2), ["t", "x"]),
        (lambda W: tg.sum((T - X @ W) ** 2) * 0.5, ["t", "x"]),
        (lambda W: -tg.sum(CLASSES * tg.log_softmax(X @ W)), ["t", "x"]),
        (lambda W: tg.sum(MASK * tg.tanh(X @ W)), ["m", "x"]),
        (lambda W: tg.sum(tg.tanh((X @ W - T) @ W.T) ** 2), ["x", "x_2"]),  # read by a layer
        (lambda W: tg.sum(tg.sigmoid(X @ W) * tg.tanh(X @ W) - T), ["t", "x"]),
        (lambda W: tg.sum((X @ W + T) ** 2), ["x", "x_2"]),
        (lambda t: tg.sum((X @ t - T) ** 2), ["target", "x"]),
    ],
)
def test_data_are_called_for_their_use(make, names):
    name = make.__code__.co_varnames[0]
    assert data_of(make(leaf(3, 2, name=name))) == names


def test_an_array_that_steps_read_twice_is_one():
    assert data_of(recurrence()) == ["t", "x"]


@pytest.mark.parametrize("make", [recurrence, lambda: tg.sum((X @ leaf(3, 2, name="W") - T) ** 2)])
def test_the_network_stays_the_same(make):
    network = condense(tg.graph(make()))
    network = network.fold() if network.loops else network
    before, after = (x.adjoint().evaluate() for x in (network, share_data(network)))
    assert before.keys() == after.keys()
    for name, value in before.items():
        laws.near(after[name], value, 1e-14)


def states(start, second) -> int:
    """Return how many delays there are of a state that is used twice, and of the state before."""
    U, V, S = (leaf(2, 2, name=name) for name in "UVS")
    last, also, before = np.full(2, start), np.full(2, second), np.zeros(2)
    loss = 0.0
    for k in tg.steps(5):
        h = tg.tanh(X[k] @ W3 + last @ U + also @ V + before @ S)
        last, also, before = h, h, last
        loss = loss + tg.sum(h * h)
    network = share_data(condense(tg.graph(loss)).fold())
    gradients = network.adjoint().evaluate()
    for x, right in zip((U, V, S), tg.grad(loss, [U, V, S]), strict=True):
        laws.near(gradients[f"δ{x.name}"], right.numpy(), 1e-13)
    return sum(x.kind is Kind.DELAY for x in network.nodes)


@pytest.mark.parametrize(("start", "second", "delays"), [(0.0, 0.0, 2), (0.0, 0.5, 3)])
def test_a_state_has_one_delay_for_each_start(start, second, delays):
    assert states(start, second) == delays
