"""Whether a set-up is good enough to see the mistakes that people make."""

from functools import cache
from html import escape
from importlib import import_module
from itertools import count

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted
from tinygrad_lstm.check.adequacy import LISTED
from tinygrad_lstm.check.mistakes import mistakes
from tinygrad_lstm.check.trials import NO_ROOM, Trials
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.formulas.called import called
from tinygrad_lstm.formulas.columns import WIDTH
from tinygrad_lstm.network.view import Answer, View

EXACT = dict(rtol=1e-9, atol=1e-12)


@cache
def set_up(**sizes):
    """Return what a set-up of these sizes shows, tried once for all tests."""
    return tg.adequacy(planted.lstm_network(planted.lstm_numbers(**sizes)))


def key(mistake):
    return mistake.kind, mistake.says


@pytest.fixture(scope="module")
def the_19():
    """Which mistakes of the library each of the 19 is, where all can be told apart."""
    case = planted.case("lstm")
    view = View(case.loss(), call=called)

    def leaves(hand):
        packed = {name: view.signals.parts.get(name, ()) for name in (*case.parameters, "x")}
        return {f"δ{name}": hand[name] for name, parts in packed.items() if not parts} | {
            f"δ{part.name}": part.of(hand[name]) for name, parts in packed.items() for part in parts
        }

    planted_ones = {x: leaves(planted.lstm_by_hand(planted.NUMBERS, x)) for x in planted.LSTM}
    found = {name: set() for name in planted_ones}
    ends = [Answer(node.name, node.inputs[0], None, np.empty(0))
            for node in view.adjoint.nodes if node.kind == "output"]  # fmt: skip
    trials = Trials(view.adjoint, ends, False)
    for each in mistakes(view):
        try:
            with np.errstate(all="ignore"):
                changed = trials.expected | trials.run([each.change])
        except NO_ROOM:
            continue
        gives = {end.name: changed[at] for at, end in enumerate(ends)}
        for name, hand in planted_ones.items():
            if all(same(gives[leaf], value) for leaf, value in hand.items()):
                found[name].add(key(each))
    assert all(found.values())
    return found


def same(one, other):
    return np.shape(one) == np.shape(other) and np.allclose(one, other, **EXACT)


@pytest.mark.parametrize(
    ("sizes", "missed"),
    [
        ({}, set()),
        ({"H": 1}, {"U-not-transposed"}),
        ({"T": 2, "B": 1, "start": 0.0}, {"b-averaged", "batch-mean-forgotten"}),
        (
            {"T": 1, "B": 3, "start": 0.0},
            {
                "out-carry-dropped", "state-carry-dropped", "state-carry-alone", "f-for-slope",
                "b-overwritten", "U-not-transposed", "f-missing",
            },
        ),
        (
            {"T": 1, "B": 1, "start": 0.0},
            {
                "out-carry-dropped", "state-carry-dropped", "state-carry-alone", "f-for-slope",
                "b-overwritten", "U-not-transposed", "f-missing",
                "b-averaged", "batch-mean-forgotten",
            },
        ),
    ],
    ids=["ours", "one hidden unit", "zero start", "one step of a batch", "one step"],
)  # fmt: skip
def test_what_of_the_19_a_set_up_misses(the_19, sizes, missed):
    unseen = {key(each) for each in set_up(**sizes).unseen}
    assert {name for name, several in the_19.items() if several & unseen} == missed


def test_our_own_set_up_sees_every_mistake():
    found = set_up()
    assert found.ok and found.planted > 1000
    assert str(found) == f"all {found.planted} mistakes show"


ZERO = "start from states that are not zero"
LAST = "let every step add to the loss, not the last one alone"
RANDOM = "take random inputs, weights and targets"
LONG = "use two or more samples, features and hidden units"
OURS = {
    "lstm": (), "mlp": (), "softmax": (), "elman": (), "gru": (), "formula": (), "mazur": (),
    "fir": (ZERO,), "question": (LONG, ZERO), "gomez": (LONG, ZERO), "gers": (ZERO,), "tmva": (),
    "leaky": (ZERO, LAST), "rms": (), "norm": (), "attention": (), "residual": (), "cosine": (),
    "layer-norm": (RANDOM,), "batch-norm": (RANDOM,), "std": (RANDOM,), "tied": (RANDOM,),
    "vae": (RANDOM,), "characters": (ZERO, LAST), "characters-plain": (), "embedding": (),
}  # fmt: skip


@pytest.mark.parametrize("network", planted.NETWORKS)
def test_what_the_networks_of_our_tests_do_not_show(network):
    """Some have a zero start, as their authors had, Gomez one hidden unit, leaky one loss."""
    found = tg.adequacy(planted.case(network).loss())
    assert set(found.advice) == set(OURS[network])
    for each in found.unseen:
        told = f"{each.says} {each.where}"
        assert each.kind in UNSEEN or any(says in told for says in NEVER[network])


