"""Folding over time: the same network, one node for the same operation at every step, and back."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.laws import near_all
from support.networks import gates, network
from support.programs import SMOOTH
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.errors import ArgumentError, UsageError
from tinygrad_lstm.network.unpack import unpack

RNG = np.random.default_rng(0)
T, B, N, H = 5, 2, 3, 4


def leaf(name, *shape):
    return tg.Tensor(RNG.normal(size=shape) * 0.5, requires_grad=True, name=name)


def shape_of(g):
    """Return what there is in a graph and how it hangs together, whatever the names and order."""
    makers = {wire: node.outputs[0] for node in g.nodes for wire in node.outputs}
    own = [
        (node.kind, repr(node.primitive), node.signs, node.shapes, node.loop, str(node.parameters))
        for node in g.nodes
    ]
    label = {node.outputs[0]: hash(each) for node, each in zip(g.nodes, own) if node.outputs}
    for _ in range(12):
        label = {
            node.outputs[0]: hash((each, *(label[makers[wire]] for wire in node.inputs)))
            for node, each in zip(g.nodes, own)
            if node.outputs
        }
    return sorted(label.values())


def unordered(g):
    """Return each signal's name with the names of those it is made of, but for constants."""
    makers = {wire: node for node in g.nodes for wire in node.outputs}
    constants = {node.name for node in g.nodes if node.kind == "constant"}
    return sorted(
        (
            node.kind,
            node.name,
            [makers[x].name for x in node.inputs if makers[x].name not in constants],
        )
        for node in g.nodes
        if node.name not in constants
    )


def folded(*outputs):
    """Return the folded graph, having seen that it is the same network as the recorded one."""
    recorded = tg.graph(*outputs)
    f = recorded.fold()
    assert f.folded
    values = {output.label(): output.data for output in outputs}
    near_all(f.evaluate().values(), values.values())
    for name, value in f.evaluate(everything=True).items():
        (wire,) = [wire for wire in f.wires if wire.name == name]
        near_all([value * 1.0], [wire.value * 1.0])
    expected = recorded.adjoint().evaluate()
    found = f.adjoint().evaluate()
    assert set(found) == set(expected)
    near_all([found[name] for name in expected], expected.values())
    unrolled = f.unroll()
    assert not unrolled.folded
    near_all(unrolled.evaluate().values(), values.values())
    assert shape_of(unrolled.fold()) == shape_of(f)
    return f


def loops(g):
    return {node.loop for node in g.nodes if node.folded}


def elman(x, W, U, h):
    outs = []
    for k in tg.steps(len(x)):
        h = tg.tanh(x[k] @ W + h @ U)
        outs.append(h)
    return outs


@pytest.fixture
def x():
    return leaf("x", T, B, N)


@pytest.fixture
def weights():
    return leaf("W", N, H), leaf("U", H, H), leaf("h", B, H)


# --- recurrences it must get right --------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), (B,)], ids=["one sequence", "a batch"])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_an_lstm_under_a_dense_layer(steps, batch):
    f = folded(network(steps, batch)[0])
    assert f.count()["delay"] == 2
    assert shape_of(f) == shape_of(tg.graph(network(steps, batch)[0]).fold())


def test_the_number_of_nodes_does_not_depend_on_that_of_the_steps():
    assert len({len(tg.graph(network(steps)[0]).fold().nodes) for steps in (1, 2, 7, 40)}) == 1


def test_an_elman_network_unrolls_to_what_was_recorded(x, weights):
    loss = tg.sum(tg.stack(elman(x, *weights)))
    f = folded(loss)
    assert f.count()["delay"] == 1 and len(loops(f)) == 1
    assert unordered(f.unroll()) == unordered(tg.graph(loss))


def test_a_signal_of_two_steps_before_passes_through_two_delays(x):
    W, U, V, h1, h2 = (
        leaf("W", N, H),
        leaf("U", H, H),
        leaf("V", H, H),
        leaf("h1", H),
        leaf("h2", H),
    )
    for k in tg.steps(T):
        h1, h2 = tg.tanh(x[k, 0] @ W + h1 @ U + h2 @ V), h1
    f = folded(tg.sum(h1))
    delays = sorted(node.name for node in f.nodes if node.kind == "delay")
    assert delays == ["tanh(k-1)", "tanh(k-2)"]


