"""Updates of parameters from their gradients.

Knows parameters (leaves with ``.data`` and ``.grad``) and NumPy; no layers, no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any, Generic, Self, TypeVar, cast

import numpy as np

from .engine.arguments import Constructor, check_arguments, excerpt, whole
from .engine.arguments import number as checked_number
from .engine.arrays import as_floats
from .engine.gradients import checked_gradient, replace_data
from .engine.tensor import Tensor
from .errors import ArgumentError, GradientError, ShapeError, UsageError

T = TypeVar("T")
GRADIENT = "look in the network for the log of 0, a division by 0, or numbers that overflow"
UPDATE = "take a smaller lr, or clip the gradients"


class Checked(Generic[T]):
    """An attribute of an update rule that is checked whenever it is set.

    Parameters
    ----------
    check : (who, value) -> value
        Raises if the value cannot be used; ``who`` begins the message.
    """

    def __init__(self, check: Callable[[str, Any], T]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: Any = None) -> T:
        if optimizer is None:
            return self  # type: ignore[return-value]
        if self.name not in vars(optimizer):
            raise AttributeError(f"{type(optimizer).__name__} has no {self.name} yet")
        return cast(T, vars(optimizer)[self.name])

    def __set__(self, optimizer: Any, value: Any) -> None:
        who = f"{type(optimizer).__name__}: {self.name}"
        vars(optimizer)[self.name] = self.check(who, value)


def number(low: float, end: float) -> Checked[float]:
    """Return an attribute that is a number, at least ``low`` and below ``end``."""
    return Checked(lambda who, value: checked_number(who, value, low, end))


def _parameters(who: str, value: Any) -> list[Tensor]:
    who = who.removesuffix(": params")
    if isinstance(value, Tensor) or not isinstance(value, Iterable):
        raise UsageError(
            f"{who}: found {type(value).__name__}, expected a list of parameters, such as "
            "module.parameters()"
        )
    params = list(value)
    if not params:
        raise ArgumentError(f"{who}: found no parameters to update")
    _check_leaves(who, params)
    for parameter in params:
        if not parameter.requires_grad:
            label = f" ({parameter.label()})" if parameter.name else ""
            raise UsageError(
                f"{who}: found a Tensor that requires no gradient{label}; make it with "
                "requires_grad=True"
            )
    return params


def _check_leaves(who: str, params: list[Any]) -> None:
    """Refuse a parameter that is no leaf, or is given twice."""
    leaves: set[Tensor] = set()
    for x in params:
        if not isinstance(x, Tensor) or x.inputs:
            label = x.label() if isinstance(x, Tensor) else type(x).__name__
            raise UsageError(f"{who}: {label} is no leaf that requires a gradient")
        if x in leaves:
            raise ArgumentError(f"{who}: {x.label()} is given twice")
        leaves.add(x)


def _pair(who: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UsageError(f"{who} must be a pair of numbers, found {excerpt(value)}")
    return tuple([checked_number(who, beta, 0.0, 1.0) for beta in value])


class Optimizer:
    """Base of the update rules: the parameters, and the rate.

    Raises
    ------
    ArgumentError
        If the learning rate is below 0, there are no parameters, or one is given twice.
    UsageError
        If a parameter is not a leaf that requires a gradient.
    """

    __signature__ = Constructor()
    params = Checked(_parameters)
    lr = number(0.0, np.inf)

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle the attributes; the constructor is not called again."""
        return object.__new__, (type(self),), vars(self)

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = params
        self.lr = lr

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient; all from the old values.

        Raises
        ------
        ShapeError, DTypeError
            If a gradient that somebody set has another shape or type than its parameter.
        GradientError
            If a gradient or an updated number is infinite or not a number.

        Whatever is raised, no parameter has moved, and the rule remembers nothing of this step.
        """
        _check_leaves(type(self).__name__, self.params)
        gradients = {
            position: _finite(checked_gradient(x), f"the gradient of {x.label()}", GRADIENT)
            for position, x in enumerate(self.params)
            if x.grad is not None
        }
        memory = _memory(self)
        try:
            new = {}
            for position, gradient in gradients.items():
                parameter = self.params[position]
                numbers = parameter._array - self.change(position, gradient)
                if numbers.dtype is not parameter._array.dtype:
                    with np.errstate(over="ignore"):  # a number without room is infinite, see below
                        numbers = numbers.astype(parameter.dtype)
                new[parameter] = _finite(numbers, f"the update of {parameter.label()}", UPDATE)
            replace_data(new)
        except BaseException:  # an interrupt too
            vars(self).clear()
            vars(self).update(memory)
            raise

    def change(self, position: int, gradient: np.ndarray) -> np.ndarray:
        """Return what to subtract from the parameter at a position; of its shape."""
        raise NotImplementedError

    def _check(self, position: int, gradient: Any) -> np.ndarray:
        """Return a gradient if it fits the parameter at a position."""
        parameter = self.params[whole("change: position", position, 0, len(self.params))]
        array: np.ndarray = gradient
        if type(gradient) is not np.ndarray or gradient.dtype.kind != "f":
            array = as_floats(gradient, None, f"the gradient of {parameter.label()}")
        if array.shape != parameter.shape:
            raise ShapeError(
                f"the gradient of {parameter.label()} has shape {array.shape}, "
                f"expected {parameter.shape}"
            )
        return array


class SGD(Optimizer):
    """Gradient descent, with the momentum of B. Polyak (1964) if asked for.

        v ← momentum · v + gradient        p ← p - lr · v

    Parameters
    ----------
    params : iterable of Tensors
    lr : float, at least 0
    momentum : float in [0, 1)
    """

    momentum = number(0.0, 1.0)

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0) -> None:
        super().__init__(params, lr)
        self.momentum = momentum
        self._v: dict[Tensor, np.ndarray] = {}

    def change(self, position: int, gradient: np.ndarray) -> np.ndarray:
        """Return lr · v."""
        v = self._check(position, gradient)
        if self.momentum:
            parameter = self.params[position]
            self._v[parameter] = v = self.momentum * self._v.get(parameter, 0.0) + v
        return self.lr * v


class Adam(Optimizer):
    """Adam: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, alg. 1.

    The moments are kept in float64, whatever the type of the gradients: the squares of finite
    float32 and float16 gradients have room there.

        m ← β₁ m + (1 - β₁) g       v ← β₂ v + (1 - β₂) g²
        p ← p - lr · m / (1 - β₁ᵗ) / (sqrt(v / (1 - β₂ᵗ)) + eps)

    Parameters
    ----------
    params : iterable of Tensors
    lr : float, at least 0
    betas : (β₁, β₂), each in [0, 1)
    eps : float, at least 0
    """

    betas = Checked(_pair)
    eps = number(0.0, np.inf)

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        self.betas = betas
        self.eps = eps
        self._moments: dict[Tensor, tuple[int, np.ndarray, np.ndarray]] = {}

    def change(self, position: int, gradient: np.ndarray) -> np.ndarray:
        """Return lr times the ratio of the corrected moments.

        Raises
        ------
        GradientError
            If the square of the gradient has no room even in float64.
        """
        gradient = self._check(position, gradient)
        gradient = gradient.astype(np.result_type(gradient, np.float64), copy=False)
        b1, b2 = self.betas
        zero, parameter = np.zeros_like(gradient), self.params[position]
        t, m, v = self._moments.get(parameter, (0, zero, zero))
        with np.errstate(over="ignore"):
            t, m, v = t + 1, b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient * gradient
        _finite(v, f"the mean square of the gradients of {parameter.label()}", GRADIENT)
        self._moments[parameter] = t, m, v
        change: np.ndarray = self.lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + self.eps)
        return change


def _finite(array: np.ndarray, who: str, remedy: str) -> np.ndarray:
    """Return the array, unless an entry is infinite or not a number."""
    if not np.isfinite(array).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        at = f" at {list(place)}" if place else ""
        raise GradientError(f"{who} is {array[place]}{at}, so no parameter has moved; {remedy}")
    return array


def _memory(optimizer: Any) -> dict[str, Any]:
    """Return the attributes of an update rule, with its dictionaries and lists copied."""
    return {
        name: copy(value) if isinstance(value, dict | list) else value
        for name, value in vars(optimizer).items()
    }


__all__ = ["SGD", "Adam", "Optimizer"]


def __dir__() -> list[str]:
    return sorted(__all__)
