"""Holds schedules to PyTorch's, and to a few rates that ship."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm.errors import ArgumentError, TinygradError, UsageError


def sequence(lib):
    def make(update):
        parts = [lib.LinearLR(update, 0.1, total_iters=4), lib.CosineAnnealingLR(update, 20, 0.01)]
        parts.append(lib.StepLR(update, 3, gamma=0.5))
        return lib.SequentialLR(update, parts, [5, 20])

    return make


# each makes a schedule of a library; then rates of a group of rate 0.5 after 7 and 19 steps
CASES = {
    "lambda": (lambda lib: lambda u: lib.LambdaLR(u, lambda k: 0.9**k), 0.23914845, 0.0675425859),
    "step": (lambda lib: lambda u: lib.StepLR(u, 4), 0.05, 0.00005),
    "step, halved": (lambda lib: lambda u: lib.StepLR(u, 1, gamma=0.5), 0.00390625, 9.5367e-7),
    "cosine": (lambda lib: lambda u: lib.CosineAnnealingLR(u, T_max=20), 0.36349762, 0.003077915),
    "cosine, past its end": (
        lambda lib: lambda u: lib.CosineAnnealingLR(u, 6, eta_min=0.1), 0.12679492, 0.12679492,
    ),
    "warm-up": (lambda lib: lambda u: lib.LinearLR(u), 0.5, 0.5),
    "down": (lambda lib: lambda u: lib.LinearLR(u, 1.0, 0.25, total_iters=16), 0.3359375, 0.125),
    "sequence": (sequence, 0.488008846, 0.110992613),
    "one cycle": (
        lambda lib: lambda u: lib.OneCycleLR(u, 2.0, total_steps=30), 1.926924351, 0.925274205,
    ),
    "one cycle, linear": (
        lambda lib: lambda u: lib.OneCycleLR(
            u, 1.0, total_steps=30, pct_start=0.5, anneal_strategy="linear", base_momentum=0.7,
            max_momentum=0.9, div_factor=10.0, final_div_factor=100.0,
        ), 0.55, 0.667,
    ),
    "one cycle without momentum": (
        lambda lib: lambda u: lib.OneCycleLR(u, 2.0, total_steps=30, cycle_momentum=False),
        1.926924351, 0.925274205,
    ),
}  # fmt: skip
EVERY_CASE = pytest.mark.parametrize("case", CASES)


def optimizer(kind="Adam", **options):
    params = [tg.Tensor([1.0], requires_grad=True) for _ in "ab"]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]
    return getattr(tg.optim, kind)(groups, lr=0.5, **options)


def rates(schedule, update, steps=25):
    """Return the rates and the momenta of all groups, step by step."""
    rows = []
    for k in range(steps + 1):
        if k:
            update.step()
            schedule.step()
        rows.append(
            [number for group in update.param_groups
             for number in (group["lr"], *group.get("betas", [group.get("momentum", 0.0)]))]
        )  # fmt: skip
    return np.array(rows)


@pytest.mark.filterwarnings("ignore::UserWarning")
@EVERY_CASE
@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_rates_are_pytorchs(case, kind):
    torch = peer("torch")
    make, options = CASES[case][0], {"momentum": 0.9} if kind == "SGD" else {}
    params = [torch.ones(1, requires_grad=True) for _ in "ab"]
    theirs = getattr(torch.optim, kind)(
        [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}], lr=0.5, **options
    )
    expected = rates(make(torch.optim.lr_scheduler)(theirs), theirs)
    update = optimizer(kind, **options)
    laws.near(rates(make(tg.optim)(update), update), expected, 1e-12)


@EVERY_CASE
def test_rates_are_those_that_ship(case):
    make, seventh, nineteenth = CASES[case]
    update = optimizer()
    found = rates(make(tg.optim)(update), update)[:, 0]
    laws.near([found[7], found[19]], [seventh, nineteenth], 1e-8)


@EVERY_CASE
def test_a_schedule_that_is_saved_and_loaded_goes_on(case):
    make = CASES[case][0](tg.optim)
    one, other = optimizer(), optimizer()
    first, second = make(one), make(other)
    rates(first, one, 9)
    state = pickle.loads(pickle.dumps((one.state_dict(), first.state_dict())))
    other.load_state_dict(state[0])
    second.load_state_dict(state[1])
    np.testing.assert_array_equal(rates(first, one, 9), rates(second, other, 9))


LOSSES = [3.0, 2.0, 2.0, 2.5, 1.9999, 1.99985, 2.0, 1.0, *[1.0] * 9, float("nan"), -1.0, -1.1, -1.0]


@pytest.mark.parametrize(
    "options",
    [
        {}, {"patience": 1}, {"patience": 1, "cooldown": 2, "factor": 0.5},
        {"patience": 0, "min_lr": 0.01}, {"patience": 1, "threshold": 0.5},
        {"mode": "max", "patience": 1}, {"patience": 1, "threshold_mode": "abs", "threshold": 0.2},
        {"mode": "max", "patience": 0, "threshold_mode": "abs", "factor": 0.7, "eps": 0.02},
    ],
    ids=str,
)  # fmt: skip
def test_a_plateau_is_pytorchs(options):
    torch = peer("torch")
    params = [torch.ones(1, requires_grad=True) for _ in "ab"]
    theirs = torch.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.02}], lr=0.5)
    update = optimizer("SGD")
    one = tg.optim.ReduceLROnPlateau(update, **options)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    for loss in LOSSES:
        one.step(tg.Tensor(loss))
        other.step(loss)
        laws.near(one.get_last_lr(), [group["lr"] for group in theirs.param_groups], 1e-15)


def test_a_plateau_by_hand_and_its_state():
    update, again = optimizer("SGD"), optimizer("SGD")
    schedule = tg.optim.ReduceLROnPlateau(update, patience=1, factor=0.5)
    for loss in [1.0, 1.0]:
        schedule.step(loss)
    assert update.param_groups[0]["lr"] == 0.5
    other = tg.optim.ReduceLROnPlateau(again, patience=1, factor=0.5)
    other.load_state_dict(schedule.state_dict())
    other.step(1.0)
    assert [group["lr"] for group in again.param_groups] == [0.25, 0.01]


def test_the_second_schedule_starts_from_the_rate_before_the_first():
    update = optimizer()
    tg.optim.LinearLR(update, 0.1)
    assert update.param_groups[0]["lr"] == 0.05
    assert tg.optim.StepLR(update, 3).base_lrs == [0.5, 0.02]


def test_a_schedule_that_fails_sets_no_rate():
    update = optimizer()
    schedule = tg.optim.LambdaLR(update, lambda k: 1.0 if k < 2 else -1.0)
    schedule.step()
    with pytest.raises(ArgumentError, match="LambdaLR: lr must be at least 0"):
        schedule.step()
    assert schedule.last_epoch == 1 and update.param_groups[0]["lr"] == 0.5


WRONG = {
    "no optimizer": (lambda o: o.StepLR(3, 1), UsageError, "StepLR: optimizer: found 3"),
    "no steps": (lambda o: o.StepLR(optimizer(), 0), ArgumentError, "step_size must be at least 1"),
    "half a step": (lambda o: o.StepLR(optimizer(), 0.5), UsageError, "step_size must be a whole"),
    "no start": (
        lambda o: o.LinearLR(optimizer(), 0.0), ArgumentError, "start_factor must be above 0",
    ),
    "a share above 1": (
        lambda o: o.OneCycleLR(optimizer(), 0.1, 9, pct_start=1.5), ArgumentError,
        "pct_start must be at least 0 and at most 1, found 1.5",
    ),
    "gamma": (lambda o: o.StepLR(optimizer(), 1, gamma=-1), ArgumentError, "gamma"),
    "T_max": (lambda o: o.CosineAnnealingLR(optimizer(), 0), ArgumentError, "T_max"),
    "unknown": (lambda o: o.StepLR(optimizer(), 1, rate=3), UsageError, "it takes optimizer, step"),
    "no function": (lambda o: o.LambdaLR(optimizer(), 3), UsageError, "lr_lambda"),
    "no momentum": (
        lambda o: o.OneCycleLR(optimizer("Rprop"), 1.0, 9), UsageError, "cycle_momentum=False",
    ),
    "strategy": (
        lambda o: o.OneCycleLR(optimizer(), 1.0, 9, anneal_strategy="cosine"), ArgumentError,
        "must be one of 'cos', 'linear'",
    ),
    "div_factor": (
        lambda o: o.OneCycleLR(optimizer(), 1.0, 9, div_factor=0), ArgumentError, "above 0",
    ),
    "another optimizer": (
        lambda o: o.SequentialLR(optimizer(), [o.StepLR(optimizer(), 1)], []), UsageError,
        "of another optimizer",
    ),
    "milestones": (
        lambda o: o.SequentialLR(u := optimizer(), [o.StepLR(u, 1)], [3]), ArgumentError,
        "1 milestones for 1 schedules",
    ),
    "order": (
        lambda o: o.SequentialLR(u := optimizer(), [o.StepLR(u, 1) for _ in "abc"], [5, 5]),
        ArgumentError, "must increase",
    ),
    "a plateau": (
        lambda o: o.SequentialLR(u := optimizer(), [o.ReduceLROnPlateau(u)], []), UsageError,
        "depends on more",
    ),
    "mode": (lambda o: o.ReduceLROnPlateau(optimizer(), "least"), ArgumentError, "'min', 'max'"),
    "no number": (
        lambda o: o.ReduceLROnPlateau(optimizer()).step("x"), UsageError, "metrics must be a",
    ),
    "another state": (
        lambda o: o.StepLR(optimizer(), 1).load_state_dict(o.LinearLR(optimizer()).state_dict()),
        ArgumentError, "the state of 'LinearLR', expected StepLR",
    ),
    "another count": (
        lambda o: o.StepLR(optimizer(), 1).load_state_dict(
            o.StepLR(o.SGD([tg.Tensor(1.0, True)]), 1).state_dict()
        ), ArgumentError, "the state of 1 groups, expected 2",
    ),
    "a plateau's state": (
        lambda o: o.StepLR(optimizer(), 1).load_state_dict({"last_epoch": 3}), ArgumentError,
        "found a state of 'last_epoch', expected schedule, last_epoch, base_lrs",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused(call, error, says):
    with pytest.raises(error, match=says):
        call(tg.optim)


def test_one_cycle_ends():
    update = optimizer()
    schedule = tg.optim.OneCycleLR(update, 1.0, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ArgumentError, match="found step 4, expected 3 at most"):
        schedule.step()


def test_groups_that_come_later_are_refused():
    update = optimizer()
    schedule = tg.optim.StepLR(update, 1)
    update.add_param_group({"params": [tg.Tensor(1.0, requires_grad=True)]})
    with pytest.raises(TinygradError, match="found 3 groups, expected the 2 of the start"):
        schedule.step()
