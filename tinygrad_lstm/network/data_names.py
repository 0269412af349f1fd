"""The names of data: an array without a name is called for its use, x, a target t, a mask m.

Knows elements. A loop over an array of NumPy, `data[k] @ W`, records a constant for each step.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, count

import numpy as np

from ..engine.kind import Kind
from ..engine.primitives import stack
from .flow import DELAYS, SOURCES, AnyFlow, Node, reachable
from .parameters import key_of
from .wiring import Element, elements, rebuild_changed


def share_data(graph: AnyFlow) -> AnyFlow:
    """Return a graph in which equal constants are one, and each is called for its use.

    An array of NumPy that a program uses twice is recorded as two constants. So is the array at
    which a state starts that is used twice; the state has one delay for both.

    Parameters
    ----------
    graph : Flow
        Forward, folded or not; not changed.
    """
    recorded = elements(graph)
    same: dict[Element, Element] = {}
    number = -1
    while number < len(same):  # a delay of a delay is shared once that delay is
        number = len(same)
        first: dict[Hashable, Element] = {}
        for element in recorded:
            key = None if element in same else _read_key(element)
            if key is not None and first.setdefault(key, element) is not element:
                same[element] = first[key]
        for element in recorded:
            element.operands = [same.get(x, x) for x in element.operands]
    distinct = [element for element in recorded if element not in same]
    for element in distinct:
        element.node = replace(element.node)  # which is named anew
    name_data(distinct, outside=True)
    rank = {element: at for at, element in enumerate(distinct)}
    return rebuild_changed(graph, distinct, rank.__getitem__)


def join_data(graph: AnyFlow, apart: Collection[str] = ()) -> AnyFlow:
    """Return a graph in which data that a program gives step by step are one sequence.

    A loop over ``Tensor(t[k], name="t")`` records t[0], t[1], …, of which the fold makes a list: a
    reader is given t, as if the program had given it whole.

    Parameters
    ----------
    graph : Flow
        Forward, folded; not changed.
    apart : names
        Of data that stay apart, since a gradient is asked for each.
    """
    recorded = elements(graph)
    joined = [x for x in recorded if _is_list_of_data(x) and _names(x.operands).isdisjoint(apart)]
    if not joined:
        return graph
    first_of: dict[tuple[Element, ...], Element] = {}  # a list that is read twice is one sequence
    same = {x: first_of.setdefault(tuple(x.operands), x) for x in joined}
    for element in recorded:
        element.operands = [same.get(x, x) for x in element.operands]
    for element in first_of.values():
        old, first = element.node.stem, element.operands[0].node
        sequence = Node(Kind.INPUT, name=first.stem, stem=first.stem, scope=first.scope)
        element.node, element.operands = sequence, []
        for user in recorded:
            if user.node.kind is Kind.TAP and user.operands[0] is element:
                name = first.stem + user.node.name.removeprefix(old)
                user.node = replace(user.node, name=name, stem=first.stem, scope=first.scope)
    rank = {element: at for at, element in enumerate(recorded)}
    return rebuild_changed(graph, recorded, rank.__getitem__)


def _names(column: Iterable[Element]) -> set[str]:
    return {entry.node.name for entry in column}


def _is_list_of_data(element: Element) -> bool:
    """Return whether an element joins inputs of one name at several steps: t[0], t[1], …."""
    nodes = [entry.node for entry in element.operands]
    are_inputs = all(node.kind is Kind.INPUT for node in nodes)
    is_one_name = len({(node.stem, node.scope) for node in nodes}) == 1
    return element.node.primitive is stack and are_inputs and is_one_name


def _read_key(element: Element) -> Hashable | None:
    """Return a key, equal for two elements that read the same data; None for others."""
    node = element.node
    if node.kind is Kind.CONSTANT and not _is_number(element):
        return key_of(np.asarray(element.value))
    if node.kind is Kind.TAP:
        return element.operands[0], node.loop, key_of(node.parameters)
    if node.kind in DELAYS:
        before, start = element.operands
        is_constant = start.node.kind is Kind.CONSTANT
        value = key_of(np.asarray(start.value)) if is_constant else start
        return node.kind, node.loop, before, value
    return None


def name_data(order: Iterable[Element], outside: bool = False) -> None:
    """Name constants for their use: ``x``, ``x_2`` and so on, in the order of use.

    A target is called ``t``, a condition ``c``. Zeros and ones that multiply entry by entry are a
    mask, ``m``, or the classes of a loss.

    Parameters
    ----------
    order : elements of a graph, in the order of recording; their nodes are renamed in place
    outside : bool
        Whether to name the constants that no loop reads, too.
    """
    order = list(order)
    users: dict[Element, list[Element]] = {element: [] for element in order}
    for element in order:
        for operand in element.operands:
            users[operand].append(element)
    data = {
        x: None for x in order
        if x.node.kind is Kind.CONSTANT
        and (any(y.node.kind is Kind.TAP for y in users[x]) or (outside and not _is_number(x)))
    }  # fmt: skip
    followers = {
        x: x.operands[0]
        for x in order
        if x.node.kind in (Kind.TAP, *DELAYS) and x.operands[0] in data
    }
    others = [x for x in order if x not in data and x not in followers]
    taken = {name for x in others for name in (x.node.stem, x.node.name)}
    letters = {name.rpartition(".")[2].partition("[")[0] for name in taken}
    names: dict[Element, tuple[str, str]] = {}  # the old and the new name of what comes of data
    known = _Uses(order, users)
    for source in data:
        scope, dot, _ = source.node.stem.rpartition(".")
        letter = known.letter(source)
        if letter == "t" and "t" in letters:
            letter = "target"
        numbered = chain([letter], (f"{letter}_{number}" for number in count(2)))
        name = next(x for x in (f"{scope}{dot}{own}" for own in numbered) if x not in taken)
        taken.add(name)
        names[source] = source.node.stem, name
    names |= {element: names[source] for element, source in followers.items()}
    for element, (old, new) in names.items():
        node = element.node
        if node.name.startswith(old):
            node.name, node.stem = new + node.name.removeprefix(old), new


class _Uses:
    """What the constants among some elements are used for."""

    def __init__(self, order: Sequence[Element], users: dict[Element, list[Element]]) -> None:
        self.users = users
        known = [x for x in order if x.node.kind in SOURCES and x.node.kind is not Kind.CONSTANT]
        self.varies = reachable(known, users.__getitem__)

    def letter(self, source: Element) -> str:
        """Return what a person would call a constant."""
        borders = (Kind.TAP, Kind.HOLD)
        read = [x for x in self.users[source] if x.node.kind in borders] or [source]
        uses = [(x, user) for x in read for user in self.users[x]]
        if np.asarray(source.value).dtype == bool:
            return "c"
        zeros_and_ones = bool(np.all(np.isin(source.value, (0, 1))))
        is_class = zeros_and_ones and bool(np.all(np.sum(source.value, axis=-1) == 1))
        if uses and all(self._is_compared(x, user, is_class) for x, user in uses):
            return "t"
        return "m" if zeros_and_ones and any(_multiplies(user) for _, user in uses) else "x"

    def _is_compared(self, x: Element, user: Element, is_class: bool) -> bool:
        """Return whether a constant meets, entry by entry, what the loss alone is made of."""
        others = [operand for operand in user.operands if operand is not x]
        is_difference = user.node.kind is Kind.JUNCTION and len(set(user.node.signs)) == 2
        if not (is_difference or (is_class and _multiplies(user))):
            return False
        if not self.varies.intersection(others):
            return False
        return all(_adds_up(y) for y in reachable([user], self.users.__getitem__))


def _adds_up(element: Element) -> bool:
    """Return whether an operation acts entry by entry, or takes entries or adds them up."""
    kind = element.node.kind
    adds = kind in (Kind.REDUCTION, Kind.LINEAR, Kind.JOIN, Kind.COLLECT, Kind.OUTPUT)
    return adds or element.node.works_by_entry


def _is_number(element: Element) -> bool:
    """Return whether all entries of a constant are equal: a formula writes the number."""
    entries = np.ravel(element.value)
    return bool(not entries.size or np.all(entries == entries[0]))


def _multiplies(element: Element) -> bool:
    return element.node.kind is Kind.BILINEAR and element.node.works_by_entry
