"""A long picture in rows, as lines of text are: one below the other, each as wide as a page.

Knows skeletons and the room that texts take. A row ends where few arrows lead on, and between two
modules rather than inside of one. Where a place will stand is the layout program's business, so
that the width of a row is an estimate.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, takewhile

from .gaps import neighbours, ranks_of
from .legend import says_gradients_at_arrows
from .skeleton import (
    Arc,
    Label,
    Role,
    Share,
    Skeleton,
    Sort,
    Vertex,
    common,
    is_way_back,
    named,
    within,
)
from .text import label_size, size

WIDEST = 19.4  # inches of a row: a slide of 1,920 pixels has 20
SMALL, LITTLE = 0.86, 0.12  # the size of letters in rows, and inches between two ranks there
CIRCLE, SPACE = 0.26, 0.3  # inches across a junction, and between two ranks
EDGES = 1.2  # inches left and right of one long row: borders, and arrows from what is given
CUT_FRAME = 1000  # a row that ends inside of a module costs as much as so many arrows
LETTERS = 24  # of a text that count: a long name is no reason for another row
ROW = 4  # and another row as much as so many
TOO_WIDE = 1000  # and so much an inch that does not fit


def is_one_row(drawn: Skeleton, widest: float = WIDEST) -> bool:
    """Return whether a picture is about as wide as a page, so that it has no rows."""
    return _fits(drawn, _ranks(drawn, *_neighbours(drawn)), widest)


def _neighbours(drawn: Skeleton) -> tuple[list[list[int]], list[list[int]]]:
    """Return the tails of the arcs to each vertex but for parameters beside it, and the heads."""
    tails, heads = neighbours(drawn)
    is_alias = [vertex.role is Role.ALIAS for vertex in drawn.vertices]
    return [[at for at in before if not is_alias[at]] for before in tails], heads


def _fits(drawn: Skeleton, rank: list[int], widest: float) -> bool:
    has_gradients = says_gradients_at_arrows(drawn)
    return EDGES + sum(_lengths(drawn, rank, 1.0, SPACE, has_gradients)) <= widest


def wrap(drawn: Skeleton, widest: float = WIDEST) -> None:
    """Put each vertex in a row, and mark the arcs that lead from one row to another.

    Of a loop that is not folded, each step has rows of its own.
    """
    tails, heads = _neighbours(drawn)
    rank = _ranks(drawn, tails, heads)
    if _fits(drawn, rank, widest):
        return
    steps, of_step = [0] * len(drawn.vertices), drawn
    if len({vertex.step[1] for vertex in drawn.vertices if vertex.step} - {None}) > 1:
        steps = _steps_of(drawn, rank, tails, heads)
        tails, heads = (
            [[other for other in beside if steps[other] == steps[at]]
             for at, beside in enumerate(by_vertex)] for by_vertex in (tails, heads)
        )  # fmt: skip
        arcs = [arc for arc in drawn.arcs if steps[arc.tail] == steps[arc.head]]
        of_step = replace(drawn, arcs=arcs)
        rank = _ranks(of_step, tails, heads)
    given = _given(drawn, steps, tails)
    lengths = _lengths(of_step, rank, SMALL, LITTLE)
    ends = _ends_of_rows(lengths, _costs(of_step, rank, given, len(lengths)), widest)
    parts = [sum(end < of for end in ends) for of in rank[: len(drawn.vertices)]]
    for at in _backward(drawn, rank):  # what is given stands in the row of its use
        if at in given and heads[at]:
            parts[at] = min(parts[head] for head in heads[at])
        elif drawn.vertices[at].role is Role.END and tails[at]:
            parts[at] = max(parts[tail] for tail in tails[at])
    rows = list(zip(steps, parts, strict=True))
    drawn.rows = [sorted(set(rows)).index(row) for row in rows]
    for at, vertex in enumerate(drawn.vertices):  # in the frame of its row
        if vertex.role is Role.BRANCH and all(parts[tail] != parts[at] for tail in tails[at]):
            scopes = [drawn.vertices[to].scope for to in heads[at] if parts[to] == parts[at]]
            drawn.vertices[at] = replace(vertex, scope=common(scopes))
    _lead_on_once(drawn)
    for arc in drawn.arcs:
        if drawn.rows[arc.tail] != drawn.rows[arc.head]:
            _turn(drawn, arc)


def _ranks(drawn: Skeleton, tails: list[list[int]], heads: list[list[int]]) -> list[int]:
    """Return where each vertex, and behind them each label, stands in one long row.

    Each stands as near to its use as can be, and a label is a place of its own.
    """
    is_alias = [vertex.role is Role.ALIAS for vertex in drawn.vertices]
    count = len(drawn.vertices) + sum(len(arc.labels) for arc in drawn.arcs)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    label = len(drawn.vertices)
    for arc in drawn.arcs:
        stops = [arc.tail, *range(label, label + len(arc.labels)), arc.head]
        label += len(arc.labels)
        if arc.head in heads[arc.tail] and not is_alias[arc.tail]:
            for one, other in pairwise(stops):
                before[other].append(one)
                after[one].append(other)
    counted = [not alias for alias in is_alias] + [True] * (count - len(is_alias))
    rank = ranks_of(before, after, counted)
    for at in sorted(range(count), key=rank.__getitem__, reverse=True):
        if after[at]:
            rank[at] = min(rank[other] for other in after[at]) - 1
    for at, alias in enumerate(is_alias):
        if alias and heads[at]:
            rank[at] = min(rank[head] for head in heads[at])
    return [of - min(rank) for of in rank]


def _backward(drawn: Skeleton, rank: list[int]) -> list[int]:
    """Return the vertices, each behind all that it leads to."""
    is_alias = [vertex.role is Role.ALIAS for vertex in drawn.vertices]
    return sorted(range(len(is_alias)), key=lambda at: (is_alias[at], -rank[at]))


def _given(drawn: Skeleton, steps: list[int], tails: list[list[int]]) -> set[int]:
    """Return the vertices to which nothing of the network comes, and the branch points.

    A branch point of what is carried over a step stands where it comes from.
    """
    carried = {
        arc.tail
        for arc in drawn.arcs
        if is_way_back(drawn.vertices[arc.tail], drawn.vertices[arc.head])
        or steps[arc.tail] != steps[arc.head]
    }
    return {
        at for at, vertex in enumerate(drawn.vertices)
        if at not in carried and (not tails[at] or vertex.role is Role.BRANCH)
    }  # fmt: skip


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
    first = min(step for step in steps if step is not None)
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
        if drawn.rows[arc.tail] != drawn.rows[arc.head] and not arc.is_carry:
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
                is_live=live)
        )  # fmt: skip
        for arc in arcs:
            arc.tail = place


def _turn(drawn: Skeleton, arc: Arc) -> None:
    """Lead an arc out of its row, and in again in another row, where its signal is named again."""
    scopes = [drawn.vertices[end].scope for end in (arc.tail, arc.head)]
    count = sum(1 for _ in takewhile(lambda x: x.scope == scopes[0] != scopes[1], arc.labels))
    before, after = arc.labels[:count], arc.labels[count:]
    again: tuple[Label, ...] = (Label(Sort.NAME),)
    if after and after[0].sort is Sort.NAME:
        again = ()
    elif not before or before[-1].adjoint == (f"δ{before[-1].forward[0]}",):  # a signal's name
        again = named(before[-1].forward[0] if before else arc.shown, "") or again
    arc.labels = (*before, Label(Sort.NAME), *again, *after)
    arc.turn = count + 1


def _lengths(
    drawn: Skeleton, rank: list[int], scale: float, space: float, has_gradients: bool = False
) -> list[float]:
    """Return how wide each rank is, in inches, and the gradients beside the weights if asked."""
    lengths = [scale * CIRCLE] * (max(rank, default=0) + 1)
    widths = [_width(x, is_large=x.role is Role.END) for x in drawn.vertices]
    widths += [
        _width(replace(label, adjoint=(label.gradient,)) if has_gradients else label)
        for arc in drawn.arcs
        for label in arc.labels
    ]
    for at, width in zip(rank, widths, strict=True):
        lengths[at] = max(lengths[at], scale * width)
    return [length + space for length in lengths]


def _width(of: Vertex | Label, *, is_large: bool = False) -> float:
    """Return how wide a vertex or a label is, in inches."""
    counted = [[line[:LETTERS] for line in text] for text in (of.forward, of.adjoint)]
    if isinstance(of, Label):
        is_name = of.sort is Sort.NAME
        is_pointed = not (is_name or of.works_by_entry)
        return float(label_size(*counted, is_pointed=is_pointed, is_mono=is_name)[0])
    return float(size(*counted, large=is_large)[0]) if any(counted) else CIRCLE


def _costs(drawn: Skeleton, rank: list[int], given: set[int], count: int) -> list[int]:
    """Return what it costs to end a row behind each rank."""
    costs = [ROW] * count
    for arc in drawn.arcs:
        first, last = sorted((rank[arc.tail], rank[arc.head]))
        for at in range(first, last):
            costs[at] += 1
    if any(vertex.step and vertex.step[1] is not None for vertex in drawn.vertices):
        costs = [cost + 2 * CUT_FRAME for cost in costs]  # every row would end inside of a step
    spans: dict[tuple[str, ...], tuple[int, int]] = {}
    for at, vertex in enumerate(drawn.vertices):
        _, modules = within(vertex.scope)
        if at in given:  # can stand in the next row
            continue
        for depth in range(len(modules)):
            first, last = spans.get(modules[: depth + 1], (count, 0))
            spans[modules[: depth + 1]] = min(first, rank[at]), max(last, rank[at])
    for first, last in spans.values():
        for at in range(first, last):
            costs[at] += CUT_FRAME
    inner = [
        rank[at]
        for at, vertex in enumerate(drawn.vertices)
        if at not in given and vertex.role is not Role.END
    ]
    first, last = min(inner, default=count), max(inner, default=0)
    for at in (*range(first), *range(last, count)):  # neither what is given nor an end stands alone
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