def test_a_signal_of_two_steps_before_alone(x):
    W, U, old, new = leaf("W", N, H), leaf("U", H, H), leaf("old", H), leaf("new", H)
    for k in tg.steps(T):
        old, new = new, tg.tanh(x[k, 0] @ W + old @ U)
    assert folded(tg.sum(old + new)).count()["delay"] == 2
    (delay,) = [node for node in folded(tg.sum(new)).nodes if node.kind == "delay"]
    assert delay.name == "tanh(k-2)"  # of the steps that led to it, each second one


def test_an_accumulator_that_starts_from_a_python_number(x, weights):
    W, U, h = weights
    total = 0.0
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        total = total + tg.sum(h * h)
    f = folded(total)
    assert f.count()["delay"] == 2


def test_a_leaking_accumulator_of_which_the_first_product_was_python_s(x, weights):
    W, U, h = weights
    leaking = 0.0
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        leaking = 0.9 * leaking + tg.sum(h)
    assert folded(leaking).count()["delay"] == 2


def test_a_start_that_nothing_recorded_tells_is_refused(x, weights):
    W, U, h = weights
    leaking = 2.0
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        leaking = 0.9 * leaking + tg.sum(h)
    with pytest.raises(UsageError, match=r"starts from a plain number.*start from tg\.Tensor"):
        tg.graph(leaking).fold()


@pytest.mark.parametrize("start", [0.0, tg.Tensor(0.0)], ids=["a number", "a Tensor"])
def test_a_start_of_another_shape_is_refused(x, weights, start):
    total = start
    for k in tg.steps(T):
        total = total + tg.tanh(x[k] @ weights[0])
    with pytest.raises(
        UsageError, match=r"add starts from a value of shape \(\).*\(2, 4\) at each"
    ):
        tg.graph(total).fold()


def test_the_loss_on_the_last_step_only(x, weights):
    w = leaf("w", H, 1)
    f = folded(tg.sum((elman(x, *weights)[-1] @ w) ** 2))
    assert f.count()["delay"] == 1


def test_a_layer_in_the_loop_of_which_only_the_last_step_is_used(x, weights):
    (W, U, h), w = weights, leaf("w", H, 1)
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        y = h @ w
    f = folded(tg.sum(y * y))
    assert {node.name for node in f.nodes} >= {"tanh(k)", "tanh(k-1)"}


def test_the_last_state_alone_whose_output_gate_came_to_nothing(x):
    lstm = tg.nn.LSTM(N, H, seed=0)
    _, (_, state) = lstm(x)
    f = folded(tg.sum(state * state))
    assert f.count()["delay"] == 2


def test_the_loss_on_some_steps_only(x, weights):
    (W, U, h), w = weights, leaf("w", H, 1)
    target, loss = RNG.normal(size=(T, B, 1)), 0.0
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        if k in (1, 3, 4):
            loss = loss + tg.nn.squared_error(h @ w, target[k])
    assert folded(loss).count()["delay"] == 1


def test_a_loss_at_each_step_summed_after_the_loop(x, weights):
    (W, U, h), w = weights, leaf("w", H, 1)
    target, losses = RNG.normal(size=(T, B, 1)), []
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        losses.append(tg.nn.squared_error(h @ w, target[k]))
    loss = sum(losses)
    f = folded(loss)
    (total,) = [node for node in f.nodes if node.kind == "hold" and node.transposed]
    assert total.name == "Σ squared_error.loss(k)"
    assert len(f.nodes) == len(tg.graph(network(2)[0]).fold().nodes) or len(f.nodes) < 60
    assert unordered(f.unroll()) == unordered(tg.graph(loss))


def test_lists_of_steps_handed_from_loop_to_loop(x, weights):
    w, ys = leaf("w", H, 1), []
    outs = elman(x, *weights)
    for k in tg.steps(T):
        ys.append(tg.sigmoid(outs[k] @ w))
    backwards = tg.Tensor(0.0)
    for k in tg.steps(range(T - 1, -1, -1)):
        backwards = tg.tanh(backwards + tg.sum(ys[k]))
    f = folded(backwards)
    assert len(loops(f)) == 3
    assert f.count()["delay"] == f.count()["advance"] == 1
    assert unordered(f.unroll()) == unordered(tg.graph(backwards))


