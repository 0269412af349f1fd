"""The words in a picture: what signals and operations are called in it.

Knows nodes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import Symbol, bare, constant_text
from ..network.flow import SOURCES, Node

NUMBERED = re.compile(r"( \((held|broadcast|\d+)\))+$")  # what tells signals of one name apart


def shown(node: Node) -> str:
    """Return a node's signal as it stands in its frame: without the scopes around it."""
    own = node.stem if node.name.startswith(node.stem) else node.name.rpartition("(k")[0]
    step = NUMBERED.sub("", node.name[len(own) :])
    name = (own + minus(step)).removeprefix(f"{node.scope}." if node.scope else "")
    of, _, part = name.partition(".")
    return f"{of}_{part}" if node.kind is Kind.PARAMETER and part else name


def is_named(node: Node) -> bool:
    """Return whether somebody gave the signal a name, other than what makes it."""
    return node.is_named


def frames(node: Node) -> tuple[str, ...]:
    """Return the frames that a node stands in: its step first, if it has one, then its scopes."""
    if node.kind in SOURCES:
        return ()
    step = () if node.step is None or node.loop is None else (f"k = {node.step}",)
    scopes: list[str] = []
    for name in node.scope.split(".") if node.scope else ():
        if name.isdigit() and scopes:  # one of a list: layers.0
            name = f"{scopes.pop()}.{name}"
        scopes.append(name)
    return (*step, *scopes)


def step(node: Node) -> tuple[int, int | None] | None:
    """Return the loop and the step that a node belongs to; None for a step that is any of them."""
    return None if node.loop is None else (node.loop, node.step)


def within(scope: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the frames of steps and those of modules."""
    steps = tuple(each for each in scope if each.startswith("k = "))
    return steps, scope[len(steps) :]


def operation_name(node: Node) -> str:
    """Return the name of what a node does: σ, tanh."""
    assert node.primitive is not None
    text = node.primitive.notation.text
    if text.endswith(" {0}"):
        return text.removesuffix(" {0}")
    return text.partition("(")[0] if text.endswith(")") else node.primitive.name


def operation(node: Node) -> str:
    if node.kind is Kind.COLLECT:
        return "all k"
    if node.primitive is None:
        return node.kind
    if "index" in node.parameters:
        return f"[{bare(constant_text(node.parameters['index']))}]"
    return operation_name(node)


def is_matmul(node: Node) -> bool:
    return node.kind is Kind.BILINEAR and not node.works_by_entry


def constant(value: Any) -> str:
    """Return a constant's text: its number, if it is one."""
    array = np.asarray(value)
    first = array.reshape(-1)[:1]
    return minus(f"{first[0]:.4g}") if first.size and np.all(array == first) else "c"


def transposed(what: str) -> str:
    """Return the transpose of what is written.

    >>> transposed("W"), transposed("Eᵀ"), transposed("p ∘ y")
    ('Wᵀ', 'E', '(p ∘ y)ᵀ')
    """
    if " " in what:
        return f"({what})ᵀ"
    return what.removesuffix("ᵀ") if what.endswith("ᵀ") else f"{what}ᵀ"


def bracketed(formula: str) -> str:
    """Return a formula as it stands in another one: in brackets if it is more than a name."""
    return f"({formula})" if " " in formula else formula


def written(node: Node, operands: list[str]) -> str:
    """Return what a node does to some operands, as a formula."""
    if node.kind is Kind.JUNCTION:
        signs = [" − " if sign < 0 else " + " for sign in node.signs]
        text = "".join(sign + each for sign, each in zip(signs, operands, strict=True))
        return text.removeprefix(" + ").removeprefix(" ")
    assert node.primitive is not None
    symbols = tuple(map(Symbol, operands))
    return minus(str(Symbol.of(node.primitive.notation, len, symbols, dict(node.parameters))))


def without_step(name: str) -> str:
    """Return a name without the step k, which is understood in a box."""
    return name.replace("(k)", "")


def minus(text: str) -> str:
    """Return text with the sign of subtraction for a hyphen."""
    return text.replace("-", "−")
