"""Gated recurrent unit: the layer, its cell, and the equations of one step.

Knows the primitives; not how steps follow one another.
"""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from ..engine.arguments import flag
from ..engine.primitives import sigmoid
from ..engine.tensor import Tensor
from .activations import Activation, entrywise
from .cell import CellOf
from .equation_module import LayerOptions
from .equations import Equations, Step
from .inputs import size
from .old_names import renamed
from .recurrent import RecurrentOf, RecurrentOptions


class GRU(RecurrentOf[Tensor]):
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
    activation : function or name
        Of the candidate n; names as in `LSTM`.
    num_layers, bias, bidirectional, dropout, truncate, stateful, batch_first
        As in `Recurrent`.
    initial, name, dtype, seed
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

    @renamed(squash="activation")
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        reset_after: bool = True,
        activation: Activation = "tanh",
        **options: Unpack[RecurrentOptions],
    ) -> None:
        equations = GRUEquations(
            hidden_size, activation=activation, reset_after=reset_after, who=type(self).__name__
        )
        super().__init__(equations, input_size, num_layers, **options)


class GRUCell(CellOf[Tensor]):
    """One step of a gated recurrent unit (see `GRU` for its equations and arguments).

    Attributes
    ----------
    W : (in, 3H)
    U : (H, 3H)
    b : (3H,)
    c : (H,), with ``reset_after``
    """

    @renamed(squash="activation")
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset_after: bool = True,
        activation: Activation = "tanh",
        **options: Unpack[LayerOptions],
    ) -> None:
        equations = GRUEquations(
            hidden_size, activation=activation, reset_after=reset_after, who=type(self).__name__
        )
        super().__init__(equations, input_size, **options)


class GRUEquations(Equations):
    """A gated recurrent unit (see `GRU`).

    Parameters
    ----------
    hidden_size : int
    activation : function or name
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
        activation: Activation = "tanh",
        reset_after: bool = True,
        who: str = "GRU",
    ) -> None:
        H = size(f"{who}: hidden_size", hidden_size)
        super().__init__(dict.fromkeys("rzn", H), (H,))
        self.activation = entrywise(f"{who}: activation", activation)
        self.reset_after = flag(f"{who}: reset_after", reset_after)
        if reset_after:
            self.biases = {"b": "one bias", "c": "c beside U.n"}

    def parameters(self, input_size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the initial values; c (H,) is 0."""
        arrays = super().parameters(input_size, random)
        if self.reset_after:
            arrays["c"] = np.zeros(self.sizes[0])
        return arrays

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out) to (out,)."""
        activation, after, U = self.activation, self.reset_after, p.U
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
            if not after:
                s_n = xW[N] + (r * out) @ U_n
            else:
                s_n = xW[N] + r * (outU[N] if c is None else outU[N] + c)
            n = activation(s_n)
            out = (1.0 - z) * n + z * out
            s.name, r.name, z.name, s_n.name = S, "r", "z", "s_n"
            n.name, out.name = "n", "out"
            return (out,)

        return step
