"""The operations that all steps of a loop share, and the signals that steps pass on.

Knows elements. Every step of a recurrence must have recorded the same operations on corresponding
signals: of the same step, of a step so many steps earlier, or from outside the loop. The parameters
of an operation may differ from step to step: then they are a sequence that the step reads. A step
may lack an operation whose result nothing reads, such as the output gate of the last step. The
first and the last step stand outside of the recurrence if they do something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..errors import UsageError
from .flow import Node, reachable
from .parameters import is_same
from .step_differences import steps_differ
from .wiring import Element

# how operations of two steps are matched, beside their kinds: by their names; by their parameters,
# but for the index of a part; by their order alone
WAYS = ("names", "parameters", "order")


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
    parameters : list of mapping
        At each step, in the order of recording; a neighbour's where a step lacks it.
    """

    template: Element
    members: list[Element | None]
    operands: list[Same | Earlier | Outside] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    parameters: list[Mapping[str, Any]] = field(default_factory=list)

    def at(self, step: int) -> Node:
        """Return the node of the operation, with the parameters of one step as recorded."""
        return replace(self.template.node, parameters=self.parameters[step])


@dataclass(eq=False)
class Same:
    """An operand that is computed in the same step.

    ``instead`` has the constant that stands in its place at a step that lacks it: the caller
    computed it without recording.
    """

    of: Common
    instead: dict[int, Element]


@dataclass(eq=False)
class Earlier:
    """An operand from an earlier step; ``initial`` has the signals of the first steps instead."""

    of: Common
    distance: int
    initial: list[Element | None]


@dataclass(eq=False)
class Outside:
    """An operand that comes from outside the loop, one for each step."""

    elements: list[Element]


def recurrence(steps: Sequence[Sequence[Element]]) -> tuple[range, list[Common]]:
    """Return the operations that steps share, in the order of recording, and these steps.

    An operation is left out if only some steps have it, if these do not show the source of an
    operand, and if no step needs it. The first step, the last step or both are left out if the
    others are the same without them.

    Parameters
    ----------
    steps : the operations of each step, in the order of recording

    Raises
    ------
    UsageError
        If the steps differ; the message names the first operation that does, and what differs.
    """
    complaint = None
    for first, last in ((0, 0), (1, 0), (0, 1), (1, 1)):  # of which one may be odd
        rows = range(first, len(steps) - last)
        if len(rows) < min(len(steps), 2):
            continue
        for way in WAYS:
            alignment = _Alignment([steps[at] for at in rows], way)
            try:
                alignment.align()
                alignment.connect()
            except UsageError as error:
                if len(rows) == len(steps):
                    complaint = error
            else:
                alignment.work_out()
                return rows, alignment.commons
    assert complaint is not None
    raise complaint


