"""Second derivatives of a loss by single parameters, and the surgery that they allow.

Knows Tensors and NumPy; no modules, and not what is culled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..engine.differentiate import grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError, UsageError

MOST = 4096  # numbers of a parameter whose second derivatives make one matrix


def slopes(loss: Tensor, parameters: Sequence[Tensor], create_graph: bool = False) -> list[Tensor]:
    """Return the gradient of each parameter; zeros where the loss does not depend on one.

    Raises
    ------
    UsageError
        If the loss depends on none of them.
    """
    found = grad(loss, parameters, create_graph=create_graph, allow_unused=True)
    if all(g is None for g in found):
        raise UsageError("cull: the loss is not computed from any parameter of this network")
    pairs = zip(found, parameters, strict=True)
    return [Tensor(np.zeros(x.shape, x.dtype)) if g is None else g for g, x in pairs]


def diagonals(loss_of: Callable[[], Tensor], parameters: Sequence[Tensor]) -> list[np.ndarray]:
    """Return ∂²L/∂w² of every number of every parameter, exactly: one backward pass for each."""
    return [np.diag(block).reshape(x.shape) for block, x in _blocks(loss_of, parameters)]


def blocks(loss_of: Callable[[], Tensor], parameters: Sequence[Tensor]) -> list[np.ndarray]:
    """Return the Hessian of each parameter by itself, (n, n) for n numbers.

    Raises
    ------
    ArgumentError
        If a parameter has too many numbers for that.
    """
    return [block for block, _ in _blocks(loss_of, parameters)]


def _blocks(
    loss_of: Callable[[], Tensor], parameters: Sequence[Tensor]
) -> list[tuple[np.ndarray, Tensor]]:
    for x in parameters:
        if x.size > MOST:
            raise ArgumentError(
                f"cull: {x.label()} has {x.size} numbers, and second derivatives are computed of "
                f"{MOST} at most; use by='gradient' or by='magnitude'"
            )
    result = []
    gradients = slopes(loss_of(), parameters, create_graph=True)
    for x, gradient in zip(parameters, gradients, strict=True):
        block = np.zeros((x.size, x.size))
        for n in range(x.size if gradient.requires_grad else 0):
            unit = np.zeros(x.size, x.dtype)
            unit[n] = 1
            (row,) = grad(gradient, [x], unit.reshape(x.shape), allow_unused=True)
            if row is not None:
                block[n] = np.ravel(row.numpy())
        result.append(((block + block.T) / 2, x))
    return result


class Surgeon:
    """The inverse Hessian of one parameter, from which weights are taken one by one.

    B. Hassibi and D. Stork, "Second order derivatives for network pruning: optimal brain surgeon",
    NIPS 5, 1993: taking weight q raises the loss by ½ w_q² / [H⁻¹]_qq, if the others move by
    -w_q / [H⁻¹]_qq · H⁻¹ e_q. What is negative in H, where the loss has no minimum, counts as 0,
    and the damping, relative to the mean of its diagonal, is added.

    Parameters
    ----------
    weights : (n,)
    hessian : (n, n)
    is_free : (n,) of truth values
        Which weights may move.
    damping : float
    """

    def __init__(
        self, weights: np.ndarray, hessian: np.ndarray, is_free: np.ndarray, damping: float
    ) -> None:
        self.weights, self.left = weights.astype(float), np.flatnonzero(is_free)
        values, vectors = np.linalg.eigh(hessian[np.ix_(self.left, self.left)])
        values = np.maximum(values, 0.0)
        values += damping * (float(values.mean()) if values.any() else 1.0)
        self.inverse = (vectors / values) @ vectors.T

    def costs(self) -> np.ndarray:
        """Return the rise of the loss without each weight that is left, (n,); else inf."""
        costs = np.full(len(self.weights), np.inf)
        costs[self.left] = 0.5 * self.weights[self.left] ** 2 / np.diag(self.inverse)
        return costs

    def take(self, q: int) -> None:
        """Take a weight, and move the others."""
        at = int(np.flatnonzero(self.left == q)[0])
        column = self.inverse[:, at].copy()
        self.weights[self.left] -= self.weights[q] / column[at] * column
        self.weights[q] = 0.0
        self.inverse -= np.outer(column, column) / column[at]
        self.inverse = np.delete(np.delete(self.inverse, at, 0), at, 1)
        self.left = np.delete(self.left, at)
