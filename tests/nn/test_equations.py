"""Holds one step's equations to plain NumPy loops, and their gradients to the complex step."""

from __future__ import annotations

import numpy as np
import pytest

from support import laws
from tinygrad_lstm import Tensor, compare
from tinygrad_lstm.derivations import gers
from tinygrad_lstm.network.signals import Signals
from tinygrad_lstm.nn import GRU, LSTM, RNN, LSTMCell, MemoryBlocks

T, B, IN, H = 5, 3, 4, 6
BLOCKS, CELLS = 3, 2


# --- the same in plain NumPy, every gate by itself ----------------------------------------------


def sigma(x):
    return 1 / (1 + np.exp(-x))


SQUASH = {
    "tanh": np.tanh,
    "identity": lambda x: x,
    "4σ-2": lambda x: 4 * sigma(x) - 2,
    "2σ-1": lambda x: 2 * sigma(x) - 1,
    "sin": np.sin,
}


def cut_at(array, widths):
    """Return the blocks side by side along the last axis."""
    return np.split(array, np.cumsum(widths)[:-1], axis=-1)


def lstm_by_loop(p, x, out, state, *, cells=1, activation=("tanh", "tanh")):
    """Return the outputs at every step and the last state, whatever parameters there are."""
    size = state.shape[-1]
    widths = (size, size // cells, size // cells, size // cells)
    W, U, b = (cut_at(p[name], widths) for name in "WUb")
    look = np.split(p["p"], 3) if "p" in p else np.zeros((3, size))
    g, h = (SQUASH[name] for name in activation)

    def in_cells(gate):
        return np.repeat(gate, cells, axis=-1)

    def in_blocks(seen):
        return seen.reshape(*seen.shape[:-1], -1, cells).sum(axis=-1)

    outs = []
    for k in range(len(x)):
        net = [x[k] @ W[n] + out @ U[n] + b[n] for n in range(4)]
        a = g(net[0])
        i = sigma(net[1] + in_blocks(look[0] * state))
        f = sigma(net[2] + in_blocks(look[1] * state))
        state = in_cells(i) * a + in_cells(f) * state
        o = sigma(net[3] + in_blocks(look[2] * state))
        out = in_cells(o) * h(state)
        if "P" in p:
            out = out @ p["P"]
        outs.append(out)
    return np.stack(outs), state


def gru_by_loop(p, x, out, *, reset_after):
    size, outs = out.shape[-1], []
    W, U, b = (cut_at(p[name], (size,) * 3) for name in "WUb")
    for k in range(len(x)):
        r = sigma(x[k] @ W[0] + out @ U[0] + b[0])
        z = sigma(x[k] @ W[1] + out @ U[1] + b[1])
        old = r * (out @ U[2] + p["c"]) if reset_after else (r * out) @ U[2]
        out = (1 - z) * np.tanh(x[k] @ W[2] + b[2] + old) + z * out
        outs.append(out)
    return np.stack(outs), out


def rnn_by_loop(p, x, out, *, activation="tanh"):
    outs = []
    for k in range(len(x)):
        out = SQUASH[activation](x[k] @ p["W"] + out @ p["U"] + p["b"])
        outs.append(out)
    return np.stack(outs), out


# a layer, the loop, and what the loop is to know
CASES = {
    "LSTM": (LSTM(IN, H), lstm_by_loop, {}),
    "LSTM, peepholes": (LSTM(IN, H, peephole=True), lstm_by_loop, {}),
    "LSTM, projected": (LSTM(IN, H, proj_size=2), lstm_by_loop, {}),
    "LSTM, peepholes, projected": (LSTM(IN, H, peephole=True, proj_size=2), lstm_by_loop, {}),
    "LSTM, squashed as by Gers": (
        LSTM(IN, H, activation=("4σ-2", "2σ-1")), lstm_by_loop, dict(activation=("4σ-2", "2σ-1")),
    ),
    "LSTM, not squashed": (
        LSTM(IN, H, activation="identity"), lstm_by_loop, dict(activation=("identity", "identity")),
    ),
    "LSTM, squashed by functions": (
        LSTM(IN, H, activation=(np.sin, lambda x: np.tanh(x))), lstm_by_loop,
        dict(activation=("sin", "tanh")),
    ),
    "memory blocks": (
        MemoryBlocks(IN, BLOCKS, CELLS), lstm_by_loop,
        dict(cells=CELLS, activation=("4σ-2", "2σ-1")),
    ),
    "memory blocks, peepholes, not squashed": (
        MemoryBlocks(IN, BLOCKS, CELLS, peephole=True, activation="identity"), lstm_by_loop,
        dict(cells=CELLS, activation=("identity", "identity")),
    ),
    "GRU": (GRU(IN, H), gru_by_loop, dict(reset_after=True)),
    "GRU, reset before": (GRU(IN, H, reset_after=False), gru_by_loop, dict(reset_after=False)),
    "RNN": (RNN(IN, H), rnn_by_loop, {}),
    "RNN of sin": (RNN(IN, H, activation="sin"), rnn_by_loop, dict(activation="sin")),
}  # fmt: skip
EVERY = pytest.mark.parametrize(("layer", "loop", "known"), CASES.values(), ids=CASES.keys())
BATCHES = pytest.mark.parametrize("batch", [(), (B,)], ids=["alone", "batch"])


def drawn(layer):
    """Return the layer with every parameter drawn."""
    for seed, each in enumerate(layer.parameters()):
        each.data = 0.7 * laws.draw(each.shape, seed)
        each.grad = None
    return layer


def run(layer, leaves):
    """Return the outputs and the last of the states, on the tape."""
    x, *start = leaves
    out, last = layer(x, tuple(start) if len(start) > 1 else start[0])
    return out, last[-1] if isinstance(last, tuple) else last


@EVERY
@BATCHES
def test_layer_is_the_plain_loop_and_its_gradients_the_complex_step(layer, loop, known, batch):
    drawn(layer)
    shapes = [(T, *batch, IN), *((*batch, size) for size in layer.equations.sizes)]
    leaves = [Tensor(laws.draw(s, 30 + n), requires_grad=True) for n, s in enumerate(shapes)]
    out, last = run(layer, leaves)
    names = [name for name, _ in layer.named_parameters()]

    def by_loop(*arrays):
        return loop(dict(zip(names, arrays)), *arrays[len(names) :], **known)

    tensors = [*layer.parameters(), *leaves]
    arrays = tuple(each.numpy() for each in tensors)
    for found, expected in zip((out, last), by_loop(*arrays), strict=True):
        laws.near(found.data, expected, 1e-14)

    of_out, of_last = laws.draw(out.shape, 40), laws.draw(last.shape, 41)
    ((out * of_out).sum() + (last * of_last).sum()).backward()

    def loss_by_loop(*arrays):
        out, last = by_loop(*arrays)
        return np.sum(out * of_out) + np.sum(last * of_last)

    for position, each in enumerate(tensors):
        direction = laws.draw(each.shape, 50)
        alone = tuple(direction if n == position else None for n in range(len(tensors)))
        expected = laws.complex_step(loss_by_loop, arrays, alone)
        laws.near(np.sum(each.grad * direction), expected, 1e-12)


def test_blocks_of_one_cell_are_an_lstm():
    lstm = drawn(LSTM(IN, H, peephole=True))
    blocks = MemoryBlocks(IN, H, 1, peephole=True, activation="tanh")
    blocks.load_state_dict(lstm.state_dict())
    x = laws.draw((T, B, IN))
    assert np.array_equal(blocks(x)[0].data, lstm(x)[0].data)


def test_an_lstm_whose_peepholes_are_0_is_one_without():
    without, x = LSTM(IN, H, seed=1), laws.draw((T, B, IN))
    looking = LSTM(IN, H, seed=1, peephole=True)
    assert not looking.p.data.any()
    laws.near(looking(x)[0].data, without(x)[0].data, 1e-15)


# --- Gers' truncated gradient, by partial derivatives that run forward in time ------------------


def gers_forward_in_time(p, x, target, cells, squash):
    """Return Gers' truncated gradient of ½ Σ (out - target)², where every cell is an output.

    Returns
    -------
    (M, 4 gates), (3H,) : what this library has in W, U and b, and in p
    """
    H = target.shape[-1]
    J = H // cells
    w_c, w_in, w_φ, w_out = cut_at(np.vstack([p["W"], p["U"], p["b"]]), (H, J, J, J))
    w = {"c": w_c.T.reshape(J, cells, -1), "in": w_in.T, "φ": w_φ.T, "out": w_out.T}
    looks = np.split(p["p"].reshape(-1, cells), 3)
    w |= dict(zip(gers.PEEPHOLES, looks, strict=True))
    memory, Δ = gers.begin(w), {name: np.zeros_like(each) for name, each in w.items()}
    for x_k, target_k in zip(x, target, strict=True):
        memory = gers.advance(memory, x_k, w, squash)
        error = target_k.reshape(J, cells) - memory["y_c"]
        for name, change in gers.changes(memory, error, squash).items():
            Δ[name] += change
    stacked = np.hstack([Δ["c"].reshape(H, -1).T, *(Δ[unit].T for unit in ("in", "φ", "out"))])
    return -stacked, -np.concatenate([Δ[look].ravel() for look in gers.PEEPHOLES])


@pytest.mark.parametrize(
    ("make", "cells", "squash"),
    [
        (lambda **more: LSTM(IN, H, peephole=True, **more), 1, ("tanh", "tanh")),
        (
            lambda **more: MemoryBlocks(IN, BLOCKS, CELLS, peephole=True, **more),
            CELLS,
            ("4σ-2", "2σ-1"),
        ),
    ],
    ids=["LSTM", "memory blocks"],
)
def test_gers_truncation_is_his_partial_derivatives_forward_in_time(make, cells, squash):
    x, target = laws.draw((T, IN)), laws.draw((T, H), 1)
    layer, whole = drawn(make(truncate="gers")), drawn(make())
    parameters = {name: each.numpy() for name, each in layer.named_parameters()}
    stacked, of_p = gers_forward_in_time(parameters, x, target, cells, squash)
    for each in (layer, whole):
        error = each(x)[0] - target
        ((error * error).sum() * 0.5).backward()
    laws.near(np.vstack([layer.W.grad, layer.U.grad, layer.b.grad]), stacked, 1e-13)
    laws.near(layer.p.grad, of_p, 1e-13)
    away = np.linalg.norm(whole.U.grad - layer.U.grad) / np.linalg.norm(whole.U.grad)
    assert away > 0.05  # what is cut is not nothing


def test_gers_truncation_without_peepholes_cuts_the_same_edges():
    x = laws.draw((T, B, IN))
    looking = LSTM(IN, H, seed=1, peephole=True, truncate="gers")
    plain = LSTM(IN, H, seed=1, truncate="gers")
    for each in (looking, plain):
        each(x)[0].sum().backward()
    laws.near(plain.U.grad, looking.U.grad, 1e-13)
    laws.near(plain.W.grad, looking.W.grad, 1e-13)


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (
            MemoryBlocks(IN, BLOCKS, CELLS, peephole=True, name="net"),
            {"net.W.a": (IN, H), "net.W.i": (IN, BLOCKS), "net.U.f": (H, BLOCKS),
             "net.b.o": (BLOCKS,), "net.p.f": (H,), "net.s_a[1]": (H,), "net.s_o[1]": (BLOCKS,),
             "net.f[0]": (BLOCKS,), "net.state[-1]": (H,)},
        ),
        (
            GRU(IN, H, name="net"),
            {"net.W.n": (IN, H), "net.s_r[1]": (H,), "net.s_z[1]": (H,), "net.s_n[1]": (H,),
             "net.r[0]": (H,), "net.z[0]": (H,), "net.n[0]": (H,), "net.out[-1]": (H,),
             "net.c": (H,)},
        ),
        (RNN(IN, H, name="net"), {"net.W": (IN, H), "net.s[1]": (H,), "net.out[0]": (H,)}),
        (
            LSTM(IN, H, proj_size=2, activation="identity", name="net"),
            {"net.P": (H, 2), "net.s_a[0]": (H,), "net.a[0]": (H,), "net.out[0]": (2,)},
        ),
    ],
    ids=["memory blocks", "GRU", "RNN", "LSTM"],
)  # fmt: skip
def test_signals_have_their_names_and_shapes(layer, shapes):
    signals = Signals(layer(laws.draw((2, IN)))[0])
    assert {name: signals[name].shape for name in shapes} == shapes


