"""Holds the names that keywords and attributes had before: they work, warn and are one name."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from tinygrad_lstm import nn
from tinygrad_lstm.errors import UsageError

OLD = {
    "Dense: in_size": (nn.Dense, "in_size", "input_size", 2, dict(output_size=3)),
    "Dense: out_size": (nn.Dense, "out_size", "output_size", 3, dict(input_size=2)),
    **{
        f"{kind.__name__}: {old}": (kind, old, "activation", "sin", dict(input_size=2, **sizes))
        for kind, old, sizes in [
            (nn.LSTM, "squash", dict(hidden_size=3)),
            (nn.LSTMCell, "squash", dict(hidden_size=3)),
            (nn.MemoryBlocks, "squash", dict(blocks=1, cells=3)),
            (nn.GRU, "squash", dict(hidden_size=3)),
            (nn.GRUCell, "squash", dict(hidden_size=3)),
            (nn.RNN, "nonlinearity", dict(hidden_size=3)),
            (nn.RNNCell, "nonlinearity", dict(hidden_size=3)),
        ]
    },
}
EVERY = pytest.mark.parametrize("name", OLD)


def numbers_of(layer: nn.Module) -> list[np.ndarray]:
    out = layer(np.ones((4, 2)))
    return [
        x.numpy() for x in (out if isinstance(out, tuple) else [out]) if not isinstance(x, tuple)
    ]


@EVERY
def test_an_old_keyword_works_and_warns_with_the_new_name(name):
    kind, old, new, value, more = OLD[name]
    with pytest.warns(DeprecationWarning, match=f"{kind.__name__}: {old} is .* {new}") as caught:
        layer = kind(seed=0, **{old: value}, **more)
    assert [warning.filename for warning in caught] == [__file__]
    same = kind(seed=0, **{new: value}, **more)  # a warning is an error here
    for found, expected in zip(numbers_of(layer), numbers_of(same), strict=True):
        np.testing.assert_array_equal(found, expected)


@EVERY
def test_both_names_at_once_are_refused(name):
    kind, old, new, value, more = OLD[name]
    with pytest.raises(UsageError, match=f"{kind.__name__}: found {old} and {new}"):
        kind(**{old: value, new: value}, **more)


@EVERY
def test_only_the_new_name_is_shown(name):
    kind, old, new, *_ = OLD[name]
    assert new in inspect.signature(kind).parameters
    assert old not in inspect.signature(kind).parameters


@pytest.mark.parametrize(("old", "value"), [("in_size", 2), ("out_size", 3)])
def test_an_old_attribute_works_and_warns(old, value):
    dense = nn.Dense(2, 3)
    with pytest.warns(DeprecationWarning, match=f"Dense: {old}") as caught:
        assert getattr(dense, old) == value
    assert caught[0].filename == __file__


def test_a_class_of_ones_own_passes_old_keywords_on():
    class Own(nn.LSTM):
        def __init__(self, width, **options):
            super().__init__(width, 3, **options)

    with pytest.warns(DeprecationWarning, match="Own: squash is called activation"):
        own = Own(2, squash="sin", seed=0)
    assert own.equations.g.name == "sin"


def test_a_class_of_ones_own_may_have_a_keyword_of_an_old_name():
    class Own(nn.RNN):
        def __init__(self, nonlinearity):
            super().__init__(2, 3, activation=nonlinearity)

    assert Own(nonlinearity="sin").equations.activation.name == "sin"


def test_no_layer_takes_a_function_or_a_size_under_another_name():
    for kind in [getattr(nn, name) for name in nn.__all__]:
        if isinstance(kind, type) and issubclass(kind, nn.Module):
            names = set(inspect.signature(kind).parameters)
            assert not names & {"in_size", "out_size", "squash", "nonlinearity", "in_features"}
