"""HessianFree: Newton's step by conjugate gradients, on products with the Gauss–Newton matrix.

Knows a loss as a function of one vector; no layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..engine import primitives as p
from ..engine.arguments import function, number, of_kind, optional, whole
from ..engine.arrays import as_floats
from ..engine.place import enable_grad, no_grad
from ..engine.tensor import Tensor
from ..errors import GradientError, ShapeError
from .objective import GaussNewton, Vector, one_number
from .options import check_entries

DECAY = 0.95  # of the direction before, from which conjugate gradients start
PROGRESS = 5e-4  # for each iteration, below which they end
APART = 1.3  # iterations kept for going back are those of the powers of this


class HessianFree:
    """Hessian-free optimisation: J. Martens and I. Sutskever, ICML 2011.

    Every step minimises the quadratic model

        q(d) = gᵀ d + ½ dᵀ (G + λ + μ λ G_h) d

    by conjugate gradients, where G is the Gauss–Newton matrix of the loss and G_h that of
    ½ Σ h² over the hidden states: the structural damping of section 3 of the paper, which keeps a
    step from changing the states more than the model can foresee. λ grows where the loss falls
    by less than the model says, and shrinks where it falls as much.

    Parameters
    ----------
    params : iterable of Tensors
    damping : float, at least 0
        λ at the start.
    structural : float, at least 0
        μ.
    iterations : int, at least 1
        Of conjugate gradients in one step, at most.

    Attributes
    ----------
    damping : float     λ now

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> lstm, dense = tg.nn.LSTM(1, 3, seed=0), tg.nn.Dense(3, 1, seed=1)
    >>> x = np.linspace(-1, 1, 8)[:, None]
    >>> update = HessianFree(lstm.parameters() + dense.parameters(), structural=0.1)
    >>> def forward():
    ...     out, _ = lstm(x)
    ...     return dense(out), out
    >>> losses = [update.step(forward, lambda y: tg.nn.squared_error(y, x**2)) for _ in range(8)]
    >>> losses[-1] < 0.1 * losses[0]
    True
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        damping: float = 1.0,
        structural: float = 0.0,
        iterations: int = 100,
    ) -> None:
        self.vector = Vector("HessianFree", params)
        self.damping = number("HessianFree: damping", damping, 0.0)
        self.structural = number("HessianFree: structural", structural, 0.0)
        self.iterations = whole("HessianFree: iterations", iterations, 1)
        self._direction: np.ndarray | None = None

    def step(self, forward: Callable[[], Any], loss_of: Callable[[Tensor], Tensor]) -> float:
        """Make one step, and return the loss after it.

        Parameters
        ----------
        forward : () -> Tensor, or (Tensor, hidden states …)
            The outputs, computed from the parameters; the hidden states are damped.
        loss_of : (outputs) -> Tensor
            One number, convex in the outputs.

        Raises
        ------
        GradientError
            If the loss or its gradient is not finite.
        UsageError, ShapeError
            If forward or loss_of returns what is no Tensor, or not one number.

        Whatever is raised, the parameters have the numbers of the start.
        """
        function("HessianFree: forward", forward, "a function that returns outputs")
        function("HessianFree: loss_of", loss_of, "a function of the outputs")
        start = self.vector.numbers()
        own = [x._array for x in self.vector.params]
        try:
            return self._step(start, forward, loss_of)
        except BaseException:  # an interrupt too
            for x, numbers in zip(self.vector.params, own, strict=True):
                x.hold(numbers)
            raise

    def _step(
        self, start: np.ndarray, forward: Callable[[], Any], loss_of: Callable[[Tensor], Tensor]
    ) -> float:
        with enable_grad():
            outputs = _outputs(forward())
            loss = one_number("HessianFree", loss_of(outputs[0]))
        slope = self.vector.slope(loss)
        if not (np.isfinite(loss.item()) and np.isfinite(slope).all()):
            raise GradientError(
                "HessianFree: the loss or its gradient is not finite, so no parameter has moved; "
                "look in the network for the log of 0, a division by 0, or numbers that overflow"
            )
        G = GaussNewton("HessianFree", self.vector.params, outputs, self._damped(loss_of))
        directions = self._directions(slope, lambda d: G.product(d) + self.damping * d)

        def loss_after(d: np.ndarray) -> float:
            self.vector.place(start + d)
            with no_grad():
                value = float(loss_of(_outputs(forward())[0]).item())
            return value if np.isfinite(value) else np.inf

        d, model = directions.pop()
        after = loss_after(d)
        while directions:  # go back while the loss falls
            other, other_model = directions.pop()
            value = loss_after(other)
            if value >= after:
                break
            d, model, after = other, other_model, value
        ratio = (after - loss.item()) / model if model < 0 else 0.0
        damping = self.damping * (1.5 if ratio < 0.25 else 2 / 3 if ratio > 0.75 else 1.0)
        scale = 1.0
        while after > loss.item() + 0.01 * scale * float(slope @ d) and scale > 1e-5:
            scale *= 0.8
            after = loss_after(scale * d)
        if after > loss.item():
            scale, after = 0.0, loss.item()
        self.vector.place(start + scale * d)
        self.damping, self._direction = damping, d
        return after

    def _damped(self, loss_of: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
        """Return the loss of the outputs, and of the hidden states what damps them."""
        share = self.structural * self.damping

        def damped(y: Tensor, *hidden: Tensor) -> Tensor:
            loss = loss_of(y)
            for h in hidden:
                loss = loss + 0.5 * share * p.sum(h * h)
            return loss

        return damped

    def _directions(
        self, slope: np.ndarray, product: Callable[[np.ndarray], np.ndarray]
    ) -> list[tuple[np.ndarray, float]]:
        """Return iterates of conjugate gradients on q, the last one last, each with its q."""
        d = np.zeros_like(slope) if self._direction is None else DECAY * self._direction
        r = -slope - product(d)
        v, models, iterates, next_iterate = r, [0.5 * float(d @ (slope - r))], [], 1.0
        for k in range(1, self.iterations + 1):
            Av = product(v)
            curvature = float(v @ Av)
            if curvature <= 0 or not np.isfinite(curvature):
                break
            step = float(r @ r) / curvature
            d, before = d + step * v, float(r @ r)
            r = r - step * Av
            v = r + (float(r @ r) / before) * v
            models.append(0.5 * float(d @ (slope - r)))
            span = max(10, k // 10)
            is_last = k > span and (
                models[-1] < 0 and (models[-1] - models[-1 - span]) / models[-1] < span * PROGRESS
            )
            if k >= next_iterate or is_last or k == self.iterations or not before:
                iterates.append((d, models[-1]))
                next_iterate = max(next_iterate * APART, k + 1)
            if is_last or not float(r @ r):
                break
        return iterates or [(d, models[-1])]

    def state_dict(self) -> dict[str, Any]:
        """Return λ, and a copy of the direction of the last step (None before the first)."""
        direction = None if self._direction is None else self._direction.copy()
        return {"damping": self.damping, "direction": direction}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` for parameters of the same sizes returned.

        Raises
        ------
        ArgumentError, ShapeError
            If it does not fit; nothing has been loaded.
        """
        state = check_entries("HessianFree", state_dict, ("damping", "direction"))
        damping = number("HessianFree: damping", state["damping"], 0.0)
        direction = optional(_direction, "HessianFree: direction", state["direction"], self.vector)
        self.damping, self._direction = damping, direction


def _direction(who: str, value: Any, vector: Vector) -> np.ndarray:
    array = as_floats(value, None, who)
    if array.shape != (vector.size,):
        raise ShapeError(f"{who} has shape {array.shape}, expected {(vector.size,)}")
    return array


def _outputs(value: Any) -> list[Tensor]:
    """Return outputs and hidden states as a list."""
    outputs = list(value) if isinstance(value, tuple | list) else [value]
    for y in outputs or [None]:
        of_kind("HessianFree: what forward returned", y, Tensor, "Tensors")
    return outputs
