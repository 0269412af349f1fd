"""One recording of a function: what it computes, and whether other numbers give the same tape.

Knows Tensors and the tape; no network, and no program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine.off_tape import OffTape
from ..engine.tensor import Tensor
from ..network.parameters import is_same

READ = "it reads numbers off the tape, which may decide what it does"
FLOATS = (np.dtype("f4"), np.dtype("f8"))


class Recording:
    """A function as the eager tape records it.

    Parameters
    ----------
    function : callable
    args : sequence
        All arguments, those with a keyword last.
    keywords : sequence of str
    names : sequence of str
        What an array is called, of the first arguments.
    is_changed : bool
        Whether to record it with other numbers than those of the arguments.

    Attributes
    ----------
    loss : Tensor
    inputs : dict of int to Tensor
        What stands for an argument, by the argument's position.
    refused : str
        Why there can be no program of it; empty if there may be one.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Sequence[Any],
        keywords: Sequence[str],
        names: Sequence[str],
        is_changed: bool = False,
    ) -> None:
        self.inputs: dict[int, Tensor] = {}
        self.refused = ""
        count = len(args) - len(keywords)
        known = {**dict(enumerate(names[:count])), **dict(enumerate(keywords, count))}
        values = list(args)
        for n, value in enumerate(args):
            if isinstance(value, Tensor):
                if value.inputs:
                    self.refused = "an argument was computed, expected arrays and leaves"
                array, name, is_asked = value._array, value.name, value.requires_grad
            elif isinstance(value, np.ndarray) and value.dtype in FLOATS:
                array, name, is_asked = value, None, False
            else:
                continue
            array = _others(array, n) if is_changed else array
            own = Tensor(array, is_asked, name=name or known.get(n) or f"x{n}")
            values[n] = self.inputs[n] = own
        before = OffTape.count
        with np.errstate(all="ignore"):
            loss = function(*values[:count], **dict(zip(keywords, values[count:], strict=True)))
        if OffTape.count != before:
            self.refused = self.refused or READ
        if not isinstance(loss, Tensor) or loss.ndim:
            self.refused = self.refused or "it does not return a Tensor of one number"
        self.loss = loss

    def is_like(self, other: Recording) -> bool:
        """Return whether another recording did the same to the numbers of its own inputs."""
        twins = {x: other.inputs[n] for n, x in self.inputs.items()}
        waiting = [(self.loss, other.loss)]
        while waiting:
            one, same = waiting.pop()
            if one in twins:
                if twins[one] is not same:
                    return False
                continue
            twins[one] = same
            if not _is_alike(one, same):
                return False
            waiting.extend(zip(one.inputs, same.inputs, strict=True))
        return len(set(twins.values())) == len(twins)


def _is_alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two entries of a tape are the same operation, or the same leaf."""
    if one is other:
        return True
    is_operation = (
        one.primitive is other.primitive
        and len(one.inputs) == len(other.inputs)
        and one.name == other.name
        and one.requires_grad == other.requires_grad
        and one.place.step == other.place.step
        and one._array.shape == other._array.shape
        and is_same(one.parameters, other.parameters)
    )
    return is_operation and (bool(one.inputs) or is_same(one._array, other._array))


def _others(array: np.ndarray, seed: int) -> np.ndarray:
    """Return other numbers of the same signs and about the same size, no two of them alike."""
    drawn = np.random.default_rng(seed).uniform(0.9, 1.1, array.shape)
    return np.where(array == 0, 0.01 * drawn, array * drawn).astype(array.dtype)