def test_a_list_read_in_the_opposite_order(x, weights):
    outs, h = elman(x, *weights), leaf("g", B, H)
    for k in tg.steps(T):
        h = tg.tanh(h + outs[T - 1 - k])
    f = folded(tg.sum(h))
    assert "tanh(4-k)" in {node.name for node in f.nodes}


def test_an_encoder_whose_last_state_every_step_of_the_decoder_reads(x, weights):
    code, h, U = elman(x, *weights)[-1], leaf("g", B, H), leaf("V", H, H)
    for _ in tg.steps(3):
        h = tg.tanh(h @ U + code)
    f = folded(tg.sum(h))
    assert len(loops(f)) == 2 and f.count()["delay"] == 2


def test_a_bidirectional_layer_has_a_loop_with_advances(x, weights):
    W, U, h = weights
    ahead, back, g = elman(x, W, U, h), [], h
    with tg.scope("back"):
        for k in tg.steps(range(T - 1, -1, -1)):
            g = tg.tanh(x[k] @ W + g @ U)
            back.append(g)
    both = tg.concatenate([tg.stack(ahead), tg.stack(back[::-1])], axis=-1)
    w = leaf("w", 2 * H, 1)
    f = folded(tg.nn.squared_error(both @ w, np.zeros((T, B, 1))))
    assert f.count()["delay"] == f.count()["advance"] == 1
    assert {"back.tanh(k+1)", "tanh(k-1)", "concatenate(k)"} <= {node.name for node in f.nodes}


def test_a_stack_of_layers_is_joined_step_by_step(x):
    first, second = tg.nn.LSTM(N, H, name="first", seed=0), tg.nn.LSTM(H, 2, name="second", seed=1)
    f = folded(tg.sum(second(first(x)[0])[0]))
    assert f.count()["delay"] == 4
    (tap,) = [node for node in f.nodes if node.kind == "tap" and node.scope == "first"]
    assert tap.name == "first.out(k) (2)" and tap.stem == "first.out"


def test_two_layers_in_one_loop(x, weights):
    (W, U, h), V, g = weights, leaf("V", H, H), leaf("g", B, H)
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        g = tg.tanh(h @ V + g @ U)
    assert folded(tg.sum(g)).count()["delay"] == 2


def test_one_loop_inside_another(x, weights):
    W, U, h = weights
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        for _ in tg.steps(2):
            h = h - 0.1 * tg.tanh(h)
    f = folded(tg.sum(h))
    assert f.count()["delay"] == 1
    assert "subtract[1](k)" in {node.name for node in f.nodes}


# --- how a step may read a sequence -------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda x, k: x[k], "x(k)"),
        (lambda x, k: x[k, :], "x(k)"),
        (lambda x, k: x[k, ..., :2], "x(k)"),
        (lambda x, k: x[T - 1 - k], "x(4-k)"),
        (lambda x, k: x[k - 1], "x(·)"),
    ],
    ids=["k", "k, :", "k, ..., :2", "T-1-k", "k-1 wrapped"],
)
def test_a_sequence_is_tapped(x, read, name):
    h = tg.Tensor(0.0)
    for k in tg.steps(T):
        h = tg.tanh(h + tg.sum(read(x, k)))
    f = folded(h)
    assert f.count()["tap"] == 1


def test_a_sequence_along_its_second_axis():
    x, h = leaf("x", B, T, N), tg.Tensor(np.zeros((B, N)))
    for k in tg.steps(T):
        h = tg.tanh(h + x[:, k])
    f = folded(tg.sum(h))
    assert [node.name for node in f.nodes if node.kind == "tap"] == ["x(k)"]


def test_the_steps_may_be_read_before_the_loop(x, weights):
    W, U, h = weights
    rows = list(x)
    for k in tg.steps(T):
        h = tg.tanh(rows[k] @ W + h @ U)
    f = folded(tg.sum(h))
    assert [node.name for node in f.nodes if node.kind == "tap"] == ["x(k)"]


