"""Modules drawn as one box.

Knows skeletons.
"""

from __future__ import annotations

from dataclasses import replace

from .skeleton import Role, Skeleton, Vertex, merge, named, within


def collapse(drawn: Skeleton, depth: int) -> Skeleton:
    """Return a skeleton in which each frame deeper than ``depth`` is one box.

    Parameters
    ----------
    drawn : Skeleton
    depth : int
        How many frames deep to look into modules; 0 draws every module as a box. The frames of
        steps do not count.
    """
    boxes: dict[tuple[str, ...], Vertex] = {}
    box_at: dict[int, Vertex] = {}
    for at, vertex in enumerate(drawn.vertices):
        steps, modules = within(vertex.scope)
        if len(modules) > depth:
            path, name = modules[: depth + 1], modules[depth]
            texts, scope = ((name,), (f"{name}′ᵀ",)), (*steps, *path[:-1])
            box = Vertex(Role.FUNCTION, *texts, ".".join(path), scope)
            box_at[at] = boxes.setdefault((*steps, *path), box)
    shown, places = merge(drawn, box_at)
    joined = set()
    for arc in drawn.arcs:
        inner = arc.head in box_at or arc.tail in box_at
        arc.tail, arc.head = places[arc.tail], places[arc.head]
        if inner and (arc.tail == arc.head or (arc.tail, arc.head) in joined):
            continue
        if inner:
            joined.add((arc.tail, arc.head))
            arc.weight = None
            arc.labels = named(arc.shown)
        arc.labels = tuple(replace(label, scope=_outer(label.scope, depth)) for label in arc.labels)
        shown.arcs.append(arc)
    return shown


def _outer(scope: tuple[str, ...], depth: int) -> tuple[str, ...]:
    """Return the frames of a scope that are still drawn."""
    steps, modules = within(scope)
    return (*steps, *modules[:depth])
