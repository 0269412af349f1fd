"""The legend of a derivation: what every mark means that its lines have.

Knows derivations and their lines; not how a formula is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.composites import COMPOSITES
from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..engine.primitives import TABLE
from ..engine.symbol import ADD, MATMUL, SUBTRACT, TOTAL, TRANSPOSE, Symbol
from .as_read import OF_STEPS, OVER_STEPS
from .columns import WIDTH, cut
from .derived import Derived, Term
from .letters import base_and_number, letter_for, subscripted
from .lines import Group
from .names import minus, printable
from .reader import leaves
from .rewriting import OUTER, rewrite, with_operands

NAME = re.compile(r"[\w.⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹]+(\[−?\d+\])?")  # of what is given
RULED = (Kind.ELEMENTWISE, Kind.BILINEAR, Kind.MATRIX_FUNCTION)  # operations whose rules are told
LONGEST_RULE = 48
# a mark, as a pattern in the text of a formula, and what it means
MARKS = {
    r"ᵀ": "ᵀ transposes.",
    r"σ\(": "σ(x) is 1 / (1 + exp(−x)).",
    r"(?<!leaky_)relu\(": "relu(x) is x where x > 0, and 0 elsewhere.",
    r"leaky_relu\(": "leaky_relu(x, a) is x where x > 0, and a x elsewhere.",
    r"softplus\(": "softplus(x) is log(1 + exp(x)).",
    r"(?<!log )softmax\(": "softmax(x) is exp(x) / Σ exp(x).",
    r"log softmax\(": "log softmax(x) is x − log Σ exp(x).",
    r"logsumexp\(": "logsumexp(x) is log Σ exp(x).",
    r"logaddexp\(": "logaddexp(x, y) is log(exp(x) + exp(y)).",
    r"\[[^\[\]]* [<>=≠] [^\[\]]*\]": "[x > 0], a condition, is 1 where it holds, else 0.",
    r"\[\d*:\d*\]": "x[i:j] has the entries i to j − 1 of x, counted from 0.",
    r"where\(": "where(c, x, y) is x where the condition c holds, and y elsewhere.",
    r"\|": "|x| is the absolute value of each entry.",
    r"‖": "‖x‖ is the square root of Σ x².",
    r"⌊": "⌊x⌋ is x rounded down.",
    r"average\(": "average(x) is the mean of the entries.",
    r"cumsum\(": "cumsum(x) has at each place the sum of the entries up to there.",
    r"\b(max|min)\(": "max(x) and min(x) share δ evenly among entries that are equal.",
    r"reshape\(": "reshape(x, shape) has the entries of x in their order, in another shape.",
    r"broadcast\(": "broadcast(x, shape) repeats x along the axes that it lacks.",
    r"(?<!\w)\[[^\[\]]*, (?!…)": "[x, y, …] is x, y, … side by side, along the last axis.",
    r"concatenate\(": "concatenate(x, y, …) joins arrays along an axis that they have.",
    r"stack\(": "stack(x, y, …) joins arrays along a new axis.",
    r"pad\(": "pad(x, n) puts zeros around x, n of them at each end of an axis.",
    r"windows\(": "windows(x, n) has all n entries of x that follow one another, on new last axes.",
    r"overlap_add\(": "overlap_add(w, shape) adds the windows w up, each in its place.",
    r"stop\(": "stop(x) is x, and nothing comes back through it.",
    r"onehot\(": "onehot(i) is 1 at i, and 0 elsewhere; of several i, a row for each.",
    r" at \[": "x at [i:j] is x in the entries i to j − 1, and 0 in the others.",
    r"scatter\(": "scatter(x, i, shape) is 0 everywhere but at i, where it is x.",
    r"scatter_add\(": "scatter_add(x, i, shape) is 0 everywhere but at i, where x is added.",
    r"at every step k\]": "[x at every step k] is the sequence of x at all steps.",
}


def legend(
    derivation: Derived, forward: tuple[Group, ...], backward: tuple[Group, ...]
) -> Iterator[str]:
    """Return what is given, and what the marks of some lines mean; a sentence each."""
    terms = [x for group in (*forward, *backward) for line in group.lines for x in line.terms]
    yield from _given(derivation, terms)
    yield from _notation(derivation, terms)
    if derivation.reason:
        yield f"Every step has lines of its own, since {derivation.reason}."


def _notation(derivation: Derived, terms: list[Term]) -> Iterator[str]:
    """Return what the marks of some terms mean."""
    written = [str(term.formula) for term in terms]
    operations = [x for term in terms for x in _operations(term.formula)]
    products = [x.operands for x in operations if x.notation is MATMUL]
    turned = [x.operands for x in operations if x.notation in (OUTER, TRANSPOSE)]
    if derivation.loops:
        yield (
            "The subscript k is the step, and a name without one is the same at every step; Σₖ is "
            "the sum over all steps."
        )
    yield "∘ multiplies entry by entry; x W is a product of matrices, and comes before ∘."
    if any(getattr(x, "ndim", 0) == 1 for operands in (*products, *turned) for x in operands):
        yield (
            "A vector is a row, but to the right of a matrix a column; xᵀ y of two vectors is the "
            "product of each entry with each."
        )
    if any(all(getattr(x, "ndim", 0) == 1 for x in operands) for operands in products):
        yield "The product x y of two vectors is a number, Σ x ∘ y."
    yield (
        "What has fewer rows or entries than the rest of its line stands for all of them, and its "
        "δ is the sum over them."
    )
    for mark, sentence in MARKS.items():
        if any(re.search(mark, text) for text in written):
            yield sentence


def how_to_read(derivation: Derived, backward: tuple[Group, ...]) -> Iterator[str]:
    """Return what a reader of the backward lines needs to know, a sentence each."""
    back = [term for group in backward for line in group.lines for term in line.terms]
    loss = derivation.loss
    yield f"δv is ∂{loss}/∂v, the sum of all that comes back to v, and δ{loss} is 1."
    example = next((term for term in back if term.numbers), None)
    if example is not None:
        way = f"{example.via} ({example.numbers[0]})"
        yield (
            "Above each δ stands the line that defines its signal; the δ follows from the lines "
            f'that use the signal: "via {way}" names such a line, ({example.numbers[0]}), and the '
            f"signal that it defines, {example.via}."
        )
    offsets = [x.offset for term in back for x in leaves(term.formula) if x.is_delta and x.offset]
    if any(offset > 0 for offset in offsets):
        yield "Of a step after the last, δ is 0."
    if any(offset < 0 for offset in offsets):
        yield "Of a step before the first, δ is 0."
    whole = {x.signal.wire for x in derivation.equations if x.loop is None}
    if any(x.offset is not None and x.wire in whole for term in back for x in leaves(term.formula)):
        yield "Of a sequence v, vₖ is the entry k along its first axis."
    if any(term.only is not None or term.starts for term in back):
        yield 'A summand with "at the … step" is that of this step alone; at others it is 0.'
    if any(term.place is not None for term in back):
        yield 'A summand with "at i" is added to the entry i alone, at every step k.'
    if any(term.loop is not None for term in back):
        yield "A parameter is the same at every step, so its gradient is a sum over the steps."


def rules(forward: tuple[Group, ...]) -> Iterator[tuple[str, str]]:
    """Return the operations of forward lines, and what comes back to their operands."""
    known: dict[Any, Primitive] = {
        x.forward: x for x in (*TABLE.values(), *(one.primitive for one in COMPOSITES))
    }
    lines = [line for group in forward for line in group.lines]
    operations = [x for line in lines for x in _operations(line.terms[0].formula)]
    for primitive in dict.fromkeys(known[x.apply] for x in operations if x.apply in known):
        gives = ", ".join(f"δ{name} = {δ}" for name, δ in primitive.derivatives().items())
        if primitive.kind in RULED and len(gives) <= LONGEST_RULE:
            yield minus(f"y = {primitive.formula()}"), minus(gives)
    if any(x.notation in (ADD, SUBTRACT) for x in operations):
        yield "y = a + b", "δa = δ, δb = δ"
    if any(x.notation in (TOTAL, OF_STEPS, OVER_STEPS) for x in operations):
        yield "y = Σ x", "δx = δ for every entry of x"


def _given(derivation: Derived, terms: list[Term]) -> Iterator[str]:
    """Return the shapes of what comes from outside; of what has the steps on an axis, at a step."""
    named = {
        x.full_name: (x.signal, np.shape(x.value))
        for x in derivation.sources
        if np.ndim(x.value) and NAME.fullmatch(x.signal.name)
    }
    read = {x.wire for term in terms for x in leaves(term.formula) if x.offset is not None}
    at_each_step = [f"{x.name} {shape[1:]}" for x, shape in named.values() if x.wire in read]
    once = {key: (x.name, shape) for key, (x, shape) in named.items() if x.wire not in read}
    once = dict(sorted(once.items(), key=lambda item: "[" in item[1][0]))  # initial values last
    if once:
        given = list(_with_letters(once, derivation))
        letters = {several for _, several in given if several}
        shared = letters.pop() if len(letters) == 1 else ""
        names = ", ".join(
            text + (f" for {several}" if several and not shared else "") for text, several in given
        )
        yield f"Given are {names}{f', with {shared}' if shared else ''}."
    if at_each_step:
        yield (
            f"Given at each step are {', '.join(at_each_step)}; the first axis of the array is "
            "that of the steps."
        )
    numbers = [
        (x.signal, x.scope) for x in derivation.equations if base_and_number(x.signal.name)[1]
    ]
    if numbers:
        signal, scope = numbers[0]
        yield (
            f"A number above a name is that of the module: {signal.name} is "
            f"{base_and_number(signal.name)[0]} of {printable(scope)}."
        )
    called = {x.full_name: x.signal.name for x in derivation.sources}
    for whole, parts in derivation.packed.items():
        own = ", ".join(called.get(name, printable(name)) for name, _ in parts)
        yield f"{called.get(whole, printable(whole))} = [{own}], side by side."
    yield from (f"{cut(text, 2 * WIDTH)}." for text in derivation.sequences)


def _with_letters(
    given: dict[str, tuple[str, tuple[int, ...]]], derivation: Derived
) -> Iterator[tuple[str, str]]:
    """Return a name with its shape, and what its letter stands for: the parts of a parameter."""
    packs = [[name for name, _ in parts] for parts in derivation.packed.values()]
    whole = {parts[0]: parts for parts in packs if all(name in given for name in parts)}
    done: set[str] = set()
    for full_name, (name, shape) in given.items():
        if full_name in done:
            continue
        parts = whole.get(full_name, [])
        subscripts = [base_and_number(given[x][0])[0].rpartition("_")[2] for x in parts]
        letter = letter_for(subscripts)
        alike = {
            (subscripted(given[x][0], subscript, letter), given[x][1])
            for x, subscript in zip(parts, subscripts, strict=True)
        }
        if len(alike) == 1:
            done.update(parts)
            yield f"{alike.pop()[0]} {shape}", f"{letter} = {', '.join(subscripts)}"
        else:
            yield f"{name} {shape}", ""


def _operations(formula: Any) -> list[Symbol]:
    """Return the operations in a formula."""
    operations: list[Symbol] = []

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        operations.append(old)
        return with_operands(old, operands)

    rewrite(formula, put)
    return operations
