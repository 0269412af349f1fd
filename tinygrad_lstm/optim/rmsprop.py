"""RMSprop: steps of even size in all directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .bundle import Memory
from .optimizer import Optimizer
from .options import number, switch


class RMSprop(Optimizer):
    """RMSprop: G. Hinton, "Neural networks for machine learning", lecture 6e, 2012.

        g ← gradient + weight_decay · p
        v ← alpha · v + (1 - alpha) · g²
        u ← g / (sqrt(v) + eps)                  with sqrt(v - m²), where m is the mean of g as v is
                                                 that of g², if centered (A. Graves 2013, eq. 38–45)
        p ← p - lr · u                           or u ← momentum · u + … first

    Parameters
    ----------
    params : iterable of Tensors, or of groups
    lr : float, at least 0
    alpha : float in [0, 1)
    eps : float, at least 0
    weight_decay : float, at least 0
    momentum : float in [0, 1)
    centered : bool

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> update = RMSprop([p], lr=0.25, alpha=0.75, eps=0.0)
    >>> p.grad = [2.0, -20.0]
    >>> update.step()
    >>> p.numpy()
    array([0.5, 1.5])
    """

    alpha = number(0.0, 1.0)
    eps = number()
    weight_decay = number()
    momentum = number(0.0, 1.0)
    centered = switch()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params, lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered,
        )  # fmt: skip

    def remembers(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of v, u and m, as far as they are used."""
        u = ("momentum_buffer",) if options["momentum"] else ()
        return ("square_avg", *u, *(("grad_avg",) if options["centered"] else ()))

    def change(
        self, gradient: np.ndarray, numbers: np.ndarray, memory: Memory, options: Mapping[str, Any]
    ) -> tuple[Any, Memory]:
        """Return lr · u, and the means."""
        g, alpha = gradient, options["alpha"]
        v = alpha * memory.get("square_avg", 0.0) + (1 - alpha) * g * g
        new, variance = {"square_avg": v}, v
        if options["centered"]:
            new["grad_avg"] = m = alpha * memory.get("grad_avg", 0.0) + (1 - alpha) * g
            variance = np.maximum(v - m * m, 0.0)  # which rounding may put below 0
        u = g / (np.sqrt(variance) + options["eps"])
        if options["momentum"]:
            new["momentum_buffer"] = u = (
                options["momentum"] * memory.get("momentum_buffer", 0.0) + u
            )
        return options["lr"] * u, new
