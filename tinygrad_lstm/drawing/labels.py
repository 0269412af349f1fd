"""The labels of a picture: the texts at its vertices and arcs.

Knows the reader of formulas, and nothing of where a label stands. A label has little room: signals
are called without the scopes of their frame, unnamed ones are written out if that is short, and
numbers have four digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.primitives import TABLE
from ..engine.symbol import PRODUCT, Notation, Symbol, constant_text
from ..formulas.names import Exact, Names, minus
from ..formulas.names import short_name as name_without_scopes
from ..formulas.reader import PASSING, Reader, Variable
from ..formulas.rewriting import rewrite
from ..formulas.tidy import tidy
from ..network.flow import DELAYS, SOURCES, Flow, Node
from .copies import sum_over_copies
from .operations import axes_of, operation_name
from .skeleton import common, modules

STEP = re.compile(r"(\([^()]*\)|\[[^\[\]]*\])$")  # at the end of a name
NAMELESS = "\N{REPLACEMENT CHARACTER}"  # before the wire of a signal that nobody named
DEEPEST = 2  # operations of an unnamed signal that are written out, one in the other
HYPHEN = "\N{NON-BREAKING HYPHEN}"  # stands for the one in a name
HANDING_ON = (Kind.BRANCH, Kind.HOLD, Kind.COLLECT)
TWICE = re.compile(r"\((\w+(?:\(k[^()]*\))?)ᵀ\)ᵀ")  # transposed twice
LONGEST_BACK = 30  # letters of what such a function hands back
LONGEST = 20  # letters of an unnamed signal that is written out
MOST_JOINED = 4  # operands of a join that are written out
TIMES = Notation("× {0}", r"\times {0}", PRODUCT, (PRODUCT,))
AXES = re.compile("[₀-₉]")
SHARE = "share of "  # before the gradient of a weight at one of several places
DRIVES = "∂L/∂"  # before the name of a signal in which the network ends
SHIFTS = "qzDB"  # letters of a delay; the first is taken that no signal is called
BRANCHES = "◆"  # in the box of the gain of a function of several operands


class Labels(Reader):
    """Formulas short enough for a picture, and the texts made of them."""

    def __init__(self, network: Flow, letters: Mapping[str, str] | None = None) -> None:
        super().__init__(network, self._name_of)
        self._wishes = letters or {}
        self._depth = DEEPEST
        self._letters: dict[tuple[str, str, int | None, str], str] = {}
        self._names = Names(
            [node.stem.removeprefix(f"{node.scope}.") for node in network.nodes if node.is_named]
            + [*self._wishes.values()]
        )
        self._net_inputs: dict[str, None] = {}
        named = {STEP.sub("", short_name(x)) for x in network.nodes if x.is_named}
        self.shift = next((x for x in SHIFTS if x not in named), "q")
        self._scopes: dict[str, set[str]] = {}  # in which a signal of some name stands
        for node in network.nodes:
            if node.is_named and node.kind not in (*SOURCES, Kind.TAP):
                self._scopes.setdefault(STEP.sub("", short_name(node)), set()).add(node.scope)

    @property
    def count(self) -> int:
        """How many signals have a letter."""
        return len(self._letters)

    def text(self, wire: int, home: Node) -> str:
        """Return the signal on a wire, as the label of a node says it."""
        return self._written(self.signal(wire), home)

    def factor(self, node: Node, port: int) -> str:
        """Return the factor of δ at an operand's arc; a dot says that it stands to the left."""
        gain = self.gain(node, port)
        if node.works_by_entry:
            return self._written(times(tidy(gain)), node) if gain is not None else ""
        text = self._written(gain, node)
        is_left = text and node.kind is Kind.BILINEAR and node.operation.sides[port] < 0
        return f"{text} ·" if is_left else text

    def function(self, node: Node, live: list[int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the text in the box of a function, and in the box of its gain.

        Of several operands to which δ comes back, each has its own factor on its way.
        """
        name = self.formula_of(node) or operation_name(node)
        gain = self.gain(node, live[0]) if len(live) == 1 else None
        back = (
            self._written(times(tidy(gain)), node)
            if gain is not None
            else BRANCHES * (len(live) > 1)
        )
        return (name,), (back,)

    def formula_of(self, node: Node) -> str:
        """Return the formula of a function of several operands, or "" if it is too long."""
        if len(node.inputs) == 1:
            return ""
        return self.product(node) or self._of_letters(node)

    def _of_letters(self, node: Node) -> str:
        """Return the formula of a node with a letter for each operand that nobody named."""
        operands = []
        for wire in node.inputs:
            source = self.network.source(wire, (Kind.BROADCAST, Kind.HOLD, Kind.BRANCH))
            is_known = source.kind in (*SOURCES, *DELAYS, Kind.TAP, Kind.COLLECT)
            name = self.text(wire, node) if is_known else ""
            name = name or self.signal_name(source) or self.letter(source)
            operands.append(Symbol(name, self.value(wire)))
        primitive = node.operation
        formula = Symbol.of(
            primitive.notation, primitive.forward, tuple(operands), dict(node.parameters)
        )
        text = label(formula)
        return text if len(text) <= LONGEST_BACK else ""

    def product(self, node: Node) -> str:
        """Return the formula of a node, or "" if it is too long."""
        text = self._written(self.formula(node), node)
        return text if len(text) <= LONGEST_BACK else ""

    def joined(self, node: Node) -> str:
        """Return the operands that a node joins, in their order."""
        names = [self.text(wire, node) for wire in node.inputs]
        if len(names) > MOST_JOINED:
            names = [*names[: MOST_JOINED - 1], "…", names[-1]]
        return f"[{', '.join(names)}]"

    def weight(self, node: Node, port: int) -> tuple[str, str]:
        """Return the texts at an arc that stands for a product with a weight."""
        name, other = self.text(node.inputs[port], node), self.factor(node, 1 - port)
        if node.works_by_entry:
            return label(times(Symbol(name))), other
        return (name, other) if port else (f"{name} ·", other)

    def backward(self, node: Node) -> str:
        """Return what a function of several entries hands back, or "" if that is too long."""
        (wire, *_) = node.outputs
        δ = Symbol("δ", self.value(wire))
        text = self._written(self.back(node, 0, δ), node).replace("Σ ", f"Σ{axes_of(node)} ")
        return text if len(text) <= LONGEST_BACK else ""

    def signal_name(self, node: Node) -> str:
        """Return the name of the signal that a node makes; nothing if a person would give none.

        The net input of p is s_p; a signal that a factor reads has a letter.
        """
        if node.kind is Kind.COLLECT:
            return self.sequence(node)
        if node.is_named:
            return short_name(node)
        (wire, *_) = node.outputs
        user = self.network.user[wire]
        is_net_input = user.kind is Kind.ELEMENTWISE and len(user.inputs) == 1 and user.is_named
        if is_net_input:
            name = f"{self._wishes.get(node.name, 's_').partition('_')[0]}_{short_name(user)}"
            self._net_inputs[STEP.sub("", name)] = None
            return name
        return self.letter(node) if _place_of(node) in self._letters else ""

    def own_letters(self) -> tuple[str, ...]:
        """Return the letters of signals that nobody named."""
        return tuple(dict.fromkeys([*self._net_inputs, *self._letters.values()]))

    def letter(self, node: Node, wish: str = "") -> str:
        """Return a letter for a signal that nobody named, with its step, and keep the letter."""
        key = _place_of(node)
        if key not in self._letters:
            usual = ("e" if self._is_error(node) else "s") if node.signs else "u"
            names = self._names
            own = names.free(wish) if wish else names.free_letter(usual)
            self._letters[key] = self._wishes.get(node.name) or own
        step = STEP.search(short_name(node))
        return self._letters[key] + (step[0] if step else "")

    def _is_error(self, node: Node) -> bool:
        """Return whether a signal is the difference of a signal and data."""
        through = (Kind.BROADCAST, Kind.HOLD, Kind.BRANCH, Kind.TAP)
        kinds = {self.network.source(wire, through).kind for wire in node.inputs}
        return node.signs == (1, -1) and not kinds.isdisjoint((Kind.CONSTANT, Kind.INPUT))

    def constant(self, node: Node) -> str:
        """Return the number that a constant is, or a letter."""
        (wire, *_) = node.outputs
        return constant_label(self.network.wires[wire].value) or self.letter(node, "c")

    def gradient(self, node: Node, port: int) -> str:
        """Return the equation of a weight's gradient, as in ``δW = Σₖ x(k)ᵀ δs(k)``.

        Of a weight that is used in several places, the equation of a share. Nothing for one step of
        many.
        """
        through = (Kind.BROADCAST, Kind.HOLD)
        weight = self.network.source(node.inputs[port], (*through, Kind.BRANCH))
        if node.step is not None or weight.kind not in (Kind.INPUT, Kind.PARAMETER):
            return ""
        is_share = self.network.source(node.inputs[port], through) is not weight
        δ = self._delta(node)
        (wire, *_) = node.outputs
        cotangent = Symbol(δ, self.value(wire))
        if node.kind is Kind.JUNCTION:
            is_plus, formula = node.signs[port] > 0, cotangent
        else:
            is_plus, formula = True, self.back(node, port, cotangent)
        back = self._written(formula, node)
        over = "Σₖ " if node.folded else ""
        copies = sum_over_copies(np.shape(self.value(weight.outputs[0])), np.shape(formula.value))
        sign = "" if is_plus else "−"
        return f"{SHARE * is_share}δ{short_name(weight)} = {sign}{over}{copies}{back}"

    def _delta(self, node: Node) -> str:
        """Return the name of the δ of a result: its own, or that of the sum a product goes into."""
        (wire, *_) = node.outputs
        if node.kind is Kind.JUNCTION:
            return f"δ{self.signal_name(node) or self.letter(node)}"
        user = self.network.user[wire]
        is_term = user.kind is Kind.JUNCTION and user.signs[user.inputs.index(wire)] > 0
        signal = node if self.signal_name(node) or not is_term else user
        return f"δ{self.signal_name(signal) or self.letter(signal)}"

    def entry_read(self, node: Node) -> str:
        """Return the name of what a step reads of a sequence, by a letter if it has no name."""
        source = self.network.source(node.inputs[0])
        if source.is_named or source.kind is Kind.COLLECT:
            return short_name(node)
        return f"{self.letter(source)}(k)"

    def sequence(self, node: Node) -> str:
        """Return the name of the steps that a loop hands out, or "" if nobody named them."""
        inner = self.network.source(node.inputs[0])
        own = node.stem.rpartition(".")[2]
        if node.stem != inner.stem and own not in _joins():
            return short_name(node)
        return without_step(short_name(inner)) if inner.is_named else ""

    def rearranged(self, node: Node) -> str:
        """Return the name of the signal whose entries an unnamed signal has in another order.

        "" if there is no such signal, or if the order is that of the transpose of a matrix.
        """
        behind = node
        while behind.kind in HANDING_ON or (not behind.is_named and self._is_rearranging(behind)):
            behind = self.maker[behind.inputs[0]]
        if behind is node or not behind.is_named or behind.kind in HANDING_ON:
            return ""
        name = short_name(behind)
        return name if node.folded and node.kind is not Kind.COLLECT else without_step(name)

    def _is_rearranging(self, node: Node) -> bool:
        if node.kind is not Kind.LINEAR or len(node.inputs) != 1 or node.takes_part:
            return False
        (before,), after = node.shapes, self.network.wires[node.outputs[0]].value
        count = np.size(after) // (len(after) if node.folded else 1)
        axes = node.parameters.get("axes", ())
        axes = tuple(range(len(before)))[::-1] if axes is None else axes
        turned = (*range(len(before) - 2), len(before) - 1, len(before) - 2)
        return bool(count == np.prod(before) and (not axes or tuple(axes) != turned))

    def write_out(self, node: Node, step: int | None) -> Any:
        (wire, *_) = node.outputs
        name = self.rearranged(node) or self.signal_name(node)
        if name or node.kind in DELAYS or self._is_sum_of_signals(node):
            return self.variable(name or self.letter(node), wire, step, self.value(wire, step))
        if self._depth:
            self._depth -= 1
            formula = super().write_out(node, step)
            self._depth += 1
            text = label(formula)
            if len(text) <= LONGEST and NAMELESS not in text:
                return formula
        return self.variable(f"{NAMELESS}{wire}", wire, step, self.value(wire, step))

    def _is_sum_of_signals(self, node: Node) -> bool:
        """Return whether a node adds signals, and not a number to one, as in 1 − z."""
        if node.kind is not Kind.JUNCTION:
            return False
        sources = (self.network.source(x, (Kind.BROADCAST, Kind.HOLD)) for x in node.inputs)
        values = [
            self.network.wires[x.outputs[0]].value for x in sources if x.kind is Kind.CONSTANT
        ]
        return len(node.inputs) - sum(map(bool, map(constant_label, values))) > 1

    def _written(self, formula: Any, home: Node) -> str:
        """Return a formula as text, as the label of a node says it.

        A signal in it that nobody named is given a letter.
        """
        return label(rewrite(formula, leaf=lambda leaf: self._in_label(leaf, home)))

    def _in_label(self, leaf: Any, home: Node) -> Any:
        """Return a signal by its letter, or with its module if others have a signal of the name."""
        if not isinstance(leaf, Variable):
            return leaf
        node, name = self.maker[leaf.wire], leaf.name
        if name.startswith(NAMELESS):
            name = self.letter(node)
        elif node.scope != home.scope and len(self._scopes.get(STEP.sub("", name), ())) > 1:
            own, here = modules(node.scope), modules(home.scope)
            alike = len(common((own, here)))
            name = ".".join((*own[alike:], name))
        return Symbol(name, leaf.value)

    def result(self, node: Node, step: int | None) -> Any:
        (wire, *_) = node.outputs
        if not node.is_named:
            return self.write_out(node, step)
        return self.variable(short_name(node), wire, step, self.value(wire, step))

    def _name_of(self, wire: int, step: int | None) -> str | None:
        node = self.maker[wire]
        if node.kind is Kind.CONSTANT:
            return self.constant(node)
        if node.kind is Kind.TAP:
            return self.entry_read(node)
        if node.kind in SOURCES:
            return short_name(node)
        if node.kind is Kind.COLLECT:
            return self.sequence(node) or self.rearranged(node) or None
        is_read_on = node.kind in (*PASSING, Kind.COLLECT) or not node.is_named
        if is_read_on:
            return None
        name = short_name(node)
        return name if step is None else name.replace("(k)", f"({step})")


def times(factor: Any) -> Symbol:
    """Return a factor that multiplies entry by entry.

    >>> times(0.5), times(1 - Symbol("z"))
    (× 0.5, × (1 - z))
    """
    return Symbol.of(TIMES, _itself, (factor,))


def _itself(factor: Any) -> Any:
    return factor


def short_name(node: Node) -> str:
    """Return the name of a node's signal within its frame, its step at the end: ``y[3]``."""
    step = f"[{node.step}]"
    if node.step is not None and node.name.replace(step, "", 1) == node.stem:
        node = replace(node, name=node.stem + step)
    return name_without_scopes(node)


def label(formula: Any) -> str:
    """Return a formula as it is written in a picture.

    >>> label(Symbol("low-pass") / 3.00004 - Symbol("x"))
    'low-pass / 3 − x'
    """
    known: dict[Any, Any] = {}  # so that one signal is one: s², not s ∘ s
    short = rewrite(formula, leaf=lambda x: known.setdefault(getattr(x, "name", id(x)), _short(x)))
    text = minus(str(short) if isinstance(short, Symbol) else constant_text(short))
    return TWICE.sub(r"\1", text.replace(HYPHEN, "-")).replace(
        "ᵀᵀ", ""
    )  # the transpose of a signal called Eᵀ


def _short(leaf: Any) -> Any:
    """Return a number with four digits, and a name with hyphens that are no signs."""
    if isinstance(leaf, Symbol):
        return Symbol(leaf.name.replace("-", HYPHEN), leaf.value)
    if not isinstance(leaf, float):
        return leaf
    exact = Exact(leaf)
    return exact if "/" in f"{exact:g}" else float(f"{leaf:.4g}")


def constant_label(value: Any) -> str:
    """Return the label of a constant: its number, or "" if it has several."""
    array = np.asarray(value)
    first = array.reshape(-1)[:1]
    if not first.size or not np.all(array == first):
        return ""
    exact = f"{Exact(first[0]):g}" if isinstance(first[0], np.floating) else ""
    return minus(exact.strip("()") if "/" in exact else f"{first[0]:.4g}")


def _joins() -> set[str]:
    """Return the names of the operations that join signals, which a sequence has of nobody."""
    return {primitive.name for primitive in TABLE.values() if primitive.pieces is not None}


def _place_of(node: Node) -> tuple[str, str, int | None, str]:
    """Return the scope, the stem and the loop of a node, and what tells nodes of one name apart."""
    repeat = re.search(r" \(\d+\)$", node.name)
    return node.scope, node.stem, node.loop, repeat[0] if repeat else ""


def without_step(name: str) -> str:
    """Return a name without its step k, as the sequence of all steps has it."""
    return name.replace("(k)", "")
