"""The sizes of the terms of a gradient: where the terms cancel, rounding is relative to the terms.

Knows the tape; no layers, no derivation. The gradient of a bias that has no effect is an example:
that of the keys of attention is a sum of terms of any size, and 0.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ..engine.cotangent import Sums
from ..engine.kind import Kind
from ..engine.tape import history, pull_back
from ..engine.tensor import Tensor


def sizes_of_terms(
    loss: Tensor, seed: Any, signals: Collection[Tensor]
) -> dict[Tensor, np.ndarray]:
    """Return the sums of the sizes of the terms that make up the gradients of signals.

    A term is what one entry of one user of the signal contributes. Where an operation only moves
    entries, or adds them up, the terms are those of its own users.

    Parameters
    ----------
    loss : Tensor of one number
    seed : array
        The cotangent of the loss.
    signals : Tensors on the loss's tape
    """
    users: dict[Tensor, list[Tensor]] = {}
    for node in history([loss]):
        for operand in set(node.inputs):
            users.setdefault(operand, []).append(node)
    reached, ends = dict.fromkeys(signals), set[Tensor]()
    waiting = list(reached)
    for signal in waiting:  # which grow
        for user in users.get(signal, ()):
            if _kind(user) is not Kind.LINEAR:
                ends.add(user)
            elif user not in reached:
                reached[user] = None
                waiting.append(user)
    sums = Sums(ends | {loss})
    sums.add(loss, seed)
    sizes = {end: np.abs(ct) for end, ct in pull_back(sums).items() if end in ends | {loss}}
    for signal in sorted(reached, key=lambda signal: signal.serial, reverse=True):
        if signal is loss:
            continue
        sizes[signal] = np.zeros(signal.shape)
        for user in users.get(signal, ()):
            if user in sizes:
                sizes[signal] = sizes[signal] + _size_of_term(signal, user, sizes[user])
    return {signal: sizes[signal] for signal in signals}


def _kind(node: Tensor) -> Kind:
    assert node.primitive is not None
    return node.primitive.kind


def _size_of_term(signal: Tensor, user: Tensor, size: np.ndarray) -> np.ndarray:
    """Return the sum of the sizes of the terms that a user of a signal contributes."""
    assert user.primitive is not None
    values = [operand.data for operand in user.inputs]
    if _kind(user) is Kind.BILINEAR:
        values = [np.abs(value) for value in values]
    needs = [operand is signal for operand in user.inputs]
    cts = user.primitive.vjp(size, user.data, values, needs, user.parameters or {})
    total = np.zeros(signal.shape)
    for ct in cts:
        if ct is not None:
            total = total + np.abs(ct)
    return total
