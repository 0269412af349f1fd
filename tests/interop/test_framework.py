"""Layers as other systems' dictionaries of arrays: names, shapes, round trips, refusals."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import (
    ArgumentError,
    DTypeError,
    GradientError,
    ShapeError,
    SignalError,
    UsageError,
)

LAYERS = {
    "LSTM": lambda: nn.LSTM(3, 4),
    "LSTM, stacked": lambda: nn.LSTM(3, 4, 2),
    "LSTM, both directions": lambda: nn.LSTM(3, 4, 2, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 4),
    "GRU, both directions": lambda: nn.GRU(3, 4, 2, bidirectional=True),
    "RNN": lambda: nn.RNN(3, 4, 2),
    "float32": lambda: nn.GRU(3, 4, dtype=np.float32),
    "Dense": lambda: nn.Dense(3, 4),
    "LSTM without biases": lambda: nn.LSTM(3, 4, 2, bidirectional=True, bias=False),
    "GRU without biases": lambda: nn.GRU(3, 4, bias=False),
    "RNN without biases": lambda: nn.RNN(3, 4, bias=False),
    "GRU cell without biases": lambda: nn.GRUCell(3, 4, bias=False),
    "biases in a part": lambda: nn.Sequential(nn.RNN(3, 4), nn.Dense(4, 2, bias=False)),
    "LSTM cell": lambda: nn.LSTMCell(3, 4),
    "GRU cell": lambda: nn.GRUCell(3, 4),
    "a network": lambda: nn.Sequential(nn.LSTM(3, 4), nn.GRU(4, 2), nn.Dense(2, 1)),
}
PLAIN = {
    "Conv1d": lambda: nn.Conv1d(4, 6, 3, groups=2),
    "Conv2d without a bias": lambda: nn.Sequential(
        nn.Conv2d(2, 3, (2, 3), bias=False), nn.Conv2d(3, 2, 1)
    ),
    "LayerNorm": lambda: nn.LayerNorm((2, 3)),
    "LayerNorm without a scale": lambda: nn.Sequential(
        nn.LayerNorm(4, scale=False), nn.LayerNorm(4, bias=False)
    ),
    "BatchNorm": lambda: nn.BatchNorm(3),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "RMSNorm": lambda: nn.Sequential(nn.RMSNorm(4), nn.Flatten(), nn.Dense(4, 1)),
    "Embedding": lambda: nn.Sequential(nn.Embedding(5, 3), nn.LSTM(3, 2)),
    "Attention": lambda: nn.Attention(6, 3),
    "Attention without biases": lambda: nn.Attention(4, 2, bias=False),
    "a network of layers": lambda: nn.Sequential(
        nn.Embedding(5, 4), nn.Attention(4, 2), nn.LayerNorm(4), nn.Dropout(0.2), nn.Dense(4, 2)
    ),
}
LAYERS |= PLAIN
TORCH_ONLY = {"projected": lambda: nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)}
KERAS_ONLY = {
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
    "LSTM of identities": lambda: nn.LSTM(3, 4, activation="identity"),
    "RNN of sines": lambda: nn.RNN(3, 4, activation="sin"),
}
ONNX_ONLY = {
    "peepholes": lambda: nn.LSTM(3, 4, 2, bidirectional=True, peephole=True),
    "Gers' functions": lambda: nn.MemoryBlocks(3, 4, 1),
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
}
TMVA_LAYERS = {
    "LSTM": lambda: nn.LSTM(3, 4),
    "GRU, reset before": lambda: nn.GRU(3, 4, reset_after=False),
    "RNN": lambda: nn.RNN(3, 4, activation="relu"),
    "Dense": lambda: nn.Dense(3, 4),
    "a network": lambda: nn.Sequential(nn.LSTM(3, 4), nn.RNN(4, 2), nn.Dense(2, 1)),
}
EVERY = pytest.mark.parametrize(
    ("make", "framework"),
    [
        pytest.param(make, framework, id=f"{framework.name}-{name}")
        for framework, layers in (
            (interop.torch, LAYERS | TORCH_ONLY),
            (interop.keras, LAYERS | KERAS_ONLY),
            (interop.onnx, LAYERS | ONNX_ONLY),
            (interop.tmva, TMVA_LAYERS),
        )
        for name, make in layers.items()
    ],
)


def drawn(module, seed=0):
    """Return a module with all of its state drawn, biases too; not the number of batches."""
    for n, (name, tensor) in enumerate(module.named_state().items()):
        if name != "batches":
            tensor.data = laws.draw(tensor.shape, seed + n)
    return module


@EVERY
def test_there_and_back_is_exact(make, framework):
    one, other = drawn(make()), drawn(make(), 100)
    assert framework.load(other, framework.weights(one)) is None
    for name, array in one.state_dict().items():
        assert np.array_equal(other.state_dict()[name], array)
        assert other.state_dict()[name].dtype == array.dtype


@EVERY
def test_what_is_returned_is_a_copy(make, framework):
    module = drawn(make())
    before = module.state_dict()
    for array in framework.weights(module).values():
        assert array.flags.c_contiguous
        array[...] = 0
    for name, array in module.state_dict().items():
        assert np.array_equal(array, before[name])


@EVERY
def test_gradients_there_and_back_are_exact(make, framework):
    module = drawn(make())
    sum((each * laws.draw(each.shape, 9)).sum() for each in module.parameters()).backward()
    there = framework.gradients(module)
    ours = framework.read_gradients(module, there)
    kept = [name for name in framework.weights(module) if name.startswith(("running", "moving"))]
    kept += [name for name in ("num_batches_tracked", "batches") if kept]
    assert {name: array.shape for name, array in there.items()} == {
        name: array.shape for name, array in framework.weights(module).items() if name not in kept
    }
    prefix = module.place.path()
    assert len(ours) == len(module.parameters())
    for name, each in module.named_parameters():
        assert np.array_equal(ours[".".join(filter(None, (prefix, name)))], each.grad)


@EVERY
def test_all_that_is_wrong_is_listed_and_nothing_changes(make, framework):
    module = drawn(make())
    before, state = module.state_dict(), framework.weights(module)
    first, *_, last = state
    state["surplus"] = state.pop(first)
    state[last] = np.zeros((7, *state[last].shape))
    with pytest.raises(SignalError) as caught:
        framework.load(module, state)
    for word in (f"missing: {first} (", "unexpected: surplus", f"shape of {last}: found (7,"):
        assert word in str(caught.value)
    assert all(np.array_equal(before[name], array) for name, array in module.state_dict().items())


@pytest.mark.parametrize("framework", interop.frameworks.values(), ids=interop.frameworks)
@pytest.mark.parametrize(
    "value",
    [np.zeros((4,), complex), np.array(["a"] * 4), np.array([None] * 4), [[1.0], [2.0, 3.0]]],
    ids=["complex", "text", "objects", "ragged"],
)
def test_what_is_no_real_number_is_refused(framework, value):
    dense = drawn(nn.Dense(3, 4))
    before, state = dense.state_dict(), framework.weights(dense)
    *_, bias = state
    state[bias] = value
    with pytest.raises(DTypeError, match=bias):
        framework.load(dense, state)
    assert np.array_equal(dense.W.data, before["W"])


def test_pytorchs_names():
    found = interop.torch.weights(nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2))
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    assert list(found) == [
        f"{kind}_l{layer}{way}" for layer in (0, 1) for way in ("", "_reverse") for kind in kinds
    ]
    shapes = [found[f"{kind}_l1"].shape for kind in kinds]
    assert shapes == [(16, 4), (16, 2), (16,), (16,), (2, 4)]


def test_pytorchs_order_of_gates():
    lstm = nn.LSTM(1, 1, seed=0)
    lstm.b.data = [1.0, 2.0, 3.0, 4.0]  # a, i, f, o
    assert interop.torch.weights(lstm)["bias_ih_l0"].tolist() == [2.0, 3.0, 1.0, 4.0]
    gru = nn.GRU(1, 1, seed=0)
    gru.b.data, gru.c.data = [1.0, 2.0, 3.0], [4.0]  # r, z, n
    assert interop.torch.weights(gru)["bias_ih_l0"].tolist() == [1.0, 2.0, 3.0]
    assert interop.torch.weights(gru)["bias_hh_l0"].tolist() == [0.0, 0.0, 4.0]


def test_two_biases_are_added_but_for_the_second_of_n():
    lstm, gru = nn.LSTM(1, 1), nn.GRU(1, 1)
    state = interop.torch.weights(lstm) | {
        "bias_ih_l0": [1, 2, 3, 4],
        "bias_hh_l0": [10, 20, 30, 40],
    }
    interop.torch.load(lstm, state)
    assert lstm.b.data.tolist() == [33.0, 11.0, 22.0, 44.0]
    state = interop.torch.weights(gru) | {"bias_ih_l0": [1, 2, 3], "bias_hh_l0": [10, 20, 30]}
    interop.torch.load(gru, state)
    assert gru.b.data.tolist() == [11.0, 22.0, 3.0]
    assert gru.c.data.tolist() == [30.0]


def test_keras_names_and_order_of_gates():
    lstm, gru = nn.LSTM(1, 1, seed=0), nn.GRU(1, 1, seed=0)
    lstm.b.data = [1.0, 2.0, 3.0, 4.0]
    gru.b.data, gru.c.data = [1.0, 2.0, 3.0], [4.0]
    assert interop.keras.weights(lstm)["bias"].tolist() == [2.0, 3.0, 1.0, 4.0]
    assert interop.keras.weights(gru)["bias"].tolist() == [[2.0, 1.0, 3.0], [0.0, 0.0, 4.0]]
    interop.keras.load(gru, interop.keras.weights(gru) | {"bias": [[1, 2, 3], [10, 20, 30]]})
    assert gru.b.data.tolist() == [22.0, 11.0, 3.0]
    assert gru.c.data.tolist() == [30.0]
    names = list(interop.keras.weights(nn.RNN(1, 1, 2, bidirectional=True)))
    assert names[3] == "layers.0.backward.kernel"


def test_onnx_order_of_gates_and_axis_of_directions():
    lstm, gru = nn.LSTM(1, 1, peephole=True, seed=0), nn.GRU(1, 1, seed=0)
    lstm.b.data, lstm.p.data = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]  # a, i, f, o and i, f, o
    gru.b.data, gru.c.data = [1.0, 2.0, 3.0], [4.0]
    assert interop.onnx.weights(lstm)["B"].tolist() == [[2.0, 4.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0]]
    assert interop.onnx.weights(lstm)["P"].tolist() == [[1.0, 3.0, 2.0]]
    assert interop.onnx.weights(gru)["B"].tolist() == [[2.0, 1.0, 3.0, 0.0, 0.0, 4.0]]
    interop.onnx.load(gru, interop.onnx.weights(gru) | {"B": [[1, 2, 3, 10, 20, 30]]})
    assert gru.b.data.tolist() == [22.0, 11.0, 3.0]
    assert gru.c.data.tolist() == [30.0]
    found = interop.onnx.weights(nn.RNN(1, 1, 2, bidirectional=True))
    assert list(found)[3:] == ["layers.1.W", "layers.1.R", "layers.1.B"]
    assert found["layers.1.W"].shape == (2, 1, 2)


def test_tmvas_letters_and_orientation():
    lstm, gru = nn.LSTM(2, 1, seed=0), nn.GRU(2, 1, reset_after=False, seed=0)
    lstm.b.data, gru.b.data = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]
    found = interop.tmva.weights(lstm)
    assert [float(found[f"b_{gate}"][0]) for gate in "cifo"] == [1.0, 2.0, 3.0, 4.0]
    assert found["W_i"].tolist() == [lstm.W.data[:, 1].tolist()]
    assert [float(interop.tmva.weights(gru)[f"b_{gate}"][0]) for gate in "ruc"] == [1.0, 2.0, 3.0]


def test_keras_list_of_arrays_is_in_order():
    net, other = (drawn(LAYERS["a network"](), seed) for seed in (0, 50))
    interop.keras.load(other, list(interop.keras.weights(net).values()))
    assert all(np.array_equal(net.state_dict()[n], a) for n, a in other.state_dict().items())
    with pytest.raises(ShapeError, match=r"found 2 arrays, expected 8: lstm\.kernel"):
        interop.keras.load(net, [1, 2])


def test_a_constant_second_bias_is_part_of_the_layer():
    net = interop.tmva.network("GRU|3|2|5|0|1|1", seed=0)  # its c requires no gradient
    state = interop.torch.weights(net)
    state["gru.bias_hh_l0"][-3:] = 5.0
    interop.torch.load(net, state)
    assert dict(net.children())["gru"].c.data.tolist() == [5.0] * 3
    net(np.ones((1, 5, 2))).sum().backward()
    assert not interop.torch.gradients(net)["gru.bias_hh_l0"][-3:].any()
    assert "gru.W_c" in interop.tmva.gradients(net)


def test_gradients_have_the_names_that_compare_knows():
    for framework, layers in (("torch", 2), ("keras", 2), ("onnx", 2), ("tmva", 1)):
        net = nn.Sequential(nn.LSTM(3, 4, layers, seed=0), nn.Dense(4, 1, seed=1), name="net")
        loss = net(laws.draw((5, 3))).sum()
        loss.backward()
        there = getattr(interop, framework).gradients(net)
        hand = getattr(interop, framework).read_gradients(net, there)
        assert "net.lstm.U" in hand or "net.lstm.layers.1.U" in hand
        assert tg.compare(loss, hand).ok
        hand["net.dense.W"][0] += 1.0
        assert not tg.compare(loss, hand).ok


def test_a_layer_without_gradients_has_none_to_convert():
    with pytest.raises(GradientError, match=r"lstm\.W has no gradient: call backward"):
        interop.torch.gradients(nn.LSTM(3, 4))


@pytest.mark.parametrize(
    ("make", "to", "words"),
    [
        (lambda: nn.LSTM(3, 4, peephole=True), "torch", "lstm: PyTorch has no .* peepholes"),
        (lambda: nn.LSTM(3, 4, peephole=True), "keras", "Keras has no .* peepholes"),
        (lambda: nn.LSTM(3, 4, activation="sin"), "torch", "other than tanh"),
        (lambda: nn.LSTM(3, 4, activation=("sin", "tanh")), "keras", "one for the state"),
        (lambda: nn.LSTM(3, 4, proj_size=2), "keras", "a projection"),
        (lambda: nn.MemoryBlocks(3, 2, 2), "torch", "several cells in a block"),
        (lambda: nn.GRU(3, 4, reset_after=False), "torch", "reset_after=False"),
        (lambda: nn.GRU(3, 4, activation="sin"), "torch", "other than tanh"),
        (lambda: nn.RNN(3, 4, activation="sin"), "torch", "other than tanh and relu"),
        (lambda: nn.RNN(3, 4, initial="learned"), "torch", "initial states that are learned"),
        (lambda: nn.RNN(3, 4, initial="learned"), "keras", "initial states that are learned"),
        (lambda: nn.Sequential(nn.GRU(3, 4, activation="sin")), "torch", "gru: PyTorch"),
        (lambda: nn.LSTM(3, 4, proj_size=2), "onnx", "lstm: ONNX has no layer with a projection"),
        (lambda: nn.LSTM(3, 4, activation="sin"), "onnx", "the squashing function sin"),
        (lambda: nn.MemoryBlocks(3, 2, 2), "onnx", "several cells in a block"),
        (lambda: nn.LSTM(3, 4, 2), "tmva", "TMVA has no layer with several layers or directions"),
        (lambda: nn.RNN(3, 4, bidirectional=True), "tmva", "several layers or directions"),
        (lambda: nn.LSTM(3, 4, peephole=True), "tmva", "peepholes"),
        (lambda: nn.LSTM(3, 4, proj_size=2), "tmva", "a projection"),
        (lambda: nn.GRU(3, 4, activation="relu"), "tmva", "other than tanh"),
        (lambda: nn.LayerNorm(3), "tmva", "layernorm: TMVA has no layer with the equations of Lay"),
        (lambda: nn.Attention(4, head_size=3), "torch", "attention: PyTorch .* wider or narrower"),
        (lambda: nn.RNN(3, 4, bias=False), "tmva", "rnn: TMVA has no layer with no bias"),
        (lambda: nn.Dense(3, 4, bias=False), "tmva", "dense: TMVA has no layer with no bias"),
        (lambda: drawn(nn.GRU(3, 4)), "tmva", "a second bias, c, that is not 0"),
        (lambda: 3, "torch", "found int, expected a layer"),
    ],
)
def test_what_a_framework_has_not_is_refused(make, to, words):
    with pytest.raises(UsageError, match=words):
        getattr(interop, to).weights(make())


def test_a_module_of_ones_own_keeps_what_it_holds_itself():
    class Scaled(nn.Module):
        def __init__(self, seed):
            super().__init__()
            self.scale = tg.Tensor([2.0, 3.0], requires_grad=True)
            self.dense = nn.Dense(2, 3, seed=seed)
            self.again = self.dense

    one, other = Scaled(0), Scaled(1)
    assert list(interop.torch.weights(one)) == ["scale", "dense.weight", "dense.bias"]
    interop.torch.load(other, interop.torch.weights(one))
    assert np.array_equal(one.dense.W.data, other.dense.W.data)


@pytest.mark.parametrize("back", [interop.torch.load, interop.keras.read_gradients])
def test_what_is_no_dictionary_is_refused(back):
    with pytest.raises(UsageError, match="found 3, expected a dictionary"):
        back(nn.Dense(3, 4), 3)


class Columns(interop.Framework):
    """A framework of the user's own, in which matrices are transposed."""

    name = "columns"

    def pack(self, part, ours, gradient):
        return {f"{letter}_T": array.T for letter, array in ours.items()}

    def unpack(self, part, theirs, gradient):
        return {name.removesuffix("_T"): array.T for name, array in theirs.items()}


