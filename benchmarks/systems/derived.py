"""The fast NumPy program of the derivation, which tinygrad_lstm prints for the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tinygrad_lstm as tg

from ..problem import Array, Problem
from .tape import record


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    loss_of, data, leaves = record(problem)
    loss = loss_of(*data)
    derivation, module = tg.derive(loss), dict[str, Any]()
    exec(derivation.numpy(fast=True), module)
    forward, backward = module["forward"], module["backward"]
    arguments, gradients = derivation.arrays(fast=True), dict[str, Array]()

    def step() -> object:
        value, signals = forward(**arguments)
        gradients.update(backward(**signals))
        return value

    names = {name: tg.signals(loss).names[leaf] for name, leaf in leaves.items()}
    return step, lambda: {name: gradients[own] for name, own in names.items()}
