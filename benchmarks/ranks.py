"""``python -m benchmarks.ranks``: how much sooner two ranks make the updates that one makes.

Each number of ranks trains the same network on the same batches, in turns, with one thread a rank;
what counts is the time on the clock of an update, so the cores must be idle. Needs the extra `mpi`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

import tinygrad_lstm as tg

from .problem import SIZES

UPDATES = {"small": 300, "medium": 20, "large": 4}  # in one turn


def work(name: str) -> float:
    """Return the seconds that a rank needs for an update, with its share of each batch."""
    T, B, I, H = SIZES[name]
    random, rank, size = np.random.default_rng(0), tg.parallel.rank(), tg.parallel.size()
    x = random.standard_normal((T, B, I), np.float32)[:, rank::size]
    target = random.random((T, B, 1), np.float32)[:, rank::size]
    lstm = tg.nn.LSTM(I, H, seed=0, dtype=np.float32)
    dense = tg.nn.Dense(H, 1, tg.sigmoid, seed=1, dtype=np.float32)
    update = tg.optim.Adam(lstm.parameters() + dense.parameters(), 1e-4)

    @tg.compile
    def step(x: np.ndarray, target: np.ndarray) -> tg.Tensor:
        return tg.nn.mean_squared_error(dense(lstm(x)[0]), target)

    def train(updates: int) -> None:
        for _ in range(updates):
            update.zero_grad()
            step(x, target).backward()
            tg.parallel.average(update.params, x.shape[1])
            update.step()

    train(2)
    tg.parallel.average(update.params)  # all begin at once
    start = perf_counter()
    train(UPDATES[name])
    return (perf_counter() - start) / UPDATES[name]


def run(name: str, ranks: int) -> float:
    """Return the seconds of an update by some ranks, which ``mpiexec`` starts."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit("found no mpiexec: pip install 'tinygrad-lstm[mpi]'")
    words = [mpiexec, "-n", str(ranks), sys.executable, "-m", "benchmarks.ranks", name, "--work"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def main() -> None:
    """Compare the numbers of ranks at a size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranks", description=__doc__)
    parser.add_argument("size", nargs="?", default="medium", choices=UPDATES)
    parser.add_argument("--ranks", type=int, default=2, help="beside one (default: 2)")
    parser.add_argument("--turns", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        seconds = work(chosen.size)
        if tg.parallel.rank() == 0:
            print(seconds)
        return
    one, many = [], []
    for _ in range(chosen.turns):
        one.append(run(chosen.size, 1))
        many.append(run(chosen.size, chosen.ranks))
    ratio = median(a / b for a, b in zip(one, many, strict=True))
    print(
        f"{chosen.size}: {1e3 * median(one):.1f} ms an update by 1 rank, {1e3 * median(many):.1f} "
        f"by {chosen.ranks}: {ratio:.2f} times as fast, on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
