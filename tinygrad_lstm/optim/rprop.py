"""Rprop: steps by the signs of the gradient alone, which has to be that of all data at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..engine.arguments import number as checked_number
from ..errors import ArgumentError
from .bundle import Memory
from .optimizer import Optimizer
from .options import Option, pair


def _factors(who: str, value: Any) -> tuple[float, float]:
    shrink, grow = pair(who, value)
    return checked_number(who, shrink, 0.0, 1.0), checked_number(who, grow, 1.0)


def _bounds(who: str, value: Any) -> tuple[float, float]:
    least, most = pair(who, value, 0.0)
    if least > most:
        raise ArgumentError(f"{who} must be (least, most), found {least:g} above {most:g}")
    return least, most


class Rprop(Optimizer):
    """Resilient propagation: M. Riedmiller and H. Braun, ICNN 1993.

    Each entry of a parameter has a step of its own, which starts as lr. The step grows by η₊ where
    the gradient has the sign that it had before, and shrinks by η₋ where the sign has changed; the
    entry then rests once:

        p ← p - sign(gradient) · step

    Parameters
    ----------
    params : iterable of Tensors, or of groups
    lr : float, at least 0
    etas : (η₋, η₊), η₋ in [0, 1), η₊ at least 1
    step_sizes : (least, most), of a step

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> update = Rprop([p], lr=0.25, etas=(0.5, 2.0))
    >>> for gradient in ([2.0, -20.0], [0.1, 1.0]):
    ...     p.grad = gradient
    ...     update.step()
    >>> p.numpy()
    array([0.25, 1.25])
    """

    etas = Option(_factors)
    step_sizes = Option(_bounds)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
    ) -> None:
        super().__init__(params, lr, etas=etas, step_sizes=step_sizes)

    def remembers(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the gradient before, and of the steps."""
        return "prev", "step_size"

    def change(
        self, gradient: np.ndarray, numbers: np.ndarray, memory: Memory, options: Mapping[str, Any]
    ) -> tuple[Any, Memory]:
        """Return sign(gradient) · step; the gradient, 0 where its sign turned; and the step."""
        shrink, grow = options["etas"]
        step = memory.get("step_size", np.full_like(gradient, options["lr"]))
        turn = np.sign(gradient) * np.sign(memory.get("prev", 0.0))
        factor = np.where(turn > 0, grow, np.where(turn < 0, shrink, 1.0)).astype(step.dtype)
        step = np.clip(step * factor, *options["step_sizes"])
        moves = np.where(turn < 0, 0.0, gradient)
        return np.sign(moves) * step, {"prev": moves, "step_size": step}
