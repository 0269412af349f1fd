"""The classical problems: what a sample holds, and what a judge says of models that are known."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.peers import peer
from tinygrad_lstm import tasks
from tinygrad_lstm.errors import ArgumentError, PackageError, ShapeError, UsageError
from tinygrad_lstm.tasks import counting, grammars, recognition, series

SMALL = {
    "adding": lambda: tasks.adding(20),
    "temporal order": lambda: tasks.temporal_order(20),
    "copy": lambda: tasks.copy(3, 4),
    "reber": tasks.reber,
    "continual reber": lambda: tasks.continual_reber(30, 200),
    "anbn": tasks.anbn,
    "anbncn": tasks.anbncn,
    "mackey_glass": tasks.mackey_glass,
    "sunspots": tasks.sunspots,
    "characters": lambda: tasks.characters("to be or not to be, " * 60),
}
EVERY = pytest.mark.parametrize("name", SMALL)


def never(x, state=None):
    """Return a model's outputs of zeros, whatever the task."""
    return np.zeros((*x.shape[:2], never.width)), None


@EVERY
def test_a_sample_has_the_sizes_that_the_task_says(name):
    task = SMALL[name]()
    x, target, counts = task.draw(5, seed=0)
    assert x.shape == (len(x), 5, task.input_size)
    assert target.shape == (len(x), 5, task.output_size) and counts.shape == (len(x), 5, 1)
    assert set(np.unique(counts)) <= {0.0, 1.0} and counts.any(axis=0).all()
    assert not (target * (1 - counts)).any()


