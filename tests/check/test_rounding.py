"""What rounding explains: a published table, numbers of few digits, any part of them."""

import random

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted
from tinygrad_lstm.check.rounding import absolute
from tinygrad_lstm.demo import gomez_network
from tinygrad_lstm.derivations import gomez

PRINTED = {name: float(text) for name, text in gomez.PRINTED.items()}


def published():
    """Return all gradients of Gomez's table, as printed."""
    n, hand = PRINTED, {}
    for t in (1, 0):
        hand[f"lstm.out[{t}]"] = [n[f"δout_{t}"]]
        hand[f"lstm.state[{t}]"] = [n[f"δstate_{t}"]]
        hand |= {f"lstm.s_{gate}[{t}]": [n[f"δ{gate}_{t}"]] for gate in gomez.GATES}
    hand["x"] = [[n[f"δx_{t}[{j}]"] for j in range(2)] for t in range(2)]
    hand["lstm.out[-1]"] = [n["Δout_-1"]]
    hand["lstm.W"] = [[n[f"δW_{gate}[{j}]"] for gate in gomez.GATES] for j in range(2)]
    hand["lstm.U"] = [[n[f"δU_{gate}"] for gate in gomez.GATES]]
    hand["lstm.b"] = [n[f"δb_{gate}"] for gate in gomez.GATES]
    return {name: np.array(value) for name, value in hand.items()}


def subsets(names, count, seed=0):
    chosen = random.Random(seed)
    return [[name] for name in names] + [
        chosen.sample(list(names), chosen.randint(2, len(names))) for _ in range(count)
    ]


@pytest.mark.long
def test_a_published_table_is_no_false_alarm_whatever_part_of_it_is_given():
    *_, loss = gomez_network()
    hand = published()
    assert not tg.compare(loss, hand).ok  # that is what the digits are for
    for names in [list(hand), *subsets(hand, 30)]:
        report = tg.compare(loss, {name: hand[name] for name in names}, digits=5)
        assert report.ok and report.blame is None and not report.mistakes, names


@pytest.mark.parametrize("name", published())
def test_an_error_of_a_twentieth_in_any_number_of_the_table_is_seen(name):
    *_, loss = gomez_network()
    hand = published()
    for at in np.ndindex(hand[name].shape):
        wrong = hand[name].copy()
        wrong[at] *= 1.05
        if wrong[at]:
            report = tg.compare(loss, {**hand, name: wrong}, digits=5)
            assert report.blame is not None


def test_the_error_in_the_text_beside_the_table_is_named():
    """δb = Σ δgates_{t+1}: step 0 is left out."""
    *_, loss = gomez_network()
    wrong = np.array([PRINTED[f"δ{gate}_1"] for gate in gomez.GATES])
    report = tg.compare(loss, {**published(), "lstm.b": wrong}, digits=5)
    assert [row.name for row in report.rows if not row.ok] == ["lstm.b"]
    assert report.blame.signal.startswith("lstm.b")
    assert report.mistakes[0].kind == "sum over steps missing" and report.mistakes[0].left == 0


@pytest.mark.long
@pytest.mark.parametrize("kind", ["float64", "float32", "digits", "decimals"])
def test_a_part_of_a_right_derivation_is_never_blamed(kind):
    digits = 5 if kind in ("digits", "decimals") else None
    cases = [each for each in planted.random_cases(120, seed=2) if each.id.endswith(kind)]
    for case in cases:
        hand, loss = case.hand(), case.loss()
        for names in [subsets(hand, 2, seed=len(hand))[at] for at in (0, -1, -2)]:
            report = tg.compare(loss, {name: hand[name] for name in names}, digits=digits)
            assert report.blame is None and not report.is_wrong, (case.id, names, str(report))
            # of five decimals too few are left of what is small
            assert report.ok or kind == "decimals", (case.id, names, str(report))
    assert cases


def long_sequence(steps=200):
    lstm = tg.nn.LSTM(3, 8, seed=0)
    x = np.random.default_rng(0).normal(size=(steps, 2, 3))
    loss = tg.nn.squared_error(lstm(x)[0], np.zeros((steps, 2, 8)))
    found = tg.grad(loss, [lstm.W, lstm.U, lstm.b])
    return loss, dict(zip(("lstm.W", "lstm.U", "lstm.b"), (t.numpy() for t in found), strict=True))


