"""A small network drawn neuron by neuron and weight by weight, as in the papers' figures.

Knows skeletons and the shapes of what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..errors import ArgumentError, UsageError
from ..network.flow import Flow
from .copies import SUBSCRIPTS
from .forks import fork
from .marks import ABSENT, FADED
from .skeleton import LOOSE, Arc, Label, Role, Skeleton, Sort, Vertex, is_matmul

INDICES = SUBSCRIPTS | str.maketrans("ij", "ᵢⱼ")
OUTER = re.compile(r"(Σₖ )?([^ ()]+(?:\([^()]*\))?)ᵀ (δ\S+)")  # of two signals
MOST = 400  # vertices and arcs that a picture can hold and still be read


def scalars(drawn: Skeleton, network: Flow) -> Skeleton:
    """Return a skeleton with a vertex for every entry of a signal, and an arc for every weight.

    Parameters
    ----------
    drawn : Skeleton
    network : Flow
        That it is of; its signals are vectors or numbers.

    Raises
    ------
    UsageError
        If there is a batch, or an operation that is not done entry by entry.
    ArgumentError
        If there is too much to draw; the message says how much.
    """
    return _Expansion(drawn, network).result()


class _Expansion:
    def __init__(self, drawn: Skeleton, network: Flow) -> None:
        self.drawn, self.network = drawn, network
        self.timed = {
            wire for node in network.nodes if node.folded for wire in node.outputs
            if node.kind is not Kind.COLLECT
        }  # fmt: skip
        self.expanded = Skeleton(notes=[*drawn.notes])
        self.entries: list[list[int]] = []
        self.names: list[str] = []  # of signals of several entries, the longest first

    def result(self) -> Skeleton:
        sizes = [self._size(vertex) for vertex in self.drawn.vertices]
        arcs = [arc for arc in self.drawn.arcs if max(sizes[arc.tail], sizes[arc.head]) > 1]
        names = {
            label.forward[0] for arc in arcs for label in arc.labels
            if label.sort is Sort.NAME and label.forward
        }  # fmt: skip
        names |= {
            vertex.forward[0] for vertex, size in zip(self.drawn.vertices, sizes, strict=True)
            if size > 1 and vertex.role in LOOSE
        }  # fmt: skip
        self.names = sorted(names, key=len, reverse=True)
        for vertex, size in zip(self.drawn.vertices, sizes, strict=True):
            self._expand(vertex, size)
        total = len(self.expanded.vertices) + sum(self._count(arc) for arc in self.drawn.arcs)
        if total > MOST:
            raise ArgumentError(
                f'draw: level="scalar" would draw {total} neurons and arrows, and {MOST} is the '
                'most; use level="tensor", or a smaller network'
            )
        for arc in self.drawn.arcs:
            self._connect(arc)
        self.expanded.notes += dict.fromkeys(
            f"gradients:  {self._gradient(arc, label)}"
            for arc in self.drawn.arcs for label in arc.labels if label.gradient
        )  # fmt: skip
        if any(arc.color == ABSENT for arc in self.expanded.arcs):
            self.expanded.notes.append(FADED)
        fork(self.expanded)
        return self.expanded

    def _gradient(self, arc: Arc, label: Label) -> str:
        """Return the equation of the gradient of one weight, from neuron i to neuron j."""
        left, _, right = label.gradient.partition(" = ")
        outer = OUTER.fullmatch(right)
        if not self._is_matrix(arc) or outer is None:
            return f"{with_index(left, 'i')} = {with_indices(right, 'i', self.names)}"
        over, x, δ = outer.groups()
        return f"{left}ᵢⱼ = {over or ''}{with_index(x, 'i')} {with_index(δ, 'j')}"

    def _size(self, vertex: Vertex) -> int:
        shape = np.shape(self.network.wires[vertex.wire].value)
        shape = shape[1:] if vertex.wire in self.timed else shape
        is_vector = len(shape) < 2 or max(shape) == np.prod(shape)
        if vertex.role in (Role.BOX, Role.MATMUL) or not is_vector:
            reason = f"{vertex.name} of shape {shape}"
            if vertex.role is Role.BOX:
                reason = vertex.forward[-1]
            elif vertex.role is Role.MATMUL:
                reason = f"{vertex.name}, a matrix product of two signals"
            raise UsageError(
                f'draw: level="scalar" draws vectors entry by entry, and found {reason}; give one '
                'sequence without a batch, or use level="tensor"'
            )
        return int(np.prod(shape))

    def _expand(self, vertex: Vertex, count: int) -> None:
        self.entries.append([])
        for entry in range(count):
            self.entries[-1].append(len(self.expanded.vertices))
            mark = str(entry + 1) if count > 1 else ""
            if vertex.role in LOOSE:
                forward, adjoint = (
                    (*(with_index(line, mark) for line in lines[:1]), *lines[1:])
                    for lines in (vertex.forward, vertex.adjoint)
                )
            else:
                forward, adjoint = (
                    tuple(with_indices(line, mark, self.names) for line in lines)
                    for lines in (vertex.forward, vertex.adjoint)
                )
            self.expanded.vertices.append(replace(vertex, forward=forward, adjoint=adjoint))

    def _count(self, arc: Arc) -> int:
        tail, head = len(self.entries[arc.tail]), len(self.entries[arc.head])
        return tail * head if self._is_matrix(arc) else max(tail, head)

    def _is_matrix(self, arc: Arc) -> bool:
        return arc.weight is not None and is_matmul(arc.weight)

    def _connect(self, arc: Arc) -> None:
        tails, heads = self.entries[arc.tail], self.entries[arc.head]
        wide = max(len(tails), len(heads))
        if self._is_matrix(arc):
            weights, separator = self._weights(arc), "" if wide < 10 else ","
            at = [label.sort for label in arc.labels].index(Sort.WEIGHT)
            (name,) = arc.labels[at].forward
            before, behind = arc.labels[:at], arc.labels[at + 1 :]
            if len(tails) > 1 and self.drawn.vertices[arc.head].role is not Role.SUM:
                heads, behind = self._sums(arc, heads, behind), ()
            for (row, tail), (column, head) in product(enumerate(tails), enumerate(heads)):
                if weights[row, column] == 0:  # which carries nothing, as one that was culled
                    self.expanded.arcs.append(
                        replace(arc, tail=tail, head=head, labels=(), number=0.0, color=ABSENT)
                    )
                    continue
                text = with_index(name, f"{row + 1}{separator}{column + 1}")
                labels = (
                    *(self._indexed(label, row + 1, tails) for label in before),
                    replace(arc.labels[at], forward=(text,), adjoint=(text,), gradient=""),
                    *(self._indexed(label, column + 1, heads) for label in behind),
                )
                self.expanded.arcs.append(
                    replace(arc, tail=tail, head=head, labels=labels, number=weights[row, column])
                )
            return
        for entry in range(wide):
            tail, head = tails[entry % len(tails)], heads[entry % len(heads)]
            ends = tails if len(tails) == wide else heads
            labels = tuple(self._indexed(label, entry + 1, ends) for label in arc.labels)
            self.expanded.arcs.append(
                replace(arc, tail=tail, head=head, labels=labels, entry=entry)
            )

    def _sums(self, arc: Arc, heads: list[int], labels: tuple[Label, ...]) -> list[int]:
        """Put a sum before each entry that a matrix leads to, and return the sums."""
        sums = []
        for entry, head in enumerate(heads):
            sums.append(len(self.expanded.vertices))
            after = self.expanded.vertices[head]
            scope = labels[0].scope if labels else after.scope
            self.expanded.vertices.append(
                Vertex(Role.SUM, name=arc.name, scope=scope, wire=arc.wire, step=after.step,
                       is_still=not arc.is_live)
            )  # fmt: skip
            own = tuple(self._indexed(label, entry + 1, heads) for label in labels)
            self.expanded.arcs.append(
                replace(arc, tail=sums[-1], head=head, labels=own, weight=None, weight_name="",
                        entry=entry)
            )  # fmt: skip
        return sums

    def _indexed(self, label: Label, entry: int, entries: list[int]) -> Label:
        """Return a label of one of several entries."""
        mark = str(entry) if len(entries) > 1 else ""
        is_formula = label.sort is Sort.GAIN
        forward, adjoint = (
            tuple(
                with_indices(line, mark, self.names) if is_formula else with_index(line, mark)
                for line in lines
            )
            for lines in (label.forward, label.adjoint)
        )
        return replace(label, forward=forward, adjoint=adjoint, gradient="")

    def _weights(self, arc: Arc) -> Any:
        """Return the numbers of a matrix, a row for each entry that goes into it."""
        assert arc.weight is not None
        shape = len(self.entries[arc.tail]), len(self.entries[arc.head])
        for wire in reversed(arc.weight.inputs):
            value = np.asarray(self.network.wires[wire].value)
            value = value[0] if wire in self.timed else value
            value = value if wire == arc.weight.inputs[1] else value.T
            if value.shape == shape:
                return value
        return value.reshape(shape)


def with_index(name: str, mark: str) -> str:
    """Return a signal's name with an index, before its step: ``h₂(k)``."""
    if not name or not mark or name == "−":
        return name
    at = min((name.find(c) for c in "([ᵀ" if c in name[1:]), default=len(name))
    return f"{name[:at]}{mark.translate(INDICES)}{name[at:]}"


def with_indices(formula: str, mark: str, names: Iterable[str]) -> str:
    """Return a formula in which each signal of some names has an index.

    >>> with_indices("1 − h(k)²", "2", ["h(k)"])
    '1 − h₂(k)²'
    """
    known = "|".join(re.escape(name) for name in names)
    if not mark or not known:
        return formula
    signal = re.compile(rf"(?<![\w.])δ?(?:{known})(?![A-Za-z_\d(])")
    return signal.sub(lambda name: with_index(name[0], mark), formula)
