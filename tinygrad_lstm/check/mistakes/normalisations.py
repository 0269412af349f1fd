"""A normalisation with a mistake: every entry depends on all entries, through their sum.

Knows graphs. In the adjoint network it is a sum over entries whose result is spread over them
again: a quotient and a sum, or the logarithm of a sum of exponentials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from operator import mul
from typing import NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...engine.primitives import broadcast_to
from ...engine.primitives import sum as total
from ...engine.symbol import TOTAL
from ...network.flow import Node
from .changes import Change
from .mistake import Mistake
from .networks import Networks


class Normalisation(NamedTuple):
    """Where entries are added up in the adjoint network, and spread again.

    Attributes
    ----------
    added, spread : Node
    shares : array
        Of each entry in the whole.
    before : tuple of Node
        The nodes that make δ of the normalised signal, and of the signal that it is a function of.
    """

    added: Node
    spread: Node
    shares: np.ndarray
    before: tuple[Node, ...]


def normalisations(nets: Networks) -> Iterator[Normalisation]:
    """Yield the normalisations of a network."""
    for added in nets.nodes:
        if added.kind is not Kind.BROADCAST or not added.transposed:
            continue
        for spread in nets.readers.get(added.outputs[0], ()):
            if (
                spread.transposed
                and (spread.kind is Kind.JACOBIAN or _is_sum(spread))
                and spread.shapes[0] == tuple(added.parameters["shape"])
            ):
                entries = nets.value(spread.outputs[0])
                shares = spread.gain
                if spread.kind is not Kind.JACOBIAN:
                    axis = spread.parameters["axis"]
                    axis = axis + spread.folded if axis >= 0 else axis
                    shares = entries / entries.sum(axis=axis, keepdims=True)
                yield Normalisation(added, spread, shares, _before(nets, spread))


def _is_sum(node: Node) -> bool:
    is_total = node.primitive is not None and node.primitive.notation is TOTAL
    return is_total and isinstance(node.parameters.get("axis"), int)


def _before(nets: Networks, spread: Node) -> tuple[Node, ...]:
    """Return the nodes that make δ of the normalised signal, and of its function's operand."""
    node = nets.source(spread.outputs[0])
    senders = [nets.sender.get(node.outputs[0])]
    if node.kind is Kind.ELEMENTWISE and len(node.inputs) == 1:
        senders.append(nets.sender.get(node.inputs[0]))
    return tuple(sender for sender in senders if sender is not None)


def _missing(nets: Networks, normal: Normalisation) -> Iterator[Mistake]:
    """Yield δ of the shares in place of δ of the normalised signal, as after a cross-entropy."""
    shape = np.shape(normal.shares)
    for node in normal.before[-1:]:
        for shares in Interruptible(nets.network.nodes):
            wire = shares.outputs[0] if shares.outputs else -1
            if wire not in nets.sender or np.shape(nets.value(wire)) != shape:
                continue
            if wire != node.outputs[0] and np.allclose(nets.value(wire), normal.shares, rtol=1e-9):
                name = nets.makes(node)
                change = Change.to(node, kind=Kind.JUNCTION, inputs=(wire,), signs=(1,), gain=None)
                yield Mistake(kind="normalisation missing", where=name, says=f"δ{name} equals "
                              f"δ{shares.name}: the derivative of the normalisation is left out",
                              right=f"δ{name}", wrong=f"δ{shares.name}", change=change)  # fmt: skip
                break


def other_axes(normal: Normalisation) -> Iterator[tuple[int, int]]:
    """Yield the axis of a normalisation with each other axis, both counted from the last."""
    count, axis = len(normal.added.parameters["shape"]), normal.spread.parameters.get("axis")
    if isinstance(axis, int):
        own = axis % count - count
        yield from ((own, other) for other in range(-count, 0) if other != own)


