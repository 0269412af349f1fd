"""Holds the recurrent layers to PyTorch's: outputs, last states and all gradients, in float64."""

from __future__ import annotations

from typing import Any

import laws
import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")

T, B, IN, H = 6, 4, 3, 5
LENGTHS = [3, 6, 1, 4]  # unsorted
NEAR = 1e-10
OURS = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
ORDER = {"LSTM": "ifao", "GRU": "rzn", "RNN": "s"}  # of PyTorch's gates, in our letters

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
    "RNN of relu": ("RNN", dict(nonlinearity="relu", num_layers=2)),
}
EVERY = pytest.mark.parametrize(("kind", "more"), CASES.values(), ids=CASES.keys())


# --- from our parameters to theirs, and from their gradients to ours ----------------------------


def reordered(packed: Any, kind: str, back: bool = False) -> Any:
    """Return the gates along the last axis in PyTorch's order, or back in ours."""
    ours = "aifo" if kind == "LSTM" else ORDER[kind]
    found, wanted = (ORDER[kind], ours) if back else (ours, ORDER[kind])
    gates = dict(zip(found, np.split(packed, len(found), axis=-1), strict=True))
    return np.concatenate([gates[gate] for gate in wanted], axis=-1)


def suffixes(layer: Any) -> list[str]:
    """Return what PyTorch appends to its parameters' names, layer after layer."""
    ways = ("", "_reverse") if layer.bidirectional else ("",)
    return [f"_l{k}{way}" for k in range(layer.num_layers) for way in ways]


def parts_of(layer: Any) -> list[Any]:
    """Return what holds the parameters, in PyTorch's order."""
    return [each for row in layer.layers for each in (row if isinstance(row, tuple) else (row,))]


def fill(theirs: Any, part: Any, kind: str, suffix: str) -> None:
    """Give PyTorch our parameters; our one bias is its first, its second is 0 but for a GRU's n."""
    zero = np.zeros(part.b.shape)
    if kind == "GRU":
        zero[-part.c.size :] = part.c.data
    values = {
        "weight_ih": reordered(part.W.numpy(), kind).T,
        "weight_hh": reordered(part.U.numpy(), kind).T,
        "bias_ih": reordered(part.b.numpy(), kind),
        "bias_hh": zero,
    }
    if hasattr(part, "P"):
        values["weight_hr"] = part.P.numpy().T
    with torch.no_grad():
        for name, value in values.items():
            getattr(theirs, name + suffix).copy_(torch.tensor(np.ascontiguousarray(value)))


def gradients(theirs: Any, kind: str, suffix: str) -> dict[str, Any]:
    """Return PyTorch's gradients by our names."""

    def of(name: str) -> Any:
        return getattr(theirs, name + suffix).grad.numpy()

    found = {
        "W": reordered(of("weight_ih").T, kind, back=True),
        "U": reordered(of("weight_hh").T, kind, back=True),
        "b": reordered(of("bias_ih"), kind, back=True),
    }
    if kind == "GRU":
        found["c"] = of("bias_hh")[-len(of("bias_hh")) // 3 :]
    if hasattr(theirs, "weight_hr" + suffix):
        found["P"] = of("weight_hr").T
    return found


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
    parts, names = parts_of(ours), suffixes(ours)
    theirs = getattr(torch.nn, kind)(IN, H, **more).double()
    for part, suffix in zip(parts, names, strict=True):
        fill(theirs, part, kind, suffix)

    shapes = [(len(parts), B, size) for size in ours.equations.sizes]
    if len(parts) == 1 and given:
        shapes = [shape[1:] for shape in shapes]
    starts = [tg.Tensor(laws.draw(shape, 9), requires_grad=True) for shape in shapes]
    x = tg.Tensor(laws.draw((T, B, IN)), requires_grad=True)
    state = (tuple(starts) if kind == "LSTM" else starts[0]) if given else None
    out, last = ours(x, state, lengths=lengths)
    lasts = list(last) if kind == "LSTM" else [last]

    there = [
        torch.tensor(np.array(s.data).reshape(len(parts), B, -1), requires_grad=True)
        for s in starts
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
    for part, suffix in zip(parts, names, strict=True):
        for name, gradient in gradients(theirs, kind, suffix).items():
            laws.near(getattr(part, name).grad, gradient, NEAR)
    if given:
        for each, other in zip(starts, there, strict=True):
            laws.near(each.grad, other.grad.numpy().reshape(each.shape), NEAR)


@pytest.mark.parametrize("kind", OURS)
def test_cell_is_pytorchs(kind):
    ours = drawn({"LSTM": LSTMCell, "GRU": GRUCell, "RNN": RNNCell}[kind](IN, H, seed=0))
    theirs = getattr(torch.nn, f"{kind}Cell")(IN, H).double()
    fill(theirs, ours, kind, "")
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
    for name, gradient in gradients(theirs, kind, "").items():
        laws.near(getattr(ours, name).grad, gradient, NEAR)
