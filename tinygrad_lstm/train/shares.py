"""The gradient of a signal, split into the steps that use it, or into the steps of the loss.

Knows the tape and the rules of its primitives; no names and no pictures. The walk is that of
``backward``. An operation in a step gives its share to the step. An operation outside of the steps
whose rows belong to steps (x W of a whole sequence, a dense layer on all outputs) is pulled row by
row. A signal that is computed outside of the steps for all of them, such as W ∘ mask, has shares of
its own, which are pulled one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.cotangent import Sums
from ..engine.gradients import starting_cotangent
from ..engine.kind import Kind
from ..engine.place import Place
from ..engine.tape import pull_back
from .rows import Part, Rows, Step, at_step, pull_rows

Node = Any  # a Tensor


class Loops:
    """The step of the outermost loop in which each operation was recorded.

    Parameters
    ----------
    order : sequence of Tensor
        A history, the latest recorded first.

    Attributes
    ----------
    outside : set of Place
        The places outside of all loops.

    Two loops whose sequences are joined row by row, such as those of two directions, count as one.
    """

    def __init__(self, order: Sequence[Node]) -> None:
        self._numbers: dict[Place | None, int] = {}
        self._same: dict[int, int] = {}  # loops that run over the same steps
        places = dict.fromkeys([node.place for node in reversed(order)])
        self._steps = {place: self._outermost(place) for place in places}
        self.outside = {place for place, step in self._steps.items() if step is None}

    def _outermost(self, place: Place) -> Step | None:
        outermost: Place | None = None
        link: Place | None = place
        while link is not None:
            outermost = link if link.step is not None else outermost
            link = link.parent
        if outermost is None or outermost.step is None:
            return None
        return Step(self._numbers.setdefault(outermost.parent, len(self._numbers)), outermost.step)

    def step(self, node: Node) -> Step | None:
        """Return the step of an operation; None if it stands outside of all loops."""
        return self._steps.get(node.place)

    def unite(self, one: Rows, other: Rows) -> bool:
        """Make two loops one if sequences of both have the same steps; return whether they have."""
        if one is other:
            return True
        numbers = [[None if x is None else x.step for x in rows] for rows in (one, other)]
        if numbers[0] != numbers[1]:
            return False
        for x, y in zip(one, other, strict=True):
            if x is not None and y is not None:
                first, last = sorted((x.loop, y.loop))
                self._same[last] = min(first, self._same.get(last, first))
        return True

    def settle(self, rows: Rows) -> Rows:
        """Return steps with the number of the first of the loops that were made one."""
        return [None if x is None else Step(self._first(x.loop), x.step) for x in rows]

    def settle_all(self) -> bool:
        """Give all steps the numbers that `settle` gives; return whether loops were made one."""
        if self._same:
            self._steps = dict(zip(self._steps, self.settle([*self._steps.values()]), strict=True))
        return bool(self._same)

    def _first(self, loop: int) -> int:
        while self._same.get(loop, loop) != loop:
            loop = self._same[loop]
        return loop


class Recording:
    """A recording, and the part in it of the signal whose gradient is split.

    Parameters
    ----------
    order : sequence of Tensor
        A history, the latest recorded first.
    signal : Node, optional
        Outside of the steps.

    Attributes
    ----------
    loops : Loops
    rows : dict of Node to list of Step
        The sequences outside of the steps.
    shared : set of Tensor
        The signal, and the signals outside of the steps that are computed from it for all steps.
    users : set of Tensor
        The operations that may read something shared.
    """

    def __init__(self, order: Sequence[Node], signal: Node | None = None) -> None:
        self.loops, self.rows = Loops(order), dict[Node, Rows]()
        self.users: set[Node] = set()
        behind: set[Node] = set()  # outside of the steps, computed from signals in the steps
        readers: dict[Node, list[Node]] = {} if signal is None else {signal: []}
        readable: set[Node] = {*readers}  # with the parts that are taken in the steps
        outside = self.loops.outside
        for node in reversed(order):
            inputs, is_outside = node.inputs, node.place in outside
            if not readable.isdisjoint(inputs):
                self.users.add(node)
                if is_outside:
                    readers[node] = []
                if is_outside or node.primitive.is_part:
                    readable.add(node)
                for x in inputs:
                    if x in readers:
                        readers[x].append(node)
            if is_outside and any(x in behind or self.loops.step(x) is not None for x in inputs):
                behind.add(node)
                self._note_collected(node)
        if self.loops.settle_all():
            self.rows = {x: self.loops.settle(rows) for x, rows in self.rows.items()}
        self.shared = {x for x in readers if x not in behind}
        for node in sorted(self.shared, key=lambda x: -x.serial):
            rows = None if node is signal else self._rows_read(node, readers[node])
            if rows is not None:
                self.rows[node] = rows
                self.shared.remove(node)

    def _note_collected(self, node: Node) -> None:
        """Note to which steps the rows belong of a sequence that is made in the steps."""
        primitive, parameters = node.primitive, node.parameters or {}
        assert primitive is not None
        steps = [self.loops.step(x) for x in node.inputs]
        if primitive.pieces is not None and None not in steps:
            places = primitive.pieces([x.shape for x in node.inputs], **parameters)
            if list(places) == [*range(len(node.inputs))]:
                self.rows[node] = steps
            return
        known = [self.rows[x] for x in node.inputs if x in self.rows]
        acts = at_step(node) if known else None
        if acts is None:
            return
        maps = [
            self.rows[x]
            for x, has in zip(node.inputs, acts[0], strict=True)
            if has and x in self.rows
        ]
        if len(maps) == len(known) and all(self.loops.unite(maps[0], rows) for rows in maps):
            self.rows[node] = maps[0]

    def _rows_read(self, node: Node, readers: list[Node]) -> Rows | None:
        """Return to which steps the rows belong, if no row is read in two steps; else None."""
        if not node.ndim or not readers:
            return None
        rows: Rows = [None] * len(node)
        for reader in readers:
            step = self.loops.step(reader)
            if step is None:
                acts = at_step(reader) if reader in self.rows else None
                if acts is None or len(readers) > 1:
                    return None
                has = [has for x, has in zip(reader.inputs, acts[0], strict=True) if x is node]
                return self.rows[reader] if all(has) else None
            row = _row(reader)
            if row is None or rows[row] not in (None, step):
                return None
            rows[row] = step
        return rows


def _row(reader: Node) -> int | None:
    """Return which row of its operand an operation takes; None if it takes more than a row."""
    assert reader.primitive is not None and reader.parameters is not None
    index = reader.parameters.get("index") if reader.primitive.is_part else None
    first = index[0] if isinstance(index, tuple) and index else index
    return first % len(reader.inputs[0]) if type(first) is int else None


# --- the shares -----------------------------------------------------------------------------------


class Shares:
    """The shares of what is shared, as a table of sums of cotangents: see `Sums`.

    Attributes
    ----------
    step : Step or None
        Whose shares are added now; None for what belongs to no step.
    """

    def __init__(self, shared: set[Node], sums: LeafSums) -> None:
        self.sums, self.total, self.own = sums, sums.total, sums.own
        self.step: Step | None = None
        self.of: dict[Node, list[tuple[Step | None, Any]]] = {x: [] for x in shared}

    def add(self, operand: Node, ct: Any) -> None:
        """Add a cotangent."""
        if operand in self.of:
            self.of[operand].append((self.step, ct))
        elif operand.inputs and operand.primitive.is_part:
            self.add_part(operand.inputs[0], ct, operand)
        else:
            self.sums.add(operand, ct)

    def add_part(self, operand: Node, ct: Any, entry: Any) -> None:
        """Add the cotangent of a part of a signal."""
        if operand in self.of:
            self.of[operand].append((self.step, Part(ct, entry)))
        else:
            self.sums.add_part(operand, ct, entry)

    def add_rows(self, weight: Node, x: Any, ct: Any) -> None:
        """Add xᵀ δ."""
        if weight in self.of:
            self.of[weight].append((self.step, _Product(x, ct)))

    def by_step(self, node: Node) -> dict[Step | None, np.ndarray]:
        """Return the shares of a signal, by step; each an array of the signal's shape."""
        steps = list(dict.fromkeys(step for step, _ in self.of[node]))
        arrays = self.stacked(node, steps)
        return dict(zip(steps, arrays, strict=True))

    def stacked(self, node: Node, steps: Sequence[Step | None]) -> np.ndarray:
        """Return the shares of the steps as one array, the steps along the first axis."""
        places = {step: n for n, step in enumerate(steps)}
        whole = np.empty((len(steps), *node.shape), node.dtype)
        is_filled = [False] * len(steps)
        for step, share in self.of[node]:
            if step not in places:
                continue
            n = places[step]
            place = whole[n, ...]
            if type(share) is _Product and not is_filled[n]:
                np.matmul(share.x.T, share.ct, out=place)
            elif type(share) is Part:
                if not is_filled[n]:
                    place[...] = 0
                share.add_to(place)
            else:
                ct = share.x.T @ share.ct if type(share) is _Product else share
                if is_filled[n]:
                    place += ct
                else:
                    place[...] = ct
            is_filled[n] = True
        for n, has in enumerate(is_filled):
            if not has:
                whole[n] = 0
        return whole


