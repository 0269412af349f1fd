"""The legend of a derivation: what every mark means that its lines have.

Knows derivations and their lines; not how a formula is printed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..engine.symbol import HADAMARD, MATMUL, TRANSPOSE, Symbol
from .as_read import has_one_hot
from .columns import WIDTH, cut
from .derived import Derived, Term
from .dummies import Dummies
from .gates import gates_of
from .letters import base_and_number, letter_for, subscripted
from .lines import Group
from .names import Exact, printable
from .reader import leaves
from .rewriting import OUTER, rewrite, with_operands

NAME = re.compile(r"[\w.⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹]+(\[−?\d+\])?")  # of what is given
# a mark, as a pattern in the text of a formula, and what it means; letters that stand for anything
# are in braces
MARKS = {
    r"ᵀ": "ᵀ transposes.",
    r"σ\(": "σ({x}) is 1 / (1 + exp(−{x})), and σ(−{x}) is 1 − σ({x}).",
    r"(?<!leaky_)relu\(": "relu({x}) is {x} where {x} > 0, and 0 elsewhere.",
    r"leaky_relu\(": "leaky_relu({x}, {a}) is {x} where {x} > 0, and {a} {x} elsewhere.",
    r"softplus\(": "softplus({x}) is log(1 + exp({x})).",
    r"(?<!log )softmax\(": "softmax({x}) is exp({x}) / Σ exp({x}), with Σ along its axis.",
    r"log softmax\(": "log softmax({x}) is {x} − log Σ exp({x}), with Σ along its axis.",
    r"logsumexp\(": "logsumexp({x}) is log Σ exp({x}), with Σ along its axis.",
    r"logaddexp\(": "logaddexp({x}, {y}) is log(exp({x}) + exp({y})).",
    r"(along|over) (axis|axes)": "Axes count from 0: axis 0 of a matrix leads from row to row (of "
    "a batch, say), axis 1 along a row (of features).",
    r"\[[^\[\]]* [<>=≠] [^\[\]]*\]": "[{x} > 0], a condition, is 1 where it holds, else 0.",
    r"\[\d*:\d*\]": "{x}[{i}:{j}] has the entries {i} to {j} − 1 of {x}, counted from 0.",
    r"where\(": "where({c}, {x}, {y}) is {x} where the condition {c} holds, and {y} elsewhere.",
    r"\bsign\(": "sign({x}) is −1, 0 or 1, the sign of {x}.",
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
    r"onehot\(": "onehot({i}) is 1 at {i}, and 0 elsewhere, as wide as the array beside it; of "
    "several {i}, a row for each.",
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
    yield from _unnamed(derivation, forward)
    yield from _notation(derivation, _terms(forward), dummies)
    yield from _marks(_texts(forward), dummies)
    yield from means(derivation, forward)
    if derivation.reason:
        yield f"Every step has lines of its own, since {derivation.reason}."


def _unnamed(derivation: Derived, forward: tuple[Group, ...]) -> Iterator[str]:
    """Return which letters are not the program's."""
    lines = [line for group in forward for line in group.lines]
    own = [line for line in lines if line.left.wire in derivation.unnamed]
    if not own:
        return
    names = [printable(str(line.left)) for line in own]
    inside = [name for name in names if "_" in name]
    example = f"; {inside[0]} is what goes into {inside[0].partition('_')[2]}" if inside else ""
    listed = f"{', '.join(names)}{example}"
    yield f"Letters of ours, for signals without a name: {listed}."


def _terms(groups: tuple[Group, ...]) -> list[Term]:
    return [term for group in groups for line in group.lines for term in line.terms]


def _texts(groups: tuple[Group, ...]) -> list[str]:
    return [str(term.formula) for term in _terms(groups)]