@pytest.mark.long
@pytest.mark.parametrize("digits", [None, 5])
def test_a_long_sequence_is_judged_as_a_short_one(digits):
    """Sizes are not added up over all steps, where they would outgrow every mistake."""
    loss, right = long_sequence()
    assert tg.compare(loss, right, digits=digits).blame is None
    wrong = right["lstm.U"].copy()
    wrong[:, 3] *= 1.001
    blame = tg.compare(loss, {**right, "lstm.U": wrong}).blame
    assert blame is not None and blame.signal == "lstm.U.a"


def test_a_large_network_is_looked_into_when_asked_alone():
    loss, right = long_sequence(30)
    report = tg.compare(loss, {**right, "lstm.U": 2 * right["lstm.U"]})
    assert "report.diagnose() looks for the mistake" in str(report)
    assert not report.is_searched and report.as_dict()["mistakes"] == []


def test_derivations_of_mixed_types_are_judged_by_the_coarser():
    loss, right = long_sequence(4)
    coarse = {name: value.astype(np.float32) for name, value in right.items()}
    later = right | {"lstm.U": coarse["lstm.U"]}
    later["lstm.b"] = coarse["lstm.b"].astype(float)
    assert tg.compare(loss, later).ok
    assert not tg.compare(loss, {"lstm.b": later["lstm.b"]}).ok


# --- what few digits do not show ---


def weighed(slopes):
    """Return a loss whose gradient by w is what is given."""
    w = tg.Tensor(np.ones(len(slopes)), requires_grad=True, name="w")
    return (w * np.array(slopes)).sum()


@pytest.mark.parametrize(
    ("right", "printed", "digits", "verdict"),
    [
        ([4e-4, 4e-4], [0.0, 0.0], 3, "too few digits"),
        ([4e-4, -4e-4], [0.0, 0.0], 3, "too few digits"),
        ([4e-4], [-4e-4], 3, "differs"),
        ([4.123e-4], [4.12e-4], 3, "rounding"),
        ([4.123e-4], [-4.12e-4], 3, "differs"),
        ([4.123e-4], [4.33e-4], 3, "differs"),
        ([6e-4], [0.001], 3, "rounding"),
        ([6e-4], [-0.001], 3, "differs"),
        ([0.5, 4e-4], [0.5, 0.0], 3, "rounding"),
        ([0.5, 4e-4], [0.0, 0.0], 3, "differs"),
        ([0.0, 0.0], [0.0, 0.0], 3, "exact"),
        ([0.0, 4e-4], [0.0, 0.0], 3, "too few digits"),
        ([41.2368], [41.237], 3, "rounding"),
        ([41.2368], [41.2], 3, "rounding"),
        ([41.2368], [41.337], 3, "differs"),
        ([1.23456e-300], [1.23e-300], 3, "rounding"),
        ([1.23456e-300], [-1.23e-300], 3, "differs"),
        ([1.23456e300], [1.23e300], 3, "rounding"),
    ],
)
def test_a_number_shows_what_its_digits_mean(right, printed, digits, verdict):
    report = tg.compare(weighed(right), {"w": printed}, digits=digits)
    assert report.rows[0].verdict == verdict, str(report)
    assert report.ok == (verdict in ("exact", "rounding"))
    assert report.is_wrong == (verdict == "differs")
    assert (report.blame is not None) == report.is_wrong


@pytest.mark.parametrize("digits", range(1, 18))
def test_what_is_rightly_printed_never_differs_and_zeros_never_agree(digits):
    random = np.random.default_rng(digits)
    for _ in range(12):
        right = random.normal(size=3) * 10.0 ** random.integers(-12, 7)
        loss = weighed(right)
        fixed = [float(f"{x:.{digits}f}") for x in right]
        scientific = [float(f"{x:.{digits - 1}e}") for x in right]
        for printed in (fixed, scientific):
            report = tg.compare(loss, {"w": printed}, digits=digits)
            assert not report.is_wrong and report.blame is None, (right, printed, str(report))
            assert report.ok == bool(np.any(printed)), (right, printed)
        for wrong in (np.zeros(3), -np.array(fixed), -np.array(scientific)):
            assert not tg.compare(loss, {"w": wrong}, digits=digits).ok, (right, wrong)


