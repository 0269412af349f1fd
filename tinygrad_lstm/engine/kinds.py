"""The kinds of primitive: the rules that a table entry declares, and the rules that follow.

Knows neither Tensors nor the table. A kind's constructor turns one declared rule into both modes of
differentiation; the rule is a plain expression that runs on arrays, Tensors and Symbols alike.

    kind             declared                     reverse (vjp)                 forward (jvp)
    elementwise      partials f'(x, y)            ct ∘ f'                       f' ∘ t
    junction         signs                        the cotangent, signed         signed sum
    linear           transpose                    its transpose                 itself
    join             where each operand lies      its pieces                    itself
    bilinear         two transposes               the two transposes            two forwards
    reduction        partials F'(x, y)            F' ∘ ct along the axis        sum of F' ∘ t
    matrix function  pulls and pushes             the pull of each operand      sum of the pushes
    cut              nothing                      nothing                       nothing
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from . import facts
from .forms import JOINING, REDUCING
from .kind import Kind
from .numerics import Array, total
from .primitive import Primitive, Record, Rule

_ndarray = np.ndarray
Arrays = Sequence[Array]
Parameters = dict[str, Any]


def unbroadcast(ct: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which its operand was broadcast.

    >>> unbroadcast(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    """
    if ct.shape == shape:
        return ct
    lead = ct.ndim - len(shape)
    if shape == ct.shape[lead:]:
        rows = ct.reshape((math.prod(ct.shape[:lead]), *shape))
        return total(rows, 0) if type(rows) is _ndarray else rows.sum(axis=0)
    if lead <= 0 and all(n in (1, size) for n, size in zip(ct.shape[::-1], shape[::-1])):
        return ct  # a formula in which an entry stands for several
    axes = tuple(range(lead)) + tuple(
        lead + axis for axis, size in enumerate(shape) if size == 1 and ct.shape[lead + axis] != 1
    )
    return _sum_along(ct, axes, True).reshape(shape)


def _sum_along(ct: Array, axis: Any, keepdims: bool = False) -> Array:
    """Return the sum along the axes of an array, which keeps its digits, a Tensor or a Symbol."""
    if type(ct) is _ndarray:
        return total(ct, axis, keepdims)
    return ct.sum(axis=axis, keepdims=keepdims)


def _as_shape(tangent: Array, y: Array) -> Array:
    return tangent if tangent.shape == y.shape else np.broadcast_to(tangent, y.shape)


