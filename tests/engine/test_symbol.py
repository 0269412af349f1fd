"""Holds Symbols to printing what they evaluate to, as people write it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lstm as tg
from tinygrad_lstm import TABLE, Symbol
from tinygrad_lstm.engine.symbol import constant_text

a, b, c, x, y = map(Symbol, "abcxy")


@pytest.mark.parametrize(
    ("expression", "text", "latex"),
    [
        (a + b - c, "a + b - c", "a + b - c"),
        (a - (b - c), "a - (b - c)", r"a - \left(b - c\right)"),
        (a * (b + c), "a ∘ (b + c)", r"a \circ \left(b + c\right)"),
        (1 - y * y, "1 - y²", "1 - {y}^{2}"),
        (2 * x, "2 x", r"2 \, x"),
        (0.5 / y, "0.5 / y", "0.5 / y"),
        (a / (b / c), "a / (b / c)", r"a / \left(b / c\right)"),
        (-(a + b), "-(a + b)", r"-\left(a + b\right)"),
        (a * -b, "a ∘ (-b)", r"a \circ \left(-b\right)"),
        (-a * b, "(-a) ∘ b", r"\left(-a\right) \circ b"),
        ((a + b) ** 3, "(a + b)³", r"{\left(a + b\right)}^{3}"),
        (a**-2, "a⁻²", "{a}^{-2}"),
        (a**b, "a^b", "{a}^{b}"),
        (a @ b.T, "a bᵀ", r"a \, {b}^\top"),
        (a[1:3], "a[1:3]", "a[1:3]"),
        (a[..., 0], "a[…, 0]", "a[…, 0]"),
        (a[(2,)], "a[2]", "a[2]"),
        (a > b, "[a > b]", r"\left[a > b\right]"),
        (a == b, "[a = b]", r"\left[a = b\right]"),
        ((a + b).sum(), "Σ (a + b)", r"\sum \left(a + b\right)"),
        (Symbol("δ") * a, "δ ∘ a", r"\delta \circ a"),
        (tg.tanh(a), "tanh(a)", r"\tanh\left(a\right)"),
        (tg.sigmoid(a), "σ(a)", r"\sigma\left(a\right)"),
        (tg.logsumexp(a), "logsumexp(a)", r"\operatorname{logsumexp}\left(a\right)"),
        (tg.maximum(a, b), "max(a, b)", r"\max\left(a, b\right)"),
        (tg.abs(a), "|a|", r"\left|a\right|"),
        (tg.norm(a), "‖a‖", r"\left\lVert a \right\rVert"),
    ],
    ids=str,
)
def test_print(expression, text, latex):
    assert (repr(expression), expression.latex()) == (text, latex)


@pytest.mark.parametrize(
    ("name", "gains"),
    [
        ("add", {"a": "δ", "b": "δ"}),
        ("subtract", {"a": "δ", "b": "-δ"}),
        ("tanh", {"x": "δ ∘ (1 - y²)"}),
        ("sigmoid", {"x": "δ ∘ y ∘ (1 - y)"}),
        ("exp", {"x": "δ ∘ y"}),
        ("relu", {"x": "δ ∘ [x > 0]"}),
        ("hadamard", {"a": "δ ∘ b", "b": "δ ∘ a"}),
        ("matmul", {"a": "δ bᵀ", "b": "aᵀ δ"}),
        ("logsumexp", {"x": "exp(x - y) ∘ δ"}),
        ("stop_gradient", {}),
    ],
)
def test_rule_prints_as_in_a_textbook(name, gains):
    found = {operand: repr(gain) for operand, gain in TABLE[name].derivatives().items()}
    assert found == gains


VALUES = {"a": 1.25, "b": -0.5, "c": 2.0}
trees = st.recursive(
    st.sampled_from([a, b, c]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] / pair[1]),
        inner.map(lambda one: -one),
        inner.map(lambda one: one**2),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(trees)
def test_what_is_printed_is_what_is_evaluated(tree):
    text = repr(tree).replace("∘", "*").replace("²", "**2")
    try:
        expected = eval(text, {}, dict(VALUES))
    except ZeroDivisionError:
        return
    assert np.isclose(tree.evaluate(VALUES), expected, rtol=1e-12, atol=0)


def test_value_is_carried_along():
    assert (Symbol("p", np.ones((2, 3))) @ Symbol("q", np.ones((3, 4)))).shape == (2, 4)


def test_array_beside_a_symbol_asks_the_symbol():
    assert repr(np.float64(2.0) * x) == "2 x"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"), (3, "3"), (slice(1, None, 2), "1::2"), ((1, slice(None)), "(1, :)"),
        ((2,), "(2,)"), (Ellipsis, "…"), (np.array([1, 2]), "[1, 2]"), (np.ones(3), "c"),
        (np.float64(0.25), "0.25"),
    ],
    ids=repr,
)  # fmt: skip
def test_constant(value, text):
    assert constant_text(value) == text
