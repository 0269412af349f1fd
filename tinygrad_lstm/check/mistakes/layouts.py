"""What is put together and taken apart, in another order: parts of a whole, blocks, axes, kernels.

Knows graphs. Signals are joined along an axis and cut again, arrays are reshaped, and parameters
are packed: the order is a convention, and an author may follow another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, permutations
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import gather, reshape, transpose
from ...network.flow import Node
from .changes import Change, Edit
from .mistake import Mistake
from .networks import Networks
from .substitutes import Substitute, substitutions

MOST = 4  # parts, or axes, of which every order is tried
ORDER = "order of what is packed"


def wrong_joins(nets: Networks) -> Iterator[Mistake]:
    """Join parts in another order, in the gradient of a weight or where δ is cut into the parts."""
    for node, product, port in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        join = nets.source(product.inputs[1 - port])
        if nets.leaf(node.outputs[0]) is not None and join.kind is Kind.JOIN:
            yield from substitutions(nets, node, _joined_otherwise(nets, node, join))
    for node in nets.nodes:
        if node.kind is Kind.JOIN and node.transposed and len(node.inputs) == 1:
            yield from _cut_otherwise(nets, node)


def _joined_otherwise(nets: Networks, node: Node, join: Node) -> Iterator[Substitute]:
    where, names = nets.makes(node), [nets.source(wire).name for wire in join.inputs]
    values, axis = [nets.value(wire) for wire in join.inputs], _axis(join)
    for order in _orders(len(names)):
        text = "; ".join(names[at] for at in order)
        gain = np.concatenate([values[at] for at in order], axis=axis)
        if np.shape(gain) == np.shape(node.gain):
            yield Substitute(kind=ORDER, says=f"the parts of {join.name} stand in the order "
                             f"[{text}] in the gradient of {where}, where [{'; '.join(names)}] "
                             "belongs", wrong=f"[{text}]", gain=gain,
                             group=str(order))  # fmt: skip


def _cut_otherwise(nets: Networks, node: Node) -> Iterator[Mistake]:
    join = nets.user[node.outputs[max(range(len(node.outputs)), key=lambda at: node.outputs[at])]]
    names, axis = [nets.source(wire).name for wire in join.inputs], _axis(join)
    if any(not -len(shape) <= axis < len(shape) for shape in node.shapes):
        return  # numbers that are stacked
    sizes = [shape[axis] for shape in node.shapes]
    if len(set(sizes)) == 1 and len(sizes) > MOST:
        return
    for order in _orders(len(sizes)):
        ends = list(accumulate((sizes[at] for at in order), initial=0))
        starts = {at: ends[place] for place, at in enumerate(order)}
        places = np.concatenate([np.arange(starts[at], starts[at] + sizes[at])
                                 for at in range(len(sizes))])  # fmt: skip
        text = "; ".join(names[at] for at in order)
        fresh = Node(Kind.LINEAR, primitive=gather, parameters={"index": _along(axis, places)})
        yield Mistake(kind=ORDER, where=names[0], says=f"δ{join.name} is cut at the wrong "
                      f"place: as if its parts were [{text}], where they are [{'; '.join(names)}]",
                      right=f"[{'; '.join(names)}]", wrong=f"[{text}]",
                      groups=nets.everywhere_alike(node, str(order)),
                      change=Change.before(node, fresh))  # fmt: skip


def packed_blocks(nets: Networks) -> Iterator[Mistake]:
    """Pack the blocks of parameters in another order than that in which the network cuts them."""
    cuts: dict[tuple[int, int], list[str]] = {}  # by the number of parts, and the size of the whole
    for node in nets.network.nodes:
        if node.kind is Kind.BRANCH:
            parts = parts_cut(nets, node)
            if 1 < len(parts) <= MOST:
                size = nets.value(node.inputs[0]).shape[-1]
                cuts.setdefault((len(parts), size), [parts[at] for at in sorted(parts)])
    for (count, size), names in cuts.items():
        for node, maker in nets.leaves():
            shape = np.shape(nets.value(node.inputs[0]))
            if not shape or shape[-1] != size:
                continue
            where = nets.makes(node)
            for order in _orders(count):
                blocks = np.arange(size).reshape(count, -1)[list(order)].ravel()
                wrong = ", ".join(names[at] for at in order)
                fresh = Node(Kind.LINEAR, primitive=gather,
                             parameters={"index": _along(-1, blocks)})  # fmt: skip
                yield Mistake(kind=ORDER, where=where, says="the blocks of the gradient of "
                              f"{where} stand in the order {wrong}, where the order "
                              f"{', '.join(names)} belongs", right=", ".join(names), wrong=wrong,
                              groups=(f"blocks {order}",),
                              change=Change.behind(maker, fresh))  # fmt: skip


def parts_cut(nets: Networks, fork: Node) -> dict[int, str]:
    """Return the equal blocks of the last axis that a signal is cut into: where each starts."""
    size, parts = np.shape(nets.value(fork.inputs[0]))[-1:], {}
    for wire in fork.outputs:
        part = nets.user.get(wire)
        if not size or part is None or part.kind is not Kind.LINEAR or not part.operation.is_part:
            return {}
        own = np.arange(size[0])
        index = part.parameters.get("index")
        last = index[-1] if isinstance(index, tuple) and index else index
        if not isinstance(last, slice):
            return {}
        reader = nets.user.get(part.outputs[0])
        places = own[last]
        parts[int(places[0])] = part.name if reader is None else reader.name
        if len(places) * len(fork.outputs) != size[0]:
            return {}
    return parts


def wrong_reshapes(nets: Networks) -> Iterator[Mistake]:
    """Flatten, or unflatten, in another order of the axes."""
    for node in nets.nodes:
        if node.kind is not Kind.LINEAR or not node.transposed or node.primitive is not reshape:
            continue
        passed = nets.user.get(node.outputs[0])
        if passed is None:
            continue
        before, after = node.shapes[0], np.shape(nets.value(passed.outputs[0]))[node.folded :]
        many = max(before, after, key=len)
        axes = [at for at, size in enumerate(many) if size > 1]
        if len(axes) > MOST or len(before) == len(after):
            continue
        where = nets.makes(node)
        for order in _orders(len(axes)):
            whole = list(range(len(many)))
            for place, at in zip(axes, order, strict=True):
                whole[place] = axes[at]
            edit = _reshaped(before, many, whole, is_flat=len(before) == len(many))
            text = ", ".join(map(str, whole))
            yield Mistake(kind="order of the axes", where=where, says=f"δ{where} is reshaped with "
                          f"the axes in the order {text}", right="the axes in their order",
                          wrong=f"the axes in the order {text}",
                          groups=nets.everywhere_alike(node, str(order)),
                          change=Change.by(node, edit))  # fmt: skip


def _reshaped(
    shape: tuple[int, ...], many: tuple[int, ...], order: Sequence[int], is_flat: bool
) -> Edit:
    """Return how to reshape δ with its axes in another order: δ is flat, or is made flat."""

    def edit(now: Node, wire: int) -> list[Node]:
        back = tuple(int(at) for at in np.argsort(order))
        first: dict[str, Any] = {"shape": tuple(many[at] for at in order)}
        if is_flat:
            ways = [(reshape, first), (transpose, {"axes": back})]
        else:
            ways = [(transpose, {"axes": tuple(order)}), (reshape, {"shape": shape})]
        one, two = (
            now.copy(primitive=primitive, parameters=parameters, transposed=False)
            for primitive, parameters in ways
        )
        return [one.copy(outputs=(wire,)), two.copy(inputs=(wire,))]

    return edit


def wrong_kernels(nets: Networks) -> Iterator[Mistake]:
    """Flip the kernel of a convolution in its gradient, or on the way back through it."""
    for node, maker in nets.leaves():
        shape, where = np.shape(nets.value(node.inputs[0])), nets.makes(node)
        if len(shape) > 2 and max(shape[2:]) > 1:
            fresh = Node(Kind.LINEAR, primitive=gather, parameters={"index": _flip(len(shape))})
            yield Mistake(kind="flipped", where=where, says=f"the gradient of {where} is flipped "
                          "along the axes of the kernel", right=f"δ{where}", wrong="flipped",
                          groups=("all",), change=Change.behind(maker, fresh))  # fmt: skip
    for node, product, port in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        flat = nets.source(product.inputs[1 - port])
        leaf = nets.leaf(flat.inputs[0]) if flat.kind is Kind.LINEAR else None
        if leaf is None or np.ndim(nets.value(leaf.outputs[0])) < 3:
            continue
        kernel = nets.value(leaf.outputs[0])
        gain = flat.operation.forward(kernel[_flip(kernel.ndim)], **flat.parameters)
        if np.shape(gain) == np.shape(node.gain):
            where = nets.makes(node)
            yield from substitutions(nets, node, [Substitute(
                kind="flipped", says=f"the kernel {leaf.name} is flipped on the way to δ{where}",
                wrong=f"{leaf.name}, flipped", gain=gain, group="kernel")])  # fmt: skip


def _flip(count: int) -> tuple[slice, ...]:
    return (slice(None), slice(None), *[slice(None, None, -1)] * (count - 2))


def _along(axis: int, places: np.ndarray) -> Any:
    """Return an index that takes places along an axis."""
    return (..., places, *[slice(None)] * (-1 - axis)) if axis < 0 else (
        *[slice(None)] * axis, places
    )  # fmt: skip


def _axis(join: Node) -> int:
    """Return the axis along which parts are joined, counted from the last, so that steps count."""
    axis = int(join.parameters.get("axis", 0))
    return axis if axis < 0 else axis - len(join.shapes[0])


def _orders(count: int) -> list[tuple[int, ...]]:
    """Return the wrong orders of a few things."""
    return list(permutations(range(count)))[1:] if 1 < count <= MOST else []
