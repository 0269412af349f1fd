"""Modules drawn as one box.

Knows skeletons.
"""

from __future__ import annotations

from .skeleton import Skeleton, Vertex, within


def collapsed(drawn: Skeleton, depth: int) -> Skeleton:
    """Return a skeleton in which frames deeper than some are one box each.

    Parameters
    ----------
    drawn : Skeleton
    depth : int
        How many frames deep to look into modules; 0 shows none open. The frames of steps do not
        count.
    """
    made = Skeleton(notes=drawn.notes)
    boxes: dict[tuple[str, ...], int] = {}
    instead: list[int] = []
    for vertex in drawn.vertices:
        steps, modules = within(vertex.scope)
        if len(modules) <= depth:
            instead.append(len(made.vertices))
            made.vertices.append(vertex)
            continue
        key = (*steps, *modules[: depth + 1])
        if key not in boxes:
            boxes[key] = len(made.vertices)
            name = modules[depth]
            outer = (*steps, *modules[:depth])
            made.vertices.append(
                Vertex("function", (name,), (f"{name}′ᵀ",), ".".join(modules[: depth + 1]), outer)
            )
        instead.append(boxes[key])
    joined = set()
    for arc in drawn.arcs:
        arc.tail, arc.head = instead[arc.tail], instead[arc.head]
        inner = arc.head in boxes.values() or arc.tail in boxes.values()
        if inner and (arc.tail == arc.head or (arc.tail, arc.head) in joined):
            continue
        if inner:
            joined.add((arc.tail, arc.head))
            arc.weight = None
            name = arc.shown
            arc.forward, arc.adjoint = (name,), (f"δ{name}" if name else "",)
        made.arcs.append(arc)
    return made
