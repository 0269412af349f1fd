"""Holds programs of many steps to the tape: they follow from few steps where these say it all."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.agreement import agrees
from support.compilers import needs_a_compiler
from support.recurrences import Recurrence
from tinygrad_lstm.compiled import build, compilation, longer, proof
from tinygrad_lstm.compiled.c_forms import whole_of_reciprocal
from tinygrad_lstm.compiled.listing import Different, Listing, key_of
from tinygrad_lstm.compiled.pattern import Follower, Pattern, along

RNG = np.random.default_rng(0)
T = 90
W, U = (tg.Tensor(RNG.normal(size=shape) * 0.4, True) for shape in ((3, 4), (4, 4)))
W.name, U.name = "W", "U"

pytestmark = [needs_a_compiler]


@pytest.fixture
def derived(monkeypatch) -> list[int]:
    """Return the lengths of the sequences that a program is derived from, one after another."""
    lengths: list[int] = []
    proved = proof.prove

    def spy(function: Any, items: Any, *rest: Any) -> Any:
        lengths.append(len(getattr(items[0], "_array", items[0])))
        return proved(function, items, *rest)

    monkeypatch.setattr(longer, "prove", spy)
    monkeypatch.setattr(compilation, "prove", spy)
    return lengths


def recurrence(change: Any) -> Any:
    """Return the loss of a recurrence that does something else at some steps."""

    def loss_of(x: Any) -> tg.Tensor:
        h, outs = np.zeros(4), []
        for k in tg.steps(len(x)):
            h = change(tg.tanh(x[k] @ W + h @ U), k, x)
            outs.append(h)
        return tg.mean(tg.stack(outs) ** 2) + tg.sum(h)

    return loss_of


def test_many_steps_follow_from_few(derived):
    step = agrees(recurrence(lambda h, k, x: h), [W, U], RNG.normal(size=(T, 3)))
    assert derived == [*longer.FEW[0]] and step.reason == ""


def test_a_mean_of_single_precision_follows_from_few_steps(derived):
    lstm = tg.nn.LSTM(3, 4, seed=0, dtype="float32")
    step = tg.compile(lambda x: -tg.mean(lstm(x)[0] ** 2), strict=True)
    for count in (T, T + 5):
        step(RNG.normal(size=(count, 2, 3)).astype("float32"))
    assert derived == [*longer.FEW[0]] * 2


@pytest.mark.parametrize("checkpoint", [False, True])
def test_lengths_of_many_steps_are_an_argument(derived, checkpoint):
    lstm, dense = tg.nn.LSTM(3, 4, seed=0), tg.nn.Dense(4, 2, seed=1)

    def loss_of(x: Any, lengths: Any) -> tg.Tensor:
        out, (last, _) = lstm(x, lengths=lengths)
        return tg.nn.mean_squared_error(dense(out), 0.0 * dense(out), lengths=lengths) + tg.sum(
            last
        )

    step = tg.compile(loss_of, strict=True, checkpoint=checkpoint)
    for lengths in ([T, 3, 50], [1, T, 89], [70, 71, 72]):
        results = []
        for way in (loss_of, step):
            lstm.zero_grad()
            loss = way(np.sin(np.arange(T * 9.0)).reshape(T, 3, 3), np.array(lengths))
            loss.backward()
            results.append([loss.data, *(leaf.grad for leaf in lstm.parameters())])
        for right, given in zip(*results, strict=True):
            np.testing.assert_allclose(given, right, rtol=1e-10, atol=1e-12)
    assert derived == [*longer.FEW[0]] and "keeps all steps" not in step.report()


OTHERWISE = {
    "one step in the middle": lambda h, k, x: h * 2.0 if k == 44 else h,
    "many steps": lambda h, k, x: h * 0.5 if len(x) > 50 else h,
    "no gradient every so often": lambda h, k, x: tg.stop_gradient(h) if k % 40 == 39 else h,
    "a state of long ago": lambda h, k, x: h * x[k - 41, :1] if k > 41 else h,
    "a number that grows": lambda h, k, x: h * (0.99 + 0.001 * k),
    "a number of all steps": lambda h, k, x: h * (1.0 / (1 + len(x) ** 2)),
    "a step that is read twice": lambda h, k, x: h + 0.1 * x[min(k, 60), :1],
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_few_steps_do_not_show_is_seen(derived, name):
    agrees(recurrence(OTHERWISE[name]), [W, U], RNG.normal(size=(T, 3)))
    assert derived[-1] == T


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_few_steps_do_not_show_is_seen_without_the_tape(name, monkeypatch):
    monkeypatch.setattr(longer, "MOST_KEPT", 0)  # so that no gradient is compared
    agrees(recurrence(OTHERWISE[name]), [W, U], RNG.normal(size=(T, 3)))


def test_the_first_call_takes_little_more_memory_than_the_program():
    net, dense = tg.nn.LSTM(16, 32, seed=0), tg.nn.Dense(32, 1, tg.sigmoid, seed=1)
    step = tg.compile(lambda x: tg.sum(dense(net(x)[0]) ** 2), strict=True)
    step(RNG.normal(size=(70, 3, 16)))  # what is made once
    x, peaks = RNG.normal(size=(120, 100, 16)), []
    for way in (step.loss_of, step):
        tracemalloc.start()
        way(x).backward()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    work = list(step._recordings.values())[-1].program.work.nbytes
    assert peaks[1] < 1.2 * work < 0.6 * peaks[0]


def test_a_gradient_of_a_gradient_needs_the_tape(monkeypatch):
    monkeypatch.setattr(longer, "MOST_KEPT", 0)

    def loss_of(x: Any) -> tg.Tensor:
        loss = recurrence(lambda h, k, x: h)(x)
        (slope,) = tg.grad(loss, [U], create_graph=True)
        return loss + tg.sum(slope * slope)

    agrees(loss_of, [W, U], RNG.normal(size=(T, 3)))


def layers() -> dict[str, Any]:
    lstm, gru = tg.nn.LSTM(3, 4, seed=0), tg.nn.GRU(3, 4, bidirectional=True, seed=0)
    deep = tg.nn.LSTM(3, 4, num_layers=2, batch_first=True, seed=0)
    dense = tg.nn.Dense(4, 2, seed=1)

    def attention(x: Any) -> tg.Tensor:
        out, (last, _) = lstm(x)
        return tg.sum(tg.softmax(last @ out.T) ** 2)

    def entropy(x: Any) -> tg.Tensor:
        return tg.nn.softmax_cross_entropy(dense(lstm(x)[0]), np.ones((len(x), 2), int))

    return {
        "lstm": (lstm, lambda x: tg.sum(dense(lstm(x)[0]) ** 2), (T, 2, 3)),
        "both directions": (gru, lambda x: tg.mean(gru(x)[0] ** 2), (T, 2, 3)),
        "two layers, the batch first": (deep, lambda x: tg.sum(deep(x)[0][:, -1] ** 2), (2, T, 3)),
        "the last output": (lstm, lambda x: tg.sum(dense(lstm(x)[1][0]) ** 2), (T, 2, 3)),
        "as many as steps": (lstm, lambda x: tg.sum(lstm(x)[0] ** 2), (T, T, 3)),
        "attention": (lstm, attention, (T, 3)),
        "classes": (lstm, entropy, (T, 2, 3)),
    }  # fmt: skip


LAYERS = layers()


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_over_many_steps_gives_the_numbers_of_the_tape(name, keeps, monkeypatch, derived):
    monkeypatch.setattr(longer, "MOST_KEPT", keeps << 30)
    net, loss_of, shape = LAYERS[name]
    step = agrees(loss_of, net.parameters(), RNG.normal(size=shape))
    assert name == "classes" or step.report().startswith("runs as native code")
    if name not in ("as many as steps", "attention", "classes"):
        assert max(derived) < T


class Long(Recurrence):
    """A random program with many steps."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        shape = (T + seed % 7, *self.B, self.I)
        self.args = tuple(np.random.default_rng(seed).normal(size=shape) for _ in range(2))


