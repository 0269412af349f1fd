"""A forward pass that is wrong itself: what comes back is then right for another network.

Knows graphs, and runs the network again with other values on a wire, for the gains that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...network.adjoint import gain_of
from ...network.evaluate import evaluate
from ...network.flow import Node
from .mistake import Change, Mistake
from .normalisations import Normalisation, along_other_axis, normalisations
from .scene import Scene, Ticking
from .surgery import Edit

Seen = Callable[[int], np.ndarray]  # what came on a wire at this step
Value = Callable[[int | None, np.ndarray, Seen], np.ndarray]  # -> what is taken for a value


def forward_slips(scene: Scene) -> Iterator[Mistake]:
    """Leave a function out of the forward pass, apply it twice, or read a column as a row."""
    yield from _functions(scene)
    yield from _normalised_twice(scene)
    yield from _normalised_otherwise(scene)
    yield from _broadcast(scene)


def _functions(scene: Scene) -> Iterator[Mistake]:
    for node, function, _ in scene.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        assert function.primitive is not None
        if len(function.inputs) > 1:
            continue
        f, name = function.primitive.name, function.name
        (x,), (y,) = function.inputs, function.outputs
        source, apply = scene.source(x).name, function.primitive.forward

        def left_out(step: int | None, value: Any, seen: Seen, x: int = x) -> Any:
            return seen(x)

        def twice(step: int | None, value: Any, seen: Seen, apply: Any = apply) -> Any:
            return apply(value)

        change = run_again(scene, {y: left_out})
        if change is not None:
            whole = Change.of([change, scene.changed(node, gain=np.ones_like(node.gain))])
            yield Mistake("function missing", name, f"the forward pass has {source} where "
                          f"{name} = {f}({source}) belongs", f"{f}({source})", source,
                          whole)  # fmt: skip
        change = run_again(scene, {y: twice})
        if change is not None:
            yield Mistake("function twice", name, f"the forward pass applies {f} twice: to "
                          f"{source}, and to what comes of it", f"{f}({source})",
                          f"{f}({f}({source}))", change)  # fmt: skip


def _normalised_twice(scene: Scene) -> Iterator[Mistake]:
    """Take what is normalised already for what is to be normalised."""
    for each in normalisations(scene):
        if not each.before:
            continue
        name = scene.makes(each.before[-1])
        (wire,) = each.before[-1].outputs
        shares = each.shares

        def probabilities(step: int | None, value: Any, seen: Seen, shares: Any = shares) -> Any:
            return shares if step is None else shares[step]

        change = run_again(scene, {wire: probabilities})
        if change is not None:
            yield Mistake("normalised twice", name, f"{name} is normalised twice: its shares go "
                          "where it belongs itself", name, "its shares", change)  # fmt: skip


def _normalised_otherwise(scene: Scene) -> Iterator[Mistake]:
    """Normalise along the other axis, in the forward pass and in the backward pass."""
    for each in normalisations(scene):
        back = along_other_axis(scene, each, None)
        if back is not None and each.before and each.spread.kind is not Kind.JACOBIAN:
            axis = each.spread.parameters["axis"] % 2
            shifted = each.before[-1].outputs[0]
            change = _sums_otherwise(scene, each, axis)
            if change is not None:
                yield _along_other_axis(scene, shifted, axis, Change.of([change, back]))
    for node, reduction, _ in scene.ways(Kind.JACOBIAN, through=Kind.REDUCTION):
        x, axis = reduction.inputs[0], reduction.parameters.get("axis")
        if np.ndim(scene.value(x)) - node.folded != 2 or not isinstance(axis, int):
            continue
        other = replace(reduction, parameters={**reduction.parameters, "axis": -1 - axis % 2})
        entries = scene.value(_unshifted(scene, x))
        if not entries.size:
            continue  # an axis of length 0 has no largest entry
        assert other.primitive is not None
        with np.errstate(all="ignore"):
            y = other.primitive.forward(entries, **other.parameters)
            gain = gain_of(other, 0, [entries], y)
        yield _along_other_axis(scene, x, axis % 2, scene.changed(node, gain=gain))


def _along_other_axis(scene: Scene, wire: int, axis: int, change: Change) -> Mistake:
    name = scene.source(_unshifted(scene, wire)).name
    return Mistake("normalised along the wrong axis", scene.source(wire).name, f"{name} is "
                   f"normalised along axis {1 - axis}, where axis {axis} belongs",
                   f"Σ over axis {axis}", f"Σ over axis {1 - axis}", change)  # fmt: skip


def _sums_otherwise(scene: Scene, each: Normalisation, axis: int) -> Change | None:
    """Return how to take the gains for sums over the other axis, of what no maximum is taken from.

    The maximum along an axis is the same number for all that is normalised along that axis alone.
    """
    (entries,), (whole,) = each.spread.outputs, each.added.outputs
    shifted = each.before[-1].outputs[0]
    plain = _unshifted(scene, shifted)

    def unshifted(step: int | None, value: Any, seen: Seen) -> Any:
        return seen(plain)

    def sums(step: int | None, value: Any, seen: Seen) -> Any:
        return np.broadcast_to(seen(entries).sum(1 - axis, keepdims=True), value.shape)

    return run_again(scene, {shifted: unshifted, scene.user[whole].outputs[0]: sums})


def _unshifted(scene: Scene, wire: int) -> int:
    """Return the wire of what a signal was before something was added that is held constant."""
    node = scene.source(wire)
    moved = [
        each for each in node.inputs if scene.source(each).kind not in (Kind.CUT, Kind.CONSTANT)
    ]
    return moved[0] if node.kind is Kind.JUNCTION and len(moved) == 1 else wire


def _broadcast(scene: Scene) -> Iterator[Mistake]:
    """Read (n, 1) as (n,), so that it meets every entry of another (n, 1)."""
    for node in Ticking(scene.network.nodes, scene.tick):
        if node.kind not in (Kind.INPUT, Kind.CONSTANT, Kind.TAP):
            continue
        user = scene.user.get(node.outputs[0])
        if user is None or user.kind is Kind.TAP:
            continue
        whole = scene.value((node.inputs or node.outputs)[0])
        if np.ndim(whole) < 2 or np.shape(whole)[-1] != 1 or np.shape(whole)[0] == 1:
            continue

        def row(step: int | None, value: Any, seen: Seen, whole: Any = whole) -> Any:
            return value[..., 0] if step is None or value.ndim > 1 else whole[..., 0]

        change = run_again(scene, {node.outputs[0]: row})
        if change is not None:
            name, shape = scene.makes(node), np.shape(whole)
            yield Mistake("silent broadcast", name, f"{name} is {shape[:-1]} where {shape} "
                          "belongs: each of its entries meets every other one", str(shape),
                          str(shape[:-1]), change)  # fmt: skip


def run_again(scene: Scene, values: Mapping[int, Value]) -> Change | None:
    """Return how to take the gains of a network with other values on some wires.

    None if it cannot run, or if no gain changes.
    The other wires lie behind the first.

    Gains that are not as they were, because another mistake is in them, are left alone.
    """
    try:
        with np.errstate(all="ignore"):
            again = _rerun(scene, values)
            fresh = list(_gains(scene, again))
    except (ValueError, IndexError):  # the shapes do not allow it
        return None
    if not fresh:
        return None
    return Change.of(Change.by(node, _regained(node.gain, gain)) for node, gain in fresh)


def _regained(was: Any, gain: Any) -> Edit:
    return lambda now, wire: [replace(now, gain=gain) if now.gain is was else now]


def _gains(scene: Scene, values: Mapping[int, np.ndarray]) -> Iterator[tuple[Node, Any]]:
    """Yield the nodes that have other gains at other values on some wires, and these gains."""
    users = dict.fromkeys(id(scene.user[wire]) for wire in values if wire in scene.user)
    makers = dict.fromkeys(id(scene.maker[wire]) for wire in values)

    def now(wire: int) -> Any:
        return values.get(wire, scene.value(wire))

    for node in scene.nodes:
        if node.gain is None or node.kind not in (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN):
            continue
        user = scene.user[node.outputs[0]]
        if id(user) in users or id(user) in makers:
            port = user.inputs.index(node.outputs[0])
            gain = gain_of(user, port, [*map(now, user.inputs)], now(user.outputs[0]))
            if not np.array_equal(node.gain, gain):
                yield node, gain


def _rerun(scene: Scene, values: Mapping[int, Value]) -> dict[int, np.ndarray]:
    """Return the signals that are otherwise with other values on a wire."""
    seen: dict[int, dict[int | None, np.ndarray]] = {}

    def at(step: int | None, wire: int) -> np.ndarray:
        if wire in seen and step in seen[wire]:
            return seen[wire][step]
        known = scene.value(wire)
        return known if step is None else known[step]

    def met(at_wire: int) -> Callable[[int | None, np.ndarray], np.ndarray]:
        def meet(step: int | None, now: np.ndarray) -> np.ndarray:
            scene.tick()
            now = (
                np.asarray(values[at_wire](step, now, partial(at, step)))
                if at_wire in values
                else now
            )
            seen.setdefault(at_wire, {})[step] = now
            return now

        return meet

    affected, nodes = _ahead(scene, next(iter(values)))
    known = {wire: each.value for wire, each in enumerate(scene.network.wires)}
    network = replace(scene.network, nodes=nodes)
    evaluate(network, meet={each: met(each) for each in affected}, known=known)
    return {
        each: steps[None] if None in steps else np.stack([steps[k] for k in range(len(steps))])
        for each, steps in seen.items()
    }


def _ahead(scene: Scene, wire: int) -> tuple[set[int], tuple[Node, ...]]:
    """Return the wires that one leads to, itself among them, and the nodes that make them."""
    found, waiting = {wire}, [wire]
    while waiting:
        user = scene.user.get(waiting.pop())
        for each in user.outputs if user is not None else ():
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found, tuple(x for x in scene.network.nodes if not found.isdisjoint(x.outputs))
