"""The entries of a state dictionary, held to the names and shapes that a module expects.

Knows shapes and names; no module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError, SignalError, nearest

MASK = ".mask"  # ends the name of an entry that says which numbers of another entry can change


def with_masks(
    names: Iterable[object], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of entries, and those of the masks that stand beside them in a state."""
    known = {str(name) for name in names}
    masks = {name + MASK: shape for name, shape in shapes.items() if name + MASK in known}
    return {**shapes, **masks}


def check_entries(
    who: str, state: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse arrays by name of which any is missing, unexpected or of the wrong shape.

    Parameters
    ----------
    who : str
        What the message begins with.
    state : mapping of names to whatever has a shape
    shapes : mapping of names to shapes
        What is expected.

    Raises
    ------
    SignalError, ShapeError
        The message lists all of them. A name that is wrong is a SignalError, whatever the shapes.
    """
    wrong = [f"missing: {name} {shapes[name]}" for name in shapes if name not in state]
    wrong += [
        f"unexpected: {name} ({nearest(name, shapes)})"
        for name in map(str, state)
        if name not in shapes
    ]
    misshaped = [
        f"shape of {name}: found {shape}, expected {shapes[name]}"
        for name in shapes
        if name in state and (shape := _shape(state[name])) != shapes[name]
    ]
    if wrong or misshaped:
        kind = SignalError if wrong else ShapeError
        raise kind(f"{who}: nothing loaded; " + "; ".join(wrong + misshaped))


def _shape(value: Any) -> tuple[int, ...] | str:
    try:
        return tuple(np.shape(value))
    except ValueError:
        return "lists of unequal lengths"
    except TypeError:
        return f"an object of type {type(value).__name__}"
