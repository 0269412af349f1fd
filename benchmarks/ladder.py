"""``python -m benchmarks.ladder``: every classical task trained on five seeds, until it is solved.

Writes ``ladder.md`` (criterion, seeds that meet it, updates, processor time, weights) and, where
matplotlib is installed, ``ladder.png``. Steps and judgements are compiled. The time includes the
drawing of sequences and the updates, but neither the judgements nor the C compiler.

The hyper-parameters were chosen by hand, on the seeds 100 and 101. The reported seeds begin with 0,
and nothing was changed after they were run, but for aⁿbⁿcⁿ: its first choice failed on one of them,
and another was made on the seeds 100 to 107.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products; threads only wait

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm import tasks

Array = np.ndarray
Watch = Callable[[int, float], None]
TEXT = 60_000  # characters of the text to read


class Recipe(NamedTuple):
    """How a task is trained, by Adam with clipping.

    Attributes
    ----------
    task : () -> Task
    cells, batch : int
    lr : float
        Of the start; half a cosine leads to 0 after ``most`` updates, if ``cosine``.
    forget : float or None
        The bias of the forget gate at the start; None for the layer without forget gates.
    input_bias : float
        That of the input gate, below 0 for long lags, as Hochreiter and Schmidhuber chose it.
    most, every : int
        Updates, and updates between two judgements.
    decay : float
        Of the weights, as in AdamW.
    sooner_than : str
        What people compare with.
    """

    task: Callable[[], tasks.Task]
    cells: int = 16
    batch: int = 20
    lr: float = 0.01
    forget: float | None = 1.0
    input_bias: float = 0.0
    most: int = 5_000
    every: int = 100
    cosine: bool = False
    decay: float = 0.0
    sooner_than: str = ""


def text() -> tasks.Task:
    """Return the task of characters for a text that every Python has: its own reference manual."""
    from pydoc_data.topics import topics

    return tasks.characters("\n".join(topics[name] for name in sorted(topics))[:TEXT])


RECIPES = {
    "adding": Recipe(
        tasks.adding, batch=32, lr=0.02, forget=8.0, input_bias=-4.0, most=12_000, cosine=True,
        sooner_than="39 s, to a mean squared error of 7e-4",
    ),
    "temporal order": Recipe(
        tasks.temporal_order, forget=5.0, input_bias=-3.0, sooner_than="24 s"
    ),
    "embedded Reber": Recipe(
        tasks.reber, batch=10, every=50, sooner_than="2.6 s, 4,800 strings"
    ),
    "continual Reber": Recipe(tasks.continual_reber, batch=8, sooner_than="14 s"),
    "the same without forget gates": Recipe(
        tasks.continual_reber, batch=8, forget=None, most=3000
    ),
    "aⁿbⁿ": Recipe(tasks.anbn, cells=4, batch=10, forget=5.0, every=50),
    "aⁿbⁿcⁿ": Recipe(tasks.anbncn, cells=8, batch=10, lr=0.02, forget=12.0, every=50),
    "copy": Recipe(tasks.copy, cells=64, batch=20, forget=3.0, cosine=True),
    "Mackey–Glass": Recipe(tasks.mackey_glass, batch=100, cosine=True, most=10_000),
    "sunspots": Recipe(tasks.sunspots, cells=6, batch=50, decay=0.1),
    "digits": Recipe(tasks.digits, cells=48, batch=32, decay=0.1),
    "characters": Recipe(text, cells=64, batch=20, most=3000),
}  # fmt: skip


class Net(tg.nn.Module):
    """A recurrent layer and a dense layer, whose forward pass is compiled."""

    def __init__(self, layer: Any, dense: tg.nn.Dense) -> None:
        super().__init__()
        self.layer, self.dense = layer, dense
        self.outputs = tg.compile(self.forward)

    def forward(self, x: Any, state: Any = None) -> tuple[tg.Tensor, Any]:
        """Return the outputs at each step, and the states after the last."""
        out, state = self.layer(x, state)
        return self.dense(out), state

    def predict(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        """Return the same as arrays, without a tape."""
        dtype = self.dense.W.dtype
        if state is None:
            state = tuple(np.zeros((x.shape[1], self.layer.hidden_size), dtype) for _ in range(2))
        with tg.no_grad():
            y, state = self.outputs(x.astype(dtype), state)
        return y.numpy(), state


class Run(NamedTuple):
    """What came of a seed; the curve is what the judge said, by the number of updates."""

    is_met: bool
    updates: int
    seconds: float
    weights: int
    curve: list[tuple[int, float]]


def build(recipe: Recipe, task: tasks.Task, seed: int) -> Net:
    """Return the network of a recipe, in float32."""
    more: dict[str, Any] = dict(seed=seed, dtype=np.float32)
    if recipe.forget is None:
        layer: Any = tg.nn.Recurrent(tasks.NoForgetGate(recipe.cells), task.input_size, **more)
    else:
        layer = tg.nn.LSTM(task.input_size, recipe.cells, forget_bias=recipe.forget, **more)
        biases = layer.b.numpy()
        biases[recipe.cells : 2 * recipe.cells] = recipe.input_bias
        layer.b.data = biases
    return Net(layer, tg.nn.Dense(recipe.cells, task.output_size, seed=seed + 1, dtype=np.float32))


def train(recipe: Recipe, seed: int, watch: Watch = lambda k, value: None) -> Run:
    """Train until the criterion is met, or all updates are made."""
    task = recipe.task()
    start = process_time()
    net = build(recipe, task, seed)
    random, judging = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    update = tg.optim.AdamW(net.parameters(), lr=recipe.lr, weight_decay=recipe.decay)
    schedule = tg.optim.CosineAnnealingLR(update, recipe.most) if recipe.cosine else None
    step = tg.compile(lambda x, target, counts: task.loss(net(x)[0], target, counts))
    weights, curve, seconds = sum(x.size for x in update.params), [], 0.0
    for k in range(1, recipe.most + 1):
        update.zero_grad()
        step(*(array.astype(np.float32) for array in task.draw(recipe.batch, random))).backward()
        tg.optim.clip_grad_norm_(update.params, 1.0)
        update.step()
        if schedule is not None:
            schedule.step()
        if k % recipe.every == 0:
            seconds += process_time() - start
            is_met, value = task.judge(net.predict, judging)
            curve.append((k, value))
            watch(k, value)
            if is_met:
                return Run(True, k, seconds, weights, curve)
            start = process_time()
    return Run(False, recipe.most, seconds, weights, curve)


# --- the table and the plots ------------------------------------------------------------------


def row(name: str, recipe: Recipe, runs: list[Run]) -> list[str]:
    """Return a row of the table: medians over the seeds that met the criterion."""
    solved = [run for run in runs if run.is_met]
    cells = [name, recipe.task().criterion, f"{len(solved)} of {len(runs)}"]
    if solved:
        middle = median(run.updates for run in solved)
        cells.append(f"{middle:,.0f} ({max(run.updates for run in solved):,})")
        cells.append(f"{middle * recipe.batch:,.0f}")
        seconds = [run.seconds for run in solved]
        cells.append(f"{median(seconds):.1f} ({max(seconds):.1f})")
    else:
        cells += ["–", "–", "–"]
    return [*cells, f"{runs[0].weights:,}", recipe.sooner_than]


HEAD = (
    "task", "criterion", "seeds that meet it", "updates, median (most)", "sequences",
    "seconds, median (most)", "weights", "in NumPy alone, elsewhere",
)  # fmt: skip


def table(rows: list[list[str]]) -> str:
    """Return rows as a table in Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)


