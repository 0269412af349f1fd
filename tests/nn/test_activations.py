"""Holds what layers are given to what they take; refusals are in test_bad_input.py."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine.symbol import Symbol
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
