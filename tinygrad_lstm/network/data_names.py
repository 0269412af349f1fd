"""The names of data: an array without a name that each step reads is called x, a mask m.

Knows elements. A loop over an array of NumPy, `data[k] @ W`, records a constant for each step.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, count

import numpy as np

from ..engine.kind import Kind
from .flow import DELAYS
from .wiring import Element


def name_data(order: Iterable[Element]) -> None:
    """Name the constants that each step reads: ``x``, ``x_2`` and so on, in the order of use.

    A condition is called ``c``. Zeros and ones that multiply entry by entry are a mask, ``m``.

    Parameters
    ----------
    order : elements of a folded graph, in the order of recording; their nodes are renamed in place
    """
    order = list(order)
    factors = {id(x) for element in order if _multiplies(element) for x in _read(element)}
    taken = {name for element in order for name in (element.node.stem, element.node.name)}
    names: dict[Element, tuple[str, str]] = {}  # the old and the new name of what comes of data
    for tap in (operand for element in order for operand in element.operands):
        source = tap.operands[0] if tap.node.kind is Kind.TAP else None
        if source is None or source.node.kind is not Kind.CONSTANT or source in names:
            continue
        letter = "c" if np.asarray(source.value).dtype == bool else "x"
        if letter == "x" and id(tap) in factors and np.all(np.isin(source.value, (0, 1))):
            letter = "m"
        scope, dot, _ = source.node.stem.rpartition(".")
        numbered = chain([letter], (f"{letter}_{number}" for number in count(2)))
        name = next(x for x in (f"{scope}{dot}{own}" for own in numbered) if x not in taken)
        taken.add(name)
        names[source] = source.node.stem, name
    for element in order:
        if element.node.kind in (Kind.TAP, *DELAYS) and element.operands[0] in names:
            names[element] = names[element.operands[0]]
    for element, (old, new) in names.items():
        node = element.node
        if node.name.startswith(old):
            node.name, node.stem = new + node.name.removeprefix(old), new


def _multiplies(element: Element) -> bool:
    return element.node.kind is Kind.BILINEAR and element.node.works_by_entry


def _read(element: Element) -> list[Element]:
    """Return the operands of an element before they are broadcast."""
    return [x.operands[0] if x.node.kind is Kind.BROADCAST else x for x in element.operands]
