"""Elements, which know their operands, and the wires between them.

Knows nodes and wires. A program, recorded or folded, says which operands an element has. In a graph
every wire has one producer and one consumer. A signal with several users passes a branch point, and
an operand that is smaller than its use passes a broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.primitives import broadcast_to
from ..errors import UsageError
from .flow import DELAYS, AnyFlow, Flow, Item, Loop, Node, Wire

OUTSIDE = (
    "fold: a step reads {}, which is computed outside of the loop from earlier steps; "
    "compute it inside of the loop"
)


@dataclass(slots=True, eq=False)
class Element:
    """A node and the elements whose signals it takes.

    Attributes
    ----------
    node : Node
        Its wires are not yet laid.
    operands : list of Element
    value : array, or None
        Of its signal; inside a folded loop of T steps (T, ...).
    """

    node: Node
    operands: list[Element]
    value: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its signal, at one step."""
        value = self.value
        shape: tuple[int, ...] = value.shape if type(value) is np.ndarray else np.shape(value)
        return shape[1:] if self.node.is_timed else shape

    @property
    def is_outside(self) -> bool:
        """Whether the element is an operation outside of every loop."""
        node = self.node
        return bool(self.operands) and node.loop is None and node.kind is not Kind.OUTPUT


def lay_wires(elements: Iterable[Element]) -> tuple[tuple[Node, ...], tuple[Wire, ...]]:
    """Return the nodes and wires of some elements, with branch points and broadcasts.

    Parameters
    ----------
    elements : in an order in which they can be run; their nodes are given their wires
    """
    return _Wiring(list(elements)).lay()


class _Wiring:
    def __init__(self, elements: list[Element]) -> None:
        self.elements = elements
        self.nodes: list[Node] = []
        self.wires: list[Wire] = []
        self.named: dict[str, int] = {}  # how many branches lead from one signal to another
        self.branches: dict[Element, Node] = {}

    def lay(self) -> tuple[tuple[Node, ...], tuple[Wire, ...]]:
        free = self._signals()
        forks: list[Node] = []  # branch points of what leaves a loop, which come after the loop
        for element in Interruptible(self.elements):
            node = element.node
            if forks and not (node.folded and node.leaves_loop):
                self.nodes += forks
                forks = []
            inputs = []
            for operand in element.operands:
                wire = free[operand].pop(0)
                if node.works_by_entry and operand.shape != element.shape:
                    wire = self._broadcast(wire, operand, element)
                inputs.append(wire)
            node.inputs = tuple(inputs)
            self.nodes.append(node)
            if element in self.branches:
                (forks if node.leaves_loop else self.nodes).append(self.branches[element])
        self.nodes += forks
        return tuple(self.nodes), tuple(self.wires)

    def _signals(self) -> dict[Element, list[int]]:
        """Give every element its wire, and as many branches as it has uses."""
        users: dict[Element, list[Element]] = {element: [] for element in self.elements}
        for element in Interruptible(self.elements):
            for operand in element.operands:
                users[operand].append(element)
        free = {}
        for element, used_by in Interruptible(users.items()):
            node, name = element.node, element.node.name
            if node.kind is Kind.OUTPUT:
                continue
            wire = self._wire(name, element.value)
            node.outputs = (wire,)
            free[element] = [wire]
            if len(used_by) < 2:
                continue
            arms = [self._wire(self._arm(name, user), element.value) for user in used_by]
            self.branches[element] = Node(
                Kind.BRANCH, (wire,), tuple(arms), name, signs=(1,) * len(arms), stem=node.stem,
                scope=node.scope, step=node.step,
                loop=None if node.leaves_loop else node.loop,
            )  # fmt: skip
            free[element] = arms
        return free

    def _wire(self, name: str, value: Any) -> int:
        self.wires.append(Wire(name, value))
        return len(self.wires) - 1

    def _arm(self, name: str, user: Element) -> str:
        """Return the name of a branch, which is a signal of its own."""
        stem = f"{name} → {user.node.name}"
        again = self.named[stem] = self.named.get(stem, 0) + 1
        return stem if again == 1 else f"{stem} ({again})"

    def _broadcast(self, wire: int, operand: Element, user: Element) -> int:
        value, shape = np.asarray(operand.value), user.shape
        if user.node.is_timed:  # new axes come after that of the steps
            value = value.reshape(
                (value.shape[0],) + (1,) * (len(shape) - len(operand.shape)) + operand.shape
            )
        name = f"{self.wires[wire].name} (broadcast)"
        wide = self._wire(name, np.broadcast_to(value, np.shape(user.value)))
        node = user.node
        self.nodes.append(
            Node(Kind.BROADCAST, (wire,), (wide,), name, broadcast_to, {"shape": shape},
                 shapes=(operand.shape,), stem=operand.node.stem, scope=node.scope, step=node.step,
                 loop=node.loop)
        )  # fmt: skip
        return wide


