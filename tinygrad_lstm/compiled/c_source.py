"""A derivation as a program in C: one function, the forward pass and then the backward pass.

Knows schedules, and where the entries of signals lie; decides no mathematics, and knows no network.
A line of the program is an equation of the derivation. A function of entries is a loop over the
entries; a product of matrices is three loops, or a call of a library where the matrices are large;
what only takes, turns or spreads is a place in memory, and computes nothing.

The sizes that are no size of a parameter, such as the number of steps and of the batch, are
arguments of the function: the same text serves other sizes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine.primitives import scatter
from ..engine.symbol import ADD, MATMUL, RAISE, SUBTRACT, Symbol
from ..formulas.derived import Derived, Stage
from ..formulas.fast.lifting import Whole
from ..formulas.fast.lines import (
    Block,
    Handed,
    Line,
    cover,
    is_row,
    is_view,
    key_of_signal,
    pieces,
)
from ..formulas.fast.schedule import ZEROS, schedule
from ..formulas.numpy_code import by_forward
from ..formulas.reader import Variable, leaves
from .accessors import Accessor, array, contiguous, spread, view, with_axis
from .c_forms import (
    SUM,
    NotCompiled,
    as_operand,
    c_form,
    has_notation,
    is_entrywise,
    may_be_view,
    moves,
    number_text,
    opened,
    part_of,
    reduces,
    terms_of,
)

SMALL = 256  # multiplications of a product that is written as loops
NO_LIMIT = 1 << 62


@dataclass(frozen=True)
class Buffer:
    """An array of the program.

    Attributes
    ----------
    name : str
    shape : tuple of int
    role : str
        ``source``, ``gradient``, ``loss`` or ``work``.
    source : str
        The full name of a source, or of what a gradient belongs to.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    source: str = ""


