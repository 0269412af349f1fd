"""What the steps of a loop have in common, and what they hand on to each other.

Knows elements. Every step of a recurrence must have recorded the same operations on corresponding
signals: of the same step, of a step so many steps earlier, or from outside the loop. A step may
lack what nothing came of, such as the last state's output gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import UsageError
from .flow import Node
from .wiring import Element


@dataclass(eq=False)
class Common:
    """An operation that every step has.

    Attributes
    ----------
    members : list of Element
        At each step, in the order of recording; None where a step lacks it.
    template : Element
        One of them.
    operands : list of Same, Earlier or Outside
        Where its operands come from, at every step alike.
    values : list of array
        Of its signal at each step, in the order of recording; worked out where a step lacks it.
    """

    template: Element
    members: list[Element | None]
    operands: list[Same | Earlier | Outside] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Same:
    """An operand made in the same step.

    ``instead`` has the constant that stands in its place at a step that lacks it: what it would
    have been was worked out before anything was recorded.
    """

    of: Common
    instead: dict[int, Element]


@dataclass(eq=False)
class Earlier:
    """An operand made so many steps earlier; ``initial`` has what stands for it before that."""

    of: Common
    distance: int
    initial: list[Element | None]


@dataclass(eq=False)
class Outside:
    """An operand that comes from outside the loop, one for each step."""

    elements: list[Element]


def recurrence(steps: Sequence[Sequence[Element]]) -> list[Common]:
    """Return what the steps have in common, in the order of recording.

    Operations that only some steps have, and that need what other steps do not tell, are left out
    if no step needs them.

    Parameters
    ----------
    steps : the operations of each step, in the order of recording

    Raises
    ------
    UsageError
        If the steps differ; the message names the first operation that does.
    """
    found = _Steps(steps)
    found.align()
    found.connect()
    found.work_out()
    return found.commons


class _Steps:
    def __init__(self, steps: Sequence[Sequence[Element]]) -> None:
        self.steps = steps
        _, last = max((len(step), number) for number, step in enumerate(steps))
        self.commons = [Common(element, [None] * len(steps)) for element in steps[last]]
        self.position = {element: at for at, element in enumerate(steps[last])}
        self.where: dict[Element, tuple[Common, int]] = {}

    # --- which operations correspond -------------------------------------------------------------

    def align(self) -> None:
        """Find the member of every step, in the order of recording."""
        for step, elements in enumerate(self.steps):
            at = 0
            for element in elements:
                first = at
                while at < len(self.commons) and not self._fits(element, self.commons[at], step):
                    at += 1
                if at == len(self.commons):
                    raise _differs(element, self.commons[min(first, at - 1)].template)
                self.commons[at].members[step] = element
                self.where[element] = self.commons[at], step
                at += 1

    def _fits(self, element: Element, common: Common, step: int) -> bool:
        template = common.template
        if element is template:
            return True
        node, other = element.node, template.node
        if (
            node.kind != other.kind
            or node.primitive is not other.primitive
            or node.signs != other.signs
            or len(element.operands) != len(template.operands)
            or np.shape(element.value) != np.shape(template.value)
        ):
            return False
        for operand, expected in zip(element.operands, template.operands, strict=True):
            made, at = self.where.get(operand), self.position.get(expected)
            if made is not None and made[1] == step:
                if made[0] is not (None if at is None else self.commons[at]):
                    return False
            elif at is not None and operand.node.kind != "constant":
                return False
        return is_read(element) or same(node.parameters, other.parameters)

    # --- where operands come from ----------------------------------------------------------------

    def connect(self) -> None:
        """Find where the operands come from, leaving out what only some steps can tell."""
        left_out = True
        while left_out:
            left_out = False
            for common in self.commons:
                for position in range(len(common.template.operands)):
                    operand = self._source(common, position)
                    if operand is not None:
                        common.operands.append(operand)
                    elif None in common.members:
                        self._leave_out(common)
                        left_out = True
                        break
                    else:
                        raise self._inconsistent(common, position)
                if left_out:
                    break
            if left_out:
                for common in self.commons:
                    common.operands = []

    def _source(self, common: Common, position: int) -> Same | Earlier | Outside | None:
        """Return where an operand comes from, or None if the steps do not agree."""
        column = [member and member.operands[position] for member in common.members]
        made = [None if each is None else self.where.get(each) for each in column]
        sources = {id(each[0]): each[0] for each in made if each is not None}
        read = is_read(common.template) and not same(*_ends(common))
        if not sources:
            if read and None in column:
                return None
            known = is_tellable(column) or self._is_needed(common)
            return Outside(_filled(column)) if known else None
        if read:
            return None
        if len(sources) > 1:
            return None
        (of,) = sources.values()
        distances = {step - each[1] for step, each in enumerate(made) if each is not None}
        if len(distances) > 1:
            return None
        (distance,) = distances
        apart = {step: each for step, each in enumerate(column) if each and made[step] is None}
        if distance == 0:
            worked_out = all(
                each.node.kind == "constant" and of.members[step] is None
                for step, each in apart.items()
            )
            return Same(of, apart) if worked_out else None
        if distance < 0 or any(step >= distance for step in apart):
            return None
        return Earlier(of, distance, column[:distance])

    # --- what steps lack -------------------------------------------------------------------------

    def work_out(self) -> None:
        """Compute what nothing came of, and so was not kept."""
        for common in self.commons:
            common.values = [each and each.value for each in common.members]
        for step in range(len(self.steps)):
            for common in self.commons:
                if common.members[step] is None:
                    come = [self._value(each, step) for each in common.operands]
                    common.values[step] = computed(common.template.node, come)
        for common in self.commons:
            for operand in common.operands:
                if isinstance(operand, Same):
                    self._confirm(common, operand)

    def _value(self, operand: Same | Earlier | Outside, step: int) -> Any:
        if isinstance(operand, Same):
            return operand.of.values[step]
        if isinstance(operand, Outside):
            return operand.elements[step].value
        if step >= operand.distance:
            return operand.of.values[step - operand.distance]
        initial = operand.initial[step]
        return np.zeros_like(operand.of.template.value) if initial is None else initial.value

    def _confirm(self, common: Common, operand: Same) -> None:
        """Refuse a constant that is not what would have been recorded in its place."""
        for step, constant in operand.instead.items():
            if not np.array_equal(operand.of.values[step], constant.value):
                member = common.members[step] or common.template
                raise UsageError(
                    f"fold: at {member.node.name} the first step starts from a plain number or "
                    f"array other than zero, of which {operand.of.template.node.stem} was worked "
                    "out without being recorded; start from tg.Tensor(...)"
                )

    def _is_needed(self, common: Common) -> bool:
        """Return whether something that no step lacks is made of it."""
        users: dict[Common, list[Common]] = {}
        for each in self.commons:
            for member in each.members:
                for operand in member.operands if member is not None else ():
                    if operand in self.where:
                        users.setdefault(self.where[operand][0], []).append(each)
        waiting, seen = [common], {common}
        while waiting:
            for user in users.get(waiting.pop(), ()):
                if None not in user.members:
                    return True
                if user not in seen:
                    seen.add(user)
                    waiting.append(user)
        return False

    def _leave_out(self, common: Common) -> None:
        self.commons.remove(common)
        for member in common.members:
            if member is not None:
                del self.where[member]

    def _inconsistent(self, common: Common, position: int) -> UsageError:
        template = self.where[common.template][1]
        expected = self._told(common.template, position, template)
        for step, member in enumerate(common.members):
            if member is not None and self._told(member, position, step) != expected:
                return _differs(member, common.template)
        return _differs(common.members[0] or common.template, common.template)

    def _told(self, member: Element, position: int, step: int) -> Any:
        made = self.where.get(member.operands[position])
        return None if made is None else (id(made[0]), step - made[1])


def _ends(common: Common) -> tuple[Any, Any]:
    """Return the parameters at the first step and the last one, which differ if any two do."""
    known = [each.node.parameters for each in common.members if each is not None]
    return known[0], known[-1]


def is_read(element: Element) -> bool:
    """Return whether it is a part taken from something: what it takes may depend on the step."""
    return element.node.primitive is not None and element.node.primitive.name == "getitem"


def is_tellable(column: Sequence[Element | None]) -> bool:
    """Return whether what comes from outside is known for every step."""
    if None not in column:
        return True
    known = [each for each in column if each is not None]
    return all(is_same(each, known[0]) for each in known)


def _filled(column: Sequence[Element | None]) -> list[Element]:
    """Return what comes from outside, with a neighbour's for a step of which nothing came."""
    known = {step: each for step, each in enumerate(column) if each is not None}
    if len(known) == len(column):
        return list(known.values())
    return [known[min(known, key=lambda at: abs(at - step))] for step in range(len(column))]


