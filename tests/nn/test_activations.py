"""Holds what layers are given to what they take; refusals are in test_bad_input.py."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import nn
from tinygrad_lstm.engine.kinds import elementwise, linear
from tinygrad_lstm.engine.symbol import Symbol
from tinygrad_lstm.engine.symbol import function as notation
from tinygrad_lstm.nn.activations import as_function, entrywise, identity

AT = np.array([-2.0, -0.5, 0.0, 3.0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("tanh", np.tanh(AT)),
        ("relu", np.maximum(AT, 0)),
        ("identity", AT),
        ("4σ-2", 4 / (1 + np.exp(-AT)) - 2),
        ("4sigmoid-2", 4 / (1 + np.exp(-AT)) - 2),
        ("2 σ - 1", np.tanh(AT / 2)),
        ("2sigmoid-1", np.tanh(AT / 2)),
        (np.sin, np.sin(AT)),
        (tg.softplus, np.log1p(np.exp(AT))),
        (lambda x: x * x, AT * AT),
    ],
)
def test_function_by_name_or_by_itself(given, expected):
    assert np.allclose(entrywise("layer", given)(tg.Tensor(AT)).data, expected, atol=1e-15)


def test_sigmoid_alone_is_a_primitive():
    assert as_function("layer", "sigmoid") is tg.sigmoid


def test_identity_is_a_signal_of_its_own():
    x = tg.Tensor(AT)
    assert identity(x) is not x


def test_a_callers_function_is_written_by_its_name():
    function = entrywise("layer", np.sin)
    assert str(function(Symbol("s_a"))) == "sin(s_a)"
    assert str(copy.deepcopy(function)(Symbol("s_a"))) == "sin(s_a)"
    assert str(entrywise("layer", lambda x: np.sin(x))(Symbol("s_a"))) == "lambda(s_a)"


mish_like = elementwise(
    "mish_like",
    lambda x: x * np.tanh(x),
    lambda x, y: np.tanh(x) + x * (1 - np.tanh(x) ** 2),
    notation=notation("mish_like"),
    samples=lambda: [((AT,), {})],
)
three_times = linear(
    "three_times",
    lambda x: 3 * x,
    lambda ct, x: 3 * ct,
    notation=notation("three_times"),
    samples=lambda: [((AT,), {})],
)


@pytest.mark.parametrize("primitive", [mish_like, three_times], ids=lambda each: each.name)
@pytest.mark.parametrize("by_name", [False, True], ids=["by object", "by name"])
def test_a_primitive_of_the_users_own_is_an_activation(primitive, by_name):
    activation = primitive.name if by_name else primitive
    lstm, dense = nn.LSTM(2, 3, activation=activation, seed=0), nn.Dense(3, 1, activation, seed=1)
    assert lstm.equations.g is dense.activation is primitive
    assert f"a     = {primitive.name}(s_a)" in str(lstm)
    assert f"y = {primitive.name}(z)" in str(dense)
    net = pickle.loads(pickle.dumps(nn.Sequential(lstm, dense)))
    loss = nn.squared_error(net(np.full((4, 2), 0.3)), np.zeros((4, 1)))
    loss.backward()
    adjoint = tg.graph(loss).fold().adjoint().evaluate()
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(adjoint[f"δ{name}"], parameter.grad, rtol=0, atol=1e-14)
    assert tg.compare(loss, {"lstm.W": net.parameters()[0].grad}).ok


def test_a_name_of_what_does_not_work_entry_by_entry_is_refused():
    for name in ("transpose", "add", "sum"):
        with pytest.raises(tg.UsageError, match=f"there is no activation '{name}'"):
            nn.Dense(2, 3, name)
