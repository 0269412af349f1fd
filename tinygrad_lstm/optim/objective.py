"""A loss as a function of one flat vector: value, gradient, residuals, products with curvature.

Knows parameters and derivatives along the tape; no method of minimisation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..engine.arguments import function, of_kind
from ..engine.cotangent import Sums
from ..engine.differentiate import grad, push_forward
from ..engine.gradients import replace_data
from ..engine.jacobians import hvp
from ..engine.place import enable_grad, no_grad
from ..engine.tape import history, pull_back
from ..engine.tensor import Tensor, constant
from ..errors import ChangedError, GradientError, ShapeError
from .options import parameters
from .samples import by_samples, samples


class Vector:
    """Parameters as one vector.

    Parameters
    ----------
    who : str
        What messages begin with.
    params : iterable of Tensors
    """

    def __init__(self, who: str, params: Iterable[Tensor]) -> None:
        self.who = who
        self.params = parameters(who, params)
        self.size = sum(x.size for x in self.params)

    def numbers(self) -> np.ndarray:
        """Return the numbers of all parameters; of shape (size,), in float64."""
        return self.joined([x._array for x in self.params])

    def joined(self, arrays: Sequence[Any]) -> np.ndarray:
        """Return one array for each parameter as one vector; None stands for 0."""
        return np.concatenate([
            np.zeros(x.size) if array is None else np.asarray(array, float).ravel()
            for x, array in zip(self.params, arrays, strict=True)
        ])  # fmt: skip

    def parts(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return the part of a vector for each parameter, in its shape and type."""
        parts, start = [], 0
        for x in self.params:
            part = vector[start : start + x.size].reshape(x.shape)
            parts.append(part.astype(x.dtype))
            start += x.size
        return parts

    def place(self, vector: np.ndarray) -> None:
        """Give the parameters the numbers of a vector."""
        new = dict(zip(self.params, self.parts(vector), strict=True))
        replace_data(new, is_own=True)

    def gradient(self, outputs: Sequence[Tensor], cotangents: Sequence[Any]) -> np.ndarray:
        """Return what flows back from recorded outputs to the parameters, as a vector."""
        cts = _leaves(outputs, cotangents)
        return self.joined([cts.get(x) for x in self.params])

    def slope(self, loss: Tensor) -> np.ndarray:
        """Return the gradient of a recorded loss, as a vector.

        Raises
        ------
        GradientError
            If the loss depends on none of the parameters.
        """
        cts = _leaves([loss], [np.ones(loss.shape, loss.dtype)])
        if not any(x in cts for x in self.params):
            raise GradientError(f"{self.who}: the loss depends on no parameter of those given")
        return self.joined([cts.get(x) for x in self.params])

    def check_dependence(self, what: str, outputs: Sequence[Tensor]) -> None:
        """Refuse recorded outputs that depend on none of the parameters."""
        if set(self.params).isdisjoint(history(outputs)):
            raise GradientError(f"{self.who}: {what} depend on no parameter of those given")

    def tangents(self, outputs: Sequence[Tensor], vector: np.ndarray) -> list[Tensor]:
        """Return how recorded outputs move when the parameters move along a vector."""
        moved: dict[Any, Tensor] = {
            x: constant(part) for x, part in zip(self.params, self.parts(vector), strict=True)
        }
        with no_grad():
            push_forward(outputs, moved)
        return [moved[y] if y in moved else constant(np.zeros(y.shape, y.dtype)) for y in outputs]


def _leaves(outputs: Sequence[Tensor], cotangents: Sequence[Any]) -> dict[Any, Any]:
    """Return what flows back from recorded outputs to each leaf."""
    sums = Sums()
    for y, ct in zip(outputs, cotangents, strict=True):
        if y.requires_grad:
            sums.add(y, ct)
    return pull_back(sums)


def one_number(who: str, loss: Any) -> Tensor:
    """Return a loss if it is one number that depends on a leaf."""
    loss = of_kind(f"{who}: what loss_of returned", loss, Tensor, "a Tensor")
    if loss.size != 1:
        raise ShapeError(
            f"{who}: found a loss of shape {loss.shape}, expected one number; reduce it with .sum()"
        )
    if not loss.requires_grad:
        raise GradientError(f"{who}: the loss depends on no parameter")
    scalar: Tensor = loss
    return scalar


