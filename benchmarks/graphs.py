"""``python -m benchmarks.graphs``: what the graph of an LSTM costs, and its pictures.

Times per recorded operation, the garbage collector off; and pictures beside the time that Graphviz
alone takes for the same DOT text.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm.drawing.render import rendered
from tinygrad_lstm.engine.tape import history

STEPS = (100, 1000, 10_000)


def recorded(T: int) -> tg.Tensor:
    """Record an LSTM, a dense layer and a loss over T steps."""
    x = np.random.default_rng(0).normal(size=(T, 16))
    lstm, dense = tg.nn.LSTM(16, 16, seed=0), tg.nn.Dense(16, 1, "sigmoid", seed=1)
    return tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((T, 1)))


def seconds(what: Callable[[], Any], times: int) -> float:
    """Return the median time of several runs."""
    found = []
    for _ in range(times):
        start = perf_counter()
        what()
        found.append(perf_counter() - start)
    return median(found)


def stations(loss: tg.Tensor, times: int) -> Iterator[tuple[str, float]]:
    """Yield what each station takes, from the tape on."""
    graph = tg.graph(loss)
    folded = graph.fold()
    yield "graph", seconds(lambda: tg.graph(loss), times)
    yield "fold", seconds(graph.fold, times)
    yield "adjoint, folded", seconds(folded.adjoint, times)
    yield "adjoint, unrolled", seconds(graph.adjoint, times)
    yield "evaluate the folded", seconds(folded.adjoint().evaluate, times)
    yield "evaluate the unrolled", seconds(graph.adjoint().evaluate, times)


def main() -> None:
    """Print the tables."""
    gc.disable()
    print("Microseconds per recorded operation, collector off")
    print(f"  {'':24}" + "".join(f"{f'T={T}':>12}" for T in STEPS))
    table: dict[str, list[float]] = {}
    for T in STEPS:
        loss = recorded(T)
        operations = len(history([loss], everything=True))
        for name, spent in stations(loss, 5 if T < 5000 else 1):
            table.setdefault(name, []).append(spent / operations * 1e6)
    needed = ("graph", "fold", "adjoint, folded")
    table = {"these three": [sum(x) for x in zip(*(table[n] for n in needed))]} | table
    for name in (*needed, "these three", *table):
        if name in table:
            print(f"  {name:24}" + "".join(f"{each:12.2f}" for each in table.pop(name)))
    print("\nSeconds per picture (SVG), and Graphviz's own part of it")
    for title, T, options in (
        ("folded, T=3", 3, {}),
        ("folded, T=1000", 1000, {}),
        ("both views, T=1000", 1000, {"view": "both"}),
        ("unrolled, T=100", 100, {"fold": False}),
    ):
        loss = recorded(T)
        text = tg.draw(loss, **options).dot
        whole = seconds(lambda: tg.draw(loss, **options)._repr_svg_(), 3)  # noqa: B023
        own = seconds(lambda: rendered(text, "svg"), 3)  # noqa: B023
        print(f"  {title:24}{whole:12.2f}{own:12.2f}")


if __name__ == "__main__":
    main()
