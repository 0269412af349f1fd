"""Functions along an axis, entry by entry: cumulative products, differences, slopes, areas.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ..arguments import excerpt, one_of, whole
from ..numerics import Array
from ..primitives import concatenate, cumsum, hadamard, sum
from . import checked
from .checked import Axis, at


def cumprod(a: Array, axis: int | None = None) -> Array:
    """Return the products of the first entries along an axis (of all entries if None).

    Each round doubles how many entries are in a product: n entries take log n rounds, and any of
    them may be 0.
    """
    y, axis = checked.vector_or_axis("cumprod", a, axis)
    if checked.is_plain(y):
        return np.cumprod(y, axis=axis)
    step = 1
    while step < y.shape[axis]:
        head, tail = y[at(axis, slice(None, step))], y[at(axis, slice(step, None))]
        y = concatenate([head, hadamard(tail, y[at(axis, slice(None, -step))])], axis=axis)
        step *= 2
    return y


def _cumulative(along: Any, start: float) -> Any:
    """Return NumPy's newer name of a scan, which may put its start in front."""

    def cumulative(x: Array, axis: int | None = None, include_initial: bool = False) -> Array:
        if axis is None and checked.array("cumulative", x).ndim > 1:
            raise ArgumentError("cumulative_sum and cumulative_prod need an axis beyond vectors")
        y = along(x, axis=0 if axis is None else axis)
        if not include_initial:
            return y
        axis = checked.one_axis("cumulative", y, 0 if axis is None else axis)
        first = np.full((*y.shape[:axis], 1, *y.shape[axis + 1 :]), start)
        return concatenate([first, y], axis=axis)

    return cumulative


def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Return each entry less the one before it along an axis, n times."""
    a = checked.array("diff", a)
    axis, n = checked.one_axis("diff", a, axis), whole("diff: n", n, 0)
    if n == 0:
        return a
    ends = [_end("diff", a, axis, end) for end in (prepend, append)]
    if ends[0] is not None or ends[1] is not None:
        a = concatenate([x for x in (ends[0], a, ends[1]) if x is not None], axis=axis)
    for _ in range(min(n, a.shape[axis])):  # of no entries, the differences are none
        a = a[at(axis, slice(1, None))] - a[at(axis, slice(None, -1))]
    return a


def _end(who: str, a: Array, axis: int, value: Any) -> Any:
    """Return the entries to put before or behind a; a number becomes a slice of a's shape."""
    if value is None:
        return None
    value = checked.array(who, value)
    if value.ndim:
        return value
    return value + np.zeros((*a.shape[:axis], 1, *a.shape[axis + 1 :]))


def gradient(f: Array, *varargs: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    """Return the slopes by differences of the neighbours along the axes (all if None), as NumPy."""
    f = checked.array("gradient", f)
    axes = list(range(f.ndim)) if axis is None else checked.axes_apart("gradient", f, axis)
    one_of("gradient: edge_order", edge_order, (1, 2))
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    if len(steps) != len(axes) or any(
        checked.array("gradient: a step", step).ndim for step in steps
    ):
        raise ArgumentError(
            f"gradient: found the steps {excerpt(varargs)}, expected one number for all axes, or a "
            "number for each"
        )
    slopes = []
    for along, step in zip(axes, steps, strict=True):
        if f.shape[along] < edge_order + 1:
            raise ShapeError(f"gradient: axis {along} of shape {f.shape} is too short")
        first, last = _edge(f, along, edge_order, 0, 1), _edge(f, along, edge_order, -1, -1)
        middle = f[at(along, slice(2, None))] - f[at(along, slice(None, -2))]
        parts = [first, middle * 0.5, -last]
        slopes.append(concatenate(parts, axis=along) / step)
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _edge(f: Array, axis: int, order: int, end: int, inwards: int) -> Array:
    """Return the difference at an end towards the inside, by two entries or by three."""
    x = [f[at(axis, slice(k, k + 1 or None))] for k in (end, end + inwards)]
    if order == 1:
        return x[1] - x[0]
    third = end + 2 * inwards
    return 2.0 * x[1] - 1.5 * x[0] - 0.5 * f[at(axis, slice(third, third + 1 or None))]


def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """Return the area under straight lines between the entries along an axis."""
    y = checked.array("trapezoid", y)
    axis = checked.one_axis("trapezoid", y, axis)
    width = dx
    if x is not None:
        x = checked.array("trapezoid", x)
        width = diff(x, axis=axis if x.ndim > 1 else -1)
        if width.ndim == 1:
            width = width.reshape((-1, *(1,) * (y.ndim - 1 - axis)))
    pairs = y[at(axis, slice(1, None))] + y[at(axis, slice(None, -1))]
    return sum(width * pairs * 0.5, axis=axis)


NUMPY = {
    "cumprod": cumprod, "diff": diff, "gradient": gradient, "trapezoid": trapezoid,
    "cumulative_sum": _cumulative(cumsum, 0.0), "cumulative_prod": _cumulative(cumprod, 1.0),
}  # fmt: skip
