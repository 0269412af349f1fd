"""A derivation as a program: two plain functions, ``forward`` and ``backward``, in NumPy.

A line of the program is an equation of the derivation. The signals of a loop are kept by step, in
a dictionary each, so that ``out[k-1]`` is what the papers write as out(k-1). Of the δ there is one
at a time; what a step hands to the step before it is called ``…_handed``.

Knows derivations, and how a formula is written; decides no mathematics.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from ..errors import UsageError
from ..network.parameters import key_of
from .derived import Derived, Equation, Stage, Term, by_loop
from .numpy_code import Code, typed, with_one_delta

INDENT = "    "
WIDTH = 92  # of a line in a function


def program(derivation: Derived) -> str:
    """Return the source of a module with ``forward`` and ``backward``."""
    return _Program(derivation).source()


def arguments(derivation: Derived) -> dict[str, np.ndarray]:
    """Return the recorded values of the arguments of ``forward``, by their names."""
    writer = _Program(derivation)
    return {writer.argument(name): value for name, value in writer.outside.items()}


class _Program:
    """Writes one derivation."""

    def __init__(self, derivation: Derived) -> None:
        self.derivation = derivation
        lines = derivation.equations
        self.code = Code({x.signal.wire for x in lines if x.loop is not None})
        self.forward_lines = [x for x in lines if x.stage is Stage.FORWARD]
        asked = {x.full_name for x in derivation.sources if x.requires_grad}
        self.backward_lines = [
            x
            for x in lines
            if x.stage is not Stage.FORWARD
            and (x.stage is not Stage.GRADIENT or derivation.is_part or x.full_name in asked)
        ]
        if not any(x.stage is Stage.GRADIENT for x in self.backward_lines):
            raise UsageError(
                "numpy: found no leaf to differentiate by, expected one: a program gives the "
                "gradients of leaves, such as parameters; choose one by leading_to, or --wrt"
            )
        self.short = {x.full_name: x.signal.name for x in derivation.sources}
        self.outside = from_outside(derivation)
        for name in (*self.outside, *self.short):  # first, so that the arguments keep their names
            self.argument(name)
        self.begun: set[int] = set()  # the sums over steps that have a first value
        self.whole_sums: dict[str, str] = {}  # δ of packed parameters that are summed as a whole

    def source(self) -> str:
        forward, backward = self._forward(), self._backward()  # which say what they call
        functions = [*self.code.helpers.values(), forward, backward]
        return "import numpy as np\n\n\n" + "\n\n\n".join(functions) + "\n"

    def argument(self, full_name: str) -> str:
        """Return the name of the argument for what comes from outside."""
        if full_name in self.short:
            return self.code.name(self.short[full_name])
        own = full_name.rpartition(".")[2]
        others = [name for name in self.derivation.packed if name.rpartition(".")[2] == own]
        is_known = own in self.short.values()
        return self.code.name(full_name if len(others) > 1 or is_known else own)

    # --- forward ---------------------------------------------------------------------------------

    def _forward(self) -> str:
        body = [self._taken_apart(name) for name in self.derivation.packed]
        for loop, lines in by_loop(self.forward_lines):
            if loop is None:
                body += [self._line(x) for x in lines]
            else:
                body += self._forward_loop(loop, lines)
        loss = self.code.name(self.forward_lines[-1].signal.name)
        body.append(f"return {loss}, dict(locals())")
        says = f"Return {quotable(self.derivation.loss)}, and every signal on the way, by its name."
        return self._function("forward", [self.argument(name) for name in self.outside], says, body)

    def _taken_apart(self, whole: str) -> str:
        """Return the line that takes a packed parameter apart."""
        names, widths = zip(*self.derivation.packed[whole], strict=True)
        parts = [self.code.name(self.short[name]) if name in self.short else "_" for name in names]
        cuts = len(widths) if len(set(widths)) == 1 else np.cumsum(widths)[:-1].tolist()
        return f"{', '.join(parts)} = np.split({self.argument(whole)}, {cuts}, axis=-1)"

    def _forward_loop(self, loop: int, lines: list[Equation]) -> list[str]:
        steps = self.derivation.loops[loop]
        count = len(steps.steps)
        starts: dict[str, dict[int, str]] = {}
        for x in self.derivation.initial:
            if x.loop == loop:
                step = (x.state.offset or 0) + (count - 1 if steps.backwards else 0)
                start = self.code.formula(x.start)
                starts.setdefault(self.code.name(x.state.name), {}).setdefault(step, start)
        body = []
        for name, entries in starts.items():
            pairs = ", ".join(f"{step}: {entries[step]}" for step in sorted(entries))
            body.append(f"{name} = {{{pairs}}}")
        names_by_step = dict.fromkeys(self.code.name(x.signal.name) for x in lines)
        for names in _chunks([name for name in names_by_step if name not in starts], ", "):
            empty = f"({{}} for _ in range({len(names)}))" if len(names) > 1 else "{}"
            body.append(f"{', '.join(names)} = {empty}")
        order = f"reversed(range({count}))" if steps.backwards else f"range({count})"
        return [*body, f"for k in {order}:", *_indented([self._line(x) for x in lines])]

    def _line(self, x: Equation) -> str:
        left = self.code.name(x.signal.name) + ("[k]" if x.loop is not None else "")
        return with_shape(f"{left} = {self.code.formula(x.terms[0].formula)}", x.shape)

    # --- backward --------------------------------------------------------------------------------

    def _backward(self) -> str:
        sums = [(x, t) for x in self.backward_lines for t in x.terms if _is_sum(x, t)]
        loops = {x.loop for x in self.backward_lines}
        body: list[str] = []
        for loop, lines in by_loop(self.backward_lines):
            if loop is not None:
                own = [(x, t) for x, t in sums if t.loop == loop]
                body += self._backward_loop(loop, lines, own)
                continue
            for x in lines:
                for other in dict.fromkeys(t.loop for t in x.terms if _is_sum(x, t)):
                    if other is not None and other not in loops:  # a loop without other lines
                        own = [(x, t) for t in x.terms if t.loop == other]
                        body += self._backward_loop(other, [], own)
                body += self._outside_of_loops(x)
        body.append(self._returned())
        says = f"Return the gradient of {quotable(self.derivation.loss)} by each of its leaves."
        return self._function("backward", [*self._read("\n".join(body)), "**others"], says, body)

    def _read(self, body: str) -> list[str]:
        """Return the signals of the forward pass that the backward pass reads."""
        read = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
        names = [self.code.name(x.signal.name) for x in self.derivation.sources]
        names += [self.argument(name) for name in self.outside]
        names += [self.code.name(x.signal.name) for x in self.forward_lines]
        return [name for name in dict.fromkeys(names) if name in read]

    def _backward_loop(
        self, loop: int, lines: list[Equation], sums: list[tuple[Equation, Term]]
    ) -> list[str]:
        """Return the lines of a loop: its own, and the sums over its steps."""
        handed = [x for x in lines if x.stage is Stage.HANDED]
        before: list[str] = []
        if any(all(term.handed is not None for term in x.terms) for x in lines):
            before += [f"{self._handed(x.signal.wire)} = {_zeros(x)}" for x in handed]
        elif handed:  # NumPy spreads 0 to the shape of what is added to it
            before.append(f"{' = '.join(self._handed(x.signal.wire) for x in handed)} = 0")
        inside = [
            with_shape(f"{self._delta(x)} = {self._total(x.terms)}", x.shape)
            for x in lines
            if x.stage is not Stage.HANDED
        ]
        # of a state from two steps ago first, which reads what the state of the last step hands on
        for x in sorted(handed, key=lambda x: -abs(x.signal.offset or 0), reverse=True):
            left = self._handed(x.signal.wire)
            inside.append(with_shape(f"{left} = {self._total(x.terms)}", x.shape))
        packed, sums = self._packed_sums(sums)
        zeros = [left for left, _ in packed]
        inside += [f"{left} = {left} + {right}" for left, right in packed]
        for x, terms in _by_equation(sums):
            if id(x) not in self.begun:
                self.begun.add(id(x))
                if terms[0].place is None:
                    zeros.append(self._delta(x))
                else:
                    before.append(f"{self._delta(x)} = {_zeros(x)}")
            inside += self._added(x, terms)
        before += [f"{' = '.join(names)} = 0" for names in _chunks(zeros, " = ")]
        steps = self.derivation.loops[loop]
        count = len(steps.steps)
        order = f"range({count})" if steps.backwards else f"reversed(range({count}))"
        return [*before, f"for k in {order}:", *_indented(inside)]

    def _packed_sums(
        self, sums: list[tuple[Equation, Term]]
    ) -> tuple[list[tuple[str, str]], list[tuple[Equation, Term]]]:
        """Return the sums of packed parameters whose parts differ in one δ alone, and the rest."""
        lines: list[tuple[str, str]] = []
        own = {x.full_name for x in self.backward_lines}
        for whole, parts in self.derivation.packed.items():
            if whole in own:  # which has a line of its own
                continue
            pairs = [pair for name, _ in parts for pair in sums if pair[0].full_name == name]
            alone = all(len(x.terms) == 1 and term.place is None for x, term in pairs)
            forms_and_deltas = [with_one_delta(term.formula, "d") for _, term in pairs]
            deltas = [self.code.variable(δ) for _, δ in forms_and_deltas if δ is not None]
            forms = {self.code.formula(formula) for formula, _ in forms_and_deltas}
            if not alone or len(forms) != 1 or len(deltas) != len(parts):
                continue
            (form,), names = forms, ", ".join(deltas)
            self.whole_sums[whole] = left = self.code.name(f"δ{self.argument(whole)}")
            row = names if form == "d" else f"{form} for d in ({names})"
            lines.append((left, f"np.concatenate([{row}], axis=-1)"))
            sums = [pair for pair in sums if not any(pair is other for other in pairs)]
            self.begun.update(id(x) for x, _ in pairs)
        return lines, sums

    def _added(self, x: Equation, terms: list[Term]) -> list[str]:
        """Return the lines that add what comes back at a step to a sum over the steps."""
        lines, left = [], self._delta(x)
        places: dict[Hashable, list[Term]] = {}
        for term in terms:
            key = None if term.place is None else key_of(term.place["index"])
            places.setdefault(key, []).append(term)
        for same in places.values():
            place = same[0].place
            right = self._total(tuple(same))
            if place is None:
                lines.append(f"{left} = {left} + {right}")
            elif same[0].adds:
                lines.append(f"np.add.at({left}, {self.code.place(place['index'])}, {right})")
            else:
                lines.append(f"{left}[{self.code.index(place['index'])}] += {right}")
        return lines

    def _outside_of_loops(self, x: Equation) -> list[str]:
        rest = tuple(term for term in x.terms if not _is_sum(x, term))
        if not rest:
            return []
        left = self._delta(x)
        so_far = f"{left} + " if id(x) in self.begun else ""
        return [with_shape(f"{left} = {so_far}{self._total(rest)}", x.shape)]

    def _total(self, terms: tuple[Term, ...]) -> str:
        parts = [
            self.code.term(term.formula) if term.handed is None else self._handed(term.handed)
            for term in terms
        ]
        return " + ".join(parts).replace("+ -", "- ")

    def _delta(self, x: Equation) -> str:
        return self.code.name(x.signal.name)

    def _handed(self, wire: int) -> str:
        """Return the name of what a step hands to the step before it."""
        name = next(
            x.signal.name
            for x in self.backward_lines
            if x.signal.wire == wire and x.stage is Stage.HANDED
        )
        return self.code.name(f"{name} on wire {wire}", f"{name}_handed")

    def _returned(self) -> str:
        """Return the line that gives the gradients by the names of what they belong to."""
        lines = {x.full_name: x for x in self.backward_lines if x.stage is Stage.GRADIENT}
        entries = []
        for name in self.outside:
            parts = self.derivation.packed.get(name)
            if name in lines:
                entries.append(f"{name!r}: {self._delta(lines[name])}")
            elif name in self.whole_sums:
                entries.append(f"{name!r}: {self.whole_sums[name]}")
            elif parts is not None and self.derivation.is_part:
                own = (part for part, _ in parts if part in lines)
                entries += [f"{part!r}: {self._delta(lines[part])}" for part in own]
            elif parts is not None and any(part in lines for part, _ in parts):
                lead = np.shape(self.outside[name])[:-1]
                deltas = [
                    self._delta(lines[part]) if part in lines else f"np.zeros({(*lead, width)})"
                    for part, width in parts
                ]
                entries.append(f"{name!r}: np.concatenate([{', '.join(deltas)}], axis=-1)")
        return filled(f"return {{{', '.join(entries)}}}")

    def _function(self, name: str, takes: list[str], says: str, body: list[str]) -> str:
        head = filled(f"def {name}({', '.join(takes)}):")
        sequences = [filled(f"{name} = {text}") for name, text in self.code.sequences.items()]
        used = "\n".join(body)
        constants = [line for line in sequences if re.search(rf"\b{line.split()[0]}\b", used)]
        return "\n".join([head, *_indented([f'"""{says}"""', *constants, *body])])


def from_outside(derivation: Derived) -> dict[str, np.ndarray]:
    """Return what comes from outside, by full name; parts of one parameter as the whole."""
    values = {x.full_name: x.value for x in derivation.sources}
    sources: dict[str, Any] = {}
    for source in derivation.sources:
        if not source.whole:
            sources[source.full_name] = source.value
            continue
        if source.whole in values:  # is used as a whole too
            continue
        lead, dtype = source.value.shape[:-1], source.value.dtype
        parts = [
            values.get(name, np.zeros((*lead, width), dtype))
            for name, width in derivation.packed[source.whole]
        ]
        sources[source.whole] = np.concatenate(parts, axis=-1)
    return sources


def _zeros(x: Equation) -> str:
    return f"np.zeros({x.shape}{typed(x.signal.value)})"


def _is_sum(x: Equation, term: Term) -> bool:
    """Return whether a term of an equation outside of the loops is added to at every step."""
    return x.loop is None and term.loop is not None and term.handed is None


def _by_equation(sums: list[tuple[Equation, Term]]) -> Iterator[tuple[Equation, list[Term]]]:
    groups: dict[int, tuple[Equation, list[Term]]] = {}
    for x, term in sums:
        groups.setdefault(id(x), (x, []))[1].append(term)
    return iter(groups.values())


def quotable(name: str) -> str:
    """Return a name as it can stand in a docstring."""
    return re.sub(r"[^\w.\[\] −-]", "_", name)


def with_shape(line: str, shape: tuple[int, ...]) -> str:
    """Return a line with the shape of its signal, where there is room for it."""
    comment = f"  # {shape}" if shape else ""
    return line + comment if len(line) + len(comment) <= WIDTH else line


def _indented(lines: list[str]) -> list[str]:
    return [textwrap.indent(line, INDENT) for line in lines]


def _chunks(names: list[str], between: str) -> Iterator[list[str]]:
    """Return names in groups that stand on a line each."""
    chunk: list[str] = []
    for name in names:
        if chunk and len(between.join([*chunk, name])) > WIDTH - 24:
            yield chunk
            chunk = []
        chunk.append(name)
    if chunk:
        yield chunk


def filled(line: str) -> str:
    """Break a line that is too long after commas, inside of its brackets."""
    if '"' in line or "\\" in line:  # in the text of a name, which is not to be broken
        return line
    parts = re.split(r"(?<=,) (?=[^']*(?:'[^']*'[^']*)*$)", line)  # not inside of a text
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= WIDTH:
            lines[-1] += f" {part}"
        else:
            lines.append(2 * INDENT + part)
    return "\n".join(lines)
