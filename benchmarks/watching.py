"""``python -m benchmarks.watching``: what a watch and a ledger cost, beside the training itself.

Each size is trained in turns, a round of updates without a watch and a round with one that looks
at every tenth update; what is printed are medians of the ratios of processor time. The ledger's
time is a multiple of that of ``backward``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import process_time

import numpy as np

import tinygrad_lstm as tg

from .problem import SIZES, Size

ROUND = 500  # updates; a closer look is taken once in so many


DEMO = Size(3, 218, 1, 4)  # of the sunspots, all at once


def network(size: Size) -> tuple[tg.nn.Module, Callable[[], tg.Tensor]]:
    """Return an LSTM and a dense layer in float32, and the function of their loss."""
    T, B, I, H = size
    random = np.random.default_rng(0)
    lstm = tg.nn.LSTM(I, H, seed=0, dtype=np.float32)
    dense = tg.nn.Dense(H, 1, tg.sigmoid, seed=1, dtype=np.float32)
    x = random.standard_normal((T, B, I), np.float32)
    target = random.random((T, B, 1), np.float32)
    net = tg.nn.Sequential(lstm, dense)
    return net, lambda: tg.nn.squared_error(net(x), target)


def watching(size: Size, rounds: int, is_compiled: bool = False) -> float:
    """Return the time of training with a watch, as a multiple of training without."""
    net, loss_of = network(size)
    update = tg.optim.Adam(net.parameters(), 1e-4)
    step = tg.compile(loss_of) if is_compiled else loss_of

    def train(updates: int = ROUND) -> float:
        start = process_time()
        for _ in range(updates):
            update.zero_grad()
            step().backward()
            update.step()
        return process_time() - start

    train(3)
    ratios, seen = [], tg.watch(net)
    for _ in range(rounds):
        plain = train()
        with seen:
            ratios.append(train() / plain)
    return median(ratios)


def splitting(size: Size, rounds: int) -> dict[str, float]:
    """Return the time of a ledger by each weight, as a multiple of that of backward."""
    _, loss_of = network(size)
    ratios: dict[str, list[float]] = {"lstm.W": [], "lstm.U": [], "dense.W": []}
    for _ in range(rounds):
        loss = loss_of()
        start = process_time()
        loss.backward()
        plain = process_time() - start
        for name, times in ratios.items():
            start = process_time()
            tg.ledger(loss, name)
            times.append((process_time() - start) / plain)
    return {name: median(times) for name, times in ratios.items()}


def main() -> None:
    """Measure the sizes that the command line names, or all that are trained in a minute."""
    for name in sys.argv[1:] or ("demo", "question", "small", "medium"):
        size, rounds = SIZES.get(name, DEMO), 2 if name in ("medium", "long") else 9
        print(f"{name}: a watch takes {watching(size, rounds) - 1:+.1%} of the training,", end=" ")
        print(f"{watching(size, rounds, True) - 1:+.1%} if it is compiled;", end=" ")
        costs = splitting(size, 2 * rounds)
        print("ledger", ", ".join(f"{x} {cost:.2f}" for x, cost in costs.items()), "× backward")


if __name__ == "__main__":
    main()
