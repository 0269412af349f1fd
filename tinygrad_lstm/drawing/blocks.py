"""Equal blocks one behind the other, drawn once.

Knows skeletons. A block is a module. Its parameters are its own; the rest is as in the others.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import replace

from .gaps import DRAWS_ALL
from .skeleton import Arc, Skeleton, within

FEWEST = 4  # equal blocks that are drawn once
NUMBER = re.compile(r"[_.]\d+$")

Path = tuple[str, ...]  # the names of frames, from the outermost in


def draw_blocks_once(drawn: Skeleton) -> Skeleton:
    """Return a skeleton with one block for equal modules each of which leads to the next alone."""
    siblings: dict[tuple[Path, str], dict[Path, list[int]]] = {}
    for at, vertex in enumerate(drawn.vertices):
        steps, modules = within(vertex.scope)
        for end in range(1, len(modules) + 1):
            key = (*steps, *modules[: end - 1]), NUMBER.sub("", modules[end - 1])
            siblings.setdefault(key, {}).setdefault((*steps, *modules[:end]), []).append(at)
    for blocks in siblings.values():
        if run := _run(drawn, blocks):
            return draw_blocks_once(_merged(drawn, {path: blocks[path] for path in run}))
    return drawn


def _run(drawn: Skeleton, blocks: dict[Path, list[int]]) -> list[Path]:
    """Return the longest run of equal blocks, or nothing if there is none of enough blocks."""
    if len(blocks) < FEWEST:
        return []
    contents = {path: _content(drawn, path, places) for path, places in blocks.items()}
    longest: list[Path] = []
    run: list[Path] = []
    for path, places in blocks.items():
        links = _links(drawn, blocks[run[-1]], places) if run else None
        is_next = run and contents[path] == contents[run[0]] and links is not None
        if is_next and len(run) > 1:
            is_next = links == _links(drawn, blocks[run[-2]], blocks[run[-1]])
        run = [*run, path] if is_next else [path]
        longest = max(longest, run, key=len)
    return longest if len(longest) >= FEWEST else []


def _content(drawn: Skeleton, path: Path, places: list[int]) -> Hashable:
    """Return what is in a block: two blocks with the same content look alike."""
    number = {at: index for index, at in enumerate(places)}
    vertices = []
    for at in places:
        vertex = drawn.vertices[at]
        inner = vertex.scope[len(path) :]
        vertices.append((vertex.role, vertex.forward, vertex.adjoint, vertex.is_still, inner))
    arcs = sorted(
        (number.get(arc.tail, -1), number[arc.head], _words(arc, path))
        for arc in drawn.arcs
        if arc.head in number
    )
    return tuple(vertices), tuple(arcs)


def _words(arc: Arc, path: Path) -> tuple[tuple[object, ...], ...]:
    """Return the labels of an arc that stand in a block."""
    return tuple(
        (str(label.sort), label.forward, label.adjoint, label.scope[len(path) :])
        for label in arc.labels
        if label.scope[: len(path)] == path
    )


def _links(drawn: Skeleton, block: list[int], after: list[int]) -> list[tuple[int, int]] | None:
    """Return the ways from a block to the next; None if either has a way from or to elsewhere."""
    links = []
    for arc in drawn.arcs:
        leaves = arc.tail in block and arc.head not in block
        enters = arc.head in after and arc.tail not in after
        if leaves != enters:
            return None
        if leaves:
            links.append((block.index(arc.tail), after.index(arc.head)))
    return sorted(links)


def _merged(drawn: Skeleton, blocks: dict[Path, list[int]]) -> Skeleton:
    """Return a skeleton in which the first of some blocks stands for all of them."""
    (first, own), *_, (last, ends) = blocks.items()
    gone = {at for places in blocks.values() for at in places} - {*own}
    kept = [at for at in range(len(drawn.vertices)) if at not in gone]
    place = {at: index for index, at in enumerate(kept)}
    place |= {end: place[start] for start, end in zip(own, ends, strict=True)}
    title = f"{first[-1]} × {len(blocks)}"

    def scope_of(scope: Path) -> Path:
        for path in blocks:
            if scope[: len(path)] == path:
                return (*first[:-1], title, *scope[len(path) :])
        return scope

    shown = Skeleton(notes=[*drawn.notes], letters=drawn.letters)
    shown.vertices = [
        replace(vertex, scope=scope_of(vertex.scope))
        for vertex in (drawn.vertices[at] for at in kept)
    ]
    inside = {*gone, *own}
    for arc in drawn.arcs:
        is_first = arc.tail not in gone and arc.head not in gone
        is_exit = arc.tail in ends and arc.head not in inside
        if is_first or is_exit:
            labels = tuple(replace(x, scope=scope_of(x.scope)) for x in arc.labels)
            shown.arcs.append(
                replace(arc, tail=place[arc.tail], head=place[arc.head], labels=labels)
            )
    shown.notes.append(
        f"{title}: so many equal blocks, each behind the other, from {first[-1]} to {last[-1]}, "
        f"with parameters of their own; drawn once{DRAWS_ALL}"
    )
    return shown