class Objective(Vector):
    """A loss that is recorded anew at every point.

    Parameters
    ----------
    who, params : as in `Vector`
    loss_of : () -> Tensor
        Of one number; or of residuals, for `residuals` and `jacobian`.
    """

    def __init__(self, who: str, loss_of: Callable[[], Tensor], params: Iterable[Tensor]) -> None:
        super().__init__(who, params)
        self.loss_of = function(f"{who}: loss_of", loss_of, "a function that returns a loss")
        self._at: np.ndarray | None = None  # where the slopes were recorded
        self._slopes: list[Tensor | None] = []
        self._has_samples = True  # until the residuals are seen to have none

    def record(self, x: np.ndarray) -> Any:
        """Place a vector, and return what the loss is there."""
        self.place(x)
        with enable_grad():
            return self.loss_of()

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss at a vector, and its gradient of shape (size,)."""
        loss = one_number(self.who, self.record(x))
        return loss.item(), self.slope(loss)

    def product(self, x: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Return the Hessian of the loss at x times a vector; each point is recorded once."""
        if self._at is None or not np.array_equal(self._at, x):
            loss = one_number(self.who, self.record(x))
            with enable_grad():
                slopes = grad(loss, self.params, create_graph=True, allow_unused=True)
            self._at, self._slopes = x.copy(), list(slopes)
        moving = [slope for slope in self._slopes if slope is not None and slope.requires_grad]
        try:
            pushed = dict(zip(moving, self.tangents(moving, vector), strict=True))
        except ChangedError:  # the loss was taken elsewhere in between
            self._at = None
            return self.product(x, vector)
        return self.joined([
            pushed[slope]._array if slope in pushed else None
            for slope in self._slopes
        ])  # fmt: skip

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """Return the residuals at a vector, of shape (count,)."""
        return self._residuals(x)._array.ravel().astype(float)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Return the derivative of the residuals at a vector; of shape (count, size)."""
        out = self._residuals(x)
        self.check_dependence("the residuals", [out])
        fewest = min(out.size, self.size)
        if self._has_samples and out.size // samples(out) + 1 < fewest:
            jacobian = by_samples(self.params, out, lambda ct: self.gradient([out], [ct]))
            if jacobian is not None:
                return jacobian
            self._has_samples = False
        return self.rows(out) if out.size <= self.size else self.columns(out)

    def _residuals(self, x: np.ndarray) -> Tensor:
        out: Tensor = of_kind(
            f"{self.who}: what loss_of returned", self.record(x), Tensor, "a Tensor"
        )
        if not out.size:
            raise ShapeError(f"{self.who}: found no residuals, expected at least one")
        return out

    def rows(self, out: Tensor) -> np.ndarray:
        """Return a Jacobian, a backward pass for each entry of what was recorded."""
        units = np.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape)
        return np.stack([self.gradient([out], [unit]) for unit in units])

    def columns(self, out: Tensor) -> np.ndarray:
        """Return a Jacobian, a forward pass for each parameter's entry."""
        units = np.eye(self.size)
        lines = [self.tangents([out], unit)[0]._array.ravel() for unit in units]
        return np.stack(lines, axis=1).astype(float)


class GaussNewton(Vector):
    """The Gauss–Newton matrix of a loss of outputs, at one point, as a product.

        G t = Jᵀ H J t, with the Jacobian J of the outputs and the Hessian H of the loss by them

    Parameters
    ----------
    who, params : as in `Vector`
    outputs : list of Tensors, recorded
    loss_of : (*outputs) -> Tensor of one number
    """

    def __init__(
        self, who: str, params: Iterable[Tensor], outputs: list[Tensor], loss_of: Callable[..., Any]
    ) -> None:
        super().__init__(who, params)
        self.outputs, self.loss_of = outputs, loss_of
        self.fixed = [y.detach() for y in outputs]

    def product(self, vector: np.ndarray) -> np.ndarray:
        """Return the matrix times a vector."""
        _, cts = hvp(self.loss_of, self.fixed, self.tangents(self.outputs, vector))
        return self.gradient(self.outputs, [ct._array for ct in cts])
