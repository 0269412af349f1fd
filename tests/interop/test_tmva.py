"""TMVA's layer strings: the networks they stand for, and what is wrong with a wrong one."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import ArgumentError, ShapeError, SignalError, UsageError

B = 4


def built(layout, **more):
    """Return what a network's layers are, by their names."""
    net = tg.interop.tmva.network(layout, seed=0, **more)
    return net, dict(net.children())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer(kind):
    net, layers = built(f"{kind}|10|30|5|0|1")
    (layer,) = layers.values()
    assert type(layer).__name__ == kind
    assert (layer.input_size, layer.hidden_size, layer.stateful) == (30, 10, False)
    assert net(np.ones((B, 5, 30))).shape == (B, 5, 10)


def test_flags_are_0_if_left_out():
    net, layers = built("LSTM|10|30|5")
    assert not layers["lstm"].stateful
    assert net(np.ones((B, 5, 30))).shape == (B, 1, 10)


def test_the_last_step_alone_feeds_on():
    whole, last = (tg.interop.tmva.network(f"LSTM|3|2|5|0|{flag}", seed=1) for flag in (1, 0))
    x = np.random.default_rng(0).normal(size=(B, 5, 2))
    assert np.array_equal(whole(x).data[:, -1:], last(x).data)


def test_state_is_remembered_until_it_is_reset():
    net, layers = built("GRU|3|2|5|1|1")
    x = np.ones((B, 5, 2))
    first, second = net(x).data, net(x).data
    assert np.abs(second - first).max() > 1e-3
    layers["gru"].reset_state()
    assert np.array_equal(net(x).data, first)


def test_a_gru_s_reset_gate_is_before_unless_it_is_said_to_be_after():
    x = np.ones((B, 5, 2))
    for layout, is_after in (("GRU|3|2|5|0|1", False), ("GRU|3|2|5|0|1|1", True)):
        net, layers = built(layout)
        assert layers["gru"].equations.reset_after is is_after
        names = [name for name, _ in net.named_parameters()]
        assert names == ["gru.W", "gru.U", "gru.b"]  # no second bias, as in TMVA
        net(x).sum().backward()
        assert "gru" in str(layers["gru"])


def test_biases_start_at_0():
    _, layers = built("LSTM|10|30|5")
    assert not layers["lstm"].b.data.any()


def test_the_whole_of_an_example():
    net, layers = built("LSTM|10|30|5|0|1,RESHAPE|FLAT,DENSE|64|TANH,LINEAR", outputs=2)
    assert net(np.ones((B, 5, 30))).shape == (B, 2)
    assert layers["dense"].activation is tg.tanh
    assert layers["dense_2"].activation is None


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("DENSE|64|TANH,LINEAR", (64, 1)),
        ("DENSE|TANH|64 , LINEAR", (64, 1)),
        ("64|TANH,LINEAR", (64, 1)),
        ("TANH|64,DENSE", (64, 1)),
        ("RESHAPE|1|2|3,RNN|5|3|2|0|1,RESHAPE|FLAT,LINEAR", (10, 1)),
        ("RESHAPE|1|3|2,RNN|5|2|3,RNN|4|5|1|0|0,RESHAPE|FLAT,2|RELU,LINEAR", (2, 1)),
    ],
)
def test_ways_to_write_it(layout, shape):
    net = tg.interop.tmva.network(layout, inputs=6)
    assert net.parameters()[-2].shape == shape
    assert net(np.ones((B, 6))).shape == (B, 1)


@pytest.mark.parametrize(
    ("word", "f"),
    [
        ("LINEAR", lambda z: z), ("RELU", lambda z: np.maximum(z, 0)), ("TANH", np.tanh),
        ("FTANH", np.tanh), ("SIGMOID", lambda z: 1 / (1 + np.exp(-z))), ("SYMMRELU", np.abs),
        ("SOFTSIGN", lambda z: z / (1 + np.abs(z))), ("GAUSS", lambda z: np.exp(-z * z)),
    ],
)  # fmt: skip
def test_activations(word, f):
    net, x = tg.interop.tmva.network(f"DENSE|3|{word}", inputs=2, seed=0), np.ones((B, 2))
    W, b = (each.data for each in net.parameters())
    assert np.allclose(net(x).data, f(x @ W + b), rtol=0, atol=1e-15)


