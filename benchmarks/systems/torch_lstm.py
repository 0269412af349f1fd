"""PyTorch's own fused layer, ``torch.nn.LSTM``.

Its gates are packed in the order i, f, g, o, its weights are (4H, in), and it has two biases, of
which one is kept at zero here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..problem import Array, Problem

TO_TORCH = [1, 2, 0, 3]  # a, i, f, o -> i, f, a, o
FROM_TORCH = [2, 0, 1, 3]


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    torch.set_num_threads(1)
    _, _, I, H = problem.size
    lstm, dense = torch.nn.LSTM(I, H), torch.nn.Linear(H, 1)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(torch.from_numpy(_reordered(problem.W.T, TO_TORCH)))
        lstm.weight_hh_l0.copy_(torch.from_numpy(_reordered(problem.U.T, TO_TORCH)))
        lstm.bias_ih_l0.copy_(torch.from_numpy(_reordered(problem.b, TO_TORCH)))
        lstm.bias_hh_l0.zero_().requires_grad_(False)
        dense.weight.copy_(torch.from_numpy(problem.w.T))
        dense.bias.copy_(torch.from_numpy(problem.c))
    x = torch.tensor(problem.x).requires_grad_()
    target = torch.tensor(problem.target)
    leaves = [x, *lstm.parameters(), *dense.parameters()]

    def step() -> object:
        for leaf in leaves:
            leaf.grad = None
        out, _ = lstm(x)
        error = torch.sigmoid(dense(out)) - target
        loss = 0.5 * (error * error).sum()
        loss.backward()
        return loss

    def read() -> dict[str, Array]:
        return {
            "W": _reordered(lstm.weight_ih_l0.grad.numpy(), FROM_TORCH).T,
            "U": _reordered(lstm.weight_hh_l0.grad.numpy(), FROM_TORCH).T,
            "b": _reordered(lstm.bias_ih_l0.grad.numpy(), FROM_TORCH),
            "w": dense.weight.grad.numpy().T,
            "c": dense.bias.grad.numpy(),
            "x": x.grad.numpy(),
        }

    return step, read


def _reordered(rows: Array, order: list[int]) -> Array:
    """Return the four blocks of rows in another order."""
    blocks = np.split(rows, 4)
    return np.concatenate([blocks[gate] for gate in order])
