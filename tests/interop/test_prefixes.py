"""State dictionaries of larger modules: a prefix is found where it is the only one, or given."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.peers import peer
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import SignalError, UsageError
from tinygrad_lstm.interop.prefixes import under_prefix

KINDS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
CELLS = {"LSTM": nn.LSTMCell, "GRU": nn.GRUCell, "RNN": nn.RNNCell}


def under(prefix, arrays):
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def same(one, other):
    return all(
        np.array_equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("layout", ["torch", "keras", "onnx"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_prefix_is_found_if_it_is_the_only_one(layout, kind):
    framework = interop.frameworks[layout]
    source, target = (KINDS[kind](2, 3, 2, bidirectional=True, seed=seed) for seed in (0, 1))
    whole = under("model.encoder.rnn", framework.weights(source)) | {"model.head.x": np.ones(3)}
    framework.load(target, whole)
    assert same(source, target)


def test_a_module_of_several_layers_is_found_as_a_whole():
    nets = [nn.Sequential(nn.LSTM(2, 3, seed=s), nn.Dense(3, 1, seed=s)) for s in (0, 1)]
    interop.torch.load(nets[1], under("module", interop.torch.weights(nets[0])))
    assert same(*nets)


def test_of_several_a_prefix_is_chosen():
    one, two, target = (nn.GRU(2, 3, seed=seed) for seed in range(3))
    whole = under("encoder", interop.torch.weights(one))
    whole |= under("decoder", interop.torch.weights(two))
    with pytest.raises(SignalError, match=r"under 'encoder', 'decoder'; choose one with prefix="):
        interop.torch.load(target, whole)
    for prefix, source in (("encoder", one), ("decoder.", two)):
        interop.torch.load(target, whole, prefix=prefix)
        assert same(source, target)


def test_a_prefix_that_is_not_there():
    whole = under("encoder.rnn", interop.torch.weights(nn.GRU(2, 3)))
    with pytest.raises(SignalError, match=r"nothing under the prefix 'encoder'?.*encoder\.rnn"):
        interop.torch.load(nn.GRU(2, 3), whole, prefix="encoder.rn")
    with pytest.raises(UsageError, match="prefix"):
        interop.torch.load(nn.GRU(2, 3), whole, prefix=3)


def test_what_is_missing_or_too_much_under_a_prefix_is_told():
    whole = under("rnn", interop.torch.weights(nn.LSTM(2, 3, 2)))
    with pytest.raises(SignalError, match="unexpected: weight_ih_l1"):
        interop.torch.load(nn.LSTM(2, 3), whole)
    with pytest.raises(SignalError, match="missing: bias_ih_l0"):
        interop.torch.load(
            nn.LSTM(2, 3), under("rnn", interop.torch.weights(nn.LSTM(2, 3, bias=False)))
        )


def test_gradients_have_a_prefix_too():
    lstm = nn.LSTM(2, 3, seed=0)
    loss = lstm(np.ones((4, 2)))[0].sum()
    loss.backward()
    theirs = under("net.rnn", interop.torch.gradients(lstm)) | {"net.head.weight": np.ones(2)}
    for more in ({}, {"prefix": "net.rnn"}):
        assert tg.compare(loss, interop.torch.read_gradients(lstm, theirs, **more)).ok


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cell_has_fits_a_layer_and_back(kind):
    cell, layer = CELLS[kind](2, 3, seed=0), KINDS[kind](2, 3, seed=1)
    interop.torch.load(layer, interop.torch.weights(cell))
    assert same(cell, layer)
    other = CELLS[kind](2, 3, seed=2)
    interop.torch.load(other, under("rnn", interop.torch.weights(layer)))
    assert same(other, layer)
    with pytest.raises(SignalError, match="missing: weight_ih_l1"):
        interop.torch.load(KINDS[kind](2, 3, 2), interop.torch.weights(cell))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("layout", ["ours", "torch"])
def test_a_file_of_a_larger_module(tmp_path, suffix, layout):
    peer("safetensors")
    net = nn.Sequential(nn.LSTM(2, 3, seed=0), nn.Dense(3, 3, seed=0))
    path, target = interop.save(net, tmp_path / f"net{suffix}", layout), nn.LSTM(2, 3, seed=1)
    interop.load(target, path, layout)
    assert same(target, net[0])
    interop.load(nn.Dense(3, 3), path, layout, prefix="dense")
    with pytest.raises(SignalError, match=r"net\..*: found nothing under the prefix 'layers.1'"):
        interop.load(target, path, layout, prefix="layers.1")


def test_pytorchs_own_modules():
    torch = peer("torch")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(2, 3, bias=False)})
            self.cell = torch.nn.GRUCell(3, 4)
            self.norm = torch.nn.BatchNorm1d(4)

    model = Model().double()
    lstm, gru = nn.LSTM(2, 3, bias=False), nn.GRU(3, 4)
    interop.torch.load(lstm, model.state_dict())
    interop.torch.load(gru, model.state_dict())
    x = np.ones((5, 1, 2))
    theirs = model.encoder["rnn"](torch.tensor(x))[0].detach().numpy()
    np.testing.assert_allclose(lstm(x)[0].data, theirs, atol=1e-12)
    theirs = model.cell(torch.ones(1, 3).double()).detach().numpy()
    np.testing.assert_allclose(gru(np.ones((1, 1, 3)))[0].data[0], theirs, atol=1e-12)


def test_a_name_that_stands_by_itself_is_no_part():
    given = {"W": 1, "encoder.W": 2, "encoder.b": 3}
    assert under_prefix("load", given, ["W", "b"]) == given


@pytest.mark.parametrize("start", ["", "encoder."])
def test_pytorchs_sequential_has_numbers_for_names(start):
    """Its numbers count the functions between the layers, too."""
    layers = [
        nn.Sequential(nn.Dense(2, 3, seed=s), tg.tanh, nn.Dense(3, 1, seed=s)) for s in (0, 1)
    ]
    arrays = interop.torch.weights(layers[0])
    numbers = {"dense": "0", "dense_2": "2"}
    theirs = {
        f"{start}{numbers[n.partition('.')[0]]}.{n.partition('.')[2]}": a for n, a in arrays.items()
    }
    shuffled = dict(sorted(theirs.items(), reverse=True))
    interop.torch.load(layers[1], shuffled, prefix=start.rstrip(".") or None)
    assert same(*layers)
    with pytest.raises(tg.TinygradError, match=r"0\.weight"):
        interop.torch.load(layers[1], {k: v for k, v in theirs.items() if not k.endswith("2.bias")},
                           prefix=start.rstrip(".") or None)  # fmt: skip


def test_pytorchs_sequential_itself():
    torch = peer("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)
    ).double()
    ours = nn.Sequential(nn.Dense(2, 3), tg.tanh, nn.Dense(3, 1))
    interop.torch.load(ours, theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 2))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(x).numpy(), expected, rtol=0, atol=1e-14)
