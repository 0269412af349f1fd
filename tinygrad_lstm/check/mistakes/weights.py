"""A weight on the way back, taken wrongly.

Knows graphs. What goes back through a product with a matrix goes through its transpose, as it was
when the network was run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...evaluate import evaluate
from ...flow import Flow, Node
from .mistake import Change, Mistake
from .scene import Instead, Scene
from .surgery import edited


def weights(scene: Scene) -> Iterator[Mistake]:
    """Leave a weight out or untransposed on the way back."""
    for node, product, port in scene.ways("matrix", "product"):
        weight = scene.leaf(product.inputs[1 - port])
        if weight is not None and np.ndim(node.gain) - node.folded == 2:
            yield from scene.instead(node, _matrices(scene, node), scene.whole(weight.stem))


def _matrices(scene: Scene, node: Node) -> Iterator[Instead]:
    right, where = str(node.label), scene.makes(node)
    shape = np.shape(node.gain)
    if shape[-1] == shape[-2]:
        yield ("weight not transposed", f"{right.removesuffix('ᵀ')} stands where {right} belongs",
               right.removesuffix("ᵀ"), np.swapaxes(node.gain, -1, -2), "")  # fmt: skip
        yield ("weight missing", f"{right} is left out on the way to δ{where}", "1",
               np.broadcast_to(np.eye(shape[-1]), shape), "")  # fmt: skip
    yield ("weight's entries left out", f"δ is added up on the way to δ{where}, where it belongs "
           f"multiplied by {right}", "1", np.ones_like(node.gain), "")  # fmt: skip


def updated_weights(scene: Scene) -> Iterator[Mistake]:
    """Update a weight by gradient descent before δ has gone back through it.

    The rate is to be found: see `at_rate`.
    """
    for node in scene.adjoint.nodes:
        product = scene.user.get(node.outputs[0]) if node.kind in ("gain", "matrix") else None
        if product is None or product.kind != "product":
            continue
        port = product.inputs.index(node.outputs[0])
        weight = scene.leaf(product.inputs[1 - port])
        if weight is None or scene.leaf(node.outputs[0]) is not None:
            continue
        gradient = scene.gradients.get(f"δ{weight.name}")
        if gradient is not None and gradient.shape == np.shape(node.gain)[node.folded :]:
            yield _updated(scene, node, weight, 1.0)


def _updated(scene: Scene, node: Node, weight: Node, rate: float) -> Mistake:
    where, right = scene.makes(node), str(node.label)

    def made(graph: Flow) -> Flow:
        # of the graph as it is: another mistake may be in it
        found = scene.gradients if graph is scene.adjoint else evaluate(graph)
        step = rate * found[f"δ{weight.name}"]
        return edited(graph, node, lambda now: replace(now, gain=now.gain - step))

    return Mistake(
        "weight updated before use", where, f"{weight.stem} was updated, with the rate "
        f"{rate:.6g}, before δ{where} was computed with it", right,
        f"({weight.stem} - {rate:.6g} δ{weight.stem})", Change(made, frozenset(node.outputs)),
        (scene.whole(weight.stem), "all"), lambda other: _updated(scene, node, weight, other),
    )  # fmt: skip
