"""The equation of a gradient from those above it, by the table's own rules run on Symbols.

Knows networks and names; nothing of mistakes: a factor is marked that its caller says is to be.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from ..adjoint import alive, continued, delta
from ..evaluate import evaluate
from ..flow import Node, number_in_formula
from ..symbol import ATOM, COMPARE, SUM, Notation, Symbol
from ..whereabouts import NAMESAKES, is_timed
from .sight import Sight

MARKED = Notation("⟨{0}⟩", r"\boxed{{{0}}}", ATOM, (COMPARE,))
DEPTH = 20  # stages without a name that one equation goes through
TERMS = 3  # of a sum over the steps that are written out
ALL = -1  # of what is marked: the factor itself, not what comes into it

Place = tuple[int, int | None]  # a wire of the network, and which step
Marks = Mapping[int, set[int]]  # of a wire, what is marked of what comes into it, or `ALL`


class Equations:
    """The equations of all gradients, each from those above it that have a name or fork.

    Attributes
    ----------
    named : dict of place to str
        The signals that have a name, or fork.
    places : dict of str to place
        Those of them that have a δ.
    same : dict of wire to wire
        Wires whose δ the adjoint network has on another one, and on which (see `continued`).
    right : dict of str to array
        The right gradients of these.
    """

    def __init__(self, sight: Sight) -> None:
        self.sight, self.network = sight, sight.network
        self.maker = {wire: node for node in self.network.nodes for wire in node.outputs}
        self.user = {wire: node for node in self.network.nodes for wire in node.inputs}
        self.alive, self.same = alive(self.network), continued(self.network)
        found = evaluate(sight.adjoint, everything=True)
        self.δ = {w: found[sight.adjoint.wires[self.same.get(w, w)].name] for w in self.alive}
        self.named: dict[Place, str] = {}
        for name in sight.named:
            self.named.setdefault(sight.places.at[name], name)
        for wire in self.alive:
            self._name_fork(wire)
        self.places = {name: place for place, name in self.named.items() if place[0] in self.alive}
        self.right = {name: self._at(self.δ[w], step) for name, (w, step) in self.places.items()}
        self.marks: Marks = {}

    def _name_fork(self, wire: int) -> None:
        """Name what has no name and is used more than once, so that it is told by itself."""
        node = self.maker[wire]
        forks = self.user[wire].kind == "branch" if wire in self.user else False
        if forks and node.kind not in (*NAMESAKES, "collect") and self._taken(node) is None:
            steps = range(len(self.δ[wire])) if is_timed(node) else [None]
            for step in steps:
                self.named.setdefault((wire, step), self._name(wire, step))

    def of(self, name: str, marks: Marks) -> Symbol:
        """Return the right side of the equation of a signal's gradient, with marks in it."""
        self.marks = marks
        return self._behind(self.places[name], 0)

    # --- δ ---------------------------------------------------------------------------------------

    def _delta(self, place: Place, depth: int) -> Symbol:
        """Return δ of a signal: by its name if it has one, or else as it follows from others."""
        (wire, step), name = place, self.named.get(place)
        if name is None and depth > DEPTH and self.maker[wire].kind not in NAMESAKES:
            name = self._name(wire, step)
        if name is not None:
            return Symbol(delta(name), self._at(self.δ[wire], step))
        return self._behind(place, depth + 1)

    def _behind(self, place: Place, depth: int) -> Symbol:
        """Return δ of a signal as it follows from δ of what is made of it."""
        wire, step = place
        node, marks = self.user[wire], self.marks.get(self.same.get(wire, wire), set())
        if node.kind == "branch":
            return self._summed(node, step, depth, marks)
        if node.kind == "output":
            one = Symbol("1" if depth == 0 else delta(node.name), self._at(self.δ[wire], step))
            return _marked(one) if marks else one
        (out, *_), port = node.outputs, node.inputs.index(wire)
        if node.kind in ("delay", "advance", "tap", "hold", "collect"):
            return self._crossed(node, port, step, depth, marks)
        behind, is_factor = self._delta((out, step), depth), marks == {ALL}
        if marks and ALL not in marks:
            behind = _marked(behind)
        if node.kind == "junction":
            sent, is_factor = behind if node.signs[port] > 0 else -behind, False
        else:
            sent = self._through(node, port, step, behind, is_factor)
            is_factor = is_factor and node.kind in ("function", "product")
        return _marked(sent) if ALL in marks and not is_factor else sent

    def _summed(self, node: Node, step: int | None, depth: int, marks: set[int]) -> Symbol:
        """Return the sum at a fork, of the branches from which anything comes back."""
        terms = []
        for wire in node.outputs:
            if wire in self.alive and self._comes((wire, step)):
                term = self._behind((wire, step), depth)
                terms.append(_marked(term) if self.same.get(wire, wire) in marks else term)
        if not terms:
            return self._nothing((node.inputs[0], step))
        total = reduce(operator.add, _gathered(terms))
        return _marked(total) if ALL in marks else total

    def _nothing(self, place: Place) -> Symbol:
        return Symbol("0", np.zeros_like(self._at(self.δ[place[0]], place[1])))

    def _comes(self, place: Place) -> bool:
        """Return whether anything comes back: nothing from after the last step, or from others."""
        wire, step = place
        node = self.user[wire]
        if node.kind in ("delay", "advance") and node.inputs.index(wire) == 0:
            return self._after(node, step) is not None
        if node.kind == "collect" and not node.transposed:
            return any(at in (None, step) for _, at, _ in self._uses(node.outputs[0], False))
        return True

    def _after(self, node: Node, step: int | None) -> int | None:
        """Return the step at which a delay gives on what it got at another; None if at none."""
        assert step is not None
        after = step + (1 if node.kind == "delay" else -1)
        steps = len(np.asarray(self.network.wires[node.outputs[0]].value))
        return after if 0 <= after < steps else None

    def _uses(self, wire: int, marked: bool) -> Iterator[tuple[int, int | None, bool]]:
        """Yield what is made of the steps that a loop has made: the wire, which step, if marked.

        Of all steps where it is None.
        """
        node, marks = self.user[wire], self.marks.get(self.same.get(wire, wire), set())
        if node.kind == "branch":
            for arm in node.outputs:
                if arm in self.alive:
                    is_cut = marked or ALL in marks or self.same.get(arm, arm) in marks
                    yield from self._uses(arm, is_cut)
        elif (step := self._taken(node)) is not None:
            yield node.outputs[0], step, marked or bool(marks)
        else:
            yield wire, None, marked

    def _taken(self, node: Node) -> int | None:
        """Return which of the steps that a loop has made a node takes, if it takes one."""
        index = node.parameters.get("index")
        if node.kind != "linear" or not isinstance(index, int) or node.transposed:
            return None
        made = self._collecting(node)
        return None if made is None else index % len(self.network.wires[made.outputs[0]].value)

    def _collecting(self, node: Node) -> Node | None:
        made = self.maker[node.inputs[0]]
        while made.kind == "branch":
            made = self.maker[made.inputs[0]]
        return made if made.kind == "collect" and not made.transposed else None

    def _crossed(
        self, node: Node, port: int, step: int | None, depth: int, marks: set[int]
    ) -> Symbol:
        """Return δ behind the border of a loop, or a delay in it."""
        (out, *_) = node.outputs

        def come(step: int | None) -> Symbol:
            behind = self._delta((out, step), depth)
            return _marked(behind) if marks else behind

        if node.kind == "collect" and not node.transposed:
            return self._collected(out, step, depth, marks)
        if node.kind == "hold" and node.transposed:
            return come(None)  # a sum over the steps, which has no steps
        last = len(np.asarray(self.network.wires[out].value)) - 1
        if node.kind in ("delay", "advance"):
            first = 0 if node.kind == "delay" else last
            after = first if port == 1 else self._after(node, step)
            return self._nothing((node.inputs[0], step)) if after is None else come(after)
        if node.kind == "hold":
            return _series([come(k) for k in range(last, -1, -1)])
        rows = [come(k) for k in range(last + 1)]
        assert node.primitive is not None
        transposed, whole = node.primitive.transposed, self.network.wires[node.inputs[0]].value
        assert transposed is not None

        def placed(*steps: np.ndarray) -> np.ndarray:
            terms = (
                transposed(each, whole, **node.at(k).parameters) for k, each in enumerate(steps)
            )
            return reduce(operator.add, terms)

        return Symbol.of(Notation(f"[{{0}}, …, {{{last}}}]", "", ATOM), placed, tuple(rows))

    def _collected(self, wire: int, step: int | None, depth: int, marks: set[int]) -> Symbol:
        """Return what comes back to one of the steps that a loop has made."""
        if (wire, None) in self.named:
            terms = [self._delta((wire, None), depth)[step]]
        else:
            terms = []
            for made, at, marked in self._uses(wire, False):
                if at in (None, step):
                    come = (made, None)
                    term = self._delta(come, depth) if at is not None else self._behind(
                        come, depth)[step]  # fmt: skip
                    terms.append(_marked(term) if marked else term)
        if not terms:  # other steps alone are used
            return self._nothing((wire, step))
        total = reduce(operator.add, terms)
        return _marked(total) if marks else total

    def _through(
        self, node: Node, port: int, step: int | None, behind: Symbol, marked: bool
    ) -> Symbol:
        """Run a primitive's rule back to one operand; what is marked is the factor, if it has."""
        assert node.primitive is not None
        xs: list[Any] = [self._signal(wire, step) for wire in node.inputs]
        y = self._signal(node.outputs[0], step)
        rules = node.primitive.rules
        rule = rules[port] if node.kind == "function" else None
        if marked and rule is not None:
            gain = rule(*xs, y)
            return behind * _marked(gain if isinstance(gain, Symbol) else Symbol(f"{gain:g}", gain))
        if marked and node.kind == "product":
            xs[1 - port] = _marked(xs[1 - port])
        needs = [at == port for at in range(len(xs))]
        now = node if step is None else node.at(step)
        found = node.primitive.vjp(behind, y, xs, needs, dict(now.parameters))
        return found[port]

    # --- signals ---------------------------------------------------------------------------------

    def _signal(self, wire: int, step: int | None) -> Any:
        """Return the signal on a wire, at a step, as it stands in a formula; or a plain number."""
        node, value = self.maker[wire], np.asarray(self.network.wires[wire].value)
        while node.kind in ("branch", "broadcast", "hold") and not node.transposed:
            node = self.maker[node.inputs[0]]
        number = number_in_formula(node, wire, self.user, value)
        return number if number is not None else self._source(wire, step, self._at(value, step))

    def _source(self, wire: int, step: int | None, value: np.ndarray) -> Symbol:
        node = self.maker[wire]
        if (wire, step) in self.named:
            return Symbol(self.named[wire, step], value)
        if node.kind in ("branch", "broadcast"):
            return self._source(node.inputs[0], step, value)
        if node.kind == "hold" and not node.transposed:
            return self._source(node.inputs[0], None, value)
        if node.kind in ("delay", "advance"):
            assert step is not None
            before = step - (1 if node.kind == "delay" else -1)
            if 0 <= before < len(self.network.wires[wire].value):
                return self._source(node.inputs[0], before, value)
            return self._source(node.inputs[1], None, value)
        if node.kind == "tap":
            assert step is not None
            whole = np.asarray(self.network.wires[node.inputs[0]].value)
            return self._source(node.inputs[0], None, whole)[node.parameters["index"].values[step]]
        if (at := self._taken(node)) is not None:
            made = self._collecting(node)
            assert made is not None
            return self._source(made.inputs[0], at, value)
        return Symbol(self._name(wire, step), value)

    def _name(self, wire: int, step: int | None) -> str:
        node = self.maker[wire]
        if step is None or node.loop is None or not is_timed(node):
            return node.name
        return self.sight.places.name_at(node, self.network.loops[node.loop].steps[step])

    @staticmethod
    def _at(value: np.ndarray, step: int | None) -> np.ndarray:
        return value if step is None else value[step]


