"""The equations of one step of an LSTM and of memory blocks, in the papers' letters.

Knows the primitives; not how steps follow one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.arguments import flag, number
from ..engine.place import Packed
from ..engine.primitives import sigmoid, stop_gradient
from ..engine.tensor import constant
from ..errors import ArgumentError, UsageError
from . import init
from .activations import Activation, Function, entrywise
from .equations import Equations, Step
from .inputs import size

OPEN = 50.0  # a bias of a gate, σ of which is 1 in every floating point type


class LSTMEquations(Equations):
    """A long short-term memory without peepholes (see `LSTM`).

    Parameters
    ----------
    hidden_size : int
        H, the number of cells.
    activation : (g, h), or one for both
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
    removable = "ifo"  # the gates without which the equations still hold

    def __init__(
        self,
        hidden_size: int,
        *,
        activation: Activation | tuple[Activation, Activation] = "tanh",
        proj_size: int = 0,
        forget_bias: float = 1.0,
        cut: bool = False,
        who: str = "LSTM",
    ) -> None:
        H = size(f"{who}: hidden_size", hidden_size)
        out = size(f"{who}: proj_size", proj_size, least=0)
        if out >= H:
            raise ArgumentError(
                f"{who}: proj_size must be below hidden_size, {H}, or 0 for none; found {out}"
            )
        super().__init__(dict.fromkeys("aifo", H), (out or H, H))
        self.is_projected = out > 0
        self.forget_bias = number(f"{who}: forget_bias", forget_bias)
        pair = activation if isinstance(activation, tuple | list) else (activation, activation)
        if len(pair) != 2:
            raise UsageError(
                f"{who}: activation has {len(pair)} functions, expected one for the candidate and "
                "one for the state, or one for both"
            )
        self.g, self.h = (entrywise(f"{who}: activation", function) for function in pair)
        self.cut = flag(f"{who}: cut", cut)
        self._places = (*self.columns("a", "ifo"), *_thirds(H))
        self._s = self.packed("s", "_")

    def bias(self, gate: str) -> float:
        """Return the initial value of a gate's bias."""
        return self.forget_bias if gate == "f" else 0.0

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values; P (H, out) as Glorot and Bengio (2010)."""
        arrays = super().parameters(input_size, random)
        if self.is_projected:
            arrays["P"] = init.glorot((self.sizes[1], self.sizes[0]), random)
        return arrays

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out, state) to (out, state)."""
        U, P = p.U, p.P if self.is_projected else None
        g, h, cut = self.g, self.h, self.cut
        (A, IFO, I, F, O), S = self._places, self._s
        missing = self.open_gates(p)
        if missing:
            return self._step_without(p, missing)

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

    def open_gates(self, p: Any) -> str:
        """Return the gates that are 1 whatever comes: culled, with a bias that opens them."""
        if any(getattr(x, "mask", None) is None for x in (p.W, p.U, p.b)):
            return ""
        return "".join(
            gate
            for gate, (at,) in ((gate, self.columns(gate)) for gate in self.removable)
            if not any(x.mask[at].any() for x in (p.W, p.U, p.b))
            and not (p.W._array[at].any() or p.U._array[at].any())
            and (p.b._array[at] >= OPEN).all()
        )

    def _step_without(self, p: Any, missing: str) -> Step:
        """Return one step without some gates, which are 1."""
        U, P = p.U, p.P if self.is_projected else None
        g, h, cut = self.g, self.h, self.cut
        (A,), places = self.columns("a"), {gate: self.columns(gate)[0] for gate in self.removable}

        def step(xW: Any, out: Any, state: Any) -> tuple[Any, Any]:
            s = xW + (stop_gradient(out) if cut else out) @ U
            a = g(s[A])
            gates = {gate: sigmoid(s[at]) for gate, at in places.items() if gate not in missing}
            i, f, o = (gates.get(gate) for gate in "ifo")
            state = (a if i is None else i * a) + (state if f is None else f * state)
            out = h(state) if o is None else o * h(state)
            if P is not None:
                out = out @ P
            s.name, a.name = self._s, "a"
            for gate, y in gates.items():
                y.name = gate
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

    removable = ""

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
        arrays = super().parameters(input_size, random)
        if self.peephole:
            arrays[Packed("p", ("p.i", "p.f", "p.o"))] = np.zeros(3 * self.sizes[1])
        return arrays

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out, state) to (out, state)."""
        U, P = p.U, p.P if self.is_projected else None
        g, h, before = self.g, self.h, stop_gradient if self.cut else _itself
        A, I, F, O = self.columns(*"aifo")
        per_cell, per_block = self._spread(p.W.dtype)
        looking: list[Callable[[Any, Any], Any]] = [_unseen] * 3
        if self.peephole:
            looking = [_looking(p.p[part], per_block) for part in _thirds(self.sizes[1])]
        look_i, look_f, look_o = looking

        def step(xW: Any, out: Any, state: Any) -> tuple[Any, Any]:
            s, last = xW + before(out) @ U, before(state)
            s_a, s_i, s_f = s[A], look_i(s[I], last), look_f(s[F], last)
            a, i, f = g(s_a), sigmoid(s_i), sigmoid(s_f)
            state = per_cell(i) * a + per_cell(f) * state
            s_o = look_o(s[O], before(state))
            o = sigmoid(s_o)
            out = per_cell(o) * h(state)
            if P is not None:
                out = out @ P
            s_a.name, s_i.name, s_f.name, s_o.name = "s_a", "s_i", "s_f", "s_o"
            a.name, i.name, f.name, o.name = "a", "i", "f", "o"
            state.name, out.name = "state", "out"
            return out, state

        return step

    def _spread(self, dtype: Any) -> tuple[Function, Function]:
        """Return the maps from blocks to their cells, y E, and from cells to their sum, y Eᵀ.

        E (blocks, H) is 1 where a cell belongs to a block.
        """
        if self.cells == 1:
            return _itself, _itself
        cells = np.repeat(np.eye(self.gates["i"], dtype=dtype), self.cells, axis=1)
        E, ET = constant(cells, name="E"), constant(cells.T, name="Eᵀ")
        return lambda y: y @ E, lambda y: y @ ET


def _thirds(H: int) -> tuple[Any, Any, Any]:
    """Return the indices of i, f and o in an array that holds the three side by side."""
    return (..., slice(0, H)), (..., slice(H, 2 * H)), (..., slice(2 * H, 3 * H))


def _looking(p: Any, per_block: Function) -> Callable[[Any, Any], Any]:
    return lambda s, state: s + per_block(p * state)


def _unseen(s: Any, state: Any) -> Any:
    return s


def _itself(x: Any) -> Any:
    return x
