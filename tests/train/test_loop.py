"""``tg.train.fit``: the loop that people write, what it keeps, and what ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import (
    ArgumentError,
    FileError,
    GradientError,
    ShapeError,
    SignalError,
    UsageError,
)
from tinygrad_lstm.train import fit, restore
from tinygrad_lstm.train.batches import Batches
from tinygrad_lstm.train.checkpoint import read_checkpoint, state_of, write_checkpoint
from tinygrad_lstm.train.not_finite import first_not_finite

RANDOM = np.random.default_rng(0)
ITEMS = [
    (x := RANDOM.normal(size=(T, 2)), x.sum(axis=1, keepdims=True).cumsum(axis=0))
    for T in (3, 5, 4, 6, 3, 5, 2)
]
EQUAL = [(x[:2], target[:2]) for x, target in ITEMS]


class Setup:
    """A model with dropout, its update, its schedule and its loss, all from one seed."""

    def __init__(self, seed=0, hidden=4):
        self.seed = seed
        self.lstm = tg.nn.LSTM(2, hidden, seed=seed)
        self.net = tg.nn.Sequential(
            self.lstm, tg.nn.Dropout(0.2, seed=7), tg.nn.Dense(hidden, 1, seed=seed + 1)
        )
        self.update = tg.optim.Adam(self.net.parameters(), lr=0.02)
        self.schedule = tg.optim.CosineAnnealingLR(self.update, 40)

    def loss(self, x, target, lengths=None):
        more = {} if lengths is None else {"lengths": lengths}
        return tg.nn.mean_squared_error(self.net(x), target, **more)

    def fit(self, data=ITEMS, **options):
        options = {"epochs": 4, "batch": 2, "progress": False, **options}
        return fit(self.net, data, self.loss, self.update, schedule=self.schedule, **options)

    def numbers(self):
        return np.concatenate([x.numpy().ravel() for x in self.net.parameters()])


# --- the loop is the one that people write --------------------------------------------------------


def test_fit_is_the_loop_that_people_write():
    by_fit, by_hand = Setup(), Setup()
    history = by_fit.fit(clip=0.5)
    batches = Batches("hand", ITEMS, 2, 0)
    losses = []
    for epoch in range(4):
        for (x, target), lengths in batches.epoch(epoch):
            by_hand.update.zero_grad()
            loss = by_hand.loss(x, target, lengths)
            loss.backward()
            tg.optim.clip_grad_norm_(by_hand.update.params, 0.5)
            by_hand.update.step()
            by_hand.schedule.step()
            losses.append(loss.item())
    assert np.array_equal(by_fit.numbers(), by_hand.numbers())
    assert [row["loss"] for row in history.rows] == [
        pytest.approx(np.mean(losses[k : k + 4])) for k in range(0, 16, 4)
    ]
    assert history.stopped == "all epochs" and by_fit.net.training


def test_a_compiled_loss_gives_the_same_to_rounding():
    eager, compiled = Setup(), Setup()
    for setup in (eager, compiled):
        setup.net = tg.nn.Sequential(setup.lstm, setup.net[-1])
        setup.update = tg.optim.Adam(setup.net.parameters(), lr=0.02)
    validation = EQUAL[:3]
    first = fit(eager.net, EQUAL, eager.loss, eager.update, epochs=3, batch=7,
                validation=validation, progress=False)  # fmt: skip
    step = tg.compile(lambda x, target: compiled.loss(x, target))
    second = fit(compiled.net, EQUAL, step, compiled.update, epochs=3, batch=7,
                 validation=validation, progress=False)  # fmt: skip
    assert step.report().startswith("runs as")
    assert np.allclose(eager.numbers(), compiled.numbers(), rtol=0, atol=1e-12)
    assert [r["validation"] for r in first.rows] == pytest.approx(
        [r["validation"] for r in second.rows], rel=1e-12
    )


def test_validation_is_the_loss_of_the_model_in_use():
    setup = Setup()
    history = setup.fit(validation=ITEMS, epochs=1)
    setup.net.eval()
    total = [
        setup.loss(x, target, lengths).item() * len(lengths)
        for (x, target), lengths in Batches("hand", ITEMS, 2, 0).epoch(None)
    ]
    assert history.rows[0]["validation"] == pytest.approx(sum(total) / len(ITEMS), rel=1e-12)


def test_training_ends_when_nothing_is_gained_and_keeps_the_best(tmp_path):
    setup = Setup()
    setup.update.lr = 0.5
    setup.schedule = None
    history = setup.fit(EQUAL[:4], validation=EQUAL[4:], patience=3, epochs=200, folder=tmp_path)
    values = [row["validation"] for row in history.rows]
    assert history.stopped == "patience" and len(values) < 200
    assert history.best == int(np.argmin(values)) == len(values) - 4
    best = Setup(seed=5)
    restore(tmp_path / "best.npz", best.net)
    assert np.array_equal(best.numbers(), setup.numbers())
    restore(tmp_path / "last.npz", best.net)
    assert not np.array_equal(best.numbers(), setup.numbers())


def test_a_schedule_on_a_plateau_gets_the_validation_loss():
    setup = Setup()
    setup.schedule = tg.optim.ReduceLROnPlateau(setup.update, factor=0.1, patience=0, threshold=1e9,
                                                threshold_mode="abs")  # fmt: skip
    history = setup.fit(validation=ITEMS, epochs=3)
    assert [row["lr"] for row in history.rows] == pytest.approx([0.02, 0.02, 0.002])


# --- batches --------------------------------------------------------------------------------------


def test_each_item_is_once_in_an_epoch_beside_items_of_its_length():
    lengths = np.random.default_rng(1).integers(1, 30, 64)
    data = [(np.full((T, 1), n), n) for n, T in enumerate(lengths)]
    batches = Batches("fit", data, 8, seed=3)
    orders = [[*map(tuple, batches.order(epoch))] for epoch in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert sorted(n for batch in order for n in batch) == [*range(64)]
        spans = [np.ptp(lengths[list(batch)]) for batch in order]
        assert sum(spans) <= 29
    for (x, numbers), own in batches.epoch(0):
        assert x.shape == (own.max(), 8, 1) and numbers.shape == (8,)
        for b, (n, T) in enumerate(zip(numbers, own)):
            assert (x[:T, b] == n).all() and (x[T:, b] == 0).all() and lengths[n] == T


def test_whole_numbers_along_one_axis_are_steps_and_other_numbers_are_not():
    tokens = [(np.arange(T), np.ones(3)) for T in (2, 4)]
    (((x, vector), lengths),) = Batches("fit", tokens, 2, seed=0).epoch(None)
    assert x.T.tolist() == [[0, 1, 0, 0], [0, 1, 2, 3]] and x.dtype.kind == "i"
    assert vector.shape == (2, 3) and lengths.tolist() == [2, 4]


# --- files: whole, and enough to go on from -------------------------------------------------------


def test_a_checkpoint_gives_back_what_was_written(tmp_path):
    tree = {"a": np.arange(3.0), 4: [1, (2.5, None)], "b": {"c": float("inf"), "d": 2**100},
            "e": np.zeros((0, 2), np.float32), "f": np.float64(0.1), "g": True}  # fmt: skip
    path = write_checkpoint(tree, tmp_path / "x.npz")
    again = read_checkpoint(path)
    assert again.pop("a").tolist() == [0, 1, 2] and again.pop("e").dtype == np.float32
    assert again == {k: tree[k] for k in (4, "b", "f", "g")}
    assert path.read_bytes() == write_checkpoint(tree, tmp_path / "y.npz").read_bytes()


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_that_goes_on_is_the_same_to_the_last_bit(tmp_path, epochs):
    whole, parts = Setup(), Setup()
    np.random.seed(5)
    expected = whole.fit(folder=tmp_path / "whole", validation=EQUAL)
    np.random.seed(5)
    parts.fit(folder=tmp_path / "parts", validation=EQUAL, epochs=epochs)
    fresh = Setup(seed=9)
    np.random.seed(6)
    history = fresh.fit(folder=tmp_path / "parts", resume=True, validation=EQUAL)
    assert history.rows == expected.rows
    assert np.array_equal(fresh.numbers(), whole.numbers())
    files = [(tmp_path / name / "last.npz").read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1]


def masks_of(setup):
    return [None if x.mask is None else x.mask.tolist() for x in setup.net.parameters()]


def test_a_culled_network_goes_on_and_comes_back_with_its_masks(tmp_path):
    whole, parts = Setup(), Setup()
    for setup in (whole, parts):
        setup.fit(epochs=1, validation=EQUAL)
        tg.cull(setup.net, share=0.5, biases=True)
    expected = masks_of(whole)
    gone = np.concatenate([~x.mask.ravel() for x in whole.net.parameters()])
    np.random.seed(5)
    whole.fit(folder=tmp_path / "whole", validation=EQUAL)
    np.random.seed(5)
    parts.fit(folder=tmp_path / "parts", validation=EQUAL, epochs=2)
    fresh = Setup(seed=9)  # with all its weights
    fresh.fit(folder=tmp_path / "parts", resume=True, validation=EQUAL)
    best = Setup(seed=8)
    restore(tmp_path / "whole" / "best.npz", best.net)
    for setup in (whole, fresh, best):
        assert masks_of(setup) == expected
        assert not setup.numbers()[gone].any() and setup.numbers()[~gone].all()
    assert np.array_equal(fresh.numbers(), whole.numbers())
    files = [(tmp_path / name / "last.npz").read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1]


def test_a_gate_that_was_culled_is_absent_after_a_checkpoint_too(tmp_path):
    one, other = (tg.nn.Sequential(tg.nn.LSTM(2, 3, seed=s), tg.nn.Dense(3, 1)) for s in (0, 1))
    x, target = (np.stack(arrays, axis=1) for arrays in zip(*EQUAL, strict=True))

    def loss_of(net):
        return lambda x, target: tg.nn.mean_squared_error(net(x), target)

    whole = str(tg.derive(loss_of(one)(x, target)))
    tg.cull(one, "gradient", 1 / 3, loss=lambda: loss_of(one)(x, target), what="gates")
    update = tg.optim.Adam(one.parameters())
    fit(one, EQUAL, loss_of(one), update, epochs=2, folder=tmp_path, progress=False)
    restore(tmp_path / "last.npz", other)
    first, second = loss_of(one)(x, target), loss_of(other)(x, target)
    assert first.item() == second.item()
    assert str(tg.derive(second)) == str(tg.derive(first)) != whole


def test_a_checkpoint_of_before_the_culling_takes_the_masks_off(tmp_path):
    setup = Setup()
    setup.fit(folder=tmp_path, epochs=1)
    before = setup.numbers()
    tg.cull(setup.net, share=0.5)
    restore(tmp_path / "last.npz", setup.net)
    assert masks_of(setup) == [None] * 5 and np.array_equal(setup.numbers(), before)


def test_states_that_a_layer_carries_over_are_kept(tmp_path):
    def run(folder, epochs, resume=False):
        lstm = tg.nn.LSTM(2, 3, stateful=True, seed=0)
        update = tg.optim.SGD(lstm.parameters(), 0.01)
        fit(lstm, EQUAL[:4], lambda x, target: tg.sum(lstm(x)[0]), update, epochs=epochs, batch=2,
            folder=folder, resume=resume, progress=False)  # fmt: skip
        return lstm.W.numpy()

    expected = run(tmp_path / "whole", 4)
    run(tmp_path / "parts", 2)
    assert np.array_equal(run(tmp_path / "parts", 4, resume=True), expected)


PROGRAM = """
import random, sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import numpy as np
from train_setup import Setup, ITEMS
setup = Setup(seed=int(sys.argv[2]))
np.random.seed(setup.seed)
random.seed(setup.seed)
slow = setup.loss
def loss(*arrays, **options):
    time.sleep(0.01)
    return slow(*arrays, **options)
