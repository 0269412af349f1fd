"""The facts about a primitive that its author does not declare.

Knows Symbols and what a primitive declares: its rules are run, on its samples and on Symbols, and
the answers follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .symbol import DIVIDE, HADAMARD, ITEM, MATMUL, NEGATIVE, RESHAPE, SCALE, Symbol

TAKING = "1 for every entry that is taken, else 0"
SCALING = "{factor:g} for every entry that is taken, else 0"
WEIGHING = "the numbers by which {name} weighs the entries, whatever they are"

Samples = Callable[[], Sequence[tuple[tuple[Any, ...], dict[str, Any]]]]


def works_by_entry(forward: Callable[..., Any], samples: Samples) -> bool:
    """Return whether each entry of a result depends on the entries at the same place alone."""
    for operands, parameters in samples():
        try:
            xs = np.broadcast_arrays(*operands)
            y = np.asarray(forward(*operands, **parameters))
            if parameters or y.shape != xs[0].shape:
                return False
            entries = [
                np.asarray(forward(*(np.asarray(x[place]) for x in xs))).item()
                for place in np.ndindex(y.shape)
            ]
        except Exception:  # of somebody's rule, which need not run on numbers
            return False
        if not np.allclose(entries, y.ravel(), rtol=1e-12, atol=0.0):
            return False
    return True


def slope_in_words(name: str, forward: Callable[..., Any], samples: Samples) -> str:
    """Return the partial derivative of a linear map in words, as the map weighs its samples."""
    weights: set[float] = set()
    for operands, parameters in samples():
        blank = [np.zeros(np.shape(x)) for x in operands]
        for entries in blank:
            for place in np.ndindex(entries.shape):
                entries[place] = 1.0
                weights.update(np.ravel(forward(*blank, **parameters)).tolist())
                entries[place] = 0.0
    weights -= {0.0}
    if len(weights) > 1:
        return WEIGHING.format(name=name)
    factor = weights.pop() if weights else 1.0
    return TAKING if factor == 1.0 else SCALING.format(factor=factor)


def reads_result(primitive: Any) -> bool:
    """Return whether the reverse rule of a primitive, run on Symbols, is written with the result.

    Parameters
    ----------
    primitive : Primitive
    """

    def has(expression: Any) -> bool:
        if not isinstance(expression, Symbol):
            return False
        return expression.name == "y" or any(map(has, expression.operands))

    return any(map(has, primitive.derivatives().values()))


def gain(
    forward: Callable[..., Any], rule: Callable[..., Any], samples: Samples, a: Any, b: Any
) -> Any:
    """Return the factor of the cotangent of a product on the way back to an operand.

    Parameters
    ----------
    forward : (a, b) -> product
    rule : (ct, a, b) -> cotangent of the operand
    samples : () -> list of (operands, parameters)
        From which a Symbol without a value has its shape, for which a rule may ask.
    a, b : array or Symbol
        Arrays only of a product that works entry by entry.
    """
    if not isinstance(a, Symbol) and not isinstance(b, Symbol):
        y = np.asarray(forward(a, b))
        return rule(np.ones(y.shape, y.dtype), a, b)
    blank = all(isinstance(x, Symbol) and x.value is None for x in (a, b))
    if blank:
        (x, z), _ = samples()[0]
        a, b = Symbol(a.name, x), Symbol(b.name, z)
    return _factored(forward, rule, a, b)[0]


def side(forward: Callable[..., Any], rule: Callable[..., Any], samples: Samples) -> int:
    """Return where the gain stands: -1 to the left of the cotangent, +1 to the right, 0 either."""
    (a, b), _ = samples()[0]
    return _factored(forward, rule, Symbol("a", a), Symbol("b", b))[1]


def _factored(
    forward: Callable[..., Any], rule: Callable[..., Any], a: Any, b: Any
) -> tuple[Any, int]:
    """Return the gain in a rule and its side; the rule as a whole if it is no product."""
    known = [x.value if isinstance(x, Symbol) else x for x in (a, b)]
    y = None if any(x is None for x in known) else forward(*known)
    ct = Symbol("·", y)
    expression = rule(ct, a, b)
    return _factor(expression, ct) or (expression, 0)


def _factor(expression: Any, ct: Symbol) -> tuple[Any, int] | None:
    """Return the factor of a cotangent in an expression, and the side on which it stands."""
    if expression is ct:
        return 1.0, 0
    if not isinstance(expression, Symbol):
        return None
    inner = [_factor(operand, ct) for operand in expression.operands]
    if sum(x is not None for x in inner) != 1:
        return None
    at = next(position for position, factor in enumerate(inner) if factor is not None)
    factor, side = inner[at] or (1.0, 0)
    notation = expression.notation
    if notation is RESHAPE or notation is ITEM:  # which arranges the cotangent alone
        return factor, side
    if notation is NEGATIVE:
        return -factor, side
    if len(inner) != 2:
        return None
    other, is_first = expression.operands[1 - at], at == 0
    if notation is MATMUL:
        own = 1 if is_first else -1
        if not isinstance(factor, Symbol):
            return (other if factor == 1.0 else factor * other), own
        return (factor @ other if is_first else other @ factor, own) if side == own else None
    if side and isinstance(other, Symbol):
        return None
    if notation is HADAMARD or notation is SCALE:
        if not isinstance(factor, Symbol) and factor == 1.0:
            return other, side
        return (factor * other if is_first else other * factor), side
    return (factor / other, side) if notation is DIVIDE and is_first else None
