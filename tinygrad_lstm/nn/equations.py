"""Equations: what a recurrence computes at one step, and from which parameters.

Knows neither how steps follow one another, nor which Module holds the parameters: a step takes them
from whatever has them as attributes. The same code records Tensors, and runs on Symbols, from which
a layer's card is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np

from ..engine.arguments import by_name, excerpt, one_of
from ..engine.place import Packed
from ..errors import ArgumentError, UsageError
from . import init
from .inputs import size

Step = Callable[..., tuple[Any, ...]]


class Equations:
    """What a recurrence computes at one step, and from which parameters: the base for a new cell.

    A subclass defines `stepper`. `Recurrent` runs the equations over time, `Cell` step by step.

    Parameters
    ----------
    gates : dict of str to int
        The blocks that stand side by side in W, U and b, by their letters, and their widths.
    sizes : tuple of int
        The width of each state.

    Attributes
    ----------
    states : tuple of str
        The names of the states, which each step passes to the next; the output is the first.
    biases : dict of str to str
        The parameters that ``bias=False`` leaves out, so that a step finds None in their place, and
        what a card says of each.
    notes : str
        What else a card says of the parameters.

    Raises
    ------
    UsageError, ArgumentError
        If a gate is not one letter, a width is no whole number above 0, or there is not one size
        for each state.

    Examples
    --------
    The minimal gated unit of G. Zhou, J. Wu, C. Zhang and Z. Zhou, 2016:

    >>> import tinygrad_lstm as tg
    >>> class MinimalGatedUnit(tg.nn.Equations):
    ...     def __init__(self, H):
    ...         super().__init__(gates={"f": H, "h": H}, sizes=(H,))
    ...
    ...     def stepper(self, p):
    ...         F, N = self.columns("f", "h")
    ...         U_f, U_h = p.U[F], p.U[N]
    ...
    ...         def step(xW, out):
    ...             s_f = xW[F] + out @ U_f
    ...             f = tg.sigmoid(s_f)
    ...             s_h = xW[N] + (f * out) @ U_h
    ...             h = tg.tanh(s_h)
    ...             out = (1.0 - f) * out + f * h
    ...             s_f.name, f.name, s_h.name, h.name, out.name = "s_f", "f", "s_h", "h", "out"
    ...             return (out,)
    ...
    ...         return step
    >>> mgu = tg.nn.Recurrent(MinimalGatedUnit(4), 3, name="mgu", seed=0)
    >>> print(mgu)
    mgu: Recurrent, 3 features to 4
      s_f = x(k) W.f + b.f + out(k-1) U.f
      f   = σ(s_f)
      s_h = x(k) W.h + b.h + (f ∘ out(k-1)) U.h
      h   = tanh(s_h)
      out = (1 - f) ∘ out(k-1) + f ∘ h
    W (3, 8), U (4, 8), b (8,)
    A sequence is a row, weights are (in, out), packed in the order f, h; one bias
    64 parameters
    >>> out, out_n = mgu(np.ones((5, 3)))
    >>> tg.graph(out_n.sum()).fold()
    <Graph of 40 nodes, folded over 5 steps>
    """

    states: tuple[str, ...] = ("out",)
    biases: Mapping[str, str] = {"b": "one bias"}
    notes = ""
    removable = ""  # gates that can be left out (see `LSTMEquations.open_gates`)

    def __init__(self, gates: Mapping[str, int], sizes: Sequence[int]) -> None:
        who = type(self).__name__
        for letter in by_name(f"{who}: gates", gates, "a dictionary of widths by letters"):
            if len(letter) != 1:
                raise ArgumentError(f"{who}: found the gate {letter!r}, expected one letter")
        self.gates = {
            letter: size(f"{who}: the width of gate {letter}", width)
            for letter, width in gates.items()
        }
        if not isinstance(sizes, tuple | list) or len(sizes) != len(self.states):
            raise UsageError(
                f"{who}: found sizes {excerpt(sizes)}, expected one for each state: "
                f"{', '.join(self.states)}"
            )
        self.sizes = tuple([size(f"{who}: the size of a state", width) for width in sizes])

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values of all parameters, by their (perhaps packed) names.

        W (in, Σ gates) as Glorot and Bengio (2010), U (out, Σ gates) orthogonal, b (Σ gates,) 0.
        """
        widths = self.gates.values()
        W = [init.glorot((input_size, width), random) for width in widths]
        U = [init.orthogonal((self.sizes[0], width), random) for width in widths]
        b = [np.full(width, self.bias(gate)) for gate, width in self.gates.items()]
        blocks = {"W": W, "U": U, "b": b}
        return {self.packed(name): np.hstack(arrays) for name, arrays in blocks.items()}

    def bias(self, gate: str) -> float:
        """Return the initial value of a gate's bias."""
        return 0.0

    def from_input(self, x: Any, p: Any) -> Any:
        """Return x W + b, or x W where there is no b."""
        xW = x @ p.W
        return xW if p.b is None else xW + p.b

    def packed(self, name: str, mark: str = ".", gates: str = "") -> str:
        """Return the name of a whole made of parts, one for each gate."""
        names = tuple(gates or self.gates)
        if len(names) == 1:
            return name
        widths = tuple(self.gates[gate] for gate in names)
        return Packed(name, tuple(f"{name}{mark}{gate}" for gate in names), widths)

    def conventions(self, bias: bool = True) -> str:
        """Return how the parameters are laid out, in words."""
        order = f", packed in the order {', '.join(self.gates)}" if len(self.gates) > 1 else ""
        biases = ", and ".join(self.biases.values()) if bias else "no bias"
        return f"A sequence is a row, weights are (in, out){order}; {biases}{self.notes}"

    def columns(self, *parts: str) -> tuple[Any, ...]:
        """Return the index of each part along the last axis; ``ifo`` is three gates at once."""
        ends = dict(zip(self.gates, pairwise(accumulate(self.gates.values(), initial=0))))
        for letter in chain.from_iterable(parts):
            one_of(f"{type(self).__name__}: columns", letter, ends)
        return tuple((..., slice(ends[part[0]][0], ends[part[-1]][1])) for part in parts)

    def stepper(self, p: Any) -> Step:
        """Return one step: a function of x(k) W + b and of the states that returns the next states.

        The step gives its signals their names. Parts of parameters are taken once, before the first
        step.

        Parameters
        ----------
        p : whatever has the parameters as attributes
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say how to compute a step: define stepper"
        )

    def checked_stepper(self, p: Any) -> Step:
        """Return the step of `stepper`; a step that returns no tuple of states is an error.

        Parameters
        ----------
        p : whatever has the parameters as attributes

        Raises
        ------
        UsageError
            If `stepper` returns no function.
        """
        step, states = self.stepper(p), ", ".join(self.states)
        if not callable(step):
            raise UsageError(
                f"{type(self).__name__}: stepper returned {excerpt(step)}, expected a function of "
                f"x(k) W + b, {states}"
            )

        def checked(xW: Any, *before: Any) -> tuple[Any, ...]:
            after = step(xW, *before)
            if type(after) is not tuple or len(after) != len(before):
                found = f"{len(after)} states" if type(after) is tuple else type(after).__name__
                raise UsageError(
                    f"{type(self).__name__}: the step returned {found}, expected a tuple of the "
                    f"next states: ({states},)"
                )
            return after

        return checked
