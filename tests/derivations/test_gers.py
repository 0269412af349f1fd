"""Gers' truncated gradient and the full one: by complex step, and against the tape.

The truncated gradient is not that of E; it is that of a network whose cut signals are constants,
and that is what the complex step is taken of.
"""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.memory_blocks import J, S, T, drawn, flat, network, packed_of
from tinygrad_lstm.derivations import complex_step, gers

IDENTITY = ("identity", "identity")
CASES = {
    "peepholes": (True, gers.GERS),
    "no peepholes": (False, gers.GERS),
    "peepholes, not squashed": (True, IDENTITY),
    "no peepholes, tanh": (False, ("tanh", "tanh")),
}
EVERY = pytest.mark.parametrize(("looks", "squash"), CASES.values(), ids=CASES.keys())


def near(found, expected, tolerance=1e-12):
    """Assert equality to a tolerance relative to the largest value."""
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def away(found, expected, of):
    """Return the relative difference of two layers' weight changes."""
    found, expected = flat(found, of), flat(expected, of)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def frozen_runs(x, layers, squash):
    runs = []
    for w in layers:
        runs.append(gers.forward(x, w, squash))
        x = runs[-1]["y_c"].reshape(len(x), -1)
    return runs


def stepped(x, target, layers, w_k, squash, which, frozen=None):
    """Return -∂E/∂w of one layer's weights, by complex step."""
    found = {}
    for name, each in layers[which].items():

        def E(value, name=name):
            moved = [*layers]
            moved[which] = layers[which] | {name: value}
            return gers.loss(x, target, moved, w_k, squash, frozen)

        found[name] = -complex_step(E, each)
    return found


# --- against the complex step -----------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("count", [1, 2], ids=["one layer", "two layers"])
def test_the_full_gradient_by_complex_step(looks, squash, count):
    x, target, layers, w_k = drawn(looks, count, steps=4)
    found, Δ_k = gers.full_gradient(x, target, layers, w_k, squash)
    for which, w in enumerate(layers):
        expected = stepped(x, target, layers, w_k, squash, which)
        for name in w:
            near(found[which][name], expected[name], 1e-13)
    near(Δ_k, -complex_step(lambda v: gers.loss(x, target, layers, v, squash), w_k), 1e-13)
    below = -complex_step(lambda v: gers.loss(v, target, layers, w_k, squash), x)
    near(found[0]["below"], below, 1e-13)


@EVERY
def test_the_partials_by_complex_step_with_the_cut_edges_frozen(looks, squash):
    x, _, (w,), _ = drawn(looks)
    frozen = gers.forward(x, w, squash)
    memory = gers.begin(w)
    for each in x:
        memory = gers.advance(memory, each, w, squash)
    names = [name for name in w if name not in ("out", "p_out")]  # which no state depends on
    for name in names:
        for j, v in np.ndindex(J, S):

            def state(value, name=name, place=(j, v)):
                return gers.forward(x, w | {name: value}, squash, frozen)["s"][-1][place]

            slope = complex_step(state, w[name])
            mine = (j, v) if name == "c" else j
            near(memory[f"∂s/∂{name}"][j, v], slope[mine], 1e-13)
            slope[mine] = 0.0
            assert not slope.any()  # no other unit's weights lead to this state


@EVERY
@pytest.mark.parametrize("count", [1, 2], ids=["one layer", "two layers"])
def test_the_truncated_gradient_by_complex_step_with_the_cut_edges_frozen(looks, squash, count):
    x, target, layers, w_k = drawn(looks, count)
    frozen = frozen_runs(x, layers, squash)
    found, _ = gers.truncated_gradient_of_stack(x, target, layers, w_k, squash)
    for which, w in enumerate(layers):
        expected = stepped(x, target, layers, w_k, squash, which, frozen)
        for name in w:
            near(found[which][name], expected[name], 1e-13)


def test_open_peepholes_by_complex_step_with_the_outputs_alone_frozen():
    x, target, layers, w_k = drawn(True)
    frozen = [{"y_c": run["y_c"]} for run in frozen_runs(x, layers, gers.GERS)]
    (found,), _ = gers.full_gradient(x, target, layers, w_k, outputs=False)
    expected = stepped(x, target, layers, w_k, gers.GERS, 0, frozen)
    for name in layers[0]:
        near(found[name], expected[name], 1e-13)


# --- against the tape ----------------------------------------------------------------------------


def same_as_the_tape(Δ, layer):
    on_tape = np.vstack([layer.W.grad, layer.U.grad, layer.b.grad])
    near(-packed_of(Δ), on_tape)
    if "p_in" in Δ:
        near(-flat(Δ, gers.PEEPHOLES), layer.p.grad)


@EVERY
@pytest.mark.parametrize("blocks", [(3, 2), (2, 3), (4, 1)], ids=lambda b: f"{b[0]} of {b[1]}")
def test_the_truncated_gradient_is_the_truncated_tape_s(looks, squash, blocks):
    x, target, (w,), w_k = drawn(looks, blocks=blocks)
    Δ, _ = gers.truncated_gradient(zip(x, target, strict=True), w, w_k, squash)
    layer, units, _ = network(x, target, (w,), w_k, squash, "gers")
    same_as_the_tape(Δ, layer)
    near(-Δ["k"], np.column_stack([units.W.grad.T, units.b.grad]))


