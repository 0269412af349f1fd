"""SGD: gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import UsageError
from .bundle import Memory
from .optimizer import Optimizer
from .options import number, switch


class SGD(Optimizer):
    """Gradient descent; with momentum if asked for, of B. Polyak (1964) or Y. Nesterov (1983).

        g ← gradient + weight_decay · p
        v ← momentum · v + (1 - dampening) · g        (g itself at the first step)
        p ← p - lr · v                                or p - lr · (g + momentum · v), of Nesterov

    Parameters
    ----------
    params : iterable of Tensors, or of groups
    lr : float, at least 0
    momentum : float in [0, 1)
    dampening : float in [0, 1)
    weight_decay : float, at least 0
    nesterov : bool

    Raises
    ------
    UsageError
        If nesterov is asked for without momentum, or with dampening.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor(4.0, requires_grad=True)
    >>> update = SGD([p], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     p.grad = 2.0
    ...     update.step()
    >>> p.item()        # 4 - 0.25 · 2 - 0.25 · 3
    2.75
    """

    momentum = number(0.0, 1.0)
    dampening = number(0.0, 1.0)
    weight_decay = number()
    nesterov = switch()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params, lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov,
        )  # fmt: skip

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Refuse Nesterov's momentum where there is none, or where it is damped."""
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise UsageError(
                f"{type(self).__name__}: nesterov needs a momentum above 0 and a dampening of 0, "
                f"found momentum {group['momentum']:g} and dampening {group['dampening']:g}"
            )

    def remembers(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the name of v, if there is a momentum."""
        return ("momentum_buffer",) if options["momentum"] else ()

    def change(
        self, gradient: np.ndarray, numbers: np.ndarray, memory: Memory, options: Mapping[str, Any]
    ) -> tuple[Any, Memory]:
        """Return lr · v and v."""
        g, momentum = gradient, options["momentum"]
        if not momentum:
            return options["lr"] * g, {}
        v = g
        if "momentum_buffer" in memory:
            v = momentum * memory["momentum_buffer"] + (1 - options["dampening"]) * g
        return options["lr"] * (g + momentum * v if options["nesterov"] else v), {
            "momentum_buffer": v
        }
