"""Holds recordings to leave no trace: a compiled function goes on with its own state alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg

X = np.random.default_rng(0).normal(size=(6, 2, 3))


class Counter:
    """A function that counts its calls in an attribute, which it reads."""

    calls = 0

    def __init__(self) -> None:
        self.w = tg.Tensor(np.arange(3.0), requires_grad=True)

    def __call__(self, x: Any) -> tg.Tensor:
        self.calls += 1
        return tg.sum(x * self.w) * self.calls


def in_a_class() -> Callable[[Any], tg.Tensor]:
    class Own:
        calls = 0

    def function(x: Any) -> tg.Tensor:
        Own.calls += 1
        return tg.sum(x * Own.calls)

    return function


def in_a_variable() -> Callable[[Any], tg.Tensor]:
    calls, own = 0, Counter()

    def function(x: Any) -> tg.Tensor:
        nonlocal calls
        calls += 1
        return tg.sum(x * own.w) * calls

    return function


def in_a(held: Any, change: Callable[[Any], Any], size: Callable[[Any], Any]) -> Any:
    """Return a maker of a function that changes what it holds."""

    def make() -> Callable[[Any], tg.Tensor]:
        own, w = held(), Counter().w

        def function(x: Any) -> tg.Tensor:
            change(own)
            return tg.sum(x * w) * size(own)

        return function

    return make


def of_a_module(make: Callable[..., Any], *sizes: Any, **options: Any) -> Any:
    def maker() -> Callable[[Any], tg.Tensor]:
        net = make(*sizes, **options)

        def function(x: Any) -> tg.Tensor:
            y = net(x)
            return tg.sum((y[0] if isinstance(y, tuple) else y) ** 2)

        return function

    return maker


def training_itself() -> Callable[[Any], tg.Tensor]:
    w = Counter().w
    update = tg.optim.Adam([w], lr=0.1)

    def function(x: Any) -> tg.Tensor:
        update.zero_grad()
        loss = tg.sum((x * w - 1) ** 2)
        loss.backward()
        update.step()
        return loss

    return function


def once_made() -> Callable[[Any], tg.Tensor]:
    table: dict[str, Any] = {}

    def function(x: Any) -> tg.Tensor:
        if "w" not in table:
            table["w"] = tg.Tensor(np.arange(3.0), requires_grad=True)
        return tg.sum(x * table["w"])

    return function


def of_an_iterator() -> Callable[[Any], tg.Tensor]:
    numbers, w = iter(range(1, 99)), Counter().w
    return lambda x: tg.sum(x * w) * next(numbers)


LISTED: Any = (lambda x: x.append(1.0), sum)
STATES: dict[str, Callable[[], Callable[[Any], tg.Tensor]]] = {
    "an attribute": Counter,
    "a class": in_a_class,
    "a variable": in_a_variable,
    "a list": in_a(list, *LISTED),
    "a deque": in_a(deque, *LISTED),
    "a set": in_a(set, lambda x: x.add(len(x)), len),
    "a dictionary": in_a(dict, lambda x: x.update({len(x): 1}), len),
    "an array": in_a(lambda: np.zeros(3), lambda x: np.add(x, 1, out=x), sum),
    "a generator": in_a(lambda: np.random.default_rng(0), lambda x: None, lambda x: x.random()),
    "a stateful layer": of_a_module(tg.nn.LSTM, 3, 4, stateful=True, seed=0),
    "running means": of_a_module(tg.nn.BatchNorm, 3, axis=-1),
    "dropout": of_a_module(tg.nn.Dropout, 0.5, seed=0),
    "dropout of many steps": of_a_module(tg.nn.LSTM, 3, 4, 2, dropout=0.5, seed=0),
    "weights that it trains": training_itself,
    "what it makes once": once_made,
    "an iterator": of_an_iterator,
}


@pytest.mark.parametrize("steps", [6, 80])
@pytest.mark.parametrize("name", STATES)
def test_a_state_goes_on_as_without_compilation(name, steps):
    one, other = STATES[name](), STATES[name]()
    step = tg.compile(one)
    for number in range(6):
        x = np.resize(X, (steps, 2, 3)) * (1 + number)
        right, given = other(x).item(), step(x).item()
        assert abs(given - right) <= 1e-12 * max(1.0, abs(right)), (number, step.report())


def test_random_numbers_of_all_are_drawn_as_without_compilation():
    step = tg.compile(lambda x: tg.sum(x * np.random.normal(size=3)))
    np.random.seed(3)
    given = [step(X).item() for _ in range(3)]
    np.random.seed(3)
    assert given == [step.loss_of(X).item() for _ in range(3)]


def test_an_iterator_as_an_argument_is_read_once():
    w = Counter().w
    step = tg.compile(lambda parts: sum((x * w).sum() for x in parts))
    for _ in range(2):
        assert abs(step(x for x in X).item() - (X * w.data).sum()) < 1e-12
        assert step.report() == (
            "runs eagerly, since it reads a generator, which can be read once; "
            "give it a list, or arrays"
        )


ARRAYS_ALONE = {
    "a method": lambda x, w: tg.sum(x.copy() * w),
    "another type": lambda x, w: tg.sum(x * w) * x.astype(int).sum(),
    "a function of NumPy": lambda x, w: tg.sum(x * w) * len(np.unique(np.round(x))),
    "an argument returned": lambda x, w: (tg.sum(x * w), x)[0:2],
}


@pytest.mark.parametrize("name", ARRAYS_ALONE)
def test_what_works_with_arrays_alone_runs_eagerly(name):
    w = Counter().w
    step, x = tg.compile(lambda x: ARRAYS_ALONE[name](x, w)), 3 * X[0]
    given, right = step(x), step.loss_of(x)
    if isinstance(right, tuple):
        assert given[1] is x
        given, right = given[0], right[0]
    assert given.item() == right.item() and step.reason


def test_a_wrong_argument_has_the_message_of_the_function():
    w = Counter().w
    step = tg.compile(lambda x: tg.sum(x @ w))
    with pytest.raises(tg.errors.ShapeError) as right:
        step.loss_of(np.ones((2, 4)))
    with pytest.raises(tg.errors.ShapeError) as given:
        step(np.ones((2, 4)))
    assert str(given.value) == str(right.value)
