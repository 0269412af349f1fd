"""A screen of changes: whether a change may give the author's gradients, without running it.

Knows trials of changes. An adjoint network is linear: so one more pass, the other way, gives the
effect of a small difference on any wire on a weighted sum of all given gradients. Where that sum
differs from the author's, the change is not run at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import mul
from typing import Any, NamedTuple

import numpy as np

from ..engine.limit import Interruptible
from ..network.flow import Node
from .mistakes import Change
from .shifts import Shifts
from .trials import Trials

PRECISION = 1e5  # of a weighted sum, in units of the rounding of its signals


class Screen:
    """A test whether a change may give the author's gradients, without running the change.

    Parameters
    ----------
    trials : Trials
    aims : mapping of the position of a given gradient to its difference from the expected one
    allowed : mapping of the position of a given gradient to its tolerance
    """

    def __init__(
        self, trials: Trials, aims: Mapping[int, np.ndarray], allowed: Mapping[int, np.ndarray]
    ) -> None:
        random = np.random.default_rng(0)
        self.trials = trials
        weights, sums = {}, []
        for key, aim in Interruptible(aims.items()):
            bound = np.isfinite(allowed[key])  # any number is right elsewhere
            weights[key] = np.where(bound, random.normal(size=np.shape(aim)), 0.0)
            least = np.where(bound, allowed[key], 0.0)
            sums.append((np.sum(weights[key] * aim), np.sum(np.abs(weights[key]) * least)))
        self.shifts = Shifts(trials)
        self.slopes = self.shifts.weigh(weights)
        self.aim = float(sum(aim for aim, _ in sums))
        self.least = float(sum(least for _, least in sums))
        self.scaled: dict[int, _Scaled | None] = {}

    def moves(self, change: Change) -> tuple[float, float] | None:
        """Return by how much a change moves the weighted sum, and the tolerance of that.

        None if only a run of the change can tell.
        """
        shifts = self.shifts.of(change)
        if shifts is None:
            return None
        moved, size = 0.0, 0.0
        for wire, was, now in shifts:
            slope = self.slopes.get(wire)
            if np.shape(was) != np.shape(now) or slope is None:
                return None
            effect = slope * (now - was)
            moved += float(np.sum(effect))
            size += float(np.sum(np.abs(slope) * (np.abs(now) + np.abs(was))))
        if not np.isfinite(moved) or not np.isfinite(size):
            return None
        precision = PRECISION * np.finfo(np.result_type(now, np.float32)).eps if shifts else 0.0
        return moved, precision * size

    def may_be(self, node: Node, gain: Any) -> bool:
        """Whether another gain in place of a node's may give the author's gradients.

        As `moves` tells, in much less time: a network has many nodes, and as many substitutes for
        the gain of each.
        """
        wire = node.outputs[0]
        if wire not in self.scaled:
            self.scaled[wire] = self._scaled(node)
        scaled = self.scaled[wire]
        if scaled is None or np.shape(gain) != scaled.slope.shape:
            return True
        moved = float(np.vdot(scaled.slope, gain)) - scaled.was
        size = float(np.vdot(np.abs(scaled.slope), np.abs(gain))) + scaled.size
        off = self.least + PRECISION * float(scaled.eps) * size
        return not abs(moved - self.aim) > off or not np.isfinite(size)  # nan: who knows

    def _scaled(self, node: Node) -> _Scaled | None:
        trials, wire = self.trials, node.outputs[0]
        slope = self.slopes.get(wire)
        if slope is None or node.scale is not mul or wire not in trials.leading:
            return None
        if not self.shifts.scales_known(node) or self.shifts.runs_again(node):
            return None
        x, was = trials.known[node.inputs[0]], self.shifts.own_value(wire)
        if not np.shape(was) == np.shape(x) == np.shape(slope):
            return None
        eps = np.finfo(np.result_type(was, np.float32)).eps
        sizes = np.sum(np.abs(slope) * np.abs(was))
        return _Scaled(slope * x, float(np.sum(slope * was)), float(sizes), float(eps))


class _Scaled(NamedTuple):
    """The slope of the weighted sum by the gain of a node, and the node's own part in the sum.

    Attributes
    ----------
    slope : array
        Of the shape of the gain.
    was, size : float
        The node's own part, and the sum of the sizes in it.
    eps : float
        The precision of the node's signal.
    """

    slope: np.ndarray
    was: float
    size: float
    eps: float
