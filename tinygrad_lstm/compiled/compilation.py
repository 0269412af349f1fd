"""From a function to a program, in C or in NumPy, that is held to the tape; or why there is none.

Knows what is proved of a function, and how a program is run. What does not hold for other
numbers, or has no form in C, has no program, and a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..engine.memory import collector_paused, give_back_memory
from ..engine.place import ROOT, here
from ..engine.whole_numbers import Computed
from ..errors import TinygradError
from .before import Before
from .build import CompilerError
from .c_source import c_program
from .longer import Many, from_few_steps
from .native import Native
from .outputs import Outputs
from .plain import Plain
from .proof import (
    CHANGING,
    WRONG,
    Function,
    Unsuited,
    is_place,
    prove,
    record_first,
    take_numbers,
    what_is_wrong,
)  # fmt: skip
from .recording import Recording
from .state import Watch

INTERNAL = "the compiler of this package failed"
USED_UP = "it reads a {}, which can be read once; give it a list, or arrays"

NO_CHUNKS = "the program in NumPy has no chunks of steps, which need a C compiler"
OFTEN, REPEATS = 5, 3  # uses of a program that is worth its recording; recordings for nothing
CHANGES = (
    "{} changes between the calls, and the function can reach it, as a part of an object; compile "
    "a function of the network alone, as in compile(lambda x, target: loss(net(x), target))"
)


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
    rests = False  # whether the function runs eagerly although there is a program
    _wait = _calls = 0  # how many calls it waits after a change, and has waited
    _why = ""  # it rests
    _uses = _repeats = 0  # calls without a change; programs like the one before, in a row

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
        self.rests = self._calls < self._wait
        if self.program is not None:
            self.reason, self.source = (self._why, "") if self.rests else ("", self.program.source)
        if self.rests:
            self._calls += 1
            return False
        has_changed = self.watch.has_changed()
        self._uses += not has_changed
        return has_changed

    def follow(self, before: Compilation | None) -> None:
        """Ignore what has changed, if that led to no program again; or wait longer.

        What changes at every call, such as random numbers, is not recorded at every call. Nor are
        draws from a generator that the function can reach, if they led to the same program again.
        Where something else changes at every call and leads to the same program, such as what an
        optimizer remembers in the same object, the function runs eagerly for ever more calls.
        """
        if before is None or (self.program is None) != (before.program is None):
            return
        if self.program is None:
            if not self.watch.ignore_changes(before.watch):
                self._wait = 2 * before._wait + 1
        elif _is_same(self.program, before.program):
            self.watch.ignore_draws(before.watch)
            what = self.watch.first_change(before.watch)
            self._repeats = before._repeats + 1 if what and before._uses < OFTEN else 0
            if self._repeats > REPEATS:
                self._wait, self._why = 2 * before._wait + 1, CHANGES.format(what)


def compilation(function: Function, items: Sequence[Any]) -> Compilation:
    """Record a function, and compile it; what is wrong with that is the reason not to.

    Whatever the recordings change of what the function reads is put back.
    """
    watch = function.watch(items)
    if watch.used_up:
        return Compilation(watch, USED_UP.format(watch.used_up))
    before, outside = Before(watch), here.set(ROOT)  # where recording goes on inside of no_grad
    try:
        with collector_paused():
            result = _recorded(function, items, before)
            result.is_open = function.is_open
            return result
    finally:
        before.restore()
        here.reset(outside)
        give_back_memory()  # of the tapes, which no later call needs


def _recorded(function: Function, items: Sequence[Any], before: Before) -> Compilation:
    """Return what comes of a function, with a program that follows from few steps if one does."""
    many, watch = from_few_steps(function, items, before), before.watch
    if isinstance(many, Many):
        program, first, operands, keeps = many
        result = _ready(program, function, first, operands, len(items), watch)
        result.keeps = keeps
        return result
    if before.restore():
        return Compilation(watch, CHANGING)
    try:
        result = _compiled(function, items, before)
    except TinygradError as error:
        result = Compilation(watch, str(error).removeprefix("compile: "))
    except Exception as error:  # of this program, which is not to be the user's
        result = Compilation(watch, internal(error))
    result.keeps = many * function.checkpoint
    if function.checkpoint and result.note:  # it is a program in NumPy
        result.keeps = NO_CHUNKS
    return result


def internal(error: Exception) -> str:
    """Return the reason that an error of this package is."""
    return f"{INTERNAL}: {type(error).__name__}: {error}"


def _compiled(function: Function, items: Sequence[Any], before: Before) -> Compilation:
    """Return the program of a recording, or why there is none."""
    watch = before.watch
    try:
        first = record_first(function, items)
        right = take_numbers(function, items, first)
        proved = prove(function, items, first, right, before)
    except Unsuited as error:
        return Compilation(watch, str(error))
    derived, places = proved.derived, proved.places
    why, ways = (
        "",
        (lambda: Native(c_program(derived, places), places), lambda: Plain(derived, places)),
    )
    for way in ways:
        try:
            program = way()
        except CompilerError as error:
            why = str(error).removeprefix("compile: ")
            continue
        wrong = what_is_wrong(program, first, proved.right, items, function)
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


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two programs are the same, with the same constants."""
    if one.source != other.source or len(one.sources) != len(other.sources):
        return False
    return all(map(is_place, one.sources, other.sources))
