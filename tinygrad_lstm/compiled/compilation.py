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
from ..engine.whole_numbers import Computed
from ..errors import TinygradError
from ..formulas.derive import derive_packed
from ..formulas.derived import Derived
from ..network.parameters import is_same as is_like
from .build import CompilerError
from .c_source import c_program
from .listing import Different, Listener, Listing
from .longer import FEW, MANY, OTHER_TEXT, lengthened, numbers_of_steps, shortened
from .native import Native
from .outputs import Outputs
from .pattern import Follower, Pattern, memory
from .plain import Plain
from .recording import Recording
from .spread import Spread
from .state import Watch, random_state
from .structure import Structure

ROUNDING = 1e4  # units of the last digit of the largest entry, by which sums in two orders differ
MOST_KEPT = 1 << 26  # bytes of a tape that is kept to compare the gradients of many steps
WRONG = "the program does not give what the tape gives"
FEWER = f"there are fewer than {MANY} steps"
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
    checkpoint : bool
        Whether the program keeps the states at the borders of chunks of steps alone.
    """

    function: Callable[..., Any]
    structure: Structure
    names: list[str]
    is_open: bool
    checkpoint: bool = False

    def record(
        self, items: Sequence[Any], is_changed: bool = False, listener: Listener | None = None
    ) -> Recording:
        """Record it with its items, or with other numbers."""
        names, is_open = self.names, self.is_open
        return Recording(self.function, items, self.structure, names, is_changed, is_open, listener)

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
    conditions : tuple of Computed
        What has to hold of the arguments of a call; any others run eagerly.
    keeps : str
        Why the program keeps all steps, where it was to keep few; else empty.
    """

    is_open = False
    keeps = ""
    conditions: tuple[Computed, ...] = ()
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

        What changes at every call, such as random numbers, is not recorded at every call. Nor are
        draws from a generator that the function can reach, if they led to the same program again.
        """
        if before is None or (self.program is None) != (before.program is None):
            return
        if self.program is None:
            if not self.watch.ignore_changes(before.watch):
                self._wait = 2 * before._wait + 1
        elif _is_same(self.program, before.program):
            self.watch.ignore_draws(before.watch)


def compilation(function: Function, items: Sequence[Any]) -> Compilation:
    """Record a function, and compile it; what is wrong with that is the reason not to."""
    drawn, outside = random_state(), here.set(ROOT)  # where recording goes on inside of no_grad
    try:
        with collector_paused():
            result = _from_few_steps(function, items, drawn)
            if isinstance(result, Compilation):
                result.is_open = function.is_open
                return result
            why = result
            first = function.record(items)
            watch = function.watch(items)
            try:
                result = _compiled(function, items, first, watch, drawn)
            except TinygradError as error:
                reason = str(error).removeprefix("compile: ")
                result = Compilation(function.watch(items), reason)
            except Exception as error:  # of this program, which is not to be the user's
                result = Compilation(function.watch(items), internal(error))
            result.is_open, result.keeps = function.is_open, why * function.checkpoint
            return result
    finally:
        here.reset(outside)
        give_back_memory()  # of the tapes, which no later call needs


def internal(error: Exception) -> str:
    """Return the reason that an error of this package is."""
    return f"{INTERNAL}: {type(error).__name__}: {error}"


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


def _compiled(
    function: Function, items: Sequence[Any], first: Recording, watch: Watch, drawn: Hashable
) -> Compilation:
    """Return the program of a recording, or why there is none."""
    try:
        proved = _proved(function, items, first, watch, drawn)
    except Unsuited as error:
        return Compilation(function.watch(items), str(error))
    derived, places = proved.derived, proved.places
    why, ways = "", (lambda: Native(c_program(derived), places), lambda: Plain(derived, places))
    for way in ways:
        try:
            program = way()
        except CompilerError as error:
            why = str(error).removeprefix("compile: ")
            continue
        wrong = _wrong(program, first, proved.right, items)
        if wrong:
            return Compilation(watch, f"{WRONG}: {wrong}")
        return _ready(program, function, first, proved.operands, len(items), watch, why)
    raise AssertionError


def _ready(
    program: Native | Plain,
    function: Function,
    first: Recording,
    operands: Sequence[Any],
    count: int,
    watch: Watch,
    why: str = "",
) -> Compilation:
    """Return what came of a recording with a program that gives what the tape gives."""
    result: Native | Plain | Outputs = program
    if first.outputs:
        own = [x for x in operands if not isinstance(x, int) or x < count]
        result = Outputs(program, function.record, first, own)
    ready = Compilation(watch, "", result, why)
    ready.conditions = tuple(first.conditions)
    return ready


def _proved(
    function: Function, items: Sequence[Any], first: Recording, watch: Watch, drawn: Hashable
) -> Proved:
    """Return what is derived from a second recording, of other numbers, that is like the first.

    No two of the other numbers are equal by chance, as zeros are.

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
    right = _right(first)
    first.forget()
    try:
        other = function.record(items, is_changed=True)
    except Exception as error:  # of the function itself, which the first numbers suited
        raise Unsuited(f"other numbers end in an error: {error}") from None
    if random_state() != drawn or watch.has_changed():
        raise Unsuited("it changes what it reads, such as random numbers or a state")
    if other.refused or not first.is_like(other):
        raise Unsuited(other.refused or "other numbers give another program")
    other.forget()
    derived: Derived = derive_packed(other.loss)
    places = _places(derived, other)
    operands = [places[x.full_name] for x in derived.sources if x.requires_grad]
    if first.outputs:
        derived = _for_outputs(derived, places, len(items))
    return Proved(first, right, derived, places, operands)


