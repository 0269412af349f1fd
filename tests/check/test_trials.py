"""Trials of changes agree with running the whole changed network, and so does their screen."""

from functools import cache

import numpy as np
import pytest

from support import planted
from tinygrad_lstm.check.blame import judgements
from tinygrad_lstm.check.mistakes import Change, leading_to, mistakes
from tinygrad_lstm.check.screen import Screen
from tinygrad_lstm.check.together import Together, chunks
from tinygrad_lstm.check.trials import NO_ROOM, Trials
from tinygrad_lstm.engine.limit import Clock, TimeUp
from tinygrad_lstm.errors import ArgumentError
from tinygrad_lstm.network.view import View

CASES = [*planted.correct_cases(), *planted.random_cases(8, seed=3)]
SAMPLE = 60  # mistakes tried of each network


@cache
def some_mistakes(case):
    """Return the network of a case, and some of its mistakes."""
    view = View(case.loss())
    several = list(mistakes(view))
    size = min(len(several), SAMPLE)
    chosen = np.random.default_rng(5).choice(len(several), size, replace=False)
    return view, [several[k] for k in chosen]


def set_up(case, names):
    """Return what an author derived with noise in it, the trials, and some mistakes."""
    (view, several), rng = some_mistakes(case), np.random.default_rng(6)
    noisy = {n: v * (1 + 0.01 * rng.normal(size=v.shape)) for n, v in case.hand().items()}
    answers = view.answers({name: noisy[name] for name in names if name in noisy})
    return view, answers, Trials(view.adjoint, answers, True), several


def whole(view, answers, change):
    """Return what the whole changed network makes of the given gradients.

    What led to them before the change is computed, too, as the author has to compute it.
    """
    allowed = [np.zeros(each.value.shape) for each in answers]
    wires, changed = {each.wire for each in answers}, change(view.adjoint)
    before = {wire for node in leading_to(view.adjoint, wires).nodes for wire in node.outputs}
    network = leading_to(changed, wires | (before & changed.maker.keys()))
    position = {id(each): key for key, each in enumerate(answers)}
    return {
        position[id(each.answer)]: each.expected for each in judgements(network, answers, allowed)
    }


def attempt(run, *arguments):
    """Return what a run comes to, or None if shapes do not allow it."""
    with np.errstate(all="ignore"):
        try:
            return run(*arguments)
        except NO_ROOM:
            return None


def is_same(one, other):
    if np.shape(one) != np.shape(other):
        return False
    size = np.max(np.abs(one), where=np.isfinite(one), initial=1.0)
    return np.allclose(one, other, rtol=1e-9, atol=1e-11 * size, equal_nan=True)


def run_together(trials, several):
    """Return what one run makes of each of several changes, or sets of changes."""
    together = Together(trials)
    with np.errstate(all="ignore"):
        return [x for part in chunks(iter(several), together.most) for x in together.run(part)]


@pytest.mark.parametrize("which", ["all", "parameters"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.parametrize("count", [1, 2], ids=["single mistakes", "pairs"])
def test_only_what_a_mistake_leads_to_runs_again(case, which, count):
    """Each mistake, or each with the next one, run alone and in one run with all others."""
    names = case.hand() if which == "all" else case.parameters
    view, answers, trials, mistakes = set_up(case, names)
    several = [[x.change for x in mistakes[at : at + count]] for at in range(len(mistakes))]
    results = run_together(trials, several)
    assert sum(result is not None for result in results) >= 0.45 * len(several)
    for mistake, changes, result in zip(mistakes, several, results, strict=True):
        right = attempt(whole, view, answers, Change.all(changes))
        alone = attempt(trials.run, changes)
        assert (right is None) == (alone is None), mistake.says
        assert result is None or result.keys() == alone.keys(), mistake.says
        for values in (alone, result):
            if values is not None:
                expected = trials.expected | values
                assert all(is_same(right[key], expected[key]) for key in right), mistake.says


@pytest.mark.parametrize("which", ["all", "parameters"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_mistake_moves_given_gradients_as_the_screen_says(case, which):
    names = case.hand() if which == "all" else case.parameters
    _, answers, trials, several = set_up(case, names)
    aims = {
        key: answers[key].value - value
        for key, value in trials.expected.items()
        if answers[key].value.shape == value.shape
    }
    screen = Screen(trials, aims, {key: np.zeros_like(aim) for key, aim in aims.items()})
    weights = np.random.default_rng(0)
    weights = {key: weights.normal(size=aim.shape) for key, aim in aims.items()}
    screened = 0
    for mistake in several:
        moves = attempt(screen.moves, mistake.change)
        found = attempt(trials.run, [mistake.change])
        if moves is None or found is None:
            continue
        screened += 1
        moved = sum(np.sum(weights[key] * (x - trials.expected[key])) for key, x in found.items())
        assert moves[0] == pytest.approx(moved, rel=1e-6, abs=1e-12 + 100 * moves[1]), mistake.says
    assert screened > len(several) / 4


def test_the_network_is_left_when_the_time_is_up():
    case = planted.case("lstm")
    view = View(case.loss())
    with pytest.raises(TimeUp), Clock(0):
        Trials(view.adjoint, view.answers(case.hand()), True)


@pytest.mark.parametrize("seconds", ["1", None, float("nan"), True, -1, -0.5])
def test_a_time_limit_is_a_number(seconds):
    with pytest.raises(ArgumentError, match="seconds is"):
        Clock(seconds)
