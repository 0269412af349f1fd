"""The derivation's program in NumPy as a function of arrays that gives a loss on the tape.

Knows the fast program of a derivation, and the tape; no compiler. It runs where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine.tensor import Tensor, constant, written
from ..formulas.derived import Derived
from ..formulas.fast.program import fast_arguments, fast_program
from ..formulas.program import from_outside
from .native import COMPILED


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
        self.names = [x.full_name for x in derived.sources if x.requires_grad]
        self.wanted = [places[name] for name in self.names]

    def run(self, args: Sequence[Any], is_recording: bool) -> Tensor:
        """Run the program, and return the loss."""
        leaves = {name: args[x] if isinstance(x, int) else x for name, x in self.places.items()}
        arrays = {name: getattr(x, "_array", x) for name, x in leaves.items()}
        with np.errstate(all="ignore"):
            loss, signals = self.forward(**arrays)
            value = np.array(loss)
            if not is_recording:
                return constant(value)
            gradients = self.backward(**signals)
        operands = tuple(args[x] if isinstance(x, int) else x for x in self.wanted)

        def taken() -> list[np.ndarray]:
            """Return copies of the gradients: whoever gets one may change it."""
            return [
                np.broadcast_to(gradients[name], x.shape).astype(x.dtype)
                for name, x in zip(self.names, operands, strict=True)
            ]

        return written(COMPILED, value, operands, {"gradients": taken}, bool(operands))
