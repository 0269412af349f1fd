"""The equation of a gradient from those above it, by the table's own rules run on Symbols.

Knows networks and names; nothing of mistakes: a factor is marked that its caller says is to be.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import ATOM, COMPARE, SUM, Notation, Symbol, bare, constant_text
from ..network.adjoint import alive, delta
from ..network.evaluate import evaluate
from ..network.flow import DELAYS, Node
from ..network.locate import NAMESAKES
from ..network.operate import Actions
from ..network.view import View
from .as_read import with_one_hot
from .called import shifted_operand
from .names import part_name
from .reader import PASSING, Reader, Variable
from .rewriting import mark, multiple, with_axes

DEPTH = 20  # stages without a name that one equation goes through
TERMS = 3  # of a sum over the steps that are written out
PARTS = 6  # of a sequence read step by step that are written out
ALL = -1  # of what is marked: the factor itself, not what comes into it

WireStep = tuple[int, int | None]  # a wire of the network, and which step
Marks = Mapping[int, set[int]]  # of a wire, what is marked of what comes into it, or `ALL`
RightSteps = Mapping[
    int, set[int]
]  # of a wire, the steps from which all comes into it as it should


class DeltaEquations:
    """The equations of all gradients, from the nearest gradients above that have a name or fork.

    Attributes
    ----------
    named : dict of place to str
        The signals that have a name, or fork.
    places : dict of str to place
        Those of them that have a δ.
    same : dict of wire to wire
        The wires whose δ the adjoint network has on another wire, by wire (see `continued`).
    right : dict of str to array
        The right gradients of these.
    actions : Actions
        Those of the adjoint network's nodes.
    """

    def __init__(self, view: View) -> None:
        self.view, self.network = view, view.network
        self.reader = Reader(self.network, self._name_of)
        self.maker, self.user = self.network.maker, self.network.user
        self.alive, self.same = alive(self.network), view.adjoint.continued
        self.actions = Actions(view.adjoint.nodes)
        back = evaluate(view.adjoint, everything=True, actions=self.actions)
        self.δ = {w: back[view.adjoint.wires[self.same.get(w, w)].name] for w in self.alive}
        self.named: dict[WireStep, str] = {}
        for name in view.named:
            self.named.setdefault(view.places.at[name], name)
        for wire in self.alive:
            self._name_fork(wire)
        self.places = {name: place for place, name in self.named.items() if place[0] in self.alive}
        self.right = {name: self._at(self.δ[w], step) for name, (w, step) in self.places.items()}
        self.asked = ""
        self.marks: Marks = {}
        self.right_steps: RightSteps = {}

    def _name_fork(self, wire: int) -> None:
        """Name a signal without a name that is used more than once: it gets its own equation."""
        node = self.maker[wire]
        forks = wire in self.user and self.user[wire].kind is Kind.BRANCH
        is_other = node.kind in (*NAMESAKES, Kind.COLLECT) or self.reader.step_read(node)
        if forks and not is_other and shifted_operand(self.network, node) is None:
            steps = range(len(self.δ[wire])) if node.is_timed else [None]
            for step in steps:
                self.named.setdefault((wire, step), self._name(wire, step))

    def of(self, name: str, marks: Marks, right_steps: RightSteps) -> Symbol:
        """Return the right side of the equation of a signal's gradient, with its marks."""
        self.asked, self.marks, self.right_steps = name, marks, right_steps
        equation: Symbol = with_axes(with_one_hot(self._behind(self.places[name], 0)))
        return equation

    # --- δ ---------------------------------------------------------------------------------------

    def _delta(self, place: WireStep, depth: int) -> Symbol:
        """Return δ of a signal: by its name, else as it follows from others."""
        (wire, step), name = place, self.named.get(place)
        if name is None and depth > DEPTH and self.maker[wire].kind not in NAMESAKES:
            name = self._name(wire, step)
        if name is not None:
            return Variable(delta(name), self._at(self.δ[wire], step), wire, step, is_delta=True)
        return self._behind(place, depth + 1)

    def _behind(self, place: WireStep, depth: int) -> Symbol:
        """Return δ of a signal as it follows from δ of the signals computed from it."""
        wire, step = place
        node, marks = self.user[wire], self.marks.get(self.same.get(wire, wire), set())
        if node.kind is Kind.BRANCH:
            return self._sum(node, step, depth, marks)
        if node.kind is Kind.OUTPUT:
            is_loss = depth == 0 or node.name == self.asked  # a step of a loop may be the loss
            one = Symbol("1" if is_loss else delta(node.name), self._at(self.δ[wire], step))
            return mark(one) if marks else one
        (out, *_), port = node.outputs, node.inputs.index(wire)
        if node.kind in (Kind.DELAY, Kind.ADVANCE, Kind.TAP, Kind.HOLD, Kind.COLLECT):
            return self._across_steps(node, port, step, depth, marks)
        behind, is_factor = self._delta((out, step), depth), marks == {ALL}
        if self.same.get(wire, wire) == self.same.get(out, out):
            return behind  # one δ, which has its marks
        if marks and ALL not in marks:
            behind = mark(behind)
        if node.kind is Kind.JUNCTION:
            sent, is_factor = behind if node.signs[port] > 0 else -behind, False
        else:
            sent = self.reader.back(node, port, behind, step, mark if is_factor else None)
            is_factor = is_factor and node.kind in (Kind.ELEMENTWISE, Kind.BILINEAR)
        return mark(sent) if ALL in marks and not is_factor else sent

    def _sum(self, node: Node, step: int | None, depth: int, marks: set[int]) -> Symbol:
        """Return the sum at a fork, over the branches from which a δ flows back."""
        terms = []
        for wire in node.outputs:
            if wire in self.alive and self._comes((wire, step)):
                term = self._behind((wire, step), depth)
                terms.append(mark(term) if self.same.get(wire, wire) in marks else term)
        if not terms:
            return self._nothing((node.inputs[0], step))
        total = reduce(operator.add, _distinct_terms(terms))
        return mark(total) if ALL in marks else total

    def _nothing(self, place: WireStep) -> Symbol:
        return Symbol("0", np.zeros_like(self._at(self.δ[place[0]], place[1])))

    def _comes(self, place: WireStep) -> bool:
        """Return whether a δ flows back: nothing flows back from behind the last step."""
        wire, step = place
        node = self.user[wire]
        if node.kind in (Kind.DELAY, Kind.ADVANCE) and node.inputs.index(wire) == 0:
            return self._after(node, step) is not None
        if node.kind is Kind.COLLECT and not node.transposed:
            return any(at in (None, step) for _, at, _ in self._uses(node.outputs[0], False))
        return True

    def _after(self, node: Node, step: int | None) -> int | None:
        """Return the step at which a delay passes on the signal of a step, or None."""
        assert step is not None
        after = step + (1 if node.kind is Kind.DELAY else -1)
        steps = len(np.asarray(self.network.wires[node.outputs[0]].value))
        return after if 0 <= after < steps else None

    def _uses(self, wire: int, marked: bool) -> Iterator[tuple[int, int | None, bool]]:
        """Yield each use of the steps that a loop collects: the wire, the step, whether marked.

        The step is None for a use of all steps.
        """
        node, marks = self.user[wire], self.marks.get(self.same.get(wire, wire), set())
        if node.kind is Kind.BRANCH:
            for arm in node.outputs:
                if arm in self.alive:
                    is_cut = marked or ALL in marks or self.same.get(arm, arm) in marks
                    yield from self._uses(arm, is_cut)
        elif (read := self.reader.step_read(node)) is not None:
            yield node.outputs[0], read[1], marked or bool(marks)
        else:
            yield wire, None, marked

    def _across_steps(
        self, node: Node, port: int, step: int | None, depth: int, marks: set[int]
    ) -> Symbol:
        """Return δ behind the border of a loop, or a delay in it."""
        (out, *_) = node.outputs
        if node.kind is Kind.COLLECT and not node.transposed:
            return self._of_collected_step(out, step, depth, marks)
        if node.kind is Kind.HOLD and node.transposed:  # a sum over the steps: each gets its δ
            total = self._delta((out, None), depth)
            return mark(total) if self._ismark(node.inputs[port], step) else total
        last = len(np.asarray(self.network.wires[out].value)) - 1
        steps = range(last + 1)
        if node.kind in (Kind.DELAY, Kind.ADVANCE):
            first = 0 if node.kind is Kind.DELAY else last
            after = first if port == 1 else self._after(node, step)
            if after is None:
                return self._nothing((node.inputs[0], step))
            behind = self._delta((out, after), depth)
            return mark(behind) if marks else behind
        terms = [self._delta((out, k), depth) for k in steps]
        is_marked = [self._ismark(node.inputs[port], k) for k in steps]
        if node.kind is Kind.HOLD:
            return _series(terms[::-1], is_marked[::-1])
        terms = [mark(term) if cut else term for term, cut in zip(terms, is_marked)]
        return self._parts_in_place(node, terms)

    def _ismark(self, wire: int, step: int | None) -> bool:
        """Return whether to mark the part that a step sends to a wire."""
        own = self.same.get(wire, wire)
        return bool(self.marks.get(own)) and step not in self.right_steps.get(own, ())

    def _parts_in_place(self, node: Node, terms: Sequence[Symbol]) -> Symbol:
        """Return δ of a sequence that every step reads: the sum of the parts in their places."""
        transposed, whole = node.operation.transposed, self.network.wires[node.inputs[0]].value

        def scattered(*steps: np.ndarray) -> np.ndarray:
            parts = (
                transposed(part, whole, **node.at(k).parameters) for k, part in enumerate(steps)
            )
            return reduce(operator.add, parts)

        indices = [node.at(k).parameters.get("index", k) for k in range(len(terms))]
        counts = scattered(*(np.ones(term.shape) for term in terms))
        return Symbol.of(_places(indices, counts), scattered, tuple(terms))

    def _of_collected_step(
        self, wire: int, step: int | None, depth: int, marks: set[int]
    ) -> Symbol:
        """Return δ of one of the steps that a loop collects."""
        if (wire, None) in self.named:
            terms = [self._delta((wire, None), depth)[step]]
        else:
            terms = []
            for use, at, marked in self._uses(wire, False):
                if at in (None, step):
                    place = use, None
                    whole = at is None  # a use of all steps
                    term = self._behind(place, depth)[step] if whole else self._delta(place, depth)
                    terms.append(mark(term) if marked else term)
        if not terms:  # other steps alone are used
            return self._nothing((wire, step))
        total = reduce(operator.add, _distinct_terms(terms))
        return mark(total) if marks else total

    # --- signals ---------------------------------------------------------------------------------

    def _name_of(self, wire: int, step: int | None) -> str | None:
        """Return the name of a signal; None for a signal that is another one, passed on."""
        node = self.maker[wire]
        if part_name(self.network, node) is not None:
            return None
        if (wire, step) in self.named:
            return self.named[wire, step]
        if node.kind is Kind.TAP and not node.transposed:
            return self._constant(wire, step)
        is_other = node.kind in (*PASSING, *DELAYS) and not node.transposed
        is_written = not node.is_named and not node.transposed
        if is_other or is_written or self.reader.step_read(node):
            return None
        return self._name(wire, step)

    def _constant(self, tap: int, step: int | None) -> str | None:
        """Return the name of a constant that was recorded alone, and is now part of a sequence.

        Constants of the steps of a plain loop are: nothing is recorded by the name of the sequence.
        """
        node, recorded = self.reader.origin(tap, step), self.view.signals.by_name
        if node.kind is not Kind.CONSTANT:
            return None
        known, value = recorded.get(node.name), self.reader.value(tap, step)
        whole = np.shape(self.network.wires[node.outputs[0]].value)
        if known is not None and np.shape(known.of(known.tensor.data)) == whole:
            return None
        for name, signal in recorded.items():
            is_constant = not (signal.tensor.requires_grad or signal.tensor.inputs)
            if is_constant and np.array_equal(signal.of(signal.tensor.data), value, equal_nan=True):
                return name
        return None

    def _name(self, wire: int, step: int | None) -> str:
        node = self.maker[wire]
        if step is None or node.loop is None or not node.is_timed:
            return node.name
        if not node.is_named and not node.transposed:
            return f"({self.reader.formula(node, step)})"
        return self.view.places.name_at(node, self.network.loops[node.loop].steps[step])

    @staticmethod
    def _at(value: np.ndarray, step: int | None) -> np.ndarray:
        return value if step is None else value[step]


