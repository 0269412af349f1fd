"""Where the steps of a loop differ, in words.

Knows elements; not how the operations of the steps were matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.symbol import constant_text
from ..errors import UsageError
from .parameters import is_same
from .wiring import Element

Steps = Sequence[Sequence[Element]]


def steps_differ(steps: Steps, element: Element, expected: Element, reason: str = "") -> UsageError:
    """Return the error for an operation that differs from the one expected at its place.

    Parameters
    ----------
    steps : the operations of each step, in the order of recording
    element : Element
        The first operation that differs.
    expected : Element
        The operation at its place in another step.
    reason : str
        How they differ, beside their parameters, shapes and types.
    """
    properties = [*element.node.parameters, "shape", "type"]
    differences = [_difference(steps, title, element, expected) for title in properties]
    differs = "; ".join(filter(None, [*differences, reason]))
    return UsageError(
        f"fold: the steps differ first at {element.node.name}: found {_in_words(element)}, "
        f"expected {_in_words(expected)}, as in {expected.node.name}"
        + (f" ({differs})" if differs else "")
        + "; every step of tg.steps must record the same operations"
    )


def _difference(steps: Steps, title: str, element: Element, expected: Element) -> str:
    """Return how a property differs from step to step, in words; "" if it does not."""
    own, usual = _property(element, title), _property(expected, title)
    if is_same(own, usual) or element.node.primitive is not expected.node.primitive:
        return ""
    others = [
        other for step in steps for other in step
        if other.node.stem == element.node.stem and other is not element
    ]  # fmt: skip
    elsewhere = all(is_same(_property(other, title), usual) for other in others)
    at = "elsewhere" if elsewhere else f"at step {expected.node.step}"
    return (
        f"{title} {constant_text(own)} at step {element.node.step}, "
        f"{title} {constant_text(usual)} {at}"
    )


def _property(element: Element, title: str) -> Any:
    if title in ("shape", "type"):
        value = np.asarray(element.value)
        return value.shape if title == "shape" else str(value.dtype)
    return element.node.parameters.get(title)


def _in_words(element: Element) -> str:
    node = element.node
    operation = node.kind if node.primitive is None else node.primitive.name
    return f"{operation} of {', '.join(operand.node.name for operand in element.operands)}"
