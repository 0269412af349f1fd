"""Composites: what is recorded as several operations, and told as one function with its own rule.

Knows the kinds, the table and the functions that record them; nothing of networks. A softmax is
recorded as exp, sum and quotient of which the largest entry is subtracted first, so that it keeps
its digits. A person thinks of it as one function y of x, with δx = y ∘ (δy - Σ δy ∘ y). Both say
the same: the tests hold the rule to the derivative of the body.

    >>> softmax.derivatives()
    {'x': y ∘ (δ - Σ (δ ∘ y))}
    >>> log_softmax.derivatives()
    {'x': δ - softmax(x) ∘ Σ δ}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import functions, steps
from .kinds import matrix_function
from .numerics import Array
from .primitive import Primitive
from .primitives import sum
from .samples import cases
from .symbol import function


class Composite(NamedTuple):
    """A function that is recorded as several operations.

    Attributes
    ----------
    primitive : Primitive
        The function as one operation.
    body : (x, axis) -> y
        What records it.
    letter : str
        What a person calls the result; empty if there is no such custom.
    """

    primitive: Primitive
    body: Callable[..., Any]
    letter: str = ""


def _softmax(x: Array, *, axis: Any) -> Array:
    """Return exp(x) / Σ exp(x) along an axis."""
    return functions.softmax(np.asarray(x), axis)


def _log_softmax(x: Array, *, axis: Any) -> Array:
    """Return x - log Σ exp(x) along an axis."""
    return functions.log_softmax(np.asarray(x), axis)


def _total(x: Array, axis: Any) -> Array:
    return sum(x, axis=axis, keepdims=True)


SAMPLES = cases([(3,), dict(axis=-1)], [(2, 3), dict(axis=1)], [(2, 3, 2), dict(axis=-2)])

softmax = matrix_function(
    "softmax", _softmax,
    lambda ct, x, y, axis: y * (ct - _total(ct * y, axis)),
    pushes=[lambda t, x, y, axis: y * (t - _total(t * y, axis))],
    notation=function("softmax"), samples=SAMPLES, steps=steps.along_axes,
    reason="∂{y}ᵢ/∂{x}ⱼ is −{y}ᵢ {y}ⱼ, plus {y}ᵢ on the diagonal",
)  # fmt: skip
log_softmax = matrix_function(
    "log_softmax", _log_softmax,
    lambda ct, x, y, axis: ct - softmax(x, axis=axis) * _total(ct, axis),
    pushes=[lambda t, x, y, axis: t - _total(softmax(x, axis=axis) * t, axis)],
    notation=function("log softmax", r"\log \operatorname{{softmax}}"), samples=SAMPLES,
    reason="∂{y}ᵢ/∂{x}ⱼ is −softmax({x})ⱼ, plus 1 on the diagonal",
    steps=steps.along_axes,
)  # fmt: skip

COMPOSITES = (
    Composite(softmax, functions.softmax, letter="p"),
    Composite(log_softmax, functions.log_softmax),
)
