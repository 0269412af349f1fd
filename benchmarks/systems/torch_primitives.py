"""PyTorch eager, from the same primitives, step by step, in two ways of taking a step.

By an index, as the layers of tinygrad_lstm take it: in PyTorch its backward pass makes an array as
large as all the steps each time. And by ``unbind`` and ``split``, with which somebody who knows
this avoids it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from ..problem import Array, Problem, named

Both = tuple[Callable[[], object], Callable[[], dict[str, Array]]]
Split = Callable[[torch.Tensor], Sequence[torch.Tensor]]  # gates side by side, taken apart
State = tuple[torch.Tensor, ...]  # the output comes first
Weights = Mapping[str, torch.Tensor]


def lstm(p: Weights, net: torch.Tensor, before: State, split: Split) -> State:
    """Take a step of a long short-term memory."""
    out, state = before
    H = out.shape[1]
    s = net + out @ p["U"]
    a = torch.tanh(s[:, :H])
    i, f, o = split(torch.sigmoid(s[:, H:]))
    state = i * a + f * state
    return o * torch.tanh(state), state


def gru(p: Weights, net: torch.Tensor, before: State, split: Split) -> State:
    """Take a step of a gated recurrent unit."""
    (out,) = before
    H = out.shape[1]
    outU = out @ p["U"]
    r, z = split(torch.sigmoid(net[:, : 2 * H] + outU[:, : 2 * H]))
    n = torch.tanh(net[:, 2 * H :] + r * (outU[:, 2 * H :] + p["d"]))
    return ((1 - z) * n + z * out,)


def rnn(p: Weights, net: torch.Tensor, before: State, split: Split) -> State:
    """Take a step of a simple recurrence."""
    return (torch.tanh(net + before[0] @ p["U"]),)


STEPS = {"lstm": lstm, "gru": gru, "rnn": rnn}


def build(problem: Problem) -> Both:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    H = problem.size.H

    def sliced(gates: torch.Tensor) -> Sequence[torch.Tensor]:
        return [gates[:, n : n + H] for n in range(0, gates.shape[1], H)]

    return _build(problem, lambda nets: [nets[k] for k in range(problem.size.T)], sliced)


def build_unbound(problem: Problem) -> Both:
    """Return the same two functions, with the steps and the gates taken apart all at once."""
    H = problem.size.H
    return _build(problem, torch.Tensor.unbind, lambda gates: gates.split(H, dim=1))


def _build(problem: Problem, steps: Split, split: Split) -> Both:
    torch.set_num_threads(1)
    _, B, _, H = problem.size
    kind, D = problem.network.kind, problem.network.directions
    take = STEPS[kind]
    ways = [
        {name: torch.tensor(each).requires_grad_() for name, each in p.items()}
        for p in problem.ways
    ]
    w, c, x = (torch.tensor(each).requires_grad_() for each in (problem.w, problem.c, problem.x))
    leaves = named(ways) | {"w": w, "c": c, "x": x}
    target = torch.tensor(problem.target)
    start = (torch.zeros(B, H, dtype=x.dtype),) * (2 if kind == "lstm" else 1)
    alive = None if problem.alive is None else torch.tensor(problem.alive)

    def run(p: Weights, x: torch.Tensor, turn: int) -> torch.Tensor:
        nets = list(steps(x @ p["W"] + p["b"]))[::turn]
        lives = [None] * len(nets) if alive is None else list(alive)[::turn]
        state, outs = start, []
        for net, lived in zip(nets, lives):
            before = state
            state = take(p, net, before, split)
            if lived is not None:
                state = tuple(torch.where(lived, new, old) for new, old in zip(state, before))
            outs.append(state[0])
        out = torch.stack(outs[::turn])
        return out if alive is None else torch.where(alive, out, 0.0)

    def step() -> object:
        for leaf in leaves.values():
            leaf.grad = None
        out = x
        for first in range(0, len(ways), D):
            parts = [run(p, out, turn) for p, turn in zip(ways[first : first + D], (1, -1))]
            out = parts[0] if D == 1 else torch.cat(parts, dim=-1)
        error = torch.sigmoid(out @ w + c) - target
        loss = 0.5 * (error * error).sum()
        loss.backward()
        return loss

    return step, lambda: {name: leaf.grad.numpy() for name, leaf in leaves.items()}
