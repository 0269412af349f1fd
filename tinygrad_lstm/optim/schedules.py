"""Schedules: the rate of every step, as a function of the number of steps made.

Knows the groups of an optimizer; no rule.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from math import cos, pi
from typing import Any, Self

from ..engine.arguments import (
    POSITIVE,
    Constructor,
    check_arguments,
    excerpt,
    function,
    number,
    of_kind,
    whole,
)
from ..errors import ArgumentError, UsageError
from .optimizer import Optimizer
from .options import check_entries


class LRScheduler:
    """Base of the schedules: a schedule says the rate after k steps, from that of the start.

    The rate of the start is the one that a group had when its first schedule was made. Call
    `step` after that of the optimizer.

    Parameters
    ----------
    optimizer : Optimizer

    Attributes
    ----------
    last_epoch : int     steps made
    base_lrs : list of the rates of the start, one for each group
    """

    __signature__ = Constructor()
    is_of_steps_alone = True

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __init__(self, optimizer: Optimizer) -> None:
        who = type(self).__name__
        self.optimizer: Optimizer = of_kind(
            f"{who}: optimizer", optimizer, Optimizer, "an optimizer of tg.optim"
        )
        self.base_lrs: list[float] = []
        for group in optimizer.param_groups:
            if group.initial_lr is None:
                group.initial_lr = group["lr"]
            self.base_lrs.append(group.initial_lr)
        self.last_epoch = 0
        self.set_options(0)

    def rate(self, base: float, k: int) -> float:
        """Return the rate after k steps, of a group whose rate was base at the start."""
        raise NotImplementedError

    def options(self, base: float, k: int, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options to set in a group after k steps."""
        return {"lr": self.rate(base, k)}

    def set_options(self, k: int) -> None:
        """Set in every group what the schedule says after k steps; in all groups or in none."""
        groups = self.optimizer.param_groups
        if len(groups) != len(self.base_lrs):
            raise UsageError(
                f"{type(self).__name__}: found {len(groups)} groups, expected the "
                f"{len(self.base_lrs)} of the start; add groups before the schedule is made"
            )
        new = []
        for group, base in zip(groups, self.base_lrs, strict=True):
            options = self.options(base, k, group)
            new.append({
                name: group.checks[name](f"{type(self).__name__}: {name}", value)
                for name, value in options.items()
            })  # fmt: skip
        for group, options in zip(groups, new, strict=True):
            group.update(options)

    def step(self) -> None:
        """Set the rates of the next step."""
        self.set_options(self.last_epoch + 1)
        self.last_epoch += 1

    def get_last_lr(self) -> list[float]:
        """Return the rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return what the schedule counts; its options are those that it was made with."""
        return {
            "schedule": type(self).__name__, "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Count on from what `state_dict` of the same schedule returned.

        Raises
        ------
        ArgumentError, UsageError
            If it is the state of another schedule, or of another number of groups; nothing has
            been loaded.
        """
        state = self.checked_state(state_dict)
        self.last_epoch, self.base_lrs = state["last_epoch"], state["base_lrs"]

    def checked_state(self, state_dict: Any) -> dict[str, Any]:
        """Return a state that this schedule can take over."""
        who = type(self).__name__
        state = check_entries(who, state_dict, self.state_dict())
        if state["schedule"] != who:
            raise ArgumentError(
                f"{who}: found the state of {excerpt(state['schedule'])}, expected {who}"
            )
        state["last_epoch"] = whole(f"{who}: last_epoch", state["last_epoch"], 0)
        rates = of_kind(f"{who}: base_lrs", state["base_lrs"], list, "a list of rates")
        if len(rates) != len(self.base_lrs):
            raise ArgumentError(
                f"{who}: found the state of {len(rates)} groups, expected {len(self.base_lrs)}"
            )
        state["base_lrs"] = [number(f"{who}: base_lrs", rate, 0.0) for rate in rates]
        return state


class LambdaLR(LRScheduler):
    """A rate of your own: the rate of the start times a function of the number of steps made.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : (k) -> float

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], lr=0.5)
    >>> schedule = LambdaLR(update, lambda k: 1 / (1 + k))
    >>> schedule.step()
    >>> update.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = function("LambdaLR: lr_lambda", lr_lambda, "a function of k")
        super().__init__(optimizer)

    def rate(self, base: float, k: int) -> float:
        """Return base times the function of k."""
        return base * number("LambdaLR: what lr_lambda returned", self.lr_lambda(k))


