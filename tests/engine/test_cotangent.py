"""Holds the sums of cotangents to what they may write into and what they may not."""

from __future__ import annotations

import numpy as np
import pytest

from support import laws
from tinygrad_lstm.engine.cotangent import ROWS, Sums
from tinygrad_lstm.engine.primitive import Record
from tinygrad_lstm.engine.primitives import TABLE, gather, getitem

X, W = Record(np.zeros(2), True, serial=1), Record(np.zeros((2, 2)), True, serial=2)


def test_terms_add_up():
    sums = Sums()
    for _ in range(3):
        sums.add(X, np.array([1.0, 2.0]))
    assert sums.take(X).tolist() == [3.0, 6.0]


def test_array_from_elsewhere_is_never_written_into():
    sums, theirs = Sums(), np.ones(2)
    for _ in range(3):
        sums.add(X, theirs)
    assert theirs.tolist() == [1.0, 1.0]


def test_own_sum_is_added_to_in_place():
    sums = Sums()
    for _ in range(2):
        sums.add(X, np.ones(2))
    own = sums.total[X]
    sums.add(X, np.ones(2))
    assert sums.take(X) is own


def add_part(sums, whole, ct, index, primitive=getitem):
    """Add the cotangent of ``whole[index]``."""
    sums.add_part(whole, ct, Record(None, True, primitive, (whole,), {"index": index}))


def test_part_is_added_to_a_copy_of_a_first_term():
    sums, theirs, whole = Sums(), np.ones(3), Record(np.zeros(3), True)
    sums.add(whole, theirs)
    add_part(sums, whole, 5.0, 1)
    assert (sums.take(whole).tolist(), theirs.tolist()) == ([1.0, 6.0, 1.0], [1.0, 1.0, 1.0])


def test_part_of_a_number_is_added_to_numpys_scalar():
    sums, whole = Sums(), Record(np.array(0.0), True)
    sums.add(whole, np.float64(2.0))
    add_part(sums, whole, np.ones(1), None)
    assert sums.take(whole) == 3.0


def test_parts_share_one_buffer():
    sums, whole = Sums(), Record(np.zeros((4, 2)), True)
    add_part(sums, whole, np.ones(2), 0)
    buffer = sums.total[whole]
    for k in range(1, 4):
        add_part(sums, whole, np.full(2, k), k)
    assert sums.take(whole) is buffer
    assert buffer[:, 0].tolist() == [1.0, 1.0, 2.0, 3.0]


def test_repeated_places_of_a_part_accumulate():
    sums, whole = Sums(), Record(np.zeros(2), True)
    add_part(sums, whole, np.ones(3), np.array([1, 1, 0]), gather)
    assert sums.take(whole).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("rows", [1, 7, ROWS - 1, ROWS, 3 * ROWS + 5])
def test_stacked_rows_give_the_sum_of_the_products(rows):
    xs, cts = laws.draw((rows, 3)), laws.draw((rows, 2), 1)
    sums = Sums()
    for k in range(0, rows, 5):
        sums.add_rows(W, xs[k : k + 5], cts[k : k + 5])
    laws.near(sums.take(W), xs.T @ cts, 1e-12)


def test_rows_wait_until_there_are_enough():
    sums = Sums()
    for _ in range(ROWS // 8 - 1):
        sums.add_rows(W, np.ones((8, 2)), np.ones((8, 2)))
    waiting = W in sums.total
    sums.add_rows(W, np.ones((8, 2)), np.ones((8, 2)))
    assert (waiting, W in sums.total, sums.stacked) == (False, True, {})


def test_rows_and_terms_of_one_weight_add_up():
    sums = Sums()
    sums.add(W, np.ones((2, 2)))
    sums.add_rows(W, np.ones((1, 2)), np.ones((1, 2)))
    assert (sums.take(W) == 2).all()


@pytest.mark.parametrize("add", ["nothing", "term", "rows"])
def test_what_is_taken_is_forgotten(add):
    sums = Sums()
    if add == "term":
        sums.add(W, np.ones((1, 1)))
    if add == "rows":
        sums.add_rows(W, np.ones((1, 1)), np.ones((1, 1)))
    assert (sums.take(W) is None) == (add == "nothing")
    assert sums.take(W) is None


def latest(sums):
    """Return the signal whose turn it is, and its sum."""
    operand = sums.waiting.pop(sums.turns.pop())
    return operand, sums.take(operand)


def computed(serial):
    return Record(np.zeros(2), True, TABLE["negative"], (X,), serial=serial)


def test_signals_take_turns_the_latest_first():
    sums, early, late = Sums(), computed(3), computed(4)
    for each in (early, late, early):
        sums.add(each, np.ones(2))
    assert [latest(sums)[0] for _ in range(2)] == [late, early]
    assert sums.turns == []


def test_leaves_need_no_turn_and_are_the_rest():
    sums = Sums()
    sums.add(X, np.ones(2))
    sums.add_rows(W, np.ones((1, 2)), np.ones((1, 2)))
    assert sums.turns == []
    assert {leaf: ct.tolist() for leaf, ct in sums.rest().items()} == {
        X: [1.0, 1.0],
        W: [[1.0, 1.0], [1.0, 1.0]],
    }


def a_part_of(whole):
    return Record(whole._array[0], True, getitem, (whole,), {"index": 0}, serial=5)


def test_cotangent_of_a_part_goes_straight_to_the_whole():
    sums, whole = Sums(), computed(4)
    part = a_part_of(whole)
    sums.add(part, np.array(5.0))
    assert latest(sums)[0] is whole
    assert part not in sums.total


def test_part_whose_cotangent_is_asked_for_keeps_it():
    part = a_part_of(X)
    sums = Sums({part})
    sums.add(part, np.array(5.0))
    assert latest(sums) == (part, 5.0)
