"""Hand against tape: every verdict, and nothing that passes by accident."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted
from support.networks import Cell
from tinygrad_lstm.check.search import Search
from tinygrad_lstm.derivations import question
from tinygrad_lstm.errors import ArgumentError, DTypeError, GradientError, SignalError, UsageError
from tinygrad_lstm.network import view as view_module
from tinygrad_lstm.network.signals import Signals


@pytest.fixture
def loss_and_gradient():
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    W = tg.Tensor(np.linspace(-1, 1, 6).reshape(3, 2), requires_grad=True, name="W")
    with tg.scope("net"):
        y = tg.tanh(tg.Tensor(x, name="x") @ W)
        y.name = "y"
    loss = (y * y).sum()
    dz = 2 * y.numpy() * (1 - y.numpy() ** 2)
    return loss, x.T @ dz


def verdict(loss, gradient, **options):
    return tg.compare(loss, {"W": gradient}, **options).rows[0].verdict


def test_a_right_derivation_agrees_to_rounding(loss_and_gradient):
    loss, gradient = loss_and_gradient
    report = tg.compare(loss, {"W": gradient})
    assert report.ok
    assert report.rows[0].max_rel < 1e-12


def test_bit_for_bit_is_exact(loss_and_gradient):
    loss, _ = loss_and_gradient
    W = loss.inputs[0].inputs[0].inputs[0].inputs[1]
    assert verdict(loss, tg.grad(loss, W)) == "exact"


def test_a_relative_error_above_the_tolerance_differs(loss_and_gradient):
    loss, gradient = loss_and_gradient
    assert verdict(loss, gradient * (1 + 1e-11)) == "differs"
    assert verdict(loss, gradient * (1 + 1e-11), rtol=1e-10) == "rounding"


def test_it_says_where_the_difference_is_largest(loss_and_gradient):
    loss, gradient = loss_and_gradient
    gradient[2, 1] += 0.5
    row = tg.compare(loss, {"W": gradient}).rows[0]
    assert row.where == (2, 1)
    assert row.max_abs == pytest.approx(0.5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_passes(loss_and_gradient, bad):
    loss, gradient = loss_and_gradient
    gradient[1, 0] = bad
    report = tg.compare(loss, {"W": gradient}, rtol=np.inf)
    assert report.rows[0].verdict == "not finite"
    assert report.rows[0].where == (1, 0)
    assert not report.ok


def test_nan_on_both_sides_does_not_pass():
    x = tg.Tensor(0.0, requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        report = tg.compare(x * np.inf, {"x": np.nan})
    assert report.rows[0].verdict == "not finite"


@pytest.mark.parametrize("shape", [(2, 3, 1), (6,), (1, 2), (3, 1), ()])
def test_shapes_are_never_broadcast(loss_and_gradient, shape):
    assert verdict(loss_and_gradient[0], np.zeros(shape)) == "wrong shape"


def test_a_transpose_is_called_one(loss_and_gradient):
    loss, gradient = loss_and_gradient
    assert verdict(loss, gradient.T) == "a transpose"
    assert verdict(loss, gradient.T * 1.1) == "wrong shape"


def test_float32_has_a_tolerance_of_its_own():
    W = tg.Tensor(np.float32([0.1, 0.2]), requires_grad=True, name="W")
    loss = (tg.tanh(W) * W).sum()
    gradient = tg.grad(loss, W).numpy()
    assert tg.compare(loss, {"W": gradient * np.float32(1 + 1e-6)}).ok
    assert not tg.compare(loss, {"W": gradient * np.float32(1 + 1e-4)}).ok


def test_any_named_signal_may_be_compared():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2)), rng.uniform(size=(3, 1))
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, tg.sigmoid, seed=1)
    out, _ = lstm(tg.Tensor(x, requires_grad=True, name="x"))
    loss = tg.nn.squared_error(dense(out), y)
    weights = dict(W=lstm.W.numpy(), U=lstm.U.numpy(), v=lstm.b.numpy())
    g = question.backward(x, y, weights | dict(w=dense.W.numpy(), b=dense.b.numpy()))
    hand = {
        "lstm.W": g["dW"], "lstm.W.i": g["dW"][:, 4:8], "lstm.b.o": g["dv"][12:], "x": g["dx"],
        "lstm.state[1]": g["δstate"][1], "lstm.out": g["δout"], "lstm.s_f[2]": g["δf"][2],
        "lstm.s_a": g["δa"], "dense.z": g["δz"],
    }  # fmt: skip
    report = tg.compare(loss, hand)
    assert [row.name for row in report.rows] == list(hand)
    assert report.ok, str(report)


def test_a_signal_that_nothing_flows_back_to_has_gradient_zero():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x * 0.0 + tg.stop_gradient(x)
    assert tg.compare(y.sum(), {"x": np.zeros(2)}).ok


def test_the_report_prints_as_a_table(loss_and_gradient):
    loss, gradient = loss_and_gradient
    lines = str(tg.compare(loss, {"W": gradient * 2})).splitlines()
    assert lines[0].split()[:3] == ["signal", "tape", "hand"]
    assert "differs" in lines[2]
    assert lines[3] == "1 signal: 1 differs"
    assert lines[4].startswith("first wrong: W")
    assert max(map(len, lines)) <= 80


def test_comparing_leaves_gradients_alone(loss_and_gradient):
    loss, gradient = loss_and_gradient
    tg.compare(loss, {"W": gradient})
    assert loss.inputs[0].inputs[0].inputs[0].inputs[1].grad is None


@pytest.mark.parametrize(
    ("hand", "error", "message"),
    [
        ({}, UsageError, "empty"),
        ({"w": 0.0}, SignalError, "nearest names are: W"),
        ([("W", 0.0), ("W", 0.0)], SignalError, "'W' is given twice"),
        ({"W": np.zeros((3, 2), object)}, DTypeError, "'W' is of type object"),
        ({"W": np.zeros((3, 2), complex)}, DTypeError, "complex"),
        ({"net.x": np.zeros((2, 3))}, GradientError, "net.x does not require a gradient"),
    ],
)
def test_bad_input(loss_and_gradient, hand, error, message):
    with pytest.raises(error, match=message):
        tg.compare(loss_and_gradient[0], hand)


def test_the_loss_must_be_one_number():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(GradientError, match=r"shape \(2,\)"):
        tg.compare(x * 2, {"x": np.ones(2)})


def test_a_name_that_cannot_be_one_is_refused(lstm_loss):
    with pytest.raises(SignalError, match=r"\['lstm.W'\] is no name"):
        tg.compare(lstm_loss, [(["lstm.W"], 0.0)])


@pytest.mark.parametrize("hand", [None, "x", ["x"], 3.0])
def test_what_holds_no_pairs_is_refused(hand):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(UsageError, match=r"compare: hand is .*give a dictionary, or pairs"):
        tg.compare(x.sum(), hand)


def test_a_ragged_gradient_is_refused_by_name():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(DTypeError, match="compare: 'x' is no array of numbers"):
        tg.compare(x.sum(), {"x": [1.0, [2.0]]})


def test_extended_precision_is_judged_as_double():
    x = tg.Tensor(np.array([1.0, 2.0], np.longdouble), requires_grad=True, name="x")
    assert tg.compare((x * x).sum(), {"x": [2.0, 4.0]}).ok
    assert not tg.compare((x * x).sum(), {"x": [2.0, 4.0 + 1e-9]}).ok


# --- what is wrong with some leaves the others to be judged --------------------------------------


@pytest.fixture
def lstm_loss():
    rng = np.random.default_rng(0)
    lstm = tg.nn.LSTM(2, 3, seed=0)
    out, _ = lstm(tg.Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="x"))
    return tg.nn.squared_error(out, np.zeros((3, 3)))


def right(loss, *names):
    signals = tg.signals(loss)
    return {name: signals[name].gradient for name in names}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("lstm.w", 0.0, SignalError),
        ("lstm.U", np.array([None]), DTypeError),
        ("lstm.U", [[1.0], [1.0, 2.0]], DTypeError),
        ("lstm.U", "a", DTypeError),
        ("lstm.W.i", np.ones((2, 3)), SignalError),
        (3, 0.0, SignalError),
        (("lstm.U",), 0.0, SignalError),
    ],
    ids=["unknown", "object", "ragged", "text", "two names", "no name", "tuple"],
)
def test_the_others_are_judged(lstm_loss, name, value, error):
    hand = right(lstm_loss, "lstm.W", "lstm.b")
    with pytest.raises(error) as raised:
        tg.compare(lstm_loss, {**hand, "lstm.b": 2 * hand["lstm.b"], name: value})
    report = raised.value.report
    assert [(row.name, row.ok) for row in report.rows] == [("lstm.W", True), ("lstm.b", False)]
    assert report.blame.signal.startswith("lstm.b")


def test_all_that_is_wrong_is_said_at_once(lstm_loss):
    hand = right(lstm_loss, "lstm.W")
    with pytest.raises(SignalError) as raised:
        tg.compare(lstm_loss, {"lstm.w": 0.0, "lstm.V": 0.0, **hand, "lstm.U": object()})
    assert all(name in str(raised.value) for name in ("'lstm.w'", "'lstm.V'", "'lstm.U'"))
    assert "nearest names are: lstm.W" in str(raised.value)
    assert raised.value.report.ok


def test_wrong_shapes_and_what_is_not_finite_leave_the_others_to_be_judged(lstm_loss):
    hand = right(lstm_loss, "lstm.W", "lstm.U", "lstm.b", "lstm.state[1]")
    hand |= {
        "lstm.W": np.ones((2, 5)),
        "lstm.state[1]": np.full(3, np.nan),
        "lstm.b": -hand["lstm.b"],
    }
    report = tg.compare(lstm_loss, hand)
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts == {"lstm.W": "wrong shape", "lstm.U": "exact", "lstm.b": "differs",
                        "lstm.state[1]": "not finite"}  # fmt: skip
    assert report.blame.signal.startswith("lstm.b")


def test_one_signal_under_two_names_is_fine_as_long_as_they_agree(lstm_loss):
    hand = right(lstm_loss, "lstm.W", "lstm.W.i", "lstm.state[1]", "lstm.s[0]", "lstm.s_i[0]")
    states = np.stack([v for k in range(3) for v in right(lstm_loss, f"lstm.state[{k}]").values()])
    assert tg.compare(lstm_loss, {**hand, "lstm.state": states}).ok
    for name, value in {"lstm.state[1]": states[0], "lstm.state": 2 * states}.items():
        wrong = {"lstm.state": states, **hand, name: value}
        with pytest.raises(SignalError, match="two names for one signal"):
            tg.compare(lstm_loss, wrong)


@pytest.mark.parametrize(
    "more",
    [
        {"rtol": -1.0},
        {"rtol": np.nan},
        {"rtol": "a"},
        {"rtol": [1]},
        {"rtol": 1j},
        {"digits": 0},
        {"digits": 2.5},
    ],
)
def test_a_tolerance_that_is_none_is_refused(lstm_loss, more):
    with pytest.raises(ArgumentError, match=next(iter(more))):
        tg.compare(lstm_loss, right(lstm_loss, "lstm.W"), **more)


def test_a_row_tells_types_and_whether_all_is_finite(lstm_loss):
    hand = right(lstm_loss, "lstm.W", "lstm.U")
    hand["lstm.W"] = hand["lstm.W"].astype(np.float32)
    hand["lstm.U"][0, 0] = np.inf
    one, other = tg.compare(lstm_loss, hand).rows
    assert (one.dtype, one.hand_dtype, one.finite) == ("float64", "float32", True)
    assert one.verdict == "rounding" and not other.finite
    assert "same, float32" in str(tg.compare(lstm_loss, hand))


def test_huge_numbers_are_compared_without_a_warning(lstm_loss):
    row = tg.compare(lstm_loss, {"lstm.b": np.full(12, -1.7e308)}).rows[0]
    assert row.verdict == "differs"


def test_swapped_bytes_are_the_same_type(lstm_loss):
    hand = right(lstm_loss, "lstm.W")["lstm.W"].astype(">f4")
    assert tg.compare(lstm_loss, {"lstm.W": hand}).ok


@pytest.mark.long
def test_long_names_and_shapes_fit_a_terminal():
    scope = "a_module_with_a_name_that_nobody_would_want_to_type_" * 2
    with tg.scope(scope):
        x = tg.Tensor(np.ones((3, 1, 4, 1, 5)), requires_grad=True, name="weights")
        y = tg.tanh(x)
        y.name = "y"
    hand = {f"{scope}.y": np.ones(x.shape), f"{scope}.weights": np.ones((*x.shape, 1000000))}
    report = tg.compare((y * y).sum(), hand)
    assert max(map(len, str(report).splitlines())) <= 80
    assert "a_module" in str(report) and "…" in str(report)


@pytest.mark.parametrize("steps", [3, range(2, -1, -1)], ids=["forwards", "backwards"])
def test_the_steps_of_a_module_that_is_called_in_a_loop_are_judged_one_by_one(steps):
    cell, h = Cell(), tg.Tensor([[0.5, -0.2, 0.1]] * 2, requires_grad=True, name="h")
    for _ in tg.steps(steps):
        h = cell(h)
    loss = (h * h).sum()  # the last one is used twice
    ys = np.stack([each.gradient for each in tg.signals(loss).sequences["cell.y"]])
    hand = {"cell.y": ys, "cell.W": tg.grad(loss, cell.W).numpy()}
    report = tg.compare(loss, hand)
    assert report.ok and report.blame is None
    ys = ys.copy()
    ys[1] *= 2
    report = tg.compare(loss, {**hand, "cell.y": ys})
    assert report.blame.signal == "cell[1].y"
    assert report.blame.found == pytest.approx(2 * report.blame.expected)
    single = tg.compare(loss, {"cell[1].y": ys[1]})
    assert single.blame.signal == "cell[1].y"


def test_what_the_network_does_without_is_compared_and_not_blamed(lstm_loss):
    hand = {"lstm.matmul[1]": np.ones(12)}
    report = tg.compare(lstm_loss, hand)
    assert report.blame is None and report.unplaced == ["lstm.matmul[1]"]
    assert "differs, but not used to find the mistake: lstm.matmul[1] (the network that is" in str(
        report
    )


def test_a_signal_that_is_not_blamed_has_a_reason():
    x = tg.Tensor([1.0, 2.0], True, name="x")
    report = tg.compare((x * x).sum(), {"x": [2.0, np.nan]})
    assert "differs, but not used to find the mistake: x (not finite)" in str(report)


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_the_steps_of_a_plain_loop_in_one_array_get_a_remedy(shape):
    W, h = tg.Tensor(0.5, True, name="W"), tg.Tensor(np.ones(shape), True, name="h")
    for _ in range(4):
        h = tg.tanh(h * W)
        h.name = "h"
    loss = (h * h).sum()
    for steps in (4, 5):
        said = " ".join(str(tg.compare(loss, {"h": np.ones((steps, *shape))})).split())
        assert f"for k in tg.steps({steps})" in said and "the signals h, h_2, h_3, h_4" in said
    assert "tg.steps" not in str(tg.compare(loss, {"h": np.ones((3, *shape))}))


@pytest.mark.parametrize("digits", [None, 6])
def test_a_comparison_builds_its_network_once(digits, monkeypatch):
    counts = {"graphs": 0, "names": 0}

    def counted(what, function):
        def count(*arguments, **options):
            counts[what] += 1
            return function(*arguments, **options)

        return count

    monkeypatch.setattr(view_module, "structure", counted("graphs", view_module.structure))
    monkeypatch.setattr(Signals, "__init__", counted("names", Signals.__init__))
    case = planted.case("lstm")
    hand = {name: 1.7 * case.hand()[name] ** 2 for name in case.parameters}
    report = tg.compare(case.loss(), hand, digits=digits)
    assert "first wrong" in str(report)
    assert report.diagnose(seconds=600) == []
    assert counts == {"graphs": 1, "names": 1}


def test_a_printed_report_goes_on_with_its_search(monkeypatch):
    case = planted.case("lstm")
    hand = {name: 1.7 * case.hand()[name] ** 2 for name in case.parameters}
    report, other = (tg.compare(case.loss(), hand) for _ in range(2))
    str(report)
    counts = []
    once = Search.try_singles
    monkeypatch.setattr(Search, "try_singles", lambda *a, **k: counts.append(once(*a, **k)))
    assert report.diagnose(seconds=600) == [] and not report.mistakes.is_cut
    assert counts == []
    assert other.diagnose(seconds=600) == [] and len(counts) == 2  # folded, and at one step