@pytest.mark.parametrize("seed", range(100))
def test_a_random_recurrence_over_many_steps_gives_the_numbers_of_the_tape(seed, monkeypatch):
    monkeypatch.setattr(build, "FAST", "-O0")
    monkeypatch.setattr(longer, "MOST_KEPT", (seed % 2) << 30)
    program = Long(seed)
    agrees(program.loss, program.leaves, *program.args)


def test_outputs_of_many_steps(derived, monkeypatch):
    monkeypatch.setattr(longer, "MOST_KEPT", 0)
    lstm = tg.nn.LSTM(3, 4, seed=0)
    predict, x = tg.compile(lstm, strict=True), RNG.normal(size=(T, 2, 3))
    for _ in range(2):
        given, right = predict(x), lstm(x)
        np.testing.assert_allclose(given[0].data, right[0].data, rtol=0, atol=1e-14)
        np.testing.assert_allclose(given[1][1].data, right[1][1].data, rtol=0, atol=1e-14)
    assert derived == [*longer.FEW[0]]
    tg.sum(predict(x)[0] ** 2).backward()
    own = lstm.U.grad
    lstm.zero_grad()
    tg.sum(lstm(x)[0] ** 2).backward()
    np.testing.assert_allclose(own, lstm.U.grad, rtol=0, atol=1e-12)


def test_numbers_are_straight_lines_over_the_steps():
    assert along(17, 19, (17, 19), 1000) == 1000 and along(5, 5, (17, 19), 1000) == 5
    assert along(2 * 17 + 3, 2 * 19 + 3, (17, 19), 100) == 203
    with pytest.raises(Different):
        along(17 // 2, 19 // 2, (17, 19), 100)


def test_keys_have_the_numbers_apart():
    numbers: list[int] = []
    key = key_of((3, slice(1, None), True, 2.0), numbers)
    assert numbers == [3, 1]
    assert key == key_of((4, slice(7, None), True, 2.0), [])
    assert key != key_of((4, slice(7, None), 1, 2.0), [])
    assert key != key_of((4, slice(7, None), True, -2.0), [])


@pytest.mark.parametrize(
    ("number", "whole"), [(1 / 3, 3), (0.1, 10), (1 / 12345, 12345), (0.3, None), (2.0, None)]
)
def test_reciprocals_of_whole_numbers(number, whole):
    assert whole_of_reciprocal(np.float64(number)) == whole
    assert whole_of_reciprocal(np.float32(number)) == whole


def listing(loss_of: Any, count: int, listener: Any) -> Any:
    x = np.ones((count, 3))
    structure = (tuple, None, ((tuple, None, (None,)), (dict, (), ())))
    function = proof.Function(loss_of, structure, ["x"], False)
    function.record([x], listener=listener)
    return listener


def test_a_follower_keeps_nothing_and_sees_the_end():
    loss_of = recurrence(lambda h, k, x: h)
    pattern = Pattern(listing(loss_of, 17, Listing()), listing(loss_of, 19, Listing()), (17, 19))
    listing(loss_of, T, Follower(pattern.loops(T), keeps=False)).end()
    for count in (T - 1, T + 1):
        follower = Follower(pattern.loops(T), keeps=False)
        with pytest.raises(Different):
            listing(loss_of, count, follower).end()
