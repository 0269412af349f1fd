"""How a formula is written in C: the facts that a program in C asks of it.

Knows Symbols and the table of primitives; no line, and no array of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.composites import COMPOSITES
from ..engine.kind import Kind
from ..engine.symbol import ADD, ITEM, MATMUL, SUBTRACT, TOTAL, Notation, Symbol
from ..errors import UsageError
from ..formulas.fast.lines import operations
from ..formulas.numpy_code import by_forward
from ..formulas.rewriting import rewrite, with_operands
from ..network.parameters import Varying


class NotCompiled(UsageError):
    """An operation has no form in C; the message names the operation."""


def opened(formula: Any) -> Any:
    """Return a formula with what records a composite function in place of the function."""
    bodies: dict[Any, Any] = {x.primitive.forward: x.body for x in COMPOSITES}

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        body = bodies.get(old.apply)
        return with_operands(old, operands) if body is None else body(*operands, **old.parameters)

    is_plain = not any(x.apply in bodies for x in operations(formula))
    return formula if is_plain else rewrite(formula, put)


def number_text(number: Any) -> str:
    """Return a number as C text."""
    entries = np.ravel(getattr(number, "value", number))
    if not entries.size:
        return "((real) 0.0)"
    if not np.all((entries == entries[0]) | np.isnan(entries)):
        raise NotCompiled("compile: found an array without a name; name it: x.name = …")
    value = float(entries[0])
    if np.isnan(value):
        return "((real) NAN)"
    if np.isinf(value):
        return "((real) INFINITY)" if value > 0 else "(-(real) INFINITY)"
    return f"((real) {value!r})"


def whole_of_reciprocal(number: Any) -> int | None:
    """Return the whole number that a number is the reciprocal of, if it is one above 1; or None."""
    if not 1 > number > 1e-9:
        return None
    whole = round(1 / float(number))
    return whole if type(number)(1 / whole) == number else None


def c_form(formula: Symbol) -> str | None:
    """Return the C template of an operation that works entry by entry, or None."""
    primitive = by_forward().get(formula.apply)
    if primitive is not None:
        return primitive.c or None if primitive.is_entrywise else None
    return (formula.notation.c or None) if formula.notation is not None else None


class Moves(NamedTuple):
    """Where a linear map that moves entries takes each from, or puts each; -1 is nowhere."""

    places: np.ndarray
    are_sources: bool


MOST_MOVED = 65_536  # entries of a table


def moves(formula: Any) -> Moves | None:
    """Return how an operation moves entries without changing them, or None if it does more.

    The operation, or its transpose, is run on the numbers of the entries, and then on others.
    """
    apply = getattr(formula, "apply", None)
    primitive = by_forward().get(apply)
    if apply is None or (primitive is None and formula.notation is not ITEM):
        return None
    if primitive is not None and (
        primitive.kind is not Kind.LINEAR
        or primitive.is_entrywise
        or primitive.c_reduces is not None
    ):
        return None
    (x,), parameters = formula.operands, formula.parameters
    shape = np.shape(getattr(x, "value", x))
    if max(int(np.prod(shape)), int(np.prod(formula.shape))) > MOST_MOVED or not isinstance(
        x, Symbol
    ):
        return None
    if any(isinstance(value, Varying) for value in parameters.values()):
        return None
    places = _places(lambda x: apply(x, **parameters), shape)
    if places is not None:
        return Moves(places, True)
    if primitive is None:
        return None
    blank = np.zeros(shape)
    places = _places(lambda ct: primitive.transposed(ct, blank, **parameters), formula.shape)
    return None if places is None else Moves(places, False)


def _places(move: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> np.ndarray | None:
    """Return which entry each entry of a result is; None if one is made of several."""
    size = int(np.prod(shape))
    numbers = np.asarray(move(np.arange(1.0, size + 1).reshape(shape)))
    places = np.rint(numbers).astype(int) - 1
    if np.any(places >= size) or np.any(places < -1):
        return None
    trial = np.random.default_rng(0).uniform(1, 2, size)
    expected = np.where(places < 0, 0, np.append(trial, 0.0)[places])
    return places if np.array_equal(move(trial.reshape(shape)), expected) else None


SUM = ("0", "{0} + {1}", "{0}")


def reduces(formula: Symbol) -> tuple[str, str, str] | None:
    """Return how an operation reduces the entries along axes, or None if it does not."""
    if formula.notation is TOTAL:
        return SUM
    primitive = by_forward().get(formula.apply)
    return None if primitive is None else primitive.c_reduces


def scans(formula: Symbol) -> tuple[str, int] | None:
    """Return how an operation runs along an axis, and the axis, or None if it does not."""
    primitive = by_forward().get(formula.apply)
    if primitive is None or not primitive.c_scans:
        return None
    ndim, axis = formula.ndim, formula.parameters.get("axis")
    if np.ndim(getattr(formula.operands[0], "value", 0)) != ndim or not ndim:
        return None  # all entries in one row
    return primitive.c_scans, (0 if axis is None else axis) % ndim


def is_entrywise(formula: Any) -> bool:
    """Return whether a formula works entry by entry throughout."""
    if not isinstance(formula, Symbol) or formula.apply is None:
        return True
    return c_form(formula) is not None and all(map(is_entrywise, formula.operands))


def has_notation(formula: Any, notation: Notation) -> bool:
    return isinstance(formula, Symbol) and formula.notation is notation


def may_be_view(formula: Symbol) -> bool:
    """Return whether an operation may be a view of what it is done to."""
    return formula.notation is not MATMUL and reduces(formula) is None


def terms_of(formula: Any, sign: int = 1) -> Iterator[tuple[int, Any]]:
    """Return the terms of a sum, with their signs."""
    if isinstance(formula, Symbol) and formula.notation in (ADD, SUBTRACT):
        a, b = formula.operands
        yield from terms_of(a, sign)
        yield from terms_of(b, sign if formula.notation is ADD else -sign)
        return
    yield sign, formula


def as_operand(formula: Any, value: Any) -> Any:
    return formula if isinstance(formula, Symbol) else float(np.ravel(value)[0])


def part_of(shape: tuple[int, ...], index: Any) -> Symbol:
    """Return the taking of a part of an array."""
    return Symbol("x", np.broadcast_to(np.zeros(()), shape))[index]
