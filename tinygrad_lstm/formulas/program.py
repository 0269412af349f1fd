"""A derivation as a program: two plain functions, ``forward`` and ``backward``, in NumPy.

A line of the program is an equation of the derivation. The signals of a loop are kept by step, in
a dictionary each, so that ``out[k-1]`` is what the papers write as out(k-1). Names become Python's
identifiers, and no text of a user's goes into the program in any other form.

Knows derivations; how an operation is written stands in its notation, or follows from what it
computes.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from ..engine.kinds import table
from ..engine.primitive import Primitive
from ..engine.primitives import TABLE
from ..engine.symbol import (
    ADD,
    ATOM,
    DIVIDE,
    EQUAL,
    GREATER,
    HADAMARD,
    ITEM,
    LESS,
    MATMUL,
    NEGATIVE,
    PRODUCT,
    RAISE,
    RESHAPE,
    SUBTRACT,
    TRANSPOSE,
    UNEQUAL,
    Symbol,
)
from ..errors import UsageError
from ..network.parameters import Varying
from . import helpers
from .derivation import Derivation, Equation, Stage, Term
from .reader import Variable
from .rewriting import rewrite

WIDTH = 100
INFIX = (ADD, SUBTRACT, HADAMARD, DIVIDE, NEGATIVE, RAISE, MATMUL)
TRUTHS = (GREATER, LESS, EQUAL, UNEQUAL)
RESERVED = {"np", "k", "d", "forward", "backward", "signals", "gradients", "T"}
INDENT = "    "


def program(derivation: Derivation) -> str:
    """Return the source of a module with ``forward`` and ``backward``."""
    return _Program(derivation).source()


def arguments(derivation: Derivation) -> dict[str, np.ndarray]:
    """Return the recorded values of the arguments of ``forward``, by their names."""
    writer = _Program(derivation)
    return {writer.argument(name): value for name, value in writer.wholes().items()}


class _Program:
    """Writes one derivation."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        self.names: dict[str, str] = {}  # identifiers, by the names of the derivation
        self.taken = set(RESERVED) | set(keyword.kwlist) | set(vars(helpers))
        self.helpers: dict[str, str] = {}  # the sources of functions that are called, by name
        self.sequences: dict[str, str] = {}  # values of a parameter at the steps, by name
        self.timed = {x.signal.wire for x in derivation.equations if x.loop is not None}
        self.whole_sums: dict[str, str] = {}  # δ of packed parameters that are summed as a whole

    # --- the module ------------------------------------------------------------------------------

    def source(self) -> str:
        forward = self.forward()
        backward = self.backward()
        head = ["import numpy as np"]
        parts = [*self.helpers.values(), forward, backward]
        return "\n".join(head) + "\n\n\n" + "\n\n\n".join(parts) + "\n"

    def forward(self) -> str:
        d = self.derivation
        names = [self.argument(name) for name in self.wholes()]
        body = self.unpacked()
        lines = [x for x in d.equations if x.stage is Stage.FORWARD]
        for loop, group in _grouped(lines):
            if loop is None:
                body += [self.line(x) for x in group]
            else:
                body += self.forward_loop(loop, group)
        loss = self.name(next(x.signal.name for x in reversed(lines)))
        body = [*self.constants(), *body]
        body.append(f"return {loss}, dict(locals())")
        says = f'"""Return {self.said(d.loss)}, and every signal on the way, by its name."""'
        head = _filled(f"def forward({', '.join(names)}):")
        return "\n".join([head, *_indented([says, *body])])

    def backward(self) -> str:
        d = self.derivation
        lines = [x for x in d.equations if x.stage is not Stage.FORWARD and self.is_asked(x)]
        body: list[str] = []
        sums = [(x, term) for x in lines for term in x.terms if term.loop is not None and x.loop is None]
        begun: set[int] = set()
        self.looped = {x.loop for x in lines if x.loop is not None}
        for loop, group in _grouped(lines):
            if loop is not None:
                body += self.backward_loop(loop, group, [(x, t) for x, t in sums if t.loop == loop], begun)
                continue
            body += [line for x in group for line in self.outside(x, begun)]
        body.append(self.returned())
        used = [*self.used("\n".join(body)), "**others"]
        says = f'"""Return the gradient of {self.said(d.loss)} by each parameter and input."""'
        head = _filled(f"def backward({', '.join(used)}):")
        return "\n".join([head, *_indented([says, *self.constants(), *body])])

    def is_asked(self, x: Equation) -> bool:
        """Return whether a gradient is that of a leaf that requires it, or none of a leaf."""
        leaves = {source.full_name: source.requires_grad for source in self.derivation.sources}
        return x.stage is not Stage.GRADIENT or leaves[x.full_name]

    def used(self, body: str) -> list[str]:
        """Return the signals of the forward pass that the backward pass reads."""
        tree = ast.parse(body)
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        own = {self.name(x.signal.name): None for x in self.derivation.sources}
        own |= {self.argument(name): None for name in self.wholes()}
        own |= {
            self.name(x.signal.name): None
            for x in self.derivation.equations
            if x.stage is Stage.FORWARD
        }
        return [name for name in own if name in read]

    # --- parts of the forward pass ---------------------------------------------------------------

    def wholes(self) -> dict[str, np.ndarray]:
        """Return what comes from outside, by full name; parts of one parameter as the whole."""
        found: dict[str, Any] = {}
        for source in self.derivation.sources:
            if not source.whole:
                found[source.full_name] = source.value
                continue
            parts = dict(self.derivation.packed[source.whole])
            known = {x.full_name: x.value for x in self.derivation.sources}
            some = np.asarray(source.value)
            found[source.whole] = np.concatenate([
                known.get(name, np.zeros((*some.shape[:-1], width), some.dtype))
                for name, width in parts.items()
            ], axis=-1)  # fmt: skip
        return found

    def argument(self, full: str) -> str:
        """Return the name of the argument for what comes from outside."""
        for source in self.derivation.sources:
            if source.full_name == full and not source.whole:
                return self.name(source.signal.name)
        short = full.rpartition(".")[2]
        others = [x for x in self.derivation.packed if x.rpartition(".")[2] == short]
        plain = {x.signal.name for x in self.derivation.sources}
        return self.name(short if len(others) == 1 and short not in plain else full)

    def unpacked(self) -> list[str]:
        """Return the lines that take packed parameters apart."""
        lines = []
        short = {x.full_name: x.signal.name for x in self.derivation.sources}
        for whole, parts in self.derivation.packed.items():
            names = [self.name(short[part]) if part in short else "_" for part, _ in parts]
            widths = [width for _, width in parts]
            ends = np.cumsum(widths)[:-1].tolist()
            cut = len(widths) if len(set(widths)) == 1 else ends
            lines.append(f"{', '.join(names)} = np.split({self.argument(whole)}, {cut}, axis=-1)")
        return lines

    def forward_loop(self, loop: int, group: list[Equation]) -> list[str]:
        own = self.derivation.loops[loop]
        count = len(own.steps)
        starts: dict[str, list[tuple[int, str]]] = {}
        for x in self.derivation.initial:
            if x.loop == loop:
                step = x.state.offset
                at = step if not own.backwards else count - 1 + step
                entry = at, self.code(x.start)
                own_starts = starts.setdefault(self.name(x.state.name), [])
                if entry not in own_starts:
                    own_starts.append(entry)
        names = list(dict.fromkeys(self.name(x.signal.name) for x in group))
        plain = [name for name in names if name not in starts]
        lines = []
        for name, entries in starts.items():
            pairs = ", ".join(f"{at}: {start}" for at, start in sorted(entries))
            # each delay starts from its own value: h[-2] from that of the second
            lines.append(f"{name} = {{{pairs}}}")
        if plain:
            for names in _chunks(plain, ", "):
                empty = f"({{}} for _ in range({len(names)}))" if len(names) > 1 else "{}"
                lines.append(f"{', '.join(names)} = {empty}")
        order = f"reversed(range({count}))" if own.backwards else f"range({count})"
        lines.append(f"for k in {order}:")
        return lines + _indented([self.line(x) for x in group])

    def line(self, x: Equation) -> str:
        (term,) = x.terms
        left = self.name(x.signal.name) + ("[k]" if x.loop is not None else "")
        return self.with_shape(f"{left} = {self.code(term.formula)}", x.shape)

    def with_shape(self, line: str, shape: tuple[int, ...]) -> str:
        says = f"  # {shape}" if shape else ""
        return line + says if len(line) + len(says) <= WIDTH - 2 * len(INDENT) else line

    # --- parts of the backward pass --------------------------------------------------------------

    def backward_loop(
        self, loop: int, group: list[Equation], sums: list[tuple[Equation, Term]], begun: set[int]
    ) -> list[str]:
        own = self.derivation.loops[loop]
        handed = [x for x in group if x.stage is Stage.HANDED]
        lines = []
        if handed:
            lines.append(f"{' = '.join(self.handed(x.signal.wire) for x in handed)} = 0")
        sums = [(x, t) for x, t in sums if t.handed is None]
        packed, sums = self.packed_sums(sums, begun)
        zero = [left for left, _ in packed]
        for x, term in sums:
            if id(x) in begun:
                continue
            begun.add(id(x))
            if term.place is not None:
                lines.append(f"{self.delta(x)} = np.zeros({x.shape})")
            else:
                zero.append(self.delta(x))
        if zero:
            lines += [f"{' = '.join(names)} = 0" for names in _chunks(zero, " = ")]
        body: list[str] = []
        for x in group:
            right = self.total(x.terms)
            left = self.handed(x.signal.wire) if x.stage is Stage.HANDED else self.delta(x)
            body.append((left, right, x))
        done = [
            self.with_shape(f"{left} = {right}", x.shape) for left, right, x in _carries_last(body)
        ]
        done += [f"{left} = {left} + {right}" for left, right in packed]
        for x, group_terms in _by_equation(sums):
            done += self.accumulated(x, group_terms)
        count = len(own.steps)
        order = f"range({count})" if own.backwards else f"reversed(range({count}))"
        return [*lines, f"for k in {order}:", *_indented(done)]

    def packed_sums(
        self, sums: list[tuple[Equation, Term]], begun: set[int]
    ) -> tuple[list[tuple[str, str]], list[tuple[Equation, Term]]]:
        """Return the sums of packed parameters whose parts differ in one δ alone, and the rest."""
        lines: list[tuple[str, str]] = []
        for whole, parts in self.derivation.packed.items():
            own = [[x for x in sums if x[0].full_name == part] for part, _ in parts]
            if any(len(terms) != 1 or len(terms[0][0].terms) != 1 for terms in own):
                continue
            pairs = [terms[0] for terms in own]
            forms = {self.code(_with_one_delta(term.formula)[0]) for _, term in pairs}
            deltas = [_with_one_delta(term.formula)[1] for _, term in pairs]
            if len(forms) > 1 or any(δ is None for δ in deltas) or any(t.place for _, t in pairs):
                continue
            names = ", ".join(self.variable(δ) for δ in deltas if δ is not None)
            (form,) = forms
            left = self.name(f"δ{self.argument(whole)}")
            self.whole_sums[whole] = left
            row = names if form == "d" else f"{form} for d in ({names})"
            lines.append((left, f"np.concatenate([{row}], axis=-1)"))
            sums = [x for x in sums if x not in pairs]
            begun.update(id(x) for x, _ in pairs)
        return lines, sums

    def accumulated(self, x: Equation, terms: list[Term]) -> list[str]:
        lines = []
        for place, same in _by_place(terms):
            right = self.total(tuple(same))
            if place is None:
                lines.append(f"{self.delta(x)} = {self.delta(x)} + {right}")
                continue
            index = self.literal(place["index"], "index")
            bare = index[1:-1] if index.startswith("(") and index.endswith(")") else index
            if same[0].adds:
                lines.append(f"np.add.at({self.delta(x)}, {index}, {right})")
            else:
                lines.append(f"{self.delta(x)}[{bare}] += {right}")
        return lines

    def outside(self, x: Equation, begun: set[int]) -> list[str]:
        """Return the lines of an equation that stands outside of the loops."""
        rest = tuple(t for t in x.terms if t.loop is None or t.handed is not None)
        lines = []
        for loop in dict.fromkeys(t.loop for t in x.terms if t.loop is not None):
            if loop not in self.looped:
                sums = [(x, t) for t in x.terms if t.loop == loop]
                lines += self.backward_loop(loop, [], sums, begun)
        if not rest:
            return lines
        if id(x) in begun:
            return [*lines, f"{self.delta(x)} = {self.delta(x)} + {self.total(rest)}"]
        return [*lines, self.with_shape(f"{self.delta(x)} = {self.total(rest)}", x.shape)]

    def total(self, terms: tuple[Term, ...]) -> str:
        parts = []
        for term in terms:
            if term.handed is not None:
                parts.append(self.handed(term.handed))
            else:
                parts.append(self.operand(term.formula, 1))
        return " + ".join(parts).replace("+ -", "- ")

    def handed(self, wire: int) -> str:
        """Return the name of what a step hands to the step before it."""
        signal = next(x.signal for x in self.derivation.equations if x.signal.wire == wire and x.stage is Stage.HANDED)
        return self.name(f"{signal.name} handed {wire}", f"{signal.name}_handed")

    def delta(self, x: Equation) -> str:
        return self.name(x.signal.name)

    def returned(self) -> str:
        """Return the line that gives the gradients by the names of what they belong to."""
        lines = {
            x.full_name: x
            for x in self.derivation.equations
            if x.stage is Stage.GRADIENT and self.is_asked(x)
        }
        entries = []
        for source in self.derivation.sources:
            if source.whole or source.full_name not in lines:
                continue
            entries.append(f"{source.full_name!r}: {self.delta(lines[source.full_name])}")
        for whole, parts in self.derivation.packed.items():
            if not any(part in lines for part, _ in parts):
                continue
            if whole in self.whole_sums:
                entries.append(f"{whole!r}: {self.whole_sums[whole]}")
                continue
            known = {x.full_name: x for x in self.derivation.sources}
            names = [
                self.delta(lines[part]) if part in lines
                else f"np.zeros({(*np.shape(next(known[p].value for p, _ in parts if p in known))[:-1], width)})"
                for part, width in parts
            ]  # fmt: skip
            entries.append(f"{whole!r}: np.concatenate([{', '.join(names)}], axis=-1)")
        return _filled(f"return {{{', '.join(entries)}}}")

    # --- formulas --------------------------------------------------------------------------------

    def code(self, formula: Any) -> str:
        return self.operand(formula, 0)

    def operand(self, formula: Any, need: int) -> str:
        text, level = self.written(formula)
        return f"({text})" if level < need else text

    def written(self, formula: Any) -> tuple[str, int]:
        """Return the code of a formula, and how tightly it binds."""
        if not isinstance(formula, Symbol):
            return self.number(formula)
        if isinstance(formula, Variable):
            return self.variable(formula), ATOM
        if isinstance(formula, _Name):
            return formula.name, ATOM
        if formula.apply is None:
            value = np.asarray(formula.value)
            if value.size and np.all(value == value.flat[0]):
                return f"np.full({value.shape}, {value.flat[0]!r})" if value.ndim else repr(float(value)), ATOM
            raise UsageError(f"numpy: {formula} has no value")
        notation, operands = formula.notation, formula.operands
        assert notation is not None
        if notation.text == "{0}" and notation.latex == "{0}":  # spread to a shape
            return self.written(operands[0])
        if notation is TRANSPOSE and not formula.parameters:
            return f"{self.operand(operands[0], ATOM)}.T", ATOM
        if notation is HADAMARD and operands[0] is operands[1]:
            return f"{self.operand(operands[0], ATOM)} ** 2", PRODUCT + 1
        outer = _outer(formula)
        if outer is not None:
            return f"np.outer({', '.join(map(self.code, outer))})", ATOM
        if notation in INFIX:
            return self.infix(formula)
        return self.called(formula)

    def infix(self, formula: Symbol) -> tuple[str, int]:
        notation = formula.notation
        assert notation is not None
        level = notation.level
        parts = []
        for at, operand in enumerate(formula.operands):
            is_truth = isinstance(operand, Symbol) and operand.notation in TRUTHS
            if notation is RAISE:
                need = ATOM
            else:
                need = level + (at > 0) + (notation is NEGATIVE)
            text = self.operand(operand, need)
            if is_truth and notation is not HADAMARD:
                text = f"1.0 * {text}" if level < PRODUCT and at == 0 else f"(1.0 * {text})"
            parts.append(text)
        return notation.code.format(*parts), level

    def called(self, formula: Symbol) -> tuple[str, int]:
        notation, apply = formula.notation, formula.apply
        assert notation is not None and apply is not None
        template = notation.code or self.template(apply, str(notation.text))
        is_call = re.match(r"[\w.]+[(]|\(|\[|\{", template) is not None
        need = ATOM if notation is ITEM or not is_call else 0
        operands = [self.operand(x, need) for x in formula.operands]
        parameters = {
            name: self.literal(value, name) for name, value in formula.parameters.items()
        }
        if notation is ITEM:
            index = parameters["index"]
            inside = index[1:-1].rstrip(",") if index.startswith("(") and index.endswith(")") and isinstance(formula.parameters["index"], tuple) else index
            parameters["index"] = inside or "()"
        options = "".join(
            f", {name}={parameters[name]}"
            for name, value in formula.parameters.items()
            if value is not None and value is not False
        )
        listed = ", ".join(operands)
        text = template.format(*operands, operands=listed, options=options, **parameters)
        return text, ATOM if is_call or notation is ITEM else PRODUCT

    def template(self, apply: Callable[..., Any], text: str) -> str:
        """Return how a function is called that says nothing of it."""
        if isinstance(apply, np.ufunc):
            return f"np.{apply.__name__}({{operands}})"
        primitive = _primitives().get(apply)
        if primitive is not None:
            return self.of_primitive(primitive)
        module = getattr(apply, "__module__", None) or ""
        if module.partition(".")[0] == "numpy" and hasattr(np, apply.__name__):
            return f"np.{apply.__name__}({{operands}}{{options}})"
        raise UsageError(f"numpy: the operation {text} has no form in NumPy")

    def of_primitive(self, primitive: Primitive) -> str:
        many = "[{operands}]" if primitive.arity is None else "{operands}"
        for function in primitive.numpy:
            module, name = getattr(function, "__module__", "numpy") or "numpy", function.__name__
            if _takes(function, primitive.parameters) and getattr(np, name, None) is function:
                return f"np.{name}({many}{{options}})"
            if module == "numpy.linalg" and not primitive.parameters:
                return f"np.linalg.{name}({many})"
        helper = getattr(helpers, primitive.name, None)
        if helper is not None:
            self.helpers.setdefault(primitive.name, inspect.getsource(helper).rstrip())
            return f"{primitive.name}({many}{{options}})"
        source = _plain_source(primitive)
        if source is None:
            raise UsageError(
                f"numpy: the primitive {primitive.name} has no form in NumPy: give its notation "
                "code=…, or write its forward function with def, from NumPy's functions alone"
            )
        self.helpers.setdefault(primitive.name, source)
        return f"{primitive.forward.__name__}({many}{{options}})"

    def variable(self, signal: Variable) -> str:
        name = self.name(signal.name)
        if signal.offset is None:
            return name
        if signal.is_delta:
            return name if signal.wire in self.timed else f"{name}[k]"
        return f"{name}[k{signal.offset:+d}]" if signal.offset else f"{name}[k]"

    def number(self, value: Any) -> tuple[str, int]:
        if np.ndim(value):
            raise UsageError("numpy: found an array without a name in a formula")
        number = value.item() if isinstance(value, np.generic) else value
        if isinstance(number, bool):
            return repr(number), ATOM
        if number != number or number in (float("inf"), float("-inf")):
            return {"inf": "np.inf", "-inf": "-np.inf"}.get(str(number), "np.nan"), 1
        text = repr(int(number)) if float(number).is_integer() and abs(number) < 1e15 else repr(number)
        return text, ATOM if number >= 0 else 1

    def literal(self, value: Any, name: str) -> str:
        """Return a parameter as Python writes it; one that varies as a sequence read at k."""
        if isinstance(value, Varying):
            if value.name == "k" and value.values == (0,):
                return "k"
            return self.at_each_step(value)
        if isinstance(value, slice):
            ends = ["" if end is None else self.literal(end, name) for end in (value.start, value.stop)]
            return ":".join(ends) + ("" if value.step is None else f":{self.literal(value.step, name)}")
        if isinstance(value, tuple):
            inside = ", ".join(self.literal(part, name) for part in value)
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        if value is Ellipsis:
            return "..."
        if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
            return f"np.{np.dtype(value).name}"
        if isinstance(value, np.ndarray):
            return f"np.array({value.tolist()})"
        if isinstance(value, np.generic):
            return repr(value.item())
        if isinstance(value, list):
            return f"[{', '.join(self.literal(part, name) for part in value)}]"
        if value is None or isinstance(value, (bool, int, float, str)):
            return repr(value)
        raise UsageError(f"numpy: {name} is {type(value).__name__}, which has no form in a program")

    def at_each_step(self, value: Varying) -> str:
        numbers = value.values
        if all(isinstance(n, (int, np.integer)) for n in numbers):
            first = int(numbers[0])
            if list(numbers) == list(range(first, first + len(numbers))):
                return f"k + {first}" if first > 0 else f"k - {-first}" if first < 0 else "k"
            if list(numbers) == list(range(first, first - len(numbers), -1)):
                return f"{first} - k"
        text = f"[{', '.join(self.at_one(n, value.name) for n in numbers)}]"
        name = self.name(f"{value.name} at step {len(self.sequences)}") if text not in self.sequences.values() else next(n for n, t in self.sequences.items() if t == text)
        self.sequences.setdefault(name, text)
        return f"{name}[k]"

    def at_one(self, value: Any, name: str) -> str:
        if isinstance(value, slice):
            return f"slice({value.start!r}, {value.stop!r}, {value.step!r})"
        if isinstance(value, tuple):
            inside = ", ".join(self.at_one(part, name) for part in value)
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        return self.literal(value, name)

    def constants(self) -> list[str]:
        """Return the lines for parameters that have a value at each step."""
        lines = [_filled(f"{name} = {text}") for name, text in self.sequences.items()]
        return lines

    # --- names -----------------------------------------------------------------------------------

    def name(self, name: str, like: str = "") -> str:
        """Return an identifier for a name; the same one for the same name."""
        if name not in self.names:
            text = (like or name).replace("δ", "d").replace("[−", "_").replace("−", "_")
            text = re.sub(r"\W+", "_", text).strip("_") or "x"
            if not text.isidentifier():
                text = f"_{text}"
            number, free = 1, text
            while free in self.taken:
                number += 1
                free = f"{text}_{number}"
            self.taken.add(free)
            self.names[name] = free
        return self.names[name]

    def said(self, name: str) -> str:
        """Return a name as it can stand in a docstring."""
        return re.sub(r"[^\w.\[\] −-]", "_", name)


