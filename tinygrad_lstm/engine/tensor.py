"""Tensor: an array that remembers how it was computed.

Knows the table, the places and the tape; no layers, no graph. A Tensor is its own entry on the
tape: it holds the primitive, the inputs and the parameters it came from and nothing that points
forward, so that a computation nobody holds any more is freed at once.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x + 2 * x
    >>> y.backward()
    >>> y.item(), x.grad
    (15.0, array(8.))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, ShapeError, TinygradError, UsageError
from . import primitives as p
from .arguments import flag as checked_flag
from .arguments import joined
from .arguments import operand as checked_operand
from .arrays import Frozen, as_floats, beside, plain
from .forms import complaint, entries, is_basic
from .gradients import Gradients, masks
from .methods import Methods
from .numpy_protocol import NumPyProtocol
from .off_tape import note_reading
from .place import Place, checked_name, here
from .primitive import Primitive
from .tape import last_replacement
from .whole_numbers import WholeNumbers, take_rows

_serials = count()
_where_am_i = here.get
_ndarray = np.ndarray
_NO_PARAMETERS: dict[str, Any] = {}
_LISTS = frozenset([list, tuple])

_Method = Callable[["Tensor", Any], "Tensor"]


def _operator(primitive: Primitive) -> tuple[_Method, _Method]:
    """Return the methods of an operator and of its reflection: as `record`, but faster."""
    forward = primitive.forward

    def method(self: Tensor, other: Any) -> Tensor:
        if type(other) is Tensor:
            try:
                data = forward(self._array, other._array)
            except ValueError:
                pass  # `record` says what does not fit
            else:
                requires_grad = self.requires_grad or other.requires_grad
                return written(primitive, data, (self, other), _NO_PARAMETERS, requires_grad)
        elif type(other) is float:
            return method(self, _weak(other, self))
        return record(primitive, (self, other))

    def reflected(self: Tensor, other: Any) -> Tensor:
        return record(primitive, (other, self))

    return method, reflected


def _comparison(compare: np.ufunc, is_equality: bool = False) -> Any:
    """Return the method behind a comparison, which gives truth values.

    Beside what is no number, such as None or text, Python itself says whether both are equal.
    """

    def method(self: Tensor, other: Any) -> Any:
        note_reading()
        try:
            if type(other) is not float and not isinstance(other, Tensor):
                other = checked_operand(compare.__name__, other)
            return compare(self._array, plain(other))
        except TinygradError:
            if is_equality:
                return NotImplemented
            raise
        except ValueError as error:
            raise complaint(error, compare.__name__, (self, other), None) from None

    return method


class Tensor(Gradients, NumPyProtocol, Methods):
    """An array on the tape.

    Parameters
    ----------
    data : array_like
        Copied. Floating point is kept as it is (float32 stays float32); Python numbers and lists of
        them become float64.
    requires_grad : bool
        Whether ``backward`` leaves a gradient in ``.grad``.
    name : str, optional
        What the signal is called in pictures, comparisons and error messages.
    dtype : float type, optional
        Convert the data to this.

    Attributes
    ----------
    grad : ndarray of the Tensor's shape, or None
    primitive, inputs, parameters
        What this Tensor was computed by and from; ``None``, ``()`` and ``None`` for a leaf.

    Raises
    ------
    DTypeError
        If the data are not real floating point numbers; the message says how to convert them.
    DetachError
        If the data are Tensors already.
    UsageError
        If a keyword is unknown.
    """

    __interpret__: ClassVar[Callable[..., Tensor]]  # `record`, below
    __slots__ = (
        "_array", "primitive", "inputs", "parameters", "serial", "place",
        "name", "requires_grad", "_mask", "__weakref__",
    )  # fmt: skip

    primitive: Primitive | None
    inputs: tuple[Tensor, ...]
    parameters: dict[str, Any] | None
    name: str | None
    _mask: Any  # of leaves that have one

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise UsageError(
                f"Tensor has no parameter {next(iter(unknown))!r}; "
                "it takes data, requires_grad, name and dtype"
            )
        if name is not None:
            name = checked_name(name)
        self._array = as_floats(data, dtype, name)
        self.primitive = self.parameters = self._grad = None
        self.inputs = ()
        self.serial = next(_serials)
        self.place = _where_am_i()
        self.name = name
        if type(requires_grad) is not bool:
            requires_grad = checked_flag("requires_grad", requires_grad)
        self.requires_grad = requires_grad

    # --- the array -------------------------------------------------------------------------------

    @property
    def data(self) -> np.ndarray:
        """The numbers, read-only. Assign to it to replace a leaf's numbers."""
        note_reading()
        view = self._array.view(Frozen)
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, value: Any) -> None:
        if self.inputs:
            raise UsageError(f"{self.label()} was computed; only a leaf's data can be replaced")
        new = as_floats(value, self.dtype, self.label())
        if new.shape != self.shape:
            raise ShapeError(
                f"{self.label()}: found data of shape {new.shape}, expected {self.shape}"
            )
        self._array = new if self.mask is None else self._masked(new)
        self.serial = last_replacement.serial = next(_serials)  # younger now than whatever used it

    def hold(self, array: np.ndarray) -> None:
        """Replace a leaf's numbers by an array that fits, without copying it."""
        if type(self) is not Tensor:  # whose own data may do more
            self.data = array
            return
        self._array = array if self.mask is None else self._masked(array)
        self.serial = last_replacement.serial = next(_serials)

    @property
    def mask(self) -> np.ndarray | None:
        """Which entries of a leaf can change: True for those that can; None if all can.

        The other entries keep their numbers whatever is written into ``data``, and ``backward``
        leaves 0 for them in ``.grad``.
        """
        mask: np.ndarray | None = getattr(self, "_mask", None)
        return mask

    @mask.setter
    def mask(self, mask: Any) -> None:
        if self.inputs:
            raise UsageError(f"{self.label()} was computed; only a leaf can have a mask")
        if mask is None:
            self._mask = None
            return
        array = np.array(checked_operand("mask", mask))
        if array.shape != self.shape:
            raise ShapeError(
                f"{self.label()}: found a mask of shape {array.shape}, expected {self.shape}"
            )
        if array.dtype != bool and not np.isin(array, (0, 1)).all():
            raise ArgumentError(f"{self.label()}: found a mask of other numbers than 0 and 1")
        masks.are_used = True
        self._mask = array.astype(bool)
        self._mask.flags.writeable = False

    def _masked(self, new: np.ndarray) -> np.ndarray:
        """Return new numbers with the present ones where they cannot change, in place."""
        if new is not self._array:
            new = new if new.flags.writeable else new.copy()
            np.copyto(new, self._array, where=~self._mask)
        return new

    def detach(self) -> Tensor:
        """Return the same numbers as a constant, off the tape."""
        note_reading()
        return constant(self._array)

    def astype(self, dtype: Any) -> Tensor:
        """Return the numbers in another floating point type, on the tape."""
        return record(p.astype, (self,), {"dtype": dtype})

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle a leaf; the copy is a signal of its own."""
        if self.inputs:
            raise UsageError(
                f"{self.label()} was computed, and a copy would leave the tape: "
                "copy or pickle its .detach()"
            )
        fields = (self._array, self.requires_grad, self.name, self.place, self._grad, self.mask)
        state: Any = object.__getstate__(self)  # of a subclass: its attributes and its slots
        known = {*Tensor.__slots__, *Gradients.__slots__}
        slots = {slot: value for slot, value in state[1].items() if slot not in known}
        return _copied, (type(self), *fields), (state[0], slots) if state[0] or slots else None

    # --- operators -------------------------------------------------------------------------------
    # fmt: off

    __add__, __radd__ = _operator(p.add)
    __sub__, __rsub__ = _operator(p.subtract)
    __mul__, __rmul__ = _operator(p.hadamard)
    __truediv__, __rtruediv__ = _operator(p.divide)
    __matmul__, __rmatmul__ = _operator(p.matmul)
    __pow__, __rpow__ = _operator(p.power)
    __mod__, __rmod__ = _operator(p.remainder)

    def __floordiv__(self, other: Any) -> Tensor: return record(p.floor, (self / other,))
    def __rfloordiv__(self, other: Any) -> Tensor: return record(p.floor, (other / self,))

    def __neg__(self) -> Tensor: return record(p.negative, (self,))
    def __pos__(self) -> Tensor: return self
    def __abs__(self) -> Tensor: return record(p.abs, (self,))

    # comparisons give boolean arrays; dictionaries and sets compare Tensors by identity
    __gt__, __ge__ = _comparison(np.greater), _comparison(np.greater_equal)
    __lt__, __le__ = _comparison(np.less), _comparison(np.less_equal)
    __eq__, __ne__ = _comparison(np.equal, True), _comparison(np.not_equal, True)
    __hash__ = object.__hash__

    # fmt: on

    def __getitem__(self, index: Any) -> Tensor:
        taking: Any
        if type(index) is int:
            taking = {"index": index}
        else:
            taking = _taken.get(id(index))
            if taking is None:  # not taken before
                if not is_basic(index):
                    return self._part(index)
                taking = _remember(index)
        try:
            data = self._array[index]
        except (IndexError, ValueError):
            return record(p.getitem, (self,), taking)  # which says what does not fit
        return written(p.getitem, data, (self,), taking, self.requires_grad)

    def _part(self, index: Any) -> Tensor:
        """Return a part by an index that can be changed, or that may name an entry twice."""
        if type(index) is WholeNumbers and self.ndim and index.are_below(len(self)):
            rows: Tensor = take_rows(self, index)
            return rows
        primitive = p.getitem
        try:
            settled = entries(index, self._array)
            if not is_basic(settled):
                primitive = p.gather
            data = self._array[settled]
        except (ValueError, TypeError, IndexError) as error:
            raise complaint(error, primitive.name, (self,), {"index": index}) from None
        return written(primitive, data, (self,), {"index": settled}, self.requires_grad)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise UsageError(
            f"{self.label()}: entries of a Tensor cannot be assigned; "
            "build a new one with where, stack or concatenate, or replace a leaf's .data"
        )

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self)))


# --- recording ----------------------------------------------------------------------------------


def record(
    primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any] | None = None
) -> Tensor:
    """Compute an operation, and record it on the tape."""
    requires_grad = False
    for operand in operands:
        if type(operand) is not Tensor and not isinstance(operand, Tensor):
            return record(primitive, _as_tensors(primitive, operands), parameters)
        if operand.requires_grad:
            requires_grad = primitive.is_differentiable
    asked = parameters
    try:
        if parameters:
            parameters = primitive.settled(parameters, operands[0]._array)
            data = primitive.forward(*[x._array for x in operands], **parameters)
        elif len(operands) == 1:
            data = primitive.forward(operand._array)
        else:
            data = primitive.forward(*[x._array for x in operands])
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise complaint(error, primitive.name, operands, asked) from None
    return written(primitive, data, operands, parameters or _NO_PARAMETERS, requires_grad)


def written(
    primitive: Primitive,
    data: Any,
    operands: tuple[Tensor, ...],
    parameters: dict[str, Any],
    requires_grad: bool,
) -> Tensor:
    """Return the entry on the tape: the one place where operations make Tensors."""
    result = _new(Tensor)
    result._array = data if type(data) is _ndarray else np.asarray(data)
    result.place = place = _where_am_i()
    result.name = result._grad = None
    result.serial = next(_serials)
    recording = place.recording
    if recording:
        result.primitive = primitive
        result.inputs = operands
        result.parameters = parameters
        result.requires_grad = requires_grad
        if recording is not True:
            recording.note(result)
    else:
        result.primitive = result.parameters = None
        result.inputs = ()
        result.requires_grad = False
    return result


Tensor.__interpret__ = staticmethod(record)
_new = Tensor.__new__


def _copied(
    kind: type[Tensor],
    data: np.ndarray,
    requires_grad: bool,
    name: str | None,
    place: Place,
    grad: Any,
    mask: Any = None,
) -> Tensor:
    """Return a copy of a leaf from its fields."""
    result = constant(np.array(data), name, kind)
    result.place, result.requires_grad = place, requires_grad
    result._grad = None if grad is None else np.array(grad)
    if mask is not None:
        masks.are_used = True
        result._mask = np.array(mask)
    return result


# The parameters of an index, which are shared when the index is used again: a loop takes the same
# few slices at every step, and sharing saves a fifth of the memory of its tape.
_taken: dict[int, dict[str, Any]] = {}  # by the id of the index, which is held and so keeps it


def _remember(index: Any) -> dict[str, Any]:
    if len(_taken) >= 4096:
        _taken.clear()
    _taken[id(index)] = taking = {"index": index}
    return taking


def constant(array: np.ndarray, name: str | None = None, kind: type[Tensor] = Tensor) -> Tensor:
    """Return an array as a leaf that requires no gradient, without copying it."""
    result = _new(kind)
    result._array = array
    result.primitive = result.parameters = result._grad = None
    result.inputs = ()
    result.serial = next(_serials)
    result.place = _where_am_i()
    result.name = name
    result.requires_grad = False
    return result


# --- operands -----------------------------------------------------------------------------------


def _as_tensors(primitive: Primitive, operands: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Return the operands of an operation with plain numbers and arrays made constants (copied).

    Python numbers and integer arrays take the dtype of the Tensors beside them, as weak scalars do.
    """
    tensors = [operand for operand in operands if isinstance(operand, Tensor)]
    rules = primitive.rules
    if rules and rules[0] is None and len(tensors) > 1 and tensors[0] is operands[0]:
        del tensors[0]  # a condition has no say in the type of what is chosen
    constants = []
    for position, operand in enumerate(operands):
        if type(operand) in _LISTS:
            operand = joined(operand)
        if type(operand) is float:
            operand = _weak(operand, tensors[0])
        elif type(operand) is WholeNumbers:
            operand = operand.tensor(tensors[0].dtype)
        elif not isinstance(operand, Tensor):
            is_condition = bool(rules) and rules[position] is None
            operand = constant(beside(tensors, primitive.name, operand, is_condition))
        constants.append(operand)
    return tuple(constants)


def _weak(number: float, beside: Tensor) -> Tensor:
    """Return a number as a constant of the dtype of the Tensor beside it."""
    return constant(np.array(number, beside._array.dtype))
