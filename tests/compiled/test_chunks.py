"""Holds programs that keep states at the borders of chunks alone to those that keep all steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.agreement import agrees
from support.compilers import needs_a_compiler
from support.recurrences import Recurrence
from tinygrad_lstm.compiled import build, c_source, longer
from tinygrad_lstm.errors import UsageError

RNG = np.random.default_rng(0)
T = 90

pytestmark = [needs_a_compiler]


def runs_in_chunks(step: Any) -> bool:
    return c_source.AGAIN in step.source and "keeps all steps" not in step.report()


DENSE = tg.nn.Dense(4, 1, tg.sigmoid, seed=1)


def last(net: Any, x: Any) -> tg.Tensor:
    state = net(x)[1]
    return tg.sum((state[0] if isinstance(state, tuple) else state) ** 2)


def every(net: Any, x: Any) -> tg.Tensor:
    return tg.mean(DENSE(net(x)[0]) ** 2)


NETS = {
    "lstm": (tg.nn.LSTM(3, 4, seed=0), every),
    "the last output": (tg.nn.LSTM(3, 4, seed=0), last),
    "peepholes": (tg.nn.LSTM(3, 4, peephole=True, seed=0), every),
    "learned initial values": (tg.nn.LSTM(3, 4, initial="learned", seed=0), every),
    "gru": (tg.nn.GRU(3, 4, seed=0), every),
    "rnn": (tg.nn.RNN(3, 4, seed=0), every),
    "two layers": (tg.nn.LSTM(3, 4, num_layers=2, seed=0), every),
    "both directions": (tg.nn.GRU(3, 2, bidirectional=True, seed=0), every),
}


@pytest.mark.parametrize("count", [81, 90, 99])  # a square, a last chunk of 9, and a short one
@pytest.mark.parametrize("name", NETS)
def test_a_layer_in_chunks_gives_the_numbers_of_the_tape(name, count):
    net, loss_of = NETS[name]
    leaves = [*net.parameters(), *DENSE.parameters()]
    step = agrees(
        lambda x: loss_of(net, x), leaves, RNG.normal(size=(count, 2, 3)), checkpoint=True
    )
    assert runs_in_chunks(step)


class Long(Recurrence):
    """A random program with many steps."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        shape = (T + seed % 7, *self.B, self.I)
        self.args = tuple(np.random.default_rng(seed).normal(size=shape) for _ in range(2))


@pytest.mark.parametrize("seed", range(100))
def test_a_random_recurrence_in_chunks_gives_the_numbers_of_the_tape(seed, monkeypatch):
    monkeypatch.setattr(build, "FAST", "-O0")
    monkeypatch.setattr(longer, "MOST_KEPT", (seed % 2) << 30)
    program = Long(seed)
    agrees(program.loss, program.leaves, *program.args, checkpoint=True)


def test_the_memory_grows_with_the_root_of_the_number_of_steps():
    net, loss_of = NETS["lstm"]
    memory = []
    for count in (400, 1600):
        for checkpoint in (False, True):
            step = tg.compile(lambda x: loss_of(net, x), checkpoint=checkpoint, strict=True)
            step(RNG.normal(size=(count, 2, 3)))
            memory.append(next(iter(step._recordings.values())).program.work.size)
    few, few_in_chunks, many, many_in_chunks = memory
    assert few_in_chunks < 0.2 * few and many > 3.8 * few
    assert many_in_chunks < 2.5 * few_in_chunks + 1600 * 2  # the outputs' errors, of all steps


def test_where_it_cannot_be_the_report_says_why():
    W = tg.Tensor(RNG.normal(size=(3, 3)) * 0.3, True, name="W")

    def loss_of(x: Any) -> tg.Tensor:
        h = np.zeros(3)
        for k in tg.steps(len(x)):
            h = tg.tanh(tg.softmax(x @ h) @ x + x[k] @ W)
        return tg.sum(h * h)

    step = agrees(loss_of, [W], RNG.normal(size=(T, 3)), checkpoint=True)
    assert "keeps all steps, since" in step.report()
    few = tg.compile(loss_of, checkpoint=True)
    few(RNG.normal(size=(5, 3)))
    assert "fewer than" in few.report()
    with pytest.raises(UsageError, match="compile: checkpoint"):
        tg.compile(loss_of, checkpoint=3)


def test_a_state_that_is_not_carried_over_a_border_is_found(monkeypatch):
    step = c_source._CWriter._next
    monkeypatch.setattr(c_source._CWriter, "_next", staticmethod(lambda x, back: step(x, not back)))
    net, loss_of = NETS["lstm"]
    planted = tg.compile(lambda x: loss_of(net, x), checkpoint=True)
    planted(RNG.normal(size=(T, 2, 3)))
    assert "keeps all steps, since the program does not give what the tape" in planted.report()
