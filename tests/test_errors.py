"""Holds the exception tree to what its docstring draws, and messages to the nearest names."""

from __future__ import annotations

import re

import pytest

from tinygrad_lstm import errors
from tinygrad_lstm.engine.arguments import check_arguments
from tinygrad_lstm.errors import TinygradError, nearest

CLASSES = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and each.__module__ == errors.__name__
]
DRAWN = re.findall(r"[├└]── (\w+) +(\w+ *)? {2}", errors.__doc__)


def test_every_error_is_drawn_in_the_tree():
    assert {each.__name__ for each in CLASSES} == {"TinygradError", *(name for name, _ in DRAWN)}


@pytest.mark.parametrize(("name", "builtin"), DRAWN, ids=[name for name, _ in DRAWN])
def test_error_is_what_a_caller_would_catch(name, builtin):
    error = getattr(errors, name)
    assert issubclass(error, TinygradError)
    if builtin:
        assert builtin.strip() in {each.__name__ for each in error.__mro__}


def test_detach_error_is_a_type_error():
    assert issubclass(errors.DetachError, TypeError)


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("lstm.w", ["dense.b", "lstm.U", "lstm.W"], "lstm.W"),
        ("LSTM.OUT[2]", ["lstm.state[2]", "lstm.out[2]"], "lstm.out[2]"),
        ("zzz", ["a", "b"], "a"),
    ],
)
def test_nearest_name_comes_first(name, known, found):
    assert nearest(name, known).startswith(f"the nearest names are: {found}")


def test_nearest_of_nothing():
    assert nearest("x", []) == "there are no names at all"


def test_nearest_lists_no_more_than_asked():
    assert nearest("a", ["aa", "ab", "ac"], count=2).count(",") == 1


class Taker:
    def __init__(self, size, *, name=None):
        pass


def test_arguments_that_are_taken_pass():
    assert check_arguments(Taker, (3,), {"name": "x"}) is None


@pytest.mark.parametrize(("args", "options"), [((), {}), ((1, 2), {}), ((1,), {"nme": "x"})])
def test_arguments_that_are_not_taken_are_refused(args, options):
    with pytest.raises(errors.UsageError, match=r"Taker: .*; it takes size, name"):
        check_arguments(Taker, args, options)
