"""A fork on the way back: its branches belong added.

Knows graphs. Where a signal branches, what comes back from its branches meets in a junction of the
adjoint network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from ...network.flow import Node
from .mistake import Change, Mistake
from .scene import Scene, names, spelled

FEW = 5  # branches of which any may be forgotten together


def forgotten_branches(scene: Scene) -> Iterator[Mistake]:
    """Forget one branch of a fork, or several."""
    for node in scene.junctions():
        where, arms = scene.makes(node), scene.arms(node)
        readers = [id(scene.user.get(wire)) for wire in node.inputs]
        is_carried = scene.is_carried(node)
        every = range(len(arms))
        for count in range(1, len(arms)):
            if 1 < count < len(arms) - 1 and len(arms) > FEW:
                continue
            for lost in combinations(every, count):
                kept = [at for at in every if at not in lost]
                lost_arms, kept_arms = ([arms[at] for at in some] for some in (lost, kept))
                carried = all(is_carried[at] for at in lost)
                what = "carry dropped" if carried else "branch forgotten"
                come = "what comes back " + ("from the next step " if carried else "")
                says = f"{come}through {names(lost_arms)} is not added to δ{where}"
                if len(kept) == 1 and len({readers[at] for at in lost}) > 1:
                    what = "overwritten"
                    says = f"δ{where} is what comes back through {kept_arms[0]} alone: " \
                           "overwritten, not added to"  # fmt: skip
                yield Mistake(what, where, says, _sum(arms), "",
                              scene.kept(node, kept))  # fmt: skip


def halved_forks(scene: Scene) -> Iterator[Mistake]:
    """Take the mean of a fork's branches, or half of one, or one with the wrong sign."""
    for node in scene.junctions():
        where, arms = scene.makes(node), scene.arms(node)
        every, mean = range(len(arms)), 1 / len(arms)
        word = "half of the sum" if len(arms) == 2 else "the mean"
        halves = [_before(scene, node, at, mean) for at in every]
        yield Mistake("mean of branches", where, f"δ{where} is {word} of its branches, where "
                      "their sum belongs", _sum(arms), f"1/{len(arms)} of it",
                      Change.of(halves))  # fmt: skip
        for at in every:
            yield Mistake("branch halved", where, f"of what comes back through {arms[at]} half is "
                          f"taken in δ{where}", f"δ({arms[at]})", f"½ δ({arms[at]})",
                          _before(scene, node, at, 0.5))  # fmt: skip
            if at:
                yield Mistake("sign", where, f"what comes back through {arms[at]} is taken with "
                              f"the wrong sign in δ{where}", f"δ({arms[at]})",
                              f"−δ({arms[at]})", _before(scene, node, at, -1.0))  # fmt: skip


def scaled_branches(scene: Scene) -> Iterator[Mistake]:
    """Take all that comes back to a fork through one signal twice, half, or with a wrong sign."""
    for node in scene.junctions():
        where, arms = scene.makes(node), scene.arms(node)
        groups: dict[int, list[int]] = {}
        for at, wire in enumerate(node.inputs):
            groups.setdefault(id(scene.user.get(wire)), []).append(at)
        for group in groups.values() if len(groups) > 1 else ():
            several = names([arms[at] for at in group])
            for size in (2.0, 0.5, -1.0) if len(group) > 1 else (2.0,):
                what = "sign" if size < 0 else "factor"
                yield Mistake(what, where, f"what comes back through {several} is "
                              f"{spelled(size)} times what it should be in δ{where}",
                              f"δ({several})", f"{spelled(size)} δ({several})",
                              Change.of(_before(scene, node, at, size) for at in group)
                              )  # fmt: skip


def _before(scene: Scene, node: Node, at: int, size: float) -> Change:
    return scene.weighted(node, at, scene.at_every_step(node, size))


def _sum(arms: list[str]) -> str:
    return " + ".join(f"δ({arm})" for arm in arms)
