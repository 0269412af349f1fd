"""Holds what type checkers see: `make types` reads this file, and running it changes nothing."""

from __future__ import annotations

from typing import assert_type

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import Tensor, interop, nn, optim

x = np.ones((4, 2))


def test_a_layers_call_gives_tensors() -> None:
    assert_type(nn.Dense(2, 3)(x), Tensor)
    assert_type(nn.Dropout()(x), Tensor)
    assert_type(nn.Sequential(nn.Dense(2, 3))(x), Tensor)
    assert_type(nn.LSTM(2, 3)(x), tuple[Tensor, tuple[Tensor, Tensor]])
    assert_type(nn.MemoryBlocks(2, 3, 2)(x), tuple[Tensor, tuple[Tensor, Tensor]])
    assert_type(nn.GRU(2, 3)(x), tuple[Tensor, Tensor])
    assert_type(nn.RNN(2, 3)(x), tuple[Tensor, Tensor])
    assert_type(nn.LSTMCell(2, 3)(x[0]), tuple[Tensor, Tensor])
    assert_type(nn.GRUCell(2, 3)(x[0]), Tensor)
    assert_type(nn.RNNCell(2, 3)(x[0]), Tensor)


def test_a_class_gives_its_own_instances() -> None:
    dense = nn.Dense(2, 3)
    assert_type(dense, nn.Dense)
    assert_type(dense.W, Tensor)
    assert_type(nn.LSTM(2, 3, bidirectional=True, truncate=5, seed=0), nn.LSTM)
    assert_type(optim.Adam(dense.parameters()), optim.Adam)


def test_a_wrong_keyword_is_seen() -> None:
    with pytest.raises(tg.UsageError, match="bidirectionl"):
        nn.LSTM(2, 3, bidirectionl=True)  # type: ignore[call-arg]


def test_losses_and_frameworks() -> None:
    assert_type(nn.squared_error(nn.Dense(2, 3)(x), np.zeros((4, 3))), Tensor)
    arrays = interop.torch.weights(nn.Dense(2, 3))
    assert_type(arrays, dict[str, np.ndarray])
