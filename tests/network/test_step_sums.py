"""Sums over the steps of a loop: one sum of one sequence, whatever the way they are written."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.network.condense import condense
from tinygrad_lstm.network.proof import fold_for_reading


def errors(T=4):
    """Return the loss of each step of a small recurrence, and what it depends on."""
    rng = np.random.default_rng(0)
    W, x = (tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name=name) for name in "Wx")
    h, losses = np.zeros(2), []
    for k in tg.steps(T):
        h = tg.tanh(h @ W + x[k % 2])
        h.name = "h"
        losses.append(tg.sum(h * h))
    return losses, (W, x)


def running(T=4, start=0.0, by=lambda total, e: total + e, name=None, peek=None):
    """Return a total that each step adds to."""
    rng = np.random.default_rng(0)
    W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="W")
    h, total, seen = np.ones(2), start, 0.0
    for k in tg.steps(T):
        h = tg.tanh(h @ W)
        total = by(total, tg.sum(h * h))
        if name and (name == "every step" or k == T - 1):
            total.name = "total"
        if k == peek:
            seen = total
    return total * 0.5 + seen


def running_totals(loss):
    """Return how many numbers are handed from step to step in the network that people read."""
    network, _ = fold_for_reading(condense(tg.graph(loss)), True, 1)
    delays = [node for node in network.nodes if node.kind is Kind.DELAY]
    return sum(np.ndim(network.wires[node.outputs[0]].value) == 1 for node in delays)


def check(loss):
    """See that the program of a derivation gives the loss and its gradients; return the text."""
    derivation = tg.derive(loss)
    loss.backward()
    names = tg.signals(loss).names
    leaves = {names[x]: x.grad for x in names if not x.inputs and x.requires_grad}
    for fast in (False, True):
        program = {}
        exec(derivation.numpy(fast), program)
        value, signals = program["forward"](**derivation.arrays(fast))
        np.testing.assert_allclose(value, loss.data, rtol=1e-14)
        gradients = program["backward"](**signals)
        for name, gradient in leaves.items():
            np.testing.assert_allclose(gradients[name], gradient, rtol=1e-13, atol=1e-15)
    return str(derivation)


TOTALS = {
    "sum": sum,
    "backwards": lambda x: sum(x[::-1]),
    "stack": lambda x: tg.sum(tg.stack(x)),
    "in one line": lambda x: 0.0 + x[0] + x[1] + x[2] + x[3],
}
RUNNING = {
    "total + e": {},
    "from 3": {"start": 3.0},
    "e + total": {"by": lambda total, e: e + total},
    "total - e": {"by": lambda total, e: total - e},
    "three terms": {"by": lambda total, e: total + e - 2.0 * e},
    "named at last": {"name": "last step"},
    "two steps": {"T": 2},
}
OTHERS = {
    "named": {"name": "every step"},
    "read before": {"peek": 1},
    "decays": {"by": lambda total, e: 0.5 * total + e},
    "changes sign": {"by": lambda total, e: e - total},
}


@pytest.mark.parametrize("name", TOTALS)
def test_a_sum_of_all_steps_is_one_sum(name):
    losses, _ = errors()
    assert re.search("loss = Σₖ (Σ hₖ²|.Σ hₖ².)", check(TOTALS[name](losses)))


@pytest.mark.parametrize("name", RUNNING)
def test_a_running_total_is_one_sum(name):
    assert "Σₖ" in check(running(**RUNNING[name])).partition("Backward")[0]
    assert running_totals(running(**RUNNING[name])) == 0


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_sum_over_the_steps_stays(name):
    check(running(**OTHERS[name]))
    if name != "read before":  # which has steps of two forms
        assert running_totals(running(**OTHERS[name])) > 0


@pytest.mark.parametrize("seed", range(40))
def test_sums_of_any_steps_with_any_signs(seed):
    """Steps may be left out or be taken twice, with other terms of the sum between them."""
    rng = np.random.default_rng(seed)
    T = int(rng.integers(2, 5))
    losses, (W, _) = errors(T)
    more, _ = errors(T)
    terms = [*losses, *(losses if rng.random() < 0.5 else []), *more, tg.sum(W), 0.5 * losses[-1]]
    keep = [x for x in terms if rng.random() < 0.9]
    loss = tg.Tensor(1.0)
    for x in (keep[at] for at in rng.permutation(len(keep))):
        loss = loss + x if rng.random() < 0.8 else loss - x
    check(loss)


def test_a_total_in_a_loop_in_a_loop():
    W = tg.Tensor(np.eye(2) * 0.5, requires_grad=True, name="W")
    h, whole = np.ones(2), 0.0
    for _ in tg.steps(3):
        inner = 0.0
        for _ in tg.steps(2):
            h = tg.tanh(h @ W)
            inner = inner + tg.sum(h)
        whole = whole + tg.exp(inner)
    check(whole)


def test_the_zero_that_a_sum_starts_from_is_no_term():
    network = condense(tg.graph(sum(errors()[0])))
    (total,) = [node for node in network.nodes if node.kind is Kind.JUNCTION and node.step is None]
    assert [network.maker[wire].kind for wire in total.inputs] == [Kind.LINEAR]


NAMES = {
    "each its own": lambda k: f"e{k}",
    "one for all": lambda k: "e",
    "at the last step": lambda k: "e" if k == 3 else None,
    "at the first step": lambda k: "e" if k == 0 else None,
}


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_the_steps_do_not_matter(name):
    for total in (sum, lambda losses: sum(losses) - 0.5 * losses[-1]):
        losses, _ = errors()
        for k, one in enumerate(losses):
            one.name = NAMES[name](k)
        assert "Σ" in check(total(losses)).partition("Forward")[2].partition("Backward")[0]
