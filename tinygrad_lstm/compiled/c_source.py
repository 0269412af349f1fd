"""A derivation as a program in C: one function, the forward pass and then the backward pass.

Knows schedules; decides no mathematics, and knows no network. A line of the program is an equation
of the derivation.

The sizes that are no size of a parameter, such as the number of steps and of the batch, are
arguments of the function: the same text serves other sizes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..formulas.derived import Derived
from ..formulas.fast.lifting import Whole
from ..formulas.fast.lines import Block, Line, cover, in_order, is_row, key_of_signal, pieces
from ..formulas.fast.schedule import ZEROS, schedule
from .accessors import Accessor, contiguous
from .assignments import Assignments
from .c_forms import NotCompiled, as_operand, opened
from .c_text import CProgram, c_text
from .chunks import gathered, groups_of, local_signals, loops_in_chunks
from .packing import pack_matrices
from .places import Places, Sizes, row
from .statements import Chunks, Remark, Statement, Steps, Table

CHUNKS = "in chunks of the steps: the states at their borders are kept"
AGAIN = "in chunks of the steps: the forward pass of each is computed again"
NO_GAINS = 0  # entries of a gain that is computed outside of its loop: a step computes it sooner


def c_program(derivation: Derived, names: Container[str] = (), steps: int = 0) -> CProgram:
    """Return the program of a derivation.

    Parameters
    ----------
    derivation : Derived
    names : container of str
        Of the sources that there are, by their full names; a source of 1 at whole numbers, and 0
        elsewhere, has these numbers under its name and `ROWS`.
    steps : int
        The number of steps of the loops that run in chunks; 0 if none does.

    Raises
    ------
    NotCompiled
        If an operation has no form in C, or no loop can run in chunks.
    """
    return _CWriter(derivation, names, steps).program()


class _CWriter:
    """Writes one program."""

    def __init__(self, derivation: Derived, names: Container[str], steps: int) -> None:
        self.derivation = derivation
        self.dtype = _dtype(derivation)
        plan = schedule(derivation, NO_GAINS)
        self.schedule = gathered(plan) if steps else plan
        self.places, self.n = Places(derivation, self.schedule, names), Sizes(derivation)
        self.put = Assignments(self.places, self.n, self.dtype)
        self.in_chunks = loops_in_chunks(self.schedule, steps) if steps else set[int]()
        if steps and not self.in_chunks:
            raise NotCompiled("compile: found no loop that can run in chunks of its steps")
        self.places.local = local_signals(self.schedule, self.in_chunks)
        self.forward_of = dict(groups_of(self.schedule.forward))

    def program(self) -> CProgram:
        forward, backward = (
            self._pass(blocks, is_forward)
            for blocks, is_forward in (
                (self.schedule.forward, True),
                (self.schedule.backward, False),
            )
        )
        places = self.places
        missing = [name for key, name in places.gradients.items() if key not in places.known]
        if missing:
            raise NotCompiled(f"compile: found no gradient of {', '.join(missing)}")
        result = "gradient" if self.derivation.loss else "output"
        return c_text(forward, backward, tuple(places.buffers), self.n, self.dtype, result)

    def _pass(self, blocks: list[Block], is_forward: bool) -> list[Statement]:
        self.put.body = []
        for loop, group in groups_of(blocks):
            if loop in self.in_chunks:
                self._chunks(loop, group, is_forward)
                continue
            for block in group:
                self._say_why(block)
                for line in block.lines:
                    self._initial_values(line)
                self._block(block)
        return self.put.body

    def _say(self, statement: Statement) -> None:
        self.put.body.append(statement)

    # --- blocks ----------------------------------------------------------------------------------

    def _say_why(self, block: Block) -> None:
        if block.why:
            self._say(Remark(block.why))

    def _block(self, block: Block) -> None:
        if block.loop is None:
            for line in block.lines:
                self._line(line)
            return
        steps = Steps(self.schedule.counts[block.loop], block.is_reversed)
        before = self.put.body
        self.put.body = steps.body
        for line in in_order(block):
            self._line(line)
        self.put.body = before
        before += pack_matrices(steps.body, self.places.work)
        self._say(steps)

    # --- chunks ----------------------------------------------------------------------------------

    def _chunks(self, loop: int, blocks: list[Block], is_forward: bool) -> None:
        """Run blocks for each chunk of steps; the backward pass runs the forward pass again."""
        runs_back = self.derivation.loops[loop].backwards
        chunks = Chunks(self.schedule.counts[loop], runs_back == is_forward)
        self._say(Remark(CHUNKS if is_forward else AGAIN))
        for line in (line for block in blocks for line in block.lines):
            self._initial_values(line)
            if self._is_sum(line) and not line.by_step and not line.adds:
                self.put.fill(self.places.place(line.signal), 0.0)
        before, self.put.body, self.places.is_inside = self.put.body, chunks.body, True
        states = [*self._local_states(loop)]
        for line in states:
            rows, border, _ = self._carried(line, loop)
            self.put.copy(rows, border)
        forward = self.forward_of[loop]
        for block in forward if is_forward else (*forward, *blocks):
            self._say_why(block)
            self._block(self._within_chunk(block))
        for line in states if is_forward else ():
            _, border, rows = self._carried(line, loop)
            self.put.copy(self._next(border, runs_back), rows)
        self.put.body, self.places.is_inside = before, False
        self._say(chunks)

    def _is_sum(self, line: Line) -> bool:
        """Return whether a line of a loop computes a signal outside of it."""
        return line.key not in self.schedule.loop_of and not line.is_handed

    def _within_chunk(self, block: Block) -> Block:
        """Return a block whose sums over all steps are added up from chunk to chunk."""
        lines = [
            replace(line, adds=line.adds or not line.by_step) if self._is_sum(line) else line
            for line in block.lines
            if not (self._is_sum(line) and getattr(line.formula, "notation", None) is ZEROS)
        ]
        return replace(block, lines=lines)

    def _local_states(self, loop: int) -> Iterator[Line]:
        """Return the lines of the states whose steps are kept for one chunk alone."""
        kept = self.schedule.before.keys() | self.schedule.after.keys()
        for block in self.forward_of[loop]:
            for line in block.lines:
                if line.key in self.places.local & kept:
                    yield line

    def _carried(self, line: Line, loop: int) -> tuple[Accessor, Accessor, Accessor]:
        """Return the first rows of a state in a chunk, where they are kept, and the last rows."""
        shape = line.signal.shape[isinstance(line.signal, Whole) :]
        ahead = self.schedule.before.get(line.key, 0)
        count = ahead or self.schedule.after[line.key]
        whole = self.places.rows(line.signal, self.schedule.counts[loop], shape)
        rows, size = (count, *shape), int(np.prod(shape))
        first = replace(whole, shape=rows, strides=contiguous(rows))
        last = replace(first, step="length", row=size)
        border = self.places.border(line.signal, rows)
        border = replace(border, step="c" if ahead else "c + 1", row=count * size)
        return (first, border, last) if ahead else (last, border, first)

    @staticmethod
    def _next(border: Accessor, runs_back: bool) -> Accessor:
        """Return where the rows are kept that the next chunk begins with."""
        return replace(border, step="c" if runs_back else "c + 1")

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
            ahead, size = self.schedule.before.get(key, 0), int(np.prod(shape))
            at = ahead + offset if offset < 0 else count + offset - 1
            if at in done:
                continue
            done.add(at)
            if key in self.places.local:  # where the first chunk begins
                rows = ahead or self.schedule.after[key]
                whole = self.places.border(line.signal, (rows, *shape))
                step, at = ("", at) if ahead else ("chunks", offset - 1)
                whole = replace(whole, step=step, row=rows * size if step else 0)
            else:
                whole = self.places.rows(line.signal, count, shape)
            place = replace(whole, offset=at * size, shape=shape, strides=contiguous(shape))
            self.put.assign(place, as_operand(start.start, value))

    # --- lines -----------------------------------------------------------------------------------

    def _line(self, line: Line) -> None:
        line = replace(line, formula=opened(line.formula))
        if line.adds and line.place is not None:
            self._add_at(line)
            return
        target = self.places.place(line.signal)
        if line.by_step:
            target = self.places.in_chunk(target)
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


def _dtype(derivation: Derived) -> np.dtype[Any]:
    """Return the type of all numbers of a program."""
    values = [x.signal.value for x in derivation.equations]
    values += [x.value for x in derivation.sources]
    types = {np.asarray(value).dtype for value in values} - {np.dtype(bool)}
    if len(types) != 1 or types & {np.dtype("f4"), np.dtype("f8")} != types:
        names = " and ".join(sorted(str(dtype) for dtype in types))
        raise NotCompiled(
            f"compile: found numbers of type {names}, expected float32 alone, or float64 alone"
        )
    return types.pop()
