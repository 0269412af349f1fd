"""Packed signals taken apart: the cell of the papers, counted."""

from importlib import import_module

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.laws import near_all
from support.networks import gates, network
from tinygrad_lstm.network.unpack import unpack


def counted(g):
    """Count the elements of an LSTM cell alone, as Wan and Beaufays draw it."""
    cell = [n for n in g.nodes if n.folded and n.scope in ("lstm", "") and n.kind != "broadcast"]
    products = [n for n in cell if n.kind == "bilinear"]
    # a weight's gradient is read at its two ends, on an arm that is no part of the cell
    read = {n.inputs[0] for n in cell if n.kind == "matrix" and n.port == 1}
    count = {
        "Σ": sum(n.kind == "junction" for n in cell),
        "branch": sum(n.kind == "branch" and read.isdisjoint(n.outputs) for n in cell),
        "Π": sum(n.primitive.name == "hadamard" for n in products),
        "f": sum(n.kind == "elementwise" for n in cell),
        "W": sum(n.primitive.name == "matmul" for n in products),
        "Wᵀ": sum(n.kind == "matrix" and n.port == 0 for n in cell),
        "gain": sum(n.kind == "gain" for n in cell),
        "q⁻¹": sum(n.kind == "delay" for n in cell),
        "q⁺¹": sum(n.kind == "advance" for n in cell),
    }
    return {kind: number for kind, number in count.items() if number}


unpacking = import_module("tinygrad_lstm.network.unpack")

FORWARD = {"Σ": 5, "branch": 4, "Π": 3, "f": 5, "W": 8, "q⁻¹": 2}
ADJOINT = {"Σ": 4, "branch": 8, "Wᵀ": 8, "gain": 11, "q⁺¹": 2}


def test_the_cell_with_packed_gates_has_the_elements_of_the_cell():
    g = unpack(tg.graph(network(4, (2,))[0]).fold())
    assert counted(g) == FORWARD
    assert counted(g.adjoint()) == ADJOINT


def test_the_cell_with_a_matrix_for_each_gate_has_them_at_once():
    out, (x,) = cell_alone()
    f = tg.graph(tg.sum(tg.stack(out))).fold()
    assert counted(f) == FORWARD
    assert counted(f.adjoint()) == ADJOINT
    assert x.shape == (4, 2, 3)


def cell_alone():
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 2, 3)), requires_grad=True, name="x")
    W, U, b = (
        {g: tg.Tensor(rng.normal(size=shape), requires_grad=True) for g in "aifo"}
        for shape in ((3, 4), (4, 4), (4,))
    )
    out, state = (tg.Tensor(np.zeros((2, 4)), requires_grad=True, name=n) for n in ("h", "c"))
    outs = []
    for k in tg.steps(4):
        x_k = x[k]
        s = {g: x_k @ W[g] + out @ U[g] + b[g] for g in "aifo"}
        a = tg.tanh(s["a"])
        i, f, o = (tg.sigmoid(s[g]) for g in "ifo")
        state = i * a + f * state
        out = o * tg.tanh(state)
        outs.append(out)
    return outs, (x,)


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "unrolled"])
def test_it_computes_the_same(folded):
    loss, leaves = network(3, (2,))
    g = tg.graph(loss)
    g = unpack(g.fold() if folded else g)
    near_all(g.evaluate().values(), [loss.data])
    found = g.adjoint().evaluate()
    loss.backward()
    for name in ("lstm.W", "lstm.U", "lstm.b"):
        parts = [found[f"δ{name}.{gate}"] for gate in "aifo"]
        near_all([np.concatenate(parts, axis=-1)], [leaves[name].grad])
    near_all([found["δx"]], [leaves["x"].grad])


def test_gates_have_their_names():
    g = unpack(tg.graph(network(3)[0]).fold())
    made = {node.name: node.kind for node in g.nodes}
    assert all(made[f"lstm.s_{gate}(k)"] == "junction" for gate in "aifo")
    assert all(made[f"lstm.{gate}(k)"] == "elementwise" for gate in "aifo")
    assert not any(node.kind == "linear" and node.folded for node in g.nodes)


def test_what_is_not_packed_is_left_alone():
    loss = gates(True)
    f = tg.graph(loss).fold()
    assert unpack(f).count() == f.count()
    y = tg.Tensor(np.ones((2, 6)), requires_grad=True, name="y")
    g = tg.graph(tg.sum(tg.tanh(y)[:, 2:]))
    assert [node.kind for node in unpack(g).nodes] == [node.kind for node in g.nodes]


def test_a_signal_is_looked_at_once_however_many_ways_lead_to_it(monkeypatch):
    """Each sum doubles the ways back: looked at way by way, they would never end."""
    y = tg.Tensor(np.ones((2, 6)), requires_grad=True, name="y")
    for _ in range(15):
        y = y + tg.tanh(y)
    g, looks, carriers = tg.graph(tg.sum(y[..., :2])), [], unpacking._carriers
    monkeypatch.setattr(unpacking, "_carriers", lambda each: looks.append(0) or carriers(each))
    unpack(g)
    assert 30 < len(looks) <= 2 * len(g.nodes)
