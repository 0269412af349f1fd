"""Whether a set-up is good enough to see the mistakes that people make."""

import planted
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import UsageError


def set_up(**sizes):
    return tg.adequacy(planted.lstm_network(planted.lstm_numbers(**sizes)))


def test_our_own_set_up_sees_every_mistake():
    found = set_up()
    assert found.ok and found.planted > 1000
    assert str(found) == f"all {found.planted} mistakes show"


@pytest.mark.parametrize(
    ("sizes", "unseen", "advice"),
    [
        ({"T": 1, "B": 1, "start": 0.0}, "derivative missing", "two steps or more"),
        ({"T": 1, "B": 3, "start": 0.0}, "carry dropped", "not zero"),
        ({"T": 2, "B": 1, "start": 0.0}, "sum over steps missing", "not zero"),
        ({"H": 1}, "weight not transposed", "no axis 1 long"),
    ],
    ids=["one step", "one step of a batch", "zero start", "one hidden unit"],
)
def test_a_toy_does_not(sizes, unseen, advice):
    found = set_up(**sizes)
    kinds = {each.what for each in found.unseen}
    assert not found.ok
    assert unseen in kinds
    assert any(advice in each for each in found.advice)
    assert "do not show, such as" in str(found)


def test_the_fewer_steps_the_more_is_missed():
    counts = [len(set_up(T=T, B=1, start=0.0).unseen) for T in (1, 2)]
    assert counts[0] > counts[1] > 0


def test_nothing_to_check_is_refused():
    with pytest.raises(UsageError):
        tg.adequacy(tg.Tensor(1.0))