def _marks(written: list[str], dummies: Dummies, known: Iterable[str] = ()) -> Iterator[str]:
    """Return what the marks of some formulas mean that are not in the known ones."""
    known = [*known]
    for mark, sentence in MARKS.items():
        if any(re.search(mark, x) for x in written) and not any(re.search(mark, x) for x in known):
            yield re.sub(r"\{(\w)\}", lambda letter: dummies[letter[1]], sentence)


def _notation(derivation: Derived, terms: list[Term], dummies: Dummies) -> Iterator[str]:
    """Return how formulas are written."""
    operations = [x for term in terms for x in _operations(term.formula)]
    products = [x.operands for x in operations if x.notation is MATMUL]
    turned = [x.operands for x in operations if x.notation in (OUTER, TRANSPOSE)]
    if derivation.loops:
        names = [x.signal.name for x in derivation.equations if x.loop is not None]
        name = next((x for x in names if "_" in x), "")
        yield (
            "The subscript k is the step"
            + (f": {name}(k) is {name} at step k" if name else "")
            + ". A name without it is the same at every step; Σₖ is "
            "the sum over all steps, and Σ without an axis the sum over all entries."
        )
    x, W, y = dummies["x"], dummies["W"], dummies["y"]
    yield (
        f"In sentences and rules, {x}, {W}, {y} and other letters that are no signals are "
        "placeholders."
    )
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
    yield "A smaller array in a line is repeated for every row, or entry, of the larger ones."


