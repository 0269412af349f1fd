"""A forward pass that is wrong itself: what comes back is then right for another network.

Knows graphs, and runs the network again with other values on a wire, for the gains that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...evaluate import evaluate
from ...flow import Flow, Node
from .mistake import Change, Mistake
from .normalisations import normalisations
from .scene import Scene

Seen = dict[int, dict[int | None, np.ndarray]]  # what came on each wire so far, by step
Value = Callable[[int | None, np.ndarray, Seen], np.ndarray]  # -> what is taken for a value


def forward(scene: Scene) -> Iterator[Mistake]:
    """Leave a function out of the forward pass, apply it twice, or read a column as a row."""
    yield from _functions(scene)
    yield from _normalised_twice(scene)
    yield from _broadcast(scene)


def _functions(scene: Scene) -> Iterator[Mistake]:
    for node, function, _ in scene.ways("gain", "function"):
        assert function.primitive is not None
        if len(function.inputs) > 1:
            continue
        f, name = function.primitive.name, function.name
        (x,), (y,) = function.inputs, function.outputs
        source, apply = scene.source(x).name, function.primitive.forward

        def left_out(step: int | None, value: Any, seen: Seen, x: int = x) -> Any:
            return seen[x][step]

        def twice(step: int | None, value: Any, seen: Seen, apply: Any = apply) -> Any:
            return apply(value)

        change = _run_again(scene, y, left_out)
        if change is not None:
            whole = Change.of([change, scene.changed(node, gain=np.ones_like(node.gain))])
            yield Mistake("function missing", name, f"the forward pass has {source} where "
                          f"{name} = {f}({source}) belongs", f"{f}({source})", source,
                          whole)  # fmt: skip
        change = _run_again(scene, y, twice)
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

        change = _run_again(scene, wire, probabilities)
        if change is not None:
            yield Mistake("normalised twice", name, f"{name} is normalised twice: its shares go "
                          "where it belongs itself", name, "its shares", change)  # fmt: skip


def _broadcast(scene: Scene) -> Iterator[Mistake]:
    """Read (n, 1) as (n,), so that it meets every entry of another (n, 1)."""
    for node in scene.network.nodes:
        if node.kind not in ("input", "constant", "tap"):
            continue
        user = scene.user.get(node.outputs[0])
        if user is None or user.kind == "tap":
            continue
        whole = scene.value((node.inputs or node.outputs)[0])
        if np.ndim(whole) < 2 or np.shape(whole)[-1] != 1 or np.shape(whole)[0] == 1:
            continue

        def row(step: int | None, value: Any, seen: Seen, whole: Any = whole) -> Any:
            return value[..., 0] if step is None or value.ndim > 1 else whole[..., 0]

        change = _run_again(scene, node.outputs[0], row)
        if change is not None:
            name, shape = scene.makes(node), np.shape(whole)
            yield Mistake("silent broadcast", name, f"{name} is {shape[:-1]} where {shape} "
                          "belongs: each of its entries meets every other one", str(shape),
                          str(shape[:-1]), change)  # fmt: skip


def _run_again(scene: Scene, wire: int, value: Value) -> Change | None:
    """Return how to take the gains of a network with other values on a wire; None if it cannot run.

    Gains that are not as they were, because another mistake is in them, are left alone.
    """
    try:
        with np.errstate(all="ignore"):
            again = _rerun(scene, wire, value)
    except (ValueError, IndexError):  # the shapes do not allow it
        return None
    fresh = {
        node.outputs: (node.gain, now.gain)
        for node, now in zip(scene.adjoint.nodes, again.nodes, strict=True)
        if node.gain is not None and not np.array_equal(node.gain, now.gain)
    }

    def made(graph: Flow) -> Flow:
        def now(node: Node) -> Node:
            was, gain = fresh.get(node.outputs, (None, None))
            return node if was is None or node.gain is not was else replace(node, gain=gain)

        return replace(graph, nodes=tuple(map(now, graph.nodes)))

    at = frozenset(wire for outputs in fresh for wire in outputs)
    return Change(made, at) if fresh else None


def _rerun(scene: Scene, wire: int, value: Value) -> Flow:
    """Return the adjoint network of one with other values on a wire."""
    seen: Seen = {}

    def met(at: int) -> Callable[[int | None, np.ndarray], np.ndarray]:
        def meet(step: int | None, now: np.ndarray) -> np.ndarray:
            now = np.asarray(value(step, now, seen)) if at == wire else now
            seen.setdefault(at, {})[step] = now
            return now

        return meet

    network = scene.network
    evaluate(network, meet={at: met(at) for at in range(len(network.wires))})
    wires = list(network.wires)
    for at, steps in seen.items():
        whole = [steps[None]] if None in steps else [steps[k] for k in range(len(steps))]
        wires[at] = replace(wires[at], value=whole[0] if None in steps else np.stack(whole))
    return replace(network, wires=tuple(wires)).adjoint()
