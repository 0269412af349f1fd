"""A search ends soon after its time limit, wherever in the work that is.

Time is counted in calls of functions, so that a busy machine changes nothing.
"""

import sys
from functools import partial

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.check import comparison as comparison_module
from tinygrad_lstm.check.report_text import TIME_UP
from tinygrad_lstm.network.signals import Signals

np.unique(np.zeros(1))  # the first call imports a module, which looks at no clock
LATE = 12  # calls for each recorded operation, one short pass over them, after the limit


class Time:
    """Calls of functions, counted as long as a ``with`` block runs.

    Attributes
    ----------
    calls : int
        How many there were.
    longest : int
        The most between two looks at the clock.
    """

    def __init__(self, monkeypatch):
        self.calls = self.last = self.longest = 0
        for each in ("monotonic", "thread_time"):
            monkeypatch.setattr(f"tinygrad_lstm.engine.limit.{each}", self.look)

    def count(self, frame, event, argument):
        self.calls += event in ("call", "c_call")

    def look(self):
        self.longest = max(self.longest, self.calls - self.last)
        self.last = self.calls
        return self.calls

    def __enter__(self):
        self.before = sys.getprofile()
        sys.setprofile(self.count)
        return self

    def __exit__(self, *error):
        sys.setprofile(self.before)


def chain(rng, count):
    """Return the loss of a plain loop, and what it is derived by."""
    x = y = tg.Tensor(rng.normal(size=3), requires_grad=True, name="x")
    for _ in range(count):
        y = tg.tanh(y * 1.01)
    return tg.sum(y * y), {"x": x}


def odd(rng, count):
    """Return the loss of functions in no order."""
    x = y = tg.Tensor(rng.normal(size=3), requires_grad=True, name="x")
    for _ in range(count):
        y = [tg.tanh, tg.sin, tg.sigmoid, lambda z: z * 0.9, lambda z: z * 0.3 + x][
            rng.integers(5)
        ](y)
    return tg.sum(y * y), {"x": x}


def layers(rng, count):
    """Return the loss of equal layers, each with its own weights."""
    leaves, h = {}, rng.normal(size=(2, 4))
    for k in range(count):
        leaves[f"W{k}"] = tg.Tensor(0.5 * rng.normal(size=(4, 4)), True, name=f"W{k}")
        h = tg.tanh(h @ leaves[f"W{k}"])
    return tg.sum(h * h), leaves


def steps(rng, count):
    """Return the loss of a recurrence."""
    W, U = (tg.Tensor(rng.normal(size=s), True, name=n) for n, s in (("W", (2, 3)), ("U", (3, 3))))
    x, h, loss = rng.normal(size=(count, 2)), np.zeros(3), 0.0
    for k in tg.steps(count):
        h = tg.tanh(x[k] @ W + h @ U)
        loss = loss + tg.sum(h * h)
    return loss, {"W": W, "U": U}


def wide(rng, count):
    """Return the loss of a sum over many leaves."""
    leaves = {f"x{k}": tg.Tensor(rng.normal(size=2), True, name=f"x{k}") for k in range(count)}
    return sum(tg.sum(tg.tanh(x) * x) for x in leaves.values()), leaves


def comparison(program, count):
    """Return a loss, the report on a derivation of it that is wrong, and how many operations."""
    loss, leaves = program(np.random.default_rng(count), count)
    gradients = tg.grad(loss, list(leaves.values()))
    hand = {name: each.numpy() for name, each in zip(leaves, gradients, strict=True)}
    wrong = next(iter(hand))
    hand[wrong] = hand[wrong] * np.linspace(0.5, 1.5, hand[wrong].size).reshape(hand[wrong].shape)
    return loss, tg.compare(loss, hand), len(Signals(loss).names)


PROGRAMS = pytest.mark.parametrize("program", [chain, odd, layers, steps, wide])


SEARCHES = pytest.mark.parametrize("search", ["diagnose", "adequacy"])


@PROGRAMS
@SEARCHES
def test_a_search_looks_at_the_clock_in_every_part_of_the_work(program, search, monkeypatch):
    """No part of the work takes much longer than one look at each operation."""
    loss, found, size = comparison(program, 150)
    run = found.diagnose if search == "diagnose" else partial(tg.adequacy, loss)
    with Time(monkeypatch) as time:
        run(seconds=600 * size)
    assert time.longest <= LATE * size


@PROGRAMS
@SEARCHES
@pytest.mark.parametrize("share", [0, 3, 20, 60])
def test_a_search_ends_at_its_limit(program, search, share, monkeypatch):
    """The limit is so many calls for each operation."""
    loss, found, size = comparison(program, 150)
    run = found.diagnose if search == "diagnose" else partial(tg.adequacy, loss)
    with Time(monkeypatch) as time:
        assert run(seconds=share * size).is_cut
    assert time.calls <= (share + LATE) * size


@PROGRAMS
def test_a_report_is_put_into_words_within_a_limit(program, monkeypatch):
    _, found, size = comparison(program, 150)
    monkeypatch.setattr(comparison_module, "LEAST_SECONDS", 0)
    fixed = {}  # what the table costs, with no time for anything else
    for share in (0, 3, 20, 60):
        with Time(monkeypatch):
            assert found.diagnose(seconds=share * size).is_cut
        for words in (str, type(found)._repr_html_, type(found).as_dict):
            with Time(monkeypatch) as time:
                told = words(found)
            assert time.calls <= fixed.setdefault(words, time.calls) + (share + LATE) * size
        with Time(monkeypatch):
            assert TIME_UP in str(found)
        assert told["ok"] is False
