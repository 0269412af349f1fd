"""Runs of an adjoint network on given gradients, and the values on its wires, recorded.

Knows the network; nothing of what is right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from ..network.evaluate import Intercept, evaluate
from ..network.flow import Flow
from ..network.view import Answer

Intercepts = Mapping[int, Intercept]
NO_INTERCEPTS: Intercepts = MappingProxyType({})


def answer_places(answers: Sequence[Answer]) -> dict[int, dict[int | None, list[int]]]:
    """Return the positions of given gradients, by wire and step.

    There are several at one place, where one signal is a plain copy of another.
    """
    places: dict[int, dict[int | None, list[int]]] = {}
    for key, x in enumerate(answers):
        places.setdefault(x.wire, {}).setdefault(x.step, []).append(key)
    return places


def run_on_answers(
    adjoint: Flow,
    answers: Sequence[Answer],
    values: Sequence[Any] | None,
    others: Intercepts = NO_INTERCEPTS,
) -> dict[int, np.ndarray]:
    """Run an adjoint network on given gradients, and return its own value of each gradient.

    Parameters
    ----------
    adjoint : Flow
    answers : the derived gradients
    values : sequence of array, or None
        Go on in place of the network's own values, if there are any.
    others : mapping of a wire to its intercept, optional
        On wires, or at steps, where no gradient is given.

    Returns
    -------
    dict of int to array
        What the network makes of each gradient, by its position, in the order in which it does; 0
        where it makes nothing.
    """
    own: dict[int, np.ndarray] = {}
    places = answer_places(answers)

    def at(wire: int) -> Intercept:
        def intercept(step: int | None, value: np.ndarray) -> np.ndarray:
            keys = places.get(wire, {}).get(step, ())
            if not keys and wire in others:
                return others[wire](step, value)
            for key in keys:
                own[key] = np.array(value)
                if values is not None and np.shape(values[key]) == value.shape:
                    value = values[key]  # a value of another shape leads nowhere
            return value

        return intercept

    evaluate(adjoint, intercept={wire: at(wire) for wire in {*places, *others}})
    for key, x in enumerate(answers):
        own.setdefault(key, np.zeros(x.value.shape))
    return own


class Recorder(Intercepts):
    """Intercepts on some wires that record each signal, and pass on this signal or another one.

    Parameters
    ----------
    wires : set of int
    exchange : (wire, step, value) -> value, optional
    """

    def __init__(
        self, wires: set[int], exchange: Callable[[int, int | None, np.ndarray], Any] | None = None
    ) -> None:
        self.wires, self.exchange = wires, exchange
        self.records: dict[int, dict[int | None, np.ndarray]] = {}

    def __getitem__(self, wire: int) -> Intercept:
        if wire not in self.wires:
            raise KeyError(wire)

        def record(step: int | None, value: np.ndarray) -> np.ndarray:
            value = value if self.exchange is None else self.exchange(wire, step, value)
            self.records.setdefault(wire, {})[step] = value
            return value

        return record

    def __iter__(self) -> Iterator[int]:
        return iter(self.wires)

    def __len__(self) -> int:
        return len(self.wires)

    def series(self) -> dict[int, np.ndarray]:
        """Return the values by wire; inside of a folded loop of T steps (T, ...)."""
        return {
            wire: steps[None] if None in steps else np.stack([steps[k] for k in range(len(steps))])
            for wire, steps in self.records.items()
        }
