"""How an operation on a whole sequence acts on each step of the sequence.

Knows shapes alone. The first axis of a sequence is that of the steps. A rule takes the shapes of
the operands, the shape of the result and the parameters; it returns which operands have the steps
and the parameters at one step, or None if the operation does not act step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from .kind import Kind

Shape = tuple[int, ...]
AtStep = tuple[list[bool], dict[str, Any]]
Shapes = Sequence[Shape]
Parameters = Mapping[str, Any]
StepRule = Callable[[Shapes, Shape, Parameters], AtStep | None]


def entry_by_entry(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how an operation that works entry by entry acts on each step."""
    timed = [len(own) == len(shape) for own in shapes]
    fits = all(has or not is_timed for has, is_timed in zip(_have(shapes, shape), timed))
    return (timed, dict(parameters)) if fits and any(timed) else None


def along_axes(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a sum or a reduction along other axes than the first acts on each step."""
    axis = _without_first(parameters.get("axis"), len(shapes[0]))
    if axis is None or not all(_have(shapes, shape)):
        return None
    return [True], {**parameters, "axis": axis}


def of_join(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a join along another axis than the first acts on each step."""
    axis = _without_first(parameters.get("axis", 0), len(shape))
    if axis is None or not all(_have(shapes, shape)):
        return None
    return [True] * len(shapes), {**parameters, "axis": axis}


def of_cut(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how an operation that passes its operand on acts on each step."""
    return [True], dict(parameters)


def of_matmul(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a product of matrices acts on each step: on one row of the first matrix.

    A second operand with three axes is a batch of matrices, and one of them belongs to each step.
    """
    a, b = shapes
    has_steps, _ = _have(shapes, shape)
    return ([True, False], {}) if has_steps and len(a) > 1 and len(b) < 3 else None


def of_matrices(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a function of matrices acts on each step: on each matrix of a batch by itself."""
    longest = max(map(len, shapes))
    timed = [longest > 2 and len(own) == longest for own in shapes]
    fits = all(has or not is_timed for has, is_timed in zip(_have(shapes, shape), timed))
    return (timed, dict(parameters)) if fits and any(timed) else None


def of_broadcast(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a repetition along axes acts on each step; all may repeat the same operand."""
    timed = [len(shapes[0]) == len(shape)]
    return (timed, {"shape": shape[1:]}) if _have(shapes, shape)[0] or not timed[0] else None


def of_reshape(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a change of shape that keeps the first axis acts on each step."""
    return ([True], {"shape": shape[1:]}) if all(_have(shapes, shape)) else None


def of_transpose(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how a new order of axes that keeps the first axis acts on each step."""
    axes = parameters.get("axes")
    if axes is None or axes[0] % len(shape) or not all(_have(shapes, shape)):
        return None
    return [True], {"axes": tuple(axis % len(shape) - 1 for axis in axes[1:])}


def of_part(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
    """Return how the taking of a part acts on each step, if the part has all steps."""
    if not all(_have(shapes, shape)):
        return None
    index = parameters["index"]
    first, *rest = index if isinstance(index, tuple) else (index,)
    if first is Ellipsis and len(rest) < len(shapes[0]):  # more entries would index the steps
        return [True], dict(parameters)
    if isinstance(first, slice) and first == slice(None):
        return [True], {"index": tuple(rest)}
    return None


def by_trial(forward: Callable[..., Any]) -> StepRule:
    """Return the rule of a map that is linear in each operand. The rule runs the map.

    Random numbers are a proof here: a linear map that acts step by step on them does so on all
    others, but for a set of measure 0.
    """

    def rule(shapes: Shapes, shape: Shape, parameters: Parameters) -> AtStep | None:
        choices = [(True, False) if has else (False,) for has in _have(shapes, shape)]
        for timed in product(*choices):
            if any(timed) and acts_apart(forward, shapes, timed, parameters, axis=0):
                return list(timed), dict(parameters)
        return None

    return rule


def acts_apart(
    forward: Callable[..., Any],
    shapes: Shapes,
    parts: Sequence[bool],
    parameters: Parameters,
    axis: int,
) -> bool:
    """Return whether each part of a result depends on the same parts of some operands alone.

    Parameters
    ----------
    forward : (*arrays, **parameters) -> array
    shapes : of the operands
    parts : whether each operand is divided, the others being used whole
    parameters : of the map
    axis : int
        Along which to divide: 0, with one entry in each part, or -1, with one column.
    """
    rng = np.random.default_rng(0)
    xs = [rng.uniform(0.5, 1.5, shape) for shape in shapes]
    try:
        y = np.asarray(forward(*xs, **parameters))
        for k in range(y.shape[axis]):
            at: Any = k if axis == 0 else (..., slice(k, k + 1))
            part = forward(
                *(x[at] if own else x for x, own in zip(xs, parts, strict=True)), **parameters
            )
            if np.shape(part) != y[at].shape or not np.allclose(part, y[at], rtol=1e-12):
                return False
    except Exception:  # of somebody's rule, which need not run on a part
        return False
    return True


def _have(shapes: Shapes, shape: Shape) -> list[bool]:
    """Return which operands have an axis of steps, as their shapes show."""
    return [own[:1] == shape[:1] for own in shapes]


def _without_first(axis: Any, ndim: int) -> Any:
    """Return axes counted without the first one, or None if that is among them."""
    if axis is None:
        return None
    axes = tuple(k % ndim for k in (axis if isinstance(axis, tuple) else (axis,)))
    if 0 in axes:
        return None
    lower = tuple(k - 1 for k in axes)
    return lower if isinstance(axis, tuple) else lower[0]


# of a primitive that declares no rule and does not work entry by entry
OF_KIND: dict[Kind, StepRule] = {
    Kind.REDUCTION: along_axes, Kind.JOIN: of_join, Kind.CUT: of_cut,
    Kind.MATRIX_FUNCTION: of_matrices,
}  # fmt: skip
