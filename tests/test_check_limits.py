"""A search ends soon after its time limit, wherever in the work that is.

Time is counted in calls of functions, so that a busy machine changes nothing.
"""

import sys
from contextlib import contextmanager

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.check import report as report_module
from tinygrad_lstm.check.report import TIME_UP

LATE = 8  # calls for each recorded operation, about one pass over them, that may follow the limit


@contextmanager
def time_in_calls(monkeypatch):
    """Let the clock count calls of functions; yield a function that tells how many there were."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    monkeypatch.setattr("tinygrad_lstm.engine.limit.monotonic", lambda: calls)
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield lambda: calls
    finally:
        sys.setprofile(before)


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
    return loss, tg.compare(loss, hand), len(tg.signals(loss).names)


PROGRAMS = pytest.mark.parametrize("program", [chain, odd, layers, steps, wide])


@PROGRAMS
@pytest.mark.parametrize("share", [0, 3, 20, 60, 150, 400])
def test_a_search_ends_at_its_limit(program, share, monkeypatch):
    """The limit is so many calls for each operation: within each part of the work in turn."""
    loss, found, size = comparison(program, 150)
    with time_in_calls(monkeypatch) as calls:
        for search in (found.diagnose, lambda seconds: tg.adequacy(loss, seconds=seconds)):
            began = calls()
            result = search(seconds=share * size)
            took = calls() - began
            assert took <= (share + LATE) * size
            assert result.is_cut or took < share * size


@PROGRAMS
def test_a_report_is_put_into_words_within_a_limit(program, monkeypatch):
    _, found, size = comparison(program, 150)
    monkeypatch.setattr(report_module, "LEAST", 0)
    with time_in_calls(monkeypatch) as calls:
        for share in (0, 3, 20, 60):
            assert found.diagnose(seconds=share * size).is_cut
            for words in (str, type(found)._repr_html_, type(found).as_dict):
                began = calls()
                told = words(found)
                assert calls() - began <= (share + LATE) * size
            assert TIME_UP in str(found)
            assert told["ok"] is False
