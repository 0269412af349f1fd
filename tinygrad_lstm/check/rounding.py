"""The tolerance of a derived gradient: the rounding of the machine, and that to few digits.

Knows the network and its adjoint. A value that an author carries at few digits is off by half a
unit of the last one, wherever the value has a name; in the forward pass too, so that the gains of
the adjoint network are off as well. Errors drawn at random measure how far that leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..network.adjoint import gain_of
from ..network.evaluate import evaluate
from ..network.flow import SOURCES, Flow, Node
from ..network.operate import Action, Actions, action_of
from ..network.view import Answer, View
from .digits import HalfUnit, half_unit_of, half_unit_printed
from .rows import Rows, RowsRun
from .runs import Intercepts, Recorder, answer_places, run_on_answers

Errors = dict[int, dict[int | None, np.ndarray]]  # by wire and step, each in rows

DRAWS = 16  # of rounding errors, in every signal; the result varies by a fifth or so
FACTOR = 5.0  # times the root of the mean square
# whose gains depend on the operands
SLOPED = (Kind.ELEMENTWISE, Kind.BILINEAR, Kind.REDUCTION, Kind.MATRIX_FUNCTION)
COMPUTED = (*SLOPED, Kind.JUNCTION, Kind.GAIN)  # of a forward pass
GAINS = (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.PULLBACK)  # of an adjoint network


def tolerances(
    view: View, answers: Sequence[Answer], rtol: float, digits: int | None
) -> list[np.ndarray]:
    """Return the tolerance of each derived gradient, relative to the author's gradients above it.

    That is half a unit of its own last digit, and the effect of rounding in all values that the
    gradient is computed from (see `_Draws`): a given gradient is off by half a unit of its printed
    digit, another one by half a unit of the digit that an author carries.

    Parameters
    ----------
    view : View
    answers : the derived gradients
    rtol : float
        The rounding of the machine, relative to the largest number in a sum.
    digits : int, optional
        At how many the numbers were carried.
    """
    values = [np.abs(gradient.value) for gradient in answers]
    scale = run_on_answers(absolute(view.adjoint), answers, values, _sizes(view))
    largest: dict[int, float] = {}  # of a signal over its steps
    for key, size in Interruptible(scale.items()):
        known = largest.get(answers[key].wire, 0.0)
        largest[answers[key].wire] = max(np.max(x, initial=known) for x in (size, values[key]))
    floor = 0.1 * max(largest.values(), default=0.0)  # numbers that small are rounding
    allowed = [
        np.full(gradient.value.shape, rtol * max(largest[gradient.wire], floor))
        for gradient in answers
    ]
    if digits is None:
        return allowed
    units = [half_unit_printed(value, digits) for value in Interruptible(values)]
    half_unit = half_unit_of([gradient.value for gradient in answers], digits)
    wires, random = set(_wires(view).values()), np.random.default_rng(1)
    exact = Recorder(wires)
    printed = [gradient.value for gradient in answers]
    right = run_on_answers(view.adjoint, answers, printed, exact)
    moved = [x + _uniform(random, unit) for x, unit in zip(printed, units, strict=True)]
    with np.errstate(all="ignore"):
        run = _Draws(view, half_unit, _errors(random, exact, half_unit), answers, moved)
    off = {key: _bound(run.values.get(key, value[None]), value) for key, value in right.items()}
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
    evaluate(view.adjoint, intercept=exact)
    with np.errstate(all="ignore"):
        run = _Draws(view, half_unit, _errors(random, exact, half_unit))
    off = {wire: _bound(run.series(wire), right) for wire, right in exact.series().items()}
    return {wire: off[to] for wire, to in wires.items() if to in off}


@np.errstate(all="ignore")
def _bound(drawn: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the bound of the error of a result, from the results of all draws."""
    size = FACTOR * np.sqrt(np.mean((drawn - right) ** 2, axis=0))
    return np.asarray(np.nan_to_num(size, nan=np.inf, posinf=np.inf))


def _most(value: Any, half_unit: HalfUnit) -> np.ndarray:
    """Return the largest error of rounding that does not change the sign of a number."""
    value = np.asarray(value, float)
    return np.asarray(np.minimum(half_unit(value), np.abs(value)))


