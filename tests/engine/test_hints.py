"""The type hints that the package ships say Tensor where a Tensor comes back."""

from __future__ import annotations

import re

import pytest

api = pytest.importorskip("mypy.api", reason="mypy is not installed")

TENSOR, REPORT = "tinygrad_lstm.engine.tensor.Tensor", "tinygrad_lstm.check.report.Report"
REVEALED = {
    "tg.tanh(x)": TENSOR, "x + 1": TENSOR, "1 + x": TENSOR, "x @ x": TENSOR, "x.mean()": TENSOR,
    "tg.grad(x, [x])[0]": TENSOR, "tg.grad(x, x)": TENSOR, "tg.nn.Dense(1, 1)(x)": TENSOR,
    "tg.compare(x, {})": REPORT,
}  # fmt: skip


def test_hints_say_what_comes_back(tmp_path):
    program = tmp_path / "program.py"
    lines = ["import tinygrad_lstm as tg", "x = tg.Tensor([1.0])"]
    program.write_text("\n".join([*lines, *(f"reveal_type({each})" for each in REVEALED)]))
    excerpt, errors, _ = api.run([str(program), "--no-error-summary"])
    types = re.findall(r'Revealed type is "([^"]*)"', excerpt)
    assert dict(zip(REVEALED, types, strict=True)) == REVEALED, excerpt + errors