@pytest.fixture
def columns():
    yield interop.register(Columns())
    del interop.frameworks["columns"]


def test_a_framework_of_the_users_own_does_what_ours_do(columns, tmp_path):
    one, other = (nn.Sequential(nn.LSTM(2, 3, seed=n), nn.Dense(3, 1, seed=n)) for n in (0, 1))
    assert columns.weights(one)["lstm.W_T"].shape == (12, 2)
    columns.load(other, columns.weights(one))
    loss = tg.nn.squared_error(other(np.ones((4, 2))), np.zeros((4, 1)))
    loss.backward()
    assert tg.compare(loss, columns.read_gradients(other, columns.gradients(other))).ok
    path = interop.save(one, tmp_path / "net.npz", layout="columns")
    assert sorted(np.load(path)) == sorted(columns.weights(one))
    last = nn.Sequential(nn.LSTM(2, 3, seed=2), nn.Dense(3, 1, seed=2))
    interop.load(last, path, layout="columns")
    assert (last(np.ones((4, 2))).data == one(np.ones((4, 2))).data).all()
    with pytest.raises(UsageError, match="columns has no layer with peepholes"):
        columns.weights(nn.LSTM(2, 3, peephole=True))


def test_what_is_no_framework_or_has_a_taken_name_is_refused(columns):
    assert interop.register(Columns()).name == "columns"  # again, as a notebook's cell does
    with pytest.raises(UsageError, match="expected a Framework"):
        interop.register(Columns)
    for name in ("torch", "ours", ""):
        other = Columns()
        other.name = name
        with pytest.raises(ArgumentError, match="is taken"):
            interop.register(other)
    with pytest.raises(UsageError, match="name must be a string"):
        interop.register(interop.Framework())
