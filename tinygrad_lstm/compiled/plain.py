"""The derivation's program in NumPy as a function of arrays that gives a loss on the tape.

Knows the fast program of a derivation, and the tape; no compiler. It runs where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, constant
from ..formulas.derived import Derived
from ..formulas.fast.program import fast_arguments, fast_program
from ..formulas.program import from_outside
from .loss import loss_on_tape
from .spread import Spread


class Plain:
    """A program in NumPy that is ready to run.

    Parameters
    ----------
    derived : Derived
        With packed signals together.
    places : mapping of str to int or Tensor
        For each source, by its full name, the position of its argument, or its leaf.

    Raises
    ------
    UsageError
        If an operation has no form in NumPy; the message names the operation.
    """

    def __init__(self, derived: Derived, places: Mapping[str, Any]) -> None:
        self.source = fast_program(derived)
        program: dict[str, Any] = {}
        exec(self.source, program)  # whose names and numbers are this package's
        self.forward, self.backward = program["forward"], program["backward"]
        names = [*from_outside(derived)]
        self.places = dict(zip(fast_arguments(derived), map(places.__getitem__, names)))
        self.sources = [*self.places.values()]
        self.names = {
            x.full_name: (np.shape(x.value), x.value.dtype)
            for x in derived.sources
            if x.requires_grad
        }
        self.wanted = [places[name] for name in self.names]

    def run(self, args: Sequence[Any], is_recording: bool) -> Tensor:
        """Run the program, and return the loss."""
        if not is_recording:
            return constant(np.array(self._forward(args)[0]))
        loss, gradients = self.compute(args)
        operands = tuple(args[x] if isinstance(x, int) else x for x in self.wanted)

        def taken(ct: Any) -> list[np.ndarray]:
            """Return copies of the gradients: whoever gets one may change it."""
            return [x * x.dtype.type(ct) for x in gradients]

        return loss_on_tape(loss, operands, taken)

    def compute(self, args: Sequence[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the loss and the gradients."""
        loss, signals = self._forward(args)
        with np.errstate(all="ignore"):
            gradients = self.backward(**signals)
        return np.array(loss), [
            np.broadcast_to(gradients[name], shape).astype(dtype)
            for name, (shape, dtype) in self.names.items()
        ]

    def _forward(self, args: Sequence[Any]) -> Any:
        """Run the forward pass; what is not given is not read."""
        arrays: dict[str, Any] = {}
        for name, x in self.places.items():
            if isinstance(x, Spread):
                arrays[name] = x.array(x.of(args))
                continue
            leaf = (args[x] if x < len(args) else None) if isinstance(x, int) else x
            arrays[name] = getattr(leaf, "_array", leaf)
        with np.errstate(all="ignore"):
            return self.forward(**arrays)
