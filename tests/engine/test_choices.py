"""Holds embeddings, one-hot vectors and dropout to plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.calls import check_call
from tinygrad_lstm.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError, UsageError

INDEX = np.array([[2, 0, 2], [1, 3, 0]])


@pytest.mark.parametrize("index", [2, [1, 1, 0], INDEX, np.array(3, np.uint8)], ids=str)
def test_an_embedding_is_rows_of_its_table(index):
    table = laws.draw((4, 3))
    np.testing.assert_array_equal(tg.embedding(table, index), table[index])
    laws.near(tg.embedding(table, index), tg.one_hot(index, 4) @ table, 0)
    assert check_call(lambda x: tg.embedding(x, index), None, [table], pictures=False) == "holds"


def test_one_hot_has_its_type():
    assert tg.one_hot(INDEX, 5, np.float32).dtype == np.float32
    np.testing.assert_array_equal(tg.one_hot(INDEX, 5).argmax(axis=-1), INDEX)
    np.testing.assert_array_equal(tg.one_hot(INDEX, 5).sum(axis=-1), 1.0)


def test_dropout_drops_its_rate_and_keeps_the_mean():
    x = tg.Tensor(np.ones((300, 300)), requires_grad=True)
    y = tg.dropout(x, 0.2, seed=3)
    assert set(np.unique(y.data)) == {0.0, 1 / 0.8}
    assert np.mean(y.data == 0) == pytest.approx(0.2, abs=0.01)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, y.data)
    np.testing.assert_array_equal(tg.dropout(x, 0.2, seed=3).data, y.data)
    np.testing.assert_array_equal(tg.dropout(x, 0.0).data, x.data)


BAD = {
    "above": (lambda: tg.embedding(np.ones((4, 2)), [4]), OutOfRangeError, "index 4, .* 0 to 3"),
    "below": (lambda: tg.one_hot([-1], 3), OutOfRangeError, "index -1"),
    "floats": (lambda: tg.one_hot([1.0], 3), DTypeError, "float64, expected whole numbers"),
    "a Tensor": (lambda: tg.one_hot(tg.Tensor([1.0]), 3), DTypeError, "whole numbers"),
    "no table": (lambda: tg.embedding(1.0, 0), ShapeError, "expected a table"),
    "no classes": (lambda: tg.one_hot([0], 0), ArgumentError, "count must be at least 1"),
    "rate": (lambda: tg.dropout(np.ones(2), 1.0), ArgumentError, "below 1"),
    "seed": (lambda: tg.dropout(np.ones(2), seed="a"), UsageError, "seed: found 'a'"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_meant_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
