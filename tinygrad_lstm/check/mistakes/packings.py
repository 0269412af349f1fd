"""The δ of parts that are packed in one signal: in another order, or with a part left out.

Knows graphs. The order may be wrong for all uses of δ, or on one way back through a weight alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import gather
from ...network.flow import Node
from .changes import Change
from .exchanges import SORTED
from .layouts import MOST, ORDER, parts_cut
from .mistake import Mistake
from .networks import Networks


def packed_deltas(nets: Networks) -> Iterator[Mistake]:
    """Pack the δs of parts in another order, or forget one part on a way back."""
    for fork in nets.network.nodes:
        parts = parts_cut(nets, fork) if fork.kind is Kind.BRANCH else {}
        sender = nets.sender.get(fork.inputs[0]) if 1 < len(parts) <= MOST else None
        if sender is None or len(sender.outputs) != 1:
            continue
        names = [parts[at] for at in sorted(parts)]
        whole, size = nets.makes(sender), np.shape(nets.value(fork.inputs[0]))[-1]
        for order in list(permutations(range(len(names))))[1:]:
            at = np.arange(size).reshape(len(names), -1)[list(order)].ravel()
            fresh = Node(Kind.LINEAR, primitive=gather, parameters={"index": (..., at)})
            placed = fresh.copy(loop=sender.loop, step=sender.step)
            yield _order(whole, "", names, order, Change.behind(sender, placed))
            for way in _ways_back(nets, sender.outputs[0]):
                yield _order(whole, nets.makes(way), names, order, Change.before(way, fresh))
        for way in _ways_back(nets, sender.outputs[0]):
            yield from _left_out(nets, whole, names, way)
    yield from _packed_weights(nets)


def _order(
    whole: str, to: str, names: list[str], order: tuple[int, ...], change: Change
) -> Mistake:
    wrong, right = ", ".join(names[at] for at in order), ", ".join(names)
    way = f" on the way back to δ{to}" if to else ""
    return Mistake(kind=ORDER, where=to or whole, says=f"the parts of δ{whole} stand in the order "
                   f"{wrong}{way}, where the order {right} belongs", right=right, wrong=wrong,
                   change=change)  # fmt: skip


def _left_out(nets: Networks, whole: str, names: list[str], way: Node) -> Iterator[Mistake]:
    (size,) = np.shape(nets.value(nets.user[way.outputs[0]].outputs[0]))[-1:]
    for at, name in enumerate(names):
        keep = np.ones((len(names), size // len(names)))
        keep[at] = 0.0
        where = nets.makes(way)
        yield Mistake(kind="branch forgotten", where=where, says=f"δ{where} lacks the part that "
                      f"flows back from {name}, through {whole}", right=f"δ{name}", wrong="0",
                      change=Change.weigh(way, 0, nets.at_every_step(way, keep.ravel()))
                      )  # fmt: skip


def _ways_back(nets: Networks, root: int) -> Iterator[Node]:
    """Yield the products that lead a δ back to a signal, through a weight."""
    for node in nets.adjoint.nodes:
        product = nets.user.get(node.outputs[0]) if node.kind is Kind.MATRIX else None
        if product is not None and product.kind is Kind.BILINEAR and node.inputs:
            is_way = nets.leaf(node.outputs[0]) is None and nets.root(node.inputs[0]) == root
            if is_way:
                yield node


def _packed_weights(nets: Networks) -> Iterator[Mistake]:
    """Yield the orders of the δs that the parts of one packed weight lead back."""
    for whole, parts in nets.view.parts.items():
        wires = [nets.view.at.get(name, (-1, 0))[0] for name, _ in parts]
        ways = [way for wire in wires for way in _ways_through(nets, wire)]
        loops = {(way.loop, way.folded) for way in ways}
        if not 2 < len(ways) == len(wires) <= MOST or len(loops) > 1:
            continue
        names = [name.rpartition(".")[2] for name, _ in parts]
        where = nets.makes(ways[0])
        for order in list(permutations(range(len(ways))))[1:]:
            wrong, right = ", ".join(names[at] for at in order), ", ".join(names)
            changes = [
                Change.to(way, inputs=ways[at].inputs) for way, at in zip(ways, order, strict=True)
            ]
            yield Mistake(kind=ORDER, where=where, says=f"δ of the parts stand in the order "
                          f"{wrong} on the way back through {whole} to δ{where}, where the order "
                          f"{right} belongs", right=right, wrong=wrong,
                          change=Change.all([*changes, SORTED]))  # fmt: skip


def _ways_through(nets: Networks, leaf: int) -> Iterator[Node]:
    """Yield the products that lead δ back through a leaf, from its wire in the adjoint network."""
    for node in nets.adjoint.nodes:
        product = nets.user.get(node.outputs[0]) if node.kind is Kind.MATRIX else None
        if product is None or product.kind is not Kind.BILINEAR:
            continue
        port = product.inputs.index(node.outputs[0])
        other = nets.leaf(product.inputs[1 - port])
        if other is not None and other.outputs[0] == leaf and nets.leaf(node.outputs[0]) is None:
            yield node
