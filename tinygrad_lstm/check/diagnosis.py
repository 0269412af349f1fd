"""Which mistake it is: the adjoint network run again with every mistake that people make.

Knows mistakes and how gradients are judged. A mistake explains a derivation if, made in the
network, it gives the author's numbers out of the author's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic
from typing import Any

import numpy as np

from ..evaluate import evaluate
from ..flow import Flow
from .blame import Judged, judged
from .mistakes import Mistake, leading_to, mistakes, with_rates, without
from .noise import noise
from .rounding import met
from .sight import Given, Sight

SECONDS = 30.0  # after which no more is tried
MORE = 200  # pairs that are tried after one that explains all
PAIRS = 5000  # of the likeliest, that are tried
NO_ROOM = (KeyError, ValueError, IndexError)  # when the shapes, or another mistake, leave none
Pair = tuple["Diagnosis", "Diagnosis"]


@dataclass(frozen=True)
class Diagnosis:
    """A mistake, or two, and how well they explain a derivation.

    Attributes
    ----------
    mistakes : tuple of Mistake
    residual : float
        The largest difference that they leave, in relation to what is largest in it.
    left : int
        How many gradients they leave wrong by themselves.
    unique : bool
        Whether nothing else explains it as well.
    apart : str
        The signal to give next, to tell it from the next best; empty if none would.
    gives : array, or None
        What they make of the author's own numbers, all in one, each relative to its size.
    """

    mistakes: tuple[Mistake, ...]
    residual: float
    left: int
    unique: bool = True
    apart: str = ""
    gives: np.ndarray | None = field(default=None, repr=False, compare=False)

    @property
    def what(self) -> str:
        return " and ".join(each.what for each in self.mistakes)

    @property
    def where(self) -> str:
        return " and ".join(each.where for each in self.mistakes)

    @property
    def says(self) -> str:
        return "; ".join(each.says for each in self.mistakes)


class Diagnoses(list[Diagnosis]):
    """What explains a derivation, the best first.

    Attributes
    ----------
    is_cut : bool
        Whether the time was up before all was tried.
    """

    is_cut = False


def diagnosed(
    sight: Sight,
    given: Sequence[Given],
    allowed: Sequence[np.ndarray],
    *,
    seconds: float = SECONDS,
    pairs: bool = True,
    watch: Callable[[list[Pair]], Iterable[Pair]] = iter,
) -> Diagnoses:
    """Return what explains a derivation that is wrong, the best first; empty if it is right.

    Parameters
    ----------
    sight : Sight
    given : the derived gradients
    allowed : how far off each may be (see `tolerances`)
    seconds : float
        After which no more mistakes are tried.
    pairs : bool
        Whether to try two at once where no single one explains all.
    watch : (list of pairs) -> the same, one by one
        To show how far it is.
    """
    base = judged(sight.adjoint, given, allowed)
    wrong = _left(base)
    result = Diagnoses()
    if not wrong:
        return result
    until = monotonic() + seconds
    above = [(each.follows, _above(sight, each.given.wire, given)) for each in base]
    at_fault = [wires for follows, wires in above if not follows]
    settled = _settled(sight, given, allowed)
    pruned = (without(mistake, settled) for mistake in mistakes(sight))
    library = [mistake for mistake in pruned if mistake is not None]
    tried: list[Diagnosis] = []

    def all_tried(several: Iterable[tuple[Mistake, ...]], more: float = inf) -> None:
        """Try mistakes until the time is up, or so many from the first that explains all."""
        left = more
        for each in several:
            if monotonic() > until:
                result.is_cut = True
                return
            tried.append(_tried(each, sight, given, allowed, base))
            left -= left < more or not tried[-1].left
            if not left:
                return

    def is_open() -> bool:
        return not result.is_cut and all(each.left for each in tried)

    covering = [each for each in library if all(each.change.at & wires for wires in at_fault)]
    all_tried((each,) for each in covering)
    if is_open():
        # what follows may do so because two mistakes make up for each other
        suspected = set[int]().union(*at_fault)
        ways = suspected.union(*(wires for _, wires in above if wires & suspected))
        known = {id(each) for each in covering}
        all_tried((x,) for x in library if x.change.at & ways and id(x) not in known)
    is_noise = noise([each for each in base if not each.follows]) is not None
    if pairs and is_open() and not is_noise:
        likely = watch(_likely(tried, base))
        all_tried(((*one.mistakes, *other.mistakes) for one, other in likely), MORE)
    whole = [each for each in tried if not each.left]
    part = [] if is_noise else [each for each in tried if each.left < wrong]
    told: dict[str, Diagnosis] = {}  # what is told alike is one
    for each in sorted(whole or part, key=_order):
        told.setdefault(each.says, each)
    found = list(told.values())[:10]
    is_only = bool(whole) and len(found) == 1
    apart = _apart(sight, found[:2], given) if whole and not is_only else ""
    result.extend(replace(each, unique=is_only, apart=apart, gives=None) for each in found)
    return result


def _apart(sight: Sight, two: Sequence[Diagnosis], given: Sequence[Given]) -> str:
    """Return a signal that is not given and comes out differently of two diagnoses."""
    both = []
    for each in two:
        network: Flow = sight.adjoint
        for mistake in each.mistakes:
            network = mistake.change(network)
        try:
            with np.errstate(all="ignore"):
                values = evaluate(network, everything=True)
        except NO_ROOM:
            return ""
        both.append([values.get(wire.name) for wire in network.wires])
    known = {each.name for each in given}
    for name in sight.named:
        wire, step = sight.at[name]
        one, other = (values[wire] for values in both)
        if name not in known and one is not None and other is not None:
            at = ... if step is None else step
            one, other = one[at], other[at]
            if one.shape != other.shape or not np.allclose(one, other, rtol=1e-6, atol=0.0):
                return name
    return ""


def _likely(tried: Sequence[Diagnosis], base: Sequence[Judged]) -> list[Pair]:
    """Return pairs of mistakes, first those whose effects make up what is to be explained.

    Two effects add up where neither mistake acts on what the other has made. Where one does, it
    mostly scales it: what counts is how far what is to be explained is from the plane of the two.
    """
    tried = [each for each in tried if each.gives is not None and np.abs(each.gives).max() < 1e6]
    right, author = _all_in_one(base, base), _all_in_one(base, base, given=True)
    if len(tried) < 2 or right is None or author is None:
        return []
    aim = author - right
    effects = np.array([each.gives for each in tried]) - right
    between, along = effects @ effects.T, effects @ aim
    own = np.diag(between)
    spread = np.outer(own, own) - between**2  # 0 of two along one line, which are no pair
    reached = (
        np.multiply.outer(along**2, own) + np.multiply.outer(own, along**2)
        - 2 * np.outer(along, along) * between
    )  # fmt: skip
    apart = spread > 1e-9 * np.outer(own, own)
    near = np.divide(reached, spread, where=apart, out=np.full_like(spread, -np.inf))
    first, second = np.triu_indices(len(tried), 1)
    best = np.argsort(-near[first, second], kind="stable")[:PAIRS]
    return [(tried[first[at]], tried[second[at]]) for at in best if apart[first[at], second[at]]]


def _all_in_one(
    base: Sequence[Judged], found: Sequence[Judged], given: bool = False
) -> np.ndarray | None:
    """Return what is expected, or given, in one array: each relative to its size, in one order.

    Of one that is given in a wrong shape, only whether that is so.
    """
    values = {x.given.name: x for x in found}
    parts = []
    for each in base:
        now = values.get(each.given.name)
        if now is None:
            return None
        if each.given.value.shape != each.expected.shape:
            parts.append(np.array([0.0 if given or now.follows else 1.0]))
            continue
        value = now.given.value if given else now.expected
        if value.shape != each.expected.shape:
            return None
        size = float(max(np.abs(each.given.value).max(), np.abs(each.expected).max()))
        parts.append(np.ravel(value) / (size or 1.0))
    return np.concatenate(parts)


def _above(sight: Sight, wire: int, given: Sequence[Given]) -> set[int]:
    """Return the wires that lead to one, as far as what is given at every step."""
    maker = {w: node for node in sight.adjoint.nodes for w in node.outputs}
    known = _known(sight, given)
    found, waiting = {wire}, [wire]
    while waiting:
        node = maker.get(waiting.pop())
        for come in node.inputs if node is not None else ():
            if come not in found and come not in known:
                found.add(come)
                waiting.append(come)
    return found


def _known(sight: Sight, given: Sequence[Given]) -> set[int]:
    """Return the wires on which δ is given at every step."""
    loops = {w: node.loop for node in sight.adjoint.nodes if node.folded for w in node.outputs}
    steps: dict[int, set[int | None]] = {}
    for each in given:
        steps.setdefault(each.wire, set()).add(each.step)

    def count(wire: int) -> int:
        loop = loops.get(wire)
        return 1 if loop is None else len(sight.adjoint.loops[loop].steps)

    return {wire for wire, known in steps.items() if len(known) >= count(wire)}


def _settled(
    sight: Sight, given: Sequence[Given], allowed: Sequence[np.ndarray]
) -> set[int]:
    """Return the wires on which δ is given at every step, and right: no mistake shows there."""
    right = met(sight.adjoint, given, None)
    off = {
        given[key].wire
        for key, value in right.items()
        if given[key].value.shape != value.shape
        or not np.all(np.abs(given[key].value - value) <= allowed[key])
    }
    return _known(sight, given) - off


def _tried(
    several: tuple[Mistake, ...],
    sight: Sight,
    given: Sequence[Given],
    allowed: Sequence[np.ndarray],
    base: Sequence[Judged],
) -> Diagnosis:
    wires = {each.wire for each in given}

    def made(several: Sequence[Mistake]) -> list[Judged]:
        network: Flow = sight.adjoint
        for each in several:
            network = each.change(network)
        return judged(leading_to(network, wires), given, allowed)

    def missed(several: Sequence[Mistake]) -> np.ndarray | None:
        gives = _all_in_one(base, made(several))
        author = _all_in_one(base, base, given=True)
        return None if gives is None or author is None else gives - author

    with np.errstate(all="ignore"):  # a mistake may divide by 0
        try:
            several = with_rates(several, missed)
            found = made(several)
        except NO_ROOM:
            return Diagnosis(several, np.inf, len(given) + 1)
        residual = max((each.residual for each in found), default=0.0)
        gives = _all_in_one(base, found)
        return Diagnosis(several, residual, _left(found), gives=gives)


def _left(found: Iterable[Judged]) -> int:
    return sum(not each.follows for each in found)


def _order(diagnosis: Diagnosis) -> tuple[Any, ...]:
    """Return what to sort diagnoses by.

    What explains all comes before what explains a part, and one mistake before two; then the
    likelier mistake, then what explains more, then the name.
    """
    ranks = sorted((mistake.rank for mistake in diagnosis.mistakes), reverse=True)
    return (
        diagnosis.left > 0, len(diagnosis.mistakes), ranks, diagnosis.left, diagnosis.where,
        diagnosis.says,
    )  # fmt: skip
