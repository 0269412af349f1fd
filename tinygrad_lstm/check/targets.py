"""The signals whose gradients are looked for in a program, and how the program keeps their numbers.

Knows named signals and recordings; nothing of which variable is which gradient. A variable of the
forward pass is a signal if it has its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..engine.kind import Kind
from ..network.signal import Signal
from ..network.view import View
from .families import Family
from .layout import AS_IS, SAME, Layout, find_block, find_layout


@dataclass(eq=False)
class Target:
    """A signal whose gradient is looked for: at all steps, if it has steps.

    Attributes
    ----------
    name : str
    steps : list of str
        The names of the signal at its steps.
    values : list of array
        Of the forward pass, at each step.
    has_name : bool
        Whether the network names it. The net input of a named signal may have no name.
    is_leaf : bool
        Whether it is a parameter, or another signal that nothing makes.
    variables : set of str
        The words that the program calls it by.
    paths : set of str
        The same with all that stands before the last word: ``W['f']``.
    layouts : list of Layout
        How the program may keep it, the likeliest first.
    family, gradients
        The assignments that were taken as its gradient, and the arrays.
    parts, packed
        The targets that a packed signal consists of; its signals, of which this one is a part.
    """

    name: str
    steps: list[str]
    values: list[np.ndarray]
    has_name: bool = True
    is_leaf: bool = False
    variables: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    layouts: list[Layout] = field(default_factory=lambda: [AS_IS])
    family: Family | None = None
    gradients: list[np.ndarray] = field(default_factory=list)
    parts: list[Target] = field(default_factory=list)
    packed: list[Signal] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values[0].shape

    @property
    def is_block(self) -> bool:
        """Whether the program keeps it in a larger array."""
        return bool(self.layouts[0].block)

    def pieces(self, gradients: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """Return the gradients at each step: one array, or that of each part of a packed signal."""
        return [
            [part.packed[at].of(gradient) for part in self.parts] if self.parts else [gradient]
            for at, gradient in enumerate(gradients)
        ]

    def readings(self, family: Family) -> Iterator[list[np.ndarray]]:
        """Yield the ways to read a family's values as the gradients at the steps."""
        for layout in self.layouts:
            for values in self._orders(family):
                arrays = [layout.of(value, self.shape) for value in values]
                whole = [array for array in arrays if array is not None]
                if len(whole) == len(self.steps):
                    yield whole

    def _orders(self, family: Family) -> Iterator[list[np.ndarray]]:
        count, ones = len(self.steps), family.assignments
        last = ones[-1].value
        if count == 1:
            if not family.is_carried:
                yield [last]
            return
        for value in (last, np.moveaxis(last, -1, 0)) if last.ndim else ():
            if len(value) == count:
                yield list(value)
        if len(ones) != count:
            return
        values = [one.value for one in ones]
        steps = [one.steps[0] if one.steps else -1 for one in ones]
        if sorted(steps) == list(range(min(steps), min(steps) + count)):
            at_step = [values[steps.index(min(steps) + k)] for k in range(count)]
            yield from (at_step, at_step[::-1])  # the index may count from the end
        else:
            yield from (values[::-1], values)  # the pass goes backwards


def find_targets(view: View) -> list[Target]:
    """Return the targets of a view, the last of the forward pass first."""
    groups: dict[str, list[str]] = {}
    inner = set(_net_inputs(view))
    for name in view.at:
        if name in view.named or name in inner:
            groups.setdefault(view.sequence.get(name, name), []).append(name)
    targets = []
    for name, steps in groups.items():
        steps = sorted(steps, key=lambda step: view.at[step][1] or 0)
        values = [np.asarray(view.signals[step].value, float) for step in steps]
        if len({value.shape for value in values}) == 1 and values[0].size:
            named = view.named.get(steps[0])
            is_leaf = named is not None and not named.inputs
            targets.append(Target(name, steps, values, named is not None, is_leaf))
    return sorted(targets, key=lambda target: -view.at[target.steps[0]][0])