WRONG = {
    "LSTN|10|30|5": "character 1 of | no layer 'LSTN' | LSTM",
    "lstm|10|30|5": "character 1 of | no layer 'lstm' | LSTM",
    "": "character 1 of | found nothing, expected a layer",
    "LSTM|10|30|5,": "character 14 of | found nothing, expected a layer",
    "LSTM|10||5": "character 9 of | found nothing between",
    "LSTM|10|30|": "character 12 of | found nothing",
    "LSTM|10|x|5": "character 9 of | found 'x' | input size",
    "LSTM| 10 | 3.5|5": "character 12 of | found '3.5' | input size",
    "LSTM|0|30|5": "character 6 of | found '0' | state size",
    "LSTM|-1|30|5": "character 6 of | found '-1' | state size",
    "LSTM|10|30": "character 1 of | 2 parts | number of time steps",
    "LSTM|10|30|5|0|1|1": "character 1 of | 6 parts | returnSequence",
    "GRU|10|30|5|0|1|2": "character 17 of | found '2' | resetGateAfter, 0 or 1",
    "RNN|10|30|5|yes": "character 13 of | found 'yes' | rememberState, 0 or 1",
    "LSTM|10|30|5|0|1,LSTM|10|12|5": "character 26 of | 12 | (5, 10)",
    "LSTM|10|30|5,LSTM|10|10|5": "character 25 of | 5 steps | (1, 10)",
    "LSTM|10|30|5,LINEAR": "character 14 of | (1, 10) | RESHAPE|FLAT",
    "LSTM|10|30|5,RESHAPE|FLAT,LSTM|1|10|1": "character 27 of | 10 features | RESHAPE|1|1|10",
    "LSTM|10|30|5,RESHAPE|2|5|1": "character 22 of | found '2' | channel",
    "LSTM|10|30|5,RESHAPE|1|5|3": "character 14 of | (1, 10) | 5 steps of 3",
    "LSTM|10|30|5,RESHAPE": "character 14 of | 0 parts | FLAT",
    "DENSE|64": "character 1 of | not known | inputs=",
    "LSTM|10|30|5,RESHAPE|FLAT,DENSE|64|TAHN": "character 36 of | found 'TAHN' | TANH",
    "LSTM|10|30|5,RESHAPE|FLAT,DENSE|64|32": "character 36 of | found '32' | 64",
    "LSTM|10|30|5,RESHAPE|FLAT,DENSE|TANH|RELU": "character 38 of | found RELU | TANH",
    "CONV|12|3|3|1|1|1|1|RELU": "character 1 of | CONV",
}


@pytest.mark.parametrize(("layout", "says"), WRONG.items(), ids=WRONG.keys())
def test_what_a_wrong_string_gets(layout, says):
    with pytest.raises(ArgumentError) as caught:
        tg.interop.tmva.network(layout)
    message = str(caught.value)
    assert repr(layout) in message
    for each in says.split(" | "):
        assert each in message, message


def test_what_is_no_string():
    with pytest.raises(UsageError, match="list, expected a string"):
        tg.interop.tmva.network(["LSTM|10|30|5"])


def test_matrices_that_do_not_fit_change_nothing():
    layer = tg.nn.RNN(2, 3, seed=0)
    before = layer.state_dict()
    with pytest.raises(SignalError, match=r"tmva.load: nothing loaded; missing: U \(3, 3\)"):
        tg.interop.tmva.load(layer, {"W": np.ones((3, 2)), "b": np.ones(3)})
    with pytest.raises(ShapeError, match=r"shape of W: found \(2, 3\), expected \(3, 2\)"):
        tg.interop.tmva.load(layer, {"W": np.ones((2, 3)), "U": np.ones((3, 3)), "b": np.ones(3)})
    assert all(np.array_equal(before[name], each) for name, each in layer.state_dict().items())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (dict(inputs=0), "inputs must be at least 1, found 0"),
        (dict(inputs=(1, 2, 3)), "features or (steps, features)"),
        (dict(outputs="two"), "outputs must be a whole number"),
    ],
)
def test_arguments_that_cannot_be_meant(more, says):
    with pytest.raises((ArgumentError, UsageError)) as caught:
        tg.interop.tmva.network("LINEAR", **more)
    assert says in str(caught.value)


def test_a_second_bias_is_set_to_0():
    layer = tg.nn.GRU(1, 1, seed=0)
    layer.c.data = [3.0]
    w = {f"{c}_{gate}": np.ones((1, 1) if c != "b" else 1) for c in "WUb" for gate in "ruc"}
    tg.interop.tmva.load(layer, w)
    assert layer.c.data.tolist() == [0.0]