class _Alignment:
    def __init__(self, steps: Sequence[Sequence[Element]], way: str) -> None:
        self.steps, self.way = steps, way
        _, last = max((len(step), number) for number, step in enumerate(steps))
        self.commons = [Common(element, [None] * len(steps)) for element in steps[last]]
        self.position = {element: at for at, element in enumerate(steps[last])}
        self.where: dict[Element, tuple[Common, int]] = {}

    # --- which operations correspond -------------------------------------------------------------

    def align(self) -> None:
        """Find the member of every step, in the order of recording."""
        for step, elements in enumerate(self.steps):
            at = 0
            for element in Interruptible(elements):
                first = at
                while at < len(self.commons) and not self._fits(element, self.commons[at], step):
                    at += 1
                if at == len(self.commons):
                    raise steps_differ(
                        self.steps, element, self.commons[min(first, at - 1)].template
                    )
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
            or (self.way == "names" and node.stem != other.stem)
            or len(element.operands) != len(template.operands)
            or np.shape(element.value) != np.shape(template.value)
            or element.value.dtype != template.value.dtype
        ):
            return False
        for operand, expected in zip(element.operands, template.operands, strict=True):
            owner, at = self.where.get(operand), self.position.get(expected)
            if owner is not None and owner[1] == step:
                if owner[0] is not (None if at is None else self.commons[at]):
                    return False
            elif at is not None and operand.node.kind is not Kind.CONSTANT:
                return False
        return self.way != "parameters" or node.takes_part or is_same(
            node.parameters, other.parameters)  # fmt: skip

    # --- where operands come from ----------------------------------------------------------------

    def connect(self) -> None:
        """Find the source of each operand; leave out an operation that too few steps have."""
        for common in self._single():
            self._leave_out(common)
        left_out = True
        while left_out:
            left_out = False
            for common in Interruptible(self.commons):
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
        owners = [None if entry is None else self.where.get(entry) for entry in column]
        sources = {id(owner[0]): owner[0] for owner in owners if owner is not None}
        if not sources:
            known = None not in column or (is_alike(column) and not _varies(common))
            return Outside(_fill(column)) if known or self._is_needed(common) else None
        if len(sources) > 1:
            return None
        (of,) = sources.values()
        distances = {step - owner[1] for step, owner in enumerate(owners) if owner is not None}
        if len(distances) > 1:
            return None
        (distance,) = distances
        exceptions = {step: x for step, x in enumerate(column) if x and owners[step] is None}
        if distance == 0:
            worked_out = all(
                x.node.kind is Kind.CONSTANT and of.members[step] is None
                for step, x in exceptions.items()
            )
            return Same(of, exceptions) if worked_out else None
        if distance < 0 or any(step >= distance for step in exceptions):
            return None
        return Earlier(of, distance, column[:distance])

    # --- what steps lack -------------------------------------------------------------------------

    def work_out(self) -> None:
        """Compute the results that a step lacks because nothing reads them."""
        for operand in (operand for common in self.commons for operand in common.operands):
            if isinstance(operand, Same):
                for step, constant in operand.instead.items():
                    _take_apart(operand.of, step, constant)
        for common in Interruptible(self.commons):
            common.values = [member and member.value for member in common.members]
            common.parameters = _parameters(common)
        for step in Interruptible(range(len(self.steps))):
            for common in self.commons:
                if common.members[step] is None:
                    values = [self._value(operand, step) for operand in common.operands]
                    with np.errstate(all="ignore"):  # nobody computed it
                        value = compute(common.at(step), values)
                    common.values[step] = value
                    if not _is_finite(common.template.node, values, value):
                        raise UsageError(
                            f"fold: step {self._number(step)} lacks {common.template.node.stem}; "
                            "the value there, or its derivative, would be infinite"
                        )
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
        """Refuse a constant that differs from the value worked out for its place."""
        for step, constant in operand.instead.items():
            if not is_same(np.asarray(operand.of.values[step]), np.asarray(constant.value)):
                member = common.members[step] or common.template
                raise UsageError(
                    f"fold: at {member.node.name} the first step starts from a plain number or "
                    f"array other than zero: {operand.of.template.node.stem} was computed from it, "
                    "but not recorded; start from tg.Tensor(...)"
                )

    def _single(self) -> list[Common]:
        """Return the operations of one step alone, which are no operations of every step.

        Such as the output layer of the last step, if the loss reads no other step's output.
        """
        if len(self.steps) < 2:
            return []
        needed = self._needed()
        single = [x for x in self.commons if x.members.count(None) == len(self.steps) - 1]
        return [common for common in single if common not in needed]

    def _is_needed(self, common: Common) -> bool:
        """Return whether an operation that no step lacks depends on it."""
        return common in self._needed()

    def _needed(self) -> set[Common]:
        """Return the operations that no step lacks, and all that these depend on."""
        return reachable((x for x in self.commons if None not in x.members), self._read_by)

    def _read_by(self, common: Common) -> Iterator[Common]:
        """Yield the operations whose results an operation reads, at any step."""
        for member in common.members:
            for operand in member.operands if member is not None else ():
                if operand in self.where:
                    yield self.where[operand][0]

    def _leave_out(self, common: Common) -> None:
        self.commons.remove(common)
        for member in common.members:
            if member is not None:
                del self.where[member]

    def _inconsistent(self, common: Common, position: int) -> UsageError:
        members = dict(enumerate(common.members))
        known = {at: x for at, x in members.items() if x is not None}
        sources = {at: self._source_at(x, position, at) for at, x in known.items()}
        several = list(sources.values())
        usual = max(several[::-1], key=several.count)
        odd = [at for at, source in sources.items() if source != usual]
        # what the first steps read from before the loop does not differ
        loop = self.steps[0][0].node.loop
        later = [at for at in odd if at and known[at].operands[position].node.loop == loop]
        step = (later or odd or [0])[0]
        expected = known[next(at for at, source in sources.items() if source == usual)]
        return steps_differ(
            self.steps, known[step], expected,
            f"operand {position + 1} is {sources[step]} at step {self._number(step)}, "
            f"{usual} elsewhere",
        )  # fmt: skip

    def _source_at(self, member: Element, position: int, step: int) -> str:
        """Return the source of an operand at one step, in words."""
        operand = member.operands[position]
        if operand not in self.where:
            return operand.node.name
        common, at = self.where[operand]
        distance = {0: "the same step", 1: "the step before"}.get(
            step - at, f"{step - at} steps before"
        )
        return f"{common.template.node.stem} of {distance}"

    def _number(self, step: int) -> int | None:
        return self.steps[step][0].node.step


