"""Factors and signs.

Knows graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from ...engine.kind import Kind
from ...network.flow import Flow, Node
from .mistake import Change, Mistake
from .scene import Scene, Ticking, spelled

SIZES = {-1.0: "−1", 2.0: "2", 0.5: "1/2"}


def of_everything(scene: Scene) -> Iterator[Mistake]:
    """Scale everything: a factor of the loss, a sign, a number of entries, of steps, of a batch."""
    sizes = {2.0: "2", 0.5: "1/2", -1.0: "−1"}
    for node in Ticking(scene.network.nodes, scene.tick):
        for count in np.shape(scene.value(node.outputs[0])) if node.outputs else ():
            if count > 1:
                sizes.setdefault(float(count), str(count))
                sizes.setdefault(1.0 / count, f"1/{count}")
    for node in scene.nodes:
        if node.kind is Kind.INPUT:
            for size, text in sizes.items():
                what = "sign" if size < 0 else "factor"
                yield _everything(scene, node, size, text, what)


def _everything(scene: Scene, node: Node, size: float, text: str, what: str) -> Mistake:
    says = f"everything is {text} times what it should be: a factor of the loss"
    change, kind = _driven(node.outputs[0], size), f"{what} of the loss"
    return Mistake(what, scene.makes(node), says, "1", text, change, kind=kind)


def _driven(wire: int, size: float) -> Change:
    def made(graph: Flow) -> Flow:
        wires = list(graph.wires)
        wires[wire] = replace(wires[wire], value=wires[wire].value * size)
        return replace(graph, wires=tuple(wires))

    return Change(made, frozenset([wire]))


def of_a_branch(scene: Scene) -> Iterator[Mistake]:
    """Forget a minus, or send it where it does not belong."""
    for node in scene.nodes:
        for at, wire in enumerate(node.outputs if node.kind is Kind.BRANCH else ()):
            arm = scene.adjoint.wires[wire].name.removeprefix("δ")
            taken, right = ("δ", "−δ") if node.signs[at] < 0 else ("−δ", "δ")
            change = replace(scene.changed(node, _flipped(at)), at=frozenset([wire]))
            yield Mistake("sign", arm, f"δ goes on to {arm} with the wrong sign", right, taken,
                          change)  # fmt: skip


def _flipped(at: int) -> Callable[[Node], Node]:
    def edit(now: Node) -> Node:
        return replace(now, signs=tuple(-s if k == at else s for k, s in enumerate(now.signs)))

    return edit


def of_a_signal(scene: Scene) -> Iterator[Mistake]:
    """Scale what comes to a signal by 2 or a half, or turn its sign."""
    for node in scene.nodes:
        if node.kind not in (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.JUNCTION):
            continue
        where = scene.makes(node)
        right = str(node.label) if node.label is not None else "it"
        for size, text in SIZES.items():
            if node.kind is Kind.JUNCTION:
                gain = scene.at_every_step(node, size)
                ports = range(len(node.inputs))
                change = Change.of(scene.weighted(node, port, gain) for port in ports)
            else:
                change = scene.changed(node, _times(size))
            yield Mistake("sign" if size < 0 else "factor", where, f"δ{where} is {text} times what "
                          "it should be", right, f"{text} times it", change)  # fmt: skip


def of_a_leaf(scene: Scene) -> Iterator[Mistake]:
    """Scale the gradient of a leaf, or of all that is packed with it."""
    for node, maker in scene.leaves():
        for size, text in SIZES.items():
            what = "sign" if size < 0 else "factor"
            yield _leaf(scene, node, maker, size, text, what)


def _leaf(scene: Scene, node: Node, maker: Node, size: float, text: str, what: str) -> Mistake:
    where = scene.makes(node)
    says = f"the gradient of {where} is {text} times what it should be"
    change = scene.behind(maker, Node(Kind.GAIN, gain=np.asarray(size)))
    kin = f"{scene.whole(where)} {text}"
    return Mistake(what, where, says, "1", f"{text} times it", change, (kin,))


def of_any_size(scene: Scene) -> Iterator[Mistake]:
    """Scale everything, or the gradient of a leaf, by a number that is to be found."""
    makes: list[Callable[[float, str], Mistake]] = [
        partial(_everything, scene, node, what="factor")
        for node in scene.nodes
        if node.kind is Kind.INPUT
    ]
    makes += [partial(_leaf, scene, *both, what="factor") for both in scene.leaves()]
    for make in makes:

        def at_rate(rate: float, make: Callable[[float, str], Mistake] = make) -> Mistake:
            return make(rate, spelled(rate))

        yield replace(make(1.0, "any number of"), at_rate=at_rate)


def _times(size: float) -> Callable[[Node], Node]:
    return lambda now: replace(now, gain=size * now.gain)
