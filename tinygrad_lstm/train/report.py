"""The one-page report on a forecast, and its plot.

Knows what was trained; matplotlib is imported when it is used.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ..files.whole import write_file
from .forecast import Run

Array = np.ndarray


def write_report(run: Run, out: Path) -> list[Path]:
    """Write ``report.md`` and, where matplotlib is installed, ``plot.png``; return their paths."""
    paths = [write_file(report(run).encode(), out / "report.md")]
    image = plot(run)
    if image is not None:
        paths.append(write_file(image, out / "plot.png"))
    return paths


def errors(run: Run) -> dict[str, tuple[int, float, float]]:
    """Return for each part the number of forecasts, their error, and that of no change.

    Errors are roots of mean squares, in units of the target. "No change" forecasts the last number
    in the window.
    """
    target = run.columns.numbers[:, -1]
    table = {}
    for name, (first, last) in run.parts().items():
        windows = run.windows(first, last)
        right = target[windows.rows]
        table[name] = (
            len(right),
            _rms(run.forecasts(windows) - right),
            _rms(target[windows.rows - run.options.horizon] - right),
        )
    return table


def report(run: Run) -> str:
    """Return the report as Markdown."""
    options, history, parts = run.options, run.history, run.parts()
    weights = sum(x.size for x in run.net.parameters())
    lines = [
        f"# Forecast of {options.target}",
        "",
        f"From {options.window} rows of {', '.join(options.features)}, {options.horizon} "
        f"{'row' if options.horizon == 1 else 'rows'} ahead; data: `{run.data}`, "
        f"{len(run.columns.numbers):,} rows.",
        "",
        f"An LSTM of {options.layers} × {options.hidden} cells and a dense layer, {weights:,} "
        f"weights; AdamW with lr {options.lr:g}, weight decay {options.decay:g}, batches of "
        f"{options.batch}, seed {options.seed}.",
        "",
        f"{len(history.rows)} epochs; ended: {history.stopped}; best epoch: {history.best}.",
        "",
        "| part | rows | forecasts | error | error of no change | quotient |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, (count, error, idle) in errors(run).items():
        first, last = parts[name]
        quotient = f"{error / idle:.2f}" if idle else "–"
        lines.append(
            f"| {name} | {first}–{last - 1} | {count} | {error:.5g} | {idle:.5g} | {quotient} |"
        )
    lines += [
        "",
        "Errors are roots of mean squares, in units of the column. The parts follow one another in "
        "time; columns are scaled by the mean and the deviation of the training part. The test "
        "part took no part in training, nor in the choice of the best epoch.",
        "",
        "![loss and forecasts](plot.png)",
        "",
    ]
    return "\n".join(lines)


def plot(run: Run) -> bytes | None:
    """Return a picture of the losses and of the forecasts, as PNG; None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(8, 7), layout="constrained")
    above, below = figure.subplots(2, 1)
    rows = run.history.rows
    epochs = [row["epoch"] for row in rows]
    for name, style in (("loss", "-"), ("validation", "--")):
        above.semilogy(epochs, [row[name] for row in rows], style, color="black", label=name)
    above.set(xlabel="epoch", ylabel="mean squared error, scaled")
    above.legend()
    first, last = run.parts()["validation"][0], len(run.columns.numbers)
    windows = run.windows(first, last)
    below.plot(windows.rows, run.columns.numbers[windows.rows, -1], color="black", label="data")
    below.plot(windows.rows, run.forecasts(windows), "--", color="tab:red", label="forecast")
    below.axvline(run.parts()["test"][0], color="grey", linestyle=":")
    below.set(xlabel="row; validation left of the line, test right", ylabel=run.options.target)
    below.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()


def _rms(difference: Array) -> float:
    return float(np.sqrt(np.mean(difference**2)))
