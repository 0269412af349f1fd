"""What goes back through a product, taken wrongly: its partner, or its weight.

Knows graphs. What goes back to one factor is multiplied by the other, as it was at this step: entry
by entry, or through the transpose of a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import transpose
from ...network.evaluate import evaluate
from ...network.flow import DELAYS, Flow, Node
from .likelihood import distance_between
from .mistake import Change, Mistake
from .scene import Instead, Scene, shifted
from .surgery import edited


def partners(scene: Scene) -> Iterator[Mistake]:
    """Leave a factor out, or take another signal for it."""
    for node, product, port in scene.ways(Kind.GAIN, through=Kind.BILINEAR):
        yield from scene.instead(node, _factors(scene, node, product, port))


def _factors(scene: Scene, node: Node, product: Node, port: int) -> Iterator[Instead]:
    right, where = str(node.label), scene.makes(node)
    yield Instead("factor missing", f"{right} is left out on the way to δ{where}", "1",
           np.ones_like(node.gain), None)  # fmt: skip
    partner = product.inputs[1 - port]
    for other, value, distance in (*scene.alike(partner), *scene.leaves_alike(partner)):
        if np.shape(value) == np.shape(node.gain):
            yield Instead("wrong factor", f"{other.name} stands where {right} belongs, on the way "
                          f"to δ{where}", other.name, value, None, distance,
                          other.kind is Kind.CONSTANT)  # fmt: skip
    yield from at_other_steps(scene, node, partner)


def weights_gradients(scene: Scene) -> Iterator[Mistake]:
    """Take another signal for the one that a weight's gradient is made of."""
    for node, product, port in scene.ways(Kind.MATRIX, through=Kind.BILINEAR):
        weight = scene.leaf(node.outputs[0])
        if weight is not None:
            several = _inputs(scene, node, product, port)
            yield from scene.instead(node, several, scene.whole(weight.stem))


def _inputs(scene: Scene, node: Node, product: Node, port: int) -> Iterator[Instead]:
    right, where = str(node.label).removesuffix("ᵀ"), scene.makes(node)
    for name, value in scene.made_of(product):  # of another shape, so is the gradient
        if np.ndim(value) == np.ndim(node.gain):
            yield Instead("output for input", f"the layer's output {name} stands where its input "
                          f"{right} belongs, in the gradient of {where}", name, value,
                          None)  # fmt: skip
    for other, value, distance in scene.alike(product.inputs[1 - port]):
        if np.shape(value) == np.shape(node.gain):
            yield Instead("wrong factor", f"{other.name} stands where {right} belongs, in the "
                          f"gradient of {where}", other.name, value, other.name, distance,
                          other.kind is Kind.CONSTANT)  # fmt: skip
    yield from at_other_steps(scene, node, product.inputs[1 - port])


def at_other_steps(scene: Scene, node: Node, partner: int | None = None) -> Iterator[Instead]:
    """Yield a gain as it was at another step: the next, the last, or as far ahead as it lies back.

    Beyond the first and the last step it is 0, or what it is there.
    """
    if not node.folded or (partner is not None and scene.leaf(partner) is not None):
        return
    right = str(node.label)
    moved = [(node.gain, 1, "next step"), (node.gain, -1, "previous step")]
    if partner is not None:
        origin, lag = _undelayed(scene, partner)
        moved += [(scene.value(origin), lag, "step as far ahead as it lies back")] if lag else []
    for gain, by, word in moved:
        if abs(by) < len(node.gain) and np.shape(gain) == np.shape(node.gain):
            for edge in ("0", "its own"):
                yield Instead("factor of the wrong step", f"{right} is taken at the {word}",
                       f"{right} at the {word}", shifted(gain, by, edge),
                       f"{word}, {edge}")  # fmt: skip


def starts(scene: Scene) -> Iterator[Mistake]:
    """Take zeros, on the way back, for what a loop started from."""
    for node, product, port in scene.ways(Kind.GAIN, Kind.MATRIX, through=Kind.BILINEAR):
        delay = scene.source(product.inputs[1 - port])
        if delay.kind in DELAYS and node.folded:
            gain, right = np.array(node.gain), str(node.label)
            gain[0 if delay.kind is Kind.DELAY else -1] = 0.0
            yield from scene.instead(node, [
                Instead("start taken as zero", f"{right} is taken as 0 at the first step, whatever "
                        "it started from", "0 at the first step", gain, "zero"),
            ], "start", f"start of {delay.name}")  # fmt: skip


def _undelayed(scene: Scene, wire: int) -> tuple[int, int]:
    """Return what a signal was before any delay, and how many there are."""
    node, count = scene.source(wire), 0
    while node.kind in DELAYS:
        wire, count = node.inputs[0], count + 1
        node = scene.source(wire)
    return node.outputs[0] if count else wire, count


def weights(scene: Scene) -> Iterator[Mistake]:
    """Leave a weight out or untransposed on the way back, or take another for it."""
    for node, product, port in scene.ways(Kind.MATRIX, through=Kind.BILINEAR):
        weight = scene.leaf(product.inputs[1 - port])
        if weight is not None and np.ndim(node.gain) - node.folded == 2:
            several = _matrices(scene, node, product, port)
            yield from scene.instead(node, several, scene.whole(weight.stem))


