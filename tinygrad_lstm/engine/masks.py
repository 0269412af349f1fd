"""The entries of a tangent that no change of the inputs reaches: masked out, padded, joined on.

Knows the kinds and arrays alone. A primitive that masks (relu, where, max, …) makes what comes
back to a masked entry 0 in reverse mode, be it infinite or nan. Forward mode meets the mask first
and the infinite slope after it, so it has to remember the entries whose tangent is 0 for that
reason: a later product with them is 0 too.

    >>> from . import primitives as p
    >>> x = np.array([-1.0, 4.0])
    >>> passes(p.relu, 0, np.array([True, True]), [x], p.relu(x), {})
    array([False,  True])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .kind import Kind
from .primitive import Primitive


@np.errstate(all="ignore")
def passes(
    primitive: Primitive,
    port: int,
    moves: np.ndarray,
    xs: Sequence[np.ndarray],
    y: np.ndarray,
    parameters: dict[str, Any],
) -> np.ndarray:
    """Return the entries of the result that move if some entries of one operand move.

    Parameters
    ----------
    primitive : Primitive
    port : int
        The position of the operand.
    moves : array of bool
        Of the operand's shape: where its tangent is not masked out.
    xs, y : arrays
        The operands, and the result.
    parameters : dict

    Returns
    -------
    array of bool
        Of y's shape.
    """
    kind = primitive.kind
    if kind is Kind.MATRIX_FUNCTION:  # every entry of a matrix moves with every other
        return np.full(y.shape, moves.any())
    if kind in (Kind.ELEMENTWISE, Kind.REDUCTION) and primitive.does_mask:
        rule: Any = primitive.rules[port]
        share = rule(*xs, y, *([parameters.get("axis")] if kind is Kind.REDUCTION else []))
        moves = moves & (share != 0)
    if kind is Kind.REDUCTION:
        along = {name: parameters[name] for name in ("axis", "keepdims") if name in parameters}
        return np.reshape(np.any(moves, **along), y.shape)
    if kind is Kind.ELEMENTWISE:
        return np.broadcast_to(moves, y.shape)
    # a weight for each entry that moves, such that no sum of them is 0 by accident
    weights = np.where(moves, np.random.default_rng(0).uniform(1.0, 2.0, moves.shape), 0.0)
    tangents = [weights if at == port else None for at in range(len(xs))]
    ones = [np.ones(x.shape) for x in xs]
    return np.asarray(primitive.jvp(tangents, y, ones, parameters) != 0)
