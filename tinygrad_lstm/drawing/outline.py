"""The outline of a graph: its skeleton, with every step, and every signal whole.

Knows graphs, labels and which nodes are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..engine.kind import Kind
from ..network.flow import DELAYS, SOURCES, Flow, Node
from .chains import join_boxes
from .forks import share_ends
from .labels import (
    DRIVES,
    Labels,
    constant_label,
    label,
    short_name,
    times,
)
from .operations import operation, transpose_text
from .selection import Selection, Way
from .shared import say_shared
from .skeleton import (
    HELD,
    LOOSE,
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

MINUS = label(times(-1.0))


def outline(graph: Flow, alive: set[int], letters: Mapping[str, str] | None = None) -> Skeleton:
    """Return the skeleton of a graph.

    Parameters
    ----------
    graph : Flow
        Forward, its packed signals taken apart.
    alive : set of int
        The wires along which a δ comes back.
    letters : mapping of str to str, optional
        Of signals that nobody named, by their full names: they have the same in a derivation.
    """
    labels, count = Labels(graph, letters or {}), -1
    while count < labels.count:  # a letter that one label gives to a signal is read by others too
        count = labels.count
        drawn = _Outline(graph, alive, labels).build()
    drawn.letters = labels.own_letters()
    return drawn


class _Outline(Selection):
    def __init__(self, graph: Flow, alive: set[int], labels: Labels) -> None:
        super().__init__(graph, alive, labels)
        self.skeleton = Skeleton()
        self.vertex: dict[int, int] = {}  # of a node, by identity
        self.unsaid: list[tuple[Arc, Way, Node, tuple[Label, ...], str]] = []  # whose labels wait
        self.ends: dict[tuple[int, int, str], Arc] = {}  # to the loss, one for each signal

    def build(self) -> Skeleton:
        for node in self.graph.nodes:
            if id(node) not in self.hidden and self.is_vertex(node):
                self._put(node, self._vertex(node))
        for node in self.graph.nodes:
            if id(node) in self.hidden:
                self._ends(node)
            elif id(node) in self.vertex and self.is_chained(node):
                self._weighted(node)
            elif id(node) in self.vertex:
                for port, wire in enumerate(node.inputs):
                    self._arc(node, port, wire)
        self._continue_live()
        for arc, way, node, gain, gradient in self.unsaid:  # now that it is known what is read
            seen = way._replace(is_held=way.is_held and arc.is_live)
            arc.labels = self._labels(seen, node, gain, gradient)
        # what no δ comes to or goes from is not in the adjoint network, but for its ends
        live = {end for arc in self.skeleton.arcs if arc.is_live for end in (arc.tail, arc.head)}
        for at, vertex in enumerate(self.skeleton.vertices):
            vertex.is_still |= vertex.role not in LOOSE and at not in live
            if vertex.is_still and vertex.role is Role.END and at in live:  # data
                vertex.is_still, vertex.adjoint = False, tuple(f"δ{x}" for x in vertex.forward)
        self._mark_parameters()
        say_shared(self.skeleton)
        return join_boxes(share_ends(self.skeleton))

    def _continue_live(self) -> None:
        """Let a δ come back to a branch point wherever a δ comes back from it.

        It comes back to data too, through the weights by which the data are multiplied.
        """
        live = {arc.tail for arc in self.skeleton.arcs if arc.is_live}
        for arc in reversed(self.skeleton.arcs):
            if arc.head in live and self.skeleton.vertices[arc.head].role is Role.BRANCH:
                arc.is_live = True
                live.add(arc.tail)

    def _mark_parameters(self) -> None:
        """Mark what is given and used once, beside a loop, and starts no state of it."""
        if not any(node.folded for node in self.graph.nodes):
            return
        heads: dict[int, list[Vertex]] = {}
        for arc in self.skeleton.arcs:
            heads.setdefault(arc.tail, []).append(self.skeleton.vertices[arc.head])
        for at, vertex in enumerate(self.skeleton.vertices):
            kind = self.maker[vertex.wire].kind
            users = heads.get(at, [])
            starts = any(head.role is Role.DELAY for head in users)
            is_given = vertex.role is Role.END and kind in (Kind.INPUT, Kind.PARAMETER)
            vertex.is_parameter = is_given and bool(users) and not starts

    # --- vertices --------------------------------------------------------------------------------

    def _vertex(self, node: Node) -> Vertex:
        wire = node.outputs[0] if node.outputs else node.inputs[0]
        forward: tuple[str, ...] = ()
        adjoint: tuple[str, ...] = ()
        role = Role.BRANCH
        name, whole = short_name(node), ""
        if node.kind is Kind.JUNCTION:
            role = Role.SUM
        elif self.is_chained(node):
            pass  # a place in a line, between two weights
        elif node.kind is Kind.BILINEAR:
            role = Role.MATMUL if is_matmul(node) else Role.PRODUCT
        elif node.kind is Kind.ELEMENTWISE:
            role, (forward, adjoint) = (
                Role.FUNCTION, self.labels.function(node, self._live(node)))  # fmt: skip
        elif node.kind in DELAYS:
            signs = ("⁻", "⁺") if node.kind is Kind.DELAY else ("⁺", "⁻")
            forward, adjoint, role = (
                (f"{self.labels.shift}{signs[0]}¹",),
                (f"{self.labels.shift}{signs[1]}¹",),
                Role.DELAY,
            )
        elif self.is_step_of_signal(node):
            pass  # the step that is read stands on the arc
        elif node.kind in (Kind.INPUT, Kind.TAP, Kind.OUTPUT) or self.is_reading(node):
            if node.kind is Kind.OUTPUT:
                _, name = self._end_name(node.inputs[0])
            if node.kind is Kind.LINEAR and not self.is_renaming(node):
                origin = self.origin(node.inputs[0])
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
        meaning = self._meaning(node, role)
        return Vertex(
            role, forward, adjoint, node.name, scope, wire, still, whole=whole, reading=reading,
            meaning=meaning,
        )  # fmt: skip

    def _meaning(self, node: Node, role: Role) -> str:
        """Return what the legend says of a node, if not everybody knows it."""
        if role is Role.MATMUL:
            return self.labels.product(node)
        if node.kind is Kind.COLLECT:
            return (
                "all k  the sequence of all steps: compute what follows after the loop, and its "
                "adjoint before the loop; (all k)ᵀ hands each step its own δ"
            )
        if node.kind is Kind.JOIN:
            return "[ , ]  one behind the other; in the adjoint network δ is cut in the same way"
        if node.kind is Kind.OUTPUT and not np.ndim(self.labels.value(node.inputs[0])):
            _, name = self._end_name(node.inputs[0])
            return f"{name} is the loss: δ{name} = 1"
        return node.primitive.definition if node.primitive is not None else ""

    def _reading(self, node: Node) -> Reading | None:
        """Return what a node reads of a sequence that is given, if it reads one entry at a time."""
        if not self.is_reading(node) or self.is_renaming(node):
            return None
        source, index = self.origin(node.inputs[0]), node.parameters["index"]
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
        if self.is_renaming(node):
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
        if self.is_aside(wire):
            if node.kind is not Kind.TAP or self.origin(wire).kind is not Kind.CONSTANT:
                self._alias(node, port, wire)  # but data, which the tap stands for
            return
        way = self.way(wire)
        if id(way.maker) in self.vertex:
            self._join(way, node, self._gain(node, port), wire)

    def _weighted(self, product: Node) -> None:
        """Add the arc that multiplies a signal by a weight, and ends at the product."""
        port, (wire, *_) = self.weight(product), product.outputs
        assert port is not None
        before = self.way(product.inputs[1 - port])
        if id(before.maker) in self.vertex:
            self._join(before._replace(weight=(product, port)), product, (), wire)

    def _gain(self, node: Node, port: int) -> tuple[Label, ...]:
        """Return the label of the factor by which a vertex multiplies an operand, or its δ."""
        if node.signs and port < len(node.signs) and node.signs[port] < 0:
            return (Label(Sort.GAIN, (MINUS,), (MINUS,), frames(node)),)
        if node.kind is Kind.BILINEAR or (
            node.kind is Kind.ELEMENTWISE and len(self._live(node)) > 1
        ):
            factor = self.labels.factor(node, port)
            by_entry = node.works_by_entry
            label = Label(Sort.GAIN, (), (factor,), frames(node), works_by_entry=by_entry)
            return (label,) if factor else ()
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
        if vertex.role in (Role.BRANCH, *LOOSE):
            return ()
        return named(self.labels.signal_name(maker), scope=vertex.scope)

    def _join(self, way: Way, node: Node, gain: tuple[Label, ...], wire: int) -> Arc:
        """Add the arc of a way to a vertex."""
        maker, weight = way.maker, way.weight
        is_carry = node.kind in DELAYS or maker.kind in DELAYS
        shown = short_name(maker) if maker.is_named else ""
        product, port = weight or (None, 0)
        source = self.origin(product.inputs[port]) if product else None
        weight_name = source.name if source and source.kind is not Kind.CONSTANT else ""
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
        maker, weight, step, spread, is_held = way
        labels = self._name(maker)
        if step:
            labels += named(step, step, frames(maker))
        if is_held:
            labels += (Label(Sort.GAIN, (), (HELD,), frames(maker), works_by_entry=False),)
        if weight is not None:
            (forward, adjoint), scope = self.labels.weight(*weight), frames(weight[0])
            by_entry = weight[0].works_by_entry
            labels += (Label(Sort.WEIGHT, (forward,), (adjoint,), scope, gradient, by_entry),)
            labels += named(self.labels.signal_name(weight[0]), scope=scope)
        if spread:
            labels += (Label(Sort.GAIN, (), (spread,), frames(node), works_by_entry=False),)
        labels += gain
        if self.is_step_of_signal(node):
            return (*labels[1:], *named(self.labels.entry_read(node), scope=frames(node)))
        head = self.skeleton.vertices[self.vertex[id(node)]]
        if head.role is Role.END and labels and labels[-1].forward == head.forward:
            return labels[:-1]  # the end says the name
        return labels

    def _alias(self, node: Node, port: int, wire: int) -> None:
        """Repeat a parameter or a constant beside its use."""
        origin = self.origin(wire)
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
        gradient = self.labels.gradient(node, port) if live else ""
        self._add(node, Vertex(Role.ALIAS, (name,), (back,), origin.name, scope, source, not live,
                               gradient=gradient))  # fmt: skip
        gain = self._gain(node, port)
        self.skeleton.arcs.append(
            Arc(len(self.skeleton.vertices) - 1, self.vertex[id(node)], gain, wire, origin.name,
                name, live)
        )  # fmt: skip

    def _end_name(self, wire: int) -> tuple[Node, str]:
        """Return the last signal with a name before the end of the network, and the name."""
        maker, weight, *_ = self.way(wire)
        last = self.maker[wire]
        while not last.is_named and last not in (maker, weight and weight[0]):
            last = self.maker[last.inputs[0]]
        letter = "y" if np.ndim(self.labels.value(wire)) else "L"
        return last, self.labels.signal_name(last) or self.labels.letter(last, letter)

    def _ends(self, node: Node) -> None:
        """End the network where the loss begins: once for each signal, however often used."""
        for wire in node.inputs:
            branch = self.maker[wire]
            if branch.kind is Kind.BRANCH and wire in self.idle(branch):
                continue
            maker, weight, step, *_ = way = self.way(wire)
            is_end = maker.kind in SOURCES or self.is_reading(maker)
            if is_end or id(maker) in self.hidden or id(maker) not in self.vertex:
                continue
            key = id(maker), id(weight and weight[0]), step
            if key in self.ends:
                self.ends[key].shares += (Share(wire),)
                continue
            last, name = self._end_name(wire)
            meaning = f"{DRIVES}{name} comes from the loss: {', '.join(sorted(self.loss.scopes))}"
            texts = (name,), (f"{DRIVES}{name}",)
            self._put(node, Vertex(Role.END, *texts, last.name, (), wire, meaning=meaning))
            self.ends[key] = self._join(way, node, (), wire)
