"""autograd, from the same primitives, step by step."""

from __future__ import annotations

from collections.abc import Callable

import autograd.numpy as anp
from autograd import value_and_grad

from ..problem import LEAVES, Array, Problem


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    T, B, _, H = problem.size
    leaves = list(problem.leaves.values())
    start = anp.zeros((B, H), problem.x.dtype)

    def sigmoid(s: Array) -> Array:
        return 0.5 * anp.tanh(0.5 * s) + 0.5

    def loss(W: Array, U: Array, b: Array, w: Array, c: Array, x: Array) -> Array:
        nets = anp.dot(x, W) + b
        out = state = start
        outs = []
        for k in range(T):
            s = nets[k] + anp.dot(out, U)
            a = anp.tanh(s[:, :H])
            ifo = sigmoid(s[:, H:])
            i, f, o = ifo[:, :H], ifo[:, H : 2 * H], ifo[:, 2 * H :]
            state = i * a + f * state
            out = o * anp.tanh(state)
            outs.append(out)
        error = sigmoid(anp.dot(anp.stack(outs), w) + c) - problem.target
        return 0.5 * anp.sum(error * error)

    both = value_and_grad(loss, tuple(range(len(LEAVES))))
    found: dict[str, Array] = {}

    def step() -> object:
        value, gradients = both(*leaves)
        found.update(zip(LEAVES, gradients, strict=True))
        return value

    return step, lambda: found
