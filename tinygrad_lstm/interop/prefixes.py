"""The arrays of one module out of the state dictionary of a larger one.

Knows names alone.

>>> whole = {"encoder.rnn.W": 1, "encoder.rnn.b": 2, "head.W": 3}
>>> under_prefix("load", whole, ["W", "b"])
{'W': 1, 'b': 2}
>>> under_prefix("load", whole, ["W"], "head")
{'W': 3}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..engine.arguments import text
from ..errors import SignalError, nearest


def under_prefix(
    who: str,
    given: Mapping[str, Any],
    names: Iterable[str],
    prefix: str | None = None,
    plain: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Return the entries of a state dictionary that a module takes, by the names that it expects.

    Parameters
    ----------
    who : str
        What messages begin with.
    given : mapping of names to whatever
        Of a module, or of a larger one that holds the module.
    names : names that the module expects
    prefix : str, optional
        The path before the module's names in the larger one. If None, it is looked for where no
        expected name stands by itself: the path under which all names stand, and no other.
    plain : (name) -> name
        Makes one name of several spellings of a name.

    Returns
    -------
    dict
        With whatever does not fit under its own name, for the caller to refuse.

    Raises
    ------
    SignalError
        If nothing stands under the prefix; if all names stand under several paths. The message
        lists the paths.
    """
    expected = {plain(name): name for name in names}
    paths = _paths(given, expected, plain)
    if prefix is not None:
        path = text(f"{who}: prefix", prefix).rstrip(".")
        part = _part(given, path)
        if not part:
            raise SignalError(
                f"{who}: found nothing under the prefix {path!r}; {nearest(path, paths)}"
            )
    elif any(plain(str(name)) in expected for name in given):
        part = dict(given)
    else:
        whole = [path for path in paths if _is_whole(_part(given, path), expected, plain)]
        if len(whole) > 1:
            raise SignalError(
                f"{who}: found such arrays under {', '.join(map(repr, whole))}; choose one with "
                "prefix="
            )
        chosen = whole or paths
        part = _part(given, chosen[0]) if len(chosen) == 1 else dict(given)
    renamed = {expected.get(plain(str(name)), name): value for name, value in part.items()}
    if len(renamed) < len(part):
        return part
    return _by_number(renamed, list(expected.values())) or renamed


def _paths(
    given: Mapping[str, Any], expected: Mapping[str, str], plain: Callable[[str], str]
) -> list[str]:
    """Return the paths under which any expected name stands."""
    paths: dict[str, None] = {}  # in the order found, each once
    for name in map(str, given):
        parts = name.split(".")
        for n in range(1, len(parts)):
            if plain(".".join(parts[n:])) in expected:
                paths[".".join(parts[:n])] = None
    return list(paths)


def _by_number(part: Mapping[str, Any], names: list[str]) -> dict[str, Any] | None:
    """Return arrays that are named by a module's number, as in PyTorch's Sequential, by ours.

    The modules that have arrays follow one another in the same order. None if there is another
    number of them, or if one has other arrays.

    >>> _by_number({"0.weight": 1, "2.weight": 2, "2.bias": 3}, ["a.weight", "b.weight", "b.bias"])
    {'a.weight': 1, 'b.weight': 2, 'b.bias': 3}
    """
    theirs: dict[str, dict[str, Any]] = {}
    for name, value in part.items():
        number, _, letter = str(name).partition(".")
        if not number.isdecimal() or not letter:
            return None
        theirs.setdefault(number, {})[letter] = value
    ours: dict[str, list[str]] = {}
    for name in names:
        path, _, letter = name.partition(".")
        ours.setdefault(path, []).append(letter)
    pairs = list(zip(ours.items(), sorted(theirs.items(), key=lambda x: int(x[0])), strict=False))
    if len(ours) != len(theirs) or any(set(a[1]) != set(b[1]) for a, b in pairs):
        return None
    return {
        f"{path}.{letter}": arrays[letter] for (path, own), (_, arrays) in pairs for letter in own
    }


def _part(given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the entries under a path, by the rest of their names."""
    start = f"{path}." if path else ""
    return {
        name.removeprefix(start): value
        for name, value in given.items()
        if isinstance(name, str) and name.startswith(start)
    }


def _is_whole(
    part: Mapping[str, Any], expected: Mapping[str, str], plain: Callable[..., str]
) -> bool:
    """Return whether the names are those expected, and no others."""
    return {plain(name) for name in part} == set(expected)
