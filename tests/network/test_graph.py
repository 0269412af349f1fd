"""The signal-flow graph: one producer a wire, explicit branches, the same program run again."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import network
from support.programs import every
from tinygrad_lstm.errors import ChangedError, ShapeError, SignalError, UsageError


@pytest.fixture
def g():
    return tg.graph(network()[0])


def test_every_wire_has_one_producer_and_one_consumer(g):
    made = [wire for node in g.nodes for wire in node.outputs]
    used = [wire for node in g.nodes for wire in node.inputs]
    assert sorted(made) == sorted(used) == list(range(len(g.wires)))


def test_every_wire_has_a_name_of_its_own(g):
    assert all(wire.name for wire in g.wires)
    assert len({wire.name for wire in g.wires}) == len(g.wires)


def test_each_branch_of_a_fork_is_a_signal(g):
    names = {wire.name for wire in g.wires}
    assert {"lstm.out[0]", "lstm.out[0] → lstm.stack", "lstm.out[0] → lstm.matmul[1]"} <= names


def test_nodes_stand_in_an_order_in_which_they_can_be_run(g):
    seen = set()
    for node in g.nodes:
        assert seen.issuperset(node.inputs)
        seen.update(node.outputs)


def test_nodes_know_where_they_were_recorded(g):
    (node,) = [node for node in g.nodes if node.name == "lstm.state[1]" and node.kind == "junction"]
    assert (node.scope, node.stem, node.step) == ("lstm", "lstm.state", 1)


def test_kinds_of_leaves(g):
    kinds = {node.name: node.kind for node in g.nodes}
    assert kinds["lstm.W"] == kinds["dense.b"] == "parameter"
    assert kinds["x"] == "input"
    assert kinds["squared_error.constant"] == "constant"


def test_broadcasting_is_a_linear_map_of_its_own():
    x, b = tg.Tensor(np.ones((2, 3)), name="x"), tg.Tensor(np.ones(3), name="b")
    g = tg.graph((x + b).sum())
    wide = [node for node in g.nodes if node.kind == "broadcast"]
    assert len(wide) == 1 and wide[0].name == "b (broadcast)"


def test_the_same_program_gives_the_same_graph():
    first, second = tg.graph(network()[0]), tg.graph(network()[0])
    assert [node.name for node in first.nodes] == [node.name for node in second.nodes]
    assert first.wires == second.wires


@every
def test_run_again_a_graph_gives_what_was_recorded(program):
    result = program.run(tg, program.leaves())
    (value,) = tg.graph(result).evaluate().values()
    assert value == pytest.approx(result.item(), rel=1e-12, abs=1e-12)


def test_run_at_another_point_a_graph_gives_what_the_program_gives(g):
    loss, leaves = network()
    x = np.random.default_rng(5).normal(size=(3, 2))
    (value,) = g.evaluate({"x": x}).values()
    leaves["x"].data = x
    assert value != pytest.approx(loss.item())
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, tg.sigmoid, seed=1)
    target = next(node for node in g.nodes if node.name == "squared_error.target")
    again = tg.nn.squared_error(dense(lstm(x)[0]), g.wires[target.outputs[0]].value)
    assert value == pytest.approx(again.item(), rel=1e-14)


def test_every_signal_is_there_on_request(g):
    everything = g.evaluate(everything=True)
    assert set(everything) == {wire.name for wire in g.wires}
    assert everything["lstm.state[1]"].shape == (4,)


def test_a_long_chain_needs_no_recursion():
    x = y = tg.Tensor(1.0, requires_grad=True, name="x")
    for _ in range(20_000):
        y = y + 1e-4
    g = tg.graph(y)
    assert g.evaluate()[g.nodes[-1].name] == pytest.approx(3.0)
    assert g.adjoint().evaluate()["δx"] == 1.0
    assert x.grad is None


@pytest.mark.parametrize("nothing", [tg.Tensor(1.0), 3.0, None])
def test_nothing_recorded_is_no_graph(nothing):
    with pytest.raises(UsageError, match="expected a Tensor computed from others"):
        tg.graph(nothing)


def test_bad_values_are_named(g):
    with pytest.raises(SignalError, match=r"'lstm\.w'.*nearest names are: lstm\.W"):
        g.evaluate({"lstm.w": 0.0})
    with pytest.raises(ShapeError, match=r"x has shape \(2, 2\), expected \(3, 2\)"):
        g.evaluate({"x": np.ones((2, 2))})


def test_a_graph_of_numbers_that_are_gone_is_refused():
    x = tg.Tensor([1.0], requires_grad=True, name="x")
    loss = tg.tanh(x).sum()
    x.data = x.data - 0.1
    with pytest.raises(ChangedError, match="data of x was replaced"):
        tg.graph(loss)
