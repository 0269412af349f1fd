"""What the steps of a loop share: the programs at which a looser match would give wrong numbers."""

from __future__ import annotations

from contextvars import copy_context

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import holds, leaf
from tinygrad_lstm.errors import UsageError

T, H = 4, 3


def lacking():
    """Return a loss whose last step lacks the first of two tanh: only the next step reads it."""
    x, h, before = leaf("x", T, H), np.zeros(H), tg.Tensor(np.zeros(H), name="before")
    for k in tg.steps(T):
        e = x[k]
        a, b = e * 2.0, e + 1.0
        u = tg.tanh(a)
        h = tg.tanh(b) * (h + before)
        before = u
    return tg.sum(h**2)


def test_a_step_that_lacks_an_operation_is_matched_by_what_its_operations_read():
    network = tg.graph(lacking()).fold()
    assert f"folded over {T} steps" in repr(network)
    holds(lacking(), network)


def from_two_signals():
    """Return a loss whose even steps read another signal of the step before than its odd ones."""
    x, loss, before = leaf("x", T, H), 0.0, [leaf("u", H), leaf("v", H)]
    for k in tg.steps(T):
        h = tg.sin(before[k % 2]) + x[k]
        loss = loss + tg.sum(h**2)
        before = [h * 2.0, tg.exp(h)]
    return loss + tg.sum(before[0] + before[1])


def test_an_operand_from_several_signals_is_told():
    with pytest.raises(UsageError, match="operand 1 is"):
        tg.graph(from_two_signals()).fold()


def from_a_later_step():
    """Return a loss in which tasks that began at one step go on when the next one is done."""
    x, h, tasks = leaf("x", T, H), np.ones(H), []
    a = []
    for k in tg.steps(T):
        h = tg.tanh(x[k] * h)
        a.append(h)
        tasks.append(copy_context())
    b = [tasks[k].run(lambda k=k: tg.sin(a[k + 1] * a[k])) for k in range(T - 1)]
    return sum((tg.sum(each**2) for each in b), tg.sum(h))


def test_a_signal_of_a_later_step_is_not_one_of_an_earlier_step():
    holds(from_a_later_step(), tg.graph(from_a_later_step()).fold())


LACKED = {
    "no finite value": (tg.log, 0.0),
    "no finite derivative": (tg.sqrt, 0.0),
    "no finite value inside": (lambda a: tg.square(a) * a, 1e200),
}


@pytest.mark.parametrize(("function", "at"), LACKED.values(), ids=LACKED)
def test_what_a_step_lacks_must_be_finite_and_its_derivative_too(function, at):
    """Where nothing reads the value at the last step, its δ is 0, and 0 times infinity is none."""
    for last in (at, 2.0):
        values = np.array([1.0, 2.0, 3.0, last])
        x, h = tg.Tensor(values, requires_grad=True, name="x"), np.zeros(())
        before = tg.Tensor(0.5, name="before")
        for k in tg.steps(T):
            a = tg.abs(x[k])
            h = tg.tanh(h * a + before)
            with np.errstate(all="ignore"):
                before = function(a)
        loss = tg.sum(h**2)
        if last == 2.0:
            holds(loss, tg.graph(loss).fold())
        else:
            with pytest.raises(UsageError, match="would be infinite"):
                tg.graph(loss).fold()
