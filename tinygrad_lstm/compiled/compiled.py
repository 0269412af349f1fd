"""``tg.compile``: a function that gives a loss, run as native code.

Knows recordings, the C program of a derivation, and how it is run. The function is recorded as the
eager tape records it. What does not hold for other numbers, or has no form in C, is run eagerly,
and the report says why.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..engine.arguments import flag
from ..engine.differentiate import grad
from ..engine.kind import Kind
from ..engine.off_tape import OffTape
from ..engine.place import here
from ..engine.primitive import Primitive
from ..engine.symbol import function as named
from ..engine.tensor import Tensor, constant, written
from ..errors import GradientError, TinygradError, UsageError
from ..formulas.derive import derive
from ..formulas.derived import Derived
from ..network.signals import Signals
from .build import gemm, load
from .c_source import CProgram, c_program
from .state import Watch, random_state

MOST = 32  # recordings that are kept
ROUNDING = 1e4  # units of the last digit of the largest entry, by which sums in two orders differ
INTERNAL = "the compiler of this package failed"
READ = "it reads numbers off the tape, which may decide what it does"
FLOATS = (np.dtype("f4"), np.dtype("f8"))


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
        The program in C of the last call; empty if it ran eagerly.
    """

    def __init__(self, loss_of: Callable[..., Tensor], strict: bool = False) -> None:
        self.loss_of, self.strict = loss_of, strict
        self.source = ""
        self.reason = "it was not called yet"
        self._recordings: dict[Hashable, _Recording] = {}
        self._lock = threading.RLock()
        self._names = _parameter_names(loss_of)

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        key = tuple(map(_form, args)), tuple((name, _form(x)) for name, x in options.items())
        with self._lock:
            is_recording = here.get().recording
            recording = self._recordings.get(key)
            if recording is None or recording.watch.has_changed():
                if len(self._recordings) >= MOST:
                    self._recordings.clear()
                recording = self._recordings[key] = _record(self, args, options)
            self.source, self.reason = recording.source, recording.reason
            if recording.program is None:
                return self._eagerly(recording.reason, args, options)
            try:
                return recording.run([*args, *options.values()], is_recording)
            except Exception as error:  # of this program, which is not to be the user's
                reason = internal(error)
                self._recordings[key] = _Recording(recording.watch, reason)
                return self._eagerly(reason, args, options)

    def _eagerly(self, reason: str, args: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
        self.source, self.reason = "", reason
        if self.strict:
            raise UsageError(f"compile: {reason}")
        return self.loss_of(*args, **options)

    def report(self) -> str:
        """Return what ran the last call, and what was not compiled and why."""
        if self.reason:
            return f"runs eagerly, since {self.reason}"
        moved = [x.strip()[3:-3] for x in self.source.splitlines() if x.strip().startswith("/*")]
        notes = [f"  {x}" for x in dict.fromkeys(moved) if ":" in x or "operation" in x]
        return "\n".join(["runs as native code", *notes])


def internal(error: Exception) -> str:
    """Return the reason for an error that nobody expected."""
    return f"{INTERNAL}: {type(error).__name__}: {error}"


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _form(value: Any) -> Hashable:
    """Return what a recording depends on of an argument."""
    if isinstance(value, Tensor):
        is_leaf = not value.inputs
        return "Tensor", value.shape, value.dtype.str, value.requires_grad, value.name, is_leaf
    if isinstance(value, np.ndarray) and value.dtype in FLOATS:
        return "array", value.shape, value.dtype.str
    if isinstance(value, np.ndarray):
        return "data", value.shape, value.dtype.str, value.tobytes()
    try:
        hash(value)
    except TypeError:
        return "value", repr(value)
    return "value", type(value), value


class _Recording:
    """A program, and where the arrays of its sources come from.

    Attributes
    ----------
    watch : Watch
        What the function read beside its arguments.
    reason : str
        Why there is no program; empty if there is one.
    """

    def __init__(self, watch: Watch, reason: str = "") -> None:
        self.watch, self.reason, self.source = watch, reason, ""
        self.program: CProgram | None = None

    def bind(self, program: CProgram, sources: list[Any]) -> None:
        """Prepare the arrays of a program.

        Parameters
        ----------
        program : CProgram
        sources : list
            For each source the position of its argument, or its leaf.
        """
        self.program, self.source = program, program.text
        self.function, self.gemm = load(program.text), gemm(program.dtype)
        self.sources = sources
        self.arrays = [np.empty(x.shape, program.dtype) for x in program.buffers]
        self.pointers = (ctypes.c_void_p * len(self.arrays))(*map(_address, self.arrays))
        self.sizes = (ctypes.c_long * max(1, len(program.sizes)))(*program.sizes)
        roles = [x.role for x in program.buffers]
        self.places = {
            role: [n for n, own in enumerate(roles) if own == role] for role in dict.fromkeys(roles)
        }
        by_name = dict(zip((program.buffers[n].source for n in self.places["source"]), sources))
        self.wanted = [by_name[program.buffers[n].source] for n in self.places.get("gradient", ())]

    def run(self, args: list[Any], is_recording: bool) -> Tensor:
        """Run the program, and return the loss."""
        program = self.program
        assert program is not None
        arrays, pointers = self.arrays, self.pointers
        leaves = [args[x] if type(x) is int else x for x in self.sources]
        for n, leaf in zip(self.places["source"], leaves, strict=True):
            array = leaf._array if isinstance(leaf, Tensor) else leaf
            if array is not arrays[n]:
                array = np.ascontiguousarray(array, program.dtype)
                arrays[n], pointers[n] = array, _address(array)
        gradients = []
        if is_recording:
            for n in self.places.get("gradient", ()):
                array = np.empty(program.buffers[n].shape, program.dtype)
                gradients.append(array)
                pointers[n] = _address(array)
        self.function(pointers, self.sizes, self.gemm, int(is_recording))
        (loss,) = self.places["loss"]
        value = arrays[loss].copy()
        if not is_recording:
            return constant(value)
        wanted = tuple(args[x] if type(x) is int else x for x in self.wanted)
        return written(COMPILED, value, wanted, {"gradients": tuple(gradients)}, True)

    def compare(self, recorded: _Recorded, args: list[Any]) -> str:
        """Return what the program gives and the tape does not, on the recorded numbers; or ""."""
        loss = self.run(args, True)
        parameters = loss.parameters
        assert parameters is not None
        own = [recorded.inputs[x] if type(x) is int else x for x in self.wanted]
        expected = grad(recorded.loss, own, allow_unused=True) if own else []
        pairs = [("the loss", loss._array, recorded.loss._array)]
        for leaf, given, right in zip(own, parameters["gradients"], expected, strict=True):
            zeros = np.zeros_like(given)
            pairs.append((leaf.label(), given, zeros if right is None else right._array))
        for name, given, right in pairs:
            scale = float(np.max(np.abs(right), where=np.isfinite(right), initial=1e-30))
            close = ROUNDING * float(np.finfo(given.dtype).eps) * scale
            if not np.allclose(given, right, rtol=0, atol=close, equal_nan=True):
                return name
        return ""


def _address(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


# --- recording ------------------------------------------------------------------------------------


def _record(step: Compiled, args: tuple[Any, ...], options: dict[str, Any]) -> _Recording:
    """Record a function twice, with the numbers in other places the second time; compile it."""
    drawn = random_state()
    first = _Recorded(step, args, options, is_turned=False)
    try:
        return _compiled(step, first, args, options, drawn)
    except TinygradError as error:
        return _Recording(Watch(step.loss_of), str(error).removeprefix("compile: "))
    except Exception as error:  # of this program, which is not to be the user's
        return _Recording(Watch(step.loss_of), internal(error))


def _compiled(
    step: Compiled,
    first: _Recorded,
    args: tuple[Any, ...],
    options: dict[str, Any],
    drawn: Hashable,
) -> _Recording:
    """Return the native code of a recording, or why there is none."""
    if first.refused:
        return _Recording(Watch(step.loss_of), first.refused)
    first.derive()
    watch = Watch(step.loss_of)
    try:
        other = _Recorded(step, args, options, is_turned=True)
    except Exception as error:  # of the function itself, which the first numbers suited
        return _Recording(watch, f"other numbers end in an error: {error}")
    if random_state() != drawn or watch.has_changed():
        return _Recording(
            Watch(step.loss_of), "it changes what it reads, such as random numbers or a state"
        )
    if other.refused:
        return _Recording(watch, other.refused)
    other.derive()
    program = c_program(first.derived)
    if not first.is_like(other) or c_program(other.derived).text != program.text:
        return _Recording(watch, "other numbers give another program")
    recording = _Recording(watch)
    recording.bind(program, first.sources(program))
    wrong = recording.compare(first, [*args, *options.values()])
    if wrong:
        return _Recording(watch, f"the native code does not give what the tape gives: {wrong}")
    return recording


class _Recorded:
    """One recording of a function: the loss, and what it was computed from.

    Attributes
    ----------
    refused : str
        Why there can be no program of it; empty if there may be one.
    """

    def __init__(
        self, step: Compiled, args: tuple[Any, ...], options: dict[str, Any], is_turned: bool
    ) -> None:
        names = [*step._names[: len(args)], *[""] * (len(args) - len(step._names)), *options]
        self.inputs: dict[int, Tensor] = {}
        self.refused = ""
        values = []
        for n, (name, value) in enumerate(zip(names, [*args, *options.values()], strict=True)):
            is_input = isinstance(value, np.ndarray) and value.dtype in FLOATS
            if is_input or isinstance(value, Tensor):
                array = value._array if isinstance(value, Tensor) else value
                if isinstance(value, Tensor) and value.inputs:
                    self.refused = "an argument was computed, expected arrays and leaves"
                is_asked = isinstance(value, Tensor) and value.requires_grad
                name = (value.name if isinstance(value, Tensor) else "") or name or f"x{n}"
                own = Tensor(_turned(array) if is_turned else array, is_asked, name=name)
                value = self.inputs[n] = own
            values.append(value)
        before = OffTape.count
        with np.errstate(all="ignore"):
            loss = step.loss_of(*values[: len(args)], **dict(zip(options, values[len(args) :])))
        if OffTape.count != before:
            self.refused = self.refused or READ
        if not isinstance(loss, Tensor) or loss.size != 1 or loss.ndim:
            self.refused = self.refused or "it does not return a Tensor of one number"
        self.loss = loss

    def derive(self) -> None:
        """Derive the backward pass."""
        derivation = derive(self.loss)
        assert derivation.together is not None
        self.derived: Derived = derivation.together()
        self.leaves = {name: x for x, name in Signals(self.loss).names.items() if not x.inputs}

    def sources(self, program: CProgram) -> list[Any]:
        """Return where each source of a program comes from: an argument, or a leaf."""
        position = {tensor: n for n, tensor in self.inputs.items()}
        values = {x.full_name: x.value for x in self.derived.sources}
        places = []
        for name in (x.source for x in program.buffers if x.role == "source"):
            leaf = self.leaves.get(name)  # an array of a loop's steps has a name of its own there
            leaf = constant(np.asarray(values[name])) if leaf is None else leaf
            places.append(position.get(leaf, leaf))
        return places

    def is_like(self, other: _Recorded) -> bool:
        """Return whether the leaves are the same, and constants have the same numbers."""
        if self.leaves.keys() != other.leaves.keys():
            return False
        inputs = {*self.inputs.values(), *other.inputs.values()}
        for name, leaf in self.leaves.items():
            same = other.leaves[name]
            if (leaf in inputs) != (same in inputs):
                return False
            if leaf not in inputs and leaf is not same and not np.array_equal(
                leaf._array, same._array, equal_nan=True
            ):  # fmt: skip
                return False
        return True


def _turned(array: np.ndarray) -> np.ndarray:
    """Return the same numbers at other places."""
    return np.flip(array).copy()


# --- the loss on the tape -------------------------------------------------------------------------


def _pull(entry: Any, ct: Any, sums: Any) -> None:
    if not isinstance(ct, np.ndarray | np.generic):
        raise GradientError(
            "compile: the gradient of a gradient is not compiled; call the function itself"
        )
    for operand, gradient in zip(entry.inputs, entry.parameters["gradients"], strict=True):
        if operand.requires_grad:
            sums.add(operand, gradient if ct == 1 else ct * gradient)


def _refuse(*_: Any, **__: Any) -> Any:
    raise UsageError("compile: a compiled loss has no network; record the function itself")


COMPILED = Primitive(
    "compiled", Kind.MATRIX_FUNCTION, lambda *xs, gradients: _refuse(), _pull, _refuse,
    notation=named("compiled"), samples=list,
)  # fmt: skip
