"""The statements of a program in C as text.

Knows statements and places in memory; no formula, and no derivation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from .accessors import CHUNK, Accessor
from .statements import (
    Chunks,
    Entries,
    Group,
    Move,
    Pack,
    Product,
    Remark,
    Rows,
    Statement,
    Steps,
    Table,
    Total,
    is_small,
)  # fmt: skip


class Size(Protocol):
    """Writes sizes.

    Attributes
    ----------
    bounds : dict of int to str
        The names of sizes that are other ones in each chunk.
    is_inside : bool
        Whether a chunk is being written.
    """

    bounds: dict[int, str]
    is_inside: bool

    def __call__(self, number: int) -> str:
        """Return a size of an array."""

    def bound(self, number: int) -> str:
        """Return how often a loop runs."""


def write(statements: Iterable[Statement], n: Size, depth: int = 1) -> Iterator[str]:
    """Return the lines of a program.

    Parameters
    ----------
    statements : iterable of Statement
    n : (a size) -> str
        How a size is written.
    depth : int
        How far the lines are indented.
    """
    indent = "    " * depth
    for x in statements:
        if isinstance(x, Chunks):
            yield from (indent + line for line in _chunks(x, n, depth))
        elif isinstance(x, Table | Steps):
            head, body = _head(x, n), write(x.body, n, depth + 1)
            yield from (indent + head, *body, indent + "}")
        else:
            yield from (indent + line for line in _lines(x, n))


def _chunks(x: Chunks, n: Size, depth: int) -> Iterator[str]:
    """Return the loop over chunks, with the sizes of a chunk."""
    is_inside, n.is_inside = n.is_inside, True
    length, body = n.bound(x.count), [*write(x.body, n, 1)]
    n.is_inside = is_inside
    order = "long c = chunks - 1; c >= 0; c--" if x.is_reversed else "long c = 0; c < chunks; c++"
    yield f"for ({order}) {{"
    yield f"    const long {CHUNK} = c * chunk, *m = of_chunk + (c + 1 == chunks) * many;"
    yield from (f"    const long {name} = m[{at}];" for at, name in enumerate(n.bounds.values()))
    yield f"    const long length = {length};"
    yield from body
    yield "}"


def _head(x: Table | Steps, n: Size) -> str:
    if isinstance(x, Table):
        return f"{{ static const int {x.name}[] = {{{', '.join(map(str, x.numbers))}}};"
    if x.is_reversed:
        return f"for (long k = {n.bound(x.count)} - 1; k >= 0; k--) {{"
    return f"for (long k = 0; k < {n.bound(x.count)}; k++) {{"


def _lines(x: Any, n: Size) -> Iterator[str]:
    if isinstance(x, Remark):
        yield f"/* {x.text} */"
    elif isinstance(x, Entries):
        target, *reads = merged(x.places)
        text = _bare(x.text).format(*(entry(y, n) for y in reads))
        yield from _nest(target.shape, f"{entry(target, n)} {'+=' if x.adds else '='} {text};", n)
    elif isinstance(x, Group):
        yield from _group(x, n)
    elif isinstance(x, Total):
        one = Accessor("sum", 0, x.shape, (0,) * len(x.shape))
        one, *reads = merged([one, *x.reads])
        text = x.text.format(*(entry(y, n) for y in reads))
        yield "{ real sum = 0;"
        if len(one.shape) == 1:
            yield "#pragma omp simd reduction(+ : sum)"
        yield from _nest(one.shape, f"sum += {text};", n)
        yield f"{entry(x.target, n)} += sum; }}"
    elif isinstance(x, Product):
        yield from _product(x, n)
    elif isinstance(x, Rows):
        yield from _rows(x, n)
    elif isinstance(x, Pack):
        (b,) = x.reads
        strides = ", ".join(n(s or 1) for s in b.strides)
        rows, columns = map(n.bound, b.shape)
        yield f"pack({rows}, {columns}, {_start(b, n)}, {strides}, {_start(x.target, n)});"
    elif isinstance(x, Move):
        to, source = f"({_start(x.target, n)})", f"({_start(x.reads[0], n)})"
        yield f"for (long i = 0; i < {n(x.size)}; i++)"
        if x.are_sources:
            yield f"    {to}[i] = {x.table}[i] < 0 ? 0 : {source}[{x.table}[i]];"
        else:
            yield f"    if ({x.table}[i] >= 0) {to}[{x.table}[i]] += {source}[i];"


# --- loops over entries ---------------------------------------------------------------------------


def merged(places: Sequence[Accessor]) -> list[Accessor]:
    """Return places of one shape with as few axes as they need in common.

    Two axes are one where each place has the entries of both at one distance.
    """
    axes: list[list[int]] = []  # of each that is left: its size, and its stride in each place
    for axis, size in enumerate(places[0].shape):
        own = [x.strides[axis] for x in places]
        if size == 1:
            continue
        if axes and axes[-1][1:] == [size * stride for stride in own]:
            axes[-1] = [axes[-1][0] * size, *own]
        else:
            axes.append([size, *own])
    shape = tuple(axis[0] for axis in axes)
    return [
        replace(x, shape=shape, strides=tuple(axis[1 + number] for axis in axes))
        for number, x in enumerate(places)
    ]


def _nest(shape: Sequence[int], body: str, n: Size, names: Sequence[str] = "") -> Iterator[str]:
    """Return a statement in a loop for each axis."""
    depth = 0
    for axis, size in enumerate(shape):
        if size != 1:
            i = names[axis] if names else f"i{axis}"
            yield f"{depth * '    '}for (long {i} = 0; {i} < {n.bound(size)}; {i}++)"
            depth += 1
    yield depth * "    " + body


def _group(group: Group, n: Size) -> Iterator[str]:
    """Return the one loop of several expressions; what a later one reads is a variable."""
    places = iter(merged(group.places))
    later = [place for part in group.parts for place in part.reads]
    shape: tuple[int, ...] = ()
    variables: dict[Accessor, str] = {}
    names: Counter[str] = Counter()
    lines = []
    for part in group.parts:
        target, *reads = (next(places) for _ in part.places)
        shape, place = target.shape, entry(target, n)
        operands = [variables.get(x) or entry(x, n) for x in reads]
        text = _bare(part.text).format(*operands)
        is_variable = target.base in group.variables
        if not is_variable and part.target not in later:
            lines.append(f"{place} = {text};")
            continue
        stem = target.base.removesuffix("_all")
        number = f"_{names[stem] + 1}" if names[stem] else ""
        names[stem] += 1
        name = variables[target] = f"{stem}{number}_"
        lines.append(f"const real {name} = {text};")
        if not is_variable:
            lines.append(f"{place} = {name};")
    *loops, _ = _nest(shape, "", n)
    indent = len(loops) * "    "
    if len(lines) > 1 or variables:  # a declaration is no statement of its own
        loops[-1:] = [f"{loops[-1]} {{" if loops else "{"]
        lines = [*(indent + line for line in lines), f"{indent[4:]}}}"]
    else:
        lines = [indent + lines[0]]
    if shape:
        loops.insert(-1, "#pragma omp simd")
    yield from (*loops, *lines)


def _bare(text: str) -> str:
    """Return an expression without brackets around all of it."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return text[1:-1] if text[:1] == "(" and at == len(text) - 1 else text
    return text


def entry(x: Accessor, n: Size, names: Sequence[str] = ()) -> str:
    """Return an entry of a place at the indices of loops, as C text."""
    return f"{x.base}[{_at(x, n, names)}]"


def _start(x: Accessor, n: Size) -> str:
    """Return the pointer to the first entry of a place."""
    return f"&{entry(replace(x, shape=(), strides=()), n)}"


def _at(x: Accessor, n: Size, names: Sequence[str]) -> str:
    ahead, offset = divmod(x.offset, x.row) if x.step and x.row else (0, x.offset)
    step = f"({x.step})" if " " in x.step and not ahead else x.step
    terms = [f"({step} + {ahead}) * {n(x.row)}" if ahead else f"{step} * {n(x.row)}"]
    terms = [terms[0].replace("+ -", "- ")] if x.step else []
    if offset:
        terms.append(n(offset))
    for axis, (size, stride) in enumerate(zip(x.shape, x.strides, strict=True)):
        if size != 1 and stride:
            i = names[axis] if names else f"i{axis}"
            terms.append(i if stride == 1 else f"{i} * {n(stride)}")
    return " + ".join(terms) or "0"


# --- products -------------------------------------------------------------------------------------


def _rows(x: Rows, n: Size) -> Iterator[str]:
    """Return the loop over numbers of rows."""
    numbers, b = x.reads
    lead = [f"i{axis}" for axis in range(len(numbers.shape))]
    number = f"(long) {entry(numbers, n, lead)}"
    columns = b.shape[-1:]

    def row(matrix: Accessor) -> str:
        part = replace(matrix, shape=columns, strides=matrix.strides[-1:])
        return f"{matrix.base}[{number} * {n(matrix.strides[-2])} + {_at(part, n, 'j')}]"

    if x.is_sum:
        if not x.adds:
            yield from _nest(x.target.shape, f"{entry(x.target, n)} = 0;", n)
        body = f"{row(x.target)} += {entry(b, n, [*lead, 'j'])};"
    else:
        body = f"{entry(x.target, n, [*lead, 'j'])} {'+=' if x.adds else '='} {row(b)};"
    yield from _nest((*numbers.shape, *columns), body, n, [*lead, "j"])


def _product(x: Product, n: Size) -> Iterator[str]:
    batch = x.target.shape[:-2]
    write_one = _loops if is_small(x) else _call
    if not batch:
        yield from write_one(x, n)
        return
    *heads, _ = _nest(batch, "", n)
    indent = len(heads) * "    "
    yield from heads
    yield indent + "{"
    yield from (f"{indent}    {line}" for line in write_one(x, n))
    yield indent + "}"


def _call(x: Product, n: Size) -> Iterator[str]:
    (m, columns), (a, b, *packed) = x.target.shape[-2:], x.reads
    matrices = (replace(y, shape=(*y.shape[:-2], 1, 1)) for y in (*x.reads, x.target))
    starts = (f"&{entry(y, n)}" for y in matrices)
    strides = (n(s or 1) for y in (a, b) for s in y.strides[-2:])
    sizes = map(n.bound, (m, columns, a.shape[-1]))
    arguments = *sizes, *starts, *strides, n(x.target.strides[-2] or columns), str(int(x.adds))
    yield f"multiply{'_packed' if packed else ''}(numpys, {', '.join(arguments)});"


def _loops(x: Product, n: Size) -> Iterator[str]:
    (m, columns), inner = x.target.shape[-2:], x.reads[0].shape[-1]
    batch = [f"i{axis}" for axis in range(len(x.target.shape) - 2)]
    sizes = {"i": m, "j": columns, "l": inner}
    ci, ai, bi = (
        entry(y, n, [*batch, *names])
        for y, names in zip(x.places, ("ij", "il", "lj"), strict=True)
    )  # fmt: skip

    def nest(order: str, body: str) -> Iterator[str]:
        return _nest([sizes[name] for name in order], body, n, order)

    if not x.adds:
        yield from nest("ij", f"{ci} = 0;")
    if x.reads[1].strides[-1] == 1 or columns == 1:  # rows of b are added to rows of c
        yield from nest("lij" if inner > m else "ilj", f"{ci} += {ai} * {bi};")
    else:
        *head, _ = _nest([inner], "", n, "l")
        loop = head[0] if head else ""
        yield from nest("ij", f"{{ real sum = 0; {loop} sum += {ai} * {bi}; {ci} += sum; }}")
