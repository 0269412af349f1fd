"""Holds the average of weights to its equation and to PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm.errors import TinygradError, UsageError

SHAPES = [(2, 3), (4,), ()]


def leaves(dtype=float):
    return [tg.Tensor(np.zeros(s), True, name, dtype) for s, name in zip(SHAPES, "abc")]


def updated(average, params, steps=5):
    for k in range(steps):
        for x in params:
            x.data = laws.draw(x.shape, k)
        average.update()
    return average


def test_the_average_by_hand():
    params = leaves()
    average = updated(tg.optim.EMA(params, decay=0.75), params, 3)
    for x, found in zip(params, average.averages, strict=True):
        numbers = [laws.draw(x.shape, k) for k in range(3)]
        laws.near(found, 0.75**2 * numbers[0] + 0.1875 * numbers[1] + 0.25 * numbers[2], 1e-15)


def test_the_average_is_pytorchs():
    torch = peer("torch")
    net = torch.nn.Linear(3, 2).double()
    decay = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    theirs = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=decay)
    params = [tg.Tensor(np.zeros(tuple(p.shape)), True) for p in net.parameters()]
    ours = tg.optim.EMA(params, 0.9)
    for k in range(50):
        for x, p in zip(params, net.parameters(), strict=True):
            x.data = laws.draw(x.shape, k)
            p.data = torch.tensor(laws.draw(x.shape, k))
        ours.update()
        theirs.update_parameters(net)
    for found, p in zip(ours.averages, theirs.module.parameters(), strict=True):
        laws.near(found, p.detach().numpy(), 1e-12)


def test_the_weights_are_averages_inside_and_their_own_after():
    params = leaves(np.float32)
    average = updated(tg.optim.EMA(params, 0.5), params)
    before = [x.numpy() for x in params]
    with pytest.raises(ZeroDivisionError), average.weights():
        for x, numbers in zip(params, average.averages, strict=True):
            np.testing.assert_array_equal(x.data, numbers)
            assert x.dtype == np.float32
        raise ZeroDivisionError
    for x, numbers in zip(params, before, strict=True):
        np.testing.assert_array_equal(x.data, numbers)


def test_a_state_is_saved_and_loaded():
    params = leaves()
    one = updated(tg.optim.EMA(params, 0.9), params)
    other = tg.optim.EMA(params, 0.5)
    other.load_state_dict(one.state_dict())
    for average in (one, other):
        updated(average, params, 2)
    laws.near_all(other.averages, one.averages)
    tg.optim.EMA(params).load_state_dict(tg.optim.EMA(params).state_dict())


STATES = {
    "another shape": (
        lambda s: s["averages"].update({1: np.ones(3)}),
        r"average of b has shape \(3,\)",
    ),
    "one missing": (lambda s: s["averages"].pop(1), "averages of .* expected those"),
    "a name": (lambda s: s.update(rule=3), "expected decay, averages"),
    "a decay": (lambda s: s.update(decay=1.0), "decay must be at least 0 and below 1"),
}


@pytest.mark.parametrize(("change", "says"), STATES.values(), ids=STATES)
def test_a_state_that_does_not_fit_is_refused_before_anything_changed(change, says):
    params = leaves()
    average = updated(tg.optim.EMA(params, 0.9), params)
    state, before = average.state_dict(), average.averages
    change(state)
    with pytest.raises(TinygradError, match=says):
        average.load_state_dict(state)
    assert average.averages is before and average.decay == 0.9


def test_there_is_no_average_before_the_first_update():
    with pytest.raises(UsageError, match=r"call update\(\)"), tg.optim.EMA(leaves()).weights():
        pass
