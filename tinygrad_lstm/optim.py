"""Updates of parameters from their gradients.

Knows parameters (leaves with ``.data`` and ``.grad``) and NumPy; no layers, no graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .errors import ArgumentError, UsageError, check_arguments
from .tensor import Tensor, check_gradient


class Optimizer:
    """Base of the update rules: the parameters, and the rate.

    Raises
    ------
    ArgumentError
        If the learning rate is below 0, there are no parameters, or one is given twice.
    UsageError
        If a parameter is not a leaf that requires a gradient.
    """

    def __new__(cls, *args: Any, **options: Any) -> Optimizer:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle what it holds, without asking again for what it was made from."""
        return object.__new__, (type(self),), vars(self)

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise UsageError(
                f"{type(self).__name__}: found {type(params).__name__}, expected a list of "
                "parameters, such as module.parameters()"
            )
        self.params = list(params)
        self.lr = _in_range("lr", lr, 0.0, np.inf)
        if not self.params:
            raise ArgumentError(f"{type(self).__name__}: found no parameters to update")
        seen: set[Tensor] = set()
        for each in self.params:
            if not isinstance(each, Tensor) or each.inputs or not each.requires_grad:
                what = each.label() if isinstance(each, Tensor) else type(each).__name__
                raise UsageError(
                    f"{type(self).__name__}: {what} is no leaf that requires a gradient"
                )
            if each in seen:
                raise ArgumentError(f"{type(self).__name__}: {each.label()} is given twice")
            seen.add(each)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for each in self.params:
            each.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient; all from the old values."""
        for each in self.params:
            check_gradient(each)
        for position, each in enumerate(self.params):
            if each.grad is not None:
                each.data = each._array - self.change(position, np.asarray(each.grad))

    def change(self, position: int, gradient: np.ndarray) -> np.ndarray:
        """Return what to subtract from the parameter at a position; of its shape."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with the momentum of B. Polyak (1964) if asked for.

        v ← momentum · v + gradient        p ← p - lr · v

    Parameters
    ----------
    params : iterable of Tensors
    lr : float, at least 0
    momentum : float in [0, 1)
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0) -> None:
        super().__init__(params, lr)
        self.momentum = _in_range("momentum", momentum, 0.0, 1.0)
        self._v: dict[int, np.ndarray] = {}

    def change(self, position: int, gradient: np.ndarray) -> np.ndarray:
        """Return lr · v."""
        if self.momentum:
            gradient = self.momentum * self._v.get(position, 0.0) + gradient
            self._v[position] = gradient
        return self.lr * gradient


class Adam(Optimizer):
    """Adam: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, alg. 1.

        m ← β₁ m + (1 - β₁) g       v ← β₂ v + (1 - β₂) g²
        p ← p - lr · m / (1 - β₁ᵗ) / (sqrt(v / (1 - β₂ᵗ)) + eps)

    Parameters
    ----------
    params : iterable of Tensors
    lr : float, at least 0
    betas : (β₁, β₂), each in [0, 1)
    eps : float, at least 0
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise UsageError(f"betas must be a pair of numbers, found {betas!r}")
        self.betas = tuple(_in_range("betas", beta, 0.0, 1.0) for beta in betas)
        self.eps = _in_range("eps", eps, 0.0, np.inf)
        self._moments: dict[int, tuple[int, np.ndarray, np.ndarray]] = {}

    def change(self, position: int, gradient: np.ndarray) -> np.ndarray:
        """Return lr times the ratio of the corrected moments."""
        b1, b2 = self.betas
        zero = np.zeros_like(gradient)
        t, m, v = self._moments.get(position, (0, zero, zero))
        t, m, v = t + 1, b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient * gradient
        self._moments[position] = t, m, v
        return self.lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + self.eps)


def _in_range(what: str, value: float, low: float, end: float) -> float:
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise UsageError(f"{what} must be a number, found {value!r}")
    if not low <= value < end:
        raise ArgumentError(f"{what} must be at least {low:g} and below {end:g}, found {value}")
    return float(value)
