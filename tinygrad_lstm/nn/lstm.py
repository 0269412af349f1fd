"""Long short-term memory over time: the layer, its cell, and memory blocks.

Knows which equations they are made of; not how the steps follow one another.
"""

from __future__ import annotations

from typing import Any, Unpack

from ..engine.arguments import flag
from ..engine.tensor import Tensor
from .activations import Activation
from .cell import CellOf
from .equation_module import LayerOptions
from .inputs import size
from .lstm_equations import BlockEquations, LSTMEquations
from .old_names import renamed
from .recurrent import RecurrentOf, RecurrentOptions, is_gers

OutAndState = tuple[Tensor, Tensor]


class LSTM(RecurrentOf[OutAndState]):
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
    num_layers, bias, bidirectional, dropout, stateful, batch_first, initial, name, dtype, seed
        As in `Recurrent`.
    peephole : bool
        Whether the gates see the state.
    proj_size : int
        Width of the output where it is projected, below H; else 0.
    forget_bias : float
        Initial value of b_f (R. Jozefowicz, W. Zaremba and I. Sutskever, ICML 2015).
    activation : function or name, or a pair (g, h) of them
        Of the candidate and of the state; one stands for both. Names are those of primitives
        (``"tanh"``), ``"identity"`` (F. Gers, N. Schraudolph and J. Schmidhuber, JMLR 3, 2002), and
        ``"4σ-2"`` and ``"2σ-1"``, also written ``"4sigmoid-2"`` (F. Gers, "Long short-term memory
        in recurrent neural networks", dissertation, 2001: activation=("4σ-2", "2σ-1")).
    truncate : int or "gers", optional
        Steps after which no gradient flows further back; or, with ``"gers"``, none flows back
        from any gate or candidate to out(k-1), nor through a peephole: the rest flows from state
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
    >>> import numpy as np
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

    @renamed(squash="activation")
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        peephole: bool = False,
        proj_size: int = 0,
        forget_bias: float = 1.0,
        activation: Activation | tuple[Activation, Activation] = "tanh",
        **options: Unpack[RecurrentOptions],
    ) -> None:
        cut = is_gers(options.get("truncate"))
        equations = _equations(self, hidden_size, peephole, proj_size, forget_bias, activation, cut)
        super().__init__(equations, input_size, num_layers, **options)


class LSTMCell(CellOf[OutAndState]):
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
    >>> import numpy as np
    >>> from tinygrad_lstm import steps
    >>> cell, x = LSTMCell(2, 3, seed=0), np.ones((4, 2))
    >>> out, state = cell(x[0])
    >>> for k in steps(range(1, 4)):
    ...     out, state = cell(x[k], (out, state))
    >>> out.shape, state.shape
    ((3,), (3,))
    """

    @renamed(squash="activation")
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        peephole: bool = False,
        proj_size: int = 0,
        forget_bias: float = 1.0,
        activation: Activation | tuple[Activation, Activation] = "tanh",
        **options: Unpack[LayerOptions],
    ) -> None:
        equations = _equations(
            self, hidden_size, peephole, proj_size, forget_bias, activation, False
        )
        super().__init__(equations, input_size, **options)


class MemoryBlocks(RecurrentOf[OutAndState]):
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
    peephole, forget_bias, activation, truncate
        As in `LSTM`; squashed as by Gers (2001) unless said otherwise.
    num_layers, bias, bidirectional, dropout, stateful, batch_first, initial, name, dtype, seed
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

    @renamed(squash="activation")
    def __init__(
        self,
        input_size: int,
        blocks: int,
        cells: int,
        num_layers: int = 1,
        *,
        peephole: bool = False,
        forget_bias: float = 1.0,
        activation: Activation | tuple[Activation, Activation] = ("4σ-2", "2σ-1"),
        **options: Unpack[RecurrentOptions],
    ) -> None:
        who = type(self).__name__
        self.blocks = size(f"{who}: blocks", blocks)
        self.cells = size(f"{who}: cells", cells)
        equations = BlockEquations(
            self.blocks * self.cells,
            cells=self.cells,
            peephole=flag(f"{who}: peephole", peephole),
            activation=activation,
            forget_bias=forget_bias,
            cut=is_gers(options.get("truncate")),
            who=who,
        )
        super().__init__(equations, input_size, num_layers, **options)


def _equations(
    layer: Any, hidden_size: int, peephole: bool, out: int, bias: float, activation: Any, cut: bool
) -> LSTMEquations:
    who = type(layer).__name__
    kind = BlockEquations if flag(f"{who}: peephole", peephole) else LSTMEquations
    return kind(
        hidden_size, who=who, proj_size=out, forget_bias=bias, activation=activation, cut=cut
    )
