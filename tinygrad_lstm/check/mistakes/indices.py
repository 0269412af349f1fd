"""A part of a signal that is read at an index: wrong index, parts overwritten, entries left out.

Knows graphs. An embedding's row is such a part, and so is the entry of the right class in a
cross-entropy. Several steps, or several entries of an array of indices, may read the same row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...network.flow import Node
from ...network.parameters import Varying, is_same
from .changes import Change
from .forward import Value, ValueOn, run_again
from .mistake import Mistake
from .networks import Networks
from .wording import uses

SHIFTS = {1: "next", -1: "previous"}


class OtherIndex(NamedTuple):
    """A wrong index that stands in place of the index of a part.

    Attributes
    ----------
    values : list
        One index for each step; a single index outside of a folded loop.
    text : str
        The name of the index in a sentence.
    """

    values: list[Any]
    text: str


def overwritten_parts(nets: Networks) -> Iterator[Mistake]:
    """Let the parts that belong at one entry overwrite each other, instead of adding them up."""
    for nodes in _part_series(nets):
        whole = nets.source(nodes[0].outputs[0])
        at_once = [[index] for node in nodes for index in _indices(nets, node)]
        series = [[index for (index,) in at_once]]
        is_series = len(nodes) > 1 or nodes[0].kind is Kind.TAP
        ways = {
            "only the part of the last step is left": (series if is_series else [], False),
            "only the part of the first step is left": (series if is_series else [], True),
            "of the parts that one array of indices reads, only the last is left": (
                at_once, False
            ),
        }  # fmt: skip
        for loss, (groups, is_backwards) in ways.items():
            keep = [part for group in groups
                    for part in _survivors(nodes[0].shapes[0], group, is_backwards)]  # fmt: skip
            if all(np.all(part) for part in keep):
                continue  # no entry is read twice
            yield Mistake(kind="parts overwritten", where=whole.name, says="the parts that "
                          f"belong at the same entry of δ{whole.name} overwrite each other, where "
                          f"they should be added up: {loss}", right="their sum",
                          wrong="the part that is written last", groups=(f"all: {loss}",),
                          change=_weigh(nets, nodes, keep))  # fmt: skip


def _part_series(nets: Networks) -> Iterator[list[Node]]:
    """Yield the parts of one signal, each series of them as one list."""
    series: dict[int, list[Node]] = {}
    for node in _parts(nets):
        if node.folded:
            yield [node]
        else:
            source = nets.source(node.outputs[0]).outputs[0]
            series.setdefault(source, []).append(node)
    yield from (sorted(nodes, key=lambda x: nets.user[x.outputs[0]].outputs[0])
                for nodes in series.values())  # fmt: skip


def _parts(nets: Networks) -> Iterator[Node]:
    for node in nets.nodes:
        is_back = node.kind in (Kind.TAP, Kind.LINEAR) and node.transposed and bool(node.inputs)
        if is_back and node.primitive is not None and node.primitive.is_part:
            yield node


def _indices(nets: Networks, node: Node) -> list[Any]:
    """Return the index of a part at each step; a single index outside of a folded loop."""
    index = node.parameters["index"]
    return list(index.values) if isinstance(index, Varying) else [index] * (nets.steps(node) or 1)


def _survivors(
    shape: tuple[int, ...], indices: Sequence[Any], is_backwards: bool
) -> list[np.ndarray]:
    """Return 1 for the entries of each part that no other part overwrites, and 0 for the rest."""
    writer = np.full(shape, -1)
    numbers, count = [], 0
    for index in indices:
        part = np.shape(writer[index])
        numbers.append(np.arange(count, count + int(np.prod(part))).reshape(part))
        count += numbers[-1].size
    pairs = list(zip(indices, numbers, strict=True))
    for index, number in reversed(pairs) if is_backwards else pairs:
        writer[index] = number
    return [np.equal(writer[index], number).astype(float) for index, number in pairs]


def _weigh(nets: Networks, nodes: Sequence[Node], keep: Sequence[np.ndarray]) -> Change:
    if nodes[0].folded:
        return Change.weigh(nodes[0], 0, np.stack(keep))
    return Change.all(Change.weigh(node, 0, gain) for node, gain in zip(nodes, keep, strict=True))


def wrong_indices(nets: Networks) -> Iterator[Mistake]:
    """Place the gradient of a part at the index of another part, or of another step."""
    for node in _parts(nets):
        where = nets.source(node.outputs[0]).name
        for other in _other_indices(nets, node):
            yield _mistake(where, f"the parts of δ{where} are placed", other, _put(node, other))


def wrong_reads(nets: Networks) -> Iterator[Mistake]:
    """Read a part at a wrong index in the forward pass, and place its gradient there."""
    for node in _parts(nets):
        reader = nets.user[node.outputs[0]]
        where = nets.source(reader.inputs[0]).name
        for other in _other_indices(nets, node):
            change = run_again(nets, {reader.outputs[0]: _read_at(nets, node, reader, other)})
            if change is not None:
                error = f"the forward pass and the backward pass read {where}"
                yield _mistake(where, error, other, Change.all([change, _put(node, other)]))


def _read_at(nets: Networks, node: Node, reader: Node, other: OtherIndex) -> Value:
    whole = reader.inputs[0]

    def part(step: int | None, value: Any, value_on: ValueOn) -> Any:
        now = nets.value(whole) if node.kind is Kind.TAP else value_on(whole)
        return now[other.values[step or 0]]

    return part


def _mistake(where: str, error: str, other: OtherIndex, change: Change) -> Mistake:
    return Mistake(kind="wrong index", where=where, says=f"{error} at {other.text}", right="its "
                   "own index", wrong=other.text, change=change)  # fmt: skip


def _put(node: Node, other: OtherIndex) -> Change:
    index = node.parameters["index"]
    fresh: Any = other.values[0]
    if node.folded:
        steps = index.steps if isinstance(index, Varying) else tuple(range(len(other.values)))
        fresh = Varying("index", tuple(other.values), steps)

    def edit(now: Node, wire: int) -> list[Node]:
        return [replace(now, parameters={**now.parameters, "index": fresh})]

    return Change.by(node, edit)


def _other_indices(nets: Networks, node: Node) -> Iterator[OtherIndex]:
    """Yield the wrong indices that may stand in place of the index of a part.

    An index that counts the steps has no substitute.
    """
    own = _indices(nets, node)
    index = node.parameters["index"]
    if isinstance(index, Varying) and index.is_explicit:
        return
    for place, series in _columns(own):
        if np.size(series) < 2 or any(np.array_equal(series, x) for x in np.indices(series.shape)):
            continue
        unit = "step" if node.folded else "entry"
        several = [
            (np.roll(series, -by, axis=0), f"the index of the {which} {unit}")
            for by, which in SHIFTS.items()
        ]
        several += [
            (column, f"the index at which {name} is read")
            for column, name in _others(nets, node) if column.shape == series.shape
        ]  # fmt: skip
        for column, text in several:
            values = _with_column(own, place, column)
            if not is_same(values, own) and _fits(node, own, values):
                yield OtherIndex(values, text)


def _columns(indices: Sequence[Any]) -> Iterator[tuple[int | None, np.ndarray]]:
    """Yield the varying part of indices, as one array over the steps or over the entries."""
    first = indices[0]
    places = range(len(first)) if isinstance(first, tuple) else [None]
    for place in places:
        column = [index if place is None else index[place] for index in indices]
        arrays = [
            np.asarray(entry)
            for entry in column
            if isinstance(entry, int | np.integer | np.ndarray)
        ]
        is_whole = len(arrays) == len(column) and all(array.dtype.kind in "iu" for array in arrays)
        if is_whole and len({array.shape for array in arrays}) == 1:
            yield place, arrays[0] if len(arrays) == 1 else np.stack(arrays)


def _others(nets: Networks, node: Node) -> Iterator[tuple[np.ndarray, str]]:
    for other in _parts(nets.everywhere):
        if other is not node and other.loop == node.loop and other.folded == node.folded:
            for _, column in _columns(_indices(nets, other)):
                yield column, nets.source(other.outputs[0]).name


def _with_column(own: Sequence[Any], place: int | None, column: np.ndarray) -> list[Any]:
    """Return indices with another column in them, of the same types."""
    rows = [column] if len(own) == 1 else list(column)
    fresh = [int(row) if np.ndim(row) == 0 else row for row in rows]
    if place is None:
        return fresh
    return [(*was[:place], now, *was[place + 1 :]) for was, now in zip(own, fresh, strict=True)]


def _fits(node: Node, own: Sequence[Any], values: Sequence[Any]) -> bool:
    """Return whether other indices take parts of the same shapes."""
    whole = np.broadcast_to(0.0, node.shapes[0])
    try:
        return all(
            whole[now].shape == whole[was].shape for was, now in zip(own, values, strict=True)
        )
    except IndexError:
        return False


def single_class_gradients(nets: Networks) -> Iterator[Mistake]:
    """Keep δ of a signal only at the entries that a part is read from.

    As p - 1 for the right class of a cross-entropy, and 0 for the others.
    """
    for node in nets.junctions():
        entries = [_entries(nets, wire) for wire in node.inputs]
        masks = [mask for mask in entries if mask is not None]
        if len(masks) != 1 or np.all(masks[0]):
            continue
        shape = np.shape(nets.value(node.outputs[0])) if node.outputs[0] in nets.maker else ()
        if np.shape(masks[0]) != shape:
            continue
        rest = [at for at, mask in enumerate(entries) if mask is None]
        where, arms = nets.makes(node), nets.arms(node)
        others = [arms[at] for at in rest]
        part = next(arms[at] for at, mask in enumerate(entries) if mask is not None)
        yield Mistake(kind="off-diagonal terms dropped", where=where, says=f"δ{where} is 0 at all "
                      f"entries but the entry of {part}: the part that flows back from "
                      f"{uses(others)} is left out at the other entries",
                      right=f"δ({' and '.join(others)})", wrong="0 at the other entries",
                      change=Change.all(Change.weigh(node, at, masks[0])
                                        for at in rest))  # fmt: skip


def _entries(nets: Networks, wire: int) -> np.ndarray | None:
    """Return 1 at the entries of δ that a part sends; None if no part sends δ on a wire."""
    node = nets.adjoint.source(wire, (Kind.BRANCH,))
    if node.kind is not Kind.LINEAR or next(_parts(nets.at([node])), None) is None:
        return None
    masks = []
    for index in _indices(nets, node):
        mask = np.zeros(node.shapes[0])
        mask[index] = 1.0
        masks.append(mask)
    return np.stack(masks) if node.folded else masks[0]
