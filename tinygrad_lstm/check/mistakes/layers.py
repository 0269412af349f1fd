"""A layer that keeps the shape, and its statistics: skipped, scaled wrongly, or over N − 1.

Knows graphs. A layer is what lies between a signal and one that all its ways lead to: a
normalisation, a softmax, or whatever an author takes for one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...network.flow import BORDERS, DELAYS, Node
from .changes import Change
from .exchanges import SORTED
from .forward import gains_within
from .mistake import Mistake
from .networks import Networks
from .products import is_of_mean

ENDS = (*DELAYS, *BORDERS, Kind.OUTPUT)
MOST = 6  # signals behind a fork that may be the end of a layer
FAR = 2  # a wrong scale, whatever else explains the numbers as well
LONGEST = 16  # nodes of a layer


class Layer(NamedTuple):
    """What lies between a signal and a later one of the same shape.

    Attributes
    ----------
    start, end : int
        The wires of both signals.
    arms : tuple of int
        The ways into the layer: of a fork, those of its wires that no other step reads.
    nodes : tuple of Node
        Of the layer, those of its end among them.
    """

    start: int
    end: int
    arms: tuple[int, ...]
    nodes: tuple[Node, ...]


def layers(nets: Networks) -> Iterator[Layer]:
    """Yield the layers behind each fork of a network, and behind what leads to a fork."""
    nodes = nets.network.nodes
    place = {id(node): at for at, node in enumerate(nodes)}
    for fork in nodes:
        if fork.kind is not Kind.BRANCH:
            continue
        arms = tuple(w for w in fork.outputs if w in nets.user and nets.user[w].kind not in ENDS)
        if len(arms) < 2:
            continue
        starts: list[tuple[int, tuple[int, ...], tuple[Node, ...]]] = [(fork.inputs[0], arms, ())]
        maker = nets.maker[fork.inputs[0]]
        if maker.kind is Kind.ELEMENTWISE and len(arms) == len(fork.outputs):
            starts += [(wire, (wire,), (maker, fork)) for wire in maker.inputs[:2]]
        for start, ways, before in starts:
            for end, inside in _ends(nets, nodes[place[id(fork)] + 1 :], arms):
                if np.shape(nets.value(end)) == np.shape(nets.value(start)):
                    yield Layer(start, end, ways, (*before, *inside))


def _ends(
    nets: Networks, nodes: tuple[Node, ...], arms: tuple[int, ...]
) -> Iterator[tuple[int, tuple[Node, ...]]]:
    """Yield the signals to which all ways of a fork lead, and the nodes before each."""
    open_wires, inside, count = set(arms), list[Node](), 0
    for node in nodes:
        if open_wires.isdisjoint(node.inputs):
            continue
        if node.kind in ENDS or len(inside) > LONGEST or count == MOST:
            return
        inside.append(node)
        open_wires = (open_wires - set(node.inputs)) | set(node.outputs)
        if len(open_wires) == 1 and node.kind is not Kind.BRANCH:
            count += 1
            yield node.outputs[0], tuple(inside)


def skipped_layers(nets: Networks) -> Iterator[Mistake]:
    """Send δ of the result of a layer past the layer."""
    for layer in layers(nets):
        node, last = nets.sender.get(layer.start), nets.maker[layer.end]
        if node is None or layer.end not in nets.sender or len(node.outputs) != 1:
            continue
        kept = [at for at, wire in enumerate(node.inputs) if wire not in layer.arms]
        if node.kind is not Kind.JUNCTION or layer.arms == (layer.start,):
            kept = []
        inputs = (*(node.inputs[at] for at in kept), layer.end)
        change = Change.to(
            node, kind=Kind.JUNCTION, inputs=inputs, gain=None, primitive=None, transposed=False,
            signs=(*(node.signs[at] for at in kept), 1),
        )  # fmt: skip
        where, name = nets.makes(node), last.name
        operation = "" if last.primitive is None else last.primitive.name
        yield Mistake(kind="layer skipped", where=where, says=f"δ{name} goes on to δ{where} as it "
                      f"is: all that lies between {where} and {name} is skipped",
                      right=f"the derivative of {name} by {where}", wrong="1",
                      groups=nets.everywhere_alike(node, f"{operation} {len(layer.nodes)}"),
                      change=Change.all([change, SORTED]))  # fmt: skip


def wrong_statistics(nets: Networks) -> Iterator[Mistake]:
    """Leave the division by a statistic out of the δ of a whole layer, or divide by it twice."""
    tried: set[tuple[int, int]] = set()
    for layer in layers(nets):
        node = nets.sender.get(layer.start)
        if node is None or node.kind is not Kind.JUNCTION:
            continue
        ports = [at for at, wire in enumerate(node.inputs) if wire in layer.arms]
        for spread in layer.nodes:
            key = (layer.start, spread.outputs[0])
            if spread.kind is not Kind.BROADCAST or nets.leaf(spread.inputs[0]) or key in tried:
                continue
            tried.add(key)
            value, made = nets.value(spread.outputs[0]), nets.source(spread.inputs[0])
            if np.shape(value) != np.shape(nets.value(layer.start)) or not np.all(value):
                continue
            where, operation = nets.makes(node), made.primitive.name if made.primitive else ""
            slip = f"{operation} {len(layer.nodes)}"
            for word, wrong, gain in (
                (f"lacks the division by {made.name}", "1", value),
                (f"is divided by {made.name} once too often", f"1/{made.name}", 1 / value),
            ):
                change = Change.all(Change.weigh(node, port, gain) for port in ports)
                groups = nets.everywhere_alike(node, f"{slip} {wrong == '1'}")
                yield Mistake(kind="layer's scale", where=where, says=f"δ{where}, behind the "
                              f"layer, {word}", right="1", wrong=wrong, change=change,
                              groups=groups, distance=FAR)  # fmt: skip


def other_counts(nets: Networks) -> Iterator[Mistake]:
    """Divide a sum by N − 1, where its N belongs, in the layer and on the way back through it."""
    tried: set[int] = set()
    for layer in layers(nets):
        for node in layer.nodes:
            if node.kind is not Kind.BILINEAR or node.outputs[0] in tried:
                continue
            port = next((at for at in (0, 1) if is_of_mean(nets, node, at)), None)
            if port is None:
                continue
            tried.add(node.outputs[0])
            sizes = [np.size(nets.value(w)) for w in (node.outputs[0], nets.source(
                node.inputs[port]).inputs[0])]  # fmt: skip
            count = sizes[1] // sizes[0]
            own = nets.sender.get(node.inputs[port])
            if count < 2 or own is None or own.gain is None:
                continue
            yield from _other_count(nets, layer, node, own, count)


def _other_count(
    nets: Networks, layer: Layer, node: Node, own: Node, count: int
) -> Iterator[Mistake]:
    ratio = count / (count - 1)
    name, summed = node.name, nets.source(nets.source(own.outputs[0]).inputs[0])
    operation = "" if summed.primitive is None else summed.primitive.name
    back = Change.to(own, gain=own.gain * ratio)
    whole = gains_within(nets, layer.nodes, {node.outputs[0]: nets.value(node.outputs[0]) * ratio})
    for word, change in (("", Change.all([back, whole])), (" on the way back alone", back)):
        yield Mistake(kind="N - 1 for N", where=nets.makes(own), says=f"{name} is the sum over "
                      f"{count} entries divided by {count - 1}, where {count} belongs{word}",
                      right=f"1/{count}", wrong=f"1/{count - 1}", change=change,
                      groups=nets.everywhere_alike(own, f"{operation}{word}"))  # fmt: skip
