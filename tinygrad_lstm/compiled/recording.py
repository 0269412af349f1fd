"""One recording of a function: what it computes, and whether other numbers give the same tape.

Knows Tensors and the tape; no network, and no program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

import numpy as np

from ..engine.kind import Kind
from ..engine.off_tape import OffTape
from ..engine.place import ROOT, Place, here
from ..engine.primitives import sum as total
from ..engine.tensor import Tensor, constant
from ..engine.whole_numbers import Computed, Recorder, WholeNumbers
from ..network.parameters import is_same
from .listing import Listener
from .spread import Spread, is_whole
from .state import NUMBERS
from .structure import Structure, put_together, take_apart

under_way: ContextVar[bool] = ContextVar("under_way", default=False)  # a recording
OTHER = 0.1  # the change of numbers that are to be other ones
RETURNS = "it returns an argument that is an array, and no Tensor"
LARGE = 1024  # entries of a result that is forgotten
READ = "it reads numbers off the tape, which may decide what it does"
FLOATS = (np.dtype("f4"), np.dtype("f8"))


def is_floats(value: Any) -> bool:
    """Return whether a value is an array whose numbers are arguments of a program."""
    return isinstance(value, np.ndarray) and value.dtype in FLOATS


class Output(NamedTuple):
    """The position of an output."""

    position: int


class Recording(Recorder):
    """A function as the eager tape records it.

    Where it gives no loss, its outputs are recorded as one: Σ seed ∘ output, whose gradient by a
    seed is the output.

    Parameters
    ----------
    function : callable
    items : sequence
        What stands in its arguments.
    structure : Structure
        Of ``(args, options)``, with which these are put together of the items.
    names : sequence of str
        What each item is called.
    change : float
        How far from those of the arguments the numbers are, as a share of them; 0 for the same.
    is_open : bool
        Whether arrays of whole numbers are arguments of the program too.
    listener : Listener, optional
        Who is told of each operation; the arguments are not copied then.

    Attributes
    ----------
    loss : Tensor
    inputs : dict of int or Spread to Tensor
        What stands for an item, by its position; the seeds come after the items.
    conditions : dict of Computed to None
        What has to hold of the arguments that the recording serves.
    outputs : list of Tensor
        Empty if it gives a loss.
    result : (Structure, tuple)
        How its outputs stand in what it returns, and by which items: the position of an output, or
        a value that is no Tensor.
    refused : str
        Why there can be no program of it; empty if there may be one.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        structure: Structure,
        names: Sequence[str],
        change: float = 0.0,
        is_open: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self.inputs: dict[int | Spread, Tensor] = {}
        self.conditions: dict[Computed, None] = {}
        self._change = change
        self.outputs: list[Tensor] = []
        self._arrays = {n for n, x in enumerate(items) if isinstance(x, np.ndarray)}
        own = [*items]
        for n, value in enumerate(items):
            if is_open and is_whole(value):
                own[n] = WholeNumbers(value, self, Computed.of(n), names[n])
                continue
            if isinstance(value, Tensor):
                array, name, is_asked = value._array, value.name, value.requires_grad
            elif is_floats(value):
                array, name, is_asked = value, None, False
            else:
                continue
            array = _others(array, n, change) if change else array
            if listener is None:
                own[n] = self.inputs[n] = Tensor(array, is_asked, name=name or names[n])
            else:
                own[n] = self.inputs[n] = constant(array, name or names[n])
                own[n].requires_grad = is_asked
        place = ROOT
        if listener is not None:
            listener.inputs, place = self.inputs, Place(None, recording=listener)
        args, options = put_together(structure, iter(own))
        before, started, outside = OffTape.count, under_way.set(True), here.set(place)
        try:
            with np.errstate(all="ignore"):
                result = function(*args, **options)
                self.refused = READ if OffTape.count != before else ""
                self.result = self._apart(result)
                self.loss = self._loss(result, len(items))
            if listener is not None:
                listener.finish([self.loss, *self.outputs])
        finally:
            here.reset(outside)
            under_way.reset(started)

    def put_on_tape(
        self, computed: Computed, array: np.ndarray, count: int | None, dtype: Any, name: str
    ) -> Tensor:
        """Return whole numbers on the tape, outside of any step that they are used in."""
        key = Spread(computed, count, np.dtype(dtype).str)
        if key not in self.inputs:
            own = key.array(array)
            if self._change:
                own = _others(own, 7919 * (len(self.inputs) + 1) + (count or 0), self._change)
            place = here.set(ROOT)
            self.inputs[key] = constant(own, name)
            here.reset(place)
        return self.inputs[key]

    def require(self, condition: Computed) -> None:
        """Let the recording serve the arguments alone for which a condition holds everywhere."""
        self.conditions[condition] = None

    def _apart(self, result: Any) -> tuple[Structure, tuple[Any, ...]]:
        """Return how outputs stand in a result, each with its position."""
        items: list[Any] = []
        structure = take_apart(result, items)
        position: dict[Tensor, Output] = {}
        arrays = {x for n, x in self.inputs.items() if n in self._arrays}
        for n, item in enumerate(items):
            if isinstance(item, Tensor):
                if item in arrays:
                    self.refused = self.refused or RETURNS
                items[n] = position.setdefault(item, Output(len(position)))
            elif not isinstance(item, NUMBERS):
                kind = type(item).__name__
                self.refused = self.refused or f"it returns a value of type {kind}, beside Tensors"
        self.outputs = [*position]
        return structure, tuple(items)

    def _loss(self, result: Any, start: int) -> Tensor:
        loss: Any = None
        if isinstance(result, Tensor) and not result.ndim:
            self.outputs = []
            return result
        if not self.outputs:
            self.refused = self.refused or "it returns no Tensor"
        for n, y in enumerate(self.outputs):
            seed = _others(np.ones(y.shape, y.dtype), n, OTHER)
            self.inputs[start + n] = Tensor(seed, requires_grad=True, name=f"seed_{n}")
            part = total(y * self.inputs[start + n])
            loss = part if loss is None else loss + part
        return cast(Tensor, loss)

    def forget(self) -> None:
        """Keep the shapes of large intermediate results, and one number in place of each.

        No network that is derived depends on these numbers; an operation that repeats its operand
        still does.
        """
        reached, waiting = {self.loss}, [self.loss]
        for entry in waiting:
            for x in entry.inputs:
                if x not in reached:
                    reached.add(x)
                    waiting.append(x)
        entries = [x for x in waiting if x.inputs and x._array.size >= LARGE]
        entries.sort(key=lambda x: x.serial)
        draw, number = np.random.default_rng(0).uniform, dict[Tensor, Any]()
        for entry in entries:
            operand = entry.inputs[0]
            if not _repeats(entry, operand):
                number[entry] = draw(0.5, 1.5)
            elif operand in number:
                number[entry] = number[operand]
        for entry, value in number.items():
            one = np.array(value, entry._array.dtype)
            entry._array = np.broadcast_to(one, entry._array.shape)

    def is_like(self, other: Recording) -> bool:
        """Return whether another recording did the same to the numbers of its own inputs."""
        if self.result[0] != other.result[0] or not is_same(self.result[1], other.result[1]):
            return False
        if self.inputs.keys() != other.inputs.keys():
            return False
        twins = {x: other.inputs[n] for n, x in self.inputs.items()}
        waiting = [(self.loss, other.loss)]
        while waiting:
            one, same = waiting.pop()
            if one in twins:
                if twins[one] is not same:
                    return False
                continue
            twins[one] = same
            if not _is_alike(one, same):
                return False
            waiting.extend(zip(one.inputs, same.inputs, strict=True))
        return len(set(twins.values())) == len(twins)