def test_peepholes_are_packed_i_f_o():
    layer = drawn(LSTM(IN, H, peephole=True))
    loss = layer(laws.draw((T, IN)))[0].sum()
    loss.backward()
    parts = dict(zip(("lstm.p.i", "lstm.p.f", "lstm.p.o"), np.split(layer.p.grad, 3), strict=True))
    assert compare(loss, parts).ok
    layer.p.data = np.repeat([0.0, 50.0, 0.0], H)
    f = Signals(layer(laws.draw((2, IN)), (np.zeros(H), np.ones(H)))[0])["lstm.f[0]"]
    assert f.tensor.data.min() > 0.999


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(IN, H, forget_bias=2.5),
        LSTM(IN, H, forget_bias=2.5, peephole=True),
        MemoryBlocks(IN, H, CELLS, forget_bias=2.5),
        LSTMCell(IN, H, forget_bias=2.5),
    ],
    ids=lambda each: type(each).__name__,
)
def test_forget_bias_is_where_f_is(layer):
    b = dict(zip("aifo", cut_at(layer.b.numpy(), tuple(layer.equations.gates.values()))))
    assert {gate: set(each) for gate, each in b.items()} == {
        "a": {0},
        "i": {0},
        "f": {2.5},
        "o": {0},
    }


def test_parts_of_unequal_widths_are_their_columns():
    layer = drawn(MemoryBlocks(IN, BLOCKS, CELLS))
    signals = Signals(layer(laws.draw((2, IN)))[0])
    parts = [signals[f"memoryblocks.W.{gate}"].of(layer.W.numpy()) for gate in "aifo"]
    assert np.array_equal(np.hstack(parts), layer.W.data)
    assert np.array_equal(parts[2], layer.W.data[:, H + BLOCKS : H + 2 * BLOCKS])
