"""Names: unique, the same from run to run, and independent of everything but the recording."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine.place import Initial, Packed
from tinygrad_lstm.errors import SignalError
from tinygrad_lstm.network.signals import Signals


def network(lstm=None, dense=None):
    lstm = lstm or tg.nn.LSTM(2, 4, seed=0)
    dense = dense or tg.nn.Dense(4, 1, tg.sigmoid, seed=0)
    x = tg.Tensor(np.ones((3, 2)), requires_grad=True, name="x")
    return tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((3, 1)))


@pytest.mark.parametrize(
    "name",
    ["x", "lstm.W", "lstm.U", "lstm.b", "lstm.W.i", "lstm.s_a[0]", "lstm.s_o[2]", "lstm.a[1]",
     "lstm.i[0]", "lstm.f[0]", "lstm.o[0]", "lstm.state[2]", "lstm.out[2]", "lstm.state[-1]",
     "lstm.out[-1]", "dense.W", "dense.b", "dense.z", "dense.y", "squared_error.loss"],
)  # fmt: skip
def test_every_signal_of_the_papers_has_a_name(name):
    assert name in Signals(network()).by_name


def test_every_tensor_has_one_name_and_every_name_one_signal():
    signals = Signals(network())
    assert len(set(signals.names.values())) == len(signals.names)


def test_names_are_the_same_from_run_to_run():
    assert list(Signals(network()).by_name) == list(Signals(network()).by_name)


def test_names_stay_when_a_leaf_is_replaced_before_the_forward_pass():
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, tg.sigmoid, seed=0)
    before = list(Signals(network(lstm, dense)).by_name)
    lstm.b.data = lstm.b.data * 2
    lstm.W.data = lstm.W.data * 2
    assert list(Signals(network(lstm, dense)).by_name) == before


def test_two_unnamed_modules_are_numbered_in_the_order_of_recording():
    first, second = tg.nn.Dense(2, 2, seed=0), tg.nn.Dense(2, 2, seed=1)
    names = Signals(second(first(np.ones(2)))).names
    assert names[first.W] == "dense.W"
    assert names[second.W] == "dense_2.W"


def test_a_module_called_twice_has_one_name_for_its_parameters():
    dense = tg.nn.Dense(2, 2, seed=0)
    signals = Signals(dense(dense(np.ones(2))))
    assert signals.names[dense.W] == "dense.W"
    assert {"dense.y", "dense_2.y"} <= set(signals.by_name)


def test_a_module_is_called_by_its_name_then_by_its_attribute_then_by_its_class():
    class Net(tg.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = tg.nn.Dense(2, 2, seed=0)
            self.other = tg.nn.Dense(2, 2, seed=0, name="decoder")

        def forward(self, x):
            return self.other(self.encoder(x))

    names = set(Signals(Net()(np.ones(2))).by_name)
    assert {"net.encoder.W", "net.encoder.y", "net.decoder.W", "net.decoder.y"} <= names


def test_a_cell_called_at_every_step_carries_the_step():
    dense = tg.nn.Dense(2, 2, seed=0, name="cell")
    h = tg.Tensor(np.ones(2))
    for _ in tg.steps(2):
        h = dense(h)
    assert {"cell.W", "cell[0].y", "cell[1].y"} <= set(Signals(h).by_name)


def test_two_loops_in_one_scope_do_not_share_a_name():
    h = tg.Tensor(1.0)
    for _ in range(2):
        for _ in tg.steps(2):
            h = h * h
            h.name = "h"
    assert {"h[0]", "h[1]", "h_2[0]", "h_2[1]"} <= set(Signals(h).by_name)


def test_unnamed_operations_are_numbered_within_scope_and_step():
    x = tg.Tensor(1.0, name="x")
    with tg.scope("here"):
        y = tg.tanh(tg.tanh(x))
    assert set(Signals(y).by_name) == {"x", "here.tanh", "here.tanh_2"}


def test_a_part_is_its_columns():
    lstm = tg.nn.LSTM(2, 4, seed=0)
    signal = Signals(lstm(np.ones((1, 2)))[0])["lstm.W.f"]
    assert np.array_equal(signal.of(lstm.W.numpy()), lstm.W.numpy()[:, 8:12])
    assert signal.shape == (2, 4)


def test_a_sequence_is_its_steps_in_order():
    steps = Signals(network()).sequences["lstm.out"]
    assert [signal.name for signal in steps] == ["lstm.out[0]", "lstm.out[1]", "lstm.out[2]"]


def test_parts_may_be_of_different_widths():
    x = tg.Tensor(np.arange(12.0).reshape(2, 6), name=Packed("x", ("x_a", "x_b", "x_c"), (3, 1, 2)))
    signals = Signals(x * 1.0)
    assert [signals[f"x_{each}"].shape for each in "abc"] == [(2, 3), (2, 1), (2, 2)]
    assert signals["x_b"].of(x.numpy()).tolist() == [[3.0], [9.0]]


def test_what_a_recurrence_starts_from_is_none_of_its_steps():
    h = tg.Tensor(1.0)
    for k in tg.steps(range(2, -1, -1)):
        h = h * 2.0
        h.name = Initial("h") if k == 2 else "h"
    signals = Signals(h)
    assert "h[2]" in signals.by_name
    assert [each.name for each in signals.sequences["h"]] == ["h[0]", "h[1]"]


def test_a_wrong_name_gets_the_nearest_ones():
    with pytest.raises(SignalError, match=r"lstm\.w.*nearest names are: lstm\.W"):
        Signals(network())["lstm.w"]


# --- values and gradients -----------------------------------------------------------------------


def test_signals_have_the_values_and_gradients_of_the_tape():
    loss = network()
    signals = tg.signals(loss)
    loss.backward()
    for name in ("lstm.W", "dense.b", "x"):
        np.testing.assert_array_equal(signals[name].value, signals[name].tensor.data)
        np.testing.assert_array_equal(signals[name].gradient, signals[name].tensor.grad)
    for name in ("lstm.a[1]", "lstm.state[2]", "dense.y"):
        (expected,) = tg.grad(loss, [signals[name].tensor])
        np.testing.assert_array_equal(signals[name].gradient, expected.numpy())
    forget = signals["lstm.W.f"]
    np.testing.assert_array_equal(forget.gradient, signals["lstm.W"].tensor.grad[:, 8:12])
    assert tg.compare(loss, {name: each.gradient for name, each in signals.items()
                             if each.gradient is not None}).ok  # fmt: skip


def test_signals_are_a_mapping_in_the_order_of_recording():
    signals = tg.signals(network())
    assert list(signals) == list(signals.by_name) and len(signals) == len(signals.by_name)
    assert "lstm.W.f" in signals and "lstm.w" not in signals and signals.get("lstm.w") is None
    assert repr(signals["lstm.a[1]"]) == "<signal lstm.a[1] (4,)>"
    assert len(repr(signals)) < 80


def test_what_requires_no_gradient_has_none():
    x, w = tg.Tensor(2.0, name="x"), tg.Tensor(3.0, requires_grad=True, name="w")
    assert tg.signals(x * w)["x"].gradient is None


@pytest.mark.parametrize(
    ("outputs", "error", "says"),
    [
        (lambda: (3.0,), tg.UsageError, "found float, expected a Tensor"),
        (lambda: (), tg.UsageError, "expected a Tensor"),
        (lambda: (network(), network()), tg.UsageError, "found 2 outputs"),
        (lambda: (tg.nn.LSTM(2, 4)(np.ones((3, 2)))[0],), tg.GradientError, "one number"),
    ],
)
def test_outputs_without_a_gradient_are_refused(outputs, error, says):
    with pytest.raises(error, match=says):
        tg.signals(*outputs())["lstm.W"].gradient  # noqa: B018


# --- one name at all doors ------------------------------------------------------------------------

NAMES = [
    "x", "lstm.W", "lstm.W.i", "lstm.s[1]", "lstm.s", "lstm.s_a[0]", "lstm.s_a", "lstm.state[2]",
    "lstm.out", "lstm.out[2]", "lstm.out[-1]", "dense.W", "dense.z", "dense.z[2]", "dense.y[0]",
    "squared_error.e", "squared_error.e[1]",
]  # fmt: skip
ENTRIES = ["lstm.W[1]", "lstm.W.i[1]", "dense.W[3]"]  # which no equation is printed for
STRANGERS = ["lstm.out[3]", "lstm.W[2]", "dense.z[3]", "dense.z[-1]", "lstm.ou", "x[0][1]", ""]


@pytest.fixture(scope="module")
def loss():
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, tg.sigmoid, seed=0)
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="x")
    starts = [tg.Tensor(rng.normal(size=4), requires_grad=True) for _ in range(2)]
    return tg.nn.squared_error(dense(lstm(x, starts)[0]), rng.normal(size=(3, 1)))


def rows_of(gradient, name):
    """Return a whole gradient's entries by the indices at the end of a name."""
    return gradient[int(name[name.rindex("[") + 1 : -1])]


