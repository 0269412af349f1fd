"""Holds the recurrent layers to PyTorch's: outputs, last states and all gradients, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm import interop
from tinygrad_lstm.nn import GRU, LSTM, RNN, Dense, GRUCell, LSTMCell, RNNCell

torch = peer("torch")

T, B, IN, H = 6, 4, 3, 5
LENGTHS = [3, 6, 1, 4]  # unsorted
NEAR = 1e-10
OURS = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}

STACKS = {
    "one layer": dict(),
    "two layers": dict(num_layers=2),
    "both directions": dict(bidirectional=True),
    "three layers, both directions": dict(num_layers=3, bidirectional=True),
}
CASES = {
    **{f"{kind}, {what}": (kind, more) for kind in OURS for what, more in STACKS.items()},
    **{
        f"LSTM projected, {what}": ("LSTM", dict(more, proj_size=2))
        for what, more in STACKS.items()
    },
    **{
        f"{kind} without biases": (kind, dict(num_layers=2, bias=False, bidirectional=True))
        for kind in OURS
    },
    "RNN of relu": ("RNN", dict(activation="relu", num_layers=2)),
}
EVERY = pytest.mark.parametrize(("kind", "more"), CASES.values(), ids=CASES.keys())


# --- from our parameters to theirs, and from their gradients to ours ----------------------------


def fill(theirs: Any, ours: Any) -> None:
    """Give PyTorch our parameters; every second bias is drawn too, and goes into ours."""
    state = {name: torch.tensor(array) for name, array in interop.torch.weights(ours).items()}
    for name in state:
        if name.startswith("bias_hh"):
            state[name] += torch.tensor(0.1 * laws.draw(tuple(state[name].shape), 77))
    assert not any(theirs.load_state_dict(state))
    interop.torch.load(ours, theirs.state_dict())


def gradients(theirs: Any) -> dict[str, Any]:
    return {name: each.grad for name, each in theirs.named_parameters()}


def gradients_near(ours: Any, theirs: Any) -> None:
    """Assert that all gradients are PyTorch's, in our layout and in its."""
    found = interop.torch.read_gradients(ours, gradients(theirs))
    expected = dict(ours.named_parameters(prefix=f"{ours.place.path()}."))
    assert found.keys() == expected.keys()
    for name, each in expected.items():
        laws.near(each.grad, found[name], NEAR)
    there = interop.torch.gradients(ours)
    assert there.keys() == gradients(theirs).keys()
    for name, gradient in gradients(theirs).items():
        laws.near(there[name], gradient.numpy(), NEAR)


def drawn(layer: Any) -> Any:
    """Return the layer with every parameter drawn, biases too."""
    for seed, each in enumerate(layer.parameters()):
        each.data = 0.5 * laws.draw(each.shape, seed)
    return layer


