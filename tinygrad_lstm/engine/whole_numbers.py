"""Whole numbers that stay an argument of what is recorded: tokens, classes, masks, lengths.

Knows the tape's count of readings, and no Tensor. What is recorded does not depend on the numbers
as long as they are only looked up, row by row, or taken as an operand: then they stand on the tape
as 1 at each number and 0 elsewhere, or as they are. NumPy's functions of them, such as comparisons,
are computed anew for other numbers. Whoever asks what the numbers are, as a branch does, reads them
off the tape.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from .off_tape import note_reading

Move = Callable[[Any], Any]  # of leading axes, of an array or a Tensor
OF_FORM = frozenset({np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj})
METHODS = frozenset({
    "all", "any", "argmax", "argmin", "astype", "clip", "cumsum", "max", "mean", "min", "prod",
    "repeat", "round", "sum", "swapaxes", "take",
})  # fmt: skip


class Computed:
    """An array as a function of the arguments.

    Parameters
    ----------
    key : hashable
        Equal for equal functions.
    compute : (arguments) -> array
    """

    __slots__ = ("compute", "key")

    def __init__(self, key: Hashable, compute: Callable[[Sequence[Any]], Any]) -> None:
        self.key, self.compute = key, compute

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Computed) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @classmethod
    def of(cls, position: int) -> Computed:
        """Return an argument itself."""
        return cls(("argument", position), lambda args: args[position])

    @classmethod
    def by(cls, function: Callable[..., Any], operands: Any, options: Any) -> Computed:
        """Return a function of operands, some of which are whole numbers."""
        parts = _apart(operands), _apart(options)
        return cls(
            (function, _key(parts)),
            lambda args: function(*_filled(parts[0], args), **_filled(parts[1], args)),
        )


class Recorder:
    """What a recording does for the whole numbers among its arguments."""

    def put_on_tape(
        self, computed: Computed, array: np.ndarray, count: int | None, dtype: Any, name: str
    ) -> Any:
        """Return 1 at each number and 0 elsewhere along a new last axis, or the numbers."""
        raise NotImplementedError

    def require(self, condition: Computed) -> None:
        """Let the recording serve the arguments alone for which a condition holds everywhere."""
        raise NotImplementedError


class WholeNumbers(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of whole numbers, or of truth values, of which a recording knows the origin.

    Parameters
    ----------
    array : (...) of integers or truth values, or what NumPy computes of them
    recorder : Recorder
    computed : Computed
        What the array is of the arguments, before it was moved.
    name : str
    move : (array) -> array
        How its entries stand in those that the recording knows.
    moves : tuple
        The same as a key.
    base : (...)
        The array before it was moved.
    """

    __slots__ = ("_array", "_base", "_computed", "_move", "_moves", "_name", "_recorder")

    def __init__(
        self,
        array: np.ndarray,
        recorder: Recorder,
        computed: Computed,
        name: str,
        move: Move = lambda x: x,
        moves: tuple[Hashable, ...] = (),
        base: np.ndarray | None = None,
    ) -> None:
        self._array, self._recorder, self._computed, self._name = array, recorder, computed, name
        self._move, self._moves = move, moves
        self._base = array if base is None else base

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        note_reading()
        return np.array(self._array, dtype)

    def are_below(self, count: int) -> bool:
        """Return whether they are whole numbers from 0 to count - 1."""
        array = self._array
        return array.dtype.kind in "iu" and bool(np.all((array >= 0) & (array < count)))

    def one_hot(self, count: int, dtype: Any) -> Any:
        """Return 1 at each number and 0 elsewhere, along a new last axis, as a Tensor."""
        return self._on_tape(count, dtype, self._name)

    def tensor(self, dtype: Any, name: str = "") -> Any:
        """Return the numbers as a Tensor."""
        return self._on_tape(None, dtype, name or self._name)

    def _on_tape(self, count: int | None, dtype: Any, name: str) -> Any:
        whole = self._recorder.put_on_tape(self._computed, self._base, count, dtype, name)
        return self._move(whole)

    def computed(self) -> Computed:
        """Return what the array is of the arguments."""
        if not self._moves:
            return self._computed
        before, move = self._computed.compute, self._move
        return Computed(("moved", self._moves, self._computed.key), lambda args: move(before(args)))

    def require(self) -> bool:
        """Return whether they are true everywhere, as those of all further calls have to be."""
        holds = bool(np.all(self._array))
        if holds:
            self._recorder.require(self.computed())
        else:
            note_reading()
        return holds

    def _moved(self, key: Hashable, move: Move) -> WholeNumbers:
        before, own = self._move, np.asarray(move(self._array))
        return WholeNumbers(
            own, self._recorder, self._computed, self._name, lambda x: move(before(x)),
            (*self._moves, key), self._base,
        )  # fmt: skip

    # --- as an array -----------------------------------------------------------------------------

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """As of an array."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """As of an array."""
        return self._array.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of an array."""
        return self._array.dtype

    @property
    def T(self) -> WholeNumbers:
        """The axes in reverse order."""
        axes = (*range(self.ndim),)[::-1]
        return self._moved("T", lambda x: x.transpose((*axes, *range(len(axes), x.ndim))))

    def reshape(self, *shape: Any) -> WholeNumbers:
        """As of an array."""
        own = self._array.reshape(*shape).shape
        lead = self.ndim
        key = "reshape", own, lead
        return self._moved(key, lambda x: x.reshape((*own, *x.shape[lead:])))

    def ravel(self) -> WholeNumbers:
        """As of an array."""
        return self.reshape(-1)

    flatten = ravel

    def copy(self) -> WholeNumbers:
        """As of an array."""
        return self

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        plain = (int, np.integer, slice, type(None), type(...))
        if any(isinstance(x, bool) or not isinstance(x, plain) for x in parts):
            return self._applied(operator.getitem, (self, index), {})
        self._array[index]  # which says what does not fit
        if Ellipsis not in parts:
            whole = int(index) if isinstance(index, np.integer) else index
            return self._moved(("index", _key(whole)), lambda x: x[whole])
        lead = self.ndim
        return self._moved(
            ("index", _key(index), lead), lambda x: x[(*parts, *(slice(None),) * (x.ndim - lead))]
        )

    # --- whatever else ---------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if any(hasattr(x, "__interpret__") for x in inputs):
            return NotImplemented  # a Tensor takes them as an operand
        return self._applied(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if any(hasattr(kind, "__interpret__") for kind in types):
            return NotImplemented
        return self._applied(function, args, options)

    def _applied(self, function: Callable[..., Any], operands: Any, options: Any) -> Any:
        """Return a function of the numbers, which stays one if the result is an array."""
        own, named = _apart(operands), _apart(options)
        if own is UNKNOWN or named is UNKNOWN:
            note_reading()
            return function(*_plain(operands), **_plain(options))
        value = function(*_plain(operands), **_plain(options))
        if function in OF_FORM:
            return value
        if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "iubf":
            note_reading()
            return value
        computed = Computed.by(function, operands, options)
        return WholeNumbers(np.asarray(value), self._recorder, computed, self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # which NumPy looks for before it asks for the array
            raise AttributeError(name)
        if name in METHODS:
            method = getattr(np.ndarray, name)
            return lambda *args, **options: self._applied(method, (self, *args), options)
        return getattr(np.asarray(self), name)

    def __int__(self) -> int:
        return int(np.asarray(self))

    def __index__(self) -> int:
        return np.asarray(self).__index__()

    def __float__(self) -> float:
        return float(np.asarray(self))

    def __bool__(self) -> bool:
        return bool(np.asarray(self))

    def __repr__(self) -> str:
        return repr(np.asarray(self))


UNKNOWN: Any = object()  # in place of operands that have no key


def _apart(value: Any) -> Any:
    """Return operands with what they are of the arguments, and copies of arrays; or UNKNOWN."""
    if type(value) is WholeNumbers:
        return value.computed()
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, tuple | list):
        parts = [_apart(x) for x in value]
        return UNKNOWN if any(x is UNKNOWN for x in parts) else type(value)(parts)
    if isinstance(value, dict):
        own = {name: _apart(x) for name, x in value.items()}
        return UNKNOWN if any(x is UNKNOWN for x in own.values()) else own
    is_known = value is None or isinstance(value, KNOWN) or callable(value)
    return value if is_known else UNKNOWN


KNOWN = (bool, int, float, str, np.generic, np.dtype, slice, type(...))


def _filled(value: Any, args: Sequence[Any]) -> Any:
    """Return operands for some arguments."""
    if isinstance(value, Computed):
        return value.compute(args)
    if isinstance(value, tuple | list):
        return type(value)([_filled(x, args) for x in value])
    if isinstance(value, dict):
        return {name: _filled(x, args) for name, x in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Return operands with the numbers as they are now."""
    if type(value) is WholeNumbers:
        return value._array
    if isinstance(value, tuple | list):
        return type(value)([_plain(x) for x in value])
    if isinstance(value, dict):
        return {name: _plain(x) for name, x in value.items()}
    return value


def _key(value: Any) -> Hashable:
    """Return a key of operands."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple | list):
        return (type(value), *map(_key, value))
    if isinstance(value, dict):
        return (dict, *((name, _key(x)) for name, x in sorted(value.items())))
    if isinstance(value, slice):
        return (slice, *map(_key, (value.start, value.stop, value.step)))
    if isinstance(value, Computed) or callable(value):
        return value  # type: ignore[no-any-return]
    return type(value), repr(value)


def hold(condition: Any) -> bool:
    """Return whether truth values hold everywhere.

    Of whole numbers that stay an argument, a recording then serves those alone for which they do.
    """
    return condition.require() if type(condition) is WholeNumbers else bool(np.all(condition))


def stays(value: Any) -> bool:
    """Return whether a value is an array that stays an argument of what is recorded."""
    return type(value) is WholeNumbers


def stay_argument(value: Any, count: int) -> bool:
    """Return whether a value is whole numbers from 0 to count - 1 that stay an argument."""
    return type(value) is WholeNumbers and value.are_below(count)


def take_rows(table: Any, index: WholeNumbers) -> Any:
    """Return the rows of a table that whole numbers name, as a product with 0 and 1."""
    count, *entry = table.shape
    rows = index.one_hot(count, table.dtype)
    if len(entry) < 2:
        return rows @ table
    return (rows @ table.reshape((count, -1))).reshape((*index.shape, *entry))
