"""What a change of an adjoint network changes at once, and the slope of a sum by each signal.

Knows trials of changes. Of a changed network, only the changed nodes run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.memory import collector_paused
from ..network.adjoint import adjoint as transpose
from ..network.adjoint import delta
from ..network.evaluate import Intercept, Known, evaluate
from ..network.flow import Node
from ..network.operate import whole
from .mistakes import Change
from .runs import Recorder
from .trials import OtherShape, Trials


class Shifts:
    """The signals that changes change at once.

    Parameters
    ----------
    trials : Trials
    """

    def __init__(self, trials: Trials) -> None:
        self.trials = trials

    def weigh(self, weights: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Return the slope of a weighted sum of the expected gradients by the signal on each wire.

        Parameters
        ----------
        weights : mapping of the position of a given gradient to an array of its shape
        """
        trials = self.trials
        with collector_paused():
            back = transpose(trials.adjoint)
        wires = {wire: back.continued.get(wire, wire) for wire in trials.at}
        sums: dict[tuple[int, int | None], np.ndarray] = {}
        for wire, steps in trials.places.items():
            for step, keys in steps.items():
                known = [weights[key] for key in keys if key in weights]
                if known and wire in wires:  # of copies, only the first is the network's own
                    sums[wires[wire], step] = (
                        known[0] if trials.uses_answers else reduce(np.add, known)
                    )
        still = {
            delta(node.name): np.zeros(np.shape(trials.known[node.inputs[0]]))
            for node in trials.nodes
            if node.kind is Kind.OUTPUT
        }

        def add_weight(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
            weight = sums.get((wire, step))
            if weight is None:
                return value
            return weight if trials.uses_answers else value + weight

        recorder = Recorder(set(wires.values()), add_weight)
        evaluate(back, still, intercept=recorder)
        slopes = recorder.series()
        return {wire: slopes[to] for wire, to in wires.items() if to in slopes}

    def of(self, change: Change) -> list[tuple[int, np.ndarray, np.ndarray]] | None:
        """Return the wires on which a change shows at once, with their old and new values.

        None if the changed nodes run again on a signal that they lead to.
        """
        if change.sources is not None:
            return self._exchanged(change, change.sources)
        patch = self.trials.patch([change]) if change.edits else None
        if patch is None:
            return None
        patch, _ = self.trials.leading_patch(patch, self.trials.leading)
        inputs = {wire for wire, _ in self.trials.outer_inputs(patch)}.union(
            *(self.trials.nodes[x].inputs for x in patch)
        )
        if self._is_again(change.at, inputs):
            return None
        nodes = self.trials.patched_nodes(patch, set())
        if not any(node.folded for node in nodes):
            now = self._run_alone(nodes, change.at)
        elif len(nodes) == 1 and self.scales_known(nodes[0]):
            (node,) = nodes
            now = {node.outputs[0]: node.scale(self.trials.known[node.inputs[0]], node.gain)}
        else:
            now = self._run_nodes(nodes, change.at)
        return None if now is None else [(wire, self.own_value(wire), now[wire]) for wire in now]

    def own_value(self, wire: int) -> Any:
        """Return the network's own value on a wire, whatever the author's is."""
        return self.trials.own[wire] if wire in self.trials.own else self.trials.known[wire]

    def scales_known(self, node: Node) -> bool:
        """Whether a node multiplies a known signal, entry by entry, at all steps in one call."""
        if node.kind is not Kind.GAIN or node.inputs[0] not in self.trials.known:
            return False
        return bool(np.shape(self.trials.known[node.inputs[0]]) == np.shape(node.gain))

    def runs_again(self, node: Node) -> bool:
        """Whether a node runs again on a signal that it leads to."""
        return self._is_again(frozenset(node.outputs), set(node.inputs))

    def _is_again(self, starts: frozenset[int], inputs: set[int]) -> bool:
        ahead = self.trials.ahead(starts)
        return any(wire in ahead and wire not in self.trials.fixed for wire in inputs)

    def _exchanged(
        self, change: Change, sources: Mapping[int, int]
    ) -> list[tuple[int, np.ndarray, np.ndarray]] | None:
        """Return the shifts where a wire's signal comes on another wire."""
        if not all(wire in self.trials.known for wire in sources):
            return None
        inputs = {
            wire
            for own in sources.values()
            for wire in self.trials.nodes[self.trials.at[own]].inputs
        }
        if self._is_again(change.at, inputs):
            return None
        return [(wire, self.own_value(wire), self.own_value(own)) for wire, own in sources.items()]

    def _run_alone(self, nodes: Iterable[Node], wires: frozenset[int]) -> dict[int, Any] | None:
        """Run nodes outside of loops on known signals; return what comes on some wires."""
        on, now = Known(self.trials.known), dict[int, Any]()
        for node in nodes:
            self.trials.actions(node)(on, None)
            for wire in wires.intersection(node.outputs):
                now[wire] = whole(on[wire])
                try:
                    on[wire] = self.trials.intercept(wire, {})(None, now[wire])
                except OtherShape:
                    return None
        return now

    def _run_nodes(self, nodes: Sequence[Node], wires: frozenset[int]) -> dict[int, Any] | None:
        """Run nodes on known signals; return what comes on some wires."""
        recorder = Recorder(set(wires))

        def intercept_at(wire: int) -> Intercept:
            record, exchange = recorder[wire], self.trials.intercept(wire, {})
            return lambda step, value: exchange(step, record(step, value))

        try:
            evaluate(
                replace(self.trials.adjoint, nodes=tuple(nodes)),
                intercept={wire: intercept_at(wire) for wire in wires},
                known=self.trials.known,
                actions=self.trials.actions,
            )
        except OtherShape:
            return None
        return recorder.series()