UNSEEN = {
    "sum over steps missing", "factor of the wrong step", "weight not transposed",
    "gradient transposed", "start taken as zero", "start taken as the last",
    "overwritten by the carry", "last error alone",
}  # fmt: skip
NEVER = {  # what is no mistake in these networks, whatever the numbers: where it is told
    "layer-norm": ("s stands where (s - ",),  # differs by what the mean takes away
    "batch-norm": ("s stands where (s - ",),
    "std": ("Σ s",),  # the mean, through which nothing comes back: Σ (s - mean) = 0
    "tied": ("squared_error.target stands where x belongs",),  # x is the target
    "vae": ("squared_error.target stands where x belongs",),
}


@pytest.mark.parametrize(
    ("sizes", "unseen", "advice"),
    [
        ({"T": 1, "B": 1, "start": 0.0}, "derivative missing", "two steps or more"),
        ({"T": 1, "B": 3, "start": 0.0}, "carry dropped", "not zero"),
        ({"T": 2, "B": 1, "start": 0.0}, "sum over steps missing", "not zero"),
        ({"H": 1}, "weight not transposed", "two or more samples"),
    ],
    ids=["one step", "one step of a batch", "zero start", "one hidden unit"],
)
def test_a_toy_is_told_what_to_change(sizes, unseen, advice):
    found = set_up(**sizes)
    kinds = {each.kind for each in found.unseen}
    assert not found.ok
    assert unseen in kinds
    assert any(advice in each for each in found.advice)
    assert "do not show, such as" in str(found)
    assert repr(found) == f"<Adequacy: {len(found.unseen)} of {found.planted} mistakes do not show>"
    assert max(map(len, str(found).splitlines())) <= WIDTH
    assert escape(str(found)) in found._repr_html_()


def test_the_printed_report_lists_the_first_mistakes_alone():
    found = set_up(T=1, B=1, start=0.0)
    listed = [each for each in str(found).splitlines() if each.startswith("  ")]
    assert len(found.unseen) > LISTED > 0
    text = " ".join(str(found).split())
    assert all(" ".join(each.says.split()) in text for each in found.unseen[:LISTED])
    assert found.unseen[LISTED].says not in text and len(listed) >= LISTED


def test_the_fewer_steps_the_more_is_missed():
    counts = [len(set_up(T=T, B=1, start=0.0).unseen) for T in (1, 2)]
    assert counts[0] > counts[1] > 0


def test_a_limit_that_ends_the_work_is_told():
    y = x = tg.Tensor([0.2, -0.3, 0.5], requires_grad=True, name="x")
    for k in range(300):
        y = tg.tanh(y * (1 + k / 100)) + 0.01 * x
    found = tg.adequacy(tg.sum(y * y), seconds=0.5)
    assert found.is_cut and not found.ok and found.listed >= found.planted
    assert f"looked at {found.planted:,} of " in str(found)


def test_how_many_mistakes_were_left_out_is_told_where_they_could_be_counted(monkeypatch):
    whole = set_up()
    assert not whole.is_cut and whole.is_counted and whole.listed == whole.planted
    clock = count()
    for each in ("monotonic", "thread_time"):
        monkeypatch.setattr(f"tinygrad_lstm.engine.limit.{each}", lambda: next(clock))
    monkeypatch.setattr(import_module("tinygrad_lstm.check.adequacy"), "LISTING", 1e6)
    loss = planted.lstm_network(planted.lstm_numbers())
    tg.adequacy(loss, seconds=float("inf"))
    took = next(clock)
    cut = tg.adequacy(loss, seconds=took - whole.planted // 2)  # one look for each mistake
    assert cut.is_cut and cut.is_counted and 0 < cut.planted < whole.planted
    assert f"looked at {cut.planted:,} of {cut.listed:,} mistakes: the time was up" in str(cut)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_an_empty_leaf_is_no_hindrance(shape):
    empty = tg.Tensor(np.zeros(shape), requires_grad=True, name="empty")
    x = tg.Tensor([1.0, -2.0, 0.5], requires_grad=True, name="x")
    found = tg.adequacy(tg.sum(tg.tanh(empty)) + tg.sum(x * x * 0.3))
    assert found.planted > 10 and found.unseen
    report = tg.compare(
        tg.sum(empty * 2.0) + tg.sum(x**2), {"x": x.numpy(), "empty": empty.numpy()}
    )
    assert report.mistakes


def test_nothing_to_check_is_refused():
    with pytest.raises(UsageError):
        tg.adequacy(tg.Tensor(1.0))
