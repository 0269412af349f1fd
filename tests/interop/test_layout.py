"""Layers as other systems' dictionaries of arrays: names, shapes, round trips, refusals."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import DTypeError, GradientError, ShapeError, SignalError, UsageError

LAYERS = {
    "LSTM": lambda: nn.LSTM(3, 4),
    "LSTM, stacked": lambda: nn.LSTM(3, 4, 2),
    "LSTM, both directions": lambda: nn.LSTM(3, 4, 2, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 4),
    "GRU, both directions": lambda: nn.GRU(3, 4, 2, bidirectional=True),
    "RNN": lambda: nn.RNN(3, 4, 2),
    "float32": lambda: nn.GRU(3, 4, dtype=np.float32),
    "Dense": lambda: nn.Dense(3, 4),
    "LSTM cell": lambda: nn.LSTMCell(3, 4),
    "GRU cell": lambda: nn.GRUCell(3, 4),
    "a network": lambda: nn.Sequential(nn.LSTM(3, 4), nn.GRU(4, 2), nn.Dense(2, 1)),
}
TORCH_ONLY = {"projected": lambda: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)}
KERAS_ONLY = {
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
    "LSTM of identities": lambda: nn.LSTM(3, 4, squash="identity"),
    "RNN of sines": lambda: nn.RNN(3, 4, nonlinearity="sin"),
}
ONNX_ONLY = {
    "peepholes": lambda: nn.LSTM(3, 4, 2, bidirectional=True, peephole=True),
    "Gers' functions": lambda: nn.MemoryBlocks(3, 4, 1),
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
}
TMVA_LAYERS = {
    "LSTM": lambda: nn.LSTM(3, 4),
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
    "RNN": lambda: nn.RNN(3, 4, nonlinearity="relu"),
    "Dense": lambda: nn.Dense(3, 4),
    "a network": lambda: nn.Sequential(nn.LSTM(3, 4), nn.RNN(4, 2), nn.Dense(2, 1)),
}
TORCH = (interop.to_torch, interop.from_torch)
KERAS = (interop.to_keras, interop.from_keras)
ONNX = (interop.to_onnx, interop.from_onnx)
TMVA = (interop.to_tmva, interop.from_tmva)
EVERY = pytest.mark.parametrize(
    ("make", "to", "back"),
    [
        pytest.param(make, *ways, id=f"{ways[0].__name__}-{name}")
        for ways, layers in (
            (TORCH, LAYERS | TORCH_ONLY),
            (KERAS, LAYERS | KERAS_ONLY),
            (ONNX, LAYERS | ONNX_ONLY),
            (TMVA, TMVA_LAYERS),
        )
        for name, make in layers.items()
    ],
)


def drawn(module, seed=0):
    """Return a module with every parameter drawn, biases too."""
    for n, each in enumerate(module.parameters()):
        each.data = laws.draw(each.shape, seed + n)
    return module


@EVERY
def test_there_and_back_is_exact(make, to, back):
    one, other = drawn(make()), drawn(make(), 100)
    assert back(other, to(one)) is None
    for name, array in one.state_dict().items():
        assert np.array_equal(other.state_dict()[name], array)
        assert other.state_dict()[name].dtype == array.dtype


@EVERY
def test_what_is_returned_is_a_copy(make, to, back):
    module = drawn(make())
    before = module.state_dict()
    for array in to(module).values():
        assert array.flags.c_contiguous
        array[...] = 0
    for name, array in module.state_dict().items():
        assert np.array_equal(array, before[name])


@EVERY
def test_gradients_there_and_back_are_exact(make, to, back):
    module = drawn(make())
    sum((each * laws.draw(each.shape, 9)).sum() for each in module.parameters()).backward()
    framework = to.__name__.removeprefix("to_")
    there = getattr(interop, f"gradients_to_{framework}")(module)
    ours = getattr(interop, f"gradients_from_{framework}")(module, there)
    assert {name: array.shape for name, array in there.items()} == {
        name: array.shape for name, array in to(module).items()
    }
    prefix = module.place.path()
    assert len(ours) == len(module.parameters())
    for name, each in module.named_parameters():
        assert np.array_equal(ours[".".join(filter(None, (prefix, name)))], each.grad)


@EVERY
def test_all_that_is_wrong_is_listed_and_nothing_changes(make, to, back):
    module = drawn(make())
    before, state = module.state_dict(), to(module)
    first, *_, last = state
    state["surplus"] = state.pop(first)
    state[last] = np.zeros((7, *state[last].shape))
    with pytest.raises(SignalError) as caught:
        back(module, state)
    for word in (f"missing: {first} (", "unexpected: surplus", f"shape of {last}: found (7, "):
        assert word in str(caught.value)
    assert all(np.array_equal(before[name], array) for name, array in module.state_dict().items())


@pytest.mark.parametrize(
    ("to", "back"), [TORCH, KERAS, ONNX, TMVA], ids=["torch", "keras", "onnx", "tmva"]
)
@pytest.mark.parametrize(
    "value",
    [np.zeros((4,), complex), np.array(["a"] * 4), np.array([None] * 4), [[1.0], [2.0, 3.0]]],
    ids=["complex", "text", "objects", "ragged"],
)
def test_what_is_no_real_number_is_refused(to, back, value):
    dense = drawn(nn.Dense(3, 4))
    before, state = dense.state_dict(), to(dense)
    *_, bias = state
    state[bias] = value
    with pytest.raises(DTypeError, match=bias):
        back(dense, state)
    assert np.array_equal(dense.W.data, before["W"])


def test_pytorchs_names():
    found = interop.to_torch(nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2))
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    assert list(found) == [
        f"{kind}_l{layer}{way}" for layer in (0, 1) for way in ("", "_reverse") for kind in kinds
    ]
    shapes = [found[f"{kind}_l1"].shape for kind in kinds]
    assert shapes == [(16, 4), (16, 2), (16,), (16,), (2, 4)]


def test_pytorchs_order_of_gates():
    lstm = nn.LSTM(1, 1, seed=0)
    lstm.b.data = [1.0, 2.0, 3.0, 4.0]  # a, i, f, o
    assert interop.to_torch(lstm)["bias_ih_l0"].tolist() == [2.0, 3.0, 1.0, 4.0]
    gru = nn.GRU(1, 1, seed=0)
    gru.b.data, gru.c.data = [1.0, 2.0, 3.0], [4.0]  # r, z, n
    assert interop.to_torch(gru)["bias_ih_l0"].tolist() == [1.0, 2.0, 3.0]
    assert interop.to_torch(gru)["bias_hh_l0"].tolist() == [0.0, 0.0, 4.0]


def test_two_biases_are_added_but_for_the_second_of_n():
    lstm, gru = nn.LSTM(1, 1), nn.GRU(1, 1)
    state = interop.to_torch(lstm) | {"bias_ih_l0": [1, 2, 3, 4], "bias_hh_l0": [10, 20, 30, 40]}
    interop.from_torch(lstm, state)
    assert lstm.b.data.tolist() == [33.0, 11.0, 22.0, 44.0]
    state = interop.to_torch(gru) | {"bias_ih_l0": [1, 2, 3], "bias_hh_l0": [10, 20, 30]}
    interop.from_torch(gru, state)
    assert gru.b.data.tolist() == [11.0, 22.0, 3.0]
    assert gru.c.data.tolist() == [30.0]


def test_keras_names_and_order_of_gates():
    lstm, gru = nn.LSTM(1, 1, seed=0), nn.GRU(1, 1, seed=0)
    lstm.b.data = [1.0, 2.0, 3.0, 4.0]
    gru.b.data, gru.c.data = [1.0, 2.0, 3.0], [4.0]
    assert interop.to_keras(lstm)["bias"].tolist() == [2.0, 3.0, 1.0, 4.0]
    assert interop.to_keras(gru)["bias"].tolist() == [[2.0, 1.0, 3.0], [0.0, 0.0, 4.0]]
    interop.from_keras(gru, interop.to_keras(gru) | {"bias": [[1, 2, 3], [10, 20, 30]]})
    assert gru.b.data.tolist() == [22.0, 11.0, 3.0]
    assert gru.c.data.tolist() == [30.0]
    names = list(interop.to_keras(nn.RNN(1, 1, 2, bidirectional=True)))
    assert names[3] == "layers.0.backward.kernel"


def test_onnx_order_of_gates_and_axis_of_directions():
    lstm, gru = nn.LSTM(1, 1, peephole=True, seed=0), nn.GRU(1, 1, seed=0)
    lstm.b.data, lstm.p.data = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]  # a, i, f, o and i, f, o
    gru.b.data, gru.c.data = [1.0, 2.0, 3.0], [4.0]
    assert interop.to_onnx(lstm)["B"].tolist() == [[2.0, 4.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0]]
    assert interop.to_onnx(lstm)["P"].tolist() == [[1.0, 3.0, 2.0]]
    assert interop.to_onnx(gru)["B"].tolist() == [[2.0, 1.0, 3.0, 0.0, 0.0, 4.0]]
    interop.from_onnx(gru, interop.to_onnx(gru) | {"B": [[1, 2, 3, 10, 20, 30]]})
    assert gru.b.data.tolist() == [22.0, 11.0, 3.0]
    assert gru.c.data.tolist() == [30.0]
    found = interop.to_onnx(nn.RNN(1, 1, 2, bidirectional=True))
    assert list(found)[3:] == ["layers.1.W", "layers.1.R", "layers.1.B"]
    assert found["layers.1.W"].shape == (2, 1, 2)


def test_tmvas_letters_and_orientation():
    lstm, gru = nn.LSTM(2, 1, seed=0), nn.GRU(2, 1, reset_after=False, seed=0)
    lstm.b.data, gru.b.data = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]
    found = interop.to_tmva(lstm)
    assert [float(found[f"b_{gate}"][0]) for gate in "cifo"] == [1.0, 2.0, 3.0, 4.0]
    assert found["W_i"].tolist() == [lstm.W.data[:, 1].tolist()]
    assert [float(interop.to_tmva(gru)[f"b_{gate}"][0]) for gate in "ruc"] == [1.0, 2.0, 3.0]


def test_keras_list_of_arrays_is_in_order():
    net, other = (drawn(LAYERS["a network"](), seed) for seed in (0, 50))
    interop.from_keras(other, list(interop.to_keras(net).values()))
    assert all(np.array_equal(net.state_dict()[n], a) for n, a in other.state_dict().items())
    with pytest.raises(ShapeError, match=r"found 2 arrays, expected 8: lstm\.kernel"):
        interop.from_keras(net, [1, 2])


def test_a_constant_second_bias_is_part_of_the_layer():
    net = interop.tmva.network("GRU|3|2|5|0|1|1", seed=0)  # its c requires no gradient
    state = interop.to_torch(net)
    state["gru.bias_hh_l0"][-3:] = 5.0
    interop.from_torch(net, state)
    assert dict(net.children())["gru"].c.data.tolist() == [5.0] * 3
    net(np.ones((1, 5, 2))).sum().backward()
    assert not interop.gradients_to_torch(net)["gru.bias_hh_l0"][-3:].any()
    assert "gru.W_c" in interop.gradients_to_tmva(net)


def test_gradients_have_the_names_that_compare_knows():
    for framework, layers in (("torch", 2), ("keras", 2), ("onnx", 2), ("tmva", 1)):
        net = nn.Sequential(nn.LSTM(3, 4, layers, seed=0), nn.Dense(4, 1, seed=1), name="net")
        loss = net(laws.draw((5, 3))).sum()
        loss.backward()
        there = getattr(interop, f"gradients_to_{framework}")(net)
        hand = getattr(interop, f"gradients_from_{framework}")(net, there)
        assert "net.lstm.U" in hand or "net.lstm.layers.1.U" in hand
        assert tg.compare(loss, hand).ok
        hand["net.dense.W"][0] += 1.0
        assert not tg.compare(loss, hand).ok


def test_a_layer_without_gradients_has_none_to_convert():
    with pytest.raises(GradientError, match=r"lstm\.W has no gradient: call backward"):
        interop.gradients_to_torch(nn.LSTM(3, 4))


@pytest.mark.parametrize(
    ("make", "to", "words"),
    [
        (lambda: nn.LSTM(3, 4, peephole=True), "torch", "lstm: PyTorch has no .* peepholes"),
        (lambda: nn.LSTM(3, 4, peephole=True), "keras", "Keras has no .* peepholes"),
        (lambda: nn.LSTM(3, 4, squash="sin"), "torch", "other than tanh"),
        (lambda: nn.LSTM(3, 4, squash=("sin", "tanh")), "keras", "one for the state"),
        (lambda: nn.LSTM(3, 4, proj_size=2), "keras", "a projection"),
        (lambda: nn.MemoryBlocks(3, 2, 2), "torch", "several cells in a block"),
        (lambda: nn.GRU(3, 4, reset_after=False), "torch", "reset_after=False"),
        (lambda: nn.GRU(3, 4, squash="sin"), "torch", "other than tanh"),
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), "torch", "other than tanh and relu"),
        (lambda: nn.RNN(3, 4, initial="learned"), "torch", "initial states that are learned"),
        (lambda: nn.RNN(3, 4, initial="learned"), "keras", "initial states that are learned"),
        (lambda: nn.Sequential(nn.GRU(3, 4, squash="sin")), "torch", "gru: PyTorch"),
        (lambda: nn.LSTM(3, 4, proj_size=2), "onnx", "lstm: ONNX has no layer with a projection"),
        (lambda: nn.LSTM(3, 4, squash="sin"), "onnx", "the squashing function sin"),
        (lambda: nn.MemoryBlocks(3, 2, 2), "onnx", "several cells in a block"),
        (lambda: nn.LSTM(3, 4, 2), "tmva", "TMVA has no layer with several layers or directions"),
        (lambda: nn.RNN(3, 4, bidirectional=True), "tmva", "several layers or directions"),
        (lambda: nn.LSTM(3, 4, peephole=True), "tmva", "peepholes"),
        (lambda: nn.LSTM(3, 4, proj_size=2), "tmva", "a projection"),
        (lambda: nn.GRU(3, 4, squash="relu"), "tmva", "other than tanh"),
        (lambda: drawn(nn.GRU(3, 4)), "tmva", "a second bias, c, that is not 0"),
        (lambda: 3, "torch", "found int, expected a layer"),
    ],
)
def test_what_a_framework_has_not_is_refused(make, to, words):
    with pytest.raises(UsageError, match=words):
        getattr(interop, f"to_{to}")(make())


def test_a_module_of_ones_own_keeps_what_it_holds_itself():
    class Scaled(nn.Module):
        def __init__(self, seed):
            super().__init__()
            self.scale = tg.Tensor([2.0, 3.0], requires_grad=True)
            self.dense = nn.Dense(2, 3, seed=seed)
            self.again = self.dense

    one, other = Scaled(0), Scaled(1)
    assert list(interop.to_torch(one)) == ["scale", "dense.weight", "dense.bias"]
    interop.from_torch(other, interop.to_torch(one))
    assert np.array_equal(one.dense.W.data, other.dense.W.data)


@pytest.mark.parametrize("back", [interop.from_torch, interop.gradients_from_keras])
def test_what_is_no_dictionary_is_refused(back):
    with pytest.raises(UsageError, match="found int, expected a dictionary"):
        back(nn.Dense(3, 4), 3)