def _take_apart(common: Common, step: int, constant: Element) -> None:
    """Read the operands of a join off the constant that stands for the join at a step.

    So a step that joins a state and data, ``[h, x[k]]``, may start from a plain array.
    """
    node = common.template.node
    if node.primitive is None or node.primitive.pieces is None or common.members[step] is not None:
        return
    places = node.primitive.pieces(node.shapes, **node.parameters)
    for operand, place in zip(common.operands, places, strict=True):
        value = np.asarray(constant.value)[place]
        part = Element(replace(constant.node, parts=()), [], value)
        if isinstance(operand, Outside):
            operand.elements[step] = part
        elif isinstance(operand, Earlier) and step < operand.distance:
            operand.initial[step] = operand.initial[step] or (part if value.any() else None)


def _is_finite(node: Node, operands: Sequence[Any], value: Any) -> bool:
    """Return whether a value that a step lacks is finite, and its derivative too.

    The cotangent of the value is 0, but 0 times infinity is not a number.
    """
    if not np.isfinite(value).all():
        return False
    rules = node.operation.rules if node.kind is Kind.ELEMENTWISE else ()
    with np.errstate(all="ignore"):
        return all(np.isfinite(rule(*operands, value)).all() for rule in rules if rule is not None)


def _parameters(common: Common) -> list[Mapping[str, Any]]:
    """Return the parameters at every step; a step without the operation takes its neighbour's."""
    known = {at: x.node.parameters for at, x in enumerate(common.members) if x is not None}
    first, *others = known.values()
    if any(other.keys() != first.keys() for other in others):  # some are given at some steps alone
        names = {name for own in known.values() for name in own}
        defaults = getattr(common.template.node.operation.forward, "__kwdefaults__", None) or {}
        start = {name: defaults.get(name) for name in sorted(names)}
        known = {at: {**start, **own} for at, own in known.items()}
    return list(_nearest(known, len(common.members)))


def _varies(common: Common) -> bool:
    """Return whether the parameters differ from step to step."""
    first, *others = [member.node.parameters for member in common.members if member is not None]
    return not all(is_same(other, first) for other in others)


def is_alike(column: Sequence[Element | None]) -> bool:
    """Return whether an outer signal is the same at every step that has it."""
    first, *others = [entry for entry in column if entry is not None]
    return all(is_one(x, first) for x in others)


def _fill(column: Sequence[Element | None]) -> list[Element]:
    """Return the outer signals of all steps; a step without a signal takes its neighbour's."""
    known = {step: x for step, x in enumerate(column) if x is not None}
    return list(_nearest(known, len(column)))


def _nearest(known: Mapping[int, Any], count: int) -> Iterator[Any]:
    """Yield an entry for every step: its own, or that of the nearest step."""
    for step in range(count):
        yield known[step if step in known else min(known, key=lambda at: abs(at - step))]


def is_one(one: Element, other: Element) -> bool:
    """Return whether two elements are one; constants are told apart by their values alone."""
    if one is other:
        return True
    constant = one.node.kind is other.node.kind is Kind.CONSTANT
    return constant and is_same(np.asarray(one.value), np.asarray(other.value))


def compute(node: Node, operands: Sequence[Any]) -> Any:
    """Return what a recorded node computes from its operands."""
    if node.kind is Kind.JUNCTION:
        return sum(sign * value for sign, value in zip(node.signs, operands, strict=True))
    return np.asarray(node.operation.forward(*operands, **node.parameters))