@pytest.mark.parametrize("name", NAMES)
def test_signals_compare_and_explain_understand_the_same_names(loss, name):
    signal = tg.signals(loss)[name]
    assert name in tg.signals(loss)
    assert signal.gradient.shape == signal.value.shape == signal.shape
    assert np.abs(signal.gradient).max() > 0
    assert tg.compare(loss, {name: signal.gradient}).ok
    assert not tg.compare(loss, {name: 1.01 * signal.gradient}).ok
    assert tg.explain(loss, name).wrt == name
    explained = tg.explain(loss, name, style="stages").value
    np.testing.assert_allclose(explained, signal.gradient, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_of_a_signal_has_the_entries_of_its_gradient(loss, name):
    whole = name[: name.rindex("[")]
    signal = tg.signals(loss)[name]
    assert np.array_equal(signal.gradient, rows_of(tg.signals(loss)[whole].gradient, name))
    assert tg.compare(loss, {name: signal.gradient}).ok
    with pytest.raises(SignalError, match=r"explain: no equation is printed for .*; ask for "):
        tg.explain(loss, name, style="stages")


@pytest.mark.parametrize("name", STRANGERS)
def test_a_name_of_no_signal_is_refused_at_all_doors(loss, name):
    assert name not in tg.signals(loss)
    for who, door in (
        ("signals", lambda: tg.signals(loss)[name]),
        ("compare", lambda: tg.compare(loss, {name: 1.0})),
        ("explain", lambda: tg.explain(loss, name, style="stages")),
    ):
        with pytest.raises(SignalError) as caught:
            door()
        assert str(caught.value).startswith(f"{who}: no signal is called {name!r}; the nearest")


def test_a_step_of_a_whole_signal_equals_the_step_of_the_loop():
    lstm = tg.nn.LSTM(2, 3, seed=0)
    out, _ = lstm(np.ones((4, 5, 2)))
    out.name = "all"
    known = tg.signals(tg.sum(out * out))
    assert np.array_equal(known["lstm.all[2]"].value, known["lstm.out[2]"].value)
    assert np.array_equal(known["lstm.all"].value, known["lstm.out"].value)


def test_a_sequence_whose_steps_have_several_shapes_has_no_value():
    x = tg.Tensor(1.0, requires_grad=True, name="x")
    total = x
    for k in tg.steps(2):
        y = tg.broadcast_to(x, shape=(k + 1,))
        y.name = "y"
        total = total + tg.sum(y)
    with pytest.raises(tg.ShapeError, match=r"y has shapes \(1,\), \(2,\) at its steps"):
        _ = tg.signals(total)["y"].value


def test_outer_scopes_may_be_left_out_where_one_signal_ends_so():
    class Net(tg.nn.Module):
        def __init__(self):
            self.lstm = tg.nn.LSTM(2, 3, num_layers=2, seed=0)
            self.dense = tg.nn.Dense(3, 1, seed=1)

        def forward(self, x):
            return self.dense(self.lstm(x)[0])

    net = Net()
    loss = tg.sum(net(np.ones((4, 2))) ** 2)
    signals = tg.signals(loss)
    for short in dict(net.named_parameters()):
        assert signals[short].name == f"net.{short}"
    assert signals["dense.y[2]"].name == "net.dense.y[2]"
    assert signals["layers.1.out"].name == "net.lstm.layers.1.out"
    with pytest.raises(SignalError, match=r"several signals end in 'U'.*layers\.0\.U"):
        signals["U"]
    assert "U" not in signals and "ayers.0.U" not in signals
    hand = {name: signals[name].gradient for name in dict(net.named_parameters())}
    assert tg.compare(loss, hand).ok
    hand["dense.W"] = 2 * hand["dense.W"]
    assert tg.compare(loss, hand).blame.signal == "net.dense.W"
    with pytest.raises(SignalError, match="given twice"):
        tg.compare(loss, [("dense.b", hand["dense.b"]), ("net.dense.b", hand["dense.b"])])
    for style in ("derivation", "stages"):
        assert "net.dense.W" in str(tg.explain(loss, "dense.W", style=style))
