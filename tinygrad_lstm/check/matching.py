"""The variables of an author's program as the signals of a network: which variable is which δ.

Knows targets, evidence and what names say; judges nothing. Numbers come before names: a variable
that has the numbers of a gradient, as they follow from the gradients before it, is that gradient.
Only where no numbers fit, a gradient is that of a signal if its name says so (``dh`` for ``h``), or
if it is made from others where the signal's gradient is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..network.view import View
from .evidence import Evidence
from .families import CARRIES, Family, carried, first_reader, gradient_of, spelling_of
from .recording import Recording
from .targets import Target, find_targets, find_variables, find_wholes, operands

MOST_TRIALS = 12  # candidates for one gradient that are compared by what follows from them


@dataclass(frozen=True)
class Matching:
    """What a program's variables stand for.

    Attributes
    ----------
    hand : dict of str to array
        The author's gradient of each matched signal.
    variables : dict of str to str
        The variable, with its line, by the signal's name.
    unmatched : tuple of str
        The signals whose gradient the program does not seem to compute.
    unused : tuple of str
        The variables that look like gradients, and could not be matched.
    error : str
        What stopped the program before its end; empty if nothing did.
    is_cut : bool
        Whether it assigned too much to record all.
    has_numbers : bool
        Whether a variable has the numbers of a signal.
    """

    hand: dict[str, np.ndarray]
    variables: dict[str, str]
    unmatched: tuple[str, ...]
    unused: tuple[str, ...]
    error: str = ""
    is_cut: bool = False
    has_numbers: bool = True


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A family that may be the gradient of a target.

    Attributes
    ----------
    target : Target
    family : Family
    gradients : list of array
        The family's numbers at the target's steps.
    count : int
        At how many steps they are as expected.
    rank : int
        How well the family's name fits; 0 if it does not.
    """

    target: Target
    family: Family
    gradients: list[np.ndarray]
    count: int
    rank: int


def match(view: View, recording: Recording) -> Matching:
    """Return which recorded variables are the gradients of which signals."""
    return _Matcher(view, recording).matching()


