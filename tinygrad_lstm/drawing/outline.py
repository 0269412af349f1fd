"""The outline of a graph: its skeleton, with every step, and every signal whole.

Knows graphs, labels and where the loss begins. Some nodes are no vertices: a weight is what its arc
does, a signal passes the border of a loop unseen, and a loss is the end of the network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..engine.kind import Kind
from ..network.flow import DELAYS, SOURCES, Flow, Node
from .chains import join_boxes
from .forks import share_ends
from .labels import Labels, constant_label, operation, short_name, step_words, transpose_text
from .loss import Loss
from .shared import say_shared
from .skeleton import (
    LOOSE,
    SPREAD,
    Arc,
    Label,
    Reading,
    Role,
    Share,
    Skeleton,
    Sort,
    Vertex,
    common,
    frames,
    is_matmul,
    named,
)

Weight = tuple[Node, int]  # a product with a weight, and the operand that is the weight
THROUGH = (Kind.BROADCAST, Kind.HOLD, Kind.TAP, Kind.COLLECT)


class Way(NamedTuple):
    """The way of a signal to a vertex: the vertex it comes from, what it passes, and the one step.

    ``step`` says which step is picked of all that a loop hands out; empty if none is.
    ``is_spread`` says that the signal stands for several entries, to each of which it is broadcast.
    """

    maker: Node
    weight: Weight | None
    step: str
    is_spread: bool


def outline(graph: Flow, alive: set[int]) -> Skeleton:
    """Return the skeleton of a graph.

    Parameters
    ----------
    graph : Flow
        Forward, its packed signals taken apart.
    alive : set of int
        The wires along which a δ comes back.
    """
    return _Outline(graph, alive).build()


class _Outline:
    def __init__(self, graph: Flow, alive: set[int]) -> None:
        self.graph, self.alive = graph, alive
        self.labels = Labels(graph)
        self.maker, self.user = graph.maker, graph.user
        self.weights = {id(n) for n in graph.nodes if n.kind is Kind.INPUT and self._is_weight(n)}
        self.hidden = Loss(graph).nodes()
        self.skeleton = Skeleton()
        self.vertex: dict[int, int] = {}  # of a node, by identity
        self.unsaid: list[tuple[Arc, Way, Node, tuple[Label, ...], str]] = []  # whose labels wait
        self.ends: dict[tuple[int, int, str], Arc] = {}  # to the loss, one for each signal

    def build(self) -> Skeleton:
        for node in self.graph.nodes:
            if id(node) not in self.hidden and self._is_vertex(node):
                self._put(node, self._vertex(node))
        for node in self.graph.nodes:
            if id(node) in self.hidden:
                self._ends(node)
            elif id(node) in self.vertex:
                for port, wire in enumerate(node.inputs):
                    self._arc(node, port, wire)
        for arc, way, node, gain, gradient in self.unsaid:  # now that it is known what is read
            arc.labels = self._labels(way, node, gain, gradient)
        # what no δ comes to or goes from is not in the adjoint network, but for its ends
        live = {end for arc in self.skeleton.arcs if arc.is_live for end in (arc.tail, arc.head)}
        for at, vertex in enumerate(self.skeleton.vertices):
            vertex.is_still |= vertex.role not in LOOSE and at not in live
            if vertex.is_still and vertex.role is Role.END and at in live:  # data
                vertex.is_still, vertex.adjoint = False, tuple(f"δ{x}" for x in vertex.forward)
        say_shared(self.skeleton)
        return join_boxes(share_ends(self.skeleton))

    # --- which nodes are vertices ----------------------------------------------------------------

    def _is_vertex(self, node: Node) -> bool:
        if node.kind in (Kind.PARAMETER, Kind.CONSTANT) or id(node) in self.weights:
            return False
        if node.kind is Kind.BRANCH:
            maker = self.maker[node.inputs[0]]
            unread = maker.kind not in SOURCES or self._is_vertex(maker)
            return unread and not self._is_aside(node.inputs[0]) and len(self._arms_drawn(node)) > 1
        if node.kind is Kind.INPUT:
            return not self._is_read(node.outputs[0]) and not self._is_zero_start(node)
        if self._is_reading(node):
            return True
        if self._is_picked(node) or self._is_same(node):
            return False
        if node.kind is Kind.TAP:
            return self._is_vertex(self.maker[node.inputs[0]])
        if node.kind in THROUGH:
            return node.kind is Kind.COLLECT and not self._is_joined(node)
        if node.kind is Kind.BILINEAR:
            return self._weight(node) is None
        return True

    def _arms_drawn(self, branch: Node) -> list[int]:
        """Return the arms to draw; of those to the loss one, and none to a step that is picked."""
        unseen = {*self._to_loss(branch)[1:]}
        if self.maker[branch.inputs[0]].kind is Kind.COLLECT:
            unseen |= {wire for wire in branch.outputs if self._is_picked(self.user[wire])}
        return [w for w in branch.outputs if w not in unseen and w not in self._idle(branch)]

    def _to_loss(self, branch: Node) -> list[int]:
        """Return the arms that bring the loss the signal, and not a constant made of it."""
        idle = self._idle(branch)
        arms = [wire for wire in branch.outputs if id(self.user[wire]) in self.hidden]
        return [wire for wire in arms if wire not in idle]

    def _idle(self, branch: Node) -> set[int]:
        """Return the arms that bring the loss a constant of the signal.

        Such as its greatest entry, which a softmax subtracts: no δ comes back there, and another
        arm brings the loss the signal itself.
        """
        arms = {wire for wire in branch.outputs if id(self.user[wire]) in self.hidden}
        return set() if self.alive.isdisjoint(arms) else arms - self.alive

    def _is_read(self, wire: int) -> bool:
        """Return whether taps or steps alone read a source; they are drawn in its place."""
        node = self.user[wire]
        if node.kind is Kind.BRANCH:
            return all(self._is_read(arm) for arm in node.outputs)
        return self._is_reading(node) or id(node) in self.hidden

    def _is_reading(self, node: Node) -> bool:
        """Return whether a node reads one entry of a source, at its step."""
        taken = node.kind is Kind.LINEAR and isinstance(node.parameters.get("index"), int)
        if self._is_renaming(node):
            return True
        if node.kind is not Kind.TAP and not (taken and node.step is not None):
            return False
        return self._origin(node.inputs[0]).kind in SOURCES

    def _is_renaming(self, node: Node) -> bool:
        """Return whether a node gives a leaf another name, such as that of an initial value."""
        return self._is_same(node) and self._origin(node.inputs[0]).kind in SOURCES

    def _is_same(self, node: Node) -> bool:
        """Return whether a node hands its operand on as it is, in the same shape."""
        same = node.parameters.get("shape") == (*node.shapes, None)[0]
        return node.kind is Kind.LINEAR and same

    def _is_picked(self, node: Node) -> bool:
        """Return whether a node picks one step of all that a loop hands out."""
        return self.labels.step_read(node) is not None

    def _is_weight(self, node: Node) -> bool:
        """Return whether a leaf of no module is used as a weight."""
        for wire in self._arms(node.outputs[0]):
            user = self.user[wire]
            right = is_matmul(user) and user.inputs[1] == wire and len(user.shapes[1]) == 2
            if not right and user.kind not in (Kind.HOLD, Kind.BROADCAST):
                return False
        return True

    def _is_joined(self, node: Node) -> bool:
        """Return whether nothing but single steps, or the loss, reads the sequence of a loop."""
        users = [self.user[wire] for wire in self._arms(node.outputs[0])]
        return all(
            user.kind is Kind.TAP or id(user) in self.hidden or self._is_picked(user)
            for user in users
        )

    def _arms(self, wire: int) -> list[int]:
        node = self.user[wire]
        if node.kind is Kind.BRANCH:
            return [arm for branch in node.outputs for arm in self._arms(branch)]
        return [wire]

    def _is_zero_start(self, node: Node) -> bool:
        value = self.graph.wires[node.outputs[0]].value
        users = [self.user[wire] for wire in self._arms(node.outputs[0])]
        return all(user.kind in DELAYS for user in users) and not np.any(value)

    def _is_aside(self, wire: int) -> bool:
        """Return whether a signal is a parameter or a constant, repeated beside each use."""
        origin = self._origin(wire)
        if origin.kind is Kind.CONSTANT:  # but for data
            nearest = self.graph.source(wire, (Kind.BROADCAST, Kind.HOLD, Kind.BRANCH))
            return nearest.kind is not Kind.TAP
        return origin.kind is Kind.PARAMETER or id(origin) in self.weights

    def _origin(self, wire: int) -> Node:
        return self.graph.source(wire, (Kind.BROADCAST, Kind.HOLD, Kind.TAP, Kind.BRANCH))

    def _weight(self, node: Node) -> int | None:
        """Return the port of a product's weight, if the product is drawn as an arc."""
        for port in (1, 0):
            other = node.inputs[1 - port]
            if self._is_aside(node.inputs[port]) and not self._is_aside(other):
                is_chained = self._way(other).weight is not None  # an arc has one weight
                return None if is_chained else port
        return None

    # --- vertices --------------------------------------------------------------------------------

    def _vertex(self, node: Node) -> Vertex:
        wire = node.outputs[0] if node.outputs else node.inputs[0]
        forward: tuple[str, ...] = ()
        adjoint: tuple[str, ...] = ()
        role = Role.BRANCH
        name, whole = short_name(node), ""
        if node.kind is Kind.JUNCTION:
            role = Role.SUM
        elif node.kind is Kind.BILINEAR:
            role = Role.MATMUL if is_matmul(node) else Role.PRODUCT
        elif node.kind is Kind.ELEMENTWISE:
            role, (forward, adjoint) = (
                Role.FUNCTION, self.labels.function(node, self._live(node)))  # fmt: skip
        elif node.kind in DELAYS:
            signs = ("⁻", "⁺") if node.kind is Kind.DELAY else ("⁺", "⁻")
            forward, adjoint, role = (f"q{signs[0]}¹",), (f"q{signs[1]}¹",), Role.DELAY
        elif node.kind in (Kind.INPUT, Kind.TAP, Kind.OUTPUT) or self._is_reading(node):
            if node.kind is Kind.OUTPUT:
                _, name = self._end_name(node.inputs[0])
            if node.kind is Kind.LINEAR and not self._is_renaming(node):
                origin = self._origin(node.inputs[0])
                name, whole = f"{short_name(origin)}[{node.parameters['index']}]", origin.name
            forward, adjoint, role = (name,), (f"δ{name}",), Role.END
        elif node.kind is not Kind.BRANCH:
            text = operation(node)
            forward, adjoint, role = (text,), (transpose_text(text),), Role.BOX
            if node.kind is Kind.JOIN:
                parts = self.labels.joined(node)
                forward, adjoint = (*forward, parts), (*adjoint, parts)
            if node.kind is Kind.MATRIX_FUNCTION and (back := self.labels.backward(node)):
                adjoint = (back,)
        still = role is Role.END and node.kind is not Kind.OUTPUT and wire not in self.alive
        adjoint = forward if still else adjoint
        scope = self._frames(node)
        reading = self._reading(node) if role is Role.END else None
        meaning = node.primitive.definition if node.primitive is not None else ""
        if node.kind is Kind.JOIN:
            meaning = (
                "[a, b]  a, and then b; in the adjoint network δ is cut into the δ of a and of b"
            )
        return Vertex(
            role, forward, adjoint, node.name, scope, wire, still, whole=whole, reading=reading,
            meaning=meaning,
        )  # fmt: skip

    def _reading(self, node: Node) -> Reading | None:
        """Return what a node reads of a sequence that is given, if it reads one entry at a time."""
        if not self._is_reading(node) or self._is_renaming(node):
            return None
        source, index = self._origin(node.inputs[0]), node.parameters["index"]
        loop, wire = node.loop, source.outputs[0]
        entries: tuple[int, ...]
        steps: tuple[int, ...]
        if node.kind is not Kind.TAP:
            entries, steps = (index % len(self.graph.wires[wire].value),), (node.step or 0,)
        elif loop is not None and all(type(entry) is int for entry in index.values):
            entries, steps = index.values, self.graph.loops[loop].steps
        else:
            return None
        return Reading(wire, short_name(source), entries, steps)

    def _frames(self, node: Node) -> tuple[str, ...]:
        """Return the frames that a node stands in; a fork may stand where all its arms lead."""
        own = frames(node)
        if self._is_renaming(node):
            return ()
        if node.kind is not Kind.BRANCH:
            return own
        if self.maker[node.inputs[0]].kind in (*SOURCES, Kind.TAP):
            own = ()
        users = [self.user[wire] for wire in node.outputs]
        led_to = [frames(user) for user in users if id(user) not in self.hidden]
        shared = common(led_to)
        return shared if shared[: len(own)] == own else own

    def _put(self, node: Node, vertex: Vertex) -> None:
        self.vertex[id(node)] = len(self.skeleton.vertices)
        self._add(node, vertex)

    def _add(self, node: Node, vertex: Vertex) -> None:
        """Add a vertex to the loop and the step of a node."""
        vertex.step = None if node.loop is None else (node.loop, node.step)
        self.skeleton.vertices.append(vertex)

    # --- arcs ------------------------------------------------------------------------------------

    def _arc(self, node: Node, port: int, wire: int) -> None:
        """Add the arc that brings a signal to a vertex."""
        if self._is_aside(wire):
            if node.kind is not Kind.TAP or self._origin(wire).kind is not Kind.CONSTANT:
                self._alias(node, port, wire)  # but data, which the tap stands for
            return
        way = self._way(wire)
        if id(way.maker) in self.vertex:
            self._join(way, node, self._gain(node, port), wire)

    def _gain(self, node: Node, port: int) -> tuple[Label, ...]:
        """Return the label of the factor by which a vertex multiplies an operand, or its δ."""
        if node.signs and port < len(node.signs) and node.signs[port] < 0:
            return (Label(Sort.GAIN, ("−1",), ("−1",), frames(node)),)
        if node.kind is Kind.BILINEAR or (
            node.kind is Kind.ELEMENTWISE and len(self._live(node)) > 1
        ):
            factor = self.labels.factor(node, port)
            return (Label(Sort.GAIN, (), (factor,), frames(node)),) if factor else ()
        return ()

    def _live(self, node: Node) -> list[int]:
        """Return the operands of a node to which a δ comes back."""
        return [port for port, wire in enumerate(node.inputs) if wire in self.alive]

    def _name(self, maker: Node) -> tuple[Label, ...]:
        """Return the label of the signal that a vertex makes, if the signal has a name.

        A source says its name itself. What a delay hands on has no δ of its own: it is a part of
        the δ that the delay was given.
        """
        if maker.kind in DELAYS:
            return named(short_name(maker), "", frames(maker))
        vertex = self.skeleton.vertices[self.vertex[id(maker)]]
        if maker.kind is Kind.BRANCH or vertex.role in LOOSE:
            return ()
        return named(self.labels.signal_name(maker), scope=vertex.scope)

    def _join(self, way: Way, node: Node, gain: tuple[Label, ...], wire: int) -> Arc:
        """Add the arc of a way to a vertex."""
        maker, weight = way.maker, way.weight
        is_carry = node.kind in DELAYS or maker.kind in DELAYS
        shown = short_name(maker) if maker.is_named else ""
        product, port = weight or (None, 0)
        weight_name = self._origin(product.inputs[port]).name if product else ""
        arc = Arc(
            self.vertex[id(maker)], self.vertex[id(node)], (), wire, maker.name, shown,
            wire in self.alive, is_carry, product, weight_name,
        )  # fmt: skip
        self.skeleton.arcs.append(arc)
        gradient = self.labels.gradient(*weight) if weight is not None else ""
        self.unsaid.append((arc, way, node, gain, gradient))
        return arc

    def _labels(
        self, way: Way, node: Node, gain: tuple[Label, ...], gradient: str
    ) -> tuple[Label, ...]:
        """Return the labels of a way to a vertex, which multiplies the signal by a gain."""
        maker, weight, step, is_spread = way
        labels = self._name(maker)
        if step:
            labels += named(step, step, frames(maker))
        if weight is not None:
            (forward, adjoint), scope = self.labels.weight(*weight), frames(weight[0])
            labels += (Label(Sort.WEIGHT, (forward,), (adjoint,), scope, gradient),)
            labels += named(self.labels.signal_name(weight[0]), scope=scope)
        if is_spread:
            labels += (Label(Sort.GAIN, (), (SPREAD,), frames(node)),)
        labels += gain
        head = self.skeleton.vertices[self.vertex[id(node)]]
        if head.role is Role.END and labels and labels[-1].forward == head.forward:
            return labels[:-1]  # the end says the name
        return labels

    def _alias(self, node: Node, port: int, wire: int) -> None:
        """Repeat a parameter or a constant beside its use."""
        origin = self._origin(wire)
        if node.kind in DELAYS and not np.any(self.graph.wires[wire].value):
            return
        is_said = node.kind is Kind.ELEMENTWISE and self.labels.formula_of(node)
        if (
            is_said
            and origin.kind is Kind.CONSTANT
            and constant_label(self.graph.wires[origin.outputs[0]].value)
        ):
            return  # a number in the formula
        name = self.labels.constant(origin) if origin.kind is Kind.CONSTANT else short_name(origin)
        live = wire in self.alive and origin.kind is not Kind.CONSTANT
        back = f"δ{name}" if live else name
        scope, source = frames(node), origin.outputs[0]
        self._add(node, Vertex(Role.ALIAS, (name,), (back,), origin.name, scope, source, not live))
        gain = self._gain(node, port)
        self.skeleton.arcs.append(
            Arc(len(self.skeleton.vertices) - 1, self.vertex[id(node)], gain, wire, origin.name,
                name, live)
        )  # fmt: skip

    def _way(self, wire: int) -> Way:
        """Return the way of the signal on a wire, back to the vertex that it comes from."""
        weight: Weight | None = None
        node, step, is_spread = self.maker[wire], "", False
        while True:
            is_spread |= node.kind is Kind.BROADCAST
            if node.kind is Kind.BILINEAR and (port := self._weight(node)) is not None:
                weight = node, port
                node = self.maker[node.inputs[1 - port]]
            elif (picked := self.labels.step_read(node)) is not None:
                inner, at = picked
                step = step_words(at, self.graph.loops[self.maker[inner].loop or 0].steps)
                node = self.maker[inner]
            elif self._is_through(node):
                node = self.maker[node.inputs[0]]
            else:
                return Way(node, weight, step, is_spread)

    def _is_through(self, node: Node) -> bool:
        """Return whether a node hands its signal on unseen."""
        if node.kind is Kind.BRANCH and node.loop is None:  # a fork behind a loop is not drawn
            before = self.maker[node.inputs[0]]
            if before.kind is Kind.COLLECT and not self._is_vertex(before):
                return True
        is_handing_on = node.kind in (*THROUGH, Kind.BRANCH) or self._is_same(node)
        return is_handing_on and not self._is_vertex(node)

    def _end_name(self, wire: int) -> tuple[Node, str]:
        """Return the last signal with a name before the end of the network, and the name."""
        maker, weight, _, _ = self._way(wire)
        last = self.maker[wire]
        while not last.is_named and last not in (maker, weight and weight[0]):
            last = self.maker[last.inputs[0]]
        letter = "y" if np.ndim(self.labels.value(wire)) else "L"
        return last, self.labels.signal_name(last) or self.labels.letter(last, letter)

    def _ends(self, node: Node) -> None:
        """End the network where the loss begins: once for each signal, however often used."""
        for wire in node.inputs:
            branch = self.maker[wire]
            if branch.kind is Kind.BRANCH and wire in self._idle(branch):
                continue
            maker, weight, step, _ = way = self._way(wire)
            is_end = maker.kind in SOURCES or self._is_reading(maker)
            if is_end or id(maker) in self.hidden or id(maker) not in self.vertex:
                continue
            key = id(maker), id(weight and weight[0]), step
            if key in self.ends:
                self.ends[key].shares += (Share(wire),)
                continue
            last, name = self._end_name(wire)
            self._put(node, Vertex(Role.END, (name,), (f"∂L/∂{name}",), last.name, (), wire))
            self.ends[key] = self._join(way, node, (), wire)
