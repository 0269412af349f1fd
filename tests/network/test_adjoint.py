"""The adjoint network: what is drawn is what runs, and what runs is what backward() gives."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.laws import near_all
from support.networks import network
from support.programs import every
from tinygrad_lstm import TABLE
from tinygrad_lstm.network.adjoint import delta


@pytest.mark.parametrize("batch", [(), (3,)], ids=["one sequence", "a batch"])
def test_it_gives_every_leaf_s_gradient(batch):
    loss, leaves = network(4, batch)
    found = tg.graph(loss).adjoint().evaluate()
    loss.backward()
    near_all([found[f"δ{name}"] for name in leaves], [leaf.grad for leaf in leaves.values()])


@every
def test_it_gives_the_gradient_of_random_programs(program):
    leaves = program.leaves()
    for leaf, name in zip(leaves, "xyz", strict=True):
        leaf.name = name
    result = program.run(tg, leaves)
    found = tg.graph(result).adjoint().evaluate()
    near_all([found[f"δ{name}"] for name in "xyz"], [g.data for g in tg.grad(result, leaves)])


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, k) for name, entry in TABLE.items() for k in range(len(entry.samples()))],
    ids=lambda value: str(value),
)
def test_it_gives_the_gradient_of_every_entry_of_the_table(name, number):
    operands, parameters = TABLE[name].samples()[number]
    leaves = [
        tg.Tensor(np.asarray(each, float), requires_grad=True, name=f"x{k}")
        for k, each in enumerate(operands)
    ]
    join = TABLE[name].kind == "join"
    y = TABLE[name](leaves, **parameters) if join else TABLE[name](*leaves, **parameters)
    ct = laws.draw(y.shape)
    if not y.requires_grad:
        assert tg.graph(y).adjoint().nodes == ()
        return
    found = tg.graph(y * 1.0).adjoint().evaluate({f"δ{tg.graph(y * 1.0).nodes[-1].name}": ct})
    expected = tg.grad(y, leaves, ct, allow_unused=True)
    for k, gradient in enumerate(expected):
        if gradient is None:
            assert not np.any(found.get(f"δx{k}", 0.0))
        else:
            laws.near(found[f"δx{k}"], gradient.data, 1e-12)


def test_each_branch_s_gradient_is_its_share():
    """Gomez's Δ_t and Δout_t: what comes back from the loss, and from the next step."""
    loss, _ = network()
    signals = tg.graph(loss).adjoint().evaluate(everything=True)
    shares = signals["δlstm.out[1] → lstm.stack"], signals["δlstm.out[1] → lstm.matmul[2]"]
    assert np.allclose(sum(shares), signals["δlstm.out[1]"], atol=1e-16)
    assert np.allclose(shares[1], signals["δlstm.s[2]"] @ _parameter(loss, "lstm.U").T, atol=1e-16)


def _parameter(loss, name):
    g = tg.graph(loss)
    (node,) = [node for node in g.nodes if node.name == name and not node.inputs]
    return g.wires[node.outputs[0]].value


# --- it reads nodes and wires alone -------------------------------------------------------------


def gain(adjoint, label):
    return next(node for node in adjoint.nodes if str(node.label) == label)


def test_a_gain_changed_in_the_data_changes_the_result_accordingly():
    loss, _ = network()
    adjoint = tg.graph(loss).adjoint()
    right, node = adjoint.evaluate(), gain(adjoint, "dense.y ∘ (1 - dense.y)")
    doubled = adjoint.with_node(node, gain=2 * node.gain).evaluate()
    for name in ("δdense.W", "δlstm.U", "δx"):
        assert np.allclose(doubled[name], 2 * right[name], atol=1e-16)


def test_a_carry_cut_in_the_data_is_missing_in_the_result():
    loss, _ = network()
    adjoint = tg.graph(loss).adjoint()
    right, node = adjoint.evaluate(everything=True), gain(adjoint, "lstm.f[1]")
    cut = adjoint.with_node(node, gain=0 * node.gain).evaluate(everything=True)
    assert np.array_equal(cut["δlstm.state[1]"], right["δlstm.state[1]"])
    carry = right["δlstm.state[1]"] * node.gain
    assert np.allclose(cut["δlstm.state[0]"], right["δlstm.state[0]"] - carry, atol=1e-16)


# --- Wan's rules --------------------------------------------------------------------------------


