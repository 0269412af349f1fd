"""The LSTM of 1997, which has no forget gate: its state can only grow.

Knows the primitives and the base of equations.
"""

from __future__ import annotations

from typing import Any

from ..engine.primitives import sigmoid, tanh
from ..nn.equations import Equations, Step


class NoForgetGate(Equations):
    """One step without a forget gate: state(k) = state(k-1) + i ∘ a.

    S. Hochreiter and J. Schmidhuber, Neural Computation 9(8), 1997, with the full gradient and the
    functions of `LSTM`. F. Gers, J. Schmidhuber and F. Cummins, Neural Computation 12(10), 2000,
    show that such a state grows without bound in a stream, and that a forget gate mends it.

    Parameters
    ----------
    hidden_size : int
        H, the number of cells.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> layer = nn.Recurrent(NoForgetGate(3), 2, seed=0)
    >>> out, (out_n, state_n) = layer([[1.0, 0.0], [0.0, 1.0]])
    >>> out.shape, state_n.shape
    ((2, 3), (3,))
    """

    states = ("out", "state")

    def __init__(self, hidden_size: int) -> None:
        super().__init__(gates=dict.fromkeys("aio", hidden_size), sizes=(hidden_size, hidden_size))

    def stepper(self, p: Any) -> Step:
        """Return one step, (x W + b, out, state) to (out, state)."""
        A, I, O = self.columns("a", "i", "o")

        def step(xW: Any, out: Any, state: Any) -> tuple[Any, Any]:
            s = xW + out @ p.U
            state = state + sigmoid(s[I]) * tanh(s[A])
            return sigmoid(s[O]) * tanh(state), state

        return step
