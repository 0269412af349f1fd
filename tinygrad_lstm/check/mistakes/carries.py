"""The carry: δ that flows from one step back to the step before.

Knows graphs. An advance of the adjoint network brings what the next step sends back; where it is
dropped, cut, or taken for the whole, the network forgets time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import broadcast_to
from ...network.evaluate import evaluate
from ...network.flow import DELAYS, Flow, Node, reachable
from .changes import Change, Edit
from .exchanges import SORTED, permutation
from .forward import gains_within
from .mistake import Mistake
from .networks import Networks
from .scales import clip
from .wording import factor_text, list_names

SHARES = (1.0, 0.25)  # of the largest entry: where the search for a limit starts


def wrong_carries(nets: Networks) -> Iterator[Mistake]:
    """Drop the carry, at one step or at all, or let it overwrite the sum that it belongs to."""
    for loop in loops(nets):
        meetings = _meetings(nets, loop)
        where = [nets.makes(node) for node, *_ in meetings]
        for node, _, fresh in meetings:
            yield _overwritten(nets, node, fresh)
        several = carries(nets, loop)
        steps = nets.adjoint.loops[loop].steps
        if not several:
            continue
        first = _names(nets, several)[0]
        for at, keep in enumerate(1 - np.eye(len(steps))[:-1] if len(steps) > 2 else ()):
            yield Mistake(kind="cut at a step", where=first, says="nothing flows back "
                          f"from step {steps[at + 1]} to step {steps[at]}: earlier steps get "
                          "no δ from later steps",
                          change=_weighed(nets, several, keep))  # fmt: skip
        for length in range(2, (len(steps) + 1) // 2 + 1):
            keep = np.ones(len(steps))
            keep[length - 1 : -1 : length] = 0.0
            yield Mistake(kind="truncated", where=first, says="nothing flows back from each "
                          f"{length} steps to the {length} before: the gradient is truncated",
                          change=_weighed(nets, several, keep))  # fmt: skip
        yield from _exchanged(nets, several)
        if len(meetings) > 1:
            yield Mistake(kind="all carries dropped", where=where[0], says="nothing flows back "
                          f"from the next step to {list_names(where)}",
                          change=Change.all(Change.select(node, fresh)
                                            for node, _, fresh in meetings))  # fmt: skip


class Carry(NamedTuple):
    """What the next step sends back to a signal.

    Attributes
    ----------
    advance : Node
    port : (Node, int) or None
        The sum that it is a part of, and the port; None if nothing else flows back to the signal.
    """

    advance: Node
    port: tuple[Node, int] | None


def carries(nets: Networks, loop: int) -> list[Carry]:
    """Return what each step of a loop sends back to the step before; no sum of losses."""
    several = []
    for advance in nets.adjoint.nodes:
        if advance.kind is not Kind.ADVANCE or advance.loop != loop:
            continue
        wire = advance.outputs[0]
        if wire in nets.maker and not nets.is_running_sum(advance):
            (reader, *others) = nets.readers.get(wire, ()) or (advance,)
            is_part = reader.kind is Kind.JUNCTION and len(reader.inputs) > 1 and not others
            several.append(Carry(advance, (reader, reader.inputs.index(wire)) if is_part else None))
    return several


def _weighed(nets: Networks, several: list[Carry], gain: Any) -> Change:
    """Return how to multiply carries by a number, or by one for each step."""
    changes = []
    for advance, port in several:
        if port is not None:
            changes.append(Change.weigh(*port, gain))
        else:
            edited = Change.by(advance, _times(gain))
            changes += [replace(edited, edits=None), SORTED]  # it runs with its whole loop
    return Change.all(changes)


def _times(gain: Any) -> Edit:
    """Return how to multiply what an advance brings from the next step."""

    def edit(now: Node, wire: int) -> list[Node]:
        first, *rest = now.outputs
        product = Node(Kind.GAIN, name=now.name, inputs=(wire,), outputs=(first,), gain=gain,
                       loop=now.loop, step=now.step)  # fmt: skip
        return [now.copy(outputs=(wire, *rest)), product]

    return edit


def _names(nets: Networks, several: list[Carry]) -> list[str]:
    return [nets.source(x.advance.outputs[0]).name for x in several]


def _exchanged(nets: Networks, several: list[Carry]) -> Iterator[Mistake]:
    """Yield the mistakes that exchange what flows back from the next step to two signals."""
    for two in combinations(several, 2):
        one, other = (x.advance for x in two)
        if len({np.shape(nets.value(x.outputs[0])) for x in (one, other)}) == 1:
            name, second = _names(nets, list(two))
            yield Mistake(kind="exchanged", where=name, says="what flows back from the next step "
                          f"to {name} and to {second} is exchanged", right=f"δ{name}",
                          wrong=f"δ{second}",
                          change=permutation([one, other], [1, 0]))  # fmt: skip


def scaled_carries(nets: Networks) -> Iterator[Mistake]:
    """Multiply all that flows back to the step before by a number, which is to be found."""
    for loop in loops(nets):
        several = carries(nets, loop)
        if several:
            yield _scaled(nets, several, 1.0)


def _scaled(nets: Networks, several: list[Carry], rate: float) -> Mistake:
    text, where = factor_text(rate), list(dict.fromkeys(_names(nets, several)))
    gain = nets.at_every_step(several[0].advance, rate)
    return Mistake(kind="factor", where=where[0], says="what flows back from the next step to "
                   f"{list_names(where)} is {text} times what it should be, at every step",
                   right="1", wrong=text, change=_weighed(nets, several, gain),
                   at_rate=lambda other: _scaled(nets, several, other))  # fmt: skip


def clipped_carries(nets: Networks) -> Iterator[Mistake]:
    """Clip the entries of what flows back to the step before, to a number which is to be found."""
    for loop in loops(nets):
        meetings = _meetings(nets, loop)
        largest = _largest(nets, [node.inputs[at] for node, arms, _ in meetings for at in arms])
        for share in SHARES if np.isfinite(largest) and largest else ():
            for node, arms, _ in meetings:
                yield _clipped(nets, node, arms, share * largest, 1.0)


def _clipped(nets: Networks, node: Node, arms: list[int], largest: float, rate: float) -> Mistake:
    where, most = nets.makes(node), abs(rate) * largest
    number = factor_text(most)
    fresh = Node(Kind.GAIN, gain=nets.at_every_step(node, most), scale=clip)
    return Mistake(kind="clipped", where=where, says=f"the entries of what flows back to δ{where} "
                   f"from the next step are clipped to ±{number}, at every step", right="δ",
                   wrong=f"δ between −{number} and {number}",
                   change=Change.all(Change.put(node, at, fresh) for at in arms),
                   groups=(f"loop {node.loop}, from {largest:.3g}",),
                   at_rate=lambda other: _clipped(nets, node, arms, largest, other))  # fmt: skip


def _largest(nets: Networks, wires: list[int]) -> float:
    """Return the largest size of an entry of δ on wires of the adjoint network."""
    sizes = [0.0]

    def note(step: int | None, value: Any) -> Any:
        sizes.append(float(np.max(np.abs(value), initial=0.0)))
        return value

    if wires:
        evaluate(nets.adjoint, actions=nets.actions, intercept=dict.fromkeys(wires, note))
    return max(sizes)


def shifted_lists(nets: Networks) -> Iterator[Mistake]:
    """Read the list of a carried signal one step off, wherever the way back reads it."""
    for delay in nets.network.nodes:
        if delay.kind is not Kind.DELAY or not delay.folded:
            continue
        signal = nets.source(delay.inputs[0])
        before, own = nets.value(delay.outputs[0]), nets.value(signal.outputs[0])
        is_no_slip = np.shape(before) != np.shape(own) or np.array_equal(before, own)
        if signal.kind in DELAYS or is_no_slip:
            continue
        nodes = _readers(nets, signal)
        change = gains_within(nets, nodes, {signal.outputs[0]: before})
        name = signal.name
        yield Mistake(kind="one step off", where=name, says=f"{name} of the step before stands "
                      f"where {name} belongs, in every derivative: the list begins with the "
                      "initial value", right=name, wrong=nets.source(delay.outputs[0]).name,
                      groups=nets.everywhere_alike(delay, "list"), change=change)  # fmt: skip


def _readers(nets: Networks, signal: Node) -> list[Node]:
    """Return the node that makes a signal, and those of its step that read it or f of it."""
    open_wires, nodes = set(signal.outputs), [signal]
    for node in nets.network.nodes:
        if open_wires.isdisjoint(node.inputs) or node is signal or not node.folded:
            continue
        if node.kind in (*DELAYS, Kind.COLLECT):
            continue
        nodes.append(node)
        if node.kind is Kind.BRANCH or (node.kind is Kind.ELEMENTWISE and len(node.inputs) == 1):
            open_wires.update(node.outputs)
    return nodes


def _meetings(nets: Networks, loop: int) -> list[tuple[Node, list[int], list[int]]]:
    """Return the junctions that add a carry to other δ, and the arms of both."""
    meetings = []
    for node in nets.junctions():
        arms: tuple[list[int], list[int]] = [], []
        for at, carried in enumerate(nets.is_carried(node)):
            arms[not carried].append(at)
        if node.folded and node.loop == loop and all(arms) and not nets.is_running_sum(node):
            meetings.append((node, *arms))
    return meetings


def _overwritten(nets: Networks, node: Node, fresh: list[int]) -> Mistake:
    """Return the carry alone in place of the whole sum: the other summands are lost.

    The last step keeps the whole sum: nothing is carried to that step.
    """
    arms, where = nets.arms(node), nets.makes(node)
    keep = _only_last(nets, node)
    carried = list_names([arm for at, arm in enumerate(arms) if at not in fresh])
    return Mistake(kind="overwritten by the carry", where=where, says=f"the part of δ{where} that "
                   f"flows back from the next step, through {carried}, overwrites the other "
                   "parts, where all parts should be added up", right=f"δ({carried}) + …",
                   change=Change.all(Change.weigh(node, at, keep) for at in fresh))  # fmt: skip


def truncations(nets: Networks) -> Iterator[Mistake]:
    """Cut every way back through a weight to a carried signal, as Gers' truncated gradient does.

    That is another gradient, not the whole one; F. Gers, "Long short-term memory in recurrent
    neural networks", EPFL, 2001, section 3.2.
    """
    for loop in loops(nets):
        carried = {
            nets.source(wire).outputs[0]
            for node in nets.network.nodes
            if node.kind in DELAYS and node.loop == loop
            for wire in (node.inputs[0], node.outputs[0])
        }
        leading = _leading(nets, carried)
        ways = [
            node
            for kinds in (Kind.GAIN, Kind.MATRIX)
            for node, product, port in nets.ways(kinds, through=Kind.BILINEAR)
            if node.loop == loop
            and nets.leaf(product.inputs[1 - port]) is not None
            and nets.source(node.outputs[0]).outputs[0] in carried
            and leading.intersection(product.outputs)
        ]
        if ways:
            where = nets.makes(ways[0])
            places = list_names(list(dict.fromkeys(nets.makes(node) for node in ways)))
            yield Mistake(kind="truncated", where=where, says="the flow back through weights to "
                          f"{places} is cut: a truncated gradient stands where the whole one "
                          "belongs", wrong="0",
                          change=Change.all(Change.to(node,
                          gain=np.zeros_like(node.gain)) for node in ways))  # fmt: skip


def _leading(nets: Networks, wires: set[int]) -> set[int]:
    """Return some wires, and all wires that lead to them within a step."""

    def inputs(wire: int) -> tuple[int, ...]:
        node = nets.maker[wire]
        return () if node.kind in DELAYS else node.inputs

    return reachable(wires, inputs)


def last_errors(nets: Networks) -> Iterator[Mistake]:
    """Send only the error of the last step back."""
    for node in nets.nodes:
        if node.kind in (Kind.COLLECT, Kind.TAP) and node.folded and node.transposed == (
            node.kind is Kind.COLLECT
        ):  # fmt: skip
            fresh = Node(Kind.GAIN, loop=node.loop, gain=_only_last(nets, node))
            yield Mistake(kind="last error alone", where=nets.makes(node), says="only the last "
                          f"step of δ{nets.makes(node)} flows back, where every step belongs",
                          change=Change.behind(node, fresh))  # fmt: skip


def errors_everywhere(nets: Networks) -> Iterator[Mistake]:
    """Send the error of one step into every step."""
    for node in nets.nodes:
        reader = nets.reader.get(node.outputs[0]) if len(node.outputs) == 1 else None
        is_part = node.kind is Kind.LINEAR and node.transposed and node.operation.is_part
        index = node.parameters.get("index")
        if not is_part or reader is None or reader.kind is not Kind.COLLECT:
            continue
        if isinstance(index, int | np.integer) and reader.folded:
            where = nets.source(reader.outputs[0]).name.removesuffix("(k)")
            shape = {"shape": node.shapes[0]}
            change = Change.to(node, kind=Kind.BROADCAST, primitive=broadcast_to,
                               parameters=shape, transposed=False)  # fmt: skip
            yield Mistake(kind="error sent into every step", where=where, says="the error of step "
                          f"{index} is sent into {where} at every step", right="0 at the other "
                          "steps", wrong=f"δ of step {index}", change=change)  # fmt: skip


def reversed_loops(nets: Networks) -> Iterator[Mistake]:
    """Run the steps of the backward pass in the order of the forward pass."""
    for loop in loops(nets):

        def reverse(graph: Flow, loop: int = loop) -> Flow:
            nodes = tuple(
                replace(node, kind=Kind.DELAY)
                if node.kind is Kind.ADVANCE and node.loop == loop
                else node
                for node in graph.nodes
            )
            return replace(graph, nodes=nodes)

        advances = [n for n in nets.adjoint.nodes if n.kind is Kind.ADVANCE and n.loop == loop]
        if advances:
            at = frozenset(wire for node in advances for wire in node.outputs if wire >= 0)
            yield Mistake(kind="steps in the wrong order", where=nets.makes(advances[0]),
                          says="the "
                          "backward pass runs from the first step to the last: δ of the previous "
                          "step stands where δ of the next step belongs", right="δ of the next "
                          "step", wrong="δ of the previous step",
                          change=Change(reverse, at))  # fmt: skip


def loops(nets: Networks) -> list[int]:
    """Return the loops that have a delay."""
    return list(dict.fromkeys(
        node.loop for node in nets.adjoint.nodes if node.kind in DELAYS and node.loop is not None
    ))  # fmt: skip


def _only_last(nets: Networks, node: Node) -> np.ndarray:
    """Return 1 at the step that is run last, and 0 at the others."""
    kinds = {x.kind for x in nets.adjoint.nodes if x.loop == node.loop}
    keep = np.zeros(nets.steps(node))
    keep[0 if Kind.DELAY in kinds and Kind.ADVANCE not in kinds else -1] = 1.0
    return keep