def along_other_axis(normal: Normalisation, slopes: np.ndarray | None, other: int) -> Change:
    """Return how to add up along another axis on the way back.

    Parameters
    ----------
    normal : Normalisation
    slopes : array, or None
        The factor of the sums behind the spread.
    other : int
        The axis, counted from the last.
    """
    shape = tuple(normal.added.parameters["shape"])

    def spread(now: Node, wire: int) -> list[Node]:
        again = replace(
            now, kind=Kind.BROADCAST, primitive=broadcast_to, parameters={"shape": shape},
            transposed=False, gain=None,
        )  # fmt: skip
        if slopes is None:
            return [again]
        again = replace(again, outputs=(wire,), name=f"{now.name} ({wire})")
        return [again, replace(now, kind=Kind.GAIN, inputs=(wire,), gain=slopes, scale=mul)]

    added = Change.to(normal.added, kind=Kind.LINEAR, primitive=total,
                      parameters={"axis": other, "keepdims": True}, transposed=False)  # fmt: skip
    return Change.all([added, Change.by(normal.spread, spread)])


def _over_other_axes(nets: Networks, normal: Normalisation, where: str) -> Iterator[Mistake]:
    """Yield the sums over the entries of the other axes, for shares that are right."""
    count = len(normal.added.parameters["shape"])
    for own, other in other_axes(normal):
        if normal.spread.kind is Kind.JACOBIAN:
            change = along_other_axis(normal, normal.spread.gain, other)
        else:
            entries = nets.value(normal.spread.outputs[0])
            wholes = np.broadcast_to(entries.sum(own, keepdims=True), np.shape(entries))
            weighed = Change.weigh(normal.added, 0, wholes)
            change = Change.all([weighed, along_other_axis(normal, 1 / wholes, other)])
        yield Mistake(kind="sum over the wrong axis", where=where, says=f"the way back to "
                      f"δ{where} sums over axis {other + count}, where the sum over axis "
                      f"{own + count} belongs", right=f"Σ over axis {own + count}",
                      wrong=f"Σ over axis {other + count}", change=change)  # fmt: skip


def wrong_normalisations(nets: Networks) -> Iterator[Mistake]:
    """Forget that the entries are normalised together, or normalise once more."""
    for normal in normalisations(nets):
        where = nets.makes(normal.before[0]) if normal.before else nets.makes(normal.spread)
        slopes = normal.spread.gain
        if slopes is None:
            slopes = nets.at_every_step(normal.spread, 1.0)
        yield Mistake(kind="off-diagonal terms dropped", where=where, says="the entries are "
                      "normalised together, but treated as independent: only the diagonal of the "
                      f"Jacobian that leads to δ{where} is left", right="Σ over the entries",
                      wrong="each "
                      "entry's own",
                      change=Change.to(normal.spread, kind=Kind.GAIN, inputs=normal.added.inputs,
                      gain=slopes))  # fmt: skip
        yield from _missing(nets, normal)
        count = np.prod(normal.added.parameters["shape"]) // max(1, np.prod(normal.added.shapes[0]))
        share = nets.at_every_step(normal.added, 1 / count)
        summed = nets.makes(normal.added)
        yield Mistake(kind="mean for a sum", where=summed, says=f"the mean over the {count} "
                      f"entries stands where their sum belongs, in δ{summed}", right="Σ",
                      wrong=f"1/{count} Σ", change=Change.weigh(normal.added, 0, share)
                      )  # fmt: skip
        yield from _over_other_axes(nets, normal, where)
        for node in reversed(normal.before):
            name = nets.makes(node)
            gain = normal.shares * (1 - normal.shares)
            ports = range(len(node.inputs))
            yield Mistake(kind="normalisation twice", where=name, says=f"δ{name} is multiplied by "
                          f"p ∘ (1 - p), the derivative of the normalisation, which δ{name} "
                          "already contains", right="1", wrong="p ∘ (1 - p)",
                          change=Change.all(Change.weigh(node, port, gain)
                                            for port in ports))  # fmt: skip
