"""The tape: symbols, the table of primitives, Tensors, and the walk back from a loss.

A primitive of your own is declared with one of these functions, by its kind (see `kinds`).
"""

from .kinds import bilinear, cut, elementwise, join, junction, linear, matrix_function, reduction
from .primitive import Primitive
from .symbol import Notation, Symbol, function

__all__ = [
    "Notation", "Primitive", "Symbol", "bilinear", "cut", "elementwise", "function", "join",
    "junction", "linear", "matrix_function", "reduction",
]  # fmt: skip
