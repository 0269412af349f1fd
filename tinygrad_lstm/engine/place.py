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
from typing import Any, Protocol, TypeVar, cast

from ..errors import ArgumentError, UsageError
from .arguments import excerpt
from .off_tape import note_reading


class Listener(Protocol):
    """Whoever is told of each operation that is recorded inside of a place."""

    def note(self, entry: Any) -> None:
        """Look at a new entry of the tape."""


class Place:
    """A scope (``name``), a step (``step``) or a mode, inside the place around it (``parent``).

    ``module`` is the place of the module that is being called, whose parameters live there. Where
    somebody listens, ``recording`` is the listener.
    """

    __slots__ = ("parent", "name", "step", "recording", "module")
    _decides: tuple[str, ...] = ()  # attributes that a number depends on

    def __init__(
        self,
        parent: Place | None,
        name: str | None = None,
        step: int | None = None,
        recording: bool | Listener | None = None,
        module: Place | None = None,
    ) -> None:
        self.parent = parent
        self.name = name
        self.step = step
        if recording is None:
            recording = parent is None or parent.recording
        elif recording is True and parent is not None and parent.recording:
            recording = parent.recording
        self.recording: bool | Listener = recording
        self.module = module

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle the places around it first, from the outside in.

        Some of the links around come first, at distances of powers of two, so that a chain of any
        length is never followed to its end by recursion, and every link is copied once.
        """
        chain: list[Place] = []
        link = self.parent
        while link is not None:
            chain.append(link)
            link = link.parent
        depth, outer = len(chain), []
        while depth:
            depth &= depth - 1  # the number without its last binary digit that is 1
            outer.append(chain[len(chain) - 1 - depth])
        fields = (self.parent, self.name, self.step, self.recording, self.module)
        return _copied, (type(self), tuple(reversed(outer)), fields)

    def outermost(self) -> Place:
        """Return the place that is inside no other."""
        link = self
        while link.parent is not None:
            link = link.parent
        return link

    def is_in_step(self) -> bool:
        """Return whether a step of a recurrence is around it."""
        link: Place | None = self
        while link is not None and link.step is None:
            link = link.parent
        return link is not None

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


class Home(Place):
    """The place of a module, where its parameters live."""

    __slots__ = ()


def _copied(kind: type[Place], outer: tuple[Place, ...], fields: tuple[Any, ...]) -> Place:
    """Return a copy of a place; ``outer`` only fixes the order in which places are copied."""
    return kind(*fields)


ROOT = Place(None)
here: ContextVar[Place] = ContextVar("here", default=ROOT)
_NONE = Place(None)  # no loop
_where_am_i, _stand_at = here.get, here.set
F = TypeVar("F", bound=Callable[..., Any])


class _Inside:
    """Record at another place in a ``with`` block or in a decorated function.

    Holds no state of its own, so that threads and tasks may share one: where a block began stands
    in the context of the thread or task that entered it.
    """

    __slots__ = ("_name", "_recording")

    def __init__(self, name: str | None = None, recording: bool | None = None) -> None:
        self._name, self._recording = name, recording

    def __call__(self, function: F) -> F:
        if not callable(function):
            raise UsageError(
                f"found {type(function).__name__} to decorate, expected a function; "
                "for a part of one, write a with block"
            )
        if any(is_lazy(function) for is_lazy in _LAZY):
            raise UsageError(
                f"{function.__name__} runs after the call has returned, outside of the "
                "decorator: use a with block inside of it"
            )

        name, recording = self._name, self._recording

        @wraps(function)
        def inside(*args: Any, **options: Any) -> Any:
            before = _where_am_i()
            _stand_at(Place(before, name, None, recording))
            try:
                return function(*args, **options)
            finally:  # as at the end of a block, sooner: calls end in the order of their beginnings
                _stand_at(_still_open(before) if _ended.get() else before)

        return cast(F, inside)

    def __enter__(self) -> None:
        before = here.get()
        _blocks.set((self, before, _blocks.get()))
        here.set(Place(before, self._name, None, self._recording))

    def __exit__(self, *error: object) -> None:
        block = _blocks.get()
        while block is not None and block[0] is not self:
            block = block[2]  # a block that was never left, as in a generator that was abandoned
        if block is not None:  # else another thread or task entered it
            _blocks.set(block[2])
            here.set(_still_open(block[1]))


_LAZY = (isgeneratorfunction, iscoroutinefunction, isasyncgenfunction)
# the with blocks that this thread or task stands in: each one, the place before it, the rest
_blocks: ContextVar[Any] = ContextVar("_blocks", default=None)
# the steps that ended while this thread or task stood in a block inside of them
_ended: ContextVar[frozenset[Place]] = ContextVar("_ended", default=frozenset())


def _still_open(place: Place) -> Place:
    """Return the innermost place that has not ended, from a place outwards."""
    ended = _ended.get()
    while place in ended:
        _ended.set(ended := ended - {place})
        place = _before(place)
    return place


def _before(step: Place) -> Place:
    """Return the place in which the loop of a step runs."""
    return cast(Place, cast(Place, step.parent).parent)


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


def no_grad(*function: Any) -> _Inside:
    """Record nothing: results are constants that hold no graph.

    Raises
    ------
    UsageError
        If it decorates a function without parentheses, as ``@no_grad``.
    """
    _refuse_bare("no_grad", function)
    note_reading()  # what is computed inside is no longer on the tape
    return _Inside(recording=False)


def enable_grad(*function: Any) -> _Inside:
    """Record again, inside a ``no_grad`` block."""
    _refuse_bare("enable_grad", function)
    return _Inside(recording=True)


def _refuse_bare(name: str, given: tuple[Any, ...]) -> None:
    """Refuse an argument, such as the function under a decorator without parentheses."""
    if given:
        raise UsageError(
            f"{name} takes no argument, found {excerpt(given[0])}; write the parentheses: "
            f"@{name}() above a function, or with {name}():"
        )


class steps:
    """The steps of a recurrence: run through them, and each operation is recorded at its step.

    A step stands in the scope and the mode in which the loop asks for it. Every ``for`` runs
    through all steps, as with a range, so that threads and tasks may share the object; ``next(…)``
    takes one step after the other, whoever asks.

    The last step ends with the loop, which drops its iterator. An iterator that a variable keeps
    (``pairs = zip(steps(5), xs)``) may stay in its step until the variable is deleted, or the
    ``with`` block or the call of a module around it ends: write it into the ``for`` line.

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

    _shared: _Shared | None = None

    def __init__(self, times: int | range) -> None:
        if not isinstance(times, range):
            try:
                times = range(as_integer(times))
            except TypeError:
                raise UsageError(
                    f"steps: found {type(times).__name__}, expected the number of steps or a range"
                ) from None
            if times.stop < 0:
                raise ArgumentError(f"steps: found {times.stop} steps, expected 0 or more")
        self._times = times

    def __iter__(self) -> Iterator[int]:
        return self._shared or run_steps(self._times)

    def __reversed__(self) -> Iterator[int]:
        return run_steps(self._times[::-1])

    def __next__(self) -> int:
        if self._shared is None:
            self._shared = _Shared(self._times)
        return next(self._shared)


