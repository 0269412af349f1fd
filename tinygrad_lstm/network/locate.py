"""The places of named signals in a network: on which wire, at which step.

Knows graphs and names. A network may be folded, and its packed signals may be split: a packed
signal consists of its parts, and a sequence consists of its steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from .flow import DELAYS, Flow, Node
from .loop_borders import has_own_name
from .signals import Signal, Signals
from .unroll import name_at

# nodes that are called like the signal that they hand on, and may carry a part of it alone
NAMESAKES = (*DELAYS, Kind.BRANCH, Kind.BROADCAST, Kind.TAP, Kind.HOLD, Kind.OUTPUT)


class Locations:
    """The places of all named signals of a network.

    Parameters
    ----------
    network : Flow
    recorded : Signals
        What was recorded, with its names.
    names : mapping of str to str, optional
        What signals at a step are called in the recording, where that is not their name at a step
        (see `fold_plain_loops`).

    Attributes
    ----------
    at : dict of str to (wire, index)
        The index is that of the step on a wire inside of a folded loop; None outside of any.
    sequences : dict of str to list of str
        The steps of a signal; of one that was recorded as a whole too, if it is in a folded loop.
    """

    def __init__(
        self, network: Flow, recorded: Signals, names: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.network, self.recorded, self.names = network, recorded, names
        self.at: dict[str, tuple[int, int | None]] = {}
        self.sequences: dict[str, list[str]] = {}
        self._look()
        for name, steps in recorded.sequences.items():
            self.sequences[name] = [step.name for step in steps]

    def members(self, name: str) -> list[str]:
        """Return the signals of the network that make up a signal: itself, its parts or its steps.

        Empty, if the network lacks one of them.
        """
        if name in self.at:
            return [name]
        pieces = [self.members(piece) for piece in self.pieces(name) if piece != name]
        return list(chain.from_iterable(pieces)) if all(pieces) else []

    def pieces(self, name: str) -> list[str]:
        """Return the steps of a signal, or else the parts packed in it."""
        parts = self.recorded.parts.get(name, ())
        return self.steps(name) or [part.name for part in parts]

    def steps(self, name: str) -> list[str]:
        """Return the steps of a sequence; empty where another signal has exactly its name."""
        if name in self.recorded.by_name and name in self.recorded.sequences:
            return []
        return self.sequences.get(name, [])

    def value(self, name: str, on: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the value of a signal, joined from wires; 0 where no wire has it."""
        if name in self.at:
            wire, index = self.at[name]
            value: np.ndarray = on.get(wire, np.zeros_like(self.network.wires[wire].value))
            return value if index is None else value[index]
        values = [self.value(piece, on) for piece in self.pieces(name)]
        return np.stack(values) if name in self.sequences else np.concatenate(values, axis=-1)

    def name_at(self, node: Node, step: int) -> str:
        """Return the recorded name of a signal of a folded loop at a step."""
        assert node.loop is not None
        name = name_at(node, step, self.network.loops[node.loop].scope)
        return self.names.get(name, name)

    def _look(self) -> None:
        nodes = sorted(
            self.network.nodes, key=lambda node: (node.folded, node.kind is Kind.COLLECT)
        )
        for node in Interruptible(nodes):
            if self._is_namesake(node) or (
                node.kind is Kind.COLLECT and node.stem in self.sequences
            ):
                continue
            if node.step is not None and self._is_collected(node):
                continue  # one of the uses of a step that a loop has made
            (wire,) = node.outputs
            named: list[tuple[str, int | None]] = [(node.name, None)]
            if node.loop is not None and node.is_timed:
                loop = self.network.loops[node.loop]
                named = [(self.name_at(node, step), at) for at, step in enumerate(loop.steps)]
            for name, index in named:
                value = self.network.wires[wire].value
                known = self.recorded.by_name.get(name)
                # what is recorded by the name may be another: the whole that a part is called
                # like, or an operation of each step that one before the loop is called like
                if known is None or _is_same(known, value if index is None else value[index]):
                    is_step = index is not None or (known is None and self._is_of_whole(node))
                    if name not in self.at and is_step:
                        self.sequences.setdefault(node.stem, []).append(name)
                    self.at.setdefault(name, (wire, index))

    def _is_of_whole(self, node: Node) -> bool:
        """Return whether a node is one step of a signal that was recorded for all steps at once."""
        return node.step is not None and node.stem in self.recorded.by_name

    def _is_namesake(self, node: Node) -> bool:
        """Return whether a node has the name of the signal that it passes on."""
        if node.kind is Kind.TAP and not node.transposed:
            return not has_own_name(node, self.network.source(node.inputs[0], (Kind.BRANCH,)))
        return node.kind in NAMESAKES

    def _is_collected(self, node: Node) -> bool:
        """Return whether the only operand of a node is the collected steps of a folded loop."""
        if len(node.inputs) != 1:
            return False
        source = self.network.source(node.inputs[0], (Kind.BRANCH,))
        return source.kind is Kind.COLLECT and not source.transposed


def _is_same(signal: Signal, value: np.ndarray) -> bool:
    """Return whether a wire carries a signal."""
    recorded = signal.of(signal.tensor._array)
    return recorded is value or np.array_equal(recorded, value, equal_nan=True)
