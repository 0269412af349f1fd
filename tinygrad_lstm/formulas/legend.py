"""The legend of a derivation: what every mark means that its lines have.

Knows derivations and their lines; not how a formula is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.symbol import MATMUL, TRANSPOSE, Symbol
from .columns import WIDTH, cut
from .derived import Derived, Term
from .dummies import Dummies
from .gates import gates_of
from .letters import base_and_number, letter_for, subscripted
from .lines import Group
from .names import printable
from .reader import leaves
from .rewriting import OUTER, rewrite, with_operands
from .rules import rule_name

NAME = re.compile(r"[\w.⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹]+(\[−?\d+\])?")  # of what is given
# a mark, as a pattern in the text of a formula, and what it means; letters that stand for anything
# are in braces
MARKS = {
    r"ᵀ": "ᵀ transposes.",
    r"σ\(": "σ({x}) is 1 / (1 + exp(−{x})), and σ(−{x}) is 1 − σ({x}).",
    r"(?<!leaky_)relu\(": "relu({x}) is {x} where {x} > 0, and 0 elsewhere.",
    r"leaky_relu\(": "leaky_relu({x}, {a}) is {x} where {x} > 0, and {a} {x} elsewhere.",
    r"softplus\(": "softplus({x}) is log(1 + exp({x})).",
    r"(?<!log )softmax\(": "softmax({x}) is exp({x}) / Σ exp({x}), where Σ is along the axis of "
    "the softmax, in its rule too.",
    r"log softmax\(": "log softmax({x}) is {x} − log Σ exp({x}).",
    r"logsumexp\(": "logsumexp({x}) is log Σ exp({x}).",
    r"logaddexp\(": "logaddexp({x}, {y}) is log(exp({x}) + exp({y})).",
    r"(along|over) (axis|axes)": "Axes count from 0: axis 0 of a matrix leads from row to row (of "
    "a batch, say), axis 1 along a row (of features).",
    r"\[[^\[\]]* [<>=≠] [^\[\]]*\]": "[{x} > 0], a condition, is 1 where it holds, else 0.",
    r"\[\d*:\d*\]": "{x}[{i}:{j}] has the entries {i} to {j} − 1 of {x}, counted from 0.",
    r"where\(": "where({c}, {x}, {y}) is {x} where the condition {c} holds, and {y} elsewhere.",
    r"\|": "|{x}| is the absolute value of each entry.",
    r"‖": "‖{x}‖ is the square root of Σ {x}².",
    r"⌊": "⌊{x}⌋ is {x} rounded down.",
    r"average\(": "average({x}) is the mean of the entries.",
    r"cumsum\(": "cumsum({x}) has at each place the sum of the entries up to there.",
    r"\b(max|min)\(": "max({x}) and min({x}) share δ evenly among entries that are equal.",
    r"reshape\(": "reshape({x}, shape) has the entries of {x} in their order, in another shape.",
    r"broadcast\(": "broadcast({x}, shape) repeats {x} along the axes that it lacks.",
    r"(?<![\w\[])\[[^\W\d][^\[\]]*, (?!…)": "[{x}, {y}, …] is {x}, {y}, … side by side, along the "
    "last axis.",
    r"\w\[\[": "{x}[[{i}, {j}, …]] has the entries {i}, {j}, … of {x} along its first axis: of a "
    "matrix, the rows.",
    r"concatenate\(": "concatenate({x}, {y}, …) joins arrays along an axis that they have.",
    r"stack\(": "stack({x}, {y}, …) joins arrays along a new axis.",
    r"pad\(": "pad({x}, {n}) puts zeros around {x}, {n} of them at each end of an axis.",
    r"windows\(": "windows({x}, {n}) has all {n} entries of {x} that follow one another, on new "
    "last axes.",
    r"overlap_add\(": "overlap_add({w}, shape) adds the windows {w} up, each in its place.",
    r"stop\(": "stop({x}) is {x}, and nothing comes back through it.",
    r"onehot\(": "onehot({i}) is 1 at {i}, and 0 elsewhere; of several {i}, a row for each.",
    r" at \[": "{x} at [{i}:{j}] is {x} in the entries {i} to {j} − 1, and 0 in the others.",
    r"scatter\(": "scatter({x}, {i}, shape) is 0 everywhere but at {i}, where it is {x}.",
    r"scatter_add\(": "scatter_add({x}, {i}, shape) is 0 but at {i}, where {x} is added.",
    r"at every step k\]": "[{x} at every step k] is the sequence of {x} at all steps.",
}


def legend(
    derivation: Derived,
    forward: tuple[Group, ...],
    backward: tuple[Group, ...],
    dummies: Dummies,
) -> Iterator[str]:
    """Return what is given, and what the marks of some lines mean; a sentence each."""
    terms = [x for group in (*forward, *backward) for line in group.lines for x in line.terms]
    yield from _given(derivation, terms)
    yield from _notation(derivation, terms, dummies)
    if derivation.reason:
        yield f"Every step has lines of its own, since {derivation.reason}."


def _notation(derivation: Derived, terms: list[Term], dummies: Dummies) -> Iterator[str]:
    """Return what the marks of some terms mean."""
    written = [str(term.formula) for term in terms]
    operations = [x for term in terms for x in _operations(term.formula)]
    products = [x.operands for x in operations if x.notation is MATMUL]
    turned = [x.operands for x in operations if x.notation in (OUTER, TRANSPOSE)]
    if derivation.loops:
        yield (
            "The subscript k is the step, and a name without one is the same at every step; Σₖ is "
            "the sum over all steps, and Σ without an axis the sum over all entries."
        )
    x, W, y = dummies["x"], dummies["W"], dummies["y"]
    yield f"{x}, {W}, {y} and other letters that are no signals stand for any signal or number."
    yield (
        f"∘ multiplies entry by entry; {x} {W} is a product of matrices, and comes before ∘; a "
        f"number in front, as in 2 {x}, multiplies every entry."
    )
    if any(getattr(x, "ndim", 0) == 1 for operands in (*products, *turned) for x in operands):
        yield (
            f"A vector is a row, but to the right of a matrix a column; {x}ᵀ {y} of two vectors is "
            "the product of each entry with each."
        )
    if any(all(getattr(x, "ndim", 0) == 1 for x in operands) for operands in products):
        yield f"The product {x} {y} of two vectors is a number, Σ {x} ∘ {y}."
    yield (
        "A smaller array in a line is repeated for every row, or entry, of the larger ones; so its "
        "δ is the sum over them. A δ has the shape of its signal."
    )
    for mark, sentence in MARKS.items():
        if any(re.search(mark, text) for text in written):
            yield re.sub(r"\{(\w)\}", lambda letter: dummies[letter[1]], sentence)


def how_to_read(
    derivation: Derived, backward: tuple[Group, ...], dummies: Dummies
) -> Iterator[str]:
    """Return what a reader of the backward lines needs to know, a sentence each."""
    back = [term for group in backward for line in group.lines for term in line.terms]
    loss, v, i = derivation.loss, dummies["v"], dummies["i"]
    yield f"δ{v} is ∂{loss}/∂{v}, the sum of all that comes back to {v}, and δ{loss} is 1."
    example = next((term for term in back if term.numbers), None)
    if example is not None:
        way = f"{example.via} ({example.numbers[0]})"
        yield (
            "With each δ stands the line that defines its signal. The δ has a summand for each "
            f'line that uses the signal, and no other: "via {way}" is the use in line '
            f"({example.numbers[0]}), which defines {example.via}."
        )
    passed = max((term.rules for term in back), key=len, default=())
    if passed:
        names = ", ".join(map(rule_name, passed))
        yield (
            f'"by {names}" names the rules that δ passes on this way, in this order. A sum '
            "hands δ on as it is, and is not named."
        )
    offsets = [x.offset for term in back for x in leaves(term.formula) if x.is_delta and x.offset]
    counts = {len(loop.steps) for loop in derivation.loops.values()}
    count = counts.pop() if len(counts) == 1 else None
    if any(offset > 0 for offset in offsets):
        yield (
            f"Where step k uses {v}ₖ₋₁, step k+1 uses {v}ₖ: so δ{v}ₖ has a summand of step k+1. "
            + _beyond(sorted({x for x in offsets if x > 0}), count)
        )
    if any(offset < 0 for offset in offsets):
        yield _beyond(sorted({x for x in offsets if x < 0}, reverse=True), count)
    whole = {x.signal.wire for x in derivation.equations if x.loop is None}
    if any(x.offset is not None and x.wire in whole for term in back for x in leaves(term.formula)):
        yield f"Of a sequence {v}, {v}ₖ is the entry k along its first axis."
    dated = [
        term for group in backward if not group.starts for x in group.lines for term in x.terms
    ]
    if any(term.only is not None or term.starts for term in dated):
        yield 'A summand with "at the … step" is that of this step alone; at others it is 0.'
    if any(term.place is not None for term in back):
        yield f'A summand with "at {i}" is added to the entry {i} alone, at every step k.'
    if any(re.search(r"softmax.* − .*onehot", str(term.formula)) for term in back):
        yield (
            "A row of onehot sums to 1: so log softmax hands back softmax − onehot, "
            "times the factor in front."
        )
    if any(term.loop is not None for term in back):
        yield "A parameter is the same at every step, so its gradient is a sum over the steps."


def _beyond(offsets: list[int], count: int | None) -> str:
    """Return at which steps the summands of later steps, or of earlier ones, are left out."""
    texts = []
    for offset in offsets:
        near = 0 if offset < 0 else count and count - 1
        step = "the last step" if near is None else f"k = {near}"
        far = near is not None and near + (1 - offset if offset > 0 else -1 - offset)
        if abs(offset) > 1:
            step = (
                f"k {'≥' if offset > 0 else '≤'} {far}"
                if near is not None
                else (f"the last {offset} steps" if offset > 0 else step)
            )
        texts.append(f"at {step} drop the summands of step k{offset:+d}")
    text = ", and ".join(texts)
    return f"{text[0].upper()}{text[1:]}: there is no such step.".replace("-", "−")


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
        by_letter: dict[str, list[str]] = {}
        for text, several in _with_letters(once, derivation):
            by_letter.setdefault(several, []).append(text)
        groups = [
            ", ".join(texts) + (f" for {several}" if several else "")
            for several, texts in sorted(by_letter.items(), key=lambda group: bool(group[0]))
        ]
        yield f"Given are {'; '.join(groups)}."
    if at_each_step:
        steps = next(shape[0] for x, shape in named.values() if x.wire in read)
        yield (
            f"Given at each of {steps} steps are {', '.join(at_each_step)}; the first axis of the "
            "array is that of the steps."
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
    letters = gates_of(derivation)
    done: set[str] = set()
    for full_name, (name, shape) in given.items():
        if full_name in done:
            continue
        parts = whole.get(full_name, [])
        subscripts = [base_and_number(given[x][0])[0].rpartition("_")[2] for x in parts]
        letter = letters.get(tuple(subscripts)) or letter_for(subscripts)
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
