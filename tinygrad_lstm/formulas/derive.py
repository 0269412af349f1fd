"""The derivation of a loss: its forward equations, and the backward equations that follow.

Every signal that has a name, that is used more than once or that is handed to another step gets a
line; any other stands in the line of what is made of it. A backward line has one summand for each
way on which something comes back. Its formula is the rule of a primitive, run on Symbols.

Knows folded networks, the reader and the ways back; it has no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..engine.arguments import flag, optional
from ..engine.gradients import starting_cotangent
from ..engine.kind import Kind
from ..engine.primitives import broadcast_to
from ..engine.symbol import Symbol
from ..engine.tensor import Tensor
from ..errors import UsageError
from ..network.condense import condense
from ..network.data_names import join_data, share_data
from ..network.flow import DELAYS, SOURCES, Node
from ..network.graph import Graph, check_recorded, graph, structure
from ..network.parameters import Varying, varying
from ..network.proof import fold_for_reading
from ..network.signals import Signals
from ..network.step_sums import collect_sums
from .as_read import SIDE_BY_SIDE
from .by_step import Sequences
from .derivation import Derivation
from .derived import Derived, Equation, Initial, Repetition, Source, Stage, Term
from .letter_reader import LetterReader, of_every_step
from .named_signals import NamedSignals
from .reader import Variable
from .recorded import Recorded, parts_of
from .simplify import as_symbol, simplify
from .terms import at_its_step, counted, is_of_one_step
from .ways_back import WaysBack

MOST_STEPS = 1  # of a recurrence that is derived step by step unasked
MOST_APART = 500  # nodes of a network that a program writes step by step


def derive(loss: Tensor, *, fold: bool | None = None) -> Derivation:
    """Derive the backward pass of a loss: every equation, forward and backward.

    Parameters
    ----------
    loss : Tensor
        One number.
    fold : bool, optional
        Whether one equation stands for all steps of a recurrence; if None, where that can be.

    Returns
    -------
    Derivation

    Raises
    ------
    UsageError
        If nothing was recorded, or there is nothing to fold; the message says why.
    GradientError
        If the loss is not one number.

    Examples
    --------
    >>> x = Tensor(0.5, requires_grad=True, name="x")
    >>> print(derive(np.tanh(x) * x))
    Derivation of loss...
    """
    check_recorded("derive", loss)
    fold = optional(flag, "derive: fold", fold)
    starting_cotangent(loss, None)
    recorded = condense(graph(loss))
    signals = Signals(loss)
    asked = {name for x, name in signals.names.items() if x.requires_grad and not x.inputs}
    network, reason = fold_for_reading(recorded, fold, MOST_STEPS)
    network = join_data(network, asked)
    varies = _what_varies(network)
    if varies:
        if fold:
            raise UsageError(f"derive: one line cannot stand for all steps, since {varies}")
        network, reason = fold_for_reading(recorded, False, MOST_STEPS)[0], varies

    def together() -> Derivation:
        packed = join_data(recorded.fold(), asked) if network.folded else recorded
        return _Derivation(packed, reason, loss, recorded, signals).done(recorded)

    apart = _Derivation(network, reason, loss, recorded, signals, by_rule=True)
    return replace(apart.done(recorded), together=together)


def derive_packed(loss: Tensor) -> Derived:
    """Derive the backward pass for a program: with packed signals together, folded if possible.

    Parameters
    ----------
    loss : Tensor
        One number.

    Raises
    ------
    UsageError
        If steps that are not alike are too many to be written one by one; the message says why
        they are not alike.
    """
    signals = Signals(loss)
    recorded = condense(structure(loss, signals=signals))
    network, reason = recorded, ""
    if any(len(loop.steps) > MOST_STEPS for loop in recorded.loops):
        try:
            network = recorded.fold()
            reason = _what_varies(network)
        except UsageError as error:
            reason = str(error).partition(": ")[2]
    if reason:
        network = recorded
        if len(network.nodes) > MOST_APART:
            raise UsageError(f"derive: found steps that are not alike, since {reason}")
    return _Derivation(network, reason, loss, recorded, signals).done(recorded)


def _what_varies(network: Graph) -> str:
    """Return which parameter of an operation differs from step to step, if a rule depends on it.

    The rule of an operation that takes a part reads the part's index at every step.
    """
    for node in network.nodes:
        for parameter in () if node.takes_part else varying(node.parameters):
            return f"{parameter.name} of {node.name} is another one at other steps"
    return ""


def name_apart(network: Graph) -> Sequences:
    """Name the parameters that vary by no rule so that equal names mean equal values."""
    sequences = Sequences(node.stem.rpartition(".")[2] for node in network.nodes if node.is_named)
    for node in network.nodes:
        for parameter, value in node.parameters.items():
            if isinstance(value, Varying) and not value.is_explicit:
                node.parameters = {**node.parameters, parameter: sequences.named(value)}
    return sequences


class _Derivation:
    """Builds the equations of one network."""

    def __init__(
        self,
        network: Graph,
        reason: str,
        loss: Tensor,
        recorded: Graph,
        signals: Signals | None = None,
        by_rule: bool = False,
    ) -> None:
        network = share_data(collect_sums(network))
        self.network, self.reason = network, reason
        self.signals = Signals(loss) if signals is None else signals
        names = self.signals.names
        self.leaves = {name for x, name in names.items() if not x.inputs and x.requires_grad}
        self.parts = {
            node.name: tuple(node.parts)
            for node in recorded.nodes
            if node.kind is Kind.PARAMETER and node.parts
        }
        self.sequences = name_apart(network)
        self.names: dict[int, str] = {}
        self.reader = LetterReader(network, self.names)
        named = NamedSignals(self.reader, by_rule)
        self.names.update(named.letters())
        self.unnamed = named.unnamed()
        self.ways = WaysBack(self.reader, self.sequences, as_symbol(1.0, loss.data))
        self.alive = self.ways.alive

    def done(self, recorded: Graph) -> Derivation:
        forward = [self._forward(node) for node in self.network.nodes if self._has_line(node)]
        backward: list[Equation] = []
        for node in reversed(self.network.nodes):
            lines = list(self._backward(node))
            if self.ways.extra:  # outside of the loop, and before it
                loops = [x.loop for x in backward]
                is_begun = node.is_timed and node.loop in loops
                first = loops.index(node.loop) if is_begun else len(loops)
                backward[first:first] = self.ways.extra
                self.ways.extra = []
            backward.extend(lines)
        inputs = [node for node in self.network.nodes if node.kind in SOURCES]
        parts = self.parts
        backward.sort(key=lambda x: x.full_name in parts)  # after the δ of its parts
        return Derivation(
            next(name for wire, name in self.names.items() if self.ways.is_loss(wire)),
            tuple(self._source(node, parts) for node in inputs if node.outputs[0] in self.names),
            (*forward, *backward),
            {
                number: Repetition(tuple(sorted(loop.steps)), self._runs_back(number))
                for number, loop in enumerate(self.network.loops)
                if any(node.folded and node.loop == number for node in self.network.nodes)
            },
            tuple(self._initial_values()),
            self._packed(recorded, parts),
            self.reason,
            self.sequences.texts(),
            Recorded(self.network, self.signals),
            unnamed=self.unnamed,
        )

    # --- forward ---------------------------------------------------------------------------------

    def _has_line(self, node: Node) -> bool:
        return bool(node.outputs) and node.outputs[0] in self.names and node.kind not in SOURCES

    def _forward(self, node: Node) -> Equation:
        wire = node.outputs[0]
        value = self.reader.value(wire)
        if node.kind is Kind.TAP:
            formula = self.reader.tapped(node, value)
        elif node.kind is Kind.COLLECT:
            inner = self.reader.written_at(node.inputs[0])
            formula = of_every_step(inner, value)
        else:
            formula = self.reader.formula(node)
        formula = as_symbol(self.sequences.taken_by_step(simplify(formula)), value)
        if formula.shape != np.shape(value):
            formula = broadcast_to(formula, shape=np.shape(value))
        return self._line(Stage.FORWARD, node, (Term(formula),), self._letter(wire))

    def _letter(self, wire: int) -> Variable:
        signal = self.reader.written_at(wire)
        assert isinstance(signal, Variable)
        return signal

    def _line(
        self, stage: Stage, node: Node, terms: tuple[Term, ...], signal: Variable
    ) -> Equation:
        shape = np.shape(self.reader.value(node.outputs[0]))
        loop = node.loop if node.is_timed else None
        value = self.reader.value(node.outputs[0])
        terms = tuple(replace(term, formula=as_symbol(term.formula, value)) for term in terms)
        return Equation(stage, signal, terms, shape, loop, node.scope, node.name)

    def _source(self, node: Node, parts: dict[str, tuple[tuple[str, int], ...]]) -> Source:
        wire = node.outputs[0]
        whole = next((name for name, own in parts.items() if node.name in dict(own)), "")
        value = self.network.wires[wire].value
        asked = (whole or node.name) in self.leaves
        is_parameter = node.kind is Kind.PARAMETER
        return Source(self._letter(wire), node.name, value, is_parameter, whole, asked)

    def _packed(
        self, recorded: Graph, parts: dict[str, tuple[tuple[str, int], ...]]
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        """Return how wide the parts of each packed parameter are."""
        widths = {}
        for node in recorded.nodes:
            if node.name in parts:
                size = np.shape(recorded.wires[node.outputs[0]].value)[-1]
                unit = size // sum(width for _, width in parts[node.name])
                widths[node.name] = tuple((name, n * unit) for name, n in parts[node.name])
        used = {node.name for node in self.network.nodes if node.kind is Kind.PARAMETER}
        return {name: own for name, own in widths.items() if any(part in used for part, _ in own)}

    def _runs_back(self, loop: int) -> bool:
        return any(n.kind is Kind.ADVANCE and n.loop == loop for n in self.network.nodes)

    def _initial_values(self) -> Iterator[Initial]:
        for node in self.network.nodes:
            if node.kind in DELAYS:
                before = self.reader.signal(node.outputs[0])
                start = self.reader.signal(node.inputs[1])
                assert node.loop is not None
                yield Initial(node.outputs[0], before, start, node.loop, node.inputs[1])

    # --- backward --------------------------------------------------------------------------------

    def _backward(self, node: Node) -> Iterator[Equation]:
        """Return the backward line of a signal, if it has one, after those that it needs."""
        if not node.outputs:
            return
        wire = node.outputs[0]
        if node.kind in DELAYS and wire in self.alive:
            terms = tuple(self.ways.terms(wire))
            signal = self.reader.written_at(wire)
            δ = self.reader.letter(self.ways.handed[wire], wire, signal.value, signal.offset, True)
            yield self._line(Stage.HANDED, node, counted(terms), δ)
        elif wire in self.names and wire in self.alive and not self.ways.is_loss(wire):
            terms = (*self._from_parts(node), *self.ways.terms(wire))
            if node.kind is Kind.COLLECT:  # a reader sees what one step alone gets back
                count = len(self.reader.steps(node))
                terms = tuple(
                    replace(term, closed=(at_its_step(term, count),))
                    if is_of_one_step(term)
                    else term
                    for term in terms
                )
            stage = Stage.GRADIENT if node.kind in SOURCES else Stage.BACKWARD
            value = self.reader.value(wire)
            offset = 0 if node.is_timed else None
            δ = self.reader.letter(f"δ{self.names[wire]}", wire, value, offset, True)
            yield self._line(stage, node, counted(terms), δ)

    def _from_parts(self, node: Node) -> Iterator[Term]:
        """Return δ of the parts of a packed parameter, of one that is used as a whole too."""
        parts = parts_of(self.network, node)
        if not any(wire in self.names and wire in self.alive for wire, _ in parts):
            return
        whole = self.reader.value(node.outputs[0])
        yield Term(
            Symbol.of(
                SIDE_BY_SIDE,
                lambda *δs: np.concatenate(δs, axis=-1),
                tuple(
                    next(self.ways.whole(wire)).formula
                    if wire in self.names and wire in self.alive
                    else as_symbol(0.0, whole[..., :width])
                    for wire, width in parts
                ),
            )
        )
