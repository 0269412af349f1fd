"""Holds Dense, Dropout and Sequential to plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine.tape import history
from tinygrad_lstm.nn import (
    GRU,
    LSTM,
    RNN,
    Dense,
    Dropout,
    GRUCell,
    LSTMCell,
    MemoryBlocks,
    RNNCell,
    Sequential,
)

T, B, IN, H, OUT = 5, 4, 3, 2, 2

# --- Dense and Sequential -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(IN,), (B, IN), (T, B, IN)], ids=str)
def test_dense_is_the_plain_product(shape):
    dense, x = Dense(IN, OUT, seed=1), laws.draw(shape)
    dense.b.data = [0.5, -0.5]
    laws.near(dense(x).data, x @ dense.W.data + [0.5, -0.5], 1e-15)


@pytest.mark.parametrize(
    "activation", [tg.tanh, "tanh", lambda z: tg.tanh(z)], ids=["primitive", "name", "function"]
)
def test_activation(activation):
    dense, x = Dense(IN, OUT, activation, seed=1), laws.draw((B, IN))
    laws.near(dense(x).data, np.tanh(x @ dense.W.data), 1e-15)


@pytest.mark.parametrize(("activation", "names"), [(None, ["y"]), ("sigmoid", ["y", "z"])])
def test_signals_of_dense_are_named(activation, names):
    y = Dense(IN, OUT, activation, name="d")(laws.draw((B, IN)))
    found = [each.label() for each in history([y]) if each.name in ("y", "z")]
    assert found == [f"d.{name}" for name in names]


def test_sequential_applies_in_turn():
    lstm, dense, x = LSTM(IN, H, seed=1), Dense(H, OUT, seed=2), laws.draw((T, B, IN))
    network = Sequential(lstm, tg.relu, dense)
    laws.near(network(x).data, np.maximum(lstm(x)[0].data, 0) @ dense.W.data, 1e-14)


# --- Dropout ------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_its_gradient_is_the_mask():
    x = tg.Tensor(np.ones((400, 400)), requires_grad=True)
    y = Dropout(0.25, seed=1)(x)
    assert set(np.unique(y.data)) == {0.0, 1 / 0.75}
    assert y.data.mean() == pytest.approx(1.0, rel=0.01)
    y.sum().backward()
    assert np.array_equal(x.grad, y.data)


def test_dropout_of_rate_0_or_in_use_hands_the_input_on():
    x = tg.Tensor(laws.draw((B, IN)))
    assert Dropout(0.0)(x) is x
    assert Dropout(0.5).eval()(x) is x


def test_dropout_keeps_the_type():
    assert Dropout(0.5, seed=0)(np.ones(3, np.float32)).dtype == np.float32


# --- initial values -----------------------------------------------------------------------------

MAKERS = {
    "Dense": lambda **more: Dense(IN, OUT, **more),
    **{
        kind.__name__: lambda kind=kind, **more: kind(IN, H, **more)
        for kind in (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell)
    },
    "stack": lambda **more: LSTM(IN, H, 2, bidirectional=True, initial="learned", **more),
    "MemoryBlocks": lambda **more: MemoryBlocks(IN, H, 2, peephole=True, **more),
}


def first(module):
    return module.parameters()[0].data


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
class TestInitialValues:
    def test_one_seed_gives_the_same(self, make):
        one, other = (make(seed=7).state_dict() for _ in range(2))
        assert all((one[name] == other[name]).all() for name in one)

    def test_other_seeds_give_others(self, make):
        assert (first(make(seed=7)) != first(make(seed=8))).all()

    def test_generator_goes_on(self, make):
        random = np.random.default_rng(7)
        assert (first(make(seed=random)) != first(make(seed=random))).all()

    def test_dtype(self, make):
        assert {p.dtype for p in make(dtype=np.float32).parameters()} == {np.dtype(np.float32)}

    def test_float32_stays(self, make):
        layer = make(dtype=np.float32)
        y = layer(laws.draw((B, IN)).astype(np.float32))
        y = y[0] if isinstance(y, tuple) else y
        y.sum().backward()
        assert {y.dtype, *(p.grad.dtype for p in layer.parameters())} == {np.dtype(np.float32)}
