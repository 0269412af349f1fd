"""Layers as ONNX model files: held to onnxruntime, and what cannot be one."""

import sys

import numpy as np
import pytest

from support import laws
from support.peers import peer
from tinygrad_lstm import nn
from tinygrad_lstm.errors import ArgumentError, PackageError, UsageError
from tinygrad_lstm.interop import onnx_model, save_onnx

T, B, IN, H = 6, 4, 3, 5
LENGTHS = np.array([3, 6, 1, 4], np.int32)
NEAR = 2e-6  # float32: onnxruntime has no recurrent layers of float64
F = np.float32
STACKS = {
    "one layer": {},
    "two layers": dict(num_layers=2),
    "both directions": dict(bidirectional=True),
    "three layers, both directions, batch first": dict(
        num_layers=3, bidirectional=True, batch_first=True
    ),
}
CASES = {
    **{
        f"{kind.__name__}, {what}": (kind, more)
        for kind in (nn.LSTM, nn.GRU, nn.RNN)
        for what, more in STACKS.items()
    },
    **{f"peepholes, {what}": (nn.LSTM, dict(more, peephole=True)) for what, more in STACKS.items()},
    **{
        f"reset before, {what}": (nn.GRU, dict(more, reset_after=False))
        for what, more in STACKS.items()
    },
    "RNN of relu": (nn.RNN, dict(activation="relu")),
    "GRU of softplus": (nn.GRU, dict(activation="softplus")),
    "LSTM of identity and tanh": (
        nn.LSTM,
        dict(activation=("identity", "tanh"), bidirectional=True),
    ),
    "LSTM without biases": (nn.LSTM, dict(bias=False, num_layers=2, bidirectional=True)),
    "GRU without biases": (nn.GRU, dict(bias=False)),
    "LSTM as Gers'": (nn.LSTM, dict(activation=("4σ-2", "2σ-1"), bidirectional=True)),
}


def drawn(module):
    for seed, each in enumerate(module.parameters()):
        each.data = (0.5 * laws.draw(each.shape, seed)).astype(each.dtype)
    return module


def run(path, inputs):
    session = peer("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


@pytest.mark.parametrize(("kind", "more"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("lengths", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("states", [False, True], ids=["from zeros", "from a state"])
def test_onnxruntime_computes_what_the_layer_does(tmp_path, kind, more, lengths, states):
    onnx = peer("onnx")
    layer = drawn(kind(IN, H, dtype=F, seed=0, **more))
    path = save_onnx(layer, tmp_path / "layer.onnx", states=states, lengths=lengths)
    onnx.checker.check_model(str(path), full_check=True)
    count = layer.num_layers * (1 + layer.bidirectional)
    x = laws.draw((B, T, IN) if layer.batch_first else (T, B, IN)).astype(F)
    starts = [
        laws.draw((*([count] if count > 1 else []), B, size), 9 + n).astype(F)
        for n, size in enumerate(layer.equations.sizes)
    ]
    inputs = {"x": x}
    if states:
        inputs |= {f"{n}_0": each for n, each in zip(layer.equations.states, starts, strict=True)}
    if lengths:
        inputs["lengths"] = LENGTHS
    found = run(path, inputs)
    state = (tuple(starts) if len(starts) > 1 else starts[0]) if states else None
    out, last = layer(x, state, lengths=LENGTHS if lengths else None)
    last = last if isinstance(last, tuple) else (last,)
    assert list(found) == ["out", *(f"{name}_n" for name in layer.equations.states)]
    for each, there in zip((out, *last), found.values(), strict=True):
        laws.near(there, each.data, NEAR)


@pytest.mark.parametrize("activation", [None, "tanh", "sigmoid", "relu", "softplus", "exp"])
def test_layers_one_after_the_other(tmp_path, activation):
    net = drawn(
        nn.Sequential(
            nn.Dense(IN, 4, activation, dtype=F), nn.LSTM(4, H, 2, bidirectional=True, dtype=F),
            nn.Dropout(0.5), nn.GRU(2 * H, 3, dtype=F), nn.Dense(3, 2, dtype=F),
        )
    ).eval()  # fmt: skip
    peer("onnx")
    for steps, batch in ((T, B), (2, 7)):  # both are free
        x = laws.draw((steps, batch, IN)).astype(F)
        found = run(save_onnx(net, tmp_path / "net.onnx"), {"x": x})
        assert list(found) == ["out"]
        laws.near(found["out"], net(x).data, NEAR)


def test_a_layer_that_is_used_twice(tmp_path):
    peer("onnx")
    rnn = nn.RNN(IN, IN, dtype=F)
    net = drawn(nn.Sequential(rnn, rnn))
    x = laws.draw((T, B, IN)).astype(F)
    laws.near(run(save_onnx(net, tmp_path / "net.onnx"), {"x": x})["out"], net(x).data, NEAR)


def test_dense_layers_alone(tmp_path):
    peer("onnx")
    net = drawn(nn.Sequential(nn.Dense(IN, 4, "tanh"), nn.Dense(4, 2)))
    x = laws.draw((B, IN))
    found = run(save_onnx(net, tmp_path / "net.onnx"), {"x": x})
    laws.near(found["out"], net(x).data, 1e-12)


def test_float64_by_the_reference_evaluator():
    peer("onnx")
    from onnx.reference import ReferenceEvaluator

    for layer in (nn.LSTM(IN, H, peephole=True), nn.GRU(IN, H), nn.RNN(IN, H)):
        x = laws.draw((T, B, IN))
        found = ReferenceEvaluator(onnx_model(drawn(layer))).run(None, {"x": x})
        laws.near(found[0], layer(x)[0].data, 1e-12)


def test_same_layer_is_the_same_bytes(tmp_path):
    peer("onnx")
    paths = [save_onnx(nn.LSTM(IN, H, 2, seed=0), tmp_path / f"{n}.onnx") for n in (1, 2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.LSTM(IN, H, proj_size=2), "lstm: ONNX has no layer with a projection"),
        (lambda: nn.MemoryBlocks(IN, 2, 2), "several cells in a block"),
        (lambda: nn.GRU(IN, H, activation="sin"), "the squashing function sin"),
        (lambda: nn.RNN(IN, H, initial="learned"), "initial states that are learned"),
        (lambda: nn.Dense(IN, H, "sin"), "the activation sin"),
        (lambda: nn.Sequential(nn.Dense(IN, H), np.tanh), "found <ufunc 'tanh'>, expected layers"),
        (lambda: nn.LSTMCell(IN, H), "found LSTMCell, expected layers"),
        (lambda: nn.Dropout(), "without parameters"),
        (lambda: 3, "found int, expected a layer"),
    ],
)
def test_what_onnx_has_not_is_refused(tmp_path, make, words):
    peer("onnx")
    with pytest.raises(UsageError, match=words):
        save_onnx(make(), tmp_path / "layer.onnx")
    assert not list(tmp_path.iterdir())


def test_arguments_that_cannot_be_meant(tmp_path):
    with pytest.raises(ArgumentError, match=r"suffix '\.npz', expected \.onnx"):
        save_onnx(nn.LSTM(IN, H), tmp_path / "lstm.npz")
    with pytest.raises(ArgumentError, match="for a layer over time, found Dense"):
        save_onnx(nn.Dense(IN, H), tmp_path / "dense.onnx", states=True)
    with pytest.raises(UsageError, match="lengths must be True or False"):
        save_onnx(nn.LSTM(IN, H), tmp_path / "lstm.onnx", lengths=[3])


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[onnx\]'"):
        save_onnx(nn.LSTM(IN, H), tmp_path / "lstm.onnx")
