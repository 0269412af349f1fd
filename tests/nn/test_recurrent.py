"""Holds the LSTM to a plain NumPy loop, and its gradients to the complex step of that loop."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine.tape import history
from tinygrad_lstm.nn import LSTM, Dense

T, B, IN, H, OUT = 5, 4, 3, 2, 2


# --- the same in plain NumPy --------------------------------------------------------------------


def sigma(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_loop(W, U, b, x, out, state):
    """Return the outputs at every step and the last state, gate after gate."""
    size, outs = U.shape[0], []
    W, U, b = ([each[..., g * size : (g + 1) * size] for g in range(4)] for each in (W, U, b))
    for k in range(len(x)):
        a, i, f, o = (
            act(x[k] @ W[g] + out @ U[g] + b[g])
            for g, act in enumerate((np.tanh, sigma, sigma, sigma))
        )
        state = i * a + f * state
        out = o * np.tanh(state)
        outs.append(out)
    return np.stack(outs), state


def network_by_loop(W, U, b, V, c, x, out, state, target):
    """Return ½ Σ of the errors of a sigmoid layer on the last output."""
    outs, _ = lstm_by_loop(W, U, b, x, out, state)
    return 0.5 * np.sum((sigma(outs[-1] @ V + c) - target) ** 2)


def start_of(batch):
    return laws.draw((*batch, H), 5), laws.draw((*batch, H), 6)


BATCHES = pytest.mark.parametrize("batch", [(), (B,), (1,)], ids=["alone", "batch", "batch of one"])


@pytest.fixture
def lstm():
    return LSTM(IN, H, seed=3)


# --- LSTM ---------------------------------------------------------------------------------------


@BATCHES
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from a state"])
def test_lstm_is_the_plain_loop(lstm, batch, given):
    x = laws.draw((T, *batch, IN))
    start = start_of(batch) if given else (np.zeros((*batch, H)),) * 2
    out, (out_n, state_n) = lstm(x, start if given else None)
    outs, last = lstm_by_loop(lstm.W.data, lstm.U.data, lstm.b.data, x, *start)
    laws.near(out.data, outs, 1e-14)
    laws.near(out_n.data, outs[-1], 1e-14)
    laws.near(state_n.data, last, 1e-14)


@BATCHES
def test_gradients_of_lstm_and_dense_are_the_complex_step(lstm, batch):
    dense = Dense(H, OUT, "sigmoid", seed=4)
    x, target = laws.draw((T, *batch, IN)), laws.draw((*batch, OUT), 1)
    leaves = [tg.Tensor(each, requires_grad=True) for each in (x, *start_of(batch))]
    out, _ = lstm(leaves[0], (leaves[1], leaves[2]))
    loss = tg.nn.squared_error(dense(out[-1]), target)
    loss.backward()
    tensors = [*lstm.parameters(), *dense.parameters(), *leaves]
    arrays = tuple(each.data for each in tensors)

    def by_loop(*arrays):
        return network_by_loop(*arrays, target)

    laws.near(loss.data, by_loop(*arrays), 1e-14)
    for k, each in enumerate(tensors):
        direction = laws.draw(each.shape, 7)
        alone = tuple(direction if j == k else None for j in range(len(tensors)))
        expected = laws.complex_step(by_loop, arrays, alone)
        laws.near(np.sum(each.grad * direction), expected, 1e-12)


def test_gradient_over_many_steps_of_a_batch_is_the_complex_step(lstm):
    """More rows come together than the cotangent of a weight stacks at once."""
    x = laws.draw((90, 7, IN))
    (lstm(x)[0] * laws.draw((90, 7, H), 1)).sum().backward()
    zeros = np.zeros((7, H))

    def by_loop(W, U, b):
        return np.sum(lstm_by_loop(W, U, b, x, zeros, zeros)[0] * laws.draw((90, 7, H), 1))

    directions = tuple(laws.draw(each.shape, 2) for each in lstm.parameters())
    found = sum(np.sum(p.grad * d) for p, d in zip(lstm.parameters(), directions, strict=True))
    arrays = tuple(p.data for p in lstm.parameters())
    expected = laws.complex_step(by_loop, arrays, directions)
    laws.near(found, expected, 1e-12)


def test_steps_may_be_taken_in_two_runs(lstm):
    x = laws.draw((T, B, IN))
    whole, (_, last) = lstm(x)
    first, state = lstm(x[:2])
    second, (_, last_again) = lstm(x[2:], state)
    laws.near(np.concatenate([first.data, second.data]), whole.data, 1e-15)
    laws.near(last_again.data, last.data, 1e-15)


def test_gradient_flows_through_the_state_of_two_runs(lstm):
    x = laws.draw((T, B, IN))
    lstm(x)[0][-1].sum().backward()
    whole = lstm.U.grad
    lstm.zero_grad()
    lstm(x[2:], lstm(x[:2])[1])[0][-1].sum().backward()
    laws.near(lstm.U.grad, whole, 1e-12)


def test_sequences_of_a_batch_do_not_meet(lstm):
    x = laws.draw((T, B, IN))
    together = lstm(x)[0].data
    alone = np.stack([lstm(x[:, n])[0].data for n in range(B)], axis=1)
    laws.near(together, alone, 1e-14)


@pytest.mark.parametrize(
    ("parameter", "shape"), [("W", (IN, 4 * H)), ("U", (H, 4 * H)), ("b", (4 * H,))]
)
def test_shape_of_a_parameter(lstm, parameter, shape):
    assert getattr(lstm, parameter).shape == shape


def test_gates_are_packed_in_the_order_a_i_f_o():
    b = LSTM(IN, H, forget_bias=2.5).b.data
    assert b.reshape(4, H)[:, 0].tolist() == [0.0, 0.0, 2.5, 0.0]


def test_signals_of_a_step_have_the_papers_names(lstm):
    _, (out_n, _) = lstm(laws.draw((T, IN)))
    labels = {each.label() for each in history([out_n], everything=True)}
    for k in range(T):
        assert {f"lstm.{name}[{k}]" for name in ("s", "a", "i", "f", "o", "state", "out")} <= labels
    assert {"lstm.W", "lstm.U", "lstm.b", "lstm.out[-1]", "lstm.state[-1]"} <= labels


def test_input_may_be_a_nested_list(lstm):
    assert lstm([[1, 2, 3]])[0].shape == (1, H)


def test_user_arrays_are_left_alone(lstm):
    x, start = laws.draw((T, B, IN)), start_of((B,))
    copies = [each.copy() for each in (x, *start)]
    lstm(x, start)[0].sum().backward()
    for each, copy in zip((x, *start), copies, strict=True):
        assert np.array_equal(each, copy)
