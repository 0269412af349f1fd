"""The outputs of a function that gives no loss: their values from a program, gradients if asked.

Knows programs, recordings and the tape; not how a program was made. Whoever predicts pays for no
backward pass. For a gradient the function is recorded again, as the eager tape records it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..engine.differentiate import grad
from ..engine.tensor import Tensor, constant
from .loss import on_tape
from .native import Native
from .plain import Plain
from .recording import Output, Recording
from .structure import put_together


class Outputs:
    """A program of which the gradients by seeds are the outputs of a function.

    Parameters
    ----------
    program : Native or Plain
    record : (items) -> Recording
    first : Recording
        Which says how outputs stand in what the function returns.
    operands : sequence of int or Tensor
        What the outputs have a gradient by: the position of an item, or a leaf.
    """

    def __init__(
        self,
        program: Native | Plain,
        record: Callable[[Sequence[Any]], Recording],
        first: Recording,
        operands: Sequence[int | Tensor],
    ) -> None:
        self.program, self.record, self.operands = program, record, operands
        self.source, self.sources = program.source, program.sources
        self.structure, self.items = first.result
        self.names = [y.name for y in first.outputs]
        self.shapes = [y.shape for y in first.outputs]
        count = min((x for x in program.wanted if isinstance(x, int)), default=0)
        self.order = [x - count for x in program.wanted]
        self.ends = [*accumulate(y.size for y in first.outputs)]

    def run(self, args: Sequence[Any], is_recording: bool) -> Any:
        """Run the program, and return what the function returns."""
        _, values = self.program.compute(args)
        arrays = [values[n] for n in np.argsort(self.order)]
        if is_recording and self.operands:
            outputs = self._on_tape(args, arrays)
        else:
            outputs = [*map(constant, arrays)]
        for output, name in zip(outputs, self.names, strict=True):
            output.name = name
        own = (outputs[x.position] if isinstance(x, Output) else x for x in self.items)
        return put_together(self.structure, own)

    def _on_tape(self, args: Sequence[Any], arrays: list[np.ndarray]) -> list[Tensor]:
        """Return outputs as parts of one entry of the tape, which gives their gradients at once."""
        args = [np.array(x) if isinstance(x, np.ndarray) else x for x in args]  # as they are now
        operands = tuple([args[x] if isinstance(x, int) else x for x in self.operands])

        def gradients(ct: np.ndarray) -> list[np.ndarray]:
            recording = self.record(args)
            own = [recording.inputs[x] if isinstance(x, int) else x for x in self.operands]
            cts = [part.reshape(y) for part, y in zip(self._parts(ct), self.shapes, strict=True)]
            found = grad(recording.outputs, own, cts, allow_unused=True)
            return [
                np.zeros(x.shape, x.dtype) if δ is None else np.array(δ._array)
                for x, δ in zip(own, found, strict=True)
            ]

        flat = np.concatenate([x.ravel() for x in arrays])
        whole = on_tape(flat, operands, gradients)
        return [
            part.reshape(shape) for part, shape in zip(self._parts(whole), self.shapes, strict=True)
        ]

    def _parts(self, whole: Any) -> list[Any]:
        starts = [0, *self.ends]
        return [whole[a:b] for a, b in zip(starts, self.ends, strict=False)]
