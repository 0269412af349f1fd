"""DEKF: weights as the state of an extended Kalman filter, one covariance for each group.

Knows parameters, and the Jacobians along the tape; no layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ..engine.arguments import POSITIVE, excerpt, number, of_kind
from ..engine.arrays import as_floats, plain
from ..engine.tensor import Tensor
from ..errors import ArgumentError, GradientError, ShapeError, UsageError
from .objective import Vector
from .options import check_entries, check_leaves, parameters


class DEKF:
    """The decoupled extended Kalman filter.

    The weights w are what is estimated, the targets t are measurements of the outputs y(w) with
    noise. For the weights of each group g, with their covariance P and the Jacobian J = ∂y/∂w:

        A = (R + Σ_g J P Jᵀ)⁻¹      K = P Jᵀ A
        w ← w + lr · K (t - y)      P ← P - K J P + Q

    with R = measurement_noise · 1 and Q = process_noise · 1. G. Puskorius and L. Feldkamp, IEEE
    Trans. Neural Networks 5, 1994, eq. 14–17; for an LSTM J. Pérez-Ortiz, F. Gers, D. Eck and J.
    Schmidhuber, Neural Networks 16, 2003.

    A recurrent network is updated after every step of a sequence. The derivative of a state by the
    weights is then carried on with the state, S(k) = ∂s(k)/∂w + ∂s(k)/∂s(k-1) S(k-1), as in
    real-time recurrent learning (R. Williams and D. Zipser, Neural Computation 1, 1989).

    Parameters
    ----------
    params : iterable of Tensors, or of lists of Tensors
        One group, whose covariance is one matrix; or a list for each group.
    lr : float, at least 0
    measurement_noise : float above 0
    process_noise : float, at least 0
    covariance : float above 0
        On the diagonal of P at the start.

    Attributes
    ----------
    covariances : list of arrays, one for each group
    sensitivity : (entries of the states, entries of all parameters), S

    Raises
    ------
    ArgumentError, UsageError
        If an option is out of range, or params are not leaves that require gradients.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> cell, dense = tg.nn.LSTMCell(1, 2, seed=0), tg.nn.Dense(2, 1, seed=1)
    >>> update = DEKF(cell.parameters() + dense.parameters(), measurement_noise=0.1)
    >>> errors = []
    >>> for _ in range(10):
    ...     state, error = update.start(np.zeros(2), np.zeros(2)), 0.0
    ...     for k in range(5):
    ...         state_next = cell(np.ones(1), state)
    ...         y = dense(state_next[0])
    ...         error += abs(y.item() - k / 5)
    ...         state = update.step(y, [k / 5], state_next)
    ...     errors.append(error)
    >>> errors[-1] < 0.05 * errors[0]
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        measurement_noise: float = 1.0,
        process_noise: float = 1e-6,
        covariance: float = 100.0,
    ) -> None:
        self.lr, self.measurement_noise = lr, measurement_noise
        self.process_noise = process_noise
        self._noises()
        first = number("DEKF: covariance", covariance, POSITIVE)
        groups = _groups(params)
        self.vector = Vector("DEKF", [x for group in groups for x in group])
        sizes = [sum(x.size for x in group) for group in groups]
        self._places = [slice(a, b) for a, b in pairwise([0, *accumulate(sizes)])]
        self.covariances = [first * np.eye(size) for size in sizes]
        self._states: tuple[Tensor, ...] = ()
        self.sensitivity = np.zeros((0, self.vector.size))

    def start(self, *states: Any) -> tuple[Tensor, ...]:
        """Begin a sequence, and return its initial states, which do not depend on the weights.

        Parameters
        ----------
        *states : array_like

        Returns
        -------
        states : tuple of Tensors
            Leaves, to begin the first step with.
        """
        self._states = tuple(
            Tensor(as_floats(plain(state), None, "DEKF: a state"), requires_grad=True)
            for state in states
        )
        self.sensitivity = np.zeros((sum(s.size for s in self._states), self.vector.size))
        return self._states

    def step(self, outputs: Tensor, targets: Any, states: Sequence[Tensor] = ()) -> Any:
        """Update the weights after a step.

        Parameters
        ----------
        outputs : Tensor
            Recorded; computed from the parameters and the states of the step before.
        targets : array_like of its shape
        states : sequence of Tensors
            The states after this step, recorded, in the order of `start`; none if the outputs were
            computed from the parameters alone.

        Returns
        -------
        states : tuple of Tensors
            The same numbers as leaves, to begin the next step with.

        Raises
        ------
        ShapeError
            If the targets have another shape than the outputs, or a state than at the start.
        UsageError
            If the outputs are no Tensor, or there are other states than at the start.
        GradientError
            If a number is not finite.

        Whatever is raised, no parameter has moved.
        """
        noise, drift, lr = self._noises()
        of_kind("DEKF: outputs", outputs, Tensor, "a Tensor")
        after = _states(states, self._states)
        error = as_floats(plain(targets), None, "DEKF: targets") - 0.0
        if error.shape != outputs.shape:
            raise ShapeError(
                f"DEKF: found targets of shape {error.shape} for outputs of shape {outputs.shape}; "
                "they must be equal"
            )
        error = (error - outputs._array).ravel().astype(float)
        jacobian = self._jacobian([outputs, *after])
        J, sensitivity = jacobian[: outputs.size], jacobian[outputs.size :]
        PJ = [P @ J[:, at].T for P, at in zip(self.covariances, self._places, strict=True)]
        A = noise * np.eye(outputs.size)
        for part, at in zip(PJ, self._places, strict=True):
            A += J[:, at] @ part
        change, covariances = np.empty(self.vector.size), []
        for P, part, at in zip(self.covariances, PJ, self._places, strict=True):
            K = np.linalg.solve(A, part.T).T if np.isfinite(A).all() else part * np.nan
            change[at] = K @ error
            P = P - K @ part.T
            P = (P + P.T) / 2  # which rounding leaves
            P[np.diag_indices(len(P))] += drift
            covariances.append(P)
        new = self.vector.numbers() + lr * change
        if not np.isfinite(new).all() or not np.isfinite(sensitivity).all():
            raise GradientError(
                "DEKF: a weight or a derivative is not finite after this step, so no parameter has "
                "moved; take a larger measurement_noise, or begin with a smaller covariance"
            )
        self.vector.place(new)
        self.covariances, self.sensitivity = covariances, sensitivity
        self._states = tuple(Tensor(s._array, requires_grad=True) for s in after)
        return self._states

    def _jacobian(self, recorded: list[Tensor]) -> np.ndarray:
        """Return the derivative of what was recorded by the weights, through the states too."""
        both = Vector.__new__(Vector)
        both.params = [*self.vector.params, *self._states]
        rows = [
            both.gradient([y], [unit])
            for y in recorded
            for unit in np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        ]
        jacobian = np.reshape(rows, (len(rows), -1))
        direct, through = np.split(jacobian, [self.vector.size], axis=1)
        total: np.ndarray = direct + through @ self.sensitivity
        return total

    def _noises(self) -> tuple[float, float, float]:
        """Return R, Q and lr, as somebody may have set them."""
        return (
            number("DEKF: measurement_noise", self.measurement_noise, POSITIVE),
            number("DEKF: process_noise", self.process_noise, 0.0),
            number("DEKF: lr", self.lr, 0.0),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the covariances; a sequence begins anew after loading."""
        return {"covariances": [np.array(P) for P in self.covariances]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a filter of the same groups returned.

        Raises
        ------
        ArgumentError, ShapeError
            If it does not fit; nothing has been loaded.
        """
        state = check_entries("DEKF", state_dict, ("covariances",))
        given = of_kind("DEKF: covariances", state["covariances"], list, "a list of matrices")
        if len(given) != len(self.covariances):
            raise ArgumentError(
                f"DEKF: found covariances of {len(given)} groups, expected {len(self.covariances)}"
            )
        arrays = [as_floats(P, None, "DEKF: a covariance") for P in given]
        for array, P in zip(arrays, self.covariances, strict=True):
            if array.shape != P.shape:
                raise ShapeError(
                    f"DEKF: found a covariance of shape {array.shape}, expected {P.shape}"
                )
        self.covariances = arrays


def _groups(params: Any) -> list[list[Tensor]]:
    """Return the groups; one if there are no lists."""
    if isinstance(params, Iterable) and not isinstance(params, Tensor | Mapping | str):
        params = list(params)
        if params and all(isinstance(group, list | tuple) for group in params):
            groups = [parameters("DEKF", group) for group in params]
            check_leaves("DEKF", [x for group in groups for x in group])
            return groups
    return [parameters("DEKF", params)]


def _states(states: Any, before: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the states after a step, if they are those of the start."""
    if not isinstance(states, list | tuple):
        raise UsageError(f"DEKF: states: found {excerpt(states)}, expected a tuple of Tensors")
    for state in states:
        of_kind("DEKF: states", state, Tensor, "Tensors")
    shapes, expected = [s.shape for s in states], [s.shape for s in before]
    if shapes != expected:
        raise ShapeError(
            f"DEKF: found states of shapes {shapes}, expected {expected}, as given to start()"
        )
    return list(states)
