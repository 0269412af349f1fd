"""The elements of a signal-flow graph: plain nodes and wires.

Knows nothing else: other modules make them from the tape, run them, transpose them and fold them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from operator import attrgetter, mul
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from ..engine.kind import Kind
from ..engine.kinds import table
from ..engine.limit import Interruptible
from ..engine.primitive import Primitive, Rule
from ..engine.primitives import TABLE
from ..engine.symbol import Symbol
from .parameters import at_step, varying

SOURCES = (Kind.INPUT, Kind.PARAMETER, Kind.CONSTANT)
DELAYS = (Kind.DELAY, Kind.ADVANCE)
BORDERS = (Kind.TAP, Kind.HOLD, Kind.COLLECT)


@dataclass(slots=True)
class Wire:
    """A signal on its way from one node to another.

    Attributes
    ----------
    name : str
    value : array, or None
        What was recorded on it; inside a loop of T steps (T, ...), the earliest step first.
    """

    name: str
    value: Any = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Node:
    """An element of a signal-flow graph.

    Attributes
    ----------
    kind : Kind
        ``input``, ``parameter``, ``constant``, ``output``; the kind of the primitive that it does;
        ``branch``, and ``broadcast`` (of an operand that is given smaller); in an adjoint
        network ``gain`` (entry by entry), ``matrix`` (of a product with a known partner) and
        ``jacobian`` (of a reduction), ``pullback`` (of a matrix function). In a loop over steps
        ``delay`` and ``advance``, whose ports are what comes next and the initial condition; on its
        border ``tap`` (a sequence, read at each step), ``hold`` (a value, the same at each step)
        and ``collect`` (the steps, made a sequence).
    inputs, outputs : tuple of int
        The wires at its ports, as positions in the graph's list.
    name : str
        Of the signal that it makes.
    primitive, parameters
        What it does, if a primitive does it. A parameter of a node inside of a folded loop may be
        `Varying`, with a value for each step: so is the ``index`` that a tap reads, by the
        primitive that takes the part.
    signs : tuple of int
        Of each branch of a branch point, or of each operand of a junction.
    transposed : bool
        Whether it does the transpose of what its kind and its primitive do.
    gain : array, or None
        By what a ``gain`` multiplies, or the partner of a ``matrix``, or the slopes of a
        ``jacobian``; inside a loop of T steps (T, ...).
    residuals : tuple of arrays
        What a ``pullback`` needs: the operands of its primitive and the result; inside a loop of T
        steps (T, ...).
    scale : (signal, gain) -> signal
        How a ``gain`` or a ``jacobian`` multiplies (see `Primitive`).
    label : Symbol, or None
        The same as an expression.
    port : int
        Which operand of its primitive a ``matrix`` or a ``pullback`` belongs to.
    shapes : tuple of shapes
        Of the operands of its primitive, at one step.
    stem, scope : str
        Its name without the step; the scopes it was recorded in, without the step.
    parts : tuple of (str, int)
        The stems of what is packed along the last axis of its signal, if anything is, and how
        wide each is in relation to the others.
    step, loop : int or None
        The step it was recorded at, and the loop over steps that this belongs to. Inside of a
        folded loop there is a loop and no step.
    """

    kind: Kind
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    name: str = ""
    primitive: Primitive | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    signs: tuple[int, ...] = ()
    transposed: bool = False
    gain: Any = field(default=None, repr=False)
    residuals: tuple[Any, ...] = field(default=(), compare=False, repr=False)
    scale: Rule = field(default=mul, compare=False, repr=False)
    label: Symbol | None = field(default=None, compare=False)
    port: int = 0
    shapes: tuple[tuple[int, ...], ...] = ()
    stem: str = ""
    scope: str = ""
    parts: tuple[tuple[str, int], ...] = ()
    step: int | None = None
    loop: int | None = None

    @property
    def operation(self) -> Primitive:
        """The primitive of a node that has one."""
        assert self.primitive is not None
        return self.primitive

    @property
    def folded(self) -> bool:
        """Whether the node stands for one node at each step."""
        return self.loop is not None and self.step is None

    @property
    def leaves_loop(self) -> bool:
        """Whether the node brings a signal out of a folded loop."""
        if self.kind not in BORDERS:
            return False
        return (self.kind is Kind.COLLECT) != self.transposed

    @property
    def is_timed(self) -> bool:
        """Whether its signal has a value for each step of a folded loop."""
        return self.folded and not self.leaves_loop

    @property
    def is_named(self) -> bool:
        """Whether the signal has a name of its own, not that of the operation."""
        if self.kind in SOURCES:
            return True
        own = self.stem.rpartition(".")[2]
        base, _, number = own.rpartition("_")
        unnamed = _junctions() if self.primitive is None else {self.primitive.name}
        return own not in unnamed and not (number.isdigit() and base in unnamed)

    @property
    def takes_part(self) -> bool:
        """Whether the node takes the part of its operand at an ``index``."""
        return self.primitive is not None and self.primitive.is_part

    @property
    def stacks(self) -> bool:
        """Whether the node joins its operands as the entries of a sequence."""
        if self.primitive is None or self.primitive.pieces is None:
            return False
        places = self.primitive.pieces(self.shapes, **self.parameters)
        return list(places) == [*range(len(self.shapes))]

    @property
    def works_by_entry(self) -> bool:
        """Whether each entry of the signal depends on the entries at the same place alone."""
        if self.primitive is None:
            return self.kind is Kind.JUNCTION
        return self.primitive.is_entrywise

    def at(self, step: int) -> Node:
        """Return the node as it is at one step of its loop, counted from 0 in time."""
        node = self
        if self.residuals:
            node = node.copy(residuals=tuple(residual[step] for residual in self.residuals))
        if not self.parameters or not varying(self.parameters):
            return node
        return node.copy(parameters=at_step(self.parameters, step))

    def turned(self, inputs: tuple[int, ...], outputs: tuple[int, ...], name: str) -> Node:
        """Return the transpose of this node, between other wires."""
        return self.copy(inputs=inputs, outputs=outputs, name=name, transposed=not self.transposed)

    def copy(self, **fields: Any) -> Node:
        """Return a copy with other fields, as `dataclasses.replace` does in five times the time."""
        node = Node(*_fields_of(self))
        for name, value in fields.items():
            setattr(node, name, value)
        return node


_fields_of = attrgetter(*(field.name for field in fields(Node)))


def _junctions() -> set[str]:
    """Return the names of sums without a name of their own: their nodes have no primitive."""
    known = (*TABLE.values(), *table.others.values())
    return {primitive.name for primitive in known if primitive.kind is Kind.JUNCTION}


def number_in_formula(source: Node, wire: int, users: Mapping[int, Node], value: Any) -> Any:
    """Return the number that stands for a constant in the formula of its user, or None.

    A constant of equal entries is written as a number if its user works entry by entry. A product
    of matrices, a join and a linear map need the constant's shape, and a condition is no number.

    Parameters
    ----------
    source : Node
        The node that makes the constant.
    wire : int
        The wire on which the constant comes to its user.
    users : mapping of a wire to the node that takes it
    value : array
        The constant, at one step or at all.
    """
    if source.kind is not Kind.CONSTANT:
        return None
    entries = np.ravel(value)  # a copy, of what is one array at all steps
    if entries.dtype == bool or not entries.size:
        return None
    user = users[wire]
    while user.kind is Kind.BROADCAST:  # which is no stage of its own
        user = users[user.outputs[0]]
    return entries[0] if user.works_by_entry and np.all(entries == entries[0]) else None


class Loop(NamedTuple):
    """The steps of a recurrence.

    Attributes
    ----------
    steps : tuple of int
        In the order in which they were recorded.
    scope : str
        Where.
    """

    steps: tuple[int, ...]
    scope: str = ""


@dataclass(frozen=True, repr=False)
class Flow:
    """Nodes in an order in which they can be run, and the wires between them.

    Nodes inside of the same folded loop stand together, and are run once for each of its steps.

    Attributes
    ----------
    nodes, wires, loops : tuple
    continued : mapping of int to int
        Of an adjoint network: the wires that are plain continuations of others, and of which.
    """

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    loops: tuple[Loop, ...] = ()
    continued: Mapping[int, int] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        steps = [
            len(self.loops[n].steps)
            for n in sorted(
                {node.loop for node in self.nodes if node.loop is not None and node.folded}
            )
        ]
        folded = f", folded over {' and '.join(map(str, steps))} steps" if steps else ""
        return f"<{type(self).__name__} of {len(self.nodes)} nodes{folded}>"

    @property
    def folded(self) -> bool:
        """Whether there is a folded loop in it."""
        return any(node.folded for node in self.nodes)

    @cached_property
    def maker(self) -> dict[int, Node]:
        """The node that makes the signal on each wire."""
        return {wire: node for node in self.nodes for wire in node.outputs}

    @cached_property
    def user(self) -> dict[int, Node]:
        """The node that takes each wire; of several, as in a changed network, the last."""
        return {wire: node for node in self.nodes for wire in node.inputs}

    @cached_property
    def users(self) -> dict[int, list[Node]]:
        """All nodes that take each wire."""
        users: dict[int, list[Node]] = {}
        for node in self.nodes:
            for wire in node.inputs:
                users.setdefault(wire, []).append(node)
        return users

    def source(self, wire: int, through: Container[Kind] = (Kind.BRANCH, Kind.BROADCAST)) -> Node:
        """Return the node that makes the signal on a wire, behind branch points and broadcasts.

        Parameters
        ----------
        wire : int
        through : kinds
            Of the nodes that hand the signal on, and behind which to look.
        """
        node = self.maker[wire]
        while node.kind in through:
            node = self.maker[node.inputs[0]]
        return node

    def count(self) -> dict[Kind, int]:
        """Return how many nodes there are of each kind."""
        kinds = [node.kind for node in self.nodes]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def with_node(self, old: Node, **change: Any) -> Self:
        """Return the graph with one node changed."""
        nodes = tuple(replace(node, **change) if node is old else node for node in self.nodes)
        return replace(self, nodes=nodes)


Item = TypeVar("Item", bound=Hashable)


def reachable(starts: Iterable[Item], onward: Callable[[Item], Iterable[Item]]) -> set[Item]:
    """Return some wires, or other items, and all items that they lead to.

    Parameters
    ----------
    starts : iterable of items
    onward : (item) -> the items that it leads to at once
    """
    reached = set(starts)
    waiting = list(reached)
    for start in Interruptible(waiting):  # which grows on the way
        for item in onward(start):
            if item not in reached:
                reached.add(item)
                waiting.append(item)
    return reached


AnyFlow = TypeVar("AnyFlow", bound=Flow)
