"""Arrays in lists, tuples and dictionaries: taken out in order, and put back.

Knows Python's containers; no array, and no Tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

CONTAINERS = (tuple, list, dict)
Structure = Any  # None for an item, else the type of a container, its keys, and what is in it


def take_apart(value: Any, items: list[Any]) -> Structure:
    """Append the items in a value to a list, and return how they stood in it.

    >>> items = []
    >>> structure = take_apart((1, {"a": 2, "b": [3]}), items)
    >>> items, put_together(structure, iter(items))
    ([1, 2, 3], (1, {'a': 2, 'b': [3]}))
    """
    kind = type(value)
    if kind is dict:
        return kind, tuple(value), tuple(take_apart(x, items) for x in value.values())
    if kind in CONTAINERS or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        return kind, None, tuple(take_apart(x, items) for x in value)
    items.append(value)
    return None


def put_together(structure: Structure, items: Iterator[Any]) -> Any:
    """Return a value of items in their order."""
    if structure is None:
        return next(items)
    kind, keys, inner = structure
    values = [put_together(x, items) for x in inner]
    if kind is dict:
        return dict(zip(keys, values, strict=True))
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def name_items(structure: Structure, name: str) -> Iterator[str]:
    """Return a name for each item: ``state``, or ``state_0``, ``state_1`` in a container.

    >>> [*name_items(take_apart([1, (2, 3)], []), "x")]
    ['x_0', 'x_1_0', 'x_1_1']
    """
    if structure is None:
        yield name
        return
    _, keys, inner = structure
    for key, x in zip(range(len(inner)) if keys is None else keys, inner, strict=True):
        yield from name_items(x, f"{name}_{key}")


def name_arguments(structure: Structure, names: Sequence[str]) -> list[str]:
    """Return a name for each item of ``(args, options)``.

    Parameters
    ----------
    structure : of a tuple and a dictionary
    names : sequence of str
        Of the parameters of the function, as far as they are known.
    """
    _, _, ((_, _, args), (_, keys, options)) = structure
    known = [names[n] if n < len(names) else f"x{n}" for n in range(len(args))]
    pairs = (*zip(known, args, strict=True), *zip(keys, options, strict=True))
    return [name for own, inner in pairs for name in name_items(inner, own)]
