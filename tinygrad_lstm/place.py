"""Where an operation is recorded: its scope, its step, and whether it is recorded at all.

Knows no Tensors. A place is a small immutable link to the place around it; it becomes text only
when somebody reads a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from operator import index as as_integer
from typing import Any, TypeVar, cast

from .errors import ArgumentError, UsageError


class Place:
    """A scope (``name``), a step (``step``) or a mode, inside the place around it (``parent``).

    ``module`` is the place of the module that is being called, whose parameters live there.
    """

    __slots__ = ("parent", "name", "step", "recording", "module")

    def __init__(
        self,
        parent: Place | None,
        name: str | None = None,
        step: int | None = None,
        recording: bool | None = None,
        module: Place | None = None,
    ) -> None:
        self.parent = parent
        self.name = name
        self.step = step
        if recording is None:
            recording = parent is None or parent.recording
        self.recording: bool = recording
        self.module = module

    def path(self) -> str:
        """Return the scopes' names, outermost first, each after the step it was opened in."""
        links: list[Place] = []
        link: Place | None = self
        while link is not None:
            links.append(link)
            link = link.parent
        parts, steps = [], ""
        for link in reversed(links):
            if link.step is not None:
                steps += f"[{link.step}]"
            if link.name is not None:
                parts.append(link.name + steps)
                steps = ""
        return ".".join(parts) + steps


ROOT = Place(None)
here: ContextVar[Place] = ContextVar("here", default=ROOT)


F = TypeVar("F", bound=Callable[..., Any])


class _Inside:
    """Stand at a place for the length of a ``with`` block or of a decorated function."""

    def __init__(self, name: str | None = None, recording: bool | None = None) -> None:
        self._name, self._recording = name, recording
        self._before: list[Place] = []

    def __call__(self, function: F) -> F:
        if any(is_lazy(function) for is_lazy in _LAZY):
            raise UsageError(
                f"{function.__name__} runs after the call that a decorator could stand around: "
                "use a with block inside of it"
            )
        name, recording = self._name, self._recording

        @wraps(function)
        def inside(*args: Any, **options: Any) -> Any:
            entered = here.set(Place(here.get(), name, None, recording))
            try:
                return function(*args, **options)
            finally:
                here.reset(entered)

        return cast(F, inside)

    def __enter__(self) -> None:
        before = here.get()
        self._before.append(before)
        here.set(Place(before, self._name, None, self._recording))

    def __exit__(self, *error: object) -> None:
        here.set(self._before.pop())


_LAZY = (isgeneratorfunction, iscoroutinefunction, isasyncgenfunction)


def scope(name: str) -> _Inside:
    """Record inside a named scope: what is recorded there is called ``name.…``.

    Raises
    ------
    UsageError
        If the name is not a string.
    ArgumentError
        If it is empty.
    """
    return _Inside(name=checked_name(name))


def no_grad() -> _Inside:
    """Record nothing: results are constants that hold no graph."""
    return _Inside(recording=False)


def enable_grad() -> _Inside:
    """Record again, inside a ``no_grad`` block."""
    return _Inside(recording=True)


def steps(times: int | range) -> Iterator[int]:
    """Run through the steps of a recurrence, and record at which step each operation was made.

    Parameters
    ----------
    times : int or range
        The number of steps, or the steps themselves, backwards if need be.

    Yields
    ------
    int
        The step, which becomes the ``[k]`` in the names of the signals recorded in it.

    Raises
    ------
    UsageError
        If ``times`` is neither an integer nor a range.
    ArgumentError
        If it is negative.
    """
    if not isinstance(times, range):
        try:
            times = range(as_integer(times))
        except TypeError:
            raise UsageError(
                f"steps: found {type(times).__name__}, expected the number of steps or a range"
            ) from None
        if times.stop < 0:
            raise ArgumentError(f"steps: found {times.stop} steps, expected 0 or more")
    return _stepping(times, here.get())


def _stepping(times: range, before: Place) -> Iterator[int]:
    loop = Place(before)  # what the steps of one loop have in common, and no other steps
    try:
        for step in times:
            here.set(Place(loop, None, step))
            yield step
    finally:
        here.set(before)


def checked_name(name: object) -> str:
    """Return a name if it can be one."""
    if not isinstance(name, str):
        raise UsageError(f"a name must be a string, found {type(name).__name__}")
    if not name:
        raise ArgumentError("a name must not be empty")
    return name


class Packed(str):
    """The name of a signal whose last axis holds several signals side by side.

    Parameters
    ----------
    name : str
        The name of the whole.
    parts : tuple of str
        The names of the parts, in their order along the last axis.
    widths : tuple of int, optional
        How wide the parts are, relative to each other; equally, if left out.
    """

    parts: tuple[str, ...]
    widths: tuple[int, ...]

    def __new__(
        cls, name: str, parts: tuple[str, ...], widths: tuple[int, ...] | None = None
    ) -> Packed:
        packed = super().__new__(cls, name)
        packed.parts = parts
        packed.widths = widths or (1,) * len(parts)
        return packed

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self.parts, self.widths  # what a copy is made from


class Initial(str):
    """The name of what a recurrence starts from, which is none of its steps.

    It stands at the step before the first one: -1, or T where the steps run backwards from T - 1.
    """