def _distinct_terms(terms: Sequence[Symbol]) -> list[Any]:
    """Return the terms of a sum without 0; equal terms become one multiple."""
    terms = [term for term in terms if str(term) != "0"] or list(terms[:1])
    texts = [str(term) for term in terms]
    firsts = [at for at, text in enumerate(texts) if text not in texts[:at]]
    return [multiple(texts.count(texts[at]), terms[at]) for at in firsts]


def _series(terms: list[Symbol], is_marked: list[bool]) -> Symbol:
    """Return the sum of a term for each step; its text shows the first and the last term.

    Where some terms are marked and others are not, the marked ones that follow each other are
    marked as one.
    """
    if len(set(is_marked)) > 1 and len(terms) > TERMS:
        runs = groupby(zip(terms, is_marked, strict=True), key=lambda pair: pair[1])
        sums = [
            (_series([term for term, _ in run], [False] * len(terms)), cut) for cut, run in runs
        ]
        return reduce(operator.add, (mark(part) if cut else part for part, cut in sums))
    terms = [mark(term) if cut else term for term, cut in zip(terms, is_marked)]
    if len(terms) <= TERMS:
        return reduce(operator.add, terms)
    add: Callable[..., Any] = lambda *values: sum(values[1:], values[0])  # noqa: E731
    form = Notation(f"{{0}} + … + {{{len(terms) - 1}}}", "", SUM, (SUM,))
    return Symbol.of(form, add, tuple(terms))


def _places(indices: Sequence[Any], counts: np.ndarray) -> Notation:
    """Return how to write the parts of a sequence that come back from the steps.

    Parameters
    ----------
    indices : of each step, the index that it reads
    counts : (*shape of the sequence)
        How many parts come back to each entry.
    """
    last = len(indices) - 1
    if last and all(isinstance(k, int) for k in indices) and [*indices] == [*range(len(counts))]:
        return Notation(f"[{{0}}, …, {{{last}}}]", "", ATOM)
    shown = range(last + 1) if last < PARTS else [0, 1, None, last]
    parts = ("…" if k is None else f"{{{k}}} at [{bare(constant_text(indices[k]))}]" for k in shown)
    notes = ["parts at the same index add up"] * bool((counts > 1).any())
    notes += ["0 elsewhere"] * bool((counts == 0).any())
    return Notation(f"the sum of {', '.join(parts)}" + f" ({'; '.join(notes)})" * bool(notes),
                    "", COMPARE, (COMPARE,))  # fmt: skip
