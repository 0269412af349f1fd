"""The planted mistakes: right where they should be right, wrong where they say they are."""

import doctest
from itertools import combinations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws, planted
from support.planted import CASES, LSTM, NETWORKS, case, correct_cases, random_cases
from tinygrad_lstm.engine.tape import history
from tinygrad_lstm.network.signals import Signals

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
PLANTED = pytest.mark.parametrize(
    "case", [each for each in CASES if each.where], ids=lambda case: case.id
)
RIGHT = {each.network: each for each in correct_cases()}
SHAPED = {  # what has a wrong shape
    "question/as-asked": {"dense.W"},
    "question/summed": {"dense.W"},
    "question/vector": {"dense.W"},
    "question/broadcast": {"dense.z", "dense.W"},
    "mlp/bias-over-all": {"output.b"},
    "mlp/bias-as-row": {"output.b"},
}
PAIRS = [
    case("mlp", "output-slope-missing", "W-updated"),  # both of one public tutorial
    case("lstm", "out-carry-dropped", "state-carry-dropped"),
    case("lstm", "factor-2", "state-not-before", "U-not-transposed"),
    case("gru", "z-sign", "r-for-z"),
]


def wrong(case):
    """Return the names whose gradients the tape does not agree with."""
    return [row.name for row in tg.compare(case.loss(), case.hand()).rows if not row.ok]


def first_wrong(loss, names):
    """Return those of the names that no other of them follows in the forward pass."""
    signals, inherits = Signals(loss), set()
    off = {signals[name].tensor for name in names}
    for tensor in history((loss,), everything=True):  # from the loss back
        if tensor in off or tensor in inherits:
            inherits.update(tensor.inputs)
    return {name for name in names if signals[name].tensor not in inherits}


def derived(n, *mistakes):
    """Return the gradients of the LSTM's network's parameters, as one vector."""
    hand = planted.lstm_by_hand(n, *mistakes)
    return np.concatenate([hand[name].ravel() for name in RIGHT["lstm"].parameters])


def unseen(n):
    """Return the mistakes that change no parameter's gradient with these numbers."""
    right = derived(n)
    return {each for each in LSTM if np.allclose(derived(n, each), right, rtol=0, atol=1e-12)}


def test_the_examples():
    assert doctest.testmod(planted) == (0, 2)


def test_ids_are_all_different():
    ids = [each.id for each in [*CASES, *PAIRS, *correct_cases()]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("case", correct_cases(), ids=lambda case: case.id)
def test_what_is_right_agrees_with_the_tape(case):
    report = tg.compare(case.loss(), case.hand())
    assert report.ok, str(report)


@pytest.mark.parametrize("case", correct_cases(), ids=lambda case: case.id)
def test_parameters_are_leaves_and_derived(case):
    signals, hand = Signals(case.loss()), case.hand()
    assert all(not signals[name].tensor.inputs and name in hand for name in case.parameters)


@pytest.mark.parametrize("network", list(NETWORKS)[:7])
def test_every_named_signal_is_derived(network):
    named = set(planted.named(RIGHT[network].loss()))
    named -= {"out", "state", *(f"lstm.s[{t}]" for t in range(4)), "lstm.xW"}  # whole, unpacked
    named -= {"squared_error.e"}
    assert named <= RIGHT[network].hand().keys()


@PLANTED
def test_a_mistake_is_first_seen_where_it_is_said_to_be(case):
    assert first_wrong(case.loss(), wrong(case)) == set(case.where)


@PLANTED
def test_what_is_derived_before_the_mistake_is_right(case):
    order = list(case.hand())
    first = min(map(order.index, case.where))
    assert set(wrong(case)).isdisjoint(order[:first])


@PLANTED
def test_a_mistake_shows_in_the_parameters_unless_said_otherwise(case):
    assert bool(set(wrong(case)) & set(case.parameters)) == case.in_parameters


@EVERY
def test_a_mistake_leaves_shapes_as_they_are_unless_said_otherwise(case):
    right = RIGHT[case.network].hand()
    shapes = {name for name, g in case.hand().items() if g.shape != right[name].shape}
    assert shapes == SHAPED.get(case.id, set())


@PLANTED
def test_a_mistake_is_larger_than_rounding_to_three_digits(case):
    rows = tg.compare(case.loss(), {name: case.hand()[name] for name in case.where}).rows
    assert all(row.verdict in ("wrong shape", "a transpose") or row.max_rel > 5e-3 for row in rows)


@pytest.mark.parametrize("network", NETWORKS)
def test_no_two_mistakes_look_alike(network):
    found = [RIGHT[network].hand(), *(each.hand() for each in CASES if each.network == network)]
    for one, other in combinations(found, 2):
        assert any(
            one[name].shape != other[name].shape or np.abs(one[name] - other[name]).max() > 1e-5
            for name in one
        )


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case.id)
def test_several_mistakes_at_once(case):
    found = set(wrong(case))
    assert found >= set(case.where) >= first_wrong(case.loss(), found) > set()