def _errors(random: np.random.Generator, recorder: Recorder, half_unit: HalfUnit) -> Errors:
    """Draw errors of every signal that is recorded, by wire and step."""
    errors: Errors = {}
    for wire, steps in recorder.records.items():
        drawn = _uniform(random, _most(np.stack(list(steps.values())), half_unit))
        errors[wire] = {step: drawn[:, at] for at, step in enumerate(steps)}
    return errors


def _uniform(random: np.random.Generator, most: np.ndarray) -> np.ndarray:
    """Draw errors, a row for each draw."""
    return most * random.uniform(-1.0, 1.0, (DRAWS, *np.shape(most)))


class _Forward(RowsRun):
    """Forward passes, a row for each draw, in which every computed signal is rounded.

    Inputs and parameters stay as they are, and a value that is only moved or copied is rounded
    once.
    """

    def __init__(self, view: View, half_unit: HalfUnit) -> None:
        network, random = view.network, np.random.default_rng(0)
        known = {at: x.value for at, x in enumerate(network.wires) if x.value is not None}
        super().__init__(network, DRAWS, known, Actions(network.nodes), {})
        self.errors: dict[int, np.ndarray] = {}
        for node in network.nodes:
            for wire in node.outputs if node.kind in COMPUTED else ():
                self.errors[wire] = _uniform(random, _most(network.wires[wire].value, half_unit))
        sloped = [node for node in network.nodes if node.kind in SLOPED]
        self.needed = {wire for node in sloped for wire in (*node.inputs, *node.outputs)}
        self.steps: dict[int, dict[int | None, np.ndarray]] = {}
        skipped = (*SOURCES, Kind.OUTPUT)
        self.run(at for at, node in enumerate(self.nodes) if node.kind not in skipped)

    def replace(self, wire: int, step: int | None, rows: np.ndarray) -> np.ndarray:
        if wire in self.errors:
            rows = rows + (self.errors[wire] if step is None else self.errors[wire][:, step])
        return rows

    def put(self, on: Rows, wire: int, step: int | None, signal: np.ndarray, *more: bool) -> None:
        """Put a signal on a wire, and record it where it is not the known one."""
        super().put(on, wire, step, signal, *more)
        if wire in on and wire in self.needed:
            self.steps.setdefault(wire, {})[step] = on[wire]

    def value(self, wire: int) -> np.ndarray:
        """Return a signal in rows; inside of a loop of T steps (rows, T, ...)."""
        return _joined(self.steps[wire]) if wire in self.steps else self.repeat(self.known[wire])

    def moves(self, node: Node, used: Node) -> bool:
        """Return whether rounding moves the gain of a node of the adjoint network."""
        wires = {*used.inputs, *used.outputs}
        if used.kind is Kind.BILINEAR and not used.operation.is_entrywise:
            wires = {used.inputs[1 - used.inputs.index(node.outputs[0])]}
        return not wires.isdisjoint(self.steps)

    def gain(self, node: Node, used: Node) -> np.ndarray:
        """Return the gain of a node of the adjoint network, in rows.

        Parameters
        ----------
        node : Node
        used : Node
            The node of the forward pass through which the gain leads back.
        """
        port = used.inputs.index(node.outputs[0])
        operands, y = [self.value(wire) for wire in used.inputs], self.value(used.outputs[0])
        if used.kind is Kind.REDUCTION:
            rows = zip(*operands, y, strict=True)
            gain = np.stack([gain_of(used, port, row[:-1], row[-1]) for row in rows])
        else:
            gain = gain_of(used, port, operands, y)
            gain = gain if np.ndim(gain) else np.broadcast_to(gain, y.shape)
        gain = np.asarray(gain, float)
        return np.where(np.isfinite(gain), gain, node.gain)