@EVERY
def test_two_layers_are_the_truncated_tape_s(looks, squash):
    x, target, layers, w_k = drawn(looks, 2)
    found, _ = gers.truncated_gradient_of_stack(x, target, layers, w_k, squash)
    blocks, _, _ = network(x, target, layers, w_k, squash, "gers")
    for Δ, layer in zip(found, blocks.layers, strict=True):
        same_as_the_tape(Δ, layer)


@EVERY
@pytest.mark.parametrize("count", [1, 2], ids=["one layer", "two layers"])
def test_an_lstm_is_blocks_of_one_cell(looks, squash, count):
    x, target, layers, w_k = drawn(looks, count, blocks=(4, 1))
    found, Δ_k = gers.truncated_gradient_of_stack(x, target, layers, w_k, squash)
    lstm, units, _ = network(x, target, layers, w_k, squash, "gers", tg.nn.LSTM)
    for Δ, layer in zip(found, lstm.layers if count > 1 else [lstm], strict=True):
        same_as_the_tape(Δ, layer)
    near(-Δ_k, np.column_stack([units.W.grad.T, units.b.grad]))


@EVERY
@pytest.mark.parametrize("count", [1, 3], ids=["one layer", "three layers"])
def test_the_full_gradient_is_the_tape_s(looks, squash, count):
    x, target, layers, w_k = drawn(looks, count)
    found, Δ_k = gers.full_gradient(x, target, layers, w_k, squash)
    blocks, units, E = network(x, target, layers, w_k, squash, None)
    assert E.item() == pytest.approx(gers.loss(x, target, layers, w_k, squash), abs=1e-14)
    for Δ, layer in zip(found, blocks.layers, strict=True):
        same_as_the_tape({name: Δ[name] for name in layers[0]}, layer)
    near(-Δ_k, np.column_stack([units.W.grad.T, units.b.grad]))


@pytest.mark.parametrize("truncate", [None, "gers"], ids=["full", "truncated"])
def test_every_signal_s_error_is_the_tape_s(truncate):
    x, target, layers, w_k = drawn(True)
    _, _, E = network(x, target, layers, w_k, gers.GERS, truncate)
    edges = dict.fromkeys(("outputs", "peepholes"), truncate is None)
    (d,), _ = gers.full_gradient(x, target, layers, w_k, **edges)
    hand = {"net.s_i": d["δ_in"], "net.s_f": d["δ_φ"], "net.s_o": d["δ_out"]}
    hand |= {"net.state": d["ε_s"].reshape(T, -1), "net.out": d["ε_c"].reshape(T, -1)}
    hand |= {"net.s_a": d["δ_c"].reshape(T, -1), "x": d["below"]}
    report = tg.compare(E, {name: -each for name, each in hand.items()})
    assert report.ok, str(report)


@pytest.mark.parametrize("looks", [True, False], ids=["peepholes", "no peepholes"])
def test_the_tape_is_cut_on_his_edges_and_on_no_other(looks):
    x, target, layers, w_k = drawn(looks)
    _, _, E = network(x, target, layers, w_k, gers.GERS, "gers")
    graph = tg.graph(E)
    maker = {wire: node for node in graph.nodes for wire in node.outputs}

    def source(wire):
        while maker[wire].kind in ("branch", "broadcast"):
            (wire,) = maker[wire].inputs
        return maker[wire]

    def weight(node):
        """Return the parameter that a node is, or takes a third of."""
        if node.kind != "linear":
            return node.name
        start = node.parameters["index"][1].start
        return f"{source(node.inputs[0]).name}.{'ifo'[start // (J * S)]}"

    found = set()
    for product in graph.nodes:
        if product.kind == "bilinear":
            ends = [source(wire) for wire in product.inputs]
            for cut, other in (ends, ends[::-1]):
                if cut.kind == "cut":
                    found.add((source(cut.inputs[0]).name, weight(other)))
    expected = {(f"net.out[{k - 1}]", "net.U") for k in range(T)}
    if looks:
        expected |= {(f"net.state[{k - 1}]", f"net.p.{gate}") for k in range(T) for gate in "if"}
        expected |= {(f"net.state[{k}]", "net.p.o") for k in range(T)}
    assert found == expected
    cuts = [node for node in graph.nodes if node.kind == "cut"]
    assert len(cuts) == (3 if looks else 1) * T  # in and φ look at the same s(t-1)


def test_what_the_output_gate_does_reaches_no_later_step():
    """It acts after the state is updated: so there are no partials of its weights to carry."""
    x, target, layers, w_k = drawn(True)
    _, _, E = network(x, target, layers, w_k, gers.GERS, "gers")
    for gate, later in (("o", set()), ("a", {3, 4, 5}), ("i", {3, 4, 5}), ("f", {3, 4, 5})):
        way = {
            stage.name
            for stage in tg.explain(E, f"net.s_{gate}[2]", fold=False, style="stages").stages
        }
        assert {k for k in range(3, T) if f"net.out[{k}]" in way} == later
        assert ("net.state[2]" in way) is (gate != "o")


