"""What is done to the gradients of leaves at the end: exchanged, or made of each other.

Knows graphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...engine.primitives import sum as total
from ...network.flow import Node
from .changes import Change
from .exchanges import SORTED, exchange
from .likelihood import UNRELATED
from .mistake import Mistake
from .networks import Networks


def exchanged_leaves(nets: Networks) -> Iterator[Mistake]:
    """Exchange the gradients of two leaves of one shape, as where their names are exchanged."""
    alike: dict[tuple[int, ...], list[tuple[Node, Node]]] = {}
    for node, maker in nets.leaves():
        alike.setdefault(np.shape(nets.value(node.inputs[0])), []).append((node, maker))
    for several in alike.values():
        for at, (one, first) in enumerate(Interruptible(several)):
            for other, second in several[at + 1 :]:
                names = nets.makes(one), nets.makes(other)
                parts = _different_parts(*names)
                group = " and ".join(sorted(parts))
                exchanged = exchange(nets, first, second, names, (group,))
                yield replace(exchanged, ranked_as="exchanged names")
                if not _is_made_alike(nets, first, second):
                    yield _copied(nets, one, first, other)
                    yield _copied(nets, other, second, one)


def _is_made_alike(nets: Networks, one: Node, other: Node) -> bool:
    """Whether two gradients differ in nothing but the δ that they are made of."""
    ways = [_way(nets, maker) for maker in (one, other)]
    return len(ways[0]) == len(ways[1]) and all(
        x.kind is y.kind and np.array_equal(x.gain, y.gain) for x, y in zip(*ways, strict=True)
    )


def _copied(nets: Networks, node: Node, maker: Node, other: Node) -> Mistake:
    """Return the gradient of another leaf in place of a leaf's own."""
    where, name = nets.makes(node), nets.makes(other)
    (wire,) = other.inputs
    fresh = maker.copy(
        kind=Kind.JUNCTION, primitive=None, signs=(1,), inputs=(wire,), transposed=False, gain=None,
        loop=None, step=None,
    )  # fmt: skip
    change = Change.all([Change.by(maker, lambda now, free: [fresh]), SORTED])
    return Mistake(kind="another's gradient", where=where, says=f"the gradient of {where} is that "
                   f"of {name}", right=f"δ{where}", wrong=f"δ{name}",
                   groups=(" for ".join(_different_parts(name, where)),),
                   change=change, distance=UNRELATED)  # fmt: skip


def _different_parts(one: str, other: str) -> list[str]:
    """Return where two names differ.

    >>> _different_parts("lstm.W_f", "lstm.W_i")
    ['f', 'i']
    """
    start = _count_alike(one, other)
    rest = [one[start:], other[start:]]
    end = _count_alike(*(name[::-1] for name in rest))
    return [name[: len(name) - end] for name in rest]


def _count_alike(one: str, other: str) -> int:
    """Return how many letters two names share, from the first on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))


def biases_of_weights(nets: Networks) -> Iterator[Mistake]:
    """Make the gradient of a bias of the gradient of the weight beside it, summed."""
    leaves = [(node, maker, _forks(nets, maker)) for node, maker in nets.leaves()]
    for node, maker, forks in leaves:
        for weight, other, others in leaves:
            shapes = [np.shape(nets.value(x.inputs[0])) for x in (node, weight)]
            if node is weight or not forks or forks[0] not in others:
                continue
            if not any(x.kind is Kind.MATRIX for x in _way(nets, other)):
                continue
            axes = _summed_axes(*shapes)
            if axes is not None:
                yield _sum_of_weight(nets, node, maker, weight, axes)


def _sum_of_weight(
    nets: Networks, node: Node, maker: Node, weight: Node, axes: tuple[int, ...]
) -> Mistake:
    shape = np.shape(nets.value(node.inputs[0]))
    keeps = len(shape) == np.ndim(nets.value(weight.inputs[0]))
    fresh = maker.copy(
        kind=Kind.LINEAR, primitive=total, parameters={"axis": axes, "keepdims": keeps},
        inputs=weight.inputs, transposed=False, gain=None, loop=None, step=None,
    )  # fmt: skip
    where, name = nets.makes(node), nets.makes(weight)
    own = Change.by(maker, lambda now, wire: [fresh])
    return Mistake(kind="bias of the weight", where=where, says=f"the gradient of {where} is the "
                   f"sum of δ{name} over axis {', '.join(map(str, axes))}, where the sum of δ "
                   "itself belongs", right=f"δ{where}", wrong=f"Σ δ{name}",
                   groups=(" for ".join(_different_parts(name, where)),),
                   change=Change.all([own, SORTED]))  # fmt: skip


def _summed_axes(shape: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the axes over which an array is summed to a shape; None unless there is one way.

    >>> _summed_axes((4,), (3, 4)), _summed_axes((3, 1), (3, 4)), _summed_axes((2,), (2, 5, 3, 3))
    ((0,), (1,), (1, 2, 3))
    """
    if len(whole) < 2:
        return None
    if len(shape) == len(whole):
        axes = tuple(at for at, size in enumerate(shape) if size == 1)
        kept = all(size in (1, whole[at]) for at, size in enumerate(shape))
        return axes if axes and kept else None
    if len(shape) != 1:
        return None
    ways = [at for at in (len(whole) - 1, 0) if whole[at] == shape[0]]
    return tuple(at for at in range(len(whole)) if at != ways[0]) if ways else None


def _forks(nets: Networks, maker: Node) -> list[int]:
    """Return the wires of the δs that a gradient is made of, back from fork to fork."""
    return [node.inputs[0] for node in _chain(nets, maker) if node.kind is Kind.BRANCH]


def _way(nets: Networks, maker: Node) -> list[Node]:
    """Return the nodes that make a gradient, back to the first fork."""
    return list(takewhile(lambda node: node.kind is not Kind.BRANCH, _chain(nets, maker)))


def _chain(nets: Networks, maker: Node) -> Iterator[Node]:
    """Yield a node, and those before it, as long as each has one operand."""
    node: Node | None = maker
    while node is not None:
        yield node
        node = nets.sender.get(node.inputs[0]) if len(node.inputs) == 1 else None
