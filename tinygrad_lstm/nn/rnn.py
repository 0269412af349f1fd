"""Simple recurrence: the layer, its cell, and the equation of one step.

Knows the primitives; not how steps follow one another.
"""

from __future__ import annotations

from typing import Any, Unpack

from ..engine.tensor import Tensor
from .activations import Activation, entrywise
from .cell import CellOf
from .equation_module import LayerOptions
from .equations import Equations, Step
from .inputs import size
from .old_names import renamed
from .recurrent import RecurrentOf, RecurrentOptions


class RNN(RecurrentOf[Tensor]):
    """A simple recurrence over many steps.

        out(k) = f(s(k))      s(k) = x(k) W + out(k-1) U + b

    J. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.

    Parameters
    ----------
    input_size, hidden_size : int
        Features in and out (H).
    activation : function or name
        f: ``"tanh"``, ``"relu"``, or any other as in `LSTM`.
    num_layers, bias, bidirectional, dropout, truncate, stateful, batch_first
        As in `Recurrent`.
    initial, name, dtype, seed
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

    @renamed(nonlinearity="activation")
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        activation: Activation = "tanh",
        **options: Unpack[RecurrentOptions],
    ) -> None:
        equations = RNNEquations(hidden_size, activation=activation, who=type(self).__name__)
        super().__init__(equations, input_size, num_layers, **options)


class RNNCell(CellOf[Tensor]):
    """One step of a simple recurrence (see `RNN` for its equation and arguments).

    Attributes
    ----------
    W : (in, H)
    U : (H, H)
    b : (H,)
    """

    @renamed(nonlinearity="activation")
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Activation = "tanh",
        **options: Unpack[LayerOptions],
    ) -> None:
        equations = RNNEquations(hidden_size, activation=activation, who=type(self).__name__)
        super().__init__(equations, input_size, **options)


class RNNEquations(Equations):
    """A simple recurrence (see `RNN`).

    Parameters
    ----------
    hidden_size : int
    activation : function or name
    who : str
        What messages call it.
    """

    def __init__(
        self, hidden_size: int, *, activation: Activation = "tanh", who: str = "RNN"
    ) -> None:
        H = size(f"{who}: hidden_size", hidden_size)
        super().__init__({"s": H}, (H,))
        self.activation = entrywise(f"{who}: activation", activation)

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out) to (out,)."""
        activation, U = self.activation, p.U

        def step(xW: Any, out: Any) -> tuple[Any]:
            s = xW + out @ U
            out = activation(s)
            s.name, out.name = "s", "out"
            return (out,)

        return step
