"""Adam and AdamW: momentum, over the size of the gradient, each without the bias of its start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .bundle import Memory
from .optimizer import Optimizer
from .options import Option, number, rates_of_decay, switch


class Adam(Optimizer):
    """Adam: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, alg. 1.

        g ← gradient + weight_decay · p
        m ← β₁ m + (1 - β₁) g       v ← β₂ v + (1 - β₂) g²
        p ← p - lr · m / (1 - β₁ᵗ) / (sqrt(v / (1 - β₂ᵗ)) + eps)

    The moments are kept in the type of the gradients, and in float64 from the first gradient on
    whose square has no room in that.

    Parameters
    ----------
    params : iterable of Tensors, or of groups
    lr : float, at least 0
    betas : (β₁, β₂), each in [0, 1)
    eps : float, at least 0
    weight_decay : float, at least 0
    amsgrad : bool
        Divide by the largest v so far (S. Reddi, S. Kale and S. Kumar, ICLR 2018, alg. 2).

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> update = Adam([p], lr=0.25, eps=0.0)
    >>> p.grad = [2.0, -20.0]
    >>> update.step()
    >>> p.numpy()
    array([0.75, 1.25])
    """

    betas = Option(rates_of_decay)
    eps = number()
    weight_decay = number()
    amsgrad = switch()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad
        )

    def remembers(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of m, v and the largest v."""
        return ("exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if options["amsgrad"] else ()))

    def change(
        self, gradient: np.ndarray, numbers: np.ndarray, memory: Memory, options: Mapping[str, Any]
    ) -> tuple[Any, Memory]:
        """Return lr times the ratio of the corrected moments, and the moments."""
        (b1, b2), g, t = options["betas"], gradient, memory["step"]
        m = b1 * memory.get("exp_avg", 0.0) + (1 - b1) * g
        v = b2 * memory.get("exp_avg_sq", 0.0) + (1 - b2) * g * g
        new, largest = {"exp_avg": m, "exp_avg_sq": v}, v
        if options["amsgrad"]:
            new["max_exp_avg_sq"] = largest = np.maximum(memory.get("max_exp_avg_sq", 0.0), v)
        size = np.sqrt(largest / (1 - b2**t)) + options["eps"]
        return (options["lr"] / (1 - b1**t)) * m / size, new


class AdamW(Adam):
    """Adam whose weights decay by themselves: I. Loshchilov and F. Hutter, ICLR 2019, alg. 2.

        p ← (1 - lr · weight_decay) p, and then as Adam, of the gradient alone

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, amsgrad : as in `Adam`

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor([1.0, 1.0], requires_grad=True)
    >>> update = AdamW([p], lr=0.25, eps=0.0, weight_decay=0.5)
    >>> p.grad = [2.0, -20.0]
    >>> update.step()
    >>> p.numpy()
    array([0.625, 1.125])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)

    def decayed(
        self, gradient: np.ndarray, numbers: np.ndarray, options: Mapping[str, Any]
    ) -> np.ndarray:
        """Return the gradient of the loss alone."""
        return gradient

    def change(
        self, gradient: np.ndarray, numbers: np.ndarray, memory: Memory, options: Mapping[str, Any]
    ) -> tuple[Any, Memory]:
        """Return the change of Adam and lr · weight_decay · p."""
        change, new = super().change(gradient, numbers, memory, options)
        return change + options["lr"] * options["weight_decay"] * numbers, new
