"""MyGrad, from the same primitives, step by step."""

from __future__ import annotations

from collections.abc import Callable

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import sigmoid

from ..problem import Array, Problem


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    mg.turn_memory_guarding_off()  # its manual's advice for speed
    T, B, _, H = problem.size
    leaves = {name: mg.tensor(each) for name, each in problem.leaves.items()}
    W, U, b, w, c, x = leaves.values()
    start = np.zeros((B, H), problem.x.dtype)

    def step() -> object:
        for leaf in leaves.values():
            leaf.null_grad()
        nets = mg.matmul(x, W) + b
        out = state = start
        outs = []
        for k in range(T):
            s = nets[k] + mg.matmul(out, U)
            a = mg.tanh(s[:, :H])
            ifo = sigmoid(s[:, H:])
            i, f, o = ifo[:, :H], ifo[:, H : 2 * H], ifo[:, 2 * H :]
            state = i * a + f * state
            out = o * mg.tanh(state)
            outs.append(out)
        error = sigmoid(mg.matmul(mg.stack(outs), w) + c) - problem.target
        loss = 0.5 * mg.sum(error * error)
        loss.backward()
        return loss

    return step, lambda: {name: leaf.grad for name, leaf in leaves.items()}
