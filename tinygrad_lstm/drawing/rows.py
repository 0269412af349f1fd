"""A long picture in rows, as lines of text are: one below the other, each as wide as a page.

Knows skeletons and the room that texts take. A row ends where few arrows lead on, and between two
modules rather than inside of one. Where a place will stand is the layout program's business, so
that the width of a row is an estimate.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from .gaps import neighbours, ranks_of
from .skeleton import Arc, Role, Share, Skeleton, Vertex, within
from .text import label_size, size

WIDEST = 14  # inches of a row: a slide of 1,920 pixels has 20
LEAST = 1.75  # rows, from which on a picture is broken; letters are smaller in rows
SMALL, LITTLE = 0.86, 0.12  # the size of letters in rows, and inches between two ranks there
CIRCLE, SPACE = 0.26, 0.3  # inches across a junction, and between two ranks
CUT_FRAME = 1000  # a row that ends inside of a module costs as much as so many arrows
LETTERS = 12  # of a text that count: a long name is no reason for another row
TOO_WIDE = 10  # and so much an inch that does not fit


def wrap(drawn: Skeleton, widest: float = WIDEST) -> None:
    """Put each vertex in a row, and mark the arcs that lead from one row to another.

    Of a loop that is not folded, each step has a row of its own.
    """
    is_alias = [vertex.role is Role.ALIAS for vertex in drawn.vertices]
    tails, heads = neighbours(drawn)
    tails = [[at for at in before if not is_alias[at]] for before in tails]
    onward = [[] if alias else after for after, alias in zip(heads, is_alias, strict=True)]
    rank = ranks_of(tails, onward, [not alias for alias in is_alias])
    for at, before in enumerate(tails):
        if not before and heads[at]:  # what is given stands beside its use
            rank[at] = min(rank[head] for head in heads[at]) - (not is_alias[at])
    rank = [of - min(rank) for of in rank]
    if sum(_lengths(drawn, rank, 1.0, SPACE)) <= LEAST * widest:
        return
    steps = {vertex.step[1] for vertex in drawn.vertices if vertex.step} - {None}
    if len(steps) > 1:
        rows = _steps_of(drawn, rank, tails, heads)
    else:
        lengths = _lengths(drawn, rank, SMALL, LITTLE)
        ends = _ends_of_rows(lengths, _costs(drawn, rank, len(lengths)), widest)
        rows = [sum(end < of for end in ends) for of in rank]
    drawn.rows = [sorted(set(rows)).index(row) for row in rows]
    for arc in drawn.arcs:
        arc.turns = drawn.rows[arc.tail] != drawn.rows[arc.head]
    _lead_on_once(drawn)


def _steps_of(
    drawn: Skeleton, rank: list[int], tails: list[list[int]], heads: list[list[int]]
) -> list[int]:
    """Return the step of each vertex; outside of the loops, that of what leads there, or is led to.

    Steps of several loops that have the same number stand side by side, as in the frames.
    """
    steps = [_step_of(vertex) for vertex in drawn.vertices]
    onward = sorted(range(len(steps)), key=rank.__getitem__)
    for order, beside, choose in ((onward, tails, max), (reversed(onward), heads, min)):
        for at in order:
            known = [step for step in (steps[other] for other in beside[at]) if step is not None]
            if steps[at] is None and known:
                steps[at] = choose(known)
    numbers = {step for step in steps if step is not None}
    first, last = min(numbers), max(numbers)
    beyond = {first: first - 1, last: last + 1}
    for at, vertex in enumerate(drawn.vertices):  # initial values stand before the steps
        step = steps[at]
        if (
            vertex.role is Role.END
            and not tails[at]
            and _step_of(vertex) is None
            and step in beyond
        ):
            steps[at] = beyond[step]
    return [first if step is None else step for step in steps]


def _step_of(vertex: Vertex) -> int | None:
    """Return the step whose frame a vertex stands in; of a gap, the first that is left out."""
    if vertex.role is Role.GAP:
        return vertex.step and vertex.step[1]
    frames, _ = within(vertex.scope)
    return int(frames[0].removeprefix("k = ")) if frames else None


def _lead_on_once(drawn: Skeleton) -> None:
    """Let one arc alone lead a signal to another row, to a branch point there."""
    ways: dict[tuple[int, int, str], list[Arc]] = {}
    for arc in drawn.arcs:
        if arc.turns and not arc.is_carry:
            ways.setdefault((arc.tail, drawn.rows[arc.head], arc.name), []).append(arc)
    for (tail, row, _), arcs in ways.items():
        vertex = drawn.vertices[tail]
        if len(arcs) < 2 or vertex.role not in (Role.BRANCH, Role.GAP):
            continue
        if vertex.role is Role.GAP:
            vertex = Vertex(Role.BRANCH, name=arcs[0].name)
        scopes = [drawn.vertices[arc.head].scope for arc in arcs]
        same = takewhile(lambda names: len(set(names)) == 1, zip(*scopes, strict=False))
        live = any(arc.is_live for arc in arcs)
        point = replace(vertex, scope=tuple(names[0] for names in same), is_still=not live)
        first = next((arc for arc in arcs if arc.is_live), arcs[0])
        shares = tuple(Share(arc.wire) for arc in arcs if arc is not first and arc.is_live)
        place = len(drawn.vertices)
        drawn.vertices.append(point)
        drawn.rows.append(row)
        drawn.arcs.append(
            Arc(tail, place, wire=first.wire, shares=shares, name=first.name, shown=first.shown,
                is_live=live, turns=True)
        )  # fmt: skip
        for arc in arcs:
            arc.tail, arc.turns = place, False


def _lengths(drawn: Skeleton, rank: list[int], scale: float, space: float) -> list[float]:
    """Return how wide each rank is with the labels of the arrows behind it, in inches."""
    boxes = [CIRCLE] * (max(rank, default=0) + 1)
    labels = [0.0] * len(boxes)
    for at, vertex in enumerate(drawn.vertices):
        lines = (vertex.forward, vertex.adjoint)
        if any(lines):
            counted = [[line[:LETTERS] for line in text] for text in lines]
            width, _ = size(*counted, large=vertex.role is Role.END)
            boxes[rank[at]] = max(boxes[rank[at]], scale * float(width))
    for arc in drawn.arcs:
        middle = (rank[arc.tail] + rank[arc.head]) // 2
        widths = [
            scale * float(label_size(*counted)[0]) + space
            for counted in ([[line[:LETTERS] for line in text] for text in (x.forward, x.adjoint)]
                            for x in arc.labels)
        ]  # fmt: skip
        labels[middle] = max(labels[middle], sum(widths))
    return [box + label + space for box, label in zip(boxes, labels, strict=True)]


def _costs(drawn: Skeleton, rank: list[int], count: int) -> list[int]:
    """Return what it costs to end a row behind each rank."""
    costs = [1] * count
    for arc in drawn.arcs:
        first, last = sorted((rank[arc.tail], rank[arc.head]))
        for at in range(first, last):
            costs[at] += 1
    spans: dict[tuple[str, ...], tuple[int, int]] = {}
    for at, vertex in enumerate(drawn.vertices):
        _, modules = within(vertex.scope)
        for depth in range(len(modules)):
            first, last = spans.get(modules[: depth + 1], (count, 0))
            spans[modules[: depth + 1]] = min(first, rank[at]), max(last, rank[at])
    for first, last in spans.values():
        for at in range(first, last):
            costs[at] += CUT_FRAME
    return costs


def _ends_of_rows(lengths: list[float], costs: list[int], widest: float) -> list[int]:
    """Return the last rank of each row but the last, so that rows fit and the cost is least."""
    best: list[tuple[float, list[int]]] = [(0.0, [])]  # up to a rank: the cost, and the ends
    for end in range(1, len(lengths) + 1):
        choices: list[tuple[float, list[int]]] = []
        width = 0.0
        for start in range(end - 1, -1, -1):
            width += lengths[start]
            too_wide = max(0.0, width - widest)
            if too_wide > widest and choices:
                break
            cost, ends = best[start]
            own = costs[end - 1] if end < len(lengths) else 0
            choices.append((cost + own + TOO_WIDE * too_wide, [*ends, end - 1]))
        best.append(min(choices, key=lambda choice: choice[0]))
    return best[-1][1][:-1]
