"""Checks of the arguments of public functions.

Knows the errors and NumPy; no Tensors. A check returns the argument in the one form that the
package works with, or says what was found, what is expected and, where there is one, the remedy.
``who`` is what the message begins with: a function, or a function and its parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from operator import index as as_integer
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, UsageError

_ndarray = np.ndarray
LARGEST = 2**63 - 1  # of NumPy's integers
POSITIVE = 1e-300  # the least number where numbers above 0 are expected
MOST = 2**31  # entries along an axis, or of what is drawn at once
PLAIN: Any = object.__repr__  # which says the name of a class and an address
MOST_SHOWN = 120  # characters of an argument in a message


def excerpt(value: Any) -> str:
    """Return an argument of any kind as a short text for a message.

    >>> excerpt([1, 2]), len(excerpt("a" * 1000))
    ('[1, 2]', 120)
    """
    try:
        is_plain = type(value).__repr__ is PLAIN
        text = f"an object of type {type(value).__name__}" if is_plain else repr(value)
    except Exception:  # the caller's own code, which may raise anything
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


# --- arrays -------------------------------------------------------------------------------------


def as_array(who: str, value: Any) -> np.ndarray:
    """Return a copy of a value as an array of its own type, in this machine's order of bytes.

    Raises
    ------
    ShapeError
        If the rows of a list have unequal lengths, or a list holds itself.
    DTypeError
        If there is a masked array in it, or its own conversion to an array fails.
    """
    if type(value) is _ndarray:
        return value.copy() if value.dtype.isnative else native(value)
    masked = (
        f"{who}: found a masked array, expected an array without a mask; say what stands in "
        "the masked places with .filled(number), or leave them out with where"
    )
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"{who}: the data are no array of numbers ({error})") from None
    except Exception as error:  # of the value's own conversion, which may raise anything
        if _is_masked(value, 4):  # a masked number in lists, where warnings are errors
            raise DTypeError(masked) from None
        raise DTypeError(
            f"{who}: found {type(value).__name__}, which does not become an array: {error}"
        ) from None
    if _is_masked(value, array.ndim):
        raise DTypeError(masked)
    if not array.dtype.isnative:
        return native(array)
    return array.copy()  # the value's own conversion may hand out its own memory


def native(array: np.ndarray) -> np.ndarray:
    """Return a copy of an array in this machine's order of bytes, by which tables know its type."""
    return array.astype(array.dtype.newbyteorder("="))


def _is_masked(value: Any, depth: int) -> bool:
    """Return whether a value, or an entry of a list, is a masked array."""
    if isinstance(value, list | tuple):
        kinds = {type(entry): entry for entry in value}
        return any(
            _is_masked(entry, depth - 1)
            for kind, entry in kinds.items()
            if kind not in _WITHOUT_MASK and not issubclass(kind, list | tuple)
        ) or (depth > 1 and any(_is_masked(e, depth - 1) for e in value if type(e) in _ROWS))
    return isinstance(value, _ndarray) and isinstance(value, np.ma.MaskedArray)


_WITHOUT_MASK = frozenset([int, float, bool, _ndarray, np.float64])
_ROWS = frozenset([list, tuple])
_NUMBERS = frozenset([int, float, bool, complex, np.float64, np.float32, np.bool, np.int64])


def tensor_in(value: Any) -> Any:
    """Return the first Tensor or Symbol in a list, or in the lists in it; None if there is none."""
    lists, visited = [value], {id(value)}  # a list may hold itself
    while lists:
        for entry in lists.pop():
            if hasattr(entry, "__interpret__"):
                return entry
            if isinstance(entry, list | tuple) and id(entry) not in visited:
                visited.add(id(entry))
                lists.append(entry)
    return None


def joined(value: Any) -> Any:
    """Return a list that holds Tensors as one Tensor, and anything else as it is."""
    tensor = tensor_in(value) if isinstance(value, list | tuple) else None
    return np.array(value, like=tensor) if hasattr(tensor, "__array_function__") else value


def operand(who: str, value: Any) -> Any:
    """Return an operand as it is if it is a Tensor, a Symbol, an array or a number, else an array.

    Raises
    ------
    ShapeError, DTypeError
        If it is nothing that can be computed with.
    """
    kind = type(value)
    if kind is int and not -LARGEST <= value <= LARGEST:  # no integer type holds it
        return number(who, value)
    if kind in _NUMBERS or hasattr(value, "__interpret__"):
        return value
    array = value if kind is _ndarray else as_array(who, value)
    if array.dtype.kind not in "biufc":
        raise DTypeError(
            f"{who}: found {kind.__name__} of type {array.dtype}, expected numbers, "
            "an array of numbers or a Tensor"
        )
    return array


def float_type(who: str, dtype: Any) -> np.dtype:
    """Return a floating point type."""
    try:
        wanted: np.dtype = np.dtype(dtype)
    except Exception:  # of the value's own attributes, which may raise anything
        raise DTypeError(
            f"{who}: found dtype {excerpt(dtype)}, expected float64 or float32"
        ) from None
    if wanted.kind != "f":
        raise DTypeError(f"{who}: found dtype {wanted}, expected float64 or float32")
    return wanted.newbyteorder("=")


# --- numbers and words --------------------------------------------------------------------------


