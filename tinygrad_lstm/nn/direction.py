"""One direction of a layer over time: its equations, run from the first step to the last or back.

Knows equations by their `stepper` alone; not which they are, nor what stands beside or above.
"""

from __future__ import annotations

import numpy as np

from ..engine.place import run_steps
from ..engine.primitives import stack, stop_gradient, where
from ..engine.tensor import Tensor, constant
from .equation_module import EquationModule, Start


def run(
    p: EquationModule,
    x: Tensor,
    start: Start,
    alive: Tensor | None = None,
    backward: bool = False,
    truncate: int | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run equations through all steps in one direction.

    Parameters
    ----------
    p : EquationModule
        Holds the equations and their parameters.
    x : (T, in) or (T, B, in)
    start : one value for each state
        The initial states; None for the module's own.
    alive : (T, B, 1) of truth values, optional
        Which sequences have not ended at a step. The others keep their state; their output is 0.
    backward : bool
        Run from the last step to the first.
    truncate : int, optional
        Send no gradient back further than to the last multiple of so many steps.

    Returns
    -------
    out : (T, H) or (T, B, H)
    last : tuple of (H,) or (B, H)
        The states after the last step run.
    """
    T, *batch, _ = x.shape
    state = p._initial_states(start, batch, T if backward else -1)
    xW = p.equations.from_input(x, p)  # of all steps at once
    xW.name = "xW"
    step = p.equations.checked_stepper(p)
    order = range(T - 1, -1, -1) if backward else range(T)
    seam = None if truncate is None or truncate >= T else _seam(order, truncate)
    outs = []
    for k in run_steps(order):
        if seam is not None:
            state = p._choose(seam[k], map(stop_gradient, state), state, "cut")
        before = state
        state = step(xW[k], *before)
        if alive is not None:
            state = p._choose(alive[k], state, before, "held")
        outs.append(state[0])
    if backward:
        outs.reverse()
    out = stack(outs)
    if alive is not None:
        out = where(alive, out, 0.0)
        out.name = "out_padded"
    return out, state


def _seam(order: range, truncate: int) -> Tensor:
    """Return before which steps, (T,), the gradient is cut: every so many, in the order run."""
    is_cut = np.zeros(len(order), bool)
    is_cut[list(order)[truncate::truncate]] = True
    return constant(is_cut, name="seam")


class Direction(EquationModule):
    """One direction of one layer of a stack."""

    backward = False

    def forward(
        self, x: Tensor, start: Start, alive: Tensor | None, truncate: int | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run through the steps (see `run`)."""
        return run(self, x, start, alive, self.backward, truncate)
