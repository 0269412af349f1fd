"""A derivation as a fast program in NumPy: two functions, ``forward`` and ``backward``.

Knows schedules; decides no mathematics. The steps of a signal are the rows of one array,
``out_all``, and the line of a step writes into its row. A comment says what was moved and why.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

import numpy as np

from ..derived import Derived, Stage
from ..numpy_code import typed
from ..program import INDENT, filled, from_outside, quotable, with_shape
from ..reader import Variable, leaves
from .code import FastCode
from .lifting import Whole
from .lines import Block, Key, Line, cover, in_order, is_row, key_of_signal, pieces
from .schedule import schedule

MOST = 4096  # entries of a signal at one step, of which a gain is computed for all steps at once


def fast_program(derivation: Derived) -> str:
    """Return the source of a module with ``forward`` and ``backward``."""
    return _FastProgram(derivation).source()


def fast_arguments(derivation: Derived) -> dict[str, np.ndarray]:
    """Return the recorded values of the arguments of ``forward``, by their names."""
    program = _FastProgram(derivation)
    return {program.argument(name): value for name, value in program.outside.items()}


class _FastProgram:
    """Writes one derivation."""

    def __init__(self, derivation: Derived) -> None:
        self.derivation = derivation
        self.schedule = schedule(derivation, MOST)
        self.code = FastCode(self.schedule)
        self.outside = from_outside(derivation)
        self.short = {x.full_name: x.signal.name for x in derivation.sources}
        for name in self.outside:  # first, so that the arguments keep their names
            self.argument(name)
        self.arrays: set[Key] = set()  # that are made

    def source(self) -> str:
        forward, backward = self._forward(), self._backward()  # which say what they call
        functions = [*self.code.helpers.values(), forward, backward]
        return "import numpy as np\n\n\n" + "\n\n\n".join(functions) + "\n"

    def argument(self, full_name: str) -> str:
        """Return the name of the argument for what comes from outside."""
        return self.code.name(self.short.get(full_name, full_name))

    # --- the two functions -----------------------------------------------------------------------

    def _forward(self) -> str:
        body = [text for block in self.schedule.forward for text in self._block(block)]
        loss = [x.signal for x in self.derivation.equations if x.stage is Stage.FORWARD][-1]
        value = self.code.variable(loss) if self.derivation.loss else None
        body.append(f"return {value}, dict(locals())")
        says = f"Return {quotable(self.derivation.loss)}, and every signal on the way, by its name."
        return self._function("forward", [self.argument(name) for name in self.outside], says, body)

    def _backward(self) -> str:
        body = [text for block in self.schedule.backward for text in self._block(block)]
        asked = {x.full_name for x in self.derivation.sources if x.requires_grad}
        entries = [
            f"{x.full_name!r}: {self.code.variable(x.signal)}"
            for x in self.derivation.equations
            if x.stage is Stage.GRADIENT and x.full_name in asked
        ]
        body.append(filled(f"return {{{', '.join(entries)}}}"))
        says = f"Return the gradient of {quotable(self.derivation.loss)} by each of its leaves."
        return self._function("backward", [*self._read("\n".join(body)), "**others"], says, body)

    def _read(self, body: str) -> list[str]:
        """Return the signals of the forward pass that the backward pass reads."""
        names = [node for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)]
        stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        read = {node.id for node in names} - stored
        known = [self.argument(name) for name in self.outside]
        for block in self.schedule.forward:
            for line in block.lines:
                is_timed = is_row(line.signal) or isinstance(line.signal, Whole)
                write = self.code.array if is_timed else self.code.variable
                known.append(write(line.signal))
        return [name for name in dict.fromkeys(known) if name in read]

    def _function(self, name: str, takes: list[str], says: str, body: list[str]) -> str:
        head = filled(f"def {name}({', '.join(takes)}):")
        used = {x.id for x in ast.walk(ast.parse("\n".join(body))) if isinstance(x, ast.Name)}
        sequences = [
            filled(f"{own} = {text}") for own, text in self.code.sequences.items() if own in used
        ]
        lines = [f'"""{says}"""', *sequences, *body]
        return "\n".join([head, *(textwrap.indent(line, INDENT) for line in lines)])

    # --- blocks ----------------------------------------------------------------------------------

    def _block(self, block: Block) -> Iterator[str]:
        if block.why:
            yield f"# {block.why}"
        if block.loop is None:
            for line in block.lines:
                yield from (
                    self._at_once(line) if isinstance(line.signal, Whole) else self._once(line)
                )
            return
        count = self.schedule.counts[block.loop]
        yield from self._before_the_loop(block, count)
        yield f"for k in {f'reversed(range({count}))' if block.is_reversed else f'range({count})'}:"
        inside = [*self._rows(block)]
        inside += [text for line in in_order(block) for text in self._step(line)]
        yield from (textwrap.indent(text, INDENT) for text in inside)

    def _once(self, line: Line) -> Iterator[str]:
        left = self.code.variable(line.signal)
        so_far = f"{left} + " if line.adds else ""
        yield with_shape(f"{left} = {so_far}{self.code.term(line.formula)}", line.signal.shape)

    def _at_once(self, line: Line) -> Iterator[str]:
        """Return the lines that compute all steps of a signal."""
        array, shape = self.code.array(line.signal), line.signal.shape
        self.arrays.add(line.key)
        parts = pieces(line.formula)
        if parts is not None and cover(parts, shape):
            yield from self._empty(line.signal, shape[0])
            for formula, index in parts:
                yield f"{array}[{self.code.place_in(shape, index)}] = {self.code.formula(formula)}"
            return
        left = self.code.whole(line.signal)
        if left != array:  # there are initial values as well
            yield from self._empty(line.signal, shape[0])
        yield with_shape(f"{left} = {self.code.formula(line.formula)}", shape)

    def _before_the_loop(self, block: Block, count: int) -> Iterator[str]:
        """Return the lines that make the arrays, and the first values of what is handed on."""
        for line in block.lines:
            zeros = f"({line.signal.shape}{typed(line.signal.value)})"
            if line.is_handed:
                yield f"{self.code.variable(line.signal)} = np.zeros{zeros}"
            elif line.adds or line.key in self.arrays:
                continue
            elif line.key in self.schedule.kept:
                self.arrays.add(line.key)
                yield from self._empty(line.signal, count)

    def _empty(self, signal: Variable, count: int) -> Iterator[str]:
        """Return the lines that make the array of a signal, with its initial values."""
        key = key_of_signal(signal)
        before, after = self.schedule.before.get(key, 0), self.schedule.after.get(key, 0)
        entry = signal.shape[1:] if isinstance(signal, Whole) else signal.shape
        shape, array = (count + before + after, *entry), self.code.array(signal)
        yield f"{array} = np.empty({shape}{typed(signal.value)})"
        rows: dict[int, str] = {}
        for start in self.derivation.initial:
            if key_of_signal(start.state) == key:
                offset = start.state.offset or 0
                row = before + offset if offset < 0 else count + offset - 1
                rows[row] = self.code.formula(start.start)
        yield from (f"{array}[{row}] = {rows[row]}" for row in sorted(rows))

    def _rows(self, block: Block) -> Iterator[str]:
        """Return the lines that take the rows of a step that other lines have written."""
        own = {line.key for line in block.lines if not line.adds}
        rows: dict[str, str] = {}
        for line in block.lines:
            for leaf in leaves(line.formula):
                key = key_of_signal(leaf)
                if (
                    is_row(leaf)
                    and key in self.schedule.loop_of
                    and (key not in own or leaf.offset)
                ):
                    rows[self.code.variable(leaf)] = self.code.row(leaf)
        yield from (f"{name} = {row}" for name, row in rows.items())

    # --- one step --------------------------------------------------------------------------------

    def _step(self, line: Line) -> Iterator[str]:
        if line.adds:
            yield self._added(line)
            return
        left, shape = self.code.variable(line.signal), line.signal.shape
        is_kept = line.key in self.schedule.kept and not line.is_handed
        row = self.code.row(line.signal) if is_kept else ""
        parts = None if line.is_handed else pieces(line.formula)
        if parts is not None:  # into an array of this step alone: what is handed on may be a view
            yield f"{left} = {row or f'np.empty({shape}{typed(line.signal.value)})'}"
            if not cover(parts, shape):
                yield f"{left}[...] = 0"
            for formula, index in parts:
                place = f"{left}[{self.code.place_in(shape, index)}]"
                yield self.code.into(place, formula) or f"{place} = {self.code.formula(formula)}"
        elif row:
            into = self.code.into(row, line.formula)
            right = into or self.code.formula(line.formula)
            yield with_shape(f"{left} = {right}" if into else f"{row} = {left} = {right}", shape)
        else:
            yield with_shape(f"{left} = {self.code.formula(line.formula)}", shape)

    def _added(self, line: Line) -> str:
        left, right = self.code.variable(line.signal), self.code.term(line.formula)
        if line.place is None:
            return f"{left} = {left} + {right}"
        if line.gathers:
            return f"np.add.at({left}, {self.code.place(line.place)}, {right})"
        return f"{left}[{self.code.index(line.place)}] += {right}"
