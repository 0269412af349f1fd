"""Plain loops: repeated operations of a recording, marked as the steps of a loop.

Knows elements. Nobody said where a step begins, so what is marked here is a guess: that the same
operations come again and again at equal distances. Folding proves it, or refuses it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import takewhile
from operator import or_
from typing import Any, NamedTuple

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..errors import UsageError
from .flow import SOURCES, AnyFlow, Loop, Node
from .proof import fold_truly
from .unpack import parts_taken
from .unroll import name_at
from .wiring import Element, elements

Parts = Mapping[Element, tuple[int, int]]  # what takes a part of what is packed, and which

FEWEST = 3  # steps that are a loop
SHARE = 0.2  # of the operations outside of loops over steps, that a plain loop is worth it from
WINDOWS = (1, 4, 16, 64)  # operations in a row, by whose recurrence periods are found
PERIODS = 4  # the commonest, that are tried, for each of these
NUMBER = re.compile(r"(_\d+|\[\d+\]|(?<=[A-Za-z])\d+)(?=\.|$)")


class Repetition(NamedTuple):
    """The positions of operations that repeat.

    Attributes
    ----------
    start, end : int
        Of the first operation that may belong to a step, and after the last one.
    period : int
        How many operations a step has.
    """

    start: int
    end: int
    period: int

    def steps(self, from_start: bool) -> list[range]:
        """Return the operations of each step: whole ones, counted from the start or the end."""
        count, rest = divmod(self.end - self.start, self.period)
        first = self.start + (0 if from_start else rest)
        return [range(first + k * self.period, first + (k + 1) * self.period) for k in range(count)]


def fold_plain_loops(
    graph: AnyFlow, apart: bool = False, learned: Container[str] | None = None
) -> tuple[AnyFlow, dict[str, str]] | None:
    """Return a graph with its plain loops folded, proved to be the recorded network.

    Parameters
    ----------
    graph : Flow
        As recorded; not changed. Loops over steps in it are folded, too.
    apart : bool
        Whether to take packed signals apart (see `unpack`).
    learned : container of str, optional
        The names of the leaves that require a gradient; all leaves with a name, if None.

    Returns
    -------
    graph : the same type
    names : dict of str to str
        What a signal at a step of a plain loop was called in the recording, by what it is called
        now.

    None, if there is no plain loop that folds.
    """
    everything = elements(graph)
    parts = parts_taken(everything)
    operations = [element for element in everything if element.is_outside]
    leaves = _leaves(everything, learned)
    folded: tuple[AnyFlow, dict[str, str]] | None = None
    marked, names = graph, dict[str, str]()
    for repetition in _repetitions(operations, parts):
        for from_start in Interruptible((False, True)):
            steps = [[operations[at] for at in step] for step in repetition.steps(from_start)]
            if _has_own_leaves(steps, leaves):
                continue
            more, called = _mark(marked, steps)
            try:
                folded = fold_truly(more, apart), names | called
            except UsageError:
                continue
            marked, names = more, names | called
            break
    return folded


# --- where operations repeat ----------------------------------------------------------------------


def _repetitions(operations: Sequence[Element], parts: Parts) -> list[Repetition]:
    """Return the repetitions, the longest first."""
    codes = _codes(operations, parts)
    repetitions, waiting = [], [(0, len(codes))]
    while waiting:
        start, end = waiting.pop()
        best = _longest(codes[start:end])
        if best is not None and best.end - best.start >= SHARE * len(codes):
            best = Repetition(best.start + start, best.end + start, best.period)
            repetitions.append(best)
            waiting += [(start, best.start), (best.end, end)]
    return sorted(repetitions, key=lambda repetition: repetition.start - repetition.end)


def _codes(operations: Sequence[Element], parts: Parts) -> np.ndarray:
    """Return a code for each operation, equal for operations that may correspond in two steps.

    Two parts of what is packed have names of their own: none is the other at another step.
    """
    uses = Counter(x for y in operations for x in y.operands)
    known: dict[Any, int] = {}

    def origin(operand: Element) -> Any:
        """Return the identity of an operand that all steps share, or the shape of another."""
        is_shared = operand.node.kind in SOURCES and uses[operand] > 1
        if is_shared and operand.node.kind is not Kind.CONSTANT:
            return id(operand)
        return operand.shape, parts.get(operand)

    return np.array([
        known.setdefault(
            (y.node.kind, y.node.primitive, y.node.signs, y.shape, parts.get(y),
             *map(origin, y.operands)), len(known)
        )
        for y in Interruptible(operations)
    ], dtype=int)  # fmt: skip


def _longest(codes: np.ndarray) -> Repetition | None:
    """Return the longest repetition; of equally long ones that of the shortest period."""
    best: Repetition | None = None
    for period in sorted(_periods(codes)):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1]).reshape(-1, 2)
        if len(edges):
            start, end = edges[np.argmax(edges[:, 1] - edges[:, 0])].tolist()
            longest = Repetition(start, end + period, period)
            covered = len(longest.steps(True)) * period
            if covered >= FEWEST * period and (
                best is None or covered > len(best.steps(True)) * best.period
            ):
                best = longest
    return best


def _periods(codes: np.ndarray) -> set[int]:
    """Return the commonest distances at which operations, or runs of them, repeat."""
    periods: set[int] = set()
    for window in WINDOWS:
        if len(codes) < window * FEWEST:
            break
        last: dict[bytes, int] = {}
        distances: Counter[int] = Counter()
        for at in Interruptible(range(len(codes) - window + 1)):
            key = codes[at : at + window].tobytes()
            if key in last:
                distances[at - last[key]] += 1
            last[key] = at
        periods.update(distance for distance, _ in distances.most_common(PERIODS))
    return {period for period in periods if period * FEWEST <= len(codes)}


# --- what is learned ------------------------------------------------------------------------------


def _leaves(elements: Sequence[Element], learned: Container[str] | None) -> dict[Element, int]:
    """Return the learned leaves that lead to each element, one bit for each leaf."""
    leaves: dict[Element, int] = {}
    bit = 1
    for element in Interruptible(elements):
        node = element.node
        if node.kind in SOURCES:
            is_learned = node.kind is not Kind.CONSTANT and (
                learned is None or node.name in learned
            )
            leaves[element], bit = (bit, bit << 1) if is_learned else (0, bit)
        else:
            leaves[element] = reduce(or_, (leaves[operand] for operand in element.operands), 0)
    return leaves


def _has_own_leaves(steps: Sequence[Sequence[Element]], leaves: Mapping[Element, int]) -> bool:
    """Return whether steps read leaves of their own, as layers with weights of their own do.

    A recurrence shares what is learned. Its first steps alone may read leaves of their own, from
    which the recurrence starts.
    """
    inside = {element for step in steps for element in step}
    for column in Interruptible(zip(*steps, strict=True)):
        for operands in zip(*(element.operands for element in column), strict=True):
            read = list(takewhile(lambda x: x not in inside, reversed(operands)))
            if len({leaves[x] for x in read}) > 1:
                return True
    return False


# --- how steps are marked -------------------------------------------------------------------------


def _mark(graph: AnyFlow, steps: Sequence[Sequence[Element]]) -> tuple[AnyFlow, dict[str, str]]:
    """Return the graph with operations marked as steps, and their old names by the new ones."""
    loop, fresh, names = len(graph.loops), dict[int, Node](), dict[str, str]()
    counts: Counter[str] = Counter()
    for column in Interruptible(zip(*steps, strict=True)):
        nodes = [entry.node for entry in column]
        stem, scope = _stem([node.name for node in nodes]), _stem([x.scope for x in nodes])
        counts[stem] += 1
        again = f"_{counts[stem]}" if counts[stem] > 1 else ""
        parts = tuple(
            (_stem([node.parts[at][0] for node in nodes if node.parts]) + again, width)
            for at, (_, width) in enumerate(nodes[0].parts)
        )
        for step, node in Interruptible(enumerate(nodes)):
            now = replace(node, stem=stem + again, scope=scope, parts=parts, step=step, loop=loop)
            fresh[id(node)] = now
            called = [(now.stem, node.name)]
            called += [(part, own) for (part, _), (own, _) in zip(parts, node.parts)]
            names |= {name_at(replace(now, stem=new), step, ""): old for new, old in called}
    marked = replace(
        graph,
        nodes=tuple(fresh.get(id(node), node) for node in graph.nodes),
        loops=(*graph.loops, Loop(tuple(range(len(steps))))),
    )
    return marked, names


def _stem(names: Sequence[str]) -> str:
    """Return the common name of signals without their numbers.

    >>> _stem(["h[1]", "h[2]"]), _stem(["cell.out", "cell_2.out"]), _stem(["tanh_9", "tanh_10"])
    ('h', 'cell.out', 'tanh')
    """
    stems = Counter(NUMBER.sub("", name) for name in names)
    return stems.most_common(1)[0][0]
