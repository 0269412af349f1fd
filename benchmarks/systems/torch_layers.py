"""PyTorch's own fused layers, ``torch.nn.LSTM``, ``GRU`` and ``RNN``.

Its gates are packed in the order i, f, g, o or r, z, n, its weights are (gates H, in), and it has
two biases, of which the second is kept at zero here but for a GRU's n. Padded sequences are packed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .. import threads
from ..problem import Array, Problem, named

LAYERS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
TO_TORCH = {"lstm": [1, 2, 0, 3], "gru": [0, 1, 2], "rnn": [0]}  # a, i, f, o -> i, f, a, o
FROM_TORCH = {"lstm": [2, 0, 1, 3], "gru": [0, 1, 2], "rnn": [0]}


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    torch.set_num_threads(threads.count())
    T, _, I, H = problem.size
    kind, D = problem.network.kind, problem.network.directions
    dtype = getattr(torch, str(problem.x.dtype))
    layer = LAYERS[kind](I, H, problem.network.layers, bidirectional=D == 2, dtype=dtype)
    dense = torch.nn.Linear(D * H, 1, dtype=dtype)
    marks = [f"_l{n // D}{'_reverse' * (n % D)}" for n in range(len(problem.ways))]
    theirs = dict(layer.named_parameters())
    with torch.no_grad():
        for mark, p in zip(marks, problem.ways, strict=True):
            for what, array in (("weight_ih", p["W"]), ("weight_hh", p["U"]), ("bias_ih", p["b"])):
                numbers = torch.from_numpy(_reordered(array.T, TO_TORCH[kind]))
                theirs[what + mark].copy_(numbers)
            second = theirs["bias_hh" + mark].zero_().requires_grad_("d" in p)
            if "d" in p:
                second[-H:] = torch.from_numpy(p["d"])
        dense.weight.copy_(torch.from_numpy(problem.w.T))
        dense.bias.copy_(torch.from_numpy(problem.c))
    x = torch.tensor(problem.x).requires_grad_()
    target = torch.tensor(problem.target)
    lengths = None if problem.lengths is None else torch.tensor(problem.lengths)
    leaves = [x, *layer.parameters(), *dense.parameters()]

    def step() -> object:
        for leaf in leaves:
            leaf.grad = None
        if lengths is None:
            out, _ = layer(x)
        else:
            packed, _ = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
            out, _ = pad_packed_sequence(packed, total_length=T)
        error = torch.sigmoid(dense(out)) - target
        loss = 0.5 * (error * error).sum()
        loss.backward()
        return loss

    def way(mark: str, p: dict[str, Array]) -> dict[str, Array]:
        found = {
            name: _reordered(theirs[what + mark].grad.numpy(), FROM_TORCH[kind]).T
            for name, what in (("W", "weight_ih"), ("U", "weight_hh"), ("b", "bias_ih"))
        }
        return found | ({"d": theirs["bias_hh" + mark].grad.numpy()[-H:]} if "d" in p else {})

    def read() -> dict[str, Array]:
        return named([way(*each) for each in zip(marks, problem.ways, strict=True)]) | {
            "w": dense.weight.grad.numpy().T,
            "c": dense.bias.grad.numpy(),
            "x": x.grad.numpy(),
        }

    return step, read


def _reordered(rows: Array, order: list[int]) -> Array:
    """Return the blocks of rows in another order."""
    blocks = np.split(rows, len(order))
    return np.concatenate([blocks[gate] for gate in order])
