"""A program in C as a function of arrays that gives a loss on the tape.

Knows the program, and the tape; nothing of how either was made. What a call needs is prepared once:
the arrays of the program, their addresses, and where each source comes from.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, constant
from .build import load, numpys_products
from .c_text import CProgram
from .loss import loss_on_tape
from .spread import Spread


def _by_interface(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _by_layout(array: np.ndarray) -> int | None:
    """Return the address that stands behind the head of the object, as NumPy's ABI says."""
    return _pointer_at(id(array) + _HEAD).value


_HEAD, _pointer_at = object.__basicsize__, ctypes.c_void_p.from_address
_sample = np.empty(3)
_address = _by_layout if _by_layout(_sample) == _by_interface(_sample) else _by_interface


class Native:
    """A program that is ready to run.

    Parameters
    ----------
    program : CProgram
    places : mapping of str to int, Spread or Tensor
        For each source, by its full name, the position of its argument, or its leaf.

    Raises
    ------
    CompilerError
        If no compiler works; the message says what the compiler said.
    """

    def __init__(self, program: CProgram, places: Mapping[str, Any]) -> None:
        self.source = program.text
        self.sources = sources = [places[buffer.source] for buffer in program.sources]
        self.dtype = dtype = program.dtype
        self.function, library = load(program.text), numpys_products(dtype)
        self.products_at = ctypes.addressof(library)
        self.arrays: list[Any] = [None] * len(sources)  # that the pointers belong to
        self.pointers = (ctypes.c_void_p * max(1, len(sources)))()
        self.sizes = (ctypes.c_long * max(1, len(program.sizes)))(*program.sizes)
        self.pointers_at = ctypes.addressof(self.pointers)
        self.sizes_at = ctypes.addressof(self.sizes)
        self.work = np.empty(program.work, dtype)
        self.work_at, self.loss = _address(self.work), self.work[:1].reshape(())
        self.inputs = [(n, x) for n, x in enumerate(sources) if isinstance(x, int)]
        self.spread = [(n, x) for n, x in enumerate(sources) if isinstance(x, Spread)]
        self.leaves = [(n, x) for n, x in enumerate(sources) if isinstance(x, Tensor)]
        for n, _ in self.spread:
            self._point(n, np.empty(program.sources[n].shape, dtype))
        self.wanted = [places[buffer.source] for buffer, _ in program.gradients]
        self.are_leaves = not any(isinstance(x, int) for x in self.wanted)
        self.operands = tuple(self.wanted)
        self.results = program.results
        self.parts = np.dtype({
            "names": [f"{n}" for n in range(len(self.wanted))],
            "formats": [(dtype, buffer.shape) for buffer, _ in program.gradients],
            "offsets": [at * dtype.itemsize for _, at in program.gradients],
            "itemsize": self.results * dtype.itemsize,
        })  # fmt: skip
        names = self.parts.names or ()
        self.take = itemgetter(*names) if len(names) > 1 else None  # which gives no tuple of one

    def run(self, args: Sequence[Any], is_recording: bool) -> Tensor:
        """Run the program, and return the loss."""
        if not is_recording:
            self._point_to(args)
            self.function(self.pointers_at, None, self.work_at, self.sizes_at, self.products_at)
            return constant(self.loss.copy())
        gradients = self._gradients(args)
        operands = self.operands
        if not self.are_leaves:
            operands = tuple([args[x] if type(x) is int else x for x in self.wanted])

        def taken(ct: Any) -> list[np.ndarray]:
            """Return copies of the gradients: whoever gets one may change it."""
            return self._split(gradients.copy() if ct == 1 else gradients * self.dtype.type(ct))

        return loss_on_tape(self.loss.copy(), operands, taken)

    def compute(self, args: Sequence[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the loss and the gradients."""
        gradients = self._gradients(args)
        return self.loss.copy(), self._split(gradients)

    def _gradients(self, args: Sequence[Any]) -> np.ndarray:
        """Run the whole program, and return all gradients in one array."""
        self._point_to(args)
        gradients = np.empty(self.results, self.dtype)
        address = _address(gradients)
        self.function(self.pointers_at, address, self.work_at, self.sizes_at, self.products_at)
        return gradients

    def _split(self, gradients: np.ndarray) -> list[np.ndarray]:
        """Return the gradients that stand in one array."""
        record = np.ndarray((), self.parts, gradients)
        return (
            [*self.take(record)] if self.take else [record[name] for name in self.parts.names or ()]
        )

    def _point_to(self, args: Sequence[Any]) -> None:
        """Let all pointers point to what a call reads."""
        arrays = self.arrays
        for n, leaf in self.leaves:
            if leaf._array is not arrays[n]:
                self._point(n, leaf._array)
        for n, spread in self.spread:
            spread.array(spread.of(args), arrays[n])
        for n, position in self.inputs:
            value = args[position]
            array = value._array if isinstance(value, Tensor) else value
            if array is not arrays[n]:
                self._point(n, array)

    def _point(self, n: int, array: np.ndarray) -> None:
        """Let a pointer point to an array; an array that the program cannot read is copied."""
        flags = array.flags
        if array.dtype != self.dtype or not (flags.c_contiguous and flags.aligned):
            array = np.array(array, self.dtype, order="C")
        self.arrays[n], self.pointers[n] = array, _address(array)