def test_inputs_given_one_by_one_keep_their_gradients(weights):
    W, U, h = weights
    rows = [leaf(f"x{k}", B, N) for k in range(T)]
    for k in tg.steps(T):
        h = tg.tanh(rows[k] @ W + h @ U)
    f = folded(tg.sum(h))
    assert {f"δx{k}" for k in range(T)} <= set(f.adjoint().evaluate())


def test_constants_are_matched_by_value(x):
    h = tg.Tensor(np.zeros((B, N)))
    for k in tg.steps(T):
        h = tg.tanh(h * 0.5 + x[k])
    f = folded(tg.sum(h))
    assert f.count()["constant"] == 2  # 0.5 and the first h


def test_numbers_that_differ_from_step_to_step_are_a_sequence(x):
    h = tg.Tensor(np.zeros((B, N)))
    for k in tg.steps(T):
        h = tg.tanh(h * (0.5 + k) + x[k])
    f = folded(tg.sum(h))
    assert sorted(node.kind for node in f.nodes if not node.inputs) == ["constant"] * 2 + ["input"]
    assert f.count()["tap"] == 2


# --- what a layer takes out of its loop ----------------------------------------------------------


def test_what_leaves_the_loop_for_speed_is_moved_into_the_step():
    inside, before = folded(gates(False)), folded(gates(True))
    assert inside.count() == before.count()
    assert shape_of(inside) == shape_of(before)


def test_a_sequence_that_others_use_too_stays_outside(x, weights):
    W, U, h = weights
    before = x @ W
    before.name = "before"
    for k in tg.steps(T):
        h = tg.tanh(before[k] + h @ U)
    f = folded(tg.sum(h) + tg.sum(before * before))
    (product,) = [n for n in f.nodes if n.name == "before" and n.kind == "bilinear"]
    assert not product.folded


def test_what_mixes_the_steps_stays_outside(x, weights):
    y = tg.stack(elman(x, *weights))
    f = folded(tg.sum((y - tg.mean(y, axis=0)) ** 2) + tg.sum(tg.softmax(y, axis=0) * y))
    assert len(loops(f)) >= 1


# --- steps that differ ----------------------------------------------------------------------------


def test_steps_that_differ_are_refused_by_the_name_of_the_first(x, weights):
    W, U, h = weights
    with tg.scope("rnn"):
        for k in tg.steps(T):
            h = (tg.sigmoid if k == 2 else tg.tanh)(x[k] @ W + h @ U)
    with pytest.raises(UsageError, match=r"differ first at rnn\.sigmoid\[2\].*rnn\.tanh\[4\]"):
        tg.graph(tg.sum(h)).fold()


def test_a_first_step_without_a_recurrent_part_stands_outside_of_the_loop(x, weights):
    W, U, h = weights
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W if k == 0 else x[k] @ W + h @ U)
    f = folded(tg.sum(h))
    assert f.loops[0].steps == (1, 2, 3, 4)
    assert {"tanh[0]", "tanh(k)", "tanh(k-1)"} <= {node.name for node in f.nodes}


def test_a_last_step_that_does_something_else_stands_outside_of_the_loop(x, weights):
    W, U, h = weights
    outs = []
    for k in tg.steps(T):
        h = (tg.sigmoid if k == T - 1 else tg.tanh)(x[k] @ W + h @ U)
        outs.append(h)
    f = folded(tg.sum(tg.stack(outs) ** 2))
    assert f.loops[0].steps == (0, 1, 2, 3)
    assert {"sigmoid[4]", "tanh(k)"} <= {node.name for node in f.nodes}


@pytest.mark.parametrize("seed", range(12))
def test_what_the_used_step_alone_computes_is_outside_of_the_loop(seed):
    rng = np.random.default_rng(seed)
    x, W, U, K, S = (leaf(n, *shape) for n, *shape in [
        ("x", T, 3, 3), ("W", 3, 3), ("U", 3, 3), ("K", 3, 3), ("S", 3, 3)])  # fmt: skip
    moves = [SMOOTH[name] for name in rng.choice([*SMOOTH], 3)]
    h, used = leaf("h", 3, 3), int(rng.integers(T))
    ys = []
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        y = h @ K + x[k] @ S
        for move in moves:
            y = move(tg, y, h)
        y.name = "y"
        ys.append(y)
    f = folded(tg.sum(ys[used] ** 2) + tg.sum(h))
    reads = {node.name: {f.source(wire).name for wire in node.inputs} for node in f.nodes}
    (y,) = [node for node in f.nodes if node.kind != "collect" and node.stem == "y"]
    assert (y.name, y.folded) == (f"y[{used}]", False)
    assert not any(node.folded for node in f.nodes if {"K", "S"} & reads[node.name])
    assert any(node.folded for node in f.nodes if "W (held)" in reads[node.name])


