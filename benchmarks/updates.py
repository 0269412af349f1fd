"""``python -m benchmarks.updates``: what updates cost, and how far they come on two tasks.

The cost of clipping and Adam beside a pass by hand and beside PyTorch's; the time of a quasi-Newton
method to Adam's final loss on the sunspots; the counts up to which a network is right that the
Kalman filter trained on aⁿbⁿcⁿ with n ≤ 10.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter, process_time
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices; threads only wait

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm import demo

from . import by_hand
from .problem import SIZES, make

Array = np.ndarray


# --- the cost of an update ------------------------------------------------------------------------


def updates(size: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield a pass by hand, and clipping and Adam of its parameters, in float32."""
    problem = make(SIZES[size])
    yield "pass by hand", by_hand.build(problem)[0]
    arrays = [problem.ways[0][name] for name in ("W", "U", "b")] + [problem.w, problem.c]
    params = [tg.Tensor(array, requires_grad=True) for array in arrays]
    adam = tg.optim.Adam(params, 1e-6)
    for x in params:
        x.grad = 0.01 * x.numpy()

    def ours() -> None:
        tg.optim.clip_grad_norm_(params, 1.0)
        adam.step()

    yield "clipping and Adam", ours
    try:
        import torch
    except ImportError:
        return
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    for x in theirs:
        x.grad = 0.01 * x.detach()
    other = torch.optim.Adam(theirs, 1e-6)

    def pytorchs() -> None:
        torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        other.step()

    yield "PyTorch's", pytorchs


def costs(size: str, turns: int = 60) -> dict[str, float]:
    """Return the median time of each as a multiple of the pass by hand, measured in turns."""
    runs = dict(updates(size))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            start = perf_counter()
            for _ in range(20):
                run()
            times[name].append(perf_counter() - start)
    first = times["pass by hand"]
    return {name: median(a / b for a, b in zip(times[name], first, strict=True)) for name in runs}


# --- the sunspots ---------------------------------------------------------------------------------


class Reached(BaseException):
    """The loss is as low as wanted; not an error of the loss."""


METHODS: dict[str, dict[str, Any]] = {  # that do not end before they are there
    "BFGS": {"maxiter": 1000},
    "SLSQP": {"maxiter": 1000, "ftol": 1e-12},
    "L-BFGS-B": {"maxiter": 1000, "ftol": 0.0, "gtol": 0.0},
    "trf": {"max_nfev": 100},  # Gauss and Newton's, in a trust region
}


def sunspots(seed: int) -> tuple[float, dict[str, tuple[float, int]]]:
    """Return Adam's final loss, and how soon each method reaches the loss.

    Returns
    -------
    goal : float
    shares : dict of (share of Adam's processor time, losses computed); inf where it does not
    """
    (x, y), _ = demo.windows()

    def network() -> tg.nn.Module:
        return tg.nn.Sequential(*demo.question_network(seed))

    net = network()
    adam, start = tg.optim.Adam(net.parameters(), lr=0.02), process_time()
    for _ in range(demo.EPOCHS):
        adam.zero_grad()
        tg.nn.squared_error(net(x), y).backward()
        adam.step()
    goal, time = tg.nn.squared_error(net(x), y).item(), process_time() - start
    tg.optim.minimize(lambda: tg.sum(adam.params[0] ** 2), adam.params)  # imports SciPy
    shares = {}
    for method, options in METHODS.items():
        net, start, passes = network(), process_time(), 0

        def note(loss: float) -> None:
            nonlocal passes
            passes += 1
            if loss <= goal:
                raise Reached

        def loss_of(net: tg.nn.Module = net, method: str = method) -> tg.Tensor:
            return net(x) - y if method == "trf" else tg.nn.squared_error(net(x), y)

        shares[method] = np.inf, 0
        try:
            tg.optim.minimize(loss_of, net.parameters(), method, callback=note, options=options)
        except Reached:
            shares[method] = (process_time() - start) / time, passes
    return goal, shares


# --- aⁿbⁿcⁿ ---------------------------------------------------------------------------------------


def word(n: int) -> tuple[Array, Array]:
    """Return a start and aⁿbⁿcⁿ, and which of a, b, c and the end may follow each letter."""
    x, y = np.eye(4)[[0] + [1] * n + [2] * n + [3] * n], -np.ones((3 * n + 1, 4))
    y[: n + 1, 0] = y[1 : 2 * n, 1] = y[2 * n : 3 * n, 2] = y[3 * n, 3] = 1.0
    return x, y


class Counter:
    """An LSTM that does not forget, without recurrent weights, trained by the Kalman filter.

    Its counts are its states alone.
    """

    def __init__(self, seed: int, cells: int = 4) -> None:
        self.cells, self.random = cells, np.random.default_rng(seed)
        self.cell = tg.nn.LSTMCell(
            4, cells, forget_bias=10.0, activation=("4σ-2", "tanh"), seed=seed
        )
        self.dense = tg.nn.Dense(cells, 4, seed=seed + 1)
        self.cell.U.data = np.zeros(self.cell.U.shape)
        self.filter = tg.optim.DEKF(
            [self.cell.W, self.cell.b, *self.dense.parameters()], measurement_noise=10.0
        )

    def learn(self, share: float) -> None:
        """Update after every letter of a word with n ≤ 10; the noises shrink with the share."""
        update = self.filter
        update.measurement_noise = 10.0 * 1e-3**share
        update.process_noise = 1e-2 * 1e-4**share
        state = update.start(np.zeros(self.cells), np.zeros(self.cells))
        for letter, follows in zip(*word(int(self.random.integers(1, 11))), strict=True):
            after = self.cell(letter, state)
            state = update.step(self.dense(after[0]), follows, after)

    def is_right(self, n: int) -> bool:
        """Return whether what may follow is right after every letter."""
        with tg.no_grad():
            state = np.zeros(self.cells), np.zeros(self.cells)
            for letter, follows in zip(*word(n), strict=True):
                state = self.cell(letter, state)
                if ((self.dense(state[0]).data > 0) != (follows > 0)).any():
                    return False
        return True


def counting(seed: int, words: int = 1500, wanted: int = 100) -> tuple[int, int]:
    """Return up to which n a network was right, and after how many words, or at best."""
    counter, best = Counter(seed), (0, 0)
    for k in range(words):
        counter.learn(k / words)
        if k % 20 == 19:
            n = 0
            while n < 2 * wanted and counter.is_right(n + 1):
                n += 1
            best = max(best, (n, k + 1))
            if n >= wanted:
                break
    return best


def main() -> None:
    for size in ("question", "small"):
        for name, cost in costs(size).items():
            print(f"{size}: {name} {cost:.3f}")
    reached = [sunspots(seed) for seed in range(5)]
    for method in METHODS:
        shares = [own[method][0] for _, own in reached]
        passes = [own[method][1] for _, own in reached]
        print(
            f"sunspots: {method} reaches Adam's loss in {median(shares):.2f} of Adam's time "
            f"({', '.join(f'{x:.2f}' for x in shares)}), after {passes} passes"
        )
    for seed in map(int, sys.argv[1:] or range(5)):
        n, words = counting(seed)
        print(f"aⁿbⁿcⁿ, seed {seed}: right to n = {n}, after {words} words", flush=True)


if __name__ == "__main__":
    main()