def elements(graph: Flow) -> list[Element]:
    """Return a graph's elements: its nodes but for branch points and broadcasts."""
    makers: dict[int, Element] = {}
    several = []
    for node in Interruptible(graph.nodes):
        if node.kind in (Kind.BRANCH, Kind.BROADCAST):
            makers.update(dict.fromkeys(node.outputs, makers[node.inputs[0]]))
            continue
        value = graph.wires[node.outputs[0]].value if node.outputs else None
        element = Element(node, [], value)
        makers.update(dict.fromkeys(node.outputs, element))
        several.append(element)
    for element in Interruptible(several):
        element.operands = [makers[wire] for wire in element.node.inputs]
    return several


def leading_elements(outputs: Iterable[Element]) -> list[Element]:
    """Return some elements and all that lead to them."""
    leading = dict.fromkeys(outputs)
    waiting = list(leading)
    while waiting:
        for operand in waiting.pop().operands:
            if operand not in leading:
                leading[operand] = None
                waiting.append(operand)
    return list(leading)


def rebuild(graph: AnyFlow, order: Sequence[Element], loops: Iterable[Loop]) -> AnyFlow:
    """Return a graph with other loops, and other nodes in an order in which they can be run."""
    _number_repeats(order)
    nodes, wires = lay_wires(order)
    return replace(graph, nodes=nodes, wires=wires, loops=tuple(loops))


def rebuild_changed(
    graph: AnyFlow, recorded: Iterable[Element], rank: Callable[[Element], Any]
) -> AnyFlow:
    """Return a graph of its own elements after a pass over them; the graph itself stays.

    Parameters
    ----------
    graph : Flow
    recorded : the elements of the graph; their nodes are copied
    rank : (element) -> which comes first where there is a choice
    """
    outputs = []
    for element in recorded:
        element.node = replace(element.node)  # whose wires are laid anew
        if element.node.kind is Kind.OUTPUT:
            outputs.append(element)
    return rebuild(graph, in_order(leading_elements(outputs), rank), graph.loops)


def in_order(elements: Iterable[Element], rank: Callable[[Element], Any]) -> list[Element]:
    """Return elements in an order in which they can be run, each loop's together.

    Parameters
    ----------
    elements : Element
    rank : (element) -> something to sort by
        Which comes first where there is a choice.
    """
    ranked = sorted(elements, key=rank)
    groups: dict[Hashable, list[Element]] = {}
    group_of: dict[Element, Hashable] = {}
    for element in Interruptible(ranked):
        group_of[element] = element.node.loop if element.node.folded else element
        groups.setdefault(group_of[element], []).append(element)
    needs = {
        group: {group_of[operand] for user in inside for operand in user.operands} - {group}
        for group, inside in groups.items()
    }
    order = []
    for group in Interruptible(_sort(needs)):
        inside = groups[group]
        here = set(inside)
        for x in (operand for user in inside for operand in user.operands):
            if x in here and x.node.leaves_loop:
                raise UsageError(OUTSIDE.format(x.node.name))
        within = {
            user: {
                operand
                for operand in user.operands
                if operand in here and user.node.kind not in DELAYS
            }
            for user in inside
        }
        order.extend(sorted(_sort(within), key=lambda x: x.node.leaves_loop))
    return order


def _number_repeats(elements: Iterable[Element]) -> None:
    """Number signals of one name: the second becomes ``name (2)``."""
    repeats: dict[str, int] = {}
    names: set[str] = set()
    for element in Interruptible(elements):
        if element.node.kind is Kind.OUTPUT:
            continue
        base = name = element.node.name
        while name in names:
            repeats[base] = repeats.get(base, 1) + 1
            name = f"{base} ({repeats[base]})"
        names.add(name)
        element.node.name = name


def _sort(needs: dict[Item, set[Item]]) -> list[Item]:
    """Return items in an order in which each item stands after the items that it needs."""
    position = {item: at for at, item in enumerate(needs)}
    users: dict[Item, list[Item]] = {item: [] for item in needs}
    missing = {item: len(needed) for item, needed in needs.items()}
    for item, needed in Interruptible(needs.items()):
        for other in needed:
            users[other].append(item)
    ready = [position[item] for item, count in missing.items() if not count]
    heapify(ready)
    items, order = list(needs), []
    while ready:
        item = items[heappop(ready)]
        order.append(item)
        for user in users[item]:
            missing[user] -= 1
            if not missing[user]:
                heappush(ready, position[user])
    if len(order) < len(needs):
        blocked = [x.node.name for x in items if isinstance(x, Element) and x not in set(order)]
        raise UsageError(OUTSIDE.format(blocked[0] if blocked else "a signal"))
    return order
