"""OneCycleLR: the rate up and down once, and the momentum down and up.

Knows the groups of an optimizer; no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import cos, pi
from typing import Any

from ..engine.arguments import excerpt, flag, number, of_kind, one_of, whole
from ..errors import ArgumentError, UsageError
from .optimizer import Optimizer
from .schedules import LRScheduler


class OneCycleLR(LRScheduler):
    """Up to max_lr and down to almost 0, while the momentum goes down and up.

    L. Smith and N. Topin, "Super-convergence", 2018.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, at least 0
    total_steps : int, at least 1
    pct_start : float in [0, 1]
        Share of the steps on the way up.
    anneal_strategy : "cos" or "linear"
    cycle_momentum : bool
        Cycle the momentum, or the first of betas, from max_momentum to base_momentum and back.
    base_momentum, max_momentum : float in [0, 1)
    div_factor, final_div_factor : float above 0
        The first rate is max_lr / div_factor, the last one that / final_div_factor.

    Raises
    ------
    UsageError
        If the momentum shall cycle, and the rule has none.
    ArgumentError
        If more steps are made than total_steps.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.Adam([tg.Tensor(1.0, requires_grad=True)])
    >>> schedule = OneCycleLR(update, max_lr=0.5, total_steps=10)
    >>> update.lr, update.betas
    (0.02, (0.95, 0.999))
    >>> for _ in range(2):
    ...     schedule.step()
    >>> update.lr, update.betas
    (0.5, (0.85, 0.999))
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        self.total_steps = whole("OneCycleLR: total_steps", total_steps, 1)
        peak = number("OneCycleLR: max_lr", max_lr, 0.0)
        share = number("OneCycleLR: pct_start", pct_start, 0.0, most=1.0)
        self.is_linear = (
            one_of("OneCycleLR: anneal_strategy", anneal_strategy, ("cos", "linear")) == "linear"
        )
        self.has_cycle = flag("OneCycleLR: cycle_momentum", cycle_momentum)
        low = number("OneCycleLR: base_momentum", base_momentum, 0.0, 1.0)
        high = number("OneCycleLR: max_momentum", max_momentum, 0.0, 1.0)
        first = peak / _above_0("OneCycleLR: div_factor", div_factor)
        last = first / _above_0("OneCycleLR: final_div_factor", final_div_factor)
        turn = share * self.total_steps - 1
        self.corners = [(0.0, first, high), (turn, peak, low), (self.total_steps - 1, last, high)]
        of_kind("OneCycleLR: optimizer", optimizer, Optimizer, "an optimizer of tg.optim")
        if self.has_cycle and not {"momentum", "betas"} & {*optimizer.checks}:
            raise UsageError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas to cycle; "
                "pass cycle_momentum=False"
            )
        super().__init__(optimizer)

    def options(self, base: float, k: int, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return rate and momentum on the line or the half cosine between two corners."""
        if k > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: found step {k}, expected {self.total_steps} at most; make the "
                "schedule with more total_steps"
            )
        pieces = list(pairwise(self.corners))
        piece = pieces[0] if k <= self.corners[1][0] else pieces[1]
        (start, *before), (end, *after) = piece
        share = (k - start) / (end - start) if end > start else 1.0
        share = share if self.is_linear else (1 - cos(pi * share)) / 2
        rate, momentum = (a + (b - a) * share for a, b in zip(before, after, strict=True))
        new: dict[str, Any] = {"lr": max(rate, 0.0)}
        if self.has_cycle and "betas" in group:
            new["betas"] = (momentum, group["betas"][1])
        elif self.has_cycle:
            new["momentum"] = momentum
        return new


def _above_0(who: str, value: Any) -> float:
    positive = number(who, value, 0.0)
    if not positive:
        raise ArgumentError(f"{who} must be above 0, found {excerpt(value)}")
    return positive
