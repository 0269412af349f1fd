"""One look at a training: the sizes of all parameters and signals, and of their gradients.

Knows the tape and its names; not when to look, nor what the numbers mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..engine.gradients import starting_cotangent
from ..engine.kind import Kind
from ..engine.place import Initial, Packed, Place
from ..engine.tape import pull_back
from .shares import LeafSums

STATISTICS = ("norm", "mean", "largest", "zeros", "not finite")
_NOTHING = np.empty(0)
GRID = np.linspace(-8.0, 8.0, 161)  # where the largest slope of a function is looked for
FLAT = 0.05  # of its largest slope: below, a function is flat

Node = Any  # a Tensor
STEP = re.compile(r"\[-?\d+\]")


class Series(NamedTuple):
    """A named signal, at one step or at all.

    Attributes
    ----------
    name : str
        Without the step.
    steps : tuple of int
        Empty outside of all loops.
    nodes : tuple of Tensor
    at : slice
        Along the last axis: a part of a packed signal.
    """

    name: str
    steps: tuple[int, ...]
    nodes: tuple[Node, ...]
    at: slice

    def of(self, array: np.ndarray) -> np.ndarray:
        """Return the part of an array that belongs to the signal."""
        return array if self.at == slice(None) else array[..., self.at]


@dataclass
class Look:
    """What was seen at one update.

    Attributes
    ----------
    update : int
        The number of updates before it.
    loss : float
    names : list of str
        Of the parameters; then, at a closer look, of the signals.
    values, gradients : (n, 5)
        The norm, the mean, the largest |entry|, and the shares of entries that are 0 and that are
        not finite; of a signal, over all steps.
    ratios : dict of str to float
        ‖change‖ / ‖value‖ of each parameter in the update that followed.
    steps : dict of str to (T,)
        The steps of the signals that have steps.
    deltas : dict of str to (T,)
        The norm of δ at each step.
    branches : dict of str to dict of str to (T,)
        The norms of what comes back to a signal on each of its ways, at each step.
    reach : dict of str to (T,)
        The size of ∂s(last)/∂s(k) for a signal that one step hands to the next, relative to that at
        the last step: the root of the mean square, from one random cotangent.
    flat, dead : dict of str to float
        The share of entries at which a signal's function is flat, and of units with slope 0 in the
        whole batch at all steps.
    """

    update: int
    loss: float
    names: list[str]
    values: np.ndarray
    gradients: np.ndarray
    ratios: dict[str, float] = field(default_factory=dict)
    steps: dict[str, np.ndarray] = field(default_factory=dict)
    deltas: dict[str, np.ndarray] = field(default_factory=dict)
    branches: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    reach: dict[str, np.ndarray] = field(default_factory=dict)
    flat: dict[str, float] = field(default_factory=dict)
    dead: dict[str, float] = field(default_factory=dict)


# --- the named signals of a recording -------------------------------------------------------------


class _Names:
    """The name of the scope of each place, without the outermost step, and that step."""

    def __init__(self) -> None:
        self._known: dict[Place, tuple[str, int | None]] = {}

    def __getitem__(self, place: Place) -> tuple[str, int | None]:
        if place not in self._known:
            path = place.path()
            step = STEP.search(path)
            scope = STEP.sub("", path, count=1)
            self._known[place] = (
                f"{scope}." if scope else "",
                int(step[0][1:-1]) if step else None,
            )
        return self._known[place]


def find_series(order: Iterable[Node]) -> list[Series]:
    """Return the named signals of a history that were computed, in the order of recording."""
    names = _Names()
    groups: dict[tuple[str, bool], list[tuple[int, Node]]] = {}
    for node in reversed([x for x in order if x.name is not None and x.inputs]):
        if isinstance(node.name, Initial):
            continue
        scope, step = names[node.place]
        pairs = groups.setdefault((scope + node.name, step is not None), [])
        pairs.append((len(pairs) if step is None else step, node))
    series = []
    for (name, is_timed), pairs in groups.items():
        pairs.sort(key=lambda pair: pair[0])
        steps = tuple(step for step, _ in pairs) if is_timed else ()
        nodes = tuple(node for _, node in pairs)
        packed = nodes[0].name
        if not isinstance(packed, Packed):
            series.append(Series(name, steps, nodes, slice(None)))
            continue
        unit, start = nodes[0].shape[-1] // sum(packed.widths), 0
        for part, width in zip(packed.parts, packed.widths, strict=True):
            at = slice(start, start + unit * width)
            series.append(Series(name.removesuffix(packed) + part, steps, nodes, at))
            start = at.stop
    return series


# --- the statistics -------------------------------------------------------------------------------


def statistics(groups: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Return the statistics of groups of arrays: all numbers stand side by side, for few calls.

    Parameters
    ----------
    groups : sequence of groups, n of them

    Returns
    -------
    statistics : (n, 5)
        The norm, the mean, the largest |entry|, and the shares of 0 and of not finite.
    """
    sizes = [x.size for group in groups for x in group]
    if sum(sizes) == 0:
        return np.zeros((len(groups), len(STATISTICS)))
    flat = np.concatenate([x.ravel() for group in groups for x in group])
    ends = np.cumsum([0, *sizes])[np.cumsum([0, *map(len, groups)])]
    starts, counts = ends[:-1], ends[1:] - ends[:-1]
    if not counts.all():  # reduceat knows no empty group
        table = np.zeros((len(groups), len(STATISTICS)))
        table[counts > 0] = _of_parts(flat, starts[counts > 0], counts[counts > 0])
        return table
    return _of_parts(flat, starts, counts)


