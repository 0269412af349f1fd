"""From a function to a program: recorded twice, derived, written in C, and held to the tape.

Knows recordings, the C program of a derivation, and how it is run. What does not hold for other
numbers, or has no form in C, has no program, and a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..engine.cotangent import Sums
from ..engine.gradients import starting_cotangent
from ..engine.memory import collector_paused, give_back_memory
from ..engine.place import ROOT, here
from ..engine.tape import pull_back
from ..engine.tensor import Tensor, constant
from ..errors import TinygradError
from ..formulas.derive import derive_packed
from ..formulas.derived import Derived
from .build import CompilerError
from .c_source import c_program
from .native import Native
from .outputs import Outputs
from .plain import Plain
from .recording import Recording
from .spread import Spread
from .state import Watch, random_state
from .structure import Structure

ROUNDING = 1e4  # units of the last digit of the largest entry, by which sums in two orders differ
INTERNAL = "the compiler of this package failed"


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
    """

    function: Callable[..., Any]
    structure: Structure
    names: list[str]
    is_open: bool

    def record(self, items: Sequence[Any], is_changed: bool = False) -> Recording:
        """Record it with its items, or with other numbers."""
        names, is_open = self.names, self.is_open
        return Recording(self.function, items, self.structure, names, is_changed, is_open)

    def watch(self, items: Sequence[Any]) -> Watch:
        """Return the watch over what it reads beside numbers."""
        return Watch(self.function, *(x for x in items if not isinstance(x, np.ndarray | Tensor)))


class Compilation:
    """What came of the recording of a function.

    Attributes
    ----------
    watch : Watch
        What the function reads beside its arguments.
    reason : str
        Why there is no program; empty if there is one.
    program : Native, Plain, Outputs or None
    note : str
        Why it is no program in C.
    is_open : bool
        Whether whole numbers are arguments of the program.
    """

    is_open = False
    _wait = _calls = 0  # how many calls it waits after a change, and has waited

    def __init__(
        self,
        watch: Watch,
        reason: str = "",
        program: Native | Plain | Outputs | None = None,
        note: str = "",
    ) -> None:
        self.watch, self.reason, self.program, self.note = watch, reason, program, note
        self.source = "" if program is None else program.source

    def has_changed(self) -> bool:
        """Return whether to record the function anew."""
        if self._wait and self._calls < self._wait:
            self._calls += 1
            return False
        return self.watch.has_changed()

    def follow(self, before: Compilation | None) -> None:
        """Ignore what has changed, if that led to no program again; or wait longer.

        What changes at every call, such as random numbers, is not recorded at every call.
        """
        if before is None or self.program is not None or before.program is not None:
            return
        if not self.watch.ignore_changes(before.watch):
            self._wait = 2 * before._wait + 1


def compilation(function: Function, items: Sequence[Any]) -> Compilation:
    """Record a function, and compile it; what is wrong with that is the reason not to."""
    drawn, outside = random_state(), here.set(ROOT)  # where recording goes on inside of no_grad
    try:
        with collector_paused():
            first = function.record(items)
            watch = function.watch(items)
            try:
                result = _compiled(function, items, first, watch, drawn)
            except TinygradError as error:
                reason = str(error).removeprefix("compile: ")
                result = Compilation(function.watch(items), reason)
            except Exception as error:  # of this program, which is not to be the user's
                result = Compilation(function.watch(items), internal(error))
            result.is_open = function.is_open
            return result
    finally:
        here.reset(outside)
        give_back_memory()  # of the tapes, which no later call needs


def internal(error: Exception) -> str:
    """Return the reason that an error of this package is."""
    return f"{INTERNAL}: {type(error).__name__}: {error}"


def _compiled(
    function: Function, items: Sequence[Any], first: Recording, watch: Watch, drawn: Hashable
) -> Compilation:
    """Return the program of a recording, or why there is none.

    The program is derived from a second recording, of other numbers: no two of these are equal by
    chance, as zeros are.
    """
    if first.refused:
        return Compilation(watch, first.refused)
    if any(isinstance(x, Spread) for x in first.inputs) and not _is_as_eager(
        function, items, first
    ):
        return Compilation(watch, "an array of whole numbers is no array there")
    right = _right(first)
    first.forget()
    try:
        other = function.record(items, is_changed=True)
    except Exception as error:  # of the function itself, which the first numbers suited
        return Compilation(watch, f"other numbers end in an error: {error}")
    if random_state() != drawn or watch.has_changed():
        reason = "it changes what it reads, such as random numbers or a state"
        return Compilation(function.watch(items), reason)
    if other.refused or not first.is_like(other):
        return Compilation(watch, other.refused or "other numbers give another program")
    other.forget()
    derived: Derived = derive_packed(other.loss)
    places = _places(derived, other)
    operands = [places[x.full_name] for x in derived.sources if x.requires_grad]
    if first.outputs:
        derived = _for_outputs(derived, places, len(items))
    why, ways = "", (lambda: Native(c_program(derived), places), lambda: Plain(derived, places))
    for way in ways:
        try:
            program = way()
        except CompilerError as error:
            why = str(error).removeprefix("compile: ")
            continue
        wrong = _wrong(program, first, right, items)
        if wrong:
            return Compilation(watch, f"the program does not give what the tape gives: {wrong}")
        if first.outputs:
            own = [x for x in operands if not isinstance(x, int) or x < len(items)]
            return Compilation(watch, "", Outputs(program, function.record, first, own), why)
        return Compilation(watch, "", program, why)
    raise AssertionError


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
        places[source.full_name] = position.get(leaf, leaf)
    return places


def _for_outputs(derived: Derived, places: dict[str, Any], count: int) -> Derived:
    """Return the derivation of outputs, which are the gradients by the seeds, and of no more."""
    sources = tuple(
        replace(x, requires_grad=isinstance(at := places[x.full_name], int) and at >= count)
        for x in derived.sources
    )
    return replace(derived, loss="", sources=sources)


Right = tuple[np.ndarray, dict[Any, np.ndarray]]


def _right(recorded: Recording) -> Right:
    """Return the loss, and the gradient by every leaf that has one."""
    loss = recorded.loss
    if not loss.requires_grad:
        return loss._array, {}
    sums = Sums()
    sums.add(loss, starting_cotangent(loss, None))
    return loss._array, pull_back(sums)


def _wrong(program: Native | Plain, recorded: Recording, right: Right, items: Sequence[Any]) -> str:
    """Return what a program gives and the tape does not, on the recorded numbers; or ""."""
    (loss, gradients), (right_loss, of) = program.compute(items), right
    own = [recorded.inputs[x] if isinstance(x, int) else x for x in program.wanted]
    if not recorded.outputs and not _are_close(loss, right_loss):
        return "the loss"
    for leaf, given in zip(own, gradients, strict=True):
        if not _are_close(given, of.get(leaf, np.zeros_like(given))):
            return leaf.label()
    return ""
