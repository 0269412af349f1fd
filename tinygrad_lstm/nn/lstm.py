"""Long short-term memory: the layer, its cell, memory blocks, and the equations of one step.

Knows the primitives; not how steps follow one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from ..engine.arguments import flag, number
from ..engine.place import Packed
from ..engine.primitives import sigmoid, stop_gradient
from ..engine.tensor import Tensor, constant
from ..errors import ArgumentError, UsageError
from . import init
from .activations import Activation, Function, entrywise
from .cell import Cell
from .equation_module import LayerOptions
from .equations import Equations, Step
from .inputs import size
from .recurrent import Recurrent, RecurrentOptions, is_gers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    States = tuple[Tensor, Tensor]  # out and state


class LSTM(Recurrent):
    """A long short-term memory layer over many steps.

        s_g(k)   = x(k) W_g + out(k-1) U_g + b_g      for g in a, i, f, o
        a        = g(s_a)            i, f, o = σ(s_i), σ(s_f), σ(s_o)
        state(k) = i ∘ a + f ∘ state(k-1)
        out(k)   = o ∘ h(state(k))

    with g = h = tanh unless said otherwise. With peepholes, s_i and s_f have p_i ∘ state(k-1) and
    p_f ∘ state(k-1) added, and s_o has p_o ∘ state(k). With a projection, out is multiplied by P.

    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997,
    with the forget gate of F. Gers, J. Schmidhuber and F. Cummins, Neural Computation 12(10), 2000,
    in the letters of A. Gomez, "Backpropogating an LSTM: a numerical example", 2016. Peepholes:
    F. Gers and J. Schmidhuber, "Recurrent nets that time and count", IJCNN 2000; A. Graves and
    J. Schmidhuber, Neural Networks 18(5-6), 2005. Projection: H. Sak, A. Senior and F. Beaufays,
    INTERSPEECH 2014.

    Parameters
    ----------
    input_size, hidden_size : int
        Features in, and H, the number of cells.
    num_layers, bidirectional, dropout, stateful, batch_first, initial, name, dtype, seed
        As in `Recurrent`.
    peephole : bool
        Whether the gates see the state.
    proj_size : int
        Width of the output where it is projected, below H; else 0.
    forget_bias : float
        Initial value of b_f (R. Jozefowicz, W. Zaremba and I. Sutskever, ICML 2015).
    squash : function or name, or a pair (g, h) of them
        Of the candidate and of the state; one stands for both. Names are those of primitives
        (``"tanh"``), ``"identity"`` (F. Gers, N. Schraudolph and J. Schmidhuber, JMLR 3, 2002), and
        ``"4σ-2"`` and ``"2σ-1"``, also written ``"4sigmoid-2"`` (F. Gers, "Long short-term memory
        in recurrent neural networks", dissertation, 2001: squash=("4σ-2", "2σ-1")).
    truncate : int or "gers", optional
        Steps after which no gradient is sent further back; or, with ``"gers"``, none is sent back
        from any gate or candidate to out(k-1), nor through a peephole: what is left goes from state
        to state (Gers 2001, ch. 3).

    Attributes
    ----------
    W : (in, 4H)
    U : (out, 4H)
    b : (4H,)
        Gates packed in the order a, i, f, o.
    p : (3H,)
        Peepholes, packed in the order i, f, o.
    P : (H, out)
        The projection.

    Signals at step k: ``s_a[k] … s_o[k]`` (their gradients are the papers' δa … δo), ``a[k] …
    o[k]``, ``state[k]``, ``out[k]``, each (B, H) or (H,); ``state[-1]`` and ``out[-1]`` are the
    initial values. `Recurrent` says what they are called in stacks and in two directions.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> lstm = LSTM(2, 3, num_layers=2, bidirectional=True, seed=0)
    >>> out, (out_n, state_n) = lstm(np.ones((5, 8, 2)), lengths=[5, 3, 4, 1, 5, 2, 2, 5])
    >>> out.shape, out_n.shape, state_n.shape
    ((5, 8, 6), (4, 8, 3), (4, 8, 3))
    >>> print(LSTM(2, 3))
    lstm: LSTM, 2 features to 3
      s     = x(k) W + b + out(k-1) U
      a     = tanh(s_a)
      i     = σ(s_i)
      f     = σ(s_f)
      o     = σ(s_o)
      state = i ∘ a + f ∘ state(k-1)
      out   = o ∘ tanh(state)
    W (2, 12), U (3, 12), b (12,)
    A sequence is a row, weights are (in, out), packed in the order a, i, f, o; one bias
    72 parameters
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        peephole: bool = False,
        proj_size: int = 0,
        forget_bias: float = 1.0,
        squash: Activation | tuple[Activation, Activation] = "tanh",
        **options: Unpack[RecurrentOptions],
    ) -> None:
        equations = _equations(
            type(self).__name__,
            hidden_size,
            peephole,
            proj_size=proj_size,
            forget_bias=forget_bias,
            squash=squash,
            cut=is_gers(options.get("truncate")),
        )
        super().__init__(equations, input_size, num_layers, **options)

    if TYPE_CHECKING:

        def __call__(
            self, x: Tensor | ArrayLike, state: Any = None, lengths: ArrayLike | None = None
        ) -> tuple[Tensor, States]: ...


class LSTMCell(Cell):
    """One step of a long short-term memory (see `LSTM` for its equations and arguments).

    Attributes
    ----------
    W : (in, 4H)
    U : (H, 4H)
    b : (4H,)
    p : (3H,), with peepholes
    P : (H, out), with a projection

    Examples
    --------
    >>> from ..engine.place import steps
    >>> cell, x = LSTMCell(2, 3, seed=0), np.ones((4, 2))
    >>> out, state = cell(x[0])
    >>> for k in steps(range(1, 4)):
    ...     out, state = cell(x[k], (out, state))
    >>> out.shape, state.shape
    ((3,), (3,))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        peephole: bool = False,
        proj_size: int = 0,
        forget_bias: float = 1.0,
        squash: Activation | tuple[Activation, Activation] = "tanh",
        **options: Unpack[LayerOptions],
    ) -> None:
        equations = _equations(
            type(self).__name__,
            hidden_size,
            peephole,
            proj_size=proj_size,
            forget_bias=forget_bias,
            squash=squash,
        )
        super().__init__(equations, input_size, **options)

    if TYPE_CHECKING:

        def __call__(self, x: Tensor | ArrayLike, state: Any = None) -> States: ...


class MemoryBlocks(Recurrent):
    """Memory blocks: LSTM cells of which several share the three gates of their block.

        s_a(k)   = x(k) W_a + out(k-1) U_a + b_a                            for every cell
        s_g(k)   = x(k) W_g + out(k-1) U_g + b_g      for g in i, f, o      for every block
        a        = g(s_a)            i, f, o = σ(s_i), σ(s_f), σ(s_o)
        state(k) = i E ∘ a + f E ∘ state(k-1)
        out(k)   = o E ∘ h(state(k))

    where E (blocks, H) is 1 where a cell belongs to a block. With peepholes, every gate sees the
    cells of its block: s_i and s_f have (p_i ∘ state(k-1)) Eᵀ and (p_f ∘ state(k-1)) Eᵀ added, and
    s_o has (p_o ∘ state(k)) Eᵀ.

    S. Hochreiter and J. Schmidhuber, Neural Computation 9(8), 1997; F. Gers, "Long short-term
    memory in recurrent neural networks", dissertation, 2001, ch. 2 and 3, with the equations'
    letters of `LSTM`. Blocks of one cell are an LSTM.

    Parameters
    ----------
    input_size, blocks, cells : int
        Features in, blocks, and cells in each: H = blocks · cells.
    peephole, forget_bias, squash, truncate
        As in `LSTM`; squashed as by Gers (2001) unless said otherwise.
    num_layers, bidirectional, dropout, stateful, batch_first, initial, name, dtype, seed
        As in `Recurrent`.

    Attributes
    ----------
    W : (in, H + 3 blocks)
    U : (H, H + 3 blocks)
    b : (H + 3 blocks,)
        Packed in the order a, i, f, o.
    p : (3H,)
        Peepholes, packed in the order i, f, o.

    Signals are those of `LSTM`; s_i … s_o and i … o are (B, blocks) or (blocks,).

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.
    """

    def __init__(
        self,
        input_size: int,
        blocks: int,
        cells: int,
        num_layers: int = 1,
        *,
        peephole: bool = False,
        forget_bias: float = 1.0,
        squash: Activation | tuple[Activation, Activation] = ("4σ-2", "2σ-1"),
        **options: Unpack[RecurrentOptions],
    ) -> None:
        who = type(self).__name__
        self.blocks = size(f"{who}: blocks", blocks)
        self.cells = size(f"{who}: cells", cells)
        equations = BlockEquations(
            self.blocks * self.cells,
            cells=self.cells,
            peephole=flag(f"{who}: peephole", peephole),
            squash=squash,
            forget_bias=forget_bias,
            cut=is_gers(options.get("truncate")),
            who=who,
        )
        super().__init__(equations, input_size, num_layers, **options)

    __call__ = LSTM.__call__


def _equations(who: str, hidden_size: int, peephole: bool, **options: Any) -> LSTMEquations:
    kind = BlockEquations if flag(f"{who}: peephole", peephole) else LSTMEquations
    return kind(hidden_size, who=who, **options)


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
        squash: Activation | tuple[Activation, Activation] = "tanh",
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
        pair = squash if isinstance(squash, tuple | list) else (squash, squash)
        if len(pair) != 2:
            raise UsageError(
                f"{who}: squash has {len(pair)} functions, expected one for the candidate and one "
                "for the state, or one for both"
            )
        self.g, self.h = (entrywise(f"{who}: squash", function) for function in pair)
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
    """Return where i, f and o stand in what holds the three."""
    return (..., slice(0, H)), (..., slice(H, 2 * H)), (..., slice(2 * H, 3 * H))


def _looking(p: Any, per_block: Function) -> Callable[[Any, Any], Any]:
    return lambda s, state: s + per_block(p * state)


def _unseen(s: Any, state: Any) -> Any:
    return s


def _itself(x: Any) -> Any:
    return x


__all__ = ["LSTM", "BlockEquations", "LSTMCell", "LSTMEquations", "MemoryBlocks"]
