"""Parameters used at several places of a picture: the δ at a place is a share of the gradient.

Knows skeletons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from .skeleton import Role, Skeleton, Vertex, frames, within

MOST_NAMED = 6  # parameters that a note names
AGAIN = re.compile(r"(.+)_\d+")


def say_shared(drawn: Skeleton) -> None:
    """Call the δ at one of several places a share, and say which module is used again.

    The notes of the legend say which parameters are shared.
    """
    uses = list(_uses(drawn))
    count: dict[str, int] = {}
    for name, _, _ in uses:
        count[name] = count.get(name, 0) + 1
    for name, _, vertex in uses:
        if vertex is not None and count[name] > 1:
            (text,) = vertex.forward
            vertex.adjoint = ("share", f"of δ{text}")
    for number in sorted({number for number in count.values() if number > 1}):
        names = [name for name, uses in count.items() if uses == number]
        more = f" and {len(names) - MOST_NAMED} more" * (len(names) > MOST_NAMED)
        drawn.notes.append(
            f"{', '.join(names[:MOST_NAMED])}{more}: used at {number} places; the gradient is the "
            "sum of the shares of all places"
        )
    titles = _titles(uses)
    for vertex in drawn.vertices:
        vertex.scope = _titled(vertex.scope, titles)
    for arc in drawn.arcs:
        arc.labels = tuple(
            replace(label, scope=_titled(label.scope, titles)) for label in arc.labels
        )


def _titled(scope: tuple[str, ...], titles: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    """Return the frames of a scope, of which some have titles."""
    return tuple(titles.get(scope[: at + 1], frame) for at, frame in enumerate(scope))


def _uses(drawn: Skeleton) -> Iterator[tuple[str, tuple[str, ...], Vertex | None]]:
    """Yield the name of a parameter, the frames, and the vertex, of each use that has a δ."""
    for vertex in drawn.vertices:
        if vertex.role is Role.ALIAS and not vertex.is_still:
            yield vertex.name, vertex.scope, vertex
    for arc in drawn.arcs:
        if arc.weight is not None and arc.weight_name and arc.is_live:
            yield arc.weight_name, frames(arc.weight), None


def _titles(uses: list[tuple[str, tuple[str, ...], Vertex | None]]) -> dict[tuple[str, ...], str]:
    """Return the title of each frame of a module that is used again: whose parameters are known."""
    inside: dict[tuple[str, ...], list[str]] = {}
    for name, frame, _ in uses:
        for depth in range(len(frame)):
            inside.setdefault(frame[: depth + 1], []).append(name)
    titles = {}
    for frame, names in inside.items():
        _, modules = within(frame)
        again = AGAIN.fullmatch(modules[-1]) if modules else None
        if again is not None:
            first = ".".join((*modules[:-1], again[1], ""))
            if all(name.startswith(first) for name in names):
                titles[frame] = f"{modules[-1]}: {again[1]} again"
    return titles