def plot(runs: dict[str, list[Run]], path: Path) -> Path | None:
    """Draw what the judge said of each seed of each task; None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    columns = min(4, len(runs))
    lines = -(-len(runs) // columns)
    figure = Figure(figsize=(4 * columns, 3 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, (name, own) in zip(axes, runs.items()):
        for run in own:
            axis.plot(*zip(*run.curve), color="black" if run.is_met else "tab:red", lw=1)
            if run.is_met:
                axis.plot(*run.curve[-1], "o", color="black", ms=4)
        axis.set(title=name, xlabel="updates")
    for axis in axes[len(runs) :]:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)
    return path


def seeds_with_bar(name: str, recipe: Recipe, count: int, first: int) -> Iterator[Run]:
    """Yield the run of each seed, and show how far it is where tqdm is installed."""
    for seed in range(first, first + count):
        try:
            from tqdm import tqdm

            bar: Any = tqdm(total=recipe.most, desc=f"{name}, seed {seed}", leave=False,
                            disable=None)  # fmt: skip
        except ImportError:
            yield train(recipe, seed)
            continue
        with bar:

            def watch(k: int, value: float, bar: Any = bar) -> None:
                bar.set_postfix(judge=f"{value:.4g}", refresh=False)
                bar.update(recipe.every)

            yield train(recipe, seed, watch)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TASK", help=", ".join(RECIPES))
    parser.add_argument("--seeds", type=int, default=5, help="for each task (default: 5)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="a folder (default: out)")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(RECIPES):
        parser.error(f"found {', '.join(sorted(unknown))}, expected {', '.join(RECIPES)}")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    chosen.out.mkdir(parents=True, exist_ok=True)
    rows: list[list[str]] = []
    runs: dict[str, list[Run]] = {}
    for name in chosen.names or RECIPES:
        try:
            RECIPES[name].task()
        except tg.PackageError as error:
            print(f"{name}: skipped, {error}")
            continue
        runs[name] = [*seeds_with_bar(name, RECIPES[name], chosen.seeds, chosen.first)]
        rows.append(row(name, RECIPES[name], runs[name]))
        print(" | ".join(rows[-1]))
    (chosen.out / "ladder.md").write_text(table(rows), "utf-8")
    print(chosen.out / "ladder.md")
    if runs and (path := plot(runs, chosen.out / "ladder.png")):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
