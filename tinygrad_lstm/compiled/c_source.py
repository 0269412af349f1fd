"""A derivation as a program in C: one function, the forward pass and then the backward pass.

Knows schedules; decides no mathematics, and knows no network. A line of the program is an equation
of the derivation.

The sizes that are no size of a parameter, such as the number of steps and of the batch, are
arguments of the function: the same text serves other sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..formulas.derived import Derived
from ..formulas.fast.lifting import Whole
from ..formulas.fast.lines import Block, Line, cover, in_order, is_row, key_of_signal, pieces
from ..formulas.fast.schedule import schedule
from .accessors import contiguous
from .assignments import Assignments
from .c_forms import NotCompiled, as_operand, opened
from .places import ROLES, Buffer, Places, Sizes, row
from .statements import Backward, Remark, Statement, Steps, Table, write

NO_LIMIT = 1 << 62
HEAD = (
    "void run(real **sources, real *gradients, real *work, const long *sizes, gemm_function *gemm)"
)
LINE = 16  # entries, which begin a line of the processor's cache


@dataclass(frozen=True)
class CProgram:
    """The text of a program, and the memory that the function takes.

    Attributes
    ----------
    text : str
    dtype : dtype
        Of all numbers.
    sources : tuple of Buffer
        Each is an array of its own.
    gradients : tuple of (Buffer, int)
        Each with its place in one array, in entries.
    sizes : tuple of int
        And where each gradient, and each array that the program works in, begins.
    work : int
        How many entries of memory the program works in; the first one is the loss.
    """

    text: str
    dtype: np.dtype[Any]
    sources: tuple[Buffer, ...]
    gradients: tuple[tuple[Buffer, int], ...]
    sizes: tuple[int, ...]
    work: int

    @property
    def results(self) -> int:
        """How many entries all gradients have."""
        return sum(buffer.size for buffer, _ in self.gradients)


def c_program(derivation: Derived) -> CProgram:
    """Return the program of a derivation.

    Raises
    ------
    NotCompiled
        If an operation has no form in C.
    """
    return _CWriter(derivation).program()


class _CWriter:
    """Writes one program."""

    def __init__(self, derivation: Derived) -> None:
        self.derivation = derivation
        self.dtype = _dtype(derivation)
        self.schedule = schedule(derivation, NO_LIMIT)
        self.places, self.n = Places(derivation, self.schedule), Sizes(derivation)
        self.put = Assignments(self.places, self.n)

    def program(self) -> CProgram:
        self._say(Remark("forward"))
        for block in self.schedule.forward:
            self._block(block)
        self._say(Backward())
        self._say(Remark("backward"))
        for block in self.schedule.backward:
            self._block(block)
        places = self.places
        missing = [name for key, name in places.gradients.items() if key not in places.known]
        if missing:
            raise NotCompiled(f"compile: found no gradient of {', '.join(missing)}")
        lines = [*write(self.put.body, self.n)]
        of = {role: [x for x in places.buffers if x.role == role] for role in ROLES}
        gradients, _ = _one_after_another(of["gradient"], 1)
        work, size = _one_after_another([*of["loss"], *of["work"]], LINE)
        first = len(self.n.names)
        pointers = [(x, f"sources[{n}]") for n, x in enumerate(of["source"])]
        pointers += [
            (x, f"{'work' if n >= len(gradients) else 'gradients'} + sizes[{first + n}]")
            for n, (x, _) in enumerate([*gradients, *work])
        ]
        arrays = [f"    real *restrict {x.name} = {at}; /* {x.role} */" for x, at in pointers]
        sizes = [f"    const long {x} = sizes[{n}];" for n, x in enumerate(self.n.names.values())]
        kind = ["#define REAL_IS_FLOAT"] if self.dtype.itemsize == 4 else []
        head = [*kind, '#include "mathematics.c"', "", HEAD, "{"]
        text = "\n".join([*head, *sizes, *arrays, *lines, "}", ""])
        numbers = (*self.n.names, *(at for _, at in (*gradients, *work)))
        return CProgram(text, self.dtype, tuple(of["source"]), tuple(gradients), numbers, size)

    def _say(self, statement: Statement) -> None:
        self.put.body.append(statement)

    # --- blocks ----------------------------------------------------------------------------------

    def _block(self, block: Block) -> None:
        if block.why:
            self._say(Remark(block.why))
        for line in block.lines:
            self._initial_values(line)
        if block.loop is None:
            for line in block.lines:
                self._line(line)
            return
        steps = Steps(self.schedule.counts[block.loop], block.is_reversed)
        before = self.put.body
        self.put.before, self.put.body = before, steps.body
        for line in in_order(block, self.derivation.initial):
            self._line(line)
        self.put.before, self.put.body = None, before
        self._say(steps)

    def _initial_values(self, line: Line) -> None:
        if line.is_handed:
            self.put.fill(self.places.place(line.signal), 0.0)
        if line.adds or not (is_row(line.signal) or isinstance(line.signal, Whole)):
            return
        key, done = line.key, set()
        for start in self.derivation.initial:
            if key_of_signal(start.state) != key:
                continue
            offset = start.state.offset or 0
            value = getattr(start.start, "value", start.start)
            shape = line.signal.shape[isinstance(line.signal, Whole) :]
            count = self.schedule.counts[start.loop]
            whole = self.places.rows(line.signal, count, shape)
            at = self.schedule.before.get(key, 0) + offset if offset < 0 else count + offset - 1
            if at in done:
                continue
            done.add(at)
            size = int(np.prod(shape))
            place = replace(whole, offset=at * size, shape=shape, strides=contiguous(shape))
            self.put.assign(place, as_operand(start.start, value))

    # --- lines -----------------------------------------------------------------------------------

    def _line(self, line: Line) -> None:
        line = replace(line, formula=opened(line.formula))
        if line.adds and line.place is not None:
            self._add_at(line)
            return
        target = self.places.place(line.signal)
        parts = None if line.adds else pieces(line.formula)
        if parts is None:
            self.put.assign(target, line.formula, adds=line.adds)
            return
        if not cover(parts, line.signal.shape):
            self.put.fill(target, 0.0)
        for formula, index in parts:
            self.put.assign_part(target, index, formula)

    def _add_at(self, line: Line) -> None:
        """Add what comes back to the entries that a step has read."""
        target, values = self.places.place(line.signal), getattr(line.place, "values", None)
        if values is None or not {int}.issuperset(map(type, values)):
            raise NotCompiled("compile: found entries that each step reads by an index of its own")
        name = self.places.name("at")
        table = Table(name, [n % len(line.signal.value) for n in values], [])
        before, self.put.body = self.put.body, table.body
        place = row(target, np.shape(line.formula.value), f"{name}[k]")
        self.put.assign(place, line.formula, adds=True)
        self.put.body = before
        self._say(table)


def _one_after_another(buffers: list[Buffer], unit: int) -> tuple[list[tuple[Buffer, int]], int]:
    """Return where each buffer begins in one array, and the size of the array."""
    places, end = [], 0
    for buffer in buffers:
        places.append((buffer, end))
        end += -(-buffer.size // unit) * unit
    return places, end


def _dtype(derivation: Derived) -> np.dtype[Any]:
    """Return the type of all numbers of a program."""
    values = [x.signal.value for x in derivation.equations]
    values += [x.value for x in derivation.sources]
    types = {np.asarray(value).dtype for value in values} - {np.dtype(bool)}
    if len(types) != 1 or types & {np.dtype("f4"), np.dtype("f8")} != types:
        names = ", ".join(sorted(str(dtype) for dtype in types))
        raise NotCompiled(f"compile: found numbers of type {names}, expected float32 or float64")
    return types.pop()
