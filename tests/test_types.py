"""Holds what type checkers see: `make types` reads this file, and running it changes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import assert_type

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import Tensor, interop, nn, optim
from tinygrad_lstm.check.report import Report

ROOT = Path(tg.__file__).parents[1]

x = np.ones((4, 2))


TENSOR, REPORT = "tinygrad_lstm.engine.tensor.Tensor", "tinygrad_lstm.check.report.Report"
REVEALED = {
    "tg.tanh(x)": TENSOR, "x + 1": TENSOR, "1 + x": TENSOR, "x @ x": TENSOR, "x.mean()": TENSOR,
    "tg.grad(x, [x])[0]": TENSOR, "tg.grad(x, x)": TENSOR, "tg.nn.Dense(1, 1)(x)": TENSOR,
    "tg.compare(x, {})": REPORT,
}  # fmt: skip


@pytest.mark.long
def test_mypy_agrees_with_this_file_and_says_what_comes_back(tmp_path: Path) -> None:
    """One run of mypy reads this file and a program of somebody else's."""
    if not find_spec("mypy"):
        assert not os.environ.get("CI"), "the types are held in CI"
        pytest.skip("mypy is not installed here: nothing to ask (make types installs it)")
    program = tmp_path / "program.py"
    lines = ["import tinygrad_lstm as tg", "x = tg.Tensor([1.0])"]
    program.write_text("\n".join([*lines, *(f"reveal_type({each})" for each in REVEALED)]))
    command = [sys.executable, "-m", "mypy", __file__, str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    types = re.findall(r'Revealed type is "([^"]*)"', done.stdout)
    assert dict(zip(REVEALED, types, strict=True)) == REVEALED, done.stdout + done.stderr


def test_functions_operators_and_gradients_are_tensors() -> None:
    t = tg.Tensor(x, requires_grad=True, name="t")
    loss = tg.sum(tg.tanh(t))
    assert_type(tg.tanh(t), Tensor)
    assert_type(t + 1, Tensor)
    assert_type(1 + t, Tensor)
    assert_type(tg.grad(loss, [t])[0], Tensor)
    assert_type(tg.compare(loss, {"t": x}), Report)


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
