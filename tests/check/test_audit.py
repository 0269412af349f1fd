"""All mistakes of a derivation that has several, on mistakes planted by hand."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted

SIX = (
    "batch-mean-forgotten", "state-slope-missing", "state-carry-dropped", "f-for-slope",
    "out-not-before", "b-averaged",
)  # fmt: skip
SEVERAL = [
    SIX,
    ("U-not-transposed", "state-slope-missing", "f-missing", "plus-for-minus", "b-of-f-for-i",
     "minus-forgotten"),
    ("b-doubled", "state-not-before", "f-missing", "state-slope-missing", "plus-for-minus"),
    ("plus-for-minus", "U-not-transposed", "out-not-before", "batch-mean-forgotten"),
    ("i-for-a", "state-for-tanh", "a-slope-missing", "b-overwritten"),
    ("out-carry-dropped", "f-not-after", "slope-at-gate"),
]  # fmt: skip
FROM_PARAMETERS = [
    ("batch-mean-forgotten", "state-slope-missing"),
    ("f-not-after", "b-of-f-for-i"),
    ("batch-mean-forgotten", "f-missing", "out-not-before", "b-averaged"),
]


def kinds(*mistakes):
    """Return the kinds of the LSTM's planted mistakes."""
    return sorted(planted.case("lstm", each).named for each in mistakes)


def audit_of(*mistakes, parameters=False, **options):
    case = planted.case("lstm", *mistakes)
    hand = case.hand()
    names = case.parameters if parameters else hand
    return tg.audit(case.loss(), {name: hand[name] for name in names}, **options)


def kinds_in(audit):
    return sorted(each.mistake.kind for each in audit.mistakes)


@pytest.mark.parametrize("mistakes", SEVERAL, ids="+".join)
def test_all_mistakes_are_named_and_none_besides(mistakes):
    audit = audit_of(*mistakes)
    assert kinds_in(audit) == kinds(*mistakes), str(audit)
    assert not audit.unexplained and not audit.is_cut and not audit.ok


@pytest.mark.parametrize("mistakes", FROM_PARAMETERS, ids="+".join)
def test_all_mistakes_are_named_from_parameters_alone(mistakes):
    audit = audit_of(*mistakes, parameters=True, seconds=600)
    assert kinds_in(audit) == kinds(*mistakes), str(audit)
    assert not audit.unexplained


@pytest.mark.parametrize("mistake", planted.LSTM)
def test_one_mistake_is_one(mistake):
    audit = audit_of(mistake)
    assert kinds_in(audit) == kinds(mistake), str(audit)


def test_mistakes_stand_in_the_order_of_the_backward_pass():
    wheres = [each.mistake.where.partition("(")[0] for each in audit_of(*SIX).mistakes]
    assert wheres[1:4] == ["lstm.state", "lstm.state", "lstm.s_f"]
    assert set(wheres[4:]) == {"lstm.b.o", "lstm.U.o"}


def test_numbers_are_of_the_author_s_own_chain():
    """What is right is computed from the author's wrong numbers, not from the tape's."""
    case = planted.case("lstm", *SIX)
    hand, signals = case.hand(), tg.signals(case.loss())
    (slope,) = (x for x in audit_of(*SIX).mistakes if x.mistake.kind == "derivative missing")
    assert slope.signals[0] == "lstm.state[3]"
    gate, squashed = (signals[f"lstm.{name}[3]"].value for name in ("o", "tanh"))
    right = hand["lstm.out[3]"] * gate * (1 - squashed**2)
    assert slope.found == hand["lstm.state[3]"][slope.at]
    assert np.isclose(slope.expected, right[slope.at], rtol=1e-12, atol=0)
    assert not np.isclose(slope.expected, signals["lstm.state[3]"].gradient[slope.at])


def test_what_is_right_has_no_mistakes():
    audit = audit_of()
    assert audit.ok and not audit.mistakes and not audit.unexplained
    assert str(audit).endswith("all agree") and repr(audit) == "<Audit: 52 signals: all agree>"


def test_what_no_mistake_explains_is_said_and_the_rest_is_named():
    case = planted.case("lstm", "f-for-slope", "b-averaged")
    hand = case.hand()
    hand["dense.W"] = hand["dense.W"] + np.random.default_rng(1).normal(size=(3, 2))
    audit = tg.audit(case.loss(), hand)
    assert kinds_in(audit) == kinds("f-for-slope", "b-averaged")
    assert audit.unexplained == ("dense.W",)
    assert "no mistake explains: dense.W" in str(audit)


def test_the_time_limits_the_search():
    audit = audit_of(*SIX, seconds=0)
    assert audit.is_cut and "the time was up" in str(audit)


def test_noise_is_said_to_be_noise():
    case, random, hand = planted.case("lstm"), np.random.default_rng(0), planted.case("lstm").hand()
    off = {name: 1 + 1e-7 * random.uniform(-1, 1, hand[name].shape) for name in case.parameters}
    audit = tg.audit(case.loss(), {name: hand[name] * off[name] for name in off})
    assert not audit.mistakes and "noise" in str(audit)


def test_without_answers_no_right_number_is_told():
    audit = audit_of(*SIX)
    text = audit.text(answers=False)
    numbers = re.findall(r"\d+\.\d+", text)
    assert not numbers and "by hand" not in text and "right:" not in text
    assert not {"expected", "equation", "found"} & set(audit.as_dict(answers=False)["mistakes"][0])
    assert audit.as_dict()["mistakes"][0]["expected"] is not None


def test_compare_points_to_it():
    case = planted.case("lstm", *SIX)
    assert "tg.audit(loss, hand)" in " ".join(str(tg.compare(case.loss(), case.hand())).split())
