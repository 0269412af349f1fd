"""Mistakes as people make them, named: one slip is told once, and what is right is not named."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import strangers
from support.strangers import CASES, correct_cases

FORWARD = ("function missing", "one step off")  # of a value, which shows in later derivatives


def of(case):
    return case.id


def compared(case, given):
    hand = case.hand()
    names = hand if given == "all" else case.parameters
    report = tg.compare(case.loss(), {name: hand[name] for name in names})
    report.diagnose(seconds=600)  # however busy the machine is
    return report


@pytest.mark.parametrize("case", correct_cases(), ids=of)
def test_what_is_right_agrees_with_the_tape(case):
    report = tg.compare(case.loss(), case.hand())
    assert report.ok, str(report)


@pytest.mark.parametrize("case", CASES, ids=of)
def test_a_mistake_is_first_seen_where_it_is_made(case):
    rows = tg.compare(case.loss(), case.hand()).rows
    wrong = {row.name for row in rows if not row.ok}
    assert set(case.where) <= wrong
    assert bool(wrong & set(case.parameters)) == case.in_parameters
    assert not set(list(case.hand())[: min(map(list(case.hand()).index, case.where))]) & wrong


@pytest.mark.parametrize("given", ["all", "parameters"])
@pytest.mark.parametrize("case", CASES, ids=of)
def test_a_mistake_is_named_first_and_once(case, given):
    if given == "parameters" and not case.in_parameters:
        return  # it shows in no parameter
    first = compared(case, given).mistakes[0]
    assert first.left == 0 and len(first.mistakes) == 1, first.says
    assert first.kind in case.named.split(" or "), first.says
    if given == "all" and first.kind not in FORWARD:
        assert stems([first.where]) & stems(case.hand()) <= stems(case.where), first.where


def stems(names):
    """Return names without steps; of a way from a signal to another, the other's."""
    ends = (name.rpartition("→ δ")[2] for name in names)
    return {name.partition("[")[0].partition("(")[0] for name in ends}


@pytest.mark.parametrize("case", correct_cases(), ids=of)
def test_noise_alone_is_not_named(case):
    rng = np.random.default_rng(0)
    noisy = {name: g * (1 + 1e-4 * rng.standard_normal(g.shape)) for name, g in case.hand().items()}
    for names in (noisy, case.parameters):
        assert not tg.compare(case.loss(), {name: noisy[name] for name in names}).mistakes


def test_each_network_has_ten_mistakes_or_more():
    assert all(len(network.mistakes) > 9 for network in strangers.NETWORKS.values())


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("batched", "Q-for-K"), "Q stands where K belongs, on the way to δQ"),
        (("batched", "bo-of-last-position"), "counts only the last position along axis 1"),
        (("batched", "target-left-out"), "squared_error.target is not subtracted: y stands"),
        (("convolved", "onehot-missing"), "the target is not subtracted: δdense.y lacks"),
        (("columns", "h-for-before"), "h(k) stands where h(k-1) belongs in z(k), in the gradient"),
        (("squares", "Wx-for-Wh"), "Wxᵀ stands where Whᵀ belongs, on the way to δh(k-1)"),
        (("columns", "i-of-h"), "δi(k) is computed from δh(k), not from δC(k)"),
        (("additive", "score-path"), "δstates lacks the part that flows back from the use of"),
        (("additive", "query-path"), "δh[3] lacks the part that flows back from the use of h[3]"),
    ],
)
def test_a_mistake_is_told_in_the_author_s_names(names, says):
    assert says in compared(strangers.case(*names), "all").mistakes[0].says


PAIRS = [
    ("chars", "Whh-not-transposed", "bias-of-dWhh"), ("chars", "carry-reset", "rate"),
    ("chars", "bracket", "decay"), ("columns", "slopes-missing", "C-carry-reset"),
    ("columns", "b-averaged", "x-then-h"), ("columns", "C-for-before", "f-left-out"),
    ("gated", "U-not-transposed", "r-sign"), ("gated", "z-r-exchanged", "1-z-path-missing"),
    ("gated", "slopes-missing", "h-for-q"), ("normed-lstm", "both-constant", "h-carry-missing"),
    ("normed-lstm", "gains-missing", "state-carry-missing"),
    ("causal", "diagonal-alone", "scale-missing"), ("causal", "P-not-transposed", "mean-forgotten"),
    ("convolved", "mask-missing", "b-averaged"), ("convolved", "pool-to-all", "decay"),
    ("translator", "slopes-missing", "last-loss-alone"),
]  # fmt: skip


@pytest.mark.parametrize("given", ["all", "parameters"])
@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_two_slips_are_named_together(names, given):
    first = compared(strangers.case(*names), given).mistakes[0]
    network, *slips = names
    kinds = [strangers.NETWORKS[network].mistakes[slip][2].split(" or ") for slip in slips]
    assert first.left == 0 and len(first.mistakes) == 2, first.says
    one, other = (mistake.kind for mistake in first.mistakes)
    assert (one in kinds[0] and other in kinds[1]) or (one in kinds[1] and other in kinds[0])