def _with_one_delta(formula: Any) -> tuple[Any, Variable | None]:
    """Return a formula with ``d`` for the one δ in it, and that δ; None if there are several."""
    found: dict[int, Variable] = {}

    def put(leaf: Any) -> Any:
        if isinstance(leaf, Variable) and leaf.is_delta:
            found[id(leaf)] = leaf
            return _Name("d", leaf.value)
        return leaf

    put_in = rewrite(formula, leaf=put)
    return put_in, next(iter(found.values())) if len(found) == 1 else None


class _Name(Symbol):
    """A local name of the program."""


def _outer(formula: Symbol) -> tuple[Any, Any] | None:
    """Return x and δ of xᵀ δ, if both are vectors that were made matrices of one row for it."""
    if formula.notation is not MATMUL:
        return None
    x, δ = formula.operands
    if not isinstance(x, Symbol) or x.notation is not TRANSPOSE or x.parameters:
        return None
    rows = (x.operands[0], δ)
    if not all(isinstance(row, Symbol) and row.notation is RESHAPE for row in rows):
        return None
    a, b = (row.operands[0] for row in rows)
    return (a, b) if np.ndim(a.value) == np.ndim(b.value) == 1 else None


def _grouped(lines: list[Equation]) -> Iterator[tuple[int | None, list[Equation]]]:
    """Return the equations loop by loop, in their order."""
    group: list[Equation] = []
    for x in lines:
        if group and group[-1].loop != x.loop:
            yield group[0].loop, group
            group = []
        group.append(x)
    if group:
        yield group[0].loop, group


