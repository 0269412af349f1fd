"""Parameters that move together: their numbers, gradients and memory in one flat array each.

Knows parameters and NumPy; no rule. A step of an optimizer costs a few calls of NumPy for a whole
bundle, where a loop over the parameters would make them for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise, starmap
from typing import Any, NamedTuple

import numpy as np

from ..engine.gradients import checked_gradient
from ..engine.tensor import Tensor
from ..errors import GradientError
from .options import Group

Memory = dict[str, Any]  # what a rule remembers: arrays, by PyTorch's names
_ndarray = np.ndarray


class Bundle(NamedTuple):
    """Parameters of one group and one type that have made the same number of steps.

    Attributes
    ----------
    places : where the entries of each parameter are in the flat arrays
    steps : how many steps the parameters have made
    memory : flat arrays, by name
    flat, views : the parameters' numbers as this bundle last left them, and its parts
    """

    group: Group
    params: tuple[Tensor, ...]
    places: tuple[slice, ...]
    steps: int
    memory: Memory
    flat: np.ndarray
    views: tuple[np.ndarray, ...]

    def numbers(self) -> np.ndarray:
        """Return the numbers of all parameters; as they are now, whoever set them."""
        for x, view in zip(self.params, self.views):
            if x._array is not view:
                return joined([x._array for x in self.params])
        return self.flat

    def gradients(self) -> np.ndarray:
        """Return the gradients of all parameters.

        Raises
        ------
        ShapeError, DTypeError
            If a gradient that somebody set does not fit its parameter.
        """
        arrays = []
        for x in self.params:
            gradient: Any = x._grad
            if (
                type(gradient) is not _ndarray
                or gradient.dtype is not x._array.dtype
                or gradient.shape != x._array.shape
            ):
                gradient = checked_gradient(x)
                if gradient.dtype.kind != "f":
                    gradient = gradient.astype(float)
            arrays.append(gradient)
        return joined(arrays)

    def moved(self, numbers: np.ndarray, memory: Memory) -> Bundle:
        """Return the bundle after a step."""
        return Bundle(
            self.group, self.params, self.places, self.steps + 1, memory, numbers,
            self.parts(numbers),
        )  # fmt: skip

    def parts(self, flat: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the parts of a flat array as views, in the shapes of the parameters."""
        return tuple([flat[at].reshape(x._array.shape) for at, x in zip(self.places, self.params)])

    def apart(self) -> dict[Tensor, tuple[int, Memory]]:
        """Return the number of steps and the memory of each parameter, in the parameter's shape."""
        by_name = {name: self.parts(array) for name, array in self.memory.items()}
        return {
            x: (self.steps, {name: arrays[n] for name, arrays in by_name.items()})
            for n, x in enumerate(self.params)
        }

    def check_finite(self, array: np.ndarray, what: str, remedy: str) -> None:
        """Refuse a flat array with an entry that is infinite or not a number.

        Raises
        ------
        GradientError
            The message names the parameter and the place of the entry.
        """
        for x, part in zip(self.params, self.parts(array), strict=True):
            if not np.isfinite(part).all():
                place = tuple(map(int, np.argwhere(~np.isfinite(part))[0]))
                at = f" at {list(place)}" if place else ""
                raise GradientError(
                    f"{what} {x.label()} is {part[place]}{at}, so no parameter has moved; {remedy}"
                )


def bundles(
    movers: Sequence[tuple[Group, Tensor]], remembered: dict[Tensor, tuple[int, Memory]]
) -> list[Bundle]:
    """Return parameters with what a rule remembers of them, as few bundles as possible."""
    alike: dict[Any, list[Tensor]] = {}
    groups = {}
    for group, x in movers:
        steps, memory = remembered.get(x, (0, {}))
        kinds = tuple((name, array.dtype) for name, array in memory.items())
        key = id(group), x._array.dtype, steps, kinds
        groups[key] = group
        alike.setdefault(key, []).append(x)
    result = []
    for key, params in alike.items():
        memories = [remembered[x][1] for x in params if x in remembered]
        names = memories[0] if memories else ()
        ends = [0, *accumulate(x.size for x in params)]
        result.append(
            Bundle(
                groups[key], tuple(params), tuple(starmap(slice, pairwise(ends))), key[2],
                {name: joined([memory[name] for memory in memories]) for name in names},
                np.empty(0), (np.empty(0),) * len(params),
            )
        )  # fmt: skip
    return result


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays as one flat array, in a new place."""
    return np.concatenate([array.ravel() for array in arrays])
