"""A fork on the way back: the δs of its branches are added up.

Knows graphs. A signal that is used more than once gets one part of its δ from every use, and the
parts meet in a junction of the adjoint network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from ...engine.kind import Kind
from ...network.flow import Node
from .changes import Change, Edit
from .mistake import Mistake
from .networks import Networks
from .wording import factor_text, list_names, uses

FEW = 5  # branches of which any may be forgotten at once


def forgotten_branches(nets: Networks) -> Iterator[Mistake]:
    """Forget one branch of a fork, or several."""
    carries: dict[int | None, int] = {}  # how many signals each loop carries that meet others
    for node in nets.everywhere.junctions():
        if not nets.is_running_sum(node):
            carries[node.loop] = carries.get(node.loop, 0) + sum(nets.is_carried(node))
    for node in nets.junctions():
        where, arms = nets.makes(node), nets.arms(node)
        readers = [id(nets.user.get(wire)) for wire in node.inputs]
        is_carried = nets.is_carried(node)
        every = range(len(arms))
        for count in range(1, len(arms)):
            if 1 < count < len(arms) - 1 and len(arms) > FEW:
                continue
            for lost in combinations(every, count):
                rest = [at for at in every if at not in lost]
                kind, source = "branch forgotten", uses([arms[at] for at in lost])
                if all(is_carried[at] for at in lost):
                    kind, source = "carry dropped", "the next step, through " + list_names(
                        [arms[at].rpartition(" → ")[2] for at in lost])  # fmt: skip
                groups: tuple[str, ...] = ()
                says = f"δ{where} lacks the part that flows back from {source}"
                if kind == "carry dropped" and nets.is_running_sum(node):
                    kind, says = "last error alone", "only the error of the last step flows " \
                        f"back: {where} adds up the errors of all steps"  # fmt: skip
                elif kind == "carry dropped" and carries[node.loop] == len(lost) == sum(is_carried):
                    groups = nets.everywhere_alike(node, "every carry")
                if len(rest) == 1 and len({readers[at] for at in lost}) > 1:
                    kind = "overwritten"
                    says = f"δ{where} is only the part that flows back from " \
                           f"{uses([arms[rest[0]]])}: overwritten, not added to"  # fmt: skip
                if all(_is_of_target(nets, node.inputs[at]) for at in lost):
                    says = f"the target is not subtracted: {says}"
                yield Mistake(kind=kind, where=where, says=says, right=_sum(arms), groups=groups,
                              change=Change.select(node, rest))  # fmt: skip


def _is_of_target(nets: Networks, wire: int) -> bool:
    """Whether δ of an arm depends on data alone, and is −1 or less at what the data select."""
    sign, is_selected = 1, False
    sender = nets.sender.get(wire)
    while sender is not None and sender.kind is not Kind.INPUT:
        if sender.kind is Kind.BRANCH:
            sign *= sender.signs[sender.outputs.index(wire)]
        elif sender.kind is Kind.GAIN:
            product = nets.user.get(sender.outputs[0])
            if product is None or product.kind is not Kind.BILINEAR:
                return False
            leaf = nets.leaf(product.inputs[1 - product.inputs.index(sender.outputs[0])])
            if leaf is None or leaf.kind is not Kind.CONSTANT:
                return False
            is_selected |= np.size(nets.value(leaf.outputs[0])) > 1
        elif sender.kind is Kind.LINEAR:
            is_selected |= sender.operation.is_part
        elif sender.kind is Kind.JUNCTION:
            return sign < 0 and is_selected and nets.is_running_sum(sender)
        elif sender.kind not in (Kind.BROADCAST, Kind.COLLECT, Kind.TAP, Kind.HOLD):
            return False
        (wire,) = sender.inputs
        sender = nets.sender.get(wire)
    return sender is not None and sign < 0 and is_selected


def halved_forks(nets: Networks) -> Iterator[Mistake]:
    """Take the mean of a fork's branches, or half of one, or one with the wrong sign."""
    for node in nets.junctions():
        where, arms = nets.makes(node), nets.arms(node)
        every, mean = range(len(arms)), 1 / len(arms)
        word = "half of the sum" if len(arms) == 2 else "the mean"
        halves = [_before(nets, node, at, mean) for at in every]
        yield Mistake(kind="mean of branches", where=where, says=f"δ{where} is {word} of the "
                      "parts that flow back, where their sum belongs", right=_sum(arms),
                      wrong=f"1/{len(arms)} "
                      "of it", change=Change.all(halves))  # fmt: skip
        for at in every:
            yield Mistake(kind="branch halved", where=where, says=f"δ{where} has only half of the "
                          f"part that flows back from {uses([arms[at]])}", right=f"δ({arms[at]})",
                          wrong="½ "
                          f"δ({arms[at]})", change=_before(nets, node, at, 0.5))  # fmt: skip
            if at:
                yield Mistake(kind="sign", where=where, says=f"the part of δ{where} that flows "
                              f"back from {uses([arms[at]])} has the wrong sign",
                              right=f"δ({arms[at]})", wrong=f"−δ({arms[at]})",
                              change=_before(nets, node, at, -1.0))  # fmt: skip


