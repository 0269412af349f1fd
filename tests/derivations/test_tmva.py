"""TMVA's layers: by complex step, by the derivative of its own test, and against the tape."""

from functools import partial

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.derivations import complex_step, tmva

B, T, D, H = 3, 4, 2, 3
after = dict(resetGateAfter=True)
# forward, backward, gates, states that are remembered, and this library's layer
CASES = {
    "LSTM": (tmva.lstm, tmva.lstm_backward, "ifco", 2, partial(tg.nn.LSTM, D, H)),
    "GRU": (
        tmva.gru, tmva.gru_backward, "ruc", 1, partial(tg.nn.GRU, D, H, reset_after=False),
    ),
    "GRU, reset after": (
        partial(tmva.gru, **after), partial(tmva.gru_backward, **after), "ruc", 1,
        partial(tg.nn.GRU, D, H, reset_after=True),
    ),
    "RNN": (tmva.rnn, tmva.rnn_backward, "", 1, partial(tg.nn.RNN, D, H)),
}  # fmt: skip
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
ALL_STEPS = pytest.mark.parametrize("returnSequence", [True, False], ids=["all steps", "last step"])


def weights(gates, sizes=(D, H), seed=0):
    rng, (D, H) = np.random.default_rng(seed), sizes
    shapes = {"W": (H, D), "U": (H, H), "b": (H,)}
    marks = [f"_{gate}" for gate in gates] or [""]
    return {
        f"{letter}{mark}": 0.8 * rng.normal(size=shape)
        for letter, shape in shapes.items()
        for mark in marks
    }


def data(count, seed=1):
    """Return x, and as many states before step 0 as are remembered: not 0."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(B, T, D)), tuple(0.7 * rng.normal(size=(B, H)) for _ in range(count))


def near(found, expected, tolerance=1e-12):
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


STARTS = ("dh_start", "dc_start")


@EVERY
@ALL_STEPS
def test_by_complex_step(case, returnSequence):
    forward, backward, gates, count, _ = case
    w, (x, start) = weights(gates), data(count)
    r = forward(x, w, start, returnSequence)
    target = np.random.default_rng(2).normal(size=r["Y"].shape)

    def loss(x, w, start):
        return 0.5 * np.sum((forward(x, w, start, returnSequence)["Y"] - target) ** 2)

    g = backward(r, r["Y"] - target, w, returnSequence)
    for name, each in w.items():
        near(g[name], complex_step(lambda v, n=name: loss(x, w | {n: v}, start), each), 1e-13)
    near(g["dx"], complex_step(lambda v: loss(v, w, start), x), 1e-13)
    for n, each in enumerate(start):
        moved = complex_step(lambda v, n=n: loss(x, w, (*start[:n], v, *start[n + 1 :])), each)
        near(g[STARTS[n]], moved, 1e-13)


@EVERY
@ALL_STEPS
def test_against_the_tape(case, returnSequence):
    forward, backward, gates, count, make = case
    w, (x, start) = weights(gates), data(count)
    layer = make(name="net", batch_first=True)
    tg.interop.tmva.load(layer, w)
    out, last = layer(tg.Tensor(x, requires_grad=True, name="x"), start if count > 1 else start[0])
    r = forward(x, w, start, returnSequence)
    for found, expected in zip(last if count > 1 else (last,), r["last"], strict=True):
        near(found.data, expected, 1e-15)
    Y = out if returnSequence else out[:, -1:]
    near(Y.data, r["Y"], 1e-15)
    target = np.random.default_rng(2).normal(size=Y.shape)
    loss = tg.nn.squared_error(Y, target)
    g = backward(r, r["Y"] - target, w, returnSequence)
    nets = {"ifco": "cifo", "ruc": "ruc", "": "h"}[gates]  # in this library's order
    here = {"ifco": "aifo", "ruc": "rzn", "": ""}[gates]
    hand = {"x": g["dx"], "net.out": g["dh"].swapaxes(0, 1)}
    marks = [f"_{gate}" for gate in nets] if gates else [""]
    hand |= {f"net.{c}": np.hstack([g[f"{c}{mark}"].T for mark in marks]) for c in "WUb"}
    names = [f"net.s_{gate}" for gate in here] or ["net.s"]
    hand |= {n: g[f"δ{gate}"].swapaxes(0, 1) for n, gate in zip(names, nets, strict=True)}
    if count > 1:
        hand["net.state"] = g["ds"].swapaxes(0, 1)
    report = tg.compare(loss, hand)
    assert report.ok, str(report)


# --- rememberState --------------------------------------------------------------------------------


@EVERY
def test_a_batch_goes_on_from_the_one_before(case):
    forward, _, gates, count, make = case
    w, (x, start) = weights(gates), data(count)
    first = forward(x[:, :2], w, start)
    second = forward(x[:, 2:], w, first["last"])
    whole = forward(x, w, start)
    near(np.concatenate([first["Y"], second["Y"]], axis=1), whole["Y"], 1e-15)
    layer = make(batch_first=True, stateful=True)
    tg.interop.tmva.load(layer, w)
    layer(x[:, :2])
    near(layer(x[:, 2:])[0].data, forward(x, w)["Y"][:, 2:], 1e-15)


@EVERY
def test_tmva_s_zeros_before_step_0_are_wrong_with_rememberState_and_its_bar_would_show_it(case):
    forward, backward, gates, count, _ = case
    w, (x, start) = weights(gates), data(count)
    dY = np.random.default_rng(3).normal(size=(B, T, H))
    r, from_zero = forward(x, w, start), forward(x, w)
    right, his = backward(r, dY, w), backward(r, dY, w, as_in_tmva=True)
    state_weights = [name for name in w if name.startswith("U")]
    for name in state_weights:
        assert np.abs(his[name] - right[name]).max() > 1e-2 * np.abs(right[name]).max(), name
    for name in w:  # what his tests see
        same = backward(from_zero, dY, w, as_in_tmva=True)[name]
        assert np.array_equal(same, backward(from_zero, dY, w)[name])


# --- its losses -----------------------------------------------------------------------------------

EACH_LOSS = {
    "SUMOFSQUARES": tmva.mean_squared_error,
    "CROSSENTROPY": tmva.cross_entropy,
    "softmax": tmva.softmax_cross_entropy,
}


@pytest.mark.parametrize("strategy", EACH_LOSS)
def test_losses_by_complex_step(strategy):
    rng = np.random.default_rng(4)
    Y, output = rng.uniform(size=(5, 3)), rng.normal(size=(5, 3))
    _, slope = EACH_LOSS[strategy](Y, output)
    near(slope, complex_step(lambda v: EACH_LOSS[strategy](Y, v)[0], output), 1e-15)


@pytest.mark.parametrize("strategy", EACH_LOSS)
def test_losses_against_the_tape(strategy):
    rng = np.random.default_rng(5)
    Y = np.eye(3)[[0, 2, 1, 1, 0]]
    output = tg.Tensor(rng.normal(size=(5, 3)), requires_grad=True, name="output")
    loss = (
        tg.nn.softmax_cross_entropy(output, Y.argmax(axis=1))
        if strategy == "softmax"
        else tg.interop.tmva.losses[strategy](output, Y)
    )
    value, slope = EACH_LOSS[strategy](Y, output.data)
    loss.backward()
    assert loss.item() == pytest.approx(value, abs=1e-15)
    near(output.grad, slope, 1e-15)


# --- its own test, redone -------------------------------------------------------------------------

TYPES = {
    "LSTM": (tmva.lstm, tmva.lstm_backward, "ifco", 2),
    "GRU": (tmva.gru, tmva.gru_backward, "ruc", 1),
    "RNN": (tmva.rnn, tmva.rnn_backward, "", 1),
}


def stack(kind):
    """Return two layers, the upper handing on its last step, and a dense one, at a second batch.

    As TMVA's test: LSTM, an extra LSTM, RESHAPE|FLAT, a dense layer; Y is 1; mean squared error.
    With rememberState on, the layers start from what they remember of the first batch.
    """
    forward, backward, gates, count = TYPES[kind]
    rng = np.random.default_rng(10)
    (first, _), (x, _) = data(count, 6), data(count, 7)
    p = [weights(gates, (D, H), 8), weights(gates, (H, 2), 9)]
    dense = {"W": rng.uniform(-1, 1, (1, 2)), "b": rng.uniform(-1, 1, 1)}
    lower = forward(first, p[0])
    starts = [lower["last"], forward(lower["Y"], p[1])["last"]]
    assert all(np.all(each != 0.0) for start in starts for each in start)

    def run(p, dense):
        lower = forward(x, p[0], starts[0])
        upper = forward(lower["Y"], p[1], starts[1], returnSequence=False)
        output = upper["Y"][:, 0] @ dense["W"].T + dense["b"]
        return lower, upper, *tmva.mean_squared_error(np.ones((B, 1)), output)

    lower, upper, _, slope = run(p, dense)
    g_upper = backward(upper, (slope @ dense["W"])[:, None], p[1], returnSequence=False)
    g_lower = backward(lower, g_upper["dx"], p[0])
    found = [g_lower, g_upper, {"W": slope.T @ upper["Y"][:, 0], "b": slope.sum(axis=0)}]
    return first, x, [*p, dense], run, found


def worst(kind, **options):
    """Return the largest relative error, entry by entry, of Richardson's derivative."""
    _, _, p, run, found = stack(kind)
    errors = []
    for n, layer in enumerate(p):
        for name, each in layer.items():

            def loss(value, n=n, name=name):
                moved = [*p]
                moved[n] = p[n] | {name: value}
                return run(moved[:2], moved[2])[2]

            slope = tmva.richardson(loss, each, **options)
            errors.append(np.max(np.abs(slope - found[n][name]) / np.abs(found[n][name])))
    return max(errors)


