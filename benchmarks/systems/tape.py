"""tinygrad_lstm's own tape, with its layers as anybody would use them."""

from __future__ import annotations

from collections.abc import Callable

import tinygrad_lstm as tg

from ..problem import Array, Problem


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    dtype = problem.x.dtype
    lstm = tg.nn.LSTM(problem.size.I, problem.size.H, dtype=dtype, seed=0)
    dense = tg.nn.Dense(problem.size.H, 1, tg.sigmoid, dtype=dtype, seed=0)
    lstm.load_state_dict({"W": problem.W, "U": problem.U, "b": problem.b})
    dense.load_state_dict({"W": problem.w, "b": problem.c})
    x = tg.Tensor(problem.x, requires_grad=True, name="x")
    target = tg.Tensor(problem.target)
    leaves = {"W": lstm.W, "U": lstm.U, "b": lstm.b, "w": dense.W, "c": dense.b, "x": x}

    def step() -> object:
        for leaf in leaves.values():
            leaf.grad = None
        out, _ = lstm(x)
        loss = tg.nn.squared_error(dense(out), target)
        loss.backward()
        return loss

    return step, lambda: {name: leaf.grad for name, leaf in leaves.items()}