class _Draws(RowsRun):
    """Passes back, a row for each draw, with the gains of as many rounded passes forward.

    The roundings are independent of each other: the worst case over all of their signs, which
    grows from step to step, never comes. So the passes are run `DRAWS` times with errors drawn at
    random, each uniform within half a unit, and `FACTOR` times the root of the mean square of
    their effects is the bound. Of one error that is 2.9 times the worst case; of many, whose sum
    is normal, about one value in 10⁵ is beyond the bound.

    Parameters
    ----------
    view : View
    half_unit : array -> array
        Half a unit of the last digit of numbers that are carried.
    errors : Errors
        Of the signals of the passes back.
    answers : the derived gradients, optional
        In whose place, where their shape fits, other gradients go on.
    moved : sequence of arrays
        These, in rows.

    Attributes
    ----------
    values : dict of int to array
        The passes' own values of the given gradients, in rows, by their position.
    """

    def __init__(
        self,
        view: View,
        half_unit: HalfUnit,
        errors: Errors,
        answers: Sequence[Answer] = (),
        moved: Sequence[np.ndarray] = (),
    ) -> None:
        adjoint = view.adjoint
        sources = [node.outputs[0] for node in adjoint.nodes if node.kind in SOURCES]
        known = {wire: adjoint.wires[wire].value for wire in sources}
        super().__init__(adjoint, DRAWS, known, Actions(adjoint.nodes), {})
        self.errors, self.moved, self.places = errors, moved, answer_places(answers)
        self.values: dict[int, np.ndarray] = {}
        self.steps: dict[int, dict[int | None, np.ndarray]] = {}
        self.gains: dict[int, np.ndarray] = {}
        self.acts: dict[int, list[Action]] = {}
        forward, user = _Forward(view, half_unit), view.network.user
        for node in Interruptible(self.nodes):
            used = user.get(node.outputs[0]) if node.kind in GAINS else None
            if used is not None and used.kind in SLOPED:
                self._draw(node, used, forward)
        skipped = (*SOURCES, Kind.OUTPUT)
        self.run(at for at, node in enumerate(self.nodes) if node.kind not in skipped)

    def _draw(self, node: Node, used: Node, forward: _Forward) -> None:
        """Give a node the gains, or the residuals, of the passes forward."""
        if not forward.moves(node, used):
            return
        if used.kind is not Kind.MATRIX_FUNCTION:
            self.gains[node.outputs[0]] = gains = forward.gain(node, used)
            nodes = [] if node.kind is Kind.GAIN else [node.copy(gain=gain) for gain in gains]
        else:
            residuals = [forward.value(wire) for wire in (*used.inputs, used.outputs[0])]
            nodes = [node.copy(residuals=rows) for rows in zip(*residuals, strict=True)]
        if nodes:
            self.acts[node.outputs[0]] = [action_of(node) for node in nodes]

    def signals(self, at: int, on: Rows, step: int | None) -> list[np.ndarray]:
        """Return the signals of a node, with its own gain in each row."""
        node = self.nodes[at]
        wire = node.outputs[0]
        if wire in self.acts:
            return self.each(node, self.acts[wire], on, step)
        if wire not in self.gains:
            return super().signals(at, on, step)
        x, gain = self.rows(node.inputs[0], on, step), self.gains[wire]
        gain = gain[:, step] if node.folded else gain
        if gain.shape == x.shape:
            return [np.asarray(node.scale(x, gain))]
        return [np.stack([np.asarray(node.scale(*pair)) for pair in zip(x, gain, strict=True)])]

    def replace(self, wire: int, step: int | None, rows: np.ndarray) -> np.ndarray:
        keys = self.places.get(wire, {}).get(step, ())
        for key in keys:
            self.values[key] = rows
            if self.moved[key].shape == rows.shape:
                rows = self.moved[key]  # a value of another shape leads nowhere
        if not keys and step in self.errors.get(wire, {}):
            self.steps.setdefault(wire, {})[step] = rows
            rows = rows + self.errors[wire][step]
        return rows

    def series(self, wire: int) -> np.ndarray:
        """Return a signal before its own rounding, in rows; in a loop of T steps (rows, T, ...)."""
        return _joined(self.steps[wire])


def _joined(steps: Mapping[int | None, np.ndarray]) -> np.ndarray:
    """Return the rows of a signal, of all steps if it has steps."""
    if None in steps:
        return steps[None]
    return np.stack([steps[step] for step in range(len(steps))], axis=1)


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
