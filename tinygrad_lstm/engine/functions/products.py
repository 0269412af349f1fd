"""Products of two arrays that need no letters: squares, outer, dot.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from ..arguments import operand
from ..numerics import Array
from ..primitives import hadamard, matmul, reshape
from . import checked


def square(x: Array) -> Array:
    """Return x ∘ x."""
    x = operand("square", x)
    return hadamard(x, x)


def outer(a: Array, b: Array) -> Array:
    """Return the (m, n) products of every entry of a with every entry of b, both flattened."""
    a, b = operand("outer", a), operand("outer", b)
    return reshape(a, shape=(-1, 1)) * reshape(b, shape=(1, -1))


def dot(a: Array, b: Array) -> Array:
    """Return NumPy's dot: summed over the last axis of a, and the last but one, or only, of b."""
    a, b = checked.array("dot", a), checked.array("dot", b)
    if a.ndim == 0 or b.ndim == 0:
        return hadamard(a, b)
    if b.ndim > 2:
        from .contractions import contraction  # seldom asked for

        return contraction("dot", a, b, [a.ndim - 1], [b.ndim - 2])
    return matmul(a, b)


NUMPY = {"square": square, "outer": outer, "dot": dot, "linalg.outer": outer}
