"""Holds what is timed to one another: the layers' gradients and those written by hand."""

import numpy as np
import pytest

from benchmarks import ladder
from benchmarks.by_hand import check
from benchmarks.problem import NETWORKS, Size, make
from benchmarks.systems import tape
from benchmarks.updates import Counter, word

EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


def found(network):
    problem = make(Size(7, 3, 2, 4), network).astype(np.float64)
    step, read = tape.build(problem)
    step()
    return problem, {name: np.array(each) for name, each in read().items()}


@EVERY
def test_the_layers_gradients_are_those_by_hand(network):
    check(*found(network), "float64")


@EVERY
def test_a_gradient_that_is_off_missing_or_misshapen_is_refused(network):
    problem, gradients = found(network)
    for name, each in gradients.items():
        for wrong, says in ((each + 1e-9, "off by"), (each[:-1], "shape")):
            with pytest.raises(ValueError, match=f"gradient of {name}: {says}"):
                check(problem, gradients | {name: wrong}, "float64")
        rest = {other: array for other, array in gradients.items() if other != name}
        with pytest.raises(ValueError, match=f"gradient of {name}: missing"):
            check(problem, rest, "float64")


def test_sequences_that_are_padded_have_unsorted_lengths():
    lengths = make(Size(20, 8, 2, 2), NETWORKS["padded"]).lengths
    assert lengths.max() <= 20 and lengths.min() >= 10 and len(set(lengths)) > 3
    assert list(lengths) != sorted(lengths) and list(lengths) != sorted(lengths)[::-1]


def test_a_word_says_what_may_follow():
    x, y = word(2)
    letters = ["Sabc"[k] for k in x.argmax(1)]
    follows = ["".join(np.array([*"abcT"])[row > 0]) for row in y]
    assert letters == [*"Saabbcc"]
    assert follows == ["a", "ab", "ab", "b", "c", "c", "T"]


def test_the_filter_learns_from_words():
    counter = Counter(0)

    def error():
        state, total = (np.zeros(4), np.zeros(4)), 0.0
        for letter, follows in zip(*word(3), strict=True):
            state = counter.cell(letter, state)
            total += ((counter.dense(state[0]).data - follows) ** 2).mean()
        return total / 10

    before = error()
    for k in range(8):
        counter.learn(k / 100)
    assert error() < 0.5 * before
    assert not counter.cell.U.data.any()


@pytest.mark.long
def test_a_task_is_trained_until_its_criterion_is_met():
    recipe = ladder.RECIPES["aⁿbⁿcⁿ"]
    watched = []
    run = ladder.train(recipe, 100, lambda k, value: watched.append((k, value)))
    assert run.is_met and run.updates < recipe.most and run.curve == watched
    assert run.curve[-1] == (run.updates, 20.0) and run.seconds > 0
    task = recipe.task()
    net = ladder.build(recipe, task, 100)
    assert not task.judge(net.predict, 0).is_met  # it was not born so
    assert run.weights == sum(x.size for x in net.parameters())


def test_a_task_that_is_not_solved_is_counted_so(tmp_path):
    recipe = ladder.RECIPES["aⁿbⁿcⁿ"]._replace(most=2, every=1)
    runs = [ladder.train(recipe, 0), ladder.Run(True, 7, 1.5, 452, [(7, 20.0)])]
    assert runs[0][:2] == (False, 2) and len(runs[0].curve) == 2
    row = ladder.row("aⁿbⁿcⁿ", recipe, runs)
    assert row[2:6] == ["1 of 2", "7 (7)", "70", "1.5 (1.5)"]
    assert ladder.row("aⁿbⁿcⁿ", recipe, runs[:1])[2:6] == ["0 of 1", "–", "–", "–"]
    assert "\\|error\\| < 1" in ladder.table([["|error| < 1"]])
    assert ladder.table([row]).splitlines()[2] == f"| {' | '.join(row)} |"
    path = ladder.plot({"aⁿbⁿcⁿ": runs}, tmp_path / "x.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_input_gates_begin_as_the_recipe_says():
    recipe = ladder.RECIPES["adding"]
    biases = ladder.build(recipe, recipe.task(), 0).layer.b.numpy().reshape(4, -1)
    assert biases.tolist() == [[b] * recipe.cells for b in (0.0, -4.0, 8.0, 0.0)]
