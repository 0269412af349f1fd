"""Steps left out of a picture of a long loop, which nobody would read whole.

Knows skeletons. The first and the last steps stay, and so do those of marked signals; between them
stands a box that says which steps are missing. Places outside of the steps that lead to a gap
alone, or come from gaps alone, are in the gap too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from ..formulas.names import minus
from .skeleton import LOOSE, Arc, Role, Skeleton, Vertex, is_way_back, merge, named

DRAWS_ALL = " (every_step=True, or --every-step, draws all)"  # which is said of `draw`
KEPT_STEPS = 2  # at either end of a loop, of which the others are left out
MOST_RANKS = 40  # one behind the other that are all drawn of what was recorded without steps
KEPT_RANKS = 8  # at either end of more of them
STEP = re.compile(r"\[(-?\d+)\]")

Gap = tuple[object, ...]  # what tells a gap from others, and the words in its box


def shorten(drawn: Skeleton, marked: Iterable[str] = ()) -> Skeleton:
    """Return a skeleton without the steps in the middle of long loops that are not folded.

    What was recorded without steps is shortened by how many operations stand one behind the other.

    Parameters
    ----------
    drawn : Skeleton
    marked : texts with the names of signals
        Their steps are drawn.
    """
    wanted = {int(step) for name in marked for step in STEP.findall(name)}
    loops = _vertices_by_step(drawn)
    gaps: dict[int, Gap] = {}
    for loop, steps in loops.items():
        for missing in _runs(sorted(steps), wanted):
            which = minus(f"k = {missing[0]} to {missing[-1]}")
            gap = loop, f"{len(missing)} steps", which
            gaps.update((at, gap) for step in missing for at in steps[step])
    timeless = [vertex.step is None for vertex in drawn.vertices]
    gaps = _with_neighbours(drawn, gaps, timeless)
    for steps in loops.values():
        if len(steps) == 1:  # a layer that was called for one step
            for at in next(iter(steps.values())):
                timeless[at] = True
    if middle := [at for at in _middle(drawn, timeless) if at not in gaps]:
        gaps |= dict.fromkeys(middle, (None, f"{len(middle)} operations"))
        gaps = _with_neighbours(drawn, gaps, [vertex.role in LOOSE for vertex in drawn.vertices])
    return _without(drawn, gaps) if gaps else drawn


# --- what is left out -----------------------------------------------------------------------------


def _vertices_by_step(drawn: Skeleton) -> dict[int, dict[int, list[int]]]:
    """Return the vertices that belong to a step, by loop and step."""
    loops: dict[int, dict[int, list[int]]] = {}
    for at, vertex in enumerate(drawn.vertices):
        if vertex.step is not None:
            loop, step = vertex.step
            if step is not None:
                loops.setdefault(loop, {}).setdefault(step, []).append(at)
    return loops


def _runs(steps: list[int], wanted: set[int]) -> list[list[int]]:
    """Return the runs of steps that are left out."""
    shown = {*steps[:KEPT_STEPS], *steps[-KEPT_STEPS:], *wanted}
    runs = [list(run) for is_shown, run in groupby(steps, shown.__contains__) if not is_shown]
    return [run for run in runs if len(run) > 1]  # one step takes no more room than its gap


def _middle(drawn: Skeleton, counted: list[bool]) -> list[int]:
    """Return the vertices in the middle of a long way through the network.

    Parameters
    ----------
    drawn : Skeleton
    counted : list of bool
        Whether each vertex makes a way longer. The others are not in the middle.
    """
    tails, heads = neighbours(drawn)
    before, after = ranks_of(tails, heads, counted), ranks_of(heads, tails, counted)
    most = max(before, default=0)
    if most <= MOST_RANKS:
        return []
    return [
        at for at, vertex in enumerate(drawn.vertices)
        if counted[at] and vertex.role not in LOOSE
        and any(KEPT_RANKS < rank <= most - KEPT_RANKS
                for rank in (before[at], most + 1 - after[at]))
    ]  # fmt: skip


def ranks_of(tails: list[list[int]], heads: list[list[int]], counted: list[bool]) -> list[int]:
    """Return how many counted vertices are on the longest way to each vertex, itself included."""
    ranks = [int(counts) for counts in counted]
    waiting = [len(before) for before in tails]
    ready = [at for at, count in enumerate(waiting) if not count]
    while ready:
        at = ready.pop()
        for head in heads[at]:
            ranks[head] = max(ranks[head], ranks[at] + counted[head])
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return ranks


def neighbours(drawn: Skeleton) -> tuple[list[list[int]], list[list[int]]]:
    """Return the tails of the arcs to each vertex, and the heads of those from each vertex.

    The way back to a delay is none of them, so that there are no cycles.
    """
    tails: list[list[int]] = [[] for _ in drawn.vertices]
    heads: list[list[int]] = [[] for _ in drawn.vertices]
    for arc in drawn.arcs:
        if is_way_back(drawn.vertices[arc.tail], drawn.vertices[arc.head]):
            continue
        tails[arc.head].append(arc.tail)
        heads[arc.tail].append(arc.head)
    return tails, heads


def _with_neighbours(drawn: Skeleton, gaps: dict[int, Gap], free: list[bool]) -> dict[int, Gap]:
    """Return the gaps with the free vertices that lead to gaps alone, or come from gaps alone."""
    tails, heads = neighbours(drawn)
    is_alias = [vertex.role is Role.ALIAS for vertex in drawn.vertices]
    sources = [[at for at in before if not is_alias[at]] for before in tails]
    after = _closure(gaps, free, tails=heads, heads=sources)
    if all(at in after or at in gaps for at, more in enumerate(heads) if not more):
        after = {}  # the network would have no end
    beside = after | _closure(gaps | after, free, tails=sources, heads=heads)
    inside = gaps | beside
    beside |= {
        at: inside[heads[at][0]]
        for at, is_one in enumerate(is_alias)
        if is_one and free[at] and at not in gaps and heads[at][0] in inside
    }
    several = [key for key in beside.values() if isinstance(key, frozenset)]
    for at, key in beside.items():
        if isinstance(key, frozenset):
            beside[at] = (key, f"{several.count(key)} operations")
    return gaps | beside


def _closure(
    gaps: Mapping[int, Gap], free: list[bool], *, tails: list[list[int]], heads: list[list[int]]
) -> dict[int, Any]:
    """Return the free vertices whose heads are all in gaps, or free vertices of this kind, by gap.

    A vertex between several gaps has the set of them.
    """
    gap_at: dict[int, Any] = dict(gaps)
    waiting = [len(after) for after in heads]
    ready = list(gaps)
    while ready:
        for at in tails[ready.pop()]:
            waiting[at] -= 1
            if free[at] and not waiting[at] and at not in gap_at:
                keys = {gap_at[head] for head in heads[at]}
                gap_at[at] = frozenset(keys) if len(keys) > 1 else keys.pop()
                ready.append(at)
    return {at: key for at, key in gap_at.items() if at not in gaps}


# --- what is drawn instead ------------------------------------------------------------------------


def _without(drawn: Skeleton, gaps: Mapping[int, Gap]) -> Skeleton:
    boxes: dict[Gap, Vertex] = {}
    for at, gap in gaps.items():
        lines = ("…", *map(str, gap[1:]))
        box = boxes.setdefault(gap, Vertex(Role.GAP, lines, lines))
        box.step = box.step or drawn.vertices[at].step  # it stands where the first of them would
    shown, places = merge(drawn, {at: boxes[gap] for at, gap in gaps.items()})
    shown.notes.append(_note(gaps))
    between: dict[tuple[int, int], list[Arc]] = {}
    for arc in drawn.arcs:
        tail, head = places[arc.tail], places[arc.head]
        if arc.tail not in gaps and arc.head not in gaps:
            shown.arcs.append(replace(arc, tail=tail, head=head))
        elif tail != head:
            between.setdefault((tail, head), []).append(arc)
    for (tail, head), arcs in between.items():
        into_gap = shown.vertices[head].role is Role.GAP
        shown.arcs.append(_one_for_all(arcs, tail, head, into_gap=into_gap))
    return shown


def _one_for_all(arcs: list[Arc], tail: int, head: int, *, into_gap: bool) -> Arc:
    """Return the one arc that stands for all arcs between a gap and another vertex."""
    first = replace(arcs[0], tail=tail, head=head, is_live=any(arc.is_live for arc in arcs))
    if into_gap:  # a weight on the way belongs to what is left out
        name = first.shown if len({arc.shown for arc in arcs}) == 1 else ""
        return replace(first, labels=named(name), weight=None, weight_name="")
    if len({arc.labels for arc in arcs}) > 1:
        return replace(first, labels=(), weight=None, weight_name="")
    return first


def _note(gaps: Mapping[int, Gap]) -> str:
    words = dict.fromkeys(", ".join(map(str, gap[1:])) for gap in gaps.values())
    return f"left out: {'; '.join(words)}{DRAWS_ALL}"
