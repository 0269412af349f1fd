"""ReduceLROnPlateau: a smaller rate where the loss no longer falls.

Knows the groups of an optimizer; no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.arguments import excerpt, number, of_kind, one_of, whole
from ..errors import UsageError
from .optimizer import Optimizer
from .schedules import LRScheduler

COUNTS = ("best", "num_bad_epochs", "cooldown_counter")


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rates by factor where a number has not got better for more than patience steps.

    Parameters
    ----------
    optimizer : Optimizer
    mode : "min" or "max"
        Whether a lower number is better.
    factor : float in [0, 1)
    patience : int, at least 0
    threshold : float, at least 0
        A smaller improvement does not count. The threshold is a share of the best number in
        threshold_mode "rel", and a number in "abs".
    threshold_mode : "rel" or "abs"
    cooldown : int, at least 0
        Steps after a change in which nothing is counted.
    min_lr : float, at least 0
    eps : float, at least 0
        Leave a rate alone that would change by no more.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(update, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(loss)
    >>> update.lr
    0.5
    """

    is_of_steps_alone = False

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        who = "ReduceLROnPlateau: "
        self.sign = 1 if one_of(f"{who}mode", mode, ("min", "max")) == "min" else -1
        self.factor = number(f"{who}factor", factor, 0.0, 1.0)
        self.patience = whole(f"{who}patience", patience, 0)
        self.threshold = number(f"{who}threshold", threshold, 0.0)
        self.is_relative = one_of(f"{who}threshold_mode", threshold_mode, ("rel", "abs")) == "rel"
        self.cooldown = whole(f"{who}cooldown", cooldown, 0)
        self.min_lr = number(f"{who}min_lr", min_lr, 0.0)
        self.eps = number(f"{who}eps", eps, 0.0)
        self.best, self.num_bad_epochs, self.cooldown_counter = self.sign * np.inf, 0, 0
        super().__init__(optimizer)

    def options(self, base: float, k: int, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return nothing: the rates depend on more than the number of steps."""
        return {}

    def step(self, metrics: float) -> None:  # type: ignore[override]
        """Record the number of this step; nan does not count as better.

        Raises
        ------
        UsageError
            If metrics is no single number.
        """
        value = number_of(metrics)
        self.last_epoch += 1
        self.num_bad_epochs += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        if self.cooldown_counter:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                rate = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def is_better(self, value: float) -> bool:
        """Return whether a number is better than the best one, by more than the threshold."""
        if self.is_relative:
            return self.sign * value < self.sign * self.best * (1 - self.sign * self.threshold)
        return self.sign * value < self.sign * self.best - self.threshold

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, and the best number."""
        return super().state_dict() | {name: getattr(self, name) for name in COUNTS}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Count on from what `state_dict` of such a schedule returned; see `LRScheduler`."""
        state = self.checked_state(state_dict)
        for name in COUNTS[1:]:
            whole(f"ReduceLROnPlateau: {name}", state[name], 0)
        of_kind("ReduceLROnPlateau: best", state["best"], float, "a number")
        super().load_state_dict(state_dict)
        for name in COUNTS:
            setattr(self, name, state[name])


def number_of(metrics: Any) -> float:
    """Return a number, or that of a Tensor or an array of one number; it need not be finite."""
    value = metrics.item() if getattr(metrics, "size", 0) == 1 else metrics
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise UsageError(f"ReduceLROnPlateau: metrics must be a number, found {excerpt(metrics)}")
    return float(value)
