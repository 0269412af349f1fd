"""EMA: an exponential average of the parameters over the steps.

Knows parameters and NumPy; no rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..engine.arguments import excerpt, number, of_kind
from ..engine.gradients import replace_data
from ..engine.tensor import Tensor
from ..errors import ArgumentError, UsageError
from .options import array_like, check_entries, parameters


class EMA:
    """An exponential average of weights: B. Polyak and A. Juditsky (1992), with forgetting.

        average ← decay · average + (1 - decay) · p        (p itself at the first update)

    Parameters
    ----------
    params : iterable of Tensors
    decay : float in [0, 1)

    Attributes
    ----------
    averages : list of arrays, one for each parameter; empty before the first update

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor(1.0, requires_grad=True)
    >>> average = EMA([p], decay=0.75)
    >>> for value in (1.0, 2.0):
    ...     p.data = value
    ...     average.update()
    >>> with average.weights():
    ...     p.item()
    1.25
    >>> p.item()
    2.0
    """

    def __init__(self, params: Iterable[Tensor], decay: float = 0.999) -> None:
        self.params = parameters("EMA", params)
        self.decay = number("EMA: decay", decay, 0.0, 1.0)
        self.averages: list[np.ndarray] = []

    def update(self) -> None:
        """Take the parameters as they are now into the average."""
        now = [x.numpy() for x in self.params]
        keep = self.decay
        self.averages = [
            np.asarray(keep * average + (1 - keep) * numbers, numbers.dtype)
            for average, numbers in zip(self.averages or now, now, strict=True)
        ]

    @contextmanager
    def weights(self) -> Iterator[None]:
        """Give the parameters their averages in a ``with`` block, and their own numbers after it.

        Raises
        ------
        UsageError
            If there was no update yet.
        """
        if not self.averages:
            raise UsageError("EMA: found no average yet; call update() after every step")
        own = [x.numpy() for x in self.params]
        replace_data(dict(zip(self.params, self.averages, strict=True)))
        try:
            yield
        finally:
            replace_data(dict(zip(self.params, own, strict=True)))

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the averages by the number of the parameter, and the decay."""
        return {
            "decay": self.decay,
            "averages": {n: np.array(average) for n, average in enumerate(self.averages)},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of the average of parameters of the same shapes returned.

        Raises
        ------
        ArgumentError, UsageError, ShapeError
            If it does not fit; nothing has been loaded.
        """
        state = check_entries("EMA", state_dict, ("decay", "averages"))
        decay = number("EMA: decay", state["decay"], 0.0, 1.0)
        averages = of_kind("EMA: averages", state["averages"], Mapping, "a dictionary of arrays")
        if averages and set(averages) != set(range(len(self.params))):
            raise ArgumentError(
                f"EMA: found averages of {excerpt(list(averages))}, expected those of the "
                f"parameters 0 to {len(self.params) - 1}"
            )
        self.averages, self.decay = [
            array_like(f"EMA: the average of {x.label()}", averages[n], x)
            for n, x in enumerate(self.params) if averages
        ], decay  # fmt: skip
