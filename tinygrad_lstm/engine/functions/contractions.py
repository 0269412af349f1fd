"""Sums of products over letters: einsum, and the products that it has names for.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike. A contraction of two operands is one matrix product, so that it runs at its speed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError, UsageError
from ..arguments import excerpt, one_of, whole
from ..forms import complaint
from ..numerics import Array
from ..primitives import hadamard, matmul, reshape, stack, sum, transpose
from . import checked
from .checked import at
from .diagonals import diagonal
from .shapes import moveaxis

Letters = list[Hashable]  # one for each axis; those of an ellipsis are numbers


def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Array:
    """Return the sum of products that the letters name, as ``einsum("ij,jk->ik", a, b)``.

    A letter that is not in the result is summed over. Operands are multiplied from left to right,
    or in the order that NumPy finds best if ``optimize`` is true.

    Raises
    ------
    ArgumentError, ShapeError
        If letters and shapes do not fit; the message names the letters and the shapes.
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _with_letters([subscripts, *operands])
    xs = [checked.array("einsum", x) for x in operands]
    terms, result = _terms(subscripts, xs)
    sizes = _sizes(subscripts, terms)
    terms = [_drop_repeats(letters, x, sizes) for letters, x in terms]
    path: list[Any] = []
    if not isinstance(optimize, list | tuple):
        one_of("einsum: optimize", optimize, (False, True, "greedy", "optimal"))
    if optimize and len(terms) > 2:
        blanks = [np.broadcast_to(np.zeros(()), x.shape) for x in xs]
        try:
            path = np.einsum_path(subscripts, *blanks, optimize=optimize)[0][1:]
        except (TypeError, ValueError, KeyError) as error:
            raise complaint(error, "einsum", xs, {"optimize": optimize}) from None
    while len(terms) > 1:
        chosen = path.pop(0) if path else (0, 1)
        taken = [terms[place] for place in chosen]
        terms = [term for place, term in enumerate(terms) if place not in chosen]
        needed = {*result, *(letter for letters, _ in terms for letter in letters)}
        term = taken[0]
        for other in taken[1:]:
            last = other is taken[-1]
            also = needed if last else needed | {c for letters, _ in taken for c in letters}
            term = _product(term, other, also)
        terms.append(term)
    return _in_order(terms[0], result)


