"""``python -m benchmarks.culling``: errors on new data after half of the weights were culled.

An LSTM and a dense layer are trained on a task, culled in rounds with training between them, and
compared with the same network that was trained as long, and not culled. The error is that of the
task's judge, on data that are not trained with.

Measured over five seeds. On the sunspots, with 73 of 146 weights taken by the surgeon, the error
changed by -3 %, +4 %, -25 %, -2 % and -26 %. On Mackey and Glass's series the same made it worse by
10 to 46 %, where neither network had been trained to its end. The ladder's network for the embedded
Reber grammar, of 16 cells, read 2,000 new strings without one wrong prediction, whole and without
828 of its 1,655 weights. One of 8 cells, which does not always learn the grammar, reads up to a
fifth more of the strings wrongly without half of its weights.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products; threads only wait

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm import tasks

ROUNDS = (0.2, 0.35, 0.5)  # shares of all weights, biases too


class Recipe(NamedTuple):
    """How a network is trained and culled.

    Attributes
    ----------
    task : () -> Task
    by : str
        What weights are chosen by.
    cells : int
    batch : int
        Sequences drawn for each update, and for the loss by which weights are chosen; 1,000 are
        all that the tasks with fixed data have.
    first, between : int
        Updates before the first round, and after each.
    last : float
        The rate at the end of the updates after a round, at the start of which it is 0.01.
    """

    task: Callable[[], tasks.Task]
    by: Literal["magnitude", "obs"]
    cells: int = 5
    batch: int = 1000
    first: int = 800
    between: int = 300
    last: float = 0.01


RECIPES = {
    "sunspots": Recipe(tasks.sunspots, "obs"),
    "mackey_glass": Recipe(tasks.mackey_glass, "obs"),
    "reber": Recipe(lambda: tasks.reber(2000), "magnitude", 16, 10, 1000, 500, 0.001),
}


class Learner:
    """A network that learns a task."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe, self.task, self.seed = recipe, recipe.task(), seed
        lstm = tg.nn.LSTM(self.task.input_size, recipe.cells, seed=seed, name="lstm")
        dense = tg.nn.Dense(recipe.cells, self.task.output_size, seed=seed + 100, name="dense")
        self.net = tg.nn.Sequential(lstm, dense)
        self.random = np.random.default_rng(seed)
        self.update = tg.optim.Adam(self.net.parameters(), 0.01)

    def loss(self) -> tg.Tensor:
        """Return the loss of sequences that are drawn once."""
        return self.loss_of(*self.task.draw(self.recipe.batch, self.seed))

    def loss_of(self, x: Any, target: Any, counts: Any) -> tg.Tensor:
        return self.task.loss(self.net(x), target, counts)

    def train(self, updates: int, last: float = 0.01) -> None:
        """Make updates, with a rate that falls to the last one."""
        task, net = self.task, self.net
        step = tg.compile(lambda x, target, counts: task.loss(net(x), target, counts))
        for k in range(updates):
            self.update.lr = 0.01 * (last / 0.01) ** (k / updates)
            self.update.zero_grad()
            step(*task.draw(self.recipe.batch, self.random)).backward()
            tg.optim.clip_grad_norm_(self.update.params, 1.0)
            self.update.step()

    def error(self) -> float:
        """Return the judge's number."""

        def predict(x: np.ndarray, state: object = None) -> tuple[np.ndarray, object]:
            with tg.no_grad():
                return self.net(x).numpy(), None

        return self.task.judge(predict, 0).value


def compare(name: str, seed: int) -> tuple[float, float, Any]:
    """Return the error of the whole network, that of the culled one, and the last culling."""
    recipe = RECIPES[name]
    whole = Learner(recipe, seed)
    whole.train(recipe.first)
    culled = copy.deepcopy(whole)
    for share in ROUNDS:
        report = tg.cull(culled.net, recipe.by, share, loss=culled.loss, biases=True)
        culled.train(recipe.between, recipe.last)
    for _ in ROUNDS:
        whole.train(recipe.between, recipe.last)
    return whole.error(), culled.error(), report


def main() -> None:
    """Compare on the tasks that the command line names, or all."""
    for name in sys.argv[1:] or RECIPES:
        for seed in range(5):
            whole, culled, report = compare(name, seed)
            change = f"{culled / whole - 1:+.1%}" if whole else f"{culled - whole:+.4f}"
            print(
                f"{name}, seed {seed}: error {whole:.4f} whole, {culled:.4f} with "
                f"{report.gone} of {report.of} weights gone ({change})",
                flush=True,
            )


if __name__ == "__main__":
    main()
