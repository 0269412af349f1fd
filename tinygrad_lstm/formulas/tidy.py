"""Products and sums of a backward line, as a person would tidy them up on paper.

Knows Symbols; no network. The number of a product comes first, a product has one fraction bar, and
summands with a common factor become one product. A formula keeps its value, but for rounding.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache, reduce
from typing import Any

import numpy as np

from ..engine.symbol import (
    ADD,
    DIVIDE,
    HADAMARD,
    MATMUL,
    NEGATIVE,
    RAISE,
    SUBTRACT,
    TOTAL,
    TRANSPOSE,
    Symbol,
)
from .rewriting import form, rewrite, with_operands
from .simplify import is_spread

Powers = dict[Hashable, tuple[Any, float]]  # the factors and their exponents, by their forms


def tidy(formula: Any) -> Any:
    """Return a formula with its products and sums tidied up.

    >>> a, b, c = map(Symbol, "abc")
    >>> tidy(a / b * c / b), tidy(a @ (-b * 0.5)), tidy(a * b - a * c), tidy(-(a * 0.5) + b * 0.5)
    (a ∘ c / b², -0.5 a b, a ∘ (b - c), 0.5 (b - a))
    >>> tidy(a - a * b)
    a ∘ (1 - b)
    """
    return rewrite(formula, _tidied)


def sum_of(terms: list[Any]) -> Any:
    """Return the sum of tidy formulas, with those that have a common factor as one product.

    >>> a, b, c = map(Symbol, "abc")
    >>> sum_of([-(a * b), c, a * c])
    a ∘ (c - b) + c
    """
    products = _multiplied_out([_product_of(term) for term in _one_total(terms)])
    done: list[Any] = []
    while products:
        first, *products = products
        alike = _alike(first, products)
        joined = _in_brackets([first, *alike]) if alike else None
        if joined is not None:
            products = [x for x in products if x not in alike]
        done.append(first.written() if joined is None else joined)
    positive = [x for x in done if not _is_negative(x)]
    negative = [_opposite(x) for x in done if _is_negative(x)]
    if not positive:
        return -reduce(lambda a, b: a + b, negative)
    return reduce(lambda a, b: a - b, negative, reduce(lambda a, b: a + b, positive))


def _one_total(terms: list[Any]) -> list[Any]:
    """Return terms of which those that are sums over the same axes are the sum of one sum.

    >>> a, b, c = Symbol("a", np.ones(3)), Symbol("b", np.ones(3)), Symbol("c", np.ones(3))
    >>> sum_of([(a * b).sum(), -(a * c).sum()])
    Σ (a ∘ (b - c))
    """
    kinds = [_total_of(term) for term in terms]
    merged: dict[Hashable, list[Any]] = {}
    for kind, term in zip(kinds, terms, strict=True):
        if kind is not None:
            merged.setdefault(kind, []).append(term)
    done: list[Any] = []
    for kind, term in zip(kinds, terms, strict=True):
        several = merged.get(kind, []) if kind is not None else []
        if len(several) < 2:
            done.append(term)
        elif term is several[0]:
            inner = [
                -_positive(x).operands[0] if _is_negative(x) else x.operands[0] for x in several
            ]
            done.append(with_operands(_positive(term), (sum_of(inner),)))
    return done


def _positive(term: Any) -> Any:
    return term.operands[0] if _is_negative(term) else term


def _total_of(term: Any) -> Hashable | None:
    """Return a key of the axes that a sum goes over, and of its operand's shape; None of others."""
    inner = _positive(term) if isinstance(term, Symbol) else term
    if not isinstance(inner, Symbol) or not getattr(inner.notation, "text", "").startswith("Σ"):
        return None
    operand = inner.operands[0]
    if not isinstance(operand, Symbol) or len(inner.operands) != 1:
        return None
    return str(inner.notation), str(inner.parameters), np.shape(operand.value)


@dataclass(frozen=True, eq=False)
class _Product:
    """A number times some factors, over others."""

    number: float
    above: Powers
    below: Powers

    def times(self, other: _Product) -> _Product:
        above, below = _both(self.above, other.above), _both(self.below, other.below)
        return _Product(self.number * other.number, above, below)

    def over(self, other: _Product) -> _Product:
        return self.times(_Product(1 / other.number, other.below, other.above))

    def without(self, number: float, above: Powers, below: Powers) -> _Product:
        return _Product(self.number / number, _less(self.above, above), _less(self.below, below))

    def cancelled(self) -> _Product:
        common = _common([self.above, self.below])
        return self.without(1.0, common, common)

    def written(self) -> Any:
        size, above = abs(self.number), _written(self.above)
        product = size if above is None else above if size == 1 else size * above
        below = _written(self.below)
        if below is not None:
            product = product / below
        return -product if self.number < 0 else product