def _net_inputs(view: View) -> Iterator[str]:
    """Yield the signals without a name of which a named one is an elementwise function."""
    places, network = view.places.at, view.network
    sources = {
        id(network.source(network.source(places[name][0]).inputs[0]))
        for name in view.named
        if network.source(places[name][0]).kind is Kind.ELEMENTWISE
    }
    for name, (wire, _) in places.items():
        known = view.signals.by_name.get(name)
        if name not in view.named and known is not None and known.tensor.requires_grad:
            node = network.source(wire)
            if known.tensor is not view.loss and id(node) in sources and wire in node.outputs:
                yield name


def find_wholes(view: View, targets: Sequence[Target]) -> list[Target]:
    """Return the packed signals, such as the weights of all gates side by side."""
    groups: dict[str, list[str]] = {}
    for name in view.signals.parts:
        groups.setdefault(name.partition("[")[0], []).append(name)
    of_step = {step: target for target in targets for step in target.steps}
    wholes = []
    for name, steps in groups.items():
        rows = [view.signals.parts[step] for step in steps]
        parts = [of_step.get(signal.name) for signal in rows[0]]
        known = [part for part in parts if part is not None]
        if len(known) != len(parts) or any(len(part.steps) != len(steps) for part in known):
            continue
        values = [row[0].tensor.data for row in rows]
        whole = Target(name, steps, values, is_leaf=known[0].is_leaf, parts=known)
        for number, part in enumerate(known):
            part.packed = [row[number] for row in rows]
        wholes.append(whole)
    return wholes


def find_variables(
    targets: Sequence[Target], wholes: Sequence[Target], families: Sequence[Family]
) -> None:
    """Note at each target the variables that have its numbers, and how they keep them."""
    every = [
        (family, one)
        for family in families
        if not (family.site.is_added and family.gradient_of)
        for one in family.assignments
    ]
    sums = np.array([one.value.sum() for _, one in every])
    order = np.argsort(sums, kind="stable")
    ordered = sums[order]
    for target in (*targets, *wholes):
        layouts: dict[int, Layout] = {}  # by the place in the program
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
                    layouts[int(at)] = layout
                    target.variables.add(family.word)
                    target.paths.add(family.site.target)
        later = [layouts[at] for at in sorted(layouts, reverse=True)]
        target.layouts = _distinct(later)
    turned = [target.layouts[0].is_turned for target in targets if target.layouts]
    usual = [Layout(sum(turned) > len(turned) / 2), AS_IS]
    in_wholes = {id(part) for whole in wholes if whole.variables for part in whole.parts}
    for target in (*targets, *wholes):
        if not target.variables and not target.parts and id(target) not in in_wholes:
            _find_block(target, families)
        target.layouts = _distinct([*target.layouts, *usual])


def _distinct(layouts: Sequence[Layout]) -> list[Layout]:
    return [layout for at, layout in enumerate(layouts) if layout not in layouts[:at]]


def _find_block(target: Target, families: Sequence[Family]) -> None:
    """Note the variable of which a signal is a block."""
    value = target.values[0]
    if not np.abs(value).max(initial=0.0):
        return
    for family in families:
        for one in family.assignments:
            layout = find_block(one.value, value)
            if layout is not None:
                target.layouts = [layout]
                target.variables.add(family.word)
                target.paths.add(family.site.target)
                return


def operands(view: View, targets: Sequence[Target]) -> Mapping[int, Target]:
    """Return the target that each one is an elementwise function of, by the target's id."""
    network, places = view.network, view.places.at
    of_node: dict[int, Target] = {}
    for target in targets:
        of_node.setdefault(id(network.source(places[target.steps[0]][0])), target)
    pairs = {}
    for target in targets:
        node = network.source(places[target.steps[0]][0])
        for operand in node.inputs if node.kind is Kind.ELEMENTWISE else ():
            other = of_node.get(id(network.source(operand)))
            if other is not None and other is not target:
                if other.shape == target.shape:
                    pairs[id(target)] = other
                break
    return pairs
