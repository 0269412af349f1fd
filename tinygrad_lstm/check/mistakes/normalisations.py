"""A normalisation, taken wrongly: every entry depends on all, by what they are divided by.

Knows graphs. In the adjoint network it is a sum over entries whose result is spread over them
again, whatever it was made of: a quotient and a sum, or the logarithm of a sum of exponentials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import mul
from typing import NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import broadcast_to
from ...engine.primitives import sum as total
from ...network.flow import Node
from .mistake import Change, Mistake
from .scene import Scene, Ticking


class Normalisation(NamedTuple):
    """Where entries are added up in the adjoint network, and spread again.

    Attributes
    ----------
    added, spread : Node
    shares : array
        Of each entry in the whole.
    before : tuple of Node
        What makes the δ of the signal that is normalised, and of what it is a function of.
    """

    added: Node
    spread: Node
    shares: np.ndarray
    before: tuple[Node, ...]


def normalisations(scene: Scene) -> Iterator[Normalisation]:
    """Yield the normalisations of a network."""
    for added in scene.nodes:
        if added.kind is not Kind.BROADCAST or not added.transposed:
            continue
        for spread in scene.readers.get(added.outputs[0], ()):
            if (
                spread.transposed
                and (spread.kind is Kind.JACOBIAN or _is_sum(spread))
                and spread.shapes[0] == tuple(added.parameters["shape"])
            ):
                entries = scene.value(spread.outputs[0])
                shares = spread.gain
                if spread.kind is not Kind.JACOBIAN:
                    axis = spread.parameters["axis"]
                    axis = axis + spread.folded if axis >= 0 else axis
                    shares = entries / entries.sum(axis=axis, keepdims=True)
                yield Normalisation(added, spread, shares, _before(scene, spread))


def _is_sum(node: Node) -> bool:
    name = node.primitive.name if node.primitive is not None else ""
    return (
        node.kind is Kind.LINEAR and name == "sum" and isinstance(node.parameters.get("axis"), int)
    )


def _before(scene: Scene, spread: Node) -> tuple[Node, ...]:
    """Return who makes the δ of what is normalised, and of what that is a function of."""
    node = scene.source(spread.outputs[0])
    found = [scene.sender.get(node.outputs[0])]
    if node.kind is Kind.ELEMENTWISE and len(node.inputs) == 1:
        found.append(scene.sender.get(node.inputs[0]))
    return tuple(each for each in found if each is not None)


def _left_out(scene: Scene, each: Normalisation) -> Iterator[Mistake]:
    """Yield δ of the shares taken for δ of what is normalised, as after a cross-entropy."""
    shape = np.shape(each.shares)
    for node in each.before[-1:]:
        for shares in Ticking(scene.network.nodes, scene.tick):
            wire = shares.outputs[0] if shares.outputs else -1
            if wire not in scene.sender or np.shape(scene.value(wire)) != shape:
                continue
            if wire != node.outputs[0] and np.allclose(scene.value(wire), each.shares, rtol=1e-9):
                name = scene.makes(node)
                change = scene.changed(
                    node, kind=Kind.JUNCTION, inputs=(wire,), signs=(1,), gain=None
                )
                yield Mistake("normalisation missing", name, f"δ{name} is δ{shares.name}: the "
                              "derivative of the normalisation is left out", f"δ{name}",
                              f"δ{shares.name}", change)  # fmt: skip
                break


def along_other_axis(scene: Scene, each: Normalisation, slopes: np.ndarray | None) -> Change | None:
    """Return how to add up along the other axis on the way back; None unless there are two axes.

    Parameters
    ----------
    scene : Scene
    each : Normalisation
    slopes : array, or None
        By what to multiply the sums once they are spread.
    """
    shape = tuple(each.added.parameters["shape"])
    axis = each.spread.parameters["axis"]
    if len(shape) != 2 or not isinstance(axis, int):
        return None
    axes = {"axis": 1 - axis % 2, "keepdims": True}

    def spread(now: Node, wire: int) -> list[Node]:
        again = replace(
            now, kind=Kind.BROADCAST, primitive=broadcast_to, parameters={"shape": shape},
            transposed=False, gain=None,
        )  # fmt: skip
        if slopes is None:
            return [again]
        again = replace(again, outputs=(wire,), name=f"{now.name} ({wire})")
        return [again, replace(now, kind=Kind.GAIN, inputs=(wire,), gain=slopes, scale=mul)]

    added = scene.changed(each.added, kind=Kind.LINEAR, primitive=total, parameters=axes,
                          transposed=False)  # fmt: skip
    return Change.of([added, Change.by(each.spread, spread)])


def _over_other_axis(scene: Scene, each: Normalisation, where: str) -> Iterator[Mistake]:
    """Yield the sum over the entries of the other axis, for shares that are right."""
    if each.spread.kind is Kind.JACOBIAN:
        change = along_other_axis(scene, each, each.spread.gain)
    else:
        wholes = scene.value(each.spread.outputs[0]) / each.shares
        change = along_other_axis(scene, each, 1 / wholes)
        if change is not None:
            change = Change.of([scene.weighted(each.added, 0, wholes), change])
    if change is None:
        return
    axis = each.spread.parameters["axis"] % 2
    yield Mistake("sum over the wrong axis", where, f"what is normalised along axis {axis} is "
                  f"summed over axis {1 - axis} on the way back to δ{where}", f"Σ over axis {axis}",
                  f"Σ over axis {1 - axis}", change)  # fmt: skip


def normalised(scene: Scene) -> Iterator[Mistake]:
    """Forget that the entries are normalised together, or normalise once more."""
    for each in normalisations(scene):
        where = scene.makes(each.before[0]) if each.before else scene.makes(each.spread)
        slopes = each.spread.gain
        if slopes is None:
            slopes = scene.at_every_step(each.spread, 1.0)
        yield Mistake(
            "off-diagonal terms dropped", where, "what is normalised together is taken as if each "
            f"entry stood alone: of the Jacobian that leads to δ{where} only the diagonal is left",
            "Σ over the entries", "each entry's own",
            scene.changed(each.spread, kind=Kind.GAIN, inputs=each.added.inputs, gain=slopes),
        )  # fmt: skip
        yield from _left_out(scene, each)
        yield from _over_other_axis(scene, each, where)
        for node in reversed(each.before):
            name = scene.makes(node)
            gain = each.shares * (1 - each.shares)
            ports = range(len(node.inputs))
            yield Mistake(
                "normalisation twice", name, f"δ{name} is multiplied once more by p ∘ (1 - p), the "
                "derivative of the normalisation that is in it already", "1", "p ∘ (1 - p)",
                Change.of(scene.weighted(node, port, gain) for port in ports),
            )  # fmt: skip
