"""``tg.compile``: a function that gives a loss, run as native code.

Knows recordings, the C program of a derivation, and how it is run. The function is recorded as the
eager tape records it. What does not hold for other numbers, or has no form in C, is run eagerly,
and the report says why.
"""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..engine.arguments import flag
from ..engine.differentiate import grad
from ..engine.memory import collector_paused
from ..engine.place import here
from ..engine.tensor import Tensor, constant
from ..errors import TinygradError, UsageError
from ..formulas.derive import derive_packed
from ..formulas.derived import Derived
from .build import CompilerError
from .c_source import c_program
from .native import Native
from .plain import Plain
from .recording import FLOATS, Recording
from .state import Watch, random_state

MOST = 32  # recordings that are kept
MOST_VALUES = 8  # of whole numbers and truth values, which are part of a program
MANY = "an argument of whole numbers or truth values, which are part of the program, often changes"
ROUNDING = 1e4  # units of the last digit of the largest entry, by which sums in two orders differ
HOW = "runs as native code"
INTERNAL = "the compiler of this package failed"


def compile(loss_of: Callable[..., Tensor], *, strict: bool = False) -> Compiled:
    """Return a function that gives the same loss and gradients, run as native code.

    Parameters
    ----------
    loss_of : (*args) -> Tensor of one number
        As written for the eager tape. Arrays of floating point are arguments of the native code;
        any other argument is part of the program.
    strict : bool
        Whether what cannot be compiled is an error. If not, it runs eagerly, and the report says
        why.

    Returns
    -------
    Compiled
        Called like ``loss_of``.

    Raises
    ------
    UsageError
        If ``loss_of`` is no function; when called, if ``strict``, and it cannot be compiled.

    Examples
    --------
    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> step = compile(lambda x: ((x * w) ** 2).sum())
    >>> loss = step(np.array([3.0, 4.0]))
    >>> loss.backward()
    >>> loss.item(), w.grad
    (73.0, array([18., 64.]))
    """
    if not callable(loss_of):
        raise UsageError(f"compile: found {type(loss_of).__name__}, expected a function of a loss")
    return Compiled(loss_of, flag("compile: strict", strict))


class Compiled:
    """A function that gives a loss, run as native code where that can be.

    Attributes
    ----------
    source : str
        The program of the last call, in C, or in NumPy if there is no C compiler; empty if it ran
        eagerly.
    """

    def __init__(self, loss_of: Callable[..., Tensor], strict: bool = False) -> None:
        self.loss_of, self.strict = loss_of, strict
        self.source = ""
        self.reason, self._note = "it was not called yet", ""
        self._recordings: dict[Hashable, _Compilation] = {}
        self._values: Counter[Hashable] = Counter()  # of the same kind, that were recorded
        self._lock = threading.RLock()
        self._names = _parameter_names(loss_of)

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        key: Hashable = tuple(map(_form, args))
        if options:
            key = key, tuple((name, _form(x)) for name, x in options.items())
        with self._lock:
            is_recording = here.get().recording
            known = self._recordings.get(key)
            if known is None or known.watch.has_changed():
                known = self._record(key, args, options)
            program, self.source, self.reason = known.program, known.source, known.reason
            self._note = known.note
            if program is None:
                return self._eagerly(args, options)
            try:
                return program.run((*args, *options.values()) if options else args, is_recording)
            except Exception as error:  # of this program, which is not to be the user's
                self._recordings[key] = _Compilation(known.watch, _internal(error))
                self.source, self.reason = "", _internal(error)
                return self._eagerly(args, options)

    def _record(
        self, key: Hashable, args: tuple[Any, ...], options: dict[str, Any]
    ) -> _Compilation:
        """Record the function, unless it was recorded for many values of the same arguments."""
        forms = [*map(_form, (*args, *options.values()))]
        kinds = tuple(form[:3] if form[0] == "data" else form for form in forms)
        if kinds != tuple(forms):
            self._values[kinds] += 1
            if self._values[kinds] > MOST_VALUES:
                return _Compilation(Watch(_form), MANY)
        if len(self._recordings) >= MOST:
            self._recordings.clear()
        known = self._recordings[key] = _compilation(self, args, options)
        return known

    def _eagerly(self, args: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
        if self.strict:
            raise UsageError(f"compile: {self.reason}")
        return self.loss_of(*args, **options)

    def report(self) -> str:
        """Return what ran the last call, and what was not compiled and why."""
        if self.reason:
            return f"runs eagerly, since {self.reason}"
        lines = (line.strip() for line in self.source.splitlines())
        moved = [x.strip("/*# ") for x in lines if x.startswith(("/* ", "# "))]
        notes = [f"  {x}" for x in dict.fromkeys(moved) if ":" in x or "operation" in x]
        how = f"runs as a program in NumPy, since {self._note}" if self._note else HOW
        return "\n".join([how, *notes])


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _form(value: Any) -> tuple[Any, ...]:
    """Return what a program depends on of an argument."""
    if isinstance(value, np.ndarray):
        if value.dtype in FLOATS:
            return value.shape, value.dtype
        return "data", value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Tensor):
        is_leaf = not value.inputs
        return "Tensor", value.shape, value.dtype.str, value.requires_grad, value.name, is_leaf
    try:
        hash(value)
    except TypeError:
        return "value", repr(value)
    return "value", type(value), value