def scaled_branches(nets: Networks) -> Iterator[Mistake]:
    """Double, halve or negate all parts of δ that come from one reader of a fork."""
    for node in nets.junctions():
        where, arms = nets.makes(node), nets.arms(node)
        groups: dict[int, list[int]] = {}
        for at, wire in enumerate(node.inputs):
            groups.setdefault(id(nets.user.get(wire)), []).append(at)
        for group in groups.values() if len(groups) > 1 else ():
            chosen = [arms[at] for at in group]
            names = list_names(chosen)
            for size in (2.0, 0.5, -1.0) if len(group) > 1 else (2.0,):
                text, kind = factor_text(size), "sign" if size < 0 else "factor"
                yield Mistake(kind=kind, where=where, says=f"the part of δ{where} that flows back "
                              f"from {uses(chosen)} is {text} times what it should be",
                              right=f"δ({names})", wrong=f"{text} δ({names})",
                              change=Change.all(_before(nets, node, at, size)
                                                for at in group))  # fmt: skip


def misplaced_brackets(nets: Networks) -> Iterator[Mistake]:
    """Multiply a part of a sum by a factor of the whole sum, or the whole by that of a part."""
    for node, *_ in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        junction = nets.sender.get(node.inputs[0])
        if junction is None or junction.kind is not Kind.JUNCTION or len(junction.inputs) < 2:
            continue
        arms, where, right = nets.arms(junction), nets.makes(node), str(node.label)
        for at, arm in enumerate(arms):
            whole = f"δ{nets.makes(junction)}"
            yield Mistake(kind="bracket lost", where=where, says=f"{right} multiplies only the "
                          f"part of {whole} that flows back from {uses([arm])}, where the whole "
                          f"sum belongs", right=f"{whole} ∘ {right}",
                          wrong=f"δ({arm}) ∘ {right} + …",
                          change=Change.by(node, _of_one_part(junction, at)))  # fmt: skip
    for junction in nets.junctions():
        where, arms = nets.makes(junction), nets.arms(junction)
        for at, wire in enumerate(junction.inputs):
            part = nets.sender.get(wire)
            others = [port for port in range(len(arms)) if port != at]
            if part is None or part.kind is not Kind.GAIN or part.label is None:
                continue
            shape = np.shape(nets.value(junction.outputs[0])) if junction.outputs[0] in nets.maker \
                else ()  # fmt: skip
            if np.shape(part.gain) == shape:
                yield Mistake(kind="bracket lost", where=where, says=f"{part.label} multiplies the "
                              f"whole sum δ{where}, where it belongs to the part that flows back "
                              f"from {uses([arms[at]])} alone", right=_sum(arms),
                              wrong=f"({_sum(arms)}) ∘ {part.label}",
                              change=Change.all(Change.weigh(junction, port, part.gain)
                                                for port in others))  # fmt: skip


def _of_one_part(junction: Node, at: int) -> Edit:
    """Return how to multiply only one part of a sum by a gain behind the sum."""

    def edit(now: Node, wire: int) -> list[Node]:
        rest = [port for port in range(len(junction.inputs)) if port != at]

        def total(ports: list[int], to: int) -> Node:
            return junction.copy(
                inputs=tuple(junction.inputs[port] for port in ports), outputs=(to,),
                signs=tuple(junction.signs[port] for port in ports),
            )  # fmt: skip

        part, product, others = wire, wire + 1, wire + 2
        return [
            total([at], part), now.copy(inputs=(part,), outputs=(product,)), total(rest, others),
            junction.copy(inputs=(product, others), outputs=now.outputs, signs=(1, 1)),
        ]  # fmt: skip

    return edit


def _before(nets: Networks, node: Node, at: int, size: float) -> Change:
    return Change.weigh(node, at, nets.at_every_step(node, size))


def _sum(arms: list[str]) -> str:
    return " + ".join(f"δ({arm})" for arm in arms)