# --- the 19 ---------------------------------------------------------------------------------------


def test_there_are_19():
    assert len(LSTM) == 19


def test_no_two_of_the_19_change_the_parameters_alike():
    found = {each: derived(planted.NUMBERS, each) for each in LSTM}
    distances = {
        (one, other): np.abs(found[one] - found[other]).max()
        for one, other in combinations(found, 2)
    }
    assert min(distances.values()) > 1e-3, min(distances, key=distances.get)


@pytest.mark.parametrize(
    ("sizes", "missed"),
    [
        (dict(), set()),
        (dict(H=1), {"U-not-transposed"}),
        (dict(T=2, B=1, start=0.0), {"b-averaged", "batch-mean-forgotten"}),
        (
            dict(T=1, B=3, start=0.0),
            {
                "out-carry-dropped", "state-carry-dropped", "state-carry-alone", "f-for-slope",
                "b-overwritten", "U-not-transposed", "f-missing",
            },
        ),
    ],
)  # fmt: skip
def test_toy_checks_miss_mistakes(sizes, missed):
    assert unseen(planted.lstm_numbers(**sizes)) == missed


def test_the_usual_toy_check_misses_nine():
    assert len(unseen(planted.lstm_numbers(T=1, B=1, start=0.0))) == 9


# --- answers that people really gave --------------------------------------------------------------


def test_gomez_s_printed_numbers_are_right_but_for_rounding():
    printed, exact = case("gomez", "printed"), RIGHT["gomez"].hand()
    for name, g in printed.hand().items():
        laws.near(g, exact[name], printed.off)
    assert not tg.compare(printed.loss(), printed.hand()).ok


@pytest.mark.parametrize(
    ("mistakes", "published", "digits"),
    [((), 0.291027773693599, 5e-16), (("W-updated",), 0.291027924, 5e-10)],
)
def test_mazur_s_second_error(mistakes, published, digits):
    hand = planted.mazur_by_hand(*mistakes)
    W1, W2 = (planted.MAZUR_NUMBERS[name] for name in ("W1", "W2"))
    loss = planted.mazur_network(W1 - 0.5 * hand["hidden.W"], W2 - 0.5 * hand["output.W"])
    assert loss.item() == pytest.approx(published, abs=digits)


# --- networks at random ---------------------------------------------------------------------------


@pytest.mark.long
def test_random_networks_are_right_but_for_rounding():
    for each in random_cases(200):
        loss, hand = each.loss(), each.hand()
        signals = Signals(loss)
        assert hand.keys() > set(each.parameters), each.id
        exact = tg.grad(loss, [signals[name].tensor for name in hand])
        for g, right in zip(hand.values(), exact, strict=True):
            laws.near(g, right.data, each.off)


def test_random_networks_differ_and_the_same_one_does_not():
    losses = [each.loss().item() for each in random_cases(200)]
    assert len(set(losses)) > 190  # dead relus may leave the same number
    assert losses[7:9] == [each.loss().item() for each in random_cases(2, seed=7)]
