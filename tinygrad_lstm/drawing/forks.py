"""One end of the picture for each signal, and a branch point wherever a signal goes several ways.

Knows skeletons. Without this, a signal that is read twice would have two ends, and the δ at neither
would be all that comes back to the signal.
"""

from __future__ import annotations

from .selection import step_words
from .skeleton import Arc, Reading, Role, Share, Skeleton, Sort, Vertex, merge, named


def share_ends(drawn: Skeleton) -> Skeleton:
    """Return a skeleton with one end for each signal, and a branch point at each fork.

    A vertex that reads one entry becomes a way from the vertex that reads this entry among others:
    ``x[3]`` is ``x(k)`` at the last step. Where two vertices read an entry otherwise, both read it
    from the whole sequence.
    """
    return _splice(fork(_read_whole(_merge_readings(drawn))))


def _merge_readings(drawn: Skeleton) -> Skeleton:
    """Return a skeleton with one vertex for all readings of the same entries."""
    homes: dict[int, int] = {}
    for places in _readings(drawn).values():
        kept: list[int] = []
        for at in sorted(places, key=lambda at: -len(_entries(drawn, at))):
            home = next((to for to in kept if _covers(drawn, to, at)), None)
            if home is None:
                kept.append(at)
            else:
                homes[at] = home
    if not homes:
        return drawn
    words = {at: _step_read(drawn, home, at) for at, home in homes.items()}
    shares: dict[int, tuple[Share, ...]] = {}
    for at, home in homes.items():
        shares[home] = (*shares.get(home, ()), _share(drawn, home, at))
    shown, places = merge(drawn, {at: drawn.vertices[home] for at, home in homes.items()})
    for home, own in shares.items():
        shown.vertices[places[home]].shares = own
        everywhere = [home, *(at for at, to in homes.items() if to == home)]
        shown.vertices[places[home]].is_still = all(
            drawn.vertices[at].is_still for at in everywhere
        )
    for arc in drawn.arcs:
        if arc.head in homes:  # it comes from the whole sequence, as that to the home does
            continue
        step = words.get(arc.tail, "")
        if step:
            arc.labels = (*named(step, step), *arc.labels)
        arc.tail, arc.head = places[arc.tail], places[arc.head]
        shown.arcs.append(arc)
    return shown


def _read_whole(drawn: Skeleton) -> Skeleton:
    """Put a sequence before the vertices that read it, if they read an entry twice."""
    for wire, places in _readings(drawn).items():
        entries = [entry for at in places for entry in set(_entries(drawn, at))]
        fed = {arc.head for arc in drawn.arcs}
        if len(set(entries)) == len(entries) or not fed.isdisjoint(places):
            continue
        readers = [drawn.vertices[at] for at in places]
        still = all(vertex.is_still for vertex in readers)
        name = _reading(readers[0]).name
        back = name if still else f"δ{name}"
        drawn.vertices.append(Vertex(Role.END, (name,), (back,), name, (), wire, still))
        for at, vertex in zip(places, readers, strict=True):
            drawn.arcs.append(
                Arc(len(drawn.vertices) - 1, at, wire=vertex.wire, name=name, shown=name,
                    is_live=not vertex.is_still)
            )  # fmt: skip
    return drawn