def test_an_output_that_several_steps_compute_is_in_the_loop(x, weights):
    W, U, h = weights
    K, ys = leaf("K", H, 2), []
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        ys.append(h @ K)
    f = folded(tg.sum(ys[2] * ys[4]))
    assert "K (held)" in {node.name for node in f.nodes}


def test_the_number_of_nodes_beside_an_odd_step_does_not_depend_on_that_of_the_steps():
    def nodes(steps):
        h, outs = leaf("h", H), []
        for k in tg.steps(steps):
            h = tg.sin(h) if k == 0 else tg.tanh(h) * 0.5
            outs.append(h)
        return len(folded(tg.sum(tg.stack(outs) ** 2)).nodes)

    assert nodes(4) == nodes(9)


def test_steps_that_reach_back_differently_are_refused(x, weights):
    W, U, h = weights
    outs = [h]
    for k in tg.steps(T):
        outs.append(tg.tanh(x[k] @ W + outs[-1 if k < 3 else 1] @ U))
    with pytest.raises(UsageError, match=r"differ first at matmul_2\[\d\]"):
        tg.graph(tg.sum(tg.stack(outs[1:]))).fold()


def test_a_weight_that_changes_from_step_to_step_is_tapped(x, weights):
    _, U, h = weights
    Ws = [leaf(f"W{k}", N, H) for k in range(T)]
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ Ws[k] + h @ U)
    assert folded(tg.sum(h)).count()["tap"] == 2


def test_no_steps_is_no_loop(x):
    with pytest.raises(UsageError, match=r"no loop over steps.*tg\.steps"):
        tg.graph(tg.sum(x)).fold()


def test_an_adjoint_network_is_not_folded(x, weights):
    g = tg.graph(tg.sum(tg.stack(elman(x, *weights))))
    with pytest.raises(UsageError, match="fold the graph, then take its adjoint"):
        g.adjoint().fold()
    with pytest.raises(UsageError, match="unroll the graph, then take its adjoint"):
        g.fold().adjoint().unroll()


# --- the loop that runs backwards ----------------------------------------------------------------


def test_delays_become_advances_and_the_adjoint_of_the_adjoint_is_the_graph(x):
    U = tg.Tensor(RNG.normal(size=(N, N)))
    h = tg.Tensor(np.zeros((B, N)), requires_grad=True, name="h")
    for k in tg.steps(T):
        h = h @ U + x[k]
    f = tg.graph(h).fold()
    adjoint = f.adjoint()
    twice = adjoint.adjoint()
    assert f.count()["delay"] == adjoint.count()["advance"] == twice.count()["delay"] == 1
    values = {"x": RNG.normal(size=x.shape), "h": RNG.normal(size=(B, N))}
    near_all(twice.evaluate(values).values(), f.evaluate(values).values())


def test_the_adjoint_of_the_adjoint_is_the_graph_node_by_node(x):
    h = tg.Tensor(np.zeros((B, N)), requires_grad=True, name="h")
    for k in tg.steps(T):
        h = h - x[k, :, ::-1]
    f = tg.graph(tg.stack([h, h])).fold()
    twice = f.adjoint().adjoint()
    assert unordered(twice) == unordered(f)
    assert [wire.name for wire in twice.wires] == [wire.name for wire in f.wires]


