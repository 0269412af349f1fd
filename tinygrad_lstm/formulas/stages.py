"""A gradient explained stage by stage: back through stages and forks, from the loss to one signal.

S. Kang and J. Seo's words: a *stage* is the most granular operation, a *fork* a signal that is used
more than once, a *branch* each of its uses. A derivative is multiplied along a branch by the
partial derivatives of its stages, and at a fork the branches are summed.

Knows graphs, adjoint networks and how the table's rules run on Symbols; it has no rule of its own.
Every number is a δ of the adjoint network, every formula the rule of a primitive.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.symbol import Symbol, constant_text
from ..engine.tensor import Tensor
from ..errors import SignalError, nearest
from ..network.adjoint import alive, delta
from ..network.flow import Node
from ..network.graph import Graph, graph
from ..network.locate import Locations
from ..network.parameters import varying
from ..network.proof import fold_for_reading
from ..network.signals import Signal, Signals
from .explanation import Explanation, Stage, in_numbers, numbers
from .names import part_name
from .reader import CROSSING, PASSING, Reader, Variable
from .rewriting import multiple, rewrite

MOST_STEPS = 5  # of a recurrence that is explained step by step unasked


def stages(loss: Tensor, wrt: str, fold: bool | None = None) -> Explanation:
    """Explain the gradient of a loss with respect to a signal, stage by stage from the loss back.

    Parameters
    ----------
    loss : Tensor
        One number, computed from others.
    wrt : str
    fold : bool, optional
        Whether one stage stands for all steps of a recurrence; if None, where there are more
        than 5 steps.

    Raises
    ------
    SignalError, UsageError
        As `explain` raises them.

    Examples
    --------
    >>> x = Tensor(0.5, requires_grad=True, name="x")
    >>> print(stages(np.tanh(x), "x"))
    ∂tanh/∂x, back through 1 stage and 0 forks
    δx is ∂tanh/∂x: δtanh = 1
    <BLANKLINE>
    stage: tanh = tanh(x) = tanh(0.5) = 0.462117157
      ∂tanh/∂x = 1 - tanh² = 0.786447733
      δx = δtanh ∘ (1 - tanh²) = 0.786447733
    <BLANKLINE>
    ∂tanh/∂x = δx = 0.786447733
    """
    network, reason = fold_for_reading(graph(loss), fold, MOST_STEPS)
    return _Walk(network, Signals(loss)).explanation(wrt, reason)


class _Walk:
    """The way back through a network."""

    def __init__(self, network: Graph, signals: Signals) -> None:
        self.network, self.signals = network, Locations(network, signals)
        self.reader = Reader(network, self._name_of)
        self.maker, self.user = self.network.maker, self.network.user
        parts = {id(node): part_name(network, node) for node in network.nodes}
        texts = list(parts.values())  # a name that two parts would have is none
        self.parts = {key: name for key, name in parts.items() if name and texts.count(name) == 1}
        self.alive = alive(network)
        adjoint = network.adjoint()
        same = adjoint.continued
        back = adjoint.evaluate(everything=True)
        self.δ = {w: back[adjoint.wires[same.get(w, w)].name] for w in self.alive}
        self.targets: set[int] = set()
        self.path: set[int] = set()

    def explanation(self, name: str, reason: str = "") -> Explanation:
        name = self.signals.recorded.full_name(name)
        self.targets = {self.signals.at[member][0] for member in self._members(name)}
        self.path = self._ways()
        if not self.path:
            raise SignalError(
                f"explain: the loss does not depend on {name}: {name} is a constant, or "
                "its derivative is cut off on the way"
            )
        nodes = self.network.nodes
        loops = {node.loop for node in nodes if node.folded and node.loop is not None}
        steps = max((len(self.network.loops[loop].steps) for loop in loops), default=None)
        stages = tuple(filter(None, map(self._stage, reversed(nodes))))
        value = self.signals.value(name, self.δ)
        return Explanation(nodes[-1].name, name, stages, value, steps, reason)

    def _members(self, name: str) -> list[str]:
        """Return the signals of the network of which a named signal consists."""
        members = self.signals.members(name)
        if not members:
            recorded = self.signals.recorded
            signal = recorded.find(name, "explain")
            if isinstance(signal, Signal) and signal.row is not None:
                whole = name.rpartition("[")[0]
                raise SignalError(
                    f"explain: no equation is printed for {name}, an entry of {whole}; "
                    f"ask for {whole}"
                )
            known = [*self.signals.at, *filter(self.signals.members, recorded.sequences)]
            raise SignalError(
                f"explain: no equation is printed for {name}: nested sums are merged into one, "
                f"and packed signals are split into their parts; {nearest(name, known)}"
            )
        return members

    def _ways(self) -> set[int]:
        """Return the wires on a way from the signal to the loss."""
        path, count = self.targets & self.alive, -1
        while len(path) > count:  # once more where a delay leads back
            count = len(path)
            for node in self.network.nodes:
                if not path.isdisjoint(node.inputs):
                    path.update(self.alive.intersection(node.outputs))
        return path

    # --- stages ----------------------------------------------------------------------------------

    def _stage(self, node: Node) -> Stage | None:
        """Return the stage or the fork of a node on the way; None for other nodes."""
        on_way = [wire for wire in node.inputs if wire in self.path]
        if not on_way or not node.outputs or self._is_inlined(node):
            return None
        (out, *_), title = node.outputs, self._title(node)
        result = self.network.wires[out].value
        if node.kind is Kind.BRANCH:
            arms = {self._name(arm[0]): self._sum(arm) for arm in self._arms(node)}
            terms = " + ".join(f"δ(→ {arm.partition(' → ')[2]})" for arm in arms)
            sums = {**arms, title: self.δ[on_way[0]]}
            return Stage("fork", title, terms, result, value=sums) if len(arms) > 1 else None
        if node.kind is Kind.HOLD and not node.transposed:
            sums = {node.stem: self.δ[on_way[0]]}
            return Stage("fork", node.stem, f"Σₖ δ{node.stem}(k)", result[0], value=sums)
        formula = self.reader.formula(node)
        is_worked = not node.folded and node.kind not in CROSSING
        # rules ask for the shape at one step
        value = self.δ[out][0] if node.is_timed else self.δ[out]
        δ = Variable(delta(title), value, out, is_delta=True)
        ways = list(self._back(node, δ))
        named: dict[str, list[tuple[int, Any, Any]]] = {}
        for way in ways:  # a signal that the stage uses twice is one operand of it
            named.setdefault(self._name(way[0]), []).append(way)
        wires, products, slopes = (
            {name: [way[n] for way in uses] for name, uses in named.items()} for n in range(3)
        )
        return Stage(
            "stage", title, f"{title} = {formula}", result,
            {name: _slope_text(_total(terms), node) for name, terms in slopes.items()},
            {name: str(_total(terms)) for name, terms in products.items()},
            {name: self._sum(lanes) for name, lanes in wires.items()},
            self.δ[out],
            in_numbers(str(rewrite(formula, leaf=_as_number))) if is_worked else "",
            _values(node),
        )  # fmt: skip

    def _back(self, node: Node, δ: Symbol) -> Iterator[tuple[int, Any, Any]]:
        """Run a node's rule on Symbols; yield δ and the partial of each operand on the way."""
        for port, wire in enumerate(node.inputs):
            if wire not in self.path:
                continue
            ct, slope = self.reader.back(node, port, δ), self.reader.gain(node, port)
            inner = self.maker[wire]
            if not self._is_inlined(inner):
                yield wire, ct, slope
                continue
            for end, own_ct, own in self._back(inner, ct):
                if own is None:  # a broadcast
                    yield end, own_ct, slope
                else:  # a term of a sum
                    yield end, own_ct, own if slope is None or slope > 0 else -own

    # --- names -----------------------------------------------------------------------------------

    def _is_inlined(self, node: Node) -> bool:
        """Return whether a node is a term of a weighted sum, or a broadcast: it has no stage."""
        if node.kind is Kind.BROADCAST or not node.outputs or node.outputs[0] in self.targets:
            return node.kind is Kind.BROADCAST
        summed = self.user[node.outputs[0]].kind is Kind.JUNCTION
        return node.kind is Kind.BILINEAR and summed and not node.is_named

    def _name(self, wire: int) -> str:
        """Return the name of the signal on a wire; a branch is also named by its end."""
        name = self._title(self.network.source(wire))
        if self.maker[wire].kind is not Kind.BRANCH or len(self._arms(self.maker[wire])) == 1:
            return name
        return f"{name} → {self._title(self._leads(wire))}"

    def _title(self, node: Node) -> str:
        """Return the name of the signal that a node makes."""
        if node.kind is Kind.HOLD and not node.transposed:
            return f"{node.stem}(k)"
        return self.parts.get(id(node), node.name)

    def _arms(self, branch: Node) -> list[list[int]]:
        """Return the wires that leave a fork on the way, those to the same stage together."""
        arms: dict[int, list[int]] = {}
        for wire in branch.outputs:
            if wire in self.path:
                arms.setdefault(id(self._leads(wire)), []).append(wire)
        return list(arms.values())

    def _sum(self, wires: list[int]) -> np.ndarray:
        """Return the sum of the δ on some wires."""
        return reduce(np.add, [self.δ[wire] for wire in wires])

    def _leads(self, wire: int) -> Node:
        """Return the stage that a branch leads to."""
        user = self.user[wire]
        while self._is_inlined(user):
            user = self.user[user.outputs[0]]
        return user

    def _name_of(self, wire: int, step: int | None) -> str | None:
        """Return the name of a signal in a formula; None for a signal that is written out."""
        node = self.maker[wire]
        is_passing = node.kind in PASSING and not node.transposed
        return None if is_passing or self._is_inlined(node) else self._title(node)