@dataclass(frozen=True)
class CProgram:
    """The text of a program, the arrays that the function takes, and the sizes."""

    text: str
    buffers: tuple[Buffer, ...]
    sizes: tuple[int, ...]
    dtype: np.dtype[Any]


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
        self.schedule = schedule(derivation, NO_LIMIT)
        self.dtype = self._dtype()
        self.buffers: list[Buffer] = []
        self.accessors: dict[Any, Accessor] = {}
        self.names: set[str] = set()
        self.fixed = self._fixed_sizes()
        self.sizes: dict[int, str] = {}
        self.lines: list[str] = []
        self.depth = 1
        self.loop_start: int | None = None  # of the lines, inside of a loop over steps
        self.turned: dict[Accessor, Accessor] = {}

    def _dtype(self) -> np.dtype[Any]:
        """Return the type of all numbers of the program."""
        values = [x.signal.value for x in self.derivation.equations]
        values += [x.value for x in self.derivation.sources]
        types = {np.asarray(value).dtype for value in values} - {np.dtype(bool)}
        if len(types) != 1 or types & {np.dtype("f4"), np.dtype("f8")} != types:
            names = ", ".join(sorted(str(dtype) for dtype in types))
            raise NotCompiled(
                f"compile: found numbers of type {names}, expected float32 or float64"
            )
        return types.pop()

    def _fixed_sizes(self) -> set[int]:
        """Return the sizes that stand in the text: those of parameters, and their products."""
        fixed = set(range(9))
        for source in self.derivation.sources:
            if source.is_parameter:
                fixed |= {*source.value.shape, source.value.size}
        widths = (x.shape[-1:] for x in self.derivation.equations if x.loop is not None)
        return fixed.union(*widths)

    def program(self) -> CProgram:
        for source in self.derivation.sources:
            name = self._name(source.signal.name)
            shape = np.shape(source.value)
            self.buffers.append(Buffer(name, shape, "source", source.full_name))
            self.accessors[key_of_signal(source.signal)] = array(name, shape)
        self.gradients = {
            key_of_signal(x.signal): x.full_name
            for x in self.derivation.equations
            if x.stage is Stage.GRADIENT
            and any(x.full_name == s.full_name and s.requires_grad for s in self.derivation.sources)
        }
        loss = [x.signal for x in self.derivation.equations if x.stage is Stage.FORWARD][-1]
        self.loss = key_of_signal(loss)
        self._say("/* forward */")
        for block in self.schedule.forward:
            self._block(block)
        self._say("if (!with_gradients) return;")
        self._say("/* backward */")
        for block in self.schedule.backward:
            self._block(block)
        missing = [name for key, name in self.gradients.items() if key not in self.accessors]
        if missing:
            raise NotCompiled(f"compile: found no gradient of {', '.join(missing)}")
        return CProgram(self._text(), tuple(self.buffers), tuple(self.sizes), self.dtype)

    def _text(self) -> str:
        head = [
            "#define REAL_IS_FLOAT" if self.dtype.itemsize == 4 else "",
            '#include "mathematics.c"',
        ]
        arrays = [
            f"    real *restrict {x.name} = arrays[{n}]; /* {x.role} */"
            for n, x in enumerate(self.buffers)
        ]
        sizes = [
            f"    const long {name} = sizes[{n}];" for n, name in enumerate(self.sizes.values())
        ]
        return "\n".join([
            *filter(None, head), "",
            HEAD, "{",
            *arrays, *sizes, *self.lines, "}", "",
        ])  # fmt: skip

    # --- names, numbers, lines -------------------------------------------------------------------

    def _name(self, name: str) -> str:
        text = name.replace("δ", "d")
        text = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "u"
        text = f"{text}_" if text[0].isdigit() or text in RESERVED else text
        text = f"v{text}" if text[0].isdigit() else text
        free, number = text, 2
        while free in self.names:
            free, number = f"{text}_{number}", number + 1
        self.names.add(free)
        return free

    def n(self, number: int) -> str:
        """Return a size or a stride as C text: a number, or an argument."""
        if number in self.fixed or abs(number) in self.fixed:
            return str(number)
        if number < 0:
            return f"-{self.n(-number)}"
        return self.sizes.setdefault(number, f"n{len(self.sizes)}")

    def _say(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def _work(self, name: str, shape: tuple[int, ...]) -> Accessor:
        buffer = Buffer(self._name(name), shape, "work")
        self.buffers.append(buffer)
        return array(buffer.name, shape)

    # --- where signals lie -----------------------------------------------------------------------

    def _place(self, signal: Variable) -> Accessor:
        """Return where a signal lies, which is made if it is not known yet."""
        if isinstance(signal, Handed):
            return self._known(("handed", signal.wire), signal.name, signal.shape)
        key = key_of_signal(signal)
        is_timed = key in self.schedule.loop_of
        if isinstance(signal, Whole):
            if not is_timed:
                return self._known(key, signal.name, signal.shape)
            whole = self._rows(signal, signal.shape[0], signal.shape[1:])
            start = self.schedule.before.get(key, 0) + (signal.offset or 0)
            size = int(np.prod(signal.shape[1:]))
            return replace(whole, offset=start * size, shape=signal.shape)
        if signal.offset is None:
            return self._known(key, signal.name, signal.shape)
        if is_timed and key not in self.schedule.kept:
            return self._known(key, signal.name, signal.shape)
        if is_timed:
            count = self.schedule.counts[self.schedule.loop_of[key]]
            whole = self._rows(signal, count, signal.shape)
        else:
            whole = self.accessors[key]
        row = self.schedule.before.get(key, 0) + (signal.offset or 0)
        step = "k" + (f" {'+' if row > 0 else '-'} {abs(row)}" if row else "")
        return self._row(whole, signal.shape, step)

    def _row(self, whole: Accessor, shape: tuple[int, ...], step: str) -> Accessor:
        """Return the row of a sequence at a step."""
        size = int(np.prod(shape))
        return replace(whole, shape=shape, strides=contiguous(shape), step=step, row=size)

    def _known(self, key: Any, name: str, shape: tuple[int, ...]) -> Accessor:
        if key not in self.accessors:
            if key in self.gradients:
                buffer = Buffer(self._name(name), shape, "gradient", self.gradients[key])
            else:
                buffer = Buffer(self._name(name), shape, "loss" if key == self.loss else "work")
            self.buffers.append(buffer)
            self.accessors[key] = array(buffer.name, shape)
        return self.accessors[key]

    def _rows(self, signal: Variable, count: int, shape: tuple[int, ...]) -> Accessor:
        """Return the array of all steps of a signal, with its initial values."""
        key = key_of_signal(signal)
        before, after = self.schedule.before.get(key, 0), self.schedule.after.get(key, 0)
        return self._known(key, f"{signal.name}_all", (count + before + after, *shape))

    # --- blocks ----------------------------------------------------------------------------------

    def _block(self, block: Block) -> None:
        if block.why:
            self._say(f"/* {block.why} */")
        for line in block.lines:
            self._initial_values(line)
        if block.loop is None:
            for line in block.lines:
                self._line(line)
            return
        count = self.n(self.schedule.counts[block.loop])
        back = f"for (long k = {count} - 1; k >= 0; k--) {{"
        self.loop_start = len(self.lines)
        self._say(back if block.is_reversed else f"for (long k = 0; k < {count}; k++) {{")
        self.depth += 1
        distance = {x.delay: abs(x.state.offset or 0) for x in self.derivation.initial}
        handed = sorted(
            (x for x in block.lines if x.is_handed), key=lambda x: distance.get(x.signal.wire, 0)
        )
        for line in [x for x in block.lines if not x.is_handed] + handed:
            self._line(line)
        self.depth -= 1
        self._say("}")
        self.loop_start = None

    def _initial_values(self, line: Line) -> None:
        if line.is_handed:
            self._fill(self._place(line.signal), 0.0)
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
            whole = self._rows(line.signal, count, shape)
            row = self.schedule.before.get(key, 0) + offset if offset < 0 else count + offset - 1
            if row in done:
                continue
            done.add(row)
            size = int(np.prod(shape))
            place = replace(whole, offset=row * size, shape=shape, strides=contiguous(shape))
            self._assign(place, as_operand(start.start, value))

    def _line(self, line: Line) -> None:
        line = replace(line, formula=opened(line.formula))
        if line.adds and line.place is not None:
            self._add_at(line)
            return
        target = self._place(line.signal)
        parts = None if line.adds else pieces(line.formula)
        if parts is None:
            self._assign(target, line.formula, adds=line.adds)
            return
        if not cover(parts, line.signal.shape):
            self._fill(target, 0.0)
        for formula, index in parts:
            piece = view(target, part_of(target.shape, index))
            if piece is None:
                raise NotCompiled("compile: found a place that is no part by slices")
            self._assign(piece, formula)

    def _add_at(self, line: Line) -> None:
        """Add what comes back to the entries that a step has read."""
        target, values = self._place(line.signal), getattr(line.place, "values", None)
        if values is None or not {int}.issuperset(map(type, values)):
            raise NotCompiled("compile: found entries that each step reads by an index of its own")
        table = ", ".join(map(str, (n % len(line.signal.value) for n in values)))
        name = self._name("at")
        self._say(f"{{ static const int {name}[] = {{{table}}};")
        shape = np.shape(line.formula.value)
        row = replace(
            target,
            shape=shape,
            strides=contiguous(shape),
            step=f"{name}[k]",
            row=int(np.prod(shape)),
        )
        self._assign(row, line.formula, adds=True)
        self._say("}")

    # --- formulas --------------------------------------------------------------------------------

    def _assign(self, target: Accessor, formula: Any, adds: bool = False) -> None:
        """Write the lines that compute a formula into a place."""
        if isinstance(formula, Symbol) and self._reads_across(formula, target):
            copy = self._work("u", target.shape)
            self._assign(copy, formula)
            self._loops(target, self._at(copy), [copy], adds)
            return
        join = self._joined(formula)
        if join is not None:
            places, operands, is_whole = join
            if not is_whole and not adds:
                self._fill(target, 0.0)
            for index, x in zip(places, operands, strict=True):
                piece = view(target, part_of(target.shape, index))
                if piece is None:
                    raise NotCompiled("compile: found a place that is no part by slices")
                self._assign(piece, x, adds)
        elif is_view(formula) and self._access(formula) is not None:
            self._entries(target, formula, adds)
        elif isinstance(formula, Symbol) and moves(formula) is not None:
            self._move(target, formula, adds)
        elif isinstance(formula, Symbol) and formula.notation is MATMUL:
            self._product(target, formula, adds)
        elif isinstance(formula, Symbol) and formula.notation in (ADD, SUBTRACT) and not adds:
            self._sum_with_products(target, formula)
        elif isinstance(formula, Symbol) and reduces(formula) is not None:
            if adds and reduces(formula) != SUM:
                self._add_temporary(target, formula)
            else:
                self._reduced(target, formula, adds)
        else:
            self._entries(target, formula, adds)

    def _move(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Write entries at other places, by a table of places."""
        places = moves(formula)
        assert places is not None
        source = self._operand(formula.operands[0])
        if not source.is_contiguous or source.step or source.offset:
            copy = self._work("u", source.shape)
            self._loops(copy, self._at(source), [source], False)
            source = copy
        if adds or not target.is_contiguous:
            copy = self._work("u", target.shape)
            self._move(copy, formula, False)
            self._loops(target, self._at(copy), [copy], adds)
            return
        name = self._name("at")
        table = ", ".join(map(str, places.places.ravel().tolist()))
        self._say(f"{{ static const int {name}[] = {{{table}}};")
        to, size = self._start(target)[1:-1], places.places.size
        loop = f"for (long i = 0; i < {size}; i++) if ({name}[i] >= 0)"
        if places.are_sources:
            self._say(f"for (long i = 0; i < {size}; i++)")
            self._say(f"    {to} + i] = {name}[i] < 0 ? 0 : {source.base}[{name}[i]]; }}")
        else:
            self._fill(target, 0.0)
            self._say(f"{loop} {to} + {name}[i]] += {source.base}[i]; }}")

    def _add_temporary(self, target: Accessor, formula: Symbol) -> None:
        copy = self._work("u", target.shape)
        self._assign(copy, formula)
        self._loops(target, self._at(copy), [copy], True)

    def _joined(self, formula: Any) -> tuple[list[Any], tuple[Any, ...], bool] | None:
        """Return the places of what is joined, what it is, and whether it covers all; or None."""
        primitive = by_forward().get(getattr(formula, "apply", None))
        if primitive is None:
            return None
        if primitive is scatter:
            return [formula.parameters["index"]], formula.operands, False
        if primitive.pieces is None:
            return None
        shapes = [np.shape(getattr(x, "value", x)) for x in formula.operands]
        return [*primitive.pieces(shapes, **formula.parameters)], formula.operands, True

    def _reads_across(self, formula: Symbol, target: Accessor) -> bool:
        """Return whether a formula reads the place that it is written into at other entries."""
        own = [x for x in leaves(formula) if self._place(x).base == target.base and not target.step]
        return bool(own) and not is_entrywise(formula)

    def _sum_with_products(self, target: Accessor, formula: Symbol) -> None:
        """Add products of matrices to the rest of a sum, in place."""
        terms = [*terms_of(formula)]
        products = [
            (sign, x) for sign, x in terms
            if sign > 0 and has_notation(x, MATMUL) and x.shape == target.shape
        ]  # fmt: skip
        rest = [(sign, x) for sign, x in terms if not any(x is y for _, y in products)]
        if not products or not rest:
            if len(products) > 1:
                self._product(target, products[0][1], False)
                for _, x in products[1:]:
                    self._product(target, x, True)
            else:
                self._entries(target, formula, False)
            return
        sign, total = rest[0]
        total = total if sign > 0 else -total
        for sign, x in rest[1:]:
            total = total + x if sign > 0 else total - x
        self._entries(target, total, False)
        for _, x in products:
            self._product(target, x, True)

    def _entries(self, target: Accessor, formula: Any, adds: bool) -> None:
        """Write the loop over the entries of a formula."""
        used: list[Accessor] = []
        text = self._entry(formula, target.shape, used)
        self._loops(target, text, used, adds)

    def _entry(self, formula: Any, shape: tuple[int, ...], used: list[Accessor]) -> str:
        """Return an entry of a formula as C text; lines before it compute what it needs."""
        if not isinstance(formula, Symbol):
            return number_text(formula)
        accessor = self._access(formula)
        if accessor is not None:
            wide = spread(accessor, shape)
            used.append(wide)
            return self._at(wide)
        if formula.apply is None:
            return number_text(formula)
        if formula.notation is ZEROS:
            return number_text(0.0)
        form = c_form(formula)
        if form is None:
            place = self._temporary(formula)
            wide = spread(place, shape)
            used.append(wide)
            return self._at(wide)
        if formula.notation is RAISE and not isinstance(formula.operands[1], Symbol):
            power = float(formula.operands[1])
            if power in (2.0, 3.0):
                x = self._entry(formula.operands[0], shape, used)
                return f"({' * '.join([x] * int(power))})"
        operands = [self._entry(x, shape, used) for x in formula.operands]
        return f"({form.format(*operands)})"

    def _access(self, formula: Symbol) -> Accessor | None:
        """Return where a formula lies that computes nothing, or None."""
        if isinstance(formula, Variable):
            return self._place(formula)
        if formula.apply is None or len(formula.operands) != 1 or c_form(formula) is not None:
            return None
        (inner,) = formula.operands
        if not isinstance(inner, Symbol):
            return None
        whole = self._access(inner)
        if whole is None and inner.apply is not None and may_be_view(formula):
            whole = self._temporary(inner)
        return None if whole is None else view(whole, formula)

    def _temporary(self, formula: Symbol) -> Accessor:
        """Compute a part of a formula into an array of its own."""
        is_known = (
            formula.apply is None  # numbers; those that are not all alike need a name
            or formula.notation is MATMUL
            or moves(formula) is not None
            or reduces(formula) is not None
            or self._joined(formula) is not None
        )
        if not is_known and c_form(formula) is None:
            known = by_forward().get(formula.apply)
            name = known.name if known else getattr(formula.notation, "text", str(formula))
            raise NotCompiled(f"compile: found {name}, which has no form in C")
        place = self._work("u", formula.shape)
        self._assign(place, formula)
        return place

    # --- loops -----------------------------------------------------------------------------------

    def _at(self, accessor: Accessor) -> str:
        return "\0" + "\1".join([
            accessor.base, str(accessor.offset), accessor.step, str(accessor.row),
            ",".join(map(str, accessor.shape)), ",".join(map(str, accessor.strides)),
        ]) + "\0"  # fmt: skip

    def _loops(self, target: Accessor, text: str, used: list[Accessor], adds: bool) -> None:
        """Write the loops over the entries of a target."""
        places = [target, *used]
        shape = target.shape
        if all(x.strides == contiguous(shape) or not any(x.strides) for x in places):
            size = int(np.prod(shape))
            one = {
                x: replace(x, shape=(size,), strides=(1 if any(x.strides) and size != 1 else 0,))
                for x in places
            }
        else:
            one = {x: x for x in places}
        loop_shape = one[target].shape
        text = re.sub("\0(.*?)\0", lambda m: self._index(one[_parse(m.group(1))]), text)
        left = self._index(one[target])
        depth = 0
        for axis, size in enumerate(loop_shape):
            if size != 1:
                self._say(f"for (long i{axis} = 0; i{axis} < {self.n(size)}; i{axis}++)")
                self.depth += 1
                depth += 1
        self._say(f"{left} {'+=' if adds else '='} {text};")
        self.depth -= depth

    def _index(self, accessor: Accessor) -> str:
        terms = [f"({accessor.step}) * {self.n(accessor.row)}"] if accessor.step else []
        if accessor.offset:
            terms.append(self.n(accessor.offset))
        for axis, (size, stride) in enumerate(zip(accessor.shape, accessor.strides, strict=True)):
            if size != 1 and stride:
                terms.append(f"i{axis}" if stride == 1 else f"i{axis} * {self.n(stride)}")
        return f"{accessor.base}[{' + '.join(terms) or '0'}]"

    def _start(self, accessor: Accessor) -> str:
        """Return the pointer to the first entry."""
        return f"&{self._index(replace(accessor, shape=(), strides=()))}"

    def _fill(self, target: Accessor, number: float) -> None:
        self._loops(target, number_text(number), [], False)

    # --- products and sums -----------------------------------------------------------------------

    def _operand(self, formula: Any) -> Accessor:
        if not isinstance(formula, Symbol):
            raise NotCompiled("compile: found a product with a number without a name")
        accessor = self._access(formula)
        return self._temporary(formula) if accessor is None else accessor

    def _product(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Write a product of matrices, of vectors, or of batches of matrices."""
        a, b = map(self._operand, formula.operands)
        c = target
        if len(a.shape) == 1:
            a = with_axis(a, 0)
            c = with_axis(c, len(c.shape) - (len(b.shape) > 1))
        if len(b.shape) == 1:
            b = with_axis(b, 1)
            c = with_axis(c, len(c.shape))
        batch = c.shape[:-2]
        a, b = (spread(x, (*batch, *x.shape[-2:])) for x in (a, b))
        depth = 0
        for axis, size in enumerate(batch):
            self._say(f"for (long i{axis} = 0; i{axis} < {self.n(size)}; i{axis}++) {{")
            self.depth += 1
            depth += 1
        self._matrices(c, a, b, adds)
        for _ in range(depth):
            self.depth -= 1
            self._say("}")

    def _matrices(self, c: Accessor, a: Accessor, b: Accessor, adds: bool) -> None:
        (m, n), inner = c.shape[-2:], a.shape[-1]
        if m * n * inner > SMALL and (n == 1 or c.strides[-1] == 1):
            if self.loop_start is not None and b.strides[-1] != 1 and n > 1 and not b.step:
                b = self._turned(b)
            starts = ", ".join(f"&{self._corner(x)}" for x in (a, b, c))
            strides = ", ".join(self.n(s or 1) for x in (a, b) for s in x.strides[-2:])
            self._say(
                f"multiply(gemm, {self.n(m)}, {self.n(n)}, {self.n(inner)}, {starts}, {strides}, "
                f"{self.n(c.strides[-2] or n)}, {int(adds)});"
            )
            return
        i, j, l = len(c.shape) - 2, len(c.shape) - 1, len(c.shape)
        ci, ai, bi = (
            self._in_loops(c, i, j), self._in_loops(a, i, l), self._in_loops(b, l, j)
        )  # fmt: skip
        fors = {
            x: f"for (long i{x} = 0; i{x} < {self.n(size)}; i{x}++)"
            for x, size in ((i, m), (j, n), (l, inner))
        }
        if not adds:
            self._nest([fors[i], fors[j]], f"{ci} = 0;")
        if b.strides[-1] == 1 or n == 1:  # rows of b are added to rows of c
            order = [l, i, j] if inner > m else [i, l, j]
            self._nest([fors[x] for x in order], f"{ci} += {ai} * {bi};")
        else:
            self._nest(
                [fors[i], fors[j]],
                f"{{ real sum = 0; {fors[l]} sum += {ai} * {bi}; {ci} += sum; }}",
            )

    def _turned(self, b: Accessor) -> Accessor:
        """Turn the columns of a matrix into rows, once and before the loop."""
        if b not in self.turned:
            k, n = b.shape[-2:]
            place = self._work("turned", (k, n))
            self.turned[b] = place
            strides = ", ".join(self.n(s or 1) for s in b.strides[-2:])
            text = f"turn({self.n(k)}, {self.n(n)}, &{self._corner(b)}, {strides}, {place.base});"
            assert self.loop_start is not None
            self.lines.insert(self.loop_start, "    " + text)
            self.loop_start += 1
        return self.turned[b]

    def _nest(self, fors: list[str], body: str) -> None:
        for text in fors:
            self._say(text)
            self.depth += 1
        self._say(body)
        self.depth -= len(fors)

    def _in_loops(self, x: Accessor, row: int, column: int) -> str:
        """Return an entry of a matrix at the indices of two loops."""
        terms = [f"({x.step}) * {self.n(x.row)}"] if x.step else []
        if x.offset:
            terms.append(self.n(x.offset))
        names = [*range(len(x.shape) - 2), row, column]
        for name, size, stride in zip(names, x.shape, x.strides, strict=True):
            if size != 1 and stride:
                terms.append(f"i{name}" if stride == 1 else f"i{name} * {self.n(stride)}")
        return f"{x.base}[{' + '.join(terms) or '0'}]"

    def _corner(self, x: Accessor) -> str:
        """Return the first entry of a matrix of a batch."""
        return self._index(replace(x, shape=(*x.shape[:-2], 1, 1)))

    def _reduced(self, target: Accessor, formula: Symbol, adds: bool) -> None:
        """Write a sum along axes, or another reduction."""
        start, step, end = reduces(formula) or ("", "", "")
        (x,), axis = formula.operands, formula.parameters.get("axis")
        if not isinstance(x, Symbol):
            raise NotCompiled("compile: found a reduction of a number")
        ndim = x.ndim
        axes = range(ndim) if axis is None else [n % ndim for n in np.atleast_1d(axis).tolist()]
        count = int(np.prod([x.shape[n] for n in axes]))
        keeps = formula.parameters.get("keepdims", False)
        strides, own = [], iter(target.strides)
        for n in range(ndim):
            if n in axes:
                strides.append(0)
                if keeps:
                    next(own)
            else:
                strides.append(next(own))
        used: list[Accessor] = []
        entry = self._entry(x, x.shape, used)
        if not adds or start != "0":
            self._loops(target, start, [], False)
        wide = replace(target, shape=x.shape, strides=tuple(strides))
        if any(strides) or end != "{0}" or step != "{0} + {1}":
            used.append(wide)
            self._loops(wide, step.format(self._at(wide), entry), used, False)
            if end != "{0}":
                text = end.format(self._at(target), count=self.n(count))
                self._loops(target, text, [target], False)
            return
        self._say("{ real sum = 0;")
        before = len(self.lines)
        self._loops(replace(wide, base="sum", offset=0, step=""), entry, used, True)
        self.lines[before:] = [line.replace("sum[0] +=", "sum +=") for line in self.lines[before:]]
        self._say(f"{self._index(replace(target, shape=(), strides=()))} += sum; }}")


HEAD = "void run(real **arrays, const long *sizes, gemm_function *gemm, int with_gradients)"
RESERVED = {
    "real", "bits", "natural", "lanes", "run", "arrays", "sizes", "gemm", "multiply", "sum", "k",
    "int", "long", "float", "double", "if", "for", "return", "static", "const", "while", "do",
    "char", "short", "void", "M", "auto", "case", "else", "enum", "goto", "switch", "union",
    "struct", "signed", "unsigned", "y0", "y1", "j0", "j1", "yn", "jn", "gamma", "with_gradients",
    "restrict", "inline", "default", "break", "continue", "register", "sizeof", "typedef",
    "volatile", "extern", "exp", "log", "tanh", "sin", "cos", "load", "store", "turn",
}  # fmt: skip


def _parse(text: str) -> Accessor:
    base, offset, step, row, shape, strides = text.split("\1")
    sizes, steps = (tuple(map(int, filter(None, x.split(",")))) for x in (shape, strides))
    return Accessor(base, int(offset), sizes, steps, step, int(row))