@EVERY
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
@pytest.mark.parametrize("given", [False, True], ids=["from zeros", "from a state"])
def test_layer_is_pytorchs(kind, more, lengths, given):
    ours = drawn(OURS[kind](IN, H, seed=0, **more))
    options = {dict(activation="nonlinearity").get(name, name): more[name] for name in more}
    theirs = getattr(torch.nn, kind)(IN, H, **options).double()
    fill(theirs, ours)

    count = ours.num_layers * (1 + ours.bidirectional)
    shapes = [(count, B, size) for size in ours.equations.sizes]
    if count == 1 and given:
        shapes = [shape[1:] for shape in shapes]
    starts = [tg.Tensor(laws.draw(shape, 9), requires_grad=True) for shape in shapes]
    x = tg.Tensor(laws.draw((T, B, IN)), requires_grad=True)
    state = (tuple(starts) if kind == "LSTM" else starts[0]) if given else None
    out, last = ours(x, state, lengths=lengths)
    lasts = list(last) if kind == "LSTM" else [last]

    there = [
        torch.tensor(np.array(s.data).reshape(count, B, -1), requires_grad=True) for s in starts
    ]
    x_there = torch.tensor(x.numpy(), requires_grad=True)
    fed = x_there
    if lengths:
        fed = torch.nn.utils.rnn.pack_padded_sequence(fed, lengths, enforce_sorted=False)
    state_there = (tuple(there) if kind == "LSTM" else there[0]) if given else None
    out_there, last_there = theirs(fed, state_there)
    if lengths:
        out_there, _ = torch.nn.utils.rnn.pad_packed_sequence(out_there, total_length=T)
    lasts_there = list(last_there) if kind == "LSTM" else [last_there]

    laws.near(out.data, out_there.detach().numpy(), NEAR)
    for each, other in zip(lasts, lasts_there, strict=True):
        laws.near(each.data, other.detach().numpy().reshape(each.shape), NEAR)

    weights = [laws.draw(each.shape, 20) for each in (out, *lasts)]
    loss = sum((each * w).sum() for each, w in zip((out, *lasts), weights, strict=True))
    loss.backward()
    loss_there = sum(
        (each * torch.tensor(w.reshape(each.shape))).sum()
        for each, w in zip((out_there, *lasts_there), weights, strict=True)
    )
    loss_there.backward()
    laws.near(x.grad, x_there.grad.numpy(), NEAR)
    gradients_near(ours, theirs)
    if given:
        for each, other in zip(starts, there, strict=True):
            laws.near(each.grad, other.grad.numpy().reshape(each.shape), NEAR)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", OURS)
def test_cell_is_pytorchs(kind, bias):
    cell = {"LSTM": LSTMCell, "GRU": GRUCell, "RNN": RNNCell}[kind]
    ours = drawn(cell(IN, H, bias=bias, seed=0))
    theirs = getattr(torch.nn, f"{kind}Cell")(IN, H, bias=bias).double()
    fill(theirs, ours)
    x, start = laws.draw((B, IN)), laws.draw((B, H), 1)
    state = (start, start + 1) if kind == "LSTM" else start
    state_there = tuple(map(torch.tensor, state)) if kind == "LSTM" else torch.tensor(state)
    out, out_there = ours(x, state), theirs(torch.tensor(x), state_there)
    if kind == "LSTM":
        laws.near(out[1].data, out_there[1].detach().numpy(), NEAR)
        out, out_there = out[0], out_there[0]
    laws.near(out.data, out_there.detach().numpy(), NEAR)
    (out * out).sum().backward()
    (out_there * out_there).sum().backward()
    gradients_near(ours, theirs)


@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_pytorchs(bias):
    ours = drawn(Dense(IN, H, bias=bias))
    theirs = torch.nn.Linear(IN, H, bias=bias).double()
    fill(theirs, ours)
    x = laws.draw((B, IN))
    out, out_there = ours(x), theirs(torch.tensor(x))
    laws.near(out.data, out_there.detach().numpy(), NEAR)
    (out * out).sum().backward()
    (out_there * out_there).sum().backward()
    gradients_near(ours, theirs)


def test_its_gradients_go_into_compare():
    ours, theirs = drawn(LSTM(IN, H, 2, seed=0)), torch.nn.LSTM(IN, H, 2).double()
    fill(theirs, ours)
    x = laws.draw((T, B, IN))
    loss = (ours(x)[0] ** 2).sum()
    (theirs(torch.tensor(x))[0] ** 2).sum().backward()
    report = tg.compare(loss, interop.torch.read_gradients(ours, gradients(theirs)))
    assert report.ok, str(report)
    assert len(report.rows) == 6


def test_what_still_requires_a_gradient_is_refused():
    theirs = torch.nn.Linear(IN, H)
    with pytest.raises(tg.DTypeError, match="weight"):
        interop.torch.load(Dense(IN, H), dict(theirs.named_parameters()))


def test_a_type_that_numpy_has_not_is_refused():
    with pytest.raises(tg.DTypeError, match="weight"):
        interop.torch.load(Dense(IN, H), torch.nn.Linear(IN, H).bfloat16().state_dict())
