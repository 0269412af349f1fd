"""The kinds of primitive: what a table entry says, and what follows from it.

Knows neither Tensors nor the table. A kind's constructor turns one declared rule into both modes of
differentiation; the rule is a plain expression that runs on arrays, Tensors and Symbols alike.

    kind          declared                        reverse (vjp)                 forward (jvp)
    elementwise   partials f'(x, y)               ct ∘ f'                       f' ∘ t
    junction      signs                           the cotangent, signed         signed sum
    linear        transpose                       its transpose                 itself
    join          where each operand lies         its pieces                    itself
    bilinear      two transposes                  the two transposes            two forwards
    reduction     partials F'(x, y)               F' ∘ ct along the axis        sum of F' ∘ t
    cut           nothing                         nothing                       nothing
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from .errors import UsageError
from .symbol import Notation, Symbol

Array = Any  # an ndarray, a Tensor or a Symbol: whatever a rule runs on
Rule = Callable[..., Array]
Sample = tuple[tuple[Array, ...], dict[str, Any]]


class Primitive:
    """One operation of the table: how it is computed, differentiated, written and tried out.

    Attributes
    ----------
    name, kind : str
    forward : (*arrays, **parameters) -> array
    vjp : (ct, y, xs, needs, parameters) -> one cotangent per operand
        Shaped as the operands; anything where ``needs`` is false.
    jvp : (tangents, y, xs, parameters) -> tangent of y
        ``None`` stands for a zero tangent.
    notation : Notation
    samples : () -> list of (operands, parameters)
    analytic : bool
        Whether ``forward`` is analytic, so that the complex step holds.
    arity, parameters : int or None, tuple of str
        The number of operands (None for any number), and the names of what else it takes.
    fresh : bool
        Whether the cotangents of ``vjp`` are new arrays, which may be added to in place.
    add_part : (buffer, ct, **parameters), optional
        Add the transpose into a buffer shaped as the operand instead of making it.
    rows : (x, ct) -> (n, in), (n, out), optional
        The two matrices whose product is the second operand's gradient, for summing later.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        forward: Rule,
        vjp: Callable[..., Sequence[Array]],
        jvp: Rule,
        *,
        notation: Notation,
        samples: Callable[[], list[Sample]],
        analytic: bool = True,
        fresh: bool = False,
        numpy: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.name, self.kind = name, kind
        self.forward, self.vjp, self.jvp = forward, vjp, jvp
        self.notation, self.samples = notation, samples
        self.analytic, self.fresh = analytic, fresh
        self.add_part: Callable[..., None] | None = None
        self.rows: Callable[..., tuple[Array, Array]] | None = None
        self.numpy = numpy or ((forward,) if isinstance(forward, np.ufunc) else ())
        self.arity, self.parameters = _signature(forward)
        self.__name__ = self.__qualname__ = name
        self.__doc__ = forward.__doc__ or name

    def __repr__(self) -> str:
        return f"<primitive {self.name} ({self.kind})>"

    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        """Apply to arrays, to Tensors (and record it) or to Symbols (and write it)."""
        if self.kind == "join" and operands and isinstance(operands[0], list | tuple):
            operands, parameters = self._bind_joined(operands, parameters)
        for operand in operands:
            interpret = getattr(operand, "__interpret__", None)
            if interpret is not None:
                if parameters or len(operands) != self.arity:
                    operands, parameters = self.bind(operands, parameters)
                return interpret(self, operands, parameters or None)
            if type(operand) is Symbol:
                operands, parameters = self.bind(operands, parameters)
                return Symbol.of(self.notation, self.forward, operands, parameters)
        return self.forward(*operands, **parameters)

    def bind(
        self, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Separate operands from parameters given by position, as in ``sum(x, 0)``."""
        arity, names = self.arity, self.parameters
        if arity is not None and len(operands) != arity:
            extra = operands[arity:]
            if len(operands) < arity or len(extra) > len(names):
                raise UsageError(
                    f"{self.name} takes {arity} operand{'s' * (arity != 1)}, got {len(operands)}"
                )
            parameters = {**dict(zip(names, extra, strict=False)), **parameters}
            operands = operands[:arity]
        unknown = [name for name in parameters if name not in names]
        if unknown:
            raise UsageError(
                f"{self.name} has no parameter {unknown[0]!r}; "
                f"it takes {', '.join(names) if names else 'operands only'}"
            )
        # copied, so that nobody can change between forward and backward what the tape remembers
        mutable = (list, tuple, np.ndarray)
        return operands, {
            name: deepcopy(value) if isinstance(value, mutable) else value
            for name, value in parameters.items()
        }

    def _bind_joined(
        self, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Separate a sequence of operands from parameters by position, as in ``stack(xs, 1)``."""
        joined, *extra = operands
        if not joined:
            raise UsageError(f"{self.name}: found nothing to join, expected at least one array")
        if len(extra) > len(self.parameters):
            raise UsageError(
                f"{self.name} takes a sequence and {', '.join(self.parameters)}, "
                f"got {len(extra)} arguments after the sequence"
            )
        return tuple(joined), {**dict(zip(self.parameters, extra, strict=False)), **parameters}

    def derivatives(self) -> dict[str, Symbol]:
        """Run the reverse rule on Symbols: one expression for each operand's cotangent.

        The shapes in it, if any, are those of the first sample.
        """
        operands, parameters = self.samples()[0]
        names = "x" if len(operands) == 1 else "abcdefgh"
        xs = tuple(Symbol(name, value) for name, value in zip(names, operands, strict=False))
        value = self.forward(*operands, **parameters)
        cts = self.vjp(Symbol("δ", value), Symbol("y", value), xs, (True,) * len(xs), parameters)
        return {x.name: ct for x, ct in zip(xs, cts, strict=True) if ct is not None}


def _signature(forward: Rule) -> tuple[int | None, tuple[str, ...]]:
    """Return the number of operands (None for any number) and the names of the parameters."""
    if isinstance(forward, np.ufunc):
        return forward.nin, ()
    code = forward.__code__
    names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return (None if code.co_flags & inspect.CO_VARARGS else code.co_argcount), names


def unbroadcast(ct: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which its operand was broadcast.

    >>> unbroadcast(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    """
    if ct.shape == shape:
        return ct
    lead = ct.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + axis for axis, size in enumerate(shape) if size == 1 and ct.shape[lead + axis] != 1
    )
    return ct.sum(axis=axes, keepdims=True).reshape(shape)


def _as_shape(tangent: Array, y: Array) -> Array:
    return tangent if tangent.shape == y.shape else np.broadcast_to(tangent, y.shape)


def _total(terms: list[Array]) -> Array:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def elementwise(name: str, forward: Rule, *partials: Rule | None, **more: Any) -> Primitive:
    """Declare y = f(x, …), entry by entry, by its partials ``(x, …, y) -> ∂y/∂x``.

    A partial of ``None`` marks an operand that carries no gradient, such as a condition.
    """
    if len(partials) == 1:
        partial: Any = partials[0]

        def vjp(ct, y, xs, needs, parameters):
            return (ct * partial(xs[0], y),)

    else:

        def vjp(ct, y, xs, needs, parameters):
            return [
                unbroadcast(ct * partial(*xs, y), x.shape) if need and partial else None
                for partial, x, need in zip(partials, xs, needs, strict=True)
            ]

    def jvp(tangents, y, xs, parameters):
        terms = [
            partial(*xs, y) * t for partial, t in zip(partials, tangents, strict=True)
            if partial and t is not None
        ]  # fmt: skip
        return _as_shape(_total(terms), y) if terms else None

    return Primitive(name, "elementwise", forward, vjp, jvp, fresh=True, **more)


def junction(name: str, forward: Rule, signs: tuple[int, ...], **more: Any) -> Primitive:
    """Declare a signed sum, Σ ±x."""

    def vjp(ct, y, xs, needs, parameters):
        cts = []
        for sign, x, need in zip(signs, xs, needs):
            x_ct = ct if sign > 0 or not need else -ct
            cts.append(x_ct if x.shape == ct.shape else unbroadcast(x_ct, x.shape))
        return cts

    def jvp(tangents, y, xs, parameters):
        terms = [
            t if sign > 0 else -t for sign, t in zip(signs, tangents, strict=True) if t is not None
        ]
        return _as_shape(_total(terms), y)

    return Primitive(name, "junction", forward, vjp, jvp, **more)


def linear(
    name: str,
    forward: Rule,
    transpose: Rule,
    *,
    add_part: Callable[..., None] | None = None,
    **more: Any,
) -> Primitive:
    """Declare a linear map by its transpose, ``(ct, x, **parameters) -> Aᵀ ct``.

    The transpose may ask ``x`` for its shape and for nothing else.
    """

    def vjp(ct, y, xs, needs, parameters):
        return (transpose(ct, xs[0], **parameters),)

    def jvp(tangents, y, xs, parameters):
        return primitive(tangents[0], **parameters)

    primitive = Primitive(name, "linear", forward, vjp, jvp, **more)
    primitive.add_part = add_part
    return primitive


def join(name: str, forward: Rule, pieces: Rule, **more: Any) -> Primitive:
    """Declare the joining of many operands by where each of them lies in the result.

    ``pieces(shapes, **parameters)`` gives one index per operand.
    """

    def vjp(ct, y, xs, needs, parameters):
        return [ct[index] for index in pieces([x.shape for x in xs], **parameters)]

    def jvp(tangents, y, xs, parameters):
        filled = [
            0.0 * x if t is None else t for x, t in zip(xs, tangents, strict=True)
        ]  # fmt: skip
        return primitive(filled, **parameters)

    primitive = Primitive(name, "join", forward, vjp, jvp, **more)
    return primitive


def bilinear(
    name: str,
    forward: Rule,
    left: Rule,
    right: Rule,
    *,
    rows: Callable[..., tuple[Array, Array]] | None = None,
    **more: Any,
) -> Primitive:
    """Declare a product a · b by its two transposes, ``(ct, a, b) -> ct`` of a, and of b."""

    def vjp(ct, y, xs, needs, parameters):
        a, b = xs
        a_ct = b_ct = None
        if needs[0]:
            a_ct = left(ct, a, b)
            if a_ct.shape != a.shape:
                a_ct = unbroadcast(a_ct, a.shape)
        if needs[1]:
            b_ct = right(ct, a, b)
            if b_ct.shape != b.shape:
                b_ct = unbroadcast(b_ct, b.shape)
        return a_ct, b_ct

    def jvp(tangents, y, xs, parameters):
        (a, b), (da, db) = xs, tangents
        terms = ([] if da is None else [primitive(da, b)]) + (
            [] if db is None else [primitive(a, db)]
        )
        return _total(terms)

    primitive = Primitive(name, "bilinear", forward, vjp, jvp, fresh=True, **more)
    primitive.rows = rows
    return primitive


def kept(shape: tuple[int, ...], axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape that reducing along ``axis`` leaves when the axes are kept.

    >>> kept((2, 3), 1), kept((2, 3), None)
    ((2, 1), (1, 1))
    """
    axes = range(len(shape)) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    gone = {each % len(shape) for each in axes}
    return tuple(1 if each in gone else size for each, size in enumerate(shape))


def reduction(name: str, forward: Rule, partial: Rule, **more: Any) -> Primitive:
    """Declare y = F(x) along ``axis`` by its partials ``(x, y, axis) -> ∂y/∂x``, y's axes kept."""

    def gain(x, y, axis):
        return partial(x, y.reshape(kept(x.shape, axis)), axis)

    def vjp(ct, y, xs, needs, parameters):
        (x,), axis = xs, parameters.get("axis")
        return (gain(x, y, axis) * ct.reshape(kept(x.shape, axis)),)

    def jvp(tangents, y, xs, parameters):
        (x,), axis = xs, parameters.get("axis")
        return (gain(x, y, axis) * tangents[0]).sum(axis=axis).reshape(y.shape)

    return Primitive(name, "reduction", forward, vjp, jvp, fresh=True, **more)


def cut(name: str, forward: Rule, **more: Any) -> Primitive:
    """Declare an operation that passes its operand on and no gradient back."""

    def vjp(ct, y, xs, needs, parameters):
        return (None,)

    def jvp(tangents, y, xs, parameters):
        return None

    return Primitive(name, "cut", forward, vjp, jvp, **more)
