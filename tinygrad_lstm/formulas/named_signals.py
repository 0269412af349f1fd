"""Which signals of a derivation have a name and a line of their own; any other is written out.

Knows networks and their reader.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.primitives import TABLE
from ..network.flow import DELAYS, SOURCES, Node, number_in_formula
from .letter_reader import LetterReader
from .letters import MOST_OPERATIONS, letters
from .reader import PASSING


class NamedSignals:
    """The signals of a network that have a name, or are used as those that have one.

    Parameters
    ----------
    reader : LetterReader
    by_rule : bool
        Whether a product of matrices has a name where its δ would be a long formula: for readers.
    """

    def __init__(self, reader: LetterReader, by_rule: bool = False) -> None:
        self.reader, self.network, self.by_rule = reader, reader.network, by_rule
        self.maker, self.user = self.network.maker, self.network.user

    def letters(self) -> dict[int, str]:
        """Return what they are called, by the wire on which each leaves its node."""
        return letters(
            list(self.nodes()),
            self._is_named,
            lambda wire: [n for n, _ in self._uses(wire)],
            lambda node: self.network.source(node.inputs[0], PASSING).outputs[0],
            self._is_error,
            self._picked,
        )

    def unnamed(self) -> frozenset[int]:
        """Return the wires of the signals that have a letter, and of the program no name."""
        others = (*SOURCES, Kind.COLLECT)
        return frozenset(
            node.outputs[0] for node in self.nodes()
            if node.kind not in others and not self._is_named(node)
            and not any(user.kind is Kind.OUTPUT for user, _ in self._uses(node.outputs[0]))
        )  # fmt: skip

    def _picked(self, node: Node) -> tuple[int, str] | None:
        """Return the signal of which a node picks one step, and what says which; None of others."""
        read = self.reader.step_read(node)
        if read is None:
            return None
        source = self.network.source(read[0], PASSING)
        steps = len(self.network.wires[read[0]].value)
        ends = {0: "first", steps - 1: "last"}
        return source.outputs[0], f"_{ends.get(read[1], read[1])}"

    def _is_error(self, node: Node) -> bool:
        """Return whether a signal is the difference of a signal and data."""
        if node.kind is not Kind.JUNCTION or sorted(node.signs) != [-1, 1]:
            return False
        makers = [self.network.source(wire, (*PASSING, Kind.TAP)).kind for wire in node.inputs]
        return any(kind in (Kind.CONSTANT, Kind.INPUT) for kind in makers)

    def nodes(self) -> Iterator[Node]:
        """Return the nodes whose signals are called by a name; any other is written out."""
        lengths: dict[int, int] = {}  # how many operations a signal is written out with, by wire
        for node in Interruptible(self.network.nodes):
            length = sum(lengths.get(wire, 0) for wire in node.inputs)
            if node.kind in (*DELAYS, Kind.TAP):
                length = 0
            elif node.kind not in PASSING:
                length += 1
            hands_on = node.kind in (*PASSING, *DELAYS) or not node.outputs
            if not hands_on and (length > MOST_OPERATIONS or self._needs_a_name(node)):
                length = 0
                yield node
            lengths.update(dict.fromkeys(node.outputs, length))

    def _needs_a_name(self, node: Node) -> bool:
        """Return whether a signal has a name, or is used as one that has a name."""
        wire = node.outputs[0]
        uses = list(self._uses(wire))
        if node.kind is Kind.COLLECT:
            whole = [user for user, _ in uses if user.kind is not Kind.TAP]
            kinds = (Kind.MATRIX_FUNCTION, Kind.BILINEAR)
            return len(whole) > 1 or any(user.kind in kinds for user in whole)
        if node.kind is Kind.CONSTANT:
            entries = np.ravel(self.network.wires[wire].value)
            if entries.size and np.all(entries == entries[0]):
                return False
        if node.kind in SOURCES:
            return not all(self._as_number(node, port, user) for user, port in uses)
        if node.kind is Kind.TAP:
            return any(user.kind in (*DELAYS, Kind.COLLECT) for user, _ in uses)
        is_one_step = self.reader.step_read(node) is not None
        if (
            self._is_named(node)
            or is_one_step
            or len(uses) > 1
            or self._is_used_at_every_step(wire)
        ):
            return True
        (user, _) = uses[0]
        if user.kind is Kind.COLLECT:
            after = [one for one, _ in self._uses(user.outputs[0])]
            if len(after) > 1 or after[0].kind is Kind.TAP:
                return True
        if self._has_a_rule_of_its_result(node) or self._is_read_at_a_step(node, user):
            return True
        is_product = node.kind is Kind.BILINEAR and not node.works_by_entry
        if self.by_rule and is_product and self._is_operand_of_several(user):
            return True
        is_arranged = node.kind is Kind.LINEAR and user.kind is Kind.REDUCTION
        is_net_input = (
            is_arranged
            or user.kind is Kind.MATRIX_FUNCTION
            or (
                (is_product or self._is_sum(node))
                and user.kind in (Kind.ELEMENTWISE, Kind.REDUCTION)
            )
        )
        return is_net_input or user.kind in (*DELAYS, Kind.OUTPUT)

    def _is_operand_of_several(self, user: Node) -> bool:
        """Return whether a function of several signals reads a signal, as it is or n times it."""
        while user.kind is Kind.BILINEAR and user.works_by_entry:
            makers = [self.network.source(wire, PASSING) for wire in user.inputs]
            if not any(self._as_number(x, port, user) for port, x in enumerate(makers)):
                return True
            uses = [one for one, _ in self._uses(user.outputs[0])]
            if len(uses) != 1:
                return False
            (user,) = uses
        return user.kind is Kind.ELEMENTWISE and len(user.inputs) > 1

    def _has_a_rule_of_its_result(self, node: Node) -> bool:
        """Return whether the δ of an operand is told by the result, which is no single entry's."""
        is_function = node.kind is Kind.MATRIX_FUNCTION and not node.transposed
        return is_function and node.operation.reads_result

    def _is_read_at_a_step(self, node: Node, user: Node) -> bool:
        """Return whether a signal is a sum over all steps that the δ of one step is told by."""
        if node.kind is not Kind.LINEAR or not node.inputs:
            return False
        whole = self.network.source(node.inputs[0], (Kind.BRANCH,))
        shape = np.shape(self.network.wires[node.outputs[0]].value)
        is_sum = whole.kind is Kind.COLLECT and not node.transposed and not node.takes_part
        is_multiple = user.kind is Kind.BILINEAR and any(
            self._as_number(self.network.source(wire, PASSING), port, user)
            for port, wire in enumerate(user.inputs)
        )
        is_plain = is_multiple or user.kind in (Kind.OUTPUT, Kind.JUNCTION, Kind.LINEAR)
        of_all = np.shape(self.network.wires[whole.outputs[0]].value)
        return is_sum and not is_plain and shape in (of_all[1:], ())

    def _is_sum(self, node: Node) -> bool:
        """Return whether a signal is a sum; the opposite of one, or 1 − q, is written out."""
        if node.kind is not Kind.JUNCTION:
            return False
        numbers = [
            self._as_number(self.network.source(wire, PASSING), port, node)
            for port, wire in enumerate(node.inputs)
        ]
        signs = [sign for sign, is_one in zip(node.signs, numbers, strict=True) if not is_one]
        return signs != [-1]

    def _is_named(self, node: Node) -> bool:
        """Return whether somebody named a signal; a step of a signal is named if the signal is."""
        if node.kind is Kind.CONSTANT and node.stem.rpartition(".")[2].startswith("constant"):
            return False
        if node.kind is Kind.COLLECT:  # recorded as a stack, if not as the steps of a signal
            own, _, number = node.stem.rpartition(".")[2].rpartition("_")
            return (own if number.isdigit() else node.stem.rpartition(".")[2]) not in TABLE
        of = self.reader.step_read(node) if node.takes_part else None
        return node.is_named and (of is None or self.maker[of[0]].is_named)

    def _is_used_at_every_step(self, wire: int) -> bool:
        """Return whether a loop reads a signal from outside, so that its δ is a sum over steps."""
        user = self.user.get(wire)
        if user is None or user.kind in (Kind.HOLD, Kind.TAP):
            return user is not None and self.maker[wire].kind is not Kind.COLLECT
        if user.kind in (Kind.BRANCH, Kind.BROADCAST):
            return any(map(self._is_used_at_every_step, user.outputs))
        return False

    def _as_number(self, node: Node, port: int, user: Node) -> bool:
        wire = user.inputs[port] if port < len(user.inputs) else node.outputs[0]
        value = self.network.wires[node.outputs[0]].value
        return number_in_formula(node, wire, self.network.user, value) is not None

    def _uses(self, wire: int) -> Iterator[tuple[Node, int]]:
        """Return what is made of a signal, behind branch points, broadcasts and holds."""
        user = self.user.get(wire)
        if user is None:
            return
        if user.kind in PASSING:
            for out in user.outputs:
                yield from self._uses(out)
        else:
            yield user, user.inputs.index(wire)
