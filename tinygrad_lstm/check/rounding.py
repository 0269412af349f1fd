"""The tolerance of a derived gradient: the rounding of the machine, and that to few digits.

Knows the network and its adjoint. A value that an author carries at few digits is off by half a
unit of the last one, wherever the value has a name; in the forward pass too, so that the gains of
the adjoint network are off as well. Errors drawn at random measure how far that leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..network.adjoint import gain_of
from ..network.evaluate import evaluate
from ..network.flow import Flow, Node
from ..network.view import Given, View
from .digits import HalfUnit, half_unit_of, half_unit_printed
from .runs import Intercepts, Recorder, run_on_given

DRAWS = 16  # of rounding errors, in every signal; the result varies by a fifth or so
FACTOR = 5.0  # times the root of the mean square
# whose gains depend on the operands
SLOPED = (Kind.ELEMENTWISE, Kind.BILINEAR, Kind.REDUCTION, Kind.MATRIX_FUNCTION)
COMPUTED = (*SLOPED, Kind.JUNCTION, Kind.GAIN)  # of a forward pass
GAINS = (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.PULLBACK)  # of an adjoint network


def tolerances(
    view: View, given: Sequence[Given], rtol: float, digits: int | None
) -> list[np.ndarray]:
    """Return the tolerance of each derived gradient, relative to the author's gradients above it.

    That is half a unit of its own last digit, and the effect of rounding in all values that the
    gradient is computed from (see `spread`): a given gradient is off by half a unit of its printed
    digit, another one by half a unit of the digit that an author carries.

    Parameters
    ----------
    view : View
    given : the derived gradients
    rtol : float
        The rounding of the machine, relative to the largest number in a sum.
    digits : int, optional
        At how many the numbers were carried.
    """
    values = [np.abs(gradient.value) for gradient in given]
    scale = run_on_given(absolute(view.adjoint), given, values, _sizes(view))
    largest: dict[int, float] = {}  # of a signal over its steps
    for key, size in Interruptible(scale.items()):
        known = largest.get(given[key].wire, 0.0)
        largest[given[key].wire] = max(np.max(x, initial=known) for x in (size, values[key]))
    floor = 0.1 * max(largest.values(), default=0.0)  # numbers that small are rounding
    allowed = [
        np.full(gradient.value.shape, rtol * max(largest[gradient.wire], floor))
        for gradient in given
    ]
    if digits is None:
        return allowed
    units = [half_unit_printed(value, digits) for value in Interruptible(values)]
    half_unit = half_unit_of([gradient.value for gradient in given], digits)
    wires, random = set(_wires(view).values()), np.random.default_rng(1)
    exact = Recorder(wires)

    def follows(adjoint: Flow, is_rounded: bool) -> dict[int, np.ndarray]:
        printed = [gradient.value for gradient in given]
        if not is_rounded:
            return run_on_given(adjoint, given, printed, exact)
        moved = [x + _uniform(random, u) for x, u in zip(printed, units, strict=True)]
        between = Recorder(wires, partial(_move, _errors(random, exact, half_unit)))
        return run_on_given(adjoint, given, moved, between)

    off = spread(view, half_unit, follows)
    return [
        one + units[key] + (off[key] if one.shape == off[key].shape else 0.0)
        for key, one in enumerate(allowed)
    ]


def _sizes(view: View) -> Intercepts:
    """Return intercepts for the size of δ itself where it has a name or left a product.

    So that sizes are added up from one name, or one layer, to the next, and do not grow from step
    to step as the sum of all ways does, whose signs never let them cancel.
    """
    wires = set(_wires(view).values())
    wires.update(node.outputs[0] for node in view.adjoint.nodes if node.kind is Kind.MATRIX)
    exact = Recorder(wires)
    evaluate(view.adjoint, intercept=exact)

    def size(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(exact.records.get(wire, {}).get(step, value)))

    return Recorder(wires, size)


def reach(view: View, digits: int, printed: Iterable[Any] = ()) -> dict[int, np.ndarray]:
    """Return how far off δ may be if its operands are carried at few digits, by wire.

    The last digit of δ itself does not count: it is printed.

    Parameters
    ----------
    view : View
    digits : int
    printed : arrays
        The author's numbers, which show how the author counts digits (see `half_unit_of`).
    """
    wires, random = _wires(view), np.random.default_rng(2)
    half_unit = half_unit_of(printed, digits)

    exact = Recorder(set(wires.values()))

    def deltas(adjoint: Flow, is_rounded: bool) -> dict[int, np.ndarray]:
        if not is_rounded:
            evaluate(adjoint, intercept=exact)
            return exact.series()
        errors, before = _errors(random, exact, half_unit), Recorder(set(wires.values()))

        def rounded(wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
            return _move(errors, wire, step, before[wire](step, value))

        evaluate(adjoint, intercept=Recorder(set(wires.values()), rounded))
        return before.series()

    off = spread(view, half_unit, deltas)
    return {wire: off[to] for wire, to in wires.items() if to in off}


def spread(
    view: View, half_unit: HalfUnit, run: Callable[[Flow, bool], dict[int, np.ndarray]]
) -> dict[int, np.ndarray]:
    """Return how far rounding may move the results of an adjoint network.

    The roundings are independent of each other: the worst case over all of their signs, which
    grows from step to step, never comes. So the passes, forward and back, are run `DRAWS` times
    with errors drawn at random, each uniform within half a unit, and `FACTOR` times the root of
    the mean square of their effects is the bound. Of one error that is 2.9 times the worst
    case; of many, whose sum is normal, about one value in 10⁵ is beyond the bound.

    Parameters
    ----------
    view : View
    half_unit : array -> array
        Half a unit of the last digit of numbers that are carried.
    run : (adjoint network, whether its signals are rounded too) -> results, by any keys

    Returns
    -------
    dict of the keys of ``run`` to array
    """
    random = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        right = run(view.adjoint, False)
        squares = {key: np.zeros(np.shape(value)) for key, value in right.items()}
        for adjoint in islice(_round(view, half_unit, random), DRAWS):
            for key, value in run(adjoint, True).items():
                squares[key] = squares[key] + (value - right[key]) ** 2
        bounds = {key: FACTOR * np.sqrt(x / DRAWS) for key, x in squares.items()}
        return {key: np.nan_to_num(x, nan=np.inf, posinf=np.inf) for key, x in bounds.items()}


def _most(value: Any, half_unit: HalfUnit) -> np.ndarray:
    """Return the largest error of rounding that does not change the sign of a number."""
    value = np.asarray(value, float)
    return np.asarray(np.minimum(half_unit(value), np.abs(value)))


def _move(errors: Mapping[int, Any], wire: int, step: int | None, value: np.ndarray) -> np.ndarray:
    """Return a signal with the error that is drawn for it at a step, if there is one."""
    return value + errors[wire][step] if wire in errors else value


def _errors(random: np.random.Generator, recorder: Recorder, half_unit: HalfUnit) -> dict[int, Any]:
    """Draw an error of every signal that is kept, by wire and step."""
    errors: dict[int, Any] = {}
    for wire, steps in recorder.records.items():
        draws = _uniform(random, _most(np.stack(list(steps.values())), half_unit))
        errors[wire] = dict(zip(steps, draws, strict=True))
    return errors


def _uniform(random: np.random.Generator, most: np.ndarray) -> np.ndarray:
    return most * random.uniform(-1.0, 1.0, np.shape(most))


def _round(view: View, half_unit: HalfUnit, random: np.random.Generator) -> Iterator[Flow]:
    """Yield adjoint networks of forward passes in which every computed signal is rounded.

    Inputs and parameters stay as they are, and a value that is only moved or copied is rounded
    once.
    """
    network = view.network
    nodes = [node for node in network.nodes if node.kind in COMPUTED]
    folded = {wire for node in nodes for wire in node.outputs if node.folded}
    most = {w: _most(network.wires[w].value, half_unit) for node in nodes for w in node.outputs}
    user = network.user
    ends = {node.outputs[0] for node in view.adjoint.nodes if node.kind in GAINS}
    used = {wire: user[wire] for wire in ends if wire in user and user[wire].kind in SLOPED}
    needed = {wire for node in used.values() for wire in (*node.inputs, *node.outputs)}
    while True:
        drawn = {wire: _uniform(random, x) for wire, x in most.items()}
        errors = {wire: x if wire in folded else {None: x} for wire, x in drawn.items()}
        recorder = Recorder(needed | set(most), partial(_move, errors))
        evaluate(network, intercept=recorder)
        values = recorder.series()
        yield replace(
            view.adjoint,
            nodes=tuple(
                _with_gain(node, used[node.outputs[0]], values)
                if node.kind in GAINS and node.outputs[0] in used
                else node
                for node in view.adjoint.nodes
            ),
        )


def _with_gain(node: Node, used: Node, values: Mapping[int, np.ndarray]) -> Node:
    """Return a node of an adjoint network with the gain that new values of the signals give."""
    operands = [values[wire] for wire in used.inputs]
    if used.kind is Kind.MATRIX_FUNCTION:
        return replace(node, residuals=(*operands, values[used.outputs[0]]))
    port = used.inputs.index(node.outputs[0])
    gain = np.asarray(gain_of(used, port, operands, values[used.outputs[0]]), float)
    return replace(node, gain=np.where(np.isfinite(gain), gain, node.gain))


def _wires(view: View) -> dict[int, int]:
    """Return the wires of the named signals, in the network and in its adjoint."""
    return {view.places.at[name][0]: view.at[name][0] for name in view.named}


def absolute(adjoint: Flow) -> Flow:
    """Return the network of the sizes: every gain without its sign, every sum without minus."""
    return replace(adjoint, nodes=tuple(_unsigned(node) for node in Interruptible(adjoint.nodes)))


def _unsigned(node: Node) -> Node:
    gain = None if node.gain is None else _sizes_of(np.asarray(node.gain))
    scale = _size if node.kind is Kind.PULLBACK else node.scale
    return replace(node, gain=gain, scale=scale, signs=tuple(abs(sign) for sign in node.signs))


def _sizes_of(gain: np.ndarray) -> np.ndarray:
    """Return the sizes of a gain. A weight that every step has is read once, not at every step."""
    once = gain[tuple(slice(1 if stride == 0 else None) for stride in gain.strides)]
    return np.broadcast_to(np.abs(once), gain.shape)


def _size(signal: Any, gain: Any) -> Any:
    return np.abs(signal)
