"""``tg.compile``: a function, or a module, run as native code.

Knows which calls need a program of their own, and which program answers a call; not how one is
made.
"""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, TypeAlias, TypeVar

import numpy as np

from ..engine.arguments import flag
from ..engine.place import here
from ..engine.tensor import Tensor
from ..errors import UsageError
from .compilation import Compilation, compilation, internal
from .loss import Loss
from .proof import Function
from .recording import FLOATS, under_way
from .spread import Outside, is_whole
from .state import NUMBERS, Watch
from .structure import name_arguments, take_apart

MOST = 32  # recordings that are kept
MOST_VALUES = 8  # of what is part of a program
MANY = "an argument that is part of the program often changes"
HOW = "runs as native code"
SINGLE = frozenset({np.ndarray, Tensor, int, float, bool, str, type(None)})  # no containers
PLAIN = (FunctionType, BuiltinFunctionType, MethodType)
Args: TypeAlias = tuple[Any, ...]
Options: TypeAlias = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


def compile(function: F, *, strict: bool = False, checkpoint: bool = False) -> F:
    """Return a function that gives the same, run as native code.

    Parameters
    ----------
    function : (*args) -> Tensor of one number, or a Module, or any function of arrays
        As written for the eager tape. Arrays are arguments of the native code, in lists, tuples and
        dictionaries too; any other argument is part of the program. So is an array of whole numbers
        or truth values, unless it is only looked up, as in ``embedding(tokens)``,
        ``softmax_cross_entropy(z, classes)`` and ``where(mask, a, b)``. A loss has its gradients
        from the native code. Of any other output the native code gives the values; its gradients,
        if asked for, are the tape's. What it reads beside its arguments may change between the
        calls: variables, attributes, arrays, and what it names of a module; a file and the clock
        are not looked at again. It may be called more than once to be recorded, which leaves
        what it reads, and random numbers, as they were.
    strict : bool
        Whether what cannot be compiled is an error. If not, it runs eagerly, and the report says
        why.

    checkpoint : bool
        Whether the native code of many steps keeps the states at the borders of √T chunks of the T
        steps alone, and computes the rest again in the backward pass: less memory, and the time of
        another forward pass (A. Griewank, "Achieving logarithmic growth of temporal and spatial
        complexity in reverse automatic differentiation", Optimization Methods and Software 1,
        1992, with one level). Sequences that lead into the loop or out of it are kept. The report
        says where it cannot be done.

    Returns
    -------
    Compiled
        Called like ``function``. Of a module it has the attributes and the methods, and it stands
        for the module in another one.

    Raises
    ------
    UsageError
        If ``function`` is no function; when called, if ``strict``, and it cannot be compiled.

    Examples
    --------
    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> step = compile(lambda x: ((x * w) ** 2).sum())
    >>> loss = step(np.array([3.0, 4.0]))
    >>> loss.backward()
    >>> loss.item(), w.grad
    (73.0, array([18., 64.]))
    """
    if not callable(function):
        raise UsageError(
            f"compile: found {type(function).__name__}, expected a function or a module"
        )
    flags = flag("compile: strict", strict), flag("compile: checkpoint", checkpoint)
    compiled: Any = Compiled(function, *flags)
    return compiled  # type: ignore[no-any-return]


