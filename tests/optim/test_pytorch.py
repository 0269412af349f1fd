"""Holds every rule to PyTorch's over fifty updates, and to numbers of PyTorch's that ship."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws, updates
from support.peers import peer

EVERY_CASE = pytest.mark.parametrize("case", updates.CASES)


def ours(case, **more):
    rule, options, _ = updates.CASES[case]
    return updates.updated(
        lambda params: getattr(tg.optim, rule)(params, **options), leaf, tg.Tensor.numpy, as_it_is,
        **more,
    )  # fmt: skip


def theirs(case):
    torch = peer("torch")
    rule, options, _ = updates.CASES[case]
    return updates.updated(
        lambda params: getattr(torch.optim, rule)(params, **options),
        lambda numbers: torch.tensor(numbers, requires_grad=True),
        lambda x: x.detach().numpy().copy(), torch.tensor,
    )  # fmt: skip


def leaf(numbers):
    return tg.Tensor(numbers, requires_grad=True)


def as_it_is(gradient):
    return gradient


@EVERY_CASE
def test_fifty_updates_end_where_pytorchs_do(case):
    for found, expected in zip(ours(case), theirs(case), strict=True):
        laws.near(found, expected, 1e-12)


@EVERY_CASE
def test_fifty_updates_give_the_numbers_that_ship(case):
    laws.near(updates.digest(ours(case)), updates.CASES[case][2], 1e-12)


@EVERY_CASE
def test_the_numbers_that_ship_are_pytorchs(case):
    laws.near(updates.digest(theirs(case)), updates.CASES[case][2], 1e-12)


@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdamW", "RMSprop", "Rprop"])
def test_names_and_defaults_are_pytorchs(rule):
    torch = peer("torch")
    p = np.ones(2)
    (own,) = getattr(tg.optim, rule)([leaf(p)]).param_groups
    (other,) = getattr(torch.optim, rule)([torch.tensor(p, requires_grad=True)]).param_groups
    assert {name: own[name] for name in own if name != "params"}.items() <= other.items()


def test_groups_end_where_pytorchs_do():
    torch = peer("torch")

    def make(adam):
        return lambda params: adam(
            [{"params": params[:1], "lr": 0.1, "betas": (0.5, 0.9)}, {"params": params[1:]}],
            lr=0.02, weight_decay=0.1,
        )  # fmt: skip

    found = updates.updated(make(tg.optim.Adam), leaf, tg.Tensor.numpy, as_it_is)
    expected = updates.updated(
        make(torch.optim.Adam), lambda numbers: torch.tensor(numbers, requires_grad=True),
        lambda x: x.detach().numpy().copy(), torch.tensor,
    )  # fmt: skip
    for a, b in zip(found, expected, strict=True):
        laws.near(a, b, 1e-12)


# --- the state ------------------------------------------------------------------------------------


@EVERY_CASE
@pytest.mark.parametrize("way", ["state_dict", "deepcopy", "pickle"])
def test_a_rule_that_is_saved_and_loaded_goes_on_bit_by_bit(case, way):
    kind, options, _ = updates.CASES[case]
    leaves = {name: leaf(numbers) for name, numbers in updates.START.items()}
    rule = getattr(tg.optim, kind)(list(leaves.values()), **options)
    for k in range(10):
        updates.move(rule, leaves, k, tg.Tensor.numpy, as_it_is)
    if way == "state_dict":
        state = pickle.loads(pickle.dumps(rule.state_dict()))
        again = {name: leaf(x.numpy()) for name, x in leaves.items()}
        other = getattr(tg.optim, kind)(list(again.values()), lr=7.0)
        other.load_state_dict(state)
    elif way == "deepcopy":
        again, other = copy.deepcopy((leaves, rule))
    else:
        again, other = pickle.loads(pickle.dumps((leaves, rule)))
    for k in range(10, 25):
        updates.move(rule, leaves, k, tg.Tensor.numpy, as_it_is)
        updates.move(other, again, k, tg.Tensor.numpy, as_it_is)
    for name, x in leaves.items():
        np.testing.assert_array_equal(x.data, again[name].data)


def test_a_state_has_pytorchs_names():
    torch = peer("torch")
    for case, (kind, options, _) in updates.CASES.items():
        own = updates.START["b"]
        ps = [leaf(own)], [torch.tensor(own, requires_grad=True)]
        ps[0][0].grad, ps[1][0].grad = own, torch.tensor(own)
        rules = [getattr(space.optim, kind)(p, **options) for space, p in zip((tg, torch), ps)]
        states = []
        for rule in rules:
            rule.step()
            states.append(rule.state_dict()["state"].get(0, {}))
        kept = {name for name, value in states[1].items() if value is not None}
        assert {*states[0]} - {"step"} == kept - {"step"}, case


def trained(kind=tg.optim.Adam, params=2, **options):
    leaves = [tg.Tensor(np.ones(3), True, name) for name in "abc"[:params]]
    for x in leaves:
        x.grad = np.arange(3.0)
    rule = kind(leaves, **options)
    rule.step()
    return rule


def without(state, *path):
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return state


def having(state, value, *path):
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return state


STATES = {
    "another rule": (
        lambda s: trained(tg.optim.AdamW).state_dict(),
        "the state of 'AdamW', expected Adam",
    ),
    "other options": (
        lambda s: trained(amsgrad=True).state_dict() | {"param_groups": s["param_groups"]},
        "max_exp_avg_sq",
    ),
    "no state": (lambda s: 3, "expected what state_dict"),
    "of a module": (lambda s: {"W": np.ones(3)}, "found a state of 'W', expected rule, state"),
    "fewer parameters": (
        lambda s: trained(params=1).state_dict(),
        r"parameters \[0\], expected \[0, 1\]",
    ),
    "more parameters": (
        lambda s: trained(params=3).state_dict(),
        r"parameters \[0, 1, 2\], expected",
    ),
    "no groups": (lambda s: having(s, [], "param_groups"), "0 groups, expected 1"),
    "a shape": (
        lambda s: having(s, np.ones(4), "state", 0, "exp_avg"),
        r"avg of a has shape \(4,\), expected \(3,\)",
    ),
    "a type": (lambda s: having(s, "x", "state", 0, "exp_avg"), "exp_avg of a"),
    "a memory missing": (
        lambda s: without(s, "state", 1, "exp_avg_sq"),
        "expected step, exp_avg, exp_avg_sq",
    ),
    "a step": (lambda s: having(s, -1, "state", 0, "step"), "step must be at least 1"),
    "an option": (lambda s: having(s, -1.0, "param_groups", 0, "lr"), "lr must be at least 0"),
    "an option missing": (lambda s: without(s, "param_groups", 0, "eps"), "a state of"),
    "a number": (lambda s: having(s, {}, "state", 7), "parameter 7, expected 0 to 1"),
}


@pytest.mark.parametrize(("changed", "says"), STATES.values(), ids=STATES)
def test_a_state_that_does_not_fit_is_refused_before_anything_changed(changed, says):
    rule = trained()
    before = rule.state_dict()
    with pytest.raises(tg.TinygradError, match=says):
        rule.load_state_dict(changed(rule.state_dict()))
    after = rule.state_dict()
    assert before["param_groups"] == after["param_groups"]
    for n, memory in before["state"].items():
        for name, array in memory.items():
            np.testing.assert_array_equal(array, after["state"][n][name])


def test_a_state_is_a_copy():
    rule = trained()
    state = rule.state_dict()
    state["state"][0]["exp_avg"][:] = 7.0
    state["param_groups"][0]["lr"] = 7.0
    assert rule.lr == 1e-3 and (rule.state_dict()["state"][0]["exp_avg"] < 1).all()
