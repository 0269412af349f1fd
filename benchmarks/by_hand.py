"""The yardstick: backpropagation through time, written by hand in NumPy.

Layers one after the other, each of one way through time or of two, then the dense layer and the
loss. Runs in the precision of its problem; in float64 it is the reference that every system's
gradients are held against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .problem import Array, Problem, named
from .ways_by_hand import BY_HAND

TOLERANCE = {"float32": 2e-4, "float64": 1e-11}  # of the gradient's largest entry


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    T, B, _, H = problem.size
    D, alive, w, c = problem.network.directions, problem.alive, problem.w, problem.c
    target = problem.target.reshape(T * B, 1)
    way = BY_HAND[problem.network.kind]
    gradients: list[dict[str, Array]] = [{} for _ in problem.ways]
    ways = [
        way(p, T, B, n % D == 1, alive, found)
        for n, (p, found) in enumerate(zip(problem.ways, gradients, strict=True))
    ]
    layers = [ways[n : n + D] for n in range(0, len(ways), D)]
    found: dict[str, Array] = {}

    def step() -> float:
        x = problem.x
        for layer in layers:
            outs = [forward(x) for forward, _ in layer]
            x = outs[0] if D == 1 else np.concatenate(outs, axis=-1)
            if alive is not None:
                x = x * alive
        x = x.reshape(T * B, D * H)
        y = 0.5 * np.tanh(0.5 * (x.dot(w) + c)) + 0.5
        δz = (y - target) * y * (1 - y)
        found["w"], found["c"] = x.T.dot(δz), δz.sum(0)
        δx = δz.dot(w.T).reshape(T, B, D * H)
        for layer in reversed(layers):
            parts = [
                backward(δx[..., n * H : (n + 1) * H]) for n, (_, backward) in enumerate(layer)
            ]
            δx = parts[0] if D == 1 else parts[0] + parts[1]
        found["x"] = δx
        return 0.5 * ((y - target) ** 2).sum()

    return step, lambda: named(gradients) | found


def check(problem: Problem, gradients: Mapping[str, Array], dtype: str) -> None:
    """Compare a system's gradients with those written by hand in float64.

    Raises
    ------
    ValueError
        If one is missing, misshapen or too far off; the message names it and says how far.
    """
    step, read = build(problem.astype(np.float64))
    step()
    for name, expected in read().items():
        if name not in gradients:
            raise ValueError(f"gradient of {name}: missing")
        if gradients[name].shape != expected.shape:
            raise ValueError(
                f"gradient of {name}: shape {gradients[name].shape}, not {expected.shape}"
            )
        off = np.abs(gradients[name] - expected).max() / np.abs(expected).max()
        if not off <= TOLERANCE[dtype]:
            raise ValueError(f"gradient of {name}: off by {off:.1e} of its largest entry")
