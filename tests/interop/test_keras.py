"""Holds the layers to Keras', run by PyTorch: outputs, last states and gradients."""

from __future__ import annotations

import os

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm import interop, nn

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = peer("torch")
keras = peer("keras")

# Keras asks PyTorch's tensors for copies in a way that NumPy is about to change
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

T, B, IN, H = 6, 4, 3, 5
NEAR = 1e-5  # on top of PyTorch, Keras rounds the products of float64 to float32
L = keras.layers
OPTIONS = dict(return_sequences=True, return_state=True, dtype="float64", bias_initializer="normal")
CASES = {
    "LSTM": (lambda: nn.LSTM(IN, H), lambda: L.LSTM(H, **OPTIONS)),
    "LSTM of softplus": (
        lambda: nn.LSTM(IN, H, activation="softplus"),
        lambda: L.LSTM(H, activation="softplus", **OPTIONS),
    ),
    "GRU": (lambda: nn.GRU(IN, H), lambda: L.GRU(H, **OPTIONS)),
    "GRU, reset before": (
        lambda: nn.GRU(IN, H, reset_after=False),
        lambda: L.GRU(H, reset_after=False, **OPTIONS),
    ),
    "RNN": (lambda: nn.RNN(IN, H), lambda: L.SimpleRNN(H, **OPTIONS)),
    "LSTM without biases": (
        lambda: nn.LSTM(IN, H, bias=False),
        lambda: L.LSTM(H, use_bias=False, **OPTIONS),
    ),
    "GRU without biases": (
        lambda: nn.GRU(IN, H, bias=False),
        lambda: L.GRU(H, use_bias=False, **OPTIONS),
    ),
}


def numbers(values):
    return [np.array(keras.ops.convert_to_numpy(each)) for each in values]


def compared(ours, theirs, x, lasts):
    """Assert that outputs, last states and gradients agree."""
    theirs.build(x.transpose(1, 0, 2).shape)
    interop.keras.load(ours, numbers(theirs.weights))
    for each in theirs.trainable_weights:
        each.value.grad = None
    found = theirs(torch.tensor(x.transpose(1, 0, 2)))
    out_there, *lasts_there = found if isinstance(found, list | tuple) else [found]
    out, last = ours(x)
    laws.near(out.data, numbers([out_there])[0].transpose(1, 0, 2), NEAR)
    last = last if isinstance(last, tuple) else (last,)
    if lasts:
        for each, there in zip(last, numbers(lasts_there), strict=True):
            laws.near(each.data, there, NEAR)
    loss = (out * out).sum()
    (out_there * out_there).sum().backward()
    there = [each.value.grad.numpy() for each in theirs.trainable_weights]
    report = tg.compare(loss, interop.keras.read_gradients(ours, there), rtol=NEAR)
    assert report.ok, str(report)
    assert len(report.rows) == len(ours.parameters())


@pytest.mark.parametrize(("make", "make_there"), CASES.values(), ids=CASES.keys())
def test_layer_is_keras(make, make_there):
    compared(make(), make_there(), laws.draw((T, B, IN)), lasts=True)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_both_directions_are_keras(kind):
    options = OPTIONS | {"return_state": False}
    theirs = L.Bidirectional(getattr(L, kind)(H, **options), dtype="float64")
    ours = getattr(nn, kind)(IN, H, bidirectional=True)
    compared(ours, theirs, laws.draw((T, B, IN)), lasts=False)


def test_dense_is_keras_and_our_numbers_go_there():
    ours, theirs = nn.Dense(IN, H, seed=0), L.Dense(H, dtype="float64")
    theirs.build((B, IN))
    theirs.set_weights(list(interop.keras.weights(ours).values()))
    x = laws.draw((B, IN))
    laws.near(ours(x).data, numbers([theirs(torch.tensor(x))])[0], NEAR)


# --- layers without steps -------------------------------------------------------------------------