def test_reciprocity_through_delays(x):
    """⟨u, J v⟩ = ⟨Jᵀ u, v⟩ of a linear recurrence."""
    U = tg.Tensor(RNG.normal(size=(N, N)), name="U")
    h = tg.Tensor(np.zeros((B, N)), requires_grad=True, name="h")
    U.name, start = None, h
    for k in tg.steps(T):
        h = h @ U + x[k]
    f = tg.graph(h).fold()
    v = {name: RNG.normal(size=t.shape) for name, t in (("x", x), ("h", start))}
    (Jv,) = f.evaluate(v).values()
    u = RNG.normal(size=Jv.shape)
    (driven,) = [node.name for node in f.adjoint().nodes if node.kind == "input"]
    back = f.adjoint().evaluate({driven: u})
    assert np.sum(u * Jv) == pytest.approx(sum(np.sum(back[f"δ{n}"] * v[n]) for n in v), rel=1e-12)


def test_a_carry_cut_in_the_data_is_missing_in_the_result():
    loss, _ = network(4)
    adjoint = tg.graph(loss).fold().adjoint()
    right = adjoint.evaluate(everything=True)
    (node,) = [node for node in adjoint.nodes if str(node.label) == "lstm.f(k)"]
    gain = node.gain.copy()
    gain[2] = 0.0
    cut = adjoint.with_node(node, gain=gain).evaluate(everything=True)
    δ = "δlstm.state(k)"
    assert np.array_equal(cut[δ][2:], right[δ][2:])
    assert np.allclose(cut[δ][1], right[δ][1] - right[δ][2] * node.gain[2], atol=1e-16)


# --- unrolling ------------------------------------------------------------------------------------


def test_fewer_steps_than_were_recorded():
    f = tg.graph(network(5)[0]).fold()
    (three,) = f.unroll(3).evaluate().values()
    assert three == pytest.approx(
        sum(tg.graph(network(5)[0]).evaluate(everything=True)["squared_error.hadamard"][:3, 0]) / 2
    )
    with pytest.raises(ArgumentError, match="found 6 steps, expected 1 to 5"):
        f.unroll(6)


def test_a_folded_graph_is_not_folded_again():
    f = tg.graph(network()[0]).fold()
    assert f.fold() is f


# --- every layer ----------------------------------------------------------------------------------

LAYERS = {
    "LSTM": lambda: tg.nn.LSTM(N, H, seed=0),
    "peepholes": lambda: tg.nn.LSTM(N, H, peephole=True, seed=0),
    "projected": lambda: tg.nn.LSTM(N, H, proj_size=2, seed=0),
    "two layers": lambda: tg.nn.LSTM(N, H, num_layers=2, seed=0),
    "both directions": lambda: tg.nn.LSTM(N, H, bidirectional=True, seed=0),
    "two layers in both": lambda: tg.nn.LSTM(N, H, num_layers=2, bidirectional=True, seed=0),
    "GRU": lambda: tg.nn.GRU(N, H, seed=0),
    "GRU of 2014": lambda: tg.nn.GRU(N, H, reset_after=False, seed=0),
    "RNN": lambda: tg.nn.RNN(N, H, seed=0),
    "memory blocks": lambda: tg.nn.MemoryBlocks(N, 2, 3, peephole=True, seed=0),
    "truncated by Gers": lambda: tg.nn.LSTM(N, H, truncate="gers", seed=0),
    "learned start": lambda: tg.nn.LSTM(N, H, initial="learned", seed=0),
}


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_folds(layer, steps):
    x = leaf("x", steps, B, N)
    out = LAYERS[layer]()(x)[0]
    loss = tg.nn.squared_error(out, np.zeros(out.shape))
    f = folded(loss)
    both = 2 if "both" in layer else 1
    assert len({node.loop for node in f.nodes if node.kind in ("delay", "advance")}) == both * (
        2 if "two" in layer else 1
    )
    assert ("advance" in f.count()) == ("both" in layer)
    taken_apart = unpack(f)
    near_all(taken_apart.evaluate().values(), [loss.data])
    near_all([taken_apart.adjoint().evaluate()["δx"]], [f.adjoint().evaluate()["δx"]])


def test_sequences_of_different_lengths_fold():
    x, lstm = leaf("x", T, 3, N), tg.nn.LSTM(N, H, seed=0)
    out, _ = lstm(x, lengths=[5, 2, 3])
    assert folded(tg.nn.squared_error(out, np.zeros(out.shape))).count()["delay"] == 2


