"""The equations of one step of a recurrence: LSTM, memory blocks, GRU, RNN, in the papers' letters.

Knows the primitives; not how steps follow one another, nor which Module holds the parameters: a
step takes them from whatever has them as attributes. The same code records Tensors, and runs on
Symbols, from which a layer's card is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ..engine.place import Packed
from ..engine.primitives import sigmoid, stop_gradient
from ..engine.tensor import constant
from ..errors import ArgumentError, UsageError
from . import init
from .options import checked_flag, checked_number, checked_size, squashing

Step = Callable[..., tuple[Any, ...]]
Squash = Callable[[Any], Any]


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


class LSTMEquations(Equations):
    """A long short-term memory without peepholes (see `LSTM`).

    Parameters
    ----------
    hidden_size : int
        H, the number of cells.
    squash : (g, h), or one for both
        Of the candidate and of the state: functions, or names as in `activation`.
    proj_size : int
        Width of the output where it is projected, else 0.
    forget_bias : float
        Initial value of b_f.
    cut : bool
        Whether out(k-1) sends no gradient back through the gates (Gers 2001, ch. 3).
    who : str
        What messages call it.
    """

    states = ("out", "state")

    def __init__(
        self,
        hidden_size: int,
        *,
        squash: Any = "tanh",
        proj_size: int = 0,
        forget_bias: float = 1.0,
        cut: bool = False,
        who: str = "LSTM",
    ) -> None:
        H = checked_size(f"{who}: hidden_size", hidden_size)
        out = checked_size(f"{who}: proj_size", proj_size, least=0)
        if out >= H:
            raise ArgumentError(
                f"{who}: proj_size must be below hidden_size, {H}, or 0 for none; found {out}"
            )
        super().__init__(dict.fromkeys("aifo", H), (out or H, H))
        self.is_projected = out > 0
        self.forget_bias = checked_number(f"{who}: forget_bias", forget_bias)
        pair = squash if isinstance(squash, tuple | list) else (squash, squash)
        if len(pair) != 2:
            raise UsageError(
                f"{who}: squash has {len(pair)} functions, expected one for the candidate and one "
                "for the state, or one for both"
            )
        self.g, self.h = (squashing(f"{who}: squash", each) for each in pair)
        self.cut = checked_flag(f"{who}: cut", cut)
        self._places = (*self.columns("a", "ifo"), *_thirds(H))
        self._s = self.packed("s", "_")

    def bias(self, gate: str) -> float:
        """Return the initial value of a gate's bias."""
        return self.forget_bias if gate == "f" else 0.0

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values; P (H, out) as Glorot and Bengio (2010)."""
        found = super().parameters(input_size, random)
        if self.is_projected:
            found["P"] = init.glorot((self.sizes[1], self.sizes[0]), random)
        return found

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out, state) to (out, state)."""
        U, P = p.U, p.P if self.is_projected else None
        g, h, cut = self.g, self.h, self.cut
        (A, IFO, I, F, O), S = self._places, self._s

        def step(xW: Any, out: Any, state: Any) -> tuple[Any, Any]:
            s = xW + (stop_gradient(out) if cut else out) @ U
            a = g(s[A])
            ifo = sigmoid(s[IFO])
            i, f, o = ifo[I], ifo[F], ifo[O]
            state = i * a + f * state
            out = o * h(state)
            if P is not None:
                out = out @ P
            s.name, a.name, i.name, f.name, o.name = S, "a", "i", "f", "o"
            state.name, out.name = "state", "out"
            return out, state

        return step


