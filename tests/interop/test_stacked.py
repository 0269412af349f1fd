"""Holds the layouts of courses to forward passes and gradients written in their own way."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import ArgumentError, ShapeError, UsageError

X = laws.draw((4, 2))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_columns(p, apart):
    """Return the outputs of an LSTM as Colah writes it: f, i, C, o of W [h; x] + b."""
    h, c, outputs = np.zeros((3, 1)), np.zeros((3, 1)), []
    for x in X[:, :, None]:
        stacked = np.concatenate([h, x])
        if apart:
            f, i, g, o = (p["W" + gate] @ stacked + p["b" + gate] for gate in "fiCo")
        else:
            f, i, g, o = np.split(p["W"] @ stacked + p["b"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h[:, 0])
    return np.stack(outputs)


def by_rows(p):
    """Return the outputs of an LSTM as CS231n writes it: i, f, o, g of x Wx + h Wh + b."""
    h, c, outputs = np.zeros(3), np.zeros(3), []
    for x in X:
        i, f, o, g = np.split(x @ p["Wx"] + h @ p["Wh"] + p["b"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


LAYOUTS = {
    "Colah": (dict(gates="fiCo", apart=True), lambda p: by_columns(p, True)),
    "one matrix": (dict(), lambda p: by_columns(p, False)),
    "CS231n": (dict(gates="ifog", order=None, columns=False), by_rows),
}
EVERY = pytest.mark.parametrize(("options", "run"), LAYOUTS.values(), ids=LAYOUTS.keys())


@EVERY
def test_their_forward_pass_gives_our_outputs(options, run):
    lstm = nn.LSTM(2, 3, seed=0)
    laws.near(run(interop.stacked(lstm, **options).weights()), lstm(X)[0].data, 1e-14)


@EVERY
def test_gradients_by_differences_in_their_layout_go_into_compare(options, run):
    lstm = nn.LSTM(2, 3, seed=0)
    layer = interop.stacked(lstm, **options)
    loss = tg.sum(lstm(X)[0] ** 2)
    p, hand = layer.weights(), {}
    for name, array in p.items():
        hand[name] = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            unit = np.zeros(array.shape)
            unit[place] = 1.0
            hand[name][place] = laws.central_difference(
                lambda at, name=name: (run({**p, name: at}) ** 2).sum(), (array,), (unit,)
            )
    assert tg.compare(loss, layer.read_gradients(hand), rtol=1e-8).ok
    renamed = {f"d{name}": np.squeeze(slope) for name, slope in hand.items()}
    assert tg.compare(loss, layer.read_gradients(renamed), rtol=1e-8).ok
    loss.backward()
    for name, slope in layer.gradients().items():
        laws.near(slope, hand[name], 1e-9)
    first = next(iter(hand))
    hand[first] = hand[first][::-1]
    report = tg.compare(loss, layer.read_gradients(hand), rtol=1e-8)
    assert not report.ok


def layers():
    yield nn.LSTM(2, 3, 2, bidirectional=True, seed=0), nn.LSTM(2, 3, 2, bidirectional=True), "ogfi"
    yield nn.LSTM(2, 3, bias=False, seed=0), nn.LSTM(2, 3, bias=False), "ogfi"
    yield nn.GRU(2, 3, bias=False, seed=0), nn.GRU(2, 3, bias=False), "zrh"
    yield nn.Dense(2, 3, bias=False, seed=0), nn.Dense(2, 3, bias=False), "fico"
    yield nn.LSTMCell(2, 3, seed=0), nn.LSTMCell(2, 3, seed=1), "aifo"
    yield nn.GRU(2, 3, seed=0), nn.GRU(2, 3, seed=1), "zrh"
    yield nn.RNN(2, 3, seed=0), nn.RNN(2, 3, seed=1), "h"
    yield nn.Dense(2, 3, seed=0), nn.Dense(2, 3, seed=1), "fico"


@pytest.mark.parametrize("order", ["hx", "xh", None])
@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_there_and_back(order, columns, apart):
    for one, other, gates in layers():
        options = dict(gates=gates, order=order, columns=columns, apart=apart)
        interop.stacked(other, **options).load(interop.stacked(one, **options).weights())
        for (name, was), (_, now) in zip(one.named_parameters(), other.named_parameters()):
            assert np.array_equal(was.data, now.data), name
        for parameter in one.parameters():
            parameter.grad = laws.draw(parameter.shape, 3)
        layer = interop.stacked(one, **options)
        back = layer.read_gradients(layer.gradients())
        assert len(back) == len(list(one.named_parameters()))
        for (name, was), found in zip(one.named_parameters(), back.values(), strict=True):
            assert np.array_equal(was.grad, found), name


def test_a_registered_layout_is_one_for_files(tmp_path):
    interop.register(interop.Stacked("ifog", None, columns=False, name="cs231n"))
    try:
        one, other = nn.LSTM(2, 3, seed=0), nn.LSTM(2, 3, seed=1)
        interop.save(one, tmp_path / "lstm.npz", layout="cs231n")
        assert set(np.load(tmp_path / "lstm.npz")) >= {"Wx", "Wh", "b"}
        interop.load(other, tmp_path / "lstm.npz", layout="cs231n")
        assert np.array_equal(one.W.data, other.W.data)
    finally:
        del interop.frameworks["cs231n"]


LSTM = nn.LSTM(2, 3, seed=0)
WRONG = {
    "letters": (lambda: interop.stacked(LSTM, "fizo").weights(), ArgumentError, "lstm: found gate"),
    "too few": (lambda: interop.stacked(LSTM, "fio").weights(), ArgumentError, "acgC, i, f, o"),
    "twice": (lambda: interop.stacked(LSTM, "ffio"), ArgumentError, "each letter once"),
    "order": (lambda: interop.stacked(LSTM, order="x"), ArgumentError, "stacked: order"),
    "a shape": (
        lambda: interop.stacked(LSTM).load({"W": np.ones((5, 12)), "b": np.ones(12)}),
        ShapeError, r"shape of W: found \(5, 12\), expected \(12, 5\)",
    ),
    "a projection": (
        lambda: interop.stacked(nn.LSTM(2, 3, proj_size=2)).weights(), UsageError, "a projection",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