@pytest.mark.long
@pytest.mark.parametrize("kind", TYPES)
def test_its_own_test_holds_seven_orders_below_its_bar(kind):
    """Entry by entry, relative, as there; rememberState on, so no state before step 0 is 0."""
    assert worst(kind, step=0.1, levels=5) < 1e-9
    assert 1e-9 < worst(kind) < 1e-2  # with its own step and levels: enough for its own bar


@pytest.mark.parametrize("kind", TYPES)
def test_its_own_test_s_network_from_its_layer_string(kind):
    first, x, p, run, found = stack(kind)
    layout = f"{kind}|{H}|{D}|{T}|1|1, {kind}|2|{H}|{T}|1|0, RESHAPE|FLAT, LINEAR"
    net = tg.interop.tmva.network(layout)
    layers = [each for _, each in net.children()]
    for layer, w in zip(layers, p, strict=True):
        tg.interop.tmva.load(layer, w)
    net(first)  # leaves its states behind
    loss = tg.interop.tmva.losses["SUMOFSQUARES"](net(x), np.ones((B, 1)))
    assert loss.item() == pytest.approx(run(p[:2], p[2])[2], rel=1e-14)
    loss.backward()
    orders = {"LSTM": "cifo", "GRU": "ruc", "RNN": ""}[kind]
    for layer, g, marks in zip(layers, found, (orders, orders, ""), strict=True):
        for letter, each in layer.named_parameters():
            parts = [g[f"{letter}_{mark}"].T for mark in marks] or [g[letter].T]
            near(each.grad, np.concatenate(parts, axis=-1))
