"""The numbers of a derivation: what was recorded of each signal, and its δ, at one step.

Knows networks, and runs their adjoint.
"""

from __future__ import annotations

from collections.abc import Set
from functools import cached_property
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..network.adjoint import alive
from ..network.flow import Node
from ..network.graph import Graph
from ..network.locate import Locations
from ..network.signals import Signals
from .reader import Variable

MOST = 6  # entries of a row that are written


class Recorded:
    """The recorded signals of a network and their δ.

    Parameters
    ----------
    network : Graph
        Forward, with the recorded values on its wires.
    signals : Signals
        The names that `compare` knows.
    """

    def __init__(self, network: Graph, signals: Signals) -> None:
        self.network, self.signals = network, signals

    @cached_property
    def locations(self) -> Locations:
        """The wires of the signals that `compare` knows by a name."""
        return Locations(self.network, self.signals)

    @cached_property
    def deltas(self) -> dict[int, np.ndarray]:
        """δ of the signal on each wire that has one; inside of a loop of T steps (T, ...)."""
        adjoint = self.network.adjoint()
        back = adjoint.evaluate(everything=True)
        same = adjoint.continued
        δ = {wire: back[adjoint.wires[same.get(wire, wire)].name] for wire in alive(self.network)}
        for node in self.network.nodes:
            parts = parts_of(self.network, node)
            whole = node.outputs[0] if parts else None
            if whole in δ:  # which is used as a whole, and in parts
                shares = [
                    δ.get(wire, np.zeros((*δ[whole].shape[:-1], width))) for wire, width in parts
                ]
                δ[whole] = δ[whole] + np.concatenate(shares, axis=-1)
        return δ

    def is_reached(self, wires: Set[int]) -> bool:
        """Return whether anything comes back to signals: to one at least, or they are not told."""
        return not wires or not wires.isdisjoint(alive(self.network))

    def shares(self, wire: int) -> np.ndarray | None:
        """Return what each step adds to the gradient of what all steps of one loop use; or None."""
        user = self.network.user.get(wire)
        if user is None or user.kind is not Kind.HOLD:
            return None
        return self.deltas.get(user.outputs[0])

    def at(self, signal: Variable, step: int) -> Any:
        """Return a signal, or its δ, at one step of its loop; outside of loops its only value."""
        of = self.deltas if signal.is_delta else None
        values = self.network.wires[signal.wire].value if of is None else of.get(signal.wire)
        if values is None or signal.offset is None:
            return values
        return values[step] if -len(values) <= step < len(values) else None


def parts_of(network: Graph, node: Node) -> list[tuple[int, int]]:
    """Return the wire, or -1, and the width of each part of a packed parameter."""
    if node.kind is not Kind.PARAMETER or not node.parts:
        return []
    wires = {x.name: x.outputs[0] for x in network.nodes if x.kind is Kind.PARAMETER}
    unit = np.shape(network.wires[node.outputs[0]].value)[-1] // sum(n for _, n in node.parts)
    return [(wires.get(name, -1), n * unit) for name, n in node.parts]


def row(value: Any) -> str:
    """Return the first row of an array with four digits.

    >>> row(np.array([[0.123456, -2.0], [3.0, 4.0]])), row(0.5), row(np.ones(9))
    ('[0.1235, -2]', '0.5', '[1, 1, 1, 1, 1, 1, …]')
    """
    array = np.asarray(value, float)
    if not array.ndim:
        return _digits(array.item())
    while array.ndim > 1:
        if not len(array):
            return "[]"
        array = array[0]
    more = ", …" * (array.size > MOST)
    return f"[{', '.join(map(_digits, array[:MOST].tolist()))}{more}]"


def _digits(number: float) -> str:
    return f"{number:.4g}"
