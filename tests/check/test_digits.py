"""Few digits in networks with a recurrence: what rounding explains, and what it does not."""

from functools import partial

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted


def decimals(digits, x):
    return np.round(np.asarray(x, float), digits)


def significant(digits, x):
    return np.array([float(f"{each:.{digits - 1}e}") for each in np.ravel(x)]).reshape(np.shape(x))


def after_the_first(digits, x):
    """Return numbers as ``%.3e`` prints them, with one digit before the point."""
    return significant(digits + 1, x)


def exact(x):
    return x


def characters(seed, rounded=exact, *, keeps_last_row=False):
    """Return the loss of a recurrent network on characters, and its gradients by hand.

    Every intermediate value is rounded. With ``keeps_last_row`` the embedding's gradient is set at
    each step, where it should be added to.
    """
    rng = np.random.default_rng(seed)
    steps, letters, wide, width = rng.integers(2, 7), *rng.integers(2, 6, 3)
    shapes = {
        "E": (letters, wide), "W": (wide, width), "U": (width, width), "b": (width,),
        "V": (width, letters), "c": (letters,), "h0": (width,),
    }  # fmt: skip
    n = {name: 0.8 * rng.normal(size=shape) for name, shape in shapes.items()}
    read, expected = rng.integers(0, letters, (2, steps)).tolist()

    t = planted.base.leaves(n)
    h, loss = t["h0"], 0.0
    for k in tg.steps(steps):
        a = t["E"][read[k]] @ t["W"] + h @ t["U"] + t["b"]
        h = tg.tanh(a)
        a.name, h.name = "a", "h"
        loss = loss + tg.nn.softmax_cross_entropy(h @ t["V"] + t["c"], expected[k])

    hs, δo = {-1: n["h0"]}, {}
    for k in range(steps):
        hs[k] = rounded(np.tanh(rounded(n["E"][read[k]] @ n["W"] + hs[k - 1] @ n["U"] + n["b"])))
        powers = np.exp(rounded(hs[k] @ n["V"] + n["c"]))
        δo[k] = rounded(powers / powers.sum()) - np.eye(letters)[expected[k]]
    δ = {name: np.zeros(shape) for name, shape in shapes.items()}
    δ |= {"a": np.zeros((steps, width)), "h": np.zeros((steps, width))}
    for k in reversed(range(steps)):
        δh = δ["h"][k] = rounded(δo[k] @ n["V"].T + δ["h0"])
        δa = δ["a"][k] = rounded(δh * (1 - hs[k] ** 2))
        δ["h0"] = δa @ n["U"].T
        δ["V"] += np.outer(hs[k], δo[k])
        δ["c"] += δo[k]
        δ["W"] += np.outer(n["E"][read[k]], δa)
        δ["U"] += np.outer(hs[k - 1], δa)
        δ["b"] += δa
        δ["E"][read[k]] = δa @ n["W"].T + (0 if keeps_last_row else δ["E"][read[k]])
    return loss, {name: rounded(value) for name, value in δ.items()}


PARAMETERS = ("E", "W", "U", "b", "V", "c", "h0")


@pytest.mark.parametrize("style", [decimals, significant, after_the_first])
@pytest.mark.parametrize("on_the_way", [False, True])
@pytest.mark.parametrize("digits", [3, 4, 5])
def test_right_gradients_pass_and_a_tenth_of_the_largest_entry_does_not(style, on_the_way, digits):
    rounded, rng = partial(style, digits), np.random.default_rng(digits)
    for seed in range(4):
        loss, right = characters(seed, rounded if on_the_way else exact)
        right = {name: rounded(value) for name, value in right.items()}
        for names in (tuple(right), PARAMETERS):
            hand = {name: right[name] for name in names}
            report = tg.compare(loss, hand, digits=digits)
            assert not report.is_wrong and report.blame is None, (seed, names, str(report))
            name = names[rng.integers(len(names))]
            wrong = right[name].copy()
            at = tuple(rng.integers(wrong.shape))
            largest = np.abs(wrong).max()
            wrong[at] += rng.choice([-1, 1]) * max(0.1 * largest, 20 * 10.0**-digits)
            report = tg.compare(loss, {**hand, name: rounded(wrong)}, digits=digits)
            assert next(row for row in report.rows if row.name == name).is_wrong, (seed, name)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("digits", [3, 5])