def _with_letters(given: list[Any]) -> tuple[str, tuple[Any, ...]]:
    """Return NumPy's other form, operand and list of numbers by turns, in letters."""
    result = given[-1] if len(given) % 2 else None
    given = given[: len(given) // 2 * 2]

    def written(numbers: Any) -> str:
        try:
            return "".join(["..." if n is Ellipsis else chr(97 + n + (n > 25) * -58)
                            for n in numbers])  # fmt: skip
        except TypeError:
            raise UsageError(
                f"einsum: found {excerpt(numbers)}, expected a list of numbers"
            ) from None

    text = ",".join(map(written, given[1::2]))
    return (text if result is None else f"{text}->{written(result)}"), tuple(given[::2])


def _terms(subscripts: str, xs: list[Array]) -> tuple[list[tuple[Letters, Array]], Letters]:
    """Return each operand with a letter for each of its axes, and the letters of the result."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    words = left.split(",")
    if len(words) != len(xs):
        raise ArgumentError(
            f"einsum: found {len(xs)} operands for {len(words)} groups of letters in {subscripts!r}"
        )
    terms, widest = [], 0
    for word, x in zip(words, xs, strict=True):
        before, dots, after = word.partition("...")
        width = x.ndim - len(before) - len(after)
        letters = before + after
        if not (letters.isalpha() or not letters) or width < 0 or (width and not dots):
            raise ArgumentError(
                f"einsum: found the letters {word!r} for shape {x.shape}, expected one letter for "
                "each axis, or ... for the axes that have none"
            )
        widest = max(widest, width)
        terms.append(([*before, *range(-width, 0), *after], x))
    if arrow:
        before, dots, after = right.partition("...")
        result: Letters = [*before, *(range(-widest, 0) if dots else ()), *after]
    else:
        every = [letter for letters, _ in terms for letter in letters if isinstance(letter, str)]
        result = [*range(-widest, 0), *sorted({c for c in every if every.count(c) == 1})]
    known = {letter for letters, _ in terms for letter in letters}
    if len(set(result)) < len(result) or not known.issuperset(result):
        raise ArgumentError(
            f"einsum: the result of {subscripts!r} may name each letter of the operands once"
        )
    return terms, result


def _sizes(subscripts: str, terms: list[tuple[Letters, Array]]) -> dict[Hashable, int]:
    """Return the size that each letter stands for; a size of 1 goes with any other."""
    sizes: dict[Hashable, int] = {}
    for letters, x in terms:
        for letter, size in zip(letters, x.shape, strict=True):
            if sizes.setdefault(letter, size) == 1:
                sizes[letter] = size
            if size not in (1, sizes[letter]):
                raise ShapeError(
                    f"einsum: {letter} in {subscripts!r} stands for {sizes[letter]} and {size}, "
                    f"of shapes {' and '.join([str(x.shape) for _, x in terms])}"
                )
    return sizes


def _drop_repeats(letters: Letters, x: Array, sizes: dict[Hashable, int]) -> tuple[Letters, Array]:
    """Return an operand with each letter once, and without axes along which it only repeats."""
    for letter in {c: None for c in letters if letters.count(c) > 1}:
        first, second = [k for k, c in enumerate(letters) if c == letter][:2]
        if x.shape[first] != x.shape[second]:
            raise ShapeError(f"einsum: {letter} stands for two lengths in one shape, {x.shape}")
        x = diagonal(x, 0, first, second)
        letters = [c for k, c in enumerate(letters) if k not in (first, second)] + [letter]
        if letters.count(letter) > 1:
            return _drop_repeats(letters, x, sizes)
    dropped = [k for k, c in enumerate(letters) if x.shape[k] == 1 and sizes[c] != 1]
    if dropped:
        x = x[tuple([0 if k in dropped else slice(None) for k in range(x.ndim)])]
    return [c for k, c in enumerate(letters) if k not in dropped], x


def _in_order(term: tuple[Letters, Array], result: Letters) -> Array:
    """Return an operand summed over the letters that the result lacks, in the result's order."""
    letters, x = term
    summed_axes = tuple([k for k, c in enumerate(letters) if c not in result])
    if summed_axes:
        x = sum(x, axis=summed_axes)
        letters = [c for c in letters if c in result]
    return x if letters == result else transpose(x, axes=tuple([letters.index(c) for c in result]))


def _product(
    one: tuple[Letters, Array], other: tuple[Letters, Array], needed: set[Hashable]
) -> tuple[Letters, Array]:
    """Return the product of two operands, summed over the letters that are no longer needed."""
    left = [c for c in one[0] if c in needed or c in other[0]]
    right = [c for c in other[0] if c in needed or c in one[0]]
    a, b = _in_order(one, left), _in_order(other, right)
    both = [c for c in left if c in right]
    batch, common = [c for c in both if c in needed], [c for c in both if c not in needed]
    rows, columns = [c for c in left if c not in both], [c for c in right if c not in both]
    size = dict(zip([*left, *right], [*a.shape, *b.shape], strict=True))
    shape = tuple([size[c] for c in (*batch, *rows, *columns)])
    if not common:
        a_shape = (*(size[c] for c in batch + rows), *_ones(columns))
        b_shape = (*(size[c] for c in batch), *_ones(rows), *(size[c] for c in columns))
        a = _in_shape(a, left, [*batch, *rows], a_shape)
        b = _in_shape(b, right, [*batch, *columns], b_shape)
        return [*batch, *rows, *columns], hadamard(a, b)
    groups = [math.prod(size[c] for c in group) for group in (batch, rows, common, columns)]
    stack = groups[:1] if batch else []
    a_shape = (*stack, *([groups[1]] if rows or batch else []), groups[2])
    b_shape = (*stack, groups[2], *([groups[3]] if columns or batch else []))
    a = _in_shape(a, left, [*batch, *rows, *common], a_shape)
    b = _in_shape(b, right, [*batch, *common, *columns], b_shape)
    y = matmul(a, b)
    return [*batch, *rows, *columns], y if y.shape == shape else reshape(y, shape=shape)


def _ones(letters: Letters) -> tuple[int, ...]:
    return (1,) * len(letters)


def _in_shape(x: Array, letters: Letters, order: Letters, shape: tuple[int, ...]) -> Array:
    """Return an operand with its letters in an order, in a shape."""
    x = _in_order((letters, x), order)
    return x if x.shape == shape else reshape(x, shape=shape)


# --- products that have names -------------------------------------------------------------------


def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Return the product of a and b summed over the last axes of a and the first of b.

    ``axes`` is how many, or the axes of a and the axes of b.
    """
    a, b = checked.array("tensordot", a), checked.array("tensordot", b)
    if isinstance(axes, tuple | list):
        if len(axes) != 2:
            raise ArgumentError(
                f"tensordot: found axes {excerpt(axes)}, expected a number or a pair"
            )
        ours, theirs = (
            checked.axes_apart("tensordot", x, checked.wholes("tensordot: axes", numbers))
            for x, numbers in zip((a, b), axes, strict=True)
        )
    else:
        count = whole("tensordot: axes", axes)
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: {excerpt(axes)} axes of shapes {a.shape} and {b.shape}")
        ours, theirs = list(range(a.ndim - count, a.ndim)), list(range(count))
    return contraction("tensordot", a, b, ours, theirs)


def contraction(who: str, a: Array, b: Array, ours: list[int], theirs: list[int]) -> Array:
    """Return the product of a and b, summed over axes of a, each with an axis of b."""
    if [a.shape[k] for k in ours] != [b.shape[k] for k in theirs]:
        raise ShapeError(
            f"{who}: axes {ours} of shape {a.shape} and axes {theirs} of shape {b.shape} differ in "
            "size"
        )
    left: Letters = [f"a{k}" for k in range(a.ndim)]
    right: Letters = [f"b{k}" for k in range(b.ndim)]
    for one, other in zip(ours, theirs, strict=True):
        right[other] = left[one]
    result = [c for c in left if c not in right] + [c for c in right if c not in left]
    return _in_order(_product((left, a), (right, b), set(result)), result)


def inner(a: Array, b: Array) -> Array:
    """Return the product of a and b summed over the last axis of both."""
    a, b = checked.array("inner", a), checked.array("inner", b)
    if a.ndim == 0 or b.ndim == 0:
        return hadamard(a, b)
    return contraction("inner", a, b, [a.ndim - 1], [b.ndim - 1])


def vecdot(x1: Array, x2: Array, axis: int = -1) -> Array:
    """Return the inner products of vectors along an axis."""
    return sum(hadamard(checked.array("vecdot", x1), checked.array("vecdot", x2)), axis=axis)


def vdot(a: Array, b: Array) -> Array:
    """Return the inner product of all entries of a and all of b."""
    return matmul(*(reshape(checked.array("vdot", x), shape=(-1,)) for x in (a, b)))


def matvec(x1: Array, x2: Array) -> Array:
    """Return the products of matrices (…, m, n) with vectors (…, n)."""
    return einsum("...mn,...n->...m", x1, x2)


def vecmat(x1: Array, x2: Array) -> Array:
    """Return the products of vectors (…, m) with matrices (…, m, n)."""
    return einsum("...m,...mn->...n", x1, x2)


def kron(a: Array, b: Array) -> Array:
    """Return the Kronecker product: every entry of a times the whole of b, as blocks."""
    a, b = checked.array("kron", a), checked.array("kron", b)
    ndim = max(a.ndim, b.ndim)
    m, n = (_ones([None] * (ndim - x.ndim)) + tuple(x.shape) for x in (a, b))
    apart = [tuple([k for pair in zip(one, other, strict=True) for k in pair])
             for one, other in ((m, (1,) * ndim), ((1,) * ndim, n))]  # fmt: skip
    blocks = hadamard(reshape(a, shape=apart[0]), reshape(b, shape=apart[1]))
    return reshape(blocks, shape=tuple([i * j for i, j in zip(m, n, strict=True)]))


def cross(
    a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Return the cross products of vectors of 3 entries; of 2 entries, the third component."""
    ends: Sequence[int] = (axisa, axisb) if axis is None else (axis, axis)
    a, b = (moveaxis(checked.array("cross", x), end, 0) for x, end in zip((a, b), ends))
    if {a.shape[0], b.shape[0]} == {2}:
        return a[0] * b[1] - a[1] * b[0]
    if {a.shape[0], b.shape[0]} != {3}:
        raise ShapeError(f"cross: found vectors of {a.shape[0]} and {b.shape[0]} entries, "
                         "expected 3, or 2 in both")  # fmt: skip
    pairs = ((1, 2), (2, 0), (0, 1))
    y = [a[at(0, i)] * b[at(0, j)] - a[at(0, j)] * b[at(0, i)] for i, j in pairs]
    return stack(y, axis=axisc if axis is None else axis)


NUMPY = {
    "einsum": einsum, "tensordot": tensordot, "inner": inner, "vecdot": vecdot, "vdot": vdot,
    "kron": kron, "cross": cross, "matvec": matvec, "vecmat": vecmat,
    "linalg.cross": lambda x1, x2, axis=-1: cross(x1, x2, axis=axis),
    "linalg.tensordot": tensordot, "linalg.vecdot": vecdot,
}  # fmt: skip
