"""A wrong forward pass: the backward pass is then right for another network.

Knows graphs, and runs the network again with other values on some wires for the new gains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...network.adjoint import gain_of
from ...network.evaluate import evaluate
from ...network.flow import Node, reachable
from ..runs import Recorder
from .changes import Change, Edit
from .mistake import Mistake
from .networks import Networks
from .normalisations import Normalisation, along_other_axis, normalisations, other_axes

ValueOn = Callable[[int], np.ndarray]  # the value on a wire at this step
Value = Callable[[int | None, np.ndarray, ValueOn], np.ndarray]  # -> the value in its place


def forward_slips(nets: Networks) -> Iterator[Mistake]:
    """Leave a function out of the forward pass, apply it twice, or read a column as a row."""
    yield from _functions(nets)
    yield from _normalised_twice(nets)
    yield from _normalised_otherwise(nets)
    yield from _broadcast(nets)


def _functions(nets: Networks) -> Iterator[Mistake]:
    for node, function, port in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        if len(function.inputs) > 1:
            yield from _choice(nets, node, function, port)
            continue
        f, name = function.operation.name, function.name
        (x,), (y,) = function.inputs, function.outputs
        source, apply = nets.source(x).name, function.operation.forward

        def left_out(step: int | None, value: Any, value_on: ValueOn, x: int = x) -> Any:
            return value_on(x)

        def twice(step: int | None, value: Any, value_on: ValueOn, apply: Any = apply) -> Any:
            return apply(value)

        change = run_again(nets, {y: left_out})
        if change is not None:
            whole = Change.all([change, Change.to(node, gain=np.ones_like(node.gain))])
            yield Mistake(kind="function missing", where=name, says="the forward pass has "
                          f"{source} where {name} = {f}({source}) belongs", right=f"{f}({source})",
                          wrong=source, change=whole)  # fmt: skip
        change = run_again(nets, {y: twice})
        if change is not None:
            yield Mistake(kind="function twice", where=name, says=f"the forward pass applies {f} "
                          f"twice: to {source}, and again to the result", right=f"{f}({source})",
                          wrong=f"{f}({f}({source}))", change=change)  # fmt: skip


def _choice(nets: Networks, node: Node, function: Node, port: int) -> Iterator[Mistake]:
    """Yield the mistake that leaves out a function that chooses entries, as a mask does."""
    x, (y,) = function.inputs[port], function.outputs
    others = [nets.leaf(wire) for at, wire in enumerate(function.inputs) if at != port]
    if not all(leaf is not None and leaf.kind is Kind.CONSTANT for leaf in others):
        return
    if not np.all((node.gain == 0) | (node.gain == 1)) or np.all(node.gain == 1):
        return

    def left_out(step: int | None, value: Any, value_on: ValueOn) -> Any:
        return value_on(x)

    change = run_again(nets, {y: left_out})
    source, name = nets.source(x).name, function.name
    if change is not None:
        whole = Change.all([change, Change.to(node, gain=np.ones_like(node.gain))])
        yield Mistake(kind="function missing", where=source, says=f"the forward pass has {source} "
                      f"where {name} belongs: the mask is left out", right=name, wrong=source,
                      change=whole)  # fmt: skip


def _normalised_twice(nets: Networks) -> Iterator[Mistake]:
    """Normalise a second time: put the shares in place of the entries."""
    for normal in normalisations(nets):
        if not normal.before:
            continue
        name = nets.makes(normal.before[-1])
        (wire,) = normal.before[-1].outputs
        shares = normal.shares

        def probabilities(
            step: int | None, value: Any, value_on: ValueOn, shares: Any = shares
        ) -> Any:
            return shares if step is None else shares[step]

        change = run_again(nets, {wire: probabilities})
        if change is not None:
            yield Mistake(kind="normalised twice", where=name, says=f"{name} is normalised twice: "
                          f"its shares stand where {name} itself belongs", right=name, wrong="its "
                          "shares", change=change)  # fmt: skip


def _normalised_otherwise(nets: Networks) -> Iterator[Mistake]:
    """Normalise along the other axis, in the forward pass and in the backward pass."""
    for normal in normalisations(nets):
        count = len(normal.added.parameters["shape"])
        for own, other in other_axes(normal):
            if not normal.before or normal.spread.kind is Kind.JACOBIAN:
                continue
            shifted = normal.before[-1].outputs[0]
            change = _sums_otherwise(nets, normal, other)
            if change is not None:
                back = along_other_axis(normal, None, other)
                yield _along(nets, shifted, own, other, count, Change.all([change, back]))
    for node, reduction, _ in nets.ways(Kind.JACOBIAN, through=Kind.REDUCTION):
        x, axis = reduction.inputs[0], reduction.parameters.get("axis")
        if np.ndim(nets.value(x)) - node.folded != 2 or not isinstance(axis, int):
            continue
        own = axis % 2 - 2
        other = -3 - own
        otherwise = replace(reduction, parameters={**reduction.parameters, "axis": other})
        entries = nets.value(_wire_before_shift(nets, x))
        if not entries.size:
            continue  # an axis of length 0 has no largest entry
        with np.errstate(all="ignore"):
            y = otherwise.operation.forward(entries, **otherwise.parameters)
            gain = gain_of(otherwise, 0, [entries], y)
        yield _along(nets, x, own, other, 2, Change.to(node, gain=gain))


def _along(nets: Networks, wire: int, own: int, other: int, count: int, change: Change) -> Mistake:
    """Return the mistake that normalises along another one of so many axes."""
    name = nets.source(_wire_before_shift(nets, wire)).name
    return Mistake(kind="normalised along the wrong axis", where=nets.source(wire).name,
                   says=f"{name} is normalised along axis {other + count}, where axis "
                   f"{own + count} belongs", right=f"Σ over axis {own + count}",
                   wrong=f"Σ over axis {other + count}", change=change)  # fmt: skip


def _sums_otherwise(nets: Networks, normal: Normalisation, other: int) -> Change | None:
    """Return how to take the gains for sums over another axis, without a maximum subtracted.

    A maximum along one axis is the same number only for entries normalised along that axis.
    """
    (entries,), (whole,) = normal.spread.outputs, normal.added.outputs
    shifted = normal.before[-1].outputs[0]
    plain = _wire_before_shift(nets, shifted)

    def unshifted(step: int | None, value: Any, value_on: ValueOn) -> Any:
        return value_on(plain)

    def sums(step: int | None, value: Any, value_on: ValueOn) -> Any:
        return np.broadcast_to(value_on(entries).sum(other, keepdims=True), value.shape)

    return run_again(nets, {shifted: unshifted, nets.user[whole].outputs[0]: sums})


def _wire_before_shift(nets: Networks, wire: int) -> int:
    """Return the wire of a signal before a constant was added to it."""
    node = nets.source(wire)
    moved = [x for x in node.inputs if nets.source(x).kind not in (Kind.CUT, Kind.CONSTANT)]
    return moved[0] if node.kind is Kind.JUNCTION and len(moved) == 1 else wire


def _broadcast(nets: Networks) -> Iterator[Mistake]:
    """Read (n, 1) as (n,), so that each entry is combined with every entry of another (n, 1)."""
    for node in Interruptible(nets.network.nodes):
        if node.kind not in (Kind.INPUT, Kind.CONSTANT, Kind.TAP):
            continue
        user = nets.user.get(node.outputs[0])
        if user is None or user.kind is Kind.TAP:
            continue
        whole = nets.value((node.inputs or node.outputs)[0])
        if np.ndim(whole) < 2 or np.shape(whole)[-1] != 1 or np.shape(whole)[0] == 1:
            continue

        def row(step: int | None, value: Any, value_on: ValueOn, whole: Any = whole) -> Any:
            return value[..., 0] if step is None or value.ndim > 1 else whole[..., 0]

        change = run_again(nets, {node.outputs[0]: row})
        if change is not None:
            name, shape = nets.makes(node), np.shape(whole)
            yield Mistake(kind="silent broadcast", where=name, says=f"{name} has the shape "
                          f"{shape[:-1]}, where {shape} belongs: each entry is combined with "
                          "every entry of the other operand", right=str(shape),
                          wrong=str(shape[:-1]), change=change)  # fmt: skip


def run_again(nets: Networks, values: Mapping[int, Value]) -> Change | None:
    """Return how to take the gains of a network with other values on some wires.

    None if the network cannot run, or if no gain changes. The other wires lie behind the first.
    Gains that another mistake has changed already stay as they are.
    """
    try:
        with np.errstate(all="ignore"):
            again = _rerun(nets, values)
            fresh = list(_gains(nets, again))
    except (ValueError, IndexError):  # the shapes do not allow it
        return None
    if not fresh:
        return None
    return Change.all(Change.by(node, _exchange(node.gain, gain)) for node, gain in fresh)


def gains_within(nets: Networks, nodes: Sequence[Node], values: Mapping[int, np.ndarray]) -> Change:
    """Return how to take the gains of some nodes with other values on wires inside of them alone.

    Parameters
    ----------
    nets : Networks
    nodes : sequence of Node
        Of the network, in order.
    values : mapping of a wire to its other value; inside of a loop of T steps (T, ...)
    """
    ahead = {wire for node in nodes for wire in node.outputs}

    def other(wire: int, step: int | None, now: np.ndarray) -> np.ndarray:
        value = values.get(wire)
        return now if value is None else np.asarray(value if step is None else value[step])

    again = Recorder(ahead, other)
    known = {wire: x.value for wire, x in enumerate(nets.network.wires)}
    flow = replace(nets.network, nodes=tuple(nodes))
    evaluate(flow, intercept=again, known=known, actions=nets.everywhere.actions)
    series, inside, changes = again.series(), {id(node) for node in nodes}, []
    for node in nets.everywhere.nodes:
        user = nets.user.get(node.outputs[0]) if len(node.outputs) == 1 else None
        if node.gain is None or user is None or id(user) not in inside:
            continue
        port = user.inputs.index(node.outputs[0])
        operands = [series.get(wire, nets.value(wire)) for wire in user.inputs]
        gain = gain_of(user, port, operands, series[user.outputs[0]])
        if not np.array_equal(node.gain, gain):
            changes.append(Change.by(node, _exchange(node.gain, gain)))
    return Change.all(changes)


def _exchange(was: Any, gain: Any) -> Edit:
    return lambda now, wire: [replace(now, gain=gain) if now.gain is was else now]


def _gains(nets: Networks, values: Mapping[int, np.ndarray]) -> Iterator[tuple[Node, Any]]:
    """Yield the nodes whose gains change with other values on some wires, and their new gains."""
    users = dict.fromkeys(id(nets.user[wire]) for wire in values if wire in nets.user)
    makers = dict.fromkeys(id(nets.maker[wire]) for wire in values)

    def now(wire: int) -> Any:
        return values.get(wire, nets.value(wire))

    for node in nets.nodes:
        if node.gain is None or node.kind not in (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN):
            continue
        user = nets.user[node.outputs[0]]
        if id(user) in users or id(user) in makers:
            port = user.inputs.index(node.outputs[0])
            gain = gain_of(user, port, [*map(now, user.inputs)], now(user.outputs[0]))
            if not np.array_equal(node.gain, gain):
                yield node, gain


def _rerun(nets: Networks, values: Mapping[int, Value]) -> dict[int, np.ndarray]:
    """Return the signals that change with other values on some wires."""
    affected, nodes = _ahead(nets, next(iter(values)))
    known = {wire: x.value for wire, x in enumerate(nets.network.wires)}

    def at(step: int | None, wire: int) -> np.ndarray:
        if step in again.records.get(wire, {}):
            return again.records[wire][step]
        value: np.ndarray = nets.value(wire)
        return value if step is None else np.asarray(value[step])

    def exchange(wire: int, step: int | None, now: np.ndarray) -> np.ndarray:
        return np.asarray(values[wire](step, now, partial(at, step))) if wire in values else now

    again = Recorder(affected, exchange)
    flow = replace(nets.network, nodes=nodes)
    evaluate(flow, intercept=again, known=known, actions=nets.everywhere.actions)
    return again.series()


def _ahead(nets: Networks, wire: int) -> tuple[set[int], tuple[Node, ...]]:
    """Return the wires that one leads to, itself among them, and the nodes that make them."""
    ahead = reachable([wire], lambda wire: nets.user[wire].outputs if wire in nets.user else ())
    return ahead, tuple(node for node in nets.network.nodes if not ahead.isdisjoint(node.outputs))