PLAIN = {
    "Conv1D": (
        lambda: nn.Conv1d(4, 6, 3, padding="same", groups=2),
        lambda: L.Conv1D(6, 3, padding="same", groups=2, dtype="float64"), (B, 4, 7),
    ),
    "Conv2D": (
        lambda: nn.Conv2d(2, 3, (2, 3), stride=2, bias=False),
        lambda: L.Conv2D(3, (2, 3), strides=2, use_bias=False, dtype="float64"), (B, 2, 5, 6),
    ),
    "MaxPooling1D": (
        lambda: nn.MaxPool(3, 2, padding="same"),
        lambda: L.MaxPooling1D(3, 2, padding="same", dtype="float64"), (B, 2, 6),
    ),
    "AveragePooling2D": (
        lambda: nn.AveragePool((2, 3), 1),
        lambda: L.AveragePooling2D((2, 3), 1, dtype="float64"), (B, 2, 5, 6),
    ),
    "LayerNormalization": (
        lambda: nn.LayerNorm(5, eps=1e-3), lambda: L.LayerNormalization(dtype="float64"), (B, 5),
    ),
    "GroupNormalization": (
        lambda: nn.GroupNorm(2, 4, eps=1e-3),
        lambda: L.GroupNormalization(2, axis=1, dtype="float64"), (B, 4, 3),
    ),
    "BatchNormalization in use": (
        lambda: nn.BatchNorm(5, eps=1e-3).eval(),
        lambda: L.BatchNormalization(dtype="float64"), (B, 5),
    ),
    "Embedding": (
        lambda: nn.Embedding(5, 3), lambda: L.Embedding(5, 3, dtype="float64"), (B, T),
    ),
    "MultiHeadAttention": (
        lambda: nn.Attention(4, 3, head_size=2, batch_first=True),
        lambda: L.MultiHeadAttention(3, 2, dtype="float64"), (B, T, 4),
    ),
    "MultiHeadAttention without biases": (
        lambda: nn.Attention(4, 2, causal=True, batch_first=True, bias=False),
        lambda: L.MultiHeadAttention(2, 2, use_bias=False, dtype="float64"), (B, T, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "make_there", "shape"), PLAIN.values(), ids=PLAIN)
def test_a_layer_without_steps_is_keras(make, make_there, shape):
    ours, theirs = make(), make_there()
    is_plane = isinstance(ours, nn.Conv1d | nn.Conv2d | nn.MaxPool | nn.AveragePool)
    last = (lambda x: np.moveaxis(x, 1, -1)) if is_plane else (lambda x: x)
    x = laws.draw(shape)
    if isinstance(ours, nn.Embedding):
        x = np.random.default_rng(0).integers(0, 5, shape)
    fed = torch.tensor(last(x).copy())
    inputs = (fed, fed) if isinstance(ours, nn.Attention) else (fed,)
    more = {"use_causal_mask": ours.causal} if isinstance(ours, nn.Attention) else {}
    theirs(*inputs, **more)  # builds it
    theirs.set_weights(
        [0.5 * laws.draw(each.shape, n) ** 2 for n, each in enumerate(theirs.weights)]
    )
    interop.keras.load(ours, numbers(theirs.weights))
    there = theirs(*inputs, **more)
    y = ours(x)
    laws.near(last(y.data), numbers([there])[0], NEAR)
    back = interop.keras.weights(ours)
    for one, other in zip(back.values(), numbers(theirs.weights), strict=True):
        laws.near(one, other, 0)
    loss = (y * y).sum()
    if not theirs.trainable_weights:
        return
    (there * there).sum().backward()
    slopes = [each.value.grad.numpy() for each in theirs.trainable_weights]
    loss.backward()
    gradients = interop.keras.read_gradients(ours, slopes)
    scale = max(np.abs(tensor.grad).max() for tensor in ours.parameters())
    for tensor in ours.parameters():
        laws.near(tensor.grad, gradients[tensor.label()], NEAR, scale)