def _as_number(leaf: Any) -> Any:
    """Return a leaf of a formula as a number in text form."""
    value = leaf.value if isinstance(leaf, Symbol) else leaf
    text = numbers(value)
    if leaf is value and text == constant_text(value):  # it may be an exponent
        return leaf
    return Symbol(f"({text})" if text.startswith("-") else text, value)


def _values(node: Node) -> str:
    """Return the values of a parameter at the steps, unless the formula shows them."""
    varies = varying(node.parameters)
    texts = [parameter.list_values() for parameter in varies if not parameter.is_explicit]
    if varies and node.primitive is not None and not node.primitive.is_part:
        texts.append(f"the derivative is written as at step {varies[0].steps[0]}")
    return "; ".join(texts)


def _total(terms: list[Any]) -> Any:
    """Return the sum of some terms; equal terms become one term times their number."""
    first, *rest = terms
    if first is None or not rest:
        return first
    if all(str(term) == str(first) for term in rest):
        return multiple(len(terms), first)
    return reduce(lambda a, b: a + b, rest, first)


def _slope_text(slope: Any, node: Node) -> tuple[str, Any]:
    """Return a partial derivative as text, and as a number outside of loops."""
    if isinstance(slope, Symbol):
        return str(slope), None if node.folded else slope.value
    if slope is None:
        is_map = node.kind in (Kind.LINEAR, Kind.JOIN) and node.primitive is not None
        return node.primitive.words if is_map and node.primitive else "", None
    return numbers(slope), None if node.folded else slope
