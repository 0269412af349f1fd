"""The page of a watch: the loss, the worst signal first, and δ over the steps and the training.

Knows what a watch has seen (``looks``, ``verdicts`` …), and matplotlib.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import plots
from .looks import Look

MOST_LINES = 8


def page(seen: Any) -> Any:
    """Return the figure.

    Above, δ of the worst signal at each step, over the training, and the ways on which δ comes back
    to it or to another one. In the middle, the loss and the norms of the gradients of parameters.
    Below, updates relative to weights, and ∂s(last)/∂s(k).
    """
    figure = plots.new_figure("plot", 11, 11)
    figure.suptitle(f"{seen.says}\n", wrap=True)
    axes = figure.subplots(3, 2)
    names = list(dict.fromkeys(x.name for x in seen.verdicts))
    worst = [x for x in names if x in seen.parameters]
    order = [*worst, *(x for x in seen.parameters if x not in worst)][:MOST_LINES]
    close = next((look for look in reversed(seen.looks) if look.deltas), None)
    if close is not None:
        signals = sorted(close.deltas, key=lambda name: -_fall(close.deltas[name]))
        bad = [x for x in names if x in close.deltas]
        _deltas(axes[0, 0], seen, next(iter([*bad, *signals])))
        _ways(axes[0, 1], close, bad)
    _lines(axes[1, 0], seen.updates, {"loss": seen.losses}, "loss")
    _lines(
        axes[1, 1], seen.updates, {x: seen[x]["norm of the gradient"] for x in order},
        "norm of the gradient",
    )  # fmt: skip
    _lines(
        axes[2, 0], seen.updates, {x: seen[x]["update / value"] for x in order},
        "‖update‖ / ‖weight‖",
    )  # fmt: skip
    reach = {} if close is None else close.reach
    for name, sizes in reach.items():
        axes[2, 1].plot(close.steps[name], _positive(sizes), label=name)  # type: ignore[union-attr]
    _finish(axes[2, 1], "size of ∂s(last)/∂s(k)", "step k", bool(reach))
    return figure


def _fall(sizes: np.ndarray) -> float:
    """Return by how many powers of ten δ of a signal differs over the steps."""
    δ = _positive(sizes)
    known = δ[np.isfinite(δ)]
    return float(np.log10(known.max() / known.min())) if known.size else 0.0


def _positive(sizes: np.ndarray) -> np.ndarray:
    """Return sizes for a logarithmic scale."""
    return np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)


def _lines(axes: Any, updates: list[int], lines: dict[str, np.ndarray], label: str) -> None:
    for name, values in lines.items():
        axes.plot(updates, _positive(values), label=name, marker="." if len(updates) < 3 else None)
    _finish(axes, label, "update", len(lines) > 1)


def _finish(axes: Any, label: str, across: str, has_legend: bool) -> None:
    values = [y for line in axes.get_lines() for y in np.atleast_1d(line.get_ydata())]
    if np.isfinite(values).any():
        axes.set_yscale("log")
    axes.set(xlabel=across, ylabel=label)
    if has_legend:
        axes.legend(fontsize="small")


def _deltas(axes: Any, seen: Any, name: str) -> None:
    looks = [look for look in seen.looks if name in look.deltas]
    table = np.full((max(len(x.deltas[name]) for x in looks), len(looks)), np.nan)
    for n, look in enumerate(looks):
        table[: len(look.deltas[name]), n] = _positive(look.deltas[name])
    image = axes.imshow(
        table, aspect="auto", origin="lower", interpolation="nearest", norm=plots.logarithmic(table)
    )
    axes.figure.colorbar(image, ax=axes, label=f"‖δ{name}(k)‖; white: 0, or not finite")
    every = max(1, len(looks) // 6)
    axes.set_xticks(range(0, len(looks), every), [str(x.update) for x in looks[::every]])
    axes.set(xlabel="update", ylabel="step k")


def _ways(axes: Any, close: Look, bad: list[str]) -> None:
    branches = close.branches
    name = next((x for x in bad if x in branches), next(iter(branches), ""))
    for way, sizes in branches.get(name, {}).items():
        axes.plot(close.steps[name], _positive(sizes), label=f"via {way}")
    _finish(axes, f"‖shares of δ{name}(k)‖", "step k", bool(name))
