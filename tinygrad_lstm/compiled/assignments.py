"""A formula as the statements that compute it into a place.

Knows formulas and places; no schedule, and not how a statement is written. A function of entries is
a loop over the entries; what only takes, turns or spreads is a place in memory, and computes
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.primitives import scatter
from ..engine.symbol import ADD, ITEM, MATMUL, RAISE, RESHAPE, SUBTRACT, Symbol
from ..formulas.fast.lines import VIEWS, is_view, key_of_signal
from ..formulas.fast.schedule import ZEROS
from ..formulas.numpy_code import by_forward
from ..formulas.reader import Variable, leaves
from ..network.parameters import Varying
from .accessors import CHUNK, Accessor, contiguous, spread, view, with_axis
from .c_forms import (
    SUM,
    NotCompiled,
    c_form,
    has_notation,
    is_entrywise,
    may_be_view,
    moves,
    number_text,
    part_of,
    reduces,
    scans,
    terms_of,
)
from .places import Places, Sizes, row
from .statements import Entries, Move, Product, Rows, Statement, Table, Total

MOST_TIMES = 4  # of a reciprocal: the derivative of a mean of squares has 2 / n


class Assignments:
    """Makes the statements of one program.

    Parameters
    ----------
    places : Places
    n : Sizes
        How a size is written.
    dtype : dtype
        Of all numbers.

    Attributes
    ----------
    body : list of Statement
        Where statements are put at the moment.
    """

    def __init__(self, places: Places, n: Sizes, dtype: np.dtype[Any]) -> None:
        self.places, self.n, self.real = places, n, dtype.type
        self.body: list[Statement] = []

    def assign(self, target: Accessor, formula: Any, adds: bool = False) -> None:
        """Put the statements that compute a formula into a place, or add it there.

        Raises
        ------
        NotCompiled
            If an operation has no form in C; the message names the operation.
        """
        is_symbol = isinstance(formula, Symbol)
        if is_symbol and self._reads_across(formula, target):
            self._by_copy(target, formula, adds)
        elif self._joined(formula) is not None:
            self._assign_joined(target, formula, adds)
        elif is_view(formula) and self._access(formula) is not None:
            self._entries(target, formula, adds)
        elif is_symbol and moves(formula) is not None:
            self._move(target, formula, adds)
        elif _into_product(target, formula) is not None:
            self._product(target, formula, adds)
        elif is_symbol and formula.notation in (ADD, SUBTRACT) and not adds:
            self._sum_with_products(target, formula)
        elif is_symbol and scans(formula) is not None:
            self._scanned(target, formula, adds)
        elif is_symbol and reduces(formula) is not None:
            if adds and reduces(formula) != SUM:
                self._by_copy(target, formula, adds)
            else:
                self._reduced(target, formula, adds)
        else:
            self._entries(target, formula, adds)

    def fill(self, target: Accessor, number: float) -> None:
        """Put one number into every entry of a place."""
        self.body.append(Entries(target, (), number_text(number)))

    def assign_part(self, target: Accessor, index: Any, formula: Any, adds: bool = False) -> None:
        """Assign to a part of a place."""
        piece = view(target, part_of(target.shape, index))
        if piece is None:
            raise NotCompiled("compile: found a place that is no part by slices")
        self.assign(piece, formula, adds)

    def _by_copy(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        copy = self.places.work("u", target.shape)
        self.assign(copy, formula)
        self.copy(target, copy, adds)

    def copy(self, target: Accessor, source: Accessor, adds: bool = False) -> None:
        """Copy a place, or add it to another."""
        self.body.append(Entries(target, [source], "{0}", adds))

    def _reads_across(self, formula: Symbol, target: Accessor) -> bool:
        """Return whether a formula reads the place that it is written into at other entries."""
        bases = {self.places.place(x).base for x in leaves(formula)}
        return target.base in bases and target.step in ("", CHUNK) and not is_entrywise(formula)

    # --- pieces ----------------------------------------------------------------------------------

    def _joined(self, formula: Any) -> tuple[list[Any], tuple[Any, ...], bool] | None:
        """Return the places of what is joined, what it is, and whether it covers all; or None."""
        primitive = by_forward().get(getattr(formula, "apply", None))
        if primitive is None:
            return None
        if primitive is scatter:
            return [formula.parameters["index"]], formula.operands, False
        if primitive.pieces is None:
            return None
        shapes = [np.shape(getattr(x, "value", x)) for x in formula.operands]
        return [*primitive.pieces(shapes, **formula.parameters)], formula.operands, True

    def _assign_joined(self, target: Accessor, formula: Any, adds: bool) -> None:
        joined = self._joined(formula)
        assert joined is not None
        indices, operands, is_whole = joined
        if not is_whole and not adds:
            self.fill(target, 0.0)
        for index, x in zip(indices, operands, strict=True):
            self.assign_part(target, index, x, adds)

    def _move(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Write entries at other places, by a table of places."""
        moved = moves(formula)
        assert moved is not None
        source = self._operand(formula.operands[0])
        if not source.is_contiguous:
            copy = self.places.work("u", source.shape)
            self.copy(copy, source)
            source = copy
        if adds or not target.is_contiguous:
            copy = self.places.work("u", target.shape)
            self._move(copy, formula, False)
            self.copy(target, copy, adds)
            return
        if not moved.are_sources:
            self.fill(target, 0.0)
        table = self.places.name("at")
        move = Move(target, [source], table, moved.places.size, moved.are_sources)
        self.body.append(Table(table, moved.places.ravel().tolist(), [move]))

    # --- entries ---------------------------------------------------------------------------------

    def _entries(self, target: Accessor, formula: Any, adds: bool) -> None:
        """Put the loop over the entries of a formula."""
        reads: list[Accessor] = []
        text = self._entry(formula, target.shape, reads)
        self.body.append(Entries(target, reads, text, adds))

    def _entry(self, formula: Any, shape: tuple[int, ...], reads: list[Accessor]) -> str:
        """Return an entry of a formula as C text; statements before it compute what it needs."""
        if not isinstance(formula, Symbol):
            return self._number(formula)
        accessor = self._access(formula)
        if accessor is not None:
            return _read(accessor, shape, reads)
        if formula.apply is None:
            return self._number(formula)
        if formula.notation is ZEROS:
            return number_text(0.0)
        form = c_form(formula)
        if form is None and not leaves(formula):
            return self._number(formula)
        if form is None:
            return _read(self._temporary(formula), shape, reads)
        if formula.notation is RAISE and not isinstance(formula.operands[1], Symbol):
            power = float(formula.operands[1])
            if power in (2.0, 3.0):
                x = self._entry(formula.operands[0], shape, reads)
                return f"({' * '.join([x] * int(power))})"
        operands = [self._entry(x, shape, reads) for x in formula.operands]
        return f"({form.format(*operands)})"

    def _number(self, number: Any) -> str:
        """Return a number as C text: p / n if it is a few times the reciprocal of a size."""
        text, entries = number_text(number), np.ravel(getattr(number, "value", number))
        value: Any = self.real(entries[0] if entries.size else 0.0)
        sign = "-" if value < 0 else ""
        for p in range(1, MOST_TIMES + 1) if 0 < abs(value) < 1 else ():
            n = round(p / abs(float(value)))
            if n in self.places.sizes and n not in self.n.fixed and self.real(p / n) == abs(value):
                return f"({sign}(real) {p}.0 / {self.n(n)})"
        return text

    def _access(self, formula: Symbol) -> Accessor | None:
        """Return where a formula lies that computes nothing, or None."""
        if isinstance(formula, Variable):
            return self.places.place(formula)
        if formula.apply is None or len(formula.operands) != 1 or c_form(formula) is not None:
            return None
        (inner,) = formula.operands
        if not isinstance(inner, Symbol):
            return None
        whole = self._access(inner)
        ahead = _steps_ahead(formula)
        if ahead is not None and isinstance(inner, Variable) and whole is not None:
            ahead += self.places.schedule.before.get(key_of_signal(inner), 0)
            return row(whole, formula.shape, "k", ahead)
        if whole is None and inner.apply is not None and may_be_view(formula):
            whole = self._temporary(inner)
        if whole is None:
            return None
        place = view(whole, formula)
        if place is None and not whole.is_contiguous and formula.notation in VIEWS:
            copy = self.places.work("u", whole.shape)
            self.copy(copy, whole)
            place = view(copy, formula)
        return place

    def _temporary(self, formula: Symbol) -> Accessor:
        """Compute a part of a formula into an array of its own."""
        is_known = (
            formula.apply is None  # numbers; those that are not all alike need a name
            or formula.notation is MATMUL
            or moves(formula) is not None
            or reduces(formula) is not None
            or scans(formula) is not None
            or self._joined(formula) is not None
        )
        if not is_known and c_form(formula) is None:
            known = by_forward().get(formula.apply)
            name = known.name if known else f"{formula}, an operation without a name"
            name = "an index that differs from step to step" if formula.notation is ITEM else name
            raise NotCompiled(f"compile: found {name}, which has no form in C")
        place = self.places.work("u", formula.shape)
        self.assign(place, formula)
        return place

    # --- products and sums -----------------------------------------------------------------------

    def _operand(self, formula: Any) -> Accessor:
        if not isinstance(formula, Symbol):
            raise NotCompiled("compile: found a product with a number without a name")
        accessor = self._access(formula)
        return self._temporary(formula) if accessor is None else accessor

    def _sum_with_products(self, target: Accessor, formula: Symbol) -> None:
        """Add products of matrices to the rest of a sum, in place."""
        terms = [*terms_of(formula)]
        products = [
            (sign, x) for sign, x in terms
            if sign > 0 and _into_product(target, x) is not None
        ]  # fmt: skip
        rest = [(sign, x) for sign, x in terms if not any(x is y for _, y in products)]
        if not products or (not rest and len(products) == 1):
            self._entries(target, formula, False)
            return
        if rest:
            sign, total = rest[0]
            total = total if sign > 0 else -total
            for sign, x in rest[1:]:
                total = total + x if sign > 0 else total - x
            self._entries(target, total, False)
        for number, (_, x) in enumerate(products):
            self._product(target, x, adds=bool(rest or number))

    def _product(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Put a product of matrices, of vectors, or of batches of matrices."""
        place = _into_product(target, formula)
        assert place is not None
        c, formula = place
        a, b = map(self._operand, formula.operands)
        if len(a.shape) == 1:
            a = with_axis(a, 0)
            c = with_axis(c, len(c.shape) - (len(b.shape) > 1))
        if len(b.shape) == 1:
            b = with_axis(b, 1)
            c = with_axis(c, len(c.shape))
        batch = c.shape[:-2]
        a, b = (spread(x, (*batch, *x.shape[-2:])) for x in (a, b))
        rows = self._by_rows(c, a, b, adds)
        if rows is not None:
            self.body.append(rows)
            return
        self.body.append(Product(c, [a, b], adds))

    def _by_rows(self, c: Accessor, a: Accessor, b: Accessor, adds: bool) -> Rows | None:
        """Return a product with 1 at whole numbers, and 0 elsewhere, as rows by their numbers."""
        base, count = self.places.rows_of.get(a.base, ("", 0))
        if not base or any(b.strides[:-2]):
            return None
        is_sum = a.shape[-2] == count and a.strides[-2] == 1 and len(a.shape) == 2
        if not is_sum and (a.shape[-1] != count or a.strides[-1] != 1):
            return None
        along = -2 if is_sum else -1
        shape, strides = [*a.shape], [*a.strides]
        del shape[along], strides[along]
        if any(n % count for n in (a.offset, a.row, *strides)):
            return None
        numbers = Accessor(
            base, a.offset // count, tuple(shape), tuple(n // count for n in strides), a.step,
            a.row // count,
        )  # fmt: skip
        b = replace(b, shape=b.shape[-2:], strides=b.strides[-2:])
        return Rows(c, [numbers, b], adds, is_sum)

    def _scanned(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Put the results along an axis, of which each follows from the one before."""
        text, axis = scans(formula) or ("", 0)
        if adds:
            self._by_copy(target, formula, adds)
            return
        self.assign(target, formula.operands[0])
        lead = (slice(None),) * axis
        first, rest = (
            view(target, part_of(target.shape, (*lead, part)))
            for part in (slice(None, -1), slice(1, None))
        )
        assert first is not None and rest is not None
        self.body.append(Entries(rest, [first, rest], text.format("{0}", "{1}")))

    def _reduced(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Put a sum along axes, or another reduction."""
        start, step, end = reduces(formula) or ("", "", "")
        (x,), axis = formula.operands, formula.parameters.get("axis")
        if not isinstance(x, Symbol):
            raise NotCompiled("compile: found a reduction of a number")
        axes = range(x.ndim) if axis is None else [n % x.ndim for n in np.atleast_1d(axis).tolist()]
        reads: list[Accessor] = []
        entry = self._entry(x, x.shape, reads)
        if not adds or start != "0":
            self.body.append(Entries(target, (), start))
        wide = _along(target, x.shape, axes, formula.parameters.get("keepdims", False))
        if (step, end) == SUM[1:] and not any(wide.strides):
            one = replace(target, shape=(), strides=())
            self.body.append(Total(one, reads, entry, x.shape))
            return
        text = step.format(f"{{{len(reads)}}}", entry)
        self.body.append(Entries(wide, [*reads, wide], text))
        if end != "{0}":
            count = self.n(int(np.prod([x.shape[n] for n in axes])))
            self.body.append(Entries(target, [target], end.format("{0}", count=count)))


def _steps_ahead(formula: Symbol) -> int | None:
    """Return how many rows ahead of its own a step reads a sequence; None if that is not so."""
    index = formula.parameters.get("index")
    if formula.notation is not ITEM or not isinstance(index, Varying) or index.offset:
        return None
    first, *_ = values = index.values
    is_whole = isinstance(first, int) and first >= 0
    return first if is_whole and [*values] == [*range(first, first + len(values))] else None


def _into_product(target: Accessor, formula: Any) -> tuple[Accessor, Symbol] | None:
    """Return a product whose entries in another shape are the formula, and its place; or None."""
    if getattr(formula, "shape", None) != target.shape:
        return None
    while has_notation(formula, RESHAPE) and target.is_contiguous:
        (formula,) = formula.operands
        shape = np.shape(getattr(formula, "value", formula))
        target = replace(target, shape=shape, strides=contiguous(shape))
    return (target, formula) if has_notation(formula, MATMUL) else None


def _read(x: Accessor, shape: tuple[int, ...], reads: list[Accessor]) -> str:
    """Return the text for an entry of a place, which is added to those that are read."""
    reads.append(spread(x, shape))
    return f"{{{len(reads) - 1}}}"


def _along(target: Accessor, shape: tuple[int, ...], axes: Any, keeps: bool) -> Accessor:
    """Return the place of a reduction as one of the shape that is reduced."""
    own = [*target.strides]
    if keeps:
        own = [stride for n, stride in enumerate(own) if n not in axes]
    rest = iter(own)
    strides = tuple(0 if n in axes else next(rest) for n in range(len(shape)))
    return replace(target, shape=shape, strides=strides)
