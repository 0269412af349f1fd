"""Holds the cells to the layers: a cell taken step by step is its layer."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.network.signals import Signals
from tinygrad_lstm.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

T, B, IN, H = 4, 3, 3, 2

PAIRS = {
    "LSTM": (LSTM, LSTMCell, {}),
    "LSTM, peepholes": (LSTM, LSTMCell, dict(peephole=True)),
    "LSTM, projected": (LSTM, LSTMCell, dict(proj_size=1, activation="sin")),
    "GRU": (GRU, GRUCell, {}),
    "GRU, reset before": (GRU, GRUCell, dict(reset_after=False)),
    "RNN": (RNN, RNNCell, dict(activation="relu")),
}


@pytest.mark.parametrize(("layer", "cell", "more"), PAIRS.values(), ids=PAIRS.keys())
@pytest.mark.parametrize("batch", [(), (B,)], ids=["alone", "batch"])
def test_a_cell_taken_step_by_step_is_its_layer(layer, cell, more, batch):
    layer, cell = layer(IN, H, seed=1, **more), cell(IN, H, seed=1, **more)
    x, state, outs = laws.draw((T, *batch, IN)), None, []
    for k in tg.steps(T):
        state = cell(x[k], state)
        outs.append(state[0] if isinstance(state, tuple) else state)
    out, last = layer(x)
    for each, other in zip((tg.stack(outs), state), (out, last), strict=True):
        pairs = [(each, other)] if isinstance(each, tg.Tensor) else zip(each, other, strict=True)
        for one, expected in pairs:
            laws.near(one.data, expected.data, 1e-15)
    out.sum().backward()
    tg.stack(outs).sum().backward()
    for one, expected in zip(cell.parameters(), layer.parameters(), strict=True):
        laws.near(one.grad, expected.grad, 1e-14)


def test_signals_of_a_cell_carry_the_callers_step():
    cell, state = GRUCell(IN, H, name="cell"), None
    for k in tg.steps(2):
        state = cell(laws.draw((2, IN))[k], state)
    names = set(Signals(state).by_name)
    assert {"cell.W.r", "cell[0].out[-1]", "cell[0].out", "cell[1].s_n", "cell[1].out"} <= names


def test_a_cell_prints_its_card():
    assert str(RNNCell(IN, H)).splitlines()[:3] == [
        "rnncell: RNNCell, 3 features to 2",
        "  s   = x(k) W + b + out(k-1) U",
        "  out = tanh(s)",
    ]


def test_a_given_tensor_stays_what_it_is():
    start = tg.Tensor(np.ones(H), requires_grad=True, name="h")
    names = Signals(RNNCell(IN, H)(np.ones(IN), start)).by_name
    assert "h" in names
    assert "rnncell.out[-1]" not in names
