"""PyTorch eager, from the same primitives, step by step, in two ways of taking a step.

By an index, as the LSTM of tinygrad_lstm takes it: in PyTorch its backward pass makes an array as
large as all the steps each time. And by ``unbind`` and ``split``, with which somebody who knows
this avoids it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..problem import LEAVES, Array, Problem

Both = tuple[Callable[[], object], Callable[[], dict[str, Array]]]


def build(problem: Problem) -> Both:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    H = problem.size.H

    def sliced(ifo: torch.Tensor) -> Sequence[torch.Tensor]:
        return ifo[:, :H], ifo[:, H : 2 * H], ifo[:, 2 * H :]

    return _build(problem, lambda nets: (nets[k] for k in range(problem.size.T)), sliced)


def build_unbound(problem: Problem) -> Both:
    """Return the same two functions, with the steps and the gates taken apart all at once."""
    return _build(problem, torch.Tensor.unbind, lambda ifo: ifo.split(problem.size.H, dim=1))


def _build(problem: Problem, steps: Callable, gates: Callable) -> Both:
    torch.set_num_threads(1)
    _, B, _, H = problem.size
    leaves = {name: torch.tensor(getattr(problem, name)).requires_grad_() for name in LEAVES}
    W, U, b, w, c, x = leaves.values()
    target = torch.tensor(problem.target)
    start = torch.zeros(B, H, dtype=x.dtype)

    def step() -> object:
        for leaf in leaves.values():
            leaf.grad = None
        out = state = start
        outs = []
        for net in steps(x @ W + b):
            s = net + out @ U
            a = torch.tanh(s[:, :H])
            i, f, o = gates(torch.sigmoid(s[:, H:]))
            state = i * a + f * state
            out = o * torch.tanh(state)
            outs.append(out)
        error = torch.sigmoid(torch.stack(outs) @ w + c) - target
        loss = 0.5 * (error * error).sum()
        loss.backward()
        return loss

    return step, lambda: {name: leaf.grad.numpy() for name, leaf in leaves.items()}
