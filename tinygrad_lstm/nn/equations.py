"""Equations: what a recurrence computes at one step, and from which parameters.

Knows neither how steps follow one another, nor which Module holds the parameters: a step takes them
from whatever has them as attributes. The same code records Tensors, and runs on Symbols, from which
a layer's card is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ..engine.place import Packed
from . import init

Step = Callable[..., tuple[Any, ...]]


class Equations:
    """What a recurrence computes at one step, and from which parameters.

    Attributes
    ----------
    states : tuple of str
        What is handed from step to step; the output comes first.
    sizes : tuple of int
        How wide each of them is.
    gates : dict of str to int
        What stands side by side in W, U and b, each called by a letter, and how wide it is.
    notes : str
        What else a card says.
    """

    states: tuple[str, ...] = ("out",)
    notes = "one bias"

    def __init__(self, gates: dict[str, int], sizes: tuple[int, ...]) -> None:
        self.gates, self.sizes = gates, sizes

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values of all parameters, by their (perhaps packed) names.

        W (in, Σ gates) as Glorot and Bengio (2010), U (out, Σ gates) orthogonal, b (Σ gates,) 0.
        """
        widths = self.gates.values()
        W = [init.glorot((input_size, width), random) for width in widths]
        U = [init.orthogonal((self.sizes[0], width), random) for width in widths]
        b = [np.full(width, self.bias(gate)) for gate, width in self.gates.items()]
        blocks = {"W": W, "U": U, "b": b}
        return {self.packed(name): np.hstack(each) for name, each in blocks.items()}

    def bias(self, gate: str) -> float:
        """Return the initial value of a gate's bias."""
        return 0.0

    def packed(self, name: str, mark: str = ".", gates: str = "") -> str:
        """Return the name of a whole made of parts, one for each gate."""
        names = tuple(gates or self.gates)
        if len(names) == 1:
            return name
        widths = tuple(self.gates[gate] for gate in names)
        return Packed(name, tuple(f"{name}{mark}{gate}" for gate in names), widths)

    @property
    def conventions(self) -> str:
        """How the parameters are laid out, in words."""
        order = f", packed in the order {', '.join(self.gates)}" if len(self.gates) > 1 else ""
        return f"A sequence is a row, weights are (in, out){order}; {self.notes}"

    def columns(self, *parts: str) -> tuple[Any, ...]:
        """Return where the parts stand along the last axis; ``ifo`` is three gates at once."""
        ends = dict(zip(self.gates, pairwise(accumulate(self.gates.values(), initial=0))))
        return tuple((..., slice(ends[part[0]][0], ends[part[-1]][1])) for part in parts)

    def stepper(self, p: Any) -> Step:
        """Return one step: a function of x(k) W + b and the states that returns the next states.

        It names the signals of the step. What it needs of the parameters it looks up once, before
        the first step.

        Parameters
        ----------
        p : whatever has the parameters as attributes
        """
        raise NotImplementedError


__all__ = ["Equations", "Step"]
