"""What the numbers of a program say: which variables have the numbers of which gradients.

Knows targets, recordings and adjoint networks; no names. The adjoint network runs on the gradients
that are known already, so that a gradient which follows from wrong ones is recognized too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..network.view import View
from .families import Family
from .layout import SAME, find_layout, is_same
from .targets import Target
from .trials import Trials

SIMPLE = 27720  # a number that is a whole number of this part of 1 may be there by chance


class Evidence:
    """The network's own value of every gradient, made from those that are known.

    Parameters
    ----------
    view : View
    hand : mapping of a signal's name to its gradient
        What is known already.
    factor : float
        By which the author multiplied the loss.
    """

    def __init__(self, view: View, hand: Mapping[str, np.ndarray], factor: float = 1.0) -> None:
        self.view = view
        answers = view.answers({name: value / factor for name, value in hand.items()})
        known = Trials(view.adjoint, answers, True).known  # linear in all that is given
        self.known = {wire: np.asarray(value) * factor for wire, value in known.items()}
        self.given = {answer.wire for answer in answers}

    def expected(self, target: Target) -> list[list[np.ndarray]]:
        """Return the network's gradients at each step, in pieces; [] if it has none."""
        if target.parts:
            columns = [self.expected(part) for part in target.parts]
            if not all(columns):
                return []
            return [[pieces[0] for pieces in row] for row in zip(*columns, strict=True)]
        rows = []
        for step in target.steps:
            wire, at = self.view.at[step]
            if wire not in self.known:
                return []
            value = self.known[wire]
            rows.append([np.asarray(value if at is None else value[at])])
        return rows

    def reading(self, target: Target, family: Family) -> tuple[int, list[np.ndarray] | None]:
        """Return at how many steps a family has the expected numbers, and how it is read then."""
        expected = self.expected(target)
        best: tuple[int, list[np.ndarray] | None] = (0, None)
        for gradients in target.readings(family):
            count = _count_same(target.pieces(gradients), expected) if expected else 0
            if best[1] is None or count > best[0]:
                best = count, gradients
        return best

    def all_readings(self, target: Target, family: Family) -> list[list[np.ndarray]]:
        """Return all ways to read a family as the gradients of a target that differ."""
        distinct: list[list[np.ndarray]] = []
        for gradients in target.readings(family):
            if not any(np.array_equal(gradients, other) for other in distinct):
                distinct.append(gradients)
        return distinct

    def factors(self, target: Target, family: Family) -> Iterator[float]:
        """Yield the numbers by which a family's gradients are multiplied at a step."""
        expected = self.expected(target)
        for gradients in target.readings(family) if expected else ():
            for pieces, right in zip(target.pieces(gradients), expected, strict=True):
                value, own = (np.concatenate([np.ravel(x) for x in y]) for y in (pieces, right))
                size = float(own @ own)
                factor = float(value @ own) / size if size and own.size > 1 else 0.0
                if factor and is_telling(own) and is_same(value, factor * own):
                    yield float(f"{factor:.6g}")

    def right_elsewhere(self, families: Sequence[Family], targets: Sequence[Target]) -> set[int]:
        """Return the ids of families that have the numbers of other gradients.

        At a step where the gradient is a target's, or at all steps where it is another wire's.
        """
        every = [
            (family, at)
            for family in families
            for at, one in enumerate(family.assignments)
            if is_telling(one.value)
        ]
        sums = np.array([family.assignments[at].value.sum() for family, at in every])
        order = np.argsort(sums, kind="stable")
        ordered = sums[order]
        wanted = {self.view.at[x.steps[0]][0] for x in targets if not x.parts}
        known = set[int]()
        for wire, values in self._free_values():
            same: dict[int, set[int]] = {}
            for value in values:
                off = SAME * max(float(np.abs(value).sum()), 1e-300)
                first, last = np.searchsorted(ordered, [value.sum() - off, value.sum() + off])
                for place in order[first:last]:
                    family, at = every[place]
                    if find_layout(family.assignments[at].value, value) is not None:
                        same.setdefault(id(family), set()).add(at)
                        if wire in wanted or len(same[id(family)]) == len(family.assignments):
                            known.add(id(family))
        return known

    def _free_values(self) -> Iterator[tuple[int, Sequence[np.ndarray]]]:
        loops = {wire for node in self.view.adjoint.nodes if node.folded for wire in node.outputs}
        for wire, value in self.known.items():
            if wire not in self.given:
                yield wire, list(value) if wire in loops else [value]


def _count_same(rows: Sequence[Sequence[np.ndarray]], expected: Sequence[Sequence[Any]]) -> int:
    """Return at how many steps all pieces are as expected; 0 if none of them tells anything."""
    same = [
        pieces
        for pieces, right in zip(rows, expected, strict=True)
        if all(is_same(*pair) for pair in zip(pieces, right, strict=True))
    ]
    return len(same) if any(is_telling(piece) for pieces in same for piece in pieces) else 0


def is_telling(value: np.ndarray) -> bool:
    """Whether an array has a number that is hardly there by chance: not 0, 1 or 1/3.

    >>> is_telling(np.array([0.0, 1.0])), is_telling(np.array([0.0, 0.1234567]))
    (False, True)
    """
    parts = np.abs(np.asarray(value, float)) * SIMPLE
    return bool(np.any(np.abs(parts - np.round(parts)) > 1e-6 * np.maximum(parts, 1.0)))