# --- how far they are apart ----------------------------------------------------------------------


def test_both_edges_cut_the_equations_run_backward_are_those_run_forward():
    x, target, (w,), w_k = drawn(True)
    Δ, _ = gers.truncated_gradient(zip(x, target, strict=True), w, w_k)
    (d,), _ = gers.full_gradient(x, target, (w,), w_k, outputs=False, peepholes=False)
    assert away(d, Δ, w) < 1e-15


def test_truncated_and_full_differ_and_so_do_open_peepholes():
    cut_and_full, open_and_cut = [], []
    for seed in range(20):
        x, target, (w,), w_k = drawn(True, seed=seed)
        Δ, _ = gers.truncated_gradient(zip(x, target, strict=True), w, w_k)
        (whole,), _ = gers.full_gradient(x, target, (w,), w_k)
        (left_open,), _ = gers.full_gradient(x, target, (w,), w_k, outputs=False)
        cut_and_full.append(away(Δ, whole, w))
        open_and_cut.append(away(left_open, Δ, w))
    assert min(cut_and_full) > 0.05
    assert np.median(cut_and_full) == pytest.approx(0.24, abs=0.02)
    assert min(open_and_cut) > 0.02
    assert np.median(open_and_cut) == pytest.approx(0.23, abs=0.02)


def test_the_answer_to_the_question_taken_literally_misses_half():
    missing = []
    for seed in range(20):
        x, target, layers, w_k = drawn(False, 2, seed)
        right, _ = gers.truncated_gradient_of_stack(x, target, layers, w_k)
        literal, _ = gers.truncated_gradient_of_stack(x, target, layers, w_k, literal=True)
        assert away(literal[1], right[1], layers[1]) == 0.0  # the upper layer is right either way
        missing.append(away(literal[0], right[0], layers[0]))
    assert min(missing) > 0.3
    assert np.median(missing) == pytest.approx(0.53, abs=0.02)


# --- what it keeps -------------------------------------------------------------------------------


def test_what_is_kept_does_not_grow_with_the_sequence():
    sizes, peaks = [], []
    for steps in (5, 500):
        x, target, (w,), w_k = drawn(True, steps=steps)
        tracemalloc.start()
        _, memory = gers.truncated_gradient(zip(x, target, strict=True), w, w_k)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append({name: (each.shape, each.nbytes) for name, each in memory.items()})
    assert sizes[0] == sizes[1]
    assert {"s", "y_c", "∂s/∂c", "∂s/∂in", "∂s/∂φ", "∂s/∂p_in", "∂s/∂p_φ"} <= sizes[0].keys()
    assert peaks[1] < 1.5 * peaks[0]


# --- exact real-time recurrent learning ----------------------------------------------------------


def test_exact_recurrent_learning_in_real_time_is_back_propagation_through_time():
    """Forward mode at every step, by every weight: nothing cut, and nothing of the past kept.

    R. Williams and D. Zipser, "A learning algorithm for continually running fully recurrent neural
    networks", Neural Computation 1(2), 1989.
    """
    x, target, layers, w_k = drawn(True, steps=4, blocks=(1, 2), inputs=1)
    blocks, units, _ = network(x, target, layers, w_k, gers.GERS, None)
    expected = [each.grad for each in blocks.parameters()]
    weights = [each.numpy() for each in blocks.parameters()]
    V, c = units.W.numpy(), units.b.numpy()
    directions = []
    for place, each in enumerate(weights):
        for where in np.ndindex(each.shape):
            along = [np.zeros_like(other) for other in weights]
            along[place][where] = 1.0
            directions.append(along)

    def one_step(k):
        def step(W, U, b, p, out, state):
            parameters = SimpleNamespace(W=W, U=U, b=b, p=p)
            out, state = blocks.equations.stepper(parameters)(x[k] @ W + b, out, state)
            error = tg.sigmoid(out @ V + c) - target[k]
            return out, state, tg.sum(error * error) * 0.5

        return step

    now = [np.zeros(2), np.zeros(2)]
    moving = [[np.zeros(2), np.zeros(2)] for _ in directions]
    slopes = np.zeros(len(directions))
    for k in range(len(x)):
        for n, along in enumerate(directions):
            after, tangents = tg.jvp(one_step(k), (*weights, *now), (*along, *moving[n]))
            moving[n] = [each.numpy() for each in tangents[:2]]
            slopes[n] += tangents[2].item()
        now = [each.numpy() for each in after[:2]]
    near(slopes, np.concatenate([each.ravel() for each in expected]))
    (Δ,), _ = gers.full_gradient(x, target, layers, w_k)
    by_hand = [packed_of(Δ).ravel(), flat(Δ, gers.PEEPHOLES)]
    near(slopes, -np.concatenate(by_hand))
