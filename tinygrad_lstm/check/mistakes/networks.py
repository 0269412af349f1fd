"""The network and its values, as the mistake generators see them: with its adjoint network.

Knows graphs, and what was recorded on their wires; no mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...formulas.names import NUMBERED
from ...network.evaluate import evaluate
from ...network.flow import DELAYS, SOURCES, Node
from ...network.operate import Actions
from ...network.view import View
from .likelihood import distance_between

LEAVES = (Kind.INPUT, Kind.PARAMETER)
UNUSED = (Kind.BRANCH, Kind.BROADCAST, Kind.OUTPUT, Kind.COLLECT, Kind.PARAMETER)  # as substitutes
MayBe = Callable[[Node, Any], bool]  # whether a gain may stand in place of a node's
LAYER = 4  # how many signals on from a product its layer's output may be


class Networks:
    """A network and its adjoint network.

    Attributes
    ----------
    network, adjoint : Flow
        The wires of the network have the same numbers in both.
    maker, user : dict of int to Node
        Of the network's wires.
    sender, reader : dict of int to Node
        The same for the wires of the adjoint network; of several readers the last.
    readers, ends : dict of int to list of Node
        All readers of a wire that are no outputs, and those that are.
    nodes : iterable of Node
        The nodes of the adjoint network at which mistakes are listed.
    everywhere : Networks
        The same with every node of the adjoint network.
    others : Networks
        The same with the nodes from which a substitute is taken: none, or every one.

    Parameters
    ----------
    view : View
    may_be : (node, gain) -> bool, optional
        Whether a gain may stand in place of a node's.
    """

    def __init__(self, view: View, may_be: MayBe | None = None) -> None:
        self.may_be: MayBe = may_be or (lambda node, gain: True)
        self.view, self.network, self.adjoint = view, view.network, view.adjoint
        self.nodes: Iterable[Node] = Interruptible(self.adjoint.nodes)
        self.everywhere = self
        self.substitutes: dict[tuple[str, tuple[int, ...]], set[Any]] = {}  # those yielded, by node
        self.listing = ""
        self.maker, self.user = self.network.maker, self.network.user
        self.sender, self.reader = self.adjoint.maker, self.adjoint.user
        self.ends: dict[int, list[Node]] = {}  # the outputs of the adjoint network, by their wire
        self.readers: dict[int, list[Node]] = {}
        for node in self.adjoint.nodes:
            for wire in node.inputs:
                readers = self.ends if node.kind is Kind.OUTPUT else self.readers
                readers.setdefault(wire, []).append(node)
        self.position = {wire: at for at, n in enumerate(self.adjoint.nodes) for wire in n.outputs}
        self.wholes = {part: name for name, parts in view.parts.items() for part, _ in parts}
        # the signals that may be taken for each other, in the order of recording
        self.signals: dict[tuple[int | None, tuple[int, ...]], list[Node]] = {}
        self.among: dict[int, int] = {}  # which of them a signal is, by its wire
        for node in Interruptible(self.network.nodes):
            if node.kind not in UNUSED and node.outputs and not self._is_summand(node):
                wire = node.outputs[0]
                several = self.signals.setdefault((node.loop, np.shape(self.value(wire))), [])
                self.among[wire] = len(several)
                several.append(node)
        self.leaf_nodes = [node for node in self.network.nodes if node.kind in LEAVES]
        self.others = self.at(())  # none, at first

    def at(self, nodes: Iterable[Node], listing: str = "", takes_others: bool = False) -> Networks:
        """Return the same nets with other nodes at which mistakes are listed.

        Parameters
        ----------
        nodes : iterable of Node
        listing : str
            By whom: nobody lists the same substitute for a gain again.
        takes_others : bool
            Whether to take one signal for another, too.
        """
        other = copy(self)
        other.nodes, other.listing = Interruptible(nodes), listing
        if takes_others:
            other.others = self.everywhere
        return other

    def without_singles(self) -> Networks:
        """Return the same nets, with no gain in place of a node's but those of groups."""
        other = copy(self)
        other.may_be = lambda node, gain: False
        return other

    @property
    def takes_others(self) -> bool:
        """Whether mistakes are listed that take one signal for another."""
        return self.others is self.everywhere

    def _is_summand(self, node: Node) -> bool:
        """Whether a node is a product inside of a sum alone: papers give it no letter."""
        user = self.user.get(node.outputs[0])
        return node.kind is Kind.BILINEAR and user is not None and user.kind is Kind.JUNCTION

    @cached_property
    def differentiated(self) -> set[int]:
        """The wires of the signals that require a gradient and have a name."""
        return {self.view.at[name][0] for name in self.view.named}

    @cached_property
    def gradients(self) -> dict[str, np.ndarray]:
        """The outputs of the adjoint network."""
        return evaluate(self.adjoint, actions=self.actions)

    @cached_property
    def actions(self) -> Actions:
        """The actions of the nodes of both networks."""
        return Actions((*self.network.nodes, *self.adjoint.nodes))

    # --- of the network --------------------------------------------------------------------------

    def value(self, wire: int) -> Any:
        """Return the recorded value on a wire, as numbers: a rule may subtract truth values."""
        value = self.network.wires[wire].value
        return value.astype(float) if value.dtype == bool else value

    def alike(self, wire: int) -> Iterator[tuple[Node, Any, int]]:
        """Yield the other signals of the same shape and loop, with their values and distances.

        The nearest in the order of recording first; none unless one signal is taken for another.
        """
        if not self.takes_others:
            return
        source = self.source(wire)
        several = self.signals.get((self.maker[wire].loop, np.shape(self.value(wire))), [])
        start = self.among.get(source.outputs[0], 0)
        for at in sorted(range(len(several)), key=lambda at: abs(at - start)):
            node = several[at]
            if node is not source and not self._is_one_number(node, source):
                yield node, self.value(node.outputs[0]), distance_between(node, source)

    def _is_one_number(self, one: Node, other: Node) -> bool:
        """Whether two signals are a plain number of the program, the same one."""
        if not one.kind is other.kind is Kind.CONSTANT:
            return False
        values = self.value(one.outputs[0]), self.value(other.outputs[0])
        return np.ndim(values[0]) == np.ndim(values[1]) == 0 and bool(values[0] == values[1])

    def leaves_alike(self, wire: int) -> Iterator[tuple[Node, Any, int]]:
        """Yield the other leaves that have the shape of one leaf at its use."""
        own, shape = self.leaf(wire), np.shape(self.value(wire))
        if not self.takes_others or own is None or own.kind not in LEAVES:
            return
        for node in self.leaf_nodes:
            if node is not own:
                value = self.value(node.outputs[0])
                if np.shape(value) == np.shape(self.value(own.outputs[0])):
                    yield node, np.broadcast_to(value, shape), distance_between(node, own)

    @cached_property
    def weights(self) -> list[Node]:
        """The leaves that are factors of matrix products."""
        several = {
            leaf.outputs[0]: leaf
            for node in self.network.nodes
            if node.kind is Kind.BILINEAR
            for leaf in map(self.leaf, node.inputs)
            if leaf is not None and np.ndim(self.value(leaf.outputs[0])) == 2
        }
        return list(several.values())

    def made_of(self, product: Node) -> Iterator[tuple[str, Any]]:
        """Yield the signals that a layer computes from its product, up to its output."""
        user = self.user.get(product.outputs[0])
        for _ in range(LAYER):
            if user is None or not user.outputs:
                return
            if user.kind is Kind.ELEMENTWISE:
                yield user.name, self.value(user.outputs[0])
            user = self.user.get(user.outputs[0])

    def source(self, wire: int) -> Node:
        """Return the node that makes a signal, behind forks and broadcasts."""
        return self.network.source(wire)

    def leaf(self, wire: int) -> Node | None:
        """Return the leaf that a signal is, at every step the same, or None."""
        node = self.network.source(wire, (Kind.HOLD, Kind.BRANCH, Kind.BROADCAST))
        return node if node.kind in SOURCES else None

    def unmapped(self, wire: int) -> int:
        """Return the wire of a signal before linear maps."""
        node = self.source(wire)
        while node.kind is Kind.LINEAR and len(node.inputs) == 1:
            wire = node.inputs[0]
            node = self.source(wire)
        return wire

    def plain_name(self, node: Node) -> str:
        """Return a signal's name; of a linear map without a name of its own, its operand's."""
        while (
            node.kind is Kind.LINEAR
            and len(node.inputs) == 1
            and node.primitive is not None
            and not node.primitive.is_part
            and not node.is_named
        ):
            node = self.source(node.inputs[0])
        return node.name

    def whole(self, stem: str) -> str:
        """Return the packed parameter that one is a part of, or its own name."""
        return self.wholes.get(stem, stem)

    # --- of the adjoint network ------------------------------------------------------------------

    def ways(self, *kinds: Kind, through: Kind) -> Iterator[tuple[Node, Node, int]]:
        """Yield the nodes of some kinds that lead back through others, and to which operand."""
        for node in self.nodes:
            if node.kind in kinds:
                passed = self.user.get(node.outputs[0])
                if passed is not None and passed.kind is through:
                    yield node, passed, passed.inputs.index(node.outputs[0])

    def leaves(self) -> Iterator[tuple[Node, Node]]:
        """Yield the output of the gradient of each leaf, and the node that makes this gradient.

        Data that require no gradient are left out.
        """
        for maker in self.nodes:
            for wire in maker.outputs if len(maker.outputs) == 1 else ():
                leaf = self.maker.get(wire)
                if leaf is not None and leaf.kind is Kind.INPUT and wire not in self.differentiated:
                    continue
                for node in self.ends.get(wire, ()):
                    yield node, maker

    def junctions(self) -> Iterator[Node]:
        """Yield the junctions at which branches meet."""
        for node in self.nodes:
            if node.kind is Kind.JUNCTION and len(node.inputs) > 1:
                yield node

    def is_carried(self, node: Node) -> list[bool]:
        """Return which arms of a junction come from another step."""
        return [self.sender[wire].kind in DELAYS for wire in node.inputs]

    def makes(self, node: Node) -> str:
        """Return the name of the signal whose δ a node of the adjoint network makes."""
        name = node.name
        if node.kind in (Kind.JACOBIAN, Kind.LINEAR) and node.outputs[0] in self.maker:
            name = self.source(node.outputs[0]).name  # it is called by what it was made of
        return NUMBERED.sub("", name.removeprefix("δ"))

    def arms(self, node: Node) -> list[str]:
        """Return the names of the summands of a junction of the adjoint network."""
        names = (self.adjoint.wires[wire].name.removeprefix("δ") for wire in node.inputs)
        ends = (name.partition(" → ") for name in names)
        return [NUMBERED.sub("", one) + arrow + other for one, arrow, other in ends]

    def root(self, wire: int) -> int:
        """Return the wire from which a δ comes, behind forks that do not change the δ."""
        node = self.sender.get(wire)
        while node is not None and node.kind is Kind.BRANCH:
            if node.signs[node.outputs.index(wire)] < 0:
                break
            (wire,) = node.inputs
            node = self.sender.get(wire)
        return wire

    def everywhere_alike(self, node: Node, slip: str) -> tuple[str, ...]:
        """Return the groups of a slip: everywhere, everywhere in a loop, in all of one shape."""
        shape = ""
        if node.outputs and 0 <= node.outputs[0] < len(self.network.wires):
            shape = str(np.shape(self.value(node.outputs[0]))[node.is_timed :])
        return f"all: {slip}", f"loop {node.loop}: {slip}", f"shape {shape}: {slip}"

    def is_running_sum(self, node: Node) -> bool:
        """Whether the signal of a node of the adjoint network adds up over the steps of a loop."""
        signal = self.source(node.outputs[0])
        summands = signal.inputs if signal.kind is Kind.JUNCTION else ()
        before = [self.source(wire) for wire in summands]
        return any(
            x.kind is Kind.DELAY and self.source(x.inputs[0]).outputs == signal.outputs
            for x in before
        )

    def steps(self, node: Node) -> int:
        """Return how many steps a node is run at; 0 if it is in no folded loop."""
        assert node.loop is not None or not node.folded
        return len(self.adjoint.loops[node.loop or 0].steps) if node.folded else 0

    def at_every_step(self, node: Node, gain: Any) -> Any:
        """Return a gain for a place beside a node."""
        count = self.steps(node)
        return np.broadcast_to(gain, (count, *np.shape(gain))) if count else np.asarray(gain)