def how_to_read(
    derivation: Derived,
    forward: tuple[Group, ...],
    backward: tuple[Group, ...],
    dummies: Dummies,
) -> Iterator[str]:
    """Return what a reader of the backward lines needs to know, a sentence each."""
    back = _terms(backward)
    loss, v, i = derivation.loss, dummies["v"], dummies["i"]
    yield f"δ{v} is ∂{loss}/∂{v}, the sum of all that comes back to {v}, and δ{loss} is 1."
    yield (
        "A δ has the shape of its signal; that of an array which is repeated is the sum over its "
        "copies."
    )
    example = next((term for term in back if term.numbers), None)
    if example is not None:
        way = f"{example.via} ({example.numbers[0]})"
        yield (
            "With each δ stands the line that defines its signal. The δ has a summand for each "
            f'line that uses the signal, and no other: "via {way}" is the use in line '
            f"({example.numbers[0]}), which defines {example.via}."
        )
    passed = max((term.rules for term in back if not term.parts), key=len, default=())
    if passed:
        names = ", ".join(passed)
        yield (
            f'"by {names}" names the rules that δ passes on this way, in this order. A sum '
            f"{dummies['u']} + {dummies['w']} hands δ on to both as it is, and has no rule."
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
    if any(term.loop is not None for term in back):
        yield "A parameter is the same at every step, so its gradient is a sum over the steps."
    yield from _order(derivation, forward, back)
    if any(group.starts == "first" for group in backward):
        yield "An initial value stands before step 0: its δ has the summands of later steps alone."
    texts = [str(term.formula) for term in back]
    if any(re.search(r"softplus\(-.* softplus\(", x) for x in _texts(forward)):
        x, t = dummies["x"], dummies["t"]
        yield (
            f"softplus({x}) ∘ (1 − {t}) and softplus(−{x}) ∘ {t} hand back δ ∘ σ({x}) ∘ (1 − {t}) "
            f"and −δ ∘ σ(−{x}) ∘ {t}, which is δ ∘ (σ({x}) − {t}) in all."
        )
    yield from _marks(texts, dummies, _texts(forward))


def _order(derivation: Derived, forward: tuple[Group, ...], back: list[Term]) -> Iterator[str]:
    """Return in which order the lines are computed, and which values the forward pass keeps."""
    if not derivation.loops:
        yield "The lines are computed from top to bottom: each reads δ of lines above it."
        return
    yield (
        "The lines of a step are computed from top to bottom, before those of the step before: "
        "each reads δ of lines above it, or of later steps."
    )
    read = {x.name for term in back for x in leaves(term.formula) if not x.is_delta}
    lines = [x.left for group in forward for x in group.lines]
    kept = [x.name for x in lines if x.offset is not None and x.name in read]
    if kept:
        yield f"They read values that the forward pass keeps of every step: {', '.join(kept)}."


def means(derivation: Derived, forward: tuple[Group, ...]) -> Iterator[str]:
    """Return which factors make a mean of a sum: one divided by the number of the summands."""
    counts = {len(loop.steps) for loop in derivation.loops.values()}
    told: dict[str, None] = {}
    for x in (x for term in _terms(forward) for x in _operations(term.formula)):
        for one, other in (x.operands, x.operands[::-1]) if x.notation is HADAMARD else ():
            is_sum = str(getattr(getattr(other, "notation", None), "text", "")).startswith("Σ")
            if isinstance(one, float) and is_sum:
                over_steps = "Σₖ" in other.notation.text and len(counts) == 1
                steps = [f"{count} steps" for count in counts if over_steps]
                told |= dict.fromkeys(_mean(one, [*steps, *_sizes(other)]))
    yield from told


def _sizes(total: Symbol) -> list[str]:
    """Return how many summands a sum of entries has, along each axis; of onehot, a row has one."""
    (inner,), axis = total.operands, total.parameters.get("axis")
    shape = np.shape(getattr(inner, "value", 0))
    words = ("rows", "columns") if len(shape) == 2 else ("entries",) * len(shape)
    sizes = [f"{n} {word}" for n, word in zip(shape, words, strict=True)]
    if axis is not None:
        is_over_steps = "steps" in getattr(total.notation, "text", "")
        return [] if is_over_steps else [sizes[at] for at in np.atleast_1d(axis)]
    return sizes[: len(sizes) - has_one_hot(inner)]


def _mean(factor: float, sizes: list[str]) -> list[str]:
    """Return that a factor makes a mean of a sum, if one divided by some sizes is this factor."""
    for count in range(1, len(sizes) + 1):
        product = math.prod(int(size.split()[0]) for size in sizes[:count])
        if product > 2 and math.isclose(factor * product, 1.0):  # ½ is that of ½ Σ e²
            by = " · ".join(size for size in sizes[:count] if not size.startswith("1 "))
            return [f"{Exact(factor):g} is one divided by {by}: a mean."]
    return []


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
    states = {x.start_wire for x in derivation.initial}
    starts = {key: x for key, x in once.items() if named[key][0].wire in states}
    once = {key: x for key, x in once.items() if key not in starts}
    if once:
        by_letter: dict[str, list[str]] = {}
        for text, several in _with_letters(once, derivation):
            by_letter.setdefault(several, []).append(text)
        groups = [
            ", ".join(texts) + (f" for {several}" if several else "")
            for several, texts in sorted(by_letter.items(), key=lambda group: bool(group[0]))
        ]
        yield f"Given are {'; '.join(groups)}."
    if starts:
        own = ", ".join(f"{name} {shape}" for name, shape in starts.values())
        of_step = [name for name, _ in starts.values() if re.search(r"_\d$", name)]
        yield f"Given as initial values are {own}."
        if of_step:
            yield f"The number in {', '.join(of_step)} is a part of the name, and no step."
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
    yield from (f"{cut(told_by_step(text), 2 * WIDTH)}." for text in derivation.sequences)


def told_by_step(values: str) -> str:
    """Return the values of a sequence, of which several at a step are told apart from the next.

    >>> told_by_step("t(k) = [0, 1], [2, 2], …"), told_by_step("index(k) = 2, 0")
    ('t(k) at k = 0, 1, … is [0, 1]; [2, 2]; …', 'index(k) = 2, 0')
    """
    name, _, listed = values.partition(" = ")
    if not listed.startswith("["):
        return values
    return f"{name} at k = 0, 1, … is {listed.replace('], ', ']; ')}"


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
