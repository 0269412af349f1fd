"""Modules drawn as one box.

Knows skeletons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import SignalError, nearest
from .skeleton import Arc, Role, Skeleton, Sort, Vertex, common, merge, named, within

Path = tuple[str, ...]  # the names of frames, from the outermost in


def collapse(drawn: Skeleton, depth: int, opened: Iterable[str] = ()) -> Skeleton:
    """Return a skeleton in which each frame deeper than ``depth`` is one box.

    Parameters
    ----------
    drawn : Skeleton
    depth : int
        How many frames deep to look into modules; 0 draws every module as a box. The frames of
        steps do not count.
    opened : names of modules
        To look into, however deep they lie, and into the modules around them: ``attention``, or
        ``decoder.attention`` for one of several.

    Raises
    ------
    SignalError
        If a name is no module's in the picture; the message lists the nearest.
    """
    paths = _paths_of(drawn, opened)
    boxes: dict[Path, Vertex] = {}
    box_at: dict[int, Vertex] = {}
    for at, vertex in enumerate(drawn.vertices):
        steps, modules = within(vertex.scope)
        seen = _depth_seen(modules, depth, paths)
        if len(modules) > seen:
            path, name = modules[: seen + 1], modules[seen]
            texts, scope = ((name,), (f"{name}ᵀ",)), (*steps, *path[:-1])
            box = Vertex(Role.MODULE, *texts, ".".join(path), scope, step=vertex.step)
            box_at[at] = boxes.setdefault((*steps, *path), box)
    shown, places = merge(drawn, box_at)
    joined: dict[tuple[int, int], Arc] = {}
    for arc in drawn.arcs:
        inner = arc.head in box_at or arc.tail in box_at
        arc.tail, arc.head = places[arc.tail], places[arc.head]
        factors = [
            label for label in arc.labels
            if label.sort is not Sort.NAME and _outer(label.scope, depth, paths) == label.scope
        ] if inner else []  # fmt: skip
        between = arc.tail, arc.head
        if inner and arc.tail == arc.head:
            continue
        if inner and between in joined and not factors:
            _say_too(joined[between], arc)
            continue
        if inner:
            joined.setdefault(between, arc)
            if all(label.sort is not Sort.WEIGHT for label in factors):
                arc.weight = None
            tail, head = (shown.vertices[at] for at in between)
            own = named(arc.shown, scope=common((tail.scope, head.scope)))
            is_said = (arc.shown,) in (tail.forward, head.forward) or tail.role is Role.BRANCH
            picked = tuple(x for x in arc.labels if x.sort is Sort.NAME and x.forward == x.adjoint)
            arc.labels = (*(() if is_said else own), *picked, *factors)
        arc.labels = tuple(
            replace(label, scope=_outer(label.scope, depth, paths)) for label in arc.labels
        )
        shown.arcs.append(arc)
    return shown


def _say_too(arc: Arc, other: Arc) -> None:
    """Write the name of another signal, which goes the same way, under that of an arc."""
    at = next((at for at, x in enumerate(arc.labels) if x.sort is Sort.NAME), None)
    if at is None or not other.shown or other.shown in arc.labels[at].forward:
        return
    label = arc.labels[at]
    lines = (*label.forward, other.shown), (*label.adjoint, f"δ{other.shown}")
    both = replace(label, forward=lines[0], adjoint=lines[1])
    arc.labels = (*arc.labels[:at], both, *arc.labels[at + 1 :])


def _paths_of(drawn: Skeleton, names: Iterable[str]) -> set[Path]:
    """Return the paths of the modules of some names, and of the modules around them."""
    scopes = {within(vertex.scope)[1] for vertex in drawn.vertices}
    known = {scope[:end] for scope in scopes for end in range(1, len(scope) + 1)}
    paths: set[Path] = set()
    for name in names:
        inside = [path for path in known if f".{'.'.join(path)}".endswith(f".{name}")]
        if not inside:
            modules = sorted(".".join(module) for module in known)
            raise SignalError(f"draw: no module is called {name!r}; {nearest(name, modules)}")
        paths |= {module[:end] for module in inside for end in range(1, len(module) + 1)}
    return paths


def _depth_seen(modules: Path, depth: int, opened: set[Path]) -> int:
    """Return how many of the modules around a vertex are drawn with what is in them."""
    while depth < len(modules) and modules[: depth + 1] in opened:
        depth += 1
    return depth


def _outer(scope: Path, depth: int, opened: set[Path]) -> Path:
    """Return the frames of a scope that are still drawn."""
    steps, modules = within(scope)
    return (*steps, *modules[: _depth_seen(modules, depth, opened)])
