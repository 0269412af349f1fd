"""A part of a signal that is read at an index: its gradient put, added or kept wrongly.

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
from .forward import Seen, Value, run_again
from .mistake import Change, Mistake
from .scene import Scene

SHIFTS = {1: "next", -1: "previous"}


class Substitute(NamedTuple):
    """An index that is taken for the index of a part.

    Attributes
    ----------
    values : list
        One index for each step; a single index outside of a folded loop.
    text : str
        The name of the index in a sentence.
    """

    values: list[Any]
    text: str


def parts_overwritten(scene: Scene) -> Iterator[Mistake]:
    """Let the parts that belong at one entry overwrite each other, instead of adding them up."""
    for nodes in _meeting(scene):
        whole = scene.source(nodes[0].outputs[0])
        at_once = [[index] for node in nodes for index in _indices(scene, node)]
        series = [[index for (index,) in at_once]]
        is_series = len(nodes) > 1 or nodes[0].kind is Kind.TAP
        ways = {
            "only the last step's part is left": (series if is_series else [], False),
            "only the first step's part is left": (series if is_series else [], True),
            "of the parts that one array of indices reads, only the last is left": (
                at_once, False
            ),
        }  # fmt: skip
        for said, (groups, is_backwards) in ways.items():
            keep = [part for group in groups
                    for part in _kept(nodes[0].shapes[0], group, is_backwards)]  # fmt: skip
            if all(np.all(part) for part in keep):
                continue  # no entry is read twice
            yield Mistake("parts overwritten", whole.name, "the parts that belong at the same "
                          f"entry of δ{whole.name} overwrite each other, where they should be "
                          f"added up: {said}", "+=", "=", _weighted(scene, nodes, keep)
                          )  # fmt: skip


def _meeting(scene: Scene) -> Iterator[list[Node]]:
    """Yield the parts of one signal, each series of them as one list."""
    together: dict[int, list[Node]] = {}
    for node in _parts(scene):
        if node.folded:
            yield [node]
        else:
            source = scene.source(node.outputs[0]).outputs[0]
            together.setdefault(source, []).append(node)
    yield from (sorted(nodes, key=lambda x: scene.user[x.outputs[0]].outputs[0])
                for nodes in together.values())  # fmt: skip


def _parts(scene: Scene) -> Iterator[Node]:
    for node in scene.nodes:
        is_back = node.kind in (Kind.TAP, Kind.LINEAR) and node.transposed and bool(node.inputs)
        if is_back and node.primitive is not None and node.primitive.is_part:
            yield node


def _indices(scene: Scene, node: Node) -> list[Any]:
    """Return the index of a part at each step; a single index outside of a folded loop."""
    index = node.parameters["index"]
    return list(index.values) if isinstance(index, Varying) else [index] * (scene.steps(node) or 1)


def _kept(shape: tuple[int, ...], indices: Sequence[Any], is_backwards: bool) -> list[np.ndarray]:
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


def _weighted(scene: Scene, nodes: Sequence[Node], keep: Sequence[np.ndarray]) -> Change:
    if nodes[0].folded:
        return scene.weighted(nodes[0], 0, np.stack(keep))
    return Change.of(scene.weighted(node, 0, gain) for node, gain in zip(nodes, keep, strict=True))


def wrong_indices(scene: Scene) -> Iterator[Mistake]:
    """Put a part's gradient at the index of another part, or of another step."""
    for node in _parts(scene):
        where = scene.source(node.outputs[0]).name
        for other in _substitutes(scene, node):
            yield _mistake(where, f"the parts of δ{where} are put", other, _put(node, other))


def read_at_wrong_indices(scene: Scene) -> Iterator[Mistake]:
    """Read a part at a wrong index in the forward pass, and put its gradient there."""
    for node in _parts(scene):
        reader = scene.user[node.outputs[0]]
        where = scene.source(reader.inputs[0]).name
        for other in _substitutes(scene, node):
            change = run_again(scene, {reader.outputs[0]: _reading(scene, node, reader, other)})
            if change is not None:
                done = f"the forward pass, and the backward pass too, read {where}"
                yield _mistake(where, done, other, Change.of([change, _put(node, other)]))


def _reading(scene: Scene, node: Node, reader: Node, other: Substitute) -> Value:
    whole = reader.inputs[0]

    def part(step: int | None, value: Any, seen: Seen) -> Any:
        now = scene.value(whole) if node.kind is Kind.TAP else seen(whole)
        return now[other.values[step or 0]]

    return part