def test_a_module_that_is_called_in_two_loops_stands_in_each_of_them(x):
    dense, h, g = tg.nn.Dense(N, N, tg.tanh, seed=0, name="d"), leaf("h", B, N), leaf("g", B, N)
    outs = []
    for k in tg.steps(T):
        h = dense(x[k]) + h * 0.5
        outs.append(h)
    whole = tg.stack(outs)
    for k in tg.steps(T):
        g = dense(whole[T - 1 - k]) + g * 0.5
    f = folded(tg.sum(g * g))
    ys = [node.loop for node in f.nodes if node.stem in ("d.y", "d.y_2") and node.folded]
    assert sorted(set(ys)) == [0, 1]


@pytest.fixture(params=[[2, 0, 1, 2, 3, 1], [0, 1, 2, 3, 4, 5]], ids=["embedding", "sequence"])
def named_rows(request):
    """Return a loss over rows that are called x, and the right gradient of each row."""
    rng = np.random.default_rng(0)
    E, W = (tg.Tensor(rng.normal(size=(n, 3)), True, name=name) for n, name in ((6, "E"), (3, "W")))
    h, x, rows = tg.Tensor(np.zeros(3)), tg.Tensor(np.zeros(3)), []
    with tg.scope("net"):
        for k in tg.steps(6):
            before, x = x, E[request.param[k]]
            x.name = "x"
            h = tg.tanh(x + 0.5 * before + h @ W)
            h.name = "h"
            rows.append(x.retain_grad())
    loss = (h * h).sum()
    loss.backward()
    return loss, np.stack([row.grad for row in rows])


def test_a_part_that_somebody_named_is_known_by_its_name(named_rows):
    loss, right = named_rows
    assert tg.compare(loss, {"net.x": right}).ok
    wrong = right.copy()
    wrong[3] *= 2
    report = tg.compare(loss, {"net.x": wrong})
    assert report.unplaced == [] and report.blame.signal == "net.x[3]"
    dot = tg.draw(loss, highlight="net.x", fold=True).dot
    assert "x(k)" in dot and "x(k−1)" in dot and "(k)(" not in dot
    told = tg.explain(loss, "net.x", fold=True, style="stages")
    assert "δnet.x(k) = " in str(told)
    np.testing.assert_allclose(told.value, right, rtol=1e-12)


@pytest.mark.parametrize(
    "part",
    [
        lambda out: tg.stack(out)[3],
        lambda out: tg.stack(out[::-1])[0],
        lambda out: tg.reshape(tg.stack(out), (12,)),
        lambda out: tg.stack(out)[np.array([3, 1])],
        lambda out: tg.unstack(tg.stack(out))[2],
    ],
    ids=["step", "reversed", "reshape", "gather", "unstack"],
)
def test_fewer_steps_are_refused_where_all_are_needed(part):
    x = tg.Tensor(np.ones((4, 3)), requires_grad=True, name="x")
    h, out = tg.Tensor(np.zeros(3)), []
    for k in tg.steps(4):
        h = tg.tanh(x[k] + h)
        out.append(h)
    f = tg.graph(tg.sum(part(out))).fold()
    with pytest.raises(UsageError, match=r"unroll: .* needs all recorded steps"):
        f.unroll(2)


def test_leaves_of_steps_that_nothing_uses_stay_when_unrolled():
    leaves = [tg.Tensor(np.ones(3), requires_grad=True, name=f"l{k}") for k in range(3)]
    first, second = [], []
    for k in tg.steps(3):
        first.append(tg.tanh(leaves[k]))
    whole = tg.stack(first)
    for k in tg.steps(2):
        second.append(whole[k] * 2)
    recorded = tg.graph(tg.sum(sum(second)))
    right, found = recorded.adjoint().evaluate(), recorded.fold().unroll().adjoint().evaluate()
    assert found.keys() == right.keys()
    for name, value in right.items():
        np.testing.assert_allclose(found[name], value)


FIRST = {  # what the first step reads in place of a product of the step before
    "a leaf in its place": lambda p, c: c,
    "a leaf's function in its place": lambda p, c: tg.tanh(c),
    "its value, as a constant": lambda p, c: p.numpy().copy(),
}


