"""The trial of a primitive that is not in the table: its rules are run on its samples at once.

Knows the attributes of a primitive, and is loaded when somebody declares a primitive. Its rules are
then watched: a rule that returns None, a complex number or a shape that does not fit is refused by
the primitive's name, wherever the rule is run. The entries of the table pay
nothing for this; the tests hold them to their laws.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, TinygradError, UsageError
from . import symbol
from .arguments import excerpt, function, of_kind, text
from .kind import Kind
from .symbol import Notation, Symbol

Rule = Callable[..., Any]
Shape = tuple[int, ...]


def try_out(constructor: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return a primitive of a kind, with its rules watched and tried.

    Parameters
    ----------
    constructor : (name, forward, *rules, **more) -> Primitive
    args, options
        What the constructor was given.

    Raises
    ------
    UsageError, ShapeError, DTypeError
        If a rule is missing or fails on a sample, or gives nothing, a complex number or a shape
        that does not fit; the message begins with the primitive's name.
    """
    call = inspect.signature(constructor).bind(*args, **options)
    name = text("the name of a primitive", call.arguments["name"])
    forward = call.arguments["forward"]
    if not isinstance(forward, np.ufunc) and not hasattr(forward, "__code__"):
        raise UsageError(
            f"{name}: found {excerpt(forward)} as forward, expected a Python function or a ufunc"
        )
    for parameter, fits in FITTING.items():
        if parameter in call.arguments:
            rule = call.arguments[parameter]
            call.arguments[parameter] = (
                tuple(
                    _watch(
                        name, f"partial {k}", partial, _covers(k + 1) if fits is _covers else fits
                    )
                    for k, partial in enumerate(rule)
                )
                if isinstance(rule, tuple)
                else _watch(name, parameter, rule, fits)
            )
    more = call.arguments.get("more", {})
    of_kind(name, more.get("notation"), Notation, "a Notation, such as function('name')")
    function(f"{name}: samples", more.get("samples"), "a function that returns samples")
    primitive = constructor(*call.args, **call.kwargs)
    primitive.forward = _watch(name, "forward", primitive.forward, _any_shape)
    _refuse_missing(primitive)
    _try(primitive)
    return primitive


def _refuse_missing(primitive: Any) -> None:
    """Refuse a number of rules or signs that is not the number of operands."""
    name, arity = primitive.name, primitive.arity
    for noun, there in (("partials", primitive.rules), ("signs", primitive.signs)):
        if primitive.kind in _COUNTED[noun] and len(there) != arity:
            raise UsageError(
                f"{name}: found {len(there)} {noun} for {arity} operands, expected one for each "
                "(None for an operand that carries no gradient)"
            )
    if any(sign not in (-1, 1) for sign in primitive.signs):
        raise UsageError(
            f"{name}: found signs {excerpt(primitive.signs)}, expected +1 or -1 for each"
        )


_COUNTED = {"partials": (Kind.ELEMENTWISE, Kind.MATRIX_FUNCTION), "signs": (Kind.JUNCTION,)}


def _try(primitive: Any) -> None:
    """Run both modes of differentiation on every sample."""
    name = primitive.name
    try:
        samples = list(primitive.samples())
    except Exception as error:
        raise _failure(name, "samples", error) from error
    if not samples:
        raise UsageError(f"{name}: found no samples, expected a few to try the rules on")
    for position, sample in enumerate(samples):
        title = f"sample {position}"
        try:
            operands, parameters = sample
            xs = tuple(_read_only(x) for x in operands)
            parameters = {**parameters}
        except (TypeError, ValueError):
            raise UsageError(
                f"{name}: {title} is {excerpt(sample)}, expected (operands, parameters)"
            ) from None
        if primitive.arity not in (None, len(xs)):
            raise UsageError(f"{name}: {title} has {len(xs)} operands, expected {primitive.arity}")
        try:
            _try_on(primitive, xs, primitive.settled(parameters, xs[0]))
        except TinygradError:
            raise
        except Exception as error:  # of the caller's rule, which may raise anything
            raise _failure(name, title, error) from error


def _read_only(x: Any) -> np.ndarray:
    """Return a copy that a rule cannot write into: the leaf of a caller would change unseen."""
    array = np.array(x)
    array.flags.writeable = False
    return array


def _failure(name: str, source: str, error: Exception) -> UsageError:
    return UsageError(f"{name}: a rule fails on {source}: {type(error).__name__}: {error}")


def _try_on(primitive: Any, xs: tuple[np.ndarray, ...], parameters: dict[str, Any]) -> None:
    y = _read_only(primitive.forward(*xs, **parameters))
    carries = [x.dtype.kind in "fc" for x in xs]
    ct = _read_only(np.ones(y.shape, y.dtype if y.dtype.kind in "fc" else float))
    passes = [rule is not None for rule in primitive.rules] or [True] * len(xs)
    cts = primitive.vjp(ct, y, xs, carries, parameters)
    for position, (x, x_ct) in enumerate(zip(xs, cts, strict=True)):
        if not carries[position] or not passes[position] or not primitive.is_differentiable:
            continue
        if x_ct is None:
            raise UsageError(f"{primitive.name}: no cotangent comes back to operand {position}")
        if np.shape(x_ct) != x.shape:
            raise ShapeError(
                f"{primitive.name}: the cotangent of operand {position} has shape "
                f"{np.shape(x_ct)}, expected {x.shape}"
            )
    tangents = [np.ones_like(x) if is_carried else None for x, is_carried in zip(xs, carries)]
    if any(carries):
        tangent = primitive.jvp(tangents, y, xs, parameters)
        if tangent is not None and np.shape(tangent) != y.shape:
            raise ShapeError(
                f"{primitive.name}: the tangent has shape {np.shape(tangent)}, expected {y.shape}"
            )