# --- from a function to a program -----------------------------------------------------------------


class _Compilation:
    """What came of the recording of a function.

    Attributes
    ----------
    watch : Watch
        What the function reads beside its arguments.
    reason : str
        Why there is no program; empty if there is one.
    program : Native, Plain or None
    note : str
        Why it is no program in C.
    """

    def __init__(
        self,
        watch: Watch,
        reason: str = "",
        program: Native | Plain | None = None,
        note: str = "",
    ) -> None:
        self.watch, self.reason, self.program, self.note = watch, reason, program, note
        self.source = "" if program is None else program.source


def _compilation(step: Compiled, args: tuple[Any, ...], options: dict[str, Any]) -> _Compilation:
    """Record a function, and compile it; what is wrong with that is the reason not to."""
    values, drawn = (*args, *options.values()), random_state()
    with collector_paused():
        first = Recording(step.loss_of, values, [*options], step._names)
        watch = Watch(step.loss_of)
        try:
            return _compiled(step, values, [*options], first, watch, drawn)
        except TinygradError as error:
            reason = str(error).removeprefix("compile: ")
        except Exception as error:  # of this program, which is not to be the user's
            reason = _internal(error)
    return _Compilation(Watch(step.loss_of), reason)


def _internal(error: Exception) -> str:
    return f"{INTERNAL}: {type(error).__name__}: {error}"


def _compiled(
    step: Compiled,
    values: tuple[Any, ...],
    keywords: list[str],
    first: Recording,
    watch: Watch,
    drawn: Hashable,
) -> _Compilation:
    """Return the program of a recording, or why there is none.

    The program is derived from a second recording, of other numbers: no two of these are equal by
    chance, as zeros are.
    """
    if first.refused:
        return _Compilation(watch, first.refused)
    try:
        other = Recording(step.loss_of, values, keywords, step._names, is_changed=True)
    except Exception as error:  # of the function itself, which the first numbers suited
        return _Compilation(watch, f"other numbers end in an error: {error}")
    if random_state() != drawn or watch.has_changed():
        return _Compilation(
            Watch(step.loss_of), "it changes what it reads, such as random numbers or a state"
        )
    if other.refused or not first.is_like(other):
        return _Compilation(watch, other.refused or "other numbers give another program")
    derived = derive_packed(other.loss)
    places = _places(derived, other)
    why, ways = "", (lambda: Native(c_program(derived), places), lambda: Plain(derived, places))
    for way in ways:
        try:
            program = way()
        except CompilerError as error:
            why = str(error).removeprefix("compile: ")
            continue
        wrong = _wrong(program, first, values)
        if wrong:
            return _Compilation(watch, f"the program does not give what the tape gives: {wrong}")
        return _Compilation(watch, "", program, why)
    raise AssertionError


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


def _wrong(program: Native | Plain, recorded: Recording, values: Sequence[Any]) -> str:
    """Return what a program gives and the tape does not, on the recorded numbers; or ""."""
    loss = program.run(values, True)
    assert loss.parameters is not None
    own = [recorded.inputs[x] if isinstance(x, int) else x for x in program.wanted]
    expected = grad(recorded.loss, own, allow_unused=True) if own else []
    pairs = [("the loss", loss._array, recorded.loss._array)]
    for leaf, given, right in zip(own, loss.parameters["gradients"](), expected, strict=True):
        pairs.append((leaf.label(), given, np.zeros_like(given) if right is None else right._array))
    for name, given, right in pairs:
        scale = float(np.max(np.abs(right), where=np.isfinite(right), initial=1e-30))
        close = ROUNDING * float(np.finfo(given.dtype).eps) * scale
        if not np.allclose(given, right, rtol=0, atol=close, equal_nan=True):
            return name
    return ""