class _Matcher:
    def __init__(self, view: View, recording: Recording) -> None:
        self.view, self.recording = view, recording
        groups: dict[tuple[object, ...], Family] = {}
        for one in recording.assignments:
            site = one.site
            key = site.function, site.line, site.target, site.is_whole
            groups.setdefault(key, Family(site, [])).assignments.append(one)
        self.order = {id(one): at for at, one in enumerate(recording.assignments)}
        self.families = [*groups.values(), *carried(list(groups.values()))]
        self.targets = find_targets(view)
        self.wholes = find_wholes(view, self.targets)
        places = {id(target): at for at, target in enumerate(self.targets)}
        self.all = sorted(  # a whole before its parts
            [*self.wholes, *self.targets],
            key=lambda x: places[id(x)] if not x.parts else min(places[id(p)] for p in x.parts),
        )
        find_variables(self.targets, self.wholes, self.families)
        self.operands = operands(view, self.targets)
        self.spelling = spelling_of(
            (target.variables for target in self.targets if len(target.steps) == 1),
            {family.word for family in self.families},
        )
        self.replaced = set(self._replaced_ones())
        self.ranks = {  # of a family's name, where it fits best
            id(x): max((self._rank(y, x) for y in self.all), default=0) for x in self.families
        }
        self.right: set[int] = set()  # targets without a name whose gradient is as expected

    def matching(self) -> Matching:
        self._assign()
        taken = [target for target in self.targets if target.family is not None]
        packed = {id(x) for whole in self.wholes if whole.family is not None for x in whole.parts}
        alone = [target for target in taken if id(target) not in packed]
        variables = {
            target.name: f"{target.family.site.target} (line {target.family.site.line})"
            for target in (*alone, *self.wholes)
            if target.family is not None and id(target) not in self.right
        }
        used = {target.family.site.target for target in taken if target.family is not None}
        unused = dict.fromkeys(
            family.site.target
            for family in self.families
            if family.gradient_of and family.site.target not in used
        )
        unmatched = [x.name for x in self.targets if x.family is None and x.has_name]
        has_numbers = any(target.variables for target in self.targets)
        return Matching(
            self._hand(), variables, tuple(unmatched), tuple(unused), self.recording.error,
            self.recording.is_cut, has_numbers,
        )  # fmt: skip

    def _replaced_ones(self) -> Iterator[int]:
        """Yield the ids of families whose variable is assigned again later, not by adding to it."""
        last: dict[tuple[str, str], Family] = {}
        for family in self.families:
            if family.is_carried or not family.assignments[-1].value.any():
                continue
            key = family.site.function, family.site.target
            pair = (last[key], family) if key in last else (family,)
            *old, last[key] = sorted(pair, key=lambda x: self.order[id(x.assignments[-1])])
            yield from map(id, old)

    def _hand(self, more: _Candidate | None = None) -> dict[str, np.ndarray]:
        """Return the gradients that are matched, and those of a candidate, by their names."""
        hand: dict[str, np.ndarray] = {}
        for target in self.targets:
            if target.family is not None and id(target) not in self.right:
                hand |= self._named(target, target.gradients)
        return hand if more is None else hand | self._named(more.target, more.gradients)

    def _named(self, target: Target, gradients: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the gradient of a target by its name: of all steps at once where that can be."""
        whole = np.stack(gradients)
        known = self.view.signals
        if len(target.steps) > 1 and target.name in known:
            signal = known[target.name]
            if signal.shape == whole.shape:
                return {target.name: whole}
        return dict(zip(target.steps, gradients, strict=True))

    # --- which family is which gradient ----------------------------------------------------------

    def _assign(self) -> None:
        self.factor = self._common_factor()
        evidence = self._evidence()
        while True:
            for one in self._right_ones(evidence):
                self._take(one)
                if not one.target.has_name:
                    self.right.add(id(one.target))
            likely = self._likely_one(evidence) or self._one_in_place(evidence)
            if likely is None:
                return
            self._take(likely)
            evidence = self._evidence()

    def _evidence(self, more: _Candidate | None = None) -> Evidence:
        return Evidence(self.view, self._hand(more), self.factor)

    def _common_factor(self) -> float:
        """Return what most gradients are multiplied by: 3 where the mean over 3 is left out."""
        evidence = Evidence(self.view, {})
        counts = Counter[float]()
        for target in self.all:
            factors = [
                factor
                for family in self.families
                if self._rank(target, family)
                and not (target.is_leaf and id(family) in self.replaced)
                for factor in evidence.factors(target, family)
            ]
            counts.update(set(factors))
        (factor, count), *_ = [*counts.most_common(1), (1.0, 0)]
        return factor if count > max(1, counts[1.0]) else 1.0

    def _take(self, one: _Candidate) -> None:
        target = one.target
        target.family, target.gradients = one.family, one.gradients
        for part in target.parts:
            pairs = zip(part.packed, one.gradients, strict=True)
            part.family, part.gradients = one.family, [signal.of(x) for signal, x in pairs]

    def _open(self) -> list[Target]:
        """Return the targets without a gradient, in the order of the backward pass."""
        return [
            target
            for target in self.all
            if target.family is None and all(part.family is None for part in target.parts)
        ]

    def _free(self, target: Target | None = None) -> list[Family]:
        """Return the families that are no gradient yet; blocks may share one."""
        used = {
            id(other.family)
            for other in self.targets
            if other.family is not None and not (other.is_block and target and target.is_block)
        }
        return [family for family in self.families if id(family) not in used]

    def _right_ones(self, evidence: Evidence) -> list[_Candidate]:
        """Return the candidates that are as expected at all steps, one for each target."""
        several = [
            one
            for target in self._open()
            for one in self._candidates(target, evidence)
            if one.count == len(target.steps)
        ]
        best: list[_Candidate] = []
        used: set[int] = set()
        several.sort(key=lambda one: (bool(one.target.parts), *self._preference(one)), reverse=True)
        for one in several:
            own = {id(one.target), *map(id, one.target.parts)}
            own |= set() if one.target.is_block else {id(one.family)}
            if not used & own:
                used |= own
                best.append(one)
        return best

    def _candidates(self, target: Target, evidence: Evidence) -> list[_Candidate]:
        several = []
        for family in self._free(target):
            if target.is_leaf and id(family) in self.replaced:
                continue  # what the program ends with is its gradient of a parameter
            count, gradients = evidence.reading(target, family)
            if gradients is not None:
                rank = self._rank(target, family)
                if count or rank:
                    several.append(_Candidate(target, family, gradients, count, rank))
        named = [one for one in several if one.rank > 1] if target.is_leaf else []
        return named or several  # a parameter's gradient is what people call by its name

    def _preference(self, one: _Candidate) -> tuple[float, ...]:
        family = one.family
        at = self.order.get(id(family.assignments[-1]), -1)
        fit = one.rank or -self.ranks[id(family)]  # db = dz has the numbers of dz, but is db
        return fit, family.site.is_added, family.is_carried, at

    def _likely_one(self, evidence: Evidence) -> _Candidate | None:
        """Return the likeliest candidate of the first target that has one."""
        elsewhere = evidence.right_elsewhere(self._free(), self._open())
        for target in self._open():
            several = [
                one
                for one in self._candidates(target, evidence)
                if (one.count and (one.rank or self._has_followers(one)))
                or (target.is_leaf and one.rank > 1)
                or (one.rank and id(one.family) not in elsewhere)
            ]
            both = [one for one in several if one.count and one.rank]
            several = both or [one for one in several if one.count] or several
            top = max((one.rank for one in several), default=0)
            ways = [x for one in several if one.rank == top for x in self._ways(one, evidence)]
            if ways:
                return self._best(ways)
        return None

    def _best(self, several: Sequence[_Candidate]) -> _Candidate:
        """Return the candidate from which most other variables follow."""
        ordered = sorted(several, key=self._preference, reverse=True)[:MOST_TRIALS]
        if len(ordered) == 1:
            return ordered[0]
        counts = [self._followers(one) for one in ordered]
        if max(counts) == min(counts):
            return self._last(ordered)
        return ordered[counts.index(max(counts))]

    def _has_followers(self, one: _Candidate) -> bool:
        site, word = one.family.site, one.family.word
        return not site.is_added and not CARRIES.search(word) and self._followers(one) > 0

    def _followers(self, one: _Candidate) -> int:
        """Return how many gradients follow from a candidate."""
        evidence = self._evidence(one)
        return sum(
            other.count == len(other.target.steps) and other.family is not one.family
            for other in self._right_ones(evidence)
            if other.target is not one.target
        )

    def _last(self, several: Sequence[_Candidate]) -> _Candidate:
        """Return the candidate that holds the whole gradient: the last before it is read."""
        last: dict[tuple[str, str], _Candidate] = {}
        for one in sorted(several, key=lambda one: one.family.site.line):
            key = one.family.site.function, one.family.site.target
            reader = first_reader(last[key].family, self.families) if key in last else None
            line = one.family.site.line
            if key not in last or (last[key].family.site.line < line and line <= (reader or line)):
                last[key] = one
        return max(last.values(), key=self._preference)

    # --- what names say --------------------------------------------------------------------------

    def _rank(self, target: Target, family: Family) -> int:
        """Return how well a family's name fits the gradient of a target; 0 if it does not."""
        if CARRIES.search(family.word) or not target.has_name:
            return 0
        own = target.name.split(".")
        names = {*target.variables, "".join(own[-2:]), "_".join(own[-2:])}
        if not any(target in whole.parts and target.name.startswith(f"{whole.name}.")
                   for whole in self.wholes):  # fmt: skip
            names.add(own[-1])  # and not o for U.o
        return self.spelling.rank(family, names, target.paths)

    def _ways(self, one: _Candidate, evidence: Evidence) -> list[_Candidate]:
        """Return how a candidate may be meant, the likeliest first.

        ``df = dc * c_prev * f * (1 - f)`` reads f: it has the slope in it, and is the gradient of
        what f is a function of. An index may count the steps backwards.
        """
        if one.count:
            return [one]
        readings = evidence.all_readings(one.target, one.family)
        ways = [replace(one, gradients=gradients) for gradients in readings]
        before = self.operands.get(id(one.target))
        if before is None or before.family is not None or not self._may_have_slope(one):
            return ways
        return [*(replace(way, target=before) for way in ways), *ways]

    def _may_have_slope(self, one: _Candidate) -> bool:
        """Whether a candidate may have been multiplied by its signal's slope already."""
        target, family = one.target, one.family
        deltas = {x.family.root for x in self.targets if x.family is not None}
        reads = family.site.reads
        is_from_delta = bool(deltas & reads) or any(gradient_of(name) for name in reads)
        has_slope = any(  # which comes later: dz = df * f * (1 - f)
            family.root in other.site.reads and target.variables & other.site.reads
            for other in self.families
            if other.root != family.root
            and not other.site.is_added
            and other.assignments[-1].value.shape == family.assignments[-1].value.shape
        )
        return is_from_delta and bool(target.variables & reads) and not has_slope

    # --- what is made where ----------------------------------------------------------------------

    def _one_in_place(self, evidence: Evidence) -> _Candidate | None:
        """Return a family that is made from known gradients where a target's gradient is."""
        free = self._free()
        elsewhere = evidence.right_elsewhere(free, self._open())
        for target in [x for x in self.targets if x.family is None and x.has_name]:
            above = [other for other in self._above(target) if other.family is not None]
            roots = {other.family.root for other in above if other.family is not None}
            several = [
                (family, gradients)
                for family in free
                if family.site.reads & roots
                and not CARRIES.search(family.word)
                and family.root not in roots
                and not family.site.is_added
                and (family.gradient_of or family.word == family.root)
                and id(family) not in elsewhere
                and (gradients := evidence.reading(target, family)[1]) is not None
            ]
            wire, _ = self.view.at[target.steps[0]]
            others = [other for other in self.targets if self.view.at[other.steps[0]][0] != wire
                      and other.family is None and other.shape == target.shape and other.has_name
                      and set(map(id, self._above(other))) & set(map(id, above))]  # fmt: skip
            if len({family.site.target for family, _ in several}) == 1 and not others:
                family, gradients = several[-1]
                return self._best(self._ways(_Candidate(target, family, gradients, 0, 0), evidence))
        return None

    def _above(self, target: Target) -> list[Target]:
        """Return the signals from whose gradients that of a signal is made."""
        wires = {self.view.at[x.steps[0]][0]: x for x in self.targets if x.has_name}
        maker, above = self.view.adjoint.maker, dict[int, Target]()
        seen, waiting = set[int](), [self.view.at[target.steps[0]][0]]
        while waiting:
            wire = waiting.pop()
            node = maker.get(wire)
            for before in node.inputs if node is not None else ():
                if before in wires and wires[before] is not target:
                    above[before] = wires[before]
                elif before not in seen:
                    seen.add(before)
                    waiting.append(before)
        return list(above.values())
