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
    assert np.abs(W).max() <= np.sqrt(6 / 50)
    assert W.var() == pytest.approx(2 / 50, rel=0.1)


def test_orthogonal_is():
    Q = init.orthogonal(5, seed=0)
    assert np.allclose(Q.T @ Q, np.eye(5), atol=1e-14)


def test_a_generator_goes_on_where_it_is():
    random = np.random.default_rng(0)
    assert not np.array_equal(init.uniform((3,), 1.0, random), init.uniform((3,), 1.0, random))


@pytest.mark.parametrize("seed", ["one", 1.5, -1])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(UsageError, match="seed: found"):
        init.generator(seed)