def _carries_last(body: list[tuple[str, str, Equation]]) -> list[tuple[str, str, Equation]]:
    """Return the lines of a step with what is handed on at the end, when nobody reads the old one.

    A line that reads what the step before handed on must stand before the line that replaces it.
    """
    return [x for x in body if x[2].stage is not Stage.HANDED] + sorted(
        (x for x in body if x[2].stage is Stage.HANDED),
        key=lambda x: -abs(x[2].signal.offset or 0),
    )[::-1]


def _by_equation(sums: list[tuple[Equation, Term]]) -> Iterator[tuple[Equation, list[Term]]]:
    groups: dict[int, tuple[Equation, list[Term]]] = {}
    for x, term in sums:
        groups.setdefault(id(x), (x, []))[1].append(term)
    return iter(groups.values())


def _by_place(terms: list[Term]) -> Iterator[tuple[Any, list[Term]]]:
    groups: dict[str, tuple[Any, list[Term]]] = {}
    for term in terms:
        groups.setdefault(str(term.place), (term.place, []))[1].append(term)
    return iter(groups.values())


def _takes(function: Any, parameters: tuple[str, ...]) -> bool:
    if isinstance(function, np.ufunc):
        return not parameters
    try:
        known = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return not parameters or function in (np.concatenate, np.where)
    return set(parameters) <= set(known)