class BlockEquations(LSTMEquations):
    """Memory blocks: cells that share their block's gates, which may see them through peepholes.

    Parameters
    ----------
    hidden_size : int
        H, the number of cells in all blocks.
    cells : int
        In each block; a block of one cell is an LSTM's cell.
    peephole : bool
    **options
        As in `LSTMEquations`. Where it is cut, peepholes send no gradient back either.
    """

    def __init__(
        self, hidden_size: int, *, cells: int = 1, peephole: bool = True, **options: Any
    ) -> None:
        super().__init__(hidden_size, **options)
        H = self.sizes[1]
        self.gates = {"a": H, **dict.fromkeys("ifo", H // cells)}
        self.cells, self.peephole = cells, peephole
        if peephole:
            self.notes += "; p: i, f, o"
        if cells > 1:
            self.notes += f"\nE ({H // cells}, {H}) is 1 where a cell belongs to a block"

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values; p (3H,) is 0: a layer starts as one without peepholes."""
        found = super().parameters(input_size, random)
        if self.peephole:
            found[Packed("p", ("p.i", "p.f", "p.o"))] = np.zeros(3 * self.sizes[1])
        return found

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out, state) to (out, state)."""
        U, P = p.U, p.P if self.is_projected else None
        g, h, seen = self.g, self.h, stop_gradient if self.cut else _itself
        A, I, F, O = self.columns(*"aifo")
        per_cell, per_block = self._spread(p.W.dtype)
        looking: list[Callable[[Any, Any], Any]] = [_unseen] * 3
        if self.peephole:
            looking = [_looking(p.p[part], per_block) for part in _thirds(self.sizes[1])]
        look_i, look_f, look_o = looking

        def step(xW: Any, out: Any, state: Any) -> tuple[Any, Any]:
            s = xW + seen(out) @ U
            before = seen(state)
            s_a, s_i, s_f = s[A], look_i(s[I], before), look_f(s[F], before)
            a, i, f = g(s_a), sigmoid(s_i), sigmoid(s_f)
            state = per_cell(i) * a + per_cell(f) * state
            s_o = look_o(s[O], seen(state))
            o = sigmoid(s_o)
            out = per_cell(o) * h(state)
            if P is not None:
                out = out @ P
            s_a.name, s_i.name, s_f.name, s_o.name = "s_a", "s_i", "s_f", "s_o"
            a.name, i.name, f.name, o.name = "a", "i", "f", "o"
            state.name, out.name = "state", "out"
            return out, state

        return step

    def _spread(self, dtype: Any) -> tuple[Squash, Squash]:
        """Return the maps from blocks to their cells, y E, and from cells to their sum, y Eᵀ.

        E (blocks, H) is 1 where a cell belongs to a block.
        """
        if self.cells == 1:
            return _itself, _itself
        cells = np.repeat(np.eye(self.gates["i"], dtype=dtype), self.cells, axis=1)
        E, ET = constant(cells, name="E"), constant(cells.T, name="Eᵀ")
        return lambda y: y @ E, lambda y: y @ ET


class GRUEquations(Equations):
    """A gated recurrent unit (see `GRU`).

    Parameters
    ----------
    hidden_size : int
    squash : function, or a name as in `activation`
        Of the candidate.
    reset_after : bool
        Whether r acts on out(k-1) U_n, with a bias of its own, or on out(k-1).
    who : str
        What messages call it.
    """

    def __init__(
        self,
        hidden_size: int,
        *,
        squash: Any = "tanh",
        reset_after: bool = True,
        who: str = "GRU",
    ) -> None:
        H = checked_size(f"{who}: hidden_size", hidden_size)
        super().__init__(dict.fromkeys("rzn", H), (H,))
        self.squash = squashing(f"{who}: squash", squash)
        self.reset_after = checked_flag(f"{who}: reset_after", reset_after)
        if reset_after:
            self.notes = "one bias, and c beside U.n"

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values; c (H,) is 0."""
        found = super().parameters(input_size, random)
        if self.reset_after:
            found["c"] = np.zeros(self.sizes[0])
        return found

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out) to (out,)."""
        squash, after, U = self.squash, self.reset_after, p.U
        RZ, R, Z, N = self.columns("rz", *"rzn")
        S = self.packed("s", "_", "rz")
        if after:
            c = p.c
        else:
            U_rz, U_n = U[RZ], U[N]

        def step(xW: Any, out: Any) -> tuple[Any]:
            if after:
                outU = out @ U
                s = xW[RZ] + outU[RZ]
            else:
                s = xW[RZ] + out @ U_rz
            rz = sigmoid(s)
            r, z = rz[R], rz[Z]
            s_n = xW[N] + (r * (outU[N] + c) if after else (r * out) @ U_n)
            n = squash(s_n)
            out = (1.0 - z) * n + z * out
            s.name, r.name, z.name, s_n.name = S, "r", "z", "s_n"
            n.name, out.name = "n", "out"
            return (out,)

        return step


class RNNEquations(Equations):
    """A simple recurrence (see `RNN`).

    Parameters
    ----------
    hidden_size : int
    squash : function, or a name as in `activation`
    who : str
        What messages call it.
    """

    def __init__(self, hidden_size: int, *, squash: Any = "tanh", who: str = "RNN") -> None:
        H = checked_size(f"{who}: hidden_size", hidden_size)
        super().__init__({"s": H}, (H,))
        self.squash = squashing(f"{who}: nonlinearity", squash)

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out) to (out,)."""
        squash, U = self.squash, p.U

        def step(xW: Any, out: Any) -> tuple[Any]:
            s = xW + out @ U
            out = squash(s)
            s.name, out.name = "s", "out"
            return (out,)

        return step


def _thirds(H: int) -> tuple[Any, Any, Any]:
    """Return where i, f and o stand in what holds the three."""
    return (..., slice(0, H)), (..., slice(H, 2 * H)), (..., slice(2 * H, 3 * H))


def _looking(p: Any, per_block: Squash) -> Callable[[Any, Any], Any]:
    return lambda s, state: s + per_block(p * state)


def _unseen(s: Any, state: Any) -> Any:
    return s


def _itself(x: Any) -> Any:
    return x


__all__ = ["BlockEquations", "Equations", "GRUEquations", "LSTMEquations", "RNNEquations"]
