"""The variables of an author's program as the signals of a network: which variable is which δ.

Knows recordings and named signals; judges nothing. A variable of the forward pass is a signal if it
has its numbers. A gradient is that of a signal if its name says so (``dh`` for ``h``), if its
numbers follow from the gradients that are known already, or if it is made from them where the
signal's gradient is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..network.signal import Signal
from ..network.view import View
from .families import CARRIES, Family, forms, gradient_of
from .layout import AS_IS, SAME, Layout, find_block, find_layout, is_same
from .recording import Recording
from .trials import Trials


@dataclass(eq=False)
class Target:
    """A signal whose gradient is looked for: at all steps, if it has steps.

    A packed signal has parts, which are targets too; each knows its signals at the steps.
    """

    name: str
    steps: list[str]
    values: list[np.ndarray]
    variables: set[str] = field(default_factory=set)
    layout: Layout = AS_IS
    family: Family | None = None
    gradients: list[np.ndarray] = field(default_factory=list)
    how: str = ""
    parts: list[Target] = field(default_factory=list)
    packed: list[Signal] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values[0].shape


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


def match(view: View, recording: Recording) -> Matching:
    """Return which recorded variables are the gradients of which signals."""
    return _Matcher(view, recording).matching()


class _Matcher:
    def __init__(self, view: View, recording: Recording) -> None:
        self.view, self.recording = view, recording
        groups: dict[tuple[str, int, str], Family] = {}
        for one in recording.assignments:
            key = one.site.function, one.site.line, one.site.target
            groups.setdefault(key, Family(one.site, [])).assignments.append(one)
        self.families = list(groups.values())
        self.order = {id(one): at for at, one in enumerate(recording.assignments)}
        self.targets = self._targets()
        self.wholes = self._wholes()

    def matching(self) -> Matching:
        self._match_values()
        for whole in self.wholes:
            self._match_by_name(whole)
            for part in whole.parts if whole.family is not None else ():
                part.family, part.how = whole.family, whole.how
                pairs = zip(part.packed, whole.gradients, strict=True)
                part.gradients = [signal.of(gradient) for signal, gradient in pairs]
        for target in self.targets:
            if target.family is None:
                self._match_by_name(target)
        count = -1
        while count != (count := sum(target.family is not None for target in self.targets)):
            self._match_by_chain()
        hand: dict[str, np.ndarray] = {}
        for target in self.targets:
            if target.family is not None:
                hand |= self._named(target)
        packed = {id(x) for whole in self.wholes if whole.family is not None for x in whole.parts}
        alone = [target for target in self.targets if id(target) not in packed]
        variables = {
            target.name: f"{target.family.site.target} (line {target.family.site.line})"
            for target in (*alone, *self.wholes) if target.family is not None
        }  # fmt: skip
        used = {target.family.site.target for target in self.targets if target.family is not None}
        unused = dict.fromkeys(
            family.site.target
            for family in self.families
            if family.gradient_of and family.site.target not in used
        )
        unmatched = tuple(target.name for target in self.targets if target.family is None)
        has_numbers = any(target.variables for target in self.targets)
        error, is_cut = self.recording.error, self.recording.is_cut
        return Matching(hand, variables, unmatched, tuple(unused), error, is_cut, has_numbers)

    def _named(self, target: Target) -> dict[str, np.ndarray]:
        """Return the gradient of a target by its name: of all steps at once where that can be."""
        whole = np.stack(target.gradients)
        known = self.view.signals
        if len(target.steps) > 1 and target.name in known:
            signal = known[target.name]
            if signal.shape == whole.shape:
                return {target.name: whole}
        return dict(zip(target.steps, target.gradients, strict=True))

    def _targets(self) -> list[Target]:
        groups: dict[str, list[str]] = {}
        for name in self.view.named:
            groups.setdefault(self.view.sequence.get(name, name), []).append(name)
        targets = []
        for name, steps in groups.items():
            steps = sorted(steps, key=lambda step: self.view.at[step][1] or 0)
            values = [np.asarray(self.view.signals[step].value, float) for step in steps]
            if len({value.shape for value in values}) == 1 and values[0].size:
                targets.append(Target(name, steps, values))
        return sorted(targets, key=lambda target: -self.view.at[target.steps[0]][0])

    def _wholes(self) -> list[Target]:
        """Return the packed signals, such as the weights of all gates side by side."""
        groups: dict[str, list[str]] = {}
        for name in self.view.signals.parts:
            groups.setdefault(name.partition("[")[0], []).append(name)
        of_step = {step: target for target in self.targets for step in target.steps}
        wholes = []
        for name, steps in groups.items():
            rows = [self.view.signals.parts[step] for step in steps]
            parts = [of_step.get(signal.name) for signal in rows[0]]
            known = [part for part in parts if part is not None]
            if len(known) != len(parts) or any(len(part.steps) != len(steps) for part in known):
                continue
            whole = Target(name, steps, [row[0].tensor.data for row in rows], parts=known)
            for number, part in enumerate(known):
                part.packed = [row[number] for row in rows]
            wholes.append(whole)
        return wholes

    # --- the forward pass, by its numbers --------------------------------------------------------

    def _match_values(self) -> None:
        """Note the variables that have the numbers of a signal."""
        every = [(family, one) for family in self.families for one in family.assignments]
        sums = np.array([one.value.sum() for _, one in every])
        order = np.argsort(sums, kind="stable")
        ordered = sums[order]
        for target in (*self.targets, *self.wholes):
            values = [target.values[0], *target.values[-1:]]
            if len(target.values) > 1:
                values = [*values, np.stack(target.values)]
            for value in values:
                if not np.abs(value).max(initial=0.0):
                    continue
                off = SAME * max(float(np.abs(value).sum()), 1e-300)
                first, last = np.searchsorted(ordered, [value.sum() - off, value.sum() + off])
                for at in order[first:last]:
                    family, one = every[at]
                    layout = find_layout(one.value, value)
                    if layout is not None:
                        if not target.variables:
                            target.layout = layout
                        target.variables.add(family.word)
        turned = [target.layout.is_turned for target in self.targets if target.variables]
        is_turned = sum(turned) > len(turned) / 2
        for target in (*self.targets, *self.wholes):
            if not target.variables:
                target.layout = Layout(is_turned)  # as most are
        in_wholes = [part for whole in self.wholes if whole.variables for part in whole.parts]
        for target in self.targets:
            if not target.variables and target not in in_wholes:
                self._match_block(target)

    def _match_block(self, target: Target) -> None:
        """Note the variable of which a signal is a block."""
        value = target.values[0]
        if not np.abs(value).max(initial=0.0):
            return
        for family in self.families:
            for one in family.assignments:
                layout = find_block(one.value, value)
                if layout is not None:
                    target.layout = layout
                    target.variables.add(family.word)
                    return

    # --- gradients -------------------------------------------------------------------------------

    def _match_by_name(self, target: Target) -> None:
        """Take the gradient whose name says that it is the target's."""
        own = target.name.split(".")
        names = {*target.variables, "".join(own[-2:]), "_".join(own[-2:])}
        if not any(target in whole.parts and target.name.startswith(f"{whole.name}.")
                   for whole in self.wholes):  # fmt: skip
            names.add(own[-1])  # and not o for U.o
        for are_exact in (True, False):
            wanted = {form for name in names for form in forms(name, are_exact)}
            several = [
                family
                for family in self.families
                if wanted & set(forms(family.gradient_of, are_exact))
                and not CARRIES.search(family.word)
            ]
            family = self._choose(target, several)
            if family is not None:
                goal = self._made_before(target, family)
                if goal.family is None:
                    self._take(goal, family, "name")
                return

    def _choose(self, target: Target, several: Sequence[Family]) -> Family | None:
        """Return the family that holds the whole gradient: the last before it is read."""
        several = [family for family in several if self._values(target, family) is not None]
        last: dict[tuple[str, str], Family] = {}
        for family in sorted(several, key=lambda family: family.site.line):
            key = family.site.function, family.site.target
            reader = self._first_reader(last[key]) if key in last else None
            if reader is None or family.site.line <= reader:
                last[key] = family
        return max(
            last.values(),
            key=lambda family: (family.site.is_added, self.order[id(family.assignments[-1])]),
            default=None,
        )

    def _first_reader(self, family: Family) -> int | None:
        """Return the first line below a site that reads its variable for another one."""
        lines = [
            other.site.line
            for other in self.families
            if other.site.function == family.site.function
            and other.site.line > family.site.line
            and other.site.target != family.site.target
            and family.root in other.site.reads
        ]
        return min(lines, default=None)

    def _made_before(self, target: Target, family: Family) -> Target:
        """Return the signal that the target is a function of, if the gradient is that of it.

        ``df = dc * c_prev * f * (1 - f)`` reads f: it has the slope in it already.
        """
        deltas = {x.family.root for x in self.targets if x.family is not None}
        reads = family.site.reads
        is_from_delta = bool(deltas & reads) or any(gradient_of(name) for name in reads)
        before = self._operand(target)
        has_slope = any(  # which comes later: dz = df * f * (1 - f)
            family.root in other.site.reads and target.variables & other.site.reads
            for other in self.families
            if other.root != family.root
        )
        if before is not None and is_from_delta and target.variables & reads and not has_slope:
            return before
        return target

    def _operand(self, target: Target) -> Target | None:
        """Return the signal that one is an elementwise function of."""
        if target.parts:
            return None
        network = self.view.network
        wires = {self.view.places.at[x.steps[0]][0]: x for x in self.targets}
        wire = self.view.places.at[target.steps[0]][0]
        node = network.source(wire)
        if node.kind is not Kind.ELEMENTWISE:
            return None
        for operand in node.inputs:
            for place, other in wires.items():
                if network.source(place) is network.source(operand) and other is not target:
                    return other if other.shape == target.shape else None
        return None

    def _take(self, target: Target, family: Family, how: str) -> None:
        gradients = self._values(target, family)
        if gradients is not None:
            target.family, target.gradients, target.how = family, gradients, how

    def _values(self, target: Target, family: Family) -> list[np.ndarray] | None:
        """Return a family's values as the gradients of a target's steps; None if none fit."""
        count, ones = len(target.steps), family.assignments
        if count == 1:
            array = target.layout.of(ones[-1].value, target.shape)
            return None if array is None else [array]
        for value in (
            (ones[-1].value, np.moveaxis(ones[-1].value, -1, 0)) if ones[-1].value.ndim else ()
        ):
            rows = [target.layout.of(row, target.shape) for row in value]
            whole = [row for row in rows if row is not None]
            if len(value) == count and len(whole) == count:
                return whole
        if len(ones) != count:
            return None
        steps = [one.steps[0] if one.steps else -1 for one in ones]
        first = min(steps)
        if sorted(steps) != list(range(first, first + count)):
            steps, first = list(range(count - 1, -1, -1)), 0  # the pass goes backwards
        values: dict[int, Any] = {
            step - first: target.layout.of(one.value, target.shape)
            for step, one in zip(steps, ones, strict=True)
        }
        arrays = [values[step] for step in range(count)]
        return None if any(array is None for array in arrays) else arrays

    def _match_by_chain(self) -> None:
        """Take gradients that follow from those known, or are made from them in their place."""
        hand = {
            name: gradient
            for target in self.targets
            for name, gradient in zip(target.steps, target.gradients)
        }
        answers = self.view.answers(hand)
        trials = Trials(self.view.adjoint, answers, True)
        used = {id(target.family) for target in self.targets}
        free = [family for family in self.families if id(family) not in used]
        for target in [target for target in self.targets if target.family is None]:
            wire, step = self.view.at[target.steps[0]]
            expected = trials.known.get(wire)
            right = [] if expected is None else expected if step is not None else [expected]
            for family in free if len(right) else ():
                values = self._values(target, family)
                if values is None or not any(np.abs(value).max(initial=0.0) for value in values):
                    continue
                if all(is_same(*pair) for pair in zip(values, right, strict=False)):
                    self._take(target, family, "numbers")
                    return
        for target in [target for target in self.targets if target.family is None]:
            above = [other for other in self._above(target) if other.family is not None]
            roots = {other.family.root for other in above if other.family is not None}
            several = [
                family
                for family in free
                if family.site.reads & roots
                and not CARRIES.search(family.word)
                and family.root not in roots
                and not family.site.is_added
                and (family.gradient_of or family.word == family.root)
                and self._values(target, family) is not None
            ]
            wire, _ = self.view.at[target.steps[0]]
            others = [other for other in self.targets if self.view.at[other.steps[0]][0] != wire
                      and other.family is None and other.shape == target.shape
                      and set(map(id, self._above(other))) & set(map(id, above))]  # fmt: skip
            if len({family.site.target for family in several}) == 1 and not others:
                self._take(target, several[-1], "place")
                return

    def _above(self, target: Target) -> list[Target]:
        """Return the signals from whose gradients that of a signal is made."""
        wires = {self.view.at[other.steps[0]][0]: other for other in self.targets}
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
