"""Holds the card to what is recorded: its equations, evaluated, give the recorded signals."""

from __future__ import annotations

import html
import inspect

import numpy as np
import pytest

from support import laws
from tinygrad_lstm.network.signals import Signals
from tinygrad_lstm.nn import (
    GRU,
    LSTM,
    RNN,
    Dense,
    GRUCell,
    MemoryBlocks,
    Recurrent,
    RecurrentOptions,
    Sequential,
)
from tinygrad_lstm.nn.card import step_definitions

IN, H = 3, 4

LAYERS = {
    "LSTM": LSTM(IN, H),
    "LSTM, peepholes, projected": LSTM(IN, H, peephole=True, proj_size=2),
    "LSTM, squashed by a function": LSTM(IN, H, activation=(np.sin, lambda x: np.tanh(x))),
    "LSTM, as by Gers": LSTM(IN, H, activation=("4σ-2", "2σ-1"), truncate="gers"),
    "LSTM, not squashed": LSTM(IN, H, activation="identity"),
    "memory blocks": MemoryBlocks(IN, 2, 2, peephole=True, activation="identity", truncate="gers"),
    "GRU": GRU(IN, H),
    "GRU, reset before": GRU(IN, H, reset_after=False),
    "LSTM without biases": LSTM(IN, H, peephole=True, bias=False),
    "GRU without biases": GRU(IN, H, bias=False),
    "RNN without biases": RNN(IN, H, bias=False),
    "RNN": RNN(IN, H, activation="relu"),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_equations_on_the_card_give_what_is_recorded(layer):
    for seed, each in enumerate(layer.parameters()):
        each.data = laws.draw(each.shape, seed)
    x, start = laws.draw((1, IN)), [laws.draw((n,), 9) for n in layer.equations.sizes]
    _, last = layer(x, tuple(start) if len(start) > 1 else start[0])
    last = last if isinstance(last, tuple) else (last,)
    signals = Signals(*last).by_name
    known = {name.partition(".")[2].removesuffix("[0]"): s.of(s.tensor.numpy())
             for name, s in signals.items()}  # fmt: skip
    values = {name: value for name, value in known.items() if name[0] in "WUbcpPE"}
    for first in ("W", "U", "b"):
        if f"{first}.r" in known:
            values[f"{first}.rz"] = np.concatenate([known[f"{first}.{g}"] for g in "rz"], axis=-1)
    values["x(k)"] = x[0]
    values |= dict(zip((f"{what}(k-1)" for what in layer.equations.states), start, strict=True))
    for name, right in step_definitions(layer.equations, layer.has_bias):
        found = right.evaluate(values)
        laws.near(found, known[name], 1e-14)
        values[name] = found
        for part in getattr(signals[f"{layer.place.name}.{name}[0]"].tensor.name, "parts", ()):
            values[part] = known[part]


def test_card_of_a_stack_shows_every_layer():
    card = str(GRU(IN, H, num_layers=2, bidirectional=True, name="net")).splitlines()
    assert card[0] == "net: GRU, 3 features to 4, 2 layers in each direction"
    assert card[-2].endswith("c beside U.n; k+1 stands for k-1 in the backward direction")
    assert "layers.1.backward: W (8, 12), U (4, 12), b (12,), c (4,)" in card
    assert card[-1] == "520 parameters"


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_number_of_parameters(layer):
    count = sum(each.size for each in layer.parameters())
    assert str(layer).endswith(f"\n{count:,} parameters")


def test_order_of_gates_is_said():
    assert "packed in the order a, i, f, o; one bias" in str(LSTM(IN, H))
    assert "packed in the order r, z, n; one bias, and c beside U.n" in str(GRU(IN, H))
    assert "order" not in str(RNN(IN, H))
    assert "; p: i, f, o\nE (2, 4) is 1 where" in str(MemoryBlocks(IN, 2, 2, peephole=True))


def test_products_of_two_kinds_are_set_apart():
    assert "= (o ∘ tanh(state)) P" in str(LSTM(IN, H, proj_size=2))
    blocks = str(MemoryBlocks(IN, 2, 2, peephole=True))
    assert "= (i E) ∘ a + (f E) ∘ state(k-1)" in blocks
    assert "+ (p.o ∘ state) Eᵀ" in blocks


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (LSTM(IN, H), ["s", "a", "i", "f", "o", "state", "out"]),
        (GRU(IN, H), ["s", "r", "z", "s_n", "n", "out"]),
    ],
    ids=["LSTM", "GRU"],
)
def test_equations_stand_in_the_order_of_the_gates(layer, names):
    assert [name for name, _ in step_definitions(layer.equations)] == names


@pytest.mark.parametrize(
    ("activation", "lines"),
    [
        (None, ["y = x W + b"]),
        ("tanh", ["z = x W + b", "y = tanh(z)"]),
        ("4σ-2", ["z = x W + b", "y = 4 σ(z) - 2"]),
        (lambda z: z * z, ["z = x W + b", "y = lambda(z)"]),
    ],
)
def test_card_of_a_dense_layer(activation, lines):
    assert str(Dense(IN, H, activation, name="last")).splitlines() == [
        "last: Dense, 3 features to 4",
        *(f"  {line}" for line in lines),
        "W (3, 4), b (4,)",
        "A sample is a row, weights are (in, out); one bias",
        "16 parameters",
    ]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (LSTM(IN, H, bias=False, peephole=True), "a, i, f, o; no bias; p: i, f, o"),
        (GRU(IN, H, bias=False), "r, z, n; no bias"),
        (GRU(IN, H), "r, z, n; one bias, and c beside U.n"),
        (Dense(IN, H, bias=False), "weights are (in, out); no bias"),
    ],
)
def test_a_card_says_which_biases_there_are(layer, words):
    assert str(layer).splitlines()[-2].endswith(words)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (LSTM(IN, H, name="net"), "<net: LSTM, 3 features to 4>"),
        (
            GRU(IN, H, 2, bidirectional=True),
            "<gru: GRU, 3 features to 4, 2 layers in each direction>",
        ),
        (GRUCell(IN, H), "<grucell: GRUCell, 3 features to 4>"),
        (Dense(IN, H), "<dense: Dense, 3 features to 4>"),
        (Sequential(RNN(IN, H), np.tanh, Dense(H, 1)), "<Sequential of rnn, tanh, dense>"),
    ],
)
def test_a_module_is_one_line_in_a_list_and_its_card_in_print_and_in_a_notebook(module, line):
    assert repr([module]) == f"[{line}]"
    assert "parameters" in str(module)
    assert module._repr_html_() == f"<pre>{html.escape(str(module))}</pre>"


def test_the_signature_of_a_layer_lists_all_of_its_keywords():
    keywords = dict(inspect.signature(LSTM).parameters)
    shared = inspect.signature(Recurrent).parameters
    names = list(RecurrentOptions.__annotations__)
    assert sorted(names) == sorted(name for name, p in shared.items() if p.kind is p.KEYWORD_ONLY)
    assert [keywords[name] for name in names] == [shared[name] for name in names]
    for name, kind in RecurrentOptions.__annotations__.items():
        assert kind.__forward_arg__ == shared[name].annotation.replace("init.", "")
    last = ["activation", "bias", "name", "dtype", "seed"]
    assert list(inspect.signature(GRUCell).parameters)[-5:] == last
    assert list(inspect.signature(LSTM(1, 1)).parameters) == ["args", "options"]  # of a call