@cache
def _by_forward() -> dict[Any, Primitive]:
    return {primitive.forward: primitive for primitive in TABLE.values()}


def _primitives() -> dict[Any, Primitive]:
    """Return the primitives by what they compute."""
    return _by_forward() | {primitive.forward: primitive for primitive in table.others.values()}


def _plain_source(primitive: Primitive) -> str | None:
    """Return the source of a function that needs NumPy alone, or None."""
    function = primitive.forward
    try:
        source = textwrap.dedent(inspect.getsource(function))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        return None
    code = getattr(function, "__code__", None)
    names = set(getattr(code, "co_names", ())) - {"np"}
    unknown = [n for n in names if n in getattr(function, "__globals__", {})]
    if code is None or code.co_freevars or unknown or "np" not in vars(helpers):
        return None
    return source.rstrip()


def _indented(lines: list[str]) -> list[str]:
    return [textwrap.indent(line, INDENT) for line in lines]


def _chunks(names: list[str], between: str) -> Iterator[list[str]]:
    """Return names in groups that stand on a line each."""
    chunk: list[str] = []
    for name in names:
        if chunk and len(between.join([*chunk, name])) > WIDTH - 32:
            yield chunk
            chunk = []
        chunk.append(name)
    yield chunk


def _filled(line: str) -> str:
    """Break a line that is too long after commas, inside of its brackets."""
    width = WIDTH - 2 * len(INDENT)
    parts = re.split(r"(?<=,) (?=[^']*(?:'[^']*'[^']*)*$)", line)  # not inside of a text
    lines, lead = [parts[0]], 2 * INDENT
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= width:
            lines[-1] += f" {part}"
        else:
            lines.append(lead + part)
    return "\n".join(lines)
