"""The statements of a program in C, as data.

Knows places in memory; no formula, and no derivation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .accessors import Accessor

SMALL = 256  # multiplications of a product that is written as loops


@dataclass(eq=False)
class Writing:
    """A statement that writes one place, and reads others."""

    target: Accessor
    reads: Sequence[Accessor]

    @property
    def places(self) -> list[Accessor]:
        """The target, and what is read."""
        return [self.target, *self.reads]

    @property
    def written(self) -> list[Accessor]:
        """What is written."""
        return [self.target]


@dataclass(eq=False)
class Entries(Writing):
    """An expression for every entry of the target; a place that is read has its shape.

    Attributes
    ----------
    text : str
        The expression, with ``{0}``, ``{1}``… for the entries that it reads.
    adds : bool
        Whether the values are added to the target.
    """

    text: str
    adds: bool = False


@dataclass(eq=False)
class Total(Writing):
    """The sum of an expression over all entries of a shape, added to one number."""

    text: str
    shape: tuple[int, ...]


@dataclass(eq=False)
class Product(Writing):
    """A product of two matrices, or of batches of matrices: the last two axes are theirs.

    What is read are both matrices, and the second one as it is packed if it is.
    """

    adds: bool = False


@dataclass(eq=False)
class Rows(Writing):
    """The rows of a matrix that have the given numbers, or the sums of rows with one number.

    What is read are the numbers, and a matrix: the rows of it are taken, or added up.
    """

    adds: bool = False
    is_sum: bool = False


@dataclass(eq=False)
class Pack(Writing):
    """A matrix in panels of columns, for the products of a loop that does not change it."""


@dataclass(eq=False)
class Move(Writing):
    """Entries of a whole array at other places; a place below 0 is nowhere.

    Attributes
    ----------
    table : str
        The name of the table of places: of what is read if ``are_sources``, else of the target.
    """

    table: str
    size: int
    are_sources: bool


@dataclass(eq=False)
class Group:
    """Expressions of one shape that are computed together, entry by entry.

    Attributes
    ----------
    parts : list of Entries
    variables : set of str
        The arrays that are variables of the loop, since nothing else reads them.
    """

    parts: list[Entries]
    variables: set[str] = field(default_factory=set)

    @property
    def places(self) -> list[Accessor]:
        """All places that are written or read."""
        return [x for part in self.parts for x in part.places]

    @property
    def written(self) -> list[Accessor]:
        """What is written."""
        return [part.target for part in self.parts]


@dataclass(eq=False)
class Table:
    """A table of whole numbers, and the statements that use it."""

    name: str
    numbers: Sequence[int]
    body: list[Statement]


@dataclass(eq=False)
class Steps:
    """Statements that run at each step of a loop."""

    count: int
    is_reversed: bool
    body: list[Statement] = field(default_factory=list)


@dataclass(eq=False)
class Remark:
    """A comment."""

    text: str


@dataclass(eq=False)
class Chunks:
    """Statements that run for each chunk of the steps of a loop."""

    count: int
    is_reversed: bool
    body: list[Statement] = field(default_factory=list)


Statement = Writing | Group | Table | Steps | Chunks | Remark
Nest = Table | Steps | Chunks


def is_small(x: Product) -> bool:
    """Return whether a product is written as loops, and calls no function."""
    m, columns = x.target.shape[-2:]
    is_scattered = columns != 1 and x.target.strides[-1] != 1
    return bool(m * columns * x.reads[0].shape[-1] <= SMALL or is_scattered)
