"""A pass over the statements of a loop: matrices that no step changes are packed before the loop.

Knows statements and places in memory; no formula. A product with a packed matrix reads the matrix
in panels of columns, in the order in which it needs the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .accessors import Accessor
from .fuse import all_of
from .statements import Group, Pack, Product, Statement, Writing, is_small

MOST_COLUMNS = 32  # of a panel, on any processor, as products.c says


def pack_matrices(
    body: Sequence[Statement], work: Callable[[str, tuple[int, ...]], Accessor]
) -> list[Pack]:
    """Let the products of a loop read packed matrices; return the statements that pack them.

    Parameters
    ----------
    body : sequence of Statement
        Of the loop; its products are changed.
    work : (name, shape) -> Accessor
        Makes an array.
    """
    statements = [*all_of(body)]
    changed = {x.base for s in statements if isinstance(s, Writing | Group) for x in s.written}
    packs: dict[Accessor, Pack] = {}
    for x in statements:
        if not isinstance(x, Product) or is_small(x) or len(x.target.shape) > 2:
            continue
        a, b = x.reads
        if b.step or b.base in changed:
            continue
        if b not in packs:
            inner, columns = b.shape
            packs[b] = Pack(work(f"{b.base}_packed", (columns + MOST_COLUMNS - 1, inner)), [b])
        x.reads = [a, b, packs[b].target]
    return [*packs.values()]
