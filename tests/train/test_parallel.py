"""Ranks: the mean of gradients, and training on several processes beside training on one."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.peers import peer
from tinygrad_lstm.errors import ArgumentError, PackageError, UsageError
from tinygrad_lstm.train import parallel
from tinygrad_lstm.train.checkpoint import read_checkpoint


class Two:
    """A communicator of two ranks, of which the other one has known numbers, and as many of them.

    The first message says how many.
    """

    rank, size = 0, 2

    def __init__(self, other, count=None):
        self.other = np.asarray(other, float)
        self.count = self.other.size - 1 if count is None else count

    def Reduce(self, own, sums):
        other = self.other if self.count is None else np.array([self.count, self.count**2])
        self.count = None
        sums[...] = own + other

    def Bcast(self, sums):
        pass


def test_the_mean_is_weighted_by_the_items_and_what_is_missing_is_0(monkeypatch):
    w, b = (tg.Tensor(np.ones(2), requires_grad=True, name=name) for name in "wb")
    w.grad = np.array([1.0, 2.0])
    monkeypatch.setattr(parallel, "_ranks", cache(lambda: Two([30.0, 40.0, 50.0, 60.0, 3.0])))
    tg.parallel.average([w, b], weight=1)
    assert w.grad.tolist() == [31 / 4, 42 / 4] and b.grad.tolist() == [50 / 4, 60 / 4]
    monkeypatch.setattr(parallel, "_ranks", cache(lambda: Two([0.0, 0.0, 0.0])))
    with pytest.raises(ArgumentError, match="the weights of all ranks are 0"):
        tg.parallel.average([w], weight=0)


def test_other_parameters_on_another_rank_are_refused(monkeypatch):
    w = tg.Tensor(np.ones(2), requires_grad=True)
    w.grad = np.array([1.0, 2.0])
    monkeypatch.setattr(parallel, "_ranks", cache(lambda: Two([1.0, 1.0, 1.0], count=3)))
    with pytest.raises(ArgumentError, match="found 2 numbers on rank 0, and another count on anot"):
        tg.parallel.average([w])
    assert w.grad.tolist() == [1.0, 2.0]


def test_a_process_alone_keeps_its_gradients():
    w = tg.Tensor(np.ones(2), requires_grad=True)
    w.grad = np.array([1.0, 2.0])
    tg.parallel.average([w], weight=3)
    assert w.grad.tolist() == [1.0, 2.0]
    assert (tg.parallel.rank(), tg.parallel.size()) == (0, 1)


def test_several_processes_without_mpi4py_say_what_to_install(monkeypatch):
    parallel._ranks.cache_clear()
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[mpi\]'"):
        tg.parallel.size()
    parallel._ranks.cache_clear()


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match="average: found Tensor, expected a list"):
        tg.parallel.average(tg.Tensor([1.0], requires_grad=True))
    with pytest.raises(ArgumentError, match="average: weight"):
        tg.parallel.average([tg.Tensor([1.0], requires_grad=True)], weight=-1)


# --- with MPI ------------------------------------------------------------------------------------

PROGRAM = """
import sys
import numpy as np
import tinygrad_lstm as tg
folder, epochs, failing = sys.argv[1], int(sys.argv[2]), "failing" in sys.argv
seed = tg.parallel.rank()  # ranks begin with different weights, and take over those of rank 0
lstm, dense = tg.nn.LSTM(1, 4, seed=seed), tg.nn.Dense(4, 1, seed=seed)
net = tg.nn.Sequential(lstm, dense)
x = np.random.default_rng(0).normal(size=(13, 5, 1))
items = [(a, a.cumsum(axis=0)) for a in x]
update = tg.optim.Adam(net.parameters(), lr=0.02)
calls = []
def loss(x, target):
    calls.append(x)
    if failing and tg.parallel.rank() == 1 and len(calls) == 4:
        raise ValueError("planted")
    return tg.nn.mean_squared_error(net(x), target)
tg.train.fit(net, items, loss, update, epochs=epochs, batch=4, clip=0.5, validation=items[:4],
             folder=folder, resume=True)
"""


@pytest.fixture
def mpiexec(tmp_path):
    """Return a function that runs the program on some ranks."""
    beside = Path(sys.executable).with_name("mpiexec")
    command = str(beside) if beside.exists() else shutil.which("mpiexec")
    peer("mpi4py")
    if command is None:
        assert os.environ.get("PEERS") != "required", "found no mpiexec"
        pytest.skip("needs mpiexec")
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    root = str(Path(tg.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}

    def run(ranks, *words):
        start = [command, "-n", str(ranks)] if ranks else []
        return subprocess.run(
            [*start, sys.executable, *words], cwd=tmp_path, env=environment, text=True,
            capture_output=True, timeout=300,
        )  # fmt: skip

    return run


def numbers(folder):
    state = read_checkpoint(folder / "last.npz")
    return np.concatenate([x.ravel() for x in state["model"].values()]), state["rows"]


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_n_ranks_are_one_rank_with_the_whole_batch(tmp_path, mpiexec, ranks):
    """With 13 items in batches of 4, some ranks of 5 have no item."""
    for count, folder in ((0, "one"), (ranks, "many")):
        outcome = mpiexec(count, "program.py", folder, "3")
        assert outcome.returncode == 0, outcome.stderr
    (one, rows), (many, others) = numbers(tmp_path / "one"), numbers(tmp_path / "many")
    assert np.abs(one - many).max() <= 1e-12
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=1e-12)


def test_a_rank_that_dies_ends_all_and_another_number_of_ranks_goes_on(tmp_path, mpiexec):
    assert mpiexec(0, "program.py", "one", "4").returncode == 0
    assert mpiexec(2, "program.py", "many", "2").returncode == 0
    dead = mpiexec(2, "program.py", "many", "4", "failing")
    assert dead.returncode != 0 and "rank 1 ends all: planted" in dead.stderr
    assert mpiexec(3, "program.py", "many", "4").returncode == 0
    one, many = numbers(tmp_path / "one"), numbers(tmp_path / "many")
    assert len(many[1]) == 4 and np.abs(one[0] - many[0]).max() <= 1e-12


def test_the_command_trains_on_several_ranks_and_refuses_on_all(tmp_path, mpiexec):
    np.save(tmp_path / "wave.npy", np.sin(np.arange(60) / 3))
    words = ["-m", "tinygrad_lstm", "train", "wave.npy", "--target", "0", "--epochs", "3"]
    words += ["--window", "4", "--out", "out"]
    first = mpiexec(2, *words)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("test: error") == 1
    again = mpiexec(2, *words)
    assert again.returncode == 2 and "holds a run" in again.stderr