def _both(one: Powers, other: Powers) -> Powers:
    both = dict(one)
    for key, (factor, power) in other.items():
        both[key] = factor, power + both.get(key, (factor, 0.0))[1]
    return both


def _less(powers: Powers, common: Powers) -> Powers:
    less = {
        key: (factor, power - common[key][1] if key in common else power)
        for key, (factor, power) in powers.items()
    }
    return {key: (factor, power) for key, (factor, power) in less.items() if power}


def _common(several: list[Powers]) -> Powers:
    first, *others = several
    return {
        key: (factor, min(power, *(x[key][1] for x in others)))
        for key, (factor, power) in first.items()
        if all(key in x for x in others)
    }


def _written(powers: Powers) -> Any:
    factors = [factor if power == 1 else factor**power for factor, power in powers.values()]
    return reduce(lambda a, b: a * b, factors) if factors else None


def _alike(first: _Product, others: list[_Product]) -> list[_Product]:
    """Return the products that have a factor of the first, else those of the same number."""
    by_factor = [[x for x in others if key in x.above] for key in first.above]
    most = max(by_factor, key=len, default=[])
    size = abs(first.number)
    return most or [x for x in others if abs(x.number) == size != 1]


def _in_brackets(products: list[_Product]) -> Any:
    """Return a sum as what its terms have in common times the rest; None if that is no shorter."""
    sizes = {abs(x.number) for x in products}
    number = sizes.pop() if len(sizes) == 1 else 1.0
    common = _Product(number, _common([x.above for x in products]), {})
    common = replace(common, below=_common([x.below for x in products]))
    rest = [x.without(number, common.above, common.below).written() for x in products]
    rest.sort(key=_is_negative)  # 1 - z, not -z + 1
    inner = sum_of(rest) if all(isinstance(x, Symbol) for x in rest) else reduce(_plus, rest)
    sign = -1.0 if _is_negative(inner) else 1.0
    inner = _opposite(inner) if sign < 0 else inner
    outer = common.above | {form(inner): (inner, 1.0)}
    joined = replace(common, number=sign * number, above=outer).written()
    apart = reduce(_plus, (x.written() for x in products))
    is_whole = np.shape(joined.value) == np.shape(apart.value)
    is_short = len(str(joined)) < len(str(apart)) or _leaves(joined) <= _leaves(apart)
    return joined if is_whole and is_short else None


def _leaves(formula: Any) -> int:
    """Return how many signals and numbers a formula is written with."""
    operands = formula.operands if isinstance(formula, Symbol) else ()
    return sum(map(_leaves, operands)) if operands else 1


def _plus(a: Any, b: Any) -> Any:
    return a - _opposite(b) if _is_negative(b) else a + b


def _is_negative(formula: Any) -> bool:
    return formula.notation is NEGATIVE if isinstance(formula, Symbol) else formula < 0


def _opposite(formula: Any) -> Any:
    return formula.operands[0] if isinstance(formula, Symbol) else -formula


def _product_of(formula: Any) -> _Product:
    """Return a tidy formula as a product."""
    if not isinstance(formula, Symbol):
        return _Product(float(formula), {}, {})
    operands = formula.operands
    if formula.notation is NEGATIVE:
        return _Product(-1.0, {}, {}).times(_product_of(operands[0]))
    if is_spread(formula):  # which the rest of a product does
        return _product_of(operands[0])
    is_square = formula.notation is HADAMARD and operands[0] is operands[1]
    if formula.notation is HADAMARD and not is_square:
        return _product_of(operands[0]).times(_product_of(operands[1]))
    if formula.notation is DIVIDE and (divisor := _product_of(operands[1])).number:
        return _product_of(operands[0]).over(divisor)
    base, power = operands if formula.notation is RAISE else (formula, 1)
    if isinstance(power, Symbol) or np.ndim(power) or power <= 0 or not isinstance(base, Symbol):
        base, power = formula, 1
    return _Product(1.0, {form(base): (base, float(power))}, {})


def _multiplied_out(products: list[_Product]) -> list[_Product]:
    """Return the terms of a sum with factors such as 1 - x multiplied out, if fewer terms remain.

    >>> x, y = Symbol("x"), Symbol("y")
    >>> sum_of([x * (1 - y), -(y * (1 - x))]), sum_of([x * (1 - y), y])
    (x - y, x ∘ (1 - y) + y)
    """
    same: dict[Hashable, _Product] = {}
    for product in (part for whole in products for part in _parts_of(whole)):
        powers = (frozenset((key, power) for key, (_, power) in x.items())
                  for x in (product.above, product.below))  # fmt: skip
        key = tuple(powers)
        number = same[key].number if key in same else 0.0
        same[key] = replace(product, number=number + product.number)
    fewer = [x for x in same.values() if x.number]
    leaves = sum(len(x.above) for x in fewer)
    return fewer if fewer and leaves < sum(_size(x) for x in products) - 1 else products


