"""tinygrad_lstm compiled: the same network, run as the C program of its derivation."""

from __future__ import annotations

from collections.abc import Callable

import tinygrad_lstm as tg

from ..problem import Array, Problem
from .tape import record


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    loss_of, data, leaves = record(problem)
    compiled = tg.compile(loss_of, strict=True)

    def step() -> object:
        for leaf in leaves.values():
            leaf.grad = None
        loss = compiled(*data)
        loss.backward()
        return loss

    return step, lambda: {name: leaf.grad for name, leaf in leaves.items()}
