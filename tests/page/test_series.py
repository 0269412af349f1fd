"""Rows of numbers as text: how near they are, and what a group is told by."""

import numpy as np
import pytest

from support.pages import decoded
from tinygrad_lstm.page.series import MOST_COLUMNS, MOST_ROWS, Table, encode, entries, grouped


@pytest.mark.parametrize(("width", "close"), [(2, 2**-5), (3, 2**-13), (4, 2**-21)])
def test_numbers_are_the_nearest_of_their_width(width, close):
    numbers = np.random.default_rng(0).normal(size=500) * 10.0 ** np.arange(-250, 250, 10).repeat(
        10
    )
    np.testing.assert_allclose(decoded(encode(numbers, width), width), numbers, rtol=close)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_what_is_no_number_stays_so(width):
    odd = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.79e308, -1.79e308]
    np.testing.assert_allclose(decoded(encode(odd, width), width), odd, rtol=0.05)


def test_equal_rows_are_one():
    table = Table()
    assert table.add([1.0, 2.0]) == table.add(np.array([1, 2])) == 0
    assert table.add([1.0, 2.0], 3) == 1 and len(table.rows) == 2
    long = np.linspace(0, 1, 1000)
    assert table.rows[table.add(long)][0] == "3" and table.rows[table.add(long[:9])][0] == "4"


def test_a_small_signal_is_told_entry_by_entry():
    table, value = Table(), np.arange(6.0).reshape(3, 2)
    told = entries(table, value, 3)
    assert (told["rows"], told["columns"], told["down"], told["across"]) == (3, 2, 1, 1)
    np.testing.assert_array_equal(decoded(table.rows[told["at"]][1:], 4), value.ravel())


def test_a_large_signal_is_told_by_the_largest_entries_of_groups():
    table, value = Table(), np.zeros((1000, 256))
    value[999, 255], value[0, 9] = -7.0, 2.0
    told = entries(table, value, 1000)
    assert told["rows"] <= MOST_ROWS and told["columns"] <= MOST_COLUMNS
    assert told["rows"] * told["down"] >= 1000 and told["columns"] * told["across"] >= 256
    cells = decoded(table.rows[told["at"]][1:], 2).reshape(told["rows"], told["columns"])
    assert cells[-1, -1] == 7 and cells[0, 9 // told["across"]] == 2 and cells.sum() == 9


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.zeros(0), np.zeros(()), np.zeros((2, 0))])
def test_an_empty_signal_has_a_map(value):
    told = entries(Table(), value, None)
    assert told["rows"] * told["columns"] == value.size


def test_groups_of_steps():
    sizes = np.array([1.0, 5, 2, 3, 4])
    assert [*grouped(sizes, 2)] == [5, 3, 4] and [*grouped(sizes, 2, np.add)] == [6, 5, 4]
