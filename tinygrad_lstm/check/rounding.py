"""How far rounding may have led a derived gradient: that of the machine, and that of few digits.

Knows the network and its adjoint. What is carried at few digits is off by half a unit of the last
one, wherever it has a name; in the forward pass too, so that the gains of the adjoint network are
off by what that makes of them. All of it is a bound: sizes are added up, and no sign helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ..adjoint import continued
from ..evaluate import evaluate
from ..flow import Flow, Node
from .sight import Given, Sight

Meetings = Mapping[int, Callable[[int | None, np.ndarray], np.ndarray]]
NOWHERE: Meetings = MappingProxyType({})


def half_unit_carried(value: Any, digits: int) -> np.ndarray:
    """Return half a unit of the last digit of a number that an author carried, which nobody sees.

    The author kept so many digits in all, or so many after the point: the coarser counts.

    >>> half_unit_carried([0.123, 123.0], 5)
    array([5.000005e-06, 5.000005e-03])
    """
    return np.maximum(*_half_units(np.asarray(value, float), digits))


def half_unit_printed(printed: Any, digits: int) -> np.ndarray:
    """Return half a unit of the last digit of printed numbers, by what the numbers show.

    A number is printed with so many digits after the point if it has no more than these, and with
    so many digits in all, as in scientific notation, if it has no more than those. Where both fit,
    the coarser counts; where neither does, the number shows more digits than it is said to have,
    and the finer counts.

    >>> half_unit_printed([0.002, 4.12e-4, 0.123456, 41.237], 3)
    array([5.0000005e-04, 5.0000005e-07, 5.0000005e-04, 5.0000005e-04])
    """
    value = np.asarray(printed, float)
    after_point, in_all = _half_units(value, digits)
    fits_point, fits_all = (_is_multiple(value, 2 * unit) for unit in (after_point, in_all))
    coarser, finer = np.maximum(after_point, in_all), np.minimum(after_point, in_all)
    only_one = np.where(fits_point, after_point, in_all)
    return np.where(fits_point == fits_all, np.where(fits_point, coarser, finer), only_one)


def _half_units(value: np.ndarray, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return half a unit of the last digit: of so many after the point, and of so many in all."""
    size = np.abs(value)
    with np.errstate(all="ignore"):
        places = np.floor(np.log10(size, out=np.full(size.shape, -np.inf), where=size > 0))
        units = 10.0 ** np.full(size.shape, -float(digits)), 10.0 ** (places - digits + 1)
    after_point, in_all = (0.5 * unit * (1 + 1e-6) for unit in units)
    return after_point, in_all