class _Shared:
    """An iterator over steps that several threads may advance."""

    def __init__(self, times: range) -> None:
        from threading import Lock  # nobody else needs it

        self._loops: list[Place] = []
        self._steps, self._turn = run_steps(times, self._loops), Lock()

    def __iter__(self) -> _Shared:
        return self

    def __next__(self) -> int:
        with self._turn:
            for step in self._steps:
                return step
        _leave(self._loops)  # this thread's or task's, too
        raise StopIteration


def run_steps(times: range, loops: list[Place] | None = None) -> Iterator[int]:
    """Run through steps as `steps` does, for one thread alone.

    Parameters
    ----------
    times : range
    loops : list of Place, optional
        Takes the loops that run, one for each place, thread or task that asks for a step.
    """
    loop = place = _NONE
    try:
        for step in times:
            now = _where_am_i()
            if now is not place:  # the first time, or somewhere else since
                around = _step_around(now, loops) if loops else None
                if around is not None:
                    loop = cast(Place, around.parent)
                elif loops is None:
                    loops = [loop := Place(now)]
                else:
                    loops.append(loop := Place(now))
            place = Place(loop, None, step)
            _stand_at(place)
            yield step
    finally:
        if _where_am_i() is place:  # the same, sooner
            _stand_at(loop.parent)  # type: ignore[arg-type]
        else:
            _leave(loops or [])


def _step_around(now: Place, loops: list[Place]) -> Place | None:
    """Return the step of a place in one of some loops, or None."""
    link: Place | None = now if loops else None
    while link is not None and link.parent not in loops:
        link = link.parent
    return link


def _leave(loops: list[Place]) -> None:
    """End the step of one of the loops in which this thread or task stands, if it does."""
    now = _where_am_i()
    step = _step_around(now, loops)
    if step is None:
        return  # left already with a block around it, or the step of another thread
    while now is not step and now.step is not None:
        now = _before(now)  # steps inside end with this one
    if now is step:
        here.set(_before(step))
    else:  # a block inside is still open: `_still_open` ends the step after it
        _ended.set(_ended.get() | {step})


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
    """The name of the value that a recurrence starts from. The value belongs to no step.

    Its index is that of the step before the first: -1, or T if the steps run backwards from T - 1.
    """