def test_the_kinds_are_exchanged():
    x = tg.Tensor([0.5, 0.2], requires_grad=True, name="x")
    g = tg.graph((tg.tanh(x) + x).sum())
    assert g.count() == {
        "input": 1, "branch": 1, "elementwise": 1, "junction": 1, "linear": 1, "output": 1
    }  # fmt: skip
    assert g.adjoint().count() == {
        "input": 1, "linear": 1, "branch": 1, "gain": 1, "junction": 1, "output": 1
    }  # fmt: skip


def test_labels_are_the_rules_run_on_symbols():
    loss, _ = network()
    labels = {str(node.label) for node in tg.graph(loss).adjoint().nodes if node.label is not None}
    assert {"1 - lstm.a[0]²", "lstm.Uᵀ", "dense.Wᵀ", "lstm.f[2]", "lstm.state[0]"} <= labels


def linear_program():
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="x")
    y = tg.Tensor(rng.normal(size=(4,)), requires_grad=True, name="y")
    z = tg.stack([x[0] - y, x[2] + x[1], -y])
    return tg.concatenate([z.T, x.T], axis=1).reshape(3, 8)[1:] - tg.sum(x)


def test_the_adjoint_of_the_adjoint_is_the_graph():
    g = tg.graph(linear_program())
    assert g.adjoint().adjoint() == g


def test_reciprocity():
    result = linear_program()
    g = tg.graph(result)
    u, v = laws.draw(result.shape), {"x": laws.draw((3, 4), 1), "y": laws.draw((4,), 2)}
    (forward,) = g.evaluate(v).values()
    (source,) = [node.name for node in g.adjoint().nodes if node.kind == "input"]
    back = g.adjoint().evaluate({source: u})
    assert np.sum(u * forward) == pytest.approx(
        sum(np.sum(back[f"δ{n}"] * v[n]) for n in v), abs=1e-12
    )


def test_the_adjoint_of_a_nonlinear_adjoint_is_the_tangent_network():
    loss, leaves = network()
    along = {name: laws.draw(leaf.shape) for name, leaf in leaves.items()}
    g = tg.graph(loss)
    tangent = g.adjoint().adjoint()
    zeros = {
        node.name: np.zeros_like(g.wires[node.outputs[0]].value)
        for node in g.nodes
        if node.kind in ("input", "parameter") and node.name not in along
    }
    (slope,) = tangent.evaluate(along | zeros).values()
    loss.backward()
    assert slope == pytest.approx(sum(np.sum(leaf.grad * along[n]) for n, leaf in leaves.items()))


@pytest.mark.parametrize(
    "joined", [lambda x: tg.concatenate([np.zeros(1), x]), lambda x: tg.stack([np.ones(2), x])]
)
def test_the_tangent_network_puts_zeros_where_a_constant_was_joined(joined):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    tangent = tg.graph(tg.sum(joined(x) ** 2)).adjoint().adjoint()
    (slope,) = tangent.evaluate({"x": np.array([1.0, 3.0])}).values()
    assert slope == pytest.approx(2 * (1.0 * 1.0 + 2.0 * 3.0))


def test_constants_have_no_delta():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    adjoint = tg.graph((x * 3.0 - 1.0).sum()).adjoint()
    assert [node.name for node in adjoint.nodes if node.kind == "output"] == ["δx"]


def test_nothing_passes_a_cut():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    found = tg.graph((tg.stop_gradient(x) * x).sum()).adjoint().evaluate()
    assert np.array_equal(found["δx"], [1.0, 2.0])


def test_the_delta_of_a_delta_is_the_signal():
    for name in ("lstm.out[0]", "δ", "δx", ""):
        assert delta(delta(name)) == name
    assert delta("δ") != ""


@pytest.mark.parametrize("name", [name for name, p in TABLE.items() if p.kind == "elementwise"])
def test_a_function_in_a_folded_loop_has_a_gain_at_each_step(name):
    """The partial may be one number for all entries and steps, as that of floor is."""
    primitive = TABLE[name]
    x, *others = primitive.samples()[0][0]
    moving = x if primitive.rules[0] is not None else others[0]
    leaf = tg.Tensor(np.asarray(moving, float), requires_grad=True, name="x")
    h = leaf
    for _ in tg.steps(3):
        operand = leaf + 0.001 * h
        h = primitive(*([operand, *others] if moving is x else [x, operand, *others[1:]]))
    loss = tg.sum(h + leaf)
    folded = tg.graph(loss).fold()
    assert folded.loops
    loss.backward()
    laws.near(folded.adjoint().evaluate()["δx"], leaf.grad, 1e-12)
