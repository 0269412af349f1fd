"""The names of signals in MathML: each as it was given, as text, and as one word."""

from xml.etree import ElementTree as ET

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import networks

NAMES = [
    "<script>alert(1)</script>", "</math>", "&lt;", r"\frac{a}{b}$x$ & # %", "שלום", "名前", "ŷ",
    "Σx", "weight one", '"`${1}', "x1",
]  # fmt: skip


def words_of(page):
    """Return the texts of all identifiers in the formulas of a page."""
    maths = [f"<math{part.partition('</math>')[0]}</math>" for part in page.split("<math")[1:]]
    return [x.text for math in maths for x in ET.fromstring(math).iter() if x.tag.endswith("}mi")]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stands_in_a_formula_as_it_was_given(name):
    pytest.importorskip("latex2mathml")
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True, name=name)
    derivation = tg.derive(tg.sum(tg.tanh(np.ones(3) @ w)))
    assert name in words_of(derivation.html())
    assert name.isascii() or name not in derivation.latex()  # which has letters of its own


def test_a_name_of_the_signs_that_stand_for_names_is_escaped():
    pytest.importorskip("latex2mathml")
    x = tg.Tensor(1.0, requires_grad=True, name="\U000f0000\U000f0001")
    assert r"\U000f0000\U000f0001" in words_of(tg.derive(tg.tanh(x) * 2).html())


def test_a_name_is_read_as_one_word():
    pytest.importorskip("latex2mathml")
    words = words_of(tg.derive(networks.network()[0]).html())
    assert {"out", "state", "target"} <= {*words} and "lstm" not in words
    assert not any(ord(sign) >= 0xF0000 for word in words for sign in word)


def test_a_modules_name_stands_before_what_two_modules_have():
    pytest.importorskip("latex2mathml")
    one, other = tg.nn.RNN(2, 2, seed=0), tg.nn.RNN(2, 2, seed=1)
    loss = tg.nn.squared_error(other(one(np.ones((3, 2)))[0])[0], np.zeros((3, 2)))
    assert {"rnn", "rnn_2"} <= {*words_of(tg.derive(loss).html())}