def signals_multiplied(scene: Scene) -> Iterator[Mistake]:
    """Take a partner that is no leaf untransposed, leave it out, or take another signal for it."""
    for node, product, port in scene.ways(Kind.MATRIX, through=Kind.BILINEAR):
        partner, out = product.inputs[1 - port], node.outputs[0]
        is_matrix = np.ndim(node.gain) - node.folded == 2
        if is_matrix and scene.leaf(partner) is None and scene.leaf(out) is None:
            yield from scene.instead(node, _signals(scene, node, partner))
            if not scene.takes_others:
                yield from _untransposed(scene, node)


def _signals(scene: Scene, node: Node, partner: int) -> Iterator[Instead]:
    right, where, shape = str(node.label), scene.makes(node), np.shape(node.gain)
    if shape[-1] == shape[-2]:
        is_weight = scene.leaf(scene.unmapped(partner)) is not None
        yield Instead(f"{'weight' if is_weight else 'factor'} not transposed", f"{right} is taken "
                      f"untransposed on the way to δ{where}", right.removesuffix("ᵀ"),
                      np.swapaxes(node.gain, -1, -2))  # fmt: skip
        yield Instead("factor missing", f"{right} is left out on the way to δ{where}", "1",
                      np.broadcast_to(np.eye(shape[-1]), shape))  # fmt: skip
    for other, value, distance in scene.alike(partner):
        yield Instead("wrong factor", f"{other.name} stands where {right.removesuffix('ᵀ')} "
                      f"belongs, on the way to δ{where}", other.name, value, None,
                      distance)  # fmt: skip


def _untransposed(scene: Scene, node: Node) -> Iterator[Mistake]:
    """Yield δ taken transposed where the product asks for δ itself, or back."""
    shape = np.shape(scene.value(scene.user[node.outputs[0]].outputs[0]))[node.folded :]
    if len(shape) == 2 and shape[0] == shape[1] > 1:
        where, name = scene.makes(node), scene.user[node.outputs[0]].name
        yield Mistake("factor not transposed", where, f"δ{name} and its transpose are exchanged "
                      f"on the way to δ{where}", f"δ{name}", f"(δ{name})ᵀ",
                      scene.before(node, Node(Kind.LINEAR, primitive=transpose)))  # fmt: skip


def _matrices(scene: Scene, node: Node, product: Node, port: int) -> Iterator[Instead]:
    right, where = str(node.label), scene.makes(node)
    shape = np.shape(node.gain)
    if shape[-1] == shape[-2]:
        yield Instead("weight not transposed", f"{right.removesuffix('ᵀ')} stands where {right} "
                      "belongs", right.removesuffix("ᵀ"),
                      np.swapaxes(node.gain, -1, -2), "")  # fmt: skip
        yield Instead("weight missing", f"{right} is left out on the way to δ{where}", "1",
               np.broadcast_to(np.eye(shape[-1]), shape), "")  # fmt: skip
    own = scene.leaf(product.inputs[1 - port])
    for other, elsewhere, at in scene.others.ways(Kind.MATRIX, through=Kind.BILINEAR):
        weight = scene.leaf(elsewhere.inputs[1 - at])
        is_another = weight is not None and weight is not own and other.loop == node.loop
        if is_another and np.shape(other.gain) == shape:
            assert weight is not None and own is not None
            yield Instead("wrong weight", f"{other.label} stands where {right} belongs, on the way "
                          f"to δ{where}", str(other.label), other.gain, None,
                          distance_between(weight, own))  # fmt: skip
    yield Instead("weight's entries left out", f"δ is added up on the way to δ{where}, where it "
                  f"belongs multiplied by {right}", "1", np.ones_like(node.gain), "")  # fmt: skip


def updated_weights(scene: Scene) -> Iterator[Mistake]:
    """Update a weight by gradient descent before δ has gone back through it.

    The rate is to be found: see `at_rate`.
    """
    for node in scene.nodes:
        product = scene.user.get(node.outputs[0]) if node.kind in (Kind.GAIN, Kind.MATRIX) else None
        if product is None or product.kind is not Kind.BILINEAR:
            continue
        port = product.inputs.index(node.outputs[0])
        weight = scene.leaf(product.inputs[1 - port])
        if weight is None or scene.leaf(node.outputs[0]) is not None:
            continue
        gradient = scene.everywhere.gradients.get(f"δ{weight.name}")
        if gradient is not None and gradient.shape == np.shape(node.gain)[node.folded :]:
            yield _updated(scene, node, weight, 1.0)


def _updated(scene: Scene, node: Node, weight: Node, rate: float) -> Mistake:
    where, right = scene.makes(node), str(node.label)

    def made(graph: Flow) -> Flow:
        # of the graph as it is: another mistake may be in it
        found = scene.everywhere.gradients if graph is scene.adjoint else evaluate(graph)
        step = rate * found[f"δ{weight.name}"]
        return edited(graph, node, lambda now, wire: [replace(now, gain=now.gain - step)])

    return Mistake(
        "weight updated before use", where, f"{weight.stem} was updated, with the rate "
        f"{rate:.6g}, before δ{where} was computed with it", right,
        f"({weight.stem} - {rate:.6g} δ{weight.stem})", Change(made, frozenset(node.outputs)),
        (scene.whole(weight.stem), "all"), lambda other: _updated(scene, node, weight, other),
    )  # fmt: skip
