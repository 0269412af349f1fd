"""A derivation as a program in C: one function, the forward pass and then the backward pass.

Knows schedules; decides no mathematics, and knows no network. A line of the program is an equation
of the derivation.

The sizes that are no size of a parameter, such as the number of steps and of the batch, are
arguments of the function: the same text serves other sizes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..formulas.derived import Derived
from ..formulas.fast.lifting import Whole
from ..formulas.fast.lines import Block, Line, cover, in_order, is_row, key_of_signal, pieces
from ..formulas.fast.schedule import schedule
from .accessors import contiguous
from .assignments import Assignments
from .c_forms import NotCompiled, as_operand, opened
from .c_text import CProgram, c_text
from .places import Places, Sizes, row
from .statements import Remark, Statement, Steps, Table

NO_GAINS = 0  # entries of a gain that is computed outside of its loop: a step computes it sooner


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
        self.schedule = schedule(derivation, NO_GAINS)
        self.places, self.n = Places(derivation, self.schedule), Sizes(derivation)
        self.put = Assignments(self.places, self.n)

    def program(self) -> CProgram:
        forward, backward = map(self._pass, (self.schedule.forward, self.schedule.backward))
        places = self.places
        missing = [name for key, name in places.gradients.items() if key not in places.known]
        if missing:
            raise NotCompiled(f"compile: found no gradient of {', '.join(missing)}")
        result = "gradient" if self.derivation.loss else "output"
        return c_text(forward, backward, tuple(places.buffers), self.n, self.dtype, result)

    def _pass(self, blocks: list[Block]) -> list[Statement]:
        self.put.body = []
        for block in blocks:
            self._block(block)
        return self.put.body

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


def _dtype(derivation: Derived) -> np.dtype[Any]:
    """Return the type of all numbers of a program."""
    values = [x.signal.value for x in derivation.equations]
    values += [x.value for x in derivation.sources]
    types = {np.asarray(value).dtype for value in values} - {np.dtype(bool)}
    if len(types) != 1 or types & {np.dtype("f4"), np.dtype("f8")} != types:
        names = ", ".join(sorted(str(dtype) for dtype in types))
        raise NotCompiled(f"compile: found numbers of type {names}, expected float32 or float64")
    return types.pop()
