"""What people call the signals of a network that nobody named: formulas, net inputs, a letter.

Knows networks and their reader. A derivation gives such signals lines and letters of their own (see
`letters`); a sentence about a mistake stands alone, and its reader has to know each signal in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..engine.primitives import TABLE
from ..engine.symbol import ATOM, POWER, Symbol, bare, constant_text
from ..network.flow import DELAYS, Flow, Node
from .letters import LOSS, MOST_OPERATIONS, NET_INPUTS
from .names import NUMBERED, Names
from .reader import PASSING, Reader

LONGEST = 48  # signs in a name that is a formula
BEHIND = (*PASSING, *DELAYS)
HANDED_ON = (*BEHIND, Kind.TAP, Kind.COLLECT)
STEP = "(k)"


def called(network: Flow) -> dict[int, str]:
    """Return what people call the signals that nobody named, by the wire of each.

    A signal that the next step reads is h, or the loss where it is one number; the net input of p
    is s_p; any other one is its formula, in brackets where it has an operation, or the letter u
    where its formula is long. A constant of equal entries is its number.

    Parameters
    ----------
    network : Flow
        Forward, folded or not.
    """
    names = _Called(network).names
    for node in Interruptible(network.nodes):  # and what hands such a signal on
        text = _handed_on(network, node, names) if node.outputs else ""
        if text and node.kind is not Kind.BRANCH:
            names[node.outputs[0]] = text
    return names


class _Called:
    def __init__(self, network: Flow) -> None:
        self.network, self.maker, self.user = network, network.maker, network.user
        self.names: dict[int, str] = {}
        self.lengths: dict[int, int] = {}  # how many operations a signal is written with
        self.letters = Names(
            _without_step(x.name) for x in Interruptible(network.nodes) if self._is_named(x)
        )
        self.formulas: dict[str, int] = {}  # how many signals have the same one
        self.reader = _WrittenOnce(network, self._name_of)
        carried = {
            behind_delays(network, node.inputs[0])[0].outputs[0]
            for node in Interruptible(network.nodes)
            if node.kind in DELAYS and node.inputs[0] >= 0
        }
        unnamed = [node for node in Interruptible(network.nodes) if not self._is_known(node)]
        for node in Interruptible(unnamed):  # first, because a loop reads them before it makes them
            if node.outputs[0] in carried:
                is_number = np.ndim(network.wires[node.outputs[0]].value) <= node.is_timed
                self.names[node.outputs[0]] = self._lettered(node, LOSS if is_number else "h")
        for node in Interruptible(unnamed):
            wire = node.outputs[0]
            if wire not in carried:
                self.lengths[wire] = 1 + sum(self._length(x) for x in node.inputs)
                self.names[wire] = self._net_input(node) or self._formula(node)

    def _is_known(self, node: Node) -> bool:
        """Return whether a node makes no signal of its own, or one that has a name."""
        return not node.outputs or node.kind in HANDED_ON or self._is_named(node)

    def _is_named(self, node: Node) -> bool:
        return bool(is_named(self.network, node))

    def _name_of(self, wire: int, step: int | None) -> str | None:
        """Return the name of a signal; None for one that is written out."""
        node = self.maker[wire]
        if self.lengths.get(wire) == 0:  # it has a letter
            return self.names[wire]
        if node.kind in DELAYS and not self._is_named(node):
            source, steps = behind_delays(self.network, wire)
            return _before(self.names.get(source.outputs[0], own_name(source)), steps)
        if node.kind in (*PASSING, Kind.COLLECT) or not self._is_named(node):
            return None
        return own_name(node)

    def _length(self, wire: int) -> int:
        return self.lengths.get(self.network.source(wire, PASSING).outputs[0], 0)

    def _net_input(self, node: Node) -> str:
        """Return s_p for the only operand of p, if p has a name; else nothing."""
        user = self.user.get(node.outputs[0])
        is_sum = node.kind is Kind.JUNCTION or (
            node.kind is Kind.BILINEAR and not node.works_by_entry
        )
        if not is_sum or user is None or len(user.inputs) > 1 or not self._is_named(user):
            return ""
        if user.kind not in (Kind.ELEMENTWISE, Kind.MATRIX_FUNCTION):
            return ""
        own = user.stem.rpartition(".")[2]
        return self._lettered(node, f"{NET_INPUTS[0]}_{own}")

    def _lettered(self, node: Node, letter: str) -> str:
        self.lengths[node.outputs[0]] = 0
        letter = self.letters.free(f"{node.scope}.{letter}" if node.scope else letter)
        at = "" if node.step is None else f"[{node.step}]"
        return letter + STEP * node.is_timed + at

    def _formula(self, node: Node) -> str:
        """Return the formula of a signal, or a letter where the formula is long."""
        wire = node.outputs[0]
        read = self.reader.step_read(node)
        if read is not None:
            source = self.network.source(read[0], PASSING)
            text = self.names.get(source.outputs[0], own_name(source))
            return text.replace(STEP, f"[{read[1]}]")
        near = shifted_operand(self.network, node)
        if near is not None and (name := self._name_of(near.outputs[0], None)):
            return f"{name} (2)"  # it has the same δ
        is_loss = (user := self.user.get(wire)) is not None and user.kind is Kind.OUTPUT
        if not is_loss and self.lengths[wire] <= MOST_OPERATIONS:
            text = self._text(node)
            if text and len(text) <= LONGEST:
                count = self.formulas[text] = self.formulas.get(text, 0) + 1
                return text if count == 1 else f"{text} ({count})"
        return self._lettered(node, LOSS if is_loss else "u")

    def _text(self, node: Node) -> str:
        """Return a formula as text, in brackets unless it is a name, a function or a power."""
        with np.errstate(all="ignore"):
            formula: Any = self.reader.written(node)
        text = str(formula) if isinstance(formula, Symbol) else bare(constant_text(formula))
        level = formula.notation.level if getattr(formula, "notation", None) else ATOM
        is_square = level < POWER and text.endswith("²") and len(set(map(id, formula.operands))) < 2
        level = POWER if is_square else level
        return text if level >= POWER else f"({text})"


class _WrittenOnce(Reader):
    """A reader that writes a signal out as the same formula each time: q ∘ q is q²."""

    def __init__(self, network: Flow, name: Callable[[int, int | None], str | None]) -> None:
        super().__init__(network, name)
        self.formulas: dict[int, Any] = {}

    def write_out(self, node: Node, step: int | None) -> Any:
        return self.written(node)

    def written(self, node: Node) -> Any:
        wire = node.outputs[0]
        if wire not in self.formulas:
            self.formulas[wire] = self.formula(node)
        return self.formulas[wire]


def _handed_on(network: Flow, node: Node, names: Mapping[int, str]) -> str:
    """Return the name of a signal that hands on another one; or a constant's number; or nothing."""
    if node.kind is Kind.CONSTANT:
        value = np.ravel(network.wires[node.outputs[0]].value)
        is_number = value.size and value.dtype != bool and np.all(value == value[0])
        return bare(constant_text(value[0])) if is_number else ""
    if node.kind not in HANDED_ON or node.transposed or not node.inputs or node.inputs[0] < 0:
        return ""
    near = network.source(node.inputs[0])
    if node.kind in (Kind.HOLD, Kind.BROADCAST):
        return names.get(near.outputs[0], own_name(near))
    source, steps = behind_delays(network, node.outputs[0])
    text = names.get(source.outputs[0] if node.kind in DELAYS else near.outputs[0], "")
    if not text or is_named(network, node):
        return ""
    if node.kind in DELAYS:
        return _before(text, steps)
    return f"{text}[k]" if node.kind is Kind.TAP else text.removesuffix(STEP)


