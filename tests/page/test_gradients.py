"""The shares of δ: of every signal they add up to its δ, however large the arrays are."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import networks
from tinygrad_lstm import gallery
from tinygrad_lstm.page import gradients
from tinygrad_lstm.page.gradients import Gradients

LOSSES = {
    "LSTM": lambda: networks.network()[0],
    "LSTM, a batch": lambda: networks.network(4, (3,))[0],
    "two directions": gallery.both_directions,
    "two layers": gallery.two_layers,
    "FIR neuron": gallery.fir,
    "controller": gallery.controller,
    "no loop": networks.mlp,
}
EVERY = pytest.mark.parametrize("case", LOSSES)


def derived(case):
    derivation = tg.derive(LOSSES[case]())
    lines = [x for x in derivation.equations if x.stage == "forward"]
    wires = {x.signal.wire: x.full_name for x in (*derivation.sources, *lines)}
    return derivation.recorded, wires


@EVERY
def test_δ_is_what_the_derivation_has(case):
    recorded, _ = derived(case)
    ours = Gradients(recorded.network).arrays
    for wire, δ in recorded.deltas.items():
        np.testing.assert_array_equal(ours[wire], δ)


@EVERY
def test_the_shares_are_parts_of_the_whole(case):
    recorded, wires = derived(case)
    gradients = Gradients(recorded.network)
    known = [wire for wire in wires if wire in gradients.arrays]
    for wire, shares in gradients.shares(known, wires.keys()).items():
        δ, is_timed = gradients.arrays[wire], recorded.network.maker[wire].is_timed
        rows = δ.reshape(len(δ), -1) if is_timed else δ.reshape(1, -1)
        parts = [x.parts if is_timed else x.parts.sum() for x in shares]
        expected = (np.abs(rows).max(axis=1, initial=0) > 0).astype(float)
        np.testing.assert_allclose(np.sum(parts, axis=0), expected.squeeze(), atol=1e-9)


@EVERY
def test_large_shares_are_those_of_small_ones(case, monkeypatch):
    """The limit lets parameters through, and no array of them at every step."""
    recorded, wires = derived(case)
    whole = Gradients(recorded.network)
    parameters = [wire for wire in wires if whole.network.maker[wire].kind == "parameter"]
    parameters = [wire for wire in parameters if wire in whole.arrays]
    most = max([np.size(whole.arrays[wire]) for wire in parameters], default=0)
    monkeypatch.setattr(gradients, "MOST_KEPT", most)
    small = Gradients(recorded.network)
    if recorded.network.folded and case != "FIR neuron":
        assert len(small.arrays) < len(whole.arrays)
    for wire, shares in whole.shares(parameters, wires.keys()).items():
        for one, other in zip(shares, small.shares(parameters, wires.keys())[wire], strict=True):
            assert (one.via, one.by) == (other.via, other.by)
            np.testing.assert_allclose(other.sizes, one.sizes, rtol=1e-12)
            np.testing.assert_allclose(other.parts, one.parts, rtol=1e-9, atol=1e-12)


def test_a_share_says_through_which_signal_and_how_many_steps_later():
    recorded, wires = derived("LSTM")
    at = {name: wire for wire, name in wires.items()}
    state = at["lstm.state(k)"]
    shares = Gradients(recorded.network).shares([state], wires.keys())[state]
    ways = {(tuple(wires[via] for via in x.via), x.by): x for x in shares}
    assert {*ways} == {(("lstm.state(k)",), 1), (("lstm.out(k)",), 0)}
    δ, f = recorded.deltas[state], recorded.network.wires[at["lstm.f(k)"]].value
    carried = [*np.linalg.norm(δ[1:] * f[1:], axis=1), 0]
    np.testing.assert_allclose(ways[("lstm.state(k)",), 1].sizes, carried)


def test_a_weight_has_what_the_ledger_says():
    recorded, wires = derived("LSTM")
    loss, _ = networks.network()
    wire = next(wire for wire, name in wires.items() if name == "dense.W")
    (share,) = Gradients(recorded.network).shares([wire], wires.keys())[wire]
    parts = tg.ledger(loss, "dense.W").array
    np.testing.assert_allclose(share.sizes, np.linalg.norm(parts, axis=(1, 2)))
    total = parts.sum(axis=0)
    np.testing.assert_allclose(share.parts, (parts * total).sum(axis=(1, 2)) / (total**2).sum())


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e200])
def test_sizes_and_shares_are_right_where_squares_are_not_numbers(unit):
    assert gradients.size_of(unit * np.array([3.0, -4.0])) == pytest.approx(5 * unit)
    rows = gradients.norms(unit * np.array([[3.0, 4.0], [0.0, 0.0]]), 2)
    np.testing.assert_allclose(rows, [5 * unit, 0])
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    loss = tg.sum(tg.sin(x) * unit + 2 * unit * tg.exp(x))
    derivation = tg.derive(loss)
    network = derivation.recorded.network
    wires = {node.name: node.outputs[0] for node in network.nodes if node.outputs}
    shares = Gradients(network).shares([wires["x"]], {*wires.values()} - {wires["x"]})[wires["x"]]
    assert sum(float(share.parts) for share in shares) == pytest.approx(1)


def test_what_is_not_finite_has_no_part():
    size = np.array([np.nan, 1.0])
    assert np.isnan(gradients._parts(size, size, None))
