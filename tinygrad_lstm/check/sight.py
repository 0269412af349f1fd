"""Where the signals that somebody derived stand in the adjoint network.

Knows graphs and names; nothing of what is right or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adjoint import continued
from ..errors import UsageError
from ..graph import Graph, graph
from ..signals import Signals
from ..tensor import Tensor
from ..unpack import unpack
from ..unroll import name_at


@dataclass(frozen=True)
class Given:
    """A derived gradient of one signal, at one step if it has steps.

    Attributes
    ----------
    name : str
    wire : int
        In the adjoint network.
    step : int or None
        Counted from 0, in the order of time; None outside of a loop.
    value : array
    """

    name: str
    wire: int
    step: int | None
    value: np.ndarray


class Sight:
    """A network, its adjoint, and where every named signal's δ is.

    Parameters
    ----------
    loss : Tensor

    Attributes
    ----------
    network, adjoint : Graph
        Folded over time where there is a recurrence, packed signals taken apart.
    at : dict of str to (wire, step)
    """

    def __init__(self, loss: Tensor) -> None:
        recorded = graph(loss)
        with suppress(UsageError):  # no loop, or steps that differ: each stands for itself
            recorded = recorded.fold()
        self.network: Graph = unpack(recorded)
        self.adjoint: Graph = self.network.adjoint()
        same = continued(self.network)
        signals = Signals(loss)
        self.named = {
            name: signal.shape
            for name, signal in signals.by_name.items()
            if signal.tensor.requires_grad
            and (signal.tensor.name is not None or not signal.tensor.inputs)
        }
        self.at: dict[str, tuple[int, int | None]] = {}
        self.parts: dict[str, list[tuple[str, int]]] = {}
        self.sequences: dict[str, list[str]] = {}
        for node in recorded.nodes:
            if node.parts and node.kind not in ("branch", "hold"):
                for name, step in self._names(node):
                    parts = [(self._spelled(node, stem, step), wide) for stem, wide in node.parts]
                    self.parts[name] = parts
                    if step is not None and step >= 0:
                        self.sequences.setdefault(node.stem, []).append(name)
        for node in self.network.nodes:
            if node.kind in ("branch", "broadcast", "hold", "tap", "collect", "output"):
                continue
            if node.kind in ("delay", "advance"):
                continue
            (wire,) = node.outputs
            wire = same.get(wire, wire)
            for index, (name, step) in enumerate(self._names(node)):
                if (
                    self._shape(name, node)
                    != np.shape(self.network.wires[wire].value)[node.folded :]
                ):
                    continue
                self.at.setdefault(name, (wire, index if node.folded else None))
                if step is not None and step >= 0 and node.folded:
                    self.sequences.setdefault(node.stem, []).append(name)

    def _shape(self, name: str, node: Any) -> tuple[int, ...] | None:
        """Return the shape of a signal that somebody has named."""
        if name in self.named:
            return self.named[name]
        whole = name if not node.folded else node.stem
        shape = self.named.get(whole)  # of all steps at once
        return None if shape is None or not node.folded else shape[1:]

    def _names(self, node: Any) -> list[tuple[str, int | None]]:
        """Return a node's name at every step, the earliest first."""
        if not node.folded:
            return [(node.name, node.step)]
        loop = self.network.loops[node.loop]
        return [(name_at(node, step, loop.scope), step) for step in loop.steps]

    def _spelled(self, node: Any, stem: str, step: int | None) -> str:
        whole = node.name[len(node.stem) :] if not node.folded else ""
        if node.folded and step is not None:
            spelled = name_at(node, step, self.network.loops[node.loop].scope)
            return spelled.replace(node.stem, stem, 1)
        return stem + whole

    def given(self, hand: Mapping[str, np.ndarray]) -> list[Given]:
        """Return what was derived, signal by signal; what has no place here is left out."""
        found: list[Given] = []
        for name, value in hand.items():
            found.extend(self._located(name, np.asarray(value, float)))
        return found

    def _located(self, name: str, value: np.ndarray) -> Iterable[Given]:
        if name in self.at:
            wire, step = self.at[name]
            yield Given(name, wire, step, value)
        elif name in self.parts:
            start, unit = 0, value.shape[-1] // sum(wide for _, wide in self.parts[name])
            for part, wide in self.parts[name]:
                yield from self._located(part, value[..., start : start + unit * wide])
                start += unit * wide
        elif name in self.sequences and len(self.sequences[name]) == len(value):
            for each, row in zip(self.sequences[name], value, strict=True):
                yield from self._located(each, row)
