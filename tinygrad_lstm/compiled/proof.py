"""What is proved of a function: that other numbers give the same tape, and what is derived from it.

Knows recordings and derivations, and what a program gives; not how a program is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..engine.cotangent import Sums
from ..engine.gradients import starting_cotangent
from ..engine.tape import pull_back
from ..engine.tensor import Tensor, constant
from ..formulas.derive import derive_packed
from ..formulas.derived import Derived
from ..network.parameters import is_same as is_like
from .before import Before
from .listing import Listener
from .native import Native
from .places import ROWS
from .plain import Plain
from .recording import OTHER, Recording
from .spread import Spread
from .state import Watch
from .structure import Structure

ROUNDING = 1e4  # units of the last digit of the largest entry, by which sums in two orders differ
NOISE = 100  # times the change of a value that is rounding alone
CHANGING = "it changes what it reads, such as random numbers or a state"
WRONG = "the program does not give what the tape gives"


class Function(NamedTuple):
    """A function, and how its arguments are put together of items.

    Attributes
    ----------
    function : callable
    structure : Structure
        Of ``(args, options)``.
    names : list of str
        What each item is called.
    is_open : bool
        Whether arrays of whole numbers are arguments of a program, and no part of it.
    checkpoint : bool
        Whether the program keeps the states at the borders of chunks of steps alone.
    """

    function: Callable[..., Any]
    structure: Structure
    names: list[str]
    is_open: bool
    checkpoint: bool = False

    def record(
        self, items: Sequence[Any], change: float = 0.0, listener: Listener | None = None
    ) -> Recording:
        """Record it with its items, or with other numbers."""
        names, is_open = self.names, self.is_open
        return Recording(self.function, items, self.structure, names, change, is_open, listener)

    def watch(self, items: Sequence[Any]) -> Watch:
        """Return the watch over what it reads beside numbers."""
        return Watch(self.function, *(x for x in items if not isinstance(x, np.ndarray | Tensor)))


class Unsuited(Exception):
    """There is no program of a recording; the message says why."""


class Proved(NamedTuple):
    """What is derived from a recording that is the same with other numbers.

    Attributes
    ----------
    first : Recording
    right : Right
        The loss of it and its gradients.
    derived : Derived
    places : dict of str to int, Spread or Tensor
        Where each source comes from.
    operands : list of int or Tensor
        What there is a gradient by.
    """

    first: Recording
    right: Right
    derived: Derived
    places: dict[str, Any]
    operands: list[Any]


def record_first(function: Function, items: Sequence[Any]) -> Recording:
    """Return the recording of a function with its own arguments.

    Raises
    ------
    Unsuited
        If it ends in an error, which may be one of Tensors that stand for arrays there alone.
    """
    try:
        return function.record(items)
    except Exception as error:
        raise Unsuited(f"its recording ends in an error: {error}") from None


def take_numbers(function: Function, items: Sequence[Any], first: Recording) -> Right:
    """Return the loss and the gradients of a recording, which forgets its numbers then.

    Raises
    ------
    Unsuited
        If there can be no program.
    """
    if first.refused:
        raise Unsuited(first.refused)
    if any(isinstance(x, Spread) for x in first.inputs) and not _is_as_eager(
        function, items, first
    ):
        raise Unsuited("an array of whole numbers is no array there")
    right = right_of(first)
    first.forget()
    return right


def prove(
    function: Function,
    items: Sequence[Any],
    first: Recording,
    right: Right,
    before: Before,
) -> Proved:
    """Return what is derived from a second recording, of other numbers, that is like the first.

    No two of the other numbers are equal by chance, as zeros are.

    Raises
    ------
    Unsuited
        If there can be no program.
    """
    try:
        other = function.record(items, change=OTHER)
    except Exception as error:  # of the function itself, which the first numbers suited
        raise Unsuited(f"other numbers end in an error: {error}") from None
    if before.has_changed():
        raise Unsuited(CHANGING)
    if other.refused or not first.is_like(other):
        raise Unsuited(other.refused or "other numbers give another program")
    other.forget()
    derived: Derived = derive_packed(other.loss)
    places = _places(derived, other)
    operands = [places[x.full_name] for x in derived.sources if x.requires_grad]
    if first.outputs:
        derived = _for_outputs(derived, places, len(items))
    return Proved(first, right, derived, places, operands)


def is_place(one: Any, other: Any) -> bool:
    """Return whether two sources are the same argument, leaf or constant."""
    if not isinstance(one, Tensor) or one is other:
        return one is other or bool(one == other)
    is_constant = isinstance(other, Tensor) and not one.requires_grad and not other.requires_grad
    return is_constant and is_like(one._array, other._array)


def _is_as_eager(function: Function, items: Sequence[Any], first: Recording) -> bool:
    """Return whether what stands for whole numbers gives what the numbers give."""
    plain = function._replace(is_open=False).record(items)
    pairs = zip([first.loss, *first.outputs], [plain.loss, *plain.outputs], strict=True)
    return all(
        x.shape == y.shape and x.dtype == y.dtype and _are_close(x._array, y._array)
        for x, y in pairs
    )


def _are_close(given: np.ndarray, right: np.ndarray) -> bool:
    scale = float(np.max(np.abs(right), where=np.isfinite(right), initial=1e-30))
    close = ROUNDING * float(np.finfo(given.dtype).eps) * scale
    return np.allclose(given, right, rtol=0, atol=close, equal_nan=True)


def _places(derived: Derived, recording: Recording) -> dict[str, Any]:
    """Return where each source of a program comes from: an argument's position, or a leaf."""
    position = {tensor: n for n, tensor in recording.inputs.items()}
    assert derived.recorded is not None
    leaves = {name: x for x, name in derived.recorded.signals.names.items() if not x.inputs}
    places: dict[str, Any] = {}
    for source in derived.sources:
        leaf = leaves.get(source.full_name)  # what a loop's steps read has a name of its own there
        leaf = constant(np.asarray(source.value)) if leaf is None else leaf
        place = places[source.full_name] = position.get(leaf, leaf)
        if isinstance(place, Spread) and place.length is not None:
            places[source.full_name + ROWS] = place.rows()
    return places


