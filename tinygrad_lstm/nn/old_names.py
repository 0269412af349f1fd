"""Keywords and attributes under the names that they had before: these still work, and warn.

Knows no layer. The next version drops the old names.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from ..engine.arguments import constructor
from ..errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def renamed(**names: str) -> Callable[[F], F]:
    """Let the ``__init__`` of a class take keywords under their old names too, and warn.

    Parameters
    ----------
    **names : str
        The new names by the old ones.

    Warns
    -----
    DeprecationWarning
        The message names the class, the old name and the new one.

    Examples
    --------
    >>> class Line:
    ...     @renamed(gain="slope")
    ...     def __init__(self, slope=1.0):
    ...         self.slope = slope
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     Line(gain=2.0).slope
    2.0
    >>> str(caught[0].message)
    'Line: gain is called slope now; the next version drops the old name'
    """

    def decorate(init: F) -> F:
        @wraps(init)
        def take(self: Any, *args: Any, **options: Any) -> Any:
            if not names.keys().isdisjoint(options):
                who = type(self).__name__
                for old in names.keys() & options.keys():
                    _warn(who, old, names[old])
                options = _with_new(who, options, names)
            return init(self, *args, **options)

        take.old_names = names  # type: ignore[attr-defined]
        return take  # type: ignore[return-value]

    return decorate


def with_new_names(cls: type, options: dict[str, Any]) -> dict[str, Any]:
    """Return keywords for a class, those that it took under other names before by the new names.

    Raises
    ------
    UsageError
        If a keyword is given by both names.
    """
    known: dict[str, str] = {}
    for base in cls.__mro__:
        known |= getattr(vars(base).get("__init__"), "old_names", {})
    if known.keys().isdisjoint(options):
        return options
    own = constructor(cls).parameters
    return _with_new(
        cls.__name__, options, {old: new for old, new in known.items() if old not in own}
    )


class OldAttribute:
    """An attribute under the name that it had before: what the new name has, with a warning."""

    def __init__(self, new: str) -> None:
        self.new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self.old = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        _warn(type(instance).__name__, self.old, self.new)
        return getattr(instance, self.new)


def _warn(who: str, old: str, new: str) -> None:
    warnings.warn(
        f"{who}: {old} is called {new} now; the next version drops the old name",
        DeprecationWarning,
        stacklevel=3,
    )


def _with_new(who: str, options: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    for old in names.keys() & options.keys():
        if names[old] in options:
            raise UsageError(
                f"{who}: found {old} and {names[old]}, which mean the same; give {names[old]}"
            )
    return {names.get(name, name): value for name, value in options.items()}
