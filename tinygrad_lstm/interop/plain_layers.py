"""Tables of how a framework names and lays out the layers without steps.

Knows which layers there are; no framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import nn
from ..nn.convolution import Conv
from ..nn.module import Module
from ..nn.normalization import Normalization

# the layers without steps that have parameters
PLAIN: tuple[type[Module], ...] = (nn.Dense, Conv, Normalization, nn.Embedding, nn.Attention)

Map = Callable[[Any], Any]
# by our letter: the framework's name, the map from our array to the framework's, and the way back
Rows = Mapping[str, tuple[str, Map, Map]]
Tables = Mapping[type[Module], Rows]


def same(array: Any) -> Any:
    """Return an array as it is."""
    return array


def transpose(matrix: Any) -> Any:
    """Return a matrix transposed."""
    return matrix.T


def their_arrays(tables: Tables, layer: Module, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return a framework's arrays by their names, from those of ours that a table has."""
    return {
        name: to(ours[letter]) for letter, (name, to, _) in rows(tables, layer) if letter in ours
    }


def our_arrays(tables: Tables, layer: Module, theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return our arrays by our letters: the inverse of `their_arrays`."""
    return {
        letter: back(theirs[name])
        for letter, (name, _, back) in rows(tables, layer)
        if name in theirs
    }


def rows(tables: Tables, layer: Module) -> Any:
    """Return the rows of a layer's table."""
    return next(table for kind, table in tables.items() if isinstance(layer, kind)).items()
