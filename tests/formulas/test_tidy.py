"""Holds tidy formulas to the numbers of the formulas that they stand for, and to their text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lstm.engine.symbol import Symbol
from tinygrad_lstm.formulas.tidy import sum_of, tidy


def random_formula(rng: np.random.Generator, depth: int) -> Any:
    """Return a random formula of (3, 3) matrices, products of both kinds, fractions and sums."""
    if depth == 0:
        name = str(rng.choice(list("ABC")))
        return Symbol(name, np.random.default_rng(ord(name)).normal(size=(3, 3)))
    a, b = (random_formula(rng, depth - 1) for _ in range(2))
    p, q = (random_formula(rng, 0) for _ in range(2))  # which are not near 0, to divide by
    number = float(rng.choice([-2.0, -1.0, -0.5, 0.25, 3.0]))
    return [
        lambda: a + b, lambda: a - b, lambda: a * b, lambda: a @ b, lambda: a / p, lambda: -a,
        lambda: number * a, lambda: a * number, lambda: a / number, lambda: a.T,
        lambda: a.sum(axis=1, keepdims=True) * b, lambda: a**2, lambda: a * (number / (p * q)),
    ][rng.integers(13)]()  # fmt: skip


@pytest.mark.parametrize("seed", range(300))
def test_a_tidy_formula_has_the_value_of_the_formula(seed):
    formula = random_formula(np.random.default_rng(seed), 4)
    short = tidy(formula)
    assert short.shape == formula.shape
    np.testing.assert_allclose(short.value, formula.value, rtol=1e-7, atol=1e-9)


def symbols(names: str) -> list[Symbol]:
    rng = np.random.default_rng(0)
    return [Symbol(name, rng.normal(size=(2, 2))) for name in names]


def test_summands_with_a_common_factor_are_one_product():
    δ, a, b, p = symbols("δabp")
    assert str(sum_of([δ * a, -(δ * b)])) == "δ ∘ (a - b)"
    assert str(sum_of([-(δ * a), p, δ * b])) == "δ ∘ (b - a) + p"
    assert str(sum_of([-0.5 * a, 0.5 * b])) == "0.5 (b - a)"
    assert str(sum_of([δ * a / p, δ * b / p])) == "δ ∘ (a + b) / p"
    assert str(sum_of([δ, a])) == "δ + a"


def test_a_number_comes_first_and_a_product_has_one_fraction_bar():
    δ, a, b, p = symbols("δabp")
    assert str(tidy(a.T @ ((0.5 * δ) @ (b @ p)))) == "0.5 aᵀ δ b p"
    assert str(tidy(a.T @ (-δ))) == "-aᵀ δ"
    assert str(tidy(δ * a / p / p)) == "δ ∘ a / p²"
    assert str(tidy(δ * (a / p) * (p / b))) == "δ ∘ a / b"


def test_a_vector_keeps_its_place_in_a_product():
    """A product with a vector in it is told in the order in which the shapes fit."""
    A = Symbol("A", np.ones((2, 3)))
    u, v = Symbol("u", np.ones(3)), Symbol("v", np.ones((3, 3)))
    assert str(tidy(A @ (v @ u))) == "A (v u)"
