"""Tests of the signs in ASCII."""

import itertools
import os
import string
import subprocess
import sys
import unicodedata

import pytest

from tinygrad_lstm.engine.spelling import PREFIXES, SIGNS, spell

GREEK = [chr(code) for code in range(0x3B1, 0x3CA) if unicodedata.name(chr(code), "")]
ALIKE = (
    "∘·×*",
    "−–—‑─┬-",
    "′‘’'",
    '“”"',
    "│├|",
    "≈~",
    "└`",
    "┼+",
    "⁄/",
    "�?",
)  # one meaning, one look


def test_no_two_signs_are_spelled_alike_unless_they_mean_the_same():
    for one, other in itertools.combinations([*{*SIGNS, *GREEK, *string.punctuation}], 2):
        if not any({one, other} <= set(alike) for alike in ALIKE):
            assert spell(one) != spell(other), (one, other)


def test_no_sign_but_that_of_a_derivative_is_spelled_as_a_single_letter():
    letters = [sign for sign in SIGNS if spell(sign) in string.ascii_letters]
    assert letters == ["∂"]


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("∂x is δadd_2[2]/∂x: δadd_2[2] = 1", "dx is delta_add_2[2]/dx: delta_add_2[2] = 1"),
        ("δ ∘ σ′, δ(out), δ₁, δ²", "delta * sigmoid', delta(out), delta_1, delta^2"),
        ("δŷ", "delta_yhat"),
        ("2 × x", "2 * x"),
        ("⟨a⟩ + [b < c]", "<<a>> + [b < c]"),
    ],
)
def test_a_text_in_ascii(text, spelled):
    assert spell(text) == spelled


@pytest.mark.parametrize("sign", PREFIXES)
def test_a_stream_spells_a_prefix_as_a_text_does(sign):
    text = f"{sign}W and {sign} W, {sign}"
    assert text.encode("ascii", "tinygrad_lstm.spelled").decode() == spell(text)


SCRIPT = """
import numpy as np
import tinygrad_lstm as tg

lstm, dense = tg.nn.LSTM(2, 2, seed=0), tg.nn.Dense(2, 1, tg.sigmoid, seed=1, name="dichte_ö")
loss = tg.nn.squared_error(dense(lstm(np.ones((3, 2)))[0]), np.zeros((3, 1)))
loss.name = "δ"
report = tg.compare(loss, {"lstm.b": np.ones(8), "lstm.W": np.ones((2, 8))})
report.diagnose(seconds=1)
network = tg.graph(loss).fold()
try:
    tg.compare(loss, {"δ→": 1.0})
except tg.SignalError as error:
    print(error)
for shown in (
    report, report.rows, report.blame, report.mistakes, report.corrections, report.text(),
    tg.explain(loss, "lstm.W.i"), lstm, dense, loss, [loss],
    tg.explain(loss, "lstm.W.i", style="stages"), tg.derive(loss).text(values=0),
    tg.matmul.derivatives(), tg.tanh.derivatives()["x"], network, network.adjoint().nodes,
    tg.signals(loss), tg.adequacy(loss, seconds=0.5), tg.gradcheck(tg.tanh, [np.ones(2)]),
):
    print(shown, repr(shown), f"{shown}")
"""


def script(code, encoding):
    """Return what a user's own script prints."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    run = [sys.executable, "-c", code]
    process = subprocess.run(run, capture_output=True, env=environment, timeout=120)
    assert process.returncode == 0, process.stderr.decode("utf-8", "replace")[-500:]
    return process.stdout.decode(encoding.partition(":")[0])


@pytest.mark.long
@pytest.mark.parametrize(
    "encoding", ["ascii", "latin-1", "cp1252", "cp437", "ascii:surrogateescape"]
)
def test_whatever_a_script_prints_is_spelled_as_its_terminal_can_show(encoding):
    text = script(SCRIPT, encoding)
    assert "\\u" not in text and "lstm.W.i" in text
    assert ("δlstm" in text) == (encoding == "cp437")
    assert ("dichte_ö" in text) == (not encoding.startswith("ascii"))


def test_a_terminal_that_has_every_sign_gets_the_text_as_it_is():
    code = "import tinygrad_lstm as tg; print(tg.tanh.derivatives()['x'], '→ ⌊𝜕')"
    assert script(code, "utf-8").rstrip() == "δ ∘ (1 - y²) → ⌊𝜕"


def test_what_a_script_asks_for_unknown_signs_is_done():
    code = "import tinygrad_lstm as tg; print(tg.tanh.derivatives()['x'])"
    assert script(code, "ascii:replace").rstrip() == "? ? (1 - y?)"
