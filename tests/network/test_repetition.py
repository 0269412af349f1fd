"""Plain loops, in which nobody said where a step begins, folded over time."""

import doctest

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine.place import Packed
from tinygrad_lstm.network import repetition
from tinygrad_lstm.network.graph import graph
from tinygrad_lstm.network.repetition import fold_plain_loops
from tinygrad_lstm.network.view import View

T = 6
NUMBERS = {"W": (3, 4), "U": (4, 4), "b": (4,), "V": (4, 2), "x": (T, 3), "target": (T, 2)}


def leaves(seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in NUMBERS.items()
    }


def elman(p, steps=range(T), first=True, called=False, loss_in_loop=True):
    """Run a recurrent network in a plain loop, its first step with a state or without one."""
    h, loss, out = np.zeros(4), 0.0, []
    for k in steps:
        s = p["x"][k] @ p["W"] + p["b"]
        h = np.tanh(s + h @ p["U"] if first or k else s)
        if called:
            h.name = f"h{k}" if isinstance(called, str) else f"h[{k}]"
        e = h @ p["V"] - p["target"][k]
        out.append(e)
        loss = loss + tg.sum(e * e)
    return loss if loss_in_loop else tg.sum(tg.stack(out) ** 2)


def chain(p, steps):
    y = p["b"]
    for _ in steps:
        y = tg.tanh(y * 1.01)
    return tg.sum(y * y)


def lagged(p, steps):
    """Use the states of one step and of two steps before."""
    before, h = np.zeros(4), np.ones(4)
    for k in steps:
        before, h = h, tg.tanh(h @ p["U"] + before * p["b"] + p["x"][k] @ p["W"])
    return tg.sum(h)


def cells(p, steps):
    """Call a cell at every step."""
    cell = tg.nn.LSTMCell(3, 4, name="cell", seed=0)
    state, loss = None, 0.0
    for k in steps:
        state = cell(p["x"][k], state)
        loss = loss + tg.sum(state[0] * state[0])
    return loss