setup.loss = loss
print("ready", flush=True)
history = setup.fit(folder=sys.argv[1], resume=True, epochs=6, save_every=0.0)
print(history.stopped)
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts training in a process of its own."""
    source = Path(__file__).read_text("utf-8").partition("# --- the loop is")[0]
    (tmp_path / "train_setup.py").write_text(source, "utf-8")
    root = str(Path(tg.__file__).parents[1])
    (tmp_path / "program.py").write_text(PROGRAM.format(root=root, tests=str(tmp_path)), "utf-8")

    def begin(folder, seed, **options):
        return subprocess.Popen(
            [sys.executable, "program.py", folder, str(seed)], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip

    return begin


def ended(process):
    out, err = process.communicate(timeout=120)
    assert not err, err
    return out.split("\n", 1)[1].strip()


@pytest.mark.long
def test_a_process_that_is_killed_at_any_moment_goes_on_to_the_same_bits(start, tmp_path):
    assert ended(start("whole", 0)) == "all epochs"
    last = tmp_path / "killed" / "last.npz"
    kills = 0
    for seed, wait in enumerate([0.03, 0.11, 0.17]):  # the checkpoint decides, not the seed
        process = start("killed", seed)
        assert process.stdout.readline() == "ready\n"
        while not last.exists():
            time.sleep(0.01)
        time.sleep(wait)
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        process.communicate()
    assert kills == 3 and last.read_bytes() != (tmp_path / "whole" / "last.npz").read_bytes()
    assert ended(start("killed", 8)) == "all epochs"
    assert last.read_bytes() == (tmp_path / "whole" / "last.npz").read_bytes()


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_training_after_the_update_with_everything_saved(start, tmp_path):
    ended(start("whole", 0))
    process = start("cut", 0)
    process.stdout.readline()
    while not (tmp_path / "cut" / "last.npz").exists():
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    assert ended(start("cut", 3)) == "all epochs"
    files = [(tmp_path / name / "last.npz").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


def test_a_second_interrupt_ends_it_at_once():
    setup = Setup()

    def loss(x, target, lengths):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return setup.loss(x, target, lengths)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(setup.net, ITEMS, loss, setup.update, progress=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_full_disk_ends_training_and_the_checkpoint_of_before_stays(tmp_path):
    resource = pytest.importorskip("resource")
    setup = Setup()
    setup.fit(folder=tmp_path, epochs=1)
    kept = (tmp_path / "last.npz").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            setup.fit(folder=tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "last.npz").read_bytes() == kept
    assert [*tmp_path.iterdir()] == [tmp_path / "last.npz"]


# --- what is not finite ---------------------------------------------------------------------------


def broken(kind):
    """Return a model and a loss of which one signal is not finite from the second update on."""
    w = tg.Tensor([0.5, 2.0], requires_grad=True, name="w")
    net = tg.nn.Module()
    net.w = w
    calls = []

    def loss(x):
        calls.append(x)
        inner = w * x
        inner.name = "inner"
        if len(calls) < 2:
            return tg.sum(inner)
        if kind == "value":
            y = tg.log(inner * 0.0)
        elif kind == "gradient":
            y = tg.sqrt(inner * 0.0)
        else:
            y = inner * np.array([1.0, 1e200])
        y.name = "y"
        return tg.sum(y * y if kind == "overflow" else y)

    return net, w, loss


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "value",
            r"the loss is -inf; y is not finite first: -inf at \[0, 0\], 2 of 2",
        ),
        ("gradient", r"the gradient of .* is not finite first: inf at \[0, 0\], 2 of 2 entries"),
        ("overflow", r"the loss is inf; hadamard\w* is not finite first: inf at \[0, 1\], 1 of 2"),
    ],
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compiled", [False, True])
def test_the_signal_that_is_not_finite_first_is_named(tmp_path, kind, said, compiled):
    net, w, loss = broken(kind)
    step = tg.compile(loss) if compiled else loss
    with pytest.raises(GradientError, match=said) as caught:
        fit(net, [np.ones(2)] * 4, step, tg.optim.SGD([w], 0.1), batch=1, folder=tmp_path,
            progress=False, save_every=0.0)  # fmt: skip
    assert "last.npz those of the last checkpoint" in str(caught.value)
    assert np.isfinite(w.numpy()).all()
    kept = w.numpy()
    restore(tmp_path / "last.npz", net)
    assert np.array_equal(w.numpy(), kept)


def test_finite_signals_are_said_to_be_finite():
    x = tg.Tensor([1.0], requires_grad=True, name="x")
    assert "all signals are finite" in first_not_finite(tg.sum(x * x))


# --- bad input ------------------------------------------------------------------------------------


class Endless:
    def __getitem__(self, n):
        return ITEMS[0]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"data": []}, ArgumentError, "fit: data: found no items"),
        ({"data": Endless()}, UsageError, r"with len and \[\]"),
        ({"data": [*EQUAL, (np.ones((2, 3)), EQUAL[0][1])]}, ShapeError, "item 7 has the shapes"),
        ({"data": [(np.ones((0, 2)), np.ones((0, 1)))]}, ShapeError, "item 0 has a sequence of no"),
        ({"epochs": 0}, ArgumentError, "fit: epochs must be at least 1"),
        ({"batch": 1.5}, UsageError, "fit: data: batch must be a whole number"),
        ({"patience": 3}, ArgumentError, "patience without validation data"),
        ({"clip": 0}, ArgumentError, "fit: clip must be"),
        ({"resume": True}, ArgumentError, "resume without a folder"),
        ({"folder": 7}, UsageError, "fit: folder"),
        ({"save_every": -1}, ArgumentError, "fit: save_every"),
    ],
)
def test_bad_arguments_change_nothing(options, error, said):
    setup = Setup()
    before = setup.numbers()
    with pytest.raises(error, match=said):
        setup.fit(**options)
    assert np.array_equal(setup.numbers(), before)


def test_the_wrong_objects_are_refused():
    setup = Setup()
    with pytest.raises(UsageError, match="fit: model"):
        fit(setup.loss, ITEMS, setup.loss, setup.update)
    with pytest.raises(UsageError, match="fit: loss"):
        fit(setup.net, ITEMS, 3, setup.update)
    with pytest.raises(UsageError, match="fit: update"):
        fit(setup.net, ITEMS, setup.loss, setup.schedule)
    with pytest.raises(UsageError, match="expected a Tensor of one number"):
        fit(setup.net, EQUAL, lambda x, target: setup.net(x), setup.update, progress=False)


def test_an_update_of_something_else_is_refused():
    setup, other = Setup(), Setup(seed=5)
    with pytest.raises(ArgumentError, match=r"lstm\.W is no parameter of the model, so no check"):
        fit(setup.net, ITEMS, setup.loss, other.update, progress=False)
    both = tg.optim.Adam(
        [*setup.net.parameters(), tg.Tensor(1.0, requires_grad=True, name="scale")]
    )
    with pytest.raises(ArgumentError, match="scale is no parameter of the model"):
        fit(setup.net, ITEMS, setup.loss, both, progress=False)
    with pytest.raises(ArgumentError, match="found the schedule of another update"):
        fit(setup.net, ITEMS, setup.loss, setup.update, schedule=other.schedule, progress=False)
    with pytest.raises(
        UsageError, match="found an object of type HessianFree, expected a rule that"
    ):
        fit(setup.net, ITEMS, setup.loss, tg.optim.HessianFree(setup.net.parameters()))
    setup.lstm.W.requires_grad = False
    with pytest.raises(UsageError, match=r"lstm\.W is frozen"):
        setup.fit()


def test_a_loss_of_another_model_is_refused():
    setup = Setup()
    setup.loss = Setup(seed=5).loss
    before = setup.numbers()
    with pytest.raises(GradientError, match="the loss depends on no parameter of"):
        setup.fit()
    assert np.array_equal(setup.numbers(), before)


def test_a_frozen_parameter_is_not_trained_and_comes_back(tmp_path):
    def run(seed, **options):
        setup = Setup(seed)
        setup.lstm.W.requires_grad = False
        setup.update = tg.optim.Adam(setup.net.parameters(), lr=0.02)
        setup.schedule = None
        before = setup.lstm.W.numpy().copy()
        setup.fit(folder=tmp_path, **options)
        return before, setup.lstm.W.numpy()

    before, after = run(0, epochs=2)
    assert np.array_equal(before, after)
    assert np.array_equal(run(5, epochs=3, resume=True)[1], before)


def checkpoint(tmp_path):
    setup = Setup()
    setup.fit(folder=tmp_path, epochs=1)
    return tmp_path / "last.npz"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (dict(hidden=5), ShapeError, "is of another model"),
        (dict(batch=3), ArgumentError, "is of a session with .*'batch': 2"),
        (dict(data=ITEMS[:-1]), ArgumentError, "is of a session with .*'items': 7"),
        (dict(seed=1), ArgumentError, "'seed': 0"),
        (dict(schedule=True), ArgumentError, "StepLR: found the state of 'CosineAnnealingLR'"),
        (dict(update=True), ArgumentError, "SGD: found the state of 'Adam'"),
        (dict(schedule=None), ArgumentError, "is of a session with a schedule, found none"),
    ],
)
def test_the_checkpoint_of_something_else_is_refused_and_nothing_changes(
    tmp_path, change, error, said
):
    checkpoint(tmp_path)
    setup = Setup(seed=3, hidden=change.pop("hidden", 4))
    if change.pop("update", False):
        setup.update = tg.optim.SGD(setup.net.parameters(), 0.1)
        setup.schedule = tg.optim.CosineAnnealingLR(setup.update, 40)
    if "schedule" in change:
        setup.schedule = change.pop("schedule")
    if setup.schedule is True:
        setup.schedule = tg.optim.StepLR(setup.update, 3)
    before = repr(state_of(setup.net, setup.update, setup.schedule))
    with pytest.raises(error, match=said):
        setup.fit(folder=tmp_path, resume=True, **change)
    assert repr(state_of(setup.net, setup.update, setup.schedule)) == before


def test_another_module_in_the_model_is_refused(tmp_path):
    path = checkpoint(tmp_path)
    with pytest.raises(SignalError, match="is of another model"):
        restore(path, tg.nn.LSTM(2, 4))


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    path = checkpoint(tmp_path)
    net = Setup().net
    content = path.read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", W=np.ones(3))
    later = content.replace(b'"format": 1', b'"format": 2')
    assert later != content
    (tmp_path / "later.npz").write_bytes(later)
    for name in ("cut", "other", "later"):  # a changed byte fails the checksum of the file
        with pytest.raises(FileError, match=rf"{name}\.npz"):
            restore(tmp_path / f"{name}.npz", net)
    with pytest.raises(FileNotFoundError):
        restore(tmp_path / "none.npz", net)


def test_a_checkpoint_of_a_later_format_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.train.checkpoint.FORMAT", 2)
    path = checkpoint(tmp_path)
    monkeypatch.undo()
    with pytest.raises(FileError, match="a checkpoint of format 2, expected 1"):
        restore(path, Setup().net)
