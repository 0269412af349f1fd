"""Activations: the functions that a layer applies entry by entry, found by name or given by a user.

Knows the table of primitives and Symbols; no layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import functions
from ..engine.arguments import excerpt
from ..engine.kind import Kind
from ..engine.kinds import table
from ..engine.primitive import Primitive
from ..engine.primitives import TABLE, reshape, sigmoid
from ..engine.symbol import Symbol
from ..engine.symbol import function as notation
from ..engine.tensor import Tensor, constant
from ..errors import UsageError, nearest

Function = Callable[[Any], Any]
Activation = Function | str  # a function or its name


def identity(x: Any) -> Any:
    """Return x, as a signal of its own."""
    return reshape(x, shape=x.shape)


def two_sigmoid(x: Any) -> Any:
    """Return 2σ(x) - 1, in (-1, 1): Gers' h."""
    return 2.0 * sigmoid(x) - 1.0


def four_sigmoid(x: Any) -> Any:
    """Return 4σ(x) - 2, in (-2, 2): Gers' g."""
    return 4.0 * sigmoid(x) - 2.0


COMPOSITES: dict[str, Function] = {
    "identity": identity, "2σ-1": two_sigmoid, "4σ-2": four_sigmoid,
}  # fmt: skip
# loaded when one of them is asked for
OF_THE_ENGINE = [name for name, where in functions.LATER.items() if where == "activations"]


def as_function(who: str, function: Activation) -> Function:
    """Return a function, or the function of a name.

    A name is that of a primitive, of the table or of the user's own, that of an activation of the
    engine's such as ``gelu``, ``identity``, ``2σ-1`` or ``4σ-2``; ``σ`` may be written ``sigmoid``.

    Raises
    ------
    UsageError
        If it is neither; the message lists the nearest names.
    """
    if callable(function):
        return function
    name = function.replace("sigmoid-", "σ-").replace(" ", "") if isinstance(function, str) else ""
    primitives = {**table.others, **TABLE}
    if name in COMPOSITES:
        return COMPOSITES[name]
    if name in OF_THE_ENGINE:
        COMPOSITES[name] = getattr(functions, name)
        return COMPOSITES[name]
    if name in primitives and primitives[name].arity == 1 and primitives[name].is_entrywise:
        return primitives[name]
    known = [
        *COMPOSITES,
        *OF_THE_ENGINE,
        *(name for name, x in primitives.items() if x.kind is Kind.ELEMENTWISE),
    ]
    raise UsageError(
        f"{who}: there is no activation {excerpt(function)}; {nearest(excerpt(function), known)}"
    )


def entrywise(who: str, function: Activation) -> Function:
    """Return an activation, after a trial that it works entry by entry and on the tape.

    Raises
    ------
    UsageError
        If it fails, or returns anything but a Tensor of its argument's shape.
    """
    function = as_function(who, function)
    x = constant(np.array([0.5, -0.5]))
    try:
        y = function(x)
    except Exception as error:  # of the caller's function, which may raise anything
        raise UsageError(
            f"{who}: the function fails on a Tensor of shape {x.shape}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(y, Tensor) or y.shape != x.shape:
        result = f"shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
        raise UsageError(
            f"{who}: the function returned {result} for a Tensor of shape {x.shape}; "
            "expected a Tensor of equal shape, made from its argument"
        )
    return writable(function)


def writable(function: Function) -> Function:
    """Return a function that accepts Symbols too, so that a card can be written with it."""
    if isinstance(function, Primitive) or function in COMPOSITES.values():
        return function
    return Writable(function)


class Writable:
    """A user's function that accepts Symbols too: on a Symbol, its name is written."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.name = getattr(function, "__name__", "<lambda>").strip("<>")

    def __call__(self, x: Any) -> Any:
        """Return f(x)."""
        if isinstance(x, Symbol):
            return Symbol.of(notation(self.name), self.function, (x,))
        return self.function(x)
