"""The legend of a derivation: what every mark means that its lines have.

Knows derivations and their lines; not how a formula is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ..engine.primitives import matmul
from ..engine.symbol import MATMUL, Symbol
from .columns import WIDTH, cut
from .derived import Derived, Term
from .letters import base_and_number, letter_for, subscripted
from .lines import Group
from .names import printable
from .reader import leaves
from .rewriting import rewrite, with_operands

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
    r"scatter\(": "scatter(x, i, shape) is 0 everywhere but at i, where it is x.",
    r"scatter_add\(": "scatter_add(x, i, shape) is 0 everywhere but at i, where x is added.",
    r"at every step k\]": "[x at every step k] is the sequence of x at all steps.",
}


def legend(
    derivation: Derived, forward: tuple[Group, ...], backward: tuple[Group, ...]
) -> Iterator[str]:
    """Return what the marks of some lines mean, a sentence each."""
    lines = [line for group in (*forward, *backward) for line in group.lines]
    terms = [term for line in lines for term in line.terms]
    back = [line for group in backward for line in group.lines]
    written = [str(term.formula) for term in terms]
    products = [product for term in terms for product in _products(term)]
    yield f"δv is ∂{derivation.loss}/∂v: all that comes back to v, the sum of its ways."
    yield "∘ multiplies entry by entry; x W is a product of matrices, and comes before ∘."
    if any(line.left.ndim == 1 for line in lines):
        yield (
            "A vector is a row, but to the right of a matrix a column; xᵀ y of two vectors is the "
            "product of each entry with each."
        )
    yield from _given(derivation, terms)
    numbers = [
        (x.signal, x.scope) for x in derivation.equations if base_and_number(x.signal.name)[1]
    ]
    if numbers:
        signal, scope = numbers[0]
        yield (
            f"A number above a name is that of the module: {signal.name} is "
            f"{base_and_number(signal.name)[0]} of {printable(scope)}."
        )
    if products:
        rules = matmul.derivatives()
        yield (
            f"A product a b sends {rules['a']} back to a and {rules['b']} to b, where δ is that of "
            "the product; a sum sends its δ to every summand."
        )
    if any(all(getattr(x, "ndim", 0) == 1 for x in old.operands) for old in products):
        yield "The product x y of two vectors is a number, Σ x ∘ y."
    if derivation.loops:
        yield (
            "The subscript k is the step, and a name without one is the same at every step; Σₖ is "
            "the sum over all steps."
        )
    if any(len(line.terms) > 1 for line in back):
        yield (
            "A signal that is used in several places gets back the sum from all of them; "
            '"via y" says that a summand comes back through y.'
        )
    if any(term.only is not None or term.starts for line in back for term in line.terms):
        yield 'A summand with "at the … step" is that of this step alone; at others it is 0.'
    if any(term.place is not None for line in back for term in line.terms):
        yield 'A summand with "at i" is added to the entry i alone, at every step k.'
    if any(term.loop is not None for line in back for term in line.terms):
        yield "A parameter is the same at every step, so its gradient is a sum over the steps."
    names = {x.full_name: x.signal.name for x in derivation.sources}
    for whole, parts in derivation.packed.items():
        own = ", ".join(names.get(name, printable(name)) for name, _ in parts)
        yield f"{names.get(whole, printable(whole))} = [{own}], side by side."
    yield from (f"{cut(text, 2 * WIDTH)}." for text in derivation.sequences)
    for mark, sentence in MARKS.items():
        if any(re.search(mark, text) for text in written):
            yield sentence
    if derivation.reason:
        yield f"Every step has lines of its own, since {derivation.reason}."


def _given(derivation: Derived, terms: list[Term]) -> Iterator[str]:
    """Return the shapes of what comes from outside; of what has the steps on an axis, at a step."""
    named = {
        x.full_name: (x.signal, np.shape(x.value))
        for x in derivation.sources
        if np.ndim(x.value) and re.fullmatch(r"[\w.⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹]+", x.signal.name)
    }
    read = {x.wire for term in terms for x in leaves(term.formula) if x.offset is not None}
    at_each_step = [f"{x.name} {shape[1:]}" for x, shape in named.values() if x.wire in read]
    once = {key: (x.name, shape) for key, (x, shape) in named.items() if x.wire not in read}
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


def _products(term: Term) -> list[Symbol]:
    """Return the matrix products in a term."""
    products: list[Symbol] = []

    def put(old: Symbol, operands: tuple[object, ...]) -> object:
        if old.notation is MATMUL:
            products.append(old)
        return with_operands(old, operands)

    rewrite(term.formula, put)
    return products