def _from_few_steps(function: Function, items: Sequence[Any], drawn: Hashable) -> Compilation | str:
    """Return the program of many steps that follows from programs of few, or why none does."""
    counts, why = numbers_of_steps(items), FEWER
    for count in counts:
        for pair in FEW:
            try:
                return _lengthened(function, items, drawn, count, pair)
            except Different as error:
                why = str(error)
                if why != OTHER_TEXT:  # other numbers of steps would not help
                    break
            except Exception as error:  # of the function itself, too, which few steps need not suit
                why = str(error).removeprefix("compile: ")
                break
    if not function.checkpoint or not counts:
        return why
    result = _from_few_steps(function._replace(checkpoint=False), items, drawn)
    if isinstance(result, Compilation):
        result.keeps = why
    return why if isinstance(result, str) else result


def _lengthened(
    function: Function, items: Sequence[Any], drawn: Hashable, count: int, pair: tuple[int, int]
) -> Compilation:
    few = [shortened(items, count, n) for n in pair]
    listings = Listing(), Listing()
    firsts = [function.record(x, listener=own) for x, own in zip(few, listings, strict=True)]
    loops = Pattern(*listings, pair).loops(count)
    if not any(loop.middle for loop in loops):
        raise Different("no step more")
    watch = function.watch(items)
    proved = [_proved(function, x, own, watch, drawn) for x, own in zip(few, firsts, strict=True)]
    in_chunks = pair if function.checkpoint else (0, 0)
    short = [c_program(x.derived, n) for x, n in zip(proved, in_chunks, strict=True)]
    *own_programs, program = (lengthened(short[0], short[1], pair, n) for n in (*pair, count))
    buffers = ((*x.sources, *x.arrays.results) for x in short)
    for x, y in zip(*buffers, strict=True):
        if x.source and not is_place(proved[0].places[x.source], proved[1].places[y.source]):
            raise Different("other sources")
    places = proved[0].places
    for given, own, text in zip(few, proved, own_programs, strict=True):
        if _wrong(Native(text, places), own.first, own.right, given):
            raise Different(WRONG)
    follower = Follower(loops, keeps=memory(loops) < MOST_KEPT)
    whole = function.record(items, listener=follower)
    follower.end()
    is_same = all(
        (x.result[0], is_like(x.result[1], whole.result[1])) == (whole.result[0], True)
        for x in firsts
    )
    if whole.refused or not is_same or random_state() != drawn or watch.has_changed():
        raise Different("other results")
    give_back_memory()  # of what the tape held for a moment
    native = Native(program, places)
    right = _right(whole) if follower.keeps else (whole.loss._array, None)
    if _wrong(native, whole, right, items):
        raise Different(WRONG)
    return _ready(native, function, whole, proved[0].operands, len(items), watch)


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two programs are the same, with the same constants."""
    if one.source != other.source or len(one.sources) != len(other.sources):
        return False
    return all(map(is_place, one.sources, other.sources))


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
        places[source.full_name] = position.get(leaf, leaf)
    return places


def _for_outputs(derived: Derived, places: dict[str, Any], count: int) -> Derived:
    """Return the derivation of outputs, which are the gradients by the seeds, and of no more."""
    sources = tuple(
        replace(x, requires_grad=isinstance(at := places[x.full_name], int) and at >= count)
        for x in derived.sources
    )
    return replace(derived, loss="", sources=sources)


Right = tuple[np.ndarray, dict[Any, np.ndarray] | None]  # without gradients if the tape is gone


def _right(recorded: Recording) -> Right:
    """Return the loss, and the gradient by every leaf that has one."""
    loss = recorded.loss
    if not loss.requires_grad:
        return loss._array, {}
    sums = Sums()
    sums.add(loss, starting_cotangent(loss, None))
    return loss._array, pull_back(sums)


def _wrong(program: Native | Plain, recorded: Recording, right: Right, items: Sequence[Any]) -> str:
    """Return what a program gives and the tape does not, on the recorded numbers; or "".

    Without the gradients to compare with, these are the loss, or the outputs.
    """
    loss, gradients = program.compute(items)
    if not recorded.outputs and not _are_close(loss, right[0]):
        return "the loss"
    if right[1] is None:
        outputs = (recorded.outputs[x - len(items)] for x in program.wanted if recorded.outputs)
        pairs = zip(gradients, outputs, strict=False)
        return "" if all(_are_close(x, y._array) for x, y in pairs) else "an output"
    of, own = right[1], [recorded.inputs[x] if isinstance(x, int) else x for x in program.wanted]
    for leaf, given in zip(own, gradients, strict=True):
        if not _are_close(given, of.get(leaf, np.zeros_like(given))):
            return leaf.label()
    return ""
