"""The partner of a product, taken wrongly.

Knows graphs. What goes back to one factor is multiplied by the other: by its partner, as it was at
this step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...flow import DELAYS, Node
from .mistake import Mistake
from .scene import Instead, Scene, shifted


def partners(scene: Scene) -> Iterator[Mistake]:
    """Leave a factor out, or take another signal for it."""
    for node, product, port in scene.ways("gain", "product"):
        yield from scene.instead(node, _factors(scene, node, product, port))


def _factors(scene: Scene, node: Node, product: Node, port: int) -> Iterator[Instead]:
    right, where = str(node.label), scene.makes(node)
    yield ("factor missing", f"{right} is left out on the way to δ{where}", "1",
           np.ones_like(node.gain), None)  # fmt: skip
    for name, value in scene.alike(product.inputs[1 - port]):
        if np.shape(value) == np.shape(node.gain):
            yield ("wrong factor", f"{name} stands where {right} belongs, on the way to δ{where}",
                   name, value, None)  # fmt: skip
    yield from at_other_steps(scene, node, product.inputs[1 - port])


def weights_gradients(scene: Scene) -> Iterator[Mistake]:
    """Take another signal for the one that a weight's gradient is made of."""
    for node, product, port in scene.ways("matrix", "product"):
        weight = scene.leaf(node.outputs[0])
        if weight is not None:
            several = _inputs(scene, node, product, port)
            yield from scene.instead(node, several, scene.whole(weight.stem))


def _inputs(scene: Scene, node: Node, product: Node, port: int) -> Iterator[Instead]:
    right, where = str(node.label).removesuffix("ᵀ"), scene.makes(node)
    for name, value in scene.made_of(product):
        if np.shape(value) == np.shape(node.gain):
            yield ("output for input", f"the layer's output {name} stands where its input {right} "
                   f"belongs, in the gradient of {where}", name, value, None)  # fmt: skip
    for name, value in scene.alike(product.inputs[1 - port]):
        if np.shape(value) == np.shape(node.gain):
            yield ("wrong factor", f"{name} stands where {right} belongs, in the gradient of "
                   f"{where}", name, value, name)  # fmt: skip
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
                yield ("factor of the wrong step", f"{right} is taken at the {word}",
                       f"{right} at the {word}", shifted(gain, by, edge),
                       f"{word}, {edge}")  # fmt: skip


def _undelayed(scene: Scene, wire: int) -> tuple[int, int]:
    """Return what a signal was before any delay, and how many there are."""
    node, count = scene.source(wire), 0
    while node.kind in DELAYS:
        wire, count = node.inputs[0], count + 1
        node = scene.source(wire)
    return node.outputs[0] if count else wire, count