def _total(terms: list[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


class _Table:
    """The primitives that are declared, in the engine or by users.

    Attributes
    ----------
    engine : dict of forward function to Primitive
        The primitives that the engine's modules declare, of those that are loaded.
    others : mapping of str to Primitive
        The primitives outside of the engine, while somebody holds them; of one name the latest that
        somebody holds.
    """

    def __init__(self) -> None:
        self.engine: dict[Rule, Primitive] = {}
        self._others: WeakValueDictionary[int, Primitive] = WeakValueDictionary()
        self._count = count()

    @property
    def others(self) -> dict[str, Primitive]:
        return {primitive.name: primitive for _, primitive in sorted(self._others.items())}

    def add(self, primitive: Primitive) -> None:
        """Add a primitive outside of the engine."""
        self._others[next(self._count)] = primitive


table = _Table()


def _with_trial(constructor: Callable[..., Primitive]) -> Callable[..., Primitive]:
    """Return a constructor that runs the rules of a primitive outside of the engine at once."""

    @wraps(constructor)
    def declare(*args: Any, **options: Any) -> Primitive:
        module = sys._getframe(1).f_globals.get("__name__", "__main__")
        primitive: Primitive
        if module.startswith(f"{__package__}."):
            primitive = constructor(*args, **options)
            primitive.__module__ = module  # where a pickle looks for it
            table.engine[primitive.forward] = primitive
            return primitive
        from .trial import try_out  # nobody else needs it

        primitive = try_out(constructor, args, options)
        primitive.__module__ = module
        table.add(primitive)
        return primitive

    return declare


@_with_trial
def elementwise(
    name: str, forward: Rule, *partials: Rule | None, scale: Rule = operator.mul, **more: Any
) -> Primitive:
    """Declare y = f(x, …), entry by entry, by its partials ``(x, …, y) -> ∂y/∂x``.

    A partial of ``None`` marks an operand that carries no gradient, such as a condition.
    """
    if len(partials) == 1 and scale is operator.mul:
        partial: Any = partials[0]

        def pull(entry: Record, ct: Array, sums: Any) -> None:
            (x,) = entry.inputs
            sums.add(x, ct * partial(x._array, entry._array))

    else:

        def pull(entry: Record, ct: Array, sums: Any) -> None:
            values = [x._array for x in entry.inputs]
            for partial, x in zip(partials, entry.inputs):
                if x.requires_grad and partial is not None:
                    x_ct = scale(ct, partial(*values, entry._array))
                    sums.add(x, unbroadcast(x_ct, x._array.shape))

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        terms = [
            scale(t, partial(*xs, y))
            for partial, t in zip(partials, tangents, strict=True)
            if partial and t is not None
        ]
        return _as_shape(_total(terms), y) if terms else None

    primitive = Primitive(name, Kind.ELEMENTWISE, forward, pull, jvp, **more)
    primitive.rules, primitive.scale = partials, scale
    return primitive


@_with_trial
def junction(name: str, forward: Rule, signs: tuple[int, ...], **more: Any) -> Primitive:
    """Declare a signed sum, Σ ±x."""

    if min(signs) > 0:  # a plain sum hands its cotangent on as it is

        def pull(entry: Record, ct: Array, sums: Any) -> None:
            shape = ct.shape
            for x in entry.inputs:
                if x.requires_grad:
                    sums.add(x, ct if x._array.shape == shape else unbroadcast(ct, x._array.shape))

    else:

        def pull(entry: Record, ct: Array, sums: Any) -> None:
            for sign, x in zip(signs, entry.inputs):
                if x.requires_grad:
                    sums.add(x, unbroadcast(ct if sign > 0 else -ct, x._array.shape))

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        terms = [
            t if sign > 0 else -t for sign, t in zip(signs, tangents, strict=True) if t is not None
        ]
        return _as_shape(_total(terms), y)

    primitive = Primitive(name, Kind.JUNCTION, forward, pull, jvp, **more)
    primitive.signs = signs
    return primitive


@_with_trial
def linear(
    name: str,
    forward: Rule,
    transposed: Rule,
    *,
    is_part: bool = False,
    add_part: Callable[..., None] | None = None,
    **more: Any,
) -> Primitive:
    """Declare a linear map by its transpose, ``(ct, x, **parameters) -> Aᵀ ct``.

    The transpose may ask ``x`` for its shape and for nothing else. A map that takes the part of x
    at an ``index`` is transposed by adding to that part, into one buffer for the whole of x.
    """

    def pull(entry: Record, ct: Array, sums: Any) -> None:
        (x,) = entry.inputs
        sums.add(x, transposed(ct, x._array, **entry.parameters))

    def pull_part(entry: Record, ct: Array, sums: Any) -> None:
        sums.add_part(entry.inputs[0], ct, entry)

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        return primitive(tangents[0], **parameters)

    primitive = Primitive(name, Kind.LINEAR, forward, pull_part if is_part else pull, jvp, **more)
    primitive.transposed, primitive.is_part, primitive.add_part = transposed, is_part, add_part
    return primitive


@_with_trial
def join(name: str, forward: Rule, pieces: Rule, **more: Any) -> Primitive:
    """Declare the joining of many operands by where each of them lies in the result.

    ``pieces(shapes, **parameters)`` gives one index per operand.
    """

    def pull(entry: Record, ct: Array, sums: Any) -> None:
        indices = pieces([x._array.shape for x in entry.inputs], **entry.parameters)
        for x, index in zip(entry.inputs, indices):
            if x.requires_grad:
                sums.add(x, ct[index])

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        filled = [np.zeros_like(x) if t is None else t for x, t in zip(xs, tangents, strict=True)]
        return primitive(filled, **parameters)

    primitive = Primitive(name, Kind.JOIN, forward, pull, jvp, **{"forms": JOINING, **more})
    primitive.pieces = pieces
    return primitive


@_with_trial
def bilinear(
    name: str,
    forward: Rule,
    left: Rule,
    right: Rule,
    *,
    rows: Callable[..., tuple[Array, Array]] | None = None,
    is_entrywise: bool | None = None,
    gains: tuple[Rule, Rule] | None = None,
    sides: tuple[int, int] | None = None,
    **more: Any,
) -> Primitive:
    """Declare a product a · b by its two transposes, ``(ct, a, b) -> ct`` of a, and of b.

    ``gains``, two rules ``(a, b) -> gain``, say what the cotangent is multiplied by on its way to
    each operand, and ``sides`` on which side of the cotangent a gain stands. Without them, both are
    read from the transposes, which are run on Symbols.

    ``rows(a, ct)`` gives two matrices x (n, in) and δ (n, out) such that the cotangent of a matrix
    b is xᵀ δ; that of a leaf, which nobody waits for, is then summed over many products at once.
    """

    def pull(entry: Record, ct: Array, sums: Any) -> None:
        a, b = entry.inputs
        x, w = a._array, b._array
        # nothing was broadcast: the shape of the cotangent needs no check
        alike = x.shape == w.shape if rows is None else w.ndim == 2
        if a.requires_grad:
            a_ct = left(ct, x, w)
            sums.add(a, a_ct if alike else unbroadcast(a_ct, x.shape))
        if b.requires_grad:
            if rows is not None and not b.inputs and w.ndim == 2:
                x, ct = rows(x, ct)
                sums.add_rows(b, x, ct)
            else:
                b_ct = right(ct, x, w)
                sums.add(b, b_ct if alike else unbroadcast(b_ct, w.shape))

    def cotangent(port: int, ct: Array, x: Array, w: Array) -> Array:
        ct = (right if port else left)(ct, x, w)
        alike = x.shape == w.shape if rows is None else w.ndim == 2
        return ct if alike else unbroadcast(ct, (w if port else x).shape)

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        (a, b), (da, db) = xs, tangents
        terms = [] if da is None else [primitive(da, b)]
        return _total(terms if db is None else [*terms, primitive(a, db)])

    primitive = Primitive(name, Kind.BILINEAR, forward, pull, jvp, **more)
    primitive.rules, primitive.cotangent = (left, right), cotangent
    primitive.gains = gains or (
        lambda a, b: facts.gain(forward, left, primitive.samples, a, b),
        lambda a, b: facts.gain(forward, right, primitive.samples, a, b),
    )
    if is_entrywise is not None:
        primitive.is_entrywise = is_entrywise
    if sides is not None:
        primitive.sides = sides
    return primitive


def reduced_shape(shape: tuple[int, ...], axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape that reducing along ``axis`` leaves when the axes are kept.

    >>> reduced_shape((2, 3), 1), reduced_shape((2, 3), None)
    ((2, 1), (1, 1))
    """
    axes = range(len(shape)) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    reduced = {k % len(shape) for k in axes}
    return tuple(1 if k in reduced else size for k, size in enumerate(shape))


def _jacobian_first(ct: Array, partial: Array) -> Array:
    return partial * ct


@_with_trial
def reduction(
    name: str, forward: Rule, partial: Rule, *, scale: Rule = _jacobian_first, **more: Any
) -> Primitive:
    """Declare y = F(x) along ``axis`` by its partials ``(x, y, axis) -> ∂y/∂x``, y's axes kept."""

    def gain(x: Array, y: Array, axis: Any) -> Array:
        return partial(x, y.reshape(reduced_shape(x.shape, axis)), axis)

    def pull(entry: Record, ct: Array, sums: Any) -> None:
        (x,), axis = entry.inputs, entry.parameters.get("axis")
        slope = gain(x._array, entry._array, axis)
        sums.add(x, scale(ct.reshape(reduced_shape(x._array.shape, axis)), slope))

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        (x,), axis = xs, parameters.get("axis")
        return _sum_along(scale(tangents[0], gain(x, y, axis)), axis).reshape(y.shape)

    primitive = Primitive(name, Kind.REDUCTION, forward, pull, jvp, **{"forms": REDUCING, **more})
    primitive.rules, primitive.scale = (gain,), scale
    return primitive


@_with_trial
def matrix_function(
    name: str, forward: Rule, *pulls: Rule, pushes: Sequence[Rule], **more: Any
) -> Primitive:
    """Declare y = F(x, …) of whole matrices, such as the inverse, by its rules for each operand.

    A pull ``(ct, x, …, y, **parameters)`` gives the cotangent of its operand from that of y, a push
    ``(t, x, …, y, **parameters)`` the tangent of y from that of its operand. The last two axes are
    those of a matrix; along all axes before them F acts on each matrix by itself.
    """

    def pull(entry: Record, ct: Array, sums: Any) -> None:
        values = [x._array for x in entry.inputs]
        for rule, x in zip(pulls, entry.inputs):
            if x.requires_grad:
                x_ct = rule(ct, *values, entry._array, **entry.parameters)
                sums.add(x, unbroadcast(x_ct, x._array.shape))

    def jvp(tangents: Arrays, y: Array, xs: Arrays, parameters: Parameters) -> Array:
        terms = [
            rule(t, *xs, y, **parameters)
            for rule, t in zip(pushes, tangents, strict=True)
            if t is not None
        ]
        return _as_shape(_total(terms), y)

    primitive = Primitive(name, Kind.MATRIX_FUNCTION, forward, pull, jvp, **more)
    primitive.rules = pulls
    return primitive


@_with_trial
def cut(name: str, forward: Rule, **more: Any) -> Primitive:
    """Declare an operation that passes its operand on and no gradient back."""
    return Primitive(name, Kind.CUT, forward, lambda *_: None, lambda *_: None, **more)