PROGRAMS = {
    "elman": elman,
    "without a first state": lambda p, steps: elman(p, steps, first=False),
    "called": lambda p, steps: elman(p, steps, called=True),
    "stacked": lambda p, steps: elman(p, steps, loss_in_loop=False),
    "chain": chain,
    "lagged": lagged,
    "cells": cells,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_plain_loop_folds_into_the_recorded_network(program):
    p = leaves()
    loss = program(p, range(T))
    loss.backward()
    folded, _ = fold_plain_loops(graph(loss))
    assert folded.folded and len(folded.nodes) < len(graph(loss).nodes)
    found = folded.adjoint().evaluate()
    for name, leaf in p.items():
        if leaf.grad is not None:
            np.testing.assert_allclose(found[f"δ{name}"], leaf.grad, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("program", [elman, chain, lagged], ids=lambda each: each.__name__)
def test_a_plain_loop_is_as_short_as_one_over_steps(program):
    plain, _ = fold_plain_loops(graph(program(leaves(), range(T))))
    stepped = graph(program(leaves(), tg.steps(T))).fold()
    assert len(plain.nodes) <= len(stepped.nodes)


@pytest.mark.parametrize("called", [True, "h"], ids=["in brackets", "numbered"])
def test_signals_keep_their_names(called):
    loss = elman(leaves(), called=called)
    view, recorded = View(loss), View(loss, fold=False)
    assert view.network.folded
    assert view.named.keys() == recorded.named.keys()
    right, folded = (each.adjoint.evaluate(everything=True) for each in (recorded, view))
    for name in view.named:
        wire, step = view.at[name]
        value = folded[view.adjoint.wires[wire].name]
        other = right[recorded.adjoint.wires[recorded.at[name][0]].name]
        np.testing.assert_allclose(value if step is None else value[step], other, rtol=1e-12)


def test_the_parts_of_what_is_packed_are_no_steps():
    """They have names of their own, which they would lose as steps of a loop."""
    p = tg.Tensor(np.linspace(0.5, 1.0, 12), requires_grad=True, name=Packed("p", tuple("ifo")))
    y = x = tg.Tensor(np.array([0.3, -0.8, 0.5, 0.1]), requires_grad=True, name="x")
    for part in [p[..., 4 * k : 4 * k + 4] for k in range(3)]:
        y = tg.tanh(y * part) + x
    assert {"i", "f", "o"} <= View(tg.sum(y)).at.keys()


def test_layers_of_different_weights_are_no_loop():
    rng, y = np.random.default_rng(0), tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    for k in range(5):
        y = tg.tanh(y @ tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name=f"W{k}"))
    folded = fold_plain_loops(graph(tg.sum(y)))
    assert folded is None or folded[0].adjoint().evaluate().keys() == {
        "δx",
        *(f"δW{k}" for k in range(5)),
    }


@pytest.mark.parametrize("seed", range(30))
def test_what_folds_is_always_the_recorded_network(seed):
    """Programs that repeat more or less: another operation, index or operand at some step."""
    rng, p = np.random.default_rng(seed), leaves(seed)
    functions = [tg.tanh, tg.sigmoid, tg.sin]
    body = [(rng.integers(3), rng.integers(3)) for _ in range(rng.integers(1, 4))]
    odd = rng.integers(8) if rng.random() < 0.5 else -1
    h, kept = p["b"], [p["b"]]
    for k in range(8):
        for which, operand in body:
            which = which if k != odd else rng.integers(3)
            other = (h, kept[rng.integers(len(kept))] if k == odd else kept[-1], p["b"])[operand]
            h = functions[which](h * other[rng.permutation(4)] if k == odd else h * other + 0.1)
        kept.append(h)
    loss = tg.sum(h * kept[len(kept) // 2])
    loss.backward()
    found = View(loss).adjoint.evaluate()
    np.testing.assert_allclose(found["δb"], p["b"].grad, rtol=1e-10, atol=1e-12)


def layers(x, weights, kind):
    """Return what layers with weights of their own make of one input."""
    h, several = x, []
    for W in weights:
        if kind == "plain":
            h = tg.tanh(h @ W)
        elif kind == "residual":
            h = h + tg.tanh(h @ W)
        elif kind == "transposed":
            h = tg.tanh(h @ W.T)
        elif kind == "ensemble":
            several.append(tg.tanh(x @ W))
        elif kind == "heads":
            scores = x @ W @ x.T
            several.append(tg.softmax(scores, axis=-1) @ x)
    return sum(several) if several else h


LAYERS = ("plain", "residual", "transposed", "ensemble", "heads")


@pytest.mark.parametrize("kind, count", [*((kind, 3) for kind in LAYERS), ("plain", 12)])
@pytest.mark.parametrize("name", [None, "x", "h[0]"])
def test_a_mistake_at_one_of_equal_layers_is_told_of_this_layer(kind, count, name):
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 3)), name=name)
    weights = [
        tg.Tensor(rng.normal(size=(3, 3)) * 0.4, requires_grad=True, name=f"W{k}")
        for k in range(count)
    ]
    h = layers(x, weights, kind)
    loss = tg.sum(h * h)
    loss.backward()
    right = {W.name: W.grad for W in weights}
    for wrong in (weights[0].name, weights[1].name, weights[-1].name):
        best = tg.compare(loss, right | {wrong: -right[wrong]}).best
        assert best[0].says == f"the gradient of {wrong} is −1 times what it should be"


@pytest.mark.parametrize("wrong", ["W0", "W1", "W2", "W3"])
def test_a_mistake_at_one_of_the_leaves_that_steps_read_is_told(wrong):
    rng, h = np.random.default_rng(0), tg.Tensor(np.ones((4, 3)))
    weights = [
        tg.Tensor(rng.normal(size=(3, 3)) * 0.4, requires_grad=True, name=f"W{k}") for k in range(4)
    ]
    for k in tg.steps(4):
        h = tg.tanh(h @ weights[k])
    loss = tg.sum(h * h)
    loss.backward()
    right = {W.name: W.grad for W in weights}
    for diagnose in (False, True):
        report = tg.compare(loss, right | {wrong: -right[wrong]})
        if diagnose:
            report.diagnose()
        assert report.best[0].says == f"the gradient of {wrong} is −1 times what it should be"
        assert f"δ{wrong} = " in str(report)


def test_named_data_of_a_step_is_no_weight_of_a_layer():
    p = leaves()
    p["x"] = [tg.Tensor(row, name=f"x{k}") for k, row in enumerate(p["x"].data)]
    assert View(elman(p)).network.folded


def test_the_examples():
    assert doctest.testmod(repetition).failed == 0
