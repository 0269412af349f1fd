"""Initial values: the same from the same seed, within their bounds."""

import numpy as np
import pytest

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.nn import init


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: init.uniform((3, 4), 0.5, seed),
        lambda seed: init.normal((3, 4), 0.5, seed),
        lambda seed: init.glorot((3, 4), seed),
        lambda seed: init.orthogonal(4, seed),
    ],
    ids=["uniform", "normal", "glorot", "orthogonal"],
)
def test_a_seed_gives_the_same_numbers_again(draw):
    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))


def test_glorot_s_bound():
    W = init.glorot((30, 20), seed=0)
    assert 0.9 * np.sqrt(6 / 50) < np.abs(W).max() <= np.sqrt(6 / 50)
    assert W.var() == pytest.approx(2 / 50, rel=0.1)


def test_normal_has_its_deviation():
    assert init.normal((400, 400), 0.3, seed=1).std() == pytest.approx(0.3, rel=0.01)


def test_uniform_stays_within_its_bound():
    assert 0.99 * 0.2 < np.abs(init.uniform((100, 100), 0.2, seed=1)).max() <= 0.2


def test_orthogonal_is():
    Q = init.orthogonal(5, seed=0)
    assert np.allclose(Q.T @ Q, np.eye(5), atol=1e-14)


@pytest.mark.parametrize("shape", [(2, 5), (5, 2)])
def test_rows_or_columns_of_an_orthogonal_matrix_are_orthogonal(shape):
    Q = init.orthogonal(shape, seed=0)
    assert Q.shape == shape
    Q = Q if shape[0] > shape[1] else Q.T
    assert np.allclose(Q.T @ Q, np.eye(2), atol=1e-14)


def test_a_generator_goes_on_where_it_is():
    random = np.random.default_rng(0)
    assert not np.array_equal(init.uniform((3,), 1.0, random), init.uniform((3,), 1.0, random))


@pytest.mark.parametrize("seed", ["one", 1.5, -1])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(UsageError, match="seed: found"):
        init.generator(seed)
