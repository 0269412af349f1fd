"""The equations of a derivation in the order in which a fast program runs them.

Knows equations as data, and how a formula of step k becomes one of all steps; prints nothing, and
knows no network. What no other step leads to leaves the loop, and is computed for all steps at
once, before the loop or after it; so is a sum over the steps, which of products of matrices is one
product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...engine.primitives import getitem
from ...engine.symbol import ITEM, MATMUL, TOTAL, TRANSPOSE, Symbol, function
from ...errors import UsageError
from ..derived import Derived, Equation, Stage, Term, by_loop
from ..letter_reader import EVERY
from ..names import Names
from ..reader import Variable, leaves
from ..rewriting import rewrite, with_operands
from ..simplify import as_symbol, total
from .lifting import SWAPPED, Lifting, Whole, flat, repeated, reshaped, with_value
from .lines import (
    Block,
    Handed,
    Key,
    Line,
    Schedule,
    in_reading_order,
    is_row,
    is_view,
    key_of_signal,
    led_to,
    operations,
    reads_handed,
    recurrent,
)  # fmt: skip
from .shorten import needed, share, write_out

BEFORE = "no other step leads to these: they are computed for all steps at once, before the loop"
AFTER = "these lead to no other step: they are computed for all steps at once, after the loop"
SUMS = "a sum over the steps is one operation on the rows of all steps"
ZEROS = function("zeros", parameters=("shape",), code="np.zeros({shape}{typed})")


def schedule(derivation: Derived, most: int) -> Schedule:
    """Return the schedule of a derivation.

    Parameters
    ----------
    derivation : Derived
        With packed signals together.
    most : int
        The largest signal, in entries, of which a gain is computed for all steps at once: a larger
        one is sooner computed while its operands are in the processor's cache.
    """
    return _Scheduler(derivation, most).schedule()


class _Scheduler:
    def __init__(self, derivation: Derived, most: int) -> None:
        self.derivation, self.most = derivation, most
        self.counts = {loop: len(x.steps) for loop, x in derivation.loops.items()}
        self.names = Names([x.signal.name for x in derivation.equations])
        self.last_wire = -1 - len(derivation.equations)
        self.loop_of = {
            key_of_signal(x.signal): x.loop
            for x in derivation.equations
            if x.loop is not None and x.stage is not Stage.HANDED
        }
        sequences = [x.signal for x in derivation.sources]
        sequences += [x.signal for x in derivation.equations if x.loop is None]
        self.outside = {  # how many entries a sequence has that no loop makes
            key_of_signal(x): len(x.value) for x in sequences if np.ndim(x.value)
        }
        self.handed = {
            δ.wire: Handed(f"{δ.name}_handed", δ.value, δ.wire, None, True)
            for δ in (x.signal for x in derivation.equations if x.stage is Stage.HANDED)
        }  # fmt: skip
        self.lifting = {loop: Lifting(n, self._whole(n)) for loop, n in self.counts.items()}
        self.kept: set[Key] = set()
        self.stacked: list[Line] = []  # of which an expression reads all steps
        self.begun: set[Key] = set()  # the sums that have a first part

    def schedule(self) -> Schedule:
        equations = self.derivation.equations
        asked = {x.full_name for x in self.derivation.sources if x.requires_grad}
        forward = [
            Line(x.signal, x.terms[0].formula, x.loop)
            for x in equations
            if x.stage is Stage.FORWARD
        ]
        backward = [
            line
            for x in equations
            if x.stage is not Stage.FORWARD
            and (x.stage is not Stage.GRADIENT or x.full_name in asked)
            for line in self._parts(x)
        ]
        initial, loss = self.derivation.initial, forward[-1]
        results = {key_of_signal(x.signal) for x in equations if x.stage is Stage.GRADIENT}
        results |= {loss.key} if self.derivation.loss else set()
        lines = needed([*forward, *backward], results, initial)
        kept = {line.key for line in lines}
        states = {key_of_signal(x.state) for x in initial} & kept
        lines = write_out(share(lines, self._new_signal), states, loss)
        count = next((n for n, line in enumerate(lines) if line.signal.is_delta), len(lines))
        blocks, back = [*self._blocks(lines[:count], True)], [*self._blocks(lines[count:], False)]
        result = Schedule(blocks, back, self.counts, self.loop_of, self.kept | states)
        for start in initial:
            key, offset = key_of_signal(start.state), start.state.offset or 0
            rows = result.before if offset < 0 else result.after
            rows[key] = max(rows.get(key, 0), abs(offset))
        return result

    def _parts(self, x: Equation) -> Iterator[Line]:
        """Return the lines of a backward equation: one, or one for each of its sums over steps."""
        signal = self.handed[x.signal.wire] if x.stage is Stage.HANDED else x.signal
        sums = [t for t in x.terms if x.loop is None and t.loop is not None and t.handed is None]
        for term in sums:
            index = None if term.place is None else term.place["index"]
            yield Line(signal, term.formula, term.loop, True, index, term.adds)
        rest = [self._formula(term) for term in x.terms if term not in sums]
        if rest:
            yield Line(signal, as_symbol(total(rest), x.signal.value), x.loop, bool(sums))

    def _formula(self, term: Term) -> Any:
        return term.formula if term.handed is None else self.handed[term.handed]

    def _new_signal(self, name: str, value: Any, loop: int | None) -> Variable:
        self.last_wire -= 1
        offset = None if loop is None else 0
        signal = Variable(self.names.free(name), value, self.last_wire, None, False, offset)
        if loop is not None:
            self.loop_of[key_of_signal(signal)] = loop
        return signal

    # --- all steps at once -----------------------------------------------------------------------

    def _whole(self, count: int) -> Callable[[Variable], Symbol | None]:
        def whole(signal: Variable) -> Symbol | None:
            if isinstance(signal, Handed):
                return None
            key = key_of_signal(signal)
            if key in self.loop_of:
                self.kept.add(key)
            value = repeated(signal.value, count)
            rows, start = self.outside.get(key, count), signal.offset or 0
            if rows == count:
                return Whole(signal.name, value, signal.wire, None, signal.is_delta, signal.offset)
            entries = repeated(signal.value, rows)  # of which the loop reads some
            whole = Whole(signal.name, entries, signal.wire, None, signal.is_delta, 0)
            index = {"index": slice(start, start + count)}
            return with_value(ITEM, getitem.forward, (whole,), index, value)

        return whole

    def _lift(self, formula: Any, loop: int) -> Symbol | None:
        """Return a formula at all steps, or None; the signals that it reads are kept."""
        kept = set(self.kept)
        lifted = self.lifting[loop](formula)
        if lifted is None:
            self.kept = kept
        return None if lifted is None else flat(lifted)

    def _sum(self, line: Line) -> Symbol | None:
        """Return the sum of a formula over all steps, or None if it has no form but a loop."""
        assert line.loop is not None
        value = line.signal.value
        if line.place is not None:  # each step has its own entry
            every = (*range(len(value)),)
            is_own = len(value) == self.counts[line.loop]
            if not is_own or tuple(getattr(line.place, "values", ())) != every:
                return None
            return self._lift(line.formula, line.loop)
        lifted = self._lift(line.formula, line.loop)
        return None if lifted is None else _sum_over_steps(lifted, value)

    # --- blocks ----------------------------------------------------------------------------------

    def _blocks(self, lines: list[Line], is_forward: bool) -> Iterator[Block]:
        for loop, group in by_loop(lines):
            group = [
                replace(line, formula=rewrite(line.formula, self._without_every)) for line in group
            ]
            stacked, self.stacked = self.stacked, []
            yield from self._at_once(stacked)
            if loop is None:
                yield Block([self._begin(line) if line.adds else line for line in group])
            else:
                for block in self._split(group, loop, is_forward):
                    yield replace(block, of=loop)

    def _without_every(self, old: Symbol, operands: tuple[Any, ...]) -> Any:
        """Write the sequence of an expression's steps as what is kept of them."""
        if old.notation is not EVERY:
            return with_operands(old, operands)
        (inner,) = old.operands
        keys = [key_of_signal(x) for x in leaves(inner)]
        loops = [self.loop_of[key] for key in keys if key in self.loop_of]
        if not loops:
            raise UsageError(
                f"derive: found {old}, expected a signal that is computed at each step"
            )
        loop = loops[0]
        lifted = self._lift(inner, loop)
        if lifted is None:
            signal = self._new_signal("u", inner.value, loop)
            self.stacked.append(Line(signal, inner, loop))
            lifted = self.lifting[loop].whole(signal)
        return lifted

    def _split(self, lines: list[Line], loop: int, is_forward: bool) -> Iterator[Block]:
        """Return what runs before a loop, in it and after it."""
        is_reversed = self.derivation.loops[loop].backwards == is_forward
        sums = [line for line in lines if line.adds]
        lines = [line for line in lines if not line.adds]
        core = recurrent(lines)
        if core:
            lines = [*self._taken_out(lines, core, loop)]
            core = recurrent(lines)
            saved = [*self._saved(core, loop)]
            lines, core = [*saved, *lines], [*saved, *core]
        after = led_to(lines, core)
        yield from self._at_once([x for x in lines if x not in core and x not in after], BEFORE)
        if core:
            self._keep_for(core)
            yield Block(core, loop, is_reversed)
        yield from self._at_once([x for x in lines if x not in core and x in after], AFTER)
        why = SUMS
        for line in sums:
            for block in self._summed(line, is_reversed):
                yield replace(block, why=why if block.loop is None else "")
                why = why if block.loop is not None else ""

    def _at_once(self, lines: list[Line], why: str = "") -> Iterator[Block]:
        """Return lines of a loop at all steps at once, or in a loop of their own."""
        for line in in_reading_order(lines):
            assert line.loop is not None
            lifted = self._lift(line.formula, line.loop)
            whole = self.lifting[line.loop].whole(line.signal)
            assert isinstance(whole, Whole)
            if lifted is None:
                self._keep_for([line])
                yield Block([line], line.loop)
            else:
                yield Block([Line(whole, lifted)], why=why)
                why = ""

    def _summed(self, line: Line, is_reversed: bool) -> Iterator[Block]:
        """Return a sum over the steps: one operation, or a loop that adds."""
        lifted, value = self._sum(line), line.signal.value
        if lifted is not None:
            by_step = line.place is not None
            yield Block([self._begin(Line(line.signal, lifted, by_step=by_step))])
            return
        if line.key not in self.begun:
            zeros = with_value(ZEROS, np.zeros, (), {"shape": np.shape(value)}, value)
            yield Block([self._begin(Line(line.signal, zeros))])
        self._keep_for([line])
        yield Block([line], line.loop, is_reversed)

    def _begin(self, line: Line) -> Line:
        """Return a part of a sum: the first is assigned, and the others are added to it."""
        is_added = line.key in self.begun
        self.begun.add(line.key)
        return replace(line, adds=is_added)

    def _keep_for(self, lines: list[Line]) -> None:
        """Keep all steps of what lines read from other loops, or from other steps."""
        own = {line.key for line in lines}
        for line in lines:
            for leaf in leaves(line.formula):
                key = key_of_signal(leaf)
                if key in self.loop_of and (key not in own or leaf.offset):
                    self.kept.add(key)

    def _saved(self, core: list[Line], loop: int) -> Iterator[Line]:
        """Save what is handed to a step where lines read it in a circle; the lines read that."""
        handed = [line for line in core if line.is_handed]
        while handed:
            free = [x for x in handed if not any(reads_handed(y, x) for y in handed)]
            line = free[0] if free else handed[0]
            handed.remove(line)
            if not free:
                old = line.signal
                new = self._new_signal(f"{old.name}_before", old.value, loop)
                exchange = partial(_exchanged, old, new)
                for reader in handed:
                    reader.formula = rewrite(reader.formula, leaf=exchange)
                yield Line(new, old * 1, loop)

    def _taken_out(self, lines: list[Line], core: list[Line], loop: int) -> Iterator[Line]:
        """Give the parts of a recurrence that no other step leads to lines of their own."""
        inner = {line.key for line in core}

        def is_inner(leaf: Variable) -> bool:
            return isinstance(leaf, Handed) or key_of_signal(leaf) in inner

        def put(part: Any, name: str, new: list[Line]) -> Any:
            if not isinstance(part, Symbol) or part.apply is None:
                return part
            signals = leaves(part)
            if any(map(is_inner, signals)):
                return with_operands(part, tuple(put(x, name, new) for x in part.operands))
            has_product = any(x.notation is MATMUL for x in operations(part))
            is_large = np.size(part.value) > self.most and not has_product
            is_same = not any(map(is_row, signals))
            if is_same or is_large or is_view(part) or self._lift(part, loop) is None:
                return part
            is_gain = name.startswith("δ") and not has_product
            name = f"{name.removeprefix('δ')}_gain" if is_gain else f"{name}_in"
            new.append(Line(self._new_signal(name, part.value, loop), part, loop))
            return new[-1].signal

        for line in lines:
            new: list[Line] = []
            formula = put(line.formula, line.signal.name, new) if line in core else line.formula
            yield from new
            yield replace(line, formula=formula)