def _repeats(entry: Tensor, operand: Tensor) -> bool:
    """Return whether an operation only passes its operand on, or repeats it along axes."""
    primitive, own, shape = entry.primitive, operand._array, entry._array.shape
    if primitive is None or primitive.kind is not Kind.LINEAR:
        return False
    lead = len(shape) - own.ndim
    if lead < 0 or any(m not in (1, n) for m, n in zip(own.shape, shape[lead:], strict=True)):
        return False
    return np.array_equal(np.broadcast_to(own, shape), entry._array, equal_nan=True)


def _is_alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two entries of a tape are the same operation, or the same leaf."""
    if one is other:
        return True
    is_operation = (
        one.primitive is other.primitive
        and len(one.inputs) == len(other.inputs)
        and one.name == other.name
        and one.requires_grad == other.requires_grad
        and one.place.step == other.place.step
        and one._array.shape == other._array.shape
        and is_same(one.parameters, other.parameters)
    )
    return is_operation and (bool(one.inputs) or is_same(one._array, other._array))


def _others(array: np.ndarray, seed: int, change: float) -> np.ndarray:
    """Return other numbers of the same signs and about the same size, no two of them alike."""
    drawn = np.random.default_rng(seed).uniform(1 - change, 1 + change, array.shape)
    return np.where(array == 0, change**2 * drawn, array * drawn).astype(array.dtype)