class StepLR(LRScheduler):
    """The rate is multiplied by gamma every step_size steps.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int, at least 1
    gamma : float, at least 0

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(update, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(update.lr)
    ...     update.step()
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = whole("StepLR: step_size", step_size, 1)
        self.gamma = number("StepLR: gamma", gamma, 0.0)
        super().__init__(optimizer)

    def rate(self, base: float, k: int) -> float:
        """Return base · gamma^⌊k / step_size⌋."""
        return float(base * self.gamma ** (k // self.step_size))


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the rate of the start to eta_min, in T_max steps.

    I. Loshchilov and F. Hutter, "SGDR", ICLR 2017, eq. 5, without restarts.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int, at least 1
    eta_min : float, at least 0

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = CosineAnnealingLR(update, T_max=2)
    >>> schedule.step()
    >>> round(update.lr, 12)
    0.5
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = whole("CosineAnnealingLR: T_max", T_max, 1)
        self.eta_min = number("CosineAnnealingLR: eta_min", eta_min, 0.0)
        super().__init__(optimizer)

    def rate(self, base: float, k: int) -> float:
        """Return η + ½ (base - η) (1 + cos(π k / T)), where η is eta_min."""
        return self.eta_min + (base - self.eta_min) * (1 + cos(pi * k / self.T_max)) / 2


class LinearLR(LRScheduler):
    """Warm-up: the rate grows on a straight line, and then stays.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor, end_factor : float
        Of the rate of the start; start_factor above 0.
    total_iters : int, at least 1
        Steps from one to the other.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> warm_up = LinearLR(update, start_factor=0.5, total_iters=2)
    >>> warm_up.step()
    >>> update.lr
    0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor = number("LinearLR: start_factor", start_factor, POSITIVE)
        self.end_factor = number("LinearLR: end_factor", end_factor, 0.0)
        self.total_iters = whole("LinearLR: total_iters", total_iters, 1)
        super().__init__(optimizer)

    def rate(self, base: float, k: int) -> float:
        """Return base times the factor, which is end_factor from step total_iters on."""
        share = min(k, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class SequentialLR(LRScheduler):
    """One schedule after the other, such as a warm-up and a cosine.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of schedules of that optimizer
    milestones : list of int, increasing, one fewer
        The steps at which the next schedule takes over; it counts from there.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> update = tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)], lr=1.0)
    >>> parts = [LinearLR(update, 0.5, total_iters=2), StepLR(update, 1, gamma=0.5)]
    >>> schedule = SequentialLR(update, parts, milestones=[2])
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(update.lr)
    ...     update.step()
    ...     schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Iterable[LRScheduler], milestones: Iterable[int]
    ) -> None:
        self.schedulers = _listed("SequentialLR: schedulers", schedulers)
        for schedule in self.schedulers:
            of_kind("SequentialLR: schedulers", schedule, LRScheduler, "schedules of tg.optim")
            if schedule.optimizer is not optimizer:
                raise UsageError("SequentialLR: found a schedule of another optimizer")
            if not schedule.is_of_steps_alone:
                raise UsageError(
                    f"SequentialLR: {type(schedule).__name__} depends on more than the number of "
                    "steps; call its own step(metrics)"
                )
        self.milestones = [
            whole("SequentialLR: milestones", k, 1)
            for k in _listed("SequentialLR: milestones", milestones)
        ]
        if len(self.milestones) + 1 != len(self.schedulers):
            raise ArgumentError(
                f"SequentialLR: found {len(self.milestones)} milestones for "
                f"{len(self.schedulers)} schedules, expected one fewer than schedules"
            )
        if any(a >= b for a, b in pairwise(self.milestones)):
            raise ArgumentError(
                f"SequentialLR: milestones must increase, found {excerpt(self.milestones)}"
            )
        super().__init__(optimizer)

    def options(self, base: float, k: int, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the schedule whose turn it is."""
        n = bisect_right(self.milestones, k)
        options: dict[str, Any] = self.schedulers[n].options(
            base, k - (self.milestones[n - 1] if n else 0), group
        )
        return options


def _listed(who: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{who}: found {excerpt(value)}, expected a list")
    return list(value)
