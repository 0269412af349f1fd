"""What every planted case is made of: the case itself, its network, numbers and layers.

Knows no network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lstm as tg

Arrays = dict[str, np.ndarray]
Mistakes = dict[str, tuple[str, str, str]]  # what is wrong, the first wrong signals, its kind


@dataclass(frozen=True)
class Case:
    """A network, and a backward pass of it by hand.

    Attributes
    ----------
    id : str
        ``network/mistake``; ``network/right`` if there is none.
    network : str
    mistake : str or None
        Several are joined by ``+``.
    what : str
        One sentence that says what the mistake is.
    where : tuple of str
        The signals whose gradients are the first wrong ones: no gradient that they are computed
        from is wrong. Empty if nothing is, but for rounding.
    named : str
        What kind of mistake it is, in the library's words; several joined by " or " if one and
        the same slip may be called by any of them.
    loss : () -> Tensor
        Builds the network anew, with the same numbers.
    hand : () -> dict of str to array
        The gradients by the names of the signals, in the order in which they were derived.
    parameters : tuple of str
        The names of weights and biases among them.
    off : float
        By how much right gradients differ from the tape's at most, relative to their largest entry
        or to 1, whichever is larger.
    in_parameters : bool
        Whether a mistake shows in any weight or bias, and not in an input alone.
    """

    id: str
    network: str
    mistake: str | None
    what: str
    where: tuple[str, ...]
    named: str
    loss: Callable[[], tg.Tensor]
    hand: Callable[[], Arrays]
    parameters: tuple[str, ...]
    off: float = 1e-12
    in_parameters: bool = False


class Network(NamedTuple):
    """A network, and its backward pass by hand, with the mistakes that can be planted in it.

    Attributes
    ----------
    mistakes : dict of id to (what, where, named), as in `Case`
    loss : () -> Tensor
    hand : (*ids of mistakes) -> gradients by the names of the signals
    parameters : tuple of str
    inputs_alone : tuple of str
        The ids of mistakes that show in no parameter.
    off : float
        As in `Case`, if there is a mistake.
    """

    mistakes: Mistakes
    loss: Callable[[], tg.Tensor]
    hand: Callable[..., Arrays]
    parameters: tuple[str, ...]
    inputs_alone: tuple[str, ...] = ()
    off: float = 1e-12

    def case(self, name: str, *mistakes: str) -> Case:
        """Return it, under a name, with a mistake, with none, or with several at once."""
        mistake = "+".join(mistakes) or None
        table = [self.mistakes[each] for each in mistakes]
        where = tuple(signal for _, signals, _ in table for signal in signals.split())
        return Case(
            id=f"{name}/{mistake or 'right'}",
            network=name,
            mistake=mistake,
            what="; ".join(what for what, _, _ in table) or "nothing",
            where=where,
            named=" and ".join(named for _, _, named in table),
            loss=self.loss,
            hand=partial(self.hand, *mistakes),
            parameters=self.parameters,
            off=self.off if mistakes else 1e-12,
            in_parameters=bool(where) and not set(mistakes) <= set(self.inputs_alone),
        )


def σ(s: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return 1.0 / (1.0 + np.exp(-s))


def numbers(seed: int, **shapes: tuple[int, ...]) -> Arrays:
    """Return an array of each shape, uniform in (-1, 1)."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def leaves(n: Arrays) -> dict[str, tg.Tensor]:
    """Return the arrays as Tensors that require a gradient, each called by its name."""
    return {name: tg.Tensor(array, requires_grad=True, name=name) for name, array in n.items()}


def dense(name: str, W: np.ndarray, b: np.ndarray, activation: Any = None) -> tg.nn.Dense:
    """Return a dense layer of the given weights."""
    layer = tg.nn.Dense(*W.shape, activation, name=name)
    layer.W.data, layer.b.data = W, b
    return layer
