"""Where the signals that somebody names are in a network: on which wire, at which step.

Knows graphs and names. A network may be folded or not, and its packed signals taken apart: what is
called by the name of the whole is put together from its parts, and a sequence from its steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .errors import SignalError, nearest
from .flow import Flow, Node
from .signals import Signals
from .unroll import name_at


class Whereabouts:
    """Where every named signal of a network is.

    Parameters
    ----------
    network : Flow
    recorded : Signals
        What was recorded, with its names.

    Attributes
    ----------
    at : dict of str to (wire, index)
        The index is that of the step on a wire inside of a folded loop; None for all of it.
    """

    def __init__(self, network: Flow, recorded: Signals) -> None:
        self.network, self.recorded = network, recorded
        self.at = self._places()

    def wires(self, name: str) -> Iterator[int]:
        """Return the wires that carry a signal, its parts or its steps.

        Raises
        ------
        SignalError
            If there are none; the message lists the nearest names.
        """
        if name in self.at:
            yield self.at[name][0]
        elif members := self._members(name):
            for member in members:
                yield from self.wires(member)
        else:
            recorded = self.recorded
            known = [*self.at, *(each for each in recorded.sequences if self._members(each))]
            found = f"no signal is called {name!r}"
            if name in recorded.by_name or name in recorded.sequences:
                found = f"{name} is not told: sums are told as one, and packed signals taken apart"
            raise SignalError(f"explain: {found}; {nearest(name, known)}")

    def value(self, name: str, on: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return what some wires carry of a signal, put together; 0 where it is on none."""
        if name in self.at:
            wire, index = self.at[name]
            value = on.get(wire, np.zeros_like(self.network.wires[wire].value))
            return value if index is None else value[index]
        values = [self.value(member, on) for member in self._members(name)]
        whole = self.recorded.by_name.get(name)
        is_packed = whole is not None and values[0].ndim == len(whole.shape)
        return np.concatenate(values, axis=-1) if is_packed else np.stack(values)

    def _places(self) -> dict[str, tuple[int, int | None]]:
        """Return the wire of every signal by its name, and which of a folded loop's steps it is."""
        found: dict[str, tuple[int, int | None]] = {}
        for node in sorted(self.network.nodes, key=lambda node: node.folded):
            if node.kind in ("branch", "broadcast", "hold", "delay", "advance", "output"):
                continue
            (wire,) = node.outputs
            named: list[tuple[str, int | None]] = [(node.name, None)]
            if node.loop is not None and is_timed(node):
                loop = self.network.loops[node.loop]
                steps = [name_at(node, step, loop.scope) for step in loop.steps]
                named = [(node.stem, None), *((name, at) for at, name in enumerate(steps))]
            for name, index in named:
                shape = np.shape(self.network.wires[wire].value)[index is not None :]
                known = self.recorded.by_name.get(name)
                if known is None or known.shape == shape:  # not a part called like the whole
                    found.setdefault(name, (wire, index))
        return found

    def _members(self, name: str) -> list[str]:
        """Return what a signal consists of that is not one in the network: parts, or steps."""
        whole = self.recorded.by_name.get(name)
        if whole is not None and len(whole.widths) == 1:
            parts = [s for s in self.recorded.by_name.values() if s.tensor is whole.tensor][1:]
            if parts:
                return [part.name for part in parts]
        if name in self.recorded.sequences:
            steps = [signal.name for signal in self.recorded.sequences[name]]
            return steps if all(each in self.at for each in steps) else []
        stemmed = [node for node in self.network.nodes if node.stem == name and node.outputs]
        return list(dict.fromkeys(node.name for node in stemmed if node.step is not None))


def is_timed(node: Node) -> bool:
    """Return whether what a node makes has a value for each step of a folded loop."""
    leaves = node.kind == "collect" or (node.kind == "hold" and node.transposed)
    return node.folded and not leaves