class _Product(NamedTuple):
    x: np.ndarray
    ct: np.ndarray


class LeafSums(Sums):
    """Sums without the matrix products of weights that nobody asks for."""

    __slots__ = ()

    def add_rows(self, weight: Any, x: Any, ct: Any) -> None:
        if weight in self.wanted:
            super().add_rows(weight, x, ct)


def split(
    loss: Node, recording: Recording, *, stop: bool = False
) -> tuple[Shares, dict[Node, Any]]:
    """Walk backwards from a loss, and split the gradient of a signal into the shares of the steps.

    Parameters
    ----------
    loss : Node of one number
    recording : Recording
    stop : bool
        Whether to stop where the walk comes to the steps.

    Returns
    -------
    shares : Shares
    arrivals : dict of Node to array
        If it stops: the cotangents of the signals in the steps where it stopped.
    """
    sums = LeafSums()
    shares, arrivals = Shares(recording.shared, sums), dict[Node, Any]()
    sums.add(loss, starting_cotangent(loss, None))
    total, turns, waiting = sums.total, sums.turns, sums.waiting
    loops, rows, users, shared = recording.loops, recording.rows, recording.users, recording.shared
    while turns:
        node = waiting.pop(turns.pop())
        ct = total.pop(node)
        if stop and loops.step(node) is not None and not _is_carried_sum(node, loops):
            arrivals[node] = ct
            continue
        if node not in users:
            pull = node.primitive.pull
            pull(node, ct, sums)
        elif node in rows and any(x in shared for x in node.inputs):
            pull_rows(node, ct, rows[node], shares)
        else:
            shares.step = loops.step(node)
            node.primitive.pull(node, ct, shares)
    for node in sorted((x for x in shared if x.inputs), key=lambda x: -x.serial):
        for step, ct in shares.by_step(node).items():
            shares.step = step
            node.primitive.pull(node, ct, shares)
    return shares, arrivals


def _is_carried_sum(node: Node, loops: Loops) -> bool:
    """Return whether a sum goes on from another step, as that of the losses of all steps."""
    own = loops.step(node)
    return node.primitive.kind is Kind.JUNCTION and any(
        loops.step(x) not in (None, own) for x in node.inputs
    )


def pull_by_loss_step(
    arrivals: dict[Node, Any], loops: Loops, targets: Sequence[Node]
) -> dict[Step, dict[Node, Any]]:
    """Return what comes back to signals from each step where the loss enters, the first one first.

    Parameters
    ----------
    arrivals : dict of Node to array
        The cotangents with which the loss enters the steps.
    loops : Loops
    targets : sequence of Tensor
    """
    by_step: dict[Step, list[tuple[Node, Any]]] = {}
    for node, ct in arrivals.items():
        step = loops.step(node)
        assert step is not None
        by_step.setdefault(step, []).append((node, ct))
    result = {}
    for step in sorted(by_step):
        sums = LeafSums(frozenset(targets))
        for node, ct in by_step[step]:
            sums.add(node, ct)
        result[step] = pull_back(sums)
    return result