class Compiled:
    """A function, or a module, that runs as native code where that can be."""

    _decides = ("loss_of",)  # what a call depends on, beside its arguments
    _stands_for = "loss_of"
    _last: Compilation

    def __init__(
        self, loss_of: Callable[..., Any], strict: bool = False, checkpoint: bool = False
    ) -> None:
        own = self.__dict__
        own["loss_of"], own["strict"], own["checkpoint"] = loss_of, strict, checkpoint
        own["_last"] = Compilation(Watch(_form), "it was not called yet")
        own["_recordings"] = {}
        own["_values"] = Counter()  # of the same kind, that were recorded
        own["_lock"] = threading.RLock()
        own["_names"] = _parameter_names(loss_of)

    @property
    def source(self) -> str:
        """The program of the last call, in C, or in NumPy; empty if it ran eagerly."""
        return self._last.source

    @property
    def reason(self) -> str:
        """Why the last call ran eagerly; empty if it did not."""
        return self._last.reason

    def __call__(self, *args: Any, **options: Any) -> Any:
        if under_way.get():  # a part of what is recorded for another program
            return self.loss_of(*args, **options)
        items: Sequence[Any] = args
        key: Hashable
        if options or not SINGLE.issuperset(map(type, args)):
            items = []
            structure = take_apart((args, options), items)
            key = structure, tuple(map(_form, items))
        else:
            key = tuple(map(_form, args))
        with self._lock:
            known = self._recordings.get(key)
            if known is None or known.has_changed():
                known = self._record(key, args, options, known)
            if known.is_open and known.program is None:  # a program for each value of the numbers
                items, key = self._with_values(args, options)
                why, known = known.reason, self._recordings.get(key)
                if known is None or known.has_changed():
                    known = self._record_values(key, args, options, known, why)
            self.__dict__["_last"] = known
            if known.program is None or known.rests:
                return self._eagerly(args, options)
            try:
                for condition in known.conditions:
                    if not np.all(condition.compute(items)):
                        raise Outside("the whole numbers are other ones than can be")
                result = known.program.run(items, here.get().recording)
                if type(result) is Loss:
                    assert result.parameters is not None  # for whoever wants to see the signals
                    result.parameters["again"] = partial(self.loss_of, *args, **options)
                return result
            except Outside as error:  # which the function itself refuses, or counts from the end
                self.__dict__["_last"] = Compilation(known.watch, str(error))
                return self.loss_of(*args, **options)
            except Exception as error:  # of this program, which is not to be the user's
                known = Compilation(known.watch, internal(error))
                self._recordings[key] = self.__dict__["_last"] = known
                return self._eagerly(args, options)

    def _record(
        self, key: Hashable, args: Args, options: Options, before: Compilation | None
    ) -> Compilation:
        """Record the function with its whole numbers as arguments, if there are any."""
        items: list[Any] = []
        structure = take_apart((args, options), items)
        if not any(map(is_whole, items)):
            return self._record_values(key, args, options, before, "")
        names = name_arguments(structure, self._names)
        return self._keep(
            key, Function(self.loss_of, structure, names, True, self.checkpoint), items, before
        )

    def _record_values(
        self, key: Hashable, args: Args, options: Options, before: Compilation | None, why: str
    ) -> Compilation:
        """Record the function, unless it was recorded for many values of the same arguments."""
        items: list[Any] = []
        structure = take_apart((args, options), items)
        forms = [*map(_value_form, items)]
        if any(x[0] in VALUES for x in forms):
            kinds = structure, tuple(x[:-1] if x[0] in VALUES else x for x in forms)
            self._values[kinds] += 1
            if self._values[kinds] > MOST_VALUES:
                return Compilation(Watch(_form), f"{MANY}, since {why}" if why else MANY)
        names = name_arguments(structure, self._names)
        return self._keep(
            key, Function(self.loss_of, structure, names, False, self.checkpoint), items, before
        )

    def _keep(
        self, key: Hashable, function: Function, items: list[Any], before: Compilation | None
    ) -> Compilation:
        if len(self._recordings) >= MOST:
            self._recordings.clear()
        known = self._recordings[key] = compilation(function, items)
        known.follow(before)
        return known

    def _with_values(self, args: Args, options: Options) -> tuple[list[Any], Hashable]:
        """Return the items, and a key that holds the values of whole numbers."""
        items: list[Any] = []
        structure = take_apart((args, options), items)
        return items, ("values", structure, tuple(map(_value_form, items)))

    def _eagerly(self, args: Args, options: Options) -> Any:
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
        note = self._last.note
        how = f"runs as a program in NumPy, since {note}" if note else HOW
        if self._last.keeps:
            notes = [f"  keeps all steps, since {self._last.keeps}", *notes]
        return "\n".join([how, *notes])

    # --- in place of a module --------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # as a module in a module it is one of its kind
        return type(self) if isinstance(self.loss_of, PLAIN) else type(self.loss_of)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loss_of, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.loss_of, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.loss_of, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self.loss_of)})

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self.loss_of, self.strict, self.checkpoint)

    def __repr__(self) -> str:
        return f"<compiled {self.loss_of!r}>"

    def __str__(self) -> str:
        return str(self.loss_of)


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(getattr(function, "forward", function)).parameters)
    except (TypeError, ValueError):
        return []


VALUES = ("data", "value", "object")  # forms that end in what is part of a program


def _form(value: Any) -> tuple[Any, ...]:
    """Return what a program depends on of an argument."""
    if isinstance(value, np.ndarray):
        if value.dtype in FLOATS:
            return value.shape, value.dtype
        if is_whole(value):
            return "whole", value.shape, value.dtype.str
        return "data", value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, Tensor):
        is_leaf = not value.inputs
        return "Tensor", value.shape, value.dtype.str, value.requires_grad, value.name, is_leaf
    if isinstance(value, NUMBERS):
        return "value", type(value), repr(value)
    return "object", type(value), id(value)  # which a recording keeps, and watches


def _value_form(value: Any) -> tuple[Any, ...]:
    """Return the same where whole numbers are part of a program."""
    if is_whole(value):
        return "data", value.shape, value.dtype.str, value.tobytes()
    return _form(value)
