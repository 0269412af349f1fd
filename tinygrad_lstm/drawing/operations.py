"""The operation of a node as a box in a picture shows it, and that of its transpose.

Knows nodes.
"""

from __future__ import annotations

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import bare, constant_text
from ..network.flow import Node
from .copies import SUBSCRIPTS


def operation_name(node: Node) -> str:
    """Return the name of a node's operation: σ, tanh."""
    text = node.operation.notation.text
    if text.endswith(" {0}"):
        return text.removesuffix(" {0}")
    return text.partition("(")[0] if text.endswith(")") else node.operation.name


def operation(node: Node) -> str:
    """Return a node's operation, as a box shows it, with its axes unless it takes all there are."""
    if node.kind is Kind.COLLECT:
        return "all k"
    if node.primitive is None:
        return node.kind
    if "index" in node.parameters:
        text = bare(constant_text(node.parameters["index"]))
        return text if text.startswith("[") else f"[{text}]"
    return operation_name(node) + axes_of(node)


def axes_of(node: Node) -> str:
    """Return the axes along which a node goes, as subscripts; "" if it goes along all there are."""
    axis = node.parameters.get("axis")
    count = len(node.shapes[0]) if node.shapes else 0
    if axis is None or not count:
        return ""
    axes = sorted({int(x) % count for x in np.atleast_1d(axis)})
    return "" if len(axes) == count else "".join(str(x).translate(SUBSCRIPTS) for x in axes)


def transpose_text(text: str) -> str:
    """Return the label of the transpose of an operation.

    >>> transpose_text("Σ"), transpose_text("Eᵀ"), transpose_text("all k")
    ('Σᵀ', 'E', '(all k)ᵀ')
    """
    if " " in text and not text.startswith("["):
        return f"({text})ᵀ"
    return text.removesuffix("ᵀ") if text.endswith("ᵀ") else f"{text}ᵀ"