def _for_outputs(derived: Derived, places: dict[str, Any], count: int) -> Derived:
    """Return the derivation of outputs, which are the gradients by the seeds, and of no more."""
    sources = tuple(
        replace(x, requires_grad=isinstance(at := places[x.full_name], int) and at >= count)
        for x in derived.sources
    )
    return replace(derived, loss="", sources=sources)


Right = tuple[np.ndarray, dict[Any, np.ndarray] | None]  # without gradients if the tape is gone


def right_of(recorded: Recording) -> Right:
    """Return the loss, and the gradient by every leaf that has one."""
    loss = recorded.loss
    if not loss.requires_grad:
        return loss._array, {}
    sums = Sums()
    sums.add(loss, starting_cotangent(loss, None))
    return loss._array, pull_back(sums)


def what_is_wrong(
    program: Native | Plain,
    recorded: Recording,
    right: Right,
    items: Sequence[Any],
    function: Function | None = None,
) -> str:
    """Return what a program gives and the tape does not, on the recorded numbers; or "".

    Without the gradients to compare with, these are the loss, or the outputs. Where a gradient is
    the rounding of a sum that is 0, such as that of a bias in front of a softmax, the function is
    recorded again, with numbers that differ by a rounding: the program may be as far off as that.
    """
    loss, gradients = program.compute(items)
    if right[1] is None:
        if not recorded.outputs:
            return "" if _are_close(loss, right[0]) else "the loss"
        outputs = (recorded.outputs[x - len(items)] for x in program.wanted)
        pairs = zip(gradients, outputs, strict=False)
        return "" if all(_are_close(x, y._array) for x, y in pairs) else "an output"
    of = right[1]
    own = [recorded.inputs[x] if isinstance(x, int) else x for x in program.wanted]
    values = [("the loss", loss, right[0])] if not recorded.outputs else []
    for leaf, given in zip(own, gradients, strict=True):
        values.append((leaf.label(), given, of.get(leaf, np.zeros_like(given))))
    wrong = [n for n, (_, given, value) in enumerate(values) if not _are_close(given, value)]
    if wrong and function is not None:
        noise = _noise(function, items, program.wanted, bool(recorded.outputs))
        for n in [*wrong]:
            _, given, value = values[n]
            off = given.astype(float) - value
            far = np.max(np.abs(noise[n].astype(float) - value), initial=0.0)
            if np.all(np.abs(off) <= NOISE * far):
                wrong.remove(n)
    return values[wrong[0]][0] if wrong else ""


def _noise(
    function: Function, items: Sequence[Any], wanted: Sequence[Any], has_outputs: bool
) -> list[np.ndarray]:
    """Return the loss, if there is one, and the gradients at numbers that differ by a rounding."""
    types = [x.dtype for x in items if hasattr(x, "dtype") and x.dtype.kind == "f"]
    change = 4 * max((float(np.finfo(x).eps) for x in types), default=1e-16)
    recorded = function.record(items, change=change)
    loss, of = right_of(recorded)
    assert of is not None
    own = [recorded.inputs[x] if isinstance(x, int) else x for x in wanted]
    gradients = [np.asarray(of.get(x, np.zeros(x.shape, x.dtype))) for x in own]
    return gradients if has_outputs else [loss, *gradients]