def _of_parts(flat: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the statistics (n, 5) of the parts of a flat array, none of them empty."""
    table = np.zeros((len(STATISTICS), len(starts)))
    table[0] = np.add.reduceat(flat * flat, starts)
    table[1] = np.add.reduceat(flat, starts) / counts
    table[2] = np.fmax.reduceat(np.abs(flat), starts)
    if np.count_nonzero(flat) < flat.size:
        table[3] = np.add.reduceat(flat == 0, starts, dtype=float) / counts
    if not math.isfinite(table[0].sum()):
        table[4] = np.add.reduceat(~np.isfinite(flat), starts, dtype=float) / counts
    np.sqrt(table[0], out=table[0])
    return table.T


# --- a closer look --------------------------------------------------------------------------------


def look_closer(
    look: Look,
    loss: Node,
    order: Sequence[Node],
    series: Sequence[Series],
    gradients: Mapping[Node, np.ndarray],
) -> None:
    """Add the signals to a look: their statistics, ways and reach, and where they are flat."""
    values, slopes = [], []
    with np.errstate(all="ignore"):
        for one in series:
            cts = [gradients.get(node) for node in one.nodes]
            back = [_NOTHING if ct is None else one.of(ct) for ct in cts]
            values.append([one.of(node._array) for node in one.nodes])
            slopes.append(back)
            look.names.append(one.name)
            if one.steps:
                look.steps[one.name] = np.array(one.steps)
                look.deltas[one.name] = np.sqrt([float(np.vdot(x, x)) for x in back])
        look.values = np.concatenate([look.values, statistics(values)])
        look.gradients = np.concatenate([look.gradients, statistics(slopes)])
        ways = _Ways(series)
        _follow(loss, order, ways)
        look.branches = ways.branches()
        _look_at_slopes(look, series)


def _look_at_slopes(look: Look, series: Sequence[Series]) -> None:
    for one in series:
        is_carried = any("(k" in way for way in look.branches.get(one.name, ()))
        if is_carried and one.at == slice(None) and len({x.shape for x in one.nodes}) == 1:
            look.reach[one.name] = _reach(one)
        _note_slopes(look, one)


class _Ways(LeafSums):
    """The cotangents that come to some signals, each by itself."""

    def __init__(self, series: Iterable[Series]) -> None:
        super().__init__()
        self.timed = [one for one in series if one.steps and one.at == slice(None)]
        self.step_of = {node: k for one in series for k, node in zip(one.steps, one.nodes)}
        self.series_of = {node: one for one in self.timed for node in one.nodes}
        self.ways: dict[Node, list[tuple[str, float]]] = {}
        self.user: Node = None
        self.ct: Any = None
        self.labels: dict[Node, tuple[str, Node]] = {}

    def add(self, operand: Node, ct: Any) -> None:
        if operand in self.series_of and self.user is not None:
            self._note(operand, ct)
        super().add(operand, ct)

    def add_part(self, operand: Node, ct: Any, entry: Any) -> None:
        if operand in self.series_of and self.user is not None:
            self._note(operand, ct)
        super().add_part(operand, ct, entry)

    def _note(self, operand: Node, ct: Any) -> None:
        label, target = self.labels.get(self.user, ("the loss", None))
        own, other = self.step_of[operand], self.step_of.get(target)
        delay = f"(k{other - own:+d})" if other is not None and other != own else ""
        ways = self.ways.setdefault(operand, [])
        packed = getattr(target, "name", None)
        user, whole = self.user, np.shape(self.ct)
        if (
            isinstance(packed, Packed)
            and target.shape == whole
            and user.primitive.kind is Kind.BILINEAR
        ):
            unit, start = whole[-1] // sum(packed.widths), 0
            needs = [x is operand for x in user.inputs]
            for part, width in zip(packed.parts, packed.widths, strict=True):
                alone = np.zeros_like(self.ct)
                alone[..., start : start + unit * width] = self.ct[
                    ..., start : start + unit * width
                ]
                start += unit * width
                cts = user.primitive.vjp(
                    alone, user._array, [x._array for x in user.inputs], needs, user.parameters
                )
                size = sum(float(np.vdot(x, x)) for x in cts if x is not None)
                ways.append((f"{part}{delay}", size))
            return
        ways.append((f"{label}{delay}", float(np.vdot(ct, ct))))

    def branches(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the norms by the name of the signal and of the way, for all steps."""
        branches: dict[str, dict[str, np.ndarray]] = {}
        for one in self.timed:
            ways: dict[str, np.ndarray] = {}
            for n, node in enumerate(one.nodes):
                for way, size in self.ways.get(node, ()):
                    ways.setdefault(way, np.zeros(len(one.nodes)))[n] += size
            if len(ways) > 1:
                branches[one.name] = {way: np.sqrt(sizes) for way, sizes in ways.items()}
        return branches


def _follow(loss: Node, order: Sequence[Node], ways: _Ways) -> None:
    """Walk backwards, and note who sends what."""
    for node in order:  # the latest first: the named signal to which each operation leads
        own = (str(node.name), node) if node.name is not None else ways.labels.get(node)
        if own is not None:
            ways.labels.setdefault(node, own)
            for x in node.inputs:
                if x.name is None:
                    ways.labels.setdefault(x, own)
    ways.add(loss, starting_cotangent(loss, None))
    total, turns, waiting = ways.total, ways.turns, ways.waiting
    while turns:
        node = waiting.pop(turns.pop())
        ways.user, ways.ct = node, total.pop(node)
        node.primitive.pull(node, ways.ct, ways)


def _reach(one: Series) -> np.ndarray:
    """Return the size of ∂s(last)/∂s(k), where the last step is the last that was recorded."""
    last = max(one.nodes, key=lambda node: node.serial)
    if not last.requires_grad:
        return np.zeros(len(one.nodes))
    seed = _signs(last.shape).astype(last.dtype)
    sums = LeafSums(frozenset(one.nodes))
    sums.add(last, seed)
    cts = pull_back(sums)
    sizes = [float(np.linalg.norm(cts[x])) if x in cts else 0.0 for x in one.nodes]
    return np.asarray(np.array(sizes) / np.linalg.norm(seed))


@lru_cache(maxsize=16)
def _signs(shape: tuple[int, ...]) -> np.ndarray:
    """Return random numbers -1 and 1, the same for every look."""
    return np.random.default_rng(0).choice([-1.0, 1.0], shape)


def _note_slopes(look: Look, one: Series) -> None:
    """Note how much of a signal lies where its function is flat, and which units are dead."""
    slopes = []
    for node in one.nodes:
        slope = _slope(node)
        if slope is None:
            return
        slopes.append(np.abs(one.of(slope)))
    if not slopes or not slopes[0].size:
        return
    shape = slopes[0].shape[-1:] if slopes[0].ndim else (1,)
    largest = np.max([s.reshape(-1, *shape).max(axis=0) for s in slopes], axis=0)
    look.dead[one.name] = float(np.mean(largest == 0))
    entries = np.concatenate([s.ravel() for s in slopes])
    look.flat[one.name] = float(np.mean(entries < FLAT))


@cache
def _largest_slope(primitive: Any) -> float:
    grid = np.abs(primitive.rules[0](GRID, primitive.forward(GRID)))
    return float(np.max(grid, where=np.isfinite(grid), initial=0.0)) or 1.0


def _slope(node: Node) -> np.ndarray | None:
    """Return the slope of the function that made a signal, relative to its largest slope."""
    parts = []
    while node.primitive is not None and node.primitive.is_part:
        parts.append(node.parameters["index"])
        node = node.inputs[0]
    primitive = node.primitive
    if primitive is None or primitive.kind is not Kind.ELEMENTWISE or len(node.inputs) != 1:
        return None
    slope = np.asarray(primitive.rules[0](node.inputs[0]._array, node._array))
    slope = slope / _largest_slope(primitive)
    if slope.shape != node.shape:
        slope = np.broadcast_to(slope, node.shape)
    for index in reversed(parts):
        slope = slope[index]
    return np.asarray(slope)