def _is_multiple(value: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return where a number is a whole multiple of a unit, as far as its type can say."""
    eps = np.full(value.shape, np.finfo(np.float64).eps)
    with np.errstate(all="ignore"):
        for narrow in (np.float32, np.float16):
            eps = np.where(value.astype(narrow) == value, np.finfo(narrow).eps, eps)
        count = value / (unit / (1 + 1e-6))
        return (value == 0) | (np.abs(count - np.rint(count)) <= 4 * eps * np.abs(count))


def tolerances(
    sight: Sight, given: Sequence[Given], rtol: float, digits: int | None
) -> list[np.ndarray]:
    """Return how far each derived gradient may be off what follows from those above it.

    Parameters
    ----------
    sight : Sight
    given : the derived gradients
    rtol : float
        What counts as rounding, relative to the largest of what was added up.
    digits : int, optional
        At how many the numbers were carried.
    """
    values = [np.abs(each.value) for each in given]
    scale = met(absolute(sight.adjoint), given, values, _sizes(sight))
    largest: dict[int, float] = {}  # of a signal over its steps
    for key, size in scale.items():
        known = largest.get(given[key].wire, 0.0)
        largest[given[key].wire] = max(np.max(x, initial=known) for x in (size, values[key]))
    floor = 0.1 * max(largest.values(), default=0.0)  # what is that small is made of rounding
    allowed = [np.full(x.value.shape, rtol * max(largest[x.wire], floor)) for x in given]
    if digits is None:
        return allowed
    units = [half_unit_printed(value, digits) for value in values]
    rounded = [value + unit for value, unit in zip(values, units, strict=True)]
    between = Kept(
        set(_wires(sight).values()), lambda w, k, value: value + half_unit_carried(value, digits)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        wider = met(_widened(sight, digits), given, rounded, between)
        right = met(absolute(sight.adjoint), given, values)
        off = {key: _bounded(wider[key] - right[key]) for key in wider}
    return [
        one + units[key] + (off[key] if one.shape == off[key].shape else 0.0)
        for key, one in enumerate(allowed)
    ]


def _bounded(off: np.ndarray) -> np.ndarray:
    """Return a difference of bounds, infinite where both are."""
    return np.nan_to_num(off, nan=np.inf, posinf=np.inf)


def _sizes(sight: Sight) -> Meetings:
    """Return meetings that go on with the size of δ itself wherever it has a name.

    So that sizes are added up from one name to the next, and do not grow from step to step as the
    sum of all ways does, whose signs never let them cancel.
    """
    known: dict[tuple[int, int | None], np.ndarray] = {}

    def kept(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
        known[wire, step] = np.abs(value)
        return value

    wires = set(_wires(sight).values())
    evaluate(sight.adjoint, meet=Kept(wires, kept))
    return Kept(wires, lambda wire, step, value: known.get((wire, step), value))


def reach(sight: Sight, digits: int) -> dict[int, np.ndarray]:
    """Return how far off δ may be if all that it is made of is carried at few digits, by wire.

    The last digit of δ itself is not in it: that is printed, and shows what it is.
    """
    wires = _wires(sight)
    right, wrong = Kept(set(wires.values())), Kept(set(wires.values()))

    def carried(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
        return wrong[wire](step, value) + half_unit_carried(value, digits)

    rounded = Kept(set(wires.values()), carried)
    with np.errstate(over="ignore", invalid="ignore"):
        evaluate(absolute(sight.adjoint), meet=right)
        evaluate(_widened(sight, digits), meet=rounded)
        small, large = right.series(), wrong.series()
        return {wire: _bounded(large[to] - small[to]) for wire, to in wires.items() if to in small}


def _wires(sight: Sight) -> dict[int, int]:
    """Return the wires of what has a name, in the network and in its adjoint."""
    return {sight.places.at[name][0]: sight.at[name][0] for name in sight.named}


def met(
    adjoint: Flow, given: Sequence[Given], values: Sequence[Any] | None, others: Meetings = NOWHERE
) -> dict[int, np.ndarray]:
    """Run a network on given values in place of its own, if there are any.

    ``others`` are met on wires, or at steps, where none is given.

    Returns what it makes of each itself, by its position, in the order in which it does; 0 where
    it makes nothing.
    """
    found: dict[int, np.ndarray] = {}
    places: dict[int, dict[int | None, list[int]]] = {}
    for key, each in enumerate(given):  # several, where one signal is a plain copy of another
        places.setdefault(each.wire, {}).setdefault(each.step, []).append(key)

    def at(wire: int) -> Callable[[int | None, np.ndarray], np.ndarray]:
        def meet(step: int | None, value: np.ndarray) -> np.ndarray:
            keys = places.get(wire, {}).get(step, ())
            if not keys and wire in others:
                return others[wire](step, value)
            for key in keys:
                found[key] = np.array(value)
                if values is not None and np.shape(values[key]) == value.shape:
                    value = values[key]  # what has another shape leads nowhere
            return value

        return meet

    evaluate(adjoint, meet={wire: at(wire) for wire in {*places, *others}})
    for key, each in enumerate(given):
        found.setdefault(key, np.zeros(each.value.shape))
    return found


def absolute(adjoint: Flow) -> Flow:
    """Return the network of the sizes: every gain without its sign, every sum without minus."""
    return replace(adjoint, nodes=tuple(_unsigned(node) for node in adjoint.nodes))


def _unsigned(node: Node) -> Node:
    gain = None if node.gain is None else np.abs(node.gain)
    return replace(node, gain=gain, signs=tuple(abs(sign) for sign in node.signs))


def _widened(sight: Sight, digits: int) -> Flow:
    """Return the network of the sizes, its gains as large as rounded signals may make them."""
    off, user = _strayed(sight, digits), {w: x for x in sight.network.nodes for w in x.inputs}
    nodes = []
    for node in absolute(sight.adjoint).nodes:
        if node.kind in ("gain", "matrix", "jacobian"):
            more = _strayed_gain(sight.network, user[node.outputs[0]], node.outputs[0], off)
            node = replace(node, gain=node.gain + more)
        nodes.append(node)
    return replace(sight.adjoint, nodes=tuple(nodes))


def _strayed(sight: Sight, digits: int) -> dict[int, np.ndarray]:
    """Return how far off every signal of the forward pass may be, by wire.

    The adjoint of the adjoint network is the forward pass made linear: what it makes of the
    rounding of every named signal, added up by size.
    """
    forward = sight.adjoint.adjoint()
    once, again = continued(sight.network), continued(sight.adjoint)
    place = {w: once.get(w, w) for w in range(len(sight.network.wires))}
    place = {w: again.get(to, to) for w, to in place.items()}
    rounded: dict[tuple[int, int | None], np.ndarray] = {}
    for name, tensor in sight.named.items():
        if tensor.inputs:  # inputs and parameters are as they are
            wire, step = sight.places.at[name]
            value = sight.network.wires[wire].value
            carried = value if step is None else value[step]
            rounded[place[wire], step] = half_unit_carried(carried, digits)
    kept = Kept(set(place.values()), lambda w, k, value: value + rounded.get((w, k), 0.0))
    driven = {node.name for node in forward.nodes if node.kind == "input"}
    still = {
        node.name: np.zeros(np.shape(sight.network.wires[node.outputs[0]].value))
        for node in sight.network.nodes
        if node.name in driven and node.outputs
    }
    evaluate(absolute(forward), still, meet=kept)
    found = kept.series()
    return {wire: found[to] for wire, to in place.items() if to in found}


def _strayed_gain(
    network: Flow, user: Node, wire: int, off: Mapping[int, np.ndarray]
) -> np.ndarray | float:
    """Return how far off the gain of an operand may be, if the signals that it is made of are."""
    port = user.inputs.index(wire)
    if user.kind == "product":
        return off.get(user.inputs[1 - port], 0.0)
    assert user.primitive is not None
    rule = user.primitive.rules[port]
    wires = [*user.inputs, user.outputs[0]]
    values = [network.wires[each].value for each in wires]

    def gain(moved: Sequence[Any]) -> np.ndarray:
        assert rule is not None
        if user.kind != "reduction":
            return np.asarray(rule(*moved), float)
        if not user.folded:
            return np.asarray(rule(*moved, user.parameters.get("axis")), float)
        return np.stack([
            rule(*each, user.at(step).parameters.get("axis"))
            for step, each in enumerate(zip(*moved, strict=True))
        ]).astype(float)  # fmt: skip

    right, total = gain(values), 0.0
    for at, each in enumerate(wires):
        if each in off:
            with np.errstate(all="ignore"):
                ends = [
                    np.abs(gain([*values[:at], values[at] + by, *values[at + 1 :]]) - right)
                    for by in (off[each], -off[each])
                ]
            total = total + np.nan_to_num(np.fmax(*ends))
    return total


class Kept(Meetings):
    """Meetings on some wires that keep what comes, and let it go on, or what is made of it.

    Parameters
    ----------
    wires : set of int
    made : (wire, step, value) -> value, optional
    """

    def __init__(
        self, wires: set[int], made: Callable[[int, int | None, np.ndarray], Any] | None = None
    ) -> None:
        self.wires, self.made = wires, made
        self.found: dict[int, dict[int | None, np.ndarray]] = {}

    def __getitem__(self, wire: int) -> Callable[[int | None, np.ndarray], np.ndarray]:
        if wire not in self.wires:
            raise KeyError(wire)

        def meet(step: int | None, value: np.ndarray) -> np.ndarray:
            value = value if self.made is None else self.made(wire, step, value)
            self.found.setdefault(wire, {})[step] = value
            return value

        return meet

    def __iter__(self) -> Iterator[int]:
        return iter(self.wires)

    def __len__(self) -> int:
        return len(self.wires)

    def series(self) -> dict[int, np.ndarray]:
        """Return what came, by wire; inside of a folded loop of T steps (T, ...)."""
        return {
            wire: steps[None] if None in steps else np.stack([steps[k] for k in range(len(steps))])
            for wire, steps in self.found.items()
        }