def is_same(one: Element, other: Element) -> bool:
    """Return whether two elements are one; constants are told apart by their values alone."""
    if one is other:
        return True
    constant = one.node.kind == other.node.kind == "constant"
    return constant and np.array_equal(one.value, other.value)


def same(one: Any, other: Any) -> bool:
    """Return whether parameters are equal, whatever they hold."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return type(one) is type(other) and bool(one == other)


def _differs(element: Element, expected: Element) -> UsageError:
    return UsageError(
        f"fold: the steps differ first at {element.node.name}: found {_said(element)}, "
        f"expected {_said(expected)}, as in {expected.node.name}; "
        "every step of tg.steps must record the same operations"
    )


def _said(element: Element) -> str:
    node = element.node
    what = node.kind if node.primitive is None else node.primitive.name
    return f"{what} of {', '.join(each.node.name for each in element.operands)}"


def computed(node: Node, come: Sequence[Any]) -> Any:
    """Return what a node that was recorded makes of its operands."""
    if node.kind == "junction":
        return sum(sign * value for sign, value in zip(node.signs, come, strict=True))
    assert node.primitive is not None
    return np.asarray(node.primitive.forward(*come, **node.parameters))


__all__ = ["Common", "Earlier", "Outside", "Same", "computed", "recurrence"]