def test_digits_after_the_first_are_seen_at_any_size(size, digits):
    """An error of a few units of the last digit in one entry, as ``%.3e`` prints it, is seen."""
    rng = np.random.default_rng(digits)
    for _ in range(10):
        x, c = (tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name=n) for n in "xc")
        loss = tg.sum(tg.hadamard(x, c * size))
        hand = {"x": c.data * size, "c": x.data * size}
        right = {name: after_the_first(digits, value) for name, value in hand.items()}
        assert tg.compare(loss, right, digits=digits).ok, (size, digits)
        at = tuple(rng.integers(right["x"].shape))
        unit = 10 ** (np.floor(np.log10(np.abs(right["x"][at]))) - digits)
        right["x"][at] += rng.choice([-1, 1]) * 50 * unit
        assert tg.compare(loss, right, digits=digits).is_wrong, (size, digits)


@pytest.mark.parametrize("seed", range(6))
def test_a_sum_that_does_not_follow_from_the_steps_beside_it_is_blamed(seed):
    """Rounding on the way may have led as far from the tape, but not from the given δ."""
    loss, right = characters(seed)
    hand = {name: decimals(3, value) for name, value in right.items()}
    hand["b"][0] += 0.02
    report = tg.compare(loss, hand, digits=3)
    assert report.blame is not None and report.blame.signal == "b", str(report)
    assert [row.name for row in report.rows if not row.ok] == ["b"]


@pytest.mark.long
@pytest.mark.parametrize("digits", [2, 3])
def test_an_embedding_that_keeps_its_last_step_alone_is_no_rounding(digits):
    for seed in range(8):
        loss, wrong = characters(seed, keeps_last_row=True)
        off = np.abs(wrong["E"] - characters(seed)[1]["E"]).max()
        if off > 0.2:
            for names in (tuple(wrong), PARAMETERS, ("E",)):
                hand = {name: decimals(digits, wrong[name]) for name in names}
                report = tg.compare(loss, hand, digits=digits)
                assert report.rows[0].is_wrong or names[0] != "E", (seed, str(report))
                assert report.is_wrong, (seed, str(report))


def test_a_difference_beyond_a_small_share_of_the_signal_is_not_called_rounding():
    """Of two decimals on the way, more may be rounding than they can tell."""
    w = tg.Tensor(np.array([0.1]), requires_grad=True, name="w")
    h = tg.sigmoid(w)
    h.name = "h"
    loss = 1000 * tg.sum(tg.square(h - 0.535))  # h is 0.525
    right = tg.grad(loss, [w])[0].numpy()
    verdicts = [
        tg.compare(loss, {"w": np.round(part * right, 2)}, digits=2).rows[0].verdict
        for part in (1, 1.03, 1.3, 10)
    ]
    assert verdicts == ["rounding", "rounding", "too few digits", "differs"]


@pytest.mark.long
@pytest.mark.parametrize("style", [decimals, significant])
def test_mistakes_are_seen_in_four_digits(style):
    missed, right = [], list(planted.correct_cases())
    cases = [case for case in planted.CASES if case.id != "gers/truncated"]  # gives no signal
    for case in [*cases, *right]:
        hand = {name: style(4, value) for name, value in case.hand().items()}
        if tg.compare(case.loss(), hand, digits=4).is_wrong != (case.mistake is not None):
            missed.append(case)
    assert all(case.mistake for case in missed), [case.id for case in missed]
    assert len(missed) <= 0.02 * len(cases), [case.id for case in missed]
