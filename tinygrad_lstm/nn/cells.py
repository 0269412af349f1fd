"""Cells: LSTMCell, GRUCell and RNNCell, recurrences of which a caller runs the steps.

Knows equations; nothing of sequences.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import init
from .equations import BlockEquations, Equations, GRUEquations, LSTMEquations, RNNEquations
from .options import checked_flag, checked_size, fitting
from .recurrent_module import Recurrence


class Cell(Recurrence):
    """Base of the cells: equations, their parameters, and one step.

    Parameters
    ----------
    equations : Equations
    input_size : int
    name, dtype, seed
        Of the cell, of its parameters, of their initial values.
    """

    def __init__(
        self,
        equations: Equations,
        input_size: int,
        *,
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(equations, name)
        self.hidden_size = equations.sizes[-1]
        self.input_size = checked_size(f"{type(self).__name__}: input_size", input_size)
        self._take_parameters(self.input_size, init.generator(seed), dtype)

    def forward(self, x: Any, state: Any = None) -> Any:
        """Take one step.

        Parameters
        ----------
        x : (in,) or (B, in)
        state : out(k-1), or (out(k-1), state(k-1)) where the state is a signal of its own, optional
            Each (H,) or (B, H); zeros if None.

        Returns
        -------
        out, or (out, state) : each (H,) or (B, H)

        Raises
        ------
        ShapeError, DTypeError, UsageError
            If x or the state does not fit; the message names the cell, what was found and what was
            expected.
        """
        x = fitting(self.place, x, self.W, ranks=(1, 2), axes="(in,) or (B, in)")
        batch, reason = x.shape[:-1], f" for an input of shape {x.shape}"
        (given,) = self._fitting_states(state, batch, self.W.dtype, reason=reason)
        before = self._starting(given, batch, -1, renamed=False)
        xW = x @ self.W + self.b
        xW.name = "xW"
        after = self.equations.stepper(self)(xW, *before)
        return after if len(after) > 1 else after[0]


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
        squash: Any = "tanh",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        looks = checked_flag("LSTMCell: peephole", peephole)
        equations = (BlockEquations if looks else LSTMEquations)(
            hidden_size,
            squash=squash,
            proj_size=proj_size,
            forget_bias=forget_bias,
            who="LSTMCell",
        )
        super().__init__(equations, input_size, name=name, dtype=dtype, seed=seed)


class GRUCell(Cell):
    """One step of a gated recurrent unit (see `GRU` for its equations and arguments).

    Attributes
    ----------
    W : (in, 3H)
    U : (H, 3H)
    b : (3H,)
    c : (H,), with ``reset_after``
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset_after: bool = True,
        squash: Any = "tanh",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        equations = GRUEquations(hidden_size, squash=squash, reset_after=reset_after, who="GRUCell")
        super().__init__(equations, input_size, name=name, dtype=dtype, seed=seed)


class RNNCell(Cell):
    """One step of a simple recurrence (see `RNN` for its equation and arguments).

    Attributes
    ----------
    W : (in, H)
    U : (H, H)
    b : (H,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: Any = "tanh",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        equations = RNNEquations(hidden_size, squash=nonlinearity, who="RNNCell")
        super().__init__(equations, input_size, name=name, dtype=dtype, seed=seed)


__all__ = ["Cell", "GRUCell", "LSTMCell", "RNNCell"]