def _parts_of(product: _Product) -> Iterator[_Product]:
    """Return a product as the terms of a sum: one factor that is a sum is multiplied out."""
    for key, (factor, power) in product.above.items():
        if power == 1 and isinstance(factor, Symbol) and factor.notation in (ADD, SUBTRACT):
            rest = replace(product, above={k: x for k, x in product.above.items() if k != key})
            for term in _summands(factor):
                yield from _parts_of(rest.times(_product_of(term)))
            return
    yield product


def _size(product: _Product) -> int:
    """Return how many signals and numbers the factors of a product have, sums included."""
    return sum(
        len(_summands(factor)) if isinstance(factor, Symbol) else 1
        for factor, _ in product.above.values()
    )


def _mirrored(old: Symbol, operands: tuple[Any, ...]) -> Any:
    """Return f(-x) by f(x), if f is even or odd, or c - f(x); None if it is not."""
    operand = operands[0] if len(operands) == 1 else None
    if not isinstance(operand, Symbol) or operand.notation is not NEGATIVE or old.parameters:
        return None
    same = with_operands(old, operand.operands)
    sign, constant = _mirror(old.apply)
    if not sign:
        return None
    return same if sign > 0 else -same if constant == 0 else constant - same


@cache
def _mirror(function: Any) -> tuple[int, float]:
    """Return s and c of f(-x) = c + s f(x), as some numbers show them; s is 0 if there are none."""
    x = np.array([0.3, 0.7, 1.1, 2.3])
    with np.errstate(all="ignore"):
        try:
            after, before = np.asarray(function(x)), np.asarray(function(-x))
        except Exception:  # of somebody's function
            return 0, 0.0
    if after.shape != x.shape or before.shape != x.shape or after.dtype.kind != "f":
        return 0, 0.0
    if np.allclose(before, after, rtol=1e-14, atol=0.0):
        return 1, 0.0
    total = before + after
    if np.allclose(total, np.round(total[0]), rtol=0.0, atol=1e-14):
        return -1, float(np.round(total[0]))
    return 0, 0.0


def _tidied(old: Symbol, operands: tuple[Any, ...]) -> Any:
    mirrored = _mirrored(old, operands)
    if mirrored is not None and np.shape(mirrored.value) == np.shape(old.value):
        return mirrored
    same = with_operands(old, operands)
    if not all(isinstance(x, Symbol) or np.ndim(x) == 0 for x in operands):
        return same
    new = same
    if is_spread(old):
        return same
    if old.notation in (HADAMARD, DIVIDE, NEGATIVE):
        product = _product_of(same)
        new = product.cancelled().written()
        if np.shape(getattr(new, "value", new)) != np.shape(old.value):  # a factor spread the rest
            new = product.written()
    elif old.notation in (ADD, SUBTRACT) and all(isinstance(x, Symbol) for x in operands):
        new = sum_of(_summands(same))
    elif old.notation in (MATMUL, TRANSPOSE, TOTAL):
        new = _number_first(same)
    is_whole = isinstance(new, Symbol) and np.shape(new.value) == np.shape(old.value)
    return new if is_whole else same


def _summands(formula: Any) -> list[Any]:
    """Return the summands of a sum, each with its sign."""
    if isinstance(formula, Symbol) and formula.notation in (ADD, SUBTRACT):
        first, second = map(_summands, formula.operands)
        return [*first, *(second if formula.notation is ADD else [-x for x in second])]
    return [formula]


def _number_first(formula: Symbol) -> Any:
    """Return a linear map of products with the numbers before the map."""
    number, operands = 1.0, []
    for operand in formula.operands:
        product = _product_of(operand)
        if product.above and not isinstance(operand, float):
            number *= product.number
            operand = replace(product, number=1.0).written() if product.number != 1 else operand
        operands.append(operand)
    inner = with_operands(formula, tuple(operands))
    if formula.notation is MATMUL:
        inner = reduce(lambda a, b: a @ b, _chain(inner))
    return _Product(number, {form(inner): (inner, 1.0)}, {}).written() if number != 1 else inner


def _chain(formula: Any) -> list[Any]:
    """Return the factors of a product of matrices: in brackets or not, it is the same."""
    if not isinstance(formula, Symbol) or formula.notation is not MATMUL:
        return [formula]
    if any(np.ndim(getattr(x, "value", x)) != 2 for x in formula.operands):
        return [formula]
    return [factor for operand in formula.operands for factor in _chain(operand)]