@pytest.mark.parametrize(("first", "is_used"), [
    (first, is_used) for first in FIRST for is_used in (False, True)
    if is_used or "constant" not in first  # of a product that nothing reads, nothing is recorded
])  # fmt: skip
def test_another_operand_at_the_first_step_keeps_its_gradient(first, is_used):
    rng = np.random.default_rng(0)
    shapes = dict(U=(3, 3), c=(2, 3), x=(5, 2, 3), h=(2, 3))
    leaves = {
        name: tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in shapes.items()
    }
    U, c, x, h = leaves.values()
    loss = 0.0
    for k in tg.steps(5):
        p = h @ U
        if is_used:
            loss = loss + tg.sum(p**2)
        h = tg.tanh(x[k] + (p if k else FIRST[first](p, c)))
    loss = loss + tg.sum(h * h)
    network = tg.graph(loss).fold()
    assert np.isclose(next(iter(network.evaluate().values())), loss.numpy(), rtol=1e-12)
    right = tg.grad(loss, list(leaves.values()), allow_unused=True)
    back = network.adjoint().evaluate()
    for name, gradient in zip(leaves, right, strict=True):
        if gradient is not None:
            np.testing.assert_allclose(back[f"δ{name}"], gradient.numpy(), rtol=1e-11, atol=1e-13)


def test_a_stack_of_two_signals_in_turn_is_the_sequence_of_neither():
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(4, 2)), requires_grad=True, name="x")
    W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="W")
    h, several = np.zeros(2), []
    for k in tg.steps(4):
        s = x[k] + h @ W
        h = tg.tanh(s)
        several.append(s if k % 2 else h)
    loss = tg.sum(tg.stack(several) ** 3) + tg.sum(h)
    network = tg.graph(loss).fold()
    assert np.isclose(next(iter(network.evaluate().values())), loss.numpy(), rtol=1e-12)
    back = network.adjoint().evaluate()
    for name, leaf in (("x", x), ("W", W)):
        np.testing.assert_allclose(back[f"δ{name}"], tg.grad(loss, leaf).numpy(), rtol=1e-11)


# --- loops of one step, and loops that begin before step 0 ----------------------------------------


def test_a_loop_that_begins_before_step_0_folds_though_its_steps_only_pass_a_signal_on():
    p, out = leaf("p", H), []
    for _ in tg.steps(range(-2, 2)):
        out.append(tg.reshape(p, (1, H)))
    f = folded(tg.sum(tg.concatenate(out) ** 2))
    assert [len(f.loops[loop].steps) for loop in loops(f)] == [4]


@pytest.mark.parametrize(("at", "count"), [(-1, 1), (1, 2)], ids=["before", "within"])
def test_what_one_step_passes_on_stands_before_a_loop_if_its_step_comes_before(at, count):
    """At a step that the loop itself has, it is a loop of its own."""
    p, h = leaf("p", H), np.zeros((1, H))
    for _ in tg.steps(range(at, at + 1)):
        h = tg.reshape(p, (1, H))
    for _ in tg.steps(T):
        h = tg.tanh(h)
    assert len(loops(folded(tg.sum(h**2)))) == count


@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize("shape, axis", [((2,), 0), ((3, 2), 1), ((2, 1), 0)])
def test_a_first_step_may_join_plain_arrays(shape, axis, start):
    """NumPy joins a plain h and x[0], so that the tape has a constant there: ``[h, x[k]] @ W``."""
    rng = np.random.default_rng(0)
    W = tg.Tensor(rng.normal(size=(4, 2)), requires_grad=True, name="W")
    x, h, loss = rng.normal(size=(4, *shape)), np.full(shape, start), 0.0
    for k in tg.steps(4):
        both = np.concatenate([h, x[k]], axis=axis)
        h = tg.tanh(tg.transpose(W) @ both if shape == (2, 1) else both @ W)
        h.name = "h"
        loss = loss + tg.sum(h * h)
    folded = tg.graph(loss).fold()
    taps = [folded.wires[node.outputs[0]].value for node in folded.nodes if node.kind is Kind.TAP]
    assert any(np.array_equal(value, x) for value in taps)
    delays = [node for node in folded.nodes if node.kind is Kind.DELAY]
    assert any(np.all(folded.wires[node.outputs[0]].value[0] == start) for node in delays)
    loss.backward()
    np.testing.assert_allclose(folded.adjoint().evaluate()["δW"], W.grad, rtol=1e-12)
