"""Tests of the signs in ASCII."""

import itertools
import string
import unicodedata

import pytest

from tinygrad_lstm.cli.spelling import PREFIXES, SIGNS, spell

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
