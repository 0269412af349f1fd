"""tinygrad_lstm's own tape, with its layers as anybody would use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import tinygrad_lstm as tg

from ..problem import Array, Problem, named

LAYERS = {"lstm": tg.nn.LSTM, "gru": tg.nn.GRU, "rnn": tg.nn.RNN}
OURS = {"d": "c"}  # a GRU's second bias


class Recorded(NamedTuple):
    """The network of a problem as anybody would write it: its loss is a function of the data."""

    loss: Callable[..., tg.Tensor]
    data: tuple[tg.Tensor | Array, ...]
    leaves: dict[str, tg.Tensor]


def record(problem: Problem) -> Recorded:
    """Return the loss of a problem, and its leaves by the names of the problem."""
    network, size, dtype = problem.network, problem.size, problem.x.dtype
    if network.kind == "own":
        return _record_own(problem)
    layer = LAYERS[network.kind](
        size.I, size.H, network.layers, bidirectional=network.directions == 2, dtype=dtype, seed=0
    )
    dense = tg.nn.Dense(network.directions * size.H, 1, tg.sigmoid, dtype=dtype, seed=0)
    dense.load_state_dict({"W": problem.w, "b": problem.c})
    ways = list(layer.layers)
    if layer.bidirectional:
        ways = [way for pair in ways for way in pair]
    for way, p in zip(ways, problem.ways, strict=True):
        way.load_state_dict({OURS.get(name, name): each for name, each in p.items()})
    x = tg.Tensor(problem.x, requires_grad=True, name="x")
    target = tg.Tensor(problem.target)
    weights = [
        {name: getattr(way, OURS.get(name, name)) for name in p}
        for way, p in zip(ways, problem.ways, strict=True)
    ]
    leaves = named(weights) | {"w": dense.W, "c": dense.b, "x": x}

    def loss(x: tg.Tensor, target: tg.Tensor, lengths: Array | None = None) -> tg.Tensor:
        padding = {} if lengths is None else {"lengths": lengths}
        out, _ = layer(x, **padding)
        return tg.nn.squared_error(dense(out), target)

    padded = () if problem.lengths is None else (problem.lengths,)
    return Recorded(loss, (x, target, *padded), leaves)


def _record_own(problem: Problem) -> Recorded:
    T, B, _, H = problem.size
    leaves = {
        name: tg.Tensor(each, requires_grad=True, name=name)
        for name, each in problem.leaves.items()
    }
    W, U, V, b, w, c, x = (leaves[name] for name in "WUVbwcx")
    target, start = tg.Tensor(problem.target), np.zeros((B, H), problem.x.dtype)

    def loss(x: tg.Tensor, target: tg.Tensor) -> tg.Tensor:
        before = h = r = start
        outs, net = [], x @ W + b
        for k in tg.steps(T):
            s = net[k] + h @ U
            q, p = tg.sigmoid(s[:, :H] + before @ V), tg.tanh(s[:, H:])
            r = r * q + p * (1 - q)
            before, h = h, tg.sin(r) * q + p
            outs.append(h)
        return tg.nn.squared_error(tg.sigmoid(tg.stack(outs) @ w + c), target)

    return Recorded(loss, (x, target), leaves)


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    tg.keep_freed_memory()
    loss_of, data, leaves = record(problem)

    def step() -> object:
        for leaf in leaves.values():
            leaf.grad = None
        loss = loss_of(*data)
        loss.backward()
        return loss

    return step, lambda: {name: leaf.grad for name, leaf in leaves.items()}