def shifted_operand(network: Flow, node: Node) -> Node | None:
    """Return the signal from which a node subtracts what no δ flows back to, as softmax does."""
    if node.kind is not Kind.JUNCTION or node.transposed:
        return None
    sources = [network.source(wire) for wire in node.inputs]
    first, *others = sources
    is_shifted = len(others) > 0 and all(x.kind is Kind.CUT for x in others)
    return first if is_shifted and node.signs[0] > 0 else None


def is_named(network: Flow, node: Node) -> bool:
    """Return whether somebody named a signal, or the one that a node hands on."""
    if node.kind in HANDED_ON and node.inputs and node.inputs[0] >= 0:
        source = network.source(node.inputs[0], HANDED_ON)
        if source.stem == node.stem:
            return source.is_named
        return not _is_operation(node)
    made_by_folding = node.takes_part or node.kind is Kind.JOIN
    return node.is_named and not (made_by_folding and _is_operation(node))


def _is_operation(node: Node) -> bool:
    """Return whether a node is called like an operation, which need not be its own."""
    own = node.stem.rpartition(".")[2].partition("[")[0]
    base, _, number = own.rpartition("_")
    return (base if number.isdigit() else own) in TABLE


def own_name(node: Node) -> str:
    """Return the name of a node's signal without what tells signals of one name apart."""
    return node.stem if node.kind is Kind.HOLD else NUMBERED.sub("", node.name)


def _without_step(name: str) -> str:
    return NUMBERED.sub("", name).removesuffix(STEP)


def behind_delays(network: Flow, wire: int) -> tuple[Node, int]:
    """Return the node that makes a signal, behind branches and delays, and how many delays."""
    node, steps = network.maker[wire], 0
    while node.kind in BEHIND and node.inputs[0] >= 0:
        steps += node.kind in DELAYS
        node = network.maker[node.inputs[0]]
    return node, steps


def _before(name: str, steps: int) -> str:
    """Return the name of a signal as it is some steps before."""
    return name.replace(STEP, f"(k-{steps})")
