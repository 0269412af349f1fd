"""Recurrent layers: LSTM, MemoryBlocks, GRU and RNN, equations run over time.

Knows the equations and what runs them; everything that the four share is in `Recurrent`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import init
from .equations import BlockEquations, GRUEquations, LSTMEquations, RNNEquations
from .options import checked_flag, checked_size, is_gers
from .running import Recurrent


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
        bidirectional: bool = False,
        peephole: bool = False,
        proj_size: int = 0,
        dropout: float = 0.0,
        forget_bias: float = 1.0,
        squash: Any = "tanh",
        truncate: int | str | None = None,
        stateful: bool = False,
        batch_first: bool = False,
        initial: str = "zeros",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        looks = checked_flag("LSTM: peephole", peephole)
        equations = (BlockEquations if looks else LSTMEquations)(
            hidden_size,
            squash=squash,
            proj_size=proj_size,
            forget_bias=forget_bias,
            cut=is_gers(truncate),
            who="LSTM",
        )
        super().__init__(
            equations,
            input_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            truncate=truncate,
            stateful=stateful,
            batch_first=batch_first,
            initial=initial,
            name=name,
            dtype=dtype,
            seed=seed,
        )


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
        bidirectional: bool = False,
        peephole: bool = False,
        dropout: float = 0.0,
        forget_bias: float = 1.0,
        squash: Any = ("4σ-2", "2σ-1"),
        truncate: int | str | None = None,
        stateful: bool = False,
        batch_first: bool = False,
        initial: str = "zeros",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        self.blocks = checked_size("MemoryBlocks: blocks", blocks)
        self.cells = checked_size("MemoryBlocks: cells", cells)
        equations = BlockEquations(
            self.blocks * self.cells,
            cells=self.cells,
            peephole=checked_flag("MemoryBlocks: peephole", peephole),
            squash=squash,
            forget_bias=forget_bias,
            cut=is_gers(truncate),
            who="MemoryBlocks",
        )
        super().__init__(
            equations,
            input_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            truncate=truncate,
            stateful=stateful,
            batch_first=batch_first,
            initial=initial,
            name=name,
            dtype=dtype,
            seed=seed,
        )


class GRU(Recurrent):
    """A gated recurrent unit over many steps.

        r, z   = σ(s_r), σ(s_z)      s_g(k) = x(k) W_g + out(k-1) U_g + b_g     for g in r, z
        s_n(k) = x(k) W_n + b_n + r ∘ (out(k-1) U_n + c)      with reset_after
        s_n(k) = x(k) W_n + b_n + (r ∘ out(k-1)) U_n          without
        n      = tanh(s_n)
        out(k) = (1 - z) ∘ n + z ∘ out(k-1)

    K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation", EMNLP 2014, eqs. 5 to 8, is the form without; the one with, which needs
    one large product at every step, is that of cuDNN, PyTorch and Keras.

    Parameters
    ----------
    input_size, hidden_size : int
        Features in and out (H).
    reset_after : bool
        Whether r acts on out(k-1) U_n, which then has a bias of its own, or on out(k-1).
    squash : function or name
        Of the candidate n; names as in `LSTM`.
    num_layers, bidirectional, dropout, truncate, stateful, batch_first, initial, name, dtype, seed
        As in `Recurrent`.

    Attributes
    ----------
    W : (in, 3H)
    U : (H, 3H)
    b : (3H,)
        Packed in the order r, z, n.
    c : (H,)
        The second bias of n, with ``reset_after``. (PyTorch has second ones of r and z too, which
        add to the first.)

    Signals at step k: ``s_r[k]``, ``s_z[k]``, ``s_n[k]``, ``r[k]``, ``z[k]``, ``n[k]``, ``out[k]``,
    each (B, H) or (H,); ``out[-1]`` is the initial value. `Recurrent` says what they are called in
    stacks and in two directions.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.

    Examples
    --------
    >>> out, out_n = GRU(2, 3, seed=0)(np.ones((5, 8, 2)))
    >>> out.shape, out_n.shape
    ((5, 8, 3), (8, 3))
    >>> print(GRU(2, 3, reset_after=False))
    gru: GRU, 2 features to 3
      s   = x(k) W.rz + b.rz + out(k-1) U.rz
      r   = σ(s_r)
      z   = σ(s_z)
      s_n = x(k) W.n + b.n + (r ∘ out(k-1)) U.n
      n   = tanh(s_n)
      out = (1 - z) ∘ n + z ∘ out(k-1)
    W (2, 9), U (3, 9), b (9,)
    A sequence is a row, weights are (in, out), packed in the order r, z, n; one bias
    54 parameters
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        reset_after: bool = True,
        dropout: float = 0.0,
        squash: Any = "tanh",
        truncate: int | None = None,
        stateful: bool = False,
        batch_first: bool = False,
        initial: str = "zeros",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(
            GRUEquations(hidden_size, squash=squash, reset_after=reset_after),
            input_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            truncate=truncate,
            stateful=stateful,
            batch_first=batch_first,
            initial=initial,
            name=name,
            dtype=dtype,
            seed=seed,
        )


class RNN(Recurrent):
    """A simple recurrence over many steps.

        out(k) = f(s(k))      s(k) = x(k) W + out(k-1) U + b

    J. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.

    Parameters
    ----------
    input_size, hidden_size : int
        Features in and out (H).
    nonlinearity : function or name
        f: ``"tanh"``, ``"relu"``, or any other as in `LSTM`.
    num_layers, bidirectional, dropout, truncate, stateful, batch_first, initial, name, dtype, seed
        As in `Recurrent`.

    Attributes
    ----------
    W : (in, H)
    U : (H, H)
    b : (H,)

    Signals at step k: ``s[k]`` and ``out[k]``, each (B, H) or (H,); ``out[-1]`` is the initial
    value. `Recurrent` says what they are called in stacks and in two directions.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: Any = "tanh",
        bidirectional: bool = False,
        dropout: float = 0.0,
        truncate: int | None = None,
        stateful: bool = False,
        batch_first: bool = False,
        initial: str = "zeros",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(
            RNNEquations(hidden_size, squash=nonlinearity),
            input_size,
            num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            truncate=truncate,
            stateful=stateful,
            batch_first=batch_first,
            initial=initial,
            name=name,
            dtype=dtype,
            seed=seed,
        )


__all__ = ["GRU", "LSTM", "RNN", "MemoryBlocks"]
