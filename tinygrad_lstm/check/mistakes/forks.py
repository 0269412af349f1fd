"""A fork on the way back: the δs of its branches are added up.

Knows graphs. A signal that is used more than once gets one part of its δ from every use, and the
parts meet in a junction of the adjoint network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ...engine.kind import Kind
from ...network.flow import Node
from .changes import Change
from .mistake import Mistake
from .networks import Networks
from .wording import factor_text, list_names, uses

FEW = 5  # branches of which any may be forgotten at once


def forgotten_branches(nets: Networks) -> Iterator[Mistake]:
    """Forget one branch of a fork, or several."""
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
                if kind == "carry dropped" and _is_running_sum(nets, node):
                    kind, says = "last error alone", "only the error of the last step flows " \
                        f"back: {where} adds up the errors of all steps"  # fmt: skip
                elif kind == "carry dropped" and len(lost) == sum(is_carried):
                    groups = nets.everywhere_alike(node, "every carry")
                if len(rest) == 1 and len({readers[at] for at in lost}) > 1:
                    kind = "overwritten"
                    says = f"δ{where} is only the part that flows back from " \
                           f"{uses([arms[rest[0]]])}: overwritten, not added to"  # fmt: skip
                yield Mistake(kind=kind, where=where, says=says, right=_sum(arms), groups=groups,
                              change=Change.select(node, rest))  # fmt: skip


def _is_running_sum(nets: Networks, node: Node) -> bool:
    """Whether a signal of a loop is a sum of itself at the step before and of others."""
    made = nets.source(node.outputs[0])
    before = [nets.source(wire) for wire in made.inputs] if made.kind is Kind.JUNCTION else []
    return any(
        x.kind is Kind.DELAY and nets.source(x.inputs[0]).outputs == made.outputs for x in before
    )


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


def _before(nets: Networks, node: Node, at: int, size: float) -> Change:
    return Change.weigh(node, at, nets.at_every_step(node, size))


def _sum(arms: list[str]) -> str:
    return " + ".join(f"δ({arm})" for arm in arms)
