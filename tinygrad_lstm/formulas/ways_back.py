"""The ways on which something comes back to a signal: the summands of its δ.

Knows folded networks and the reader; not which signals get a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import ITEM, Symbol
from ..network.adjoint import alive
from ..network.flow import DELAYS, Node
from ..network.parameters import Varying
from .by_step import Sequences
from .derived import Equation, Stage, Term
from .letter_reader import LetterReader
from .letters import with_ending
from .names import Names
from .rules import use_of
from .simplify import as_symbol, simplify, total
from .terms import at_its_step, counted, is_of_one_step, later, starting


class WaysBack:
    """The summands of the δ of each signal of a network.

    Attributes
    ----------
    alive : set of int
        The wires whose signals have a δ.
    handed : dict of int to str
        The names of δ of what each delay hands on, by the delay's wire.
    extra : list of Equation
        The lines of δ of all steps of a signal at once, which the summands asked for last read.

    Parameters
    ----------
    reader : LetterReader
    sequences : Sequences
    one : Symbol
        δ of the loss.
    """

    def __init__(self, reader: LetterReader, sequences: Sequences, one: Symbol) -> None:
        self.reader, self.names, self.network = reader, reader.names, reader.network
        self.sequences, self.one = sequences, one
        self.maker, self.user = self.network.maker, self.network.user
        self.alive = alive(self.network)
        self.handed = self._handed_names()
        self.stacked: dict[int, str] = {}  # δ of all steps of a signal at once, by wire
        self.extra: list[Equation] = []

    def _handed_names(self) -> dict[int, str]:
        """Return the names of δ of what each delay hands on, by the delay's wire."""
        return {
            node.outputs[0]: f"δ{self.reader.signal(node.outputs[0]).name}"
            for node in self.network.nodes
            if node.kind in DELAYS and node.outputs[0] in self.alive
        }

    def is_loss(self, wire: int) -> bool:
        return self.user[wire].kind is Kind.OUTPUT

    def terms(self, wire: int) -> Iterator[Term]:
        """Return the summands of δ of the signal on a wire."""
        user = self.user.get(wire)
        if user is None or wire not in self.alive:
            return
        port = user.inputs.index(wire)
        if user.kind is Kind.BRANCH:
            for out in user.outputs:
                yield from self.terms(out)
        elif user.kind is Kind.OUTPUT:
            yield Term(self.one, "")
        elif user.kind in DELAYS:
            yield from self._from_delay(user, port)
        elif user.kind is Kind.HOLD:
            for term in self.terms(user.outputs[0]):
                yield term if term.loop is not None else replace(term, loop=user.loop)
        elif user.kind is Kind.TAP:
            adds, out = user.operation.add_part is not None, user.outputs[0]
            terms = self.terms(out) if out not in self.names else self.whole(out)
            for term in terms:
                yield replace(term, loop=user.loop, place=user.parameters, adds=adds)
        elif user.kind is Kind.COLLECT:
            yield from self._from_collected(user)
        else:
            use = use_of(user, port, [self.reader.signal(x) for x in user.inputs])
            for term in self._of_result(user.outputs[0]):
                formula = simplify(self.reader.back(user, port, term.formula))
                uses = term.uses if use is None else (*term.uses, use)
                yield replace(term, formula=formula, uses=uses)

    def whole(self, wire: int) -> Iterator[Term]:
        """Return δ of a signal that has a line, as one summand."""
        name, value = self.names[wire], self.reader.value(wire)
        if self.is_loss(wire):
            yield Term(self.one, name)
        elif wire in self.alive:
            offset = 0 if self.maker[wire].is_timed else None
            yield Term(self.reader.letter(f"δ{name}", wire, value, offset, True), name)

    def _from_delay(self, delay: Node, port: int) -> Iterator[Term]:
        out = delay.outputs[0]
        if out not in self.alive:
            return
        signal = self.reader.written_at(out)
        by = +1 if delay.kind is Kind.DELAY else -1
        if port == 1:  # the initial value
            which = "last" if delay.kind is Kind.ADVANCE else "first"
            δ = self.reader.letter(self.handed[out], out, signal.value, signal.offset, True)
            closed = tuple(starting(term, which) for term in self.terms(out))
            yield Term(δ, loop=delay.loop, starts=which, handed=out, closed=closed)
            return
        closed = tuple(later(term, by) for term in self.terms(out))
        δ = self.reader.letter(self.handed[out], out, signal.value, signal.offset + by, True)
        yield Term(δ, signal.name, handed=out, closed=closed)

    def _from_collected(self, collect: Node) -> Iterator[Term]:
        """Return what comes back to a signal at step k from where all its steps are used."""
        out = collect.outputs[0]
        if out in self.names and out in self.alive:
            name, entry = self.names[out], self.reader.value(collect.inputs[0])
            yield Term(self.reader.letter(f"δ{name}", out, entry, 0, True), name)
            return
        terms = tuple(self.terms(out))
        if not terms:
            return
        inner = self.reader.value(collect.inputs[0])
        if all(term.loop is None for term in terms):
            at_k = [simplify(self.sequences.at_step(term.formula, inner)) for term in terms]
            if all(not isinstance(x, Symbol) or x.notation is not ITEM for x in at_k):
                for term, formula in zip(terms, at_k, strict=True):
                    yield replace(term, formula=as_symbol(formula, inner))
                return
        count = len(self.reader.steps(collect))
        at_one_step = tuple(_of_its_step(term, count) for term in terms)
        closed = tuple(term for term in at_one_step if term is not None)
        closed = closed if len(closed) == len(terms) else ()
        if out not in self.stacked:
            step = self.network.source(collect.inputs[0], (Kind.BRANCH,)).outputs[0]
            name = with_ending(self.names.get(step, "u"), "_all")
            self.stacked[out] = Names([*self.names.values(), *self.stacked.values()]).free(name)
            value = self.network.wires[out].value
            δ = self.reader.letter(f"δ{self.stacked[out]}", out, value, None, True)
            stage = Stage.KEPT if closed else Stage.BACKWARD
            self.extra.append(
                Equation(stage, δ, counted(terms), np.shape(value), None, collect.scope)
            )
        δ = self.reader.letter(f"δ{self.stacked[out]}", out, inner, 0, True)
        yield Term(δ, terms[0].via, closed=closed)

    def _of_result(self, wire: int) -> Iterator[Term]:
        """Return δ of the signal on a wire, by its name or as it follows; one summand if it can."""
        if wire in self.names:
            yield from self.whole(wire)
            return
        terms = list(self.terms(wire))
        if any(term.loop is not None for term in terms):  # a sum over steps, which stays outside
            yield from terms
        elif terms:
            value = self.reader.value(wire)
            uses = tuple(dict.fromkeys(use for term in terms for use in term.uses))
            formula = as_symbol(total([term.formula for term in terms]), value)
            yield Term(formula, terms[0].via, uses=uses)


def _of_its_step(term: Term, count: int) -> Term | None:
    """Return a summand of δ of all steps of a signal as that of δ of the step that it is for.

    None if there is no such step: the steps of another loop are not those of this one.
    """
    if is_of_one_step(term):
        return at_its_step(term, count)
    index = None if term.place is None else term.place["index"]
    is_by_step = isinstance(index, Varying) and index.values == tuple(range(count))
    return replace(term, loop=None, place=None) if is_by_step else None
