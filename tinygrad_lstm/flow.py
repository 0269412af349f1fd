"""The elements of a signal-flow graph: plain nodes and wires.

Knows nothing but what it holds. Running them, transposing them and making them from the tape are
written elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from .primitive import Primitive
from .symbol import Symbol

SOURCES = ("input", "parameter", "constant")


@dataclass(slots=True)
class Wire:
    """A signal on its way from one node to another.

    Attributes
    ----------
    name : str
    value : array, or None
        What was recorded on it.
    """

    name: str
    value: Any = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Node:
    """An element of a signal-flow graph.

    Attributes
    ----------
    kind : str
        ``input``, ``parameter``, ``constant``, ``output``; ``branch``, ``junction``; ``function``
        (of one signal or several, entry by entry), ``product`` (bilinear), ``reduction``, ``cut``;
        ``linear``, ``join``; and in an adjoint network ``gain`` (entry by entry), ``matrix`` (of a
        product with a known partner) and ``jacobian`` (of a reduction).
    inputs, outputs : tuple of int
        The wires at its ports, as positions in the graph's list.
    name : str
        Of the signal that it makes.
    primitive, parameters
        What it does, if a primitive does it.
    signs : tuple of int
        Of each branch of a branch point, or of each operand of a junction.
    transposed : bool
        Whether it does the transpose of what its primitive does.
    gain : array, or None
        By what a ``gain`` multiplies, or the partner of a ``matrix``, or the slopes of a
        ``jacobian``.
    label : Symbol, or None
        The same as an expression.
    port : int
        Which operand of its primitive a ``matrix`` belongs to.
    shapes : tuple of shapes
        Of the operands of its primitive.
    scope, step : str
        Where it was recorded.
    """

    kind: str
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    name: str = ""
    primitive: Primitive | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    signs: tuple[int, ...] = ()
    transposed: bool = False
    gain: Any = field(default=None, repr=False)
    label: Symbol | None = field(default=None, compare=False)
    port: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()
    scope: str = ""
    step: str = ""

    def turned(self, inputs: tuple[int, ...], outputs: tuple[int, ...], name: str) -> Node:
        """Return the transpose of what this node does, between other wires."""
        return Node(
            self.kind, inputs, outputs, name, self.primitive, self.parameters, self.signs,
            not self.transposed, self.gain, self.label, self.port, self.shapes,
        )  # fmt: skip


@dataclass(frozen=True)
class Flow:
    """Nodes in an order in which they can be run, and the wires between them."""

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]

    def count(self) -> dict[str, int]:
        """Return how many nodes there are of each kind."""
        kinds = [node.kind for node in self.nodes]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def with_node(self, old: Node, **change: Any) -> Self:
        """Return the graph with one node changed."""
        nodes = tuple(replace(node, **change) if node is old else node for node in self.nodes)
        return replace(self, nodes=nodes)
