"""Holds convolution, pooling, normalization, embedding, attention: cards, names, folds, state."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import interop, nn
from tinygrad_lstm.engine.tape import history
from tinygrad_lstm.errors import (
    ArgumentError,
    DTypeError,
    OutOfRangeError,
    ShapeError,
    SignalError,
    UsageError,
)

T, B = 4, 3
# a layer, and the shape of its input at one step
LAYERS = {
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1, activation="tanh", seed=1), (B, 2, 5)),
    "Conv2d": (lambda: nn.Conv2d(2, 4, (2, 3), stride=2, groups=2, seed=1), (B, 2, 4, 5)),
    "MaxPool": (lambda: nn.MaxPool(2), (B, 2, 6)),
    "AveragePool": (lambda: nn.AveragePool((2, 2), 1, padding=1), (B, 2, 3, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(4), (B, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (B, 4, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (B, 4)),
    "BatchNorm": (lambda: nn.BatchNorm(4), (B, 4)),
    "BatchNorm in use": (lambda: nn.BatchNorm(2).eval(), (B, 2, 3)),
    "Attention": (lambda: nn.Attention(4, 2, causal=True, seed=1), (5, B, 4)),
    "Attention of one sequence": (lambda: nn.Attention(4, 2, bias=False, seed=1), (5, 4)),
    "Dropout": (lambda: nn.Dropout(0.4, seed=1), (B, 4)),
    "Dense": (lambda: nn.Dense(4, 2, bias=False, seed=1), (B, 4)),
}
EVERY = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)


def drawn(layer, seed=0):
    for n, tensor in enumerate(layer.parameters()):
        tensor.data = laws.draw(tensor.shape, seed + n)
    return layer


def adjoint_near(loss, leaves):
    """Assert that the folded adjoint network gives what backward gives."""
    loss.backward()
    found = tg.graph(loss).fold().adjoint().evaluate()
    for leaf in leaves:
        laws.near(found[f"δ{leaf.label()}"], leaf.grad, 1e-12)


# --- in a loop ------------------------------------------------------------------------------------


@EVERY
def test_a_layer_in_every_step_is_folded(make, shape):
    layer = drawn(make())
    x = tg.Tensor(laws.draw((T, *shape), 5), requires_grad=True, name="x")
    wide = tg.Tensor(np.zeros(layer(x.data[0]).shape), name="start")
    for k in tg.steps(T):
        wide = tg.tanh(0.5 * wide + layer(x[k]))
        wide.name = "state"
    loss = tg.sum(wide * laws.draw(wide.shape, 6))
    network = tg.graph(loss).fold()
    assert network.count()["delay"] == 1
    adjoint_near(loss, [x, *layer.parameters()])


def test_an_embedding_in_every_step_is_folded():
    embedding, rnn = nn.Embedding(5, 3, padding=1, seed=0), nn.RNNCell(3, 2, seed=1)
    tokens, state = np.array([[0, 4], [1, 2], [3, 3], [2, 1]]), tg.Tensor(np.zeros((2, 2)))
    for k in tg.steps(4):
        state = rnn(embedding(tokens[k]), state)
    adjoint_near(tg.sum(state**2), [*embedding.parameters(), *rnn.parameters()])
    assert not embedding.E.grad[1].any()


@EVERY
def test_a_layer_before_and_after_a_recurrence_is_folded(make, shape):
    layer, lstm = drawn(make()), nn.LSTM(6, 3, seed=2)
    x = tg.Tensor(laws.draw((T, *shape), 5), requires_grad=True, name="x")
    steps = tg.stack([layer(x[k]) for k in range(T)])
    features = tg.reshape(steps, shape=(T, -1)) @ laws.draw((steps.size // T, 6), 8)
    loss = tg.sum(lstm(features)[0] ** 2)
    adjoint_near(loss, [x, *layer.parameters(), *lstm.parameters()])


@EVERY
def test_a_layer_is_drawn_and_explained(make, shape):
    layer = drawn(make())
    x = tg.Tensor(laws.draw(shape, 5), requires_grad=True, name="x")
    y = layer(x)
    loss = tg.sum(y * laws.draw(y.shape, 2))
    loss.name = "loss"
    loss.backward()
    for view in ("forward", "adjoint"):
        assert "digraph" in tg.draw(loss, view=view).dot
    laws.near(tg.explain(loss, "x", style="stages").value, x.grad, 1e-12)
    for tensor in layer.parameters():
        laws.near(tg.explain(loss, tensor.label(), style="stages").value, tensor.grad, 1e-12)


@EVERY
def test_gradients_agree_in_a_comparison_and_a_wrong_one_does_not(make, shape):
    layer = drawn(make())
    x = tg.Tensor(laws.draw(shape, 5), requires_grad=True, name="x")
    y = layer(x)
    loss = tg.sum(y * laws.draw(y.shape, 2))
    loss.backward()
    hand = {"x": x.grad} | {f"{tensor.label()}": tensor.grad for tensor in layer.parameters()}
    assert tg.compare(loss, hand).ok
    assert not tg.compare(loss, hand | {"x": 2 * x.grad}).ok


# --- names and cards ------------------------------------------------------------------------------

SIGNALS = {
    "Conv1d": {"z", "y"}, "Conv2d": {"y"}, "MaxPool": {"y"}, "AveragePool": {"y"},
    "LayerNorm": {"mean", "away", "var", "z", "y"}, "BatchNorm": {"mean", "away", "var", "z", "y"},
    "GroupNorm": {"mean", "away", "var", "z", "y"}, "RMSNorm": {"var", "z", "y"},
    "BatchNorm in use": {"away", "z", "y"}, "Attention": {"Q", "K", "V", "s", "a", "h", "y"},
    "Attention of one sequence": {"Q", "K", "V", "s", "a", "h", "y"}, "Dropout": {"y"},
    "Dense": {"y"},
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_signals_are_those_on_the_card(name):
    make, shape = LAYERS[name]
    layer = drawn(make())
    x = tg.Tensor(laws.draw(shape, 5), requires_grad=True, name="x")
    loss = tg.sum(layer(x))
    stem = layer.place.path()
    labels = {node.label() for node in history([loss]) if node.inputs and node.name}
    assert labels == {f"{stem}.{signal}" for signal in SIGNALS[name]}
    lines = [line.split(" = ")[0].strip() for line in str(layer).splitlines() if " = " in line]
    assert set(lines) == SIGNALS[name]


def test_equations_on_the_card_give_what_is_recorded():
    x = laws.draw((B, 4))
    for layer in (drawn(nn.LayerNorm(4)), drawn(nn.BatchNorm(4))):
        y = layer(x)
        values = {"x": x, "g": layer.g.data, "b": layer.b.data}
        lines = dict(nn.card.definitions([layer._equations(tg.Symbol("x"))], {}, {}))
        for name, right in lines.items():
            values[name] = right.evaluate(values)
        laws.near(values["y"], y.data, 1e-13)


@EVERY
def test_a_card_counts_the_parameters(make, shape):
    layer = make()
    count = sum(tensor.size for tensor in layer.parameters())
    card = str(layer).splitlines()
    assert card[-1] == f"{count:,} parameters"
    assert card[0] == repr(layer)[1:-1]


# --- state ----------------------------------------------------------------------------------------


def test_running_values_are_state_and_not_trained(tmp_path):
    one, other = nn.BatchNorm(3, name="norm"), nn.BatchNorm(3, name="norm")
    for seed in range(3):
        one(laws.draw((5, 3), seed))
    assert [name for name, _ in one.named_parameters()] == ["g", "b"]
    assert list(one.state_dict()) == ["g", "b", "running_mean", "running_var", "batches"]
    other.load_state_dict(one.state_dict())
    x = laws.draw((2, 3), 9)
    laws.near(one.eval()(x).data, other.eval()(x).data, 0)
    path = interop.save(nn.Sequential(one), tmp_path / "norm.npz")
    third = nn.Sequential(nn.BatchNorm(3, name="norm"))
    interop.load(third, path)
    assert third.state_dict()["norm.running_mean"].tolist() == one.running_mean.data.tolist()
    with pytest.raises(SignalError, match="missing: running_var"):
        other.load_state_dict({"g": one.g.data, "b": one.b.data, "running_mean": one.g.data,
                               "batches": 0.0})  # fmt: skip


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_has_running_values_of_its_own(copied):
    one = nn.BatchNorm(3)
    one(laws.draw((5, 3)))
    other = copied(one)
    before = one.running_mean.data.copy()
    laws.near(other.running_mean.data, before, 0)
    other(laws.draw((5, 3), 1))
    laws.near(one.running_mean.data, before, 0)
    assert (other.running_mean.data != before).all()


def test_what_was_recorded_in_use_outlives_more_training():
    norm = nn.BatchNorm(3)
    x = tg.Tensor(laws.draw((5, 3)), requires_grad=True)
    y = tg.sum(norm.eval()(x) ** 2)
    norm.train()(laws.draw((5, 3), 1))
    y.backward()
    assert np.isfinite(x.grad).all()


def test_train_and_eval_reach_all_layers():
    net = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Dropout(0.5, seed=0))
    x = laws.draw((6, 3))
    assert (net(x).data == 0).any()
    laws.near(net.eval()(x).data, net(x).data, 0)
    assert not (net(x).data == 0).any()
    assert (net.train()(x).data == 0).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EVERY
def test_a_type_stays(make, shape, dtype):
    layer = make()
    if layer.parameters():
        layer = {  # made anew in the type
            "Conv1d": lambda: nn.Conv1d(2, 3, 3, dtype=dtype),
            "Conv2d": lambda: nn.Conv2d(2, 4, (2, 3), dtype=dtype),
            "LayerNorm": lambda: nn.LayerNorm(4, dtype=dtype),
            "GroupNorm": lambda: nn.GroupNorm(2, 4, dtype=dtype),
            "RMSNorm": lambda: nn.RMSNorm(4, dtype=dtype),
            "BatchNorm": lambda: nn.BatchNorm(shape[1], dtype=dtype),
            "Attention": lambda: nn.Attention(4, 2, dtype=dtype),
            "Dense": lambda: nn.Dense(4, 2, dtype=dtype),
        }[type(layer).__name__]()
    x = tg.Tensor(laws.draw(shape).astype(dtype), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    kinds = {y.dtype, x.grad.dtype, *(tensor.grad.dtype for tensor in layer.parameters())}
    assert kinds == {np.dtype(dtype)}
    assert {array.dtype for array in layer.state_dict().values()} <= {np.dtype(dtype)}


def test_a_layer_makes_its_initial_values_from_its_seed():
    for make in (lambda s: nn.Conv2d(2, 3, 3, seed=s), lambda s: nn.Embedding(4, 3, seed=s),
                 lambda s: nn.Attention(4, 2, seed=s)):  # fmt: skip
        one, same, other = (make(seed).parameters()[0].data for seed in (1, 1, 2))
        assert (one == same).all() and (one != other).any()


def test_a_network_of_convolutions_is_trained():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, activation="relu", seed=0), nn.MaxPool(2), nn.BatchNorm(4),
        nn.Flatten(), nn.Dense(4 * 3 * 3, 2, seed=1),
    )  # fmt: skip
    random = np.random.default_rng(0)
    x, classes = random.normal(size=(12, 1, 6, 6)), random.integers(0, 2, 12)
    update, losses = tg.optim.Adam(net.parameters(), lr=0.02), []
    for _ in range(30):
        update.zero_grad()
        loss = nn.softmax_cross_entropy(net(x), classes)
        loss.backward()
        update.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    laws.near(nn.Flatten()(x).data, x.reshape(12, -1), 0)


# --- attention ------------------------------------------------------------------------------------


def test_weights_are_a_signal_and_hide_what_is_masked():
    layer = drawn(nn.Attention(4, 2, causal=True))
    x = tg.Tensor(laws.draw((5, B, 4)), requires_grad=True, name="x")
    loss = tg.sum(layer(x, lengths=[5, 2, 4]))
    a = tg.signals(loss)["attention.a"].value
    assert a.shape == (B, 2, 5, 5)
    laws.near(a.sum(axis=-1), np.ones((B, 2, 5)), 1e-14)
    assert not np.triu(a, 1).any() and not a[1, :, :, 2:].any()


def test_padding_has_outputs_of_0_and_no_gradient():
    layer = drawn(nn.Attention(4, 2))
    array = laws.draw((5, 2, 4))
    array[3:, 1] = np.nan
    array = np.where(np.isnan(array), 7.0, array)
    x = tg.Tensor(array, requires_grad=True)
    y = layer(x, lengths=[5, 3])
    alone = layer(array[:3, 1])
    laws.near(y.data[:3, 1], alone.data, 1e-14)
    y.sum().backward()
    assert not y.data[3:, 1].any() and not x.grad[3:, 1].any()


def test_dropout_of_weights_is_for_training():
    layer = drawn(nn.Attention(4, 2, dropout=0.5, seed=0))
    x = laws.draw((5, 4))
    used = layer.eval()(x).data
    laws.near(used, layer(x).data, 0)
    assert (layer.train()(x).data != used).any()


# --- what is refused ------------------------------------------------------------------------------

CONV, PLANE, NORM = nn.Conv1d(2, 3, 4), nn.Conv2d(2, 3, 2), nn.BatchNorm(3)
LOOK, TOKENS = nn.Attention(4, 2), nn.Embedding(5, 3)
BAD = {
    "features": (lambda: CONV(np.ones((1, 3, 9))), ShapeError, "conv1d: .* has 3 features, .* 2"),
    "short": (lambda: CONV(np.ones((1, 2, 3))), ShapeError, "conv1d: .*window that spans 4"),
    "axes": (lambda: PLANE(np.ones((2, 3))), ShapeError, r"conv2d: .*expected \(..., in, height"),
    "type": (lambda: CONV(np.ones((2, 9), np.float32)), DTypeError, "conv1d: input is float32"),
    "groups": (lambda: nn.Conv1d(3, 4, 2, groups=2), ArgumentError, "2 groups for 3 features"),
    "kernel": (lambda: nn.Conv2d(1, 1, 0), ArgumentError, "Conv2d: kernel_size"),
    "kernels": (lambda: nn.Conv1d(1, 1, (2, 2)), ArgumentError, "Conv1d: kernel_size"),
    "padding": (lambda: nn.Conv1d(1, 1, 2, padding="full"), ArgumentError, "'full'"),
    "negative": (lambda: nn.Conv1d(1, 1, 2, padding=-1), UsageError, "padding"),
    "activation": (lambda: nn.Conv1d(1, 1, 2, activation="tanhh"), UsageError, "no activation"),
    "window": (lambda: nn.MaxPool(0), ArgumentError, "MaxPool: width"),
    "pooled": (lambda: nn.MaxPool(2)(np.ones((3, 4))), ShapeError, "maxpool: input has shape"),
    "sizes": (lambda: nn.LayerNorm(0), ArgumentError, "LayerNorm: input_size"),
    "eps": (lambda: nn.LayerNorm(2, eps=-1.0), ArgumentError, "LayerNorm: eps"),
    "a group": (lambda: nn.GroupNorm(3, 4), ArgumentError, "3 groups for 4 features"),
    "flat": (lambda: nn.Flatten(2)(np.ones((3, 4))), ShapeError, "flatten: .*more than 2 axes"),
    "norm": (lambda: nn.LayerNorm((2, 3))(np.ones((2, 4))), ShapeError, "layernorm: .*4 features"),
    "one": (lambda: NORM(np.ones((1, 3))), ShapeError, "batchnorm: .*larger batch, or call eval"),
    "no batch": (lambda: nn.BatchNorm(3, axis=0)(np.ones(3)), ShapeError, "expected a batch"),
    "momentum": (lambda: nn.BatchNorm(3, momentum=1.5), ArgumentError, "momentum"),
    "token": (lambda: TOKENS([5]), OutOfRangeError, "embedding: found index 5, expected 0 to 4"),
    "floats": (lambda: TOKENS([0.5]), DTypeError, "embedding: .*whole numbers"),
    "pad": (lambda: nn.Embedding(5, 3, padding=5), ArgumentError, "padding must be below 5"),
    "heads": (lambda: nn.Attention(4, 3), ArgumentError, "3 heads for 4 features"),
    "keys": (lambda: LOOK(np.ones((2, 4)), np.ones((3, 1, 4))), ShapeError, "attention: found x"),
    "values": (
        lambda: LOOK(np.ones((2, 4)), np.ones((3, 4)), np.ones((2, 4))), ShapeError, "as many keys",
    ),
    "a mask": (lambda: LOOK(np.ones((2, 4)), mask=np.ones((3, 3)) > 0), ShapeError, "mask"),
    "lengths": (lambda: LOOK(np.ones((2, 4)), lengths=[1]), UsageError, "attention: lengths"),
    "rate": (lambda: nn.Attention(4, dropout=1.0), ArgumentError, "Attention: dropout"),
    "bias": (lambda: nn.Conv1d(1, 1, 1, bias=0), UsageError, "Conv1d: bias must be True or False"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_meant_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