def whole(who: str, value: Any, least: int | None = None, end: int | None = None) -> int:
    """Return a whole number, at least ``least`` and below ``end``."""
    try:
        if isinstance(value, bool | np.bool) or hasattr(value, "__interpret__"):
            raise TypeError
        number = as_integer(value)
    except Exception:  # of the value's own __index__, which may raise anything
        raise UsageError(f"{who} must be a whole number, found {excerpt(value)}") from None
    if least is not None and number < least:
        raise ArgumentError(f"{who} must be at least {least}, found {excerpt(number)}")
    if end is not None and number >= end:
        raise ArgumentError(f"{who} must be below {end}, found {excerpt(number)}")
    return number


def flag(who: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool | np.bool):
        raise UsageError(f"{who} must be True or False, found {excerpt(value)}")
    return bool(value)


def number(
    who: str, value: Any, low: float = -np.inf, end: float = np.inf, most: float = np.inf
) -> float:
    """Return a finite number, at least ``low``, below ``end`` and at most ``most``."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool | complex):
        raise UsageError(f"{who} must be a number, found {excerpt(value)}")
    if isinstance(value, np.complexfloating):
        raise UsageError(f"{who} must be a real number, found {excerpt(value)}")
    try:
        converted = float(value)
    except OverflowError:
        converted = np.inf
    if not (low <= converted < end and converted <= most and np.isfinite(converted)):
        above = "above 0" if 0 < low <= POSITIVE else f"at least {low:g}"
        below = f"at most {most:g}" if most < end else f"below {end:g}"
        bounds = [above] * bool(low > -np.inf) + [below] * bool(min(end, most) < np.inf)
        expected = " and ".join(bounds if len(bounds) == 2 else [*bounds, "finite"])
        shown = excerpt(value) if isinstance(value, int) else str(value)
        raise ArgumentError(f"{who} must be {expected}, found {shown}")
    return converted


def optional(check: Callable[..., Any], who: str, value: Any, *more: Any) -> Any:
    """Return None, or the result of a check of any other value."""
    return None if value is None else check(who, value, *more)


def text(who: str, value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise UsageError(f"{who} must be a string, found {excerpt(value)}")
    return value


def one_of(who: str, value: Any, known: Iterable[Any]) -> Any:
    """Return a value that is one of the known ones."""
    known = tuple(known)
    for candidate in known:
        if type(value) is type(candidate) and value == candidate:
            return candidate
    expected = ", ".join(map(repr, known))
    kind = ArgumentError if isinstance(value, str) else UsageError
    raise kind(f"{who} must be one of {expected}; found {excerpt(value)}")


def of_kind(who: str, value: Any, kinds: Any, expected: str) -> Any:
    """Return a value that is an instance of a class, or of one of several."""
    if not isinstance(value, kinds):
        raise UsageError(f"{who}: found {excerpt(value)}, expected {expected}")
    return value


def function(who: str, value: Any, expected: str = "a function") -> Callable[..., Any]:
    """Return a value that can be called."""
    if not callable(value):
        raise UsageError(f"{who}: found {excerpt(value)}, expected {expected}")
    callee: Callable[..., Any] = value
    return callee


def by_name(who: str, value: Any, expected: str = "a dictionary of arrays") -> Mapping[str, Any]:
    """Return a mapping whose keys are strings."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{who}: found {excerpt(value)}, expected {expected}")
    for name in value:
        if not isinstance(name, str):
            raise UsageError(f"{who}: found the name {excerpt(name)}, expected strings as names")
    return value


def names(who: str, value: Any) -> tuple[str, ...]:
    """Return one name, or several in a collection, as a tuple."""
    if isinstance(value, str):
        return (value,)
    single = isinstance(value, bytes) or getattr(value, "ndim", 1) == 0  # an array of one entry
    if single or not isinstance(value, Iterable):
        raise UsageError(f"{who}: found {excerpt(value)}, expected a name or a list of names")
    return tuple([text(who, name) for name in value])


def generator(seed: Any) -> np.random.Generator:
    """Return the generator that a seed stands for; a generator stands for itself.

    Raises
    ------
    UsageError
        If the seed is neither a whole number, a generator nor None.
    """
    if isinstance(seed, np.random.Generator):
        return seed
    if seed is None or (isinstance(seed, int | np.integer) and seed >= 0):
        return np.random.default_rng(seed)
    raise UsageError(
        f"seed: found {excerpt(seed)}, expected a whole number of 0 or more, a Generator or None"
    )


# --- classes ------------------------------------------------------------------------------------


def check_arguments(cls: type, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Refuse arguments that a class does not take; the message lists the arguments of the class."""
    signature = constructor(cls)
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        accepted = ", ".join(signature.parameters)
        raise UsageError(f"{cls.__name__}: {error}; it takes {accepted}") from None


def constructor(cls: type) -> inspect.Signature:
    """Return the arguments of a class.

    The keywords that its ``__init__`` passes on to that of its base, as ``**options: Unpack[…]``,
    are listed by their names.
    """
    mro = cls.__mro__
    owner = next(position for position, base in enumerate(mro) if "__init__" in vars(base))
    signature = inspect.signature(mro[owner].__init__)  # type: ignore[misc]
    parameters = list(signature.parameters.values())[1:]
    if parameters and str(parameters[-1].annotation).startswith("Unpack["):
        del parameters[-1]
        names = {parameter.name for parameter in parameters}
        parameters += [
            parameter
            for name, parameter in constructor(mro[owner + 1]).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY and name not in names
        ]
    return signature.replace(parameters=parameters)


class Constructor:
    """The ``__signature__`` of a class, which help() and editors show: see `constructor`."""

    def __get__(self, instance: object, cls: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return constructor(cls)
