"""Modules drawn as one box.

Knows skeletons.
"""

from __future__ import annotations

from .skeleton import Role, Skeleton, Vertex, merge, within


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
            name = arc.shown
            arc.forward, arc.adjoint = (name,), (f"δ{name}" if name else "",)
        shown.arcs.append(arc)
    return shown
