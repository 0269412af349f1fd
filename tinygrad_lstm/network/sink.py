"""Operations on a whole sequence, moved into the loop over its steps.

Knows elements. A layer may take x W out of its loop for speed, and a dense layer is applied to all
outputs at once. Still y(k) depends on x(k) alone, and can be computed at each step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.steps import AtStep, entry_by_entry
from .flow import Loop, reachable
from .loop_borders import LoopBorders
from .wiring import Element


def move_into_loops(elements: Iterable[Element], borders: LoopBorders) -> None:
    """Move into the loops the operations before and after them that act on each step.

    Parameters
    ----------
    elements : all that lead to the outputs; changed in place
    borders : of the loops; a sequence that depends on several loops gets a loop of its own
    """
    moving = _Moving(elements, borders)
    while moving.before() or moving.after():
        pass


class _Moving:
    def __init__(self, elements: Iterable[Element], borders: LoopBorders) -> None:
        self.borders = borders
        self.users: dict[Element, list[Element]] = {element: [] for element in elements}
        for element in Interruptible(list(self.users)):
            for operand in element.operands:
                self.users[operand].append(element)
        self.distances = self._distances()

    def _distances(self) -> dict[Element, int]:
        """Return how far every element is from the outputs: farther than whatever uses it.

        What a delay reads is taken for the end of another way, so that loops have an end, too.
        """
        uses = dict.fromkeys(self.users, 0)
        read = [
            (element, [] if element.node.kind is Kind.DELAY else element.operands)
            for element in Interruptible(list(self.users))
        ]
        for _, operands in read:
            for operand in operands:
                uses[operand] += 1
        reads = dict(read)
        order = [element for element, count in uses.items() if not count]
        for element in order:  # which grows
            for operand in reads[element]:
                uses[operand] -= 1
                if not uses[operand]:
                    order.append(operand)
        return {element: place for place, element in enumerate(order)}

    def before(self) -> bool:
        """Move in the operation that makes a sequence, if the loop alone reads the sequence."""
        taps, is_changed = [x for x in self.users if x.node.kind is Kind.TAP], False
        while taps:
            tap = taps.pop()
            (source,) = tap.operands
            index, loop = tap.node.parameters["index"].values, tap.node.loop
            if self.users[source] != [tap] or not source.is_outside:
                continue
            moved = by_step(source)
            if moved is None or loop is None or not all(type(entry) is int for entry in index):
                continue
            self._move(source, loop, moved, index)
            for user in self.users.pop(tap):
                self._replace(user, tap, source)
            taps += [operand for operand in source.operands if operand.node.kind is Kind.TAP]
            is_changed = True
        return is_changed

    def after(self) -> bool:
        """Move in the operations on a collected sequence that act on each step."""
        sequences, is_changed = [x for x in self.users if x.node.kind is Kind.COLLECT], False
        waiting = [user for sequence in sequences for user in self.users[sequence]]
        while waiting:
            # the farthest from the outputs first, so that its operands have been moved
            user = max(waiting, key=lambda element: self.distances.get(element, 0))
            waiting = [element for element in waiting if element is not user]
            moved = by_step(user) if user.is_outside else None
            loop = None if moved is None else self._loop_for(user, moved[0])
            if moved is None or loop is None:
                continue
            users, self.users[user] = self.users[user], []
            self._move(user, loop, moved, self.borders.natural(loop))
            user.node.name = f"{user.node.stem}(k)"
            collected = self.borders.collect(user)
            self.users.setdefault(collected, [])
            self.users[user].append(collected)
            for reader in users:
                self._replace(reader, user, collected)
            waiting += users
            is_changed = True
        return is_changed

    def _loop_for(self, element: Element, timed: list[bool]) -> int | None:
        """Return the loop that makes the operands of an element; a new one, if several do."""
        series = [x for x, has_steps in zip(element.operands, timed, strict=True) if has_steps]
        collected = [signal for signal in series if signal.node.kind is Kind.COLLECT]
        loops = dict.fromkeys(
            sequence.node.loop for sequence in collected if sequence.node.loop is not None
        )
        steps = {self.borders.loops[loop].steps for loop in loops}
        if len(steps) != 1 or any(
            len(sequence.value) != len(element.value) for sequence in collected
        ):
            return None
        for loop in loops:
            others = [
                operand
                for operand in element.operands
                if operand.node.loop != loop or operand not in collected
            ]
            if not self._depends(others, loop):
                return loop
        self.borders.loops.append(Loop(steps.pop(), element.node.scope))
        return len(self.borders.loops) - 1

    def _depends(self, elements: Iterable[Element], loop: int) -> bool:
        """Return whether an operation in a loop leads to one of some elements."""
        leading = reachable(elements, lambda element: element.operands)
        return any(x.node.folded and x.node.loop == loop for x in leading)

    def _move(self, element: Element, loop: int, moved: AtStep, index: tuple[Any, ...]) -> None:
        timed, parameters = moved
        outer = element.operands
        element.operands = []
        for operand, has_steps in zip(outer, timed, strict=True):
            if not has_steps:
                inner = self.borders.hold(loop, operand)
            elif operand.node.kind is Kind.COLLECT and operand.node.loop == loop:
                (inner,) = operand.operands
            else:
                inner = self.borders.tap(loop, operand, index)
            self.users[operand].remove(element)
            if inner not in self.users:
                self.users[inner] = []
                self.users[operand].append(inner)
            self.users[inner].append(element)
            element.operands.append(inner)
        node = element.node
        node.loop, node.step, node.parameters = loop, None, parameters
        node.name = f"{node.stem}(k)"
        natural = index == tuple(range(len(element.value)))
        element.value = element.value if natural else element.value[list(index)]
        node.shapes = tuple(x.shape for x in element.operands) if node.shapes else ()

    def _replace(self, user: Element, old: Element, new: Element) -> None:
        user.operands = [new if operand is old else operand for operand in user.operands]
        self.users[new].append(user)


def by_step(element: Element) -> AtStep | None:
    """Return how an operation on a sequence acts on each step, or None if it does not."""
    node, shapes = element.node, [operand.shape for operand in element.operands]
    if not element.shape:
        return None
    if node.primitive is None:
        return entry_by_entry(shapes, element.shape, node.parameters)
    return node.primitive.steps(shapes, element.shape, node.parameters)