# --- what a rule returns ------------------------------------------------------------------------


def _watch(name: str, role: str, rule: Any, fits: Callable[..., str]) -> Any:
    """Return a rule that refuses a result of a wrong kind.

    A rule is written with its name and its operands where it does not run on Symbols, or gives
    other numbers there than on arrays.
    """
    if rule is None and role.startswith("partial "):
        return None
    function(f"{name}: {role}", rule)

    @wraps(rule)
    def watched(*args: Any, **parameters: Any) -> Any:
        if any(isinstance(x, Symbol) for x in args):
            return _write(f"{name}: {role}", rule, args, parameters)
        result = rule(*args, **parameters)
        if result is None:
            raise UsageError(f"{name}: {role} returned None")
        if isinstance(result, Symbol):
            return result
        if fits is not _as_many:
            _refuse_type(name, role, result, args)
        if role == "forward":
            _refuse_whole_numbers(name, result, args)
        problem = fits(result, args)
        if problem:
            raise ShapeError(f"{name}: {role} returned {problem}")
        return result

    return watched


def _write(title: str, rule: Rule, args: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
    """Return what a rule gives on Symbols, or the rule's name with its operands."""
    by_name = Symbol.of(symbol.function(title), rule, args, parameters)
    try:
        result = rule(*args, **parameters)
    except Exception:  # of the caller's rule, which may raise anything
        return by_name
    value = result.value if isinstance(result, Symbol) else result
    if by_name.value is None or value is None:
        return result
    try:
        is_same = np.allclose(value, by_name.value, rtol=1e-9, atol=0, equal_nan=True)
    except (TypeError, ValueError):  # no numbers, or shapes that do not fit
        is_same = False
    return result if is_same else by_name


def _refuse_type(name: str, role: str, result: Any, args: Sequence[Any]) -> None:
    if isinstance(result, bool | int | float) or hasattr(result, "__interpret__"):
        return
    kind = getattr(getattr(result, "dtype", None), "kind", None) or np.asarray(result).dtype.kind
    if kind == "c" and any(getattr(x, "dtype", np.dtype(float)).kind == "c" for x in args):
        return
    if kind not in "biuf":
        raise DTypeError(
            f"{name}: {role} returned {type(result).__name__} of type "
            f"{np.asarray(result).dtype}, expected real numbers"
        )


def _refuse_whole_numbers(name: str, result: Any, args: Sequence[Any]) -> None:
    """Refuse integers and truth values as the result for floats: they have no room for slopes."""
    kind = np.asarray(result).dtype if not hasattr(result, "dtype") else result.dtype
    if kind.kind in "biu" and all(getattr(x, "dtype", kind).kind == "f" for x in args):
        raise DTypeError(
            f"{name}: forward returned numbers of type {kind} for operands of floating point "
            "numbers, expected floating point numbers"
        )


def _shape(value: Any) -> Shape:
    shape: Shape = getattr(value, "shape", None) or np.shape(value)
    return shape


def _any_shape(result: Any, args: Sequence[Any]) -> str:
    return ""


def _shape_check(over: int, is_fit: Callable[[Shape, Shape], bool], or_else: str = "") -> Rule:
    """Return a check that the shape of a result fits the shape of an argument."""

    def fits(result: Any, args: Sequence[Any]) -> str:
        shape, expected = _shape(result), _shape(args[over])
        return "" if is_fit(shape, expected) else f"shape {shape}, expected {expected}{or_else}"

    return fits


def _spreads(over: int) -> Rule:
    """Return a check that a result can be spread over an argument, as a slope over y or x."""
    return _shape_check(
        over, lambda shape, expected: _broadcast(shape, expected) == expected,
        ", or a shape that broadcasts to it",
    )  # fmt: skip


def _covers(over: int) -> Rule:
    """Return a check that a result has an argument's shape, or a shape that it was broadcast to."""
    return _shape_check(
        over, lambda shape, expected: _broadcast(shape, expected) == shape,
        ", or a shape that it was broadcast to",
    )  # fmt: skip


def _as_many(result: Any, args: Sequence[Any]) -> str:
    """Return the fault of a join's pieces, or ""."""
    count = len(list(result))
    return "" if count == len(args[0]) else f"{count} pieces for {len(args[0])} operands"


def _broadcast(one: Shape, other: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(one, other)
    except ValueError:
        return None


# what a rule's result must fit, by the name that the kind's constructor gives the rule
FITTING: dict[str, Callable[..., Any]] = {
    "partials": _spreads(-1), "partial": _spreads(0), "transposed": _shape_check(1, operator.eq),
    "left": _covers(1), "right": _covers(2), "pieces": _as_many, "pulls": _covers,
}  # fmt: skip
