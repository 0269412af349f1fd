"""Reading: the shape, the numbers, the name and the text of a Tensor.

Knows the array and the place of a Tensor; not how a Tensor is made or recorded.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from ..errors import ArgumentError, DetachError, ShapeError, UsageError
from .off_tape import note_reading
from .other_names import TENSOR, refuse
from .place import Place
from .primitive import Primitive


class Reading:
    """The parts of a Tensor that a program reads, and no gradient passes through."""

    __slots__ = ()

    _array: np.ndarray
    name: str | None
    place: Place
    primitive: Primitive | None
    inputs: tuple[Any, ...]
    requires_grad: bool
    serial: int

    shape = property(attrgetter("_array.shape"), doc="The sizes of the axes.")
    dtype = property(attrgetter("_array.dtype"), doc="The floating point type.")
    ndim = property(attrgetter("_array.ndim"), doc="The number of axes.")
    size = property(attrgetter("_array.size"), doc="The number of entries.")

    def numpy(self) -> np.ndarray:
        """Return a copy of the numbers."""
        note_reading()
        return self._array.copy()

    def item(self) -> float:
        """Return the number in a Tensor of one entry."""
        if self.size != 1:
            raise ShapeError(
                f"item: {self.label()} holds {self.size} numbers of shape {self.shape}, not one"
            )
        note_reading()
        number: float = self._array.item()
        return number

    def tolist(self) -> Any:
        """Return the numbers as nested lists."""
        note_reading()
        return self._array.tolist()

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in TENSOR]

    # --- its name and its text -------------------------------------------------------------------

    def label(self) -> str:
        """Return the name in messages: the scopes and the name, or the primitive."""
        name = self.name or (self.primitive.name if self.primitive else "a leaf")
        path, _, step = self.place.path().partition("[")
        step = f"[{step}" if step else ""
        return f"{path}.{name}{step}" if path else f"{name}{step}"

    def __repr__(self) -> str:
        numbers = np.array2string(self._array, separator=", ", prefix="Tensor(")
        facts = [f"name={str(self.name)!r}"] if self.name else []
        facts += [f"dtype={self.dtype}"] if self.dtype != np.float64 else []
        facts += [f"from {self.primitive.name}"] if self.primitive else []
        facts += ["requires_grad=True"] if self.requires_grad and not self.primitive else []
        return f"Tensor({', '.join([numbers, *facts])})"

    def __format__(self, spec: str) -> str:
        return format(self._array.item() if self.ndim == 0 else self._array, spec)

    # --- as a sequence, a truth value, a Python number -------------------------------------------

    def __len__(self) -> int:
        if self.ndim == 0:
            raise UsageError(f"{self.label()} is a single number and has no length")
        return len(self._array)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ArgumentError(
                f"the truth of {self.label()}, of shape {self.shape}, is ambiguous; "
                "compare it and use .all() or .any()"
            )
        note_reading()
        return bool(self._array)

    def __float__(self) -> float:
        if self.requires_grad:
            raise self._refusal("float")
        return float(self.item())

    def __int__(self) -> int:
        if self.requires_grad:
            raise self._refusal("int")
        return int(self.item())

    def _refusal(self, action: str, remedy: str = "") -> DetachError:
        """Return the error for an action that computes without the tape."""
        return DetachError(
            f"{action} is not differentiable here and would leave the tape at {self.label()}; "
            f"{remedy}if that is meant, write .detach().numpy(), or .item() for a single number"
        )


refuse(Reading, TENSOR)
