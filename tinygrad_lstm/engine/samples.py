"""Samples: the operands on which the entries of the tables of primitives are tried.

Knows NumPy alone; no primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .numerics import Array
from .primitive import Sample


def real(count: int, position: int) -> np.ndarray:
    """Return distinct numbers in (-2, 2), none near 0; other ones for each operand position."""
    steps = (0.23 + 0.6180339887 * np.arange(1, count + 1) + 0.371 * position) % 1.0
    return np.where(steps < 0.5, 0.1 + 3.8 * steps, -0.1 - 3.8 * (1.0 - steps))


def positive(count: int, position: int) -> Array:
    """Return distinct numbers in (0.1, 2.1)."""
    return np.abs(real(count, position))


def inside(count: int, position: int) -> Array:
    """Return distinct numbers in (-0.9, 0.9), none near 0."""
    return 0.45 * real(count, position)


def above(count: int, position: int) -> Array:
    """Return distinct numbers in (1.2, 3.2)."""
    return 1.1 + positive(count, position)


def truth(count: int, position: int) -> Array:
    """Return truth values, some true and some false."""
    return np.arange(count) % 3 != 1


def cases(*several: list[Any], on: Any = real) -> Callable[[], list[Sample]]:
    """Return samples for each case: the operands' shapes, then perhaps the parameters.

    ``on`` says where the operands lie: one domain for all, or one for each.
    """

    def samples() -> list[Sample]:
        sets = []
        for case in several:
            shapes = [entry for entry in case if isinstance(entry, tuple)]
            parameters = {
                name: v for entry in case if isinstance(entry, dict) for name, v in entry.items()
            }
            domains = on if isinstance(on, tuple) else (on,) * len(shapes)
            operands = tuple(
                domain(int(np.prod(shape)), position).reshape(shape)
                for position, (domain, shape) in enumerate(zip(domains, shapes, strict=True))
            )
            sets.append((operands, parameters))
        return sets

    return samples


ONE = ([(2, 3)], [(4,)], [()])
TWO = ([(2, 3), (2, 3)], [(2, 3), (3,)], [(), (2, 1)], [(2, 1, 3), (4, 1)], [(1,), (1, 1)])
UNARY, UNARY_POSITIVE = cases(*ONE), cases(*ONE, on=positive)
BINARY, QUOTIENT, POWERS = (
    cases(*TWO),
    cases(*TWO, on=(real, positive)),
    cases(*TWO, on=(positive, real)),
)
REPLACED = cases([(2, 3), (), (), ()], [(3,), (), (), ()])
CHOICE = cases([(2, 3), (2, 3), (2, 3)], [(3,), (2, 1), ()], on=(truth, real, real))
REDUCED = cases(
    [(2, 3), dict(axis=1)],
    [(2, 3)],
    [(2, 3, 2), dict(axis=(0, 2))],
    [(2, 3), dict(axis=0, keepdims=True)],
    [(2, 3), dict(axis=-1)],
    [()],
)
