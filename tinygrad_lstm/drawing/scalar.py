"""A small network drawn neuron by neuron and weight by weight, as in the papers' figures.

Knows skeletons and the shapes of what is in them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..errors import ArgumentError, UsageError
from ..network.flow import Flow
from .skeleton import Arc, Place, Skeleton, is_matmul

MOST = 400  # places and arcs that a picture can hold and still be read
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def scalars(drawn: Skeleton, network: Flow) -> Skeleton:
    """Return a skeleton with a place for every entry of a signal, and an arc for every weight.

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
    return _Expansion(drawn, network).done()


class _Expansion:
    def __init__(self, drawn: Skeleton, network: Flow) -> None:
        self.drawn, self.network = drawn, network
        self.timed = {
            wire for node in network.nodes if node.folded for wire in node.outputs
            if node.kind is not Kind.COLLECT
        }  # fmt: skip
        self.made = Skeleton(notes=drawn.notes)
        self.entries: list[list[int]] = []

    def done(self) -> Skeleton:
        for place in self.drawn.places:
            self._expand(place)
        total = len(self.made.places) + sum(self._count(arc) for arc in self.drawn.arcs)
        if total > MOST:
            raise ArgumentError(
                f'draw: level="scalar" would draw {total} neurons and arrows, and {MOST} is the '
                'most; use level="tensor", or a smaller network'
            )
        for arc in self.drawn.arcs:
            self._connect(arc)
        return self.made

    def _size(self, place: Place) -> int:
        shape = np.shape(self.network.wires[place.wire].value)
        shape = shape[1:] if place.wire in self.timed else shape
        if place.kind in ("box", "matmul") or (len(shape) > 1 and max(shape) != np.prod(shape)):
            what = place.forward[-1] if place.kind == "box" else f"{place.name} of shape {shape}"
            if place.kind == "matmul":
                what = f"{place.name}, a matrix product of two signals"
            raise UsageError(
                f'draw: level="scalar" draws vectors entry by entry, and found {what}; give one '
                'sequence without a batch, or use level="tensor"'
            )
        return int(np.prod(shape))

    def _expand(self, place: Place) -> None:
        count = self._size(place)
        self.entries.append([])
        for entry in range(count):
            self.entries[-1].append(len(self.made.places))
            mark = str(entry + 1) if count > 1 else ""
            names = place.kind in ("end", "alias") or len(place.forward) > 1
            forward, adjoint = (
                (indexed(lines[0], mark), *lines[1:]) if lines and names else lines
                for lines in (place.forward, place.adjoint)
            )
            self.made.places.append(replace(place, forward=forward, adjoint=adjoint))

    def _count(self, arc: Arc) -> int:
        tail, head = len(self._of(arc.tail)), len(self._of(arc.head))
        return tail * head if self._is_matrix(arc) else max(tail, head)

    def _of(self, place: int) -> list[int]:
        return self.entries[place]

    def _is_matrix(self, arc: Arc) -> bool:
        return arc.weight is not None and is_matmul(arc.weight)

    def _connect(self, arc: Arc) -> None:
        tails, heads = self._of(arc.tail), self._of(arc.head)
        if self._is_matrix(arc):
            weights = self._weights(arc)
            for row, tail in enumerate(tails):
                for column, head in enumerate(heads):
                    entry = weights[row, column]
                    mark = (
                        f"{row + 1}{column + 1}"
                        if max(len(tails), len(heads)) < 10
                        else (f"{row + 1},{column + 1}")
                    )
                    name = arc.forward[-1] if arc.forward else ""
                    text = indexed(name, mark)
                    forward = (*arc.forward[:-1], text)
                    self.made.arcs.append(
                        replace(arc, tail=tail, head=head, forward=forward,
                                adjoint=(text,), number=entry)
                    )  # fmt: skip
            return
        wide = max(len(tails), len(heads))
        for entry in range(wide):
            tail, head = tails[entry % len(tails)], heads[entry % len(heads)]
            mark = str(entry + 1) if wide > 1 else ""
            forward, adjoint = (
                tuple(indexed(line, mark) for line in lines) for lines in (arc.forward, arc.adjoint)
            )
            self.made.arcs.append(
                replace(arc, tail=tail, head=head, forward=forward, adjoint=adjoint, entry=entry)
            )

    def _weights(self, arc: Arc) -> Any:
        """Return the numbers of a matrix, a row for each entry that goes into it."""
        assert arc.weight is not None
        for port in (1, 0):
            wire = arc.weight.inputs[port]
            value = np.asarray(self.network.wires[wire].value)
            value = value[0] if wire in self.timed else value
            if value.ndim == 2 and value.shape == self._shape(arc, port):
                return value if port else value.T
        value = np.asarray(value)
        return value.reshape(self._shape(arc, 1))

    def _shape(self, arc: Arc, port: int) -> tuple[int, int]:
        shape = len(self._of(arc.tail)), len(self._of(arc.head))
        return shape if port else shape[::-1]


def indexed(name: str, mark: str) -> str:
    """Return a signal's name with an index, before its step: ``h₂(k)``."""
    if not name or not mark or name == "−":
        return name
    at = min((name.find(c) for c in "([ᵀ" if c in name[1:]), default=len(name))
    return f"{name[:at]}{mark.translate(SUBSCRIPTS)}{name[at:]}"