def _gathered(terms: Sequence[Symbol]) -> list[Symbol]:
    """Return the terms of a sum, each that comes back more than once as a multiple."""
    texts = [str(term) for term in terms]
    once = [(term, texts.count(text)) for at, (term, text) in enumerate(zip(terms, texts))
            if text not in texts[:at]]  # fmt: skip
    return [float(count) * term if count > 1 else term for term, count in once]


def _marked(each: Any) -> Symbol:
    """Mark an expression as a whole: what is marked in it no longer is."""
    return Symbol.of(MARKED, _itself, (_unmarked(each, {}),))


def _unmarked(each: Any, known: dict[int, Any]) -> Any:
    """Return an expression without marks; what is twice the same in it stays so."""
    if not isinstance(each, Symbol) or each.apply is None or each.notation is None:
        return each
    if each.notation is MARKED:
        return _unmarked(each.operands[0], known)
    if id(each) not in known:
        operands = tuple(_unmarked(operand, known) for operand in each.operands)
        is_same = all(one is other for one, other in zip(operands, each.operands, strict=True))
        made = each if is_same else Symbol.of(
            each.notation, each.apply, operands, each.parameters)  # fmt: skip
        known[id(each)] = made
    return known[id(each)]


def _itself(value: Any) -> Any:
    return value


def _series(terms: list[Symbol]) -> Symbol:
    """Return the sum of a term for each step: all of them in it, the first and last in its text."""
    if len(terms) <= TERMS:
        return reduce(operator.add, terms)
    add: Callable[..., Any] = lambda *values: sum(values[1:], values[0])  # noqa: E731
    form = Notation(f"{{0}} + … + {{{len(terms) - 1}}}", "", SUM, (SUM,))
    return Symbol.of(form, add, tuple(terms))
