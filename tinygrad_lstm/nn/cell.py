"""Cell: equations of which the caller runs the steps, such as LSTMCell.

Knows equations; nothing of sequences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from . import init
from .equation_module import EquationModule, States
from .equations import Equations
from .inputs import input_tensor, size

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from ..engine.tensor import Tensor


class Cell(EquationModule):
    """Base of the cells: equations, their parameters, and one step.

    Parameters
    ----------
    equations : Equations
    input_size : int
    bias, name, dtype, seed
        As in `LayerOptions`.
    """

    def __init__(
        self,
        equations: Equations,
        input_size: int,
        *,
        bias: bool = True,
        name: str | None = None,
        dtype: DTypeLike = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(equations, name, bias)
        self.hidden_size = equations.sizes[-1]
        features = size(f"{type(self).__name__}: input_size", input_size)
        self._add_parameters(features, init.generator(seed), dtype)

    def forward(self, x: Tensor | ArrayLike, state: Any = None) -> Any:
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
        x = input_tensor(self.place, x, self.W, ranks=(1, 2), axes="(in,) or (B, in)")
        batch, reason = x.shape[:-1], f" for an input of shape {x.shape}"
        (start,) = self._starts(state, batch, self.W.dtype, reason=reason)
        before = self._initial_states(start, batch, -1, rename=False)
        xW = self.equations.from_input(x, self)
        xW.name = "xW"
        after = self.equations.checked_stepper(self)(xW, *before)
        return after if len(after) > 1 else after[0]


class CellOf(Cell, Generic[States]):
    """A cell of which type checkers know the type of the states."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor | ArrayLike, state: Any = None) -> States: ...