def test_what_digits_do_not_show_is_said_everywhere():
    report = tg.compare(weighed([4e-4, 4e-4]), {"w": [0.0, 0.0]}, digits=3)
    assert not report.ok and not report.is_wrong
    assert "1 signal: 1 with too few digits to tell" in str(report) and "agree" not in str(report)
    assert "first wrong" not in str(report)
    html = report._repr_html_()
    assert "too few digits" in html and "#eceff1" in html and "#fce8e6" not in html
    data = report.as_dict()
    assert data["ok"] is False and data["blame"] is None and data["mistakes"] == []
    assert data["rows"][0]["ok"] is None and data["rows"][0]["unclear"] == 2
    assert tg.draw(report).dot
    partly = tg.compare(weighed([0.5, 4e-4]), {"w": [0.5, 0.0]}, digits=3)
    assert "all agree as far as the digits show" in str(partly)
    assert "too few digits to tell: 1 of 2 entries of w" in str(partly)


def test_a_signal_that_the_digits_do_not_show_takes_no_blame():
    loss = weighed([4e-4]) + weighed([0.5])
    report = tg.compare(loss, {"w": [0.0], "w_2": [0.7]}, digits=3)
    assert [row.verdict for row in report.rows] == ["too few digits", "differs"]
    assert "2 signals: 1 differs, 1 with too few digits to tell" in str(report)
    assert report.blame.signal == "w_2" and not report.blame.also


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_types_show_their_digits_too(dtype):
    report = tg.compare(weighed([0.0016]), {"w": np.array([0.002], dtype)}, digits=3)
    assert report.rows[0].verdict == "rounding"
    report = tg.compare(weighed([0.0016]), {"w": np.array([0.0021], dtype)}, digits=3)
    assert report.rows[0].verdict == "differs"


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("learned", [False, True])
def test_digits_are_allowed_for_where_nothing_comes_back_to_a_start_or_to_a_state(learned, is_cut):
    random = np.random.default_rng(0)
    x = tg.Tensor(random.normal(size=(4, 3)), requires_grad=True, name="x")
    U = tg.Tensor(random.normal(size=(3, 3)), requires_grad=True, name="U")
    h, loss = tg.Tensor(np.ones(3), requires_grad=learned, name="h0"), 0.0
    for k in tg.steps(4):
        h = tg.tanh(x[k] + (tg.stop_gradient(h) if is_cut else h) @ U)
        loss = loss + tg.sum(h * h)
    loss.backward()
    assert tg.compare(loss, {"U": np.round(U.grad, 6)}, digits=6).ok


def test_rounding_does_not_grow_from_layer_to_layer():
    """The signals between the layers have no names; a small error at the far end is no rounding."""
    rng, h, leaves = np.random.default_rng(0), np.ones((4, 8)), {}
    for k in range(60):
        leaves[f"W{k}"] = tg.Tensor(rng.normal(size=(8, 8)) / 8**0.5, True, name=f"W{k}")
        h = tg.tanh(h @ leaves[f"W{k}"])
    loss = tg.sum(h * h)
    gradients = tg.grad(loss, list(leaves.values()))
    hand = {name: each.numpy() for name, each in zip(leaves, gradients, strict=True)}
    assert tg.compare(loss, hand).ok
    hand["W1"] = hand["W1"] * 1.001
    found = tg.compare(loss, hand)
    assert found.blame is not None and found.blame.signal == "W1"


def test_the_size_of_a_weight_is_computed_once_for_all_steps():
    """A weight of 1000 × 1000 numbers that 50 steps read is no array of 50 million."""
    rng = np.random.default_rng(0)
    U = tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="U")
    h = rng.normal(size=3)
    for _ in tg.steps(5):
        h = tg.tanh(h @ U)
    adjoint = tg.graph(tg.sum(h)).fold().adjoint()
    sizes = absolute(adjoint)
    for node, size in zip(adjoint.nodes, sizes.nodes, strict=True):
        if node.gain is not None:
            assert np.array_equal(size.gain, np.abs(node.gain))
    (weight,) = (node for node in sizes.nodes if node.kind == "matrix" and node.folded
                 and np.ndim(node.gain) == 3)  # fmt: skip
    assert weight.gain.shape == (5, 3, 3) and weight.gain.strides[0] == 0