@EVERY
def test_the_seed_alone_decides_a_sample(name):
    task = SMALL[name]()
    first, again, other = (task.draw(5, seed=seed).x for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@EVERY
def test_a_model_that_always_says_the_same_does_not_meet_a_criterion(name):
    task = SMALL[name]()
    never.width = task.output_size
    assert not task.judge(never, seed=0).is_met


@EVERY
def test_the_loss_compiles_and_is_that_of_the_losses_of_the_package(name):
    task = SMALL[name]()
    lstm = tg.nn.LSTM(task.input_size, 3, seed=0)
    dense = tg.nn.Dense(3, task.output_size, seed=1)
    x, target, counts = task.draw(4, seed=0)
    step = tg.compile(lambda x, t, c: task.loss(dense(lstm(x)[0]), t, c))
    loss = step(x, target, counts)
    assert step.report().startswith("runs as")
    y, mask = dense(lstm(x)[0]), counts[..., 0] > 0
    if task.kind == "squares":
        expected = tg.nn.squared_error(y, target, mask=np.broadcast_to(counts > 0, y.shape))
    elif task.kind == "bits":
        expected = tg.nn.binary_cross_entropy_with_logits(
            y, target, mask=np.broadcast_to(counts > 0, y.shape), reduction="sum"
        )
    else:
        expected = tg.nn.softmax_cross_entropy(y, target, mask=mask, reduction="sum")
    assert loss.item() == pytest.approx(expected.item() / 4, rel=1e-12)


# --- each problem solved by a program -------------------------------------------------------------


def test_the_sum_of_the_marked_numbers_is_what_adding_wants():
    def sum_of_marked(x, state=None):
        values = np.where(x[..., 1] == 1.0, x[..., 0], 0.0)
        values[0] = 0.0  # a marked first number counts as 0
        return np.broadcast_to(0.5 + values.sum(axis=0) / 4, x.shape[:2])[..., None], None

    verdict = tasks.adding(20).judge(sum_of_marked, seed=0)
    assert verdict.is_met and verdict.value < 1e-12
    wrong = tasks.adding(20).judge(lambda x, state: (sum_of_marked(x)[0] + 0.05, None), seed=0)
    assert not wrong.is_met and wrong.value == pytest.approx(0.05)


def test_the_two_symbols_in_their_order_are_what_temporal_order_wants():
    def order(x, state=None):
        is_y = x[..., 7].cumsum(axis=0)  # 1 from the first Y on
        either = (x[..., 6] + x[..., 7]).cumsum(axis=0)
        first = (x[..., 7] * (either == 1)).sum(axis=0)
        second = is_y[-1] - first
        z = 20 * np.eye(4)[(2 * first + second).astype(int)]
        return np.broadcast_to(z, (len(x), *z.shape)), None

    assert tasks.temporal_order(20).judge(order, seed=0).is_met


def test_a_memory_solves_the_copy_task():
    def memory(x, state=None):
        said = np.zeros((*x.shape[:2], 9))
        said[:-3, :, 0] = 1.0
        said[-3:] = x[:3, :, :9]
        return said, None

    assert tasks.copy(3, 4).judge(memory, seed=0).is_met


def parser(*, forgets):
    """Return a model that knows the grammar; without the outer symbol, if it forgets."""

    def legal(symbols):
        string, outer, state, masks = 0, None, None, []
        for s in symbols:
            if s < 0:
                masks.append([False] * 7)
                continue
            letter = grammars.SYMBOLS[s]
            if string == 0:  # before the outer symbol
                string, allowed = 1, "TP"
            elif string == 1:
                outer, state, string, allowed = letter, 0, 2, "B"
            elif string == 2:
                state = grammars.INNER[state][letter]
                if state < 0:
                    string, allowed = 3, "TP" if forgets else outer
                else:
                    allowed = "".join(grammars.INNER[state])
            elif string == 3:
                string, allowed = 4, "E"
            else:
                string, allowed = 0, "B"
            masks.append([letter in allowed for letter in grammars.SYMBOLS])
        return masks

    def predict(x, state=None):
        before = [] if state is None else state
        numbers = np.where(x.any(axis=-1), x.argmax(axis=-1), -1)  # -1 is padding
        rows = [list(numbers[:, b]) for b in range(x.shape[1])]
        rows = [old + row for old, row in zip(before or [[]] * len(rows), rows)]
        z = np.array([legal(row) for row in rows], float).transpose(1, 0, 2)
        return z[-len(x) :], rows

    return predict


@pytest.mark.parametrize(
    "task", [tasks.reber(64), tasks.continual_reber(50, 500)], ids=["one", "many"]
)
def test_who_knows_the_grammar_is_right_and_who_forgets_the_outer_symbol_is_not(task):
    assert task.judge(parser(forgets=False), seed=0).is_met
    assert not task.judge(parser(forgets=True), seed=0).is_met


def test_each_string_of_the_grammar_is_embedded():
    random = np.random.default_rng(0)
    for _ in range(100):
        symbols, legal = grammars.string(random)
        word = "".join(grammars.SYMBOLS[s] for s in symbols)
        assert word[0] == "B" and word[1] == word[-2] in "TP" and word[2] == "B" and word[-1] == "E"
        assert all(s in allowed for s, allowed in zip(symbols[1:], legal, strict=True))


@pytest.mark.parametrize("letters", [2, 3])
def test_a_counter_accepts_the_language_up_to_where_it_counts(letters):
    def counter(most):
        def predict(x, state=None):
            row = list(x[:, 0].argmax(axis=-1))
            z = -np.ones((len(row), 1, letters + 1))
            for k in range(len(row)):
                counts = [min(row[: k + 1].count(s), most) for s in range(1, letters + 1)]
                at = row[k] - 1
                if at <= 0:
                    z[k, 0, 0] = 1
                if at == 0:
                    z[k, 0, 1] = 1
                if at > 0 and counts[at] < counts[0]:
                    z[k, 0, at] = 1
                elif at > 0:
                    z[k, 0, at + 1] = 1
            return z, None

        return predict

    assert counting.reached(counter(1000), letters, 30) == 30
    assert counting.reached(counter(12), letters, 30) == 12
    task = tasks.anbn(10, 20) if letters == 2 else tasks.anbncn(10, 20)
    assert task.judge(counter(20), seed=0).is_met
    assert task.judge(counter(12), seed=0) == (False, 12.0)


# --- series, text and digits ----------------------------------------------------------------------


def test_the_series_solves_the_equation():
    """Half the step gives the same numbers, to the error of the interpolation."""
    coarse = series.mackey_glass_series(200)
    steps, series.STEPS = series.STEPS, 20
    try:
        fine = series.mackey_glass_series(200)
    finally:
        series.STEPS = steps
    assert np.abs(coarse - fine).max() < 1e-4 < np.ptp(coarse)


def test_windows_end_where_the_forecast_begins():
    x, target, _ = tasks.sunspots(12).draw(10_000)
    numbers = series.sunspot_numbers()[1] / 191.2
    assert x.shape == (12, 1920 - 1711, 1)
    assert np.allclose(x[:, 0, 0], numbers[:12]) and target[-1, 0, 0] == numbers[12]
    assert target[-1, -1, 0] == numbers[1920 - 1700]


def test_last_years_number_has_the_error_that_is_known_of_it():
    """The error of persistence on 1921–1955, in units of the variance, computed by hand here."""
    numbers = series.sunspot_numbers()[1]
    expected = np.mean((numbers[221:256] - numbers[220:255]) ** 2) / 1535.0
    verdict = tasks.sunspots().judge(lambda x, state: (np.broadcast_to(x[-1], x.shape), None))
    assert not verdict.is_met and verdict.value == pytest.approx(expected)


def test_a_model_of_pairs_needs_the_bits_of_the_pairs():
    """Of a text whose next letter is one of two at random, one bit a letter."""
    random = np.random.default_rng(0)
    text = "".join("ab"[k] for k in random.integers(0, 2, 20_000))
    assert recognition.count_bits(text[:18_000], text[18_000:], 2) == pytest.approx(1.0, abs=2e-3)
    assert recognition.count_bits("aa", "z", 3) == pytest.approx(np.log2(5 * 2))


def test_digits_are_read_row_by_row():
    peer("sklearn")
    task = tasks.digits()
    x, target, counts = task.draw(10, seed=0)
    assert x.shape == (8, 10, 8) and target[-1].sum(axis=-1).tolist() == [1.0] * 10
    assert counts.sum() == 10 and x.min() >= 0.0 and x.max() <= 1.0


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[tasks\]'"):
        tasks.digits()


def test_a_state_without_a_forget_gate_only_adds():
    layer = tg.nn.Recurrent(tasks.NoForgetGate(2), 1, seed=0)
    x = np.ones((4, 1))
    out, (_, state) = layer(x)
    before = layer(x[:3])[1]
    s = x[3] @ layer.W.numpy() + layer.b.numpy() + before[0].numpy() @ layer.U.numpy()
    a, i, o = s[:2], s[2:4], s[4:]
    expected = before[1].numpy() + np.tanh(a) / (1 + np.exp(-i))
    assert np.allclose(state.numpy(), expected, rtol=0, atol=1e-15)
    assert np.allclose(out.numpy()[-1], np.tanh(expected) / (1 + np.exp(-o)), rtol=0, atol=1e-15)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: tasks.adding(5), ArgumentError, "adding: T must be at least 20, found 5"),
        (lambda: tasks.copy(0), ArgumentError, "copy: length must be at least 1"),
        (lambda: tasks.reber().draw(0), ArgumentError, "embedded Reber: count must be at least 1"),
        (lambda: tasks.reber().draw(1.5), UsageError, "count must be a whole number"),
        (lambda: tasks.anbn(n="2"), UsageError, "anbn: n must be a whole number, found '2'"),
        (lambda: tasks.sunspots(200), ArgumentError, "sunspots: window must be below 101"),
        (lambda: tasks.sunspots(most=-1), ArgumentError, "sunspots: most must be"),
        (lambda: tasks.characters("abc"), ArgumentError, "a text of 3 characters"),
        (lambda: tasks.characters(b"a" * 2000), UsageError, "source must be a string"),
        (lambda: tasks.adding(20).judge(never, seed=-1), ArgumentError, "seed must be at least 0"),
        (lambda: tasks.anbn().judge(lambda x, s: x[0]), UsageError, "expected the outputs and the"),
        (lambda: tasks.anbn().judge(lambda x, s: (x[0], s)), ShapeError, r"expected \(3, 1, 3\)"),
        (
            lambda: tasks.anbn().loss(np.ones((2, 1, 3)), np.ones((2, 1, 3)), np.ones(3)),
            ShapeError,
            "counts",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, said):
    with pytest.raises(error, match=said):
        call()