def _mistake(where: str, done: str, other: Substitute, change: Change) -> Mistake:
    return Mistake("wrong index", where, f"{done} at {other.text}", "its own index", other.text,
                   change)  # fmt: skip


def _put(node: Node, other: Substitute) -> Change:
    index = node.parameters["index"]
    fresh: Any = other.values[0]
    if node.folded:
        steps = index.steps if isinstance(index, Varying) else tuple(range(len(other.values)))
        fresh = Varying("index", tuple(other.values), steps)

    def edit(now: Node, wire: int) -> list[Node]:
        return [replace(now, parameters={**now.parameters, "index": fresh})]

    return Change.by(node, edit)


def _substitutes(scene: Scene, node: Node) -> Iterator[Substitute]:
    """Yield the indices that may be taken for the index of a part.

    An index that counts, as that of a sequence read from its start, is left alone.
    """
    own = _indices(scene, node)
    index = node.parameters["index"]
    if isinstance(index, Varying) and index.is_told:
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
            for column, name in _others(scene, node) if column.shape == series.shape
        ]  # fmt: skip
        for column, text in several:
            values = _with_column(own, place, column)
            if not is_same(values, own) and _fits(node, own, values):
                yield Substitute(values, text)


def _columns(indices: Sequence[Any]) -> Iterator[tuple[int | None, np.ndarray]]:
    """Yield what varies in indices, as one array: over the steps, or over an array's entries."""
    first = indices[0]
    places = range(len(first)) if isinstance(first, tuple) else [None]
    for place in places:
        column = [x if place is None else x[place] for x in indices]
        arrays = [np.asarray(x) for x in column if isinstance(x, int | np.integer | np.ndarray)]
        is_whole = len(arrays) == len(column) and all(x.dtype.kind in "iu" for x in arrays)
        if is_whole and len({x.shape for x in arrays}) == 1:
            yield place, arrays[0] if len(arrays) == 1 else np.stack(arrays)


def _others(scene: Scene, node: Node) -> Iterator[tuple[np.ndarray, str]]:
    for other in _parts(scene.everywhere):
        if other is not node and other.loop == node.loop and other.folded == node.folded:
            for _, column in _columns(_indices(scene, other)):
                yield column, scene.source(other.outputs[0]).name


def _with_column(own: Sequence[Any], place: int | None, column: np.ndarray) -> list[Any]:
    """Return indices with another column in them, of the same types."""
    rows = [column] if len(own) == 1 else list(column)
    fresh = [int(x) if np.ndim(x) == 0 else x for x in rows]
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


def right_class_alone(scene: Scene) -> Iterator[Mistake]:
    """Keep of what meets a part in a signal only the entries of that part.

    As p - 1 for the right class of a cross-entropy, and 0 for the others.
    """
    for node in scene.junctions():
        reached = [_reached(scene, wire) for wire in node.inputs]
        masks = [mask for mask in reached if mask is not None]
        if len(masks) != 1 or np.all(masks[0]):
            continue
        shape = np.shape(scene.value(node.outputs[0])) if node.outputs[0] in scene.maker else ()
        if np.shape(masks[0]) != shape:
            continue
        rest = [at for at, mask in enumerate(reached) if mask is None]
        where, arms = scene.makes(node), scene.arms(node)
        others = " and ".join(arms[at] for at in rest)
        part = next(arms[at] for at, mask in enumerate(reached) if mask is not None)
        yield Mistake("off-diagonal terms dropped", where, f"δ{where} is 0 at all entries but "
                      f"the entry of {part}: what comes back through {others} is left out at the "
                      "other entries", f"δ({others})", "0 at the other entries",
                      Change.of(scene.weighted(node, at, masks[0]) for at in rest))  # fmt: skip


def _reached(scene: Scene, wire: int) -> np.ndarray | None:
    """Return 1 at the entries that a part brings something to; None if no part comes on a wire."""
    node = scene.sender.get(wire)
    while node is not None and node.kind is Kind.BRANCH:
        node = scene.sender.get(node.inputs[0])
    if node is None or node.kind is not Kind.LINEAR or next(_parts(scene.at([node])), None) is None:
        return None
    masks = []
    for index in _indices(scene, node):
        mask = np.zeros(node.shapes[0])
        mask[index] = 1.0
        masks.append(mask)
    return np.stack(masks) if node.folded else masks[0]