def fork(drawn: Skeleton) -> Skeleton:
    """Put a branch point behind each other vertex that several arcs come from.

    The arc to the branch point has the name of the signal: a name and its δ are of the whole.
    """
    ways: dict[int, list[Arc]] = {}
    for arc in drawn.arcs:
        ways.setdefault(arc.tail, []).append(arc)
    for at, arcs in ways.items():
        vertex = drawn.vertices[at]
        if len(arcs) < 2 or vertex.role in (Role.BRANCH, Role.GAP):
            continue
        live = [arc for arc in arcs if arc.is_live]
        point = Vertex(
            Role.BRANCH, name=vertex.name, scope=vertex.scope, wire=vertex.wire, step=vertex.step,
            is_still=not live,
        )  # fmt: skip
        firsts = [label for arc in arcs for label in arc.labels[:1] if label.sort is Sort.NAME]
        said = [label for label in firsts if label.forward != label.adjoint]  # but not the step
        stem = Arc(
            at, len(drawn.vertices), tuple(said[:1]), vertex.wire, arcs[0].name, arcs[0].shown,
            bool(live), any(arc.is_carry for arc in arcs), entry=arcs[0].entry,
            shares=vertex.shares,
        )  # fmt: skip
        for arc in arcs:
            arc.tail = stem.head
            arc.labels = arc.labels[arc.labels[:1] in [(label,) for label in said] :]
        drawn.vertices.append(point)
        drawn.arcs.append(stem)
    return drawn


def _splice(drawn: Skeleton) -> Skeleton:
    """Return a skeleton without branch points that one arc alone leaves."""
    leaving: dict[int, list[Arc]] = {}
    coming: dict[int, list[Arc]] = {}
    for arc in drawn.arcs:
        leaving.setdefault(arc.tail, []).append(arc)
        coming.setdefault(arc.head, []).append(arc)
    gone = {
        at for at, vertex in enumerate(drawn.vertices)
        if vertex.role is Role.BRANCH and len(leaving.get(at, ())) == 1 == len(coming.get(at, ()))
        and None in (coming[at][0].weight, leaving[at][0].weight)  # an arc has one weight
    }  # fmt: skip
    if not gone:
        return drawn
    for at in gone:
        (before,), (after,) = coming[at], leaving[at]
        after.tail, after.name = before.tail, before.name
        after.labels = (*before.labels, *after.labels)
        after.is_carry |= before.is_carry
        after.shown = before.shown
        leaving[before.tail] = [after if arc is before else arc for arc in leaving[before.tail]]
    kept = [at for at in range(len(drawn.vertices)) if at not in gone]
    place = {at: number for number, at in enumerate(kept)}
    shown = Skeleton([drawn.vertices[at] for at in kept], notes=drawn.notes, letters=drawn.letters)
    for arc in drawn.arcs:
        if arc.head not in gone:
            arc.tail, arc.head = place[arc.tail], place[arc.head]
            shown.arcs.append(arc)
    return shown


# --- readings -------------------------------------------------------------------------------------


def _readings(drawn: Skeleton) -> dict[int, list[int]]:
    """Return the places of the vertices that read the same sequence, where there are several."""
    places: dict[int, list[int]] = {}
    for at, vertex in enumerate(drawn.vertices):
        if vertex.reading is not None:
            places.setdefault(vertex.reading.source, []).append(at)
    return {source: several for source, several in places.items() if len(several) > 1}


def _reading(vertex: Vertex) -> Reading:
    assert vertex.reading is not None
    return vertex.reading


def _entries(drawn: Skeleton, at: int) -> tuple[int, ...]:
    return _reading(drawn.vertices[at]).entries


def _covers(drawn: Skeleton, home: int, at: int) -> bool:
    """Return whether what one vertex reads is what another one reads, at all steps or at one."""
    whole, part = _entries(drawn, home), _entries(drawn, at)
    return whole == part or (len(part) == 1 and whole.count(part[0]) == 1)


def _step_read(drawn: Skeleton, home: int, at: int) -> str:
    """Return the step at which one vertex reads the entry of another, in words; "" for all."""
    whole, part = _reading(drawn.vertices[home]), _entries(drawn, at)
    if whole.entries == part:
        return ""
    return step_words(whole.entries.index(part[0]), whole.steps)


def _share(drawn: Skeleton, home: int, at: int) -> Share:
    whole, part = _reading(drawn.vertices[home]), _entries(drawn, at)
    wire = drawn.vertices[at].wire
    if whole.entries == part:
        return Share(wire)
    place = whole.entries.index(part[0])
    return Share(wire, whole.steps[place], place)