def _exchanged(old: Variable, new: Variable, leaf: Any) -> Any:
    return new if isinstance(leaf, Handed) and leaf.wire == old.wire else leaf


def _sum_over_steps(lifted: Symbol, value: Any) -> Symbol:
    """Return the sum of a sequence over its steps; of products of matrices one product."""
    if lifted.notation is MATMUL and lifted.ndim == 3 and lifted.operands[0].notation is SWAPPED:
        (x,), δ = lifted.operands[0].operands, lifted.operands[1]
        if x.ndim == δ.ndim == 3:
            rows = x.shape[0] * x.shape[1]
            x, δ = reshaped(x, (rows, x.shape[2])), reshaped(δ, (rows, δ.shape[2]))
            columns = with_value(TRANSPOSE, np.transpose, (x,), {}, x.value.T)
            return with_value(MATMUL, np.matmul, (columns, δ), {}, value)
    axes = {0}
    if lifted.notation is TOTAL and not lifted.parameters["keepdims"]:
        (x,), axis = lifted.operands, lifted.parameters["axis"]
        axes |= {n % x.ndim for n in np.atleast_1d(axis).tolist()}
        lifted = x
    lead = len(axes)
    if axes == set(range(lead)):  # the leading axes, which are one axis of rows
        rows = int(np.prod(lifted.shape[:lead]))
        lifted, axes = reshaped(lifted, (rows, *lifted.shape[lead:])), {0}
    axis = tuple(sorted(axes)) if len(axes) > 1 else 0
    return with_value(TOTAL, np.sum, (lifted,), {"axis": axis, "keepdims": False}, value)
