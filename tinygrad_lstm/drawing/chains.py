"""Operations one behind the other, drawn in one box.

Knows skeletons.
"""

from __future__ import annotations

from dataclasses import replace

from .skeleton import Arc, Role, Skeleton, merge

SEVERAL = (
    "several lines in a box: operations one after the other, from the top; in the adjoint network "
    "from the bottom"
)
MOST = 5  # operations in one box


def join_boxes(drawn: Skeleton) -> Skeleton:
    """Return a skeleton with one box for unnamed operations that stand one behind the other."""
    leaving: dict[int, list[Arc]] = {}
    coming: dict[int, list[Arc]] = {}
    for arc in drawn.arcs:
        leaving.setdefault(arc.tail, []).append(arc)
        coming.setdefault(arc.head, []).append(arc)
    behind: dict[int, int] = {}
    for arc in drawn.arcs:
        tail, head = drawn.vertices[arc.tail], drawn.vertices[arc.head]
        plain = not arc.labels and arc.weight is None
        boxes = tail.role is head.role is Role.BOX and tail.scope == head.scope
        alone = len(leaving[arc.tail]) == len(coming[arc.head]) == 1
        if plain and boxes and alone and tail.is_still == head.is_still and len(head.forward) == 1:
            behind[arc.tail] = arc.head
    chains = _chains(behind)
    if not chains:
        return drawn
    joined = {}
    for chain in chains:
        members = [drawn.vertices[at] for at in chain]
        forward = tuple(line for vertex in members for line in vertex.forward)
        adjoint = tuple(line for vertex in members for line in vertex.adjoint)
        meanings = dict.fromkeys(vertex.meaning for vertex in members if vertex.meaning)
        meaning = "\n".join((*meanings, SEVERAL))
        box = replace(members[-1], forward=forward, adjoint=adjoint, meaning=meaning)
        joined.update(dict.fromkeys(chain, box))
    shown, places = merge(drawn, joined)
    for arc in drawn.arcs:
        if behind.get(arc.tail) != arc.head or places[arc.tail] != places[arc.head]:
            arc.tail, arc.head = places[arc.tail], places[arc.head]
            shown.arcs.append(arc)
    return shown


def _chains(behind: dict[int, int]) -> list[list[int]]:
    """Return the places that stand one behind the other, in their order."""
    heads = set(behind.values())
    chains = []
    for at in behind:
        if at not in heads:
            chain = [at]
            while chain[-1] in behind:
                chain.append(behind[chain[-1]])
            chains += [chain[start : start + MOST] for start in range(0, len(chain), MOST)]
    return [chain for chain in chains if len(chain) > 1]
